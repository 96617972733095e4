package risk

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// moments are the mean and the variance of the total, where they exist: they bound it where no lattice can, by the inequalities of Markov and Cantelli.
type moments struct {
	m, v           float64
	mean, variance bool
	positive       bool // no cost is below 0
}

// quantile brackets a quantile; the point is that of the normal law. It says whether there is an upper bound at all.
func (o moments) quantile(p float64) (Bracket, bool) {
	switch {
	case o.mean && o.variance:
		sd := math.Sqrt(math.Max(0, o.v))
		b := Bracket{o.m - sd*math.Sqrt((1-p)/p), o.m + sd*mathext.NormalQuantile(p), o.m + sd*math.Sqrt(p/(1-p))}
		slack := 1e-12 * (math.Abs(o.m) + sd)
		if b.Low, b.High = b.Low-slack, b.High+slack; o.positive {
			b.Low, b.High = math.Max(0, b.Low), math.Min(b.High, o.m/(1-p)*(1+1e-12))
		}
		b.Point = math.Max(b.Low, math.Min(b.High, b.Point))
		return b, o.finite(b)
	case o.mean && o.positive:
		b := Bracket{0, o.m, o.m / (1 - p) * (1 + 1e-12)}
		return b, o.finite(b)
	}
	return Bracket{}, false
}

func (o moments) finite(b Bracket) bool {
	return !math.IsNaN(b.Low+b.High) && !math.IsInf(b.Low, 0) && !math.IsInf(b.High, 0)
}

// exceed brackets the probability of more than x.
func (o moments) exceed(x float64) Bracket {
	b := Bracket{0, 0.5, 1}
	if d := x - o.m; o.mean && o.variance && d*d < math.MaxFloat64 {
		sd := math.Sqrt(o.v)
		if d*d+o.v > 0 {
			far := o.v / (d*d + o.v)
			if d > 0 {
				b.High = far
			} else {
				b.Low = 1 - far
			}
		}
		if b.Point = 0.5; sd > 0 {
			b.Point = 0.5 * math.Erfc(d/sd/math.Sqrt2)
		}
	}
	if o.mean && o.positive && x > 0 {
		b.High = math.Min(b.High, o.m/x)
	}
	b.Point = math.Max(b.Low, math.Min(b.High, b.Point))
	return b
}

// shortfall brackets what the total falls short of x in the mean, for lack of more by that of a normal law.
func (o moments) shortfall(x float64) Bracket {
	if !o.mean {
		return Bracket{}
	}
	b := Bracket{Low: math.Max(0, x-o.m)}
	b.Point, b.High = b.Low, b.Low
	if sd := math.Sqrt(o.v); o.variance && sd > 0 {
		z := (x - o.m) / sd
		b.Point += sd * (math.Exp(-z*z/2)/math.Sqrt(2*math.Pi) - math.Abs(z)*0.5*math.Erfc(math.Abs(z)/math.Sqrt2))
		b.High += sd / 2
	}
	return b
}

// Tail brackets the tail value at risk: the mean of the losses beyond the quantile q of level p. Mean is that of the total. The function x + E(S-x)+/(1-p) of x is convex
// and least at the quantile, where it is the tail value: so its value at any place is an upper bound, and the tangent there gives a lower one.
func (t *Total) Tail(p, mean float64, q Bracket) Bracket {
	x := q.Point
	short, more := t.Shortfall(x), t.Exceed(x)
	at := func(s float64) float64 { return x + math.Max(0, mean-x+s)/(1-p) }
	slope := math.Max(math.Abs(1-more.Low/(1-p)), math.Abs(1-more.High/(1-p)))
	out := Bracket{at(short.Low) - slope*math.Max(q.High-x, x-q.Low), math.Max(x, at(short.Point)), at(short.High)}
	slack := 1e-13 * (math.Abs(mean) + math.Abs(x)) / (1 - p)
	out.Low, out.High = math.Max(q.Low, out.Low-slack), out.High+slack
	out.Point = math.Max(out.Low, math.Min(out.High, out.Point))
	return out
}
