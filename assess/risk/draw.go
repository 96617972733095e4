package risk

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// draw is a generator with what is drawn from it.
type draw struct {
	r *rand.Rand
	p *rand.PCG
}

// newDraw is the generator of a threat in a block of trials.
func newDraw(seed, block, threat uint64) *draw {
	const odd = 0x9e3779b97f4a7c15
	p := rand.NewPCG(seed+threat*odd, block*odd+1)
	return &draw{rand.New(p), p} //nolint:gosec // a simulation that can be repeated, no secret
}

func (d *draw) gamma(shape float64) float64 {
	return distuv.Gamma{Alpha: shape, Beta: 1, Src: d.p}.Rand()
}

func (d *draw) poisson(mean float64) float64 {
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

// count draws a number of manifestations with the rate times factor.
func (d *draw) count(c Counts, factor float64) float64 {
	mean := c.Mean * factor
	if !c.poisson() && mean > 0 {
		mean *= d.gamma(c.Shape) / c.Shape
	}
	return d.poisson(mean)
}

// costs draws what a threat costs in each trial of a block, whose rates have the factors of c if there is one, and adds it. What comes by Poisson's law to a whole block comes to
// each of its trials by chance, so that only the sum of the numbers is drawn; it is drawn for a whole block even where fewer trials are left.
func (d *draw) costs(t *Simulated, c *common, into []float64) {
	if t.damages != nil && t.Counts.poisson() {
		switch {
		case c == nil:
			t.damages.scatter(d.p, int(d.poisson(t.Counts.Mean*blockTrials)), into)
		case c.pick != nil:
			t.damages.scatterBy(d.p, int(d.poisson(t.Counts.Mean*c.sum)), c.pick, into)
		}
		return
	}
	for y := range into {
		var r float64
		switch {
		case c != nil:
			r = d.count(t.Counts, c.factor[y])
		case t.counts != nil:
			r = float64(t.counts.at(d.p.Uint64()))
		default:
			r = d.count(t.Counts, 1)
		}
		if r > 0 {
			into[y] += d.cost(t, r)
		}
	}
}

// cost draws what r > 0 manifestations cost: for damages that share what is not known of them, precision and mean, and one normal draw for all of them.
func (d *draw) cost(t *Simulated, r float64) float64 {
	if t.Severity == nil {
		p := t.Damage
		tau := d.gamma(p.Alpha) / p.Beta
		m := p.M + d.r.NormFloat64()/math.Sqrt(p.Kappa*tau)
		return r*m + math.Sqrt(r/tau)*d.r.NormFloat64()
	}
	sum := 0.0
	if t.damages != nil {
		for range int(r) {
			sum += t.damages.at(d.p.Uint64())
		}
		return sum
	}
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
