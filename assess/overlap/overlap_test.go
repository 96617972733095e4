package overlap

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %v, want %v within %v", what, got, want, tolerance)
	}
}

// lecture is the vector of the models: edges (t1,o1) .7, (t1,o2) .4, (t2,o1) .5, (t3,o2) .9 and four means that counter threats.
func lecture() *Problem {
	threat := []int{1, 1, 2, 3}
	weight := []float64{.7, .4, .5, .9}
	against := []map[int]float64{{1: .8, 2: .3}, {2: .6, 3: .5}, {3: .95, 1: .5}, {1: .75, 2: .55, 3: .92}}
	p := &Problem{Costs: []float64{5, 4, 7, 14}}
	for i, w := range weight {
		e := Edge{Weight: w}
		for m, a := range against {
			if r, ok := a[threat[i]]; ok {
				e.Means = append(e.Means, Strength{Mean: m, R: r})
			}
		}
		p.Edges = append(p.Edges, e)
	}
	return p
}

func choose(n int, means ...int) []bool {
	out := make([]bool, n)
	for _, m := range means {
		out[m] = true
	}
	return out
}

func TestVectorOfTheModels(t *testing.T) {
	p := lecture()
	for _, c := range []struct {
		means []int
		k, kw float64
		full  bool
	}{
		{[]int{0}, .5, .44, false}, {[]int{1}, .25, .20, false}, {[]int{2}, .5, .52, false}, {[]int{0, 1}, .75, .64, false}, {[]int{0, 1, 2}, 1, 1, true}, {[]int{3}, 1, 1, true}, {nil, 0, 0, false},
	} {
		r := p.Rate(choose(4, c.means...))
		near(t, "K", r.K, c.k, 1e-15)
		near(t, "K_weighted", r.Weighted, c.kw, 1e-15)
		if r.Full != c.full || len(r.Open) != 4-r.Covered {
			t.Errorf("%v: full %v with %d open edges", c.means, r.Full, len(r.Open))
		}
	}
	best, err := p.Cheapest(context.Background(), nil, 0)
	if err != nil || !slices.Equal(best.Means, []int{3}) || best.Cost != 14 || !best.Proved || best.LowerBound != 14 {
		t.Errorf("cheapest %+v, %v; want m4 for 14, proved", best, err)
	}
	// m1 and m2 are there: m3 completes them for 7, not m4 for 14.
	best, err = p.Cheapest(context.Background(), choose(4, 0, 1), 0)
	if err != nil || !slices.Equal(best.Means, []int{2}) || best.Cost != 7 || !best.Proved {
		t.Errorf("cheapest addition %+v, %v", best, err)
	}
}

func TestBarriersOfTheModels(t *testing.T) {
	sum, strength, ok := Residual([]Barrier{{.3, .5, .8}, {.1, .9, .6}, {.2, .4, .95}})
	near(t, "residual", sum, .07, 1e-15)
	near(t, "strength", strength, 14.285714, 5e-7)
	if !ok {
		t.Error("the strength is finite")
	}
	if _, _, ok := Residual([]Barrier{{.3, .5, 1}}); ok {
		t.Error("with nothing left the strength is infinite")
	}
	near(t, "unprotected", Barrier{Probability: .5, Damage: 10}.Residual(), 5, 0)
}

func TestStrictness(t *testing.T) {
	p := &Problem{Edges: []Edge{{Weight: .5, Means: []Strength{{0, .5}}}}, Costs: []float64{1}}
	if r := p.Rate([]bool{true}); r.Full || r.K != 0 || !slices.Equal(r.Open, []int{0}) {
		t.Errorf("a strength equal to the weight does not remove the edge: %+v", r)
	}
	best, err := p.Cheapest(context.Background(), nil, 0)
	if err != nil || !slices.Equal(best.Infeasible, []int{0}) || len(best.Means) != 0 || !best.Proved {
		t.Errorf("%+v, %v: the edge can not be removed", best, err)
	}
	empty := (&Problem{}).Rate(nil)
	if !empty.Full || empty.K != 1 || empty.Weighted != 1 {
		t.Errorf("without edges overlap is full: %+v", empty)
	}
	together := &Problem{Combine: true, Edges: []Edge{{Weight: .7, Means: []Strength{{0, .5}, {1, .5}}}}, Costs: []float64{1, 1}}
	if r := together.Rate([]bool{true, true}); !r.Full || len(r.Single) != 1 || !slices.Equal(r.Single[0].Means, []int{0, 1}) {
		t.Errorf("together .75 exceeds .7, and neither can be missed: %+v", r)
	}
}

// draw makes a problem with strengths on a coarse grid, so that ties with weights occur.
func draw(t *rapid.T, means, edges int) *Problem {
	p := &Problem{Combine: rapid.Bool().Draw(t, "combine")}
	if !p.Combine {
		p.Depth = rapid.IntRange(0, 3).Draw(t, "depth")
	}
	n := rapid.IntRange(1, means).Draw(t, "means")
	decimal := rapid.Bool().Draw(t, "decimal")
	for range n {
		cost := float64(rapid.IntRange(0, 12).Draw(t, "cost"))
		if decimal {
			cost = rapid.Float64Range(0, 10).Draw(t, "cost")
		}
		p.Costs = append(p.Costs, cost)
	}
	for range rapid.IntRange(0, edges).Draw(t, "edges") {
		e := Edge{Weight: float64(rapid.IntRange(0, 10).Draw(t, "w")) / 10}
		for m := range n {
			if rapid.IntRange(0, 2).Draw(t, "there") > 0 {
				e.Means = append(e.Means, Strength{Mean: m, R: float64(rapid.IntRange(0, 10).Draw(t, "r")) / 10})
			}
		}
		p.Edges = append(p.Edges, e)
	}
	return p
}

// brute tries every set of means beside those that are kept.
func brute(p *Problem, keep []bool) float64 {
	n := len(p.Costs)
	possible := p.Rate(slices.Repeat([]bool{true}, n)).Covered
	best := math.Inf(1)
	for set := range 1 << n {
		chosen := make([]bool, n)
		var cost float64
		for m := range n {
			if set>>m&1 != 0 {
				chosen[m] = true
				cost += p.Costs[m]
			}
			chosen[m] = chosen[m] || keep != nil && keep[m]
		}
		if cost < best && p.Rate(chosen).Covered == possible {
			best = cost
		}
	}
	return best
}

func TestCheapestIsTheCheapest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t, 9, 12)
		var keep []bool
		if rapid.Bool().Draw(t, "keeps") {
			for range p.Costs {
				keep = append(keep, rapid.IntRange(0, 3).Draw(t, "keep") == 0)
			}
		}
		got, err := p.Cheapest(context.Background(), keep, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := brute(p, keep)
		if !got.Proved || math.Abs(got.Cost-want) > 1e-8*(1+want) {
			t.Fatalf("cost %v (proved %v), by trying all %v", got.Cost, got.Proved, want)
		}
		if got.Greedy < got.Cost || got.LowerBound > got.Cost {
			t.Fatalf("greedy %v and bound %v around %v", got.Greedy, got.LowerBound, got.Cost)
		}
		chosen := choose(len(p.Costs), got.Means...)
		for m, k := range keep {
			if k && chosen[m] {
				t.Fatalf("means %d is kept, and paid for", m)
			}
			chosen[m] = chosen[m] || k
		}
		if open := p.Rate(chosen).Open; !slices.Equal(open, got.Infeasible) {
			t.Fatalf("open %v, infeasible %v", open, got.Infeasible)
		}
		for _, m := range got.Means { // nothing in it is idle
			chosen[m] = false
			if slices.Equal(p.Rate(chosen).Open, got.Infeasible) && p.Costs[m] >= 0 {
				t.Fatalf("means %d is not needed", m)
			}
			chosen[m] = true
		}
	})
}

func TestCheapestOfFifteenMeans(t *testing.T) {
	for seed := range uint64(6) {
		p := random(rand.New(rand.NewPCG(seed, 1)), 60, 15, 0.25)
		p.Combine = seed%3 == 2
		if seed%3 == 1 {
			p.Depth = 2
		}
		got, err := p.Cheapest(context.Background(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if want := brute(p, nil); !got.Proved || math.Abs(got.Cost-want) > 1e-9*want {
			t.Errorf("seed %d: %v (proved %v), by trying all %v", seed, got.Cost, got.Proved, want)
		}
	}
}

func TestRatingInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t, 7, 10)
		chosen := make([]bool, len(p.Costs))
		for m := range chosen {
			chosen[m] = rapid.Bool().Draw(t, "chosen")
		}
		r := p.Rate(chosen)
		if r.K < 0 || r.K > 1 || r.Weighted < 0 || r.Weighted > 1 || r.Covered+len(r.Open) != len(p.Edges) || r.Full != (len(r.Open) == 0) {
			t.Fatalf("%+v", r)
		}
		gains := p.Gains(chosen)
		for m := range chosen {
			other := slices.Clone(chosen)
			other[m] = !other[m]
			o := p.Rate(other)
			change := o.Covered - r.Covered
			if chosen[m] {
				change = -change
			}
			if change < 0 || (o.Weighted-r.Weighted)*(o.K-r.K) < 0 {
				t.Fatalf("means %d takes coverage away: %v to %v", m, r.K, o.K)
			}
			if !p.Combine && p.depth() > 1 && r.Covered == len(p.Edges) && !chosen[m] && change != 0 {
				t.Fatalf("more than full")
			}
			if gains[m].Change != change {
				t.Fatalf("means %d (chosen %v): gain %d, by rating again %d", m, chosen[m], gains[m].Change, change)
			}
		}
		if p.Depth <= 1 {
			for e := range p.Edges { // single points, by taking each means away
				var want []int
				if p.Reach(e, chosen).Covered {
					for m, c := range chosen {
						if !c {
							continue
						}
						chosen[m] = false
						if !p.Reach(e, chosen).Covered {
							want = append(want, m)
						}
						chosen[m] = true
					}
				}
				i := slices.IndexFunc(r.Single, func(s Single) bool { return s.Edge == e })
				var got []int
				if i >= 0 {
					got = r.Single[i].Means
				}
				if !slices.Equal(got, want) {
					t.Fatalf("edge %d: single points %v, want %v", e, got, want)
				}
			}
		}
	})
}

// random is a problem in which each means exceeds the weight of each edge with a probability.
func random(r *rand.Rand, edges, means int, density float64) *Problem {
	p := &Problem{}
	for range means {
		p.Costs = append(p.Costs, float64(1+r.IntN(100)))
	}
	for range edges {
		e := Edge{Weight: 0.5}
		for m := range means {
			if r.Float64() < density {
				e.Means = append(e.Means, Strength{Mean: m, R: 0.5 + 0.5*r.Float64() + 1e-9})
			}
		}
		p.Edges = append(p.Edges, e)
	}
	return p
}

func TestSearchGivesUpWithABound(t *testing.T) {
	p := random(rand.New(rand.NewPCG(7, 7)), 300, 80, 0.08)
	for m := range p.Costs {
		p.Costs[m] = 1
	}
	got, err := p.Cheapest(context.Background(), nil, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if got.Proved || got.LowerBound <= 1 || got.LowerBound >= got.Cost || got.Work > 2 {
		t.Errorf("half a million steps: %+v", got)
	}
	full := p.Rate(choose(80, got.Means...))
	if len(full.Open) != len(got.Infeasible) {
		t.Errorf("the set leaves %d edges open", len(full.Open))
	}
	again, err := p.Cheapest(context.Background(), nil, 0.5)
	if err != nil || !slices.Equal(again.Means, got.Means) || again.LowerBound != got.LowerBound {
		t.Errorf("a second run differs: %+v, %v", again, err)
	}
	parts := &Problem{Costs: []float64{1, 2, 1, 1, 2, 1, 3, 1}} // two problems; the first takes all the effort
	for _, m := range [][]int{{0, 1}, {1, 2}, {0, 2}, {1, 3}, {4, 5}, {5, 6}, {4, 6}, {6, 7}} {
		parts.Edges = append(parts.Edges, Edge{Weight: 0.5, Means: []Strength{{m[0], 1}, {m[1], 1}}})
	}
	if tight, err := parts.Cheapest(context.Background(), nil, 1e-6); err != nil || tight.LowerBound < 1 || tight.LowerBound > tight.Cost {
		t.Errorf("with no effort: %+v, %v", tight, err)
	}
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(gone)
	if _, err := p.Cheapest(ctx, nil, 0); !errors.Is(err, gone) {
		t.Errorf("a cancelled search returned %v", err)
	}
}

func benchmark(b *testing.B, edges, means int, density float64, change func(*Problem)) {
	p := random(rand.New(rand.NewPCG(1, 2)), edges, means, density)
	if change != nil {
		change(p)
	}
	var nodes float64
	for b.Loop() {
		got, err := p.Cheapest(context.Background(), nil, 0)
		if err != nil {
			b.Fatal(err)
		}
		if !got.Proved {
			b.Fatalf("not proved: %+v", got)
		}
		nodes = got.Work
	}
	b.ReportMetric(nodes, "Msteps")
}

func BenchmarkCheapest60x180(b *testing.B)       { benchmark(b, 180, 60, 0.15, nil) }
func BenchmarkCheapest60x180Sparse(b *testing.B) { benchmark(b, 180, 60, 0.07, nil) }
func BenchmarkCheapest100x500(b *testing.B)      { benchmark(b, 500, 100, 0.10, nil) }
func BenchmarkCheapest100x500Dense(b *testing.B) { benchmark(b, 500, 100, 0.25, nil) }
func BenchmarkCheapest100x500Twice(b *testing.B) {
	benchmark(b, 500, 100, 0.10, func(p *Problem) { p.Depth = 2 })
}
func BenchmarkCheapest60x180Equal(b *testing.B) {
	benchmark(b, 180, 60, 0.15, func(p *Problem) {
		for m := range p.Costs {
			p.Costs[m] = 1
		}
	})
}
func BenchmarkCheapest60x180Combined(b *testing.B) {
	benchmark(b, 180, 60, 0.15, func(p *Problem) { p.Combine = true })
}
func BenchmarkRateMillionEdges(b *testing.B) {
	p := random(rand.New(rand.NewPCG(1, 2)), 1_000_000, 20, 0.15)
	chosen := choose(20, 1, 3, 5, 7)
	for b.Loop() {
		p.Rate(chosen)
	}
}
