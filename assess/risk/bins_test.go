package risk

import (
	"context"
	"math"
	"math/cmplx"
	"testing"
)

// TestLowestFrequencies holds the short way against the transform of the whole, and the bound of what is cut off against what is there.
func TestLowestFrequencies(t *testing.T) {
	const size, theta = 1 << 13, 10.0 / (1 << 13)
	l := lattice{step: 4000, limit: size / 2, trim: 1e-12}
	for name, ts := range map[string][]Threat{"numbers": learnt(150, 2), "costs": portfolio(60, 2)} {
		groups := grouped(ts)
		l := l.ready(groups)
		var all []leaf
		for _, g := range groups {
			all = append(all, l.build(g))
		}
		var whole, part product
		if err := whole.leaves(context.Background(), all, size, theta, false, 2, nil); err != nil {
			t.Fatal(err)
		}
		o := whole.left(size, nil)
		if name == "numbers" {
			o = lowestOf(all, size, theta)
		}
		if o == nil || o.bins > size/8 {
			t.Fatalf("%s: %+v", name, o)
		}
		if err := part.leaves(context.Background(), all, size, theta, false, 2, o); err != nil {
			t.Fatal(err)
		}
		whole.settle()
		part.settle()
		if blur := o.cut(&part, 400, 5); !(blur < 1e-7) {
			t.Errorf("%s: off by %v", name, blur)
		}
		for i := range whole.low {
			turn := math.Pi * float64(i) * float64(o.block) / size
			if d := cmplx.Abs(whole.low[i] - part.low[i]); d > 1e-13+cmplx.Abs(whole.low[i])*math.Pow(turn/2, degrees) {
				t.Fatalf("%s: %v and %v at %d of %d", name, whole.low[i], part.low[i], i, o.bins)
			}
		}
	}
}
