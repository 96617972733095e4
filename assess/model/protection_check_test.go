package model

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// faultsOf reads a model and lists its faults as "path: text".
func faultsOf(t *testing.T, text string) []string {
	t.Helper()
	var out []string
	m, err := Read([]byte(text))
	if err == nil {
		for _, f := range m.Check() {
			out = append(out, f.Path+": "+f.Text)
		}
		return out
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

const sheet = "version: 1\nobjects: [{name: o}, {name: p}]\nthreats: [{name: t}]\nmeans: [{name: m, cost: 1}]\n"

func TestFaultsOfProtection(t *testing.T) {
	for name, c := range map[string]struct{ text, path, says string }{
		"unknown threat":        {"coverage: {edges: [{threat: x, object: o, weight: 1}]}", "coverage.edges[0].threat", `no threat "x"`},
		"edge twice":            {"coverage: {edges: [{threat: t, object: o, weight: 1}, {threat: t, object: o, weight: 2}]}", "coverage.edges[1]", "give it once"},
		"negative weight":       {"coverage: {edges: [{threat: t, object: o, weight: -1}]}", "coverage.edges[0].weight", "less than 0"},
		"combined weight":       {"coverage: {combine: true, edges: [{threat: t, object: o, weight: 2}]}", "coverage.edges[0].weight", "between 0 and 1"},
		"strength twice":        {"coverage: {edges: [], strengths: [{mean: m, threat: t, strength: 1}, {mean: m, threat: t, strength: 2}]}", "coverage.strengths[1]", "give it once"},
		"chosen twice":          {"coverage: {edges: [], chosen: [m, m]}", "coverage.chosen[1]", "chosen twice"},
		"redundancy, combined":  {"coverage: {edges: [], combine: true, redundancy: 2}", "coverage.redundancy", "combine"},
		"negative redundancy":   {"coverage: {edges: [], redundancy: -1}", "coverage.redundancy", "between"},
		"resistance of nothing": {"coverage: {edges: [], barriers: [{threat: t, object: o, probability: 0.1, damage: 1, resistance: 0.5}]}", "coverage.barriers[0].resistance", "no means stands here"},
		"word of three corners": {"coverage: {edges: [], fuzzy: {words: {w: [0, 0, 1]}, ratings: [{rating: w, importance: w}]}}", "coverage.fuzzy.words.w", "four"},
		"corners that fall":     {"coverage: {edges: [], fuzzy: {words: {w: [0, 0.5, 0.4, 1]}, ratings: [{rating: w, importance: w}]}}", "coverage.fuzzy.words.w[2]", "ascending"},
		"unknown word":          {"coverage: {edges: [], fuzzy: {words: {w: [0, 0, 1, 1]}, ratings: [{rating: w, importance: v}]}}", "coverage.fuzzy.ratings[0].importance", "none of the words"},
		"costs without end":     {"coverage: {edges: []}\n", "means", "too large"},

		"four zones":         {"vulnerability: {components: [{name: c}], violators: [{name: v}], presence: [{component: c, violator: v, p: [0, 0, 0, 0]}]}", "vulnerability.presence[0].p", "5 zones"},
		"channel of no use":  {"vulnerability: {components: [{name: c}], violators: [{name: v}], presence: [{component: c, violator: v, channel: access, p: [0, 0, 0, 0, 0]}]}", "vulnerability.presence[0].channel", "leave it out"},
		"no violator":        {"vulnerability: {components: [{name: c}], violators: [{name: v}], presence: [{component: c, p: [0, 0, 0, 0, 0]}]}", "vulnerability.presence[0].violator", `"*" for all`},
		"unknown component":  {"vulnerability: {components: [{name: c}], violators: [{name: v}], base: [{component: d, channel: access, violator: v, p: 0.1}]}", "vulnerability.base[0].component", `no component "d"`},
		"the same twice":     {"vulnerability: {components: [{name: c}], violators: [{name: v}], base: [{component: c, channel: \"*\", violator: v, p: 0.1}, {component: c, channel: \"*\", violator: v, p: 0.2}]}", "vulnerability.base[1]", "give it once"},
		"class 7":            {"vulnerability: {components: [{name: c}], channels: [{name: x, class: 7}], violators: [{name: v}]}", "vulnerability.channels[0].class", "1 to 6"},
		"no components":      {"vulnerability: {components: [], violators: [{name: v}]}", "vulnerability.components", "at least one"},
		"subset of strange":  {"vulnerability: {components: [{name: c}], violators: [{name: v}], subsets: [{name: s, violators: [w]}]}", "vulnerability.subsets[0].violators[0]", `no violator "w"`},
		"negative count":     {"vulnerability: {components: [{name: c}], violators: [{name: v, count: -1}]}", "vulnerability.violators[0].count", "between"},
		"subset that is not": {"copying: {use_subset: s}", "copying.use_subset", `no subset "s"`},

		"a circle":            {"integrity: {exposure: 1, steps: [{name: a, after: [c]}, {name: b, after: [a]}, {name: c, after: [b]}]}", "integrity.steps", "a → b → c → a"},
		"itself":              {"integrity: {exposure: 1, steps: [{name: a, after: [a]}]}", "integrity.steps", "a → a"},
		"unknown step":        {"integrity: {exposure: 1, steps: [{name: a, after: [z]}]}", "integrity.steps[0].after[0]", `no step "z"`},
		"branches of 0.9":     {"integrity: {exposure: 1, steps: [{name: a}, {name: b, branches: [{after: a, probability: 0.9}]}]}", "integrity.steps[1].branches", "sum to 1"},
		"local and factors":   {"integrity: {exposure: 1, steps: [{name: a, local: 0.1, factors: [{name: f, rate: 1}]}]}", "integrity.steps[0].local", "one of them"},
		"effectiveness of 2":  {"integrity: {exposure: 1, steps: [{name: a, factors: [{name: f, rate: 1, effectiveness: 2}]}]}", "integrity.steps[0].factors[0].effectiveness", "between 0 and 1"},
		"variant":             {"integrity: {exposure: 1, variant: thick, steps: []}", "integrity.variant", "thinned"},
		"exclusive above one": {"copying: {third: [{name: x, exclusive: true, legal: {get: 0.7}, illegal: {get: 0.7}}]}", "copying.third[0]", "at most 1"},
		"budget of nothing":   {"copying: {third: [{name: x, legal: {get: 0.7, budget: 5}}]}", "copying.third[0].legal.budget", "no costs"},
	} {
		t.Run(name, func(t *testing.T) {
			text := sheet + c.text + "\n"
			if name == "costs without end" {
				text = strings.Replace(text, "{name: m, cost: 1}", "{name: m, cost: 1.0e308}, {name: n, cost: 1.0e308}", 1)
			}
			faults := faultsOf(t, text)
			if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, c.path+": ") && strings.Contains(f, c.says) }) {
				t.Errorf("no fault at %s that says %q in %q", c.path, c.says, faults)
			}
		})
	}
}

func TestFaultsOfAccess(t *testing.T) {
	adept := "access: {adept50: {levels: [low, high], users: [{name: u, authority: high}], terminals: [{name: t, authority: 0, franchise: [u]}], files: [{name: f, authority: low}], requests: [%s]}}"
	hartson := "access: {hartson: {%s}}"
	for name, c := range map[string]struct{ text, path, says string }{
		"level that is not": {strings.Replace(adept, "authority: high", "authority: top", 1), "access.adept50.users[0].authority", `"top" is none`},
		"level too high":    {strings.Replace(adept, "authority: 0", "authority: 2", 1), "access.adept50.terminals[0].authority", "between 0 and 1"},
		"unknown file":      {fmt.Sprintf(adept, "{user: u, terminal: t, file: g}"), "access.adept50.requests[0].file", `no file "g"`},
		"made too late":     {fmt.Sprintf(adept, "{user: u, terminal: t, file: g}, {user: u, terminal: t, create: g}"), "access.adept50.requests[0].file", "before this one"},
		"unknown terminal":  {fmt.Sprintf(adept, "{user: u, terminal: x, file: f}"), "access.adept50.requests[0].terminal", `no terminal "x"`},
		"neither":           {fmt.Sprintf(adept, "{user: u, terminal: t}"), "access.adept50.requests[0]", "either file or create"},
		"no mode":           {fmt.Sprintf(strings.Replace(adept, "levels", "mode: request, levels", 1), "{user: u, terminal: t, file: f}"), "access.adept50.requests[0].mode", "names no mode"},
		"franchise of user": {strings.Replace(adept, "authority: high", "authority: high, franchise: [u]", 1), "access.adept50.users[0].franchise", "no franchise"},

		"condition":       {fmt.Sprintf(hartson, `authorisations: [{name: p, groups: [g], operations: [r], unit: [x], condition: "hour <"}], requests: []`), "access.hartson.authorisations[0].condition", ""},
		"allows nothing":  {fmt.Sprintf(hartson, "authorisations: [{name: p, groups: [], operations: [r], unit: [x]}], requests: []"), "access.hartson.authorisations[0].groups", "allows nothing"},
		"inner, element":  {fmt.Sprintf(hartson, "inner: and, authorisations: [], requests: []"), "access.hartson.inner", "mode class"},
		"no resources":    {fmt.Sprintf(hartson, "authorisations: [], requests: [{user: u, operation: r, resources: []}]"), "access.hartson.requests[0].resources", "at least one"},
		"empty unit":      {fmt.Sprintf(hartson, "units: {x: []}, authorisations: [], requests: []"), "access.hartson.units.x", "no resources"},
		"mode of nothing": {fmt.Sprintf(hartson, "mode: sphere, authorisations: [], requests: []"), "access.hartson.mode", "element"},
	} {
		t.Run(name, func(t *testing.T) {
			faults := faultsOf(t, "version: 1\n"+strings.Replace(c.text, "%s", "", 1)+"\n")
			if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, c.path+": ") && strings.Contains(f, c.says) }) {
				t.Errorf("no fault at %s that says %q in %q", c.path, c.says, faults)
			}
		})
	}
}

// TestEveryFaultOfProtection: all at once, not only the first.
func TestEveryFaultOfProtection(t *testing.T) {
	m := &Model{Version: Version, Coverage: &Coverage{Edges: []Edge{{Threat: "a", Object: "b", Weight: -1}}, Redundancy: -1, Chosen: []string{"c"}}}
	if got := m.Check(); len(got) != 5 {
		t.Errorf("%d faults, want 5: %v", len(got), got)
	}
}

func TestBoundsOfProtection(t *testing.T) {
	wide := &Vulnerability{}
	for i := range 200 {
		wide.Components = append(wide.Components, Component{Name: fmt.Sprint("c", i)})
		wide.Channels = append(wide.Channels, Channel{Name: fmt.Sprint("j", i)})
		wide.Violators = append(wide.Violators, Violator{Name: fmt.Sprint("v", i)})
	}
	pairs := &Model{Version: Version, Threats: []Threat{{Name: "t"}}, Coverage: &Coverage{}}
	for i := range 3000 {
		pairs.Objects = append(pairs.Objects, Object{Name: fmt.Sprint("o", i)})
		pairs.Coverage.Edges = append(pairs.Coverage.Edges, Edge{Threat: "t", Object: fmt.Sprint("o", i)})
		pairs.Means = append(pairs.Means, Mean{Name: fmt.Sprint("m", i)})
		pairs.Coverage.Strengths = append(pairs.Coverage.Strengths, Strength{Mean: fmt.Sprint("m", i), Threat: "t"})
	}
	for name, m := range map[string]*Model{
		"combinations": {Version: Version, Vulnerability: wide},
		"pairs":        pairs,
		"edges":        {Version: Version, Coverage: &Coverage{Edges: make([]Edge, maxEdges+1)}},
		"steps":        {Version: Version, Integrity: &Integrity{Steps: make([]RouteStep, maxSteps+1)}},
	} {
		if got := m.Check(); len(got) != 1 || !strings.Contains(got[0].Text, "are the most") {
			t.Errorf("%s: %d faults", name, len(got))
		}
	}
}
