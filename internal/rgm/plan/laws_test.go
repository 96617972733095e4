package plan_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/rgm/plan"
)

func drawLarger(t *rapid.T) plan.Problem {
	return draw(t, rapid.IntRange(3, 7).Draw(t, "nodes"), rapid.SampledFrom([]int{20, 14, 9, 5}).Draw(t, "groups"), 3)
}

func must(t interface{ Fatal(...any) }, p plan.Problem, e plan.Effort) plan.Result {
	r, err := plan.Solve(p, e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func placement(p plan.Problem, r plan.Result) [][]int {
	at := make([][]int, len(p.Groups))
	for g := range at {
		at[g] = r.Nodes(g)
	}
	return at
}

// judge is the twin with the requests that a result did not obey taken back.
func judge(p plan.Problem, r plan.Result) *twin {
	w := &twin{p: p}
	none := make([]bool, len(p.Groups))
	for g := range none {
		none[g] = r.GaveUp(g)
	}
	w.prepare(none)
	return w
}

// Whatever the effort: the hard rules hold, the figures are right and not better than the bound, the problem is not changed, and the same comes out again.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawLarger(t)
		e := plan.Effort{Branches: rapid.SampledFrom([]int{1, 2000}).Draw(t, "branches")}
		copied := plan.With(p)
		r := must(t, p, e)
		if !reflect.DeepEqual(p, copied) {
			t.Fatal("the problem was changed")
		}
		at := placement(p, r)
		w := judge(p, r)
		if rule := w.legal(at); rule != "" {
			t.Fatalf("%v breaks a rule: %s\n%s", at, rule, brief(p))
		}
		f := w.figures(at)
		g := r.Figures
		if got := [9]int64{int64(g.Evicting), int64(g.Stays), int64(g.Soft), g.Excess, g.Moves, int64(g.Unserved), int64(g.Weak), g.Balance, g.Rank}; got != f.rest {
			t.Fatalf("figures %v, the twin has %v\n%s", got, f.rest, brief(p))
		}
		if c, what := g.Compare(r.Bound); c < 0 {
			t.Fatalf("%+v is better than the bound %+v in %s\n%s", g, r.Bound, what, brief(p))
		}
		if figure, by := r.Gap(); (figure == "") != (by == 0) && r.Exact {
			t.Fatalf("exact, with a gap of %d in %s", by, figure)
		}
		if !r.Stable && !unsettled(p) {
			t.Fatal("not stable")
		}
		if again := placement(p, must(t, p, e)); !reflect.DeepEqual(at, again) {
			t.Fatalf("%v, then %v", at, again)
		}
	})
}

// unsettled reports whether the next solution may differ, as the package's comment says: a suspended group was asked to move, or one that is Never
// preempted has strong affinities and so may be driven away.
func unsettled(p plan.Problem) bool {
	for g, x := range p.Groups {
		if x.Suspended && (len(x.Explicit) > 0 || x.Held) {
			return true
		}
		for _, a := range x.Affinities {
			strong := a.Kind != plan.Prefer && a.Kind != plan.Avoid
			if strong && (p.Groups[g].Preemption == plan.Never || p.Groups[a.Target].Preemption == plan.Never) {
				return true
			}
		}
	}
	return false
}

// Crowded clusters, in which many stay offline or soft limits are exceeded, are planned by the same laws.
func TestCrowdedClusters(t *testing.T) {
	for _, percent := range []int64{90, 60, 30} {
		p := farm(8, 120, true)
		for n := range p.Nodes {
			for k := range p.Nodes[n].Limits {
				l := &p.Nodes[n].Limits[k]
				l.Soft, l.Hard = l.Soft*percent*7/1000, l.Hard*percent/100
			}
		}
		p = plan.Without(p, 3)
		r := must(t, p, plan.Effort{})
		at := placement(p, r)
		if rule := judge(p, r).legal(at); rule != "" {
			t.Errorf("%d%%: breaks a rule: %s", percent, rule)
		}
		if c, what := r.Figures.Compare(r.Bound); c < 0 {
			t.Errorf("%d%%: %+v is better than the bound %+v in %s", percent, r.Figures, r.Bound, what)
		}
		next := plan.After(p, r)
		if again := placement(next, must(t, next, plan.Effort{})); !r.Stable || !reflect.DeepEqual(at, again) {
			t.Errorf("%d%%: stable %v; %v, then %v", percent, r.Stable, at, again)
		}
		t.Logf("%d%%: %+v", percent, r.Figures)
		t.Logf("bound %+v", r.Bound)
	}
}

// Solving what has come true changes nothing.
func TestSolvingAgainChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawLarger(t)
		e := plan.Effort{Branches: rapid.SampledFrom([]int{1, 2000}).Draw(t, "branches")}
		r := must(t, p, e)
		if unsettled(p) {
			return
		}
		next := plan.After(p, r)
		if a, b := placement(p, r), placement(next, must(t, next, e)); !reflect.DeepEqual(a, b) {
			t.Fatalf("exact %v: %v, then %v\n%s", r.Exact, a, b, brief(p))
		}
	})
}

// A node that dies moves no group that neither ran there nor shares load or affinities with one that did, directly or through others.
func TestAnEventElsewhereMovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawLarger(t)
		if unsettled(p) {
			return
		}
		p = plan.After(p, must(t, p, plan.Effort{}))
		before := must(t, p, plan.Effort{})
		dead := rapid.IntRange(0, len(p.Nodes)-1).Draw(t, "dead")
		q := plan.Without(p, dead)
		after := must(t, q, plan.Effort{})
		touched := make([]bool, len(p.Groups))
		kinds := make([]bool, len(p.Kinds))
		for g, x := range p.Groups {
			touched[g] = has(x.Current, dead)
		}
		for changed := true; changed; {
			changed = false
			for g, x := range p.Groups {
				reach := touched[g]
				for _, a := range x.Affinities {
					reach = reach || touched[a.Target]
				}
				for o, y := range p.Groups {
					for _, a := range y.Affinities {
						reach = reach || a.Target == g && touched[o]
					}
				}
				for k, l := range x.Loads {
					reach = reach || l > 0 && kinds[k]
				}
				if reach && !touched[g] {
					touched[g], changed = true, true
				}
				for k, l := range x.Loads {
					if touched[g] && l > 0 && !kinds[k] {
						kinds[k], changed = true, true
					}
				}
			}
		}
		for g := range p.Groups {
			if a, b := before.Nodes(g), after.Nodes(g); !touched[g] && !slices.Equal(a, b) {
				t.Fatalf("group %d has nothing to do with node %d, and went from %v to %v\n%s", g, dead, a, b, brief(p))
			}
		}
	})
}

// Every group offline has a reason; so has every node not chosen, and every request refused.
func TestEverythingIsExplained(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawLarger(t)
		r := must(t, p, plan.Effort{})
		for g, x := range p.Groups {
			note, left := r.Left(g)
			if left != (len(r.Nodes(g)) == 0) || left && (note.Reason == "" || note.Text == "") {
				t.Fatalf("group %d on %v: left out %v, %+v", g, r.Nodes(g), left, note)
			}
			if note, refused := r.Refused(g); refused && (note.Reason == "" || note.Text == "") {
				t.Fatalf("group %d: refused without a reason", g)
			}
			got := r.Candidates(g)
			if len(got) != len(x.Nodelist) {
				t.Fatalf("%d candidates of %d nodes", len(got), len(x.Nodelist))
			}
			for i, c := range got {
				if c.Node != x.Nodelist[i] || c.Chosen != has(r.Nodes(g), c.Node) || !c.Chosen && len(c.Against) == 0 && !x.Off && !x.Suspended {
					t.Fatalf("group %d: %+v", g, c)
				}
				for _, n := range append(c.For, c.Against...) {
					if n.Reason == "" || n.Text == "" || strings.Contains(n.Text, "%!") {
						t.Fatalf("group %d: %+v", g, n)
					}
				}
			}
			if lines := r.Why(g); len(lines) < 1+len(x.Nodelist) {
				t.Fatalf("%v", lines)
			}
		}
	})
}

// Without rules that could come in the way, one more node leaves nobody offline who was online before, and moves nobody.
func TestOneMoreNodeHarmsNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawSmall(t, 5)
		for g := range p.Groups {
			p.Groups[g].Affinities, p.Groups[g].Explicit, p.Groups[g].Held = nil, nil, false
		}
		more := plan.With(p, func(p *plan.Problem) {
			p.Nodes = append(p.Nodes, plan.Node{Name: "new"})
			for g := range p.Groups {
				p.Groups[g].Nodelist = append(slices.Clone(p.Groups[g].Nodelist), len(p.Nodes)-1)
			}
		})
		a, b := must(t, p, plan.Effort{}), must(t, more, plan.Effort{})
		if b.Figures.Offline > a.Figures.Offline || b.Figures.Missing > a.Figures.Missing {
			t.Fatalf("%+v, with one more node %+v", a.Figures, b.Figures)
		}
	})
}

func TestFaultyProblemsAreRefused(t *testing.T) {
	good := func() plan.Problem {
		return plan.Problem{Kinds: []string{"cpu"}, Nodes: []plan.Node{{Name: "n1"}}, Groups: []plan.Group{{Name: "a", Maximum: 1, Nodelist: []int{0}}, {Name: "b", Maximum: 1}}}
	}
	for what, spoil := range map[string]func(*plan.Problem){
		"node":      func(p *plan.Problem) { p.Groups[0].Nodelist = []int{1} },
		"twice":     func(p *plan.Problem) { p.Groups[0].Nodelist = []int{0, 0} },
		"refusal":   func(p *plan.Problem) { p.Groups[0].Refused = []plan.Refusal{{Node: -1}} },
		"target":    func(p *plan.Problem) { p.Groups[0].Affinities = []plan.Affinity{{Target: 2}} },
		"itself":    func(p *plan.Problem) { p.Groups[0].Affinities = []plan.Affinity{{Target: 0}} },
		"load":      func(p *plan.Problem) { p.Groups[0].Loads = []int64{-1} },
		"kinds":     func(p *plan.Problem) { p.Groups[0].Loads = []int64{1, 1} },
		"limit":     func(p *plan.Problem) { p.Nodes[0].Limits = []plan.Limit{{Soft: 5, Hard: 4}} },
		"priority":  func(p *plan.Problem) { p.Groups[0].Priority = 1001 },
		"primaries": func(p *plan.Problem) { p.Groups[0].Maximum = 0 },
		"nodes":     func(p *plan.Problem) { p.Nodes = make([]plan.Node, plan.MaxNodes+1) },
	} {
		p := good()
		spoil(&p)
		if _, err := plan.Solve(p, plan.Effort{}); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if _, err := plan.Solve(good(), plan.Effort{}); err != nil {
		t.Error(err)
	}
	if r, err := plan.Solve(plan.Problem{}, plan.Effort{}); err != nil || !r.Exact {
		t.Errorf("of nothing: %+v, %v", r.Figures, err)
	}
}
