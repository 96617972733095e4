package risk

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// Threat is what one threat may cost in the time ahead: a number of manifestations, and the law of a damage. Without a Severity the damages are normal with unknown mean and
// precision (Damage), and share what is not known of them; with one they are independent.
type Threat struct {
	Counts   Counts
	Damage   NormalGamma
	Severity Severity
}

// Mean is the expected cost, if it is finite.
func (t Threat) Mean() (float64, bool) {
	if t.Severity == nil {
		return Cost{t.Counts, t.Damage}.Mean()
	}
	m, ok := t.Severity.Mean()
	return t.Counts.Mean * m, ok
}

// Variance is that of the cost, if it is finite.
func (t Threat) Variance() (float64, bool) {
	if t.Severity == nil {
		return Cost{t.Counts, t.Damage}.Variance()
	}
	m, _ := t.Severity.Mean()
	v, ok := t.Severity.Variance()
	return t.Counts.Mean*v + t.Counts.Variance()*m*m, ok
}

// group is threats that have the same law.
type group struct {
	Threat
	times          int
	e              *expansion
	t              *table  // of the severity
	density, atoms float64 // variation of the severity, or of the cost
	shape          *shape  // nil: not known
}

// grouped puts threats that have the same law together, in the order in which they first come, and leaves out those that cannot happen.
func grouped(threats []Threat) []group {
	var out []group
	at := map[Threat]int{}
	tables := map[float64]*table{}
	of := func(df float64) *table {
		if df > normalDF {
			df = math.Inf(1)
		}
		if tables[df] == nil && len(tables) < 1024 {
			tables[df] = newTable(df)
		}
		return tables[df] // too many are made when they are needed, and not kept
	}
	for _, t := range threats {
		if t.Counts.Mean == 0 {
			continue
		}
		if i, ok := at[t]; ok {
			out[i].times++
			continue
		}
		at[t] = len(out)
		g := group{Threat: t, times: 1}
		if t.Severity == nil {
			g.e = Cost{t.Counts, t.Damage}.expand()
			g.e.t = of(g.e.df)
			g.density = g.e.variation()
		} else {
			switch s := t.Severity.(type) {
			case Lognormal:
				g.t = of(math.Inf(1))
			case LogStudent:
				g.t = of(s.Log.DF)
			case Clipped:
				g.t = of(s.Of.DF)
			}
			g.density, g.atoms = variation(t.Severity)
		}
		out = append(out, g)
	}
	return out
}

// lattice is how costs are put on a grid: on multiples of step, from -limit to limit of them (at most half as far below 0). Down says that a cost is moved to the multiple below it; otherwise to the nearest.
type lattice struct {
	step  float64
	limit int
	down  bool
	trim  float64 // the probability that may be left out at either end of each law
	doubt float64 // nearest: the probability that what was lost by moving is outside of its interval, on either side
	lower float64 // the probability that may be moved up at the lower end of each law; at least trim
	slack float64 // the probability that the sum may be below the lattice; at least trim
	logs  []float64
}

// vector is the masses of a law on the lattice, from the multiple -below on.
type vector struct {
	f     []float64
	below int
}

// leaf is the law of one group on the lattice.
type leaf struct {
	vector          // of the cost of one of the threats, or of one damage
	times   int     // how many of the threats there are
	counts  *Counts // of all of them; nil where the vector is of the cost itself
	zero    float64 // the mass that is at 0 exactly, and not moved
	lost    float64 // the probability that is left out, of all of them
	under   float64 // the probability that was moved up to the lower end, over that of not being below 0, of all of them
	above   float64 // the probability above the limit, of all of them
	drift   float64 // the mean of what one cost or damage lost by being moved, in steps
	scatter float64 // a bound of the mean square of that
	blur    float64 // how far the distribution function of the cost of all of them may be off
	norm    float64 // root of the sum of squares of the masses
	shorted bool    // no mass was left out at the limit: the vector is the whole law
}

// build puts the law of a group on the lattice.
func (l lattice) build(g group) leaf {
	if g.Severity == nil {
		return l.cost(g)
	}
	out := leaf{times: g.times, counts: &Counts{g.Counts.Shape * float64(g.times), g.Counts.Mean * float64(g.times)}}
	top := l.limit + 1
	if q := g.Severity.Quantile(1 - math.Max(1e-16, math.Min(1e-6, l.trim/(1+out.counts.Mean)))); q < float64(l.limit)*l.step {
		top = min(top, int(q/l.step)+2)
	}
	if t, ok := g.Severity.(*Table); ok {
		out.f = l.amounts(t, top, l.shift())
	} else {
		out.f = make([]float64, top)
		out.blur = out.counts.Mean * l.distribution(g, out.f)
		last := 0.0
		for k, next := range out.f {
			out.f[k] = math.Max(0, next-last)
			last = math.Max(last, next)
		}
		if top <= l.limit {
			out.lost = out.counts.Mean * math.Max(0, 1-last)
		}
	}
	out.scatter = scatter(g.density, g.atoms, l.step)
	out.zero = g.Severity.CDF(0)
	if !l.down {
		out.drift = g.Severity.Below((float64(top)-0.5)*l.step)/l.step - out.mean()
	}
	out.norm = norm(out.f)
	return out
}

// amounts puts a table on the lattice. An amount that is a multiple of the step stays where it is.
func (l lattice) amounts(t *Table, top int, shift float64) []float64 {
	f := make([]float64, top)
	for i, a := range t.Amounts {
		k := math.Floor(a / l.step)
		if !l.down {
			k = math.Ceil(a/l.step - shift)
		}
		if k < float64(top) {
			f[int(k)] += t.Probabilities[i]
		}
	}
	return f
}

func (l lattice) cost(g group) leaf {
	e := g.e
	if e.t == nil {
		own := *e
		own.t = newTable(e.df)
		e = &own
	}
	out := leaf{times: g.times, zero: e.zero}
	out.below = 1
	lower := math.Max(l.lower, l.trim)
	if e.cdf(-l.step) > lower {
		if deep := -float64(l.limit) / 2 * l.step; e.cdf(deep) < lower {
			x := solve(func(x float64) float64 { return e.cdf(x) - lower }, deep, -l.step, math.Inf(-1))
			out.below = min(int(math.Ceil(-x/l.step))+1, l.limit/2)
		} else {
			out.below = l.limit/2 + 1
		}
	}
	shift := l.shift() - 1
	at := func(k int) float64 { return (float64(k-out.below) + shift) * l.step }
	top := l.limit + out.below + 1
	if 1-e.cdf(at(top)) < l.trim {
		lo, hi := out.below, top
		for hi-lo > 1 {
			if mid := (lo + hi) / 2; 1-e.cdf(at(mid)) < l.trim {
				hi = mid
			} else {
				lo = mid
			}
		}
		top = hi
		out.shorted = true
	}
	edges := e.edges(at(0), l.step, top+1, out.below+1)
	out.f = make([]float64, top)
	last := edges[0]
	for k := range out.f {
		out.f[k] = math.Max(0, edges[k+1]-last)
		last = math.Max(last, edges[k+1])
	}
	out.scatter = scatter(g.density, 0, l.step)
	low, high := edges[0], edges[top]
	out.lost = e.left
	if low > 0 {
		out.under = float64(g.times) * low / math.Max(1e-300, 1-e.cdf(math.Nextafter(0, -1)))
	}
	out.blur = float64(g.times) * (tableErr + e.blur)
	if out.shorted {
		out.lost += math.Max(0, 1-high)
	} else {
		out.above = float64(g.times) * math.Max(0, 1-high)
	}
	out.lost *= float64(g.times)
	if !l.down {
		out.drift = (e.below(at(top))-e.below(at(0)))/l.step - out.mean()
	}
	// What is below the lattice is moved up to its first multiple. It matters only where the others are above the place asked for: see grid.
	out.f[0] += low
	out.norm = norm(out.f)
	return out
}

// edges is the distribution function at n places from lo on. The mass at 0 counts from the place with the index after on, the first that is greater than 0.
func (e *expansion) edges(lo, step float64, n, after int) []float64 {
	f := make([]float64, n+1)
	full := make([]float64, n+1) // what is added from there on
	beyond := math.MaxFloat64
	if e.t != nil {
		beyond = e.t.beyond()
	}
	place := func(x float64) int { return int(math.Max(0, math.Min(float64(n), math.Ceil(x)))) }
	for i, p := range e.weights {
		if p < 1e-18 {
			continue
		}
		inv := 1 / e.scale[i]
		z, dz := (lo-e.location[i])*inv, step*inv
		from, mid, to := place((-beyond-z)/dz), place(-z/dz), place((beyond-z)/dz)
		e.add(f[from:mid], -p, -(z + float64(from)*dz), -dz)
		full[mid] += p
		e.add(f[mid:to], p, z+float64(mid)*dz, dz)
	}
	full[min(after, n)] += e.zero
	sum := 0.0
	for k := range f {
		sum += full[k]
		f[k] += sum
	}
	return f[:n]
}

// add takes p times the upper tail at z, z+dz, z+2 dz, ... from what is in f. No place is below 0 but by rounding.
func (e *expansion) add(f []float64, p, z, dz float64) {
	if e.t == nil {
		for k := range f {
			f[k] -= p * upper(e.df, math.Max(0, z+float64(k)*dz))
		}
		return
	}
	// The places that are in the middle of the table, and those in its tail.
	split := int(math.Max(0, math.Min(float64(len(f)), math.Ceil((reach-z)/dz))))
	middle, tail, first := f[:split], f[split:], 0
	if dz < 0 {
		middle, tail, first = f[split:], f[:split], split
	}
	for k := range middle {
		x := math.Max(0, z+float64(k+first)*dz) * e.t.unit
		i := int(x)
		if i >= len(e.t.middle) || e.t.middle[i].slow {
			middle[k] -= p * e.t.upper(x/e.t.unit)
			continue
		}
		c := &e.t.middle[i].c
		x -= float64(i)
		middle[k] -= p * (c[0] + x*(c[1]+x*(c[2]+x*(c[3]+x*(c[4]+x*c[5])))))
	}
	first = split - first
	for k := range tail {
		y := z + float64(k+first)*dz
		x := perTail * reach / y
		i := int(x)
		if y < reach || i >= len(e.t.tail) || e.t.tail[i].slow {
			tail[k] -= p * e.t.upper(math.Max(0, y))
			continue
		}
		c := &e.t.tail[i].c
		x -= float64(i)
		tail[k] -= p * (c[0] + x*(c[1]+x*(c[2]+x*(c[3]+x*(c[4]+x*c[5])))))
	}
}

// mean is that of the masses, in steps.
func (v vector) mean() float64 {
	sum := 0.0
	for k, p := range v.f {
		sum += p * float64(k-v.below)
	}
	return sum
}

func norm(f []float64) float64 {
	sum := 0.0
	for _, p := range f {
		sum += p * p
	}
	return math.Sqrt(sum)
}

// trimmed leaves out up to trim of probability at either end; lost is what it left out.
func (v vector) trimmed(trim float64) (out vector, lost float64) {
	lo, hi := 0, len(v.f)
	for sum := 0.0; lo < v.below && sum+v.f[lo] <= trim; lo++ {
		sum += v.f[lo]
		lost += v.f[lo]
	}
	for sum := 0.0; hi > lo+1 && sum+v.f[hi-1] <= trim; hi-- {
		sum += v.f[hi-1]
		lost += v.f[hi-1]
	}
	return vector{v.f[lo:hi], v.below - lo}, lost
}

// plus is the law of the sum of two independent costs: a convolution. What is above limit is left out.
func (v vector) plus(o vector, t *transform) vector {
	n := len(v.f) + len(o.f) - 1
	out := vector{make([]float64, n), v.below + o.below}
	short, long := v.f, o.f
	if len(short) > len(long) {
		short, long = long, short
	}
	if len(short) <= 24 {
		for i, p := range short {
			for j, q := range long {
				out.f[i+j] += p * q
			}
		}
		return out
	}
	m := power(n)
	fft, x := t.of(m)
	a := fft.Coefficients(nil, pad(x, v.f))
	b := fft.Coefficients(nil, pad(x, o.f))
	for i := range a {
		a[i] *= b[i]
	}
	fft.Sequence(x, a)
	for k := range out.f {
		out.f[k] = math.Max(0, x[k]/float64(m))
	}
	return out
}

func pad(x, f []float64) []float64 {
	clear(x[copy(x, f):])
	return x
}

// transform keeps the tables of the transforms that a computation needs.
type transform struct {
	fft  map[int]*fourier.FFT
	x    map[int][]float64
	tilt []float64

	small        *fourier.FFT // of the lowest frequencies
	folded       [][]float64
	coefficients []complex128
}

// tilts are exp(-theta k) for k from 0 to size-1; theta does not change with the size.
func (t *transform) tilts(size int, theta float64) []float64 {
	if len(t.tilt) != size {
		t.tilt = make([]float64, size)
		ratio := math.Exp(-theta)
		for k := range t.tilt {
			if k%16 == 0 {
				t.tilt[k] = math.Exp(-theta * float64(k))
			} else {
				t.tilt[k] = t.tilt[k-1] * ratio
			}
		}
	}
	return t.tilt
}

func (t *transform) of(m int) (*fourier.FFT, []float64) {
	if t.fft == nil {
		t.fft, t.x = map[int]*fourier.FFT{}, map[int][]float64{}
	}
	if t.fft[m] == nil {
		t.fft[m], t.x[m] = fourier.NewFFT(m), make([]float64, m)
	}
	return t.fft[m], t.x[m]
}
