package plan

import "math/bits"

// A set of nodes is a word with a bit for each.

func set(nodes []int) uint64 {
	var m uint64
	for _, n := range nodes {
		m |= 1 << n
	}
	return m
}

func members(m uint64) []int {
	if m == 0 {
		return nil
	}
	out := make([]int, 0, bits.OnesCount64(m))
	for ; m != 0; m &= m - 1 {
		out = append(out, bits.TrailingZeros64(m))
	}
	return out
}

func count(m uint64) int { return bits.OnesCount64(m) }

func first(m uint64) int { return bits.TrailingZeros64(m) }
