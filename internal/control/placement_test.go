package control_test

import (
	"slices"
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// Groups that need each other, and nodes that carry only so much: what is asked is done, or refused with the reason before anything is changed.
func TestPlacement(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		res := ok[v1.Result](t)
		c := w.c()
		create := func(name string, property ...string) {
			t.Helper()
			res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{name}, Property: property}))
			res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{name}, Manage: true}))
		}
		res(c.NodeCreateLoadlimit(w.ctx, root, v1.NodeCreateLoadlimit{All: true, Property: []string{"limitname=mem", "softlimit=6", "hardlimit=8"}}))
		create("db", "Load_factors=mem@5", "Priority=900")
		create("app", "RG_affinities=++db", "Load_factors=mem@1")
		create("batch", "Load_factors=mem@7", "RG_affinities=--db", "Priority=100")
		w.is("db", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		w.is("app", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		w.is("batch", "n1:OFFLINE n2:ONLINE n3:OFFLINE")

		states := ok[[]v1.NodeState](t)(c.NodeStatus(w.ctx, root, v1.NodeStatus{Names: []string{"n1"}}))
		if l := states[0].Loads; len(l) != 1 || l[0].Name != "mem" || l[0].Load != 6 || *l[0].Soft != 6 || *l[0].Hard != 8 {
			t.Errorf("what n1 carries: %+v", l)
		}

		// The target takes its source along.
		res(c.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"db"}, Node: []string{"n3"}}))
		w.is("db", "n1:OFFLINE n2:OFFLINE n3:ONLINE")
		w.is("app", "n1:OFFLINE n2:OFFLINE n3:ONLINE")

		// A source can not leave its target, a load can not go where there is no room, and the answer says so.
		refuse[v1.Result](t, fault.Precondition, "has to run with db")(c.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"app"}, Node: []string{"n1"}}))
		refuse[v1.Result](t, fault.Precondition, "group db would have no node")(c.GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"db"}, Property: []string{"Load_factors=mem@9"}}))
		refuse[v1.Result](t, fault.Precondition, "would have no node")(c.NodeSetLoadlimit(w.ctx, root, v1.NodeSetLoadlimit{All: true, Property: []string{"limitname=mem", "softlimit=1", "hardlimit=4"}}))
		refuse[v1.Result](t, fault.Exists, "has a load limit mem: mem@6:8")(c.NodeCreateLoadlimit(w.ctx, root, v1.NodeCreateLoadlimit{Names: []string{"n1"}, Property: []string{"limitname=mem", "hardlimit=1"}}))
		refuse[v1.Result](t, fault.NotFound, "did you mean mem?")(c.NodeDeleteLoadlimit(w.ctx, root, v1.NodeDeleteLoadlimit{Names: []string{"n1"}, Property: []string{"limitname=men"}}))
		refuse[v1.Result](t, fault.Invalid, "above the hard limit")(c.NodeSetLoadlimit(w.ctx, root, v1.NodeSetLoadlimit{Names: []string{"n1"}, Property: []string{"limitname=mem", "softlimit=9"}}))
		w.is("db", "n1:OFFLINE n2:OFFLINE n3:ONLINE")

		// What is asked may push out what is less important, but nothing that is as important.
		create("peer", "RG_affinities=--db", "Nodelist=n1", "Priority=900")
		refuse[v1.Result](t, fault.Precondition, "it would leave group peer, of priority 900, without a node")(c.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"db"}, Node: []string{"n1"}}))
		res(c.GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"peer"}, Property: []string{"Priority=899"}}))
		res(c.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"db"}, Node: []string{"n1"}}))
		w.is("peer", "n1:OFFLINE")
		res(c.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"db"}, Node: []string{"n3"}}))
		w.is("peer", "n1:ONLINE")
		res(c.GroupDelete(w.ctx, root, v1.GroupDelete{Names: []string{"peer"}, Force: true}))

		why := ok[[]v1.Explanation](t)(c.GroupWhy(w.ctx, root, v1.GroupWhy{Names: []string{"app"}}))
		if len(why) != 1 || len(why[0].Candidates) != 3 || !slices.Equal(why[0].Wanted, []string{"n3"}) || !why[0].Candidates[2].Chosen || !why[0].Proved {
			t.Fatalf("why: %+v", why)
		}
		if a := why[0].Candidates[0].Against; len(a) != 1 || a[0].Name != "target-elsewhere" || !strings.Contains(a[0].Text, "db") {
			t.Errorf("what speaks against n1: %+v", a)
		}

		plan := func(in v1.ClusterPlan) map[string]v1.PlannedGroup {
			t.Helper()
			out := map[string]v1.PlannedGroup{}
			for _, g := range ok[v1.PlanReport](t)(c.ClusterPlan(w.ctx, root, in)).Groups {
				out[g.Group] = g
			}
			return out
		}
		p := plan(v1.ClusterPlan{Without: []string{"n3"}})
		if p["db"].Change != "moves" || !slices.Equal(p["db"].Then, p["app"].Then) || p["batch"].Change != "stays" {
			t.Errorf("without n3: %+v", p)
		}
		// With one node left the important one runs, and the other is named with the reason.
		p = plan(v1.ClusterPlan{Without: []string{"n3", "n1"}})
		if !slices.Equal(p["db"].Then, []string{"n2"}) || p["batch"].Change != "offline" || p["batch"].Why == nil || !strings.Contains(p["batch"].Why.Text, "db") {
			t.Errorf("on n2 alone: %+v", p)
		}
		p = plan(v1.ClusterPlan{With: []string{"group set -p Priority=1000 batch", "group set -p RG_affinities= batch", "group switch -n n3 batch"}})
		if !slices.Equal(p["batch"].Then, []string{"n3"}) || p["db"].Change != "moves" {
			t.Errorf("with batch on n3: %+v", p)
		}
		p = plan(v1.ClusterPlan{With: []string{"group create -n n1 -p Load_factors=mem@9 huge"}})
		if p["huge"].Change != "offline" || p["huge"].Why == nil || p["huge"].Why.Name != "no-room" {
			t.Errorf("with a group too large: %+v", p["huge"])
		}
		for text, fault := range map[string]string{"group swich -n n1 db": "did you mean group switch?", "group set db -q 3": "takes the flags -n -p", "group set -p Priority=5000 db": "maximum", "group switch db": "with -n", "group set -p Priority=1": "names no group", "node remove n1": "can not be supposed"} {
			if _, err := c.ClusterPlan(w.ctx, root, v1.ClusterPlan{With: []string{text}}); err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("%s: %v, not %q", text, err, fault)
			}
		}
		refuse[v1.PlanReport](t, fault.Invalid, "is in the cluster already")(c.ClusterPlan(w.ctx, root, v1.ClusterPlan{Back: []string{"n1"}}))
		w.is("db", "n1:OFFLINE n2:OFFLINE n3:ONLINE") // nothing of all that was done

		res(c.NodeDeleteLoadlimit(w.ctx, root, v1.NodeDeleteLoadlimit{All: true, Property: []string{"limitname=mem"}}))
		res(c.ClusterSet(w.ctx, root, v1.ClusterSet{Property: []string{"concentrate_load=true"}}))
	})
}
