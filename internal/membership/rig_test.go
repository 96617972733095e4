package membership_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

const ms = membership.Instant(time.Millisecond)

// rig is a few machines whose clocks agree, whose messages arrive at once, and whose records are committed at once, unless the test says otherwise.
type rig struct {
	t        *testing.T
	now      membership.Instant
	order    []cluster.NodeName
	machines map[cluster.NodeName]*membership.Machine
	cfgs     map[cluster.NodeName]membership.Config
	nodes    []membership.Configured
	rec      *membership.Record
	cut      map[[2]cluster.NodeName]bool            // from, to
	blind    map[cluster.NodeName]bool               // does not see new records
	stuck    bool                                    // nothing can be committed
	leases   map[cluster.NodeName]membership.Instant // as told to the guards; 0: taken back
	notices  []membership.Notice
	sent     []membership.Send
	inbox    []delivery
}

type delivery struct {
	to   cluster.NodeName
	path int
	msg  membership.Message
}

// names gives n1, n2, ...
func names(n int) (out []cluster.NodeName) {
	for i := range n {
		out = append(out, cluster.NodeName(fmt.Sprintf("n%d", i+1)))
	}
	return out
}

// inc is incarnation k of anybody.
func inc(k int) cluster.Incarnation {
	return cluster.Incarnation{Number: uint64(k), Tag: "t"}
}

// newRig starts n nodes, all voters, none a member yet.
func newRig(t *testing.T, n int) *rig {
	r := &rig{
		t: t, now: 1000 * ms, machines: map[cluster.NodeName]*membership.Machine{}, cfgs: map[cluster.NodeName]membership.Config{},
		cut: map[[2]cluster.NodeName]bool{}, blind: map[cluster.NodeName]bool{}, leases: map[cluster.NodeName]membership.Instant{},
	}
	timing, _ := cluster.ProfileTiming("default")
	r.rec = &membership.Record{Epoch: 1, VoterEpoch: 1, Timing: timing}
	for _, name := range names(n) {
		r.rec.Voters = append(r.rec.Voters, membership.Voter{Node: name})
		r.nodes = append(r.nodes, membership.Configured{Node: name})
	}
	for _, name := range names(n) {
		r.start(name, inc(1))
	}
	return r
}

// formed is a rig whose nodes are all members and hold leases.
func formed(t *testing.T, n int) *rig {
	r := newRig(t, n)
	r.run(time.Second + 500*time.Millisecond)
	if len(r.rec.Members) != n {
		t.Fatalf("the cluster did not form: %+v", r.rec)
	}
	for name := range r.machines {
		if !r.leased(name) {
			t.Fatalf("%s is a member without a lease", name)
		}
	}
	return r
}

// start begins a daemon of a node with a new session; a zero incarnation stays none.
func (r *rig) start(name cluster.NodeName, i cluster.Incarnation) {
	cfg := membership.Config{Self: name, Session: membership.Session(len(r.sent)*100 + len(r.cfgs) + 7 + int(r.now)), Paths: 2, Started: r.now}
	r.cfgs[name] = cfg
	m := membership.New(cfg)
	r.machines[name] = m
	if !slices.Contains(r.order, name) {
		r.order = append(r.order, name)
	}
	m.SetNodes(r.nodes)
	delete(r.leases, name)
	r.step(name, membership.Applied{Record: r.rec, Linearizable: true})
	if !i.IsZero() {
		m.SetIncarnation(i)
		r.step(name, membership.Tick{})
	}
}

// startServer begins a quorum server.
func (r *rig) startServer(name cluster.NodeName) {
	r.machines[name] = membership.New(membership.Config{Self: name, Session: membership.Session(r.now), QuorumServer: true, Paths: 2, Started: r.now})
	r.order = append(r.order, name)
	r.machines[name].SetNodes(r.nodes)
	r.step(name, membership.Applied{Record: r.rec, Linearizable: true})
}

// kill ends a daemon.
func (r *rig) kill(name cluster.NodeName) { delete(r.machines, name) }

func (r *rig) step(name cluster.NodeName, ev membership.Event) {
	m := r.machines[name]
	if m == nil {
		return
	}
	for _, eff := range m.Step(r.now, ev) {
		switch e := eff.(type) {
		case membership.Send:
			r.sent = append(r.sent, e)
			if !r.cut[[2]cluster.NodeName{name, e.To}] {
				for p := range 2 {
					r.inbox = append(r.inbox, delivery{e.To, p, e.Msg})
				}
			}
		case membership.Lease:
			r.leases[name] = e.Until
		case membership.Propose:
			ok := !r.stuck && e.Basis == r.rec.Epoch
			if ok {
				r.rec = e.Record
				r.publish()
			}
			r.step(name, membership.ProposalDone{OK: ok})
		case membership.Notice:
			r.notices = append(r.notices, e)
		}
	}
}

// publish shows the record to everybody who can see it.
func (r *rig) publish() {
	for _, n := range r.order {
		if !r.blind[n] {
			r.step(n, membership.Applied{Record: r.rec})
		}
	}
}

// settle delivers what is on its way.
func (r *rig) settle() {
	for len(r.inbox) > 0 {
		d := r.inbox[0]
		r.inbox = r.inbox[1:]
		r.step(d.to, membership.Received{Path: d.path, Msg: d.msg})
	}
}

// run lets time pass in steps of five milliseconds.
func (r *rig) run(span time.Duration) {
	for end := r.now.Add(int64(span)); r.now < end; r.now += 5 * ms {
		for _, n := range r.order {
			if m := r.machines[n]; m != nil && m.Deadline() <= r.now {
				r.step(n, membership.Tick{})
			}
		}
		r.settle()
	}
}

// until runs until cond holds and says how long that took.
func (r *rig) until(what string, limit time.Duration, cond func() bool) time.Duration {
	r.t.Helper()
	began := r.now
	for !cond() {
		if r.now-began > membership.Instant(limit) {
			r.t.Fatalf("%s: not within %v; record %+v", what, limit, r.rec)
		}
		r.run(5 * time.Millisecond)
	}
	return time.Duration(r.now - began)
}

// isolate cuts a node off from all others, in both directions.
func (r *rig) isolate(name cluster.NodeName) {
	for _, o := range r.order {
		r.cut[[2]cluster.NodeName{name, o}] = true
		r.cut[[2]cluster.NodeName{o, name}] = true
	}
	r.blind[name] = true
}

// heal ends every cut.
func (r *rig) heal() {
	clear(r.cut)
	clear(r.blind)
	r.publish()
}

func (r *rig) member(name cluster.NodeName) bool { _, ok := r.rec.Member(name); return ok }

func (r *rig) leased(name cluster.NodeName) bool {
	m := r.machines[name]
	return m != nil && m.View().IsMember && r.now < m.View().LeaseEnd
}

// gone reports whether a node holds an incarnation of another for gone.
func (r *rig) gone(at, of cluster.NodeName, i cluster.Incarnation) bool {
	return slices.Contains(r.machines[at].View().Gone, membership.NodeIncarnation{Node: of, Incarnation: i})
}

// released reports whether somebody holds an incarnation for gone, or the record does not name it any more.
func (r *rig) released(of cluster.NodeName, i cluster.Incarnation) bool {
	if me, ok := r.rec.Member(of); ok && me.Incarnation == i {
		return false
	}
	for n := range r.machines {
		if r.gone(n, of, i) {
			return true
		}
	}
	return !slices.ContainsFunc(r.rec.Leaving, func(l membership.Leaver) bool { return l.Node == of && l.Incarnation == i })
}

func (r *rig) ask(name cluster.NodeName, a membership.Ask) {
	r.step(name, membership.Request{Ask: a})
	r.settle()
}

// president is whom the record names.
func (r *rig) president() cluster.NodeName { return r.rec.President }
