package codes_test

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"redoubt/assess/codes"
)

// best is the least number of inadmissible accesses by trying all codes of all subjects, and all of each object; -1 if no codes grant what is required.
func best(r *codes.Relation, g codes.Mechanism) int {
	least := -1
	a := make([]uint64, len(r.Subjects))
	var try func(i int)
	try = func(i int) {
		if i < len(a) {
			for c := range uint64(1) << g.N {
				a[i] = c
				try(i + 1)
			}
			return
		}
		sum := 0
		for j := range r.Objects {
			fewest := -1
			for c := range uint64(1) << g.N {
				extra, granted := 0, true
				for i := range a {
					switch yes := g.Grants(a[i], c); {
					case yes && !r.Permitted(i, j):
						extra++
					case !yes && r.Permitted(i, j):
						granted = false
					}
				}
				if granted && (fewest < 0 || extra < fewest) {
					fewest = extra
				}
			}
			if fewest < 0 {
				return
			}
			sum += fewest
		}
		if least < 0 || sum < least {
			least = sum
		}
	}
	try(0)
	return least
}

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = strconv.Itoa(i)
	}
	return out
}

// drawRelation draws any matrix, or a hierarchy.
func drawRelation(t *rapid.T, most int) *codes.Hierarchy {
	if rapid.Bool().Draw(t, "hierarchy") {
		n := rapid.IntRange(1, most).Draw(t, "nodes")
		nodes := make([]codes.Node, n)
		for i := range nodes {
			nodes[i].Name = strconv.Itoa(i)
			for j := range i {
				if rapid.IntRange(0, 2).Draw(t, "edge") == 0 {
					nodes[i].Below = append(nodes[i].Below, strconv.Itoa(j))
				}
			}
		}
		h, err := codes.FromNodes(nodes)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := codes.FromRelation(h.Relation); err != nil || !again.IsOrder() {
			t.Fatalf("a hierarchy is not seen to be one: %v", err)
		}
		return h
	}
	r := codes.NewRelation(names(rapid.IntRange(1, most).Draw(t, "subjects")), names(rapid.IntRange(1, most).Draw(t, "objects")))
	for i := range r.Subjects {
		for j := range r.Objects {
			if rapid.Bool().Draw(t, "permit") {
				r.Permit(i, j)
			}
		}
	}
	h, err := codes.FromRelation(r)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestSolveAgainstAllCodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawRelation(t, 4)
		n := rapid.IntRange(1, 2).Draw(t, "n")
		g := codes.Mechanism{Phi: codes.Phi(rapid.IntRange(0, 15).Draw(t, "phi")), N: n, M: rapid.IntRange(1, n).Draw(t, "m")}
		want := best(h.Relation, g)
		s, err := codes.Solve(context.Background(), h, g, codes.Options{Effort: .05})
		if want < 0 {
			if err == nil {
				t.Fatalf("codes for what can not be granted: %+v", s)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		d, err := codes.Measure(h.Relation, g, s.A, s.B, 100)
		if err != nil {
			t.Fatal(err)
		}
		if d.Y != s.Y || s.Y < want || s.LowerBound > want || s.Proved && s.Y != want || s.Proved != (s.Y == s.LowerBound) {
			t.Fatalf("%s, %d of %d bits: %d inadmissible accesses, counted %d, at least %d, proved %v; the least is %d (%s; %s)", g.Phi, g.M, g.N, s.Y, d.Y, s.LowerBound, s.Proved,
				want, s.Method, s.Bound)
		}
		if !s.Proved {
			t.Fatalf("%s, %d of %d bits: so small a problem is not settled: %d, at least %d (%s)", g.Phi, g.M, g.N, s.Y, s.LowerBound, s.Method)
		}
		if len(d.Pairs) != d.Y || d.Relative < 0 || d.Relative > 1 || d.Minimum > d.Absolute || d.Absolute > d.Maximum {
			t.Fatalf("degrees: %+v", d)
		}
		if low, high := slices.Min(d.ByObject), slices.Max(d.ByObject); d.Relative < low-1e-12 || d.Relative > high+1e-12 {
			t.Fatalf("the relative degree %v is not between those of the objects, %v to %v", d.Relative, low, high)
		}
		again, err := codes.Solve(context.Background(), h, g, codes.Options{Effort: .05})
		if err != nil || !cmp.Equal(s, again) {
			t.Fatalf("the second time: %v\n%s", err, cmp.Diff(s, again))
		}
	})
}

// TestComplementAndOrderOfBits: neither functions of one class nor the order of the bits change what is reached.
func TestComplementAndOrderOfBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawRelation(t, 6)
		n := rapid.IntRange(1, 4).Draw(t, "n")
		g := codes.Mechanism{Phi: codes.Phi(rapid.IntRange(1, 15).Draw(t, "phi")), N: n, M: rapid.IntRange(1, n).Draw(t, "m")}
		s, err := codes.Solve(context.Background(), h, g, codes.Options{Effort: .01})
		if err != nil {
			t.Fatal(err)
		}
		standard := g
		_, standard.Phi = g.Phi.Class()
		other, err := codes.Solve(context.Background(), h, standard, codes.Options{Effort: .01})
		if err != nil || other.Y != s.Y || other.LowerBound != s.LowerBound {
			t.Fatalf("%s has %d inadmissible accesses, %s of its class %d (%v)", g.Phi, s.Y, standard.Phi, other.Y, err)
		}
		order := rapid.Permutation(slices.Collect(func(yield func(int) bool) {
			for k := 0; k < n && yield(k); k++ {
			}
		})).Draw(t, "order")
		d, err := codes.Measure(h.Relation, g, shuffled(s.A, order), shuffled(s.B, order), 0)
		if err != nil || d.Y != s.Y {
			t.Fatalf("with the bits in the order %v: %v, %+v, before %d", order, err, d, s.Y)
		}
	})
}

func shuffled(all []uint64, order []int) []uint64 {
	out := make([]uint64, len(all))
	for i, c := range all {
		for to, from := range order {
			out[i] |= c >> from & 1 << to
		}
	}
	return out
}

func TestMoreBitsNeverProtectLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawRelation(t, 5)
		phi := rapid.SampledFrom([]codes.Phi{codes.Subset, codes.And}).Draw(t, "phi")
		before := -1
		for n := 1; n <= 4; n++ {
			s, err := codes.Solve(context.Background(), h, codes.Mechanism{Phi: phi, N: n, M: codes.DefaultM(phi, n)}, codes.Options{Effort: .1})
			if err != nil {
				t.Fatal(err)
			}
			if !s.Proved {
				return
			}
			if before >= 0 && s.Y > before {
				t.Fatalf("%d inadmissible accesses with %d bits, %d with one fewer", s.Y, n, before)
			}
			before = s.Y
		}
	})
}

func TestDesignAgainstAllLengths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawRelation(t, 4)
		w := codes.Wish{
			Phi: rapid.SampledFrom([]codes.Phi{codes.Subset, codes.And, codes.Xnor}).Draw(t, "phi"), MaxN: 2, Options: codes.Options{Effort: .05},
			AtLeast: rapid.SampledFrom([]float64{0, .3, .5, .75, .9, 1}).Draw(t, "degree"), Degree: rapid.SampledFrom([]codes.Degree{codes.Relative, codes.Absolute}).Draw(t, "measure"),
		}
		p, err := codes.Design(context.Background(), h, w)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for n := 1; n <= w.MaxN && want == 0; n++ {
			y := best(h.Relation, codes.Mechanism{Phi: w.Phi, N: n, M: codes.DefaultM(w.Phi, n)})
			forbidden := 0
			for i := range h.Subjects {
				for j := range h.Objects {
					if !h.Permitted(i, j) {
						forbidden++
					}
				}
			}
			degree := float64(len(h.Objects)) / float64(len(h.Objects)+y)
			if w.Degree == codes.Relative {
				degree = 1
				if forbidden > 0 {
					degree = 1 - float64(y)/float64(forbidden)
				}
			}
			if degree >= w.AtLeast-1e-12 {
				want = n
			}
		}
		if p.Reached != (want > 0) || want > 0 && (p.Mechanism.N != want || p.Fewest > want) || p.Least && p.Mechanism.N != want {
			t.Fatalf("%+v: %d bits, reached %v, least %v, not fewer than %d; by all codes %d", w, p.Mechanism.N, p.Reached, p.Least, p.Fewest, want)
		}
	})
}

func TestRingAgainstAllCodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := rapid.IntRange(1, 4).Draw(t, "levels")
		ring := codes.Ring{}
		for range u {
			ring.Subjects = append(ring.Subjects, rapid.IntRange(1, 2).Draw(t, "subjects"))
			ring.Objects = append(ring.Objects, rapid.IntRange(1, 3).Draw(t, "objects"))
		}
		h, err := codes.FromRing(ring)
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(1, 2).Draw(t, "n")
		if len(h.Subjects) > 6 {
			n = 1
		}
		g := codes.Mechanism{Phi: rapid.SampledFrom([]codes.Phi{codes.Subset, codes.And, codes.Xnor}).Draw(t, "phi"), N: n, M: rapid.IntRange(1, n).Draw(t, "m")}
		s, err := codes.Solve(context.Background(), h, g, codes.Options{Effort: .05})
		if err != nil {
			t.Fatal(err)
		}
		if want := best(h.Relation, g); s.Y != want || s.LowerBound > want {
			t.Fatalf("%+v, %s with %d of %d bits: %d inadmissible accesses, at least %d (%s), by all codes %d", ring, g.Phi, g.M, g.N, s.Y, s.LowerBound, s.Method, want)
		}
	})
}

// TestPlainRings: the least of a ring with one subject and one object a level is Turán's number for the level of linear hierarchy.
func TestPlainRings(t *testing.T) {
	for _, phi := range []codes.Phi{codes.Subset, codes.And, codes.Xnor} {
		for n := 1; n <= 5; n++ {
			for m := 1; m <= n; m++ {
				g := codes.Mechanism{Phi: phi, N: n, M: m}
				l, err := codes.LevelOf(g)
				if err != nil {
					t.Fatal(err)
				}
				for u := 1; u <= 15; u++ {
					h, err := codes.PlainRing(u)
					if err != nil {
						t.Fatal(err)
					}
					d := min(l.Low, u)
					q, r := u/d, u%d
					want := r*q*(q+1)/2 + (d-r)*q*(q-1)/2
					s, err := codes.Solve(context.Background(), h, g, codes.Options{})
					if err != nil || s.Y != want || !s.Proved {
						t.Errorf("%d levels, %s with %d of %d bits: %+v, %v, want %d, proved", u, phi, m, n, s, err, want)
					}
					if exact := u <= 3 && n <= 2; exact && best(h.Relation, g) != want {
						t.Errorf("%d levels, %s with %d of %d bits: %d by all codes, %d by the formula", u, phi, m, n, best(h.Relation, g), want)
					}
				}
			}
		}
	}
}

func TestLargeHierarchies(t *testing.T) {
	nodes := make([]codes.Node, 400)
	for i := range nodes {
		nodes[i].Name = strconv.Itoa(i)
		for _, j := range []int{2*i + 1, 3*i + 1, 2*i + 2} {
			if j < len(nodes) && !slices.Contains(nodes[i].Below, strconv.Itoa(j)) {
				nodes[i].Below = append(nodes[i].Below, strconv.Itoa(j))
			}
		}
	}
	h, err := codes.FromNodes(nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []codes.Mechanism{{Phi: codes.Subset, N: 6, M: 6}, {Phi: codes.Subset, N: 64, M: 64}, {Phi: codes.Subset, N: 6, M: 4}, {Phi: codes.And, N: 8, M: 1}, {Phi: codes.And, N: 64, M: 2},
		{Phi: codes.Xnor, N: 3, M: 3}, {Phi: codes.Xnor, N: 5, M: 2}} {
		s, err := codes.Solve(context.Background(), h, g, codes.Options{Effort: .2})
		if err != nil {
			t.Fatal(err)
		}
		d, err := codes.Measure(h.Relation, g, s.A, s.B, 3)
		if err != nil || d.Y != s.Y || s.LowerBound > s.Y || len(d.Pairs) > 3 {
			t.Errorf("%+v: %v, %d and %d inadmissible accesses, at least %d", g, err, s.Y, d.Y, s.LowerBound)
		}
	}
}

func BenchmarkThousandNodes(b *testing.B) {
	tree, err := codes.FromTree(10)
	if err != nil {
		b.Fatal(err)
	}
	ring, err := codes.PlainRing(1000)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		h    *codes.Hierarchy
		n    int
	}{{"ring", ring, 16}, {"tree", tree, 10}, {"tree", tree, 18}} {
		b.Run(fmt.Sprintf("%s/%d", c.name, c.n), func(b *testing.B) {
			for b.Loop() {
				s, err := codes.Solve(context.Background(), c.h, codes.Mechanism{Phi: codes.Subset, N: c.n, M: c.n}, codes.Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(s.Y), "inadmissible")
			}
		})
	}
}

// TestSperner: the codes of an antichain by the subset rule are sets none of which holds another.
func TestSperner(t *testing.T) {
	r := codes.NewRelation(names(6), names(6))
	for i := range 6 {
		r.Permit(i, i)
	}
	h, err := codes.FromRelation(r)
	if err != nil {
		t.Fatal(err)
	}
	s, err := codes.Solve(context.Background(), h, codes.Mechanism{Phi: codes.Subset, N: 4, M: 4}, codes.Options{})
	if err != nil || s.Y != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	for i, a := range s.A {
		if bits.OnesCount64(a) != 2 {
			t.Errorf("code %d is %s; six codes of four bits none of which holds another have two ones each", i, codes.Format(a, 4))
		}
	}
}
