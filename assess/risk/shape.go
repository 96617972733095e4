package risk

import "math"

// shape is how smooth a law is: what bounds its spectrum at high frequencies. In money; x is the damage, f its density where it has one.
type shape struct {
	tv         float64 // total variation of f
	n0, n1, n2 float64 // of f', x f' and x^2 f', where jumps of f do not count, and those of f' do
	atoms      []knot  // amounts that have a probability of their own
	jumps      []knot  // places where f jumps, and by how much
	pdf        func(x float64) float64
	parts      func(x float64) (first, second float64) // of the moments of the density, below x; up to constants
	cut        float64                                 // where the density ends; infinite for none
}

// knot is a place in a law and how much there is of something.
type knot struct{ at, by float64 }

// mass is the probability of the atoms.
func (s *shape) mass() float64 {
	sum := 0.0
	for _, a := range s.atoms {
		sum += a.by
	}
	return sum
}

// shapeOf tells how smooth the law of a group is; false where nothing is known.
func shapeOf(g group) (*shape, bool) {
	if g.Severity == nil {
		return g.e.shape()
	}
	switch s := g.Severity.(type) {
	case Lognormal:
		return s.shape(), true
	case Pareto:
		return s.shape(), true
	case Clipped:
		return s.shape()
	case *Table:
		return s.shape(), len(s.Amounts) <= 16
	}
	return nil, false
}

// stop ends a density at most, with an atom of what is beyond.
func (s *shape) stop(most, beyond float64) {
	s.cut = math.Inf(1)
	if most > 0 {
		s.cut = most
		s.atoms = append(s.atoms, knot{most, beyond})
		s.jumps = append(s.jumps, knot{most, -s.pdf(most)})
	}
}

// The density is g(z)/(sigma x) with z = (ln x - mu)/sigma, so that x^k f' is -e^((k-2)(mu + sigma z)) g(z) (1 + z/sigma)/sigma, with one extreme on either side of its zero at -sigma.
func (l Lognormal) shape() *shape {
	free := Lognormal{l.Mu, l.Sigma, 0}
	square := Lognormal{2 * l.Mu, 2 * l.Sigma, 0}
	s := &shape{
		pdf: func(x float64) float64 {
			if x <= 0 {
				return 0
			}
			return standardPDF(math.Inf(1), (math.Log(x)-l.Mu)/l.Sigma) / (l.Sigma * x)
		},
		parts: func(x float64) (float64, float64) { return free.Below(x), square.Below(x * x) },
	}
	s.tv, _ = variation(free)
	of := func(k float64) float64 { // the extremes are where (z + (2-k) sigma)(z + sigma) = 1
		b, c := (3-k)*l.Sigma, (2-k)*l.Sigma*l.Sigma-1
		sum, root := 0.0, math.Sqrt(b*b-4*c)
		for _, z := range [...]float64{(-b - root) / 2, (-b + root) / 2} {
			sum += 2 * math.Exp((k-2)*(l.Mu+l.Sigma*z)) * standardPDF(math.Inf(1), z) / l.Sigma * math.Abs(1+z/l.Sigma)
		}
		return sum
	}
	s.n0, s.n1, s.n2 = of(0), of(1), of(2)
	s.stop(l.Most, 1-free.CDF(l.Most))
	return s
}

func (l Pareto) shape() *shape {
	if l.Most > 0 && l.Most <= l.Least {
		return &shape{atoms: []knot{{l.Most, 1}}, cut: math.Inf(-1)}
	}
	slope := 2 * l.Shape * (l.Shape + 1)
	s := &shape{
		tv: 2 * l.Shape / l.Least, n0: slope / l.Least / l.Least, n1: slope / l.Least, n2: slope,
		pdf: func(x float64) float64 {
			if x < l.Least {
				return 0
			}
			return l.Shape / x * math.Pow(l.Least/x, l.Shape)
		},
		parts: func(x float64) (float64, float64) { return l.moment(1, x), l.moment(2, x) },
		jumps: []knot{{l.Least, l.Shape / l.Least}},
	}
	s.stop(l.Most, math.Pow(l.Least/l.Most, l.Shape))
	return s
}

func (t *Table) shape() *shape {
	s := &shape{cut: math.Inf(-1)}
	for i, a := range t.Amounts {
		s.atoms = append(s.atoms, knot{a, t.Probabilities[i]})
	}
	return s
}

func (l Clipped) shape() (*shape, bool) {
	e := &expansion{df: l.Of.DF, weights: []float64{1}, location: []float64{l.Of.Location}, scale: []float64{l.Of.Scale}}
	s, ok := e.shape()
	if !ok {
		return nil, false
	}
	s.atoms, s.jumps = []knot{{0, l.Of.CDF(0)}}, []knot{{0, s.pdf(0)}}
	s.stop(l.Most, 1-l.Of.CDF(l.Most))
	return s, true
}

// shape of a mixture of Student's laws: with g the standard density, g', z g' and z^2 g' are multiples of z, z^2 and z^3 times (1+z^2/df)^(-(df+3)/2); each has extremes of the same
// size on both sides, at z^2 = df/(df+2), 2 df/(df+1) and 3, and so a variation of four times that.
func (e *expansion) shape() (*shape, bool) {
	df := e.df
	if math.Abs(df-1) < 0.01 || math.Abs(df-2) < 0.01 { // the moments have logarithms there
		return nil, false
	}
	fall := func(square, power float64) float64 {
		if df > normalDF {
			return 4 * standardPDF(df, 0) * math.Pow(square, power/2) * math.Exp(-square/2)
		}
		return 4 * standardPDF(df, 0) * (df + 1) / df * math.Pow(square, power/2) * math.Exp(-(df+3)/2*math.Log1p(square/df))
	}
	t0, t1, t2 := fall(1/(1+2/df), 1), fall(2/(1+1/df), 2), fall(3, 3)
	s := &shape{cut: math.Inf(1), tv: e.variation()}
	if e.zero > 0 {
		s.atoms = []knot{{0, e.zero}}
	}
	for i, p := range e.weights {
		m, inv := math.Abs(e.location[i]), 1/e.scale[i]
		k := p * inv * inv
		s.n0 += k * t0
		s.n1 += k * (m*t0 + e.scale[i]*t1)
		s.n2 += k * (m*m*t0 + 2*m*e.scale[i]*t1 + e.scale[i]*e.scale[i]*t2)
	}
	s.pdf = func(x float64) float64 {
		sum := 0.0
		for i, p := range e.weights {
			sum += p * standardPDF(df, (x-e.location[i])/e.scale[i]) / e.scale[i]
		}
		return sum
	}
	s.parts = func(x float64) (first, second float64) {
		for i, p := range e.weights {
			m, sd := e.location[i], e.scale[i]
			z := (x - m) / sd
			c := e.student(z)
			a := partial(df, z)
			first += p * (m*c + sd*a)
			second += p * (m*m*c + 2*m*sd*a + sd*sd*partialSquare(df, z, c))
		}
		return first, second
	}
	return s, true
}

// partialSquare is the integral of x^2 f(x) up to z for the standard law, of which c is the distribution function at z; up to a constant where that does not exist.
func partialSquare(df, z, c float64) float64 {
	g := standardPDF(df, z)
	if df > 1e8 {
		return c - z*g
	}
	return (df*c - z*(df+z*z)*g) / (df - 2)
}
