package risk

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
)

// Request says what is wanted of a total.
type Request struct {
	Error   float64   // wanted half width of the brackets of the quantiles, relative to each; greater than 0
	Levels  []float64 // of the quantiles, each between 0 and 1
	Cells   int       // the most multiples on a lattice; 0: 2^20
	Workers int       // 0: one for each processor
}

// Bracket is a figure with a lower and an upper bound.
type Bracket struct{ Low, Point, High float64 }

// Half is half of the width of the bracket, relative to the point; absolute where that is 0.
func (b Bracket) Half() float64 {
	h := (b.High - b.Low) / 2
	if b.Point != 0 {
		h /= math.Abs(b.Point)
	}
	return h
}

// Total is the law of what all threats cost together.
type Total struct {
	Quantiles []Bracket // as the levels that were asked for
	Met       []bool    // whether the bracket of that quantile is as narrow as was asked for
	laws      []law     // from the longest to the shortest
	zero      bool      // nothing can happen
	moments   moments
}

// law is a distribution function with its brackets, up to some place.
type law interface {
	bottom() float64                                     // below all but what is left out
	top() float64                                        // up to where it is right
	cdf(x float64) (lo, point, hi float64)               // for x below top
	quantile(p float64) (lo, point, hi float64, ok bool) // false: p is not reached
	loss() float64                                       // the probability that was left out
	fine() float64                                       // a length of the order of its error
}

// ErrReach is returned when the law reaches beyond what numbers hold.
var ErrReach = errors.New("the quantiles of the total are too large to be computed with")

// Sum computes the law of the sum of independent threats. It makes a lattice for each quantile, as fine as its error asks for.
func Sum(ctx context.Context, threats []Threat, q Request) (*Total, error) {
	if q.Cells == 0 {
		q.Cells = 1 << 20
	}
	if q.Workers == 0 {
		q.Workers = runtime.GOMAXPROCS(0)
	}
	out := &Total{Quantiles: make([]Bracket, len(q.Levels)), Met: make([]bool, len(q.Levels))}
	groups := grouped(threats)
	if len(groups) == 0 {
		out.zero = true
		for i := range out.Met {
			out.Met[i] = true
		}
		return out, nil
	}
	s := &search{ctx: ctx, groups: groups}
	s.cells = min(q.Cells, affordable(groups, 1e9))
	q.Cells = min(q.Cells, affordable(groups, 2e8))
	s.request = q
	s.prepare()
	if s.alone(out) {
		return out, nil
	}
	s.evenly()
	order := make([]int, len(q.Levels))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case q.Levels[a] > q.Levels[b]:
			return -1
		case q.Levels[a] < q.Levels[b]:
			return 1
		}
		return 0
	})
	reach := s.scale
	for n, i := range order {
		p := q.Levels[i]
		var best Bracket
		never := s.never(p)
		if never && n > 0 {
			out.Met[i] = true
			continue
		}
		if n > 0 { // what the lattice of the greater quantile says may do
			b, ok := s.read(p)
			before := order[n-1]
			full := !out.Met[before] && b.Point > 0.5*out.Quantiles[before].Point // a lattice of its own would hardly be finer
			if ok && (s.fair(b) || full) {
				out.Quantiles[i], out.Met[i] = b, s.fair(b)
				continue
			}
		}
		if never { // the curve goes on beyond: to most of the costs that there are
			p = math.Max(p, math.Min(1-(1-s.zero)/100, 1-1e-8))
		}
		met := false
		bound, ok := s.moments.quantile(p)
		if ok && !never && math.Sqrt(s.events)*64 > float64(q.Cells) { // so many that a lattice would say less
			out.Quantiles[i], out.Met[i] = bound, s.fair(bound)
			continue
		}
		guess, err := s.coarse(p, reach)
		if err == nil {
			best, met, err = s.smooth(p, guess)
		}
		if err == nil && !met {
			even := best
			if best, met, err = s.refine(p, guess); err == nil && even.High > even.Low && even.High-even.Low < best.High-best.Low {
				best = even
			}
		}
		if err != nil && !errors.Is(err, ErrReach) {
			return nil, err
		}
		switch {
		case never: // whether or not there is a lattice for the curve
			best, met = Bracket{}, true
		case err != nil && !ok:
			return nil, err
		case err != nil:
			best, met = bound, s.fair(bound)
		case ok && (bound.High < best.High || bound.Low > best.Low):
			best.Low, best.High = math.Max(best.Low, bound.Low), math.Min(best.High, bound.High)
			best.Point = math.Max(best.Low, math.Min(best.High, best.Point))
			met = met || s.fair(best)
		}
		out.Quantiles[i], out.Met[i] = best, met
		reach = math.Max(best.High, best.Point)*1.01 + s.scale*1e-9
	}
	out.laws, out.moments = s.laws, s.moments
	slices.SortStableFunc(out.laws, func(a, b law) int {
		switch {
		case a.top() > b.top():
			return -1
		case a.top() < b.top():
			return 1
		}
		return 0
	})
	return out, nil
}

// affordable is the longest lattice on which the dearest law can be put in about half a second, and all that need a transform of their own in some seconds: a law with many terms
// is put on a shorter one, and its bracket is wider. Transformed is how many multiples all of them may have together.
func affordable(groups []group, transformed float64) int {
	dearest, transforms := 1, 0
	for _, g := range groups {
		if g.e == nil {
			if !g.Counts.poisson() {
				transforms++
			}
			continue
		}
		work := len(g.e.weights)
		if g.e.df < 1 {
			work *= 40
		}
		dearest = max(dearest, work)
	}
	return max(1<<12, power(1+min(int(8e7)/dearest, int(transformed)/(1+transforms)))/2)
}

// Exceed brackets the probability that the total is greater than x. Beyond the longest lattice the bracket is from 0 to what is exceeded at its end.
func (t *Total) Exceed(x float64) Bracket {
	if t.zero {
		if x < 0 {
			return Bracket{1, 1, 1}
		}
		return Bracket{}
	}
	var best law
	for _, g := range t.laws {
		if x <= g.top() && (best == nil || g.fine() <= best.fine()) {
			best = g
		}
	}
	bound := t.moments.exceed(x)
	if best == nil && len(t.laws) == 0 {
		return bound
	}
	if best == nil {
		b := t.Exceed(t.Top())
		return Bracket{0, 0, math.Min(b.High, bound.High)}
	}
	lo, p, hi := best.cdf(x)
	return Bracket{1 - hi, 1 - p, 1 - lo}
}

// Top is up to where the distribution is known.
func (t *Total) Top() float64 {
	if len(t.laws) == 0 {
		if t.moments.mean && t.moments.variance {
			return math.Max(0, math.Min(math.MaxFloat64, t.moments.m+6*math.Sqrt(t.moments.v)))
		}
		return 0
	}
	if l, ok := t.laws[0].(*closed); ok {
		return l.end
	}
	return t.laws[0].top()
}

// Lost is the probability that the lattices left out at most.
func (t *Total) Lost() float64 {
	lost := 0.0
	for _, g := range t.laws {
		lost = math.Max(lost, g.loss())
	}
	return lost
}

// Shortfall brackets the integral of the distribution function up to x: the expectation of what the total falls short of x.
func (t *Total) Shortfall(x float64) Bracket {
	var out Bracket
	if t.zero {
		return Bracket{x, x, x}
	}
	if len(t.laws) == 0 {
		return t.moments.shortfall(x)
	}
	if l, ok := t.laws[0].(*closed); ok {
		return l.shortfall(x)
	}
	found := false
	for _, g := range t.laws {
		if e, ok := g.(*spectral); ok && x <= e.top() {
			if b := e.shortfall(x); !found || b.High-b.Low < out.High-out.Low {
				out, found = b, true
			}
		}
	}
	if found {
		return out
	}
	done := math.Inf(-1)
	for i := len(t.laws) - 1; i >= 0; i-- { // the finest lattice first
		g := t.laws[i]
		to := math.Min(x, g.top())
		from := math.Max(done, g.bottom())
		if to <= from {
			continue
		}
		most := 20000
		if _, ok := g.(*spectral); ok { // each place of it costs as much as hundreds of a lattice
			most = 256
		}
		n := min(most, max(64, int((to-from)/g.fine())))
		h := (to - from) / float64(n)
		for k := range n {
			lo, _, _ := g.cdf(from + float64(k)*h)
			_, p, _ := g.cdf(from + (float64(k)+0.5)*h)
			_, _, hi := g.cdf(from + float64(k+1)*h)
			out.Low += lo * h
			out.Point += p * h
			out.High += hi * h
		}
		done = to
	}
	return out
}
