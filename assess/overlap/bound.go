package overlap

import "math"

// The rounds of the dual at the root and below it.
const (
	rootRounds = 400
	nodeRounds = 10
)

// view is what is left at a node: the rows that are not satisfied with their free means, scaled so that each row needs 1.
type view struct {
	rows   []int32   // the solver's number of each row
	start  []int32   // where the means of each row begin in at; one more than rows
	at     []int32   // means
	amount []float64 // of each, at most 1; nil: all are 1
	means  []int32   // the free ones
}

// compact fills the view.
func (s *solver) compact() *view {
	v := &s.left
	v.rows, v.start, v.at, v.amount, v.means = v.rows[:0], v.start[:0], v.at[:0], v.amount[:0], v.means[:0]
	ones := true
	for _, r := range s.active {
		need := max(s.need[r], slack)
		v.rows, v.start = append(v.rows, r), append(v.start, int32(len(v.at)))
		for _, e := range s.rows[r] {
			if s.state[e.at] == free {
				v.at, v.amount = append(v.at, e.at), append(v.amount, min(1, e.a/need))
				ones = ones && e.a >= need
			}
		}
		s.work += s.charge * float64(len(s.rows[r]))
	}
	v.start = append(v.start, int32(len(v.at)))
	for m, st := range s.state {
		if st == free {
			v.means = append(v.means, int32(m))
		}
	}
	if ones {
		v.amount = v.amount[:0]
	}
	return v
}

// price takes the multipliers off the costs of the free means and returns the sum of the multipliers.
func (v *view) price(u, reduced []float64) (sum float64) {
	for i, r := range v.rows {
		x := u[r]
		sum += x
		at := v.at[v.start[i]:v.start[i+1]]
		if len(v.amount) == 0 {
			for _, m := range at {
				reduced[m] -= x
			}
			continue
		}
		amount := v.amount[v.start[i]:v.start[i+1]]
		for k, m := range at {
			reduced[m] -= x * amount[k]
		}
	}
	return sum
}

// slope is what each row misses with the means that the dual takes, and the square of its length over the rows whose multipliers can follow it.
func (v *view) slope(u, x, slope []float64) (norm float64) {
	for i, r := range v.rows {
		g := 1.0
		at := v.at[v.start[i]:v.start[i+1]]
		if len(v.amount) == 0 {
			for _, m := range at {
				g -= x[m]
			}
		} else {
			amount := v.amount[v.start[i]:v.start[i+1]]
			for k, m := range at {
				g -= x[m] * amount[k]
			}
		}
		slope[r] = g
		if g > 0 || u[r] > 0 {
			norm += g * g
		}
	}
	return norm
}

// bound improves the multipliers u of the rows by subgradient steps and returns the best lower bound on the cost of a set below this node; u, reduced and the bound
// belong together when it returns.
func (s *solver) bound(u []float64, rounds int) float64 {
	v := s.compact()
	best := math.Inf(-1)
	step, idle := 1.0, 0
	cut := s.cut()
	for round := range rounds {
		for _, m := range v.means {
			s.reduced[m] = s.cost[m]
		}
		total := s.spent + v.price(u, s.reduced)
		for _, m := range v.means {
			s.x[m] = 0
			if c := s.reduced[m]; c < 0 {
				total += c
				s.x[m] = 1
			}
			s.weight[m] += 0.15 * (s.x[m] - s.weight[m])
		}
		s.work += s.charge * float64(len(v.at))
		if total > best+1e-7*math.Abs(best) || math.IsInf(best, -1) {
			idle = 0
		} else {
			idle++
		}
		if total > best {
			best = total
			s.bestU, s.bestReduced = append(s.bestU[:0], u...), append(s.bestReduced[:0], s.reduced...)
		}
		if best >= cut || round == rounds-1 || s.exhausted() {
			break
		}
		if idle >= 8 {
			step, idle = step/2, 0
			if step < 1e-3 {
				break
			}
			copy(u, s.bestU)
		}
		norm := v.slope(u, s.x, s.slope)
		s.work += s.charge * float64(len(v.at))
		if norm < 1e-18 {
			break
		}
		length := step * (min(s.upper, 2*best+1) - total) / norm
		for _, r := range v.rows {
			u[r] = max(0, u[r]+length*s.slope[r])
		}
	}
	copy(u, s.bestU)
	copy(s.reduced, s.bestReduced)
	return best - 1e-12*math.Abs(best)
}

// fix takes or bars the means that the bound decides; it reports whether there was one.
func (s *solver) fix(bound float64) (found bool) {
	cut := s.cut()
	for m, c := range s.reduced {
		if s.state[m] != free {
			continue
		}
		switch {
		case c > 0 && bound+c >= cut:
			s.set(int32(m), barred)
			found = true
		case c < 0 && bound-c >= cut:
			s.set(int32(m), taken)
			found = true
		}
	}
	return found
}
