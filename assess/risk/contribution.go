package risk

import (
	"context"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Contributions says for each threat what it costs in the mean in the cases in which the total is at most q > 0: the expectation of its cost times the indicator of that
// (Euler's principle: taken from its mean, and divided by the probability of the rest, it is the part of the tail value at risk that is due to it). It is right to about one part in
// a thousand of q; the lattice has no bracket.
func Contributions(ctx context.Context, threats []Threat, q float64, workers int) ([]float64, error) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	groups := grouped(threats)
	const limit, at = 1 << 12, 3900 // multiples, and the one at q
	l := lattice{step: q / at, limit: limit, trim: 1e-9 / float64(len(threats)+1)}.ready(groups)
	const size = 2 * limit
	theta := 10.0 / size
	all := product{}
	leaves := make([]leaf, len(groups))
	eg, c := errgroup.WithContext(ctx)
	eg.SetLimit(workers)
	for i, g := range groups {
		eg.Go(func() error {
			leaves[i] = l.build(g)
			return context.Cause(c)
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	if err := all.leaves(ctx, leaves, size, theta, false, workers, nil); err != nil {
		return nil, err
	}
	all.settle()
	mean := 0.0 // what was lost by moving to the nearest, in steps
	for i, x := range leaves {
		if x.counts != nil {
			mean += x.counts.Mean * x.drift
		} else {
			mean += float64(groups[i].times) * x.drift
		}
	}
	of := make([]float64, len(groups))
	eg, c = errgroup.WithContext(ctx)
	eg.SetLimit(workers)
	for i, g := range groups {
		eg.Go(func() error {
			of[i] = share(leaves[i], g, all.low, size, theta, at-mean) * l.step
			return context.Cause(c)
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	index := map[Threat]int{}
	for i, g := range groups {
		index[g.Threat] = i
	}
	out := make([]float64, len(threats))
	for i, t := range threats {
		if t.Counts.Mean > 0 {
			out[i] = of[index[t]]
		}
	}
	return out, nil
}

// share is the mean of the cost of one threat of a group times the indicator that the total is at most so many steps.
func share(x leaf, g group, total []complex128, size int, theta, steps float64) float64 {
	t := &transform{}
	fft, y := t.of(size)
	put := func(of func(k int, m float64) float64) []complex128 {
		clear(y)
		for k, m := range x.f {
			cell := k - x.below
			y[(cell+size)%size] = of(cell, m) * math.Exp(-theta*float64(cell))
		}
		return fft.Coefficients(nil, y)
	}
	law := put(func(_ int, m float64) float64 { return m })
	// A cost is what it is on the lattice and, in the mean, what it lost by being moved there.
	weighted := put(func(k int, m float64) float64 { return m * float64(k) })
	for i, z := range law {
		switch {
		case x.counts != nil: // the derivative of the generating function over the function, times the weighted law of one damage
			c := g.Counts
			d := complex(c.Mean, 0)
			if !c.poisson() {
				d /= 1 + complex(c.Mean/c.Shape, 0)*(1-z)
			}
			weighted[i] = total[i] * d * (weighted[i] + complex(x.drift, 0)*z)
		case z != 0:
			weighted[i] = total[i] * (weighted[i]/z + complex(x.drift, 0))
		default:
			weighted[i] = 0
		}
	}
	fft.Sequence(y, weighted)
	sum, whole := 0.0, int(math.Floor(steps-0.5))
	at := func(k int) float64 { return y[(k+size)%size] / float64(size) * math.Exp(theta*float64(k)) }
	for k := -size / 4; k <= whole; k++ {
		sum += at(k)
	}
	return sum + (steps-0.5-float64(whole))*at(whole+1)
}
