package risk

import (
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/dsp/fourier"
)

// The spectrum of a sum of many threats is nothing but at its lowest frequencies, so only these are wanted of each law. That the others are nothing is proved first: the law
// of a number with mean m and shape a has |E z^r| <= exp(-k (1 - Re z)), k = a/2 ln(1 + 2m/a), so one transform of the mixture of some laws, weighted by their k, bounds all.

// degrees are how many polynomials stand for a wave over a block of steps, and halfTurn how far it may turn over half of one. What they leave out is below
// 2.1 (t/2)^degrees/degrees! of the mass for a wave that turns by t.
const (
	degrees  = 8
	halfTurn = 0.3
)

// probe is how many costs are transformed in full, where there are many, to find at which frequencies the sum is nothing.
const probe = 28

// low is what is needed to find the lowest frequencies of a spectrum.
type low struct {
	bins  int
	block int                   // steps
	size  int                   // of the whole transform
	wave  [degrees][]complex128 // by frequency
	shape [degrees][]float64    // Chebyshev's polynomials over a block
}

// weight is the k of the bound.
func (c Counts) weight() float64 {
	if c.poisson() {
		return c.Mean
	}
	return c.Shape / 2 * math.Log1p(2*c.Mean/c.Shape)
}

// lowestOf finds which frequencies of the sum of the leaves, and of whatever is added to it, are not nothing; nil if these are too many to be worth while.
func lowestOf(all []leaf, size int, theta float64) *low {
	t := &transform{}
	fft, x := t.of(size)
	tilt := t.tilts(size, theta)
	clear(x)
	total := 0.0
	for _, l := range all {
		if l.counts == nil {
			continue
		}
		k := l.counts.weight()
		total += k
		for i, p := range l.f {
			x[i] += k * p * tilt[i]
		}
	}
	if total < -dead {
		return nil
	}
	bins := 0
	for i, z := range fft.Coefficients(nil, x) {
		if total-real(z) < -dead {
			bins = i + 1
		}
	}
	return newLow(bins, size)
}

// left finds the frequencies at which a product is not nothing, among those that were left before: no further factor is greater than 1.
func (p *product) left(size int, before *low) *low {
	bins, n := 0, size/2+1
	if before != nil {
		n = before.bins
	}
	for i := range n {
		sum := 0.0
		if p.low != nil {
			sum += math.Log(cmplx.Abs(p.low[i]))
		}
		if p.logs != nil {
			sum += real(p.logs[i])
		}
		if sum >= dead {
			bins = i + 1
		}
	}
	return newLow(bins, size)
}

func newLow(bins, size int) *low {
	block := 1
	for math.Pi*float64(bins)*float64(2*block)/float64(size) <= halfTurn && size%(2*block) == 0 && block < 1024 {
		block *= 2
	}
	if block < 8 {
		return nil
	}
	out := &low{bins: bins, block: block, size: size}
	for s := range degrees {
		out.shape[s] = make([]float64, block)
		for r := range block {
			u := (2*float64(r) - float64(block-1)) / float64(block)
			out.shape[s][r] = math.Cos(float64(s) * math.Acos(u))
		}
		out.wave[s] = make([]complex128, bins)
	}
	for j := range bins {
		eta := math.Pi * float64(j) * float64(block) / float64(size)
		// From the first step of a block to its middle.
		sin, cos := math.Sincos(-math.Pi * float64(j) * float64(block-1) / float64(size))
		turn := complex(cos, sin)
		for s := range degrees {
			c := complex(math.Jn(s, eta), 0) * turn
			if s > 0 {
				c *= 2
			}
			out.wave[s][j] = c
			turn *= complex(0, -1)
		}
	}
	return out
}

// spectrum puts the lowest frequencies of a law in work.
func (o *low) spectrum(work []complex128, v vector, tilt []float64, t *transform) {
	f := v.f
	n := o.size / o.block
	if t.small == nil {
		t.small, t.folded, t.coefficients = fourier.NewFFT(n), make([][]float64, degrees), make([]complex128, n/2+1)
		for s := range t.folded {
			t.folded[s] = make([]float64, n)
		}
	}
	for s := range t.folded {
		clear(t.folded[s])
	}
	shape := &o.shape
	for b := 0; b*o.block < len(f); b++ {
		from := b * o.block
		part := f[from:min(len(f), from+o.block)]
		var m [degrees]float64
		for r, p := range part {
			p *= tilt[from+r]
			m[0] += p
			m[1] += p * shape[1][r]
			m[2] += p * shape[2][r]
			m[3] += p * shape[3][r]
			m[4] += p * shape[4][r]
			m[5] += p * shape[5][r]
			m[6] += p * shape[6][r]
			m[7] += p * shape[7][r]
		}
		for s, v := range m {
			t.folded[s][b] = v
		}
	}
	clear(work[:o.bins])
	for s := range t.folded {
		t.small.Coefficients(t.coefficients, t.folded[s])
		for j, w := range o.wave[s] {
			work[j] += w * t.coefficients[j]
		}
	}
	if v.below > 0 { // the first mass is not at 0
		for j := range work[:o.bins] {
			work[j] *= cmplx.Rect(1/tilt[v.below], 2*math.Pi*float64(j)*float64(v.below)/float64(o.size))
		}
	}
}

// cut makes what is proved to be nothing nothing, and bounds how far the distribution function is off by that, and by what the polynomials leave out of the laws of so many
// damages, and of the costs that are moved as a whole. An error e of a frequency is at most 2e in a mass on the lattice, over the size and times the tilt; and there are at most size masses.
func (o *low) cut(p *product, events, tilt float64) float64 {
	sum := 0.0
	for i, z := range p.low {
		if i < o.bins {
			turn := math.Pi * float64(i) * float64(o.block) / float64(o.size)
			each := events
			if p.off != nil {
				each += p.off[i]
			}
			if each *= 2.1 / 40320 * math.Pow(turn/2, degrees); each > 600 {
				return 1
			}
			sum += cmplx.Abs(z) * math.Expm1(each)
		} else {
			p.low[i] = 0
			sum += math.Exp(dead)
		}
	}
	return 2 * sum * math.Exp(tilt)
}
