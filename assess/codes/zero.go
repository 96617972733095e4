package codes

import (
	"context"
	"math/bits"
	"slices"
)

// Codes without inadmissible accesses (H.zero): with the subset rule and m = n the forbidden pairs have to be covered by blocks, with and and m = 1 the permitted
// ones by keys. Either way two pairs (s,o) and (s',o') fit into one rectangle unless (s,o') or (s',o) is outside the relation, and any set of pairs that fit two by
// two fits as a whole. So the least number of bits is the chromatic number of the graph of pairs that do not fit; only critical pairs matter, those that no other
// pair carries along.
type rectangles struct {
	rows, columns []set // the relation that is to be covered
	pairs         []Pair
}

// Bits is how many bits codes without inadmissible accesses need.
type Bits struct {
	Low, High int      // fewer than Low can not do; High can, if Found
	Found     bool     // codes of High <= MaxBits bits are there
	A, B      []uint64 // of the standard function of the class
}

const mostColoured = 5000 // critical pairs whose graph is built

func rectanglesOf(r *Relation, permitted bool) *rectangles {
	x := &rectangles{}
	full := fullSet(len(r.Objects))
	for _, row := range r.permit {
		s := row.clone()
		if !permitted {
			s = full.clone()
			s.less(row)
		}
		x.rows = append(x.rows, s)
	}
	x.columns = make([]set, len(r.Objects))
	for j := range x.columns {
		x.columns[j] = newSet(len(x.rows))
	}
	for i, row := range x.rows {
		row.each(func(j int) { x.columns[j].add(i) })
	}
	byRow, byColumn := critical(x.rows), critical(x.columns)
	for i := range byRow {
		byRow[i].each(func(j int) {
			if byColumn[j].has(i) {
				x.pairs = append(x.pairs, Pair{i, j})
			}
		})
	}
	return x
}

// critical is what of each row is in no row within it; of equal rows the first counts.
func critical(rows []set) []set {
	out := make([]set, len(rows))
	for i, row := range rows {
		out[i] = row.clone()
		for k, other := range rows {
			if k != i && other.meets(out[i]) && other.within(row) && (k < i || !row.equal(other)) {
				out[i].less(other)
			}
		}
	}
	return out
}

// fit reports whether two pairs fit into one rectangle.
func (x *rectangles) fit(p, q Pair) bool {
	return x.rows[p.Subject].has(q.Object) && x.rows[q.Subject].has(p.Object)
}

// firstFit puts each pair into the first rectangle that it fits into; rectangles are their common objects and subjects.
func (x *rectangles) firstFit() []int {
	type rectangle struct{ objects, subjects set }
	var all []rectangle
	colour := make([]int, len(x.pairs))
	for at, p := range x.pairs {
		k := slices.IndexFunc(all, func(c rectangle) bool { return c.objects.has(p.Object) && c.subjects.has(p.Subject) })
		if k < 0 {
			k = len(all)
			all = append(all, rectangle{x.rows[p.Subject].clone(), x.columns[p.Object].clone()})
		}
		all[k].objects.and(x.rows[p.Subject])
		all[k].subjects.and(x.columns[p.Object])
		colour[at] = k
	}
	return colour
}

// colouring finds a colouring of the graph of pairs that do not fit, with as few colours as the effort allows (DSATUR with branch and bound).
type colouring struct {
	ctx    context.Context
	apart  []set // by pair: those that it does not fit with
	colour []int
	best   []int
	most   int // colours of the best
	least  int
	left   int64
	seen   []uint64          // by pair: colours of those that it does not fit with
	around [][MaxBits]uint16 // how many of them have each
	degree []int
}

// minimum is the least number of rectangles, bracketed, and a covering with the larger number.
func (x *rectangles) minimum(ctx context.Context, least int, effort int64) (low, high int, colour []int, err error) {
	colour = x.firstFit()
	high = colours(colour)
	if len(x.pairs) == 0 {
		return 0, 0, nil, nil
	}
	low = max(least, 1)
	if len(x.pairs) > mostColoured || high <= low {
		return min(low, high), high, colour, nil
	}
	c := &colouring{ctx: ctx, apart: make([]set, len(x.pairs)), best: colour, most: high, colour: make([]int, len(x.pairs)),
		seen: make([]uint64, len(x.pairs)), around: make([][MaxBits]uint16, len(x.pairs)), degree: make([]int, len(x.pairs))}
	for i := range c.apart {
		c.apart[i] = newSet(len(x.pairs))
		if i%64 == 0 {
			if err := context.Cause(ctx); err != nil {
				return 0, 0, nil, err
			}
		}
	}
	for i, p := range x.pairs {
		for j := range i {
			if !x.fit(p, x.pairs[j]) {
				c.apart[i].add(j)
				c.apart[j].add(i)
			}
		}
	}
	clique := c.clique()
	c.least = max(low, len(clique))
	if c.least >= MaxBits {
		return c.least, high, colour, nil
	}
	for i := range c.colour {
		c.colour[i] = -1
		c.degree[i] = c.apart[i].count()
	}
	for k, v := range clique {
		c.paint(v, k)
	}
	c.left = max(effort, int64(len(x.pairs))*int64(len(x.pairs))) // at least once down
	complete := c.branch(len(clique), len(clique))
	if err := context.Cause(ctx); err != nil {
		return 0, 0, nil, err
	}
	low = c.least
	if complete {
		low = c.most
	}
	return low, c.most, c.best, nil
}

// clique is a set of pairs no two of which fit, found by taking at every step the one with most others left.
func (c *colouring) clique() []int {
	var best []int
	for start := range min(len(c.apart), max(4, 40_000/len(c.apart))) {
		left := c.apart[start].clone()
		out := []int{start}
		for !left.empty() {
			next, most := -1, -1
			left.each(func(v int) {
				if n := c.apart[v].countAnd(left); n > most {
					next, most = v, n
				}
			})
			out = append(out, next)
			left.and(c.apart[next])
		}
		if len(out) > len(best) {
			best = out
		}
	}
	return best
}

// branch colours what is left, the vertex with most colours around it first. It reports whether everything better than the best has been looked at.
func (c *colouring) branch(done, used int) bool {
	if used >= c.most {
		return true
	}
	if done == len(c.colour) {
		c.best, c.most = slices.Clone(c.colour), used
		return true
	}
	if c.left -= int64(len(c.colour)); c.left < 0 || context.Cause(c.ctx) != nil {
		return false
	}
	vertex, most := -1, -1
	for v, k := range c.colour {
		if k >= 0 {
			continue
		}
		if n := bits.OnesCount64(c.seen[v]); n > most || n == most && c.degree[v] > c.degree[vertex] {
			vertex, most = v, n
		}
	}
	for k := range min(used+1, MaxBits) {
		if c.seen[vertex]>>k&1 != 0 {
			continue
		}
		c.paint(vertex, k)
		ok := c.branch(done+1, max(used, k+1))
		c.wash(vertex)
		if !ok {
			return false
		}
		if c.most <= c.least || used >= c.most {
			return true
		}
	}
	return used < MaxBits
}

func (c *colouring) paint(v, k int) {
	c.colour[v] = k
	c.apart[v].each(func(u int) {
		c.around[u][k]++
		c.seen[u] |= 1 << k
	})
}

func (c *colouring) wash(v int) {
	k := c.colour[v]
	c.colour[v] = -1
	c.apart[v].each(func(u int) {
		if c.around[u][k]--; c.around[u][k] == 0 {
			c.seen[u] &^= 1 << k
		}
	})
}

func colours(colour []int) int {
	n := 0
	for _, k := range colour {
		n = max(n, k+1)
	}
	return n
}

// minimumBits is how many bits the standard function of a class needs for no inadmissible access: subset with m = n, or and with m = 1.
func minimumBits(ctx context.Context, r *Relation, and bool, effort int64) (Bits, error) {
	x := rectanglesOf(r, and)
	low, high, colour, err := x.minimum(ctx, leastBits(r, and), effort)
	if err != nil {
		return Bits{}, err
	}
	out := Bits{Low: low, High: high}
	if high > MaxBits {
		return out, nil
	}
	out.Found = true
	// The rectangles of the colours, as large as they can be: the common objects of their subjects, and the common subjects of those.
	for k := range high {
		objects := fullSet(len(r.Objects))
		for at, c := range colour {
			if c == k {
				objects.and(x.rows[x.pairs[at].Subject])
			}
		}
		out.a(r, x, objects, and, high-1-k)
	}
	if out.A == nil {
		out.A, out.B = make([]uint64, len(r.Subjects)), make([]uint64, len(r.Objects))
	}
	return out, nil
}

// a sets a bit of the codes by a rectangle: a key that its subjects and objects have, or a block, whose subjects have 0.
func (x *Bits) a(r *Relation, of *rectangles, objects set, and bool, k int) {
	if x.A == nil {
		x.A, x.B = make([]uint64, len(r.Subjects)), make([]uint64, len(r.Objects))
	}
	for i, row := range of.rows {
		if objects.within(row) == and {
			x.A[i] |= 1 << k
		}
	}
	objects.each(func(j int) { x.B[j] |= 1 << k })
}

// leastBits is a bound of the number of bits without inadmissible accesses, from what is easily seen: codes have to differ where rights do, and in a hierarchy by
// the subset rule width (Sperner) and height.
func leastBits(r *Relation, and bool) int {
	x := r.shapeOf()
	low := bits.Len(uint(max(x.rows, x.columns, 1) - 1))
	if !r.order || and {
		return low
	}
	sperner := 0
	for x.width > 1 && choose(sperner, sperner/2) < x.width {
		sperner++
	}
	return max(low, x.height-1, sperner)
}
