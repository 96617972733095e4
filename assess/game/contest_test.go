package game_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"redoubt/assess/game"
)

// family is the closed-form family of models.md (d).
type family struct{ n, c, d, v, w float64 }

func (f family) contest() game.Contest {
	return game.Contest{
		Information: func(x, y float64) float64 { return f.n * -math.Expm1(-x/f.c) * math.Exp(-y/f.d) },
		Gain:        func(i float64) float64 { return f.v * i },
		Loss:        func(i float64) float64 { return f.w * i },
	}
}

// nash and stackelberg are the closed forms.
func (f family) nash() (x, y float64) {
	if k := (f.c/f.v + f.d/f.w) / f.n; k < 1 {
		return f.c * math.Log(1+f.d*f.v/(f.c*f.w)), -f.d * math.Log(k)
	}
	return max(0, f.c*math.Log(f.v*f.n/f.c)), 0
}

func (f family) stackelberg() (x, y, u float64) {
	loss := func(y float64) (x, u float64) {
		e := math.Exp(-y / f.d)
		x = max(0, f.c*math.Log(f.v*f.n*e/f.c))
		return x, f.w*f.n*e*-math.Expm1(-x/f.c) + y
	}
	u = math.Inf(1)
	for _, at := range []float64{0, -f.d * math.Log(f.d/(f.w*f.n)), f.d * math.Log(f.v*f.n/f.c)} {
		if at < 0 {
			continue
		}
		if px, pu := loss(at); pu < u {
			x, y, u = px, at, pu
		}
	}
	return x, y, u
}

func solve(t *testing.T, c game.Contest) game.Result {
	t.Helper()
	r, err := c.Solve()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestContestVectors(t *testing.T) {
	r := solve(t, family{1000, 100, 150, 2, 5}.contest())
	if len(r.Nash) != 1 {
		t.Fatalf("%+v", r.Nash)
	}
	// To 1e-9: the derivatives are differences.
	p := r.Nash[0]
	if !near(p.X, 47.000362924573565, 1e-9) || !near(p.Y, 378.85929664623836, 1e-9) || !near(p.I, 30, 1e-9) || !near(p.V, 12.999637075426428, 1e-9) || !near(p.U, 528.8592966462384, 1e-12) {
		t.Errorf("%+v", p)
	}
	if p.Regret > 1e-9 {
		t.Errorf("regret %v", p.Regret)
	}
	if c := r.Interior[0]; !c.AttackInside || !c.DefenceInside || !near(c.Attack, 1, 1e-8) || !near(c.Defence, -1, 1e-8) {
		t.Errorf("%+v", c)
	}
	if s := r.Stackelberg; !near(s.Y, 449.35984103309863, 1e-6) || s.X != 0 || !near(s.U, 449.35984103309863, 1e-6) {
		t.Errorf("%+v", s)
	}
	z := r.ZeroSum
	if z == nil || !near(z.Theta, 2.5, 1e-12) || !near(z.Value, 411.35838933480443, 1e-12) || z.Hi-z.Lo > 1e-9 || z.Lo > z.Value || z.Hi < z.Value {
		t.Errorf("%+v", z)
	}
	if len(r.Attacks) != 81 || len(r.Defences) != 81 || r.Mixed != nil {
		t.Error(len(r.Attacks), len(r.Defences), r.Mixed)
	}

	r = solve(t, family{1000, 100, 150, 2, 1}.contest())
	p = r.Nash[0]
	if len(r.Nash) != 1 || !near(p.X, 138.62943611198907, 1e-9) || !near(p.Y, 241.41568686511505, 1e-9) || !near(p.I, 150, 1e-9) || !near(p.V, 161.37056388801093, 1e-9) || !near(p.U, 391.41568686511505, 1e-12) {
		t.Errorf("%+v", r.Nash)
	}
	if s := r.Stackelberg; !near(s.Y, 284.5679977328822, 1e-6) || !near(s.X, 109.86, 1e-4) || !near(s.U, 384.5679977, 1e-9) {
		t.Errorf("%+v", s)
	}
}

// TestTheClosedForms holds the solver against the closed forms over orders of magnitude of everything.
func TestTheClosedForms(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	between := func(lo, hi float64) float64 { return lo + (hi-lo)*draw.Float64() }
	for range 12 {
		unit := math.Pow(10, between(-3, 6))
		f := family{
			n: math.Pow(10, between(0, 5)), c: unit * between(1, 300), d: unit * between(1, 300),
		}
		f.v, f.w = unit*between(0.2, 20), unit*between(0.2, 20)
		r, err := f.contest().Solve()
		if err != nil {
			t.Fatal(err)
		}
		x, y := f.nash()
		if len(r.Nash) != 1 {
			t.Fatalf("%+v: %d equilibria %+v (mixed %+v), want %v, %v", f, len(r.Nash), r.Nash, r.Mixed, x, y)
		}
		p := r.Nash[0]
		if math.Abs(p.X-x) > 1e-4*f.c || math.Abs(p.Y-y) > 1e-4*f.d || p.Regret > r.Tolerance {
			t.Fatalf("%+v: %+v, want %v, %v", f, p, x, y)
		}
		sx, sy, su := f.stackelberg()
		if s := r.Stackelberg; math.Abs(s.U-su) > 1e-5*su+1e-12 || s.U > p.U*(1+1e-12) {
			t.Fatalf("%+v: stackelberg %+v, want %v, %v, %v", f, s, sx, sy, su)
		}
		if r.ZeroSum == nil || r.ZeroSum.Lo > r.ZeroSum.Hi {
			t.Fatalf("%+v", r.ZeroSum)
		}
	}
}

func TestBoundaries(t *testing.T) {
	nothing := game.Contest{Information: func(_, _ float64) float64 { return 0 }, Gain: func(i float64) float64 { return i }, Loss: func(i float64) float64 { return i }}
	if r := solve(t, nothing); len(r.Nash) != 1 || r.Nash[0].X != 0 || r.Nash[0].Y != 0 || r.Stackelberg.Y != 0 || r.ZeroSum != nil {
		t.Errorf("%+v", r)
	}
	// Too little to win: nobody spends anything, and 3.18 holds as inequalities.
	r := solve(t, family{40, 100, 150, 2, 5}.contest())
	if len(r.Nash) != 1 || r.Nash[0].X != 0 || r.Nash[0].Y != 0 || r.Interior[0].Attack > 1 || r.Interior[0].AttackInside {
		t.Errorf("%+v %+v", r.Nash, r.Interior)
	}
	// Worth an attack, not worth a defence.
	r = solve(t, family{100, 100, 500, 5, 2}.contest())
	if x, y := (family{100, 100, 500, 5, 2}).nash(); len(r.Nash) != 1 || !near(r.Nash[0].X, x, 1e-7) || r.Nash[0].Y != y || r.Interior[0].Defence < -1 {
		t.Errorf("%+v, want %v %v", r.Nash, x, y)
	}
	// A bound that is given is kept to.
	c := family{1000, 100, 150, 2, 5}.contest()
	c.MaxX, c.MaxY = 20, 100
	for _, p := range solve(t, c).Nash {
		if p.X > 20 || p.Y > 100 {
			t.Errorf("%+v", p)
		}
	}
}

// TestNoPureEquilibrium has an attack with a price to begin, so that best answers jump: the equilibrium is mixed, and its certificate is against all expenditures.
func TestNoPureEquilibrium(t *testing.T) {
	c := game.Contest{
		Information: func(x, y float64) float64 { return 100 / (1 + math.Exp(-(x-30-y)/2)) * -math.Expm1(-x) },
		Gain:        func(i float64) float64 { return i }, Loss: func(i float64) float64 { return i },
	}
	r := solve(t, c)
	if len(r.Nash) != 0 || r.Mixed == nil {
		t.Fatalf("%+v", r.Nash)
	}
	m := r.Mixed
	sum := 0.0
	for _, p := range m.P {
		sum += p
	}
	if !near(sum, 1, 1e-12) || len(m.P) != len(m.Xs) || len(m.Q) != len(m.Ys) || m.Regret > 1e-2 {
		t.Errorf("%+v", m)
	}
	v := func(x, y float64) float64 { return c.Information(x, y) - x }
	for k := range 2000 {
		x, gain := float64(k)/10, 0.0
		for j, y := range m.Ys {
			gain += m.Q[j] * v(x, y)
		}
		if gain > m.V+m.Regret+1e-6 {
			t.Fatalf("x = %v gains %v, the mixture %v", x, gain, m.V)
		}
	}
}

func TestScalesWithMoney(t *testing.T) {
	f := family{1000, 100, 150, 2, 5}
	one := solve(t, f.contest())
	for _, k := range []float64{1e-4, 1e7} {
		other := solve(t, family{f.n, f.c * k, f.d * k, f.v * k, f.w * k}.contest())
		if !near(other.Nash[0].V/k, one.Nash[0].V, 1e-7) || !near(other.Nash[0].U/k, one.Nash[0].U, 1e-7) || !near(other.Stackelberg.U/k, one.Stackelberg.U, 1e-6) {
			t.Errorf("by %v: %+v, %+v", k, other.Nash[0], other.Stackelberg)
		}
	}
}

func TestAssumptions(t *testing.T) {
	good := family{1000, 100, 150, 2, 5}.contest()
	if a, err := good.Assumptions(); err != nil || len(a) != 0 {
		t.Error(a, err)
	}
	same := func(i float64) float64 { return i }
	for what, c := range map[string]game.Contest{
		"I(x, y) >= 0":   {Information: func(x, y float64) float64 { return 10*-math.Expm1(-x) - 1e-3*y*-math.Expm1(-x) - 2*x/(1+x) }, Gain: same, Loss: same, MaxY: 1e5},
		"I(0, y) = 0":    {Information: func(x, y float64) float64 { return (1 + 9*-math.Expm1(-x)) * math.Exp(-y) }, Gain: same, Loss: same},
		"I rises with x": {Information: func(x, y float64) float64 { return 50 * x * math.Exp(-x) * math.Exp(-y) }, Gain: same, Loss: same},
		"I falls with y": {Information: func(x, y float64) float64 { return 10 * -math.Expm1(-x) * (2 + math.Sin(y)) }, Gain: same, Loss: same},
		"f(0) = 0":       {Information: good.Information, Gain: func(i float64) float64 { return 5 + 2*i }, Loss: good.Loss},
		"f rises":        {Information: good.Information, Gain: func(i float64) float64 { return 100 * math.Sin(i/100) }, Loss: good.Loss},
		"g rises":        {Information: good.Information, Gain: good.Gain, Loss: func(i float64) float64 { return 100 * math.Sin(i/100) }},
	} {
		a, err := c.Assumptions()
		found := false
		for _, x := range a {
			found = found || x.What == what && x.Text != ""
		}
		if err != nil || !found {
			t.Errorf("%s: %+v %v", what, a, err)
		}
	}
	for name, c := range map[string]game.Contest{
		"no functions":    {},
		"no end":          {Information: func(x, _ float64) float64 { return x }, Gain: func(i float64) float64 { return 2 * i }, Loss: same},
		"no number":       {Information: func(x, _ float64) float64 { return math.Log(x - 1) }, Gain: same, Loss: same},
		"infinite":        {Information: func(x, y float64) float64 { return x / y }, Gain: func(i float64) float64 { return -math.Expm1(-i) }, Loss: same},
		"a negative most": {Information: good.Information, Gain: same, Loss: same, MaxX: -1},
	} {
		if r, err := c.Solve(); err == nil {
			t.Errorf("%s: %+v", name, r.Nash)
		}
	}
}

func BenchmarkContest(b *testing.B) {
	c := family{1000, 100, 150, 2, 5}.contest()
	for b.Loop() {
		if _, err := c.Solve(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestNarrowPeak: a peak of 423.8 at x = 37.123, a five-hundredth of a step of the search wide, is no regret of 0 at its foot: either it is found, or regret and bracket tell.
func TestNarrowPeak(t *testing.T) {
	same := func(i float64) float64 { return i }
	c := game.Contest{Gain: same, Loss: same, Information: func(x, y float64) float64 {
		z := (x - 37.123) / 0.002
		return 100*x/(x+y+1) + 400*math.Exp(-z*z)
	}}
	r := solve(t, c)
	if len(r.Nash) == 0 {
		t.Fatalf("%+v", r.Mixed)
	}
	for _, p := range r.Nash {
		most := math.Inf(-1)
		for k := range 2_000_001 { // an independent scan, four places to a thousandth
			most = max(most, c.Information(36.9+float64(k)*0.25e-6, p.Y)-36.9-float64(k)*0.25e-6)
		}
		if p.V+p.Regret < most-1e-3 || r.ZeroSum.Hi < most+p.Y-1e-3 {
			t.Errorf("at %g, %g the profit is %g and the regret %g, K at most %g; a scan finds a profit of %g", p.X, p.Y, p.V, p.Regret, r.ZeroSum.Hi, most)
		}
	}
	// The conditions tell a play that is none.
	for _, c := range []struct {
		c    game.Condition
		p    game.Play
		want bool
	}{
		{game.Condition{1, -1, true, true}, game.Play{X: 1, Y: 1}, true}, {game.Condition{0.641, -1, true, true}, game.Play{X: 1, Y: 1}, false}, {game.Condition{1, -0.9, true, true}, game.Play{X: 1, Y: 1}, false},
		{game.Condition{0.2, -0.5, false, false}, game.Play{}, true}, {game.Condition{1.2, -0.5, false, false}, game.Play{}, false}, {game.Condition{0.2, -1.5, false, false}, game.Play{}, false},
		{game.Condition{3, -2, false, false}, game.Play{X: 5, Y: 5}, true},
	} {
		if got := c.c.Holds(c.p, 1e-3); got != c.want {
			t.Errorf("%+v at %+v: %v", c.c, c.p, got)
		}
	}
}
