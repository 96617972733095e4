package overlap

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

var words = map[string]Trapezoid{"lo": {0, 0, .1, .3}, "med": {.2, .4, .6, .8}, "hi": {.7, .9, 1, 1}}

func TestFuzzyOfTheModels(t *testing.T) {
	entries := []Rated{{words["hi"], words["hi"]}, {words["med"], words["med"]}, {words["lo"], words["lo"]}}
	for _, c := range []struct{ alpha, lo, hi float64 }{{0, .361111, .966667}, {.5, .5, .930769}, {1, .65625, .885714}} {
		got, ok := WeightedMean(entries, c.alpha)
		if !ok {
			t.Fatal("no cut")
		}
		near(t, "lower end", got.Lo, c.lo, 5e-7)
		near(t, "upper end", got.Hi, c.hi, 5e-7)
	}
	weakest, _ := WeakestLink(entries, 0.5)
	near(t, "weakest, lower end", weakest.Lo, 0, 0)
	near(t, "weakest, upper end", weakest.Hi, .2, 1e-15)
	selective, _ := SelectiveWeakestLink(0.5)(entries, 0) // hi and med are important enough
	near(t, "selective, lower end", selective.Lo, .2, 1e-15)
	near(t, "selective, upper end", selective.Hi, .8, 1e-15)
	if _, ok := SelectiveWeakestLink(2)(entries, 0); ok {
		t.Error("no entry is that important")
	}
	if _, ok := WeightedMean([]Rated{{words["hi"], Trapezoid{}}}, 0.5); ok {
		t.Error("an entry without weight has no mean")
	}
	all := []Trapezoid{words["lo"], words["med"], words["hi"]}
	for i, w := range all {
		centre, ok := Centroid(WeakestLink, []Rated{{Rating: w}})
		if !ok || Nearest(all, centre) != i {
			t.Errorf("the word nearest to %v is not itself: %v", w, centre)
		}
		near(t, "centroid by slices", centre, w.Centroid(), 1e-5)
	}
}

func word(t *rapid.T) Trapezoid {
	var v [4]float64
	for i := range v {
		v[i] = float64(rapid.IntRange(0, 20).Draw(t, "corner")) / 20
		if i > 0 {
			v[i] = max(v[i], v[i-1])
		}
	}
	return Trapezoid{v[0], v[1], v[2], v[3]}
}

func TestWeightedMeanTakesTheExtremes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := make([]Rated, rapid.IntRange(1, 7).Draw(t, "n"))
		for i := range entries {
			entries[i] = Rated{word(t), word(t)}
		}
		alpha := rapid.Float64Range(0, 1).Draw(t, "alpha")
		got, ok := WeightedMean(entries, alpha)
		lo, hi := math.Inf(1), math.Inf(-1)
		for set := range 1 << len(entries) { // every corner of the weights
			var sumLo, sumHi, weight float64
			for i, e := range entries {
				w := e.Importance.Cut(alpha).Lo
				if set>>i&1 != 0 {
					w = e.Importance.Cut(alpha).Hi
				}
				sumLo += w * e.Rating.Cut(alpha).Lo
				sumHi += w * e.Rating.Cut(alpha).Hi
				weight += w
			}
			if weight > 1e-12 {
				lo, hi = min(lo, sumLo/weight), max(hi, sumHi/weight)
			}
		}
		if ok != !math.IsInf(lo, 1) {
			t.Fatalf("ok %v, by corners %v", ok, lo)
		}
		if ok && (math.Abs(got.Lo-lo) > 1e-9 || math.Abs(got.Hi-hi) > 1e-9) {
			t.Fatalf("got %+v, by corners [%v, %v]", got, lo, hi)
		}
	})
}

func TestCutsAreNested(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := make([]Rated, rapid.IntRange(1, 6).Draw(t, "n"))
		for i := range entries {
			entries[i] = Rated{word(t), word(t)}
		}
		a, b := rapid.Float64Range(0, 1).Draw(t, "a"), rapid.Float64Range(0, 1).Draw(t, "b")
		if a > b {
			a, b = b, a
		}
		for name, op := range map[string]Operator{"weakest": WeakestLink, "selective": SelectiveWeakestLink(0.3), "mean": WeightedMean} {
			outer, ok := op(entries, a)
			inner, ok2 := op(entries, b)
			if ok && ok2 && (inner.Lo < outer.Lo-1e-12 || inner.Hi > outer.Hi+1e-12 || inner.Lo > inner.Hi+1e-12) {
				t.Fatalf("%s: cut at %v is %+v, at %v %+v", name, a, outer, b, inner)
			}
			if ok2 && !ok {
				t.Fatalf("%s: a cut at %v but none at %v", name, b, a)
			}
		}
	})
}
