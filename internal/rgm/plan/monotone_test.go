package plan_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/rgm/plan"
)

// leavesOutMore compares how many groups are offline, and how many primaries are missing.
func leavesOutMore(a, b plan.Result) bool {
	return a.Figures.Offline > b.Figures.Offline || a.Figures.Offline == b.Figures.Offline && a.Figures.Missing > b.Figures.Missing
}

// unbound is a small problem without affinities and requests, in which more room can only help.
func unbound(t *rapid.T) plan.Problem {
	p := drawSmall(t, 5)
	for g := range p.Groups {
		x := &p.Groups[g]
		x.Affinities, x.Explicit, x.Held, x.Priority = nil, nil, false, 500
	}
	return p
}

// More room leaves out no more.
func TestMoreRoomHarmsNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := unbound(t)
		if len(p.Kinds) == 0 {
			return
		}
		n, k := rapid.IntRange(0, len(p.Nodes)-1).Draw(t, "node"), rapid.IntRange(0, len(p.Kinds)-1).Draw(t, "kind")
		more := plan.With(p, func(p *plan.Problem) {
			l := slices.Clone(p.Nodes[n].Limits)
			l[k] = plan.Limit{Soft: plan.Unlimited, Hard: plan.Unlimited}
			p.Nodes[n].Limits = l
		})
		if a, b := must(t, p, plan.Effort{}), must(t, more, plan.Effort{}); leavesOutMore(b, a) {
			t.Fatalf("%+v, with more room %+v\n%s", a.Figures, b.Figures, brief(p))
		}
	})
}

// A group that goes leaves its room to the others.
func TestAGroupThatGoesHarmsNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := unbound(t)
		g := rapid.IntRange(0, len(p.Groups)-1).Draw(t, "group")
		less := plan.With(p, func(p *plan.Problem) { p.Groups[g].Off = true })
		if a, b := must(t, p, plan.Effort{}), must(t, less, plan.Effort{}); leavesOutMore(b, a) {
			t.Fatalf("%+v, without group %d %+v\n%s", a.Figures, g, b.Figures, brief(p))
		}
	})
}

// Two groups that need not keep apart any more leave out no more than before.
func TestARuleThatGoesHarmsNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := unbound(t)
		for g := range p.Groups {
			p.Groups[g].Preemption, p.Groups[g].Suspended = plan.HasCost, false
			if g > 0 && rapid.Bool().Draw(t, "apart") {
				p.Groups[g].Affinities = []plan.Affinity{{Kind: plan.Forbid, Target: rapid.IntRange(0, g-1).Draw(t, "target")}}
			}
		}
		g := rapid.IntRange(0, len(p.Groups)-1).Draw(t, "group")
		less := plan.With(p, func(p *plan.Problem) { p.Groups[g].Affinities = nil })
		if a, b := must(t, p, plan.Effort{}), must(t, less, plan.Effort{}); leavesOutMore(b, a) {
			t.Fatalf("%+v, without the rule of group %d %+v\n%s", a.Figures, g, b.Figures, brief(p))
		}
	})
}

// How good the best placement is does not depend on how nodes and groups are numbered.
func TestNumbersDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawSmall(t, 5)
		node, group := permutation(t, "nodes", len(p.Nodes)), permutation(t, "groups", len(p.Groups))
		a, b := must(t, p, plan.Effort{}), must(t, renumbered(p, node, group), plan.Effort{})
		if c, what := a.Figures.Compare(b.Figures); a.Exact && b.Exact && len(asked(p)) < 2 && c != 0 {
			t.Fatalf("%+v, renumbered by %v and %v %+v: they differ in %s\n%s", a.Figures, node, group, b.Figures, what, brief(p))
		}
	})
}

// asked are the groups with a request, of which one may come before the other.
func asked(p plan.Problem) (out []int) {
	for g, x := range p.Groups {
		if x.Explicit != nil || x.Held {
			out = append(out, g)
		}
	}
	return out
}

func permutation(t *rapid.T, label string, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return rapid.Permutation(all).Draw(t, label)
}

// renumbered is the problem in which node i is number node[i], and group i number group[i].
func renumbered(p plan.Problem, node, group []int) plan.Problem {
	q := plan.Problem{Kinds: p.Kinds, Concentrate: p.Concentrate, Nodes: make([]plan.Node, len(p.Nodes)), Groups: make([]plan.Group, len(p.Groups))}
	for n, x := range p.Nodes {
		q.Nodes[node[n]] = x
	}
	number := func(list []int) (out []int) {
		for _, n := range list {
			out = append(out, node[n])
		}
		return out
	}
	for g, x := range p.Groups {
		x.Nodelist, x.Current, x.Draws, x.Explicit = number(x.Nodelist), number(x.Current), number(x.Draws), number(x.Explicit)
		x.Refused, x.Affinities = slices.Clone(x.Refused), slices.Clone(x.Affinities)
		for i := range x.Refused {
			x.Refused[i].Node = node[x.Refused[i].Node]
		}
		for i := range x.Affinities {
			x.Affinities[i].Target = group[x.Affinities[i].Target]
		}
		q.Groups[group[g]] = x
	}
	return q
}
