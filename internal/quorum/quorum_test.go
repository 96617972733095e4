package quorum_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/quorum"
)

func set(t *rapid.T, label string) []cluster.NodeName {
	return rapid.SliceOfNDistinct(rapid.Map(rapid.IntRange(1, 7), func(i int) cluster.NodeName { return cluster.NodeName(fmt.Sprintf("n%d", i)) }), 1, 5, rapid.ID[cluster.NodeName]).Draw(t, label)
}

// Two majorities of one set share a voter: the fact that the whole lease stands on.
func TestMajoritiesIntersect(t *testing.T) {
	for n := 1; n <= 9; n++ {
		if 2*quorum.Majority(n) <= n {
			t.Errorf("two majorities of %d voters need not share one: Majority = %d", n, quorum.Majority(n))
		}
	}
}

// LeaseEnd agrees with trying every instant: the lease runs at t exactly when a majority of each set promised beyond t.
func TestLeaseEndAgreesWithCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := set(t, "voters"), set(t, "next")
		if rapid.Bool().Draw(t, "settled") {
			b = nil
		}
		ends := map[cluster.NodeName]int64{}
		for i := 1; i <= 7; i++ {
			ends[cluster.NodeName(fmt.Sprintf("n%d", i))] = rapid.Int64Range(0, 10).Draw(t, "end")
		}
		got := quorum.LeaseEnd(func(n cluster.NodeName) int64 { return ends[n] }, a, b)
		for at := range int64(12) {
			holds := quorum.Has(func(n cluster.NodeName) bool { return ends[n] > at }, a, b)
			if holds != (at < got) {
				t.Fatalf("at %d a majority holds: %v, but the lease ends at %d; ends %v, sets %v %v", at, holds, got, ends, a, b)
			}
		}
	})
}

func TestHasNeedsASet(t *testing.T) {
	yes := func(cluster.NodeName) bool { return true }
	if quorum.Has(yes) || quorum.Has(yes, nil, nil) || quorum.Has(yes, []cluster.NodeName{}) {
		t.Error("a majority of nobody was granted")
	}
}

func TestChooseGrowsShrinksReplaces(t *testing.T) {
	ok := func(names ...cluster.NodeName) (c []quorum.Candidate) {
		for _, n := range names {
			c = append(c, quorum.Candidate{Node: n, Healthy: true, QuorumServer: n == "qs"})
		}
		return c
	}
	sick := func(c []quorum.Candidate, name cluster.NodeName) []quorum.Candidate {
		for i := range c {
			if c[i].Node == name {
				c[i].Healthy = false
			}
		}
		return c
	}
	names := func(n ...cluster.NodeName) []cluster.NodeName { return n }
	for _, tc := range []struct {
		what       string
		candidates []quorum.Candidate
		current    []cluster.NodeName
		want       []cluster.NodeName
	}{
		{"one node", ok("n1"), names("n1"), names("n1")},
		{"two nodes stay with one voter", ok("n1", "n2"), names("n1"), names("n1")},
		{"two nodes and a quorum server: first the node", ok("n1", "n2", "qs"), names("n1"), names("n1", "n2")},
		{"then the quorum server", ok("n1", "n2", "qs"), names("n1", "n2"), names("n1", "n2", "qs")},
		{"three nodes replace the quorum server", ok("n1", "n2", "n3", "qs"), names("n1", "n2", "qs"), names("n1", "n2", "n3")},
		{"a sick voter is replaced", sick(ok("n1", "n2", "n3", "n4"), "n2"), names("n1", "n2", "n3"), names("n1", "n3", "n4")},
		{"a sick voter without a replacement stays", sick(ok("n1", "n2", "n3"), "n2"), names("n1", "n2", "n3"), names("n1", "n2", "n3")},
		{"a deleted voter goes", ok("n1", "n2", "n3"), names("n1", "n2", "n9"), names("n1", "n2", "n3")},
		{"five", ok("n1", "n2", "n3", "n4", "n5", "n6"), names("n1", "n2", "n3"), names("n1", "n2", "n3", "n4")},
		{"too many: the sick one goes", sick(ok("n1", "n2", "n3", "n4"), "n1"), names("n1", "n2", "n3", "n4"), names("n2", "n3", "n4")},
	} {
		if got := quorum.Choose(tc.candidates, tc.current); !slices.Equal(got, tc.want) {
			t.Errorf("%s: Choose(%v) = %v, want %v", tc.what, tc.current, got, tc.want)
		}
	}
}

// Choose settles: repeated with the same healthy candidates it reaches the wanted number and stays, one voter in and one out at a time.
func TestChooseSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "nodes")
		var c []quorum.Candidate
		for i := range n {
			c = append(c, quorum.Candidate{Node: cluster.NodeName(fmt.Sprintf("n%d", i+1)), Healthy: true})
		}
		servers := rapid.IntRange(0, 1).Draw(t, "servers")
		if servers == 1 {
			c = append(c, quorum.Candidate{Node: "qs", QuorumServer: true, Healthy: true})
		}
		cur := set(t, "current")
		for range 20 {
			next := quorum.Choose(c, cur)
			in, out := 0, 0
			for _, v := range next {
				if !slices.Contains(cur, v) {
					in++
				}
			}
			for _, v := range cur {
				if !slices.Contains(next, v) {
					out++
				}
			}
			if in > 1 || out > 1 {
				t.Fatalf("from %v to %v: more than one in or out", cur, next)
			}
			cur = next
		}
		if !slices.Equal(cur, quorum.Choose(c, cur)) {
			t.Fatalf("does not settle: %v", cur)
		}
		if len(cur) != quorum.Want(n, servers) {
			t.Fatalf("%d nodes, %d quorum servers: settled on %v, want %d voters", n, servers, cur, quorum.Want(n, servers))
		}
	})
}
