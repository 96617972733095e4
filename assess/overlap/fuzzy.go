package overlap

import (
	"cmp"
	"math"
	"slices"
)

// Trapezoid is a fuzzy number: membership rises from A to B, is 1 to C, falls to D. A <= B <= C <= D.
type Trapezoid struct{ A, B, C, D float64 }

// Interval is an α-cut.
type Interval struct{ Lo, Hi float64 }

// Cut is where the membership is at least alpha, 0 to 1.
func (t Trapezoid) Cut(alpha float64) Interval {
	return Interval{Lo: t.A + alpha*(t.B-t.A), Hi: t.D - alpha*(t.D-t.C)}
}

// Centroid is the centre of gravity of the membership.
func (t Trapezoid) Centroid() float64 {
	a, b, c, d := t.A, t.B, t.C, t.D
	area := (d + c - a - b) / 2
	if area <= 1e-12*max(1, math.Abs(a), math.Abs(d)) {
		return (a + b + c + d) / 4
	}
	return ((c*c + c*d + d*d) - (a*a + a*b + b*b)) / (6 * area)
}

// Rated is one entry of a rating in words.
type Rated struct{ Rating, Importance Trapezoid }

// Operator makes the α-cut of a whole of those of its entries; ok is false where there is nothing to make it of.
type Operator func(entries []Rated, alpha float64) (cut Interval, ok bool)

// WeakestLink is the fuzzy minimum of the ratings.
func WeakestLink(entries []Rated, alpha float64) (Interval, bool) {
	if len(entries) == 0 {
		return Interval{}, false
	}
	out := Interval{Lo: math.Inf(1), Hi: math.Inf(1)}
	for _, e := range entries {
		c := e.Rating.Cut(alpha)
		out.Lo, out.Hi = min(out.Lo, c.Lo), min(out.Hi, c.Hi)
	}
	return out, true
}

// SelectiveWeakestLink is the weakest link of the entries whose importance has its centroid at the threshold or above.
func SelectiveWeakestLink(threshold float64) Operator {
	return func(entries []Rated, alpha float64) (Interval, bool) {
		var some []Rated
		for _, e := range entries {
			if e.Importance.Centroid() >= threshold {
				some = append(some, e)
			}
		}
		return WeakestLink(some, alpha)
	}
}

// WeightedMean is the fuzzy weighted mean: at each cut all values of Σwr/Σw with ratings and weights within their cuts, by the switch points of Karnik and Mendel.
func WeightedMean(entries []Rated, alpha float64) (Interval, bool) {
	type item struct{ r, lo, hi float64 }
	items := make([]item, len(entries))
	end := func(lower bool) (float64, bool) {
		n := 0
		for _, e := range entries {
			r, w := e.Rating.Cut(alpha), e.Importance.Cut(alpha)
			if w.Hi <= 0 {
				continue // it can not weigh anything
			}
			x := r.Hi
			if lower {
				x = r.Lo
			}
			items[n] = item{r: x, lo: max(0, w.Lo), hi: w.Hi}
			n++
		}
		if n == 0 {
			return 0, false
		}
		all := items[:n]
		// For the least value the low ratings get their greatest weights, for the greatest the high ones: the best switch point is found by trying each.
		slices.SortStableFunc(all, func(a, b item) int {
			if lower {
				return cmp.Compare(a.r, b.r)
			}
			return cmp.Compare(b.r, a.r)
		})
		var sum, weight float64
		for _, x := range all {
			sum += x.lo * x.r
			weight += x.lo
		}
		best := math.NaN()
		for _, x := range all {
			sum += (x.hi - x.lo) * x.r
			weight += x.hi - x.lo
			if v := sum / weight; math.IsNaN(best) || lower && v < best || !lower && v > best {
				best = v
			}
		}
		// The value lies among the ratings; rounding may not carry it out of them.
		least, most := all[0].r, all[n-1].r
		return min(max(best, min(least, most)), max(least, most)), true
	}
	lo, ok := end(true)
	if !ok {
		return Interval{}, false
	}
	hi, _ := end(false)
	return Interval{Lo: lo, Hi: max(lo, hi)}, true
}

// centroidCuts is how many slices of membership a centroid is made of.
const centroidCuts = 200

// Centroid is the centre of gravity of what an operator makes of entries, by the midpoints of 200 slices of membership; ok is false where there is nothing.
func Centroid(op Operator, entries []Rated) (centre float64, ok bool) {
	var moment, area, middle float64
	for i := range centroidCuts {
		c, ok := op(entries, (float64(i)+0.5)/centroidCuts)
		if !ok {
			return 0, false
		}
		moment += (c.Hi*c.Hi - c.Lo*c.Lo) / 2
		area += c.Hi - c.Lo
		middle += (c.Hi + c.Lo) / 2
	}
	if area <= 1e-9*centroidCuts {
		return middle / centroidCuts, true
	}
	return moment / area, true
}

// Nearest is the index of the word whose centroid is nearest, the first of equal ones; -1 without words.
func Nearest(words []Trapezoid, centre float64) int {
	best, off := -1, math.Inf(1)
	for i, w := range words {
		if d := math.Abs(w.Centroid() - centre); d < off {
			best, off = i, d
		}
	}
	return best
}
