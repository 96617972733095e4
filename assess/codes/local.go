package codes

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// blocking is codes by the subset rule with m = n that are being improved: bit k of a subject's code is 0 if it belongs to block k, and bit k of an object's code is
// 1 if no subject of block k requires it. So no required access is ever denied.
type blocking struct {
	r       *Relation
	n       int
	wanted  []set
	a, b    []uint64
	require [][]int32 // by bit and object: how many subjects of the block require it
	y       int
	limit   int   // of the objects that change by a toggle
	changed []int // objects, by the last toggle
	last    int   // change of y by it
}

// changeable is how many objects' codes a random move may change: one where a hierarchy stays a set of ideals; more where moves are cheap.
func changeable(subjects int) int { return max(2, 4096/subjects) }

const mostChanged = 24 // the same for the moves of the greedy choice, which are fewer

func newBlocking(r *Relation, n int) *blocking {
	s := &blocking{r: r, n: n, wanted: r.wanted(), a: make([]uint64, len(r.Subjects)), b: make([]uint64, len(r.Objects)), require: make([][]int32, n)}
	for k := range s.require {
		s.require[k] = make([]int32, len(r.Objects))
	}
	mask := Mechanism{N: n}.mask()
	for i := range s.a {
		s.a[i] = mask
	}
	for j := range s.b {
		s.b[j] = mask
	}
	s.y = r.forbidden() - s.blocked()
	return s
}

// load takes the blocks of given codes of the subjects.
func (s *blocking) load(a []uint64) {
	mask := Mechanism{N: s.n}.mask()
	copy(s.a, a)
	for j := range s.b {
		s.b[j] = mask
	}
	for k := range s.require {
		clear(s.require[k])
		for i := range s.a {
			if s.a[i]>>k&1 == 0 {
				s.r.permit[i].each(func(j int) {
					s.require[k][j]++
					s.b[j] &^= 1 << k
				})
			}
		}
	}
	s.y = s.r.forbidden() - s.blocked()
}

func (s *blocking) blocked() int {
	n := 0
	for _, a := range s.a {
		for _, b := range s.b {
			if b&^a != 0 {
				n++
			}
		}
	}
	return n
}

// toggle moves subject i into block k or out of it and returns the change of y; too large a move is undone and not made.
func (s *blocking) toggle(i, k int) (delta int, ok bool) {
	bit := uint64(1) << k
	in := s.a[i]&bit == 0
	s.changed = s.changed[:0]
	edge, step := int32(0), int32(1) // entering: objects required by nobody before
	if in {
		edge, step = 1, -1 // leaving: objects required by this one alone
	}
	s.r.permit[i].each(func(j int) {
		if s.require[k][j] == edge {
			s.changed = append(s.changed, j)
		}
	})
	if len(s.changed) > s.limit {
		return 0, false
	}
	before := s.touched(i)
	s.move(i, k, step)
	s.last = s.touched(i) - before
	s.y += s.last
	return s.last, true
}

// move changes the codes, without counting.
func (s *blocking) move(i, k int, step int32) {
	s.r.permit[i].each(func(j int) { s.require[k][j] += step })
	bit := uint64(1) << k
	s.a[i] ^= bit
	for _, j := range s.changed {
		s.b[j] ^= bit
	}
}

// undo takes the last toggle back.
func (s *blocking) undo(i, k int) {
	step := int32(-1) // it entered
	if s.a[i]>>k&1 != 0 {
		step = 1
	}
	s.move(i, k, step)
	s.y -= s.last
}

// touched is how many accesses are granted by subject i, or to the objects that change.
func (s *blocking) touched(i int) int {
	n := 0
	mine := s.a[i]
	for _, b := range s.b {
		if b&^mine == 0 {
			n++
		}
	}
	for _, j := range s.changed {
		b := s.b[j]
		for _, a := range s.a {
			if b&^a == 0 {
				n++
			}
		}
		if b&^mine == 0 { // counted above
			n--
		}
	}
	return n
}

// tighten gives each subject the smallest code that its required objects allow; it may take accesses away and never adds one.
func (s *blocking) tighten() {
	for i := range s.a {
		var a uint64
		s.r.permit[i].each(func(j int) { a |= s.b[j] })
		s.a[i] = a
	}
	s.load(s.a)
}

// greedy chooses one block after the other: from none of the subjects, those whose entering or leaving takes accesses away, in orders in which whole branches stay
// together, until nothing changes; the best of some orders.
func (s *blocking) greedy(rng *rand.Rand, orders int) {
	s.limit = max(mostChanged, changeable(len(s.a)))
	passes := 8
	if len(s.a) > 200 {
		orders, passes = 1, 4
	}
	for k := range s.n {
		bestY, best := math.MaxInt, []uint64(nil)
		start := append([]uint64(nil), s.a...)
		for try := range orders {
			if try > 0 {
				s.load(start)
			}
			order := s.r.branches(rng, try == 0)
			for range passes {
				if !s.pass(order, k) {
					break
				}
			}
			if s.y < bestY {
				bestY, best = s.y, append(best[:0], s.a...)
			}
		}
		s.load(best)
	}
}

// pass tries each subject once with one block and reports whether anything got better.
func (s *blocking) pass(order []int, k int) bool {
	better := false
	for _, i := range order {
		delta, ok := s.toggle(i, k)
		switch {
		case ok && delta < 0:
			better = true
		case ok:
			s.undo(i, k)
		}
	}
	return better
}

// anneal makes random moves, fewer and fewer of those that add accesses, and ends with the best codes that it met.
func (s *blocking) anneal(rng *rand.Rand, moves int, stop func(done float64) bool) {
	best, bestY := append([]uint64(nil), s.a...), s.y
	s.limit = changeable(len(s.a))
	hot, cold := math.Max(1, float64(len(s.a))/16), 0.2
	for move := 0; move < moves && bestY > 0; move++ {
		if move%4096 == 0 && stop(float64(move)/float64(moves)) {
			break
		}
		temperature := hot * math.Pow(cold/hot, float64(move)/float64(moves))
		i, k := rng.IntN(len(s.a)), rng.IntN(s.n)
		delta, ok := s.toggle(i, k)
		if ok && delta > 0 && rng.Float64() >= math.Exp(-float64(delta)/temperature) {
			s.undo(i, k)
		}
		if s.y < bestY {
			bestY = s.y
			copy(best, s.a)
		}
	}
	s.load(best)
	for range 8 {
		before := s.y
		order := s.r.branches(rng, false)
		for k := range s.n {
			s.pass(order, k)
		}
		if s.y == before {
			break
		}
	}
}

// branches is an order of the subjects in which, in a hierarchy, each node comes after all below it and what is below a node stays together: by depth first from the
// top, in a random order of the branches unless it is to be plain. In other relations it is any order.
func (r *Relation) branches(rng *rand.Rand, plain bool) []int {
	roots := rng.Perm(len(r.permit))
	if plain {
		for i := range roots {
			roots[i] = i
		}
	}
	if !r.order {
		return roots
	}
	// The nodes with most below them first; among those below one of them the same again.
	size := make([]int, len(r.permit))
	for i, row := range r.permit {
		size[i] = row.count()
	}
	seen := newSet(len(r.permit))
	var out []int
	var visit func(i int)
	visit = func(i int) {
		seen.add(i)
		var below []int
		r.permit[i].each(func(j int) {
			if j != i && !seen.has(j) {
				below = append(below, j)
			}
		})
		r.sortBySize(below, size, roots)
		for _, j := range below {
			if !seen.has(j) {
				visit(j)
			}
		}
		out = append(out, i)
	}
	all := append([]int(nil), roots...)
	r.sortBySize(all, size, roots)
	for _, i := range all {
		if !seen.has(i) {
			visit(i)
		}
	}
	return out
}

// sortBySize puts nodes with more below them first; equal ones in the order of rank.
func (r *Relation) sortBySize(nodes, size, rank []int) {
	slices.SortFunc(nodes, func(i, j int) int { return cmp.Or(cmp.Compare(size[j], size[i]), cmp.Compare(rank[i], rank[j])) })
}
