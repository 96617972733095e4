package plan_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"redoubt/internal/rgm/plan"
)

// farm is the shape of the benchmark: groups prefer the nodes in turn; in every five, one may not be with its neighbour, one follows it, and
// one would rather be near, or far. Loads fill the nodes to about two thirds of their hard limits.
func farm(nodes, groups int, running bool) plan.Problem {
	rng := rand.New(rand.NewPCG(uint64(nodes), uint64(groups)))
	p := plan.Problem{Kinds: []string{"cpu", "mem"}}
	for n := range nodes {
		each := int64(groups) * 10 / int64(nodes)
		p.Nodes = append(p.Nodes, plan.Node{Name: fmt.Sprint("n", n+1), Limits: []plan.Limit{{Soft: each * 13 / 10, Hard: each * 16 / 10}, {Soft: each * 14 / 10, Hard: each * 17 / 10}}})
	}
	for g := range groups {
		x := plan.Group{Name: fmt.Sprint("g", g), Desired: 1, Maximum: 1, Priority: 100 * rng.IntN(10), Preemption: plan.Preemption(rng.IntN(20) / 9), Loads: []int64{1 + rng.Int64N(19), 1 + rng.Int64N(19)}}
		for i := range nodes {
			x.Nodelist = append(x.Nodelist, (g+i)%nodes)
		}
		switch g % 5 {
		case 1:
			x.Affinities = []plan.Affinity{{Kind: plan.Forbid, Target: g - 1}}
		case 2:
			x.Affinities = []plan.Affinity{{Kind: plan.Require, Target: g - 1}}
		case 3:
			x.Affinities = []plan.Affinity{{Kind: plan.Prefer, Target: g - 1}}
		case 4:
			x.Affinities = []plan.Affinity{{Kind: plan.Avoid, Target: g - 1}}
		}
		p.Groups = append(p.Groups, x)
	}
	if running {
		r, err := plan.Solve(p, plan.Effort{})
		if err != nil {
			panic(err)
		}
		p = plan.After(p, r)
	}
	return p
}

func solve(b *testing.B, p plan.Problem) {
	b.ReportAllocs()
	used := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
	}
	before := used()
	for b.Loop() {
		r, err := plan.Solve(p, plan.Effort{})
		if err != nil {
			b.Fatal(err)
		}
		if r.Figures.Offline > 0 || !r.Stable {
			b.Fatalf("%+v, stable %v", r.Figures, r.Stable)
		}
	}
	// What the processor spent: on a busy machine the time that passed says little.
	b.ReportMetric((used()-before)/float64(b.N), "cpu-ms/op")
}

func BenchmarkFull1000(b *testing.B)  { solve(b, farm(16, 1000, false)) }
func BenchmarkDeath1000(b *testing.B) { solve(b, plan.Without(farm(16, 1000, true), 3)) }
func BenchmarkFull10000(b *testing.B) { solve(b, farm(64, 10000, false)) }
func BenchmarkDeath10000(b *testing.B) {
	solve(b, plan.Without(farm(64, 10000, true), 3))
}
