package codes

import (
	"cmp"
	"context"
	"slices"
)

// exact finds the best codes for any mechanism of few bits by branching over the codes of the subjects; what is already inadmissible whatever code an object gets is
// the bound. Bits that all codes so far have alike are interchangeable, so a code takes the lowest of them.
type exact struct {
	ctx    context.Context
	r      *Relation
	g      Mechanism
	order  []int    // subjects, those with most rights first
	grants [][]bool // by code of a subject and of an object
	best   int
	bestA  []uint64
	a      []uint64 // by place in order
	extra  [][]int32
	left   int64
}

const (
	denied      = -1
	mostScanned = 1 << 12 // codes times objects for a step of the exact search
)

// search improves on `best` inadmissible accesses; it reports whether it was complete. Codes are in bestA if it found any.
func (e *exact) search(best int, effort int64) (complete bool, err error) {
	codes, objects := 1<<e.g.N, len(e.r.Objects)
	e.best, e.left = best, effort
	for i := range e.r.Subjects {
		e.order = append(e.order, i)
	}
	slices.SortStableFunc(e.order, func(i, j int) int { return cmp.Compare(e.r.permit[j].count(), e.r.permit[i].count()) })
	e.grants = make([][]bool, codes)
	for a := range e.grants {
		e.grants[a] = make([]bool, codes)
		for b := range e.grants[a] {
			e.grants[a][b] = e.g.Grants(uint64(a), uint64(b))
		}
	}
	e.extra = make([][]int32, len(e.order)+1)
	for d := range e.extra {
		e.extra[d] = make([]int32, codes*objects)
	}
	e.a = make([]uint64, len(e.order))
	complete = e.branch(0, []uint64{e.g.mask()})
	return complete, context.Cause(e.ctx)
}

func (e *exact) branch(depth int, alike []uint64) bool {
	if depth == len(e.order) {
		e.best = e.forced(depth)
		e.bestA = make([]uint64, len(e.order))
		for d, i := range e.order {
			e.bestA[i] = e.a[d]
		}
		return true
	}
	codes, objects := len(e.grants), len(e.r.Objects)
	type option struct {
		code uint64
		y    int
	}
	var options []option
	for code := range uint64(codes) {
		if !lowestFirst(code, alike) || depth == 0 && code > 0 && e.g.Phi == Xnor { // complementing a bit everywhere changes nothing
			continue
		}
		if e.left -= int64(codes * objects); e.left < 0 || context.Cause(e.ctx) != nil {
			return false
		}
		e.assign(depth, code)
		if y := e.forced(depth + 1); y < e.best {
			options = append(options, option{code, y})
		}
	}
	slices.SortStableFunc(options, func(a, b option) int { return cmp.Compare(a.y, b.y) })
	for _, o := range options {
		if o.y >= e.best {
			break
		}
		e.assign(depth, o.code)
		e.a[depth] = o.code
		var finer []uint64
		for _, m := range alike {
			if in, out := m&o.code, m&^o.code; in != 0 && out != 0 {
				finer = append(finer, in, out)
			} else {
				finer = append(finer, m)
			}
		}
		if !e.branch(depth+1, finer) {
			return false
		}
	}
	return true
}

// lowestFirst reports whether a code has in each group of bits its ones below its zeros.
func lowestFirst(code uint64, alike []uint64) bool {
	for _, m := range alike {
		in, out := code&m, m&^code
		if in != 0 && out != 0 && in > out&-out {
			return false
		}
	}
	return true
}

// assign gives the subject at a depth a code: what every object's every code would then cost.
func (e *exact) assign(depth int, code uint64) {
	codes, row := len(e.grants), e.r.permit[e.order[depth]]
	from, to := e.extra[depth], e.extra[depth+1]
	granted := e.grants[code]
	for j := range e.r.Objects {
		at := j * codes
		if row.has(j) {
			for c, yes := range granted {
				to[at+c] = denied
				if yes {
					to[at+c] = from[at+c]
				}
			}
			continue
		}
		for c, yes := range granted {
			x := from[at+c]
			if yes && x != denied {
				x++
			}
			to[at+c] = x
		}
	}
}

// forced is what the objects cost at least, given the subjects so far; an object that no code suits costs more than everything.
func (e *exact) forced(depth int) int {
	codes, sum := len(e.grants), 0
	table := e.extra[depth]
	for j := range e.r.Objects {
		least := int32(-1)
		for _, x := range table[j*codes : (j+1)*codes] {
			if x != denied && (least < 0 || x < least) {
				least = x
			}
		}
		if least < 0 {
			return 1 << 30
		}
		sum += int(least)
	}
	return sum
}
