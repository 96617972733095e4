package risk

import (
	"context"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestInverse: what belongs to a random number is the quantile of the probability that it stands for, in the middle and in the tails, and never above the limit.
func TestInverse(t *testing.T) {
	check := func(t *rapid.T, s Severity, l *inverse) {
		for range 200 {
			// Lone bits make numbers near to both ends likely.
			v := rapid.Uint64().Draw(t, "v") >> rapid.IntRange(0, 51).Draw(t, "shift")
			if rapid.Bool().Draw(t, "upper") {
				v = ^v
			}
			p := (float64(v<<1>>13) + 0.5) * 0x1p-52
			if v>>63 == 1 {
				p = 1 - p
			}
			want := s.Quantile(p)
			if got := l.at(v); math.Abs(got-want) > 2*inverseError*want+1e-12 {
				t.Fatalf("%#v: %v at %v (%#x), want %v", s, got, p, v, want)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]float64{0, 50, 1e7}).Draw(t, "most")
		var s Severity = Lognormal{rapid.Float64Range(-5, 20).Draw(t, "mu"), rapid.Float64Range(0.01, 4).Draw(t, "sigma"), most}
		if rapid.Bool().Draw(t, "pareto") {
			s = Pareto{rapid.Float64Range(0.1, 1000).Draw(t, "least"), rapid.Float64Range(0.3, 8).Draw(t, "shape"), most}
		}
		check(t, s, newTables().damages(s, 1e8))
	})
	for _, s := range []Severity{LogStudent{Student{3, 3, 0.8}, 60}, Clipped{Student{2, 3, 0.8}, 5}} {
		l := newTables().damages(s, 1e8)
		rapid.Check(t, func(t *rapid.T) { check(t, s, l) })
	}
}

// TestTablesAreEachThreatsOwn: whether a threat is drawn by a table hangs on it alone, and not on another with the same law, whose rate may be changed.
func TestTablesAreEachThreatsOwn(t *testing.T) {
	for _, s := range []Severity{LogStudent{Student{3, 3, 0.8}, 60}, Clipped{Student{2, 3, 0.8}, 5}} {
		ts := newTables()
		if ts.damages(s, 1e6) != nil || ts.damages(s, 1e8) == nil || ts.damages(s, 1e6) != nil {
			t.Errorf("%#v: a threat with few damages has a table because another one has many", s)
		}
	}
	ts := newTables()
	if s := (Pareto{1, 2, 0}); ts.damages(s, 1e6) == nil || ts.damages(s, 1e4) != nil {
		t.Errorf("%#v: a threat with few damages has a table because another one has many", s)
	}
}

// TestAlias: the parts of all indices sum to their weights.
func TestAlias(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 1), rapid.Just(0.0)), 1, 60).Draw(t, "weights")
		weights[rapid.IntRange(0, len(weights)-1).Draw(t, "one")] = 0.7
		a, sum := newAlias(weights), 0.0
		got := make([]float64, len(weights))
		for i, k := range a.keep {
			part := float64(k) / 0x1p64 / float64(len(weights))
			got[i] += part
			got[a.other[i]] += 1/float64(len(weights)) - part
		}
		for _, w := range weights {
			sum += w
		}
		for i, w := range weights {
			if math.Abs(got[i]-w/sum) > 1e-12 {
				t.Fatalf("index %d has %v, want %v", i, got[i], w/sum)
			}
		}
		// What a random number gives is its index, or the other one of its index.
		v := rapid.Uint64().Draw(t, "v")
		i := int(float64(v>>11) * 0x1p-53 * float64(len(weights)))
		if k := a.at(v); k != i && k != int(a.other[i]) && k != i+1 {
			t.Fatalf("%d of %#x", k, v)
		}
	})
}

func TestPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.OneOf(rapid.Float64(), rapid.Float64Range(-3, 3), rapid.Just(1.0)), 200, 600).Draw(t, "x")
		ranks := rapid.SliceOfN(rapid.IntRange(0, len(x)-1), 0, 8).Draw(t, "ranks")
		slices.Sort(ranks)
		sorted := slices.Sorted(slices.Values(x))
		place(x, 0, ranks)
		for _, k := range ranks {
			if x[k] != sorted[k] {
				t.Fatalf("rank %d: %v, want %v", k, x[k], sorted[k])
			}
		}
	})
}

// TestSimulationByTables holds what is drawn for whole blocks against exact laws: many threats, so that those that were not independent would show in the spread; and a shock, which makes the numbers
// of one threat negative binomial.
func TestSimulationByTables(t *testing.T) {
	for _, c := range []struct {
		name          string
		drawn, summed []Threat
		kind          Kind
	}{
		{"independent", different(30, 4), different(30, 4), Independent},
		{"learnt", learnt(10, 4), learnt(10, 4), Independent},
		{"shock", marks(1), []Threat{{Counts: Counts{3, 2.5}, Severity: Lognormal{10, 1.5, 0}}}, Shock},
	} {
		levels := []float64{0.2, 0.5, 0.9, 0.99, 0.999}
		s := Simulation{Trials: 301000, Seed: 3, Levels: levels, Kind: c.kind, Shape: 3}
		for _, x := range c.drawn {
			s.Threats = append(s.Threats, Simulated{Threat: x, Dependent: true})
		}
		d, err := Simulate(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		exact, err := Sum(context.Background(), c.summed, Request{Error: 1e-3, Levels: levels})
		if err != nil {
			t.Fatal(err)
		}
		mean, variance := 0.0, 0.0
		for _, x := range c.summed {
			m, _ := x.Mean()
			v, _ := x.Variance()
			mean, variance = mean+m, variance+v
		}
		if math.Abs(d.Net.Value-mean) > 4*d.Net.Error || math.Abs(d.SD/math.Sqrt(variance)-1) > 0.03 {
			t.Errorf("%s: mean %v and deviation %v, drawn %+v and %v", c.name, mean, math.Sqrt(variance), d.Net, d.SD)
		}
		for i, q := range exact.Quantiles {
			if w := d.Quantiles[i]; q.Point < w.Low-(w.High-w.Low) || q.Point > w.High+(w.High-w.Low) {
				t.Errorf("%s: quantile %v is %v, drawn %+v", c.name, levels[i], q.Point, w)
			}
		}
	}
}
