package codes

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// answering is codes by any mechanism that are being improved; every required access stays granted.
type answering struct {
	r      *Relation
	g      Mechanism
	wanted []set
	a, b   []uint64
	y      int
}

// start takes codes that grant every required access.
func (s *answering) start(a, b []uint64) {
	s.a, s.b, s.y = append(s.a[:0], a...), append(s.b[:0], b...), -s.r.required()
	for _, x := range s.a {
		for _, z := range s.b {
			if s.g.Grants(x, z) {
				s.y++
			}
		}
	}
}

// respond gives every object the best code for the codes of the subjects, then the other way round, until nothing changes (H.response). The codes are tried in all:
// ops is how many trials may be made; it returns how many were.
func (s *answering) respond(rng *rand.Rand, ops int64) int64 {
	used := int64(0)
	for range 50 {
		before := s.y
		for side := range 2 {
			cost := s.answer(rng, side == 0, ops-used)
			if cost == 0 {
				return used
			}
			used += cost
		}
		if s.y == before {
			break
		}
	}
	return used
}

// answer chooses the codes of one side; 0 if that would take more than the trials left.
func (s *answering) answer(rng *rand.Rand, objects bool, ops int64) int64 {
	given, mine, required := s.a, s.b, s.wanted
	if !objects {
		given, mine, required = s.b, s.a, s.r.permit
	}
	index := map[uint64]int{}
	var different []uint64
	group := make([]int, len(given))
	for i, c := range given {
		at, ok := index[c]
		if !ok {
			at = len(different)
			index[c] = at
			different = append(different, c)
		}
		group[i] = at
	}
	cost := int64(len(mine)) * int64(len(different)) << s.g.N
	if s.g.N > 12 || cost > ops {
		return 0
	}
	needs, others := make([]int, len(different)), make([]int, len(different))
	for j := range mine {
		clear(needs)
		clear(others)
		for i, at := range group {
			if required[j].has(i) {
				needs[at]++
			} else {
				others[at]++
			}
		}
		best, ties, chosen := math.MaxInt, 0, mine[j]
	codes:
		for c := range uint64(1) << s.g.N {
			extra := 0
			for at, d := range different {
				granted := false
				if objects {
					granted = s.g.Grants(d, c)
				} else {
					granted = s.g.Grants(c, d)
				}
				switch {
				case granted:
					extra += others[at]
				case needs[at] > 0:
					continue codes
				}
				if extra > best {
					continue codes
				}
			}
			if extra < best {
				best, ties = extra, 0
			}
			if ties++; rng.IntN(ties) == 0 {
				chosen = c
			}
		}
		mine[j] = chosen
	}
	s.start(append([]uint64(nil), s.a...), append([]uint64(nil), s.b...))
	return cost
}

// anneal turns over bits at random, never denying a required access, fewer and fewer times where that adds accesses, and ends with the best codes that it met.
func (s *answering) anneal(rng *rand.Rand, moves int, stop func(done float64) bool) {
	bestA, bestB, bestY := append([]uint64(nil), s.a...), append([]uint64(nil), s.b...), s.y
	hot, cold := math.Max(1, float64(len(s.a)+len(s.b))/32), 0.2
	for move := 0; move < moves && bestY > 0; move++ {
		if move%4096 == 0 && stop(float64(move)/float64(moves)) {
			break
		}
		temperature := hot * math.Pow(cold/hot, float64(move)/float64(moves))
		allowed := 0
		if x := -temperature * math.Log(1-rng.Float64()); x < 1<<30 {
			allowed = int(x)
		}
		at, bit := rng.IntN(len(s.a)+len(s.b)), uint64(1)<<rng.IntN(s.g.N)
		if rng.IntN(4) == 0 { // two bits, so that a threshold can be kept
			bit ^= uint64(1) << rng.IntN(s.g.N)
		}
		if at < len(s.a) {
			if delta, ok := s.delta(s.a[at], s.a[at]^bit, s.b, s.r.permit[at], true); ok && delta <= allowed {
				s.a[at] ^= bit
				s.y += delta
			}
		} else if at -= len(s.a); true {
			if delta, ok := s.delta(s.b[at], s.b[at]^bit, s.a, s.wanted[at], false); ok && delta <= allowed {
				s.b[at] ^= bit
				s.y += delta
			}
		}
		if s.y < bestY {
			bestY = s.y
			copy(bestA, s.a)
			copy(bestB, s.b)
		}
	}
	s.start(bestA, bestB)
}

// delta is how many more accesses a new code grants; not ok if it denies a required one.
func (s *answering) delta(was, now uint64, others []uint64, required set, subject bool) (delta int, ok bool) {
	mask, phi := s.g.mask(), s.g.Phi
	for i, c := range others {
		var before, after int
		if subject {
			before, after = bits.OnesCount64(phi.each(was, c)&mask), bits.OnesCount64(phi.each(now, c)&mask)
		} else {
			before, after = bits.OnesCount64(phi.each(c, was)&mask), bits.OnesCount64(phi.each(c, now)&mask)
		}
		switch {
		case before >= s.g.M && after < s.g.M:
			if required.has(i) {
				return 0, false
			}
			delta--
		case before < s.g.M && after >= s.g.M:
			delta++
		}
	}
	return delta, true
}
