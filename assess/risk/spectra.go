package risk

import (
	"context"
	"math"
	"math/cmplx"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	together16 = 16      // groups whose spectra one worker multiplies
	probed     = 256     // groups that are looked at side by side
	fullMost   = 256     // costs that are transformed in full to find at which frequencies the sum is nothing
	keptMost   = 1 << 22 // masses of laws that are kept, not made again
	termsMost  = 1 << 14 // frequencies
	padded     = 4       // times the length of the lattice is the transform
)

// spectra are the product of the spectra of some groups at the lowest frequencies, and how far it may be off: the errors are of its logarithm.
type spectra struct {
	logs, product []complex128
	cubic, others []float64 // errors: those that fall with the cube of the step, and those that do not
	tally         tally
	high          float64 // beyond what the lattice shows, the sum is e^-high at most
	factors       int
	raise         float64 // by how much further costs may raise the logarithm of a product: by what they are below 0
}

// grid of frequencies, and what is needed at each.
type frequencies struct {
	l     lattice
	size  int
	theta float64
	low   *low
	bins  int
	u     []complex128
	wave  []complex128 // sin(u/2)/(u/2)
	sums  [][6]float64

	series        int          // below, zeta is taken from its series
	cot, cosecant []complex128 // of u/2, the latter over 4
}

func frequenciesOf(l lattice) *frequencies {
	size := length(l.limit) * padded
	return &frequencies{l: l, size: size, theta: 4 / float64(size)}
}

func (f *frequencies) set(bins int) {
	f.bins, f.low = bins, newLow(bins, f.size)
	f.u, f.wave, f.sums = make([]complex128, bins), make([]complex128, bins), make([][6]float64, bins)
	f.cot, f.cosecant, f.series = make([]complex128, bins), make([]complex128, bins), bins
	for j := range bins {
		v := 2 * math.Pi * float64(j) / float64(f.size)
		f.u[j] = complex(-v, f.theta)
		sin := cmplx.Sin(f.u[j] / 2)
		f.wave[j] = sin / (f.u[j] / 2)
		f.sums[j] = powers(v)
		f.cot[j], f.cosecant[j] = cmplx.Cos(f.u[j]/2)/sin, 1/(4*sin)
		if cmplx.Abs(f.u[j]) >= 0.01 {
			f.series = min(f.series, j)
		}
	}
}

// multiply puts a law into the product.
func (f *frequencies) multiply(s *spectra, p *part, t *transform, work []complex128) {
	tilt := t.tilts(f.size, f.theta)
	grow := math.Exp(f.theta * p.negative)
	block := 1
	if f.low != nil {
		f.low.spectrum(work, p.vector, tilt, t)
		block = f.low.block
	} else {
		f.whole(work, p, tilt, t)
	}
	if s.cubic == nil {
		s.cubic, s.others, s.logs, s.product = make([]float64, f.bins), make([]float64, f.bins), make([]complex128, f.bins), make([]complex128, f.bins)
		for j := range s.product {
			s.product[j] = 1
		}
	}
	p.of(f, work[:f.bins])
	rounding := unit * float64(64+8*int(math.Log2(float64(f.size)))+2*block+4*f.bins) * grow
	times, long := float64(p.times), float64(len(p.f))
	weight := times
	if p.counts != nil {
		weight = p.counts.Mean
	}
	for j, u := range f.u {
		size := cmplx.Abs(u)
		z := work[j]
		cubic := p.rest(size, &f.sums[j], f.theta)
		way := size * long
		others := rounding + p.blur/weight*(2+2*way+way*way)*grow
		if f.low != nil {
			others += 2.1 / 40320 * math.Pow(math.Pi*float64(j)*float64(block)/float64(f.size)/2, degrees) * grow
		}
		if p.counts != nil {
			s.logs[j] += p.counts.logarithm(z)
			if a := (cubic + others) / p.counts.Shape * weight; a > 0.01 {
				cubic = math.Inf(1)
			}
			s.cubic[j] += 1.02 * weight * cubic
			s.others[j] += 1.02 * weight * others
			continue
		}
		s.product[j] *= integer(z, p.times)
		least := math.Max(1e-250, cmplx.Abs(z))
		s.cubic[j] += times * math.Log1p(cubic/least)
		s.others[j] += times * math.Log1p(others/least)
	}
	s.factors++
	mass := 0.0
	for _, a := range p.single {
		mass += a.by
	}
	far := mass*grow + 1.5*grow*p.tv/math.Pi
	switch {
	case p.counts == nil:
		s.high -= times * math.Log(far)
		s.raise += times * math.Log1p(p.beneath*(grow-1))
	case far < 1:
		s.high += p.counts.weight() * (1 - far)
	}
}

// whole is the spectrum of a law at all frequencies.
func (f *frequencies) whole(work []complex128, p *part, tilt []float64, t *transform) {
	fft, x := t.of(f.size)
	clear(x)
	for k, m := range p.f[:min(p.below, len(p.f))] {
		x[f.size+k-p.below] = m * math.Exp(f.theta*float64(p.below-k))
	}
	if p.below < len(p.f) {
		for k, m := range p.f[p.below:] {
			x[k] = m * tilt[k]
		}
	}
	fft.Coefficients(work, x)
}

// blended is the mixture of the damages of all threats with Poisson's numbers, put together; nil if there are none.
func (f *frequencies) blended(ctx context.Context, groups []group, workers int, t *tally) (*part, error) {
	l := f.l
	blocks := (len(groups) + blockLen - 1) / blockLen
	type piece struct {
		mix  part
		even blend
		rate float64
	}
	pieces := make([]piece, blocks)
	eg, c := errgroup.WithContext(ctx)
	eg.SetLimit(workers)
	up := float64(l.limit) + 0.5
	for b := range blocks {
		eg.Go(func() error {
			x := &pieces[b]
			for _, g := range groups[b*blockLen : min(len(groups), (b+1)*blockLen)] {
				if err := context.Cause(c); err != nil {
					return err
				}
				if g.Severity == nil || !g.Counts.poisson() {
					continue
				}
				rate := g.Counts.Mean * float64(g.times)
				x.rate += rate
				s, ok := g.Severity.(Lognormal)
				if !ok || s.Most > 0 || s.Sigma < smooth {
					p := l.part(g)
					if x.mix.f == nil {
						x.mix.f = make([]float64, l.limit+1)
					}
					x.mix.plus(p, rate)
					continue
				}
				x.even.add(l, g)
				a, b := g.shape.parts(up * l.step)
				x.mix.plus(part{
					shape: shape{tv: g.shape.tv * l.step, n0: g.shape.n0 * l.step * l.step, n1: g.shape.n1 * l.step, n2: g.shape.n2},
					first: a / l.step, second: b / l.step / l.step, edges: []knot{{up, -g.shape.pdf(up*l.step) * l.step}},
				}, rate)
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	out, even, rate := part{leaf: leaf{vector: vector{f: make([]float64, l.limit+1)}, times: 1}}, blend{}, 0.0
	for i := range pieces {
		x := &pieces[i]
		out.plus(x.mix, 1)
		even.merge(&x.even)
		rate += x.rate
	}
	if rate == 0 {
		return nil, nil
	}
	if even.nodes != nil {
		for k, m := range even.interpolated(l) {
			out.f[k] += m
		}
		out.blur += even.blur
	}
	last := 0.0
	edges := out.edges
	out.edges = nil
	for _, e := range edges { // those at the end of the lattice are one
		if e.at == up {
			last += e.by
		} else {
			out.edges = append(out.edges, e)
		}
	}
	out.edges = append(out.edges, knot{up, last})
	out.counts = &Counts{math.Inf(1), rate}
	scaled := part{leaf: leaf{vector: vector{f: make([]float64, l.limit+1)}, times: 1, counts: out.counts}}
	scaled.plus(out, 1/rate)
	scaled.norm = norm(scaled.f)
	scaled.lost, scaled.blur = out.lost, out.blur
	// The tally sees atoms too.
	seen := scaled.leaf
	seen.f = append([]float64(nil), scaled.f...)
	for _, a := range scaled.single {
		if k := int(math.Ceil(a.at - 0.5)); k < len(seen.f) {
			seen.f[k] += a.by
		}
	}
	t.add(seen, l.limit)
	return &scaled, nil
}

// spectral makes the distribution function of the sum of the groups from their spectra on a lattice, averaged over delta. It is nil where that does not pay.
func (s *search) spectral(l lattice, delta float64) (*spectral, error) {
	f := frequenciesOf(l.ready(s.groups))
	all := spectra{}
	mixed, err := f.blended(s.ctx, s.groups, s.request.Workers, &all.tally)
	if err != nil {
		return nil, err
	}
	var rest []group
	for _, g := range s.groups {
		if g.Severity == nil || !g.Counts.poisson() {
			rest = append(rest, g)
		}
	}
	pool := &transforms{}
	parts := make([]*part, len(rest))
	keep := len(rest)*l.limit <= keptMost
	// All laws with numbers are looked at for the frequencies at which nothing is proved to be left; of the costs some.
	seen := newSurvey(f)
	if mixed != nil {
		seen.add(mixed)
	}
	for first := 0; first < len(rest); first += probed {
		some := parts[first:min(len(rest), first+probed)]
		if err := s.each(len(some), func(i int) {
			if g := rest[first+i]; g.Severity != nil || first+i < fullMost {
				p := f.l.part(g)
				some[i] = &p
			}
		}); err != nil {
			return nil, err
		}
		for i, p := range some {
			if p != nil {
				seen.add(p)
			}
			if !keep {
				some[i] = nil
			}
		}
	}
	bins, dead := seen.living()
	if bins == 0 || bins > termsMost || bins > f.size/4 {
		return nil, nil
	}
	f.set(bins)
	if mixed != nil {
		f.multiply(&all, mixed, pool.take(), make([]complex128, f.size/2+1))
	}
	for first, wave := 0, 4; first < len(rest); wave = min(64, 2*wave) {
		n := min(len(rest)-first, wave*together16)
		results := make([]spectra, (n+together16-1)/together16)
		if err := s.each(len(results), func(i int) {
			t, work := pool.take(), make([]complex128, f.size/2+1)
			for k := first + i*together16; k < min(first+n, first+(i+1)*together16); k++ {
				p := parts[k]
				if p == nil {
					made := f.l.part(rest[k])
					p = &made
				}
				results[i].tally.add(p.seen(), l.limit)
				f.multiply(&results[i], p, t, work)
			}
			pool.give(t)
		}); err != nil {
			return nil, err
		}
		for i := range results {
			all.merge(&results[i])
		}
		if first += n; first < len(rest) {
			dead += f.shorten(&all)
			pool = &transforms{}
		}
	}
	return f.finish(&all, dead*math.Exp(all.raise), delta, s.zero), nil
}

// each does something for each number below n, side by side.
func (s *search) each(n int, do func(i int)) error {
	eg, c := errgroup.WithContext(s.ctx)
	eg.SetLimit(s.request.Workers)
	for i := range n {
		eg.Go(func() error {
			if err := context.Cause(c); err != nil {
				return err
			}
			do(i)
			return nil
		})
	}
	return eg.Wait()
}

// transforms are the tables that workers have done with.
type transforms struct {
	mu   sync.Mutex
	free []*transform
}

func (p *transforms) take() *transform {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		t := p.free[n-1]
		p.free = p.free[:n-1]
		return t
	}
	return &transform{}
}

func (p *transforms) give(t *transform) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, t)
}

// shorten leaves out the frequencies at which what was multiplied so far is nothing, and sums what may be there.
func (f *frequencies) shorten(s *spectra) (dead float64) {
	bound := make([]float64, f.bins)
	bins := 0
	for j := range bound {
		bound[j] = real(s.logs[j]) + math.Log(math.Max(1e-300, cmplx.Abs(s.product[j]))) + s.cubic[j] + s.others[j]
		if bound[j] > dead0 {
			bins = j + 1
		}
	}
	if bins == 0 || 3*bins > 2*f.bins {
		return 0
	}
	for j := bins; j < f.bins; j++ {
		dead += math.Exp(bound[j]) / float64(j)
	}
	f.set(bins)
	s.logs, s.product, s.cubic, s.others = s.logs[:bins], s.product[:bins], s.cubic[:bins], s.others[:bins]
	return dead / math.Pi
}

// seen is the law with its atoms on the lattice, for the tally.
func (p *part) seen() leaf {
	out := p.leaf
	if len(p.single) > 0 {
		out.f = append([]float64(nil), p.f...)
		for _, a := range p.single {
			if k := int(math.Ceil(a.at-0.5)) + p.below; k >= 0 && k < len(out.f) {
				out.f[k] += a.by
			}
		}
	}
	return out
}

func (s *spectra) merge(o *spectra) {
	s.tally.merge(&o.tally)
	s.high += o.high
	s.raise += o.raise
	s.factors += o.factors
	if s.cubic == nil {
		s.logs, s.product, s.cubic, s.others = o.logs, o.product, o.cubic, o.others
		return
	}
	for j := range o.cubic {
		s.logs[j] += o.logs[j]
		s.product[j] *= o.product[j]
		s.cubic[j] += o.cubic[j]
		s.others[j] += o.others[j]
	}
}

// finish makes the distribution function of the product.
func (f *frequencies) finish(all *spectra, dead, delta, zero float64) *spectral {
	l, t := f.l, &all.tally
	out := &spectral{step: l.step, size: f.size, theta: f.theta, delta: delta, zero: zero, lost: t.lost, under: math.Min(0.999, t.under)}
	slack := math.Max(l.trim, l.slack)
	lo := min(t.depth(slack), f.size-l.limit-2)
	take := lo
	if t.above < 1 {
		take = min(lo, t.depth(math.Min(1, slack/math.Max(t.above, slack))))
	}
	out.lost += t.beneath(lo) + math.Min(1, t.above)*t.beneath(take)
	out.onesided = t.deepest == 0
	out.from = -float64(lo) - 1 - delta
	out.end = float64(l.limit-take) - 2*delta
	grow := math.Exp(f.theta*(float64(l.limit)+2)) + 1
	chain := unit * float64(2*together16+all.factors/together16+8)
	out.terms = make([]complex128, f.bins)
	for j, u := range f.u {
		v := cmplx.Abs(u)
		share := 2 / float64(f.size)
		if j == 0 {
			share /= 2
		}
		z := cexp(all.logs[j]) * all.product[j]
		size := cmplx.Abs(z)
		others := all.others[j] + chain*(cmplx.Abs(all.logs[j])+float64(all.factors))
		e := share * size * math.Expm1(math.Min(700, all.cubic[j]+others))
		out.far += e / v
		out.near += e
		out.rest += share * size / v * math.Expm1(math.Min(700, all.cubic[j]))
		out.around += grow * share * size / v * 8 * unit * (2 + v*float64(l.limit))
		iud := 1i * u * complex(delta, 0)
		mean := 1 - iud/2 + iud*iud/6
		if cmplx.Abs(iud) > 1e-4 {
			mean = (1 - cmplx.Exp(-iud)) / iud
		}
		out.terms[j] = complex(share, 0) * z * mean / (-1i * u)
	}
	out.around += grow * (2*dead + 16/(math.Pi*math.Pi*delta)*math.Exp(-all.high))
	exponent := math.MaxFloat64
	for i, at := range aroundAt {
		exponent = math.Min(exponent, t.around[i]-at/float64(l.limit)*(float64(f.size-lo)-2))
	}
	out.around += math.Exp(math.Min(0, exponent) - f.theta*float64(f.size))
	out.around += 2 * math.Exp(f.theta*float64(f.size)) * t.beneath(f.size-l.limit-2)
	out.at = out.sum(out.from)
	return out
}
