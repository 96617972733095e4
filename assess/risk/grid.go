package risk

import (
	"math"
	"sort"
)

// grid is the distribution of the sum on a lattice, with what can be wrong with it.
type grid struct {
	step      float64
	lo        int       // the first multiple is -lo
	low, high []float64 // sums of the masses of what was moved down (or to the nearest), and of what was moved up (nil for the nearest)
	lost      float64   // probability that was left out
	take      int       // how much of what is above the limit the others may take back, in steps
	under     float64   // what was moved up at the lower ends of the laws: it matters only with what is above the place asked for, so F is at most F + under (1-F)
	blur      float64   // how far the laws themselves may be off
	doubt     float64   // nearest: the probability that the interval does not hold, on either side
	rounding  float64   // of the distribution function at the first multiple; it grows by exp(theta) with each
	around    float64
	theta     float64
	sure      float64 // nearest: how far the sum can be off at most, in steps; MaxFloat64 where only probably
	nlo, nhi  float64 // nearest: where what was lost by moving lies, but for doubt
	mean      float64 // nearest: the mean of that
	zero      float64 // probability that the sum is 0 because nothing happens
}

func finish(l lattice, t *tally, all product, size int, theta float64) *grid {
	g := &grid{step: l.step, theta: theta, lost: t.lost, blur: t.blur, doubt: l.doubt}
	if g.doubt == 0 {
		g.doubt = 1e-10
	}
	slack := math.Max(l.trim, l.slack)
	g.lo = min(t.depth(slack), size-l.limit-2)
	g.lost += t.beneath(g.lo)
	g.take = g.lo
	if t.above < 1 { // one is above the limit, and the others take it back: two independent events
		g.take = min(g.lo, t.depth(math.Min(1, slack/math.Max(t.above, slack))))
	}
	g.lost += math.Min(1, t.above) * t.beneath(g.take)
	g.under = math.Min(0.999, t.under)
	var squares float64
	g.low, squares = g.cumulate(all.low, size, l.limit)
	if l.down {
		g.high, _ = g.cumulate(all.high, size, l.limit)
	} else {
		g.nlo, g.mean, g.nhi = t.interval(g.doubt)
		for _, a := range t.accounts {
			if g.sure += a.times / 2; a.counts != nil {
				g.sure = math.MaxFloat64
				break
			}
		}
	}
	bits := math.Log2(float64(size))
	g.rounding = unit * (8*bits*(t.size+squares) + t.factors*squares) / math.Sqrt(-math.Expm1(-2*theta))
	exponent := math.MaxFloat64
	for i, at := range aroundAt {
		exponent = math.Min(exponent, t.around[i]-at/float64(l.limit)*float64(size-g.lo))
	}
	g.around = math.Exp(math.Min(0, exponent) - theta*float64(size))
	g.lost += g.around
	return g
}

// cumulate is the sums of the masses that a spectrum stands for, from -lo to limit, and the root of the sum of their squares.
func (g *grid) cumulate(spectrum []complex128, size, limit int) ([]float64, float64) {
	fft, x := (&transform{}).of(size)
	fft.Sequence(x, spectrum)
	out := make([]float64, g.lo+limit+1)
	sum, best, squares := 0.0, 0.0, 0.0
	for i := range out {
		k := i - g.lo
		at := k
		if at < 0 {
			at += size
		}
		m := x[at] / float64(size) * math.Exp(g.theta*float64(k))
		sum += m
		squares += m * m
		best = math.Max(best, sum)
		out[i] = math.Min(1, best)
	}
	return out, math.Sqrt(squares)
}

// top is up to where the distribution is right, in money. A cost above the lattice was left out, because then the sum is above too, unless others take it back: so it ends
// that much earlier as others go below 0.
func (g *grid) top() float64 { return float64(len(g.low)-1-g.lo-g.take) * g.step }

func (g *grid) bottom() float64 { return -float64(g.lo) * g.step }

func (g *grid) loss() float64 { return g.lost }

func (g *grid) fine() float64 { return g.step }

// numeric is the error of rounding of the distribution function at index i.
func (g *grid) numeric(i int) float64 { return g.rounding * math.Exp(g.theta*float64(i-g.lo)) }

// at is the sum of masses up to x, and its error of rounding.
func (g *grid) at(sums []float64, x float64) (p, err float64) {
	i := int(math.Floor(math.Max(-1, math.Min(x/g.step+float64(g.lo), float64(len(sums)-1)))))
	if i < 0 {
		return 0, 0
	}
	return sums[i], g.numeric(i)
}

// cdf brackets the probability that the sum is at most x, for x below top.
func (g *grid) cdf(x float64) (lo, point, hi float64) {
	if g.high != nil {
		l, e1 := g.at(g.high, x)
		h, e2 := g.at(g.low, x)
		lo, hi = l-e1-g.blur, h+e2+g.lost+g.blur
		point = (g.smooth(g.low, x) + g.smooth(g.high, x)) / 2
	} else {
		// The sum is what is on the lattice plus what was lost by moving.
		l, e1 := g.at(g.low, x-g.nhi*g.step)
		h, e2 := g.at(g.low, x-g.nlo*g.step)
		lo, hi = l-e1-g.doubt-g.blur, h+e2+g.lost+g.doubt+g.blur
		if g.sure < math.MaxFloat64 {
			l, e1 = g.at(g.low, x-g.sure*g.step)
			h, e2 = g.at(g.low, x+g.sure*g.step)
			lo, hi = math.Max(lo, l-e1-g.blur), math.Min(hi, h+e2+g.lost+g.blur)
		}
		point = g.smooth(g.low, x-g.mean*g.step)
	}
	if g.lo == 0 && x >= 0 {
		lo = math.Max(lo, g.zero)
	}
	lo, hi = math.Max(0, lo), math.Min(1, hi)
	hi += g.under * (1 - hi)
	return lo, math.Max(lo, math.Min(hi, point)), hi
}

// smooth spreads each mass evenly over the step about it; the mass at 0 stays at 0 when nothing is below.
func (g *grid) smooth(sums []float64, x float64) float64 {
	at := x/g.step + float64(g.lo) - 0.5
	i := int(math.Floor(at))
	switch {
	case i < 0 && (g.lo == 0 && x >= 0):
		return sums[0]
	case i < 0:
		return sums[0] * math.Max(0, at+1)
	case i >= len(sums)-1:
		return sums[len(sums)-1]
	}
	return sums[i] + (at-float64(i))*(sums[i+1]-sums[i])
}

// quantile brackets the least x whose distribution function is not below p. It is not there when p is not reached on the lattice.
func (g *grid) quantile(p float64) (lo, point, hi float64, ok bool) {
	n, least := len(g.low), (p-g.under)/(1-g.under)
	first := func(sums []float64, slack, sign float64) int {
		to := p
		if sign > 0 {
			to = least
		}
		return sort.Search(n, func(i int) bool { return sums[i]+slack+sign*g.numeric(i) >= to })
	}
	place := func(i int) float64 { return float64(i-g.lo) * g.step }
	if g.high != nil {
		a, b := first(g.low, g.lost+g.blur, 1), first(g.high, -g.blur, -1)
		if b == n {
			return 0, 0, 0, false
		}
		lo, hi = place(a), place(b)
		point = (g.unsmooth(g.low, p) + g.unsmooth(g.high, p)) / 2
	} else {
		a, b := first(g.low, g.lost+g.doubt+g.blur, 1), first(g.low, -g.doubt-g.blur, -1)
		if b == n {
			return 0, 0, 0, false
		}
		lo, hi = place(a)+g.nlo*g.step, place(b)+g.nhi*g.step
		if g.sure < math.MaxFloat64 {
			c, d := first(g.low, g.lost+g.blur, 1), first(g.low, -g.blur, -1)
			d = min(d, n-1)
			lo, hi = math.Max(lo, place(c)-g.sure*g.step), math.Min(hi, place(d)+g.sure*g.step)
		}
		point = g.unsmooth(g.low, p) + g.mean*g.step
	}
	if g.lo == 0 {
		lo, hi = math.Max(0, lo), math.Max(0, hi)
		if p <= g.zero {
			lo, hi = 0, 0
		}
	}
	if a := math.Max(math.Abs(lo), math.Abs(hi)); a > 0 {
		lo, hi = lo-4*unit*a, hi+4*unit*a
	}
	return lo, math.Max(lo, math.Min(hi, point)), hi, true
}

// unsmooth is the inverse of smooth.
func (g *grid) unsmooth(sums []float64, p float64) float64 {
	i := sort.SearchFloat64s(sums, p)
	switch {
	case i == 0:
		return -float64(g.lo) * g.step
	case i == len(sums):
		return g.top()
	}
	return (float64(i-g.lo) - 0.5 + (p-sums[i-1])/(sums[i]-sums[i-1])) * g.step
}
