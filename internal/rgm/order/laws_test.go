package order_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// anyState is a state that the planner may meet, also one that no president would have made.
func anyState(t *rapid.T) model.State {
	pick := func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(t, label) }
	yes := func(label string) bool { return rapid.Bool().Draw(t, label) }
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s := model.State{Basis: model.Basis{Epoch: 20, Revision: 100}, Now: now, Formation: cluster.Epoch(1 + pick("formation", 2))}
	var names []cluster.NodeName
	for i := range 1 + pick("nodes", 4) {
		n := model.NodeState{Node: model.Node{Name: cluster.NodeName(fmt.Sprintf("n%d", i+1))}}
		names = append(names, n.Name)
		if yes("member") || i == 0 {
			n.Member, n.Incarnation, n.Since = true, at(1+pick("incarnation", 2)), cluster.Epoch(1+pick("since", 20))
		}
		if pick("evacuated", 6) == 0 {
			n.EvacuatedUntil = now.Add(time.Minute)
		}
		s.Nodes = append(s.Nodes, n)
	}
	target := func() model.Target {
		return model.Target{Node: names[pick("node", len(names))], Incarnation: at(1 + pick("life", 2))}
	}
	targets := func(n int) (ts []model.Target) {
		for range n {
			x := target()
			if !slices.ContainsFunc(ts, func(o model.Target) bool { return o.Node == x.Node }) {
				ts = append(ts, x)
			}
		}
		slices.SortFunc(ts, func(a, b model.Target) int { return int(a.Node[1]) - int(b.Node[1]) })
		return ts
	}
	s.Held = targets(pick("held", 2))
	for i := range 1 + pick("groups", 3) {
		name := cluster.GroupName(fmt.Sprintf("g%d", i+1))
		g := model.Group{Name: name, MaximumPrimaries: 1 + pick("max", 2), Failback: yes("failback"), PingpongInterval: 100, AutoStartOnNewCluster: yes("auto"), Managed: pick("managed", 5) > 0, Suspended: pick("suspended", 5) == 0}
		g.DesiredPrimaries = 1 + pick("desired", g.MaximumPrimaries)
		g.Nodelist = rapid.Permutation(names).Draw(t, "nodelist")[:1+pick("length", len(names))]
		s.Groups = append(s.Groups, g)
		if pick("assigned", 4) > 0 {
			a := model.Assignment{Group: name, Version: uint64(3 + pick("version", 3)), Epoch: cluster.Epoch(pick("epoch", 20)), Formation: 1, WantSeq: uint64(pick("wantSeq", 2)), Off: pick("off", 4) == 0}
			a.Targets = targets(pick("targets", g.MaximumPrimaries+1))
			if n := g.MaximumPrimaries - len(a.Targets); n > 0 {
				a.Leaving = targets(pick("leaving", n+1))
			}
			if pick("failure", 4) == 0 {
				a.Failures = []model.Failure{{Node: names[pick("failed", len(names))], Kind: model.PleaStartFailed, At: now.Add(-time.Duration(pick("ago", 200)) * time.Second)}}
			}
			s.Assignments = append(s.Assignments, a)
		}
		if yes("wanted") {
			w := model.Want{Group: name, Seq: uint64(1 + pick("seq", 2)), Online: pick("online", 4) > 0, Remaster: yes("remaster"), Restart: pick("restart", 6) == 0}
			if yes("explicit") {
				w.Nodes = []cluster.NodeName{names[pick("to", len(names))]}
			}
			s.Wants = append(s.Wants, w)
		}
		for _, n := range names {
			if pick("instance", 3) > 0 {
				states := []model.GroupState{model.GroupOffline, model.GroupOnline, model.GroupPendingOnline, model.GroupPendingOffline, model.GroupErrorStopFailed}
				s.Instances = append(s.Instances, model.Instance{Node: n, Incarnation: at(1 + pick("of", 2)), Group: name, Version: uint64(pick("at", 7)), State: states[pick("state", len(states))]})
			}
		}
	}
	return s
}

func text(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Plan is a function of its input, and leaves it alone.
func TestPlanIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyState(t)
		before := text(t, s)
		a := order.Plan(s)
		b := order.Plan(s)
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("two plans of one state:\n%s\n%s", text(t, a), text(t, b))
		}
		if after := text(t, s); after != before {
			t.Fatalf("the state was changed:\n%s\n%s", before, after)
		}
	})
}

// What a plan makes, once written, is what the next plan starts from: notes and steps do not come back for ever.
func TestPlanComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyState(t)
		for range 8 {
			steps := order.Plan(s)
			if len(steps) == 0 {
				return
			}
			s = written(t, s, steps)
		}
		t.Fatalf("nothing happens and the plan is never empty: %s", text(t, order.Plan(s)))
	})
}

// written is the state after the steps went through the repository.
func written(t *rapid.T, s model.State, steps []order.Step) model.State {
	s.Assignments = slices.Clone(s.Assignments)
	for _, st := range steps {
		var a model.Assignment
		if err := json.Unmarshal([]byte(text(t, st.Assignment)), &a); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(s.Assignments, func(o model.Assignment) bool { return o.Group == a.Group })
		if i < 0 {
			s.Assignments = append(s.Assignments, a)
		} else {
			s.Assignments[i] = a
		}
	}
	return s
}

// Nobody becomes a target beyond Maximum_primaries, counting who may still run the group; nobody who is not a living member; nobody who is leaving.
func TestPlanIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyState(t)
		for _, st := range order.Plan(s) {
			a := st.Assignment
			g := s.Groups[slices.IndexFunc(s.Groups, func(g model.Group) bool { return g.Name == a.Group })]
			var old model.Assignment
			if i := slices.IndexFunc(s.Assignments, func(o model.Assignment) bool { return o.Group == a.Group }); i >= 0 {
				old = s.Assignments[i]
			}
			for _, x := range a.Targets {
				if slices.Contains(old.Targets, x) {
					continue
				}
				if len(a.Targets)+len(a.Leaving) > g.MaximumPrimaries {
					t.Fatalf("%v added to %v with %v leaving: %s", x, old.Targets, a.Leaving, text(t, s))
				}
				if !slices.ContainsFunc(s.Nodes, func(n model.NodeState) bool { return n.Member && n.Name == x.Node && n.Incarnation == x.Incarnation }) {
					t.Fatalf("%v is no living member", x)
				}
				if !slices.Contains(g.Nodelist, x.Node) {
					t.Fatalf("%v is not in the nodelist", x)
				}
			}
			for _, x := range old.Targets {
				held := slices.Contains(s.Held, x)
				live := slices.ContainsFunc(s.Nodes, func(n model.NodeState) bool { return n.Member && n.Name == x.Node && n.Incarnation == x.Incarnation })
				if (held || live) && !slices.Contains(a.Targets, x) && !slices.Contains(a.Leaving, x) {
					t.Fatalf("%v was a target, may run the group, and is forgotten: %s", x, text(t, a))
				}
			}
		}
	})
}

// The loss of a node moves what ran there and nothing else.
func TestLossMovesOnlyWhatWasThere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var groups []model.Group
		for i := range 6 {
			g := group(cluster.GroupName(fmt.Sprintf("g%d", i)))
			g.Nodelist = rapid.Permutation(g.Nodelist).Draw(rt, "nodelist")
			g.Failback = rapid.Bool().Draw(rt, "failback")
			groups = append(groups, g)
		}
		r := online(t, groups...)
		lost := cluster.NodeName(rapid.SampledFrom([]string{"n1", "n2", "n3"}).Draw(rt, "lost"))
		before := map[cluster.GroupName][]model.Target{}
		for _, g := range groups {
			before[g.Name] = r.assigned(g.Name).Targets
		}
		r.lose(lost)
		r.release()
		r.settle()
		for _, g := range groups {
			was, is := before[g.Name], r.assigned(g.Name).Targets
			if was[0].Node != lost && !slices.Equal(was, is) {
				rt.Fatalf("%s moved from %v to %v though %s was lost", g.Name, was, is, lost)
			}
			if was[0].Node == lost && len(is) != 1 {
				rt.Fatalf("%s is on %v after the loss of %s", g.Name, is, lost)
			}
		}
	})
}

// The order in which the state lists things does not matter to any group.
func TestOrderOfTheInputDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyState(t)
		a := order.Plan(s)
		p := s
		p.Nodes = rapid.Permutation(s.Nodes).Draw(t, "nodes'")
		p.Assignments = rapid.Permutation(s.Assignments).Draw(t, "assignments'")
		p.Wants = rapid.Permutation(s.Wants).Draw(t, "wants'")
		p.Held = rapid.Permutation(s.Held).Draw(t, "held'")
		if b := order.Plan(p); !reflect.DeepEqual(a, b) {
			t.Fatalf("another plan:\n%s\n%s", text(t, a), text(t, b))
		}
	})
}
