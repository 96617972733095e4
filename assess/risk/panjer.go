package risk

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// Panjer is the law of the sum of a number of independent damages that are whole multiples 0, 1, 2, ... of a unit with the probabilities f: the probabilities of the sums
// 0 to n-1, by Panjer's recursion. For whole damages it is exact; it takes n*len(f) steps. It serves the tests of Compound, and those who want no error but rounding.
func Panjer(c Counts, f []float64, n int) []float64 {
	g := make([]float64, n)
	if n == 0 {
		return g
	}
	a, b := 0.0, c.Mean // Poisson: the limit of both
	if !c.poisson() {
		a = c.chance()
		b = (c.Shape - 1) * a
	}
	g[0] = real(c.generate(complex(f[0], 0)))
	for s := 1; s < n; s++ {
		sum := 0.0
		for k := 1; k <= min(s, len(f)-1); k++ {
			sum += (a + b*float64(k)/float64(s)) * f[k] * g[s-k]
		}
		g[s] = sum / (1 - a*f[0])
	}
	return g
}

// Compound is what Panjer gives, by the Fourier transform over four times the length, tilted so that what comes around is 1e-12 of what it is.
func Compound(c Counts, f []float64, n int) []float64 {
	m := power(4 * max(n, len(f)))
	theta := 12 * math.Ln10 / float64(m)
	x := make([]float64, m)
	for k := range min(len(f), n) {
		x[k] = f[k] * math.Exp(-theta*float64(k))
	}
	t := fourier.NewFFT(m)
	spectrum := t.Coefficients(nil, x)
	for i, z := range spectrum {
		spectrum[i] = c.generate(z)
	}
	t.Sequence(x, spectrum)
	g := make([]float64, n)
	for k := range g {
		g[k] = math.Max(0, x[k]/float64(m)) * math.Exp(theta*float64(k))
	}
	return g
}

// length is the least power of two, or three times one, that is not below n.
func length(n int) int {
	p := power(n)
	if q := p / 4 * 3; q >= n {
		return q
	}
	return p
}

// power is the least power of two that is not below n.
func power(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}
