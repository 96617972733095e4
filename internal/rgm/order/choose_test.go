package order_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
	"redoubt/internal/rgm/place"
)

var now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func nodes(ns ...cluster.NodeName) []cluster.NodeName { return ns }

// state has the nodes as members since epoch 2.
func state(members ...cluster.NodeName) model.State {
	s := model.State{Now: now, Formation: 2, Basis: model.Basis{Epoch: 10}}
	for _, n := range nodes("n1", "n2", "n3", "n4") {
		s.Nodes = append(s.Nodes, model.NodeState{Node: model.Node{Name: n}, Member: slices.Contains(members, n), Since: 2})
	}
	return s
}

func spread(most, desired int) model.Group {
	return model.Group{Name: "g", Managed: true, AutoStartOnNewCluster: true, Nodelist: nodes("n1", "n2", "n3", "n4"), MaximumPrimaries: most, DesiredPrimaries: desired, PingpongInterval: 60}
}

// chosen is where the whole planner puts the only group of a cluster.
func chosen(s model.State, r asked) choice {
	g := r.Group
	a := model.Assignment{Group: g.Name, Version: 1, Epoch: r.Decided, Formation: s.Formation, WantSeq: 1, OffNodes: r.OffNodes, Failures: r.Failures, Wanted: slices.Sorted(slices.Values(r.Current))}
	for _, n := range a.Wanted {
		a.Targets = append(a.Targets, model.Target{Node: n})
	}
	s.Groups, s.Assignments = []model.Group{g}, []model.Assignment{a}
	if r.Remaster || len(r.Explicit) > 0 {
		s.Wants = []model.Want{{Group: g.Name, Seq: 2, Online: true, Nodes: r.Explicit, Remaster: r.Remaster}}
	}
	v := order.Look(s)
	return choice{Nodes: v.Wanted(0), Notes: v.Notes(0)}
}

func TestChoose(t *testing.T) {
	failure := func(n cluster.NodeName, kind string, ago time.Duration) []model.Failure {
		return []model.Failure{{Node: n, Kind: kind, Resource: "r", Why: "planted", At: now.Add(-ago)}}
	}
	all := state("n1", "n2", "n3", "n4")
	late := state("n1", "n2", "n3", "n4")
	late.Nodes[0].Since = 9
	evacuated := state("n1", "n2", "n3", "n4")
	evacuated.Nodes[0].EvacuatedUntil = now.Add(time.Minute)
	failback := spread(1, 1)
	failback.Failback = true
	suspended := spread(1, 1)
	suspended.Suspended = true
	for _, c := range []struct {
		what string
		s    model.State
		r    asked
		want []cluster.NodeName
		note string // "node name" that has to be among the notes
	}{
		{"the first of the nodelist", all, asked{Group: spread(1, 1)}, nodes("n1"), ""},
		{"the first that is there", state("n3", "n4"), asked{Group: spread(1, 1)}, nodes("n3"), "n1 not-member"},
		{"where it is, before others", all, asked{Group: spread(1, 1), Current: nodes("n3")}, nodes("n3"), ""},
		{"as many as desired", all, asked{Group: spread(3, 2)}, nodes("n1", "n2"), ""},
		{"as many as there are", state("n4"), asked{Group: spread(3, 2)}, nodes("n4"), ""},
		{"never more than the maximum", all, asked{Group: spread(2, 2), Current: nodes("n2", "n3", "n4")}, nodes("n2", "n3"), ""},
		{"what runs is not stopped because fewer are desired", all, asked{Group: spread(3, 1), Current: nodes("n2", "n4")}, nodes("n2", "n4"), ""},
		{"one is added to what runs", all, asked{Group: spread(3, 3), Current: nodes("n2", "n4")}, nodes("n1", "n2", "n4"), ""},
		{"remaster", all, asked{Group: spread(1, 1), Current: nodes("n3"), Remaster: true}, nodes("n1"), ""},
		{"no failback without the property", late, asked{Group: spread(1, 1), Current: nodes("n2"), Decided: 5}, nodes("n2"), ""},
		{"failback to a node that joined since", late, asked{Group: failback, Current: nodes("n2"), Decided: 5}, nodes("n1"), ""},
		{"no failback to a node that was there", all, asked{Group: failback, Current: nodes("n2"), Decided: 5}, nodes("n2"), ""},
		{"evacuated", evacuated, asked{Group: spread(1, 1), Current: nodes("n1")}, nodes("n2"), "n1 evacuated"},
		{"an explicit node, though evacuated", evacuated, asked{Group: spread(1, 1), Explicit: nodes("n1")}, nodes("n1"), ""},
		{"explicit nodes up to the maximum", all, asked{Group: spread(2, 2), Explicit: nodes("n4", "n3", "n2")}, nodes("n2", "n3"), ""},
		{"taken off", all, asked{Group: spread(1, 1), OffNodes: nodes("n1")}, nodes("n2"), "n1 taken-off"},
		{"failed to start", all, asked{Group: spread(1, 1), Failures: failure("n1", model.PleaStartFailed, 59*time.Second)}, nodes("n2"), "n1 start-failed"},
		{"failed to start long ago", all, asked{Group: spread(1, 1), Failures: failure("n1", model.PleaStartFailed, 60*time.Second)}, nodes("n1"), ""},
		{"gave it over", all, asked{Group: spread(1, 1), Current: nodes("n1"), Failures: failure("n1", model.PleaGiveover, 0)}, nodes("n2"), "n1 giveover"},
		{"gave it over to nobody", state("n1"), asked{Group: spread(1, 1), Current: nodes("n1"), Failures: failure("n1", model.PleaGiveover, 0)}, nodes("n1"), "n1 stays"},
		{"failed to start where alone", state("n1"), asked{Group: spread(1, 1), Current: nodes("n1"), Failures: failure("n1", model.PleaStartFailed, 0)}, nil, " no-candidate"},
		{"suspended: stays", all, asked{Group: suspended, Current: nodes("n2")}, nodes("n2"), " suspended"},
		{"suspended: goes nowhere", state("n1"), asked{Group: suspended}, nil, " suspended"},
		{"suspended: an administrator may", all, asked{Group: suspended, Current: nodes("n2"), Explicit: nodes("n3")}, nodes("n3"), ""},
		{"nobody there", state(), asked{Group: spread(1, 1)}, nil, " no-candidate"},
	} {
		got := chosen(c.s, c.r)
		if !slices.Equal(got.Nodes, c.want) {
			t.Errorf("%s: %v, want %v; notes %+v", c.what, got.Nodes, c.want, got.Notes)
		}
		if c.note != "" && !slices.ContainsFunc(got.Notes, func(n model.Note) bool { return fmt.Sprintf("%s %s", n.Node, n.Name) == c.note }) {
			t.Errorf("%s: no note %q in %+v", c.what, c.note, got.Notes)
		}
		for _, n := range got.Notes {
			if n.Name == "" || n.Text == "" {
				t.Errorf("%s: an empty note %+v", c.what, n)
			}
		}
	}
}

// Choose is pure, breaks no limit, gives a reason for every node that it does not take though there is room, and places whatever can be placed.
func TestChooseLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := state("n1", "n2", "n3", "n4")
		for i := range s.Nodes {
			s.Nodes[i].Member = rapid.IntRange(0, 3).Draw(t, "member") > 0
			s.Nodes[i].Since = cluster.Epoch(rapid.IntRange(1, 9).Draw(t, "since"))
			if rapid.IntRange(0, 4).Draw(t, "evacuated") == 0 {
				s.Nodes[i].EvacuatedUntil = now.Add(time.Second)
			}
		}
		most := rapid.IntRange(1, 4).Draw(t, "max")
		g := spread(most, rapid.IntRange(1, most).Draw(t, "desired"))
		g.Nodelist = rapid.Permutation(g.Nodelist).Draw(t, "nodelist")[:rapid.IntRange(1, 4).Draw(t, "length")]
		g.Failback = rapid.Bool().Draw(t, "failback")
		some := func(label string) []cluster.NodeName {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(g.Nodelist), 0, len(g.Nodelist), rapid.ID[cluster.NodeName]).Draw(t, label)
		}
		r := asked{Group: g, Current: some("current"), OffNodes: some("off"), Remaster: rapid.Bool().Draw(t, "remaster"), Decided: cluster.Epoch(rapid.IntRange(0, 9).Draw(t, "decided"))}
		if r.Remaster {
			r.OffNodes = nil // who orders a group online everywhere takes that back
		}
		for _, n := range some("failed") {
			r.Failures = append(r.Failures, model.Failure{Node: n, Kind: model.PleaStartFailed, At: now.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "ago")) * time.Second)})
		}
		got := chosen(s, r)
		if again := chosen(s, r); !reflect.DeepEqual(got, again) {
			t.Fatalf("%+v, then %+v", got, again)
		}
		if len(got.Nodes) > g.MaximumPrimaries {
			t.Fatalf("%v, at most %d", got.Nodes, g.MaximumPrimaries)
		}
		// The twin that knows nothing of ranks: how many could run it?
		able := 0
		for _, n := range g.Nodelist {
			i := slices.IndexFunc(s.Nodes, func(x model.NodeState) bool { return x.Name == n })
			fresh := slices.ContainsFunc(r.Failures, func(f model.Failure) bool { return f.Node == n && now.Sub(f.At) < 60*time.Second })
			if s.Nodes[i].Member && s.Nodes[i].EvacuatedUntil.IsZero() && !slices.Contains(r.OffNodes, n) && !fresh {
				able++
			} else if slices.Contains(got.Nodes, n) {
				t.Fatalf("%s may not run it", n)
			} else if !slices.ContainsFunc(got.Notes, func(x model.Note) bool { return x.Node == n }) {
				t.Fatalf("%s was refused without a reason: %+v", n, got.Notes)
			}
		}
		if len(got.Nodes) < min(able, g.DesiredPrimaries) {
			t.Fatalf("%v, but %d nodes could run it and %d are desired", got.Nodes, able, g.DesiredPrimaries)
		}
		if !slices.IsSortedFunc(got.Nodes, func(a, b cluster.NodeName) int { return slices.Index(g.Nodelist, a) - slices.Index(g.Nodelist, b) }) {
			t.Fatalf("%v is not in the order of the nodelist %v", got.Nodes, g.Nodelist)
		}
		// Raising a limit loses nothing.
		r.Group.MaximumPrimaries++
		if more := chosen(s, r); len(more.Nodes) < len(got.Nodes) {
			t.Fatalf("%v with one more allowed, %v before", more.Nodes, got.Nodes)
		}
	})
}

// Who is away is written only of groups that need more nodes than they have: otherwise all assignments changed whenever a node goes or comes.
func TestAbsenceIsNotWrittenOfAll(t *testing.T) {
	a, z := group("a"), group("z")
	a.Nodelist, z.Nodelist = []cluster.NodeName{"n2", "n1"}, []cluster.NodeName{"n1"}
	r := online(t, a, z)
	r.lose("n1")
	r.release()
	if steps := order.Plan(r.s); len(steps) != 1 || steps[0].Assignment.Group != "z" {
		t.Fatalf("%+v", steps)
	}
	r.settle()
	r.noted("z", "n1", place.NotMember)
	r.join("n1", 2)
	if steps := order.Plan(r.s); len(steps) != 1 || steps[0].Assignment.Group != "z" {
		t.Fatalf("%+v", steps)
	}
}

// A death that many groups have something to say of does not keep those waiting that have to move.
func TestWhatMovesComesFirst(t *testing.T) {
	a, b, z := group("a"), group("b"), group("z")
	a.Nodelist, b.Nodelist, z.Nodelist = []cluster.NodeName{"n2", "n1"}, []cluster.NodeName{"n3", "n1"}, []cluster.NodeName{"n1", "n2"}
	r := online(t, a, b, z)
	for _, g := range []cluster.GroupName{"a", "b"} { // they have fewer nodes than they shall have, and say why
		r.group(g, func(g *model.Group) { g.Suspended, g.DesiredPrimaries, g.MaximumPrimaries = true, 2, 2 })
	}
	r.settle()
	r.lose("n1")
	r.release()
	steps := order.Plan(r.s)
	if len(steps) != 3 || steps[0].Assignment.Group != "z" || steps[0].Why == "" || steps[1].Assignment.Group != "a" || steps[2].Assignment.Group != "b" || steps[1].Why+steps[2].Why != "" {
		t.Fatalf("%+v", steps)
	}
}
