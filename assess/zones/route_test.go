package zones

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestVectorOfIntegrity(t *testing.T) {
	f := []Factor{{1e-4, .9}, {5e-5, .5}, {1e-6, 0}}
	for i, want := range []float64{0.0023971223026182376, 0.0011992802879136066, 2.3999712002287232e-05} {
		near(t, "p", f[i].Manifests(24), want, 1e-15) // the vector has lost that much to 1-exp
	}
	near(t, "one shot", happens(OneShot(f, 24)), 0.0008631882043791395, 1e-15)
	near(t, "thinned", happens(Thinned(f, 24)), 0.0008636268594721663, 1e-15)
}

// local is a step with a probability of a violation.
func local(p float64, after ...int) Step {
	return Step{Name: fmt.Sprint("s", p), Intact: math.Log1p(-p), After: after}
}

func TestDiamondCountsAncestorsOnce(t *testing.T) {
	out, err := Route([]Step{local(.02), local(.01, 0), local(.03, 0), local(.005, 1, 2)})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "diamond", out[3].Violation, 0.06361147, 5e-9)
	near(t, "exactly", out[3].Violation, 1-.98*.99*.97*.995, 1e-15)
	if !out[3].Exact || math.Abs(out[3].Violation-0.0823392406) < 1e-3 {
		t.Error("the shared step is counted twice")
	}
}

func TestCirclesAreNamed(t *testing.T) {
	steps := []Step{{Name: "in"}, {Name: "a", After: []int{0, 3}}, {Name: "b", After: []int{1}}, {Name: "c", After: []int{2}}}
	_, err := Route(steps)
	var c *Cycle
	if !errors.As(err, &c) || !strings.Contains(err.Error(), "a → b → c → a") {
		t.Errorf("got %v", err)
	}
	_, err = Route([]Step{{Name: "self", Branches: []Branch{{0, 1}}}})
	if !errors.As(err, &c) || !strings.Contains(err.Error(), "self → self") {
		t.Errorf("got %v", err)
	}
	long := make([]Step, 10_000)
	for i := range long {
		long[i] = Step{Name: fmt.Sprint("s", i), After: []int{(i + len(long) - 1) % len(long)}}
	}
	if _, err = Route(long); !errors.As(err, &c) || len(err.Error()) > 500 {
		t.Errorf("a circle of 10,000 steps: %v", err)
	}
	if _, err = Route([]Step{{Name: "x", After: []int{7}}}); err == nil {
		t.Error("an input that does not exist")
	}
}

// drawRoute makes a small route with alternatives.
func drawRoute(t *rapid.T, alternatives bool) []Step {
	steps := make([]Step, rapid.IntRange(1, 6).Draw(t, "steps"))
	for i := range steps {
		steps[i] = local(share(t))
		for a := range i {
			if rapid.IntRange(0, 2).Draw(t, "after") == 0 {
				steps[i].After = append(steps[i].After, a)
			}
		}
		if alternatives && i > 0 && rapid.Bool().Draw(t, "branches") {
			p := rapid.Float64Range(0, 1).Draw(t, "pi")
			steps[i].Branches = []Branch{{rapid.IntRange(0, i-1).Draw(t, "one"), p}, {rapid.IntRange(0, i-1).Draw(t, "other"), 1 - p}}
		}
	}
	return steps
}

// enumerate looks at every choice of alternatives and every set of violated steps.
func enumerate(steps []Step) []float64 {
	out := make([]float64, len(steps))
	for set := range 1 << (2 * len(steps)) {
		weight := 1.0
		bad := make([]bool, len(steps))
		for i, s := range steps {
			p := happens(s.Intact)
			if set>>(2*i)&1 != 0 {
				bad[i] = true
				weight *= p
			} else {
				weight *= 1 - p
			}
			choice := set >> (2*i + 1) & 1
			if len(s.Branches) == 0 {
				if choice == 1 {
					weight = 0
				}
			} else {
				weight *= s.Branches[choice].Probability
				bad[i] = bad[i] || bad[s.Branches[choice].After]
			}
			for _, a := range s.After {
				bad[i] = bad[i] || bad[a]
			}
		}
		for i := range steps {
			if bad[i] {
				out[i] += weight
			}
		}
	}
	return out
}

func TestRouteByEnumeration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := drawRoute(t, true)
		out, err := Route(steps)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range enumerate(steps) {
			if !out[i].Exact || math.Abs(out[i].Violation-want) > 1e-10 {
				t.Fatalf("step %d: %+v, by enumeration %v", i, out[i], want)
			}
		}
	})
}

func TestRouteInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := drawRoute(t, false)
		out, err := Route(steps)
		if err != nil {
			t.Fatal(err)
		}
		naive := make([]float64, len(steps)) // shared steps counted as often as there are ways
		for i, s := range steps {
			naive[i] = s.Intact
			for _, a := range s.After {
				naive[i] += naive[a]
				if out[i].Violation < out[a].Violation {
					t.Fatalf("from %v to %v along an edge", out[a].Violation, out[i].Violation)
				}
			}
			if out[i].Violation > happens(naive[i])+1e-12 || out[i].Violation < out[i].Local {
				t.Fatalf("exact %v, naive %v, local %v", out[i].Violation, happens(naive[i]), out[i].Local)
			}
			steps[i].Intact = 0
		}
		if out, err = Route(steps); err != nil || out[len(out)-1].Violation != 0 {
			t.Fatalf("nothing can be violated: %+v, %v", out, err)
		}
	})
}

func TestFactorInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f []Factor
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			f = append(f, Factor{Rate: rapid.Float64Range(0, 3).Draw(t, "rate"), Effectiveness: share(t)})
		}
		exposure := rapid.Float64Range(0, 10).Draw(t, "exposure")
		thinned, once := Thinned(f, exposure), OneShot(f, exposure)
		if once < thinned-1e-9 || thinned > 0 {
			t.Fatalf("one shot %v, thinned %v", once, thinned)
		}
		stopped := append(f, Factor{Rate: 5, Effectiveness: 1})
		near(t, "a factor that is always stopped, thinned", Thinned(stopped, exposure), thinned, 0)
		near(t, "a factor that is always stopped, one shot", OneShot(stopped, exposure), once, 0)
	})
}

// ladder is a route of n stages; each takes one of two steps that share the stage before.
func ladder(n int) []Step {
	steps := []Step{local(1e-4)}
	for range n {
		stage := len(steps) - 1
		steps = append(steps, local(1e-3, stage), local(2e-3, stage), Step{Intact: math.Log1p(-1e-4), Branches: []Branch{{stage + 1, .5}, {stage + 2, .5}}})
	}
	return steps
}

func TestLongRoutes(t *testing.T) {
	steps := ladder(1000)
	out, err := Route(steps)
	if err != nil {
		t.Fatal(err)
	}
	want := 1.0
	for range 1000 {
		want *= (1 - .5*1e-3 - .5*2e-3) * (1 - 1e-4)
	}
	if last := out[len(out)-1]; !last.Exact || math.Abs(last.Violation-(1-want*(1-1e-4))) > 1e-10 {
		t.Errorf("%+v, want %v", last, 1-want*(1-1e-4))
	}
}

// wide is a route whose last step needs n steps, each with alternatives of its own among the same sources: the combinations can not be counted out.
func wide(n int) []Step {
	var steps []Step
	for range n {
		steps = append(steps, local(.01))
	}
	last := local(.01)
	for i := range n {
		steps = append(steps, Step{Intact: math.Log1p(-.001), Branches: []Branch{{i, .5}, {(i*7 + 3) % n, .5}}})
		last.After = append(last.After, len(steps)-1)
	}
	return append(steps, last)
}

func TestTooManyAlternativesGiveBounds(t *testing.T) {
	steps := wide(40)
	out, err := Route(steps)
	if err != nil {
		t.Fatal(err)
	}
	last := out[len(out)-1]
	if last.Exact || !(last.Bounds.Lo > .01 && last.Bounds.Lo < last.Violation && last.Violation < last.Bounds.Hi && last.Bounds.Hi < .5) {
		t.Errorf("%+v", last)
	}
	small := wide(6) // the bounds hold where the exact value is known
	out, err = Route(small)
	if err != nil || !out[len(out)-1].Exact {
		t.Errorf("%+v %v", out[len(out)-1], err)
	}
}

func BenchmarkRoute10000(b *testing.B) {
	steps := make([]Step, 10_000)
	for i := range steps {
		steps[i] = local(1e-4)
		for _, d := range []int{1, 2, 100} {
			if i >= d {
				steps[i].After = append(steps[i].After, i-d)
			}
		}
	}
	for b.Loop() {
		if _, err := Route(steps); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRoute10000WithAlternatives(b *testing.B) {
	steps := ladder(3333)
	for b.Loop() {
		if _, err := Route(steps); err != nil {
			b.Fatal(err)
		}
	}
}
