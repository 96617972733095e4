package cost_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"redoubt/assess/cost"
)

func near(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*math.Max(1, math.Abs(want))
}

func TestExponentialVector(t *testing.T) {
	o, err := cost.Exponential(1e6, 1e-5, math.Inf(1))
	if err != nil {
		t.Fatal(err)
	}
	if !near(o.C, 230258.50929940457, 1e-14) || !near(o.Loss, 1e5, 1e-12) || !near(o.Total, 330258.50929940457, 1e-14) || o.Boundary || !o.Closed {
		t.Errorf("%+v", o.Point)
	}
	if o.Crossing == nil || !near(o.Crossing.C, 174552.80027406992, 1e-14) || !near(o.Crossing.Total, 349105.60054813983, 1e-14) {
		t.Errorf("%+v", o.Crossing)
	}
	if r := o.Crossing.Total / o.Total; !near(r, 1.0570676930890188, 1e-14) {
		t.Error(r)
	}
	if o, err := cost.Exponential(1e6, 1e-6, math.Inf(1)); err != nil || o.C != 0 || o.Total != 1e6 || !o.Boundary {
		t.Error(o.Point, err)
	}
	if o, err := cost.Exponential(1e6, 1e-5, 1e5); err != nil || o.C != 1e5 || !o.Boundary || o.Crossing != nil {
		t.Error(o.Point, err)
	}
	if o, err := cost.Exponential(0, 1, math.Inf(1)); err != nil || o.C != 0 || o.Total != 0 || o.Crossing == nil || o.Crossing.C != 0 {
		t.Error(o.Point, o.Crossing, err)
	}
	for _, x := range [][3]float64{{-1, 1, 1}, {1, -1, 1}, {1, 1, 0}, {math.NaN(), 1, 1}, {1, math.Inf(1), 1}} {
		if _, err := cost.Exponential(x[0], x[1], x[2]); err == nil {
			t.Error(x)
		}
	}
}

func TestHyperbolaVector(t *testing.T) {
	o, err := cost.Hyperbola(1e8, math.Inf(1))
	if err != nil || o.C != 10000 || o.Total != 20000 || o.Crossing == nil || o.Crossing.C != 10000 {
		t.Errorf("%+v %v", o.Point, err)
	}
	if _, err := cost.Hyperbola(0, 1); err == nil {
		t.Error("b = 0 is taken")
	}
	if o, err := cost.Hyperbola(1e8, 5000); err != nil || o.C != 5000 || o.Total != 25000 || !o.Boundary || o.Crossing != nil {
		t.Errorf("%+v %v", o.Point, err)
	}
}

// TestSearchFindsTheClosedForms holds the search against the closed forms, over many orders of magnitude: from kopecks to billions.
func TestSearchFindsTheClosedForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := math.Pow(10, rapid.Float64Range(-2, 12).Draw(t, "loss"))
		k := math.Pow(10, rapid.Float64Range(-1, 8).Draw(t, "kL")) / l
		want, err := cost.Exponential(l, k, math.Inf(1))
		if err != nil {
			t.Fatal(err)
		}
		got, err := cost.Search(func(c float64) float64 { return l * math.Exp(-k*c) }, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !near(got.Total/want.Total, 1, 1e-12) || math.Abs(got.C-want.C) > 1e-7*l+1e-6*want.C || !got.Decreasing {
			t.Fatalf("L0 %g k %g: %+v, want %+v", l, k, got.Point, want.Point)
		}
		if got.Crossing == nil || !near(got.Crossing.C/want.Crossing.C, 1, 1e-9) {
			t.Fatalf("crossing %+v, want %+v", got.Crossing, want.Crossing)
		}
	})
	// What is found of the place of the optimum is far better than golden sections alone.
	got, err := cost.Search(func(c float64) float64 { return 1e6 * math.Exp(-1e-5*c) }, 0)
	if err != nil || !near(got.C, 230258.50929940457, 1e-10) {
		t.Error(got.Point, err)
	}
	h, err := cost.Search(func(c float64) float64 { return 1e8 / c }, 1e6)
	if err != nil || !near(h.C, 1e4, 1e-9) || !near(h.Total, 2e4, 1e-14) {
		t.Error(h.Point, err)
	}
	if _, err := cost.Search(func(c float64) float64 { return 1e8 / c }, 0); err == nil {
		t.Error("a range without an end is taken")
	}
}

// TestSearchBetweenValleys has curves with several valleys, steps and optima at the ends.
func TestSearchBetweenValleys(t *testing.T) {
	for name, x := range map[string]struct {
		loss func(float64) float64
		most float64
		c    float64
		at   float64
	}{
		"two valleys, the far one deeper": {func(c float64) float64 {
			return 1000*(0.5*math.Exp(-c/5)+0.5/(1+math.Exp((c-300)/5))) + 1
		}, 1000, 300 + 5*math.Log(49+math.Sqrt(49*49-1)), 1e-6},
		"a step at 40":    {func(c float64) float64 { return map[bool]float64{true: 100, false: 10}[c < 40] }, 100, 40, 1e-9},
		"nothing pays":    {func(c float64) float64 { return 50 - c/2 }, 100, 0, 0},
		"all pays":        {func(c float64) float64 { return 500 - 2*c }, 100, 100, 0},
		"constant losses": {func(float64) float64 { return 7 }, 100, 0, 0},
		"nothing to lose": {func(float64) float64 { return 0 }, 0, 0, 0},
	} {
		o, err := cost.Search(x.loss, x.most)
		if err != nil || math.Abs(o.C-x.c) > x.at {
			t.Errorf("%s: %+v %v, want c = %v", name, o.Point, err, x.c)
		}
		for _, p := range o.Points {
			if p.Total < o.Total*(1-1e-12) {
				t.Errorf("%s: %+v is below the optimum %+v", name, p, o.Point)
			}
		}
	}
	for name, loss := range map[string]func(float64) float64{
		"no number": func(c float64) float64 { return math.Log(c - 50) }, "below 0": func(c float64) float64 { return 10 - c },
	} {
		if _, err := cost.Search(loss, 100); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if o, err := cost.Search(func(c float64) float64 { return 10 + math.Sin(c) }, 100); err != nil || o.Decreasing {
		t.Error("a loss that rises is called falling", err)
	}
}

// TestCrossingIsATwoApproximation is the guarantee of the lecture's rule, for random falling losses.
func TestCrossingIsATwoApproximation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(0, 1000).Draw(t, "a"), rapid.Float64Range(0, 1000).Draw(t, "b")
		k, m := rapid.Float64Range(1e-3, 1).Draw(t, "k"), rapid.Float64Range(1, 500).Draw(t, "m")
		loss := func(c float64) float64 { return a*math.Exp(-k*c) + b/(1+math.Exp((c-m)/7)) + 1 }
		o, err := cost.Search(loss, 0)
		if err != nil || o.Crossing == nil {
			t.Fatal(o, err)
		}
		if o.Crossing.Total > 2*o.Total*(1+1e-12) || o.Crossing.Total < o.Total*(1-1e-12) {
			t.Fatalf("crossing %v, optimum %v", o.Crossing.Total, o.Total)
		}
		for i := range 300 {
			if c := loss(0) * float64(i) / 300; c+loss(c) < o.Total*(1-1e-9) {
				t.Fatalf("%v at %v is below %v", c+loss(c), c, o.Total)
			}
		}
	})
}

func TestLevelOfProtection(t *testing.T) {
	// C(q) = 100 q/(1-q), L(q) = 10000 (1-q): with p = 1-q, 100/p - 100 + 10000 p, least at p = 0.1.
	o, err := cost.SearchLevel(func(q float64) float64 { return 100 * q / (1 - q) }, func(q float64) float64 { return 10000 * (1 - q) }, 1)
	if err != nil || !near(o.Q, 0.9, 1e-9) || !near(o.C, 900, 1e-8) || !near(o.Total, 1900, 1e-12) || o.Crossing == nil || !o.Decreasing {
		t.Fatalf("%+v %v", o.Point, err)
	}
	if x := o.Crossing; !near(x.C, x.Loss, 1e-9) || x.Total > 2*o.Total {
		t.Errorf("%+v", x)
	}
}
