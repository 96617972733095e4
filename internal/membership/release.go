package membership

import (
	"slices"
	"strings"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/quorum"
)

// suspect finds the members that this voter has not heard for their timeout, and those that are proven to have ended.
func (m *Machine) suspect() {
	var s []NodeIncarnation
	for _, mem := range m.rec.Members {
		ni := NodeIncarnation{mem.Node, mem.Incarnation}
		if m.proven[ni] || mem.Node != m.cfg.Self && m.now-m.heardSince(ni, m.known[ni]) > Instant(m.timeoutOf(ni)) {
			s = append(s, ni)
		}
	}
	if slices.Equal(s, m.suspects) {
		return
	}
	for _, ni := range s {
		if !slices.Contains(m.suspects, ni) && !m.proven[ni] {
			m.notice("warn", ni.Node, "node "+string(ni.Node)+" has not been heard for "+m.timeoutOf(ni).String())
		}
	}
	m.suspects, m.changed = s, true
	m.nextBeat = m.now
}

// heardSince is when a member was last heard, or since when this voter waits to hear it.
func (m *Machine) heardSince(ni NodeIncarnation, waiting Instant) Instant {
	if p, ok := m.peers[ni.Node]; ok && p.incarnation == ni.Incarnation {
		return max(p.heard, waiting)
	}
	return waiting
}

// releaseAt is when this voter releases a leaver without proof: after its last promise, and, because it does not know what it promised before it
// was restarted, not before its start plus the longest hold that may have been promised.
func (m *Machine) releaseAt(l Leaver) Instant {
	ni := NodeIncarnation{l.Node, l.Incarnation}
	at := m.promises[ni]
	if !m.cfg.Faults.ForgetfulVoter {
		at = max(at, m.cfg.Started.Add(max(l.Hold, int64(m.holdOf(ni)))))
	}
	return at
}

// timed reports whether a leaver is released by time: its node has no fence agent that would have to confirm its end.
func (m *Machine) timed(l Leaver) bool { return !l.Fence || m.cfg.Faults.FenceByTime }

// bootGrace is how long a node is waited for that was never heard: all machines were off, and they do not boot equally fast. Whoever left last in good order stands in the record
// as a member, because nobody was left to remove it; its agent must not switch it off while it boots.
const bootGrace = time.Minute

// confirmAt is when a marked leaver has had the time to prove its end: every promise that it may have had has run out, its guard has acted, and the word of that
// has arrived, as far as there is a way for it; and one that was never heard in this life of the daemon has had the time to boot.
func (m *Machine) confirmAt(l Leaver) Instant {
	ni := NodeIncarnation{l.Node, l.Incarnation}
	wait := l.Hold + l.Hold*2*cluster.DriftPerMille/1000 + int64(cluster.GuardReaction+m.rec.Timing.Quantum)
	if p, ok := m.peers[l.Node]; !ok || p.heard == 0 || p.incarnation != l.Incarnation {
		wait += int64(bootGrace)
	}
	return m.marked[ni].Add(wait)
}

// heardProof takes a voter's word that a marked leaver is released: a voter says that on proof alone. Of a voter that has applied more than this machine it is not
// known whether the mark still stood.
func (m *Machine) heardProof() {
	for _, l := range m.rec.Leaving {
		if m.timed(l) {
			continue
		}
		ni := NodeIncarnation{l.Node, l.Incarnation}
		for _, v := range m.voters() {
			if p, ok := m.peers[v]; ok && p.epoch >= l.Removed && p.epoch <= m.rec.Epoch && slices.Contains(p.report.Released, ni) {
				m.prove(ni)
			}
		}
	}
}

// judgeUnproven finds the marked leavers whose fence agents are to be asked.
func (m *Machine) judgeUnproven() {
	var u []NodeIncarnation
	for _, l := range m.rec.Leaving {
		if ni := (NodeIncarnation{l.Node, l.Incarnation}); l.Fence && !m.proven[ni] && m.now >= m.confirmAt(l) {
			u = append(u, ni)
		}
	}
	if !slices.Equal(u, m.unproven) {
		m.unproven, m.changed = u, true
	}
}

// release finds the leavers that this voter has released. The record that removed them is applied: they stand in it.
func (m *Machine) release() {
	var r []NodeIncarnation
	for _, l := range m.rec.Leaving {
		ni := NodeIncarnation{l.Node, l.Incarnation}
		if m.proven[ni] || m.timed(l) && m.now >= m.releaseAt(l) || m.cfg.Faults.ReleaseEarly {
			r = append(r, ni)
		}
	}
	if m.cfg.Faults.ReleaseEarly {
		r = append(r, m.suspects...)
	}
	if !slices.Equal(r, m.released) {
		m.released = r
		m.nextBeat = m.now
	}
}

// judgeGone finds the leavers that certainly run nothing: proven, or, without a mark, released by a majority of every set of voters.
func (m *Machine) judgeGone() {
	var g []NodeIncarnation
	now, next := m.voterSets()
	for _, l := range m.rec.Leaving {
		ni := NodeIncarnation{l.Node, l.Incarnation}
		released := func(v cluster.NodeName) bool {
			if v == m.cfg.Self {
				return m.voting() && slices.Contains(m.released, ni)
			}
			p, ok := m.peers[v]
			return ok && p.epoch >= l.Removed && slices.Contains(p.report.Released, ni) || ok && m.cfg.Faults.ReleaseEarly && slices.Contains(p.report.Released, ni)
		}
		if m.proven[ni] || m.cfg.Faults.NoReleaseWait || m.timed(l) && quorum.Has(released, now, next) {
			g = append(g, ni)
		}
	}
	if !slices.Equal(g, m.gone) {
		m.gone, m.changed = g, true
	}
}

// condemned finds the members that are to be removed: proven to have ended, or suspected at present by a majority of every set of voters.
func (m *Machine) condemned() []NodeIncarnation {
	now, next := m.voterSets()
	var c []NodeIncarnation
	for _, mem := range m.rec.Members {
		ni := NodeIncarnation{mem.Node, mem.Incarnation}
		suspects := func(v cluster.NodeName) bool {
			if v == m.cfg.Self {
				return slices.Contains(m.suspects, ni)
			}
			p, ok := m.peers[v]
			return ok && m.hears(v) && m.now-p.reportAt <= 3*Instant(m.rec.Timing.Quantum) && slices.Contains(p.report.Suspects, ni)
		}
		if m.proven[ni] || slices.Contains(m.suspects, ni) && quorum.Has(suspects, now, next) {
			c = append(c, ni)
			if _, ok := m.doomed[ni]; !ok {
				m.doomed[ni] = m.now
			}
		} else {
			delete(m.doomed, ni)
		}
	}
	return c
}

// mayPropose reports whether it is this node's turn to change the record: the president's, or, when he is condemned or missing, that of the voters in
// order, each a quantum after the one before it so that they seldom collide.
func (m *Machine) mayPropose(condemned []NodeIncarnation) bool {
	now, next := m.voterSets()
	if m.cfg.QuorumServer || m.incarnation.IsZero() || !quorum.Has(m.hears, now, next) {
		return false
	}
	president, ok := m.rec.Member(m.rec.President)
	pi := NodeIncarnation{president.Node, president.Incarnation}
	if ok && !slices.Contains(condemned, pi) {
		return president.Node == m.cfg.Self && president.Incarnation == m.incarnation
	}
	if !m.member && m.now < m.cfg.Started.Add(int64(m.rec.Timing.Timeout)) && len(m.voters()) > 1 {
		return false // just started: let the members, who know more, go first
	}
	since := m.cfg.Started
	if ok {
		since = m.doomed[pi]
	}
	rank := int64(0)
	for _, v := range m.rec.Voters {
		if v.Node == m.cfg.Self {
			break
		}
		dead := slices.ContainsFunc(condemned, func(c NodeIncarnation) bool { return c.Node == v.Node }) && !m.hears(v.Node)
		if !v.QuorumServer && !dead && m.hears(v.Node) {
			rank++
		}
	}
	return m.now >= since.Add(rank*int64(m.rec.Timing.Quantum))
}

// propose asks for the next record when there is something to change and it is this node's turn.
func (m *Machine) propose() {
	if m.proposing && m.now-m.proposedAt <= Instant(m.rec.Timing.Timeout+2*time.Second) {
		return
	}
	condemned := m.condemned()
	if m.proposedAt != 0 && m.now-m.proposedAt < Instant(m.rec.Timing.Quantum) || !m.mayPropose(condemned) {
		return
	}
	next, due := m.next(condemned)
	if !due {
		return
	}
	m.proposing, m.proposedAt = true, m.now
	m.emit(Propose{Basis: m.rec.Epoch, Record: next})
}

// next builds the record that should follow, with everything that is due at once; due is false when nothing is.
func (m *Machine) next(condemned []NodeIncarnation) (*Record, bool) {
	r := m.rec.Clone()
	r.Epoch++
	due := false
	for _, c := range condemned {
		m.remove(r, c, "it was not heard by a majority of the voters")
		due = true
	}
	for _, ni := range m.admissions() {
		if old, ok := r.Member(ni.Node); ok {
			m.prove(NodeIncarnation{old.Node, old.Incarnation}) // a voter has heard the later one
			m.remove(r, NodeIncarnation{old.Node, old.Incarnation}, "it came back as a new incarnation")
		}
		r.Members = append(r.Members, Member{Node: ni.Node, Incarnation: ni.Incarnation, Since: r.Epoch})
		r.setLast(ni)
		due = true
	}
	due = m.grant(r) || due
	due = m.tidy(r) || due
	carried := slices.ContainsFunc(r.Members, func(mem Member) bool { return mem.Since < r.Epoch })
	if !carried && len(r.Members) > 0 {
		r.Formation = r.Epoch
	}
	if _, ok := r.Member(r.President); !ok || r.President != m.cfg.Self && due {
		r.President = m.cfg.Self
	}
	r.sort()
	if _, ok := r.Member(r.President); !ok {
		return nil, false // nobody who could preside: this node itself is not admissible yet
	}
	return r, due
}

// remove takes a member out; what it ran is held back until its release, unless it is proven to have ended. Without proof a leaver with a fence agent is marked.
func (m *Machine) remove(r *Record, ni NodeIncarnation, why string) {
	r.Members = slices.DeleteFunc(r.Members, func(x Member) bool { return x.Node == ni.Node && x.Incarnation == ni.Incarnation })
	if m.proven[ni] {
		why = "its services have ended: " + strings.TrimPrefix(why, "it was not heard by a majority of the voters")
		why = strings.TrimSuffix(strings.TrimSpace(why), ":")
	}
	hold := int64(m.holdOf(ni))
	r.Extended = slices.DeleteFunc(r.Extended, func(e Extension) bool { return e.Node == ni.Node })
	r.Leaving = append(r.Leaving, Leaver{Node: ni.Node, Incarnation: ni.Incarnation, Removed: r.Epoch, Hold: hold, Why: why, Fence: !m.proven[ni] && m.fences(ni.Node)})
}

// fences reports whether a node has a fence agent.
func (m *Machine) fences(n cluster.NodeName) bool {
	return slices.ContainsFunc(m.nodes, func(c Configured) bool { return c.Node == n && c.Fence })
}

// admissions are the candidates heard here or by another voter, the newest incarnation of each node.
func (m *Machine) admissions() []NodeIncarnation {
	best := map[cluster.NodeName]NodeIncarnation{}
	consider := func(ni NodeIncarnation) {
		if m.admissible(ni) && ni.Incarnation.Number > best[ni.Node].Incarnation.Number {
			best[ni.Node] = ni
		}
	}
	for _, ni := range m.candidates() {
		consider(ni)
	}
	for _, v := range m.voters() {
		if p, ok := m.peers[v]; ok && m.hears(v) {
			for _, ni := range p.report.Heard {
				consider(ni)
			}
		}
	}
	out := make([]NodeIncarnation, 0, len(best))
	for _, n := range m.nodes {
		if ni, ok := best[n.Node]; ok {
			out = append(out, ni)
		}
	}
	return out
}
