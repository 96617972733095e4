package order_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
	"redoubt/internal/rgm/place"
	"redoubt/internal/rgm/plan"
)

// crowd adds nodes to a rig until it has so many that can run groups.
func (r *rig) crowd(n int) {
	for i := len(r.s.Nodes); i < n; i++ {
		r.s.Nodes = append(r.s.Nodes, model.NodeState{Node: model.Node{Name: cluster.NodeName(fmt.Sprintf("x%03d", i))}, Member: true, Incarnation: at(1), Since: 2})
	}
}

// Quorum servers take no place among the nodes, and loads that no node limits none among the kinds.
func TestWhatDoesNotCountIsNotCounted(t *testing.T) {
	g := group("web")
	for i := range 3 * plan.MaxKinds {
		g.LoadFactors = append(g.LoadFactors, model.LoadFactor{Name: fmt.Sprintf("kind%03d", i), Load: 3})
	}
	r := newRig(t, g)
	r.crowd(plan.MaxNodes)
	r.s.Nodes = slices.Insert(r.s.Nodes, 0, model.NodeState{Node: model.Node{Name: "a-quorum-server", QuorumServer: true}, Member: true, Incarnation: at(1), Since: 2})
	// The last by name is one that counts.
	r.node("n1", func(n *model.NodeState) { n.LoadLimits = []model.LoadLimit{{Name: "kind191", Soft: 2, Hard: 2}} })
	r.plan()
	r.want(model.Want{Group: "web", Online: true})
	r.settle()
	if v := order.Look(r.s); v.Err != nil || len(v.Problem.Nodes) != plan.MaxNodes || len(v.Problem.Kinds) != plan.MaxKinds {
		t.Fatalf("%d nodes, %d kinds: %v", len(v.Problem.Nodes), len(v.Problem.Kinds), v.Err)
	}
	r.on("web", "n2")
	r.lose("n2")
	r.release()
	r.settle()
	r.on("web", "n3")
	if err := order.Fits(r.s); err != nil {
		t.Error(err)
	}
}

// A cluster that is too large for the planner still fails over, keeps what may not be broken, and says what it does not do.
func TestTooLargeAClusterFailsOver(t *testing.T) {
	db, web, batch, big := group("db"), group("web"), group("batch"), group("big")
	db.Priority = 100
	web.Affinities = []model.Affinity{{Kind: model.AffinityRequire, Target: "db"}}
	web.Priority = 900 // before its target, which it has to wait for
	batch.Affinities = []model.Affinity{{Kind: model.AffinityForbid, Target: "db"}}
	big.LoadFactors, big.Priority = []model.LoadFactor{{Name: "mem", Load: 5}}, 50
	batch.LoadFactors = []model.LoadFactor{{Name: "mem", Load: 5}}
	r := newRig(t, batch, big, db, web)
	r.crowd(plan.MaxNodes + 1)
	for _, n := range []cluster.NodeName{"n1", "n2", "n3"} {
		r.node(n, func(n *model.NodeState) { n.LoadLimits = []model.LoadLimit{{Name: "mem", Soft: 5, Hard: 8}} })
	}
	r.plan()
	for _, g := range []cluster.GroupName{"batch", "big", "db", "web"} {
		r.want(model.Want{Group: g, Online: true})
	}
	r.settle()
	if order.Fits(r.s) == nil {
		t.Fatal("it fits")
	}
	r.on("db", "n1")
	r.on("web", "n1")
	r.on("batch", "n2")
	r.on("big", "n1")
	r.noted("db", "", place.Unplanned)
	r.lose("n1")
	r.release()
	r.settle()
	r.on("batch", "n2")
	r.on("db", "n3")
	r.on("web", "n3")
	r.on("big", "n3")
	r.want(model.Want{Group: "db", Online: true, Nodes: []cluster.NodeName{"n2"}})
	r.settle()
	r.on("db", "n2") // what is asked for comes before what runs
	r.on("web", "n2")
	r.on("batch")
	r.want(model.Want{Group: "web", Online: true, Nodes: []cluster.NodeName{"n3"}})
	r.settle()
	r.on("web", "n2")
	r.noted("web", "", place.Ignored)
	r.join("n1", 2)
	r.settle()
	r.want(model.Want{Group: "big", Online: true, Nodes: []cluster.NodeName{"n1"}})
	r.settle()
	r.on("big", "n1")
	if to := order.Choose(r.s, "big", nil, []cluster.NodeName{"n1"}, 1); !slices.Equal(to, []cluster.NodeName{"n2"}) {
		t.Errorf("big would go to %v", to)
	}
	r.on("batch", "n3")
	r.plea("db", "n2", model.PleaGiveover)
	r.settle()
	r.on("db", "n1")
	r.on("web", "n1")
}

// Whatever it is that the planner can not work with: the same laws hold of the way and of the rest, and nobody who could run stays offline.
func TestTooLargeAClusterIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyState(t)
		for i := range s.Groups {
			g := &s.Groups[i]
			g.LoadFactors = []model.LoadFactor{{Name: "mem", Load: rapid.Int64Range(0, 4).Draw(t, "load")}}
			g.Priority = rapid.IntRange(0, 3).Draw(t, "priority")
			if o := s.Groups[rapid.IntRange(0, len(s.Groups)-1).Draw(t, "target")].Name; o != g.Name && rapid.Bool().Draw(t, "bound") {
				kind := rapid.SampledFrom([]model.AffinityKind{model.AffinityRequire, model.AffinityForbid, model.AffinityPrefer}).Draw(t, "kind")
				g.Affinities = []model.Affinity{{Kind: kind, Target: o}}
			}
		}
		for i := range s.Nodes {
			s.Nodes[i].LoadLimits = []model.LoadLimit{{Name: "mem", Soft: 3, Hard: 5}}
		}
		for i := range plan.MaxNodes {
			s.Nodes = append(s.Nodes, model.NodeState{Node: model.Node{Name: cluster.NodeName(fmt.Sprintf("x%03d", i))}})
		}
		v := order.Look(s)
		if v.Err == nil {
			t.Fatal("the planner takes it")
		}
		load := map[cluster.NodeName]int64{}
		on := map[cluster.GroupName][]cluster.NodeName{}
		for i, g := range s.Groups {
			on[g.Name] = v.Wanted(i)
			for _, n := range v.Wanted(i) {
				load[n] += g.LoadFactors[0].Load
			}
		}
		for i, g := range v.Groups() {
			spec := s.Groups[i]
			if len(v.Wanted(i)) > spec.MaximumPrimaries {
				t.Fatalf("%s on %v", g.Name, v.Wanted(i))
			}
			for _, n := range s.Nodes[:len(s.Nodes)-plan.MaxNodes] {
				here := slices.Contains(v.Wanted(i), n.Name)
				index := slices.IndexFunc(v.Problem.Nodes, func(x plan.Node) bool { return x.Name == string(n.Name) })
				may := n.Member && slices.Contains(spec.Nodelist, n.Name)
				for _, a := range spec.Affinities {
					beside := slices.Contains(on[a.Target], n.Name)
					may = may && (a.Kind != model.AffinityForbid || !beside) && (a.Kind != model.AffinityRequire || beside)
				}
				for _, o := range s.Groups {
					may = may && (!slices.Contains(o.Affinities, model.Affinity{Kind: model.AffinityForbid, Target: spec.Name}) || !slices.Contains(on[o.Name], n.Name))
				}
				if here && !may && !spec.Suspended {
					t.Fatalf("%s on %s, where it may not be: %s", g.Name, n.Name, text(t, s))
				}
				// Groups whose stop failed are in the problem as well; they make this one's room smaller.
				refused := slices.ContainsFunc(g.Refused, func(r plan.Refusal) bool { return r.Node == index })
				free := load[n.Name]+spec.LoadFactors[0].Load <= 5 && len(v.Problem.Groups) == len(s.Groups)
				if len(v.Wanted(i)) == 0 && may && !refused && free && !g.Off && !g.Suspended && len(g.Explicit) == 0 && g.Desired > 0 {
					t.Fatalf("%s stays offline, and %s is free for it: %s", g.Name, n.Name, text(t, s))
				}
			}
		}
		for n, l := range load {
			if l > 5 && !slices.ContainsFunc(s.Groups, func(g model.Group) bool { return g.Suspended }) {
				t.Fatalf("%s carries %d: %s", n, l, text(t, s))
			}
		}
		for range 8 {
			steps := order.Plan(s)
			if len(steps) == 0 {
				return
			}
			s = written(t, s, steps)
		}
		t.Fatalf("does not come to rest: %s", text(t, order.Plan(s)))
	})
}

// A suspended group whose node was taken off its nodelist has no place, so that what has to run beside it has none there either, although it has not stopped yet.
func TestTooLargeAClusterAndAGroupThatIsLeaving(t *testing.T) {
	db, web := group("db"), group("web")
	web.Affinities = []model.Affinity{{Kind: model.AffinityRequire, Target: "db"}}
	r := newRig(t, db, web)
	r.crowd(plan.MaxNodes + 1)
	r.plan()
	r.want(model.Want{Group: "db", Online: true})
	r.settle()
	r.on("db", "n1")
	r.group("db", func(g *model.Group) { g.Suspended = true })
	r.want(model.Want{Group: "web", Online: true})
	wanted := func() []cluster.NodeName {
		v := order.Look(r.s)
		if v.Err == nil {
			t.Fatal("it fits")
		}
		return v.Wanted(1)
	}
	if got := wanted(); !slices.Equal(got, []cluster.NodeName{"n1"}) {
		t.Errorf("web is wanted on %v", got)
	}
	r.group("db", func(g *model.Group) { g.Nodelist = []cluster.NodeName{"n2"} })
	if got := wanted(); len(got) != 0 {
		t.Errorf("db has to leave n1, and web is wanted on %v", got)
	}
}
