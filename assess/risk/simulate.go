package risk

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// Limits are what is taken off the cost of one threat: first the deductible, then what is above the cap; 0 is none.
type Limits struct{ Deductible, Cap float64 }

func (l Limits) net(x float64) float64 {
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
	Limits    Limits //
	Dependent bool   // it takes part in the dependence
	costs     []float64
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
	Workers     int
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
	Layers    []Estimate // what each pays in the mean
	Hit       []Estimate // how often each pays
	Finite    bool       // the means exist
}

// blockTrials is how many trials have a generator of their own. It is part of what a seed means.
const blockTrials = 2048

// Simulate draws years. Each block of trials has its own generator, so the number of workers does not change a bit of the result.
//
// With a copula the cost of each threat is drawn on its own in all trials first, and its sorted draws are then put in the order that the copula asks for; without one a trial
// is drawn as a whole.
func Simulate(ctx context.Context, s Simulation) (*Drawn, error) {
	workers := s.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	blocks := (s.Trials + blockTrials - 1) / blockTrials
	gross, net := make([]float64, s.Trials), make([]float64, s.Trials)
	copula := s.Kind == GaussCopula || s.Kind == StudentCopula
	if copula {
		if err := s.margins(ctx, workers); err != nil {
			return nil, err
		}
	}
	eg, c := errgroup.WithContext(ctx)
	eg.SetLimit(workers)
	for b := range blocks {
		eg.Go(func() error {
			if err := context.Cause(c); err != nil {
				return err
			}
			d := newDraw(s.Seed, uint64(b))
			for i := b * blockTrials; i < min(s.Trials, (b+1)*blockTrials); i++ {
				gross[i], net[i] = s.trial(d, copula)
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	return s.summary(gross, net), nil
}

// margins draws the cost of each dependent threat on its own, and sorts it.
func (s *Simulation) margins(ctx context.Context, workers int) error {
	eg, c := errgroup.WithContext(ctx)
	eg.SetLimit(workers)
	n := min(s.Trials, 1<<17)
	for i := range s.Threats {
		if !s.Threats[i].Dependent {
			continue
		}
		eg.Go(func() error {
			t, d := &s.Threats[i], newDraw(s.Seed, 1<<40+uint64(i))
			t.costs = make([]float64, n)
			for k := range t.costs {
				if k%blockTrials == 0 && c.Err() != nil {
					return context.Cause(c)
				}
				t.costs[k] = d.cost(t, 1)
			}
			slices.Sort(t.costs)
			return nil
		})
	}
	return eg.Wait()
}

// trial draws one year: what it costs before limits and insurance, and after.
func (s *Simulation) trial(d *draw, copula bool) (gross, net float64) {
	factor, common, stretch := 1.0, 0.0, 1.0
	switch s.Kind {
	case Shock:
		factor = d.gamma(s.Shape) / s.Shape
	case StudentCopula:
		stretch = math.Sqrt(s.Freedom / (2 * d.gamma(s.Freedom/2)))
		common = d.r.NormFloat64()
	case GaussCopula:
		common = d.r.NormFloat64()
	}
	root, rest := math.Sqrt(s.Correlation), math.Sqrt(1-s.Correlation)
	for i := range s.Threats {
		t := &s.Threats[i]
		var x float64
		switch {
		case t.Dependent && copula:
			z := stretch * (root*common + rest*d.r.NormFloat64())
			u := 0.5 * math.Erfc(-z/math.Sqrt2)
			if s.Kind == StudentCopula {
				u = standardCDF(s.Freedom, z)
			}
			x = t.costs[min(int(u*float64(len(t.costs))), len(t.costs)-1)]
		case t.Dependent:
			x = d.cost(t, factor)
		default:
			x = d.cost(t, 1)
		}
		gross += x
		net += t.Limits.net(x)
	}
	return gross, net
}

// draw is a generator with what is drawn from it.
type draw struct {
	r *rand.Rand
	p *rand.PCG
}

func newDraw(seed, stream uint64) *draw {
	p := rand.NewPCG(seed, stream*0x9e3779b97f4a7c15+1)
	return &draw{rand.New(p), p} //nolint:gosec // a simulation that can be repeated, no secret
}

func (d *draw) gamma(shape float64) float64 {
	return distuv.Gamma{Alpha: shape, Beta: 1, Src: d.p}.Rand()
}

// count draws a number of manifestations with the rate times factor.
func (d *draw) count(c Counts, factor float64) float64 {
	mean := c.Mean * factor
	if !c.poisson() && mean > 0 {
		mean *= d.gamma(c.Shape) / c.Shape
	}
	if mean <= 0 {
		return 0
	}
	if mean < 12 { // by products of uniforms
		n, p, stop := 0.0, d.r.Float64(), math.Exp(-mean)
		for p > stop {
			p *= d.r.Float64()
			n++
		}
		return n
	}
	return distuv.Poisson{Lambda: mean, Src: d.p}.Rand()
}

// cost draws the cost of a threat: the number first; then, for damages that share what is not known of them, precision and mean, and one normal draw for all of them.
func (d *draw) cost(t *Simulated, factor float64) float64 {
	r := d.count(t.Counts, factor)
	if r == 0 {
		return 0
	}
	if t.Severity == nil {
		p := t.Damage
		tau := d.gamma(p.Alpha) / p.Beta
		m := p.M + d.r.NormFloat64()/math.Sqrt(p.Kappa*tau)
		return r*m + math.Sqrt(r/tau)*d.r.NormFloat64()
	}
	sum := 0.0
	for range int(r) {
		sum += d.damage(t.Severity)
	}
	return sum
}

func (d *draw) damage(s Severity) float64 {
	switch s := s.(type) {
	case Lognormal:
		return limit(math.Exp(s.Mu+s.Sigma*d.r.NormFloat64()), s.Most)
	case Pareto:
		return limit(s.Least*math.Exp(d.r.ExpFloat64()/s.Shape), s.Most)
	case LogStudent:
		return limit(math.Exp(d.student(s.Log)), s.Most)
	case Clipped:
		return math.Max(0, limit(d.student(s.Of), s.Most))
	case *Table:
		i, _ := slices.BinarySearch(s.sums, d.r.Float64())
		return s.Amounts[min(i, len(s.Amounts)-1)]
	}
	return s.Quantile(math.Max(d.r.Float64(), 1e-300))
}

func (d *draw) student(s Student) float64 {
	return s.Location + s.Scale*d.r.NormFloat64()*math.Sqrt(s.DF/(2*d.gamma(s.DF/2)))
}

// summary makes figures of the draws. Standard errors are those of the means of blocks; the bracket of a quantile is between order statistics.
func (s *Simulation) summary(gross, net []float64) *Drawn {
	out := &Drawn{Trials: s.Trials, Confident: 0.95, Finite: true}
	for _, t := range s.Threats {
		_, ok := t.Mean()
		out.Finite = out.Finite && (ok || t.Limits.Cap > 0)
	}
	out.Gross = batches(gross, func(x float64) float64 { return x })
	for _, l := range s.Layers {
		out.Layers = append(out.Layers, batches(net, l.pays))
		out.Hit = append(out.Hit, batches(net, func(x float64) float64 { return indicator(l.pays(x) > 0) }))
	}
	for i, x := range net {
		for _, l := range s.Layers {
			net[i] -= l.pays(x)
		}
	}
	out.Net = batches(net, func(x float64) float64 { return x })
	square := batches(net, func(x float64) float64 { return (x - out.Net.Value) * (x - out.Net.Value) })
	out.SD = math.Sqrt(square.Value)
	for _, x := range s.Losses {
		out.Exceed = append(out.Exceed, batches(net, func(y float64) float64 { return indicator(y > x) }))
	}
	sorted := slices.Clone(net)
	slices.Sort(sorted)
	n := float64(s.Trials)
	z := mathext.NormalQuantile(0.5 + out.Confident/2)
	for _, p := range s.Levels {
		half := z*math.Sqrt(n*p*(1-p)) + 1
		at := func(k float64) float64 { return sorted[int(math.Max(0, math.Min(n-1, k)))] }
		q := at(math.Ceil(n*p) - 1)
		out.Quantiles = append(out.Quantiles, Bracket{at(math.Floor(n*p - half)), q, at(math.Ceil(n*p + half))})
		over := batches(net, func(y float64) float64 { return math.Max(0, y-q) })
		out.Tail = append(out.Tail, Estimate{q + over.Value/(1-p), over.Error / (1 - p)})
	}
	return out
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// batches is the mean of f of the draws, with the standard error from the means of their blocks.
func batches(x []float64, f func(float64) float64) Estimate {
	var total float64
	var means []float64
	for b := 0; b < len(x); b += blockTrials {
		part := x[b:min(len(x), b+blockTrials)]
		sum := 0.0
		for _, y := range part {
			sum += f(y)
		}
		total += sum
		means = append(means, sum/float64(len(part)))
	}
	mean := total / float64(len(x))
	if len(means) < 8 { // too few blocks: from the draws themselves
		squares := 0.0
		for _, y := range x {
			squares += (f(y) - mean) * (f(y) - mean)
		}
		return Estimate{mean, math.Sqrt(squares) / float64(len(x))}
	}
	squares := 0.0
	for _, m := range means {
		squares += (m - mean) * (m - mean)
	}
	k := float64(len(means))
	return Estimate{mean, math.Sqrt(squares / (k - 1) / k)}
}
