package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/place"
	"redoubt/internal/rgm/plan"
)

// mapped is a group for the planner as package place sees it. Its refusals are the notes that Choose gives.
func mapped(s model.State, r place.Request) plan.Group {
	index := func(names []cluster.NodeName) []int {
		var out []int
		for _, n := range names {
			out = append(out, slices.IndexFunc(s.Nodes, func(x model.NodeState) bool { return x.Name == n }))
		}
		return out
	}
	g := plan.Group{
		Name: string(r.Group.Name), Suspended: r.Group.Suspended, Failback: r.Group.Failback, Remaster: r.Remaster, Desired: r.Group.DesiredPrimaries, Maximum: r.Group.MaximumPrimaries,
		Nodelist: index(r.Group.Nodelist), Current: index(r.Current), Explicit: index(r.Explicit),
	}
	for i, n := range s.Nodes {
		if n.Member && r.Decided != 0 && n.Since > r.Decided {
			g.Draws = append(g.Draws, i)
		}
	}
	for _, n := range place.Choose(s, r).Notes {
		if n.Node != "" {
			stays := n.Name == place.Giveover || n.Name == place.Surrounded
			g.Refused = append(g.Refused, plan.Refusal{Node: index([]cluster.NodeName{n.Node})[0], Reason: plan.Reason(n.Name), Text: n.Text, Stays: stays})
		}
	}
	return g
}

// Without loads and affinities every group is where package place would put it by itself.
func TestWithoutLoadsAndAffinitiesGroupsArePlacedOneByOne(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		s := model.State{Now: now}
		var names []cluster.NodeName
		p := plan.Problem{}
		for i := range rapid.IntRange(1, 5).Draw(t, "nodes") {
			n := model.NodeState{Node: model.Node{Name: cluster.NodeName(fmt.Sprint("n", i))}, Member: rapid.IntRange(0, 4).Draw(t, "member") < 4, Since: cluster.Epoch(rapid.IntRange(1, 9).Draw(t, "since"))}
			if rapid.IntRange(0, 5).Draw(t, "evacuated") == 5 {
				n.EvacuatedUntil = now.Add(time.Second)
			}
			names = append(names, n.Name)
			s.Nodes = append(s.Nodes, n)
			p.Nodes = append(p.Nodes, plan.Node{Name: string(n.Name), Down: !n.Member})
		}
		var asked []place.Request
		for i := range rapid.IntRange(1, 5).Draw(t, "groups") {
			most := rapid.IntRange(1, 4).Draw(t, "max")
			g := model.Group{Name: cluster.GroupName(fmt.Sprint("g", i)), MaximumPrimaries: most, DesiredPrimaries: rapid.IntRange(1, most).Draw(t, "desired"), PingpongInterval: 60, Failback: rapid.Bool().Draw(t, "failback")}
			g.Nodelist = rapid.Permutation(names).Draw(t, "nodelist")[:rapid.IntRange(1, len(names)).Draw(t, "length")]
			g.Suspended = rapid.IntRange(0, 5).Draw(t, "suspended") == 5
			some := func(label string) []cluster.NodeName {
				return rapid.SliceOfNDistinct(rapid.SampledFrom(g.Nodelist), 0, len(g.Nodelist), rapid.ID[cluster.NodeName]).Draw(t, label)
			}
			r := place.Request{Group: g, Current: some("current"), Decided: cluster.Epoch(rapid.IntRange(0, 9).Draw(t, "decided"))}
			// A suspended group that is remastered loses primaries beyond those desired to Choose, and none to the planner.
			r.Remaster = !g.Suspended && rapid.IntRange(0, 3).Draw(t, "remaster") == 3
			if rapid.Bool().Draw(t, "off?") {
				r.OffNodes = some("off")
			}
			if rapid.IntRange(0, 3).Draw(t, "explicit?") == 3 {
				r.Explicit = some("explicit")
			}
			for _, n := range some("failed") {
				r.Failures = append(r.Failures, model.Failure{Node: n, Kind: rapid.SampledFrom([]string{model.PleaStartFailed, model.PleaGiveover}).Draw(t, "kind"), At: now.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "ago")) * time.Second)})
			}
			asked = append(asked, r)
			p.Groups = append(p.Groups, mapped(s, r))
		}
		got := must(t, p, plan.Effort{})
		for i, r := range asked {
			want := place.Choose(s, r).Nodes
			var have []cluster.NodeName
			for _, n := range r.Group.Nodelist {
				if slices.Contains(got.Nodes(i), slices.Index(names, n)) {
					have = append(have, n)
				}
			}
			if _, refused := got.Refused(i); refused && len(want) == 0 {
				continue // Choose leaves it to its caller to ignore a request that nothing can fulfil
			}
			if !slices.Equal(have, want) {
				t.Fatalf("group %d on %v, by itself on %v: %+v\n%s", i, have, want, r, brief(p))
			}
		}
	})
}
