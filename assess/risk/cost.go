package risk

import "math"

// Cost is the law of what one threat costs in the time ahead: a number of manifestations, with damages that are normal with unknown mean and precision (C3). Its
// distribution is in closed form.
type Cost struct {
	Counts Counts
	Damage NormalGamma
}

// terms are how many numbers of manifestations the sum runs over at most.
const terms = 1 << 16

// Mean is the expected cost (3.15); it exists when the damage has a mean.
func (c Cost) Mean() (float64, bool) {
	if c.Damage.Alpha <= 0.5 {
		return 0, false
	}
	return c.Counts.Mean * c.Damage.M, true
}

// Variance is that of the cost; it exists when the damage has one.
func (c Cost) Variance() (float64, bool) {
	d := c.Damage
	if d.Alpha <= 1 {
		return 0, false
	}
	m, v := c.Counts.Mean, c.Counts.Variance()
	return d.Beta/(d.Alpha-1)*(m+(v+m*m)/d.Kappa) + d.M*d.M*v, true
}

// VarianceIID is what the variance would be if the damages were independent of each other: too low, because they share what is not known of their mean.
func (c Cost) VarianceIID() (float64, bool) {
	d := c.Damage
	if d.Alpha <= 1 {
		return 0, false
	}
	return c.Counts.Mean*d.Beta*(d.Kappa+1)/(d.Kappa*(d.Alpha-1)) + d.M*d.M*c.Counts.Variance(), true
}

// CDF is the probability that the cost is at most x.
func (c Cost) CDF(x float64) float64 { return c.expand().cdf(x) }

// Quantile is the least cost whose CDF is not below p, 0 < p < 1.
func (c Cost) Quantile(p float64) float64 { return c.expand().quantile(p) }

// expansion is the law as a mixture of Student's over the number of manifestations.
type expansion struct {
	zero     float64 // probability of no manifestation
	weights  []float64
	location []float64
	scale    []float64
	df       float64
	left     float64 // probability that the mixture leaves out
	t        *table
}

func (c Cost) expand() *expansion {
	first, p, left := c.Counts.Table(terms)
	e := &expansion{df: 2 * c.Damage.Alpha, left: left}
	if first == 0 {
		e.zero, p, first = p[0], p[1:], 1
	}
	e.weights = p
	e.location, e.scale = make([]float64, len(p)), make([]float64, len(p))
	for i := range p {
		s := c.Damage.Sum(float64(first + i))
		e.location[i], e.scale[i] = s.Location, s.Scale
	}
	return e
}

func (e *expansion) student(z float64) float64 {
	if e.t != nil {
		return e.t.cdf(z)
	}
	return standardCDF(e.df, z)
}

func (e *expansion) cdf(x float64) float64 {
	sum := 0.0
	if x >= 0 {
		sum = e.zero
	}
	for i, p := range e.weights {
		sum += p * e.student((x-e.location[i])/e.scale[i])
	}
	return math.Min(1, sum)
}

// below is the part of the mean that lies below x: the integral of c dF(c) up to x, up to a constant where the mean does not exist.
func (e *expansion) below(x float64) float64 {
	sum := 0.0
	for i, p := range e.weights {
		z := (x - e.location[i]) / e.scale[i]
		sum += p * (e.location[i]*e.student(z) + e.scale[i]*partial(e.df, z))
	}
	return sum
}

// quantile is the least x whose cdf is not below p.
func (e *expansion) quantile(p float64) float64 {
	left := e.cdf(math.Nextafter(0, -1))
	switch {
	case p <= left:
		return solve(func(x float64) float64 { return e.cdf(x) - p }, -e.spread(), 0, math.Inf(-1))
	case p <= left+e.zero:
		return 0
	}
	return solve(func(x float64) float64 { return e.cdf(x) - p }, 0, e.spread(), 0)
}

// spread is a length of the order of the law's.
func (e *expansion) spread() float64 {
	s, w := 0.0, 0.0
	for i, p := range e.weights {
		s += p * (math.Abs(e.location[i]) + e.scale[i])
		w += p
	}
	if w == 0 || s == 0 {
		return 1
	}
	return s / w
}

// Quantiles are several at once, which costs little more than one.
func (c Cost) Quantiles(levels []float64) []float64 {
	e := c.expand()
	e.t = newTable(e.df)
	out := make([]float64, len(levels))
	for i, p := range levels {
		out[i] = e.quantile(p)
	}
	return out
}
