package risk

import (
	"context"
	"errors"
	"fmt"
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
		if n > 0 { // what the lattice of the greater quantile says may do
			b, ok := s.read(p)
			before := order[n-1]
			full := !out.Met[before] && b.Point > 0.5*out.Quantiles[before].Point // a lattice of its own would hardly be finer
			if ok && (s.fair(b) || full) {
				out.Quantiles[i], out.Met[i] = b, s.fair(b)
				continue
			}
		}
		met := false
		bound, ok := s.moments.quantile(p)
		if ok && math.Sqrt(s.events)*64 > float64(q.Cells) { // so many that a lattice would say less
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

// search is the computation of a total.
type search struct {
	ctx     context.Context
	groups  []group
	request Request
	scale   float64 // an amount of the order of the sum
	events  float64 // what is moved to the lattice: expected number of damages, and threats whose cost is moved as a whole
	moments moments
	whole   float64 // threats whose cost is moved as a whole
	left    float64 // probability of numbers of manifestations that are not looked at
	zero    float64 // probability that nothing happens
	laws    []law
	cells   int     // the most multiples where the spectra of smooth laws are used
	even    bool    // smooth enough for that
	steep   float64 // how many steps for each unit of money a lattice wants for them, about
}

func (s *search) prepare() {
	zero := 0.0
	var spread, single float64
	s.moments = moments{mean: true, variance: true, positive: true}
	for _, g := range s.groups {
		n := float64(g.times)
		m, ok := g.Mean()
		if ok {
			s.scale += n * math.Abs(m)
		}
		s.moments.mean, s.moments.m = s.moments.mean && ok, s.moments.m+n*m
		v, ok := g.Variance()
		if ok {
			spread += n * v
		}
		s.moments.variance, s.moments.v = s.moments.variance && ok, s.moments.v+n*v
		s.moments.positive = s.moments.positive && g.Severity != nil
		if g.Severity == nil {
			s.left += n * g.e.left
			s.whole += n
			s.events += n
			single = math.Max(single, g.Damage.M+2*g.Damage.Predict().Scale)
		} else {
			s.events += n * g.Counts.Mean
			single = math.Max(single, g.Severity.Quantile(0.9))
		}
		zero += n * g.Counts.LogPMF(0)
	}
	s.scale = math.Max(s.scale+3*math.Sqrt(spread), single)
	if s.scale <= 0 || math.IsNaN(s.scale) || math.IsInf(s.scale, 0) {
		s.scale = 1
	}
	s.zero = math.Exp(zero)
}

// lower is what each law may have moved up at its lower end.
func (s *search) lower() float64 { return 0.02 * s.request.Error / (1 + s.whole) }

// trim is what each law may leave out, so that all of them together do not matter at the level.
func (s *search) trim(p float64) float64 {
	n := 0
	for _, g := range s.groups {
		n += g.times
	}
	return math.Max(1e-15, 0.25*s.request.Error*math.Min(p, 1-p)/float64(2*n))
}

func (s *search) run(l lattice, pad int) (*grid, error) {
	g, err := pass(s.ctx, s.groups, l, pad, s.request.Workers)
	if err != nil {
		return nil, err
	}
	g.zero = s.zero
	return g, nil
}

// coarse finds about where the quantile is, from a guess.
func (s *search) coarse(p, reach float64) (float64, error) {
	const cells = 1 << 10
	guess := 0.0
	for range 600 {
		if math.IsInf(reach, 0) || reach > 1e300 {
			return 0, ErrReach
		}
		g, err := s.run(lattice{step: reach / cells, limit: cells, trim: math.Max(1e-12, (1-p)*1e-3/float64(len(s.groups))), lower: s.lower()}, 2)
		if err != nil {
			return 0, err
		}
		if s.left > 0.5*(1-p) {
			return 0, fmt.Errorf("too many numbers of manifestations are possible to look at all of them: %w", ErrReach)
		}
		if g.low[len(g.low)-1] < p || g.top() <= 0 {
			reach *= 4
			continue
		}
		guess = math.Min(g.unsmooth(g.low, p)+g.mean*g.step, g.top())
		switch {
		case p <= g.zero && g.lo == 0:
			return 0, nil
		case guess > 0.9*g.top():
			reach *= 2
		case guess < reach/32 && guess > 0 && reach > s.scale*1e-6:
			reach = guess * 4
		default:
			return guess, nil
		}
	}
	return guess, nil
}

// depth is how far the deepest law goes below 0 but for a probability of trim.
func (s *search) depth(trim float64) float64 {
	deepest := 0.0
	for _, g := range s.groups {
		if g.Severity == nil && g.e.cdf(math.Nextafter(0, -1)) > trim {
			deepest = math.Max(deepest, -solve(func(x float64) float64 { return g.e.cdf(x) - trim }, -g.e.spread(), 0, -1e30))
		}
	}
	return deepest
}

// aim is the half width that is wanted of a bracket about x.
func (s *search) aim(x float64) float64 {
	return s.request.Error * math.Max(math.Abs(x), 1e-6*s.scale)
}

func (s *search) fair(b Bracket) bool { return b.High-b.Low <= 2*s.aim(b.Point) }

// read is the narrowest of what the lattices so far say of a quantile.
func (s *search) read(p float64) (best Bracket, ok bool) {
	for _, g := range s.laws {
		lo, point, hi, found := g.quantile(p)
		if found && hi <= g.top() && (!ok || hi-lo < best.High-best.Low) {
			best, ok = Bracket{lo, point, hi}, true
		}
	}
	return best, ok
}

// refine makes lattices until the bracket of the quantile about guess is narrow enough, or the lattice too long.
func (s *search) refine(p, guess float64) (best Bracket, met bool, err error) {
	aim, doubt, pad := s.aim(guess), s.doubt(p), 2
	width, down, step := s.width(aim, doubt)
	trim := s.trim(p)
	deep := s.depth(math.Max(trim, s.lower()))
	for n := 0; n < 7; n++ {
		below := deep / 4
		for range 4 { // the lattice has to hold what is below 0 too
			cells := math.Max(2.1*deep, (math.Max(guess, 0)+3*aim+below)*1.02)/step + 2*width + 64
			limit := s.request.Cells
			if cells < float64(limit) {
				limit = min(limit, max(256, length(int(cells))))
			}
			if cells > float64(limit) {
				step *= cells / float64(limit)
			} else {
				step *= math.Max(cells/float64(limit), 0.25)
			}
			g, err := s.run(lattice{step: step, limit: limit, down: down, trim: trim, doubt: doubt, lower: s.lower(), slack: 0.01 * s.request.Error * math.Min(p, 1-p)}, pad)
			if err != nil {
				return best, false, err
			}
			lo, point, hi, ok := g.quantile(p)
			if ok && hi <= g.top() {
				if s.keep(g, p); best.High-best.Low == 0 || hi-lo < best.High-best.Low {
					best = Bracket{lo, point, hi}
				}
				if s.fair(Bracket{lo, point, hi}) {
					return best, true, nil
				}
				aim, guess = s.aim(point), math.Max(point, hi-(hi-lo)/2)
				if limit == s.request.Cells && (pad > 2 || g.around+g.numeric(len(g.low)-1) < 0.02*s.request.Error*(1-p)) {
					return best, false, nil
				}
				if g.around+g.rounding*math.Exp(g.theta*float64(limit)) > 0.02*s.request.Error*(1-p) {
					pad = 4
				}
				step *= math.Min(0.8, math.Max(1.0/32, 1.7*aim/(hi-lo)))
				break
			}
			if more := 1.1 * float64(g.take) * g.step; more > below {
				below = more
			} else {
				guess = guess*1.3 + aim + width*step
			}
		}
	}
	if best == (Bracket{}) {
		return best, false, fmt.Errorf("no lattice of %d cells holds the quantile %v of the total: %w", s.request.Cells, p, ErrReach)
	}
	return best, false, nil
}

// width is how wide the bracket will be, in steps, whether of what is moved down and up or to the nearest, and the step that makes it as narrow as is aimed for.
func (s *search) width(aim, doubt float64) (width float64, down bool, step float64) {
	// Down and up: as many as there are damages; nearest: by the bound of the noise.
	pair := 2 * (1 + s.events)
	width, down, step = pair, true, 1.6*aim/pair
	for range 3 { // the finer the step, the more even are the laws over it
		if w := s.near(step, doubt); w < pair {
			width, down = w, false
		}
		step = 1.6 * aim / width
	}
	return width, down, step
}

// doubt is what may be left to chance in the bracket of a quantile, on either side.
func (s *search) doubt(p float64) float64 {
	return math.Max(1e-13, math.Min(1e-7, 0.02*s.request.Error*math.Min(p, 1-p)))
}

// near is how wide the bracket would be, in steps, if all were moved to the nearest multiple.
func (s *search) near(step, doubt float64) float64 {
	t := tally{}
	whole, sure := true, 0.0
	for _, g := range s.groups {
		a := account{times: float64(g.times), scatter: scatter(g.density, g.atoms, step)}
		if g.Severity != nil {
			a.counts = &Counts{g.Counts.Shape * a.times, g.Counts.Mean * a.times}
			whole = false
		}
		sure += a.times
		t.accounts = append(t.accounts, a)
	}
	lo, _, hi := t.interval(doubt)
	if whole {
		return math.Min(hi-lo, sure)
	}
	return hi - lo
}

// keep keeps a lattice, instead of one that is not better anywhere.
func (s *search) keep(g law, p float64) {
	for i, o := range s.laws {
		if math.Abs(o.top()-g.top()) < 0.3*g.top() {
			a, _, b, ok1 := g.quantile(p)
			c, _, d, ok2 := o.quantile(p)
			if ok1 && (!ok2 || b-a < d-c) {
				s.laws[i] = g
			}
			return
		}
	}
	s.laws = append(s.laws, g)
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
