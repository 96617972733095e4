package model

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Fault is one thing that is wrong with a model.
type Fault struct {
	Path   string `json:"path"`             // as coverage.edges[3].weight
	Line   int    `json:"line,omitempty"`   // from 1; 0 when the model was not read from a file
	Column int    `json:"column,omitempty"` // from 1
	Text   string `json:"text"`             // what is wrong and what would be right
}

// Checker collects what is wrong with a model.
type Checker struct {
	faults []Fault
	m      *Model

	objects, threats, means map[string]bool // the names that there are
}

// Bad notes a fault. Where there are more than anybody would read, the rest is not kept.
func (c *Checker) Bad(path, format string, args ...any) {
	if len(c.faults) > 10*maxFault {
		return
	}
	c.faults = append(c.faults, Fault{Path: path, Text: fmt.Sprintf(format, args...)})
}

// Finite notes a number that is none.
func (c *Checker) Finite(path string, v float64) bool {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		c.Bad(path, "%v is not a number that can be computed with", v)
		return false
	}
	return true
}

// Share notes a number that is not between 0 and 1, both included.
func (c *Checker) Share(path string, v float64) {
	if c.Finite(path, v) && (v < 0 || v > 1) {
		c.Bad(path, "%v is not between 0 and 1", v)
	}
}

// Positive notes a number that is not greater than 0.
func (c *Checker) Positive(path string, v float64) {
	if c.Finite(path, v) && v <= 0 {
		c.Bad(path, "%v is not greater than 0", v)
	}
}

// NotNegative notes a number below 0.
func (c *Checker) NotNegative(path string, v float64) {
	if c.Finite(path, v) && v < 0 {
		c.Bad(path, "%v is less than 0", v)
	}
}

// OneOf notes a word that is none of those allowed; "" stands for the first of them.
func (c *Checker) OneOf(path, v string, allowed ...string) {
	if v != "" && !slices.Contains(allowed, v) {
		c.Bad(path, "%q is none of %q", v, allowed)
	}
}

// Threat notes a name that no threat has.
func (c *Checker) Threat(path, name string) {
	if !c.threats[name] {
		c.Bad(path, "there is no threat %q in section threats", name)
	}
}

// Object notes a name that no object has.
func (c *Checker) Object(path, name string) {
	if !c.objects[name] {
		c.Bad(path, "there is no object %q in section objects", name)
	}
}

// Mean notes a name that no means has.
func (c *Checker) Mean(path, name string) {
	if !c.means[name] {
		c.Bad(path, "there is no means %q in section means", name)
	}
}

// Names notes names that are empty or occur twice. The path is that of the list, field the one that holds the name.
func (c *Checker) Names(path, field string, names []string) {
	seen := map[string]int{}
	for i, n := range names {
		at := Item(path, i) + "." + field
		if n == "" {
			c.Bad(at, "it has no name")
			continue
		}
		if first, ok := seen[n]; ok {
			c.Bad(at, "%q is the name of %s too", n, Item(path, first))
			continue
		}
		seen[n] = i
	}
}

// Item is the path of an item of a list.
func Item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// Check finds everything that is wrong with a model, in the order of its sections.
func (m *Model) Check() []Fault {
	c := &Checker{
		m:       m,
		objects: set(m.Objects, func(o Object) string { return o.Name }),
		threats: set(m.Threats, func(t Threat) string { return t.Name }),
		means:   set(m.Means, func(x Mean) string { return x.Name }),
	}
	if m.Version != Version {
		c.Bad("version", "this is version %d of the format; version %d is read", m.Version, Version)
	}
	c.Names("objects", "name", collect(m.Objects, func(o Object) string { return o.Name }))
	c.Names("threats", "name", collect(m.Threats, func(t Threat) string { return t.Name }))
	c.Names("means", "name", collect(m.Means, func(x Mean) string { return x.Name }))
	for i, o := range m.Objects {
		c.NotNegative(Item("objects", i)+".value", o.Value)
	}
	for i, x := range m.Means {
		at := Item("means", i)
		c.NotNegative(at+".cost", x.Cost)
		for _, t := range slices.Sorted(maps.Keys(x.Reduces)) {
			c.Threat(at+".reduces."+t, t)
			c.Share(at+".reduces."+t, x.Reduces[t])
		}
	}
	m.Frequency.check("frequency", c)
	m.Damage.check("damage", c)
	m.Losses.check("losses", c)
	m.IBM.check("ibm", c)
	m.Costs.check("costs", c)
	m.Game.check("game", c)
	m.Coverage.check("coverage", c)
	m.Vulnerability.check("vulnerability", c)
	m.Integrity.check("integrity", c)
	m.Copying.check("copying", c)
	m.Access.check("access", c)
	m.Codes.check("codes", c)
	return c.faults
}

func collect[T any](all []T, of func(T) string) []string {
	out := make([]string, len(all))
	for i, x := range all {
		out[i] = of(x)
	}
	return out
}

func set[T any](all []T, of func(T) string) map[string]bool {
	out := make(map[string]bool, len(all))
	for _, x := range all {
		out[of(x)] = true
	}
	return out
}
