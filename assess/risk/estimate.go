package risk

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// batchTrials is how many draws have a mean of their own, from which standard errors are taken.
const batchTrials = 2048

// summary makes figures of the draws. Standard errors are those of the means of blocks; the bracket of a quantile is between order statistics.
// When it returns, gross holds what the threats cost after their limits, and net what is left after the layers.
func (s *Simulation) summary(gross, net []float64) *Drawn {
	out := &Drawn{Trials: s.Trials, Confident: 0.95, Finite: true}
	for _, t := range s.Threats {
		_, ok := t.Mean()
		out.Finite = out.Finite && (ok || t.Limits.Cap > 0)
	}
	out.Gross = batches(gross, func(x float64) float64 { return x })
	copy(gross, net)
	for _, l := range s.Layers {
		out.Layers = append(out.Layers, batches(net, l.pays))
		out.Hit = append(out.Hit, batches(net, func(x float64) float64 { return indicator(l.pays(x) > 0) }))
	}
	for i, x := range net {
		for _, l := range s.Layers {
			net[i] -= l.pays(x)
		}
	}
	out.Net = batches(net, func(x float64) float64 { return x })
	square := batches(net, func(x float64) float64 { return (x - out.Net.Value) * (x - out.Net.Value) })
	out.SD = math.Sqrt(square.Value)
	for _, x := range s.Losses {
		out.Exceed = append(out.Exceed, batches(net, func(y float64) float64 { return indicator(y > x) }))
	}
	n := float64(s.Trials)
	z := mathext.NormalQuantile(0.5 + out.Confident/2)
	var ranks []int
	for _, p := range s.Levels {
		half := z*math.Sqrt(n*p*(1-p)) + 1
		for _, k := range []float64{math.Floor(n*p - half), math.Ceil(n*p) - 1, math.Ceil(n*p + half)} {
			ranks = append(ranks, int(math.Max(0, math.Min(n-1, k))))
		}
	}
	placed := slices.Clone(net)
	place(placed, 0, slices.Sorted(slices.Values(ranks)))
	for i, p := range s.Levels {
		q := placed[ranks[3*i+1]]
		out.Quantiles = append(out.Quantiles, Bracket{placed[ranks[3*i]], q, placed[ranks[3*i+2]]})
		over := batches(net, func(y float64) float64 { return math.Max(0, y-q) })
		out.Tail = append(out.Tail, Estimate{q + over.Value/(1-p), over.Error / (1 - p)})
	}
	return out
}

// place puts those elements of x where they would be if x were sorted whose ranks are given, in increasing order; x begins with the rank from. The rest is not sorted.
func place(x []float64, from int, ranks []int) {
	for len(ranks) > 0 {
		if len(x) < 64 {
			slices.Sort(x)
			return
		}
		a, b, c := x[0], x[len(x)/2], x[len(x)-1]
		pivot := max(min(a, b), min(max(a, b), c))
		lo, at, hi := 0, 0, len(x) // what is below the pivot ends at lo, what is above begins at hi
		for at < hi {
			switch y := x[at]; {
			case y < pivot:
				x[at], x[lo] = x[lo], y
				lo++
				at++
			case y > pivot:
				hi--
				x[at], x[hi] = x[hi], y
			default:
				at++
			}
		}
		below, _ := slices.BinarySearch(ranks, from+lo)
		above, _ := slices.BinarySearch(ranks, from+hi)
		place(x[:lo], from, ranks[:below])
		x, from, ranks = x[hi:], from+hi, ranks[above:]
	}
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// batches is the mean of f of the draws, with the standard error from the means of their blocks.
func batches(x []float64, f func(float64) float64) Estimate {
	var total float64
	var means []float64
	for b := 0; b < len(x); b += batchTrials {
		part := x[b:min(len(x), b+batchTrials)]
		sum := 0.0
		for _, y := range part {
			sum += f(y)
		}
		total += sum
		means = append(means, sum/float64(len(part)))
	}
	mean := total / float64(len(x))
	if len(means) < 8 { // too few blocks: from the draws themselves
		squares := 0.0
		for _, y := range x {
			squares += (f(y) - mean) * (f(y) - mean)
		}
		return Estimate{mean, math.Sqrt(squares) / float64(len(x))}
	}
	squares := 0.0
	for _, m := range means {
		squares += (m - mean) * (m - mean)
	}
	k := float64(len(means))
	return Estimate{mean, math.Sqrt(squares / (k - 1) / k)}
}
