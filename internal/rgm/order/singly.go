package order

import (
	"cmp"
	"slices"

	"redoubt/internal/rgm/plan"
)

// singly places the groups of a problem that the planner can not work with: one after the other, requests first, then in order of priority, each where it runs or else
// on the first node of its nodelist that has room for it. Nothing is moved or evicted but for a request, and nothing is balanced, yet no hard rule is broken: a failover like this is
// better than none.
func singly(p *plan.Problem) [][]int {
	s := single{p: p, at: make([][]int, len(p.Groups)), apart: make([][]int, len(p.Groups)), load: make([]int64, len(p.Nodes)*len(p.Kinds))}
	groups := make([]int, len(p.Groups))
	for g := range p.Groups {
		groups[g] = g
		for _, a := range p.Groups[g].Affinities {
			if a.Kind == plan.Forbid {
				s.apart[g], s.apart[a.Target] = append(s.apart[g], a.Target), append(s.apart[a.Target], g)
			}
		}
	}
	asked := func(g int) int { return min(len(p.Groups[g].Explicit), 1) }
	slices.SortStableFunc(groups, func(a, b int) int {
		return cmp.Or(cmp.Compare(asked(b), asked(a)), cmp.Compare(p.Groups[b].Priority, p.Groups[a].Priority))
	})
	for _, g := range groups {
		if x := &p.Groups[g]; x.Suspended && !x.Off && len(x.Explicit) == 0 {
			for _, n := range x.Current {
				if s.remains(g, n) {
					s.put(g, n)
				}
			}
		}
	}
	for _, pass := range []func(int) bool{s.keep, s.fill, s.stay} {
		// A source finds its place after its strong target, which may come later in the order.
		for again := true; again; {
			again = false
			for _, g := range groups {
				if x := &p.Groups[g]; !x.Off && (!x.Suspended || len(x.Explicit) > 0) {
					again = pass(g) || again
				}
			}
		}
	}
	for g := range s.at {
		slices.Sort(s.at[g])
	}
	return s.at
}

// single is a placement that is being made.
type single struct {
	p     *plan.Problem
	at    [][]int // by group
	apart [][]int // by group: those joined by --
	load  []int64 // node*kinds+kind
}

// keep puts a group on the next node that was asked for, or where it runs or Failback draws it.
func (s *single) keep(g int) bool {
	x := &s.p.Groups[g]
	if len(x.Explicit) > 0 {
		return s.next(g, min(len(x.Explicit), x.Maximum), func(n int) bool { return slices.Contains(x.Explicit, n) })
	}
	if x.Remaster || len(x.Current) == 0 {
		return false
	}
	return s.next(g, min(max(x.Desired, len(x.Current)), x.Maximum), func(n int) bool {
		return slices.Contains(x.Current, n) || x.Failback && slices.Contains(x.Draws, n)
	})
}

// remains reports whether a suspended group stays on a node where it is: not when the node was taken off its nodelist, is gone, or was refused for good.
func (s *single) remains(g, n int) bool {
	x := &s.p.Groups[g]
	gone := slices.ContainsFunc(x.Refused, func(r plan.Refusal) bool { return r.Node == n && !r.Stays })
	return slices.Contains(x.Nodelist, n) && !s.p.Nodes[n].Down && !gone
}

// fill puts a group that has fewer nodes than it shall have on one more.
func (s *single) fill(g int) bool {
	x := &s.p.Groups[g]
	return len(x.Explicit) == 0 && s.next(g, min(x.Desired, x.Maximum), func(int) bool { return true })
}

// stay leaves a group that was asked to leave its node there, when no other can run it.
func (s *single) stay(g int) bool {
	x := &s.p.Groups[g]
	for _, r := range x.Refused {
		if r.Stays && len(s.at[g]) == 0 && x.Desired > 0 && slices.Contains(x.Current, r.Node) && s.room(g, r.Node) {
			s.put(g, r.Node)
			return true
		}
	}
	return false
}

// next gives a group that has fewer than most nodes the first one of its nodelist that it may have.
func (s *single) next(g, most int, among func(int) bool) bool {
	x := &s.p.Groups[g]
	if len(s.at[g]) >= most {
		return false
	}
	for _, n := range x.Nodelist {
		refused := slices.ContainsFunc(x.Refused, func(r plan.Refusal) bool { return r.Node == n })
		closed := s.p.Nodes[n].Closed && !slices.Contains(x.Current, n) && !slices.Contains(x.Explicit, n)
		if among(n) && !refused && !closed && !slices.Contains(s.at[g], n) && s.room(g, n) {
			s.put(g, n)
			return true
		}
	}
	return false
}

// room reports whether a node is there and a group may run on it beside what has been placed.
func (s *single) room(g, n int) bool {
	x, node := &s.p.Groups[g], &s.p.Nodes[n]
	if node.Down || slices.ContainsFunc(s.apart[g], func(o int) bool { return slices.Contains(s.at[o], n) }) {
		return false
	}
	for _, a := range x.Affinities {
		if (a.Kind == plan.Require || a.Kind == plan.Delegate) && !slices.Contains(s.at[a.Target], n) {
			return false
		}
	}
	for k, l := range x.Loads {
		if l > 0 && k < len(node.Limits) && s.load[n*len(s.p.Kinds)+k] > node.Limits[k].Hard-l {
			return false
		}
	}
	return true
}

func (s *single) put(g, n int) {
	s.at[g] = append(s.at[g], n)
	for k, l := range s.p.Groups[g].Loads {
		s.load[n*len(s.p.Kinds)+k] += l
	}
}
