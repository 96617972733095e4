package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Reason names what spoke for or against a node, or why a group is offline: a closed set, beside the reasons of the caller's refusals.
type Reason string

// The reasons for a node.
const (
	Asked     Reason = "asked-for"     // an administrator asked for it
	Runs      Reason = "runs-here"     // the group runs there
	Comes     Reason = "comes-here"    // the group runs there or is on its way there
	Drawn     Reason = "failback"      // it joined, or a strong target came there, and Failback draws the group
	WithGroup Reason = "with-target"   // a strong target runs there
	Near      Reason = "near-target"   // a target of + runs there
	Position  Reason = "nodelist"      // its place in the nodelist
	Room      Reason = "room"          // how full it is of the group's loads
	InUse     Reason = "in-use"        // it carries load already, and load is concentrated
	Put       Reason = "held"          // an administrator put the group there
	Protected Reason = "not-preempted" // the group is Never preempted
)

// The reasons against a node.
const (
	Down        Reason = "not-member"
	Closed      Reason = "closed"
	NotAsked    Reason = "not-asked-for"    // an administrator asked for others
	HardLimit   Reason = "hard-limit"       // its load would exceed a hard limit
	SoftLimit   Reason = "soft-limit"       // its load exceeds a soft limit
	Elsewhere   Reason = "target-elsewhere" // a target of ++ or +++ does not run there
	Apart       Reason = "apart"            // a group joined by -- runs there
	Far         Reason = "far-from-target"  // a target of + runs elsewhere
	Close       Reason = "close-to-target"  // a target of - runs there
	Move        Reason = "move"             // a running group would have to move
	Fuller      Reason = "fuller"           // it is fuller of the group's loads than the nodes chosen
	Idle        Reason = "idle"             // it carries nothing, and load is concentrated
	LaterInList Reason = "later"            // the chosen come before it in the nodelist
	Enough      Reason = "enough"           // the group has all the primaries that it shall have
	Follower    Reason = "source-elsewhere" // a group that has to run with it can not run there
	Worse       Reason = "worse-on-whole"   // other groups would be worse off
	Alike       Reason = "as-good"          // a placement with the group there has the same figures; it was not found first
)

// The reasons for being offline, or for a request not obeyed.
const (
	NotWanted   Reason = "off"
	Suspended   Reason = "suspended"
	NoCandidate Reason = "no-candidate" // no node of the nodelist may run it
	NoRoom      Reason = "no-room"      // hard limits leave no room
	NoTarget    Reason = "no-target"    // it can not run where its strong targets run
	Evicted     Reason = "evicted"      // a group that it may not share a node with goes first
	Stays       Reason = "stays"        // was asked to leave, but there is no other place
)

// Note is one reason, with the node and the kind of load that it is about (-1: none) and all groups that it names. Without those that hold a place or room,
// the group would have it, or some other that waits too.
type Note struct {
	Reason Reason
	Node   int
	Kind   int // of load
	Groups []int
	Text   string
}

// Candidate is one node that a group could have, and what spoke for and against it.
type Candidate struct {
	Node    int
	Chosen  bool
	For     []Note
	Against []Note
}

// Candidates are the nodes of a group's nodelist, in that order, with what spoke for and against each in the placement as it is now.
func (r Result) Candidates(group int) []Candidate {
	g := r.p.Groups[group]
	out := make([]Candidate, 0, len(g.Nodelist))
	for _, n := range g.Nodelist {
		out = append(out, r.candidate(int32(group), n))
	}
	return out
}

// Stayed says why a group is where it was asked to leave.
func Stayed(suspended bool) string {
	if suspended {
		return "was asked to give the group up, which stays while it is suspended"
	}
	return "was asked to give the group up, but no other node can run it"
}

func (r Result) candidate(g int32, n int) Candidate {
	s, x := r.state, r.p.Groups[g]
	t := &s.in.items[g]
	bit := uint64(1) << n
	c := Candidate{Node: n, Chosen: s.at[g]&bit != 0}
	pro := func(w Reason, group int, format string, a ...any) {
		c.For = append(c.For, Note{w, n, -1, about(group), fmt.Sprintf(format, a...)})
	}
	con := func(w Reason, group, kind int, format string, a ...any) {
		c.Against = append(c.Against, Note{w, n, kind, about(group), fmt.Sprintf(format, a...)})
	}
	for _, f := range x.Refused {
		switch {
		case f.Node != n:
		case f.Stays && c.Chosen:
			con(Stays, -1, -1, "%s", Stayed(x.Suspended))
		default:
			con(f.Reason, -1, -1, "%s", f.Text)
		}
	}
	asked := set(x.Explicit)
	if r.p.Nodes[n].Down {
		con(Down, -1, -1, "is not in the cluster")
	}
	if r.p.Nodes[n].Closed && t.cand&bit == 0 && !r.p.Nodes[n].Down {
		con(Closed, -1, -1, "takes no further groups")
	}
	if asked&bit != 0 {
		pro(Asked, -1, "an administrator asked for it")
	} else if asked != 0 && t.explicit {
		con(NotAsked, -1, -1, "an administrator asked for %s", r.names(asked))
	}
	if t.ran&bit != 0 {
		if x.Coming {
			pro(Comes, -1, "the group runs here, or is on its way here")
		} else {
			pro(Runs, -1, "the group runs here")
		}
		if t.pinned {
			pro(Protected, -1, "the group is never preempted")
		}
		if x.Held {
			pro(Put, -1, "an administrator put the group here")
		}
	}
	if _, near := s.homeOf(g); near&bit != 0 && t.ran&bit == 0 && !t.explicit {
		pro(Drawn, -1, "Failback draws the group here")
	}
	r.affinities(g, n, pro, con)
	r.room(&c, g, n, pro)
	if !c.Chosen && len(c.Against) == 0 {
		r.compared(g, n, con)
	}
	pro(Position, -1, "number %d in the nodelist", t.position[n]+1)
	return c
}

func (r Result) affinities(g int32, n int, pro func(Reason, int, string, ...any), con func(Reason, int, int, string, ...any)) {
	s := r.state
	bit := uint64(1) << n
	for _, a := range r.p.Groups[g].Affinities {
		there, name := s.at[a.Target]&bit != 0, r.p.Groups[a.Target].Name
		switch {
		case a.Kind == Prefer && there:
			pro(Near, a.Target, "+%s runs here", name)
		case a.Kind == Prefer && s.at[a.Target] != 0:
			con(Far, a.Target, -1, "+%s runs on %s", name, r.names(s.at[a.Target]))
		case (a.Kind == Require || a.Kind == Delegate) && there:
			pro(WithGroup, a.Target, "%s%s runs here", a.Kind, name)
		case (a.Kind == Require || a.Kind == Delegate) && s.at[a.Target] == 0:
			con(Elsewhere, a.Target, -1, "%s%s is offline", a.Kind, name)
		case a.Kind == Require || a.Kind == Delegate:
			con(Elsewhere, a.Target, -1, "%s%s runs on %s", a.Kind, name, r.names(s.at[a.Target]))
		case a.Kind == Avoid && there:
			con(Close, a.Target, -1, "-%s runs here", name)
		}
	}
	for _, a := range s.in.items[g].apart {
		if s.at[a]&bit != 0 {
			con(Apart, int(a), -1, "--: never together with %s, which runs here", r.p.Groups[a].Name)
		}
	}
}

// about is the list of one group, or of none.
func about(group int) []int {
	if group < 0 {
		return nil
	}
	return []int{group}
}

// room says how full the node is, or would be, of the group's loads, and who holds the room that is missing.
func (r Result) room(c *Candidate, g int32, n int, pro func(Reason, int, string, ...any)) {
	s := r.state
	for _, l := range s.in.items[g].loads {
		cell := n*s.in.kinds + l.kind
		with := s.load[cell]
		if !c.Chosen {
			with += l.load
		}
		name, note := r.p.Kinds[l.kind], Note{Node: n, Kind: l.kind}
		switch {
		case with > s.in.hard[cell]:
			holders, _ := s.holders(g, n, l, with-s.in.hard[cell], nil)
			note.Reason, note.Text = HardLimit, fmt.Sprintf("%s would be %d, above the hard limit %d", name, with, s.in.hard[cell])
			if len(holders) > 0 {
				note.Groups, note.Text = numbers(holders), note.Text+"; it is held by "+r.holding(holders, l.kind)
			}
			c.Against = append(c.Against, note)
		case with > s.in.soft[cell]:
			note.Reason, note.Text = SoftLimit, fmt.Sprintf("%s is %d with the group, above the soft limit %d", name, with, s.in.soft[cell])
			c.Against = append(c.Against, note)
		case c.Chosen && !r.p.Concentrate && s.in.hard[cell] != Unlimited:
			pro(Room, -1, "%s is %d of %d with the group", name, with, s.in.hard[cell])
		case c.Chosen && !r.p.Concentrate:
			pro(Room, -1, "%s is %d with the group", name, with)
		}
	}
	if c.Chosen && r.p.Concentrate && len(s.in.items[g].loads) > 0 && s.carrying[n] > 1 {
		pro(InUse, -1, "carries load of other groups already, and load is kept on few nodes (concentrate_load)")
	}
}

// compared says why a node that nothing speaks against was not chosen: what the chosen ones have before it.
func (r Result) compared(g int32, n int, con func(Reason, int, int, string, ...any)) {
	s, t := r.state, &r.state.in.items[g]
	at, ran := s.at[g], t.current
	home, _ := s.homeOf(g)
	switch {
	case t.off || t.desired == 0 && at == 0 && !t.fixed:
		con(NotWanted, -1, -1, "the group is not to run")
	case t.fixed:
		con(Suspended, -1, -1, "automatic recovery is suspended")
	case at == 0:
		con(Worse, -1, -1, "a placement with the group here would leave others offline that go first")
	case at&^home == 0 && at&ran != 0 && home&(1<<n) == 0:
		if r.p.Groups[g].Coming {
			con(Move, -1, -1, "the group is on its way to %s and has no need to go elsewhere", r.names(at&ran))
		} else {
			con(Move, -1, -1, "the group runs on %s and has no need to move", r.names(at&ran))
		}
	case count(at) >= t.want && r.idle(g, n):
		con(Idle, -1, -1, "carries nothing, while %s is in use already, and load is kept on few nodes (concentrate_load)", r.names(at))
	case count(at) >= t.want && !r.p.Concentrate && r.fuller(g, n):
		con(Fuller, -1, -1, "is fuller than %s", r.names(at))
	case count(at) >= t.want && r.follower(n, g) >= 0:
		f := r.follower(n, g)
		con(Follower, int(f), -1, "%s, which has to run with it, can not run here", r.p.Groups[f].Name)
	default:
		last := int8(0)
		for m := at; m != 0; m &= m - 1 {
			last = max(last, t.position[first(m)])
		}
		switch {
		case count(at) >= max(t.want, 1) && last < t.position[n]:
			con(LaterInList, -1, -1, "%s comes first in the nodelist", r.names(at))
		case count(at) >= t.desired && home&(1<<n) == 0 && at&ran != 0:
			con(Enough, -1, -1, "%s is enough", r.names(at))
		default:
			con(Worse, -1, -1, "other groups would be worse off")
		}
	}
}

// follower is a group that has to run where the last of way does, at once or through others not on the way, and can not run on a node; -1 if there is none.
func (r Result) follower(n int, way ...int32) int32 {
	g := way[len(way)-1]
	s, bit := r.state, uint64(1)<<n
	for _, f := range s.in.items[g].sources {
		t := &s.in.items[f]
		if slices.Contains(way, f) || t.off || t.desired == 0 || !slices.ContainsFunc(t.pull, func(p pull) bool { return p.target == g }) {
			continue
		}
		if t.cand&bit == 0 || slices.ContainsFunc(t.apart, func(a int32) bool { return s.at[a]&bit != 0 }) {
			return f
		}
		if f := r.follower(n, append(way, f)...); f >= 0 {
			return f
		}
	}
	return -1
}

// idle reports whether a node would be one more that carries load, with Concentrate: it carries none, and those that were chosen carry that of others anyway.
func (r Result) idle(g int32, n int) bool {
	s := r.state
	if !r.p.Concentrate || len(s.in.items[g].loads) == 0 || s.carrying[n] > 0 {
		return false
	}
	for m := s.at[g]; m != 0; m &= m - 1 {
		if s.carrying[first(m)] < 2 {
			return false
		}
	}
	return true
}

// fuller reports whether a node with the group would be fuller than each chosen one is.
func (r Result) fuller(g int32, n int) bool {
	s, in := r.state, r.state.in
	var here int64
	most := int64(-1)
	for m := s.at[g] | 1<<n; m != 0; m &= m - 1 {
		o := first(m)
		var sum int64
		for _, l := range in.items[g].loads {
			c := o*in.kinds + l.kind
			load := s.load[c]
			if o == n {
				load += l.load
			}
			sum += in.imbalance(c, l.kind, load)
		}
		if o == n {
			here = sum
		} else {
			most = max(most, sum)
		}
	}
	return here > most
}

func (r Result) names(m uint64) string {
	var out []string
	for ; m != 0; m &= m - 1 {
		out = append(out, r.p.Nodes[first(m)].Name)
	}
	return strings.Join(out, ", ")
}

// Why says, a line each, where a group runs and what spoke for and against every node of its nodelist.
func (r Result) Why(group int) []string {
	x := r.p.Groups[group]
	var lines []string
	if note, left := r.Left(group); left {
		lines = append(lines, fmt.Sprintf("%s: offline (%s): %s", x.Name, note.Reason, note.Text))
	} else {
		lines = append(lines, fmt.Sprintf("%s: on %s", x.Name, r.names(r.state.at[group])))
	}
	if note, refused := r.Refused(group); refused {
		lines = append(lines, "  the request was refused: "+note.Text)
	}
	for _, c := range r.Explained(group) {
		sign := " "
		if c.Chosen {
			sign = "*"
		}
		var parts []string
		for _, n := range c.For {
			parts = append(parts, "+ "+string(n.Reason)+": "+n.Text)
		}
		for _, n := range c.Against {
			parts = append(parts, "- "+string(n.Reason)+": "+n.Text)
		}
		lines = append(lines, fmt.Sprintf("%s %s  %s", sign, r.p.Nodes[c.Node].Name, strings.Join(parts, "; ")))
	}
	return lines
}
