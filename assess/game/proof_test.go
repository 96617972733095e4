package game

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// lipschitz makes bounds over spans of a function that moves no faster than slope.
func lipschitz(f func(float64) float64, slope float64) func(Span) (Span, bool) {
	return func(s Span) (Span, bool) {
		v, far := f(s.Lo/2+s.Hi/2), slope*(s.Hi-s.Lo)/2
		return Span{v - far, v + far}, true
	}
}

// TestHighest: the bracket holds what dense samples find, and is as narrow as was asked for where the work suffices.
func TestHighest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type wave struct{ size, pace, shift float64 }
		var waves []wave
		slope := 0.0
		for range rapid.IntRange(1, 5).Draw(t, "waves") {
			w := wave{rapid.Float64Range(-3, 3).Draw(t, "size"), rapid.Float64Range(0.1, 9).Draw(t, "pace"), rapid.Float64Range(0, 6).Draw(t, "shift")}
			waves = append(waves, w)
			slope += math.Abs(w.size) * w.pace
		}
		f := func(x float64) (v float64) {
			for _, w := range waves {
				v += w.size * math.Sin(w.pace*x+w.shift)
			}
			return v
		}
		most := rapid.Float64Range(0.5, 20).Draw(t, "most")
		found, bound, ok := highest(lipschitz(f, slope), most, 1e-5)
		dense := math.Inf(-1)
		for i := range 20001 {
			dense = math.Max(dense, f(most*float64(i)/20000))
		}
		if !ok || bound < dense || found > bound+1e-12 || bound-found > 1e-3 {
			t.Fatalf("found %v, bound %v (%v), samples %v", found, bound, ok, dense)
		}
	})
}

// TestHighestGivesUp: a part of which nothing is known leaves no bound, and does not take for ever.
func TestHighestGivesUp(t *testing.T) {
	asked := 0
	_, _, ok := highest(func(s Span) (Span, bool) {
		asked++
		return Span{s.Lo, s.Hi}, s.Lo > 0 || s.Hi == 0
	}, 8, 1e-9)
	if ok || asked > 5*deadBoxes {
		t.Errorf("a bound after %d parts: %v", asked, ok)
	}
}

// TestProofRefutes: a gain too narrow for searches is found by bounds, and the play is no equilibrium then.
func TestProofRefutes(t *testing.T) {
	spike := func(x float64) float64 { d := (x - 61.7031) / 1e-6; return 500 * math.Exp(-d*d) }
	c := Contest{
		Information: func(x, y float64) float64 { return 100*x/(x+y+1) + spike(x) },
		Gain:        func(i float64) float64 { return i }, Loss: func(i float64) float64 { return i },
		MaxX: 100, MaxY: 100,
	}
	r, err := c.Solve()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Nash) != 1 || r.Nash[0].Proved || len(r.Refuted) != 0 {
		t.Fatalf("without bounds: %+v", r)
	}
	over := func(x, y Span) Span { // of the information: it rises in x and falls in y, but for the spike
		lo, hi := 100*x.Lo/(x.Lo+y.Hi+1), 100*x.Hi/(x.Hi+y.Lo+1)
		at := math.Max(x.Lo, math.Min(x.Hi, 61.7031))
		return Span{lo - 1e-9, hi + spike(at) + 1e-9}
	}
	c.ProfitOver = func(x, y Span) (Span, bool) {
		s := over(x, y)
		if x.Lo == x.Hi {
			s.Lo += spike(x.Lo)
		}
		return Span{s.Lo - x.Hi, s.Hi - x.Lo}, true
	}
	c.LossOver = func(x, y Span) (Span, bool) {
		s := over(x, y)
		if x.Lo == x.Hi {
			s.Lo += spike(x.Lo)
		}
		return Span{s.Lo + y.Lo, s.Hi + y.Hi}, true
	}
	if r, err = c.Solve(); err != nil {
		t.Fatal(err)
	}
	if len(r.Nash) != 0 || len(r.Refuted) != 1 || r.Refuted[0].Regret < 300 {
		t.Errorf("with bounds: %+v, refuted %+v", r.Nash, r.Refuted)
	}
}
