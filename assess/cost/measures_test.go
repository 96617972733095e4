package cost_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/assess/cost"
)

// brute goes through all sets of measures.
func brute(t interface{ Fatal(...any) }, p cost.Problem) (best cost.Choice, front []cost.Choice) {
	best.Total = math.Inf(1)
	var all []cost.Choice
	for set := range 1 << len(p.Measures) {
		var chosen []int
		for m := range p.Measures {
			if set>>m&1 == 1 {
				chosen = append(chosen, m)
			}
		}
		c, err := p.Evaluate(chosen)
		if err != nil {
			t.Fatal(err)
		}
		if c.Cost > p.Budget {
			continue
		}
		all = append(all, c)
		if c.Total < best.Total {
			best = c
		}
	}
	slices.SortStableFunc(all, func(a, b cost.Choice) int {
		switch {
		case a.Cost < b.Cost || a.Cost == b.Cost && a.Residual < b.Residual:
			return -1
		case a.Cost == b.Cost && a.Residual == b.Residual:
			return 0
		}
		return 1
	})
	for _, c := range all {
		if len(front) == 0 || c.Residual < front[len(front)-1].Residual*(1-1e-12) {
			front = append(front, c)
		}
	}
	return best, front
}

func problem(t *rapid.T, most int) cost.Problem {
	p := cost.Problem{Budget: math.Inf(1)}
	for range rapid.IntRange(0, 6).Draw(t, "threats") {
		p.Losses = append(p.Losses, float64(rapid.IntRange(0, 1000).Draw(t, "loss")))
	}
	for range rapid.IntRange(0, most).Draw(t, "measures") {
		m := cost.Measure{Cost: float64(rapid.IntRange(0, 300).Draw(t, "cost")), Reduces: map[int]float64{}}
		for i := range p.Losses {
			if rapid.Bool().Draw(t, "against") {
				m.Reduces[i] = float64(rapid.IntRange(0, 10).Draw(t, "share")) / 10
			}
		}
		p.Measures = append(p.Measures, m)
	}
	if rapid.Bool().Draw(t, "bounded") {
		p.Budget = float64(rapid.IntRange(0, 800).Draw(t, "budget"))
	}
	return p
}

func TestBestIsBrute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := problem(t, 9)
		want, _ := brute(t, p)
		got, err := p.Best(0)
		if err != nil || !got.Proved || !near(got.Total, want.Total, 1e-9) || got.Cost > p.Budget || got.Bound > got.Total {
			t.Fatalf("%+v %v, want %+v", got, err, want)
		}
		greedy, err := p.Greedy()
		if err != nil || greedy.Total < got.Total*(1-1e-9) || greedy.Cost > p.Budget {
			t.Fatalf("greedy %+v, best %+v", greedy, got)
		}
	})
}

// TestBestIsBruteAtFifteen has a few problems with many measures and prices that matter.
func TestBestIsBruteAtFifteen(t *testing.T) {
	for seed := range uint64(2) {
		p := random(seed, 13, 8)
		for _, budget := range []float64{math.Inf(1), 200, 80} {
			p.Budget = budget
			want, _ := brute(t, p)
			if got, err := p.Best(0); err != nil || !got.Proved || !near(got.Total, want.Total, 1e-9) {
				t.Errorf("seed %d, budget %v: %+v %v, want %+v", seed, budget, got, err, want)
			}
		}
	}
}

func TestFrontierIsBrute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := problem(t, 7)
		_, want := brute(t, p)
		got, complete, err := p.Frontier(0)
		if err != nil || !complete || len(got) != len(want) {
			t.Fatalf("%d points, %v, %v, want %d: %+v %+v", len(got), complete, err, len(want), got, want)
		}
		for i := range got {
			if !near(got[i].Cost, want[i].Cost, 1e-9) || !near(got[i].Residual, want[i].Residual, 1e-9) {
				t.Fatalf("point %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

// TestSupportedPoints has more measures than the whole frontier is looked for; its points are on the true one as far as single budgets tell.
func TestSupportedPoints(t *testing.T) {
	p := random(4, 30, 10)
	points, complete, err := p.Frontier(0)
	if err != nil || complete || len(points) < 3 {
		t.Fatal(len(points), complete, err)
	}
	for i, x := range points {
		if i > 0 && (x.Cost <= points[i-1].Cost || x.Residual >= points[i-1].Residual) {
			t.Errorf("points %d and %d are not a staircase: %+v %+v", i-1, i, points[i-1], x)
		}
		if !x.Proved {
			t.Errorf("point %d is not proved", i)
		}
	}
}

func TestWhatHoldsOfChoices(t *testing.T) {
	p := cost.Problem{Losses: []float64{100, 50}, Budget: math.Inf(1), Measures: []cost.Measure{
		{Cost: 10, Reduces: map[int]float64{0: 0.5}}, {Cost: 10, Reduces: map[int]float64{0: 0.5}}, {Cost: 60, Reduces: map[int]float64{1: 1}},
	}}
	if none, err := p.Evaluate(nil); err != nil || none.Total != 150 {
		t.Error(none, err)
	}
	best, err := p.Best(0)
	if err != nil || !slices.Equal(best.Chosen, []int{0, 1}) || best.Total != 95 || best.Residual != 75 {
		t.Errorf("%+v %v", best, err)
	}
	returns, err := p.Returns(best.Chosen)
	if err != nil || returns[0].Alone != 50 || returns[0].Marginal != 25 || returns[2].Alone != 50 || returns[2].Marginal != 50 {
		t.Errorf("%+v %v", returns, err)
	}
	p.Budget = 15
	if best, err = p.Best(0); err != nil || best.Cost != 10 || best.Total != 110 {
		t.Errorf("%+v %v", best, err)
	}
	for _, bad := range []cost.Problem{
		{Losses: []float64{-1}}, {Losses: []float64{math.Inf(1)}}, {Budget: math.NaN()}, {Budget: -1}, {Measures: []cost.Measure{{Cost: -1}}},
		{Measures: []cost.Measure{{Reduces: map[int]float64{0: 0.5}}}}, {Losses: []float64{1}, Measures: []cost.Measure{{Reduces: map[int]float64{0: 1.5}}}},
	} {
		if _, err := bad.Best(0); err == nil {
			t.Errorf("%+v is taken", bad)
		}
		if _, _, err := bad.Frontier(0); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// TestALimitIsSaid has a search that is cut short: it says so, and its bound is below what the whole search finds.
func TestALimitIsSaid(t *testing.T) {
	p := random(1, 60, 40)
	p.Budget = 300
	short, err := p.Best(3)
	if err != nil || short.Proved || short.Bound >= short.Total {
		t.Fatalf("%+v %v", short, err)
	}
	whole, err := p.Best(0)
	if err != nil || !whole.Proved || whole.Total < short.Bound || whole.Total > short.Total {
		t.Fatalf("%+v, cut short %+v, %v", whole, short, err)
	}
}

// random is a problem whose measures cost about what they save.
func random(seed uint64, measures, threats int) cost.Problem {
	r := rand.New(rand.NewPCG(seed, 7))
	p := cost.Problem{Budget: math.Inf(1)}
	for range threats {
		p.Losses = append(p.Losses, 100*math.Exp(r.NormFloat64()))
	}
	for range measures {
		m := cost.Measure{Reduces: map[int]float64{}}
		for i := range p.Losses {
			if r.Float64() < 0.25 {
				m.Reduces[i] = 0.9 * r.Float64()
				m.Cost += 0.5 * p.Losses[i] * m.Reduces[i] * r.Float64()
			}
		}
		p.Measures = append(p.Measures, m)
	}
	return p
}

func BenchmarkBest60x40(b *testing.B) {
	p := random(1, 60, 40)
	p.Budget = 300
	for b.Loop() {
		got, err := p.Best(0)
		if err != nil || !got.Proved {
			b.Fatalf("%+v %v", got, err)
		}
		b.ReportMetric(float64(got.Nodes), "nodes")
	}
}

func BenchmarkFrontier25(b *testing.B) {
	p := random(1, 25, 20)
	for b.Loop() {
		points, complete, err := p.Frontier(0)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(points)), "points")
		if !complete {
			b.ReportMetric(1, "cut")
		}
	}
}
