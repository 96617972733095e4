package zones

import "math"

// Tensor holds the base indicators of all combinations of component i, channel j and violator k.
type Tensor struct {
	I, J, K int
	nothing []float64 // log(1-Pb)
}

// NewTensor makes a tensor of zeroes.
func NewTensor(i, j, k int) *Tensor {
	return &Tensor{I: i, J: j, K: k, nothing: make([]float64, i*j*k)}
}

// Set sets a base indicator, for one violator or for several of the category.
func (t *Tensor) Set(i, j, k int, p float64, violators int) {
	t.nothing[(i*t.J+j)*t.K+k] = times(violators, math.Log1p(-p))
}

// At is a base indicator, with the number of violators that it was set for.
func (t *Tensor) At(i, j, k int) float64 { return happens(t.nothing[(i*t.J+j)*t.K+k]) }

// General is the indicator generalised over sets of components, channels and violators; nil stands for all. Indices may not occur twice.
func (t *Tensor) General(i, j, k []int) float64 {
	var sum float64
	each(i, t.I, func(a int) {
		each(j, t.J, func(b int) {
			each(k, t.K, func(c int) { sum += t.nothing[(a*t.J+b)*t.K+c] })
		})
	})
	return happens(sum)
}

func each(some []int, n int, do func(int)) {
	if some == nil {
		for i := range n {
			do(i)
		}
		return
	}
	for _, i := range some {
		do(i)
	}
}

// By is the indicator generalised over two of the three, for each value of the third.
type By struct{ Component, Channel, Violator []float64 }

// By computes all three.
func (t *Tensor) By() By {
	b := By{Component: make([]float64, t.I), Channel: make([]float64, t.J), Violator: make([]float64, t.K)}
	n := 0
	for i := range t.I {
		for j := range t.J {
			for k := range t.K {
				b.Component[i] += t.nothing[n]
				b.Channel[j] += t.nothing[n]
				b.Violator[k] += t.nothing[n]
				n++
			}
		}
	}
	for _, list := range [][]float64{b.Component, b.Channel, b.Violator} {
		for i, v := range list {
			list[i] = happens(v)
		}
	}
	return b
}

// Extremes are the indices of the least and of the greatest, the lowest of equal ones; -1 of nothing.
func Extremes(p []float64) (least, most int) {
	least, most = -1, -1
	low, high := math.Inf(1), math.Inf(-1)
	for i, v := range p {
		if v < low {
			least, low = i, v
		}
		if v > high {
			most, high = i, v
		}
	}
	return least, most
}

// Triple is a combination with its base indicator.
type Triple struct {
	I, J, K int
	P       float64
}

// Extremes are the combinations with the least and with the greatest base indicator, the first of equal ones; ok is false for a tensor of nothing.
func (t *Tensor) Extremes() (best, worst Triple, ok bool) {
	for n, v := range t.nothing {
		x := Triple{I: n / t.K / t.J, J: n / t.K % t.J, K: n % t.K, P: v}
		if !ok || v > best.P {
			best = x
		}
		if !ok || v < worst.P {
			worst = x
		}
		ok = true
	}
	best.P, worst.P = happens(best.P), happens(worst.P)
	return best, worst, ok
}

// Frechet is where the fully generalised indicator lies whatever depends on what.
func (t *Tensor) Frechet() (b Band) {
	for _, v := range t.nothing {
		p := happens(v)
		b.Lo = max(b.Lo, p)
		b.Hi += p
	}
	b.Hi = min(1, max(b.Hi, b.Lo))
	return b
}
