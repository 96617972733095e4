package risk

import "math"

// closed is the law of one threat alone whose cost is in closed form: a mixture of Student's laws, right everywhere.
type closed struct {
	e   *expansion
	err float64 // how far the distribution function may be off
	end float64 // up to where the law is looked at
}

// closedError is what the arithmetic of an expansion may be off: its terms sum to 1, and none is off by more than some 1e-13 of its weight.
const closedError = 1e-12

// alone finds the quantiles of a total that is one threat's with a closed form; false where that does not give them as narrowly as is wanted.
func (s *search) alone(out *Total) bool {
	if len(s.groups) != 1 || s.groups[0].times != 1 || s.groups[0].e == nil {
		return false
	}
	e := s.groups[0].e
	l := &closed{e: e, err: e.left + e.blur + closedError}
	most := 0.0
	for i, p := range s.request.Levels {
		lo, point, hi, ok := l.quantile(p)
		b := Bracket{lo, point, hi}
		if !ok || !s.fair(b) {
			return false
		}
		out.Quantiles[i] = b
		most = math.Max(most, p)
	}
	// A curve goes some way beyond the greatest quantile, and beyond most of the costs that there are, where the threat is rare.
	_, _, l.end, _ = l.quantile(math.Max(1-(1-most)/2, 1-(1-e.zero)/1000))
	if !(l.end <= math.MaxFloat64) {
		return false
	}
	for i := range out.Met {
		out.Met[i] = true
	}
	out.laws, out.moments = []law{l}, s.moments
	return true
}

// never tells whether the quantile is 0 for sure: it is where less than p lies below 0, and no less in that nothing happens. What lies below 0 is no more than what of any
// threat does.
func (s *search) never(p float64) bool {
	if p > s.zero-closedError {
		return false
	}
	below := s.left
	for _, g := range s.groups {
		if g.e != nil {
			below += float64(g.times) * (g.e.cdf(math.Nextafter(0, -1)) + g.e.blur + closedError)
		}
	}
	return p > below
}

func (l *closed) bottom() float64 { return math.Inf(-1) }

func (l *closed) top() float64 { return math.Inf(1) }

func (l *closed) loss() float64 { return l.e.left }

func (l *closed) fine() float64 { return 0 }

func (l *closed) cdf(x float64) (lo, point, hi float64) {
	p := l.e.cdf(x)
	return math.Max(0, p-l.err), p, math.Min(1, p+l.err)
}

func (l *closed) quantile(p float64) (lo, point, hi float64, ok bool) {
	if p <= l.err || p >= 1-l.err {
		return 0, 0, 0, false
	}
	lo, point, hi = l.e.quantile(p-l.err), l.e.quantile(p), l.e.quantile(p+l.err)
	return lo, point, hi, lo >= -math.MaxFloat64 && hi <= math.MaxFloat64
}

// shortfall is the integral of the distribution function up to x, which exists when the damage has a mean.
func (l *closed) shortfall(x float64) Bracket {
	if l.e.df <= 1 {
		return Bracket{0, math.Inf(1), math.Inf(1)}
	}
	v := math.Max(0, x*l.e.cdf(x)-l.e.below(x))
	slack := l.err * (math.Abs(x) + l.e.spread())
	return Bracket{math.Max(0, v-slack), v, v + slack}
}
