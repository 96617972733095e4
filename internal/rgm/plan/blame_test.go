package plan_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/rgm/plan"
)

// without is a problem in which groups do not run at all.
func without(p plan.Problem, groups []int) plan.Problem {
	return plan.With(p, func(p *plan.Problem) {
		for _, g := range groups {
			p.Groups[g].Off = true
		}
	})
}

// Who is named as the reason why a group has no place is one: without them it has one, or another group that waited goes first.
func TestWhoeverIsBlamedIsInTheWay(t *testing.T) {
	seen := map[plan.Reason]int{}
	look := func(t rapid.TB, p plan.Problem) {
		r := must(t, p, plan.Effort{})
		for g, x := range p.Groups {
			note, left := r.Cause(g)
			// A source whose ++ target stays where it runs is not missed enough to be worth a soft limit.
			bound := slices.ContainsFunc(x.Affinities, func(a plan.Affinity) bool { return a.Kind == plan.Require })
			if !left || len(note.Groups) == 0 || bound || !slices.Contains([]plan.Reason{plan.NoRoom, plan.Evicted, plan.Worse}, note.Reason) {
				continue
			}
			seen[note.Reason]++
			if slices.Contains(note.Groups, g) {
				t.Fatalf("group %d is blamed for itself: %s\n%s", g, note.Text, brief(p))
			}
			then := must(t, without(p, note.Groups), plan.Effort{})
			changed := len(then.Nodes(g)) > 0
			for o := range p.Groups {
				_, wasRefused := r.Refused(o)
				_, isRefused := then.Refused(o)
				changed = changed || !slices.Contains(note.Groups, o) && (len(r.Nodes(o)) == 0 && len(then.Nodes(o)) > 0 || wasRefused && !isRefused)
			}
			if r.Exact && then.Exact && !changed {
				t.Fatalf("group %d: %s: without %v nothing is better: %v, then %v\n%s", g, note.Text, note.Groups, placement(p, r), placement(p, then), brief(p))
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) { look(t, drawSmall(t, 5)) })
	// By chance a reason may be in none of those; these are always the same.
	same := rapid.Custom(func(t *rapid.T) plan.Problem { return drawSmall(t, 5) })
	for seed := range 2000 {
		look(t, same.Example(seed))
	}
	for _, reason := range []plan.Reason{plan.NoRoom, plan.Evicted} {
		if seen[reason] == 0 {
			t.Errorf("no group was without a place because of %s", reason)
		}
	}
}

// Who is named as holding the room on a node holds it: without them the group would fit there. Nobody is named in vain.
func TestWhoeverHoldsTheRoomIsNamed(t *testing.T) {
	named := 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawSmall(t, 5)
		r := must(t, p, plan.Effort{})
		for g, x := range p.Groups {
			for _, c := range r.Candidates(g) {
				for _, note := range c.Against {
					if note.Reason != plan.HardLimit || c.Chosen {
						continue
					}
					free := p.Nodes[c.Node].Limits[note.Kind].Hard - x.Loads[note.Kind]
					var all, least int64
					for o, y := range p.Groups {
						if has(r.Nodes(o), c.Node) {
							all += y.Loads[note.Kind]
						}
					}
					rest := all
					for _, o := range note.Groups {
						if !has(r.Nodes(o), c.Node) || o == g || p.Groups[o].Loads[note.Kind] == 0 {
							t.Fatalf("group %d, which carries nothing there, is named: %s\n%s", o, note.Text, brief(p))
						}
						if rest <= free {
							t.Fatalf("group %d is named in vain: %s\n%s", o, note.Text, brief(p))
						}
						rest -= p.Groups[o].Loads[note.Kind]
						named++
					}
					for o, y := range p.Groups {
						if has(r.Nodes(o), c.Node) && needed(p, g, o) {
							least += y.Loads[note.Kind]
						}
					}
					if rest > free && rest > least {
						t.Fatalf("%s: there would be no room without them\n%s", note.Text, brief(p))
					}
				}
			}
		}
	})
	if named == 0 {
		t.Error("nobody ever held any room")
	}
}

// needed reports whether a group has to run with another.
func needed(p plan.Problem, g, o int) bool {
	way := []int{g}
	for i := 0; i < len(way); i++ {
		for _, a := range p.Groups[way[i]].Affinities {
			if a.Kind != plan.Require && a.Kind != plan.Delegate {
				continue
			}
			if a.Target == o {
				return true
			}
			if !slices.Contains(way, a.Target) {
				way = append(way, a.Target)
			}
		}
	}
	return false
}

// What would be worse is named: the figure, and the groups.
func TestWorseOnTheWholeIsFollowedUp(t *testing.T) {
	two := func(hard int64, groups ...plan.Group) plan.Problem {
		p := plan.Problem{Kinds: []string{"mem"}, Groups: groups}
		for _, n := range []string{"n1", "n2"} {
			p.Nodes = append(p.Nodes, plan.Node{Name: n, Limits: []plan.Limit{{Soft: hard, Hard: hard}}})
		}
		for g := range p.Groups {
			x := &p.Groups[g]
			x.Desired, x.Maximum = 1, 1
			if x.Nodelist == nil {
				x.Nodelist = []int{0, 1}
			}
		}
		return p
	}
	for name, c := range map[string]struct {
		p      plan.Problem
		group  int
		node   int
		reason plan.Reason
		text   string
		groups []int
	}{
		"who would have no place": {
			two(8, plan.Group{Name: "db", Priority: 900, Nodelist: []int{0}, Loads: []int64{5}}, plan.Group{Name: "web", Priority: 500, Nodelist: []int{0}, Loads: []int64{5}}), 1, 0, plan.HardLimit, "it is held by db (5)", []int{0},
		},
		"who is driven off by two": {
			two(8, plan.Group{Name: "big", Priority: 100, Nodelist: []int{0}, Loads: []int64{8}}, plan.Group{Name: "a", Priority: 500, Nodelist: []int{0}, Loads: []int64{3}}, plan.Group{Name: "b", Priority: 500, Nodelist: []int{0}, Loads: []int64{4}}),
			0, 0, plan.HardLimit, "it is held by b (4) and a (3)", []int{2, 1},
		},
		"who would be without its target": {
			two(8, plan.Group{Name: "db", Priority: 500}, plan.Group{Name: "web", Priority: 500, Nodelist: []int{1}, Affinities: []plan.Affinity{{Kind: plan.Prefer, Target: 0}}}), 0, 0, plan.Worse, "web would break a + or - affinity", []int{1},
		},
		"who would have to move": {
			two(8, plan.Group{Name: "db", Priority: 500}, plan.Group{Name: "web", Priority: 500, Current: []int{1}, Affinities: []plan.Affinity{{Kind: plan.Delegate, Target: 0}}}), 0, 0, plan.Worse, "web would have to move", []int{1},
		},
		"the load": {
			two(8, plan.Group{Name: "a", Priority: 500, Loads: []int64{4}}, plan.Group{Name: "b", Priority: 500, Loads: []int64{4}}), 1, 0, plan.Fuller, "is fuller than n2", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := must(t, c.p, plan.Effort{})
			for _, x := range r.Explained(c.group) {
				if x.Node != c.node {
					continue
				}
				i := slices.IndexFunc(x.Against, func(n plan.Note) bool { return n.Reason == c.reason })
				if i < 0 || !strings.Contains(x.Against[i].Text, c.text) || !slices.Equal(x.Against[i].Groups, c.groups) {
					t.Fatalf("got %+v\n%s", x.Against, strings.Join(r.Why(c.group), "\n"))
				}
			}
		})
	}
}

// With Concentrate it is the nodes in use that speak for and against, and never how full they are.
func TestConcentrationIsSaid(t *testing.T) {
	p := plan.Problem{Kinds: []string{"mem"}, Concentrate: true, Nodes: []plan.Node{{Name: "n1"}, {Name: "n2"}, {Name: "n3"}}}
	p.Groups = []plan.Group{
		{Name: "db", Desired: 1, Maximum: 1, Nodelist: []int{2}, Loads: []int64{4}},
		{Name: "web", Desired: 1, Maximum: 1, Nodelist: []int{0, 1, 2}, Loads: []int64{4}},
	}
	r := must(t, p, plan.Effort{})
	c := r.Explained(1)
	if !slices.Equal(r.Nodes(1), []int{2}) || c[0].Against[0].Reason != plan.Idle || c[1].Against[0].Reason != plan.Idle || !slices.ContainsFunc(c[2].For, func(n plan.Note) bool { return n.Reason == plan.InUse }) {
		t.Errorf("%s", strings.Join(r.Why(1), "\n"))
	}
	p.Concentrate = false
	r = must(t, p, plan.Effort{})
	if c := r.Explained(1); !slices.Equal(r.Nodes(1), []int{0}) || !slices.ContainsFunc(c[0].For, func(n plan.Note) bool { return n.Reason == plan.Room && strings.Contains(n.Text, "mem is 4") }) {
		t.Errorf("%s", strings.Join(r.Why(1), "\n"))
	}
}

// What is said of a node that was not chosen is true of the placement with the group there: it is no better, and where others are named, they are worse off.
func TestNoPlacementThatIsBlamedIsBetter(t *testing.T) {
	followed := 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawSmall(t, 5)
		r := must(t, p, plan.Effort{})
		for g := range p.Groups {
			for _, c := range r.Explained(g) {
				for _, n := range c.Against {
					if n.Reason == plan.Worse {
						followed++
						if n.Text == "" || strings.HasPrefix(n.Text, " ") {
							t.Fatalf("group %d on %d: %q names nothing\n%s", g, c.Node, n.Text, brief(p))
						}
					}
					if n.Reason == plan.Alike && r.Exact && strings.Contains(n.Text, "not be worse") {
						t.Fatalf("group %d on %d would be better: %s\n%s", g, c.Node, n.Text, brief(p))
					}
				}
			}
		}
	})
	if followed == 0 {
		t.Error("nothing was ever followed up")
	}
}
