// Package risk holds the dynamic Bayesian model: how often threats come true (formulas 3.3 to 3.9), what they cost when they do (3.10 to 3.13), and what all of them
// cost together (3.14, 3.15) with a bracket that is proved. It knows nothing of the model file.
//
// Times are in periods, money is in whatever unit the caller uses. No function returns NaN or an infinity: where a moment does not exist, a flag says so.
package risk

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Gamma is what is known of the mean number of manifestations per period: a gamma distribution with shape A and rate B in periods (3.4). Both are greater than 0.
type Gamma struct{ A, B float64 }

// Jeffreys is the prior of one who knows nothing: shape a half, and a rate so small that the first observation outweighs it.
var Jeffreys = Gamma{A: 0.5, B: 1e-6}

// Observe is the knowledge after count manifestations in a time of exposure periods (3.5).
func (g Gamma) Observe(count, exposure float64) Gamma { return Gamma{g.A + count, g.B + exposure} }

// Mean is the expected rate.
func (g Gamma) Mean() float64 { return g.A / g.B }

// Variance is that of the rate.
func (g Gamma) Variance() float64 { return g.A / g.B / g.B }

// PDF is the density of the rate at x (3.4). At 0 a shape below 1 has no finite density; the least positive number stands for it.
func (g Gamma) PDF(x float64) float64 {
	if x < 0 {
		return 0
	}
	x = math.Max(x, math.SmallestNonzeroFloat64)
	l, _ := math.Lgamma(g.A)
	return math.Exp(g.A*math.Log(g.B) + (g.A-1)*math.Log(x) - g.B*x - l)
}

// CDF is the probability that the rate is at most x.
func (g Gamma) CDF(x float64) float64 {
	if x <= 0 {
		return 0
	}
	return mathext.GammaIncReg(g.A, g.B*x)
}

// Quantile is the rate that is exceeded with probability 1-p, 0 < p < 1.
func (g Gamma) Quantile(p float64) float64 {
	if g.A > 1e8 { // a normal law to ten digits, where the inverse of the library no longer converges
		return (g.A + math.Sqrt(g.A)*mathext.NormalQuantile(p)) / g.B
	}
	start := mathext.GammaIncRegInv(g.A, p) / g.B
	if math.IsNaN(start) || start <= 0 {
		start = g.Mean()
	}
	return solve(func(x float64) float64 { return g.CDF(x) - p }, start/2, start*2, 0)
}

// Interval is the central interval that holds the rate with the probability given.
func (g Gamma) Interval(probability float64) (lo, hi float64) {
	return g.Quantile((1 - probability) / 2), g.Quantile((1 + probability) / 2)
}

// Counts is the forecast of the number of manifestations in the time ahead (3.6, 3.7).
func (g Gamma) Counts(time float64) Counts { return Counts{Shape: g.A, Mean: g.A * time / g.B} }

// Scale is the knowledge of a rate k times as large.
func (g Gamma) Scale(k float64) Gamma { return Gamma{g.A, g.B / k} }

// solve finds where a non-decreasing function passes 0, to full precision: it widens the bracket first, never below floor, then halves it with secant steps between.
func solve(f func(float64) float64, lo, hi, floor float64) float64 {
	step := math.Max(hi-lo, math.Abs(hi)*1e-3)
	flo, fhi := f(lo), f(hi)
	for n := 0; flo > 0 && lo > floor && n < 2000; n++ {
		hi, fhi = lo, flo
		step *= 2
		lo = math.Max(floor, lo-step)
		flo = f(lo)
	}
	if flo >= 0 {
		return lo
	}
	for n := 0; fhi < 0 && n < 1000; n++ {
		lo, flo = hi, fhi
		step *= 2
		hi += step
		fhi = f(hi)
	}
	for side, n := 0, 0; n < 300; n++ {
		mid := (lo + hi) / 2
		if n%3 != 2 && fhi > flo { // two steps of the Illinois method for each halving
			if s := hi - fhi*(hi-lo)/(fhi-flo); s > lo && s < hi {
				mid = s
			}
		}
		if mid <= lo || mid >= hi || hi-lo <= 4e-16*math.Max(math.Abs(lo), math.Abs(hi)) {
			break
		}
		v := f(mid)
		switch {
		case v == 0:
			return mid
		case v < 0:
			lo, flo = mid, v
			if side == -1 {
				fhi /= 2
			}
			side = -1
		default:
			hi, fhi = mid, v
			if side == 1 {
				flo /= 2
			}
			side = 1
		}
	}
	return hi
}
