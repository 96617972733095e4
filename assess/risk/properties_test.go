package risk

import (
	"context"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawGamma(t *rapid.T) Gamma {
	return Gamma{rapid.Float64Range(0.05, 200).Draw(t, "a"), rapid.Float64Range(0.01, 50).Draw(t, "b")}
}

func drawDamage(t *rapid.T) NormalGamma {
	scale := math.Pow(10, rapid.Float64Range(-2, 9).Draw(t, "scale")) // kopecks to billions
	return NormalGamma{
		scale * rapid.Float64Range(0.1, 3).Draw(t, "m"), rapid.Float64Range(0.1, 50).Draw(t, "kappa"), rapid.Float64Range(0.6, 30).Draw(t, "alpha"),
		scale * scale * rapid.Float64Range(0.01, 3).Draw(t, "beta"),
	}
}

func TestCountsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, time := drawGamma(t), rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0.001, 20)).Draw(t, "time")
		c := g.Counts(time)
		first, p, left := c.Table(numbers)
		sum, mean, square := left, 0.0, 0.0
		for i, x := range p {
			r := float64(first + i)
			sum += x
			mean += r * x
			square += r * r * x
		}
		if math.Abs(sum-1) > 1e-9 || math.Abs(mean-c.Mean) > 1e-8*(1+c.Mean) || math.Abs(square-mean*mean-c.Variance()) > 1e-6*(1+c.Variance()) {
			t.Fatalf("%v: sum %v, mean %v, variance %v", c, sum, mean, square-mean*mean)
		}
		if time > 0 && c.Variance() <= c.Mean {
			t.Fatal("the variance is not greater than the mean")
		}
		if time == 0 && (len(p) != 1 || p[0] != 1) {
			t.Fatal("no time, and yet something may happen")
		}
		q := rapid.Float64Range(0.001, 0.999).Draw(t, "q")
		r := c.Quantile(q)
		if c.CDF(r) < q || r > 0 && c.CDF(r-1) >= q {
			t.Fatalf("quantile %v of %v is not the least", q, r)
		}
		near2(t, c.CDF(r)+c.Survival(r), 1, 1e-12)
	})
}

func near2(t *rapid.T, got, want, tolerance float64) {
	if !(math.Abs(got-want) <= tolerance*math.Max(1, math.Abs(want))) {
		t.Fatalf("%.16g is not %.16g", got, want)
	}
}

func TestCountsLimits(t *testing.T) {
	// With b to infinity and a/b fixed it is Poisson's law.
	for r := range 12 {
		near(t, "limit", Counts{1e13, 3}.PMF(float64(r)), Poisson(3).PMF(float64(r)), 1e-9)
		near(t, "limit", Counts{1e9, 3}.CDF(float64(r)), Poisson(3).CDF(float64(r)), 2e-6)
	}
	// Huge counts.
	big := Gamma{1e6, 1}.Counts(1)
	near(t, "middle", big.CDF(big.Quantile(0.5)), 0.5, 1e-3)
	near(t, "pmf", big.PMF(1e6), 1/math.Sqrt(2*math.Pi*2e6), 1e-5)
	lo, hi := Gamma{1e10, 1e4}.Interval(0.95)
	near(t, "interval", hi-lo, 2*1.959963984540054*10, 1e-6)
}

func TestLearningProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawDamage(t)
		x := rapid.SliceOfN(rapid.Float64Range(0, 5), 0, 12).Draw(t, "x")
		for i := range x {
			x[i] *= math.Abs(p.M)
		}
		all, one := p.ObserveAll(x), p
		last := p.Beta
		for _, v := range x {
			if one = one.Observe(v); one.Beta < last {
				t.Fatal("beta fell")
			}
			last = one.Beta
		}
		slices.Reverse(x)
		back := p.ObserveAll(x)
		for _, o := range []NormalGamma{one, back} {
			near2(t, o.M/all.M, 1, 1e-12)
			near2(t, o.Beta/all.Beta, 1, 1e-11)
			near2(t, o.Alpha, all.Alpha, 1e-15)
			near2(t, o.Kappa, all.Kappa, 1e-15)
		}
		s := all.Predict()
		if v, ok := s.Variance(); ok {
			near2(t, s.Scale*s.Scale*s.DF/(s.DF-2)/v, 1, 1e-14)
		}
		q := rapid.Float64Range(0.0001, 0.9999).Draw(t, "q")
		near2(t, s.CDF(s.Quantile(q)), q, 1e-12)
		// An observation that is split gives the same.
		g := drawGamma(t)
		r, tm, part := rapid.Float64Range(0, 100).Draw(t, "r"), rapid.Float64Range(0.1, 9).Draw(t, "time"), rapid.Float64Range(0, 1).Draw(t, "part")
		a, b := g.Observe(r, tm), g.Observe(r*part, tm*part).Observe(r*(1-part), tm*(1-part))
		near2(t, a.A/b.A, 1, 1e-13)
		near2(t, a.B/b.B, 1, 1e-13)
		near2(t, g.CDF(g.Quantile(q)), q, 1e-10)
		// Without drift, learning is (3.5).
		d := Drift{}.Learn(g, []Span{{r, tm}, {1, 1}})
		near2(t, d.A/(g.A+r+1), 1, 1e-14)
	})
}

func TestCostProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Cost{drawGamma(t).Counts(rapid.Float64Range(0.01, 0.5).Draw(t, "time")), drawDamage(t)}
		e := c.expand()
		fast := c.expand()
		fast.t = newTable(e.df)
		last := 0.0
		scale := e.spread()
		for i := -10; i <= 60; i++ {
			x := scale * float64(i) / 10
			f := e.cdf(x)
			if f < last-1e-14 || f > 1 {
				t.Fatalf("F(%v) = %v after %v", x, f, last)
			}
			last = f
			near2(t, fast.cdf(x), f, 1e-12)
		}
		for _, q := range []float64{0.01, 0.5, 0.9, 0.999} {
			x := e.quantile(q)
			if f := e.cdf(x); f < q-1e-11 || x != 0 && f > q+1e-9 {
				t.Fatalf("F(%v) = %v at the quantile %v", x, f, q)
			}
		}
		v, ok := c.Variance()
		iid, _ := c.VarianceIID()
		if ok && v < iid {
			t.Fatal("shared parameters make the variance less")
		}
	})
}

// dumb is the distribution function of the sum of threats at x, from below and from above, by direct convolution of masses that were moved down and up.
func dumb(threats []Threat, step float64, from, n int, x float64) (lo, hi float64) {
	down, up := []float64{1}, []float64{1}
	for _, th := range threats {
		e := Cost{th.Counts, th.Damage}.expand()
		e.t = newTable(e.df)
		f := make([]float64, n)
		last := 0.0
		for k := range f {
			next := e.cdf(float64(k-from+1) * step)
			f[k] = next - last
			last = next
		}
		down, up = slow(down, f), slow(up, f)
	}
	sum := func(f []float64, shift int) (s float64) {
		for k, p := range f {
			if float64(k-from*len(threats)+shift)*step <= x {
				s += p
			}
		}
		return s
	}
	return sum(up, len(threats)), sum(down, 0)
}

func slow(a, b []float64) []float64 {
	out := make([]float64, len(a)+len(b)-1)
	for i, p := range a {
		for j, q := range b {
			out[i+j] += p * q
		}
	}
	return out
}

func TestTotalAgainstDirectConvolution(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ts []Threat
		for range rapid.IntRange(1, 3).Draw(t, "n") {
			m := rapid.Float64Range(0.3, 3).Draw(t, "m")
			ts = append(ts, Threat{
				Counts: Gamma{rapid.Float64Range(0.3, 5).Draw(t, "a"), 2}.Counts(1),
				Damage: NormalGamma{m, rapid.Float64Range(1, 9).Draw(t, "kappa"), rapid.Float64Range(4, 12).Draw(t, "alpha"), rapid.Float64Range(0.05, 2).Draw(t, "beta") * m * m},
			})
		}
		x := rapid.Float64Range(0.5, 12).Draw(t, "x")
		lo, hi := dumb(ts, 0.1, 60, 260, x)
		for _, th := range ts { // what the dumb one has moved up to its lattice, which makes its sum greater
			hi += Cost{th.Counts, th.Damage}.CDF(-6)
		}
		l := lattice{step: 0.02, limit: 4096, trim: 1e-12}
		for _, l.down = range []bool{false, true} {
			g, err := pass(context.Background(), grouped(ts), l, 2, 2)
			if err != nil {
				t.Fatal(err)
			}
			// Two brackets of the same figure overlap. The point is inside of its own, and not far outside of the other: nothing proves that it is inside of both.
			a, p, b := g.cdf(x)
			if slack := math.Max(1e-3, (b-a)/10); a > hi+1e-6 || b < lo-1e-6 || p < a || p > b || p < lo-slack || p > hi+slack {
				t.Fatalf("F(%v) is in [%v, %v], and in [%v, %v], point %v", x, lo, hi, a, b, p)
			}
		}
	})
}

func TestSeverities(t *testing.T) {
	laws := map[string]Severity{
		"lognormal": Lognormal{2, 0.8, 0}, "lognormal limited": Lognormal{2, 0.8, 20}, "pareto": Pareto{3, 2.5, 0}, "pareto limited": Pareto{3, 0.8, 90},
		"log-student": LogStudent{Student{6, 2, 0.7}, 200}, "clipped": Clipped{Student{5, 4, 3}, 12},
		"table": NewTable([]float64{9, 1, 4, 1}, []float64{0.25, 0.25, 0.25, 0.25}),
	}
	for name, s := range laws {
		t.Run(name, func(t *testing.T) {
			// Mean and variance by the quantile function, the part below a place by the distribution function.
			m, ok := s.Mean()
			v, _ := s.Variance()
			if !ok {
				t.Fatal("no mean")
			}
			n := 400000
			if name == "log-student" || name == "clipped" {
				n = 20000 // their quantiles are searched for
			}
			var sum, square, part float64
			place := s.Quantile(0.7)
			for i := range n {
				x := s.Quantile((float64(i) + 0.5) / float64(n))
				sum += x
				square += x * x
				if x <= place {
					part += x
				}
			}
			k := float64(n)
			near(t, "mean", m, sum/k, 1e-3)
			near(t, "part of the mean", s.Below(place), part/k, 3e-4)
			if name != "pareto" && name != "lognormal" {
				near(t, "variance", v, square/k-sum/k*sum/k, 3e-3)
			}
			for _, p := range []float64{0.1, 0.5, 0.9} {
				if x := s.Quantile(p); s.CDF(x) < p-1e-12 {
					t.Errorf("F(%v) = %v < %v", x, s.CDF(x), p)
				}
			}
			half := s.Scaled(0.5)
			near(t, "scaled", half.CDF(place/2), s.CDF(place), 1e-12)
			if hm, _ := half.Mean(); math.Abs(hm-m/2) > 1e-9*m {
				t.Error("scaled mean", hm, m)
			}
			if lm, _ := s.Limited(place).Mean(); lm > m {
				t.Error("a limit raises the mean")
			}
		})
	}
}

func TestWorkersDoNotMatter(t *testing.T) {
	ts := append(different(40, 3), portfolio(40, 3)...)
	var first *Total
	for _, w := range []int{1, 2, 5} {
		x, err := Sum(context.Background(), ts, Request{Error: 5e-3, Levels: []float64{0.5, 0.99}, Workers: w})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = x
		} else if !reflect.DeepEqual(first.Quantiles, x.Quantiles) {
			t.Errorf("%v with one worker, %v with %d", first.Quantiles, x.Quantiles, w)
		}
	}
	s := Simulation{Kind: Shock, Shape: 3, Trials: 20000, Seed: 9, Levels: []float64{0.9, 0.99}, Losses: []float64{1e6}, Layers: []Layer{{1e6, 1e6, 0.5}}}
	for _, x := range ts {
		s.Threats = append(s.Threats, Simulated{Threat: x, Dependent: true})
	}
	for _, s.Kind = range []Kind{Independent, Shock, GaussCopula, StudentCopula} {
		s.Correlation, s.Freedom, s.Trials = 0.3, 4, 6000
		s.Workers = 1
		a, err := Simulate(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		s.Workers = 4
		if b, _ := Simulate(context.Background(), s); !reflect.DeepEqual(a, b) {
			t.Errorf("kind %d: the workers change the result", s.Kind)
		}
	}
	s.Kind, s.Trials, s.Threats = Independent, 150000, s.Threats[:3]
	s.Workers = 1
	a, err := Simulate(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	s.Workers = 3
	if b, _ := Simulate(context.Background(), s); !reflect.DeepEqual(a, b) {
		t.Error("the workers change what is drawn by tables")
	}
}

// TestRareThreats: what is 0 for sure is said to be 0, and the total of one threat is as narrow as its closed form; the curve goes on beyond.
func TestRareThreats(t *testing.T) {
	levels := []float64{0.5, 0.9, 0.99, 0.999}
	for _, rate := range []float64{1e-5, 0.002, 0.05, 3} {
		for _, alpha := range []float64{0.4, 1, 6} {
			for _, m := range []float64{1000, -50} {
				one := Threat{Counts: Gamma{2, 2 / rate}.Counts(1), Damage: NormalGamma{m, 4, alpha, 4e4}}
				x, err := Sum(context.Background(), []Threat{one}, Request{Error: 1e-3, Levels: levels})
				if err != nil {
					t.Fatal(err)
				}
				want := Cost{one.Counts, one.Damage}.Quantiles(levels)
				for i, q := range x.Quantiles {
					if !x.Met[i] || q.Half() > 1e-5 || q.Low > want[i] || q.High < want[i] || math.Abs(q.Point-want[i]) > 1e-9*math.Abs(want[i]) {
						t.Errorf("rate %v, shape %v, mean %v: quantile %v is %+v, met %v, want %v", rate, alpha, m, levels[i], q, x.Met[i], want[i])
					}
				}
				if far := x.Exceed(x.Top()); x.Top() <= 0 || far.Low > far.Point || far.High < far.Point || far.Point > 5e-4 {
					t.Errorf("rate %v, shape %v, mean %v: beyond %v is %+v", rate, alpha, m, x.Top(), far)
				}
			}
		}
	}
	// Two of them: no closed form, but 0 is 0.
	two := []Threat{
		{Counts: Gamma{2, 1000}.Counts(1), Damage: NormalGamma{1000, 4, 2, 4e4}}, {Counts: Gamma{1, 2000}.Counts(1), Damage: NormalGamma{300, 2, 3, 4e4}},
	}
	x, err := Sum(context.Background(), two, Request{Error: 1e-3, Levels: levels[1:3]})
	if err != nil {
		t.Fatal(err)
	}
	if x.Quantiles[0] != (Bracket{}) || x.Quantiles[1] != (Bracket{}) || !x.Met[0] || !x.Met[1] || x.Exceed(1200).Point <= 0 {
		t.Errorf("%+v, met %v, more than 1200: %+v", x.Quantiles, x.Met, x.Exceed(1200))
	}
}

// TestShortfallOfOne holds the closed form against a lattice: of two threats of which one hardly ever comes true.
func TestShortfallOfOne(t *testing.T) {
	one := Threat{Counts: Counts{3, 2}, Damage: NormalGamma{1000, 4, 3, 4e5}}
	rare := Threat{Counts: Poisson(1e-12), Damage: NormalGamma{1000, 4, 3, 4e5}}
	request := Request{Error: 1e-4, Levels: []float64{0.99}}
	a, err := Sum(context.Background(), []Threat{one}, request)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Sum(context.Background(), []Threat{one, rare}, request)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []float64{500, 2000, 8000} {
		near(t, "shortfall", a.Shortfall(x).Point, b.Shortfall(x).Point, 1e-3)
		near(t, "exceedance", a.Exceed(x).Point, b.Exceed(x).Point, 1e-3)
	}
}

// TestSimulationAgrees holds exact results against draws.
func TestSimulationAgrees(t *testing.T) {
	ts := []Threat{
		vector1, vector2, {Counts: Counts{2, 1.5}, Severity: Lognormal{8, 1, 0}}, {Counts: Poisson(0.7), Severity: Pareto{2000, 2.2, 100000}},
		{Counts: Counts{1, 2}, Severity: NewTable([]float64{500, 4000}, []float64{0.7, 0.3})}, {Counts: Poisson(20), Severity: Clipped{Student{4, 100, 60}, 400}},
		{Counts: Poisson(1), Severity: LogStudent{Student{8, 7, 1}, 30000}},
	}
	levels := []float64{0.1, 0.5, 0.9, 0.99, 0.999}
	exact, err := Sum(context.Background(), ts, Request{Error: 1e-3, Levels: levels})
	if err != nil {
		t.Fatal(err)
	}
	s := Simulation{Trials: 200000, Seed: 5, Levels: levels, Losses: []float64{5000, 20000, 60000, 100000}}
	mean := 0.0
	for _, x := range ts {
		s.Threats = append(s.Threats, Simulated{Threat: x})
		m, _ := x.Mean()
		mean += m
	}
	d, err := Simulate(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(d.Net.Value-mean) > 4*d.Net.Error {
		t.Errorf("mean %v, drawn %+v", mean, d.Net)
	}
	for i, x := range s.Losses {
		if b := exact.Exceed(x); math.Abs(d.Exceed[i].Value-b.Point) > 4*d.Exceed[i].Error+1e-5 {
			t.Errorf("P(> %v) = %+v, drawn %+v", x, b, d.Exceed[i])
		}
	}
	for i, q := range exact.Quantiles {
		w := d.Quantiles[i]
		if slack := (w.High - w.Low); !exact.Met[i] || q.Point < w.Low-slack || q.Point > w.High+slack {
			t.Errorf("quantile %v: %+v, drawn %+v", levels[i], q, w)
		}
		tail := q.Point + (mean-q.Point+exact.Shortfall(q.Point).Point)/(1-levels[i])
		if b := exact.Tail(levels[i], mean, q); math.Abs(b.Point-tail) > 1e-9*tail || b.Low > tail || b.High < tail || b.High-b.Low > 0.2*tail {
			t.Errorf("tail value %v: %v, its bracket is %+v", levels[i], tail, b)
		}
		if math.Abs(tail-d.Tail[i].Value) > 5*d.Tail[i].Error {
			t.Errorf("tail value %v: %v, drawn %+v", levels[i], tail, d.Tail[i])
		}
	}
	// The parts of the tail sum to the whole.
	q := exact.Quantiles[3].Point
	parts, err := Contributions(context.Background(), ts, q, 2)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, p := range parts {
		sum += p
	}
	want := q*exactCDF(exact, q) - exact.Shortfall(q).Point // E[S; S<=q]
	near(t, "contributions", sum, want, 3e-3)
}

func exactCDF(x *Total, q float64) float64 { return 1 - x.Exceed(q).Point }
