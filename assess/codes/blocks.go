package codes

import (
	"cmp"
	"context"
	"slices"
)

// With the subset rule and m = n a bit blocks a rectangle of forbidden accesses: the subjects whose code has 0 there, by the objects whose code has 1 (H.ideals). A
// block is such a rectangle that can not be made larger; in a hierarchy its subjects are an ideal and its objects all other nodes.
type block struct {
	subjects, objects set
	pairs             set // subject · number of objects + object
	size              int
}

const (
	mostBlocks = 20_000   // for an exact search
	blockWords = 16 << 20 // memory of their pairs: 128 MiB
)

// blocksOf are all blocks of a relation, the largest first, or nil if there are more than an exact search can use.
func blocksOf(ctx context.Context, r *Relation) ([]block, error) {
	subjects, objects := len(r.Subjects), len(r.Objects)
	words := len(newSet(subjects * objects))
	all := []set{fullSet(objects)}
	seen := map[string]bool{all[0].key(): true}
	for _, row := range r.permit {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		for _, have := range all[:len(all):len(all)] {
			b := have.clone()
			b.less(row)
			if key := b.key(); !seen[key] {
				seen[key] = true
				all = append(all, b)
			}
			if len(all) > mostBlocks || len(all)*words > blockWords {
				return nil, nil
			}
		}
	}
	out := make([]block, 0, len(all))
	for _, b := range all {
		x := block{subjects: newSet(subjects), objects: b, pairs: newSet(subjects * objects)}
		for i, row := range r.permit {
			if !row.meets(b) {
				x.subjects.add(i)
				b.each(func(j int) { x.pairs.add(i*objects + j) })
			}
		}
		if x.size = x.pairs.count(); x.size > 0 {
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b block) int { return cmp.Compare(b.size, a.size) })
	return out, nil
}

// cover chooses n blocks that together block as many pairs as possible, by branch and bound.
type cover struct {
	ctx    context.Context
	blocks []block
	best   int
	chosen []int // of the best
	path   []int
	left   int64 // gains that may still be computed
	free   []set // pairs covered, by depth
	gains  [][]gain
}

type gain struct{ block, size int }

// search improves on `best` pairs; it reports whether the search was complete, so that nothing better exists.
func (c *cover) search(n, best int, effort int64) (complete bool, err error) {
	if len(c.blocks) == 0 {
		return true, nil
	}
	c.best, c.left = best, effort
	candidates := make([]int, len(c.blocks))
	for i := range candidates {
		candidates[i] = i
	}
	c.free = make([]set, n+1)
	for i := range c.free {
		c.free[i] = make(set, len(c.blocks[0].pairs))
	}
	c.gains = make([][]gain, n+1)
	complete = c.branch(candidates, n, 0)
	return complete, context.Cause(c.ctx)
}

func (c *cover) branch(candidates []int, n, covered int) bool {
	depth := len(c.path)
	if c.left -= int64(len(candidates)); c.left < 0 || context.Cause(c.ctx) != nil {
		return false
	}
	gains := c.gains[depth][:0]
	for _, i := range candidates {
		if s := c.blocks[i].pairs.countLess(c.free[depth]); s > 0 {
			gains = append(gains, gain{i, s})
		}
	}
	c.gains[depth] = gains
	if len(gains) == 0 {
		return true
	}
	more := func(a, b gain) int { return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.block, b.block)) }
	if first := slices.MinFunc(gains, more); covered+first.size > c.best {
		c.best = covered + first.size
		c.chosen = append(append([]int(nil), c.path...), first.block)
	}
	if n == 1 {
		return true
	}
	slices.SortFunc(gains, more)
	rest := make([]int, 0, len(gains))
	for _, g := range gains {
		rest = append(rest, g.block)
	}
	for k, g := range gains {
		most := covered
		for _, h := range gains[k:min(k+n, len(gains))] {
			most += h.size
		}
		if most <= c.best {
			break
		}
		copy(c.free[depth+1], c.free[depth])
		c.free[depth+1].or(c.blocks[g.block].pairs)
		c.path = append(c.path, g.block)
		ok := c.branch(rest[k+1:], n-1, covered+g.size)
		c.path = c.path[:depth]
		if !ok {
			return false
		}
	}
	return true
}

// codes are the codes of chosen blocks, in n bits.
func (c *cover) codes(r *Relation, n int) (a, b []uint64) {
	a, b = make([]uint64, len(r.Subjects)), make([]uint64, len(r.Objects))
	for k, at := range c.chosen {
		x := c.blocks[at]
		bit := uint64(1) << (n - 1 - k)
		for i := range a {
			if !x.subjects.has(i) {
				a[i] |= bit
			}
		}
		x.objects.each(func(j int) { b[j] |= bit })
	}
	return a, b
}
