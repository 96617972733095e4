package codes

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// drawOrder draws a hierarchy.
func drawOrder(t *rapid.T, most int) *Relation {
	nodes := make([]Node, rapid.IntRange(1, most).Draw(t, "nodes"))
	for i := range nodes {
		nodes[i].Name = string(rune('a' + i))
		for j := range i {
			if rapid.IntRange(0, 2).Draw(t, "edge") == 0 {
				nodes[i].Below = append(nodes[i].Below, nodes[j].Name)
			}
		}
	}
	r, err := relationOf(nodes)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWidthAndHeightAgainstAllSubsets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawOrder(t, 9)
		n := len(r.permit)
		width, height := 0, 0
		for s := range 1 << n {
			anti, chain := true, true
			for i := range n {
				for j := range i {
					if s>>i&1 != 0 && s>>j&1 != 0 {
						above := r.Permitted(i, j) || r.Permitted(j, i)
						anti, chain = anti && !above, chain && above
					}
				}
			}
			if size := bits.OnesCount(uint(s)); anti {
				width = max(width, size)
			} else if chain {
				height = max(height, size)
			}
		}
		height = max(height, 1)
		x := r.shapeOf()
		if x.width != width || x.height != height {
			t.Fatalf("width %d and height %d, by all subsets %d and %d", x.width, x.height, width, height)
		}
	})
}

func TestMovesCountRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawOrder(t, 9)
		n := rapid.IntRange(1, 4).Draw(t, "n")
		s := newBlocking(r, n)
		s.limit = 64
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for range 30 {
			i, k := rng.IntN(len(s.a)), rng.IntN(n)
			before := s.y
			delta, ok := s.toggle(i, k)
			if ok && rng.IntN(3) == 0 {
				s.undo(i, k)
				delta = 0
			}
			if fresh := r.forbidden() - s.blocked(); s.y != fresh || ok && s.y != before+delta {
				t.Fatalf("%d by the moves, %d counted", s.y, fresh)
			}
			d, err := Measure(r, Mechanism{Phi: Subset, N: n, M: n}, s.a, s.b, 0)
			if err != nil || d.Y != s.y {
				t.Fatalf("%v, %d by the mechanism, %d by the moves", err, d.Y, s.y)
			}
		}
		before := s.y
		s.tighten()
		if s.y > before {
			t.Fatalf("smaller codes of the subjects grant %d inadmissible accesses, before %d", s.y, before)
		}
	})
}

// TestColouringAgainstAllCodes: as many bits as the colouring says are enough, and one fewer is not.
func TestColouringAgainstAllCodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawOrder(t, 5)
		and := rapid.Bool().Draw(t, "and")
		x, err := minimumBits(context.Background(), r, and, 1e7)
		if err != nil || !x.Found || x.Low != x.High {
			t.Fatalf("%+v, %v", x, err)
		}
		for n := 1; n <= min(x.High, 3); n++ {
			g := Mechanism{Phi: Subset, N: n, M: n}
			if and {
				g = Mechanism{Phi: And, N: n, M: 1}
			}
			e := &exact{ctx: context.Background(), r: r, g: g}
			complete, err := e.search(r.forbidden()+1, 1<<40)
			if err != nil || !complete || (e.best == 0) != (n >= x.High) {
				t.Fatalf("%d bits have %d inadmissible accesses (%v, %v); the colouring needs %d", n, e.best, complete, err, x.High)
			}
		}
	})
}

// TestSearchesAgree: branch and bound over blocks, and over codes, find the same.
func TestSearchesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawOrder(t, 6)
		n := rapid.IntRange(1, 2).Draw(t, "n")
		blocks, err := blocksOf(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		c := &cover{ctx: context.Background(), blocks: blocks}
		one, err1 := c.search(n, 0, 1<<40)
		e := &exact{ctx: context.Background(), r: r, g: Mechanism{Phi: Subset, N: n, M: n}}
		two, err2 := e.search(r.forbidden()+1, 1<<40)
		if !one || !two || err1 != nil || err2 != nil || r.forbidden()-c.best != e.best {
			t.Fatalf("%d over blocks (%v, %v), %d over codes (%v, %v)", r.forbidden()-c.best, one, err1, e.best, two, err2)
		}
	})
}

func TestBlockingsOfAMatrix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewRelation(make([]string, rapid.IntRange(1, 4).Draw(t, "subjects")), make([]string, rapid.IntRange(1, 4).Draw(t, "objects")))
		for i := range r.Subjects {
			for j := range r.Objects {
				if rapid.Bool().Draw(t, "permit") {
					r.Permit(i, j)
				}
			}
		}
		blocks, err := blocksOf(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		// Every rectangle of forbidden pairs lies within a block.
		for s := range 1 << len(r.Subjects) {
			for o := range 1 << len(r.Objects) {
				free, size := true, 0
				for i := range r.Subjects {
					for j := range r.Objects {
						if s>>i&1 != 0 && o>>j&1 != 0 {
							free = free && !r.Permitted(i, j)
							size++
						}
					}
				}
				if !free || size == 0 {
					continue
				}
				within := false
				for _, b := range blocks {
					within = within || uint64(s)&^b.subjects[0] == 0 && uint64(o)&^b.objects[0] == 0
				}
				if !within {
					t.Fatalf("subjects %b and objects %b are in no block", s, o)
				}
			}
		}
	})
}
