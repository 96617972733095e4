package zones

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func near(t interface {
	Helper()
	Errorf(string, ...any)
}, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %v, want %v within %v", what, got, want, tolerance)
	}
}

func TestVectorOfZones(t *testing.T) {
	pd, pk, pn, pi := ByZone{.9, .5, .2, .05, .01}, ByZone{.05, .1, .2, .3, .4}, ByZone{.2, .3, .5, .6, .8}, ByZone{.3, .4, .5, .7, .9}
	p := Chain(pd, pk, pn, pi)
	for l, want := range []float64{0.0027, 0.006, 0.010, 0.0063, 0.00288} {
		near(t, "P_l", p[l], want, 1e-17)
	}
	near(t, "base indicator", Independent(p), 0.02758843531211852, 1e-16)
	nested, ok := Nested(pd, Chain(ByZone{1, 1, 1, 1, 1}, pk, pn, pi))
	near(t, "nested", nested, 0.026783281585503915, 1e-16)
	band := Frechet(p[:]...)
	near(t, "greatest", band.Lo, 0.010, 1e-17)
	near(t, "sum", band.Hi, 0.02788, 1e-16)
	if !ok {
		t.Error("Pd does not increase")
	}
	if _, ok := Nested(ByZone{.1, .5, 0, 0, 0}, ByZone{}); ok {
		t.Error("Pd increases, and nothing is said of it")
	}
}

// of is a tensor of base indicators.
func of(all [][][]float64) *Tensor {
	t := NewTensor(len(all), len(all[0]), len(all[0][0]))
	for i := range all {
		for j := range all[i] {
			for k, p := range all[i][j] {
				t.Set(i, j, k, p, 1)
			}
		}
	}
	return t
}

func TestVectorOfGeneralisation(t *testing.T) {
	x := of([][][]float64{{{.01, .05}, {.02, .03}}, {{.04, .01}, {.10, 0}}})
	near(t, "overall", x.General(nil, nil, nil), 0.23527454435200013, 1e-15)
	by := x.By()
	for what, c := range map[string][2][]float64{
		"by component": {by.Component, {0.1059607, 0.14464}}, "by channel": {by.Channel, {0.1061488, 0.14446}}, "by violator": {by.Violator, {0.1617472, 0.087715}},
	} {
		near(t, what, c[0][0], c[1][0], 1e-7)
		near(t, what, c[0][1], c[1][1], 1e-7)
	}
	near(t, "K*={2}", x.General(nil, nil, []int{1}), 0.087715, 1e-6)
	near(t, "I*={1}, K*={1}", x.General([]int{0}, nil, []int{0}), 0.0298, 1e-15)
	_, i := Extremes(by.Component)
	_, j := Extremes(by.Channel)
	_, k := Extremes(by.Violator)
	if i != 1 || j != 1 || k != 0 {
		t.Errorf("extremal %d %d %d, want 2 2 1 counted from 1", i+1, j+1, k+1)
	}
	best, worst, ok := x.Extremes()
	if !ok || worst.I != 1 || worst.J != 1 || worst.K != 0 || best.K != 1 || best.I != 1 || best.J != 1 {
		t.Errorf("worst %+v, best %+v", worst, best)
	}
	near(t, "twelve intervals", Repeat(.10, 12), 0.717570463519, 1e-15) // 1-0.9^12 in exact decimals; the vector of the models has a wrong tenth digit
	near(t, "rate", Repeat(happens(-0.01), 12), happens(-0.12), 1e-15)
	if band := x.Frechet(); math.Abs(band.Lo-.10) > 1e-15 || math.Abs(band.Hi-.26) > 1e-15 {
		t.Errorf("band %+v", band)
	}
	if least, most := Extremes([]float64{3, 7, 3, 7}); least != 0 || most != 1 {
		t.Errorf("of equal ones the lowest: %d %d", least, most)
	}
}

func share(t *rapid.T) float64 {
	return rapid.SampledFrom([]float64{0, 1, 1e-12, rapid.Float64Range(0, 1).Draw(t, "p"), rapid.Float64Range(0, 0.05).Draw(t, "small")}).Draw(t, "share")
}

func byZone(t *rapid.T) (z ByZone) {
	for l := range z {
		z[l] = share(t)
	}
	return z
}

func TestNestedLiesInBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reach, inside := byZone(t), byZone(t)
		slices.Sort(reach[:])
		slices.Reverse(reach[:])
		nested, ok := Nested(reach, inside)
		if !ok {
			t.Fatal("Pd does not increase")
		}
		// The same as the models have it.
		direct := 1 - reach[0]
		left := 1.0
		for l := range Zones {
			left *= 1 - inside[l]
			next := 0.0
			if l < Zones-1 {
				next = reach[l+1]
			}
			direct += (reach[l] - next) * left
		}
		if math.Abs(nested-(1-direct)) > 1e-14 {
			t.Fatalf("nested %v, by its definition %v", nested, 1-direct)
		}
		p := Chain(reach, inside, ByZone{1, 1, 1, 1, 1}, ByZone{1, 1, 1, 1, 1})
		band, independent := Frechet(p[:]...), Independent(p)
		const e = 1e-12
		if !(band.Lo <= nested+e && nested <= independent+e && independent <= band.Hi+e) {
			t.Fatalf("greatest %v, nested %v, independent %v, sum %v", band.Lo, nested, independent, band.Hi)
		}
	})
}

func TestChainIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := [4]ByZone{byZone(t), byZone(t), byZone(t), byZone(t)}
		before := Independent(Chain(events[0], events[1], events[2], events[3]))
		e, l := rapid.IntRange(0, 3).Draw(t, "event"), rapid.IntRange(0, 4).Draw(t, "zone")
		events[e][l] = max(events[e][l], share(t))
		after := Independent(Chain(events[0], events[1], events[2], events[3]))
		if before < 0 || after > 1 || after < before {
			t.Fatalf("from %v to %v by more of event %d in zone %d", before, after, e, l)
		}
	})
}

func some(t *rapid.T, n int) (in []int) {
	for i := range n {
		if rapid.Bool().Draw(t, "in") {
			in = append(in, i)
		}
	}
	if in == nil {
		in = []int{rapid.IntRange(0, n-1).Draw(t, "one")}
	}
	return in
}

func TestGeneralisationInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ni, nj, nk := rapid.IntRange(1, 4).Draw(t, "I"), rapid.IntRange(1, 4).Draw(t, "J"), rapid.IntRange(1, 4).Draw(t, "K")
		x := NewTensor(ni, nj, nk)
		p := map[[3]int]float64{}
		one := false
		for i := range ni {
			for j := range nj {
				for k := range nk {
					v := share(t)
					p[[3]int{i, j, k}] = v
					one = one || v == 1
					x.Set(i, j, k, v, 1)
				}
			}
		}
		i, j, k := some(t, ni), some(t, nj), some(t, nk)
		got := x.General(i, j, k)
		direct, steps := 1.0, 1.0
		var all []float64
		for _, a := range i {
			inner := 1.0 // generalised by k, then by j, then by i
			for _, b := range j {
				line := 1.0
				for _, c := range k {
					direct *= 1 - p[[3]int{a, b, c}]
					line *= 1 - p[[3]int{a, b, c}]
					all = append(all, p[[3]int{a, b, c}])
				}
				inner *= line
			}
			steps *= inner
		}
		near(t, "direct", got, 1-direct, 1e-12)
		near(t, "by steps", got, 1-steps, 1e-12)
		band := Frechet(all...)
		if got < band.Lo-1e-12 || got > band.Hi+1e-12 || got < 0 || got > 1 {
			t.Fatalf("%v is not within %+v", got, band)
		}
		full := x.General(nil, nil, nil)
		if full < got-1e-12 {
			t.Fatalf("the whole %v is less than a part %v", full, got)
		}
		if one && full != 1 {
			t.Fatalf("one combination is certain, the whole is %v", full)
		}
		slices.Reverse(i)
		slices.Reverse(k)
		near(t, "another order", x.General(i, j, k), got, 1e-12)
		by := x.By()
		for _, list := range [][]float64{by.Component, by.Channel, by.Violator} {
			if slices.Max(list) > full+1e-12 {
				t.Fatalf("extremal %v, the whole %v", slices.Max(list), full)
			}
		}
		near(t, "of components", Any(by.Component...), full, 1e-12)
	})
}

func TestSmallProbabilitiesAreKept(t *testing.T) {
	near(t, "a billion of 1e-20", Repeat(1e-20, 1_000_000_000)/1e-11, 1, 1e-9)
	if Repeat(1, 0) != 0 || Repeat(0.5, 0) != 0 || Repeat(1, 3) != 1 {
		t.Error("no violators do nothing, and a certain one is certain")
	}
}

func TestClasses(t *testing.T) {
	for i, c := range Classes {
		if c.Access != i/2 || c.Processing != (i%2 == 1) || c.Name == "" || c.Title == "" {
			t.Errorf("class %d is %+v", i+1, c)
		}
		for zone := 1; zone <= Zones; zone++ {
			if c.Fits(zone) != ((i < 2) == (zone < 3)) {
				t.Errorf("class %d, zone %d", i+1, zone)
			}
		}
	}
}

func TestVectorOfCopying(t *testing.T) {
	p := Party{Legal: Receipt{Get: .3, Methods: []float64{.1, .05}}, Illegal: Receipt{Get: .05, Methods: []float64{.1, .05, .4}}}
	near(t, "C legal", p.Legal.Copy(), .145, 1e-15)
	near(t, "C illegal", p.Illegal.Copy(), .487, 1e-15)
	third := Third([]Party{p})
	near(t, "third", third, 0.066790775, 5e-10)
	near(t, "copy", Copying(.01, .02, third), 0.0946004099, 5e-11)
	p.Exclusive = true
	near(t, "exclusive", p.Copies(), .3*.145+.05*.487, 1e-15)
	near(t, "affordable", Affordable(100, 50), 1-math.Exp(-2), 1e-15)
	if Affordable(0, 5) != 0 || Affordable(5, 0) != 1 {
		t.Error("who has nothing buys nothing; what is free is had")
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, cost := rapid.Float64Range(0, 1e6).Draw(t, "a"), rapid.Float64Range(0, 1e6).Draw(t, "b"), rapid.Float64Range(1, 1e6).Draw(t, "cost")
		if Affordable(min(a, b), cost) > Affordable(max(a, b), cost) {
			t.Fatal("a greater budget has less chance")
		}
		x := Party{Legal: Receipt{Get: share(t), Methods: []float64{share(t), share(t)}}, Illegal: Receipt{Get: share(t), Methods: []float64{share(t)}}}
		v := x.Copies()
		x.Legal.Methods = append(x.Legal.Methods, share(t))
		if w := x.Copies(); v < 0 || w > 1 || w < v {
			t.Fatalf("another method takes the chance from %v to %v", v, w)
		}
	})
}
