package order_test

import (
	"cmp"
	"reflect"
	"slices"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// rig is a cluster as the planner sees it, with executors that do what they are told as soon as the test lets them.
type rig struct {
	t *testing.T
	s model.State
}

func at(n int) cluster.Incarnation { return cluster.Incarnation{Number: uint64(n), Tag: "t"} }

// newRig has members n1 to n3 and the groups.
func newRig(t *testing.T, groups ...model.Group) *rig {
	r := &rig{t: t, s: model.State{Basis: model.Basis{Epoch: 10}, Formation: 2, Now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}}
	for _, n := range []cluster.NodeName{"n1", "n2", "n3"} {
		r.s.Nodes = append(r.s.Nodes, model.NodeState{Node: model.Node{Name: n}, Member: true, Incarnation: at(1), Since: 2})
	}
	r.s.Groups = groups
	return r
}

func group(name cluster.GroupName) model.Group {
	return model.Group{Name: name, Nodelist: []cluster.NodeName{"n1", "n2", "n3"}, MaximumPrimaries: 1, DesiredPrimaries: 1, PingpongInterval: 100, AutoStartOnNewCluster: true, Managed: true}
}

// multi may run on two nodes.
func multi(name cluster.GroupName) model.Group {
	g := group(name)
	g.MaximumPrimaries, g.DesiredPrimaries = 2, 2
	return g
}

// plan plans once and takes the steps over, as the repository would.
func (r *rig) plan() []order.Step {
	steps := order.Plan(r.s)
	r.s.Assignments = slices.Clone(r.s.Assignments)
	for _, s := range steps {
		a, old := s.Assignment, r.assigned(s.Assignment.Group)
		r.put(a)
		added := slices.ContainsFunc(a.Targets, func(t model.Target) bool { return !slices.Contains(old.Targets, t) })
		for _, g := range r.s.Groups {
			if g.Name == a.Group && added && len(a.Targets)+len(a.Leaving) > g.MaximumPrimaries {
				r.t.Fatalf("group %s got a target too many: %v, leaving %v", g.Name, a.Targets, a.Leaving)
			}
		}
	}
	return steps
}

func (r *rig) put(a model.Assignment) {
	r.s.Assignments = slices.DeleteFunc(r.s.Assignments, func(o model.Assignment) bool { return o.Group == a.Group })
	r.s.Assignments = append(r.s.Assignments, a)
	slices.SortFunc(r.s.Assignments, func(a, b model.Assignment) int { return cmp.Compare(a.Group, b.Group) })
}

// obey lets every executor of a living node carry out its orders and report.
func (r *rig) obey() {
	for _, n := range r.s.Nodes {
		for _, a := range r.s.Assignments {
			if !n.Member {
				continue
			}
			state := model.GroupOffline
			if a.On(n.Name, n.Incarnation) {
				state = model.GroupOnline
			}
			r.report(model.Instance{Node: n.Name, Incarnation: n.Incarnation, Group: a.Group, Version: a.Version, Restart: a.Restart, State: state})
		}
	}
}

func (r *rig) report(i model.Instance) {
	r.s.Instances = slices.DeleteFunc(slices.Clone(r.s.Instances), func(o model.Instance) bool { return o.Group == i.Group && o.Node == i.Node })
	r.s.Instances = append(r.s.Instances, i)
	slices.SortFunc(r.s.Instances, func(a, b model.Instance) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Node, b.Node))
	})
}

// settle plans and obeys until nothing is left to do.
func (r *rig) settle() {
	r.t.Helper()
	for range 20 {
		steps, before := r.plan(), r.s.Instances
		r.obey()
		if len(steps) == 0 && reflect.DeepEqual(before, r.s.Instances) {
			return
		}
	}
	r.t.Fatalf("does not settle: %+v", order.Plan(r.s))
}

// want is what an administrator asks for.
func (r *rig) want(w model.Want) {
	for _, o := range r.s.Wants {
		if o.Group == w.Group {
			w.Seq = o.Seq
		}
	}
	w.Seq++
	r.s.Wants = slices.DeleteFunc(slices.Clone(r.s.Wants), func(o model.Want) bool { return o.Group == w.Group })
	r.s.Wants = append(r.s.Wants, w)
	slices.SortFunc(r.s.Wants, func(a, b model.Want) int { return cmp.Compare(a.Group, b.Group) })
}

// online brings everything online.
func online(t *testing.T, groups ...model.Group) *rig {
	r := newRig(t, groups...)
	r.plan()
	for _, g := range groups {
		r.want(model.Want{Group: g.Name, Online: true})
	}
	r.settle()
	return r
}

func (r *rig) assigned(g cluster.GroupName) model.Assignment {
	for _, a := range r.s.Assignments {
		if a.Group == g {
			return a
		}
	}
	return model.Assignment{}
}

// on checks where a group is ordered online.
func (r *rig) on(g cluster.GroupName, want ...cluster.NodeName) {
	r.t.Helper()
	var got []cluster.NodeName
	for _, t := range r.assigned(g).Targets {
		got = append(got, t.Node)
	}
	if !slices.Equal(got, want) {
		r.t.Fatalf("%s is on %v, want %v; notes %+v", g, got, want, r.assigned(g).Notes)
	}
}

func (r *rig) node(n cluster.NodeName, change func(*model.NodeState)) {
	r.s.Nodes = slices.Clone(r.s.Nodes)
	for i := range r.s.Nodes {
		if r.s.Nodes[i].Name == n {
			change(&r.s.Nodes[i])
		}
	}
}

// lose removes a node from the membership; what it ran is held until release.
func (r *rig) lose(n cluster.NodeName) {
	r.s.Basis.Epoch++
	r.node(n, func(x *model.NodeState) {
		r.s.Held = append(slices.Clone(r.s.Held), model.Target{Node: n, Incarnation: x.Incarnation})
		x.Member, x.Incarnation = false, cluster.Incarnation{}
	})
}

func (r *rig) release() { r.s.Held = nil }

// join brings a node back in incarnation k.
func (r *rig) join(n cluster.NodeName, k int) {
	r.s.Basis.Epoch++
	r.node(n, func(x *model.NodeState) { x.Member, x.Incarnation, x.Since = true, at(k), r.s.Basis.Epoch })
}

func (r *rig) group(name cluster.GroupName, change func(*model.Group)) {
	r.s.Groups = slices.Clone(r.s.Groups)
	for i := range r.s.Groups {
		if r.s.Groups[i].Name == name {
			change(&r.s.Groups[i])
		}
	}
}

// noted checks that an assignment gives a reason.
func (r *rig) noted(g cluster.GroupName, n cluster.NodeName, name string) {
	r.t.Helper()
	if !slices.ContainsFunc(r.assigned(g).Notes, func(x model.Note) bool { return x.Node == n && x.Name == name }) {
		r.t.Fatalf("%s has no note %q about %q: %+v", g, name, n, r.assigned(g).Notes)
	}
}

// plea makes a node's executor ask for another node.
func (r *rig) plea(g cluster.GroupName, n cluster.NodeName, kind string) {
	a := r.assigned(g)
	state := model.GroupOnline
	if kind == model.PleaStartFailed {
		state = model.GroupOffline
	}
	r.report(model.Instance{Node: n, Incarnation: at(1), Group: g, Version: a.Version, State: state, Plea: &model.Plea{Kind: kind, Resource: "r", Version: a.Version, Why: "planted", At: r.s.Now}})
}
