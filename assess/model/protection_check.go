package model

import (
	"math"
	"slices"
	"strings"

	"redoubt/assess/zones"
)

// Bounds that keep the memory and the time of a computation finite.
const (
	maxEdges        = 1_000_000
	maxMeans        = 10_000
	maxPairs        = 5_000_000 // of an edge and a means that is named for its threat
	maxCombinations = 2_000_000 // of component, channel and violator
	maxRatings      = 100_000
	maxCuts         = 1_000
	maxSteps        = 10_000
	maxInputs       = 1_000_000
	maxViolators    = 1_000_000_000
)

// registry answers whether names exist, at once also for a million edges.
type registry struct{ threats, objects, means map[string]bool }

func register(m *Model) registry {
	r := registry{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, x := range m.Threats {
		r.threats[x.Name] = true
	}
	for _, x := range m.Objects {
		r.objects[x.Name] = true
	}
	for _, x := range m.Means {
		r.means[x.Name] = true
	}
	return r
}

// known notes a name that is not in a set.
func known(c *Checker, path, kind, section, name string, in map[string]bool) bool {
	if in[name] {
		return true
	}
	c.Bad(path, "there is no %s %q in section %s", kind, name, section)
	return false
}

// few notes a list that is too long to be computed with.
func few(c *Checker, path string, n, most int) bool {
	if n > most {
		c.Bad(path, "there are %d: %d are the most", n, most)
	}
	return n <= most
}

func (x *Coverage) check(path string, c *Checker) {
	if x == nil {
		return
	}
	if !few(c, path+".edges", len(x.Edges), maxEdges) || !few(c, "means", len(c.m.Means), maxMeans) {
		return
	}
	var cost float64
	for _, m := range c.m.Means {
		cost += m.Cost
	}
	if math.IsInf(cost, 0) {
		c.Bad("means", "the sum of the costs is too large to be a number")
	}
	r := register(c.m)
	type pair struct{ threat, object string }
	first, byThreat := map[pair]int{}, map[string]int{}
	for i, e := range x.Edges {
		at := Item(path+".edges", i)
		known(c, at+".threat", "threat", "threats", e.Threat, r.threats)
		known(c, at+".object", "object", "objects", e.Object, r.objects)
		x.strong(c, at+".weight", e.Weight)
		if j, ok := first[pair{e.Threat, e.Object}]; ok {
			c.Bad(at, "threat %q to object %q is %s too: give it once", e.Threat, e.Object, Item(path+".edges", j))
			continue
		}
		first[pair{e.Threat, e.Object}] = i
		byThreat[e.Threat]++
	}
	type claim struct{ mean, threat, object string }
	said := map[claim]int{}
	pairs := 0
	for i, s := range x.Strengths {
		at := Item(path+".strengths", i)
		known(c, at+".mean", "means", "means", s.Mean, r.means)
		known(c, at+".threat", "threat", "threats", s.Threat, r.threats)
		if s.Object != "" {
			known(c, at+".object", "object", "objects", s.Object, r.objects)
			pairs++
		} else {
			pairs += byThreat[s.Threat]
		}
		x.strong(c, at+".strength", s.Strength)
		k := claim{s.Mean, s.Threat, s.Object}
		if j, ok := said[k]; ok {
			c.Bad(at, "the strength of %q against %q is in %s too: give it once", s.Mean, s.Threat, Item(path+".strengths", j))
			continue
		}
		said[k] = i
	}
	few(c, path+".strengths", pairs, maxPairs)
	chosen := map[string]bool{}
	for i, m := range x.Chosen {
		at := Item(path+".chosen", i)
		if known(c, at, "means", "means", m, r.means) && chosen[m] {
			c.Bad(at, "%q is chosen twice", m)
		}
		chosen[m] = true
	}
	switch {
	case x.Redundancy < 0 || x.Redundancy > maxMeans:
		c.Bad(path+".redundancy", "%d is not between 1 and %d", x.Redundancy, maxMeans)
	case x.Redundancy > 1 && x.Combine:
		c.Bad(path+".redundancy", "where strengths combine, several means count as one: take redundancy or combine out")
	}
	c.NotNegative(path+".effort", x.Effort)
	for i, b := range x.Barriers {
		at := Item(path+".barriers", i)
		known(c, at+".threat", "threat", "threats", b.Threat, r.threats)
		known(c, at+".object", "object", "objects", b.Object, r.objects)
		c.Share(at+".probability", b.Probability)
		c.NotNegative(at+".damage", b.Damage)
		c.Share(at+".resistance", b.Resistance)
		switch {
		case b.Mean != "":
			known(c, at+".mean", "means", "means", b.Mean, r.means)
		case b.Resistance != 0:
			c.Bad(at+".resistance", "no means stands here, so nothing resists: name it, or leave the resistance out")
		}
	}
	x.Fuzzy.check(path+".fuzzy", c, r)
}

// strong checks a weight or a strength: a probability where strengths combine, otherwise a number of any scale.
func (x *Coverage) strong(c *Checker, path string, v float64) {
	if x.Combine {
		c.Share(path, v)
		return
	}
	c.NotNegative(path, v)
}

func (x *Fuzzy) check(path string, c *Checker, r registry) {
	if x == nil {
		return
	}
	if !few(c, path+".ratings", len(x.Ratings), maxRatings) || !few(c, path+".cuts", len(x.Cuts), maxCuts) || !few(c, path+".words", len(x.Words), maxCuts) {
		return
	}
	for _, w := range sortedKeys(x.Words) {
		corners := x.Words[w]
		at := path + ".words." + w
		if len(corners) != 4 {
			c.Bad(at, "it has %d corners: a trapezoid has four, where membership begins to rise, is 1, begins to fall, is 0", len(corners))
			continue
		}
		for i, v := range corners {
			c.Share(Item(at, i), v)
			if i > 0 && v < corners[i-1] {
				c.Bad(Item(at, i), "%v is below the corner before it, %v: corners stand in ascending order", v, corners[i-1])
			}
		}
	}
	if len(x.Ratings) == 0 {
		c.Bad(path+".ratings", "there is no rating: give one, or leave the section out")
	}
	for i, e := range x.Ratings {
		at := Item(path+".ratings", i)
		for _, w := range [2][2]string{{".rating", e.Rating}, {".importance", e.Importance}} {
			if _, ok := x.Words[w[1]]; !ok {
				c.Bad(at+w[0], "%q is none of the words %q", w[1], sortedKeys(x.Words))
			}
		}
		if e.Threat != "" {
			known(c, at+".threat", "threat", "threats", e.Threat, r.threats)
		}
		if e.Object != "" {
			known(c, at+".object", "object", "objects", e.Object, r.objects)
		}
		if e.Mean != "" {
			known(c, at+".mean", "means", "means", e.Mean, r.means)
		}
	}
	c.Share(path+".threshold", x.Threshold)
	for i, a := range x.Cuts {
		c.Share(Item(path+".cuts", i), a)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// ChannelNames are the names of the channels: those of the model, or the six classes where it has none.
func (x *Vulnerability) ChannelNames() []string {
	if len(x.Channels) > 0 {
		return collect(x.Channels, func(ch Channel) string { return ch.Name })
	}
	return collect(zones.Classes[:], func(k zones.Class) string { return k.Name })
}

// part is one of the three things that a combination is of.
type part struct {
	field, kind string
	names       map[string]bool
}

func (x *Vulnerability) check(path string, c *Checker) {
	if x == nil {
		return
	}
	if len(x.Components) == 0 {
		c.Bad(path+".components", "there is no component: name at least one")
	}
	if len(x.Violators) == 0 {
		c.Bad(path+".violators", "there is no category of violators: name at least one")
	}
	channels := x.ChannelNames()
	if n := float64(len(x.Components)) * float64(len(channels)) * float64(len(x.Violators)); n > maxCombinations {
		c.Bad(path, "there are %.0f combinations of component, channel and violator: %d are the most", n, maxCombinations)
		return
	}
	c.Names(path+".components", "name", collect(x.Components, func(k Component) string { return k.Name }))
	c.Names(path+".channels", "name", collect(x.Channels, func(k Channel) string { return k.Name }))
	c.Names(path+".violators", "name", collect(x.Violators, func(k Violator) string { return k.Name }))
	for i, ch := range x.Channels {
		if ch.Class < 0 || ch.Class > len(zones.Classes) {
			c.Bad(Item(path+".channels", i)+".class", "%d is no class: there are 1 to %d", ch.Class, len(zones.Classes))
		}
	}
	for i, v := range x.Violators {
		if v.Count < 0 || v.Count > maxViolators {
			c.Bad(Item(path+".violators", i)+".count", "%d is not between 1 and %d", v.Count, maxViolators)
		}
	}
	component := part{"component", "component", namesOf(collect(x.Components, func(k Component) string { return k.Name }))}
	channel := part{"channel", "channel", namesOf(channels)}
	violator := part{"violator", "violator", namesOf(collect(x.Violators, func(k Violator) string { return k.Name }))}
	for _, table := range []struct {
		field   string
		entries []ZoneChance
		parts   []part
	}{
		{"presence", x.Presence, []part{component, violator}}, {"manifest", x.Manifest, []part{component, channel}},
		{"accessible", x.Accessible, []part{component, channel, violator}}, {"information", x.Information, []part{component, channel}},
	} {
		seen := map[[3]string]int{}
		for i, e := range table.entries {
			at := Item(path+"."+table.field, i)
			combination(c, at, table.parts, map[string]string{"component": e.Component, "channel": e.Channel, "violator": e.Violator})
			if len(e.P) != zones.Zones {
				c.Bad(at+".p", "it has %d probabilities: one for each of the %d zones, from the outermost", len(e.P), zones.Zones)
			}
			for l, p := range e.P {
				c.Share(Item(at+".p", l), p)
			}
			once(c, at, path+"."+table.field, seen, [3]string{e.Component, e.Channel, e.Violator}, i)
		}
	}
	seen := map[[3]string]int{}
	for i, e := range x.Base {
		at := Item(path+".base", i)
		combination(c, at, []part{component, channel, violator}, map[string]string{"component": e.Component, "channel": e.Channel, "violator": e.Violator})
		c.Share(at+".p", e.P)
		once(c, at, path+".base", seen, [3]string{e.Component, e.Channel, e.Violator}, i)
	}
	c.Names(path+".subsets", "name", collect(x.Subsets, func(s Subset) string { return s.Name }))
	if few(c, path+".subsets", len(x.Subsets), maxCuts) {
		for i, s := range x.Subsets {
			at := Item(path+".subsets", i)
			within(c, at+".components", component, s.Components)
			within(c, at+".channels", channel, s.Channels)
			within(c, at+".violators", violator, s.Violators)
		}
	}
	if x.Intervals < 0 || x.Intervals > maxViolators {
		c.Bad(path+".intervals", "%d is not between 1 and %d", x.Intervals, maxViolators)
	}
}

func namesOf(names []string) map[string]bool {
	out := map[string]bool{}
	for _, n := range names {
		out[n] = true
	}
	return out
}

// combination checks what an entry of a table is for; a table that does not depend on one of the three must not name it.
func combination(c *Checker, at string, parts []part, given map[string]string) {
	for _, field := range []string{"component", "channel", "violator"} {
		name := given[field]
		i := slices.IndexFunc(parts, func(p part) bool { return p.field == field })
		switch {
		case i < 0 && name != "":
			c.Bad(at+"."+field, "this table does not depend on the %s: leave it out", field)
		case i >= 0 && name == "":
			c.Bad(at+"."+field, "it names no %s: name one, or \"*\" for all", field)
		case i >= 0 && name != "*" && !parts[i].names[name]:
			c.Bad(at+"."+field, "there is no %s %q", field, name)
		}
	}
}

// once notes an entry for what an earlier one is for.
func once(c *Checker, at, list string, seen map[[3]string]int, key [3]string, i int) {
	if first, ok := seen[key]; ok {
		c.Bad(at, "it is for the same as %s: give it once", Item(list, first))
		return
	}
	seen[key] = i
}

// within checks names of a subset.
func within(c *Checker, path string, p part, names []string) {
	seen := map[string]bool{}
	for i, n := range names {
		switch {
		case !p.names[n]:
			c.Bad(Item(path, i), "there is no %s %q", p.kind, n)
		case seen[n]:
			c.Bad(Item(path, i), "%q is in it twice", n)
		}
		seen[n] = true
	}
}

// subset checks a reference to a subset of section vulnerability, given in place of a number.
func subset(c *Checker, path, name, instead string, number float64) {
	switch {
	case name == "":
		return
	case number != 0:
		c.Bad(path, "it has both this and %s: give one of them", instead)
	case c.m.Vulnerability == nil || !slices.ContainsFunc(c.m.Vulnerability.Subsets, func(s Subset) bool { return s.Name == name }):
		c.Bad(path, "there is no subset %q in section vulnerability", name)
	}
}

func (x *Integrity) check(path string, c *Checker) {
	if x == nil {
		return
	}
	c.NotNegative(path+".exposure", x.Exposure)
	c.OneOf(path+".variant", x.Variant, "thinned", "one-shot")
	if !few(c, path+".steps", len(x.Steps), maxSteps) {
		return
	}
	c.Names(path+".steps", "name", collect(x.Steps, func(s RouteStep) string { return s.Name }))
	index := map[string]int{}
	for i, s := range x.Steps {
		index[s.Name] = i
	}
	route := make([]zones.Step, len(x.Steps))
	inputs, whole := 0, true
	for i, s := range x.Steps {
		at := Item(path+".steps", i)
		route[i].Name = s.Name
		seen := map[string]bool{}
		take := func(where, name string) {
			j, ok := index[name]
			switch {
			case !ok:
				c.Bad(where, "there is no step %q", name)
				whole = false
			case seen[name]:
				c.Bad(where, "%q is an input of this step twice", name)
			default:
				route[i].After = append(route[i].After, j)
			}
			seen[name] = true
			inputs++
		}
		for k, name := range s.After {
			take(Item(at+".after", k), name)
		}
		var sum float64
		clear(seen)
		for k, b := range s.Branches {
			take(Item(at+".branches", k)+".after", b.After)
			c.Share(Item(at+".branches", k)+".probability", b.Probability)
			sum += b.Probability
		}
		if len(s.Branches) > 0 && !(math.Abs(sum-1) <= 1e-9) {
			c.Bad(at+".branches", "the probabilities sum to %v: alternatives sum to 1", sum)
		}
		if s.Input != nil {
			c.Share(at+".input", *s.Input)
		}
		if s.Local != nil {
			c.Share(at+".local", *s.Local)
		}
		if s.Exposure != nil {
			c.NotNegative(at+".exposure", *s.Exposure)
		}
		c.Share(at+".malicious", s.Malicious)
		subset(c, at+".subset", s.Subset, "malicious", s.Malicious)
		if s.Local != nil && (len(s.Factors) > 0 || s.Malicious != 0 || s.Subset != "") {
			c.Bad(at+".local", "it has both this and what it would follow from (factors, malicious, subset): give one of them")
		}
		for k, f := range s.Factors {
			c.NotNegative(Item(at+".factors", k)+".rate", f.Rate)
			c.Share(Item(at+".factors", k)+".effectiveness", f.Effectiveness)
		}
	}
	if few(c, path+".steps", inputs, maxInputs) && whole {
		if _, err := zones.Order(route); err != nil {
			c.Bad(path+".steps", "%s", strings.TrimSpace(err.Error()))
		}
	}
}

func (x *Copying) check(path string, c *Checker) {
	if x == nil {
		return
	}
	c.Share(path+".development", x.Development)
	c.Share(path+".use", x.Use)
	subset(c, path+".development_subset", x.DevelopmentSubset, "development", x.Development)
	subset(c, path+".use_subset", x.UseSubset, "use", x.Use)
	if !few(c, path+".third", len(x.Third), maxRatings) {
		return
	}
	c.Names(path+".third", "name", collect(x.Third, func(o Organisation) string { return o.Name }))
	for i, o := range x.Third {
		at := Item(path+".third", i)
		o.Legal.check(at+".legal", c)
		o.Illegal.check(at+".illegal", c)
		if o.Exclusive && o.Legal.Get+o.Illegal.Get > 1+1e-9 {
			c.Bad(at, "the two ways are exclusive and sum to %v: at most 1", o.Legal.Get+o.Illegal.Get)
		}
	}
}

func (x Receipt) check(path string, c *Checker) {
	c.Share(path+".get", x.Get)
	for i, p := range x.Methods {
		c.Share(Item(path+".methods", i), p)
	}
	for i, v := range x.Costs {
		c.NotNegative(Item(path+".costs", i), v)
	}
	c.NotNegative(path+".budget", x.Budget)
	if x.Budget != 0 && len(x.Costs) == 0 {
		c.Bad(path+".budget", "there are no costs of methods that it could be spent on")
	}
}
