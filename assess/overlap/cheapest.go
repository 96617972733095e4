package overlap

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
)

// Cheapest is the cheapest set of means that removes every edge that can be removed.
type Cheapest struct {
	Means      []int   // ascending; those that are kept are not among them
	Cost       float64 // of these means
	Proved     bool    // no cheaper set does it, to within a relative 1e-9
	LowerBound float64 // no set that does it costs less
	Greedy     float64 // what the greedy choice costs: how much the search has saved
	Infeasible []int   // edges that all means together do not remove, ascending; the set is for the others
	Work       float64 // elementary steps that the search took, in millions
}

// DefaultEffort is how many million elementary steps a search takes before it gives the best set that it has found, with a bound.
const DefaultEffort = 4000

// Cheapest finds the cheapest set of means that, with those that are kept, removes every edge that can be removed: reductions, then branch and bound by the Lagrangian
// dual. Effort bounds the search, in millions of elementary steps; 0: DefaultEffort. The result is the same on every machine. The error is that of the context.
func (p *Problem) Cheapest(ctx context.Context, keep []bool, effort float64) (Cheapest, error) {
	if effort <= 0 {
		effort = DefaultEffort
	}
	var out Cheapest
	c := p.covering(keep, &out.Infeasible)
	c.reduce()
	chosen := slices.Clone(c.in)
	out.Proved = true
	for m, in := range c.in {
		if in {
			out.LowerBound += p.Costs[m]
			out.Greedy += p.Costs[m]
		}
	}
	for _, part := range c.parts() {
		s := newSolver(ctx, p, part, c.in, keep, effort*1e6-out.Work*1e6)
		r, err := s.solve()
		if err != nil {
			return Cheapest{}, err
		}
		for _, m := range r.means {
			chosen[m] = true
		}
		out.LowerBound += r.bound
		out.Greedy += r.greedy
		out.Proved = out.Proved && r.proved
		out.Work += s.work / 1e6
	}
	p.thin(chosen, keep)
	for m, in := range chosen {
		if in {
			out.Means = append(out.Means, m)
			out.Cost += p.Costs[m]
		}
	}
	out.LowerBound = min(out.LowerBound, out.Cost)
	out.Greedy = max(out.Greedy, out.Cost)
	if out.Proved {
		out.LowerBound = out.Cost
	}
	return out, nil
}

// thin takes out means that are not needed: those that cost nothing are taken by the reductions whether they are or not. The dearest goes first, the highest of equal ones.
func (p *Problem) thin(chosen, keep []bool) {
	order := make([]int, 0, len(chosen))
	for m, in := range chosen {
		if in {
			order = append(order, m)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p.Costs[a] > p.Costs[b]:
			return -1
		case p.Costs[a] < p.Costs[b]:
			return 1
		}
		return b - a
	})
	have := slices.Clone(chosen)
	for m, k := range keep {
		have[m] = have[m] || k
	}
	at := make([][]int32, len(chosen)) // edges by means
	count := make([]int, len(p.Edges))
	covered := make([]bool, len(p.Edges))
	for e := range p.Edges {
		r := p.Reach(e, have)
		count[e], covered[e] = r.Count, r.Covered
		if !r.Covered {
			continue
		}
		for _, s := range p.Edges[e].Means {
			if chosen[s.Mean] && (p.Combine || s.R > p.Edges[e].Weight) {
				at[s.Mean] = append(at[s.Mean], int32(e))
			}
		}
	}
	for _, m := range order {
		have[m] = false
		needed := slices.ContainsFunc(at[m], func(e int32) bool {
			if p.Combine {
				return !p.Reach(int(e), have).Covered
			}
			return count[e] <= p.depth()
		})
		if needed {
			have[m] = true
			continue
		}
		chosen[m] = false
		for _, e := range at[m] {
			count[e]--
		}
	}
}

// row is one edge that is still to be removed: the amounts of the means in it shall sum to need. One means is 1 of Depth, or -ln(1-r) of -ln(1-weight).
type row struct {
	edge int
	cols []int32   // ascending
	a    []float64 // at most need
	need float64
}

// covering is what is left of a problem while it is reduced.
type covering struct {
	p    *Problem
	rows []row
	in   []bool // means that every cheapest set has, or that cost nothing
	out  []bool // means that a cheapest set can do without
	unit bool   // every amount is 1
}

func (p *Problem) covering(keep []bool, infeasible *[]int) *covering {
	c := &covering{p: p, in: make([]bool, len(p.Costs)), out: make([]bool, len(p.Costs)), unit: !p.Combine}
	same := map[string]int{} // rows by their means and amounts: of equal ones that which needs most implies the others
	var key []byte
	for e := range p.Edges {
		if !p.Reach(e, nil).Covered {
			*infeasible = append(*infeasible, e)
			continue
		}
		if keep != nil && p.Reach(e, keep).Covered {
			continue
		}
		edge := &p.Edges[e]
		key = key[:0]
		for _, s := range edge.Means {
			switch {
			case p.Combine:
				key = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(key, uint32(s.Mean)), math.Float64bits(s.R))
			case s.R > edge.Weight:
				key = binary.LittleEndian.AppendUint32(key, uint32(s.Mean))
			}
		}
		twin, seen := same[string(key)]
		if seen && (!p.Combine || p.Edges[c.rows[twin].edge].Weight >= edge.Weight) {
			continue
		}
		r := row{edge: e, need: float64(p.depth())}
		if p.Combine {
			r.need = logarithmic(edge.Weight)
		}
		most := r.need + 1 // more than enough
		for _, s := range edge.Means {
			a := 1.0
			switch {
			case p.Combine:
				a = min(logarithmic(s.R), most)
			case s.R <= edge.Weight:
				continue
			}
			if keep != nil && keep[s.Mean] {
				r.need -= a
				continue
			}
			if a > 0 {
				r.cols, r.a = append(r.cols, int32(s.Mean)), append(r.a, a)
			}
		}
		if seen {
			c.rows[twin] = r
			continue
		}
		same[string(key)] = len(c.rows)
		c.rows = append(c.rows, r)
	}
	return c
}

// logarithmic is -ln(1-r), rounded to a multiple of 2^-40: sums of such numbers are exact, in whatever order they are formed.
func logarithmic(r float64) float64 {
	const grid = 1 << 40
	return math.Round(-math.Log1p(-r)*grid) / grid
}

// reduce takes means that cost nothing or that an edge can not do without, drops edges that another implies, and drops means that a cheaper one replaces, until
// nothing changes. Only the first is done where strengths combine, since there the amounts of several means add up.
func (c *covering) reduce() {
	for m, cost := range c.p.Costs {
		if cost == 0 && slices.ContainsFunc(c.rows, func(r row) bool { _, ok := slices.BinarySearch(r.cols, int32(m)); return ok }) {
			c.in[m] = true
		}
	}
	c.settle()
	for c.unit {
		n, forced := len(c.rows), c.mandatory()
		c.settle()
		c.distinct()
		c.dominatedRows()
		dropped := c.dominatedMeans()
		c.settle()
		if len(c.rows) == n && !forced && !dropped {
			return
		}
	}
}

// settle takes means that are in or out off the rows, and drops the rows that are satisfied.
func (c *covering) settle() {
	keep := c.rows[:0]
	for _, r := range c.rows {
		n := 0
		for i, m := range r.cols {
			switch {
			case c.in[m]:
				r.need -= r.a[i]
			case !c.out[m]:
				r.cols[n], r.a[n] = m, r.a[i]
				n++
			}
		}
		r.cols, r.a = r.cols[:n], r.a[:n]
		if c.unit && r.need <= 0 || !c.unit && r.need < -slack {
			continue
		}
		keep = append(keep, r)
	}
	c.rows = keep
}

func (c *covering) mandatory() (found bool) {
	for _, r := range c.rows {
		if float64(len(r.cols)) <= r.need {
			for _, m := range r.cols {
				c.in[m] = true
				found = true
			}
		}
	}
	return found
}

// distinct keeps one of the rows that have the same means: the one that needs most.
func (c *covering) distinct() {
	slices.SortStableFunc(c.rows, func(a, b row) int {
		if d := len(a.cols) - len(b.cols); d != 0 {
			return d
		}
		if d := slices.Compare(a.cols, b.cols); d != 0 {
			return d
		}
		switch {
		case a.need > b.need:
			return -1
		case a.need < b.need:
			return 1
		}
		return 0
	})
	c.rows = slices.CompactFunc(c.rows, func(a, b row) bool { return slices.Equal(a.cols, b.cols) })
}

// reductionSteps bounds the comparisons of rows with rows and of means with means, in words of bits.
const reductionSteps = 4e8

// dominatedRows drops a row that another implies: all of the other's means are in it, and the other needs as much.
func (c *covering) dominatedRows() {
	words := (len(c.p.Costs) + 63) / 64
	if float64(len(c.rows))*float64(len(c.rows))*float64(words) > reductionSteps {
		return
	}
	sets := make([]uint64, len(c.rows)*words)
	for i, r := range c.rows {
		for _, m := range r.cols {
			sets[i*words+int(m)/64] |= 1 << (m % 64)
		}
	}
	gone := make([]bool, len(c.rows))
	for i := range c.rows { // by distinct, rows with fewer means stand first
		for j := i + 1; j < len(c.rows); j++ {
			if !gone[i] && !gone[j] && c.rows[i].need >= c.rows[j].need && subset(sets[i*words:(i+1)*words], sets[j*words:(j+1)*words]) {
				gone[j] = true
			}
		}
	}
	n := 0
	for i, r := range c.rows {
		if !gone[i] {
			c.rows[n] = r
			n++
		}
	}
	c.rows = c.rows[:n]
}

// dominatedMeans drops a means that another replaces: the other costs no more, and satisfies every row that the means is in, alone.
func (c *covering) dominatedMeans() (found bool) {
	words := (len(c.rows) + 63) / 64
	sets := make([]uint64, len(c.p.Costs)*words)
	single := make([]bool, len(c.p.Costs)) // every row that it is in needs one more means
	var free []int
	for m := range single {
		single[m] = true
	}
	seen := make([]bool, len(c.p.Costs))
	for i, r := range c.rows {
		for _, m := range r.cols {
			sets[int(m)*words+i/64] |= 1 << (i % 64)
			single[m] = single[m] && r.need <= 1
			if !seen[m] {
				seen[m] = true
				free = append(free, int(m))
			}
		}
	}
	slices.Sort(free)
	if float64(len(free))*float64(len(free))*float64(words) > reductionSteps {
		return false
	}
	for _, m := range free {
		if !single[m] {
			continue
		}
		mine := sets[m*words : (m+1)*words]
		for _, o := range free {
			if o == m || c.out[o] || c.p.Costs[o] > c.p.Costs[m] {
				continue
			}
			other := sets[o*words : (o+1)*words]
			if subset(mine, other) && (c.p.Costs[o] < c.p.Costs[m] || o < m || !subset(other, mine)) {
				c.out[m], found = true, true
				break
			}
		}
	}
	return found
}

func subset(a, b []uint64) bool {
	for i := range a {
		if a[i]&^b[i] != 0 {
			return false
		}
	}
	return true
}

// parts splits the rows into groups that share no means: each is a problem of its own.
func (c *covering) parts() [][]row {
	leader := make([]int, len(c.p.Costs))
	for i := range leader {
		leader[i] = i
	}
	find := func(m int) int {
		for leader[m] != m {
			leader[m] = leader[leader[m]]
			m = leader[m]
		}
		return m
	}
	for _, r := range c.rows {
		for _, m := range r.cols[min(1, len(r.cols)):] {
			a, b := find(int(r.cols[0])), find(int(m))
			leader[max(a, b)] = min(a, b)
		}
	}
	index := map[int]int{}
	var parts [][]row
	for _, r := range c.rows {
		if len(r.cols) == 0 {
			continue // strengths combine, and the edge is removed by what is in already but for rounding
		}
		l := find(int(r.cols[0]))
		i, ok := index[l]
		if !ok {
			i = len(parts)
			index[l] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], r)
	}
	return parts
}
