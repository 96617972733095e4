package life_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

var me = cluster.Incarnation{Number: 1, Tag: "a"}

// rig is an executor of one group on node n1 whose methods run until the test lets them end.
type rig struct {
	t         *testing.T
	in        life.Input
	g         *life.Group
	log       []string                // methods and ends in the order in which they began
	running   []any                   // life.Run and life.End in flight, oldest first
	fails     map[string]life.Outcome // "Start web": how it ends instead of well
	withdrawn []string                // runs that are not wanted any more, as they were withdrawn
	watched   map[cluster.ResourceName]bool
	notes     []string
	halted    string
	reports   int
}

// newRig has a managed group of the resources, not ordered online.
func newRig(t *testing.T, resources ...model.Resource) *rig {
	r := &rig{t: t, g: life.New(model.Instance{State: model.GroupUnmanaged}), fails: map[string]life.Outcome{}, watched: map[cluster.ResourceName]bool{}}
	r.in = life.Input{
		Now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Node: "n1", Incarnation: me, MayStart: true, Types: types(),
		Group: model.Group{Name: "g", Nodelist: []cluster.NodeName{"n1", "n2"}, MaximumPrimaries: 1, DesiredPrimaries: 1, Managed: true, ImplicitNetworkDependencies: true},
	}
	for _, res := range resources {
		if res.FailoverMode == "" {
			res.FailoverMode = model.FailoverNone
		}
		res.Group, res.Enabled = "g", true
		r.in.Resources = append(r.in.Resources, res)
	}
	slices.SortFunc(r.in.Resources, func(a, b model.Resource) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return r
}

func types() []model.Type {
	method := func(ms ...model.Method) (specs []model.MethodSpec) {
		for _, m := range ms {
			specs = append(specs, model.MethodSpec{Method: m, Timeout: 7})
		}
		return specs
	}
	return []model.Type{
		{Name: "ip", NetworkAddress: true, Methods: method(model.MethodStart, model.MethodStop)},
		{Name: "app", Methods: method(model.MethodStart, model.MethodStop)},
		{Name: "disk", Methods: method(model.MethodPrenetStart, model.MethodPostnetStop)},
		{Name: "full", Methods: method(model.Methods()...)},
		{Name: "proxy", Proxy: true, Methods: method(model.MethodPrenetStart, model.MethodMonitorStart, model.MethodMonitorStop, model.MethodUpdate, model.MethodPostnetStop)},
	}
}

func res(name cluster.ResourceName, t cluster.TypeName, deps ...model.Dependency) model.Resource {
	return model.Resource{Name: name, Type: t, Dependencies: deps, RetryCount: 2, RetryInterval: 100}
}

func on(kind model.DependencyKind, names ...cluster.ResourceName) (deps []model.Dependency) {
	for _, n := range names {
		deps = append(deps, model.Dependency{On: n, Kind: kind})
	}
	return deps
}

// step feeds an event and notes what is wanted.
func (r *rig) step(ev life.Event) {
	for _, act := range r.g.Step(r.in, ev) {
		switch a := act.(type) {
		case life.Run:
			r.log = append(r.log, fmt.Sprintf("%s %s", a.Method, a.Resource))
			r.running = append(r.running, a)
		case life.End:
			r.log = append(r.log, "End "+string(a.Resource))
			r.running = append(r.running, a)
		case life.Abort:
			i := slices.IndexFunc(r.running, func(x any) bool { run, ok := x.(life.Run); return ok && run.Resource == a.Resource })
			r.fails[nameOf(r.running[i])] = life.Outcome{Aborted: true, Exit: 137}
		case life.Withdraw:
			i := slices.IndexFunc(r.running, func(x any) bool { run, ok := x.(life.Run); return ok && run.Resource == a.Resource })
			r.withdrawn = append(r.withdrawn, nameOf(r.running[i]))
		case life.Watch:
			r.watched[a.Resource] = true
		case life.Unwatch:
			delete(r.watched, a.Resource)
		case life.Halt:
			r.halted = a.Why
		case life.Report:
			r.reports++
		case life.Note:
			r.notes = append(r.notes, a.Text)
		}
	}
}

func nameOf(x any) string {
	switch a := x.(type) {
	case life.Run:
		return fmt.Sprintf("%s %s", a.Method, a.Resource)
	case life.End:
		return "End " + string(a.Resource)
	}
	return ""
}

// finish lets one thing that runs end.
func (r *rig) finish(name string) {
	r.t.Helper()
	i := slices.IndexFunc(r.running, func(x any) bool { return nameOf(x) == name })
	if i < 0 {
		r.t.Fatalf("%s does not run; running: %v", name, r.busy())
	}
	x := r.running[i]
	r.running = slices.Delete(r.running, i, i+1)
	o, fails := r.fails[name]
	if !fails {
		o = life.Outcome{OK: true}
	}
	switch a := x.(type) {
	case life.Run:
		r.step(life.Done{Resource: a.Resource, Method: a.Method, Outcome: o})
	case life.End:
		r.step(life.EndDone{Resource: a.Resource, Outcome: o})
	}
}

func (r *rig) busy() (names []string) {
	for _, x := range r.running {
		names = append(names, nameOf(x))
	}
	slices.Sort(names)
	return names
}

// settle lets everything end, the oldest first.
func (r *rig) settle() {
	for i := 0; len(r.running) > 0; i++ {
		if i > 500 {
			r.t.Fatalf("does not come to rest: %v", r.log[len(r.log)-20:])
		}
		r.finish(nameOf(r.running[0]))
	}
}

// order writes an assignment with the group on n1 or not, and settles.
func (r *rig) order(online bool) {
	r.in.Assignment.Version++
	r.in.Assignment.Targets = nil
	if online {
		r.in.Assignment.Targets = []model.Target{{Node: "n1", Incarnation: me}}
	}
	r.step(life.Changed{})
}

// online is a rig whose group has come online.
func online(t *testing.T, resources ...model.Resource) *rig {
	t.Helper()
	r := newRig(t, resources...)
	r.order(true)
	r.settle()
	r.is(model.GroupOnline)
	r.log = nil
	return r
}

func (r *rig) is(want model.GroupState) {
	r.t.Helper()
	if got := r.g.Instance(); got.State != want {
		r.t.Fatalf("the group is %s (%s), want %s; log %v", got.State, got.BlockedOn, want, r.log)
	}
}

func (r *rig) resource(name cluster.ResourceName) model.ResourceInstance {
	for _, x := range r.g.Instance().Resources {
		if x.Name == name {
			return x
		}
	}
	return model.ResourceInstance{}
}

func (r *rig) resourceIs(name cluster.ResourceName, want model.ResourceState) {
	r.t.Helper()
	if got := r.resource(name); got.State != want {
		r.t.Fatalf("%s is %s (%s), want %s; log %v", name, got.State, got.Message, want, r.log)
	}
}

// did checks the methods that began since the last look, in order, and forgets them.
func (r *rig) did(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.log, want) {
		r.t.Fatalf("ran\n  %s\nwant\n  %s", strings.Join(r.log, ", "), strings.Join(want, ", "))
	}
	r.log = nil
}

// spec changes the record of a resource.
func (r *rig) spec(name cluster.ResourceName, change func(*model.Resource)) {
	r.in.Resources = slices.Clone(r.in.Resources)
	for i := range r.in.Resources {
		if r.in.Resources[i].Name == name {
			change(&r.in.Resources[i])
		}
	}
	r.step(life.Changed{})
}

func (r *rig) pass(d time.Duration) {
	r.in.Now = r.in.Now.Add(d)
	r.step(life.Tick{})
}

func failed() life.Outcome { return life.Outcome{Exit: 1, Message: "planted"} }
