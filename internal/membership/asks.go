package membership

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/quorum"
)

// grant puts what was asked for into the next record, one ask of each kind a time; what may not be is refused with a notice.
func (m *Machine) grant(r *Record) bool {
	due := false
	var later []Ask
	for _, a := range m.asks {
		if done(r, a) {
			continue // asked again before it was seen to be done
		}
		wait, refused := m.grantOne(r, a)
		switch {
		case refused != "":
			m.notice("warn", m.cfg.Self, "a change of the membership was refused: "+refused)
		case wait:
			later = append(later, a)
		default:
			due = true
		}
	}
	m.asks = later
	return due
}

// grantOne changes r as a asks; wait means not yet, refused why never.
func (m *Machine) grantOne(r *Record, ask Ask) (wait bool, refused string) {
	switch a := ask.(type) {
	case AskTiming:
		if err := a.Timing.Check(); err != nil {
			return false, err.Error()
		}
		if r.PrevTiming != nil {
			return true, ""
		}
		old := r.Timing
		r.PrevTiming, r.Timing = &old, a.Timing
		m.toldTiming = waitFor{epoch: r.Epoch}
	case AskExtend:
		mem, ok := r.Member(a.Node)
		if !ok {
			return false, fmt.Sprintf("node %s is no member", a.Node)
		}
		return m.extend(r, mem, a.Hold), ""
	case AskVoters:
		if r.NextVoters != nil {
			return true, ""
		}
		if err := oneStep(r.Voters, a.Next); err != nil {
			return false, err.Error()
		}
		r.NextVoters, r.VoterEpoch = slices.Clone(a.Next), r.Epoch
	case AskSettleVoters:
		if !m.votersKnow() {
			return true, ""
		}
		r.Voters, r.NextVoters, r.VoterEpoch = r.NextVoters, nil, r.Epoch
	case AskRemove:
		mem, ok := r.Member(a.Node)
		if !ok {
			return false, fmt.Sprintf("node %s is no member", a.Node)
		}
		m.remove(r, NodeIncarnation{mem.Node, mem.Incarnation}, a.Why)
	case AskFenced:
		r.Leaving = slices.DeleteFunc(r.Leaving, a.Who.is)
	case AskUnfence:
		if i := slices.IndexFunc(r.Leaving, a.Who.is); i >= 0 {
			r.Leaving[i].Fence = false
		}
	}
	return false, ""
}

// is reports whether a leaver is this incarnation.
func (ni NodeIncarnation) is(l Leaver) bool {
	return l.Node == ni.Node && l.Incarnation == ni.Incarnation
}

// done reports whether r is already what an ask for other voters, or about a marked leaver, wants.
func done(r *Record, ask Ask) bool {
	switch a := ask.(type) {
	case AskVoters:
		return len(a.Next) > 0 && (slices.Equal(a.Next, r.NextVoters) || r.NextVoters == nil && slices.Equal(a.Next, r.Voters))
	case AskSettleVoters:
		return r.NextVoters == nil
	case AskFenced:
		l, held := r.Leaver(a.Who)
		return !held || !l.Fence
	case AskUnfence:
		l, held := r.Leaver(a.Who)
		return !held || !l.Fence
	}
	return false
}

// extend sets or ends the longer hold of a member. An extension that ends stays in the record, marked so, until what was promised under it
// has run out: a voter that is restarted meanwhile would not know it otherwise.
func (m *Machine) extend(r *Record, mem Member, hold int64) (wait bool) {
	i := slices.IndexFunc(r.Extended, func(e Extension) bool { return e.Node == mem.Node && e.Incarnation == mem.Incarnation })
	switch {
	case i < 0 && hold > 0:
		r.Extended = append(r.Extended, Extension{Node: mem.Node, Incarnation: mem.Incarnation, Hold: hold})
	case i < 0:
	case hold > 0:
		r.Extended[i].Hold, r.Extended[i].Ending = max(hold, r.Extended[i].Hold), false
	default:
		r.Extended[i].Ending = true
		m.toldTiming = waitFor{epoch: r.Epoch}
	}
	return false
}

// oneStep refuses a change of the voters by more than one in and one out.
func oneStep(now, next []Voter) error {
	in, out := 0, 0
	for _, v := range next {
		if !slices.Contains(now, v) {
			in++
		}
	}
	for _, v := range now {
		if !slices.Contains(next, v) {
			out++
		}
	}
	switch {
	case len(next) == 0:
		return fmt.Errorf("a cluster without voters cannot decide anything")
	case in > 1 || out > 1:
		return fmt.Errorf("voters change one at a time: %d would come and %d go", in, out)
	case in+out == 0:
		return fmt.Errorf("these are the voters already")
	}
	return nil
}

// told reports whether a node has said that it applied a record at least as new as e.
func (m *Machine) told(n cluster.NodeName, e cluster.Epoch) bool {
	if n == m.cfg.Self {
		return m.rec.Epoch >= e
	}
	p, ok := m.peers[n]
	return ok && p.epoch >= e
}

// after reports whether all has been true for span; it remembers since when.
func (w *waitFor) after(epoch cluster.Epoch, all bool, now Instant, span time.Duration) bool {
	if w.epoch != epoch {
		*w = waitFor{epoch: epoch}
	}
	if all && w.since == 0 {
		w.since = now
	}
	return w.since != 0 && now >= w.since.Add(int64(span))
}

// longest is the longest hold that counts for anybody.
func (m *Machine) longest() time.Duration {
	h := longestHold(m.rec, NodeIncarnation{})
	for _, e := range m.rec.Extended {
		h = max(h, time.Duration(e.Hold))
	}
	for _, l := range m.rec.Leaving {
		h = max(h, time.Duration(l.Hold))
	}
	return h + h*2*cluster.DriftPerMille/1000
}

// votersKnow reports whether a majority of both sets has applied the beginning of the change, and the longest hold has passed since that was
// seen: then every lease that rested on the old set alone has run out.
func (m *Machine) votersKnow() bool {
	now, next := m.voterSets()
	all := quorum.Has(func(v cluster.NodeName) bool { return m.told(v, m.rec.VoterEpoch) }, now, next)
	return m.toldVoters.after(m.rec.VoterEpoch, all, m.now, m.longest())
}

// tidy ends what has served its time: the previous timing and ending extensions when everybody has applied their end and the longest hold has passed, and
// leavers that have gone.
func (m *Machine) tidy(r *Record) bool {
	due := false
	ending := slices.ContainsFunc(m.rec.Extended, func(e Extension) bool { return e.Ending })
	pending := m.rec.PrevTiming != nil || ending
	switch {
	case !pending:
		m.toldTiming = waitFor{}
	case m.toldTiming.epoch == 0:
		m.toldTiming.epoch = m.rec.Epoch
	}
	if pending && m.toldTiming.after(m.toldTiming.epoch, m.allTold(m.toldTiming.epoch), m.now, m.longest()) {
		r.PrevTiming, due = nil, true
		r.Extended = slices.DeleteFunc(r.Extended, func(e Extension) bool { return e.Ending })
		m.toldTiming = waitFor{}
	}
	isGone := func(l Leaver) bool { return slices.Contains(m.gone, NodeIncarnation{l.Node, l.Incarnation}) }
	if slices.ContainsFunc(r.Leaving, isGone) {
		r.Leaving = slices.DeleteFunc(r.Leaving, isGone)
		due = true
	}
	return due
}

// allTold reports whether every member and every voter has applied a record at least as new as e.
func (m *Machine) allTold(e cluster.Epoch) bool {
	for _, mem := range m.rec.Members {
		if !m.told(mem.Node, e) {
			return false
		}
	}
	for _, v := range m.voters() {
		if !m.told(v, e) {
			return false
		}
	}
	return true
}

// setLast notes the highest incarnation number of a node.
func (r *Record) setLast(ni NodeIncarnation) {
	for i := range r.Last {
		if r.Last[i].Node == ni.Node {
			r.Last[i].Number = max(r.Last[i].Number, ni.Incarnation.Number)
			return
		}
	}
	r.Last = append(r.Last, LastNumber{ni.Node, ni.Incarnation.Number})
}

// sort brings every set into its order.
func (r *Record) sort() {
	slices.SortFunc(r.Members, func(a, b Member) int { return cmp.Compare(a.Node, b.Node) })
	slices.SortFunc(r.Leaving, func(a, b Leaver) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Incarnation.Number, b.Incarnation.Number))
	})
	slices.SortFunc(r.Last, func(a, b LastNumber) int { return cmp.Compare(a.Node, b.Node) })
	slices.SortFunc(r.Extended, func(a, b Extension) int { return cmp.Compare(a.Node, b.Node) })
}
