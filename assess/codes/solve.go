package codes

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// Options steer a search. The same options give the same codes.
type Options struct {
	Effort float64 // million steps that a search may take; 0: 5
	Seed   uint64

	Progress func(done float64) // of a search, told from 0 to 1; nil: nobody is told. A search may end early
}

const (
	defaultEffort = 5
	stepOps       = 40 // elementary operations that count as a step
)

func (o Options) ops() int64 {
	effort := o.Effort
	if effort <= 0 {
		effort = defaultEffort
	}
	return int64(min(effort, 1e6) * 1e6 * stepOps)
}

// moves is how many random moves the search may make where each costs so many operations.
func (o Options) moves(cost int) int {
	return int(min(o.ops()*2/int64(cost+16), o.ops()/500))
}

// Solve finds codes for a hierarchy: with as few inadmissible accesses as it can, and proved to be the least where it is.
func Solve(ctx context.Context, h *Hierarchy, g Mechanism, o Options) (*Solution, error) {
	return solve(ctx, h, g, o, nil)
}

// solve is Solve where what is known of codes without inadmissible accesses may be given.
func solve(ctx context.Context, h *Hierarchy, g Mechanism, o Options, free *Bits) (*Solution, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	if len(h.Subjects) == 0 || len(h.Objects) == 0 {
		return nil, errors.New("codes for no subjects or no objects; both are needed")
	}
	k, flipA, flipB := g.Phi.class()
	_, standard := g.Phi.Class()
	s := &solver{ctx: ctx, h: h, g: Mechanism{Phi: standard, N: g.N, M: g.M}, o: o, free: free, rng: rand.New(rand.NewPCG(o.Seed, 0x636f646573))} //nolint:gosec // lots for a search, the same each time
	out, err := s.solve(k)
	if err != nil {
		return nil, err
	}
	out.Mechanism = g
	flip(out.A, g.mask(), flipA)
	flip(out.B, g.mask(), flipB)
	d, err := Measure(h.Relation, g, out.A, out.B, 0)
	if err != nil {
		return nil, fmt.Errorf("the codes that were found are wrong: %w", err)
	}
	out.Y = d.Y
	if out.Proved {
		out.LowerBound = out.Y
	}
	out.Proved = out.LowerBound >= out.Y
	return out, context.Cause(ctx)
}

// solver looks for codes of a class's standard function.
type solver struct {
	ctx context.Context
	h   *Hierarchy
	g   Mechanism
	o   Options
	rng *rand.Rand

	free *Bits // nil: to be found out
}

func (s *solver) stop() bool { return context.Cause(s.ctx) != nil }

// between tells how far a search is that is a part of the whole, and reports whether it has to end.
func (s *solver) between(from, to float64) func(done float64) bool {
	return func(done float64) bool {
		if s.o.Progress != nil {
			s.o.Progress(from + (to-from)*min(done, 1))
		}
		return s.stop()
	}
}

func (s *solver) solve(k kind) (*Solution, error) {
	subjects, objects := len(s.h.Subjects), len(s.h.Objects)
	mask := s.g.mask()
	switch {
	case k == classNever:
		if s.h.required() > 0 {
			return nil, never(s.g)
		}
		return &Solution{A: make([]uint64, subjects), B: make([]uint64, objects), Proved: true, Method: "nothing is granted"}, nil
	case k == classAlways:
		return &Solution{A: make([]uint64, subjects), B: make([]uint64, objects), Proved: true, Method: "everything is granted"}, nil
	case k == classSubject, k == classObject, k == classAnd && s.g.M == s.g.N:
		// Access is by one side's code alone, or only with 1…1 on both sides: whoever needs anything gets everything that is given at all.
		out := &Solution{A: ones(s.h.permit, mask), B: ones(s.h.wanted(), mask), Proved: true, Method: "one code for all that need access, one for the others"}
		return out, nil
	}
	if s.h.ring != nil {
		out, err := s.h.ring.solve(s.g)
		if err != nil || out.Proved {
			return out, err
		}
	}
	switch {
	case k == classOr && s.g.M == s.g.N:
		return s.blocks()
	case k == classOr && s.g.M == 1:
		one := *s
		one.g = Mechanism{Phi: Subset, N: 1, M: 1}
		out, err := one.blocks()
		if err == nil {
			spread(out.A, mask)
			spread(out.B, mask)
		}
		return out, err
	case k == classEqual && s.g.M == s.g.N:
		out := s.components()
		return out, s.exhaust(out)
	}
	return s.any(k)
}

// ones is 1…1 for those whose set is not empty, and 0 for the others.
func ones(sets []set, mask uint64) []uint64 {
	out := make([]uint64, len(sets))
	for i, s := range sets {
		if !s.empty() {
			out[i] = mask
		}
	}
	return out
}

func spread(codes []uint64, mask uint64) {
	for i, c := range codes {
		if c != 0 {
			codes[i] = mask
		}
	}
}

// blocks solves the subset rule with m = n.
func (s *solver) blocks() (*Solution, error) {
	r, n := s.h.Relation, s.g.N
	zero, err := s.zero(false)
	if err != nil || zero != nil {
		return zero, err
	}
	blocks, err := blocksOf(s.ctx, r)
	if err != nil {
		return nil, err
	}
	most := -1
	if len(blocks) > 0 {
		most = blocks[0].size
	}
	out := &Solution{Method: "local search over blocks"}
	out.LowerBound, out.Bound = lowerBound(r, s.g, most)
	cost := len(r.Subjects) + len(r.Objects)
	tries := 4
	if cost > 200 {
		tries = 1
	}
	b := newBlocking(r, n)
	if r.order {
		b.load(s.byIdeals())
		b.tighten()
		better(out, b)
	}
	for try := range tries {
		if out.Y <= out.LowerBound && out.A != nil {
			break
		}
		if try == 0 && s.h.tree > 0 {
			b.load(bisection(s.h.tree, n))
		} else {
			b = newBlocking(r, n)
			b.greedy(s.rng, 3)
		}
		b.tighten()
		if !better(out, b) {
			b.load(out.A)
		}
		b.anneal(s.rng, s.o.moves(cost)/tries, s.between(0.3+0.7*float64(try)/float64(tries), 0.3+0.7*float64(try+1)/float64(tries)))
		b.tighten()
		better(out, b)
		if out.Y <= out.LowerBound {
			break
		}
	}
	if ring := s.h.ring; ring != nil {
		if x, err := ring.solve(s.g); err == nil && x.Y <= out.Y {
			x.LowerBound = max(x.LowerBound, out.LowerBound)
			out = x
		}
	}
	if out.Y <= out.LowerBound || blocks == nil {
		return out, nil
	}
	c := &cover{ctx: s.ctx, blocks: blocks}
	complete, err := c.search(n, r.forbidden()-out.Y, s.o.ops()/int64(len(blocks[0].pairs)))
	if err != nil {
		return nil, err
	}
	if c.chosen != nil {
		out.A, out.B = c.codes(r, n)
		out.Y, out.Method = r.forbidden()-c.best, "branch and bound over blocks"
	}
	if complete {
		out.Proved, out.LowerBound, out.Bound = true, out.Y, "exhaustive search over blocks"
	}
	return out, nil
}

// better takes codes that are better than those that there are.
func better(out *Solution, b *blocking) bool {
	if out.A != nil && b.y >= out.Y {
		return false
	}
	out.A, out.B, out.Y = slices.Clone(b.a), slices.Clone(b.b), b.y
	return true
}

// zero are codes without inadmissible accesses, if the search finds such of at most n bits; otherwise nil.
func (s *solver) zero(and bool) (*Solution, error) {
	if leastBits(s.h.Relation, and) > s.g.N {
		return nil, nil
	}
	x := s.free
	if x == nil {
		found, err := minimumBits(s.ctx, s.h.Relation, and, s.o.ops()/4)
		if err != nil {
			return nil, err
		}
		x = &found
	}
	if !x.Found || x.High > s.g.N {
		return nil, nil
	}
	return &Solution{A: padded(x.A, x.High, s.g.N, !and), B: padded(x.B, x.High, s.g.N, false), Proved: true,
		Method: fmt.Sprintf("colouring of the pairs that do not fit together: %d bits are enough", x.High), Bound: "there is nothing below 0"}, nil
}

// padded makes codes of n bits from shorter ones; the further bits are last.
func padded(codes []uint64, was, n int, with bool) []uint64 {
	out := make([]uint64, len(codes))
	for i, c := range codes {
		out[i] = c << (n - was)
		if with {
			out[i] |= 1<<(n-was) - 1
		}
	}
	return out
}

// any solves every other mechanism: from several starts alternating best responses and random moves, and exhaustive search where it is small.
func (s *solver) any(k kind) (*Solution, error) {
	r := s.h.Relation
	if k == classAnd && s.g.M == 1 {
		if zero, err := s.zero(true); err != nil || zero != nil {
			return zero, err
		}
	}
	out := &Solution{Method: "alternating best response and local search"}
	out.LowerBound, out.Bound = lowerBound(r, s.g, -1)
	var tries []*answering
	starts := s.starts(k)
	for _, start := range starts {
		x := &answering{r: r, g: s.g, wanted: r.wanted()}
		x.start(start[0], start[1])
		x.respond(s.rng, s.o.ops()/int64(len(starts)))
		tries = append(tries, x)
		if s.stop() {
			return nil, context.Cause(s.ctx)
		}
	}
	slices.SortStableFunc(tries, func(a, b *answering) int { return a.y - b.y })
	if len(r.Subjects)+len(r.Objects) > 200 { // random moves are dear: only from the best start
		tries = tries[:1]
	}
	moves := s.o.moves(2*(len(r.Subjects)+len(r.Objects))) / len(tries)
	for at, x := range tries {
		for half := range 2 {
			part := 1 / float64(2*len(tries))
			x.anneal(s.rng, moves/2, s.between(float64(2*at+half)*part, float64(2*at+half+1)*part))
			x.respond(s.rng, s.o.ops()/int64(4*len(tries)))
		}
		if out.A == nil || x.y < out.Y {
			out.A, out.B, out.Y = x.a, x.b, x.y
		}
		if out.Y <= out.LowerBound {
			return out, context.Cause(s.ctx)
		}
	}
	return out, s.exhaust(out)
}

// exhaust searches all codes where they are few: it improves a solution, or proves it to be the best.
func (s *solver) exhaust(out *Solution) error {
	r := s.h.Relation
	if s.g.N > 10 || len(r.Objects)<<s.g.N > mostScanned || out.Y <= out.LowerBound {
		return context.Cause(s.ctx)
	}
	e := &exact{ctx: s.ctx, r: r, g: s.g}
	complete, err := e.search(out.Y, s.o.ops())
	if err != nil {
		return err
	}
	if e.bestA != nil {
		x := &answering{r: r, g: s.g, wanted: r.wanted()}
		x.start(e.bestA, make([]uint64, len(r.Objects)))
		x.answer(s.rng, true, 1<<62)
		out.A, out.B, out.Y, out.Method = x.a, x.b, x.y, "branch and bound over the codes of the subjects"
	}
	if complete {
		out.Proved, out.LowerBound, out.Bound = true, out.Y, "exhaustive search over the codes of the subjects"
	}
	return nil
}

// starts are codes that grant every required access: one code for all, a ladder along the hierarchy, random codes by component.
func (s *solver) starts(k kind) [][2][]uint64 {
	r, mask := s.h.Relation, s.g.mask()
	constant := [2][]uint64{slices.Repeat([]uint64{mask}, len(r.Subjects)), slices.Repeat([]uint64{mask}, len(r.Objects))}
	out := [][2][]uint64{constant}
	if ring := s.h.ring; ring != nil {
		if x, err := ring.solve(s.g); err == nil {
			out = append(out, [2][]uint64{x.A, x.B})
		}
	}
	if level, err := LevelOf(s.g); err == nil && r.order && level.Low > 1 {
		rising := r.rising()
		a, b := make([]uint64, len(rising)), make([]uint64, len(rising))
		for at, v := range rising {
			class := level.Low - 1 - at*level.Low/len(rising) // the highest nodes have the first steps
			a[v], b[v] = level.A[class], level.B[class]
		}
		out = append(out, [2][]uint64{a, b})
	}
	switch k {
	case classAnd:
		out = append(out, s.keys(true), s.keys(false))
	case classOr:
		// m bits that block, and the others never agreeing.
		b := newBlocking(r, s.g.M)
		b.greedy(s.rng, 2)
		b.tighten()
		out = append(out, [2][]uint64{padded(b.a, s.g.M, s.g.N, false), padded(b.b, s.g.M, s.g.N, true)})
	}
	side, parts := r.components()
	for range 2 {
		codes := make([]uint64, len(parts))
		for p := range codes {
			codes[p] = s.rng.Uint64() & mask
			for k == classAnd && bits.OnesCount64(codes[p]) < s.g.M {
				codes[p] |= 1 << s.rng.IntN(s.g.N)
			}
		}
		var start [2][]uint64
		for which := range side {
			for _, p := range side[which] {
				start[which] = append(start[which], codes[p])
			}
		}
		out = append(out, start)
	}
	return out
}

// keys divides one side into as many groups as there are keys, along the branches of a hierarchy: each group has a key of its own, and whoever of the other side is
// required has it as well. The other m-1 bits always agree.
func (s *solver) keys(subjects bool) [2][]uint64 {
	r := s.h.Relation
	mine, required := r.permit, r.wanted()
	if !subjects {
		mine, required = required, mine
	}
	n := s.g.N - s.g.M + 1
	always := s.g.mask() &^ (1<<n - 1)
	order := r.branches(s.rng, true)
	if !subjects && !r.order {
		order = s.rng.Perm(len(mine))
	}
	grouped, others := make([]uint64, len(mine)), make([]uint64, len(required))
	for at, i := range order {
		grouped[i] = always | 1<<(at*n/len(order))
	}
	for j, row := range required {
		others[j] = always
		row.each(func(i int) { others[j] |= grouped[i] })
	}
	if subjects {
		return [2][]uint64{grouped, others}
	}
	return [2][]uint64{others, grouped}
}
