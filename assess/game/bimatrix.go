package game

import (
	"math"
	"math/bits"
)

// enumerated is up to how many strategies of each player all supports are gone through.
const enumerated = 12

// Solution is what was found of a bimatrix game.
type Solution struct {
	Equilibria []Equilibrium
	Method     string // support enumeration, or Lemke-Howson
	Complete   bool   // all equilibria with supports of equal size were found; a game that is not degenerate has no others
}

// Equilibria solves a bimatrix game: by going through all supports of equal size for up to 12 strategies each, by the path of Lemke and Howson from several labels
// otherwise, which finds at least one where its pivots are not cut short. Strategies that others beat are left aside first. Each equilibrium has its regret, computed from
// the whole game, as a certificate.
func (g Bimatrix) Equilibria() (Solution, error) {
	if err := g.valid(); err != nil {
		return Solution{}, err
	}
	rows, columns := g.Undominated()
	small := Bimatrix{A: part(g.A, rows, columns), B: part(g.B, rows, columns)}
	out := Solution{Method: "Lemke-Howson"}
	add := func(x, y []float64) {
		out.add(g.certify(whole(x, rows, len(g.A)), whole(y, columns, len(g.A[0]))), g.tolerance())
	}
	if len(rows) <= enumerated && len(columns) <= enumerated {
		out.Method, out.Complete = "support enumeration", true
		small.supports(add)
		if len(out.Equilibria) > 0 {
			return out, nil
		}
		// A degenerate game may have none with supports of equal size.
		out.Method, out.Complete = "Lemke-Howson", false
	}
	labels := len(rows) + len(columns)
	starts := min(labels, 40)
	if labels > 60 {
		starts = 4
	}
	a, _, _ := scaled(small.A)
	b, _, _ := scaled(small.B)
	bt, pivots := transposed(b), 8_000_000_000/(max(len(rows), len(columns))*labels)+1
	for k := range starts {
		// The labels are spread over both players.
		if x, y, ok := lemkeHowson(a, bt, k*labels/starts, &pivots); ok {
			add(x, y)
		}
	}
	return out, nil
}

// part is a matrix with some of its rows and columns.
func part(m [][]float64, rows, columns []int) [][]float64 {
	out := make([][]float64, len(rows))
	for i, r := range rows {
		out[i] = make([]float64, len(columns))
		for j, c := range columns {
			out[i][j] = m[r][c]
		}
	}
	return out
}

// whole puts the probabilities of some strategies among all.
func whole(p []float64, at []int, n int) []float64 {
	out := make([]float64, n)
	for k, i := range at {
		out[i] = p[k]
	}
	return out
}

// tolerance is what counts as no regret: rounding, by the size of the entries.
func (g Bimatrix) tolerance() float64 {
	size := 0.0
	for i := range g.A {
		for j := range g.A[i] {
			size = max(size, math.Abs(g.A[i][j]), math.Abs(g.B[i][j]))
		}
	}
	return 1e-9 * size
}

// add takes an equilibrium whose regret is rounding, unless it is there.
func (s *Solution) add(e Equilibrium, tolerance float64) {
	if e.Regret > tolerance {
		return
	}
	for _, o := range s.Equilibria {
		if apart(o.X, e.X) < 1e-7 && apart(o.Y, e.Y) < 1e-7 {
			return
		}
	}
	s.Equilibria = append(s.Equilibria, e)
}

func apart(a, b []float64) float64 {
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(a[i]-b[i]))
	}
	return d
}

// supports goes through all pairs of supports of equal size: on them the other player has to be indifferent, which is a system of linear equations.
func (g Bimatrix) supports(found func(x, y []float64)) {
	a, _, _ := scaled(g.A)
	b, _, _ := scaled(g.B)
	bt := transposed(b)
	rows, columns := len(a), len(a[0])
	var work linear
	for size := 1; size <= min(rows, columns); size++ {
		for r := uint(1); r < 1<<rows; r++ {
			if bits.OnesCount(r) != size {
				continue
			}
			for c := uint(1); c < 1<<columns; c++ {
				if bits.OnesCount(c) != size {
					continue
				}
				y, ok := work.indifferent(a, r, c, size)
				if !ok {
					continue
				}
				full := spread(y, c, columns)
				x, ok := work.indifferent(bt, c, r, size)
				if ok {
					found(spread(x, r, rows), full)
				}
			}
		}
	}
}

// spread puts the probabilities of a support at their places.
func spread(p []float64, set uint, n int) []float64 {
	out := make([]float64, n)
	k := 0
	for i := range n {
		if set>>i&1 == 1 {
			out[i] = p[k]
			k++
		}
	}
	return normalise(out)
}

// linear solves small systems without asking for memory again.
type linear struct {
	m   [enumerated + 1][enumerated + 2]float64
	out [enumerated]float64
	at  [enumerated]int
}

// indifferent finds probabilities on the columns of a set that make all rows of a set gain the same and no other row more; false where there are none.
func (l *linear) indifferent(a [][]float64, rowSet, columnSet uint, size int) ([]float64, bool) {
	k := 0
	for j := range len(a[0]) {
		if columnSet>>j&1 == 1 {
			l.at[k] = j
			k++
		}
	}
	// Unknowns: the probabilities and the common gain v. One equation for each row, and the sum of 1.
	n, i := size+1, 0
	for r := range a {
		if rowSet>>r&1 == 0 {
			continue
		}
		for k := range size {
			l.m[i][k] = a[r][l.at[k]]
		}
		l.m[i][size], l.m[i][n] = -1, 0
		i++
	}
	for k := range size {
		l.m[size][k] = 1
	}
	l.m[size][size], l.m[size][n] = 0, 1
	if !l.eliminate(n) {
		return nil, false
	}
	for k := range size {
		if l.m[k][n] < -1e-11 {
			return nil, false
		}
		l.out[k] = l.m[k][n]
	}
	v := l.m[size][n]
	for r := range a {
		if rowSet>>r&1 == 1 {
			continue
		}
		s := 0.0
		for k := range size {
			s += a[r][l.at[k]] * l.out[k]
		}
		if s > v+1e-9 {
			return nil, false
		}
	}
	return l.out[:size], true
}

// eliminate solves the n equations in place; the solution is the last column.
func (l *linear) eliminate(n int) bool {
	for c := range n {
		p := c
		for r := c + 1; r < n; r++ {
			if math.Abs(l.m[r][c]) > math.Abs(l.m[p][c]) {
				p = r
			}
		}
		if math.Abs(l.m[p][c]) < 1e-12 {
			return false
		}
		if p != c {
			l.m[p], l.m[c] = l.m[c], l.m[p]
		}
		inverse := 1 / l.m[c][c]
		for k := c; k <= n; k++ {
			l.m[c][k] *= inverse
		}
		for r := range n {
			if f := l.m[r][c]; r != c && f != 0 {
				for k := c; k <= n; k++ {
					l.m[r][k] -= f * l.m[c][k]
				}
			}
		}
	}
	return true
}

// side is one of the two tableaux of Lemke and Howson: A y + r = 1 or Bᵀ x + s = 1, with all variables in columns and the right side last.
type side struct {
	t     [][]float64
	basis []int
}

// newSide has the variables label0.. for the columns of m and slack0.. for its rows.
func newSide(m [][]float64, label, slack, labels int) *side {
	s := &side{t: make([][]float64, len(m)), basis: make([]int, len(m))}
	for i, row := range m {
		s.t[i] = make([]float64, labels+1)
		copy(s.t[i][label:], row)
		s.t[i][slack+i] = 1
		s.t[i][labels] = 1
		s.basis[i] = slack + i
	}
	return s
}

// enter brings a variable into the basis and tells which one leaves; ties are broken lexicographically, so that no path goes round in a circle.
func (s *side) enter(variable, labels int) (left int, ok bool) {
	best := -1
	for i, row := range s.t {
		if row[variable] > 1e-11 && (best < 0 || s.before(i, best, variable, labels)) {
			best = i
		}
	}
	if best < 0 {
		return 0, false
	}
	row := s.t[best]
	inverse := 1 / row[variable]
	for k := range row {
		row[k] *= inverse
	}
	for i, other := range s.t {
		if f := other[variable]; i != best && f != 0 {
			for k, v := range row {
				other[k] -= f * v
			}
			other[variable] = 0
		}
	}
	left, s.basis[best] = s.basis[best], variable
	return left, true
}

// before compares the rows divided by their entry of the variable: right side first, then all columns.
func (s *side) before(i, j, variable, labels int) bool {
	a, b := s.t[i], s.t[j]
	fa, fb := 1/a[variable], 1/b[variable]
	if d := a[labels]*fa - b[labels]*fb; math.Abs(d) > 1e-12 {
		return d < 0
	}
	for k := range labels {
		if d := a[k]*fa - b[k]*fb; math.Abs(d) > 1e-12 {
			return d < 0
		}
	}
	return i < j
}

// lemkeHowson follows the path that begins by dropping a label: rows are 0.., columns follow. It ends at an equilibrium, unless no pivots are left. The matrices have positive
// entries; b is that of the second player with his strategies as rows.
func lemkeHowson(a, b [][]float64, drop int, pivots *int) (x, y []float64, ok bool) {
	rows, columns := len(a), len(b)
	labels := rows + columns
	// The labels of the variables: row i is x_i and the slack of row i of A; column j is y_j and the slack of column j of B.
	sides := [2]*side{
		newSide(b, 0, rows, labels), // x_i and the slacks of the columns
		newSide(a, rows, 0, labels), // y_j and the slacks of the rows
	}
	now := 0
	if drop >= rows {
		now = 1
	}
	entering := drop
	for ; *pivots > 0; *pivots-- {
		left, ok := sides[now].enter(entering, labels)
		if !ok {
			return nil, nil, false
		}
		if left == drop {
			return sides[0].values(0, rows, labels), sides[1].values(rows, columns, labels), true
		}
		entering, now = left, 1-now
	}
	return nil, nil, false
}

func (s *side) values(first, n, labels int) []float64 {
	out := make([]float64, n)
	for i, v := range s.basis {
		if v >= first && v < first+n {
			out[v-first] = s.t[i][labels]
		}
	}
	return normalise(out)
}

// Undominated are the rows and columns that are left when strategies that another pure strategy beats in every case are taken away, again and again. Every equilibrium
// has its supports among them. In a large game the search for them ends after some two billion comparisons; what is left then is more than need be, and as good.
func (g Bimatrix) Undominated() (rows, columns []int) {
	rows, columns = upTo(len(g.A)), upTo(len(g.A[0]))
	looks := 2_000_000_000
	for {
		r := keep(rows, func(i, k int) bool {
			for n, j := range columns {
				if g.A[k][j] <= g.A[i][j] || looks < 0 {
					looks -= n + 1
					return false
				}
			}
			return true
		})
		c := keep(columns, func(j, k int) bool {
			for n, i := range r {
				if g.B[i][k] <= g.B[i][j] || looks < 0 {
					looks -= n + 1
					return false
				}
			}
			return true
		})
		if len(r) == len(rows) && len(c) == len(columns) {
			return rows, columns
		}
		rows, columns = r, c
	}
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// keep leaves out those that another one beats.
func keep(all []int, beaten func(one, by int) bool) []int {
	var out []int
	for _, i := range all {
		lost := false
		for _, k := range all {
			if k != i && beaten(i, k) {
				lost = true
				break
			}
		}
		if !lost {
			out = append(out, i)
		}
	}
	return out
}
