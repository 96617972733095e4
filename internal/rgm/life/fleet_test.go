package life_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// fleet is several nodes with several groups, over one state: the assignments are what the test says, what a node reports is seen by the others when the test
// lets it, and methods run until the test lets them end.
type fleet struct {
	t     testing.TB
	s     model.State // what everybody has read, but for the instances
	lives map[cluster.NodeName]cluster.Incarnation
	spots map[spot]*place
	order []spot
	log   []string // "Start db@n1", in the order in which they began
	fails map[string]life.Outcome
	weak  map[cluster.NodeName]bool // without a lease
	drain map[cluster.NodeName]bool
	mute  map[cluster.NodeName]bool // what it reports is not heard
	seen  map[spot]model.Instance   // what the repository has
	slow  bool                      // nobody hears anything before hear
	// uncounted leaves out of what others hear what an earlier release does not know.
	uncounted bool
}

type spot struct {
	node  cluster.NodeName
	group cluster.GroupName
}

// place is one group on one node.
type place struct {
	g       *life.Group
	running []any
}

func newFleet(t testing.TB, nodes ...cluster.NodeName) *fleet {
	f := &fleet{
		t: t, lives: map[cluster.NodeName]cluster.Incarnation{}, spots: map[spot]*place{}, fails: map[string]life.Outcome{},
		weak: map[cluster.NodeName]bool{}, drain: map[cluster.NodeName]bool{}, mute: map[cluster.NodeName]bool{}, seen: map[spot]model.Instance{},
	}
	f.s.Now, f.s.Types = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), types()
	slices.SortFunc(f.s.Types, func(a, b model.Type) int { return cmp.Compare(a.Name, b.Name) })
	for _, n := range nodes {
		f.s.Nodes = append(f.s.Nodes, model.NodeState{Node: model.Node{Name: n}})
		f.lives[n] = cluster.Incarnation{Number: 1, Tag: string(n)}
	}
	return f
}

func byName[T any, N cmp.Ordered](list []T, name func(T) N) {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
}

// group adds a group with resources. It runs on as many nodes as the test says.
func (f *fleet) group(g model.Group, rs ...model.Resource) {
	g.Managed = true
	for _, n := range f.s.Nodes {
		g.Nodelist = append(g.Nodelist, n.Name)
		at := spot{n.Name, g.Name}
		f.spots[at] = &place{g: life.Begin(model.Instance{}, true)}
		f.order = append(f.order, at)
	}
	f.s.Groups = append(f.s.Groups, g)
	byName(f.s.Groups, func(g model.Group) cluster.GroupName { return g.Name })
	for _, r := range rs {
		r.Group, r.Enabled, r.FailoverMode = g.Name, true, model.FailoverNone
		f.s.Resources = append(f.s.Resources, r)
	}
	byName(f.s.Resources, func(r model.Resource) cluster.ResourceName { return r.Name })
	f.s.Assignments = append(f.s.Assignments, model.Assignment{Group: g.Name})
	byName(f.s.Assignments, func(a model.Assignment) cluster.GroupName { return a.Group })
}

// on orders a group online on exactly these nodes; nobody looks before settle or look.
func (f *fleet) on(g cluster.GroupName, nodes ...cluster.NodeName) {
	f.s.Assignments = slices.Clone(f.s.Assignments)
	for i := range f.s.Assignments {
		a := &f.s.Assignments[i]
		if a.Group != g {
			continue
		}
		a.Version++
		a.Targets, a.Wanted, a.Off = nil, slices.Clone(nodes), len(nodes) == 0
		for _, n := range nodes {
			a.Targets = append(a.Targets, model.Target{Node: n, Incarnation: f.lives[n]})
		}
	}
}

func (f *fleet) restart(g cluster.GroupName) {
	f.s.Assignments = slices.Clone(f.s.Assignments)
	for i := range f.s.Assignments {
		if a := &f.s.Assignments[i]; a.Group == g {
			a.Version++
			a.Restart++
		}
	}
}

func (f *fleet) edit(n cluster.ResourceName, change func(*model.Resource)) {
	f.s.Resources = slices.Clone(f.s.Resources)
	for i := range f.s.Resources {
		if f.s.Resources[i].Name == n {
			change(&f.s.Resources[i])
		}
	}
}

func (f *fleet) editGroup(n cluster.GroupName, change func(*model.Group)) {
	f.s.Groups = slices.Clone(f.s.Groups)
	for i := range f.s.Groups {
		if f.s.Groups[i].Name == n {
			change(&f.s.Groups[i])
		}
	}
}

// die ends a node and takes it out of the cluster: what it reported does not count any more.
func (f *fleet) die(n cluster.NodeName) {
	for at, p := range f.spots {
		if at.node == n {
			p.g, p.running = life.Begin(p.g.Instance(), true), nil
		}
	}
	delete(f.lives, n)
	f.s.Assignments = slices.Clone(f.s.Assignments)
	for i := range f.s.Assignments {
		a := &f.s.Assignments[i]
		a.Targets = slices.DeleteFunc(slices.Clone(a.Targets), func(t model.Target) bool { return t.Node == n })
	}
}

// back brings a node that died back, in a new incarnation.
func (f *fleet) back(n cluster.NodeName, number uint64) {
	f.lives[n] = cluster.Incarnation{Number: number, Tag: string(n)}
}

// reborn replaces the machines of a node by ones that go on from what was reported: its daemon was restarted on purpose.
func (f *fleet) reborn(n cluster.NodeName) {
	for at, p := range f.spots {
		if at.node == n {
			p.g = life.New(p.g.Instance())
		}
	}
}

func (f *fleet) input(at spot) life.Input {
	in := life.Input{Now: f.s.Now, Node: at.node, Incarnation: f.lives[at.node], Types: f.s.Types, MayStart: !f.weak[at.node], Draining: f.drain[at.node]}
	in.Here = map[cluster.GroupName]model.Instance{}
	s := f.s
	for o, p := range f.spots {
		if i, heard := f.seen[o]; heard {
			s.Instances = append(s.Instances, i)
		}
		if i := p.g.Instance(); o.node == at.node && i.Incarnation == f.lives[o.node] {
			in.Here[o.group] = i
		}
	}
	slices.SortFunc(s.Instances, func(a, b model.Instance) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Node, b.Node))
	})
	in.Around = life.Survey(s, f.lives)
	for _, g := range f.s.Groups {
		if g.Name == at.group {
			in.Group = g
		}
	}
	for _, r := range f.s.Resources {
		if r.Group == at.group {
			in.Resources = append(in.Resources, r)
		}
	}
	for _, a := range f.s.Assignments {
		if a.Group == at.group {
			in.Assignment = a
		}
	}
	return in
}

// step feeds an event to a group on a node; false when nothing came of it.
func (f *fleet) step(at spot, ev life.Event) bool {
	p := f.spots[at]
	moved := false
	for _, act := range p.g.Step(f.input(at), ev) {
		switch a := act.(type) {
		case life.Run:
			f.log = append(f.log, nameOf(a)+"@"+string(at.node))
			p.running = append(p.running, a)
		case life.End:
			p.running = append(p.running, a)
		case life.Report:
			if !f.slow && !f.mute[at.node] {
				f.seen[at] = f.told(p.g.Instance())
			}
		default:
			continue
		}
		moved = true
	}
	return moved
}

// told is what others hear of an instance.
func (f *fleet) told(i model.Instance) model.Instance {
	for k := range i.Resources {
		if f.uncounted {
			i.Resources[k].Starts, i.Resources[k].Sights, i.Resources[k].Leaving = 0, nil, false
		}
	}
	return i
}

// hear lets everybody know what all nodes report; false when there is nothing new.
func (f *fleet) hear() bool {
	news := false
	for at, p := range f.spots {
		if i := f.told(p.g.Instance()); !f.mute[at.node] && f.lives[at.node] == i.Incarnation && fmt.Sprint(i) != fmt.Sprint(f.seen[at]) {
			f.seen[at], news = i, true
		}
	}
	return news
}

// look lets every group on every living node look at what there is, until nothing comes of it. Methods go on running.
func (f *fleet) look() {
	for range 1000 {
		moved := false
		for _, at := range f.order {
			if _, lives := f.lives[at.node]; lives && f.step(at, life.Changed{}) {
				moved = true
			}
		}
		if !moved {
			return
		}
	}
	f.t.Fatalf("looks again and again; log %v", f.log[max(0, len(f.log)-20):])
}

// end lets something that runs end.
func (f *fleet) end(at spot, i int) {
	p := f.spots[at]
	x := p.running[i]
	p.running = slices.Delete(p.running, i, i+1)
	o, fails := f.fails[nameOf(x)+"@"+string(at.node)]
	if !fails {
		o = life.Outcome{OK: true}
	}
	switch a := x.(type) {
	case life.Run:
		f.step(at, life.Done{Resource: a.Resource, Method: a.Method, Outcome: o})
	case life.End:
		f.step(at, life.EndDone{Resource: a.Resource, Outcome: o})
	}
}

// settle lets everything look and end until all is at rest.
func (f *fleet) settle() {
	f.t.Helper()
	for range 2000 {
		f.look()
		ended := false
		for _, at := range f.order {
			if _, lives := f.lives[at.node]; lives && len(f.spots[at].running) > 0 {
				f.end(at, 0)
				ended = true
			}
		}
		if !ended && !f.hear() {
			return
		}
	}
	f.t.Fatalf("does not come to rest; log %v", f.log[max(0, len(f.log)-20):])
}

func (f *fleet) did(want ...string) {
	f.t.Helper()
	if !slices.Equal(f.log, want) {
		f.t.Fatalf("ran\n  %s\nwant\n  %s", strings.Join(f.log, ", "), strings.Join(want, ", "))
	}
	f.log = nil
}

func (f *fleet) instance(g cluster.GroupName, n cluster.NodeName) model.Instance {
	return f.spots[spot{n, g}].g.Instance()
}

func (f *fleet) is(g cluster.GroupName, n cluster.NodeName, want model.GroupState) {
	f.t.Helper()
	if i := f.instance(g, n); i.State != want {
		f.t.Fatalf("%s on %s is %s (%s), want %s; log %v", g, n, i.State, i.BlockedOn, want, f.log)
	}
}

// waits checks what a group says that it waits for.
func (f *fleet) waits(g cluster.GroupName, n cluster.NodeName, words ...string) {
	f.t.Helper()
	i := f.instance(g, n)
	for _, w := range words {
		if !strings.Contains(i.BlockedOn, w) {
			f.t.Fatalf("%s on %s is %s and waits for %q, which does not say %q", g, n, i.State, i.BlockedOn, w)
		}
	}
}
