package risk

import (
	"math"
	"math/cmplx"
)

// A third way to bracket a sum, for many damages with smooth densities: its distribution function is the inverse transform of its spectrum, and that is nothing beyond some
// frequency, which is proved. So all that is needed are the spectra of the laws at the lowest frequencies. A lattice gives them: the spectrum of the masses that were moved to
// the nearest multiple is that of the law times sin(u/2)/(u/2), plus what stands at u + 2 pi m for all other whole m (u the frequency, in steps). The latter is u B(u), with
//
//	B(u) = Σ_m≠0 (-1)^m φ(u + 2 pi m)/(u + 2 pi m)
//
// B(0) and B'(0) follow from the mean and the mean square of the law, which are known; jumps of the density are taken out of B and added exactly (Hurwitz's zeta function); the
// rest of B bends by no more than Σ TV(x^2 f')/|u_m|^3 + 4 TV(x f')/|u_m|^4 + 6 TV(f')/|u_m|^5. So the error falls with the cube of the step, and the bracket does not widen
// with the number of manifestations as that of the noise does.

// spectral is a distribution function as its transform: F(x) - F(from) = Re Σ_j c_j (e^(-i u_j x) - e^(-i u_j from)), u_j = -2 pi j/size + i theta, in steps.
type spectral struct {
	step     float64
	size     int
	theta    float64
	from     float64      // in steps: below all but what is lost
	end      float64      // in steps: up to where it is right
	delta    float64      // in steps: over which it is averaged
	terms    []complex128 // c_j times the mean of e^(-i u_j y) over y from 0 to delta
	at       complex128   // the sum at from
	far      float64      // Σ |error of c_j|
	near     float64      // Σ |error of c_j| |u_j|
	around   float64
	lost     float64
	under    float64
	zero     float64
	onesided bool
	rest     float64 // the part of far that falls with the step
}

// sum is the transform at x.
func (s *spectral) sum(x float64) complex128 {
	var out complex128
	turn := 2 * math.Pi / float64(s.size)
	for j, c := range s.terms {
		sin, cos := math.Sincos(math.Mod(turn*float64(j), 2*math.Pi) * x)
		out += c * complex(cos, sin)
	}
	return out * complex(math.Exp(s.theta*x), 0)
}

// mean is that of F over x to x+delta, and how far it may be off.
func (s *spectral) mean(x float64) (f, err float64) {
	f = real(s.sum(x) - s.at)
	e := math.Exp(s.theta * (x + s.delta))
	return f, math.Min((e+1)*s.far, (x+s.delta-s.from)*e*s.near) + s.around
}

func (s *spectral) bottom() float64 { return s.from * s.step }

func (s *spectral) top() float64 { return s.end * s.step }

func (s *spectral) loss() float64 { return s.lost }

func (s *spectral) fine() float64 { return s.delta * s.step }

// cdf brackets the probability that the sum is at most x, for x below top.
func (s *spectral) cdf(x float64) (lo, point, hi float64) {
	x /= s.step
	if x < s.from+s.delta {
		return 0, 0, s.lost + s.under
	}
	h, e1 := s.mean(x)
	l, e2 := s.mean(x - s.delta)
	lo, hi = l-e2, math.Min(1, h+e1+s.lost)
	if s.onesided && x >= 0 {
		lo = math.Max(lo, s.zero)
	}
	hi += s.under * (1 - hi)
	lo, hi = math.Max(0, math.Min(1, lo)), math.Max(0, math.Min(1, hi))
	return lo, math.Max(lo, math.Min(hi, (l+h)/2)), hi
}

// quantile brackets the least x whose distribution function is not below p.
func (s *spectral) quantile(p float64) (lo, point, hi float64, ok bool) {
	least := (p - s.under) / (1 - s.under)
	first := func(reached func(x float64) bool) (below, above float64, ok bool) {
		below, above = s.from+s.delta, s.end
		if !reached(above) {
			return 0, 0, false
		}
		for above-below > 1e-3*s.delta+1e-15*s.end {
			if x := below + (above-below)/2; reached(x) {
				above = x
			} else {
				below = x
			}
		}
		return below, above, true
	}
	_, b, ok := first(func(x float64) bool { f, e := s.mean(x - s.delta); return f-e >= p })
	if !ok {
		return 0, 0, 0, false
	}
	a, _, _ := first(func(x float64) bool { f, e := s.mean(x); return f+e+s.lost >= least })
	_, m, _ := first(func(x float64) bool { f, _ := s.mean(x - s.delta/2); return f >= p })
	if s.onesided {
		a = math.Max(0, a)
	}
	a, b, m = a*s.step, b*s.step, m*s.step
	slack := 4 * unit * math.Max(math.Abs(a), math.Abs(b))
	a, b = a-slack, b+slack
	return a, math.Max(a, math.Min(b, m)), b, true
}

// shortfall brackets the integral of the distribution function up to x.
func (s *spectral) shortfall(x float64) Bracket {
	// The integral of the transform from the place from on.
	integral := func(x float64) (v, err float64) {
		var sum complex128
		turn := 2 * math.Pi / float64(s.size)
		for j, c := range s.terms {
			v := turn * float64(j)
			iu := complex(-s.theta, -v) // i u
			sum += c * (cmplx.Exp(-iu*complex(s.from, 0)) - cmplx.Exp(-iu*complex(x, 0))) / iu
		}
		_, err = s.mean(x)
		return real(sum) - (x-s.from)*real(s.at), (x - s.from) * err
	}
	x /= s.step
	if x <= s.from+s.delta {
		return Bracket{}
	}
	h, e1 := integral(x)
	l, e2 := integral(x - s.delta)
	b := Bracket{Low: math.Max(0, l-e2), Point: (l + h) / 2, High: h + e1 + (x-s.from)*(s.lost+s.under)}
	b.Point = math.Max(b.Low, math.Min(b.High, b.Point))
	return Bracket{b.Low * s.step, b.Point * s.step, b.High * s.step}
}

// part is a law on the lattice: the masses of its density, without atoms, and what is known of it. In steps.
type part struct {
	leaf
	shape         // in money
	first, second float64
	edges         []knot  // jumps of the density, in steps: place, and by how much over a step
	single        []knot  // atoms, in steps
	negative      float64 // how far below 0 the law goes, in steps
	beneath       float64 // the probability of that
}

// part puts the law of a group on the lattice.
func (l lattice) part(g group) part {
	p := part{leaf: l.build(g), shape: *g.shape}
	bottom, up := float64(-p.below)-0.5, float64(len(p.f)-p.below)-0.5
	lo, hi := bottom*l.step, math.Min(up*l.step, p.cut)
	for _, a := range p.atoms {
		at := a.at / l.step
		if k := int(math.Ceil(at-0.5)) + p.below; k >= 0 && k < len(p.f) {
			p.f[k] = math.Max(0, p.f[k]-a.by)
			p.single = append(p.single, knot{at, a.by})
		}
	}
	if p.below > 0 {
		if low := g.e.cdf(lo); low > 0 {
			p.f[0] = math.Max(0, p.f[0]-low)
			p.single = append(p.single, knot{float64(-p.below), low})
		}
		p.negative, p.beneath = -bottom, g.e.cdf(math.Nextafter(0, -1))
	}
	if p.pdf == nil {
		return p
	}
	for _, j := range p.jumps {
		if j.at < up*l.step {
			p.edges = append(p.edges, knot{j.at / l.step, j.by * l.step})
		}
	}
	if p.below > 0 {
		p.edges = append(p.edges, knot{bottom, p.pdf(lo) * l.step})
	} else {
		lo = 0
	}
	if up*l.step < p.cut {
		p.edges = append(p.edges, knot{up, -p.pdf(hi) * l.step})
	}
	a1, a2 := p.parts(lo)
	b1, b2 := p.parts(hi)
	p.first, p.second = (b1-a1)/l.step, (b2-a2)/l.step/l.step
	p.n0, p.n1, p.tv = p.n0*l.step*l.step, p.n1*l.step, p.tv*l.step
	return p
}

// plus adds a law with its weight to a mixture.
func (p *part) plus(o part, w float64) {
	for k, m := range o.f {
		p.f[k] += w * m
	}
	p.first, p.second = p.first+w*o.first, p.second+w*o.second
	p.n0, p.n1, p.n2, p.tv = p.n0+w*o.n0, p.n1+w*o.n1, p.n2+w*o.n2, p.tv+w*o.tv
	p.blur += o.blur
	p.lost += o.lost
	for _, e := range o.edges {
		p.edges = append(p.edges, knot{e.at, w * e.by})
	}
	for _, a := range o.single {
		p.single = append(p.single, knot{a.at, w * a.by})
	}
}

// curve is what takes the lattice out of a spectrum: B(0) and B'(0) less what the jumps have in them.
func (p *part) curve() (b0, b1 complex128) {
	mass, first, second := 0.0, 0.0, 0.0
	for k, m := range p.f {
		x := float64(k - p.below)
		mass += m
		first += m * x
		second += m * x * x
	}
	b0, b1 = complex(0, first-p.first), complex((p.second-second)/2+mass/24, 0)
	for _, e := range p.edges {
		x := e.at - math.Round(e.at) + 0.5
		two, three := x*x-x+1.0/6, x*(x*(x-1.5)+0.5)
		b0 -= complex(0, e.by*two/2)
		b1 += complex(e.by*(e.at*two/2-three/3), 0)
	}
	return b0, b1
}

// zeta is Σ_m≠0 e^(2 pi i m x)/(u + 2 pi m)^2 for 0 <= x <= 1 and |u| < 0.01, by Bernoulli's polynomials. For all u it is, with b = x - 1/2,
// e^(-i u b) (cot(u/2) + 2 i b)/(4 sin(u/2)) - 1/u^2, which for small u loses all its digits.
func zeta(u complex128, x float64) complex128 {
	two, three := x*x-x+1.0/6, x*(x*(x-1.5)+0.5)
	four, five := x*x*(x*x-2*x+1)-1.0/30, x*(x*x*(x*x-2.5*x+5.0/3)-1.0/6)
	return complex(two/2, 0) - 1i*u*complex(three/3, 0) - u*u*complex(four/8, 0) + 1i*u*u*u*complex(five/30, 0)
}

// powers are Σ_m≠0 1/|u + 2 pi m|^n, at most, for n = 3 to 5 and any u with a real part of v at most.
func powers(v float64) (out [6]float64) {
	for m := -3; m <= 3; m++ {
		if m == 0 {
			continue
		}
		x := 1 / math.Abs(2*math.Pi*float64(m)-v)
		c := x * x * x
		out[3] += c
		out[4] += c * x
		out[5] += c * x * x
	}
	rest := 1 / (6*math.Pi - v)
	out[3] += rest * rest / math.Pi / 2
	out[4] += rest * rest * rest / math.Pi / 3
	out[5] += rest * rest * rest * rest / math.Pi / 4
	return out
}

// squares is Σ_m≠0 1/(v + 2 pi m)^2 for 0 <= v <= pi, at most.
func squares(v float64) float64 {
	if v < 0.01 {
		return 1.0/12 + 1e-6
	}
	sin := math.Sin(v / 2)
	return 0.25/(sin*sin) - 1/(v*v) + 1e-10
}

// rest bounds what is left of B times u. A density times e^(-theta x) varies by at most 3/2 of what it does alone, and as much more as the law goes below 0.
func (p *part) rest(u float64, sums *[6]float64, theta float64) float64 {
	return 1.5 * math.Exp(theta*p.negative) * u * u * u / 2 * (p.n2*sums[3] + 4*p.n1*sums[4] + 6*p.n0*sums[5])
}

// of makes the spectrum of the law at the frequencies of f from that of the masses of its density, which is in z.
func (p *part) of(f *frequencies, z []complex128) {
	b0, b1 := p.curve()
	for j, u := range f.u {
		z[j] = z[j]/f.wave[j] - u*(b0+b1*u)
	}
	apart := 2 * math.Pi / float64(f.size)
	for _, e := range p.edges {
		b := e.at - math.Round(e.at)
		turn, turned := cmplx.Exp(complex(0, -apart*e.at)), complex(math.Exp(-f.theta*e.at), 0)
		back, backed := cmplx.Exp(complex(0, -apart*(e.at-b))), complex(math.Exp(-f.theta*(e.at-b)), 0)
		for j, u := range f.u {
			if j < f.series {
				z[j] -= u * complex(0, e.by) * turned * zeta(u, b+0.5)
			} else {
				z[j] -= u * complex(0, e.by) * (backed*(f.cot[j]+complex(0, 2*b))*f.cosecant[j] - turned/(u*u))
			}
			turned *= turn
			backed *= back
		}
	}
	for _, a := range p.single {
		turn, turned := cmplx.Exp(complex(0, -apart*a.at)), complex(a.by*math.Exp(-f.theta*a.at), 0)
		for j := range f.u {
			z[j] += turned
			turned *= turn
		}
	}
}

// smooth brackets a quantile by the spectra of the laws, where these are smooth enough; the bracket is empty where they are not.
func (s *search) smooth(p, guess float64) (best Bracket, met bool, err error) {
	if !s.even || guess <= 0 {
		return best, false, nil
	}
	trim := s.trim(p)
	deep := s.depth(math.Max(trim, s.lower()))
	below, reach := deep/4, guess
	span := math.Max(2.1*deep, reach)
	cells, vain := 1<<11, 0
	for float64(cells) < span*s.steep && cells < s.cells {
		cells *= 2
	}
	// A lattice of the sum itself may be as cheap; and many costs are added up there without a transform of each.
	_, _, step := s.width(s.aim(guess), s.doubt(p))
	if even := span / step; float64(cells) > even || s.whole > fullMost && even <= float64(s.request.Cells) {
		return best, false, nil
	}
	for range 12 {
		aim := s.aim(reach)
		step := math.Max(2.1*deep, (reach+3*aim+below)*1.02) / float64(cells-8)
		l := lattice{step: step, limit: cells, trim: trim, lower: s.lower(), slack: 0.01 * s.request.Error * math.Min(p, 1-p)}
		g, err := s.spectral(l, 0.02*aim/step)
		if err != nil {
			return best, false, err
		}
		if g == nil { // at too many frequencies the sum is not nothing
			if cells, vain = 2*cells, vain+1; cells > s.cells || vain > 2 {
				return best, false, nil
			}
			continue
		}
		lo, point, hi, ok := g.quantile(p)
		if !ok || hi > g.top() {
			if g.rest*math.E > 0.1*(1-p) && cells < s.cells { // too coarse to say
				cells = min(s.cells, 4*cells)
			} else if reach, below = reach*1.1+aim, math.Max(below, -1.1*(g.end-float64(l.limit))*step); reach > 4*guess {
				return best, false, nil
			}
			continue
		}
		s.keep(g, p)
		if best.High-best.Low == 0 || hi-lo < best.High-best.Low {
			best = Bracket{lo, point, hi}
		}
		if s.fair(Bracket{lo, point, hi}) {
			return best, true, nil
		}
		reach = math.Max(point, hi-(hi-lo)/2)
		// Half of the width that is wanted may come from what falls with the step.
		_, from, _ := g.cdf(point - aim)
		_, to, _ := g.cdf(math.Min(point+aim, g.top()))
		allowed, total := (to-from)/2, (g.far-g.rest)*math.E+g.around+g.lost
		if cells >= s.cells || total > 0.6*allowed {
			return best, false, nil
		}
		times := 1.1 * math.Cbrt(math.E*g.rest/(0.4*allowed))
		cells = min(s.cells, length(int(float64(cells)*math.Max(1.3, math.Min(16, times)))))
	}
	return best, false, nil
}

// evenly finds how smooth the laws of the groups are, and whether the sum has enough smooth parts for its spectrum to be nothing at high frequencies.
func (s *search) evenly() {
	total, steep, weight := 0.0, 0.0, 0.0
	for i := range s.groups {
		g := &s.groups[i]
		sh, ok := shapeOf(*g)
		if !ok {
			return
		}
		g.shape = sh
		if g.Severity != nil {
			w := float64(g.times) * g.Counts.weight()
			total += w * (1 - math.Min(1, sh.mass()))
			steep, weight = steep+w*sh.tv, weight+w
		} else {
			total -= float64(g.times) * math.Log(math.Max(1e-300, sh.mass()))
			steep, weight = steep+float64(g.times)*sh.tv, weight+float64(g.times)
		}
	}
	if weight > 0 {
		s.steep = steep / weight / 1.5
	}
	s.even = total > -dead0
}
