package risk

import "math"

// NormalGamma is what is known of a damage that is normal with unknown mean and precision (3.10): the mean is normal about M with Kappa observations' worth of knowledge,
// the precision is gamma with shape Alpha and rate Beta. Kappa, Alpha and Beta are greater than 0.
type NormalGamma struct{ M, Kappa, Alpha, Beta float64 }

// RaiffaSchlaifer is the same knowledge by the names of Raiffa and Schlaifer: n = kappa, nu = 2 alpha, v = beta/alpha.
func RaiffaSchlaifer(m, n, nu, v float64) NormalGamma { return NormalGamma{m, n, nu / 2, v * nu / 2} }

// Observe is the knowledge after the damage x (3.11, one at a time). Its form is that of Welford: no squares of sums are subtracted from each other.
func (p NormalGamma) Observe(x float64) NormalGamma {
	d := x - p.M
	return NormalGamma{p.M + d/(p.Kappa+1), p.Kappa + 1, p.Alpha + 0.5, p.Beta + p.Kappa*d*d/(2*(p.Kappa+1))}
}

// ObserveAll is the knowledge after all the damages (3.11).
func (p NormalGamma) ObserveAll(damages []float64) NormalGamma {
	r := float64(len(damages))
	if r == 0 {
		return p
	}
	var mean, ss float64
	for i, x := range damages {
		d := x - mean
		mean += d / float64(i+1)
		ss += d * (x - mean)
	}
	d := mean - p.M
	return NormalGamma{p.M + r*d/(p.Kappa+r), p.Kappa + r, p.Alpha + r/2, p.Beta + ss/2 + p.Kappa*r*d*d/(2*(p.Kappa+r))}
}

// Predict is the law of the next damage (3.12).
func (p NormalGamma) Predict() Student {
	return Student{2 * p.Alpha, p.M, math.Sqrt(p.Beta / p.Alpha * (p.Kappa + 1) / p.Kappa)}
}

// Sum is the law of the sum of r damages (C3): they share the unknown mean and precision, so that it is wider than that of independent ones.
func (p NormalGamma) Sum(r float64) Student {
	return Student{2 * p.Alpha, r * p.M, math.Sqrt(p.Beta / p.Alpha * r * (p.Kappa + r) / p.Kappa)}
}

// MeanOf is the law of the mean damage itself.
func (p NormalGamma) MeanOf() Student {
	return Student{2 * p.Alpha, p.M, math.Sqrt(p.Beta / p.Alpha / p.Kappa)}
}
