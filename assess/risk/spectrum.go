package risk

import (
	"math"
	"math/cmplx"
)

// The total of independent threats is found on a lattice. Two ways prove how far it can be off:
//
// Down and up: every cost is moved down to a multiple of the step, and up to one. The sums of these bracket the true sum with certainty, so their distributions bracket its
// distribution. The bracket is as wide as there are manifestations, in steps: good for few.
//
// Nearest: every cost is moved to the nearest multiple. What that takes away or adds is independent from one to the next, at most half a step, has a mean that is known, and
// a mean square that is near 1/12 where the density is even. By the lemmas of Hoeffding and of Bernstein and Chernoff's bound, over the number of manifestations too, the sum
// of it is outside of an interval with a small probability only (the doubt, which is part of the bracket). The interval grows with the root of the number of manifestations.
//
// To both is added: the probability that was left out, what comes around at the end of the transform (bounded by Chernoff's bound on the lattice), and the rounding of the
// transforms (a constant times the logarithm of the length, in the mean square; after Higham, Accuracy and Stability of Numerical Algorithms, 24.1).

const (
	unit     = 0x1p-53
	blockLen = 64
)

// aroundAt are the arguments, over the length of the lattice, at which the bound of what comes around is taken; the least result counts.
var aroundAt = [...]float64{4, 8, 12, 20}

// belowAt are those of the bound of the sum of what is below 0: 2^-j.
const belowAt = 24

// account is what the brackets need to know of a leaf.
type account struct {
	times   float64
	counts  *Counts
	drift   float64
	scatter float64
}

// noise is the logarithm of a bound of the mean of exp(lambda W), W what the group lost by being moved to the nearest multiples, in steps.
func (a account) noise(lambda float64) float64 {
	x := lambda*a.drift + lambda*lambda/8
	x = math.Min(x, math.Log1p(lambda*a.drift+lambda*lambda*a.scatter*exponential(math.Abs(lambda)/2)))
	if a.counts == nil {
		return a.times * x
	}
	return a.counts.cumulant(x)
}

// cumulant is the logarithm of the mean of exp(x r), or a very great number where that is infinite.
func (c Counts) cumulant(x float64) float64 {
	e := math.Expm1(x)
	if c.poisson() {
		return math.Min(math.MaxFloat64, c.Mean*e)
	}
	y := -c.Mean / c.Shape * e
	if y <= -1 {
		return math.MaxFloat64
	}
	return -c.Shape * math.Log1p(y)
}

// tally is the sum of the accounts of all leaves.
type tally struct {
	accounts []account
	lost     float64
	blur     float64
	under    float64
	events   float64
	above    float64
	size     float64 // Σ weight * norm, for the error of the transforms
	factors  float64 // how many factors there are, with the events of each
	around   [len(aroundAt)]float64
	below    [belowAt]float64
	deepest  int
}

func (t *tally) add(l leaf, limit int) {
	t.accounts = append(t.accounts, account{float64(l.times), l.counts, l.drift, l.scatter})
	t.lost += l.lost
	t.blur += l.blur
	t.under += l.under
	t.above += l.above
	weight := float64(l.times)
	if l.counts != nil {
		weight = l.counts.Mean
	}
	t.size += weight * l.norm
	t.factors += 10 + 4*weight
	if l.counts != nil {
		t.events += weight
	}
	for i, at := range aroundAt {
		lambda := at / float64(limit)
		mgf := l.mgf(lambda, limit)
		if l.counts == nil {
			t.around[i] += float64(l.times) * math.Log(mgf)
		} else {
			t.around[i] += l.counts.cumulant(math.Log(mgf))
		}
	}
	if l.below == 0 {
		return
	}
	t.deepest += l.times * l.below
	var sums [belowAt]float64
	for k, p := range l.f[:min(l.below, len(l.f))] {
		e := math.Exp(math.Pow(2, 1-belowAt) * float64(l.below-k))
		for j := belowAt - 1; j >= 0; j-- { // each argument is twice the one before
			sums[j] += p * (e - 1)
			if e *= e; e > 1e150 {
				for j--; j >= 0; j-- {
					sums[j] = math.MaxFloat64
				}
			}
		}
	}
	for j, sum := range sums {
		t.below[j] += float64(l.times) * math.Log1p(sum)
	}
}

// mgf bounds the mean of exp(lambda x) on the lattice: of some neighbours that are a small part of the limit, all count as the last one.
func (v vector) mgf(lambda float64, limit int) float64 {
	sum, n := 0.0, max(1, limit/8192)
	for k := 0; k < len(v.f); k += n {
		end := min(len(v.f), k+n)
		part := 0.0
		for _, p := range v.f[k:end] {
			part += p
		}
		sum += part * math.Exp(lambda*float64(end-1-v.below))
	}
	return sum
}

// merge adds what another tally found.
func (t *tally) merge(o *tally) {
	t.accounts = append(t.accounts, o.accounts...)
	t.lost += o.lost
	t.blur += o.blur
	t.under += o.under
	t.above += o.above
	t.size += o.size
	t.factors += o.factors
	t.events += o.events
	t.deepest += o.deepest
	for i := range t.around {
		t.around[i] += o.around[i]
	}
	for i := range t.below {
		t.below[i] += o.below[i]
	}
}

// depth is how many steps below 0 the sum goes but for a probability of eps.
func (t *tally) depth(eps float64) int {
	if t.deepest == 0 {
		return 0
	}
	best := float64(t.deepest)
	for j, k := range t.below {
		if lambda := math.Pow(2, -float64(j)); k < 700 {
			best = math.Min(best, (k-math.Log(eps))/lambda)
		}
	}
	return int(math.Min(float64(t.deepest), math.Ceil(best)))
}

// beneath bounds the probability that the sum is more than k steps below 0.
func (t *tally) beneath(k int) float64 {
	if k >= t.deepest {
		return 0
	}
	best := 0.0
	for j, c := range t.below {
		if c < 700 {
			best = math.Min(best, c-math.Pow(2, -float64(j))*float64(k))
		}
	}
	return math.Exp(best)
}

// interval is where the sum of what was lost by moving lies but for a probability of doubt on either side, in steps; mean is its expectation.
func (t *tally) interval(doubt float64) (lo, mean, hi float64) {
	bound := func(sign float64) float64 {
		best := math.MaxFloat64
		at := func(exponent float64) float64 {
			lambda := math.Pow(2, exponent)
			sum := -math.Log(doubt)
			for _, a := range t.accounts {
				sum += a.noise(sign * lambda)
			}
			return sum / lambda
		}
		where := 0.0
		for e := -16.0; e <= 4; e++ {
			if v := at(e); v < best {
				best, where = v, e
			}
		}
		for _, d := range [...]float64{0.5, 0.25, 0.125} {
			for _, e := range [...]float64{where - d, where + d} {
				if v := at(e); v < best {
					best, where = v, e
				}
			}
		}
		return best
	}
	for _, a := range t.accounts {
		if a.counts == nil {
			mean += a.times * a.drift
		} else {
			mean += a.counts.Mean * a.drift
		}
	}
	return -bound(-1), mean, bound(1)
}

// product is the spectra of the sums on the lattice, tilted by exp(-theta k).
type product struct {
	low, high   []complex128 // of the sum of what was moved down, or to the nearest; and of what was moved up, nil for the nearest
	logs, highs []complex128 // logarithms of further factors of each
	off         []float64    // sums of 1/|z| of the factors of low that polynomials stand for
}

// dead is where a logarithm stands for nothing: no further factor is greater than 1.
const dead = -45

func (p *product) times(o product) {
	put := func(to *[]complex128, from []complex128, by func(a, b complex128) complex128) {
		if *to == nil {
			*to = from
			return
		}
		for i, z := range from {
			(*to)[i] = by((*to)[i], z)
		}
	}
	multiply, add := func(a, b complex128) complex128 { return a * b }, func(a, b complex128) complex128 { return a + b }
	put(&p.low, o.low, multiply)
	put(&p.high, o.high, multiply)
	if p.off == nil {
		p.off = o.off
	} else {
		for i, x := range o.off {
			p.off[i] += x
		}
	}
	put(&p.logs, o.logs, add)
	put(&p.highs, o.highs, add)
}

// settle multiplies what is there as logarithms with the rest.
func (p *product) settle() {
	put := func(to *[]complex128, logs []complex128) {
		for i, z := range logs {
			if real(z) < dead {
				logs[i] = 0
			} else {
				logs[i] = cexp(z)
			}
			if *to != nil {
				logs[i] *= (*to)[i]
			}
		}
		if logs != nil {
			*to = logs
		}
	}
	put(&p.low, p.logs)
	put(&p.high, p.highs)
	p.logs, p.highs = nil, nil
}

// spectrum multiplies the spectrum of a leaf into a product.
func (p *product) leaf(l leaf, size int, theta float64, down bool, t *transform, work []complex128, part *low) {
	tilt := t.tilts(size, theta)
	if part != nil && l.counts == nil {
		part.spectrum(work, l.vector, tilt, t)
		if p.low == nil {
			p.low = make([]complex128, len(work))
			for i := range p.low[:part.bins] {
				p.low[i] = 1
			}
		}
		if p.off == nil {
			p.off = make([]float64, part.bins)
		}
		for i, z := range work[:part.bins] {
			p.low[i] *= integer(z, l.times)
			p.off[i] += float64(l.times) / math.Max(1e-200, cmplx.Abs(z))
		}
		return
	}
	if part != nil {
		part.spectrum(work, l.vector, tilt, t)
		if p.logs == nil {
			p.logs = make([]complex128, len(work))
		}
		for i, z := range work[:part.bins] {
			if real(p.logs[i]) >= dead {
				p.logs[i] += l.counts.logarithm(z)
			}
		}
		return
	}
	fft, x := t.of(size)
	clear(x)
	for k, m := range l.f[:min(l.below, len(l.f))] {
		x[size+k-l.below] = m * math.Exp(theta*float64(l.below-k))
	}
	if l.below < len(l.f) {
		for k, m := range l.f[l.below:] {
			x[k] = m * tilt[k]
		}
	}
	fft.Coefficients(work, x)
	put := func(of *[]complex128, logs *[]complex128) {
		if l.counts != nil {
			if *logs == nil {
				*logs = make([]complex128, len(work))
			}
			for i, z := range work {
				if real((*logs)[i]) >= dead {
					(*logs)[i] += l.counts.logarithm(z)
				}
			}
			return
		}
		if *of == nil {
			*of = make([]complex128, len(work))
			for i := range *of {
				(*of)[i] = 1
			}
		}
		for i, z := range work {
			(*of)[i] *= integer(z, l.times)
		}
	}
	put(&p.low, &p.logs)
	if down {
		zero, turn := complex(l.zero, 0), 2*math.Pi/float64(size)
		for i, z := range work {
			work[i] = zero + cmplx.Rect(tilt[1], -turn*float64(i))*(z-zero)
		}
		put(&p.high, &p.highs)
	}
}

// integer is z to the power of n.
func integer(z complex128, n int) complex128 {
	if n == 1 {
		return z
	}
	out := complex128(1)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			out *= z
		}
		z *= z
	}
	return out
}
