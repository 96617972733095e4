package expression

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// someFormula draws a formula of x and y.
func someFormula(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	if depth == 0 || kind < 2 {
		return rapid.SampledFrom([]string{"x", "y", "0", "1", "2", "0.3", "7", "p", "pi"}).Draw(t, "leaf")
	}
	sub := func() string { return someFormula(t, depth-1) }
	switch kind {
	case 2, 3, 4:
		return "(" + sub() + " " + rapid.SampledFrom([]string{"+", "-", "*", "/", "^"}).Draw(t, "operator") + " " + sub() + ")"
	case 5:
		return "(" + sub() + ")^" + rapid.SampledFrom([]string{"2", "3", "(-1)", "(-2)", "0", "0.5", "1.7"}).Draw(t, "exponent")
	case 6:
		return rapid.SampledFrom(slices.Sorted(maps.Keys(pairs))).Draw(t, "pair") + "(" + sub() + ", " + sub() + ")"
	case 7:
		compare := rapid.SampledFrom(slices.Sorted(maps.Keys(comparisons))).Draw(t, "compare")
		return fmt.Sprintf("(%s %s %s and not (%s > 2) or %s < 0 ? %s : -%s)", sub(), compare, sub(), sub(), sub(), sub(), sub())
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(singles))).Draw(t, "single") + "(" + sub() + ")"
}

// TestOverHoldsWhatIsWithin: whatever the formula and the intervals, its value at any place within lies within what is said of them.
func TestOverHoldsWhatIsWithin(t *testing.T) {
	known := 0
	rapid.Check(t, func(t *rapid.T) {
		f, err := Compile(someFormula(t, 4), []string{"x", "y"}, map[string]float64{"p": 1.25})
		if err != nil {
			t.Fatal(err)
		}
		var box [2]Interval
		for i := range box {
			lo := rapid.OneOf(rapid.Float64Range(-3, 3), rapid.SampledFrom([]float64{0, 1, -1, 100, 1e-9})).Draw(t, "lo")
			box[i] = Interval{Lo: lo, Hi: lo + rapid.SampledFrom([]float64{0, 1e-9, 0.1, 1, 4, 900}).Draw(t, "width")}
		}
		o := f.Over(box[:])
		if o.None {
			return
		}
		known++
		great := slices.ContainsFunc([]string{"exp", "sinh", "cosh", "pow", "^"}, func(s string) bool { return strings.Contains(f.String(), s) })
		const n = 12
		for i := range n + 1 {
			for j := range n + 1 {
				x := math.Min(box[0].Hi, box[0].Lo+(box[0].Hi-box[0].Lo)*float64(i)/n)
				y := math.Min(box[1].Hi, box[1].Lo+(box[1].Hi-box[1].Lo)*float64(j)/n)
				v := f.Eval([]float64{x, y})
				// What is computed is itself rounded, so that it may lie a little beside what it stands for. What overflows on the way may end as no number, though it stands for one.
				if math.IsNaN(v) && great {
					continue
				}
				if math.IsNaN(v) || v < o.Lo-1e-9*math.Abs(o.Lo)-1e-290 && !math.IsInf(v, 0) || v > o.Hi+1e-9*math.Abs(o.Hi)+1e-290 && !math.IsInf(v, 0) {
					t.Fatalf("%s at %v, %v is %v, not within %+v of %+v", f, x, y, v, o, box)
				}
			}
		}
	})
	if known < 20 {
		t.Errorf("something was known of %d formulas only", known)
	}
}

// TestOverNarrows: the bounds close in on the value as the intervals do.
func TestOverNarrows(t *testing.T) {
	for _, text := range []string{
		"1000*(1-exp(-x/100))*exp(-y/150)", "x/(x+y)", "x^0.7/(1+y)^2", "sqrt(x)*log(1+y)", "max(x-y, 0)^1.5", "sin(x)*cos(y)+tan(0.01*x)", "abs(x-3)^3 + min(x, y, 9)", "x < 2 ? 1 : cosh(y/9)",
		"tanh(x)*erf(y)+cbrt(x)-sinh(x/9)+atan(y)+log1p(x)+expm1(-y)+log2(x)+log10(y)+ln(x)+pow(x, y/9)", "(x-40)^2*(y-80)^3", "floor(x+0.5)+ceil(y+0.5)+round(x+0.2)",
	} {
		f, err := Compile(text, []string{"x", "y"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range [][2]float64{{3.5, 7.1}, {40.2, 12.3}} {
			v, last := f.Eval(p[:]), math.Inf(1)
			for _, w := range []float64{1e-2, 1e-5, 1e-9, 0} {
				o := f.Over([]Interval{{Lo: p[0] - w, Hi: p[0] + w}, {Lo: p[1] - w, Hi: p[1] + w}})
				if width := o.Hi - o.Lo; o.None || o.Lo > v || o.Hi < v || width > last {
					t.Errorf("%s at %v to within %v: %+v, the value is %v, before %v wide", text, p, w, o, v, last)
				}
				last = o.Hi - o.Lo
			}
			if last > 1e-11*(1+math.Abs(v)) {
				t.Errorf("%s at %v: %v wide", text, p, last)
			}
		}
	}
}

// TestOverKnowsNothing where a formula may have no value.
func TestOverKnowsNothing(t *testing.T) {
	for _, text := range []string{"1/x", "x % 2", "sqrt(x)", "log(x)", "x^0.5", "x^(-1)", "tan(x*9)", "log1p(2*x)", "0*(1/x)", "max(3, log(x))", "1/x > 0 ? log(x) : 1"} {
		f, err := Compile(text, []string{"x"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if o := f.Over([]Interval{{Lo: -1, Hi: 1}}); !o.None {
			t.Errorf("%s: %+v", text, o)
		}
	}
	f, err := Compile(strings.Repeat("-", 50)+"x", []string{"x"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o := f.Over([]Interval{Point(2)}); o != Point(2) {
		t.Errorf("%+v", o)
	}
	if o := f.Over([]Interval{none}); !o.None {
		t.Errorf("%+v", o)
	}
}
