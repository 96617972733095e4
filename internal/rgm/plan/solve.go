package plan

import "slices"

// Effort bounds the work. The zero value stands for the defaults.
type Effort struct {
	Branches int // that exact search may take for each part: 20,000
	Steps    int // tentative changes of local search: 200,000, and 40 for each group
}

// Result is the placement of all groups.
type Result struct {
	Figures Figures // of this placement
	Bound   Figures // no placement has better ones, compared in turn
	Exact   bool    // no placement is better
	Stable  bool    // solving the placed state again changes nothing

	p       Problem
	at      []uint64
	refused []int32
	state   *state
	first   *instance // with all requests
}

// Solve places all groups.
func Solve(p Problem, e Effort) (Result, error) {
	if err := p.Check(); err != nil {
		return Result{}, err
	}
	if e.Branches <= 0 {
		e.Branches = 20_000
	}
	if e.Steps <= 0 {
		e.Steps = 200_000 + 40*len(p.Groups)
	}
	r := solve(p, e)
	now := r
	for range 4 {
		again := solve(After(p, now), e)
		// What is the best is kept, even where it will not be the best any more once it runs.
		if now.Stable = slices.Equal(again.at, now.at); now.Stable || now.Exact {
			break
		}
		next, lawful := now.replaced(again.at)
		if !lawful {
			break
		}
		now = next
	}
	now.Bound = now.state.bound()
	if now.Exact {
		now.Bound = now.Figures
	}
	return now, nil
}

// solve does it once.
func solve(p Problem, e Effort) Result {
	refused := make([]bool, len(p.Groups))
	r := Result{p: p}
	for {
		in := compile(&r.p, refused)
		if r.first == nil {
			r.first = in
		}
		s := newState(in)
		s.construct()
		s.improve(e.Steps)
		s.repin()
		r.Exact = true
		for _, part := range in.parts() {
			r.Exact = s.exact(part, e.Branches) && r.Exact
		}
		again := false
		for g := range in.items {
			if in.items[g].explicit && s.at[g] == 0 {
				refused[g], again = true, true
				r.refused = append(r.refused, int32(g))
			}
		}
		if !again {
			r.state, r.at = s, s.at
			r.Figures = s.figures()
			return r
		}
	}
}

// replaced is the result with another placement of the same groups, reckoned by the same rules. It reports false for one that breaks them: a suspended
// group that was asked to move holds its targets, but does so no more once it has moved.
func (r Result) replaced(at []uint64) (Result, bool) {
	s := newState(r.state.in)
	for g, m := range at {
		s.set(int32(g), m)
	}
	if !s.lawful() || slices.ContainsFunc(s.in.order, func(g int32) bool { return s.unpinned(g) != 0 }) {
		return r, false
	}
	s.begin()
	r.state, r.at = s, s.at
	r.Figures = s.figures()
	return r, true
}

// repin brings groups that are Never preempted back to where local search should have left them.
func (s *state) repin() {
	for range 3 {
		changed := false
		for _, g := range s.in.order {
			for m := s.unpinned(g); m != 0; m &= m - 1 {
				s.begin()
				if s.attempt(g, first(m), 0) {
					changed = true
				} else {
					s.rollback()
				}
			}
		}
		s.begin()
		if !changed {
			return
		}
	}
}

// Nodes are those that a group was given, in the order of their numbers.
func (r Result) Nodes(group int) []int { return members(r.at[group]) }

// Left says why a group that has no node has none.
func (r Result) Left(group int) (Note, bool) {
	if r.at[group] != 0 {
		return Note{}, false
	}
	return r.cause(int32(group), r.state.in), true
}

// Refused says why an explicit request was not obeyed at all.
func (r Result) Refused(group int) (Note, bool) {
	if len(r.p.Groups[group].Explicit) == 0 || !slices.Contains(r.refused, int32(group)) {
		return Note{}, false
	}
	return r.cause(int32(group), r.first), true
}

// cause looks for the rule that keeps a group from all nodes that in leaves to it.
func (r Result) cause(g int32, in *instance) Note {
	s, t, x := r.state, &in.items[g], r.p.Groups[g]
	note := Note{Node: -1, Kind: -1}
	say := func(w Reason, text string) Note {
		note.Reason, note.Text = w, text
		return note
	}
	switch {
	case x.Off:
		return say(NotWanted, "is not to run")
	case x.Desired == 0 && len(x.Explicit) == 0:
		return say(NotWanted, "no primaries are desired")
	case x.Suspended && !t.explicit:
		return say(Suspended, "automatic recovery is suspended")
	case t.cand == 0:
		return say(NoCandidate, "no node of the nodelist can run the group now")
	}
	m := t.cand
	for _, q := range t.pull {
		if m &= s.at[q.target]; m == 0 {
			note.Groups = about(int(q.target))
			name := r.p.Groups[q.target].Name
			if s.at[q.target] == 0 {
				return say(NoTarget, "has to run with "+name+", which is offline")
			}
			return say(NoTarget, "has to run with "+name+", which runs on "+r.names(s.at[q.target])+", and can not follow it there")
		}
	}
	// The node that the fewest groups keep it from.
	best := obstacles{node: -1}
	for _, n := range x.Nodelist {
		if m&(1<<n) == 0 {
			continue
		}
		if o := s.obstacles(g, n); best.node < 0 || o.before(best) {
			best = o
		}
	}
	beyond := ""
	if len(best.room) > 0 {
		beyond = r.names(1<<best.node) + ": " + r.holding(best.room, best.kind)
	}
	note.Node, note.Kind, note.Groups = best.node, best.kind, append(numbers(best.apart), numbers(best.room)...)
	bound := slices.DeleteFunc(slices.Clone(best.apart), func(a int32) bool { return !s.needs(g, a) })
	switch {
	case len(bound) > 0:
		note.Groups = numbers(bound)
		return say(NoTarget, "has to run with "+r.called(bound)+", and may not run together with it (--)")
	case !best.free:
		note.Groups = nil
		return say(NoRoom, "no node that it may use carries its "+r.p.Kinds[best.kind]+", even without the groups that could leave it")
	case len(best.apart) > 0 && beyond != "":
		return say(Evicted, "may not run together with "+r.called(best.apart)+", which goes first on "+r.names(1<<best.node)+"; and its "+r.p.Kinds[best.kind]+" has no room on "+beyond)
	case len(best.apart) > 0:
		return say(Evicted, "may not run together with "+r.called(best.apart)+", which goes first on "+r.names(1<<best.node))
	case beyond != "":
		return say(NoRoom, "no node that it may use has room for its "+r.p.Kinds[best.kind]+" beside groups that go first or may not be moved; it is held on "+beyond)
	}
	return say(Worse, "running it would leave others offline that go first")
}
