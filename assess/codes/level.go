package codes

import (
	"fmt"
	"slices"
)

// Level is the level of linear hierarchy μ(φ,m,n): the most levels that the mechanism can tell apart (H.level). Low is reached by the ladder, High can not be
// passed; where they are equal, μ is known.
type Level struct {
	Low, High int
	A, B      []uint64 // a ladder of Low steps: g(a^s, b^t) = 1 ⟺ s <= t
}

// steps is a ladder.
type steps struct{ a, b []uint64 }

func (s steps) len() int { return len(s.a) }

// longest are the longest ladders of and and xnor, by n and m, that exhaustive search found, where no formula is proved. The tests search again.
var longest = map[kind]map[[2]int]steps{
	classAnd: {
		{3, 2}: {[]uint64{7, 5, 6}, []uint64{3, 5, 7}},
		{4, 2}: {[]uint64{15, 13, 14, 12, 9, 10}, []uint64{3, 5, 7, 12, 13, 15}},
		{4, 3}: {[]uint64{15, 11, 13}, []uint64{7, 11, 15}},
		{5, 2}: {[]uint64{31, 29, 30, 28, 25, 26, 24, 17, 18, 20}, []uint64{3, 5, 7, 12, 13, 15, 24, 25, 27, 31}},
		{5, 3}: {[]uint64{31, 27, 29, 30, 19, 26, 28}, []uint64{7, 11, 25, 15, 23, 27, 31}},
		{5, 4}: {[]uint64{31, 23, 27}, []uint64{15, 23, 31}},
		{6, 4}: {[]uint64{63, 55, 59, 61, 39, 53, 57}, []uint64{15, 23, 51, 31, 47, 55, 63}},
		{6, 5}: {[]uint64{63, 47, 55}, []uint64{31, 47, 63}},
	},
	classEqual: {
		{3, 2}: {[]uint64{0, 3, 6}, []uint64{0, 1, 2}},
		{4, 2}: {[]uint64{0, 7, 14, 15}, []uint64{0, 1, 2, 6}},
		{4, 3}: {[]uint64{0, 3, 6}, []uint64{0, 1, 2}},
		{5, 2}: {[]uint64{0, 15, 30, 31}, []uint64{0, 1, 2, 6}},
		{5, 3}: {[]uint64{1, 7, 15, 13, 31, 25, 28}, []uint64{0, 2, 3, 5, 7, 11, 13}},
		{5, 4}: {[]uint64{0, 3, 6}, []uint64{0, 1, 2}},
	},
}

// LevelOf is μ of a mechanism. It is exact for and-like functions with m = 1 and m = n, or-like ones with m = n and m = 1, xor-like ones with m = 1 and m = n,
// functions of one side, and everything up to 5 bits; otherwise a bracket.
func LevelOf(g Mechanism) (Level, error) {
	if err := g.Check(); err != nil {
		return Level{}, err
	}
	k, flipA, flipB := g.Phi.class()
	s, high := standardLadder(k, g)
	l := Level{Low: s.len(), High: high, A: flip(slices.Clone(s.a), g.mask(), flipA), B: flip(slices.Clone(s.b), g.mask(), flipB)}
	if l.Low > l.High {
		return Level{}, fmt.Errorf("a ladder of %d steps where %d are the most, for %s with %d of %d bits", l.Low, l.High, g.Phi, g.M, g.N)
	}
	return l, nil
}

// standardLadder is the ladder of a class's standard function.
func standardLadder(k kind, g Mechanism) (s steps, high int) {
	switch k {
	case classNever:
		return steps{}, 0
	case classAlways, classSubject, classObject: // one step: a second would need what the code of one side can not see
		return steps{[]uint64{g.mask()}, []uint64{g.mask()}}, 1
	case classOr:
		// The negation of and with m' = n-m+1, backwards, with one more step: a subject that is granted everything and an object that is granted to everybody.
		and, high := extended(classAnd, g.N, g.N-g.M+1)
		s := steps{a: []uint64{g.mask()}}
		for i := and.len() - 1; i >= 0; i-- {
			s.a = append(s.a, ^and.a[i]&g.mask())
			s.b = append(s.b, and.b[i])
		}
		s.b = append(s.b, 0)
		if g.M == g.N { // the same in the form of one bit fewer on each step, subject and object alike
			for i := range s.a {
				s.a[i] = 1<<(g.N-i) - 1
				if g.N == MaxBits && i == 0 {
					s.a[i] = ^uint64(0)
				}
				s.b[i] = s.a[i]
			}
		}
		return s, high + 1
	}
	return extended(k, g.N, g.M)
}

// extended is the longest ladder that is known for and or xnor, and what can not be passed. A bit that never agrees or always agrees can be added to any ladder.
func extended(k kind, n, m int) (s steps, high int) {
	known := make([]steps, n+1) // by m, of the length reached so far
	for length := 1; length <= n; length++ {
		next := make([]steps, n+1)
		for t := 1; t <= length; t++ {
			top := uint64(1) << (length - 1)
			if _, exact := bound(k, length, t); exact {
				next[t] = exactLadder(k, length, t)
				continue
			}
			never, always := known[t], known[t-1]
			if never.len() >= always.len() {
				if k == classEqual {
					never = never.with(0, top)
				}
				next[t] = never
			} else {
				next[t] = always.with(top, top)
			}
		}
		known = next
	}
	high, _ = bound(k, n, m)
	return known[m], high
}

// with is a ladder with one more bit in all codes.
func (s steps) with(a, b uint64) steps {
	out := steps{slices.Clone(s.a), slices.Clone(s.b)}
	for i := range out.a {
		out.a[i] |= a
		out.b[i] |= b
	}
	return out
}

// bound is what no ladder of and or xnor passes, and whether it is μ itself. The codes of the subjects of a ladder differ, and those of and have at least m ones.
func bound(k kind, n, m int) (high int, exact bool) {
	if s, ok := longest[k][[2]int{n, m}]; ok {
		return s.len(), true
	}
	switch {
	case m == n: // and: one code is granted, 1…1; xnor: granted is the same as equal, so the first subject's code is that of every object
		return 1, true
	case k == classAnd && m == 1: // the unions of the later keys shrink at every step
		return n, true
	case k == classEqual && m == 1: // denied is only the complement, so all later subjects would have the same code
		return 2, true
	case k == classAnd:
		return weights(n, m), false
	}
	return saturate(n), false
}

// exactLadder is a longest ladder where bound is exact.
func exactLadder(k kind, n, m int) steps {
	if s, ok := longest[k][[2]int{n, m}]; ok {
		return s
	}
	mask := Mechanism{N: n}.mask()
	switch {
	case m == n:
		return steps{[]uint64{mask}, []uint64{mask}}
	case k == classEqual:
		return steps{[]uint64{0, mask}, []uint64{0, 1}}
	}
	var s steps
	for i := range n { // subject s has the keys s and later, object t the keys up to t
		s.a = append(s.a, mask>>i<<i)
		s.b = append(s.b, mask>>(n-1-i))
	}
	return s
}

const manyCodes = 1 << 30 // as good as any number of codes

// saturate is 2^n, or manyCodes if that is less.
func saturate(n int) int { return 1 << min(n, 30) }

// weights is the number of codes with at least m ones.
func weights(n, m int) int {
	sum := 0
	for k := m; k <= n; k++ {
		if sum += choose(n, k); sum >= manyCodes {
			return manyCodes
		}
	}
	return sum
}

// choose is n over k, or manyCodes if that is less.
func choose(n, k int) int {
	c := 1
	for i := 1; i <= min(k, n-k); i++ {
		if c = c * (n - i + 1) / i; c >= manyCodes {
			return manyCodes
		}
	}
	return c
}
