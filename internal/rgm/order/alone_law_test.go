package order_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// Without loads and affinities every group is where the rule for single groups puts it.
func TestWithoutLoadsAndAffinitiesGroupsArePlacedOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := state()
		for i := range s.Nodes {
			n := &s.Nodes[i]
			n.Member, n.Since = rapid.IntRange(0, 4).Draw(t, "member") < 4, cluster.Epoch(rapid.IntRange(1, 9).Draw(t, "since"))
			if rapid.IntRange(0, 5).Draw(t, "evacuated") == 5 {
				n.EvacuatedUntil = now.Add(time.Second)
			}
		}
		most := rapid.IntRange(1, 4).Draw(t, "max")
		g := spread(most, rapid.IntRange(1, most).Draw(t, "desired"))
		g.Failback = rapid.Bool().Draw(t, "failback")
		g.Nodelist = rapid.Permutation(g.Nodelist).Draw(t, "nodelist")[:rapid.IntRange(1, len(g.Nodelist)).Draw(t, "length")]
		g.Suspended = rapid.IntRange(0, 5).Draw(t, "suspended") == 5
		some := func(label string) []cluster.NodeName {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(g.Nodelist), 0, g.MaximumPrimaries, rapid.ID[cluster.NodeName]).Draw(t, label)
		}
		r := asked{Group: g, Decided: cluster.Epoch(rapid.IntRange(0, 9).Draw(t, "decided"))}
		// What ran on a lost node does not run any more.
		for _, n := range some("current") {
			if slices.ContainsFunc(s.Nodes, func(x model.NodeState) bool { return x.Name == n && x.Member }) {
				r.Current = append(r.Current, n)
			}
		}
		// A suspended group that is remastered loses primaries beyond those desired by the one rule and none by the other.
		r.Remaster = !g.Suspended && rapid.IntRange(0, 3).Draw(t, "remaster") == 3
		if !r.Remaster && rapid.Bool().Draw(t, "off?") {
			r.OffNodes = some("off")
		}
		if !r.Remaster && rapid.IntRange(0, 3).Draw(t, "explicit?") == 3 {
			r.Explicit = some("explicit")
		}
		for _, n := range some("failed") {
			r.Failures = append(r.Failures, model.Failure{Node: n, Kind: rapid.SampledFrom([]string{model.PleaStartFailed, model.PleaGiveover}).Draw(t, "kind"), At: now.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "ago")) * time.Second)})
		}
		got, want := chosen(s, r), alone(s, r)
		if len(r.Explicit) > 0 && len(want.Nodes) == 0 {
			// Nothing is changed for a place that does not exist.
			r.Explicit = nil
			want = alone(s, r)
		}
		if !slices.Equal(got.Nodes, want.Nodes) {
			t.Fatalf("on %v, by the rule for one on %v: %+v\n%s", got.Nodes, want.Nodes, r, fmt.Sprint(got.Notes))
		}
	})
}
