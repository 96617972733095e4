package control_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/plan"
)

// says reports whether one of the lines contains a text.
func says(lines []string, text string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, text) })
}

// found reports whether a check of the cluster has a finding that says so.
func found(w *world, text string) bool {
	w.t.Helper()
	return slices.ContainsFunc(ok[v1.CheckReport](w.t)(w.c().ClusterCheck(w.ctx, root, v1.ClusterCheck{})).Problems, func(p v1.Problem) bool { return strings.Contains(p.Text, text) })
}

// A what-if of a death or a return ends what an administrator ordered, as reality does.
func TestWhatIfEndsTheHold(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		res := ok[v1.Result](t)
		c := w.c()
		then := func(in v1.ClusterPlan) map[string][]string {
			t.Helper()
			out := map[string][]string{}
			for _, g := range ok[v1.PlanReport](t)(c.ClusterPlan(w.ctx, root, in)).Groups {
				out[g.Group] = g.Then
			}
			return out
		}
		res(c.NodeCreateLoadlimit(w.ctx, root, v1.NodeCreateLoadlimit{All: true, Property: []string{"limitname=mem", "hardlimit=8"}}))
		for name, property := range map[string][]string{"high": {"Nodelist=n3,n2", "Load_factors=mem@8", "Priority=900"}, "low": {"Load_factors=mem@8", "Priority=100", "Nodelist=n2"}} {
			res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{name}, Property: property}))
			res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{name}, Manage: true}))
		}
		res(c.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"low"}, Node: []string{"n2"}}))
		foreseen := then(v1.ClusterPlan{Without: []string{"n3"}})
		w.lose("n3")
		w.is("high", "n3:OFFLINE n2:ONLINE")
		w.is("low", "n2:OFFLINE")
		if !slices.Equal(foreseen["high"], []string{"n2"}) || len(foreseen["low"]) > 0 {
			t.Errorf("foreseen was %v", foreseen)
		}
	})
}

// What would switch the planner off is refused, and if it came about nevertheless, it is found and failover goes on.
func TestThePlannersLimits(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		res := ok[v1.Result](t)
		c := w.c()
		res(c.NodeCreateLoadlimit(w.ctx, root, v1.NodeCreateLoadlimit{All: true, Property: []string{"limitname=mem", "hardlimit=8"}}))
		var factors []string
		for i := range plan.MaxKinds + 6 {
			factors = append(factors, fmt.Sprintf("k%02d@1", i))
		}
		if out := res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"web"}, Property: []string{"Load_factors=" + strings.Join(factors, ",")}})); !says(out.Messages, "no node limits k69") {
			t.Errorf("of loads that nobody limits: %v", out.Messages)
		}
		res(c.GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"web"}, Property: []string{"Load_factors="}}))
		if out := res(c.GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"web"}, Property: []string{"Load_factors=mme@1"}})); !says(out.Messages, "no node limits mme") || !says(out.Messages, "did you mean mem?") {
			t.Errorf("of a load that nobody limits: %v", out.Messages)
		}
		if !found(w, "its load factor mme") {
			t.Error("cluster check does not find the load that nobody limits")
		}
		res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"web"}, Manage: true}))

		w.put(confdb.KeyNode("n3"), confdb.KindNode, limited(w, plan.MaxKinds-1))
		synctest.Wait()
		refuse[v1.Result](t, fault.Precondition, "up to 64 kinds of load")(c.NodeCreateLoadlimit(w.ctx, root, v1.NodeCreateLoadlimit{Names: []string{"n2"}, Property: []string{"limitname=more", "hardlimit=8"}}))
		if found(w, "one by one") {
			t.Error("found before it was so")
		}
		w.put(confdb.KeyNode("n3"), confdb.KindNode, limited(w, plan.MaxKinds))
		synctest.Wait()
		w.is("web", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		if !found(w, "one by one") {
			t.Error("cluster check does not find that the planner is off")
		}
		if p := ok[v1.PlanReport](t)(c.ClusterPlan(w.ctx, root, v1.ClusterPlan{Without: []string{"n1"}})); p.Proved || !strings.Contains(p.Gap, "kinds of load") || !slices.Equal(p.Groups[0].Then, []string{"n2"}) {
			t.Errorf("what would be: %+v", p)
		}
		res(c.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"web"}, Node: []string{"n3"}}))
		w.lose("n3")
		w.is("web", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
	})
}

// limited is the record of n3 with so many load limits beside mem.
func limited(w *world, n int) model.Node {
	w.t.Helper()
	for _, x := range w.nodes["n1"].mirror.Snapshot().State.Nodes {
		if x.Name != "n3" {
			continue
		}
		x.LoadLimits = []model.LoadLimit{{Name: "mem", Soft: 8, Hard: 8}}
		for i := range n {
			x.LoadLimits = append(x.LoadLimits, model.LoadLimit{Name: fmt.Sprintf("x%03d", i), Soft: 1, Hard: 1})
		}
		return x.Node
	}
	w.t.Fatal("n3 is not there")
	return model.Node{}
}

// The machine that would be one too many for the planner is told so when it asks to join, and takes the place of one that is removed.
func TestOneNodeTooMany(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := 4; i <= plan.MaxNodes; i++ {
			n := cluster.NodeName(fmt.Sprintf("x%02d", i))
			w.put(confdb.KeyNode(n), confdb.KindNode, model.Node{Name: n, ID: i, Addresses: []string{fmt.Sprintf("10.1.0.%d", 100+i), fmt.Sprintf("10.2.0.%d", 100+i)}, PrivateAddress: fmt.Sprintf("172.31.0.%d", 100+i)})
		}
		extra := newJoiner(w.t, "n4", "10.0.0.4")
		allow(w, v1.AccessAllow{Host: []string{"n4"}, Key: extra.print()})
		refused(w.t, fault.Precondition, "64 nodes can run groups already")(extra.ask(w))
		if _, err := w.store.Txn(w.ctx, nil, []confdb.Op{{Key: confdb.KeyNode("x64")}}); err != nil {
			w.t.Fatal(err)
		}
		synctest.Wait()
		ok[v1.NodeAdmitted](w.t)(extra.ask(w))
	})
}
