package game

import (
	"math"
)

// Value is the solution of a zero-sum game: the mixed strategies of the one who wants the entry large (rows) and of the one who wants it small (columns), and a bracket
// of the value. The bracket is computed from the strategies and the matrix: Lo is what X gets at least whatever the columns do, Hi what Y lets the rows get at most.
type Value struct {
	X, Y   []float64
	Lo, Hi float64
	Method string // pivots, or regret matching
	Steps  int
}

// Solve finds the value of the zero-sum game with this matrix. The bracket is not wider than tolerance times the range of the entries (0: 1e-9), unless it says otherwise
// by itself. Pivots on the linear program are tried first; should their rounding spoil the bracket, regret matching goes on from there.
func Solve(a [][]float64, tolerance float64) (Value, error) {
	if len(a) == 0 {
		return Value{}, valid("A", a, 0, 0)
	}
	if err := valid("A", a, len(a), len(a[0])); err != nil {
		return Value{}, err
	}
	if tolerance <= 0 {
		tolerance = 1e-9
	}
	m, shift, scale := scaled(a)
	v := pivots(m)
	if v.Hi-v.Lo > tolerance {
		if w := regretMatching(m, tolerance, 20_000_000/(len(m)*len(m[0]))+1000); w.Hi-w.Lo < v.Hi-v.Lo {
			v = w
		}
	}
	return v.back(a, shift, scale), nil
}

// RegretMatching finds the value by regret matching alone, with at most so many rounds. It is slower than Solve and needs nothing but products with the matrix.
func RegretMatching(a [][]float64, tolerance float64, rounds int) (Value, error) {
	if len(a) == 0 {
		return Value{}, valid("A", a, 0, 0)
	}
	if err := valid("A", a, len(a), len(a[0])); err != nil {
		return Value{}, err
	}
	m, shift, scale := scaled(a)
	return regretMatching(m, tolerance, rounds).back(a, shift, scale), nil
}

// back takes a solution of the scaled matrix to the matrix as it was given; the bracket is computed anew from that.
func (v Value) back(a [][]float64, shift, scale float64) Value {
	v.Lo, v.Hi = smallest(columnGains(a, v.X)), largest(rowGains(a, v.Y))
	if v.Lo > v.Hi { // by rounding alone: they are equal
		mid := v.Lo/2 + v.Hi/2
		v.Lo, v.Hi = mid, mid
	}
	return v
}

// pivots solves max Σu, M u <= 1, u >= 0 for a matrix of entries of at least 1, by the simplex method on the condensed tableau. It begins at u = 0, so that no first
// phase is needed; y = u/Σu, x the prices of the rows in the same way, and the value 1/Σu.
func pivots(m [][]float64) Value {
	rows, columns := len(m), len(m[0])
	// Each row of t: the coefficients of the columns that are not in the basis, and last the right side. The last row is the objective.
	width := columns + 1
	t := make([][]float64, rows+1)
	flat := make([]float64, (rows+1)*width)
	for i := range t {
		t[i] = flat[i*width : (i+1)*width]
	}
	for i := range rows {
		copy(t[i], m[i])
		t[i][columns] = 1
	}
	for j := range columns {
		t[rows][j] = -1
	}
	basis, outside := make([]int, rows), make([]int, columns) // columns are numbered 0.., the slack of row i is columns+i
	for i := range basis {
		basis[i] = columns + i
	}
	for j := range outside {
		outside[j] = j
	}
	steps, stalled, bland := 0, 0, false
	for ; steps < min(50*(rows+columns), 30_000_000_000/(rows*columns))+1000; steps++ {
		in := entering(t[rows][:columns], outside, bland)
		if in < 0 {
			break
		}
		out := leaving(t, basis, in, rows, columns)
		if out < 0 {
			break
		}
		before := t[rows][columns]
		pivot(t, out, in)
		basis[out], outside[in] = outside[in], basis[out]
		// A run of pivots that gain nothing may go round in a circle; Bland's rule does not.
		if t[rows][columns] > before {
			stalled, bland = 0, false
		} else if stalled++; stalled > rows+columns {
			bland = true
		}
	}
	x, y := make([]float64, rows), make([]float64, columns)
	for i, b := range basis {
		if b < columns {
			y[b] = t[i][columns]
		}
	}
	for j, o := range outside {
		if o >= columns {
			x[o-columns] = t[rows][j]
		}
	}
	v := Value{X: normalise(x), Y: normalise(y), Method: "pivots", Steps: steps}
	v.Lo, v.Hi = smallest(columnGains(m, v.X)), largest(rowGains(m, v.Y))
	return v
}

func entering(objective []float64, outside []int, bland bool) int {
	best, least := -1, -1e-11
	for j, v := range objective {
		switch {
		case v >= -1e-11:
		case bland && (best < 0 || outside[j] < outside[best]):
			best = j
		case !bland && v < least:
			best, least = j, v
		}
	}
	return best
}

func leaving(t [][]float64, basis []int, in, rows, columns int) int {
	best, least := -1, math.Inf(1)
	for i := range rows {
		if a := t[i][in]; a > 1e-11 {
			r := t[i][columns] / a
			if r < least || r == least && basis[i] < basis[best] {
				best, least = i, r
			}
		}
	}
	return best
}

// pivot exchanges the basic variable of row r with the column c.
func pivot(t [][]float64, r, c int) {
	row := t[r]
	inverse := 1 / row[c]
	for j := range row {
		row[j] *= inverse
	}
	row[c] = inverse
	for i, other := range t {
		f := other[c]
		if i == r || f == 0 {
			continue
		}
		other[c] = 0
		for j, v := range row {
			other[j] -= f * v
		}
	}
}

// regretMatching plays regret matching with regrets that do not go below 0, one player after the other, and averages the strategies by the number of the round.
func regretMatching(m [][]float64, tolerance float64, rounds int) Value {
	rows, columns := len(m), len(m[0])
	regretX, regretY := make([]float64, rows), make([]float64, columns)
	sumX, sumY := make([]float64, rows), make([]float64, columns)
	x, y := normalise(regretX), normalise(regretY)
	best := Value{Lo: math.Inf(-1), Hi: math.Inf(1), Method: "regret matching"}
	for k := 1; k <= rounds; k++ {
		gain := rowGains(m, y)
		mean := dot(x, gain)
		for i, g := range gain {
			regretX[i] = max(0, regretX[i]+g-mean)
		}
		x = normalise(regretX)
		loss := columnGains(m, x)
		mean = dot(y, loss)
		for j, l := range loss {
			regretY[j] = max(0, regretY[j]+mean-l)
		}
		y = normalise(regretY)
		for i, p := range x {
			sumX[i] += float64(k) * p
		}
		for j, p := range y {
			sumY[j] += float64(k) * p
		}
		best.Steps = k
		if k%50 == 0 || k == rounds {
			// Either side of the bracket keeps the best strategy that was met.
			avgX, avgY := normalise(sumX), normalise(sumY)
			if lo := smallest(columnGains(m, avgX)); lo > best.Lo {
				best.Lo, best.X = lo, avgX
			}
			if hi := largest(rowGains(m, avgY)); hi < best.Hi {
				best.Hi, best.Y = hi, avgY
			}
			if best.Hi-best.Lo <= tolerance {
				break
			}
		}
	}
	return best
}
