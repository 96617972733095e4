package membership

import (
	"slices"
	"time"

	"redoubt/internal/cluster"
)

// Config says who a Machine is.
type Config struct {
	Self         cluster.NodeName
	Session      Session // random, new with every daemon
	QuorumServer bool
	Paths        int     // how many interconnects
	Started      Instant // when this daemon began: before it, it knows no promise of its own
	Faults       Faults
}

// Faults are mistakes planted on purpose, so that the simulator can show that it finds them. All false in production.
type Faults struct {
	NoReleaseWait   bool // takes over without waiting for the release
	ForgetfulVoter  bool // a restarted voter releases at once
	AnswerRemoved   bool // a voter answers an incarnation that it knows to be removed
	RunBeyondHold   bool // the lease outlasts the promise
	LeaseFromAnswer bool // the lease is counted from the arrival of the answer
	ReleaseEarly    bool // a voter releases when the removal is proposed, not when it is applied and the promise has run out
	FenceByTime     bool // a leaver with a fence agent is released by time, as one without
}

// Machine is the membership of one node: heartbeats, promises, lease, suspicion, removal, release and admission as a pure state machine. It
// reads no clock, sends nothing and starts nothing; it is not safe for concurrent use.
type Machine struct {
	cfg         Config
	incarnation cluster.Incarnation
	nodes       []Configured

	rec        *Record
	votersNow  []cluster.NodeName // of rec
	votersNext []cluster.NodeName
	ready      bool // a linearizable read has succeeded since the start

	now      Instant
	nextBeat Instant
	seq      uint64
	beats    map[uint64]Instant           // own sending times of the heartbeats that may still be answered
	ends     map[cluster.NodeName]Instant // what each voter's newest answer makes of our lease
	leaseEnd Instant
	member   bool

	peers    map[cluster.NodeName]*peer
	promises map[NodeIncarnation]Instant // as a voter: the end of the last promise
	known    map[NodeIncarnation]Instant // since when this machine waits for a member to be heard
	proven   map[NodeIncarnation]bool    // certainly ended for ever
	suspects []NodeIncarnation
	released []NodeIncarnation
	gone     []NodeIncarnation
	doomed   map[NodeIncarnation]Instant // since when a majority suspects
	marked   map[NodeIncarnation]Instant // since when this machine knows of a leaver that only proof or its fence agent releases
	unproven []NodeIncarnation

	proposing   bool
	proposedAt  Instant
	asks        []Ask
	toldVoters  waitFor
	toldTiming  waitFor
	leavingOnly bool // Farewell: this node asks to be removed
	effects     []Effect
	changed     bool
	copy        Copy // of this node
	news        bool // SetIncarnation or SetCopy since the last step
}

// Configured is a node that may become a member, as the configuration says.
type Configured struct {
	Node         cluster.NodeName
	QuorumServer bool
	Fence        bool // it has a fence agent
	// Unused are the paths, by index, that do not lead to it: nothing is said of them.
	Unused []int
}

// waitFor measures how long something has been known to everybody that matters.
type waitFor struct {
	epoch cluster.Epoch // what it is about; 0: nothing
	since Instant       // 0: not yet known to all
}

// peer is what is known of another node.
type peer struct {
	session     Session
	old         map[Session]bool
	seq         uint64 // of the newest heartbeat
	answered    uint64 // of the newest answer
	incarnation cluster.Incarnation
	heard       Instant // 0: never in this session of ours
	epoch       cluster.Epoch
	reportAt    Instant
	report      Heartbeat
	copy        Copy
	paths       []pathState
}

type pathState struct {
	heard Instant
	up    bool
	known bool
}

// New returns the machine of a daemon that has just started. It knows no record and no incarnation yet.
func New(cfg Config) *Machine {
	return &Machine{
		cfg: cfg, now: cfg.Started, nextBeat: cfg.Started, beats: map[uint64]Instant{}, ends: map[cluster.NodeName]Instant{},
		peers: map[cluster.NodeName]*peer{}, promises: map[NodeIncarnation]Instant{}, known: map[NodeIncarnation]Instant{},
		proven: map[NodeIncarnation]bool{}, doomed: map[NodeIncarnation]Instant{}, marked: map[NodeIncarnation]Instant{},
	}
}

// SetIncarnation says which life of the node's services this daemon stands for from now on: one that an earlier daemon began, or a new one, after
// everything that earlier lives left behind has been cleaned up (hearing it proves that). A new life begins without a lease: what was promised to the
// last one is worth nothing to it. The next Step tells of the change.
func (m *Machine) SetIncarnation(i cluster.Incarnation) {
	if i == m.incarnation {
		return
	}
	m.incarnation, m.leaseEnd, m.leavingOnly, m.news = i, 0, false, true
	clear(m.ends)
	clear(m.beats)
	m.member = false
	if m.rec != nil {
		me, ok := m.rec.Member(m.cfg.Self)
		m.member = ok && me.Incarnation == i && !i.IsZero()
	}
	m.nextBeat = m.now
}

// SetNodes says which nodes are configured; only these are admitted.
func (m *Machine) SetNodes(nodes []Configured) { m.nodes = slices.Clone(nodes) }

// SetPaths says how many paths there are now; what is known of those that stay is kept.
func (m *Machine) SetPaths(n int) {
	m.cfg.Paths = n
	for _, p := range m.peers {
		for len(p.paths) < max(n, 1) {
			p.paths = append(p.paths, pathState{})
		}
		p.paths = p.paths[:max(n, 1)]
	}
}

// SetFarewell makes every heartbeat ask for the removal of this incarnation, whose services have all been stopped.
func (m *Machine) SetFarewell() { m.leavingOnly = true }

// View returns what the rest of the node may know.
func (m *Machine) View() View {
	v := View{Self: m.cfg.Self, Session: m.cfg.Session, Record: m.rec, LeaseEnd: m.leaseEnd, Gone: slices.Clone(m.gone), Unproven: slices.Clone(m.unproven), Copy: m.copy}
	if m.rec != nil {
		if me, ok := m.rec.Member(m.cfg.Self); ok && me.Incarnation == m.incarnation && !m.incarnation.IsZero() {
			v.Me, v.IsMember = me, true
			v.President = m.rec.President == m.cfg.Self
		}
	}
	for _, n := range m.peerNames() {
		p := m.peers[n]
		ni := NodeIncarnation{n, p.incarnation}
		v.Peers = append(v.Peers, Peer{Node: n, Session: p.session, Incarnation: p.incarnation, LastHeard: p.heard, Epoch: p.epoch, Suspected: slices.Contains(m.suspects, ni), Copy: p.copy})
		for i, s := range p.paths {
			if s.known {
				v.Paths = append(v.Paths, PathState{Node: n, Path: i, Up: s.up, LastHeard: s.heard})
			}
		}
	}
	return v
}

// Deadline is when Step wants a Tick at the latest.
func (m *Machine) Deadline() Instant {
	d := m.nextBeat
	sooner := func(i Instant) {
		if i > m.now && i < d {
			d = i
		}
	}
	if m.rec == nil {
		return d
	}
	for ni, since := range m.known {
		sooner(m.heardSince(ni, since).Add(int64(m.timeoutOf(ni))) + 1)
	}
	for _, l := range m.rec.Leaving {
		if m.timed(l) {
			sooner(m.releaseAt(l))
		} else {
			sooner(m.confirmAt(l))
		}
	}
	if m.member {
		sooner(m.leaseEnd)
	}
	return d
}

func (m *Machine) peerNames() []cluster.NodeName {
	names := make([]cluster.NodeName, 0, len(m.peers))
	for n := range m.peers {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (m *Machine) peer(n cluster.NodeName) *peer {
	p, ok := m.peers[n]
	if !ok {
		p = &peer{old: map[Session]bool{}, paths: make([]pathState, max(m.cfg.Paths, 1))}
		m.peers[n] = p
	}
	return p
}

// voterSets are the sets that leases and releases need a majority of; the second is nil while the voters are settled. They are shared: not to be changed.
func (m *Machine) voterSets() (now, next []cluster.NodeName) { return m.votersNow, m.votersNext }

func names(voters []Voter) (out []cluster.NodeName) {
	for _, v := range voters {
		out = append(out, v.Node)
	}
	return out
}

// holdOf is the longest hold that may have been promised to an incarnation.
func (m *Machine) holdOf(ni NodeIncarnation) time.Duration { return longestHold(m.rec, ni) }

// promiseOf is what a voter promises to an incarnation now. It leaves out what is running out (PrevTiming, an ending extension): those count only for
// what may have been promised before.
func promiseOf(r *Record, ni NodeIncarnation) time.Duration {
	h := r.Timing.Hold
	for _, e := range r.Extended {
		if e.Node == ni.Node && e.Incarnation == ni.Incarnation && !e.Ending {
			h = max(h, time.Duration(e.Hold))
		}
	}
	return h
}

// longestHold is the longest hold that a voter may have promised to an incarnation under this record or one before it.
func longestHold(r *Record, ni NodeIncarnation) time.Duration {
	h := r.Timing.Hold
	if r.PrevTiming != nil {
		h = max(h, r.PrevTiming.Hold)
	}
	for _, e := range r.Extended {
		if e.Node == ni.Node && e.Incarnation == ni.Incarnation {
			h = max(h, time.Duration(e.Hold))
		}
	}
	return h
}

// timeoutOf is how long an incarnation may be silent before a voter suspects it.
func (m *Machine) timeoutOf(ni NodeIncarnation) time.Duration {
	t := m.rec.Timing.Timeout
	if m.rec.PrevTiming != nil {
		t = max(t, m.rec.PrevTiming.Timeout)
	}
	return max(t, m.holdOf(ni))
}

func (m *Machine) emit(e Effect) { m.effects = append(m.effects, e) }

func (m *Machine) notice(level string, node cluster.NodeName, text string) {
	m.emit(Notice{Level: level, Text: text, Node: node, Path: -1})
}
