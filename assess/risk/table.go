package risk

import "math"

// table is the distribution function of the standard Student law for one number of degrees of freedom, as polynomials of degree five that agree with value, density and its
// derivative at the ends of each cell. It is some fifty times as fast as the incomplete beta function. In the middle the argument is z, in the tail 1/z; a cell whose
// middle is not right to 2e-14 is not used.
type table struct {
	df     float64
	middle []cell
	tail   []cell
}

type cell struct {
	c    [6]float64 // of the upper tail's probability, in the place within the cell from 0 to 1
	slow bool
}

const (
	perUnit   = 64    // cells for each unit of z
	reach     = 8.0   // of the middle
	perTail   = 64    // cells of the tail
	tableFair = 2e-14 // how far a cell may be from what it stands for
	tableErr  = 5e-14 // what is accounted for
)

func newTable(df float64) *table {
	t := &table{df: df, middle: make([]cell, int(reach)*perUnit), tail: make([]cell, perTail)}
	lc := logStudent(df)
	pdf := func(z float64) float64 { return math.Exp(lc - (df+1)/2*math.Log1p(z*z/df)) }
	node := func(z float64) [3]float64 {
		f := pdf(z)
		return [3]float64{upper(df, z), -f, f * (df + 1) * z / (df + z*z)}
	}
	fill(t.middle, 1.0/perUnit, node, func(x float64) float64 { return upper(df, x) })
	fill(t.tail, 1/reach/perTail, func(y float64) [3]float64 {
		if y == 0 {
			return [3]float64{}
		}
		z := 1 / y
		f := pdf(z)
		slope := -f * (df + 1) * z / (df + z*z)
		return [3]float64{upper(df, z), f * z * z, -z * z * (slope*z*z + 2*z*f)}
	}, func(y float64) float64 { return upper(df, 1/y) })
	return t
}

// fill makes the cells of width w from 0 on; node gives value and two derivatives.
func fill(cells []cell, w float64, node func(float64) [3]float64, exact func(float64) float64) {
	left := node(0)
	for i := range cells {
		right := node(float64(i+1) * w)
		v0, d0, s0 := left[0], left[1]*w, left[2]*w*w
		v1, d1, s1 := right[0], right[1]*w, right[2]*w*w
		c := [6]float64{v0, d0, s0 / 2}
		dv, dd, ds := v1-v0-d0-s0/2, d1-d0-s0, s1-s0
		c[3] = 10*dv - 4*dd + ds/2
		c[4] = -15*dv + 7*dd - ds
		c[5] = 6*dv - 3*dd + ds/2
		cells[i].c = c
		for _, at := range [...]float64{0.25, 0.5, 0.75} {
			if got := cells[i].at(at); !(math.Abs(got-exact((float64(i)+at)*w)) <= tableFair) {
				cells[i].slow = true
			}
		}
		left = right
	}
}

func (c *cell) at(x float64) float64 {
	return c.c[0] + x*(c.c[1]+x*(c.c[2]+x*(c.c[3]+x*(c.c[4]+x*c.c[5]))))
}

// upper is the probability of more than z >= 0.
func (t *table) upper(z float64) float64 {
	var c *cell
	var x float64
	if z < reach {
		x = z * perUnit
		i := int(x)
		c, x = &t.middle[i], x-float64(i)
	} else {
		x = perTail * reach / z
		i := min(int(x), perTail-1)
		c, x = &t.tail[i], x-float64(i)
	}
	if c.slow {
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
