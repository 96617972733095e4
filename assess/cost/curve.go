package cost

import (
	"errors"
	"fmt"
	"math"

	"redoubt/assess/search"
)

// Point is a point of the curve of total cost: what is spent, what is lost, and both together; Q is the level of protection where the curve is given by it.
type Point struct {
	Q     float64
	C     float64
	Loss  float64
	Total float64
}

// Optimum is where the sum of cost and expected loss is least.
type Optimum struct {
	Point
	Boundary bool   // the least total is at an end of the range: for cost 0, protection does not pay
	Closed   bool   // by a closed form; otherwise by a search of the whole range
	Crossing *Point // where cost equals expected loss, the lecture's rule; nil: nowhere in the range. Its total is at most twice the optimum where Decreasing
	// Decreasing reports whether the loss never rises, and the cost never falls, with protection, at all points that were looked at.
	Decreasing bool
	Points     []Point // of the curve, for a plot
}

// Exponential is the optimum for L(c) = loss*exp(-k*c), c from 0 to most (math.Inf(1): not bounded): c* = ln(k*loss)/k where k*loss > 1, else 0.
func Exponential(loss, k, most float64) (Optimum, error) {
	if !(loss >= 0) || !(k >= 0) || !(most > 0) || math.IsInf(loss, 0) || math.IsInf(k, 0) {
		return Optimum{}, fmt.Errorf("curve exponential: loss %g and k %g are numbers of at least 0, and the most that is spent, %g, is greater than 0", loss, k, most)
	}
	at := func(c float64) Point { l := loss * math.Exp(-k*c); return Point{C: c, Loss: l, Total: c + l} }
	c := 0.0
	if k > 0 && loss > 0 {
		c = max(math.Log(k)+math.Log(loss), 0) / k
	}
	best := min(c, most)
	crossing := loss
	if k > 0 && loss > 0 {
		crossing = lambert(math.Log(k)+math.Log(loss)) / k
	}
	return closed(at, best, c <= 0 || best == most, crossing, 0, most)
}

// Hyperbola is the optimum for L(c) = b/c, c from 0 to most: c* = sqrt(b), which is where cost equals loss too.
func Hyperbola(b, most float64) (Optimum, error) {
	if !(b > 0) || !(most > 0) || math.IsInf(b, 0) {
		return Optimum{}, fmt.Errorf("curve hyperbola: b %g and the most that is spent, %g, are greater than 0", b, most)
	}
	at := func(c float64) Point { return Point{C: c, Loss: b / c, Total: c + b/c} }
	c := math.Sqrt(b)
	return closed(at, min(c, most), c >= most, c, c/10, most)
}

// lambert solves w + ln w = u, so that w = W(e^u) without the overflow of e^u.
func lambert(u float64) float64 {
	if u < -700 {
		return math.Exp(u)
	}
	w := math.Exp(u)
	if u > 1 {
		w = u - math.Log(u)
	}
	for range 60 {
		// Newton's step for w + ln w - u; from these starts it converges from one side.
		next := w * (1 + u - math.Log(w)) / (1 + w)
		if !(next > 0) {
			next = w / 2
		}
		if math.Abs(next-w) <= 1e-16*w {
			return next
		}
		w = next
	}
	return w
}

func closed(at func(float64) Point, best float64, boundary bool, crossing, from, most float64) (Optimum, error) {
	o := Optimum{Point: at(best), Boundary: boundary, Closed: true, Decreasing: true}
	if crossing <= most {
		p := at(crossing)
		o.Crossing = &p
	}
	if math.IsInf(o.Total, 0) || math.IsNaN(o.Total) {
		return o, errors.New("the total cost at the optimum is not finite: the parameters of the curve are too large")
	}
	to := min(3*max(best, crossing), most)
	if to <= from {
		to = from + 1
	}
	o.Points = curvePoints(at, from, to)
	return o, nil
}

// plotted is how many points a plot gets.
const plotted = 101

func curvePoints(at func(float64) Point, from, to float64) []Point {
	var out []Point
	for i := range plotted {
		p := at(from + (to-from)*float64(i)/(plotted-1))
		if !math.IsInf(p.Loss, 0) && !math.IsNaN(p.Loss) && !math.IsInf(p.C, 0) && !math.IsNaN(p.C) {
			out = append(out, p)
		}
	}
	return out
}

// Search is the optimum of a loss L(c) that is any function, c from 0 to most. For most 0 the range is up to L(0), beyond which the total is above that of spending nothing.
func Search(loss func(float64) float64, most float64) (Optimum, error) {
	if most == 0 {
		most = loss(0)
		if math.IsNaN(most) || math.IsInf(most, 0) {
			return Optimum{}, fmt.Errorf("without protection the loss is %v: give `maximum`, the most that is spent", most)
		}
		if most <= 0 {
			most = 1
		}
	}
	return searchLevel("c", func(c float64) float64 { return c }, loss, most)
}

// SearchLevel is the same with the level of protection q, from 0 to most, as the argument of both the cost and the loss.
func SearchLevel(cost, loss func(float64) float64, most float64) (Optimum, error) {
	return searchLevel("q", cost, loss, most)
}

func searchLevel(variable string, cost, loss func(float64) float64, most float64) (Optimum, error) {
	if !(most > 0) || math.IsInf(most, 0) {
		return Optimum{}, fmt.Errorf("the range of %s goes from 0 to %g: its end has to be a number greater than 0", variable, most)
	}
	o := Optimum{Decreasing: true}
	lastLoss, lastCost := math.Inf(1), math.Inf(-1)
	for _, q := range search.Grid(0, most, search.Points) {
		l, c := loss(q), cost(q)
		switch {
		case math.IsNaN(l) || math.IsInf(l, -1):
			return o, errNaN("loss", variable, q)
		case math.IsNaN(c) || math.IsInf(c, -1):
			return o, errNaN("cost", variable, q)
		case l < 0:
			return o, fmt.Errorf("the loss is %g at %s = %g: a loss is at least 0", l, variable, q)
		case c < 0:
			return o, fmt.Errorf("the cost is %g at %s = %g: a cost is at least 0", c, variable, q)
		}
		if l > lastLoss*(1+1e-12) || c < lastCost*(1-1e-12) {
			o.Decreasing = false
		}
		lastLoss, lastCost = l, c
	}
	at := func(q float64) Point {
		p := Point{C: cost(q), Loss: loss(q)}
		if variable == "q" {
			p.Q = q
		}
		p.Total = p.C + p.Loss
		return p
	}
	total := func(q float64) float64 {
		if t := at(q).Total; !math.IsNaN(t) {
			return t
		}
		return math.Inf(1)
	}
	found := search.Minimise(total, 0, most, search.Points)
	if math.IsInf(found.Y, 0) {
		return o, fmt.Errorf("the total is nowhere finite for %s from 0 to %g", variable, most)
	}
	q := found.X
	o.Point, o.Boundary = at(q), q <= 0 || q >= most
	difference := func(q float64) float64 { p := at(q); return p.Loss - p.C }
	cross := 0.0
	switch {
	case difference(0) <= 0: // nothing is lost without protection, or protection has a cost before it begins
		if difference(0) == 0 {
			p := at(0)
			o.Crossing = &p
		}
	case difference(most) <= 0:
		cross = search.Root(difference, 0, most)
		p := at(cross)
		o.Crossing = &p
	}
	o.Points = curvePoints(at, 0, most)
	if to := 3 * max(q, cross); to > 0 && to < most {
		o.Points = curvePoints(at, 0, to)
	}
	return o, nil
}

// errNaN says where a curve has no value.
func errNaN(what, variable string, at float64) error {
	return fmt.Errorf("the %s has no value at %s = %g: give it one on the whole range, or narrow the range by `maximum`", what, variable, at)
}
