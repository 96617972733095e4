package cost

import (
	"fmt"
	"math"
)

// gridPoints is how many points a global search looks at, half of them evenly spaced and half with steps that grow by a factor from the lower end.
const gridPoints = 2000

// grid are the points at which a function on [lo, hi] is looked at first: even steps find what is wide, growing ones what is near the lower end on its own scale.
func grid(lo, hi float64) []float64 {
	even, grown := make([]float64, 0, gridPoints+2), make([]float64, 0, gridPoints/2)
	for i := range gridPoints/2 + 1 {
		even = append(even, lo+(hi-lo)*float64(i)/(gridPoints/2))
	}
	for i := 1; i <= gridPoints/2; i++ {
		grown = append(grown, lo+(hi-lo)*math.Pow(10, -12*(1-float64(i)/(gridPoints/2+1))))
	}
	all := make([]float64, 0, len(even)+len(grown))
	for len(even) > 0 || len(grown) > 0 {
		if len(grown) == 0 || len(even) > 0 && even[0] <= grown[0] {
			all, even = append(all, even[0]), even[1:]
		} else {
			all, grown = append(all, grown[0]), grown[1:]
		}
	}
	return all
}

// minimise finds the least value of f on [lo, hi] without assuming that it has one valley: every valley of the grid that could hold it is followed down by golden
// sections. A plateau and the ends count as valleys. Values of +Inf are allowed; f never gives NaN.
func minimise(f func(float64) float64, lo, hi float64) (x, y float64) {
	points := grid(lo, hi)
	values := make([]float64, len(points))
	least := math.Inf(1)
	x, y = lo, math.Inf(1)
	for i, p := range points {
		values[i] = f(p)
		if values[i] < y {
			x, y = p, values[i]
		}
		least = min(least, values[i])
	}
	for i, v := range values {
		left, right := i == 0 || values[i-1] >= v, i == len(values)-1 || values[i+1] >= v
		if !left || !right || math.IsInf(v, 1) {
			continue
		}
		// A valley that is far above the least point can not go below it on so short an interval unless it is far steeper than all around it.
		a, b := points[max(i-1, 0)], points[min(i+1, len(points)-1)]
		if v > least+8*(math.Abs(finite(values[max(i-1, 0)])-v)+math.Abs(finite(values[min(i+1, len(values)-1)])-v)) {
			continue
		}
		if px, py := golden(f, a, b); py < y {
			x, y = px, py
		}
	}
	return x, y
}

func finite(v float64) float64 {
	if math.IsInf(v, 0) {
		return math.MaxFloat64 / 64
	}
	return v
}

// golden follows one valley of f on [a, b] down by golden sections until the interval has no more numbers worth telling apart.
func golden(f func(float64) float64, a, b float64) (x, y float64) {
	ratio := (math.Sqrt(5) - 1) / 2
	c, d := b-ratio*(b-a), a+ratio*(b-a)
	fc, fd := f(c), f(d)
	for range 200 {
		if math.Abs(b-a) <= 1e-15*(math.Abs(a)+math.Abs(b)) || c == a || d == b {
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

// root finds where f, which is greater than 0 at lo and not at hi, goes through 0 first that bisection finds.
func root(f func(float64) float64, lo, hi float64) float64 {
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

// polish sharpens a minimum that golden sections have found: they stop at half the digits, since a valley is flat at its bottom. The derivative's sign changes there,
// so bisection on a difference of function values finds more; it is kept only where the function says that it is not worse.
func polish(f func(float64) float64, x, lo, hi float64) float64 {
	h := 1e-4 * max(math.Abs(x), 1e-12*(hi-lo))
	slope := func(p float64) float64 {
		// Five points: the error of the difference is of fourth order.
		return (8*(f(p+h)-f(p-h)) - (f(p+2*h) - f(p-2*h))) / (12 * h)
	}
	a, b := x-20*h, x+20*h
	if a-2*h < lo || b+2*h > hi || !(slope(a) < 0 && slope(b) > 0) {
		return x
	}
	p := root(func(v float64) float64 { return -slope(v) }, a, b)
	if y := f(x); f(p) <= y+1e-14*math.Abs(y) {
		return p
	}
	return x
}

// errNaN says where a curve has no value.
func errNaN(what, variable string, at float64) error {
	return fmt.Errorf("the %s has no value at %s = %g: give it one on the whole range, or narrow the range by `maximum`", what, variable, at)
}
