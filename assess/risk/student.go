package risk

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Student is the law of a damage whose mean and variance are not known for certain (3.12).
type Student struct{ DF, Location, Scale float64 }

// normalDF is the number of degrees of freedom from which on the law counts as normal.
const normalDF = 1e10

// logStudent is the logarithm of the constant of the standard density.
func logStudent(df float64) float64 {
	if df > 1e6 {
		return -0.5*math.Log(2*math.Pi) - 1/(4*df)
	}
	a, _ := math.Lgamma((df + 1) / 2)
	b, _ := math.Lgamma(df / 2)
	return a - b - 0.5*math.Log(df*math.Pi)
}

// standardPDF is the density of the standard law at z.
func standardPDF(df, z float64) float64 {
	if df > normalDF {
		return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
	}
	return math.Exp(logStudent(df) - (df+1)/2*math.Log1p(z*z/df))
}

// upper is the probability that the standard law exceeds z >= 0.
func upper(df, z float64) float64 {
	if df > normalDF {
		return 0.5 * math.Erfc(z/math.Sqrt2)
	}
	v := z * z / df
	if v < 1 && (df > 1000 || v < 0.01) {
		return 0.5 - 0.5*mathext.RegIncBeta(0.5, df/2, v/(1+v))
	}
	return 0.5 * mathext.RegIncBeta(df/2, 0.5, 1/(1+v))
}

// standardCDF is that of the standard law.
func standardCDF(df, z float64) float64 {
	if z < 0 {
		return upper(df, -z)
	}
	return 1 - upper(df, z)
}

// PDF is the density at x.
func (s Student) PDF(x float64) float64 { return standardPDF(s.DF, (x-s.Location)/s.Scale) / s.Scale }

// CDF is the probability of at most x.
func (s Student) CDF(x float64) float64 { return standardCDF(s.DF, (x-s.Location)/s.Scale) }

// Quantile is what is exceeded with probability 1-p, 0 < p < 1.
func (s Student) Quantile(p float64) float64 {
	if p == 0.5 {
		return s.Location
	}
	tail := math.Min(p, 1-p)
	z := solve(func(z float64) float64 { return tail - upper(s.DF, z) }, 0, 2, 0)
	if p < 0.5 {
		z = -z
	}
	return s.Location + z*s.Scale
}

// Mean is the expected value, if it exists: the law has one for more than one degree of freedom.
func (s Student) Mean() (float64, bool) {
	if s.DF <= 1 {
		return 0, false
	}
	return s.Location, true
}

// Variance exists for more than two degrees of freedom.
func (s Student) Variance() (float64, bool) {
	if s.DF <= 2 {
		return 0, false
	}
	return s.Scale * s.Scale * s.DF / (s.DF - 2), true
}

// Negative is the probability of a value below 0: damages do not have such, so it says how far the normal law is from what it stands for.
func (s Student) Negative() float64 { return s.CDF(0) }

// partial is the part of the standard law's mean that lies below z: the integral of x f(x) up to z. It exists for more than one degree of freedom; for less, take differences
// of it only, where the constant falls out.
func partial(df, z float64) float64 {
	if df == 1 {
		return math.Log1p(z*z) / (2 * math.Pi)
	}
	return -standardPDF(df, z) * (df + z*z) / (df - 1)
}
