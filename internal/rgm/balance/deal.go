package balance

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"math/bits"
	"slices"

	"redoubt/internal/cluster"
)

// Slots is into how many parts the clients of a service are divided; the kernel finds the slot of a packet by a hash.
const Slots = 1024

// Seat is a node that slots can be dealt to.
type Seat struct {
	Node    cluster.NodeName
	Weight  int
	Present bool // it takes new connections now
}

// Deal gives each slot to a seat: the index of the seat, or -1 where nobody is present. It knows no history and still moves little:
//
//   - First all seats are dealt to, present or not, each exactly as many slots as its weight says. A slot goes where a hash of both likes it best while there
//     is room, so that a change of the weights moves few more slots than it has to.
//   - The slots of the seats that are away go to the next in the slot's own order of preference. So a seat that leaves or returns moves its own slots only.
//
// Seats of weight 0 get nothing as long as another is present.
func Deal(seats []Seat) [Slots]int {
	var dealt [Slots]int
	for i := range dealt {
		dealt[i] = -1
	}
	order := preferences(seats)
	// The base: every pair of slot and seat, the best liked first.
	var pairs []pair
	for slot := range order {
		pairs = append(pairs, order[slot]...)
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.liking, a.liking), cmp.Compare(a.slot, b.slot), cmp.Compare(a.seat, b.seat))
	})
	room := quotas(seats)
	for _, p := range pairs {
		if dealt[p.slot] < 0 && room[p.seat] > 0 {
			dealt[p.slot], room[p.seat] = p.seat, room[p.seat]-1
		}
	}
	for slot, seat := range dealt {
		if seat < 0 || !seats[seat].Present {
			dealt[slot] = stand(seats, order[slot])
		}
	}
	return dealt
}

// pair is how much a slot likes a seat, and how far it is down its order: liking for equal seats, cost with the weights.
type pair struct {
	slot, seat int
	liking     uint64
	cost       uint64
}

// preferences gives every slot's order of the seats: that of the smallest cost, which is an exponential variate over the weight, so that
// each seat comes first as often as its weight says.
func preferences(seats []Seat) [Slots][]pair {
	var out [Slots][]pair
	for slot := range out {
		ps := make([]pair, 0, len(seats))
		for i, s := range seats {
			h := liking(slot, s.Node)
			p := pair{slot: slot, seat: i, liking: h, cost: ^uint64(0)}
			if s.Weight > 0 {
				p.cost = minusLog2(h) / uint64(s.Weight)
			}
			ps = append(ps, p)
		}
		slices.SortFunc(ps, func(a, b pair) int {
			return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(b.liking, a.liking), cmp.Compare(seats[a.seat].Node, seats[b.seat].Node))
		})
		out[slot] = ps
	}
	return out
}

// stand finds who stands in: the first that is present, one without weight only if there is no other.
func stand(seats []Seat, order []pair) int {
	for _, p := range order {
		if seats[p.seat].Present {
			return p.seat
		}
	}
	return -1
}

// quotas divides the slots by the weights: whole parts, and the rest by the largest remainders.
func quotas(seats []Seat) []int {
	out := make([]int, len(seats))
	sum := 0
	for _, s := range seats {
		sum += s.Weight
	}
	if sum == 0 {
		return out
	}
	left := Slots
	rest := make([]int, 0, len(seats))
	for i, s := range seats {
		out[i] = Slots * s.Weight / sum
		left -= out[i]
		rest = append(rest, i)
	}
	slices.SortStableFunc(rest, func(a, b int) int {
		return cmp.Or(cmp.Compare(Slots*seats[b].Weight%sum, Slots*seats[a].Weight%sum), cmp.Compare(seats[a].Node, seats[b].Node))
	})
	for _, i := range rest[:left] {
		out[i]++
	}
	return out
}

// liking is a hash of a slot and a node.
func liking(slot int, n cluster.NodeName) uint64 {
	h := fnv.New64a()
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(slot))
	_, _ = h.Write([]byte(n)) // never fails
	_, _ = h.Write(b[:])
	// FNV leaves what comes last in the low bits; the rest of this spreads it over all.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// minusLog2 is -log2(h / 2^64) with 40 binary digits after the point, in whole numbers: every machine has to come to the same.
func minusLog2(h uint64) uint64 {
	if h == 0 {
		return 64 << 40
	}
	zeros := bits.LeadingZeros64(h)
	m := h << zeros // [1, 2) as m / 2^63
	log := uint64(0)
	for i := range 40 {
		hi, lo := bits.Mul64(m, m)
		m = hi<<1 | lo>>63
		if hi>>63 != 0 { // the square is 2 or more
			m, log = hi, log|1<<(39-i)
		}
	}
	// log2(h) is 63 - zeros + log.
	return uint64(zeros+1)<<40 - log
}
