package risk

import "math"

// Putting the laws of damages on a lattice is most of the work where threats differ. Three things make it cheap, each with an error that is accounted for: the special
// functions come from tables; the logarithms of the places are taken once for all laws; and lognormal laws with Poisson's numbers are added up at few places of the logarithm
// and interpolated once, all together.

// variation is the total variation of the density of a damage, and the probability that sits in single amounts other than 0. A law of which nothing better is known has all of it there.
func variation(s Severity) (density, atoms float64) {
	switch l := s.(type) {
	case Lognormal:
		density = 2 * math.Exp(l.Sigma*l.Sigma/2-l.Mu) / (l.Sigma * math.Sqrt(2*math.Pi))
		if l.Most > 0 {
			atoms = 1 - Lognormal{l.Mu, l.Sigma, 0}.CDF(l.Most)
		}
	case Pareto:
		density = 2 * l.Shape / l.Least
		switch {
		case l.Most > l.Least:
			atoms = math.Pow(l.Least/l.Most, l.Shape)
		case l.Most > 0:
			atoms = 1
		}
	case Clipped:
		density, atoms = 2*standardPDF(l.Of.DF, 0)/l.Of.Scale, 1-l.Of.CDF(l.Most)
	default:
		atoms = 1
	}
	return density, atoms
}

// variation is that of the cost without what is at 0.
func (e *expansion) variation() float64 {
	sum := 0.0
	for i, p := range e.weights {
		sum += 2 * p / e.scale[i]
	}
	return sum * standardPDF(e.df, 0)
}

// scatter bounds the mean square of what one amount loses by being moved to the nearest multiple, in steps. An even density gives 1/12; a density that varies over a step by v
// is at most v/2 from an even one, and the integral of |w^2 - 1/12| over a step is below 0.0642. An amount that sits in one place is off by half a step at most.
func scatter(density, atoms, step float64) float64 {
	return math.Min(0.25, (1-atoms)/12+atoms/4+0.0321*density*step)
}

// exponential is (e^y - 1 - y)/y^2.
func exponential(y float64) float64 {
	if y < 1e-3 {
		return 0.5 + y/6 + y*y/23
	}
	return (math.Expm1(y) - y) / (y * y)
}

// ready takes the logarithms of the places between the multiples of the step, if a law needs them.
func (l lattice) ready(groups []group) lattice {
	for _, g := range groups {
		switch g.Severity.(type) {
		case Lognormal, LogStudent, Pareto:
			l.logs = make([]float64, l.limit+2)
			for k := range l.logs {
				l.logs[k] = math.Log(float64(k) + l.shift())
			}
			return l
		}
	}
	return l
}

// shift is where the amounts end that are moved to the multiple 0, in steps.
func (l lattice) shift() float64 {
	if l.down {
		return 1
	}
	return 0.5
}

// distribution is the distribution function of a damage at the ends of the steps, and how far it may be off.
func (l lattice) distribution(g group, f []float64) (blur float64) {
	cut := len(f) // the first end that is not below the most
	most := func(m float64) {
		if m > 0 && m < (float64(len(f))+1)*l.step {
			for cut = max(0, min(len(f), int(m/l.step)+2)); cut > 0 && (float64(cut-1)+l.shift())*l.step >= m; {
				cut--
			}
		}
		for k := range f[cut:] {
			f[cut+k] = 1
		}
	}
	at := math.Log(l.step)
	switch s := g.Severity.(type) {
	case Lognormal:
		most(s.Most)
		return g.t.along(f[:cut], l.logs, (at-s.Mu)/s.Sigma, 1/s.Sigma)
	case LogStudent:
		most(s.Most)
		return orNew(g.t, s.Log.DF).along(f[:cut], l.logs, (at-s.Log.Location)/s.Log.Scale, 1/s.Log.Scale)
	case Pareto:
		most(s.Most)
		at -= math.Log(s.Least)
		for k := range f[:cut] {
			if y := l.logs[k] + at; y > 0 {
				f[k] = -math.Expm1(-s.Shape * y)
			}
		}
		return 8 * unit * (1 + s.Shape) * (50 + math.Abs(at))
	case Clipped:
		most(s.Most)
		t := orNew(g.t, s.Of.DF)
		for k := range f[:cut] {
			f[k] = t.cdf(((float64(k)+l.shift())*l.step - s.Of.Location) / s.Of.Scale)
		}
		return tableErr + 4*unit*math.Abs(s.Of.Location)/s.Of.Scale
	}
	for k := range f {
		f[k] = g.Severity.CDF((float64(k) + l.shift()) * l.step)
	}
	return 4 * unit
}

func orNew(t *table, df float64) *table {
	if t == nil {
		return newTable(df)
	}
	return t
}

// along is the distribution function at a + b x for each x, and how far it may be off.
func (t *table) along(f, x []float64, a, b float64) float64 {
	for k := range f {
		f[k] = t.cdf(a + b*x[k])
	}
	return tableErr + 2*unit*(math.Abs(a)+50*b)
}

// blend is the threats with Poisson's numbers, put together: the sum of such costs is again one with Poisson's number, and a mixture of the laws of the damages.
// All sums are weighted by the rates.
type blend struct {
	f                                       []float64
	nodes                                   [][3]float64 // of the smooth laws: value, and two derivatives by the place in units of the distance of the nodes
	rate, zero, drift, scatter, lost, below float64
	blur                                    float64
}

const (
	perLog  = 32   // nodes for each unit of the logarithm
	smooth  = 0.6  // the least sigma of a law that is interpolated
	normal5 = 2.32 // the greatest fifth derivative of the normal density
)

func (b *blend) add(l lattice, g group) {
	rate := g.Counts.Mean * float64(g.times)
	b.rate += rate
	s, ok := g.Severity.(Lognormal)
	if !ok || s.Most > 0 || s.Sigma < smooth {
		x := l.build(g)
		if b.f == nil {
			b.f = make([]float64, l.limit+1)
		}
		for k, p := range x.f {
			b.f[k] += rate * p
		}
		b.zero += rate * x.zero
		b.drift += rate * x.drift
		b.scatter += rate * x.scatter
		b.lost += x.lost
		b.blur += x.blur
		return
	}
	if b.nodes == nil {
		b.nodes = make([][3]float64, 2+int((l.logs[l.limit]-l.logs[0])*perLog))
	}
	a, h := (l.logs[0]+math.Log(l.step)-s.Mu)/s.Sigma, 1/(perLog*s.Sigma)
	scale := rate / math.Sqrt(2*math.Pi)
	for i := range b.nodes {
		z := a + float64(i)*h
		if z < -8.5 {
			continue
		}
		n := &b.nodes[i]
		if z > 8.5 {
			n[0] += rate
			continue
		}
		d := scale * math.Exp(-z*z/2) * h
		n[0] += rate * g.t.cdf(z)
		n[1] += d
		n[2] -= d * z * h
	}
	b.below += rate * s.Below((float64(l.limit)+0.5)*l.step) / l.step
	b.scatter += rate * scatter(g.density, g.atoms, l.step)
	b.blur += rate * (normal5/46080*math.Pow(h, 6) + 2*tableErr + 2*unit*(math.Abs(a)+50/s.Sigma))
}

// merge adds what another blend has.
func (b *blend) merge(o *blend) {
	if b.f == nil {
		b.f = o.f
	} else {
		for k, p := range o.f {
			b.f[k] += p
		}
	}
	if b.nodes == nil {
		b.nodes = o.nodes
	} else {
		for i, n := range o.nodes {
			for j, v := range n {
				b.nodes[i][j] += v
			}
		}
	}
	b.rate += o.rate
	b.zero += o.zero
	b.drift += o.drift
	b.scatter += o.scatter
	b.lost += o.lost
	b.below += o.below
	b.blur += o.blur
}

// leaf is the whole of it.
func (b *blend) leaf(l lattice) leaf {
	out := leaf{times: 1, counts: &Counts{math.Inf(1), b.rate}, zero: b.zero / b.rate, lost: b.lost, blur: b.blur, scatter: b.scatter / b.rate}
	out.f = b.f
	if out.f == nil {
		out.f = make([]float64, l.limit+1)
	}
	if b.nodes != nil {
		v := vector{f: b.interpolated(l)}
		if !l.down {
			b.drift += b.below - v.mean()
		}
		for k, p := range v.f {
			out.f[k] += p
		}
	}
	for k := range out.f {
		out.f[k] /= b.rate
	}
	if !l.down {
		out.drift = b.drift / b.rate
	}
	out.norm = norm(out.f)
	return out
}

// interpolated is the masses of the smooth laws.
func (b *blend) interpolated(l lattice) []float64 {
	cells := make([]cell, len(b.nodes)-1)
	for i := range cells {
		cells[i].between(b.nodes[i], b.nodes[i+1])
	}
	f := make([]float64, l.limit+1)
	last := 0.0
	for k := range f {
		x := (l.logs[k] - l.logs[0]) * perLog
		i := min(int(x), len(cells)-1)
		next := math.Max(last, cells[i].at(x-float64(i)))
		f[k] = next - last
		last = next
	}
	return f
}
