package risk

import (
	"context"
	"fmt"
	"math"
)

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
