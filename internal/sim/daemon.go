package sim

import (
	"fmt"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
)

// daemon is one life of redoubtd on a node: what package engine's loops are in production.
type daemon struct {
	n       *node
	m       *membership.Machine
	dead    bool
	frozen  bool
	queue   []func(*daemon)
	view    membership.View
	tickAt  int64 // true time of the next tick of the machine that is planned
	revs    map[cluster.Epoch]cluster.Revision
	read    bool // the first linearizable read has succeeded
	records int  // how much of the log was seen for the membership record
	mirror  engine.Snapshot
	keys    map[string]entry
	filled  bool
	seen    int // how much of the log the mirror has
	looking [2]bool
	life    *lifetime // of this incarnation's services; nil between two

	fencing engine.Fencing
	agents  map[membership.NodeIncarnation]*agentRun

	planning bool
	again    bool
	electing bool
	away     map[cluster.NodeName]int64
}

type watchKind int

const (
	watchRecord watchKind = iota
	watchAll
)

// newDaemon starts redoubtd on a node.
func newDaemon(n *node) {
	w := n.w
	n.spawned++
	session := membership.Session(w.rng.Uint64() | 1)
	d := &daemon{n: n, revs: map[cluster.Epoch]cluster.Revision{}, away: map[cluster.NodeName]int64{}, agents: map[membership.NodeIncarnation]*agentRun{}}
	d.mirror.Revision = func(string) cluster.Revision { return 0 }
	d.m = membership.New(membership.Config{Self: n.name, Session: session, QuorumServer: n.server, Paths: paths, Started: n.clock(), Faults: w.opt.Faults})
	var nodes []membership.Configured
	for _, x := range w.nodes {
		nodes = append(nodes, membership.Configured{Node: x.name, QuorumServer: x.server, Fence: w.opt.Fence && !x.server})
	}
	d.m.SetNodes(nodes)
	n.daemon = d
	w.trace.note(n.name, fmt.Sprintf("daemon %d starts", n.spawned))
	d.step(membership.Tick{})
	d.firstRead()
	d.fill()
	if !n.server {
		d.begin()
	}
	d.every(time.Second, func(d *daemon) { d.second() })
	d.every(500*time.Millisecond, func(d *daemon) { d.tendVoters() })
}

// exec does something in the daemon: now, when it goes on, or, once it is dead, never.
func (d *daemon) exec(fn func(*daemon)) {
	d.n.exec(func() {
		switch {
		case d.dead:
		case d.frozen:
			d.queue = append(d.queue, fn)
		default:
			fn(d)
		}
	})
}

func (d *daemon) after(span time.Duration, fn func(*daemon)) {
	d.n.w.after(span, func() { d.exec(fn) })
}

func (d *daemon) every(span time.Duration, fn func(*daemon)) {
	d.after(span, func(d *daemon) {
		fn(d)
		d.every(span, fn)
	})
}

// pause freezes the process; guard and services go on.
func (d *daemon) pause(span time.Duration) {
	if d.dead || d.frozen {
		return
	}
	d.n.w.trace.note(d.n.name, fmt.Sprintf("daemon is paused for %v", span))
	d.frozen = true
	d.n.w.after(span, d.resume)
}

func (d *daemon) resume() {
	if d.dead || !d.frozen {
		return
	}
	d.n.w.trace.note(d.n.name, "daemon goes on")
	d.frozen = false
	queue := d.queue
	d.queue = nil
	for _, fn := range queue {
		d.exec(fn)
	}
}

// step runs the machine once and carries out what it wants, as engine.Member does.
func (d *daemon) step(ev membership.Event) {
	w := d.n.w
	w.trace.tick(1)
	changed, leased := false, false
	for _, eff := range d.m.Step(d.n.clock(), ev) {
		switch eff := eff.(type) {
		case membership.Send:
			if to := w.byName[eff.To]; to != nil {
				w.send(d.n, to, eff.Msg)
			}
		case membership.Lease:
			leased = d.lease(eff.Until) || leased
		case membership.Propose:
			d.propose(eff)
		case membership.ViewChanged:
			changed = true
		case membership.Notice:
			if eff.Path < 0 {
				w.trace.note(d.n.name, eff.Text)
			}
		}
	}
	if changed || leased {
		d.view = d.m.View()
	}
	if changed {
		w.checkGone(d)
		d.doom()
		d.changed()
		d.plan()
	}
	d.schedule()
}

// lease hands the lease to the guard; false: there is none that took it.
func (d *daemon) lease(until membership.Instant) bool {
	g := d.n.guard
	if d.life == nil || g == nil || g != d.life.guard {
		return false
	}
	if until == 0 {
		g.fire("the lease was taken back")
		return true
	}
	g.setLease(until)
	return true
}

// schedule plans the next tick.
func (d *daemon) schedule() {
	at := max(d.n.truth(d.m.Deadline()), d.n.w.now+1)
	if d.tickAt > d.n.w.now && d.tickAt <= at {
		return
	}
	d.tickAt = at
	d.n.w.at(at, func() {
		d.exec(func(d *daemon) {
			if d.tickAt == at {
				d.step(membership.Tick{})
			}
		})
	})
}

func (d *daemon) propose(p membership.Propose) {
	basis := d.revs[p.Basis]
	done := func(err error) {
		if err != nil {
			d.n.w.trace.note(d.n.name, fmt.Sprintf("record %d: %v", p.Record.Epoch, err))
		}
		d.step(membership.ProposalDone{OK: err == nil})
	}
	if basis == 0 {
		d.after(0, func(*daemon) { done(errConflict) })
		return
	}
	d.n.w.trace.note(d.n.name, fmt.Sprintf("proposes record %d", p.Record.Epoch))
	d.n.w.store.do(d, &txn{
		compares: map[string]cluster.Revision{confdb.KeyMembership: basis},
		writes:   map[string]any{confdb.KeyMembership: stored(confdb.KindMembership, *p.Record)},
		result:   func(_ cluster.Revision, err error) { done(err) },
	})
}

// second is the ticker of the loops.
func (d *daemon) second() {
	d.look(watchRecord)
	d.look(watchAll)
	if d.life != nil {
		d.life.tick()
	}
	d.plan()
}

// changed tells the executor.
func (d *daemon) changed() {
	if d.life != nil && d.filled {
		d.life.changed()
	}
}

// mayStart is engine.Member.MayStart.
func (d *daemon) mayStart() bool { return d.view.IsMember && d.n.clock() < d.view.LeaseEnd }

// begin takes over the guard of a planned restart, or cleans up, takes the next number and starts a guard, as daemon.lives does.
func (d *daemon) begin() {
	if g := d.n.guard; g != nil {
		if !d.filled {
			d.after(10*time.Millisecond, func(d *daemon) { d.begin() })
			return
		}
		if !g.firing && g.attach() {
			d.n.w.stats.Adopted++
			d.n.w.trace.note(d.n.name, "takes the guard over: "+g.inc.String())
			d.live(g)
			return
		}
		d.n.w.after(20*time.Millisecond, func() { d.exec(func(d *daemon) { d.begin() }) })
		return
	}
	clear(d.n.procs)
	s := d.n.w.store
	s.do(d, &txn{result: func(rev cluster.Revision, err error) {
		if err != nil || d.n.guard != nil {
			d.after(200*time.Millisecond, func(d *daemon) { d.begin() })
			return
		}
		rec := s.log[rev-1].snap.Record
		inc := cluster.Incarnation{Number: rec.LastNumber(d.n.name) + 1, Tag: fmt.Sprintf("%08x", d.n.w.rng.Uint32())}
		d.after(d.n.w.between(5*time.Millisecond, 40*time.Millisecond), func(d *daemon) {
			d.n.guard = &guard{n: d.n, inc: inc, attached: true}
			d.live(d.n.guard)
		})
	}})
}

// live begins an incarnation's services under its guard.
func (d *daemon) live(g *guard) {
	d.n.w.trace.note(d.n.name, "incarnation "+g.inc.String())
	d.life = newLifetime(d, g)
	d.m.SetIncarnation(g.inc)
	d.step(membership.Tick{})
	d.doom()
	d.changed()
}

// guardEnded begins the next incarnation after the end of a guard.
func (d *daemon) guardEnded(g *guard) {
	if d.life == nil || d.life.guard != g {
		return
	}
	d.n.w.trace.note(d.n.name, "its guard has ended")
	d.life.over = true
	d.life = nil
	d.n.planned, d.n.leaving = false, false
	d.begin()
}

// doom ends an incarnation that can not be a member any more.
func (d *daemon) doom() {
	if d.life == nil || d.view.Record == nil {
		return
	}
	r, inc := d.view.Record, d.life.guard.inc
	if r.LastNumber(d.n.name) < inc.Number {
		return
	}
	if m, ok := r.Member(d.n.name); !ok || m.Incarnation != inc {
		d.life.guard.fire("this incarnation cannot be a member any more")
	}
}
