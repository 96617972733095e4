package engine

import (
	"context"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/turn"
	"redoubt/internal/tick"
)

// Executor is the executor loop of a node: for each group it drives one life.Group, runs the methods that it wants and reports what became of
// them. Stopping is always allowed; starting only while the lease is current.
type Executor struct {
	cfg     Config
	member  *Member
	source  Source
	drivers Drivers
	halter  Halter
	report  *reporter

	groups   map[cluster.GroupName]*groupRun
	snap     Snapshot     // that was read last
	around   *life.Around // of that snapshot; nil: none was read
	may      bool         // start: the lease was current when it was read
	here     map[cluster.GroupName]model.Instance
	stale    map[cluster.GroupName]bool // have to look again
	events   chan groupEvent
	incarn   cluster.Incarnation
	draining bool
	joined   bool // the groups that there were when the incarnation began are known
	calls    chan func()
	held     membership.Instant // no method begins before: the daemon is about to be restarted on purpose
	late     []groupEvent       // what came while that held
	watched  uint64             // the number of the newest watch
	ticks    uint64
	drain    chan bool
	turns    turns
}

// groupRun is one group with its running methods and watches.
type groupRun struct {
	life    *life.Group
	running map[cluster.ResourceName]context.CancelFunc
	watches map[cluster.ResourceName]watching
	last    model.Instance
	ending  int // ends in flight
	vetting vetting
}

// watching is a watch that goes on. Each has a number of its own: what one has seen that was ended meanwhile is about processes that are gone.
type watching struct {
	stop   context.CancelFunc
	number uint64
}

type groupEvent struct {
	group cluster.GroupName
	ev    life.Event
	watch uint64 // the watch that saw it; 0: none did
}

// NewExecutor returns the loop of the incarnation; Run starts it.
func NewExecutor(cfg Config, incarnation cluster.Incarnation, member *Member, source Source, store confdb.Store, drivers Drivers, halter Halter) *Executor {
	return &Executor{
		cfg: cfg, member: member, source: source, drivers: drivers, halter: halter, incarn: incarnation,
		report: newReporter(cfg, store), groups: map[cluster.GroupName]*groupRun{}, here: map[cluster.GroupName]model.Instance{}, stale: map[cluster.GroupName]bool{}, events: make(chan groupEvent, 4096), calls: make(chan func()), drain: make(chan bool, 1), turns: newTurns(cfg.Methods),
	}
}

// wholeLook is after how many ticks all groups look again, whatever has changed: should one ever not have been told of what concerns it, it does not wait for ever.
const wholeLook = 30

// Run executes until ctx ends. Methods that still run then are left to the guard or to the next daemon.
func (x *Executor) Run(ctx context.Context) error {
	go x.report.run(ctx)
	views, news := x.member.Subscribe(ctx), x.source.Subscribe(ctx)
	ticks := tick.New(time.Second)
	defer ticks.Stop()
	x.changed(ctx)
	x.proceed(ctx)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-views:
			x.changed(ctx)
		case <-news:
			x.changed(ctx)
		case <-ticks.C:
			if x.ticks++; x.ticks%wholeLook == 0 {
				x.everyone(x.snap)
			}
			x.changed(ctx)
			for name, g := range x.groups {
				if g.life.Ticks() {
					x.step(ctx, name, life.Tick{})
				}
			}
		case e := <-x.events:
			x.hear(ctx, e)
		case f := <-x.calls:
			f()
		case x.draining = <-x.drain:
			x.everyone(x.snap)
		}
		x.catchUp(ctx)
		x.settle(ctx)
		x.proceed(ctx)
	}
}

// hear works an event off. While the daemon is about to be restarted it waits: if that comes to nothing, what was seen or asked meanwhile is not said again.
func (x *Executor) hear(ctx context.Context, e groupEvent) {
	if x.holds() {
		x.late = append(x.late, e)
		return
	}
	if seen, ok := e.ev.(life.Observed); ok && e.watch != 0 {
		if g := x.groups[e.group]; g == nil || g.watches[seen.Resource].number != e.watch {
			return
		}
	}
	x.step(ctx, e.group, e.ev)
}

// holds reports whether nothing may begin, because the daemon is about to be restarted.
func (x *Executor) holds() bool { return x.cfg.Clock.Boot() < x.held }

// catchUp works off what came while nothing might begin, once that is over.
func (x *Executor) catchUp(ctx context.Context) {
	if len(x.late) == 0 || x.holds() {
		return
	}
	late := x.late
	x.late = nil
	for _, e := range late {
		x.hear(ctx, e)
	}
}

// Ask hands an administrator's or a monitor's request to a group of this node.
func (x *Executor) Ask(ctx context.Context, group cluster.GroupName, ask life.Asked) error {
	select {
	case x.events <- groupEvent{group: group, ev: ask}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Present is a group here at this moment, which the repository may not have heard of yet; the zero value when it is not known here.
func (x *Executor) Present(ctx context.Context, group cluster.GroupName) (inst model.Instance) {
	x.ask(ctx, func() bool {
		if g, ok := x.groups[group]; ok {
			inst = g.life.Instance()
		}
		return true
	})
	return inst
}

// Rests reports whether nothing of a group runs or is on its way here, after everything that this node has read by now; false when that can not be found out.
func (x *Executor) Rests(ctx context.Context, group cluster.GroupName) bool {
	return x.ask(ctx, func() bool {
		x.changed(ctx)
		g, ok := x.groups[group]
		if !ok {
			return true
		}
		return len(g.running) == 0 && g.ending == 0 && !g.vetting.busy && g.life.Rests()
	})
}

// Drain makes this node take every group offline, whatever the assignments say: it is about to leave.
func (x *Executor) Drain() { x.leave(true) }

// Stay ends what Drain began: this node does not leave after all, and does again what the assignments say.
func (x *Executor) Stay() { x.leave(false) }

// leave tells the loop the newest of what was wanted.
func (x *Executor) leave(is bool) {
	for {
		select {
		case x.drain <- is:
			return
		default:
		}
		select {
		case <-x.drain:
		default:
		}
	}
}

// holdFor is how long nothing begins after Quiet has said yes. A daemon that has not ended by then goes on.
const holdFor = 5 * time.Second

// Quiet reports whether this is the time to restart the daemon on purpose: no method is running and everything is reported. After a yes nothing
// begins for some seconds, so that it stays true until the daemon has ended.
func (x *Executor) Quiet(ctx context.Context) bool {
	return x.ask(ctx, func() bool {
		if !x.quiet() {
			return false
		}
		x.held = x.cfg.Clock.Boot().Add(int64(holdFor))
		return true
	})
}

// GoOn ends what a yes of Quiet began: the daemon is not restarted after all.
func (x *Executor) GoOn(ctx context.Context) {
	x.ask(ctx, func() bool {
		x.held = 0
		x.changed(ctx)
		return true
	})
}

// Drained reports whether Drain has done its work: nothing of any group is up, and nothing will be any more.
func (x *Executor) Drained(ctx context.Context) bool {
	return x.ask(ctx, func() bool {
		for _, g := range x.groups {
			if !g.life.Down() {
				return false
			}
		}
		return x.draining
	})
}

// ask puts a question to the loop; no answer is a no.
func (x *Executor) ask(ctx context.Context, question func() bool) bool {
	reply := make(chan bool, 1)
	select {
	case x.calls <- func() { reply <- question() }:
		return <-reply
	case <-ctx.Done():
		return false
	}
}

func (x *Executor) quiet() bool {
	for _, g := range x.groups {
		if len(g.running) > 0 || g.ending > 0 || g.vetting.busy {
			return false
		}
	}
	return x.report.idle()
}

// changed lets those groups look again for which the configuration, an assignment or the lease is different.
func (x *Executor) changed(ctx context.Context) {
	x.read()
	x.settle(ctx)
}

// adopt begins to look after those groups of the snapshot that was read, and of its farewells, that are not known here and have to look.
func (x *Executor) adopt() {
	// Whatever this incarnation has reported already, it did not begin just now.
	joining := !x.joined && !slices.ContainsFunc(x.snap.State.Instances, func(i model.Instance) bool { return i.Node == x.cfg.Node && i.Incarnation == x.incarn })
	for g := range x.stale {
		if _, known := x.groups[g]; known || !x.concerns(g) {
			continue
		}
		x.groups[g] = x.begin(g, joining)
	}
	x.joined = x.joined || x.snap.Serial > 0
}

// concerns reports whether this node has something to do with a group: it exists, or a Fini of it has to be run here.
func (x *Executor) concerns(g cluster.GroupName) bool {
	_, exists := check.Group(x.snap.State, g)
	return exists || len(farewells(x.snap, x.cfg.Node, g)) > 0
}

// begin starts with what this incarnation last reported: a daemon that was restarted on purpose goes on with running services.
func (x *Executor) begin(group cluster.GroupName, joining bool) *groupRun {
	last, _ := x.snap.State.Report(group, x.cfg.Node)
	machine := life.Begin(last, joining)
	if last.Incarnation == x.incarn {
		machine = life.New(last)
	}
	return &groupRun{life: machine, running: map[cluster.ResourceName]context.CancelFunc{}, watches: map[cluster.ResourceName]watching{}}
}

// input collects the facts of one group. ok is false when the group no longer exists.
func (x *Executor) input(group cluster.GroupName) (in life.Input, ok bool) {
	x.read()
	in = factsOf(x.snap, x.around, x.cfg.Node, group)
	ok = in.Group.Name != ""
	in.Now, in.Node, in.Incarnation, in.MayStart, in.Draining = x.cfg.Clock.Wall(), x.cfg.Node, x.incarn, x.may, x.draining
	in.Here = x.here
	return in, ok
}

// factsOf is what a snapshot says of one group to a node; without a group when that is deleted.
func factsOf(snap Snapshot, around *life.Around, node cluster.NodeName, group cluster.GroupName) life.Input {
	in := life.Input{Farewells: farewells(snap, node, group)}
	g, ok := check.Group(snap.State, group)
	if !ok {
		return in
	}
	in.Group, in.Resources, in.Types = g, around.Members(group), snap.State.Types
	in.Assignment, _ = check.Assignment(snap.State, group)
	if snap.Record != nil {
		in.Around = around // without the membership nobody can say whose reports count
	}
	return in
}

// farewells are those of a group on a node.
func farewells(snap Snapshot, node cluster.NodeName, group cluster.GroupName) (out []model.Farewell) {
	for _, f := range snap.State.Farewells {
		if f.Node == node && f.Group.Name == group {
			out = append(out, f)
		}
	}
	return out
}

func (x *Executor) step(ctx context.Context, group cluster.GroupName, ev life.Event) {
	g, ok := x.groups[group]
	if !ok {
		return
	}
	switch e := ev.(type) {
	case life.Done:
		delete(g.running, e.Resource)
		x.turns.queue.Done(turn.Key{Group: group, Resource: e.Resource})
	case life.EndDone:
		g.ending--
	}
	if x.holds() {
		return
	}
	in, exists := x.input(group)
	in.Group.Name = group
	if exists || len(in.Farewells) > 0 || !g.life.Down() {
		for _, act := range g.life.Step(in, ev) {
			x.act(ctx, group, g, in, act)
		}
	}
	if !exists && len(in.Farewells) == 0 && g.life.Down() {
		x.forget(group, g)
	}
}

// forget drops a group that was deleted and of which nothing runs here any more. Control deletes only what is offline everywhere, but a repository that was
// restored from an older snapshot may not know of what runs.
func (x *Executor) forget(group cluster.GroupName, g *groupRun) {
	for _, w := range g.watches {
		w.stop()
	}
	for _, stop := range g.running {
		stop()
	}
	delete(x.groups, group)
	delete(x.here, group)
	x.report.drop(confdb.KeyInstance(x.cfg.Node, group))
}

func (x *Executor) act(ctx context.Context, group cluster.GroupName, g *groupRun, in life.Input, act life.Action) {
	switch a := act.(type) {
	case life.Run:
		x.run(ctx, group, g, in, a)
	case life.Withdraw:
		x.giveUp(group, a.Resource, life.Outcome{NotRun: true})
	case life.Abort:
		if x.giveUp(group, a.Resource, life.Outcome{Aborted: true, Exit: 137}) {
			break
		}
		if stop, ok := g.running[a.Resource]; ok {
			stop()
		}
	case life.End:
		g.ending++
		x.end(ctx, group, in, a)
	case life.Watch:
		x.watch(ctx, group, g, in, a)
	case life.Unwatch:
		if w, ok := g.watches[a.Resource]; ok {
			w.stop()
			delete(g.watches, a.Resource)
		}
	case life.Halt:
		x.cfg.Log.Error("ending this node: a resource could not be stopped", "group", group, "why", a.Why)
		x.halter.Halt(a.Why)
	case life.Report:
		inst := g.life.Instance()
		x.log(g.last, inst)
		g.last = inst
		x.tellOthers(group, inst)
		x.report.put(confdb.KeyInstance(x.cfg.Node, group), x.vetted(ctx, group, g, inst))
	case life.Settled:
		x.report.drop(confdb.KeyFarewell(x.cfg.Node, group, a.Resource))
	case life.Note:
		x.cfg.Log.Info(a.Text, "group", group, "resource", a.Resource)
	}
}

// log says what changed in the group's and its resources' states.
func (x *Executor) log(old, now model.Instance) {
	if old.State != now.State {
		x.cfg.Log.Info("group state", "group", now.Group, "state", now.State, "was", old.State, "version", now.Version)
	}
	for _, r := range now.Resources {
		i := slices.IndexFunc(old.Resources, func(o model.ResourceInstance) bool { return o.Name == r.Name })
		if i >= 0 && r.RestartCount > old.Resources[i].RestartCount {
			x.cfg.meter().Restart(string(now.Group), string(r.Name))
		}
	}
}
