package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// obstacles are the groups that keep another from a node under the hard rules, as everything is placed now.
type obstacles struct {
	node  int
	apart []int32 // joined by --
	room  []int32 // hold the room that is missing besides
	kind  int     // of load, -1: there is room
	free  bool    // without them the group could be there
}

// before reports whether o is the nearer way to a place.
func (o obstacles) before(p obstacles) bool {
	if o.free != p.free {
		return o.free
	}
	return len(o.apart)+len(o.room) < len(p.apart)+len(p.room)
}

// obstacles finds them on one node.
func (s *state) obstacles(g int32, n int) obstacles {
	o := obstacles{node: n, kind: -1, free: true}
	bit := uint64(1) << n
	for _, a := range s.in.items[g].apart {
		if s.at[a]&bit != 0 && !slices.Contains(o.apart, a) {
			o.apart = append(o.apart, a)
			o.free = o.free && !s.needs(g, a)
		}
	}
	for _, l := range s.in.items[g].loads {
		c := n*s.in.kinds + l.kind
		lack := s.load[c] + l.load - s.in.hard[c]
		for _, a := range slices.Concat(o.apart, o.room) {
			lack -= s.in.items[a].carried(l.kind)
		}
		if s.at[g]&bit != 0 {
			lack -= l.load
		}
		if s.in.hard[c] == Unlimited || lack <= 0 {
			continue
		}
		more, enough := s.holders(g, n, l, lack, slices.Concat(o.apart, o.room))
		o.room, o.kind, o.free = append(o.room, more...), l.kind, o.free && enough
	}
	return o
}

// holders are the groups on a node, the largest first, that would have to leave until so much of one kind of load is free for a group, and whether that is enough.
// Those that it has to run with hold nothing against it.
func (s *state) holders(g int32, n int, l part, lack int64, but []int32) (out []int32, enough bool) {
	var there []int32
	for i, w := range s.on[n*s.words : (n+1)*s.words] {
		for ; w != 0; w &= w - 1 {
			if o := int32(i<<6 + first(w)); o != g && s.in.items[o].carries(l.kind) && !slices.Contains(but, o) && !s.needs(g, o) {
				there = append(there, o)
			}
		}
	}
	slices.SortStableFunc(there, func(a, b int32) int { return cmp.Compare(s.in.items[b].carried(l.kind), s.in.items[a].carried(l.kind)) })
	for _, o := range there {
		if lack <= 0 {
			break
		}
		out = append(out, o)
		lack -= s.in.items[o].carried(l.kind)
	}
	return out, lack <= 0
}

// needs reports whether a group has to run with another, at once or through others.
func (s *state) needs(g, o int32) bool {
	way := []int32{g}
	for i := 0; i < len(way); i++ {
		for _, q := range s.in.items[way[i]].pull {
			if q.target == o {
				return true
			}
			if !slices.Contains(way, q.target) {
				way = append(way, q.target)
			}
		}
	}
	return false
}

// carried is the load of a group of one kind.
func (t *item) carried(kind int) int64 {
	for _, l := range t.loads {
		if l.kind == kind {
			return l.load
		}
	}
	return 0
}

func numbers(groups []int32) (out []int) {
	for _, g := range groups {
		out = append(out, int(g))
	}
	return out
}

// named is how many groups a text names before it counts the rest.
const named = 4

// called are the names of groups.
func (r Result) called(groups []int32) string {
	return r.list(groups, func(g int32) string { return r.p.Groups[g].Name })
}

// holding are the names of groups with what each carries.
func (r Result) holding(groups []int32, kind int) string {
	return r.list(groups, func(g int32) string {
		return fmt.Sprintf("%s (%d)", r.p.Groups[g].Name, r.state.in.items[g].carried(kind))
	})
}

func (r Result) list(groups []int32, word func(int32) string) string {
	var words []string
	for _, g := range groups[:min(len(groups), named)] {
		words = append(words, word(g))
	}
	if more := len(groups) - named; more > 0 {
		words = append(words, fmt.Sprintf("%d more", more))
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// Explained are the Candidates, in which "other groups would be worse off" is followed up: the groups are placed once more with this one there, for each such node, the
// first of the nodelist before others, and for a few only where the groups are very many.
func (r Result) Explained(group int) []Candidate {
	const work = 100_000 // groups placed in all
	out, left := r.Candidates(group), max(work/len(r.p.Groups), 1)
	for i := range out {
		for j, n := range out[i].Against {
			if n.Reason == Worse && left > 0 {
				out[i].Against[j] = r.instead(int32(group), n.Node)
				left--
			}
		}
	}
	return out
}

// Cause is what Left says, with the same followed up.
func (r Result) Cause(group int) (Note, bool) {
	note, left := r.Left(group)
	if left && note.Reason == Worse && note.Node >= 0 {
		note = r.instead(int32(group), note.Node)
	}
	return note, left
}

// instead says what would be worse if a group were on a node where it is not.
func (r Result) instead(g int32, n int) Note {
	s := r.state
	want := []int{n}
	for _, m := range r.p.Groups[g].Nodelist {
		if s.at[g]&(1<<m) != 0 && len(want) < max(count(s.at[g]), 1) {
			want = append(want, m)
		}
	}
	f := solve(With(r.p, func(p *Problem) {
		p.Groups[g].Explicit, p.Groups[g].Held, p.Groups[g].Suspended = want, false, false
	}), Effort{Branches: 20_000, Steps: 20_000})
	note := Note{Reason: Worse, Node: n, Kind: -1}
	if f.at[g]&(1<<n) == 0 {
		why, _ := f.Refused(int(g))
		note.Groups, note.Text = why.Groups, "can not be brought here: "+why.Text
		return note
	}
	then := newState(s.in)
	for o, m := range f.at {
		then.set(int32(o), m)
	}
	c, figure := r.Figures.Compare(then.figures())
	switch {
	case c == 0:
		note.Reason, note.Text = Alike, "would be as good; the placement that was found first is kept"
	case c > 0:
		note.Reason, note.Text = Alike, "would not be worse ("+figure+"), but was not found: this placement is not proved to be the best"
	default:
		groups, text := r.differ(then, figure)
		note.Groups, note.Text = numbers(groups), text
	}
	return note
}

// differ names the groups that a figure is worse for in another placement, and says so.
func (r Result) differ(then *state, figure string) (groups []int32, text string) {
	now := r.state
	worse := func(of func(share) int64) (out []int32) {
		for _, g := range now.in.order {
			if of(then.shares[g]) > of(now.shares[g]) {
				out = append(out, g)
			}
		}
		return out
	}
	say := func(of func(share) int64, one, many string) ([]int32, string) {
		groups := worse(of)
		if len(groups) == 1 {
			return groups, r.called(groups) + " " + one
		}
		return groups, r.called(groups) + " " + many
	}
	switch figure {
	case "offline":
		return say(func(w share) int64 { return int64(w.offline) }, "would have no place, and goes first", "would have no place, and go first")
	case "missing":
		return say(func(w share) int64 { return int64(w.missing) }, "would have fewer primaries", "would have fewer primaries")
	case "evicting":
		return say(func(w share) int64 { return w.evicting }, "would be driven away", "would be driven away")
	case "stays":
		return say(func(w share) int64 { return w.stays }, "would stay where it was asked to leave", "would stay where they were asked to leave")
	case "soft", "excess":
		var over []string
		for c, l := range then.load {
			if l > now.in.soft[c] && l > now.load[c] {
				over = append(over, fmt.Sprintf("%s on %s would be %d, above the soft limit %d", r.p.Kinds[c%now.in.kinds], r.p.Nodes[c/now.in.kinds].Name, l, now.in.soft[c]))
			}
		}
		return nil, strings.Join(over, "; ")
	case "moves":
		return say(func(w share) int64 { return w.moves }, "would have to move", "would have to move")
	case "unserved":
		return say(func(w share) int64 { return w.unserved }, "could not be with its target", "could not be with their targets")
	case "weak":
		return say(func(w share) int64 { return w.weak }, "would break a + or - affinity", "would break + or - affinities")
	case "rank":
		return say(func(w share) int64 { return w.rank }, "would be on a node further down its nodelist", "would be on nodes further down their nodelists")
	}
	if r.p.Concentrate {
		return nil, "one node more would carry load (concentrate_load)"
	}
	return nil, "load would be spread less evenly"
}
