// Package game is the contest of an attacker and a defender (model (d) of models.md, formulas 3.16 to 3.18, after Turn and Shapiro): the game of expenditures with its
// Nash and Stackelberg equilibria, games given by matrices, and the .nfg files of gambit. Every equilibrium comes with what a player could gain by leaving it.
package game

import (
	"errors"
	"fmt"
	"math"
)

// Bimatrix is a game of two players in normal form: rows are the strategies of the first, columns those of the second, A and B are what they gain.
type Bimatrix struct {
	Title         string
	Players       [2]string
	Rows, Columns []string // names; may be empty
	A, B          [][]float64
}

// Equilibrium is a pair of mixed strategies from which nobody gains by leaving.
type Equilibrium struct {
	X, Y   []float64 // probabilities of rows and of columns
	A, B   float64   // what the players gain on the average
	Regret float64   // the most that a player could gain by changing his strategy alone, computed from the matrices: the certificate
}

// maxEntry bounds the entries of a game, so that sums of products stay finite.
const maxEntry = 1e100

// valid checks that a matrix is rectangular and has finite entries.
func valid(name string, m [][]float64, rows, columns int) error {
	if rows == 0 || columns == 0 {
		return errors.New("the game has no strategies for one of the players")
	}
	if len(m) != rows {
		return fmt.Errorf("matrix %s has %d rows, not %d", name, len(m), rows)
	}
	for i, row := range m {
		if len(row) != columns {
			return fmt.Errorf("row %d of matrix %s has %d entries, not %d", i, name, len(row), columns)
		}
		for j, v := range row {
			if !(math.Abs(v) <= maxEntry) {
				return fmt.Errorf("entry %d, %d of matrix %s is %g: entries are numbers up to %g", i, j, name, v, maxEntry)
			}
		}
	}
	return nil
}

func (g Bimatrix) valid() error {
	if len(g.A) == 0 {
		return errors.New("the game has no strategies for one of the players")
	}
	if err := valid("A", g.A, len(g.A), len(g.A[0])); err != nil {
		return err
	}
	return valid("B", g.B, len(g.A), len(g.A[0]))
}

// ZeroSum reports whether what one gains the other loses, in every cell up to the rounding of the entries.
func (g Bimatrix) ZeroSum() bool {
	for i, row := range g.A {
		for j, a := range row {
			if math.Abs(a+g.B[i][j]) > 1e-12*math.Abs(a) {
				return false
			}
		}
	}
	return true
}

// rowGains are what each row gains against mixed columns y.
func rowGains(a [][]float64, y []float64) []float64 {
	out := make([]float64, len(a))
	for i, row := range a {
		s := 0.0
		for j, v := range row {
			s += v * y[j]
		}
		out[i] = s
	}
	return out
}

// columnGains are what each column gives against mixed rows x.
func columnGains(a [][]float64, x []float64) []float64 {
	out := make([]float64, len(a[0]))
	for i, row := range a {
		if p := x[i]; p != 0 {
			for j, v := range row {
				out[j] += p * v
			}
		}
	}
	return out
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i, v := range a {
		s += v * b[i]
	}
	return s
}

func largest(a []float64) float64 {
	m := math.Inf(-1)
	for _, v := range a {
		m = math.Max(m, v)
	}
	return m
}

func smallest(a []float64) float64 {
	m := math.Inf(1)
	for _, v := range a {
		m = math.Min(m, v)
	}
	return m
}

// certify computes gains and regret of a pair of strategies from the matrices.
func (g Bimatrix) certify(x, y []float64) Equilibrium {
	rows, columns := rowGains(g.A, y), columnGains(g.B, x)
	e := Equilibrium{X: x, Y: y, A: dot(x, rows), B: dot(y, columns)}
	e.Regret = max(0, largest(rows)-e.A, largest(columns)-e.B)
	return e
}

// normalise makes probabilities of numbers of at least 0.
func normalise(p []float64) []float64 {
	sum := 0.0
	out := make([]float64, len(p))
	for i, v := range p {
		out[i] = max(v, 0)
		sum += out[i]
	}
	for i := range out {
		if sum > 0 {
			out[i] /= sum
		} else {
			out[i] = 1 / float64(len(out))
		}
	}
	return out
}

// scaled is a matrix taken to the range from 1 to 2, which changes neither best answers nor equilibria. A matrix whose entries are all equal becomes 1.
func scaled(a [][]float64) (out [][]float64, shift, scale float64) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, row := range a {
		lo, hi = math.Min(lo, smallest(row)), math.Max(hi, largest(row))
	}
	scale = hi - lo
	if scale == 0 {
		scale = 1
	}
	out = make([][]float64, len(a))
	for i, row := range a {
		out[i] = make([]float64, len(row))
		for j, v := range row {
			out[i][j] = 1 + (v-lo)/scale
		}
	}
	return out, lo, scale
}

func transposed(a [][]float64) [][]float64 {
	out := make([][]float64, len(a[0]))
	for j := range out {
		out[j] = make([]float64, len(a))
		for i := range a {
			out[j][i] = a[i][j]
		}
	}
	return out
}
