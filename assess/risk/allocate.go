package risk

import (
	"context"
	"math"

	"golang.org/x/sync/errgroup"
)

// Allocated is what a simulation says of one threat: what is left of its cost after its own limits, how that is divided between the layers and the owner, and its part of the net tail.
//
// In each year the layers pay each threat in proportion to what it costs in that year after its own limits, which is how claims of equal rank are paid; the mean over all years is E[X_i r(S)/S],
// for X_i the cost of the threat, S that of all and r(S) what is paid. Summed over the threats that is E[r(S)] in every year, so nothing is left over. The tail is divided as Euler's principle
// asks: by the mean of what is left of each threat in those years in which what is left of all is in its tail.
type Allocated struct {
	Own  Estimate // mean after its own limits
	Paid Estimate // mean of what the layers pay for it
	Left Estimate // mean of what the owner bears
	Tail float64  // part of the net tail value at the greatest level
}

// allocationParts is how many parts the blocks are summed in; it does not depend on the workers, so neither does what comes of it.
const allocationParts = 64

// sums are those of one threat over some trials.
type sums struct{ own, own2, paid, paid2, left, left2, over, at float64 }

func (a *sums) plus(b sums) {
	a.own, a.own2, a.paid, a.paid2 = a.own+b.own, a.own2+b.own2, a.paid+b.paid, a.paid2+b.paid2
	a.left, a.left2, a.over, a.at = a.left+b.left, a.left2+b.left2, a.over+b.over, a.at+b.at
}

// allocate draws the years of a simulation once more, of which before is what all threats cost after their limits and after what is left after the layers, and divides them among the threats.
// Q is the quantile of what is left at level p.
func (s *Simulation) allocate(ctx context.Context, before, after []float64, q, p float64, workers int) ([]Allocated, error) {
	blocks := (s.Trials + blockTrials - 1) / blockTrials
	parts := make([][]sums, allocationParts)
	eg, c := errgroup.WithContext(ctx)
	eg.SetLimit(workers)
	for k := range parts {
		eg.Go(func() error {
			parts[k] = make([]sums, len(s.Threats))
			for b := blocks * k / allocationParts; b < blocks*(k+1)/allocationParts; b++ {
				at, to := b*blockTrials, min(s.Trials, (b+1)*blockTrials)
				if err := s.divide(c, uint64(b), before[at:to], after[at:to], q, parts[k]); err != nil {
					return err
				}
				s.tell(to - at)
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	var over, at float64 // trials beyond the quantile, and at it
	for _, x := range after {
		over += indicator(x > q)
		at += indicator(x == q)
	}
	n := float64(s.Trials)
	out := make([]Allocated, len(s.Threats))
	for i := range out {
		var t sums
		for _, part := range parts {
			t.plus(part[i])
		}
		out[i] = Allocated{Own: drawnMean(t.own, t.own2, n), Paid: drawnMean(t.paid, t.paid2, n), Left: drawnMean(t.left, t.left2, n)}
		out[i].Tail = t.over / n / (1 - p)
		if at > 0 { // the tail begins within the trials that are at the quantile
			out[i].Tail += (1 - over/n/(1-p)) * t.at / at
		}
	}
	return out, nil
}

// divide adds the trials of a block to the sums of the threats.
func (s *Simulation) divide(ctx context.Context, b uint64, before, after []float64, q float64, into []sums) error {
	shares := s.common(newDraw(s.Seed, b, shared))
	cost := make([]float64, len(before))
	for i := range s.Threats {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		clear(cost)
		t := &s.Threats[i]
		s.draw(b, i, shares, cost)
		for y, x := range cost {
			own := t.Limits.Net(x)
			left := own
			if after[y] != before[y] { // then something was paid, and what all cost is not 0
				left = own * (after[y] / before[y])
			}
			z := &into[i]
			z.own, z.own2, z.left, z.left2 = z.own+own, z.own2+own*own, z.left+left, z.left2+left*left
			z.paid, z.paid2 = z.paid+(own-left), z.paid2+(own-left)*(own-left)
			switch {
			case after[y] > q:
				z.over += left
			case after[y] == q:
				z.at += left
			}
		}
	}
	return nil
}

// drawnMean is the mean of n draws with its standard error, from their sum and that of their squares.
func drawnMean(sum, squares, n float64) Estimate {
	m := sum / n
	return Estimate{m, math.Sqrt(math.Max(0, squares/n-m*m) / n)}
}
