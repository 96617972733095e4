package sim

import (
	"fmt"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// Spans of a run.
const (
	startAt        = 1500 * time.Millisecond // the groups are brought online
	chaosAt        = 2500 * time.Millisecond
	patienceAtRest = 60 * time.Second // from the end of all faults to a cluster at rest
	restFor        = time.Second
)

// operator is the people: what they asked for, and what was acknowledged to them.
type operator struct {
	w         *World
	groups    []model.Group
	resources []model.Resource
	acked     map[string]acked // by key, the newest
	quiesces  map[cluster.GroupName]*quiesce
	numbers   uint64 // of quiesces
	done      bool
	calmAt    int64
	restSince int64
}

// acked is a write that was acknowledged.
type acked struct {
	rev  cluster.Revision
	text string
}

// begin plans the run: everything online, faults for a while, then peace.
func (o *operator) begin() {
	o.online()
	o.w.after(chaosAt, o.w.chaos)
	o.w.after(chaosAt+o.w.between(4*time.Second, 9*time.Second), o.calm)
}

// online asks for every group to be brought online.
func (o *operator) online() {
	for i, g := range o.groups {
		o.w.after(startAt+time.Duration(i)*10*time.Millisecond, func() { o.want(g.Name, model.Want{Online: true}) })
	}
}

// calm ends every fault and repairs what is broken; then the cluster has to come to rest.
func (o *operator) calm() {
	w := o.w
	w.calm = true
	w.trace.note("", "faults have stopped")
	clear(w.net.cut)
	w.net.loss, w.net.slow, w.net.double = 0, 0, 0
	w.mood = mood{}
	w.store.slow, w.store.lost, w.store.late = 0, 0, 0
	for _, n := range w.nodes {
		n.lag, n.inbound = 0, 0
		if n.frozen {
			n.thaw()
		}
		if n.daemon != nil {
			n.daemon.resume()
		}
		if !n.on {
			n.powerOn()
		} else if n.daemon == nil {
			n.startDaemon(0)
		}
	}
	o.calmAt = w.now
	for _, g := range o.groups {
		o.want(g.Name, model.Want{Online: true, Force: true})
	}
	w.every(250*time.Millisecond, o.rest)
	w.every(2*time.Second, o.repair)
}

// repair clears what failed, as an administrator who has looked at it does, and ends what was begun.
func (o *operator) repair() {
	snap := o.w.store.log[len(o.w.store.log)-1].snap
	for _, g := range snap.State.Groups {
		if g.SuspendedByHand() {
			o.suspend(g.Name, false)
		}
	}
	for _, r := range snap.State.Resources {
		if !r.Enabled {
			o.setResource(r.Name, func(r *model.Resource) { r.Enabled = true; r.Generation++ })
		}
	}
	for _, n := range o.w.nodes {
		d := n.daemon
		if d == nil || d.life == nil {
			continue
		}
		for _, i := range snap.State.Instances {
			if i.Node != n.name || i.Incarnation != d.life.guard.inc {
				continue
			}
			for _, r := range i.Resources {
				if r.State == model.ResourceStopFailed || r.State == model.ResourceStartFailed || r.State == model.ResourceMonitorFailed {
					d.life.step(i.Group, life.Asked{Kind: life.AskClear, Resource: r.Name})
				}
			}
		}
	}
	for _, e := range snap.Record.Extended {
		if !e.Ending {
			o.ask(membership.AskExtend{Node: e.Node})
		}
	}
}

// rest ends the run when the cluster has been at rest for a while, and fails it when it does not come to rest.
func (o *operator) rest() {
	w := o.w
	why := w.unsettled()
	switch {
	case why != "":
		o.restSince = 0
		if w.now-o.calmAt > int64(patienceAtRest) {
			w.violated("liveness", "%v after the last fault: %s", patienceAtRest, why)
		}
	case o.restSince == 0:
		o.restSince = w.now
	case w.now-o.restSince >= int64(restFor):
		o.remembered()
		o.done = true
	}
}

// remembered is invariant I6: what was acknowledged is there, or something that came after it.
func (o *operator) remembered() {
	for key, ack := range o.acked {
		got := o.w.store.keys[key]
		if got.rev < ack.rev || got.rev == ack.rev && fmt.Sprintf("%+v", got.value) != ack.text {
			o.w.violated("I6", "%s was acknowledged at revision %d as %s and is, of revision %d, %+v", key, ack.rev, ack.text, got.rev, got.value)
		}
	}
}

// client is a daemon that an administrator can use at the moment.
func (o *operator) client() *daemon {
	up := slices.DeleteFunc(slices.Clone(o.w.nodes), func(n *node) bool { return n.daemon == nil || n.server || n.frozen || n.daemon.frozen })
	if len(up) == 0 {
		return nil
	}
	return up[o.w.rng.IntN(len(up))].daemon
}

// write changes a record by compare-and-swap, and again when somebody was first.
func (o *operator) write(key string, change func(any) any) {
	d := o.client()
	if d == nil {
		return
	}
	now := o.w.store.keys[key]
	next := change(now.value)
	text := fmt.Sprintf("%+v", next)
	o.w.store.do(d, &txn{
		compares: map[string]cluster.Revision{key: now.rev}, writes: map[string]any{key: next}, people: true,
		result: func(rev cluster.Revision, err error) {
			switch {
			case err == nil && rev > o.acked[key].rev:
				o.acked[key] = acked{rev, text}
			case err == nil:
			case o.w.calm && !d.dead:
				o.w.after(50*time.Millisecond, func() { o.write(key, change) })
			}
		},
	})
}

func (o *operator) want(g cluster.GroupName, want model.Want) {
	o.w.trace.note("", fmt.Sprintf("operator: %s online=%v nodes=%v restart=%v remaster=%v", g, want.Online, want.Nodes, want.Restart, want.Remaster))
	o.write(confdb.KeyWant(g), func(v any) any {
		old, _ := v.(model.Want)
		want.Group, want.Seq, want.At = g, old.Seq+1, o.w.wall()
		return stored(confdb.KindWant, want)
	})
}

func (o *operator) setGroup(name cluster.GroupName, change func(*model.Group)) {
	o.write(confdb.KeyGroup(name), func(v any) any {
		g := v.(model.Group)
		g.Nodelist = slices.Clone(g.Nodelist)
		change(&g)
		return stored(confdb.KindGroup, g)
	})
}

func (o *operator) setResource(name cluster.ResourceName, change func(*model.Resource)) {
	o.write(confdb.KeyResource(name), func(v any) any {
		r := v.(model.Resource)
		change(&r)
		return stored(confdb.KindResource, r)
	})
}

// ask hands a request for the record to whoever takes himself for the president, as engine.Asks does.
func (o *operator) ask(a membership.Ask) {
	for _, n := range o.w.nodes {
		if d := n.daemon; d != nil && d.view.President {
			d.exec(func(d *daemon) { d.step(membership.Request{Ask: a}) })
		}
	}
}

// planned restarts a daemon on purpose: a longer hold, the guard told to expect it, then another daemon.
func (o *operator) planned(n *node, hold, away time.Duration) {
	d := n.daemon
	if d == nil || d.life == nil || n.planned || n.leaving || !d.view.IsMember {
		return
	}
	n.planned = true
	g := d.life.guard
	o.w.trace.note(n.name, "planned restart is asked for")
	o.ask(membership.AskExtend{Node: n.name, Hold: int64(hold)})
	tries := 0
	var wait func(*daemon)
	wait = func(d *daemon) {
		tries++
		extended := d.view.Record != nil && engine.Extended(d.view.Record, n.name, g.inc) >= hold
		longer := d.view.LeaseEnd-d.n.clock() > membership.Instant(hold*3/4)
		switch {
		case !n.planned || d.life == nil || d.life.guard != g || g.firing:
			n.planned = false
		case tries > 100:
			o.ask(membership.AskExtend{Node: n.name})
			n.planned = false
		case !extended || !longer || !d.life.quiet() || g.lease != d.view.LeaseEnd:
			d.after(50*time.Millisecond, wait)
		default:
			o.w.trace.note(n.name, "daemon ends for a planned restart")
			g.handover = n.clock().Add(int64(hold * 3 / 4))
			n.endDaemon()
			n.planned = true
			g.orphaned()
			n.startDaemon(away)
			n.after(hold, func() {
				n.planned = false
				o.ask(membership.AskExtend{Node: n.name})
			})
		}
	}
	d.after(10*time.Millisecond, wait)
}

// leave takes a node out of the cluster in good order, and lets it come back.
func (o *operator) leave(n *node) {
	d := n.daemon
	if d == nil || d.life == nil || n.leaving || n.planned || !d.view.IsMember {
		return
	}
	o.w.trace.note(n.name, "leaves in good order")
	l := d.life
	l.drain = true
	l.changed()
	tries := 0
	var wait func(*daemon)
	wait = func(d *daemon) {
		tries++
		switch {
		case d.life != l:
			n.leaving = false
		case tries > 100:
			n.leaving, l.drain = false, false
			l.changed()
		case !n.leaving && (len(n.procs) > 0 || !l.quiet()):
			d.after(50*time.Millisecond, wait)
		case !n.leaving:
			n.leaving, n.left = true, l.guard.inc
			d.m.SetFarewell()
			d.after(50*time.Millisecond, wait)
		default:
			if _, member := d.view.Record.Member(n.name); member {
				d.after(50*time.Millisecond, wait)
				return
			}
			o.w.trace.note(n.name, "has left")
			back := o.w.between(200*time.Millisecond, 2*time.Second)
			n.killDaemon(back)
		}
	}
	d.after(10*time.Millisecond, wait)
}

// evacuate keeps every group off a node for a while.
func (o *operator) evacuate(n *node) {
	o.w.trace.note(n.name, "is evacuated")
	o.write(confdb.KeyNode(n.name), func(v any) any {
		rec := v.(model.Node)
		rec.EvacuatedUntil = o.w.wall().Add(3 * time.Second)
		return stored(confdb.KindNode, rec)
	})
}
