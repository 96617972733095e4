package model

import (
	"fmt"
	"slices"
	"strconv"

	"redoubt/assess/expression"
)

// Bounds that keep the time of a computation finite.
const (
	maxProfiles       = 100_000
	maxAuthorisations = 10_000
	maxRequests       = 10_000
	maxLevel          = 1_000_000
)

func (x *Access) check(path string, c *Checker) {
	if x == nil {
		return
	}
	x.Adept.check(path+".adept50", c)
	x.Hartson.check(path+".hartson", c)
}

// LevelOf is the level that a profile names: by its name, or by its number.
func (x *Adept) LevelOf(authority string) (int, error) {
	if i := slices.Index(x.Levels, authority); i >= 0 {
		return i, nil
	}
	most := maxLevel
	if len(x.Levels) > 0 {
		most = len(x.Levels) - 1
	}
	n, err := strconv.Atoi(authority)
	switch {
	case err != nil && len(x.Levels) > 0:
		return 0, fmt.Errorf("%q is none of the levels %q and no number", authority, x.Levels)
	case err != nil:
		return 0, fmt.Errorf("%q is no number, and there is no list of levels with names", authority)
	case n < 0 || n > most:
		return 0, fmt.Errorf("level %d is not between 0 and %d", n, most)
	}
	return n, nil
}

func (x *Adept) check(path string, c *Checker) {
	if x == nil {
		return
	}
	c.OneOf(path+".mode", x.Mode, "strict", "request")
	seen := map[string]bool{}
	for i, l := range x.Levels {
		if _, err := strconv.Atoi(l); l == "" || err == nil {
			c.Bad(Item(path+".levels", i), "%q is no name: names of levels are not empty and not numbers", l)
		}
		if seen[l] {
			c.Bad(Item(path+".levels", i), "%q is a level twice", l)
		}
		seen[l] = true
	}
	lists := map[string]map[string]bool{}
	for _, list := range []struct {
		field    string
		profiles []AdeptProfile
	}{{"users", x.Users}, {"terminals", x.Terminals}, {"files", x.Files}} {
		at := path + "." + list.field
		if !few(c, at, len(list.profiles), maxProfiles) {
			return
		}
		names := collect(list.profiles, func(p AdeptProfile) string { return p.Name })
		c.Names(at, "name", names)
		lists[list.field] = namesOf(names)
		for i, p := range list.profiles {
			if _, err := x.LevelOf(p.Authority); err != nil {
				c.Bad(Item(at, i)+".authority", "%v", err)
			}
			if list.field == "users" && len(p.Franchise) > 0 {
				c.Bad(Item(at, i)+".franchise", "users have no franchise: it is terminals and files that say who may use them")
			}
		}
	}
	if !few(c, path+".requests", len(x.Requests), maxRequests) {
		return
	}
	for i, q := range x.Requests {
		at := Item(path+".requests", i)
		if q.User == "" {
			c.Bad(at+".user", "it names no user")
		}
		if !lists["terminals"][q.Terminal] {
			c.Bad(at+".terminal", "there is no terminal %q", q.Terminal)
		}
		switch {
		case (q.File == "") == (q.Create == ""):
			c.Bad(at, "it opens a file or makes one: give either file or create")
		case q.File != "" && !lists["files"][q.File]:
			c.Bad(at+".file", "there is no file %q, and no request before this one makes it", q.File)
		case q.File != "" && x.Mode == "request" && q.Mode == "":
			c.Bad(at+".mode", "it names no mode, and the mode of decision is request")
		case q.Create != "" && q.Mode != "":
			c.Bad(at+".mode", "a new file gets the modes of the job: leave the mode out")
		}
		if q.Create != "" {
			lists["files"][q.Create] = true
		}
	}
}

func (x *Hartson) check(path string, c *Checker) {
	if x == nil {
		return
	}
	c.OneOf(path+".mode", x.Mode, "element", "class")
	c.OneOf(path+".inner", x.Inner, "or", "and")
	c.OneOf(path+".outer", x.Outer, "and", "or")
	if x.Mode != "class" {
		for _, f := range [2][2]string{{".inner", x.Inner}, {".outer", x.Outer}} {
			if f[1] != "" {
				c.Bad(path+f[0], "it counts in mode class only")
			}
		}
	}
	if !few(c, path+".authorisations", len(x.Authorisations), maxAuthorisations) || !few(c, path+".requests", len(x.Requests), maxRequests) {
		return
	}
	for _, u := range sortedKeys(x.Units) {
		if len(x.Units[u]) == 0 {
			c.Bad(path+".units."+u, "it has no resources")
		}
	}
	reached := 0
	c.Names(path+".authorisations", "name", collect(x.Authorisations, func(p HartsonAuthorisation) string { return p.Name }))
	for i, p := range x.Authorisations {
		at := Item(path+".authorisations", i)
		for _, list := range []struct {
			field string
			names []string
		}{{"groups", p.Groups}, {"operations", p.Operations}, {"unit", p.Unit}} {
			if len(list.names) == 0 {
				c.Bad(at+"."+list.field, "it is empty: the authorisation allows nothing")
			}
			if slices.Contains(list.names, "") {
				c.Bad(at+"."+list.field, "there is an empty name in it")
			}
		}
		for _, u := range p.Unit {
			reached += max(1, len(x.Units[u]))
		}
		if p.Condition != "" {
			if _, err := expression.CompileCondition(p.Condition); err != nil {
				c.Bad(at+".condition", "%v", err)
			}
		}
	}
	few(c, path+".authorisations", reached, maxPairs)
	for i, q := range x.Requests {
		at := Item(path+".requests", i)
		if q.User == "" {
			c.Bad(at+".user", "it names no user")
		}
		if q.Operation == "" {
			c.Bad(at+".operation", "it names no operation")
		}
		if len(q.Resources) == 0 || slices.Contains(q.Resources, "") {
			c.Bad(at+".resources", "a query names at least one resource, each by its name")
		}
	}
}
