package sim

import (
	"fmt"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// lifetime is the executor of one incarnation in one daemon: engine.Executor and its reporter.
type lifetime struct {
	d      *daemon
	guard  *guard
	groups map[cluster.GroupName]*groupRun
	names  []cluster.GroupName // of groups, in the order in which they came
	over   bool
	drain  bool

	pending map[string]model.Instance
	writing bool
	known   map[string]cluster.Revision
	sharing *balancer
}

type groupRun struct {
	life    *life.Group
	running map[cluster.ResourceName]*method
	watched map[cluster.ResourceName]bool
}

// method is a method that runs.
type method struct {
	abort    func()
	withdraw func() // of no effect once it was launched
}

func newLifetime(d *daemon, g *guard) *lifetime {
	l := &lifetime{d: d, guard: g, groups: map[cluster.GroupName]*groupRun{}, pending: map[string]model.Instance{}, known: map[string]cluster.Revision{}}
	l.sharing = newBalancer(l)
	return l
}

// live reports whether the daemon of this executor still runs it.
func (l *lifetime) live() bool { return !l.over && !l.d.dead && l.d.life == l }

// changed tells every group that something is different.
func (l *lifetime) changed() {
	for _, g := range l.d.mirror.State.Groups {
		if _, ok := l.groups[g.Name]; !ok {
			l.groups[g.Name] = l.adopt(g.Name)
			l.names = append(l.names, g.Name)
		}
	}
	for _, name := range l.names {
		l.step(name, life.Changed{})
	}
	l.sharing.follow()
}

func (l *lifetime) tick() {
	for _, name := range l.names {
		l.step(name, life.Tick{})
	}
	if l.d.n.w.scalable {
		l.sharing.tick()
	}
}

func (l *lifetime) adopt(group cluster.GroupName) *groupRun {
	var last model.Instance
	for _, i := range l.d.mirror.State.Instances {
		if i.Node == l.d.n.name && i.Group == group {
			last = i
		}
	}
	machine := life.Begin(last, true)
	if last.Incarnation == l.guard.inc {
		machine = life.New(last)
	}
	return &groupRun{life: machine, running: map[cluster.ResourceName]*method{}, watched: map[cluster.ResourceName]bool{}}
}

func (l *lifetime) input(group cluster.GroupName) life.Input {
	s := l.d.mirror.State
	in := life.Input{
		Now: l.d.n.wall(), Node: l.d.n.name, Incarnation: l.guard.inc, Types: s.Types, Around: engine.Around(l.d.mirror),
		MayStart: l.d.mayStart(), Draining: l.drain,
	}
	for _, g := range s.Groups {
		if g.Name == group {
			in.Group = g
		}
	}
	for _, r := range s.Resources {
		if r.Group == group {
			in.Resources = append(in.Resources, r)
		}
	}
	for _, a := range s.Assignments {
		if a.Group == group {
			in.Assignment = a
		}
	}
	return in
}

func (l *lifetime) step(group cluster.GroupName, ev life.Event) {
	g := l.groups[group]
	if g == nil || !l.live() {
		return
	}
	if done, ok := ev.(life.Done); ok {
		delete(g.running, done.Resource)
	}
	in := l.input(group)
	for _, act := range g.life.Step(in, ev) {
		switch a := act.(type) {
		case life.Run:
			l.run(g, in, a)
		case life.Withdraw:
			if m := g.running[a.Resource]; m != nil {
				m.withdraw()
			}
		case life.Abort:
			if m := g.running[a.Resource]; m != nil {
				m.abort()
			}
		case life.End:
			l.end(group, in, a.Resource)
		case life.Watch:
			g.watched[a.Resource] = true
		case life.Unwatch:
			delete(g.watched, a.Resource)
		case life.Halt:
			l.guard.fire(a.Why)
		case life.Report:
			inst := g.life.Instance()
			if inst.State == model.GroupPendingOnline || inst.State == model.GroupPendingOffline {
				l.keepsStill(group, inst.State == model.GroupPendingOffline, fmt.Sprintf("it is %s", inst.State))
			}
			l.d.n.w.trace.note(l.d.n.name, fmt.Sprintf("%s is %s (version %d)", group, inst.State, inst.Version))
			l.pending[confdb.KeyInstance(l.d.n.name, group)] = inst
			l.report()
		}
	}
}

// run starts a method and plays its outcome.
func (l *lifetime) run(g *groupRun, in life.Input, a life.Run) {
	n, w := l.d.n, l.d.n.w
	m := &method{}
	g.running[a.Resource] = m
	ended := false
	done := func(o life.Outcome) {
		if !ended {
			ended = true
			l.d.exec(func(*daemon) { l.step(in.Group.Name, life.Done{Resource: a.Resource, Method: a.Method, Outcome: o}) })
		}
	}
	starts := a.Method == model.MethodStart || a.Method == model.MethodPrenetStart
	if starts && !l.d.mayStart() {
		m.withdraw, m.abort = func() {}, func() {}
		l.d.after(0, func(*daemon) { done(life.Outcome{NotRun: true, Message: "this node's lease has ended"}) })
		return
	}
	w.checkStart(l, in, a)
	down := a.Method == model.MethodMonitorStop || a.Method == model.MethodStop || a.Method == model.MethodPostnetStop
	l.keepsStill(in.Group.Name, down, fmt.Sprintf("%s of %s begins", a.Method, a.Resource))
	took, o := w.mood.outcome(w, a)
	aborted, launched := false, false
	m.withdraw = func() {
		if !launched {
			launched = true // it never will be
			done(life.Outcome{NotRun: true})
		}
	}
	// Between the decision and the launch the daemon may be paused, or the guard may have ended everything.
	l.d.after(w.between(0, 3*time.Millisecond), func(*daemon) {
		if launched {
			return
		}
		launched = true
		if l.guard.dead || l.guard.firing || n.guard != l.guard {
			done(life.Outcome{Exit: 1, Message: "the guard has ended"})
			return
		}
		w.trace.note(n.name, fmt.Sprintf("%s %s runs", a.Method, a.Resource))
		l.launched(in, a)
		finish := func(o life.Outcome) {
			if l.guard.dead || ended {
				return
			}
			l.finished(in, a, o)
			done(o)
		}
		m.abort = func() {
			aborted = true
			finish(life.Outcome{Aborted: true, Exit: 137})
		}
		play := func() {
			n.after(took, func() {
				if !aborted {
					finish(o)
				}
			})
		}
		switch {
		case a.Resource == gateIP && a.Method == model.MethodStart:
			l.sharing.hold(func() bool { return aborted }, play)
		case a.Resource == gateIP && a.Method == model.MethodStop:
			l.sharing.release()
			play()
		default:
			play()
		}
	})
	m.abort = func() { aborted = true; done(life.Outcome{Aborted: true, Exit: 137}) }
}

// launched notes what runs on the machine from now on.
func (l *lifetime) launched(in life.Input, a life.Run) {
	n := l.d.n
	p := n.procs[a.Resource]
	switch a.Method {
	case model.MethodPrenetStart, model.MethodStart:
		n.w.stats.Starts++
		if p == nil {
			p = &proc{group: in.Group.Name}
			n.procs[a.Resource] = p
		}
		p.stopping = false
		n.w.checkExclusive()
		n.w.checkOrder(n, in, a)
	case model.MethodStop:
		n.w.stats.Stops++
		if p != nil {
			p.up, p.stopping = false, true
		}
		n.w.checkOrder(n, in, a)
	}
}

// finished notes what a method has changed.
func (l *lifetime) finished(in life.Input, a life.Run, o life.Outcome) {
	n := l.d.n
	if !o.OK {
		n.w.trace.note(n.name, fmt.Sprintf("%s %s fails: %+v", a.Method, a.Resource, o))
	}
	p := n.procs[a.Resource]
	switch {
	case p == nil:
	case a.Method == model.MethodStart, a.Method == model.MethodPrenetStart && !declares(in, a.Resource, model.MethodStart):
		p.up = o.OK
		if p.up && a.Resource == gateIP {
			n.announce()
		}
	case a.Method == model.MethodPostnetStop && o.OK:
		delete(n.procs, a.Resource)
	}
}

// end kills what is left of a resource.
func (l *lifetime) end(group cluster.GroupName, in life.Input, name cluster.ResourceName) {
	n := l.d.n
	l.d.after(n.w.between(0, 5*time.Millisecond), func(*daemon) {
		if l.guard.dead {
			return
		}
		if p := n.procs[name]; p != nil {
			p.up = false
			if !declares(in, name, model.MethodPostnetStop) {
				delete(n.procs, name)
			}
		}
		l.step(group, life.EndDone{Resource: name, Outcome: life.Outcome{OK: true}})
	})
}

func declares(in life.Input, name cluster.ResourceName, m model.Method) bool {
	for _, r := range in.Resources {
		if r.Name != name {
			continue
		}
		i := slices.IndexFunc(in.Types, func(t model.Type) bool { return t.Name == r.Type })
		if i >= 0 {
			_, ok := in.Types[i].Method(m)
			return ok
		}
	}
	return false
}

// quiet reports whether a planned restart may begin: no method runs, and the repository knows all.
func (l *lifetime) quiet() bool {
	for _, g := range l.groups {
		if len(g.running) > 0 {
			return false
		}
	}
	return !l.writing && len(l.pending) == 0
}

// observe tells a group that a resource's processes are gone.
func (l *lifetime) observe(r model.Resource) {
	l.step(r.Group, life.Observed{Resource: r.Name, Kind: "dead", Message: "its processes are gone"})
}
