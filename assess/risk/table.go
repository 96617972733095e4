package risk

import (
	"math"
	"slices"
)

// table is the distribution function of the standard Student law for one number of degrees of freedom, as polynomials of degree five that agree with value, density and its
// derivative at the ends of each cell. It is some fifty times as fast as the incomplete beta function. In the middle the argument is z, in the tail 1/z; a cell whose
// middle is not right to 2e-14 is not used.
type table struct {
	df     float64
	middle []cell
	tail   []cell
	unit   float64   // cells of the middle for each unit of z
	power  float64   // the tail where it is heavy: power times y^(df/2) times the series in y, y = df/(df+z^2)
	series []float64 //
}

type cell struct {
	c    [6]float64 // of the upper tail's probability, in the place within the cell from 0 to 1
	slow bool
}

const (
	reach     = 8.0   // of the middle
	perTail   = 64    // cells of the tail
	tableFair = 2e-14 // how far a cell may be from what it stands for
	tableErr  = 5e-14 // what is accounted for
)

func newTable(df float64) *table {
	t := &table{df: df, unit: 64, tail: make([]cell, perTail)}
	if df < 4 { // then the density is the less smooth the fewer they are
		t.unit = 256
	}
	t.middle = make([]cell, int(reach*t.unit))
	pdf := func(z float64) float64 { return standardPDF(df, z) }
	fall := func(z float64) float64 { // of the logarithm of the density
		if df > normalDF {
			return z
		}
		return (df + 1) * z / (df + z*z)
	}
	node := func(z float64) [3]float64 {
		f := pdf(z)
		return [3]float64{upper(df, z), -f, f * fall(z)}
	}
	fill(t.middle, 1/t.unit, node, func(x float64) float64 { return upper(df, x) })
	fill(t.tail, 1/reach/perTail, func(y float64) [3]float64 {
		if y == 0 {
			return [3]float64{}
		}
		z := 1 / y
		f := pdf(z)
		slope := -f * fall(z)
		return [3]float64{upper(df, z), f * z * z, -z * z * (slope*z*z + 2*z*f)}
	}, func(y float64) float64 { return upper(df, 1/y) })
	if df < 600 && slices.ContainsFunc(t.tail, func(c cell) bool { return c.slow }) {
		t.expand()
	}
	return t
}

// expand makes the series of the tail: the incomplete beta function over y^(df/2) is analytic in y, with terms that fall at least like the powers of y.
func (t *table) expand() {
	a, y := t.df/2, t.df/(t.df+reach*reach)
	t.power = math.Exp(logStudent(t.df)) * math.Sqrt(t.df) / t.df
	term, size := 1.0, 1.0
	for k := 0; size > 1e-17 && k < 400; k++ {
		t.series = append(t.series, term/(1+float64(k)/a))
		term *= (float64(k) + 0.5) / float64(k+1)
		size *= y
	}
}

// far is the probability of more than z by the series.
func (t *table) far(z float64) float64 {
	y := t.df / (t.df + z*z)
	sum := 0.0
	for k := len(t.series) - 1; k >= 0; k-- {
		sum = sum*y + t.series[k]
	}
	return t.power * math.Exp(t.df/2*math.Log(y)) * sum
}

// fill makes the cells of width w from 0 on; node gives value and two derivatives.
func fill(cells []cell, w float64, node func(float64) [3]float64, exact func(float64) float64) {
	left := node(0)
	for i := range cells {
		right := node(float64(i+1) * w)
		cells[i].between([3]float64{left[0], left[1] * w, left[2] * w * w}, [3]float64{right[0], right[1] * w, right[2] * w * w})
		for _, at := range [...]float64{0.25, 0.5, 0.75} {
			if got := cells[i].at(at); !(math.Abs(got-exact((float64(i)+at)*w)) <= tableFair) {
				cells[i].slow = true
			}
		}
		left = right
	}
}

// between makes the polynomial that has the value and the two derivatives given at 0 and at 1.
func (c *cell) between(l, r [3]float64) {
	dv, dd, ds := r[0]-l[0]-l[1]-l[2]/2, r[1]-l[1]-l[2], r[2]-l[2]
	c.c = [6]float64{l[0], l[1], l[2] / 2, 10*dv - 4*dd + ds/2, -15*dv + 7*dd - ds, 6*dv - 3*dd + ds/2}
}

func (c *cell) at(x float64) float64 {
	return c.c[0] + x*(c.c[1]+x*(c.c[2]+x*(c.c[3]+x*(c.c[4]+x*c.c[5]))))
}

// upper is the probability of more than z >= 0.
func (t *table) upper(z float64) float64 {
	var c *cell
	var x float64
	if z < reach {
		x = z * t.unit
		i := int(x)
		c, x = &t.middle[i], x-float64(i)
	} else {
		x = perTail * reach / z
		i := min(int(x), perTail-1)
		c, x = &t.tail[i], x-float64(i)
	}
	if c.slow {
		if z >= reach && t.series != nil {
			return t.far(z)
		}
		return upper(t.df, z)
	}
	return c.at(x)
}

func (t *table) cdf(z float64) float64 {
	if z < 0 {
		return t.upper(-z)
	}
	return 1 - t.upper(z)
}

// beyond is a z above which the upper tail holds less than 1e-17, or a very great one.
func (t *table) beyond() float64 {
	for z := 1.0; z < 1e4; z *= 1.25 {
		if upper(t.df, z) < 1e-17 {
			return z
		}
	}
	return math.MaxFloat64
}
