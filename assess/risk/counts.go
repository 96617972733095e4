package risk

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Counts is the law of the number of manifestations in a span of time: negative binomial with the shape of the rate and its mean (3.7), Shape = a and Mean = a t/b.
// A shape of +Inf is the law of Poisson, the limit of a rate that is known. A mean of 0 is a point mass at 0.
type Counts struct{ Shape, Mean float64 }

// Poisson is the law of a number whose rate is known.
func Poisson(mean float64) Counts { return Counts{math.Inf(1), mean} }

// Dispersed is the negative binomial law with that mean and variance; Poisson's if the variance is not greater than the mean.
func Dispersed(mean, variance float64) Counts {
	if variance <= mean || mean == 0 {
		return Poisson(mean)
	}
	return Counts{mean * mean / (variance - mean), mean}
}

func (c Counts) poisson() bool { return math.IsInf(c.Shape, 1) }

// Scale is the law with k times the rate.
func (c Counts) Scale(k float64) Counts { return Counts{c.Shape, c.Mean * k} }

// chance is t/(b+t), the probability of a further one.
func (c Counts) chance() float64 { return c.Mean / (c.Shape + c.Mean) }

// Variance is that of the number (3.9).
func (c Counts) Variance() float64 {
	if c.poisson() {
		return c.Mean
	}
	return c.Mean + c.Mean*c.Mean/c.Shape
}

// LogPMF is the logarithm of the probability of exactly r, r >= 0; it is very low, never infinite, where that is 0.
func (c Counts) LogPMF(r float64) float64 {
	switch {
	case c.Mean == 0 && r == 0:
		return 0
	case c.Mean == 0 || r < 0:
		return -math.MaxFloat64
	}
	fact, _ := math.Lgamma(r + 1)
	if c.poisson() || c.Shape > 1e15 {
		return r*math.Log(c.Mean) - c.Mean - fact
	}
	rising := logRising(c.Shape, r)
	return rising - fact - c.Shape*math.Log1p(c.Mean/c.Shape) + r*math.Log(c.Mean/(c.Shape+c.Mean))
}

// logRising is ln Γ(a+r)/Γ(a), without the cancellation that the difference has when a is much greater than r.
func logRising(a, r float64) float64 {
	if a > 1e4 && r < a {
		// ln Γ(a+r) - ln Γ(a) by Stirling's series, difference taken term by term.
		x := r / a
		return (a+r-0.5)*math.Log1p(x) - r + r*math.Log(a) - r/(12*a*(a+r)) + (1/(a*a*a)-1/((a+r)*(a+r)*(a+r)))/360
	}
	hi, _ := math.Lgamma(a + r)
	lo, _ := math.Lgamma(a)
	return hi - lo
}

// PMF is the probability of exactly r (3.7).
func (c Counts) PMF(r float64) float64 { return math.Exp(c.LogPMF(r)) }

// CDF is the probability of at most r.
func (c Counts) CDF(r float64) float64 {
	switch r = math.Floor(r); {
	case r < 0:
		return 0
	case c.Mean == 0:
		return 1
	case c.poisson() || c.Shape > 1e12:
		return mathext.GammaIncRegComp(r+1, c.Mean)
	}
	if c.Shape > 1e5 { // the other form loses digits there
		return 1 - mathext.RegIncBeta(r+1, c.Shape, c.chance())
	}
	return mathext.RegIncBeta(c.Shape, r+1, c.Shape/(c.Shape+c.Mean))
}

// Survival is the probability of more than r.
func (c Counts) Survival(r float64) float64 {
	switch r = math.Floor(r); {
	case r < 0:
		return 1
	case c.Mean == 0:
		return 0
	case c.poisson() || c.Shape > 1e12:
		return mathext.GammaIncReg(r+1, c.Mean)
	}
	return mathext.RegIncBeta(r+1, c.Shape, c.chance())
}

// Quantile is the least number r with CDF(r) >= p, 0 < p < 1.
func (c Counts) Quantile(p float64) float64 {
	lo, hi := -1.0, math.Ceil(c.Mean+1)
	for c.CDF(hi) < p && hi < 1e15 {
		lo, hi = hi, 2*hi
	}
	for hi-lo > 1 {
		if mid := math.Floor((lo + hi) / 2); c.CDF(mid) >= p {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// remainder is the survival at which the sums over the number stop.
const remainder = 1e-14

// Range is the least span of numbers outside of which lies less than the probability given, on either side.
func (c Counts) Range(outside float64) (lo, hi float64) {
	if c.Mean == 0 {
		return 0, 0
	}
	hi = math.Ceil(c.Mean + 1)
	for c.Survival(hi) >= outside && hi < 1e15 {
		hi *= 2
	}
	for a := math.Floor(hi / 2); hi-a > 1; {
		if mid := math.Floor((a + hi) / 2); c.Survival(mid) < outside {
			hi = mid
		} else {
			a = mid
		}
	}
	return max(0, c.Quantile(outside)), hi
}

// Table is the probabilities of first, first+1, ... as far as they matter: what is left out on either side sums to less than 1e-14. It is made by the recursion
// p(r+1) = p(r) (a+r)/(r+1) t/(b+t), from the mode outwards, so that nothing under- or overflows. At most limit numbers are given; the second result is what is left out.
func (c Counts) Table(limit int) (first int, p []float64, left float64) {
	if c.Mean == 0 {
		return 0, []float64{1}, 0
	}
	lo, hi := c.Range(remainder)
	if hi-lo+1 > float64(limit) {
		mode := c.mode()
		lo = math.Max(lo, mode-float64(limit)/2)
		hi = lo + float64(limit) - 1
	}
	first, n := int(lo), int(hi-lo)+1
	p = make([]float64, n)
	mode := min(max(c.mode(), lo), hi)
	at := int(mode - lo)
	p[at] = c.PMF(mode)
	ratio := func(r float64) float64 {
		if c.poisson() {
			return c.Mean / (r + 1)
		}
		return (c.Shape + r) / (r + 1) * c.chance()
	}
	for i := at + 1; i < n; i++ {
		p[i] = p[i-1] * ratio(lo+float64(i-1))
	}
	for i := at - 1; i >= 0; i-- {
		p[i] = p[i+1] / ratio(lo+float64(i))
	}
	left = c.Survival(hi)
	if lo > 0 {
		left += c.CDF(lo - 1)
	}
	return first, p, left
}

// strides are the probabilities of spans of n numbers each about first, first+n, ..., for numbers that are vast and close to their mean: otherwise n is 0. The probability of the next span
// is that of the one before times the ratio in the middle between them to the power of n. Off bounds what is left out, and what the even spans change.
func (c Counts) strides() (first, n float64, p []float64, off float64) {
	const wide, spans = 9, 1 << 12
	sd := math.Sqrt(c.Variance())
	if 2*wide*sd < numbers || sd > c.Mean/20/wide {
		return 0, 0, nil, 0
	}
	n = math.Ceil(2 * wide * sd / spans)
	mode := c.mode()
	first = mode - n*spans/2
	p = make([]float64, spans+1)
	ratio := func(r float64) float64 { // logarithm of that of r+1 to that of r
		if c.poisson() {
			return math.Log1p((c.Mean - r - 1) / (r + 1))
		}
		// (a+r) m / ((r+1) (a+m)) less 1, without cancellation
		return math.Log1p((c.Shape*(c.Mean-r-1) - c.Mean) / ((r + 1) * (c.Shape + c.Mean)))
	}
	sum := 1.0
	p[spans/2] = 1
	for k := 1; k <= spans/2; k++ {
		p[spans/2+k] = p[spans/2+k-1] * math.Exp(n*ratio(mode+n*(float64(k)-0.5)-0.5))
		p[spans/2-k] = p[spans/2-k+1] * math.Exp(-n*ratio(mode-n*(float64(k)-0.5)-0.5))
		sum += p[spans/2+k] + p[spans/2-k]
	}
	for i := range p {
		p[i] /= sum
	}
	return first, n, p, 1e-14 + n*n/sd/sd/12*(1+wide*wide)
}

func (c Counts) mode() float64 {
	if c.poisson() {
		return math.Floor(c.Mean)
	}
	return math.Max(0, math.Floor((c.Shape-1)*c.Mean/c.Shape))
}

// generate is the probability generating function at z, |z| <= 1: (b/(b+t(1-z)))^a, of a complex argument.
func (c Counts) generate(z complex128) complex128 {
	if c.Mean == 0 {
		return 1
	}
	return cexp(c.logarithm(z))
}

// logarithm is that of generate.
func (c Counts) logarithm(z complex128) complex128 {
	if c.poisson() {
		return complex(c.Mean, 0) * (z - 1)
	}
	return complex(-c.Shape, 0) * clog1p(complex(c.Mean/c.Shape, 0)*(1-z))
}

func cexp(z complex128) complex128 {
	s, c := math.Sincos(imag(z))
	e := math.Exp(real(z))
	return complex(e*c, e*s)
}

// clog1p is log(1+z) for a z whose real part is not less than -1.
func clog1p(z complex128) complex128 {
	x, y := real(z), imag(z)
	return complex(0.5*math.Log1p(x*(2+x)+y*y), math.Atan2(y, 1+x))
}
