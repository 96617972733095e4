package game

import (
	"container/heap"
	"math"
)

// Bounds of a proof.
const (
	ProofBoxes = 20_000 // parts of a range that are looked at, at most
	deadBoxes  = 300    // of which nothing is known: then the proof is given up
	proofGap   = 1e-9   // what may stay between what is found and what is proved, as a part of the amounts
)

// box is a part of a range, with a bound of what a function has within it.
type box struct{ lo, hi, most float64 }

type boxes []box

func (b boxes) Len() int           { return len(b) }
func (b boxes) Less(i, j int) bool { return b[i].most > b[j].most }
func (b boxes) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }
func (b *boxes) Push(x any)        { *b = append(*b, x.(box)) }
func (b *boxes) Pop() any {
	old := *b
	x := old[len(old)-1]
	*b = old[:len(old)-1]
	return x
}

// highest brackets the greatest value of a function from 0 to most, of which over bounds the values within a part: found is no more than it, bound no less. The part with the greatest bound is
// halved, until what is found and the bound are no further apart than gap, or enough parts were looked at. It is false where parts stay of which nothing is known.
func highest(over func(Span) (Span, bool), most, gap float64) (found, bound float64, ok bool) {
	found = math.Inf(-1)
	settled := math.Inf(-1) // bounds of parts that are too narrow to be halved
	dead := 0
	var queue boxes
	add := func(lo, hi float64) {
		b := box{lo, hi, math.Inf(1)}
		if s, ok := over(Span{lo, hi}); ok {
			b.most = s.Hi
		} else {
			dead++
		}
		heap.Push(&queue, b)
	}
	look := func(x float64) {
		if s, ok := over(Span{x, x}); ok {
			found = math.Max(found, s.Lo)
		}
	}
	look(0)
	look(most)
	add(0, most)
	for n := 0; len(queue) > 0; n++ {
		top := queue[0]
		if top.most <= settled || top.most <= found+gap || n >= ProofBoxes || dead > deadBoxes {
			break
		}
		heap.Pop(&queue)
		mid := top.lo/2 + top.hi/2
		if mid <= top.lo || mid >= top.hi {
			settled = math.Max(settled, top.most)
			continue
		}
		look(mid)
		add(top.lo, mid)
		add(mid, top.hi)
	}
	bound = settled
	if len(queue) > 0 {
		bound = math.Max(bound, queue[0].most)
	}
	return found, bound, bound <= math.MaxFloat64 && found >= -math.MaxFloat64
}

// prove bounds what either player could gain from a play, over the whole range, and says so where that can be done. What it finds on the way may refute the play: its regret is then that.
func (a *arena) prove(p *Play) {
	if a.ProfitOver == nil || a.LossOver == nil {
		return
	}
	x, y := Span{p.X, p.X}, Span{p.Y, p.Y}
	v, ok1 := a.ProfitOver(x, y)
	u, ok2 := a.LossOver(x, y)
	if !ok1 || !ok2 {
		return
	}
	gap := proofGap * a.scale
	attack, attackMost, ok1 := highest(func(x Span) (Span, bool) { return a.ProfitOver(x, y) }, a.MaxX, gap)
	defence, defenceMost, ok2 := highest(func(y Span) (Span, bool) { return negative(a.LossOver(x, y)) }, a.MaxY, gap)
	p.Regret = max(p.Regret, attack-v.Hi, defence+u.Lo) // what is found counts whether or not there is a bound
	if ok1 && ok2 {
		p.Bound, p.Proved = max(0, p.Regret, attackMost-v.Lo, defenceMost+u.Hi), true
	}
}

// bracket bounds the value of the equivalent zero-sum game: it is no less than the best defence against x leaves, and no more than the best attack against y brings.
func (a *arena) bracket(s *Saddle) {
	if a.ProfitOver == nil {
		return
	}
	over := func(x, y Span) (Span, bool) {
		v, ok := a.ProfitOver(x, y)
		const part = 1e-15 // of the roundings of three operations
		lo, hi := s.Theta*v.Lo+y.Lo, s.Theta*v.Hi+y.Hi
		slack := part * (math.Abs(s.Theta*v.Lo) + math.Abs(s.Theta*v.Hi) + math.Abs(y.Hi))
		return Span{lo - slack, hi + slack}, ok
	}
	gap := proofGap * a.scale * max(1, s.Theta)
	_, low, ok1 := highest(func(y Span) (Span, bool) { return negative(over(Span{s.X, s.X}, y)) }, a.MaxY, gap)
	_, high, ok2 := highest(func(x Span) (Span, bool) { return over(x, Span{s.Y, s.Y}) }, a.MaxX, gap)
	if ok1 && ok2 {
		s.Lo, s.Hi, s.Proved = min(s.Value, -low), max(s.Value, high), true
	}
}

func negative(s Span, ok bool) (Span, bool) { return Span{-s.Hi, -s.Lo}, ok }
