// Package life is one resource group on one node as a pure state machine: what has to be run next, what the results mean, which state the group and
// its resources are in. The executor carries out its actions; the machine is never told that something succeeded before it did.
//
// Stopping needs no lease and no majority; starting needs Input.MayStart at the moment the action is returned, and the executor asks
// again right before the method.
package life

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// Input is everything outside the group that a step depends on.
type Input struct {
	Now         time.Time
	Node        cluster.NodeName
	Incarnation cluster.Incarnation
	Group       model.Group
	Resources   []model.Resource // of the group, sorted by name
	Types       []model.Type
	Assignment  model.Assignment
	Around      *Around                              // nil: not known yet
	Here        map[cluster.GroupName]model.Instance // the groups of this node as they are now, which the repository may not have heard yet
	Farewells   []model.Farewell                     // of this group on this node
	MayStart    bool                                 // the lease is current
	Draining    bool                                 // the node is leaving: everything goes offline here
}

// Event is what happens to a group.
type Event interface{ isEvent() }

// Changed says that the input is different.
type Changed struct{}

// Tick passes time: Retry_interval runs out without any event.
type Tick struct{}

// Done ends a Run.
type Done struct {
	Resource cluster.ResourceName
	Method   model.Method
	Outcome  Outcome
}

// EndDone ends an End.
type EndDone struct {
	Resource cluster.ResourceName
	Outcome  Outcome
}

// Outcome is how a method ended.
type Outcome struct {
	OK       bool
	TimedOut bool
	Aborted  bool
	NotRun   bool // it never began: its turn had not come when it was withdrawn, or the lease had ended
	Exit     int
	Message  string
	Status   model.Status // health to report with success; "" is ONLINE
}

// Observed is what a watch saw. Kind is one of agent.ObservationKind's values.
type Observed struct {
	Resource cluster.ResourceName
	Kind     string
	Message  string
}

// Asked is a request of an administrator or of an agent (scha_control, scha_resource_setstatus).
type Asked struct {
	Kind     AskKind
	Resource cluster.ResourceName // "" where the request is about the group
	Status   model.Status
	Message  string
}

// AskKind is the kind of a request.
type AskKind string

// The kinds of requests.
const (
	AskClear           AskKind = "clear"            // forget START_FAILED, STOP_FAILED and MONITOR_FAILED
	AskRestart         AskKind = "restart"          // scha_control RESTART: the whole group, here
	AskGiveover        AskKind = "giveover"         // scha_control GIVEOVER
	AskResourceRestart AskKind = "resource-restart" // scha_control RESOURCE_RESTART
	AskIsRestarted     AskKind = "is-restarted"     // scha_control RESOURCE_IS_RESTARTED: the agent did it itself, count it
	AskOnline          AskKind = "online"           // scha_control CHANGE_STATE_ONLINE: what a proxy stands for is online here
	AskOffline         AskKind = "offline"          // scha_control CHANGE_STATE_OFFLINE: it is not
	AskStatus          AskKind = "status"           // scha_resource_setstatus
	AskKill            AskKind = "kill"             // quiesce -k: abort the methods that run
	AskIgnoreFailed    AskKind = "ignore-failed"    // scha_control IGNORE_FAILED_START: the start that runs does not move the group if it fails
)

func (Changed) isEvent()  {}
func (Tick) isEvent()     {}
func (Done) isEvent()     {}
func (EndDone) isEvent()  {}
func (Observed) isEvent() {}
func (Asked) isEvent()    {}

// Action is what the executor has to do, in the order returned.
type Action interface{ isAction() }

// Run starts a method; Done comes back. Spec and Type are what the method is run with: the newest that are known, also when the resource or
// its type is no longer configured, because what was started has to be stopped.
type Run struct {
	Resource cluster.ResourceName
	Method   model.Method
	Timeout  time.Duration
	Changes  []model.Property
	Spec     model.Resource
	Type     model.Type
	Group    *model.Group // with which it is run, when that is not the group of the input
}

// Settled says that the Fini of a Farewell has run: its record can be deleted.
type Settled struct{ Resource cluster.ResourceName }

// Abort kills the running method of a resource; its Done comes back with Aborted.
type Abort struct{ Resource cluster.ResourceName }

// Withdraw takes back a Run that is not wanted any more, if it waits for its turn; its Done comes back with NotRun. What has begun goes on.
type Withdraw struct{ Resource cluster.ResourceName }

// End makes sure that no process of the resource is left; EndDone comes back. Spec and Type are as in Run.
type End struct {
	Resource cluster.ResourceName
	Spec     model.Resource
	Type     model.Type
}

// Watch begins, or begins anew, to observe an online resource.
type Watch struct {
	Resource cluster.ResourceName
	Spec     model.Resource
	Type     model.Type
}

// Unwatch ends the observation.
type Unwatch struct{ Resource cluster.ResourceName }

// Halt ends the node: a stop failed and Failover_mode is HARD.
type Halt struct{ Why string }

// Report says that Instance is different and has to be written down.
type Report struct{}

// Note is something for the log.
type Note struct {
	Text     string
	Resource cluster.ResourceName
}

func (Run) isAction()      {}
func (Settled) isAction()  {}
func (Abort) isAction()    {}
func (Withdraw) isAction() {}
func (End) isAction()      {}
func (Watch) isAction()    {}
func (Unwatch) isAction()  {}
func (Halt) isAction()     {}
func (Report) isAction()   {}
func (Note) isAction()     {}

// Group is the machine. It is not safe for use by several goroutines.
type Group struct {
	inst     model.Instance
	reported model.Instance
	res      []*resource // sorted by name
	begun    bool        // what has to be online before it in other groups was, since it is ordered online
	joining  bool        // the incarnation has just begun: what is there and managed gets Boot, what comes later Init
	settled  []model.Farewell

	in  Input
	out []Action
}

// Begin returns the machine of a group of which nothing was reported in this incarnation yet. Of what an earlier one reported (the zero value when none
// did) only that Fini has not run yet still counts. joining is true when the incarnation itself has just begun.
func Begin(earlier model.Instance, joining bool) *Group {
	inst := model.Instance{State: model.GroupUnmanaged}
	for _, ri := range earlier.Resources {
		if ri.OwesFini() {
			inst.Resources = append(inst.Resources, model.ResourceInstance{Name: ri.Name, State: model.ResourceOffline, Status: model.StatusOffline, FiniDue: true})
		}
	}
	g := New(inst)
	g.joining = joining
	return g
}

// New returns the machine of a group, going on from what was last reported in this incarnation.
func New(inst model.Instance) *Group {
	g := &Group{inst: inst}
	for _, ri := range inst.Resources {
		r := adopt(ri)
		g.begun = g.begun || r.stage != down
		g.res = append(g.res, r)
	}
	g.inst.Resources = nil
	return g
}

// Instance returns the present state, to be reported.
func (g *Group) Instance() model.Instance {
	i := g.inst
	i.Resources = nil
	for _, r := range g.res {
		ri := r.ri
		ri.Restarts, ri.Awaiting = slices.Clone(ri.Restarts), r.stage == standing
		i.Resources = append(i.Resources, ri)
	}
	if g.inst.Plea != nil {
		p := *g.inst.Plea
		i.Plea = &p
	}
	return i
}

// Step takes an event and returns what has to be done.
func (g *Group) Step(in Input, ev Event) []Action {
	g.in, g.out = in, nil
	g.sync()
	switch e := ev.(type) {
	case Done:
		g.done(e)
	case EndDone:
		g.endDone(e)
	case Observed:
		g.observed(e)
	case Asked:
		g.asked(e)
	case Tick:
		g.retry()
	}
	g.drive()
	g.reconsider()
	g.inst.State, g.inst.BlockedOn = g.state()
	g.report()
	out := g.out
	g.in, g.out = Input{}, nil
	return out
}

func (g *Group) emit(a Action) { g.out = append(g.out, a) }

// sync takes over what the input says about versions and resources.
func (g *Group) sync() {
	g.inst.Node, g.inst.Incarnation, g.inst.Group = g.in.Node, g.in.Incarnation, g.in.Group.Name
	if g.in.Assignment.Version > g.inst.Version {
		g.inst.Version = g.in.Assignment.Version
	}
	if p := g.inst.Plea; p != nil && p.Version < g.inst.Version {
		g.inst.Plea = nil
		g.tryAgain()
	}
	for _, spec := range g.in.Resources {
		if g.find(spec.Name) == nil {
			g.res = append(g.res, &resource{ri: model.ResourceInstance{Name: spec.Name, State: model.ResourceOffline, Status: model.StatusOffline, Since: g.in.Now}})
		}
	}
	for _, r := range g.res {
		g.remember(r)
		r.boot = r.boot || g.joining && g.in.Group.Managed
	}
	g.joining = false
	g.farewells()
	g.res = slices.DeleteFunc(g.res, func(r *resource) bool {
		owesFini := r.owed != nil || r.ri.OwesFini() && g.has(r, model.MethodFini)
		return r.idle() && r.stage == down && g.spec(r) == nil && !owesFini
	})
	slices.SortFunc(g.res, func(a, b *resource) int { return strings.Compare(string(a.ri.Name), string(b.ri.Name)) })
}

// drive lets every resource go as far as it can.
func (g *Group) drive() {
	for moved := true; moved; {
		moved = false
		if g.allDown() {
			if g.in.Assignment.Restart > g.inst.Restart {
				g.inst.Restart, g.begun = g.in.Assignment.Restart, false
			}
		}
		g.begin()
		g.witness()
		for _, r := range g.res {
			if r.idle() && g.advance(r) {
				moved = true
			}
		}
	}
}

// report asks to write the instance down when that matters to somebody: a version that changed matters only to who is ordered online or told to leave.
func (g *Group) report() {
	now := g.Instance()
	if reflect.DeepEqual(now, g.reported) {
		return
	}
	me := model.Target{Node: g.in.Node, Incarnation: g.in.Incarnation}
	concerned := slices.Contains(g.in.Assignment.Targets, me) || slices.Contains(g.in.Assignment.Leaving, me)
	same := g.reported
	same.Version = now.Version
	if !concerned && reflect.DeepEqual(now, same) {
		return
	}
	g.reported = now
	g.emit(Report{})
}

func (g *Group) find(name cluster.ResourceName) *resource {
	for _, r := range g.res {
		if r.ri.Name == name {
			return r
		}
	}
	return nil
}

func (g *Group) spec(r *resource) *model.Resource {
	for i := range g.in.Resources {
		if g.in.Resources[i].Name == r.ri.Name {
			return &g.in.Resources[i]
		}
	}
	return nil
}

func (g *Group) typeOf(spec *model.Resource) *model.Type {
	if spec == nil {
		return nil
	}
	for i := range g.in.Types {
		if g.in.Types[i].Name == spec.Type {
			return &g.in.Types[i]
		}
	}
	return nil
}

// remember keeps the newest record of a resource and of its type.
func (g *Group) remember(r *resource) {
	spec := g.spec(r)
	if spec == nil {
		return
	}
	known := *spec
	r.spec = &known
	if t := g.typeOf(spec); t != nil {
		r.typ = t
	}
}

// tryAgain makes the starts that failed be tried again: a newer version that still orders the group here is the answer to what was asked for, or comes from
// somebody who has not heard of it; either way this node shall try.
func (g *Group) tryAgain() {
	for _, r := range g.res {
		if r.stage == halfUp && !r.aborted {
			r.restart = true
		}
	}
}

// Down reports whether nothing of the group runs here or is on its way up or down: its machine may be forgotten.
func (g *Group) Down() bool { return g.allDown() }

// Ticks reports whether the passing of time alone may make the group do something: what is not well waits for Retry_interval to run out.
func (g *Group) Ticks() bool {
	return slices.ContainsFunc(g.res, func(r *resource) bool { return r.sick })
}

// Rests reports whether nothing of the group is on its way here: no method runs, nothing is being ended and nothing waits to be restarted.
func (g *Group) Rests() bool {
	if g.inst.State == model.GroupPendingOnline || g.inst.State == model.GroupPendingOffline {
		return false
	}
	return !slices.ContainsFunc(g.res, func(r *resource) bool { return !r.idle() || r.restart })
}

func (g *Group) allDown() bool {
	return !slices.ContainsFunc(g.res, func(r *resource) bool { return r.stage != down || !r.idle() })
}

// nothingUp reports whether nothing of the group is up or on its way: Init, Boot and Fini run while a resource is down.
func (g *Group) nothingUp() bool {
	return !slices.ContainsFunc(g.res, func(r *resource) bool {
		apart := r.running == model.MethodInit || r.running == model.MethodBoot || r.running == model.MethodFini
		return r.stage != down || !r.idle() && !apart
	})
}
