package membership

import (
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/quorum"
)

// Step tells the machine that ev happened at now and returns what it wants done, in order. Now never goes back; a Step without a change of time
// or state returns nothing.
func (m *Machine) Step(now Instant, ev Event) []Effect {
	m.effects, m.changed, m.news = nil, m.news, false
	m.now = max(m.now, now)
	switch ev := ev.(type) {
	case Received:
		m.received(ev)
	case Applied:
		m.applied(ev)
	case ProposalDone:
		m.proposing = m.proposing && ev.OK // committed: the record is on its way
	case Request:
		m.asks = append(m.asks, ev.Ask)
	case Tick:
	}
	m.settle()
	if m.changed {
		m.emit(ViewChanged{})
	}
	return m.effects
}

// settle does everything that follows from the time and from what is known now.
func (m *Machine) settle() {
	if m.rec == nil {
		m.nextBeat = m.now.Add(int64(100 * time.Millisecond))
		return
	}
	m.proveOlder(NodeIncarnation{m.cfg.Self, m.incarnation})
	m.heardProof()
	if m.voting() {
		m.suspect()
		m.release()
	}
	m.judgeGone()
	m.judgeUnproven()
	beat := m.now >= m.nextBeat
	if beat {
		m.paths()
		m.nextBeat = m.now.Add(int64(m.quantum()))
		m.heartbeat()
	}
	m.renew()
	if m.voting() {
		m.propose()
	}
}

// voting reports whether this node is a voter that may speak: it knows a record as new as its start.
func (m *Machine) voting() bool { return m.ready && m.rec != nil && m.rec.IsVoter(m.cfg.Self) }

// applied takes a newer record over.
func (m *Machine) applied(a Applied) {
	if a.Linearizable && !m.ready {
		m.ready, m.changed = true, true
	}
	if a.Record == nil || m.rec != nil && a.Record.Epoch <= m.rec.Epoch {
		return
	}
	old := m.rec
	m.rec = a.Record.Clone()
	m.votersNow, m.votersNext = names(m.rec.Voters), names(m.rec.NextVoters)
	m.changed = true
	m.proposing = false
	known := map[NodeIncarnation]Instant{}
	for _, mem := range m.rec.Members {
		ni := NodeIncarnation{mem.Node, mem.Incarnation}
		since, ok := m.known[ni]
		if !ok {
			since = m.now
			if old != nil {
				m.notice("info", mem.Node, "node "+string(mem.Node)+" is a member in incarnation "+mem.Incarnation.String())
			}
		}
		known[ni] = since
	}
	m.known = known
	for ni := range known {
		m.proveOlder(ni) // whoever admitted it had heard it
	}
	for _, l := range m.rec.Leaving {
		ni := NodeIncarnation{l.Node, l.Incarnation}
		if _, known := m.marked[ni]; l.Fence && !known {
			m.marked[ni] = m.now
		}
		if l.Removed == m.rec.Epoch {
			m.notice("warn", l.Node, "node "+string(l.Node)+" was removed from the membership: "+l.Why)
		}
	}
	if m.rec.President == m.cfg.Self && (old == nil || old.President != m.cfg.Self) {
		m.notice("info", m.cfg.Self, "this node is the president now")
	}
	m.standing()
	m.forget()
}

// standing follows whether this node is a member in its present incarnation; the end of that is the end of the lease.
func (m *Machine) standing() {
	me, ok := m.rec.Member(m.cfg.Self)
	is := ok && me.Incarnation == m.incarnation && !m.incarnation.IsZero()
	if m.member && !is {
		m.leaseEnd = 0
		clear(m.ends)
		clear(m.beats)
		m.emit(Lease{})
		m.notice("error", m.cfg.Self, "this node was removed from the membership; its services end")
	}
	m.member = is
}

// forget drops what is about incarnations that the record does not know any more.
func (m *Machine) forget() {
	named := func(ni NodeIncarnation) bool {
		if _, ok := m.known[ni]; ok {
			return true
		}
		return slices.ContainsFunc(m.rec.Leaving, func(l Leaver) bool { return l.Node == ni.Node && l.Incarnation == ni.Incarnation })
	}
	for ni := range m.promises {
		if !named(ni) {
			delete(m.promises, ni)
		}
	}
	for ni := range m.proven {
		if ni.Incarnation.Number <= m.rec.LastNumber(ni.Node) && !named(ni) {
			delete(m.proven, ni)
		}
	}
	for ni := range m.marked {
		if l, ok := m.rec.Leaver(ni); !ok || !l.Fence {
			delete(m.marked, ni)
		}
	}
	for ni := range m.doomed {
		if _, ok := m.known[ni]; !ok {
			delete(m.doomed, ni)
		}
	}
}

// heartbeat sends the round to every voter; a voter counts its own vote in the same way, from the same instant.
func (m *Machine) heartbeat() {
	m.seq++
	m.beats[m.seq] = m.now
	horizon := m.now.Add(-int64(4 * m.timeoutOf(NodeIncarnation{m.cfg.Self, m.incarnation})))
	for s, at := range m.beats {
		if at < horizon {
			delete(m.beats, s)
		}
	}
	hb := Heartbeat{Farewell: m.leavingOnly}
	if m.voting() {
		hb.Suspects, hb.Released, hb.Heard = m.suspects, m.released, m.candidates()
		m.promiseSelf()
	}
	for _, v := range m.voters() {
		if v != m.cfg.Self {
			m.send(v, m.seq, Message{Heartbeat: &hb})
		}
	}
}

// voters lists both sets without repetition, in order.
func (m *Machine) voters() []cluster.NodeName {
	now, next := m.voterSets()
	all := slices.Clone(now)
	for _, v := range next {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

func (m *Machine) send(to cluster.NodeName, seq uint64, msg Message) {
	msg.From, msg.Incarnation, msg.Session, msg.Seq = m.cfg.Self, m.incarnation, m.cfg.Session, seq
	msg.ToSession, msg.Copy = m.peer(to).session, m.copy
	if m.rec != nil {
		msg.Epoch, msg.VoterEpoch = m.rec.Epoch, m.rec.VoterEpoch
	}
	m.emit(Send{To: to, Msg: msg})
}

// promiseSelf is a voter's promise to its own node, which has a vote like any other.
func (m *Machine) promiseSelf() {
	if !m.member {
		return
	}
	ni := NodeIncarnation{m.cfg.Self, m.incarnation}
	hold := promiseOf(m.rec, ni)
	m.promises[ni] = max(m.promises[ni], m.now.Add(int64(hold)))
	m.ends[m.cfg.Self] = max(m.ends[m.cfg.Self], m.now.Add(int64(m.run(hold))))
}

// run is the lease that a promise is worth, from the sending of the heartbeat.
func (m *Machine) run(hold time.Duration) time.Duration {
	if m.cfg.Faults.RunBeyondHold {
		return 2 * hold
	}
	return cluster.Run(hold)
}

// quantum is how often heartbeats are sent. While the timing changes it is the shorter of the two: voters that have not heard of the change still
// give the old, perhaps short, promises.
func (m *Machine) quantum() time.Duration {
	if p := m.rec.PrevTiming; p != nil {
		return min(p.Quantum, m.rec.Timing.Quantum)
	}
	return m.rec.Timing.Quantum
}

// renew extends the lease as far as a majority of every set of voters has promised. A lease that has ended is not renewed: the guard has fired by then, and
// only another incarnation begins anew.
func (m *Machine) renew() {
	if !m.member || m.leaseEnd != 0 && m.leaseEnd <= m.now {
		return
	}
	now, next := m.voterSets()
	end := Instant(quorum.LeaseEnd(func(n cluster.NodeName) int64 { return int64(m.ends[n]) }, now, next))
	if end > m.leaseEnd {
		first := m.leaseEnd <= m.now && end > m.now
		m.leaseEnd = end
		m.emit(Lease{Until: end})
		m.changed = m.changed || first
	}
}

// paths judges every path that leads to a peer, of every peer that is heard at all.
func (m *Machine) paths() {
	timeout := m.rec.Timing.Timeout
	if p := m.rec.PrevTiming; p != nil {
		timeout = max(timeout, p.Timeout)
	}
	for _, n := range m.peerNames() {
		p := m.peers[n]
		if p.heard == 0 && p.epoch == 0 {
			continue
		}
		silent := !m.exchanges(n)
		for i := range p.paths {
			s := &p.paths[i]
			if silent || m.unused(n, i) {
				m.changed = m.changed || s.known
				*s = pathState{}
				continue
			}
			up := s.heard != 0 && m.now-s.heard <= Instant(timeout)
			early := !s.known && !up && m.now-m.cfg.Started < Instant(2*timeout)
			if early || s.known && up == s.up {
				continue
			}
			if s.known || !up {
				m.pathNotice(n, i, up)
			}
			s.known, s.up = true, up
			m.changed = true
		}
	}
}

// exchanges reports whether this node and another one speak to each other: a heartbeat goes to voters, and is answered. What two others had heard of each other while one of them
// voted says nothing of the network any more.
func (m *Machine) exchanges(n cluster.NodeName) bool {
	return m.rec.IsVoter(n) || m.rec.IsVoter(m.cfg.Self)
}

// unused reports whether a path does not lead to a node.
func (m *Machine) unused(n cluster.NodeName, path int) bool {
	return slices.ContainsFunc(m.nodes, func(c Configured) bool { return c.Node == n && slices.Contains(c.Unused, path) })
}

func (m *Machine) pathNotice(n cluster.NodeName, path int, up bool) {
	if up {
		m.emit(Notice{Level: "info", Node: n, Path: path, Text: "an interconnect path is back"})
	} else {
		m.emit(Notice{Level: "warn", Node: n, Path: path, Text: "an interconnect path is lost; the others carry on"})
	}
}
