package codes

import (
	"context"
	"fmt"
	"math"
)

// Degree is which degree of protection is wanted.
type Degree string

// The degrees.
const (
	Relative Degree = "relative" // (3.26)
	Absolute Degree = "absolute" // (3.25)
	Minimum  Degree = "minimum"  // (3.27), of the worst object
)

// Wish is what codes are designed for.
type Wish struct {
	Phi     Phi     // the zero value is φ = 0, which grants nothing: name one
	M       int     // agreeing bits; 0: as DefaultM for each length
	Degree  Degree  // "": relative
	AtLeast float64 // 0 to 1
	MaxN    int     // longest code; 0: MaxBits
	Options
}

// Plan is codes of the least length that a wanted degree of protection needs, as far as the search found one.
type Plan struct {
	*Solution
	Degrees *Degrees
	Reached bool // the wanted degree is reached
	Least   bool // it is proved that no shorter codes reach it
	Fewest  int  // no codes of fewer bits reach it
}

// Design picks the least length of the codes with which a degree of protection is reached, and the codes (H.design). If none of up to MaxN bits is found, the
// plan holds the best codes of MaxN bits and says that it does not reach the degree.
func Design(ctx context.Context, h *Hierarchy, w Wish) (*Plan, error) {
	if w.Degree == "" {
		w.Degree = Relative
	}
	if w.MaxN == 0 {
		w.MaxN = MaxBits
	}
	switch {
	case w.Degree != Relative && w.Degree != Absolute && w.Degree != Minimum:
		return nil, fmt.Errorf("there is no degree of protection %q; there are %s, %s and %s", w.Degree, Relative, Absolute, Minimum)
	case math.IsNaN(w.AtLeast) || w.AtLeast < 0 || w.AtLeast > 1:
		return nil, fmt.Errorf("a degree of protection of %v is wanted; it is between 0 and 1", w.AtLeast)
	case w.M < 0 || w.MaxN < max(1, w.M) || w.MaxN > MaxBits:
		return nil, fmt.Errorf("codes of at most %d bits with %d agreeing; lengths are 1 to %d and not less than the agreeing bits", w.MaxN, w.M, MaxBits)
	}
	d := &designer{ctx: ctx, h: h, w: w, plans: map[int]*Plan{}}
	shortest := max(1, w.M)
	low := shortest // no shorter codes reach it, by their lower bound
	for low < w.MaxN && !d.possible(low) {
		low++
	}
	fails, works := low-1, 0
	if k, _, _ := w.Phi.class(); k == classOr && w.M == 0 || k == classAnd && d.m(low) == 1 {
		// The least length without inadmissible accesses is a problem of its own, with better bounds.
		x, err := minimumBits(ctx, h.Relation, k == classAnd, w.ops())
		if err != nil {
			return nil, err
		}
		d.free = &x
		if w.AtLeast == 1 {
			low = min(max(low, x.Low), w.MaxN)
			fails = low - 1
			if x.Found && x.High <= w.MaxN {
				works = max(x.High, low)
				if _, err := d.at(works); err != nil {
					return nil, err
				}
			}
		}
	}
	// More bits never protect less, so the least length that is reached can be looked for in ever smaller brackets.
	for step := 1; works == 0; step *= 2 {
		n := min(low+step-1, w.MaxN)
		p, err := d.at(n)
		if err != nil {
			return nil, err
		}
		if p.Reached {
			works = n
		} else if fails = n; n == w.MaxN {
			p.Fewest = low
			return p, nil
		}
	}
	for works-fails > 1 {
		n := (works + fails) / 2
		p, err := d.at(n)
		if err != nil {
			return nil, err
		}
		if p.Reached {
			works = n
		} else {
			fails = n
		}
	}
	out := d.plans[works]
	out.Fewest = low
	out.Least = works == low
	if p := d.plans[works-1]; p != nil && p.Proved && w.Degree != Minimum {
		out.Fewest, out.Least = works, true
	}
	return out, nil
}

type designer struct {
	ctx   context.Context
	h     *Hierarchy
	w     Wish
	plans map[int]*Plan // by length
	free  *Bits         // codes without inadmissible accesses, where that is a problem of its own
}

func (d *designer) m(n int) int {
	if d.w.M > 0 {
		return d.w.M
	}
	return DefaultM(d.w.Phi, n)
}

// most is how many inadmissible accesses the wanted degree allows in all.
func (d *designer) most() int {
	const slack = 1e-9 // so that a degree that is printed and read again is still reached
	switch d.w.Degree {
	case Absolute:
		return whole(float64(len(d.h.Objects)) * (1/d.w.AtLeast - 1 + slack))
	case Minimum:
		return whole(float64(len(d.h.Objects)) * math.Floor(1/d.w.AtLeast-1+slack))
	}
	return whole((1 - d.w.AtLeast + slack) * float64(d.h.forbidden()))
}

func whole(x float64) int {
	if x > manyCodes {
		return manyCodes
	}
	return int(math.Floor(x))
}

// possible reports whether the lower bound leaves room for the wanted degree with codes of n bits.
func (d *designer) possible(n int) bool {
	g := Mechanism{Phi: d.w.Phi, N: n, M: d.m(n)}
	if g.Check() != nil {
		return true // the search itself says what is wrong
	}
	y, _ := lowerBound(d.h.Relation, g, -1)
	return y <= d.most()
}

// at are codes of n bits, never worse than those of fewer bits that are there already.
func (d *designer) at(n int) (*Plan, error) {
	o := d.w.Options
	if len(d.h.Subjects)+len(d.h.Objects) > 400 { // several lengths are tried: together they take what one may
		o.Effort = float64(o.ops()) / (1e6 * stepOps * 4)
	}
	s, err := solve(d.ctx, d.h, Mechanism{Phi: d.w.Phi, N: n, M: d.m(n)}, o, d.free)
	if err != nil {
		return nil, err
	}
	for k := n - 1; k >= max(1, d.w.M); k-- {
		if p := d.plans[k]; p != nil && p.Y < s.Y {
			s = d.longer(p.Solution, s)
		}
	}
	degrees, err := Measure(d.h.Relation, s.Mechanism, s.A, s.B, 0)
	if err != nil {
		return nil, err
	}
	p := &Plan{Solution: s, Degrees: degrees}
	got := degrees.Relative
	switch d.w.Degree {
	case Absolute:
		got = degrees.Absolute
	case Minimum:
		got = degrees.Minimum
	}
	p.Reached = got >= d.w.AtLeast-1e-9
	d.plans[n] = p
	return p, nil
}

// longer adds bits to shorter codes: such as always agree if the threshold grows with the length, and such as never agree otherwise.
func (d *designer) longer(short, same *Solution) *Solution {
	g := same.Mechanism
	agree := 0
	if g.M > short.Mechanism.M {
		agree = 1
	}
	for k := range 4 {
		if d.w.Phi.Of(k>>1, k&1) == agree {
			out := *same
			out.A, out.B = padded(short.A, short.Mechanism.N, g.N, k>>1 == 1), padded(short.B, short.Mechanism.N, g.N, k&1 == 1)
			out.Y, out.Method = short.Y, fmt.Sprintf("the codes of %d bits, with %d more that change nothing", short.Mechanism.N, g.N-short.Mechanism.N)
			return &out
		}
	}
	return same
}
