package risk

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Limits are what is taken off the cost of one threat: first the deductible, then what is above the cap; 0 is none.
type Limits struct{ Deductible, Cap float64 }

// Net is what is left of a cost.
func (l Limits) Net(x float64) float64 {
	if l.Deductible > 0 {
		x = math.Max(0, x-l.Deductible)
	}
	if l.Cap > 0 {
		x = math.Min(x, l.Cap)
	}
	return x
}

// Layer is an insurance of the total: the share of what is above the attachment, up to the limit.
type Layer struct{ Attachment, Limit, Share float64 }

func (l Layer) pays(x float64) float64 {
	return l.Share * math.Max(0, math.Min(x-l.Attachment, l.Limit))
}

// Kind is a kind of dependence between threats.
type Kind int

// The kinds: none; a common factor on the rates; a copula of the costs, Gauss's or Student's.
const (
	Independent Kind = iota
	Shock
	GaussCopula
	StudentCopula
)

// Simulated is one threat that is simulated.
type Simulated struct {
	Threat
	Limits    Limits
	Dependent bool // it takes part in the dependence
	costs     []float64
	counts    *alias   // of the numbers in a trial; nil: they are drawn otherwise
	damages   *inverse // of single damages; nil: they are drawn otherwise
}

// Simulation is what is drawn.
type Simulation struct {
	Threats     []Simulated
	Kind        Kind
	Shape       float64 // shock: of the common factor, gamma with mean 1
	Correlation float64 // copulas: between any two
	Freedom     float64 // Student's copula
	Layers      []Layer
	Trials      int
	Seed        uint64
	Levels      []float64
	Losses      []float64 // at which the probability of exceeding is wanted
	Allocate    bool      // say of each threat what is left of it; then all is drawn twice
	Workers     int
	Progress    func(done float64) // told from 0 to 1, from several goroutines; nil: nobody is told

	drawn *atomic.Int64
}

// Estimate is a figure that was drawn, with its standard error.
type Estimate struct{ Value, Error float64 }

// Drawn is what a simulation found.
type Drawn struct {
	Trials    int
	Gross     Estimate // mean of the total before limits and insurance
	Net       Estimate // mean of what is left
	SD        float64  // of what is left
	Quantiles []Bracket
	Confident float64 // of the brackets of the quantiles
	Tail      []Estimate
	Exceed    []Estimate
	Layers    []Estimate  // what each pays in the mean
	Hit       []Estimate  // how often each pays
	Finite    bool        // the means exist
	Threats   []Allocated // where that was asked for, and the means exist
}

// blockTrials is how many trials are drawn together; a power of 2, so that the last blockBits of a draw are a trial. It is part of what a seed means.
const (
	blockTrials = 1 << blockBits
	blockBits   = 12
)

// Simulate draws years. Each threat has a generator of its own in each block of trials, so the number of workers does not change a bit of the result, and what is drawn of one threat does not
// move when another is changed.
//
// With a copula the cost of each threat is drawn on its own first, and its sorted draws are then put in the order that the copula asks for.
func Simulate(ctx context.Context, s Simulation) (*Drawn, error) {
	workers := s.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	s.Threats, s.drawn = slices.Clone(s.Threats), &atomic.Int64{}
	if err := s.prepare(ctx, workers); err != nil {
		return nil, err
	}
	gross, net := make([]float64, s.Trials), make([]float64, s.Trials)
	eg, c := errgroup.WithContext(ctx)
	eg.SetLimit(workers)
	for at := 0; at < s.Trials; at += blockTrials {
		eg.Go(func() error {
			to := min(s.Trials, at+blockTrials)
			defer s.tell(to - at)
			return s.block(c, uint64(at/blockTrials), gross[at:to], net[at:to])
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	out := s.summary(gross, net)
	if !out.Finite || !s.Allocate || len(s.Levels) == 0 {
		return out, nil
	}
	p := slices.Max(s.Levels)
	var err error
	out.Threats, err = s.allocate(ctx, gross, net, out.Quantiles[slices.Index(s.Levels, p)].Point, p, workers)
	return out, err
}

// tell says that so many more trials are drawn, or divided among the threats.
func (s *Simulation) tell(trials int) {
	if s.Progress == nil {
		return
	}
	all := s.Trials
	if s.Allocate {
		all *= 2
	}
	s.Progress(float64(s.drawn.Add(int64(trials))) / float64(all))
}

// prepare makes the tables of the threats, and draws the margins of those that a copula joins.
func (s *Simulation) prepare(ctx context.Context, workers int) error {
	tables := newTables()
	for i := range s.Threats {
		t := &s.Threats[i]
		t.counts = tables.numbers(t.Counts)
		t.damages = tables.damages(t.Severity, t.Counts.Mean*float64(s.Trials))
	}
	if s.Kind != GaussCopula && s.Kind != StudentCopula {
		return nil
	}
	eg, c := errgroup.WithContext(ctx)
	eg.SetLimit(workers)
	n := min(s.Trials, 1<<17)
	for i := range s.Threats {
		t := &s.Threats[i]
		if !t.Dependent {
			continue
		}
		eg.Go(func() error {
			t.costs = make([]float64, n)
			for at := 0; at < n; at += blockTrials {
				if c.Err() != nil {
					return context.Cause(c)
				}
				newDraw(s.Seed, margin+uint64(at/blockTrials), uint64(i)).costs(t, nil, t.costs[at:min(n, at+blockTrials)])
			}
			slices.Sort(t.costs)
			return nil
		})
	}
	return eg.Wait()
}

// margin is the first block of the draws of margins, and shared the threat whose generator draws what all threats have in common.
const margin, shared = 1 << 40, math.MaxUint64

// common is what the threats have in common in each trial of a block.
type common struct {
	factor  []float64 // shock: of the rates
	pick    *alias    // trials, as likely as their factors
	sum     float64   // of the factors
	normal  []float64 // copulas
	stretch []float64 // Student's: of all normal draws of a trial
}

// common draws it. It is of a whole block even where fewer trials are left.
func (s *Simulation) common(d *draw) *common {
	c := &common{}
	switch s.Kind {
	case Independent:
		return nil
	case Shock:
		for range blockTrials {
			f := d.gamma(s.Shape) / s.Shape
			c.factor = append(c.factor, f)
			c.sum += f
		}
		if c.sum > 0 {
			c.pick = newAlias(c.factor)
		}
	case GaussCopula, StudentCopula:
		for range blockTrials {
			c.normal = append(c.normal, d.r.NormFloat64())
			if s.Kind == StudentCopula {
				c.stretch = append(c.stretch, math.Sqrt(s.Freedom/(2*d.gamma(s.Freedom/2))))
			}
		}
	}
	return c
}

// block draws some trials: what each costs before limits and insurance, and after limits.
func (s *Simulation) block(ctx context.Context, b uint64, gross, net []float64) error {
	shares := s.common(newDraw(s.Seed, b, shared))
	var cost, taken []float64 // of one threat; by all limits
	for i := range s.Threats {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		t := &s.Threats[i]
		into := net
		if t.Limits != (Limits{}) {
			if cost == nil {
				cost, taken = make([]float64, len(net)), make([]float64, len(net))
			}
			clear(cost)
			into = cost
		}
		s.draw(b, i, shares, into)
		if t.Limits == (Limits{}) {
			continue
		}
		for y, x := range cost {
			left := t.Limits.Net(x)
			net[y] += left
			taken[y] += x - left
		}
	}
	copy(gross, net)
	for y, x := range taken {
		gross[y] += x
	}
	return nil
}

// draw adds to each trial of a block what threat i costs in it, before its limits.
func (s *Simulation) draw(b uint64, i int, shares *common, into []float64) {
	t, d := &s.Threats[i], newDraw(s.Seed, b, uint64(i))
	switch {
	case !t.Dependent || shares == nil:
		d.costs(t, nil, into)
	case s.Kind == Shock:
		d.costs(t, shares, into)
	default:
		s.ranked(d, t, shares, into)
	}
}

// ranked adds to each trial the draw of the threat's margin that has the rank which the copula asks for.
func (s *Simulation) ranked(d *draw, t *Simulated, c *common, into []float64) {
	root, rest := math.Sqrt(s.Correlation), math.Sqrt(1-s.Correlation)
	for y := range into {
		z := root*c.normal[y] + rest*d.r.NormFloat64()
		var u float64
		if s.Kind == StudentCopula {
			u = standardCDF(s.Freedom, z*c.stretch[y])
		} else {
			u = 0.5 * math.Erfc(-z/math.Sqrt2)
		}
		into[y] += t.costs[min(int(u*float64(len(t.costs))), len(t.costs)-1)]
	}
}
