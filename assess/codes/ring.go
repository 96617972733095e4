package codes

import (
	"fmt"
	"strconv"
)

// Solution is codes for a relation, and how good they are known to be.
type Solution struct {
	Mechanism  Mechanism
	A, B       []uint64 // codes of the subjects and of the objects
	Y          int      // inadmissible accesses
	LowerBound int      // no codes of this mechanism have fewer
	Proved     bool     // Y is the least
	Method     string   // how the codes were found, in words
	Bound      string   // where the lower bound comes from, in words
}

// turan is the least number of pairs of equals when n things are divided into d classes (H.bound).
func turan(n, d int) int {
	if n <= d {
		return 0
	}
	if d < 1 {
		return n * (n - 1) / 2
	}
	q, r := n/d, n%d
	return r*q*(q+1)/2 + (d-r)*q*(q-1)/2
}

// Ring is a linear hierarchy, the first level the innermost; the subjects of a level may reach the objects of their own level and of those outside it.
type Ring struct {
	Subjects, Objects []int // how many, by level
}

// relation is that of a ring. Subjects and objects are named by level, and by number where a level has several.
func (r Ring) relation() *Relation {
	var names [2][]string
	var level [2][]int
	for side, counts := range [2][]int{r.Subjects, r.Objects} {
		for l, n := range counts {
			for k := range n {
				name := strconv.Itoa(l + 1)
				if n > 1 {
					name += "." + strconv.Itoa(k+1)
				}
				names[side] = append(names[side], name)
				level[side] = append(level[side], l)
			}
		}
	}
	out := NewRelation(names[0], names[1])
	for i, l := range level[0] {
		for j, at := range level[1] {
			if l <= at {
				out.Permit(i, j)
			}
		}
	}
	out.order = r.plain()
	return out
}

// plain reports whether each level has one subject and one object.
func (r Ring) plain() bool {
	for i, s := range r.Subjects {
		if s != 1 || r.Objects[i] != 1 {
			return false
		}
	}
	return true
}

// solve finds the codes of a ring: as many contiguous classes of levels as the mechanism can tell apart (H.ring), of equal size for one subject and one object a level
// and by dynamic programming otherwise (H.rings).
func (r Ring) solve(g Mechanism) (*Solution, error) {
	level, err := LevelOf(g)
	if err != nil {
		return nil, err
	}
	if level.Low == 0 {
		return nil, never(g)
	}
	u := len(r.Subjects)
	ends, y := r.divide(min(level.Low, u))
	out := &Solution{Mechanism: g, Y: y, Method: fmt.Sprintf("ring of %d levels in %d classes of codes", u, len(ends)), Bound: "Turán's theorem for the level of linear hierarchy"}
	from := 0
	for class, end := range ends {
		for l := from; l < end; l++ {
			for range r.Subjects[l] {
				out.A = append(out.A, level.A[class])
			}
			for range r.Objects[l] {
				out.B = append(out.B, level.B[class])
			}
		}
		from = end
	}
	// One subject and one object of each level that has both are a ring of their own, whose accesses are among these.
	both := 0
	for i, s := range r.Subjects {
		if s > 0 && r.Objects[i] > 0 {
			both++
		}
	}
	out.LowerBound = turan(both, level.High)
	out.Proved = out.Y <= out.LowerBound
	return out, nil
}

// divide finds the division of the levels in at most d contiguous classes with the fewest inadmissible accesses: the level after each class's last, and that number.
// Of divisions that are equally good it takes the one whose earlier classes are larger, so that equal classes come out as in the formula.
func (r Ring) divide(d int) (ends []int, y int) {
	u := len(r.Subjects)
	sumS, sumO, below := make([]int, u+1), make([]int, u+1), make([]int, u+1)
	for i := range u {
		sumS[i+1] = sumS[i] + r.Subjects[i]
		sumO[i+1] = sumO[i] + r.Objects[i]
		below[i+1] = below[i] + r.Subjects[i]*sumO[i] // accesses of the subjects so far to objects further in
	}
	cost := func(from, to int) int { return below[to] - below[from] - sumO[from]*(sumS[to]-sumS[from]) }
	// best[k][i]: levels i and later in at most k classes; next[k][i]: where the first of them ends.
	best, next := make([][]int, d+1), make([][]int, d+1)
	for k := 1; k <= d; k++ {
		best[k], next[k] = make([]int, u+1), make([]int, u+1)
		for i := u - 1; i >= 0; i-- {
			best[k][i], next[k][i] = cost(i, u), u
			if k == 1 {
				continue
			}
			for end := u - 1; end > i; end-- {
				if c := cost(i, end) + best[k-1][end]; c < best[k][i] {
					best[k][i], next[k][i] = c, end
				}
			}
		}
	}
	for i, k := 0, d; i < u; k-- {
		i = next[k][i]
		ends = append(ends, i)
	}
	return ends, best[d][0]
}

func never(g Mechanism) error {
	return fmt.Errorf("φ = %s grants nothing, so required accesses would be denied; take another function", g.Phi)
}
