package membership

import (
	"slices"
	"time"

	"redoubt/internal/cluster"
)

// received takes one copy of a message in.
func (m *Machine) received(r Received) {
	msg := r.Msg
	if msg.From == m.cfg.Self || m.rec == nil {
		return
	}
	p := m.peer(msg.From)
	if msg.Fenced != nil {
		// Sealed in advance, possibly by a daemon that is dead: it has no place in the sequence, and means one incarnation exactly.
		m.prove(NodeIncarnation{msg.From, msg.Fenced.Incarnation})
		return
	}
	if !m.fresh(p, msg) {
		m.copyBy(p, r.Path, msg)
		return
	}
	*p.last(msg) = msg.Seq
	p.epoch = max(p.epoch, msg.Epoch)
	if msg.Seq >= max(p.seq, p.answered) {
		m.changed = m.changed || !p.copy.same(msg.Copy)
		p.copy = msg.Copy
	}
	if msg.Incarnation.Number >= p.incarnation.Number {
		p.incarnation = msg.Incarnation
	}
	m.heardBy(p, r.Path)
	if msg.Heartbeat != nil {
		m.heartbeatFrom(p, msg)
	}
	if msg.Answer != nil {
		m.answerFrom(msg)
	}
}

// fresh reports whether the message was made for this session of ours and is newer than all of its kind before it: nothing that an eavesdropper kept is. A message
// for another session of ours is greeted, so that the sender learns the present one.
func (m *Machine) fresh(p *peer, msg Message) bool {
	if p.old[msg.Session] {
		return false
	}
	if msg.ToSession != m.cfg.Session {
		if msg.Heartbeat != nil {
			known := p.session
			p.session = msg.Session
			m.seq++
			m.send(msg.From, m.seq, Message{Answer: &Answer{Seq: msg.Seq, Incarnation: msg.Incarnation}})
			p.session = known
		}
		return false
	}
	if msg.Session != p.session {
		if p.session != 0 {
			p.old[p.session] = true
		}
		*p = peer{session: msg.Session, old: p.old, incarnation: p.incarnation, paths: p.paths, heard: p.heard}
	}
	return msg.Seq > *p.last(msg)
}

// last is the number of the newest message of the same kind. Answers and heartbeats are counted apart, because the two that are sent at the same time may
// overtake each other.
func (p *peer) last(msg Message) *uint64 {
	if msg.Answer != nil {
		return &p.answered
	}
	return &p.seq
}

// copyBy counts a second copy of the newest message as a sign of life of the path that it came by.
func (m *Machine) copyBy(p *peer, path int, msg Message) {
	if msg.Session == p.session && msg.ToSession == m.cfg.Session && msg.Seq == *p.last(msg) && path >= 0 && path < len(p.paths) {
		p.paths[path].heard = m.now
	}
}

func (m *Machine) heardBy(p *peer, path int) {
	p.heard = m.now
	if path >= 0 && path < len(p.paths) {
		p.paths[path].heard = m.now
	}
}

// heartbeatFrom answers a heartbeat, with a promise where one is due, and takes over what a voter reports.
func (m *Machine) heartbeatFrom(p *peer, msg Message) {
	who := NodeIncarnation{msg.From, msg.Incarnation}
	m.proveOlder(who)
	p.report, p.reportAt = *msg.Heartbeat, m.now
	a := Answer{Seq: msg.Seq, Incarnation: msg.Incarnation}
	if m.voting() && m.maySpeakFor(who) {
		hold := promiseOf(m.rec, who)
		a.Hold = int64(hold)
		m.promises[who] = max(m.promises[who], m.now.Add(int64(hold)))
	}
	m.seq++
	m.send(msg.From, m.seq, Message{Answer: &a})
	m.beatAlong()
	if msg.Heartbeat.Farewell && !msg.Incarnation.IsZero() {
		m.prove(who)
	}
}

// beatAlong sends the own heartbeat, if it is due within half a quantum, together with the answer to another's. So voters come to beat at the same time, and every
// quantum is one short exchange that each is woken for once, instead of one exchange for each of them. Nobody beats oftener than twice in a quantum for it.
func (m *Machine) beatAlong() {
	if m.voting() && m.nextBeat.Add(-int64(m.quantum()/2)) <= m.now {
		m.nextBeat = m.now
	}
}

// maySpeakFor reports whether a voter may promise something to an incarnation: it is a member and has not ended.
func (m *Machine) maySpeakFor(who NodeIncarnation) bool {
	if m.cfg.Faults.AnswerRemoved && who.Incarnation.Number <= m.rec.LastNumber(who.Node) {
		return true
	}
	mem, ok := m.rec.Member(who.Node)
	return ok && mem.Incarnation == who.Incarnation && !m.proven[who]
}

// answerFrom turns an answer into a piece of lease, counted from when the heartbeat was sent. A voter that knows of a change of the voters promises nothing to a node that does
// not: so the leases that rest on an old set end once its majority knows of the new one. The other way round a promise binds whoever gave it, whatever set he knew.
func (m *Machine) answerFrom(msg Message) {
	a := msg.Answer
	sent, ok := m.beats[a.Seq]
	if a.Hold <= 0 || !ok || !m.member || a.Incarnation != m.incarnation || msg.VoterEpoch > m.rec.VoterEpoch {
		return
	}
	if m.cfg.Faults.LeaseFromAnswer {
		sent = m.now
	}
	end := sent.Add(int64(m.run(time.Duration(a.Hold))))
	m.ends[msg.From] = max(m.ends[msg.From], end)
}

// prove notes that an incarnation has ended for ever.
func (m *Machine) prove(ni NodeIncarnation) {
	if ni.Incarnation.IsZero() || m.proven[ni] || ni.Node == m.cfg.Self && ni.Incarnation == m.incarnation {
		return
	}
	m.proven[ni] = true
	m.nextBeat = m.now // voters tell each other at once
	m.changed = true
}

// proveOlder draws the conclusion from hearing an incarnation: its node has cleaned up after every earlier one before it spoke.
func (m *Machine) proveOlder(who NodeIncarnation) {
	if who.Incarnation.IsZero() {
		return
	}
	for _, l := range m.rec.Leaving {
		if l.Node == who.Node && l.Incarnation.Number < who.Incarnation.Number {
			m.prove(NodeIncarnation{l.Node, l.Incarnation})
		}
	}
	if mem, ok := m.rec.Member(who.Node); ok && mem.Incarnation.Number < who.Incarnation.Number {
		m.prove(NodeIncarnation{mem.Node, mem.Incarnation})
	}
}

// candidates are the incarnations that this node hears (itself included) and that could be admitted.
func (m *Machine) candidates() []NodeIncarnation {
	var c []NodeIncarnation
	add := func(ni NodeIncarnation) {
		if m.admissible(ni) {
			c = append(c, ni)
		}
	}
	if !m.leavingOnly {
		add(NodeIncarnation{m.cfg.Self, m.incarnation})
	}
	for _, n := range m.peerNames() {
		p := m.peers[n]
		if m.hears(n) && !p.report.Farewell {
			add(NodeIncarnation{n, p.incarnation})
		}
	}
	return c
}

// admissible reports whether an incarnation may be admitted: configured, newer than every one before, not known to have ended.
func (m *Machine) admissible(ni NodeIncarnation) bool {
	configured := slices.ContainsFunc(m.nodes, func(c Configured) bool { return c.Node == ni.Node && !c.QuorumServer })
	return configured && !ni.Incarnation.IsZero() && ni.Incarnation.Number > m.rec.LastNumber(ni.Node) && !m.proven[ni]
}

// hears reports whether a node was heard within the timeout.
func (m *Machine) hears(n cluster.NodeName) bool {
	if n == m.cfg.Self {
		return true
	}
	p, ok := m.peers[n]
	return ok && p.heard != 0 && m.now-p.heard <= Instant(m.timeoutOf(NodeIncarnation{n, p.incarnation}))
}
