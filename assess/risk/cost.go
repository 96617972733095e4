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

// numbers are how many numbers of manifestations are looked at: where they are more than terms, or where it does no harm, neighbours stand together in a term.
const numbers = 1 << 21

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
	blur     float64 // how far the distribution function may be off because terms stand for several numbers
	t        *table
}

func (c Cost) expand() *expansion {
	if first, n, p, off := c.Counts.strides(); n > 0 {
		e := &expansion{df: 2 * c.Damage.Alpha, left: off, weights: p}
		for i := range p {
			s := c.Damage.Sum(first + float64(i)*n)
			e.location, e.scale = append(e.location, s.Location), append(e.scale, s.Scale)
		}
		d := math.Abs(c.Damage.M)/c.Damage.Sum(first).Scale*0.4 + 0.25/first // how steep the law is in the number
		e.blur = math.Min(1, n*n/8*c.bend(first)+n*n/math.Sqrt(c.Counts.Variance())*d)
		return e
	}
	first, p, left := c.Counts.Table(numbers)
	e := &expansion{df: 2 * c.Damage.Alpha, left: left}
	if first == 0 {
		e.zero, p, first = p[0], p[1:], 1
	}
	bend := c.bend(float64(first))
	n := max(1, (len(p)+terms-1)/terms, int(math.Min(float64(len(p)), math.Sqrt(8e-10/bend))))
	if n > 1 {
		e.blur = math.Min(1, float64(n)*float64(n)/8*bend)
	}
	for i := 0; i < len(p); i += n {
		sum, mean := 0.0, 0.0
		for k, q := range p[i:min(len(p), i+n)] {
			sum += q
			mean += q * float64(k)
		}
		r := float64(first + i)
		if sum > 0 {
			r += mean / sum
		}
		s := c.Damage.Sum(r)
		e.weights = append(e.weights, sum)
		e.location, e.scale = append(e.location, s.Location), append(e.scale, s.Scale)
	}
	return e
}

// bend bounds how the law of the cost of r manifestations bends with r, whatever the cost: its second derivative is at most a^2/4 + 1.6 a/r + 1/r^2 with a = m/scale, for all numbers
// from r on. A term that stands for n numbers with their mean is off by at most n^2/8 of that.
func (c Cost) bend(r float64) float64 {
	a := math.Abs(c.Damage.M) / c.Damage.Sum(r).Scale
	return a*a/4 + 1.6*a/r + 1/r/r
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
