package codes

import (
	"math"
	"math/rand/v2"
	"slices"
)

// ideals are codes of a hierarchy by the subset rule with m = n, as the ideals that the bits are (H.ideals): bit k blocks what is in ideal k from what is not. They are improved one at a time: of the
// forbidden accesses that the others leave, as many as an ideal can block. A move costs as much as reading four sets, where one that changes codes costs as much as there are accesses.
type ideals struct {
	r              *Relation
	below, above   []set // by node, without itself
	rows, columns  []set // forbidden accesses by subject, and by object
	free, freeCols []set // of these, what all ideals but one leave
	all            []set // by bit
	rank           []int // of the nodes, each after all below it
	with           []int // nodes of a move
	more           set
}

func newIdeals(r *Relation, n int) *ideals {
	s := &ideals{r: r, below: make([]set, len(r.permit)), above: r.wanted(), all: make([]set, n)}
	for i, row := range r.permit {
		s.below[i] = row.clone()
		s.below[i].remove(i)
		s.above[i].remove(i)
		s.rows, s.columns = append(s.rows, fullSet(len(r.permit))), append(s.columns, fullSet(len(r.permit)))
		s.rows[i].less(row)
	}
	for j, column := range r.wanted() {
		s.columns[j].less(column)
	}
	s.free, s.freeCols = clones(s.rows), clones(s.columns)
	for k := range s.all {
		s.all[k] = newSet(len(r.permit))
	}
	s.rank, s.more = make([]int, len(r.permit)), newSet(len(r.permit))
	for at, i := range r.rising() {
		s.rank[i] = at
	}
	return s
}

func clones(all []set) []set {
	out := make([]set, len(all))
	for i, x := range all {
		out[i] = x.clone()
	}
	return out
}

// without computes what all ideals but one leave.
func (s *ideals) without(but int) {
	for i := range s.free {
		copy(s.free[i], s.rows[i])
		copy(s.freeCols[i], s.columns[i])
		for k, d := range s.all {
			switch {
			case k == but:
			case d.has(i):
				s.free[i].and(d)
			default:
				s.freeCols[i].less(d)
			}
		}
	}
}

// blocks is how many of the free accesses an ideal blocks.
func (s *ideals) blocks(d set) int {
	n := 0
	d.each(func(i int) { n += s.free[i].countLess(d) })
	return n
}

// flip lets a node enter an ideal or leave it, and tells what that adds to what it blocks.
func (s *ideals) flip(d set, i int) (gain int) {
	if d.has(i) {
		gain = s.freeCols[i].countAnd(d) - s.free[i].countLess(d)
		d.remove(i)
		return gain
	}
	gain = s.free[i].countLess(d) - s.freeCols[i].countAnd(d)
	d.add(i)
	return gain
}

const mostTogether = 32 // nodes that a move takes along so that an ideal stays one

// improve makes random moves from an ideal, fewer and fewer of those that block less, and gives the best ideal that it met.
func (s *ideals) improve(rng *rand.Rand, d set, moves int, hot float64, stop func(done float64) bool) (best set, blocks int) {
	d = d.clone()
	now := s.blocks(d)
	best, blocks = d.clone(), now
	const cold = 0.3
	for move := range moves {
		if move%65536 == 65535 && stop(float64(move)/float64(moves)) {
			break
		}
		i := rng.IntN(len(s.free))
		in := d.has(i)
		s.with = append(s.with[:0], i)
		if in { // what is above it leaves before it, what is below it enters before it
			copy(s.more, s.above[i])
			s.more.and(d)
		} else {
			copy(s.more, s.below[i])
			s.more.less(d)
		}
		if n := s.more.count(); n > mostTogether {
			continue
		} else if n > 0 {
			s.more.each(func(j int) { s.with = append(s.with, j) })
			slices.SortFunc(s.with, func(a, b int) int { return s.rank[a] - s.rank[b] })
			if in {
				slices.Reverse(s.with)
			}
		}
		gain := 0
		for _, j := range s.with {
			gain += s.flip(d, j)
		}
		if gain < 0 && rng.Float64() >= math.Exp(float64(gain)/(hot*math.Pow(cold/hot, float64(move)/float64(moves)))) {
			for _, j := range s.with {
				if in {
					d.add(j)
				} else {
					d.remove(j)
				}
			}
			continue
		}
		if now += gain; now > blocks {
			blocks = now
			copy(best, d)
		}
	}
	return best, blocks
}

// rounds improves each ideal in turn, from what it is, until a round changes nothing or the moves are used up. With afresh the first round begins from nothing.
func (s *ideals) rounds(rng *rand.Rand, moves int64, afresh bool, stop func(done float64) bool) {
	each := int(max(2000, moves/int64(6*len(s.all))))
	hot := math.Max(1, float64(len(s.free))/8)
	for round := range 6 {
		changed := false
		for k := range s.all {
			begun, part := float64(round*len(s.all)+k), float64(6*len(s.all))
			told := func(done float64) bool { return stop((begun + done) / part) }
			if told(0) {
				return
			}
			s.without(k)
			before := s.blocks(s.all[k])
			if best, blocks := s.improve(rng, s.all[k], each, hot, told); blocks > before {
				s.all[k], changed = best, true
			}
		}
		if !changed && (round > 0 || !afresh) {
			return
		}
		hot = math.Max(1, hot/2)
	}
}

// y is how many forbidden accesses are left.
func (s *ideals) y() int {
	s.without(-1)
	n := 0
	for _, x := range s.free {
		n += x.count()
	}
	return n
}

// codes are those of the subjects.
func (s *ideals) codes() []uint64 {
	out := make([]uint64, len(s.free))
	for i := range out {
		for k, d := range s.all {
			if !d.has(i) {
				out[i] |= 1 << k
			}
		}
	}
	return out
}

// ladder takes for the ideals what stands before n cuts of an order of the nodes in which each comes after all below it, where as few forbidden accesses as possible are within the parts.
func (s *ideals) ladder(rising []int) {
	n, cuts := len(rising), min(len(s.all), len(rising)-1)
	sums := make([][]int32, n+1) // of forbidden accesses between the first of the order
	sums[0] = make([]int32, n+1)
	for p, i := range rising {
		sums[p+1] = make([]int32, n+1)
		row := int32(0)
		for q, j := range rising {
			if s.rows[i].has(j) {
				row++
			}
			sums[p+1][q+1] = sums[p][q+1] + row
		}
	}
	cost := func(a, b int) int { return int(sums[b][b] - sums[a][b] - sums[b][a] + sums[a][a]) }
	best := make([]int, n+1)
	for b := range best {
		best[b] = cost(0, b)
	}
	from := make([][]int32, cuts)
	for k := range from {
		next := make([]int, n+1)
		from[k] = make([]int32, n+1)
		// Where the last part best begins does not move back as the end moves on, since costs are sums over pairs.
		var fill func(lo, hi, first, last int)
		fill = func(lo, hi, first, last int) {
			if lo > hi {
				return
			}
			b := (lo + hi) / 2
			next[b] = math.MaxInt
			for a := first; a <= min(b, last); a++ {
				if c := best[a] + cost(a, b); c < next[b] {
					next[b], from[k][b] = c, int32(a)
				}
			}
			fill(lo, b-1, first, int(from[k][b]))
			fill(b+1, hi, int(from[k][b]), last)
		}
		fill(0, n, 0, n)
		best = next
	}
	for k := range s.all {
		clear(s.all[k])
	}
	end := n
	for k := cuts - 1; k >= 0; k-- {
		end = int(from[k][end])
		for _, i := range rising[:end] {
			s.all[k].add(i)
		}
	}
}

// byIdeals looks for codes of a hierarchy among its ideals: from a ladder along an order of all nodes, and from nothing.
func (s *solver) byIdeals() []uint64 {
	r := s.h.Relation
	moves := s.o.ops() / int64(4*len(newSet(len(r.permit)))+40) / 2
	var best []uint64
	least := math.MaxInt
	for at, order := range [][]int{bySize(r), r.branches(s.rng, true), nil} {
		x := newIdeals(r, s.g.N)
		if order != nil {
			x.ladder(order)
		}
		x.rounds(s.rng, moves/3, order == nil, s.between(0.1*float64(at), 0.1*float64(at+1)))
		if y := x.y(); y < least {
			least, best = y, x.codes()
		}
	}
	return best
}

// bySize are the nodes of a hierarchy by how many are below them.
func bySize(r *Relation) []int {
	size, rank, out := make([]int, len(r.permit)), make([]int, len(r.permit)), make([]int, len(r.permit))
	for i, row := range r.permit {
		size[i], rank[i], out[i] = -row.count(), i, i
	}
	r.sortBySize(out, size, rank)
	return out
}
