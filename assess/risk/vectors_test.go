package risk

import (
	"context"
	"math"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"
)

// near fails unless got is want to a relative tolerance; absolute where want is 0.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	scale := math.Abs(want)
	if scale == 0 {
		scale = 1
	}
	if !(math.Abs(got-want) <= tolerance*scale) {
		t.Errorf("%s is %.16g, not %.16g (off by %.2g)", what, got, want, math.Abs(got-want)/scale)
	}
}

func TestFrequencyVector(t *testing.T) {
	g := Gamma{2, 1}
	for _, s := range []Span{{3, 1}, {1, 0.5}, {4, 2}} {
		g = g.Observe(s.Count, s.Exposure)
	}
	if g != (Gamma{10, 4.5}) {
		t.Fatal(g)
	}
	c := g.Counts(2)
	near(t, "mean", c.Mean, 4.444444444444445, 1e-15)
	near(t, "variance", c.Variance(), 6.419753086419753, 1e-15)
	for r, want := range []float64{0.025292489090, 0.077823043353, 0.131700534904, 0.162092966036, 0.162092966036, 0.139649324585} {
		near(t, "p", c.PMF(float64(r)), want, 1e-10)
		// (3.6) by quadrature.
		p := quad.Fixed(func(l float64) float64 { return Poisson(2*l).PMF(float64(r)) * g.PDF(l) }, 0, 20, 400, nil, 0)
		near(t, "p by quadrature", p, c.PMF(float64(r)), 1e-10)
	}
	near(t, "P(r<=4)", c.CDF(4), 0.559001999419, 1e-11)
	near(t, "95 % quantile", c.Quantile(0.95), 9, 0)
	near(t, "mean rate", g.Mean(), 2.2222222222222223, 1e-15)
	near(t, "variance of the rate", g.Variance(), 0.4938271605, 1e-9)
	lo, hi := g.Interval(0.95)
	near(t, "interval", lo, 1.065641932474, 1e-11)
	near(t, "interval", hi, 3.796622989204, 1e-11)
}

func TestDamageVector(t *testing.T) {
	x := []float64{900, 1200, 1500, 1100}
	p := NormalGamma{1000, 2, 3, 80000}.ObserveAll(x)
	near(t, "m", p.M, 1116.6666666666667, 1e-15)
	near(t, "kappa", p.Kappa, 6, 0)
	near(t, "alpha", p.Alpha, 5, 0)
	near(t, "beta", p.Beta, 194166.66666666666, 1e-14)
	one := NormalGamma{1000, 2, 3, 80000}
	for _, v := range x {
		one = one.Observe(v)
	}
	near(t, "beta one at a time", one.Beta, p.Beta, 1e-14)
	if rs := RaiffaSchlaifer(1000, 2, 6, 80000.0/3); math.Abs(rs.Beta-80000) > 1e-9 || rs.Alpha != 3 || rs.Kappa != 2 {
		t.Error(rs)
	}
	s := p.Predict()
	near(t, "df", s.DF, 10, 0)
	near(t, "scale", s.Scale, 212.8510172762995, 1e-14)
	v, ok := s.Variance()
	near(t, "variance", v, 56631.94444444444, 1e-13)
	if !ok {
		t.Error("it has a variance")
	}
	near(t, "pdf(1000)", s.PDF(1000), 1.553426088772e-03, 1e-12)
	near(t, "cdf(1000)", s.CDF(1000), 0.297818107118, 1e-11)
	near(t, "cdf(1500)", s.CDF(1500), 0.949052507549, 1e-11)
	near(t, "q95", s.Quantile(0.95), 1502.4508604306752, 5e-13)
	near(t, "P(x<0)", s.Negative(), 1.877072e-04, 1e-6)
}

// vector is the two threats of the vector of C3.
var vector1 = Threat{Counts: Gamma{10, 4.5}.Counts(2), Damage: NormalGamma{1116.6666666666667, 6, 5, 194166.66666666666}}
var vector2 = Threat{Counts: Gamma{0.5, 2}.Counts(2), Damage: NormalGamma{20000, 5, 6, 6e8}}

func TestCostVector(t *testing.T) {
	c := Cost{vector1.Counts, vector1.Damage}
	m, _ := c.Mean()
	v, _ := c.Variance()
	iid, _ := c.VarianceIID()
	near(t, "mean", m, 4962.9629629629635, 1e-15)
	near(t, "variance", v, 8432561.728395063, 1e-14)
	near(t, "variance of independent damages", iid, 8256772.976680386, 1e-14)
	near(t, "difference", v-iid, 175788.7517146776, 1e-10)
	for x, want := range map[float64]float64{
		0: 0.025311491077, 1000: 0.048710823031, 5000: 0.559345225121, 10000: 0.941842959128, 15000: 0.996091267869, 20000: 0.999815067015,
	} {
		near(t, "F", c.CDF(x), want, 1e-10)
	}
	q := c.Quantiles([]float64{0.5, 0.9, 0.95, 0.99})
	for i, want := range []float64{4580.068842862341, 8850.895410616156, 10307.754627207822, 13353.467419211365} {
		near(t, "quantile", c.Quantile([]float64{0.5, 0.9, 0.95, 0.99}[i]), want, 1e-12)
		near(t, "quantile by the table", q[i], want, 1e-11)
	}
}

func TestTwoThreats(t *testing.T) {
	levels := []float64{0.5, 0.9, 0.95, 0.99}
	x, err := Sum(context.Background(), []Threat{vector1, vector2}, Request{Error: 4e-4, Levels: levels})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{6069.84, 40965.3, 59606.2, 106989.9} { // rounded, and of a lattice of 12.5
		b := x.Quantiles[i]
		near(t, "quantile", b.Point, want, 6e-5)
		if !x.Met[i] || b.Low > b.Point || b.Point > b.High || b.Half() > 4e-4 {
			t.Errorf("%v: %+v %v", levels[i], b, x.Met[i])
		}
	}
	b := x.Exceed(50000)
	near(t, "F(50000)", 1-b.Point, 0.929288911, 3e-5)
	if !(b.Low <= 1-0.929288911+1e-9 && b.High >= 1-0.929288911-1e-9) {
		t.Error(b)
	}
	m1, _ := vector1.Mean()
	m2, _ := vector2.Mean()
	v1, _ := vector1.Variance()
	v2, _ := vector2.Variance()
	near(t, "mean", m1+m2, 14962.962962962964, 1e-14)
	near(t, "sd", math.Sqrt(v1+v2), 22325.60327803921, 1e-14)
	near(t, "mean of the second", m2, 10000, 1e-15)
	near(t, "variance of the second", v2, 4.9e8, 1e-14)
}

func TestKnownMark(t *testing.T) {
	x, err := Sum(context.Background(), marks(1), Request{Error: 3e-5, Levels: []float64{0.999}})
	if err != nil {
		t.Fatal(err)
	}
	b := x.Quantiles[0]
	if near(t, "VaR", b.Point, 3565831, 3e-7); !x.Met[0] || b.Low < 3565696 || b.High > 3565952 {
		t.Errorf("%+v", b)
	}
}

func TestPanjerVector(t *testing.T) {
	c, f := Gamma{3, 2}.Counts(1), []float64{.1, .5, .3, .1}
	g, h := Panjer(c, f, 200), Compound(c, f, 200)
	for i, want := range []float64{0.328016728853, 0.169663825269, 0.160303062495, 0.120950200606, 0.079072566989, 0.053769165162} {
		near(t, "g", g[i], want, 1e-11)
	}
	mean, square := 0.0, 0.0
	for i := range g {
		if math.Abs(g[i]-h[i]) > 1e-12 {
			t.Errorf("g(%d) is %v by the recursion, %v by the transform", i, g[i], h[i])
		}
		mean += float64(i) * g[i]
		square += float64(i) * float64(i) * g[i]
	}
	near(t, "mean", mean, 2.1, 1e-12)
	near(t, "variance", square-mean*mean, 5.37, 1e-11)
}
