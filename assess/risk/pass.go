package risk

import (
	"context"
	"math"

	"golang.org/x/sync/errgroup"
)

// pass computes the distribution of the sum of the groups on a lattice. Pad is how many times as long as the lattice the transform is, a power of two.
func pass(ctx context.Context, groups []group, l lattice, pad, workers int) (*grid, error) {
	size := length(l.limit) * pad
	theta := 10.0 / float64(size)
	if pad > 2 {
		theta = 4.0 / float64(size)
	}
	l = l.ready(groups)
	blocks := (len(groups) + blockLen - 1) / blockLen
	type part struct {
		tally tally
		short []vector
		long  []leaf
		lost  float64
		blend blend
	}
	total, all, mixed := tally{}, product{}, blend{}
	var lowest *low
	var vectors []vector
	merging := !l.down && len(groups) > 32
	wave := max(1, min(8, (1<<20)/size))
	// The leaves of a wave of blocks are made side by side, and put together in the order of the groups.
	for first, n := 0, 0; first < blocks; first += n {
		n = min(wave, blocks-first)
		if first == 0 && n > 2 && blocks > 4 { // what the first ones prove saves work with the others
			n = 2
		}
		parts := make([]part, n)
		eg, c := errgroup.WithContext(ctx)
		eg.SetLimit(workers)
		for b := range parts {
			eg.Go(func() error {
				p, t := &parts[b], &transform{}
				for _, g := range groups[(first+b)*blockLen : min(len(groups), (first+b+1)*blockLen)] {
					if err := context.Cause(c); err != nil {
						return err
					}
					if g.Severity != nil && g.Counts.poisson() {
						p.blend.add(l, g)
						continue
					}
					x := l.build(g)
					p.tally.add(x, l.limit)
					if v, lost, ok := x.whole(l, t); merging && ok {
						p.lost += lost
						p.short = append(p.short, v)
						continue
					}
					p.long = append(p.long, x)
				}
				p.short, p.lost = together(p.short, l, p.lost, t)
				return nil
			})
		}
		if err := eg.Wait(); err != nil {
			return nil, err
		}
		var long []leaf
		for b := range parts {
			total.merge(&parts[b].tally)
			mixed.merge(&parts[b].blend)
			total.lost += parts[b].lost
			vectors = append(vectors, parts[b].short...)
			long = append(long, parts[b].long...)
		}
		if first == 0 && !l.down && len(long) >= 16 {
			lowest = lowestOf(long, size, theta)
		}
		if first == 0 && !l.down && lowest == nil && len(long) >= 2*probe {
			if err := all.leaves(ctx, long[:probe], size, theta, l.down, workers, nil); err != nil {
				return nil, err
			}
			lowest, long = all.left(size, nil), long[probe:]
		}
		if err := all.leaves(ctx, long, size, theta, l.down, workers, lowest); err != nil {
			return nil, err
		}
		if !l.down && first+n < blocks {
			if o := all.left(size, lowest); o != nil && (lowest == nil || 2*o.bins <= lowest.bins) {
				lowest = o
			}
		}
	}
	t := &transform{}
	for n := len(vectors) + 1; len(vectors) > 1 && len(vectors) < n; {
		n = len(vectors)
		vectors, total.lost = together(vectors, l, total.lost, t)
	}
	var rest []leaf
	for _, v := range vectors {
		rest = append(rest, leaf{vector: v, times: 1, norm: norm(v.f)})
	}
	if mixed.rate > 0 {
		x := mixed.leaf(l)
		total.add(x, l.limit)
		rest = append(rest, x)
	}
	if err := all.leaves(ctx, rest, size, theta, l.down, workers, nil); err != nil {
		return nil, err
	}
	all.settle()
	if lowest != nil {
		total.blur += lowest.cut(&all, total.events, theta*float64(l.limit))
	}
	return finish(l, &total, all, size, theta), nil
}

// whole is the law of the cost of a group as one short vector, if it is short.
func (x leaf) whole(l lattice, t *transform) (vector, float64, bool) {
	most := l.limit / 16
	switch {
	case x.times == 1 && x.counts == nil:
		return x.vector, 0, x.shorted && len(x.f) <= most
	case x.counts == nil || len(x.f) > most:
		return vector{}, 0, false
	}
	// A compound law: as long as what is left out is little, and what comes around is too.
	for n := power(max(64, len(x.f))); n <= most; n *= 2 {
		const fold = 4
		fft, y := t.of(fold * n)
		spectrum := fft.Coefficients(nil, pad(y, x.f))
		for i, z := range spectrum {
			spectrum[i] = x.counts.generate(z)
		}
		fft.Sequence(y, spectrum)
		v := vector{f: make([]float64, n)}
		sum := 0.0
		for k := range v.f {
			v.f[k] = math.Max(0, y[k]/float64(fold*n))
			sum += v.f[k]
		}
		around := math.MaxFloat64
		for _, at := range aroundAt {
			lambda := at / float64(n)
			around = math.Min(around, x.counts.cumulant(math.Log(x.mgf(lambda, n)))-lambda*float64(fold*n))
		}
		if lost := math.Max(0, 1-sum) + math.Exp(math.Min(0, around)); lost <= math.Max(l.trim, 1e-13) {
			return v, lost, true
		}
	}
	return vector{}, 0, false
}

// together adds neighbours in pairs, as long as what comes of it is short, and trims them.
func together(all []vector, l lattice, lost float64, t *transform) ([]vector, float64) {
	for len(all) > 1 {
		var next []vector
		merged := false
		for i := 0; i < len(all); i += 2 {
			if i+1 == len(all) || len(all[i].f)+len(all[i+1].f) > l.limit/4 {
				next = append(next, all[i:min(i+2, len(all))]...)
				continue
			}
			sum := all[i].plus(all[i+1], t)
			n := float64(len(sum.f))
			v, left := sum.trimmed(l.trim)
			lost += left + 24*(1+math.Log2(n))*unit*math.Sqrt(2*n)*norm(all[i].f)*norm(all[i+1].f)
			next = append(next, v)
			merged = true
		}
		all = next
		if !merged {
			break
		}
	}
	return all, lost
}

// leaves multiplies the spectra of leaves into the product: a fixed number of parts side by side, so that the order of the factors does not depend on the workers.
func (p *product) leaves(ctx context.Context, all []leaf, size int, theta float64, down bool, workers int, part *low) error {
	if len(all) == 0 {
		return nil
	}
	n := min(len(all), max(2, min(4, (1<<22)/size)))
	parts := make([]product, n)
	tilt := (&transform{}).tilts(size, theta)
	eg, c := errgroup.WithContext(ctx)
	eg.SetLimit(workers)
	for i := range parts {
		eg.Go(func() error {
			t, work := &transform{tilt: tilt}, make([]complex128, size/2+1)
			for _, x := range all[i*len(all)/n : (i+1)*len(all)/n] {
				if err := context.Cause(c); err != nil {
					return err
				}
				parts[i].leaf(x, size, theta, down, t, work, part)
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	for i := range parts {
		p.times(parts[i])
	}
	return nil
}
