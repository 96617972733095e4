package overlap

import (
	"container/heap"
	"context"
	"math"
	"slices"
)

// slack is how far sums of -ln(1-r) may be off; within it the edge itself is looked at.
const slack = 1e-8

// The states of a means in the search.
const (
	free int8 = iota
	taken
	barred
)

// change is a means that was set, and what was spent before.
type change struct {
	mean  int32
	spent float64
}

// entry is a means in a row, or a row of a means, with the amount.
type entry struct {
	at int32
	a  float64
}

// solver finds the cheapest set for rows that hang together. Means are numbered anew from 0.
type solver struct {
	ctx   context.Context
	p     *Problem
	means []int     // the problem's number of each means
	cost  []float64 // by means
	rows  [][]entry // means of each row
	cols  [][]entry // rows of each means
	edge  []int     // of each row
	exact []bool    // of the problem's means: those that are in. Only where strengths combine

	state  []int8
	need   []float64 // by row: what is missing
	first  []float64 // by row: what was missing at the start
	avail  []float64 // by row: what free means could add
	trail  []change  // in the order of time
	spent  float64   // cost of the means taken
	active []int32   // rows that are not satisfied, as of the last look

	best        []int8
	upper       float64
	unit        float64 // every cost is a multiple of it; 0: unknown
	scale       int     // costs are those of the problem times 2^-scale
	work        float64
	limit       float64
	nodes       int
	charge      float64 // work of one means in one row; amounts are dearer than ones
	looked      float64 // the work at which the context is looked at next
	err         error
	reduced     []float64 // by means: reduced cost at the multipliers of the last bound
	weight      []float64 // by means: how often the dual takes it, smoothed
	slope       []float64 // by row
	x           []float64 // by means: 1 for what the dual takes
	left        view
	bestU       []float64 // the best multipliers of a bound, and the reduced costs that belong to them
	bestReduced []float64
}

func newSolver(ctx context.Context, p *Problem, part []row, in, keep []bool, limit float64) *solver {
	s := &solver{ctx: ctx, p: p, limit: limit, charge: 1}
	index := map[int32]int32{}
	for _, r := range part {
		for _, m := range r.cols {
			if _, ok := index[m]; !ok {
				index[m] = 0
				s.means = append(s.means, int(m))
			}
		}
	}
	slices.Sort(s.means)
	for i, m := range s.means {
		index[int32(m)] = int32(i)
		s.cost = append(s.cost, p.Costs[m])
	}
	count := make([]int, len(s.means))
	for _, r := range part {
		for _, m := range r.cols {
			count[index[m]]++
		}
	}
	s.cols = make([][]entry, len(s.means))
	for i, n := range count {
		s.cols[i] = make([]entry, 0, n)
	}
	for i, r := range part {
		entries := make([]entry, 0, len(r.cols))
		var sum float64
		for k, m := range r.cols {
			entries = append(entries, entry{at: index[m], a: r.a[k]})
			s.cols[index[m]] = append(s.cols[index[m]], entry{at: int32(i), a: r.a[k]})
			sum += min(r.a[k], math.MaxFloat64)
		}
		s.rows, s.need, s.avail, s.edge = append(s.rows, entries), append(s.need, r.need), append(s.avail, sum), append(s.edge, r.edge)
	}
	if p.Combine {
		s.charge = 4
		s.exact = slices.Clone(in)
		for m, k := range keep {
			s.exact[m] = s.exact[m] || k
		}
	}
	n := len(s.means)
	s.state, s.reduced, s.weight, s.x = make([]int8, n), make([]float64, n), make([]float64, n), make([]float64, n)
	s.slope, s.first = make([]float64, len(s.rows)), slices.Clone(s.need)
	s.unit = granularity(s.cost)
	// Costs are scaled by a power of two, so that the dearest is about 1 and nothing overflows.
	_, s.scale = math.Frexp(slices.Max(s.cost))
	for i, c := range s.cost {
		s.cost[i] = math.Ldexp(c, -s.scale)
	}
	s.unit = math.Ldexp(s.unit, -s.scale)
	s.upper = math.Inf(1)
	return s
}

// granularity is the greatest number that all costs are a multiple of, if they are decimal fractions of at most six places; otherwise 0.
func granularity(costs []float64) float64 {
	for scale := 1.0; scale <= 1e6; scale *= 10 {
		var g int64
		whole := true
		for _, c := range costs {
			v := c * scale
			n := math.Round(v)
			if math.Abs(v-n) > 1e-9*max(1, v) || n > 1e12 {
				whole = false
				break
			}
			for a, b := g, int64(n); ; a, b = b, a%b {
				if b == 0 {
					g = a
					break
				}
			}
		}
		if whole && g > 0 {
			return float64(g) / scale
		}
	}
	return 0
}

type solved struct {
	means         []int
	bound, greedy float64
	proved        bool
}

func (s *solver) solve() (solved, error) {
	s.look()
	s.greedy(s.cost)
	first := s.upper
	u := make([]float64, len(s.rows))
	for i := range u { // each row starts with the price of its cheapest means
		u[i] = math.Inf(1)
		for _, e := range s.rows[i] {
			u[i] = min(u[i], s.cost[e.at]/float64(len(s.cols[e.at])))
		}
	}
	bound := s.search(u, rootRounds)
	if s.err != nil {
		return solved{}, s.err
	}
	for _, r := range s.rows { // whatever the search had time for: a row needs at least its cheapest means
		least := math.Inf(1)
		for _, e := range r {
			least = min(least, s.cost[e.at])
		}
		bound = max(bound, least)
	}
	if s.unit > 0 { // no set costs anything in between
		bound = math.Ceil(bound/s.unit-1e-6) * s.unit
	}
	out := solved{bound: math.Ldexp(min(bound, s.upper), s.scale), greedy: math.Ldexp(first, s.scale), proved: bound >= s.cut()}
	for m, st := range s.best {
		if st == taken {
			out.means = append(out.means, s.means[m])
		}
	}
	return out, nil
}

// cut is the cost from which on a set is no better than the best that is known.
func (s *solver) cut() float64 {
	if s.unit > 0 {
		return s.upper - s.unit*(1-1e-6)
	}
	return s.upper - 1e-9*s.upper
}

// set takes or bars a means.
func (s *solver) set(m int32, to int8) {
	s.trail = append(s.trail, change{mean: m, spent: s.spent})
	s.apply(m, to)
}

// undo takes back all that was set since a mark.
func (s *solver) undo(mark int) {
	for len(s.trail) > mark {
		last := s.trail[len(s.trail)-1]
		s.trail = s.trail[:len(s.trail)-1]
		s.revert(last.mean)
		s.spent = last.spent
	}
}

func (s *solver) apply(m int32, to int8) {
	s.state[m] = to
	for _, e := range s.cols[m] {
		s.avail[e.at] -= e.a
		if to == taken {
			s.need[e.at] -= e.a
		}
	}
	s.work += float64(len(s.cols[m]))
	if to == taken {
		s.spent += s.cost[m]
		if s.exact != nil {
			s.exact[s.means[m]] = true
		}
	}
}

// revert frees a means; what is spent is for the caller to put right.
func (s *solver) revert(m int32) {
	for _, e := range s.cols[m] {
		s.avail[e.at] += e.a
		if s.state[m] == taken {
			s.need[e.at] += e.a
		}
	}
	if s.state[m] == taken && s.exact != nil {
		s.exact[s.means[m]] = false
	}
	s.state[m] = free
}

// satisfied reports whether the means taken suffice for a row.
func (s *solver) satisfied(r int32) bool {
	if s.exact == nil {
		return s.need[r] <= 0
	}
	if math.Abs(s.need[r]) > slack {
		return s.need[r] < 0
	}
	return s.p.Reach(s.edge[r], s.exact).Covered
}

// look lists the rows that are not satisfied.
func (s *solver) look() {
	s.active = s.active[:0]
	s.work += float64(len(s.rows)) / 4
	for r := range s.rows {
		if !s.satisfied(int32(r)) {
			s.active = append(s.active, int32(r))
		}
	}
}

// propagate takes the means that a row can not do without; it is false when a row can not be satisfied any more.
func (s *solver) propagate() bool {
	tolerance := 0.0
	if s.exact != nil {
		tolerance = slack
	}
	for again := true; again; {
		again = false
		s.look()
		for _, r := range s.active {
			s.work += float64(len(s.rows[r]))
			if s.need[r]-s.avail[r] > tolerance {
				return false
			}
			if s.satisfied(r) {
				continue
			}
			any := false
			for _, e := range s.rows[r] {
				if s.state[e.at] != free {
					continue
				}
				any = true
				if s.need[r]-(s.avail[r]-e.a) > tolerance {
					s.set(e.at, taken)
					again = true
					if s.satisfied(r) {
						break
					}
				}
			}
			if !any {
				return false
			}
		}
	}
	return true
}

// record keeps the means taken as the best set, if it is.
func (s *solver) record() {
	var cost float64 // in the order of the means, so that equal sets cost the same to the bit
	for m, st := range s.state {
		if st == taken {
			cost += s.cost[m]
		}
	}
	if cost < s.upper {
		s.upper = cost
		s.best = append(s.best[:0], s.state...)
	}
}

// offer is a means with its price for what it adds.
type offer struct {
	mean  int32
	ratio float64
}

// offers is a heap, the best offer first, of equal ones the lowest means.
type offers []offer

func (o offers) Len() int { return len(o) }
func (o offers) Less(i, j int) bool {
	return o[i].ratio < o[j].ratio || o[i].ratio == o[j].ratio && o[i].mean < o[j].mean
}
func (o offers) Swap(i, j int) { o[i], o[j] = o[j], o[i] }
func (o *offers) Push(x any)   { *o = append(*o, x.(offer)) }
func (o *offers) Pop() any {
	last := (*o)[len(*o)-1]
	*o = (*o)[:len(*o)-1]
	return last
}

// ratio is the price of a means for what it adds to the rows, as shares of what they needed at the start: that only falls while means are taken, so an offer that was
// good and still is the best needs no look at the others.
func (s *solver) ratio(m int32, price []float64) float64 {
	var gain float64
	for _, e := range s.cols[m] {
		if !s.satisfied(e.at) {
			gain += min(e.a, max(s.need[e.at], slack)) / max(s.first[e.at], slack)
		}
	}
	s.work += float64(len(s.cols[m]))
	if gain == 0 {
		return math.Inf(1)
	}
	return max(price[m], 1e-6*s.cost[m]) / gain
}

// greedy completes the means taken by price for what they add, drops those that are not needed, and keeps the set if it is the best. It leaves the state as it was.
func (s *solver) greedy(price []float64) {
	spent := s.spent
	var o offers
	for m, st := range s.state {
		if st != free {
			continue
		}
		if r := s.ratio(int32(m), price); !math.IsInf(r, 1) {
			o = append(o, offer{int32(m), r})
		}
	}
	heap.Init(&o)
	var added []int32
	for len(o) > 0 {
		best := o[0]
		switch now := s.ratio(best.mean, price); {
		case math.IsInf(now, 1):
			heap.Pop(&o)
		case now > best.ratio:
			o[0].ratio = now
			heap.Fix(&o, 0)
		default:
			heap.Pop(&o)
			s.apply(best.mean, taken)
			added = append(added, best.mean)
		}
	}
	s.look()
	if len(s.active) == 0 {
		for i := len(added) - 1; i >= 0; i-- { // taken last, dropped first
			m := added[i]
			s.revert(m)
			if slices.ContainsFunc(s.cols[m], func(e entry) bool { return !s.satisfied(e.at) }) {
				s.apply(m, taken)
			}
		}
		s.record()
	}
	for _, m := range added {
		if s.state[m] == taken {
			s.revert(m)
		}
	}
	s.spent = spent
	s.look()
}

// exhausted reports whether the search has to end: the effort is spent, or the context is done, which is looked at every million steps.
func (s *solver) exhausted() bool {
	if s.err == nil && s.work >= s.looked {
		s.looked = s.work + 1e6
		s.err = context.Cause(s.ctx)
	}
	return s.err != nil || s.work > s.limit
}

// search looks through all sets below a node and returns a lower bound on those that it did not look at or that are no better than the best; u are the multipliers that
// the parent found.
func (s *solver) search(u []float64, rounds int) float64 {
	s.nodes++
	if s.exhausted() {
		return math.Inf(-1) // the parent's bound holds
	}
	mark := len(s.trail)
	defer s.undo(mark)
	var low float64
	for {
		if !s.propagate() {
			return math.Inf(1)
		}
		if len(s.active) == 0 {
			s.record()
			return math.Inf(1)
		}
		if s.spent >= s.cut() {
			return s.spent
		}
		if low = s.bound(u, rounds); low >= s.cut() {
			return low
		}
		if s.nodes%8 == 1 {
			s.greedy(s.reduced)
			if low >= s.cut() {
				return low
			}
		}
		if s.exhausted() {
			return low
		}
		if !s.fix(low) {
			break
		}
		rounds = nodeRounds
	}
	branch := s.branch()
	first, second := taken, barred
	if s.weight[branch] < 0.5 && s.reduced[branch] > 0 {
		first, second = barred, taken
	}
	least := math.Inf(1)
	for _, to := range [2]int8{first, second} {
		at := len(s.trail)
		s.set(branch, to)
		least = min(least, max(low, s.search(slices.Clone(u), nodeRounds)))
		s.undo(at)
	}
	return least
}

// branch picks the free means that the dual is least sure of, by what it covers.
func (s *solver) branch() int32 {
	pick, sure := int32(-1), math.Inf(1)
	for m := range s.means {
		if s.state[m] != free {
			continue
		}
		v := math.Abs(s.weight[m] - 0.5)
		if off := math.Abs(s.reduced[m]); off > 0 {
			v += off / (off + s.cost[m])
		}
		if v < sure {
			pick, sure = int32(m), v
		}
	}
	return pick
}
