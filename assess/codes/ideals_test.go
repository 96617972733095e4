package codes

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestIdealsCountRight: what moves say that they block is what is blocked, ideals stay ideals, the codes that come of them have as many inadmissible accesses as is said, and improving makes nothing worse.
func TestIdealsCountRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawOrder(t, 12)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		x := newIdeals(r, rapid.IntRange(1, 5).Draw(t, "bits"))
		for k := range x.all {
			x.without(k)
			before := x.blocks(x.all[k])
			best, blocks := x.improve(rng, x.all[k], 50, 2, func(float64) bool { return false })
			if blocks < before || blocks != x.blocks(best) {
				t.Fatalf("%d said, %d before, %d really", blocks, before, x.blocks(best))
			}
			left := 0
			x.without(-1)
			for _, s := range x.free {
				left += s.count()
			}
			x.all[k] = best
			if y := x.y(); y != left-blocks {
				t.Fatalf("%d accesses are left, not %d - %d", y, left, blocks)
			}
			best.each(func(i int) {
				if !x.below[i].within(best) {
					t.Fatalf("%v is no ideal", best)
				}
			})
		}
		was := x.y()
		x.rounds(rng, 3000, false, func(float64) bool { return false })
		b := newBlocking(r, len(x.all))
		b.load(x.codes())
		if y := x.y(); y > was || b.y != y {
			t.Fatalf("%d after %d, and %d by the codes", y, was, b.y)
		}
	})
}

// TestLadderIsTheBest holds the cuts of an order against all others.
func TestLadderIsTheBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawOrder(t, 8)
		n := len(r.permit)
		x := newIdeals(r, rapid.IntRange(1, 4).Draw(t, "bits"))
		order := bySize(r)
		x.ladder(order)
		least := math.MaxInt
		var cut func(from, cuts, y int)
		cut = func(from, cuts, y int) {
			for to := from; to <= n; to++ {
				in := 0
				for _, i := range order[from:to] {
					for _, j := range order[from:to] {
						if !r.permit[i].has(j) {
							in++
						}
					}
				}
				switch {
				case to == n:
					least = min(least, y+in)
				case cuts > 0:
					cut(to, cuts-1, y+in)
				}
			}
		}
		cut(0, min(len(x.all), n-1), 0)
		within := 0 // accesses that the ladder leaves, but for those upwards between its parts that are none of a chain
		for i := range n {
			for j := range n {
				same := true
				for _, d := range x.all {
					same = same && d.has(i) == d.has(j)
				}
				if same && !r.permit[i].has(j) {
					within++
				}
			}
		}
		if within != least {
			t.Fatalf("%d accesses within the parts, %d can be", within, least)
		}
	})
}

// TestNearlyLinear: in a hierarchy that is nearly a chain codes and bound are near each other; without ladders the codes had twice as many accesses, and without the bound over nodes that are not all
// above one another that was a third.
func TestNearlyLinear(t *testing.T) {
	nodes := make([]Node, 300)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range nodes {
		nodes[i].Name = strconv.Itoa(i)
		for j := range i {
			if rng.IntN(2) == 0 {
				nodes[i].Below = append(nodes[i].Below, nodes[j].Name)
			}
		}
	}
	h, err := FromNodes(nodes)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Solve(t.Context(), h, Mechanism{Phi: Subset, N: 8, M: 8}, Options{Effort: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	if float64(s.Y) > 1.3*float64(s.LowerBound) || s.Y < s.LowerBound {
		t.Errorf("%d accesses, at least %d (%s)", s.Y, s.LowerBound, s.Bound)
	}
}
