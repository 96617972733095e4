package game

import (
	"math"
	"slices"
)

// mixed finds an equilibrium in mixed strategies: it begins with a few expenditures of each, solves the matrix game of those, and lets either add the expenditure of the
// whole range that is best against the other's mixture, until there is none that is better. The best that was met is given with its regret, whatever it is.
func (a *arena) mixed(tolerance float64) *Mixed {
	xs := []float64{0, a.attack(0, coarse)}
	ys := []float64{0, a.defend(xs[1], coarse)}
	best := &Mixed{Regret: math.Inf(1)}
	for range 40 {
		m, ok := a.restricted(xs, ys)
		if !ok {
			break
		}
		x := lowest(func(x float64) float64 { return -m.average(a.profit, []float64{x}, nil) }, a.MaxX, m.Xs...)
		y := lowest(func(y float64) float64 { return m.average(a.loss, nil, []float64{y}) }, a.MaxY, m.Ys...)
		m.Regret = max(0, -x.Y-m.V, m.U-y.Y)
		if m.Regret < best.Regret {
			best = m
		}
		newX, newY := !slices.Contains(xs, x.X), !slices.Contains(ys, y.X)
		if m.Regret <= tolerance || !newX && !newY {
			break
		}
		if newX {
			xs = append(xs, x.X)
		}
		if newY {
			ys = append(ys, y.X)
		}
	}
	if math.IsInf(best.Regret, 0) {
		return nil
	}
	return best.sorted()
}

// average is the mean of a function over the mixture; a list that is given replaces the mixture of that player.
func (m *Mixed) average(f func(x, y float64) float64, x, y []float64) float64 {
	xs, p, ys, q := m.Xs, m.P, m.Ys, m.Q
	if x != nil {
		xs, p = x, []float64{1}
	}
	if y != nil {
		ys, q = y, []float64{1}
	}
	s := 0.0
	for i, x := range xs {
		for j, y := range ys {
			if w := p[i] * q[j]; w > 0 {
				s += w * f(x, y)
			}
		}
	}
	return s
}

// restricted solves the matrix game on these expenditures.
func (a *arena) restricted(xs, ys []float64) (*Mixed, bool) {
	g := Bimatrix{A: make([][]float64, len(xs)), B: make([][]float64, len(xs))}
	for i, x := range xs {
		for _, y := range ys {
			g.A[i], g.B[i] = append(g.A[i], a.profit(x, y)), append(g.B[i], -a.loss(x, y))
		}
	}
	g.A, _, _ = scaled(g.A)
	g.B, _, _ = scaled(g.B)
	bt := transposed(g.B)
	var found *Equilibrium
	pivots := 100_000
	for label := range len(xs) + len(ys) {
		if p, q, ok := lemkeHowson(g.A, bt, label, &pivots); ok {
			if e := g.certify(p, q); found == nil || e.Regret < found.Regret {
				found = &e
			}
			if found.Regret < 1e-9 {
				break
			}
		}
	}
	if found == nil {
		return nil, false
	}
	m := &Mixed{}
	for i, p := range found.X {
		if p > 1e-12 {
			m.Xs, m.P = append(m.Xs, xs[i]), append(m.P, p)
		}
	}
	for j, q := range found.Y {
		if q > 1e-12 {
			m.Ys, m.Q = append(m.Ys, ys[j]), append(m.Q, q)
		}
	}
	m.P, m.Q = normalise(m.P), normalise(m.Q)
	m.V, m.U = m.average(a.profit, nil, nil), m.average(a.loss, nil, nil)
	return m, true
}

// sorted puts expenditures in rising order; the same one twice, up to rounding, becomes one.
func (m *Mixed) sorted() *Mixed {
	arrange := func(v, p []float64) ([]float64, []float64) {
		order := upTo(len(v))
		slices.SortFunc(order, func(i, j int) int {
			switch {
			case v[i] < v[j]:
				return -1
			case v[i] > v[j]:
				return 1
			}
			return 0
		})
		var vs, ps []float64
		for _, i := range order {
			if n := len(vs); n > 0 && v[i]-vs[n-1] <= 1e-9*v[i] {
				ps[n-1] += p[i]
				continue
			}
			vs, ps = append(vs, v[i]), append(ps, p[i])
		}
		return vs, ps
	}
	m.Xs, m.P = arrange(m.Xs, m.P)
	m.Ys, m.Q = arrange(m.Ys, m.Q)
	return m
}
