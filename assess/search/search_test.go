package search_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/assess/search"
)

func TestGrid(t *testing.T) {
	for _, n := range []int{1, 10, 333} {
		g := search.Grid(-2, 5, n)
		if g[0] != -2 || g[len(g)-1] != 5 || !slices.IsSorted(g) || len(g) > n+6 {
			t.Errorf("%d points: %v", n, g)
		}
	}
}

// TestMinimise has many valleys: the least value is compared with a fine grid.
func TestMinimise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := rapid.Float64Range(-3, 3).Draw(t, "a"), rapid.Float64Range(0, 20).Draw(t, "b"), rapid.Float64Range(0, 10).Draw(t, "c")
		f := func(x float64) float64 { return a*x + c*math.Cos(b*x) + math.Abs(x-3) }
		got := search.Minimise(f, 0, 10, search.Points)
		for i := range 10_001 {
			if v := f(float64(i) / 1000); v < got.Y-1e-9 {
				t.Fatalf("%v at %v is below %+v", v, float64(i)/1000, got)
			}
		}
		if got.X < 0 || got.X > 10 || f(got.X) != got.Y {
			t.Fatalf("%+v", got)
		}
	})
}

func TestPlaces(t *testing.T) {
	for name, x := range map[string]struct {
		f    func(float64) float64
		want float64
		at   float64
	}{
		"a parabola":     {func(x float64) float64 { return (x - math.Pi) * (x - math.Pi) }, math.Pi, 1e-13},
		"near the end":   {func(x float64) float64 { return x - 1e-9*math.Log(x) }, 1e-9, 1e-18},
		"the lower end":  {func(x float64) float64 { return x }, 0, 0},
		"the upper end":  {func(x float64) float64 { return -x }, 10, 0},
		"a plateau":      {func(float64) float64 { return 1 }, 0, 0},
		"a cusp":         {func(x float64) float64 { return math.Abs(x - 7.3) }, 7.3, 1e-12},
		"infinite aside": {func(x float64) float64 { return 1/x + x/4 }, 2, 1e-10},
	} {
		if got := search.Minimise(x.f, 0, 10, search.Points); math.Abs(got.X-x.want) > x.at {
			t.Errorf("%s: %v, want %v", name, got.X, x.want)
		}
	}
	if v := search.Minimise(func(float64) float64 { return math.Inf(1) }, 0, 1, 10); !math.IsInf(v.Y, 1) {
		t.Error(v)
	}
	if r := search.Root(func(x float64) float64 { return 2 - x*x }, 0, 2); math.Abs(r-math.Sqrt2) > 1e-15 {
		t.Error(r)
	}
	if s := search.Slope(math.Exp, 1, 1e-3); math.Abs(s-math.E) > 1e-11 {
		t.Error(s)
	}
	if v := search.Valleys(func(x float64) float64 { return math.Cos(2 * math.Pi * x) }, 0, 3, 100); len(v) != 3 {
		t.Error(v)
	}
}
