package risk

import (
	"math"
	"math/cmplx"
)

// survey is what is known of the sum of some laws at all frequencies.
type survey struct {
	f                *frequencies
	t                *transform
	mixture          part
	weight, mass, tv float64
	full             int
	exponent         []float64 // of the costs
	near, shrink     []float64
	work             []complex128
}

func newSurvey(f *frequencies) *survey {
	n := f.size/2 + 1
	p := &survey{f: f, t: &transform{}, exponent: make([]float64, n), near: make([]float64, n), shrink: make([]float64, n), work: make([]complex128, n)}
	p.mixture.f = make([]float64, f.l.limit+1)
	for j := range n {
		v := 2 * math.Pi * float64(j) / float64(f.size)
		p.near[j] = 1.5 * v * squares(v)
		p.shrink[j] = 1
		if v > 0 {
			p.shrink[j] = math.Sin(v/2) / (v / 2) * (1 - f.theta)
		}
	}
	return p
}

// add looks at a law.
func (o *survey) add(p *part) {
	mass := 0.0
	for _, a := range p.single {
		mass += a.by
	}
	f := o.f
	if p.counts != nil {
		w := p.counts.weight()
		o.weight, o.mass, o.tv = o.weight+w, o.mass+w*mass, o.tv+w*p.tv
		for k, m := range p.f {
			o.mixture.f[k] += w * m
		}
		return
	}
	if o.full >= fullMost {
		return
	}
	o.full++
	grow := math.Exp(f.theta * p.negative)
	f.whole(o.work, p, o.t.tilts(f.size, f.theta), o.t)
	for j, z := range o.work {
		v := 2 * math.Pi * float64(j) / float64(f.size)
		o.exponent[j] -= float64(p.times) * math.Log(grow*math.Min(1, mass+math.Min(cmplx.Abs(z)/grow/o.shrink[j]+p.tv*o.near[j], 1.5*p.tv/v)))
	}
}

// living finds the frequencies at which the product of the laws is not proved to be nothing, and sums what may be at the others of the lattice.
func (o *survey) living() (bins int, dead float64) {
	f := o.f
	if o.weight > 0 {
		f.whole(o.work, &o.mixture, o.t.tilts(f.size, f.theta), o.t)
		for j, z := range o.work {
			v := 2 * math.Pi * float64(j) / float64(f.size)
			here := o.weight*(1-f.theta*v) - o.mass - math.Max(0, real(z))/o.shrink[j] - o.tv*o.near[j]
			o.exponent[j] += math.Max(0, math.Max(here, o.weight-o.mass-1.5*o.tv/v))
		}
	}
	for j, e := range o.exponent {
		if e < -dead0 {
			bins = j + 1
		}
	}
	for j := bins; j < len(o.exponent); j++ {
		dead += math.Exp(-o.exponent[j]) / float64(j)
	}
	return bins, dead / math.Pi
}

// dead0 is the logarithm below which the whole product counts as nothing, with a bound of what that changes.
const dead0 = -48
