// Package search finds the least value of a function of one variable on an interval without assuming that it has one valley. It is for functions that take
// microseconds: it looks at a grid of points first and then goes down in every valley that could hold the least value.
package search

import (
	"math"
)

// Points is how many points a search looks at where nothing else is asked for.
const Points = 2000

// Valley is a local minimum.
type Valley struct{ X, Y float64 }

// Grid are about n points of [lo, hi] in rising order, half of them evenly spaced and half with steps that grow by a factor from the lower end: even steps find what is
// wide, growing ones what is near the lower end on its own scale, down to a trillionth of the interval.
func Grid(lo, hi float64, n int) []float64 {
	half := max(n/2, 2)
	even, grown := make([]float64, 0, half+1), make([]float64, 0, half)
	for i := range half {
		even = append(even, lo+(hi-lo)*float64(i)/float64(half))
	}
	even = append(even, hi)
	for i := 1; i <= half; i++ {
		grown = append(grown, lo+(hi-lo)*math.Pow(10, -12*(1-float64(i)/float64(half+1))))
	}
	all := make([]float64, 0, len(even)+len(grown))
	for len(even) > 0 {
		if len(grown) == 0 || even[0] <= grown[0] {
			all, even = append(all, even[0]), even[1:]
		} else {
			all, grown = append(all, grown[0]), grown[1:]
		}
	}
	return all
}

// Valleys are the local minima of f on [lo, hi] that a grid of n points shows and that could be the least, each followed down by golden sections, in rising order of X.
// The ends and plateaus count as valleys. Values of +Inf are allowed, NaN is not.
func Valleys(f func(float64) float64, lo, hi float64, n int) []Valley {
	points := Grid(lo, hi, n)
	values := make([]float64, len(points))
	least := math.Inf(1)
	for i, p := range points {
		values[i] = f(p)
		least = min(least, values[i])
	}
	var out []Valley
	for i, v := range values {
		before, after := max(i-1, 0), min(i+1, len(values)-1)
		if values[before] < v || values[after] < v || math.IsInf(v, 1) || i > 0 && values[before] == v && values[after] == v {
			continue
		}
		// A valley far above the least point can not go below it on so short an interval unless it is far steeper than all around it.
		if v > least+8*(finite(values[before])-v+finite(values[after])-v) {
			continue
		}
		x, y := golden(f, points[before], points[after])
		if v <= y {
			x, y = points[i], v
		}
		out = append(out, Valley{x, y})
	}
	return out
}

// Minimise finds the least value of f on [lo, hi] with a grid of n points; of equal ones that with the least x. The place is sharpened as far as the values allow.
func Minimise(f func(float64) float64, lo, hi float64, n int) Valley {
	best := Valley{lo, math.Inf(1)}
	for _, v := range Valleys(f, lo, hi, n) {
		if v.Y < best.Y {
			best = v
		}
	}
	if !math.IsInf(best.Y, 0) {
		best.X = Polish(f, best.X, lo, hi)
		best.Y = f(best.X)
	}
	return best
}

func finite(v float64) float64 {
	if math.IsInf(v, 0) {
		return math.MaxFloat64 / 64
	}
	return v
}

// golden follows one valley of f on [a, b] down by golden sections until the function no longer tells the points apart.
func golden(f func(float64) float64, a, b float64) (x, y float64) {
	ratio := (math.Sqrt(5) - 1) / 2
	c, d := b-ratio*(b-a), a+ratio*(b-a)
	fc, fd := f(c), f(d)
	for range 100 {
		if math.Abs(b-a) <= 1e-13*(math.Abs(a)+math.Abs(b)) || c == a || d == b {
			break
		}
		if fc <= fd {
			b, d, fd = d, c, fc
			c = b - ratio*(b-a)
			fc = f(c)
		} else {
			a, c, fc = c, d, fd
			d = a + ratio*(b-a)
			fd = f(d)
		}
	}
	x, y = c, fc
	for _, p := range [3]float64{d, a, b} {
		if v := f(p); v < y {
			x, y = p, v
		}
	}
	return x, y
}

// Root finds where f, which is greater than 0 at lo and not at hi, stops being so, by bisection to the last bit.
func Root(f func(float64) float64, lo, hi float64) float64 {
	for range 200 {
		mid := lo + (hi-lo)/2
		if mid == lo || mid == hi {
			break
		}
		if f(mid) > 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// Slope is the derivative of f at x by differences over two steps of h to each side; the error is of the fourth order of h.
func Slope(f func(float64) float64, x, h float64) float64 {
	return (8*(f(x+h)-f(x-h)) - (f(x+2*h) - f(x-2*h))) / (12 * h)
}

// Polish sharpens the place of a minimum: golden sections stop at half the digits, since a valley is flat at its bottom, while the slope changes its sign there. The
// sharper place is taken only where the function says that it is not worse.
func Polish(f func(float64) float64, x, lo, hi float64) float64 {
	h := 5e-4 * max(math.Abs(x), 1e-12*(hi-lo))
	slope := func(p float64) float64 { return Slope(f, p, h) }
	a, b := x-h, x+h
	if a-2*h < lo || b+2*h > hi || !(slope(a) < 0 && slope(b) > 0) {
		return x
	}
	p := Root(func(v float64) float64 { return -slope(v) }, a, b)
	if y := f(x); f(p) <= y+1e-14*math.Abs(y) {
		return p
	}
	return x
}
