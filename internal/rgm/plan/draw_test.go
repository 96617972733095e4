package plan_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"redoubt/internal/rgm/plan"
)

// drawSmall draws a problem that the twin can solve.
func drawSmall(t *rapid.T, groups int) plan.Problem {
	return draw(t, rapid.SampledFrom([]int{4, 3, 2, 4, 3, 1}).Draw(t, "nodes"), groups, 1)
}

// draw draws a problem of any size, with limits and loads so many times as large.
func draw(t *rapid.T, nodes, groups int, scale int64) plan.Problem {
	p := plan.Problem{Kinds: []string{"cpu", "mem"}[:rapid.IntRange(0, 2).Draw(t, "kinds")], Concentrate: rapid.IntRange(0, 3).Draw(t, "concentrate") == 0}
	for n := range nodes {
		x := plan.Node{Name: fmt.Sprint("n", n), Down: rapid.IntRange(0, 7).Draw(t, "down") == 0, Closed: rapid.IntRange(0, 9).Draw(t, "closed") == 0}
		for range p.Kinds {
			soft, hard := rapid.SampledFrom([]int64{4, 6, 10, plan.Unlimited}).Draw(t, "soft"), rapid.SampledFrom([]int64{6, 10, plan.Unlimited}).Draw(t, "hard")
			if soft != plan.Unlimited {
				soft *= scale
			}
			if hard != plan.Unlimited {
				hard *= scale
			}
			x.Limits = append(x.Limits, plan.Limit{Soft: min(soft, hard), Hard: hard})
		}
		p.Nodes = append(p.Nodes, x)
	}
	many := 0
	asked := false
	for g := range groups {
		all := make([]int, nodes)
		for n := range all {
			all[n] = n
		}
		some := func(label string, of int) []int {
			if rapid.IntRange(0, of).Draw(t, label+"?") > 0 {
				return nil
			}
			return rapid.SliceOfNDistinct(rapid.IntRange(0, nodes-1), 1, nodes, rapid.ID[int]).Draw(t, label)
		}
		x := plan.Group{
			Name: fmt.Sprint("g", g), Priority: rapid.SampledFrom([]int{100, 500, 500, 900}).Draw(t, "priority"), Desired: 1, Maximum: 1,
			Nodelist: rapid.Permutation(all).Draw(t, "nodelist")[:max(1, nodes-max(0, rapid.IntRange(-3, 2).Draw(t, "short")))],
			Off:      rapid.IntRange(0, 11).Draw(t, "off") == 0, Suspended: rapid.IntRange(0, 11).Draw(t, "suspended") == 0, Failback: rapid.Bool().Draw(t, "failback"),
			Remaster: rapid.IntRange(0, 11).Draw(t, "remaster") == 0, Preemption: rapid.SampledFrom([]plan.Preemption{plan.HasCost, plan.HasCost, plan.NoCost, plan.Never}).Draw(t, "mode"),
			Draws: some("draws", 3),
		}
		if many < 2 && rapid.IntRange(0, 3).Draw(t, "multi") == 0 {
			many++
			x.Maximum = rapid.IntRange(2, 3).Draw(t, "maximum")
			x.Desired = rapid.IntRange(1, x.Maximum).Draw(t, "desired")
		}
		cur := some("current", 1)
		x.Current = sorted(cur[:min(len(cur), x.Maximum)])
		if !asked && rapid.IntRange(0, 5).Draw(t, "asked") == 0 {
			asked = true
			x.Explicit = some("explicit", 0)
			if rapid.Bool().Draw(t, "held") {
				x.Explicit, x.Held = nil, true
			}
		}
		for _, n := range some("refused", 6) {
			x.Refused = append(x.Refused, plan.Refusal{Node: n, Reason: "start-failed", Text: "failed to start here", Stays: rapid.Bool().Draw(t, "stays")})
		}
		for range p.Kinds {
			top := int64(4)
			if scale == 1 && (x.Preemption == plan.Never || x.Suspended) {
				// So that they fit beside each other, and the twin need not know which gives way.
				top = 1
			}
			x.Loads = append(x.Loads, rapid.Int64Range(0, top).Draw(t, "load"))
		}
		for range rapid.IntRange(0, 2).Draw(t, "affinities") {
			if to := rapid.IntRange(0, groups-1).Draw(t, "target"); to != g {
				x.Affinities = append(x.Affinities, plan.Affinity{Kind: plan.Kind(rapid.IntRange(0, 4).Draw(t, "kind")), Target: to})
			}
		}
		p.Groups = append(p.Groups, x)
	}
	return p
}

// brief is a problem in the form that a failed test shows.
func brief(p plan.Problem) string {
	var b strings.Builder
	fmt.Fprintf(&b, "concentrate %v", p.Concentrate)
	for i, n := range p.Nodes {
		fmt.Fprintf(&b, "\nnode %d down %v closed %v %v", i, n.Down, n.Closed, n.Limits)
	}
	for g, x := range p.Groups {
		flag := ""
		for _, f := range []struct {
			on   bool
			name string
		}{{x.Off, "off"}, {x.Suspended, "suspended"}, {x.Failback, "failback"}, {x.Remaster, "remaster"}, {x.Held, "held"}} {
			if f.on {
				flag += " " + f.name
			}
		}
		fmt.Fprintf(&b, "\ngroup %d%s mode %d priority %d primaries %d/%d list %v current %v draws %v asked %v loads %v %v refused", g, flag, x.Preemption, x.Priority, x.Desired, x.Maximum, x.Nodelist, x.Current, x.Draws, x.Explicit, x.Loads, x.Affinities)
		for _, r := range x.Refused {
			fmt.Fprintf(&b, " %d(%v)", r.Node, r.Stays)
		}
	}
	return b.String()
}
