package cost

import (
	"math"
	"slices"
)

// nodes is how many nodes a search gets where nothing else is asked for: what takes some ten seconds at most. An optimum that it has not proved by then is reported with
// its bound.
func (c *chooser) nodes() int {
	entries := 1
	for _, e := range c.entries {
		entries += len(e)
	}
	return min(10+50_000_000/(entries+len(c.costs)), 200_000)
}

// Best finds the choice with the least total within the budget by branch and bound, in at most so many nodes (0: what some seconds suffice for); the choice says whether it is proved,
// and otherwise what the least total is at least. Among choices of the same total the one with fewer measures is preferred.
func (p Problem) Best(nodes int) (Choice, error) {
	c, err := newChooser(p)
	if err != nil {
		return Choice{}, err
	}
	return c.best(nodes), nil
}

func (c *chooser) best(nodes int) Choice {
	if nodes == 0 {
		nodes = c.nodes()
	}
	s := &branching{chooser: c, limit: nodes, open: math.Inf(1)}
	none := make([]bool, len(c.costs))
	s.found = c.evaluate(none)
	for _, start := range [][]bool{none, c.greedy(false), c.greedy(true)} {
		if got := c.improve(slices.Clone(start)); got.Total < s.found.Total {
			s.found = got
		}
	}
	s.visit(make([]int8, len(c.costs)), slices.Clone(c.losses), 0, make([]float64, len(c.costs)), 0)
	out := c.trim(s.found)
	out.Nodes, out.Proved, out.Bound = s.nodes, math.IsInf(s.open, 1), min(out.Total, s.open)
	return out
}

// trim leaves out the measures without which a choice is no worse.
func (c *chooser) trim(choice Choice) Choice {
	for _, m := range choice.Chosen {
		in := make([]bool, len(c.costs))
		for _, o := range choice.Chosen {
			in[o] = o != m
		}
		if got := c.evaluate(in); got.Total <= choice.Total {
			return c.trim(got)
		}
	}
	return choice
}

// What is decided about a measure.
const (
	free int8 = iota
	taken
	dropped
)

// branching is the state of one branch and bound.
type branching struct {
	*chooser
	found Choice
	nodes int
	limit int
	open  float64 // the least bound of a node that was left because the limit was reached
}

// enough is the bound from which a node can not better what was found by more than a billionth.
func (s *branching) enough() float64 { return s.found.Total - 1e-9*math.Abs(s.found.Total) }

// visit looks for better choices among those that agree with what is decided. left are the losses that are left by the measures taken, spent is what those cost, x is
// where the relaxation was least in the node above, price its price of the budget.
func (s *branching) visit(state []int8, left []float64, spent float64, x []float64, price float64) {
	s.nodes++
	spent = s.settle(state, left, spent)
	total := s.rest + spent
	for _, l := range left {
		total += l
	}
	if total < s.found.Total {
		in := make([]bool, len(state))
		for m := range state {
			in[m] = state[m] == taken
		}
		// Evaluated from the beginning, so that what is reported does not carry the rounding of the path.
		if got := s.evaluate(in); got.Total < s.found.Total && got.Cost <= s.budget {
			s.found = got
		}
	}
	bound, branch := s.bound(state, left, spent, total, x, &price)
	if branch < 0 || bound >= s.enough() {
		return
	}
	if s.nodes >= s.limit {
		s.open = min(s.open, bound)
		return
	}
	first, second := taken, dropped
	if x[branch] < 0.5 {
		first, second = dropped, taken
	}
	for _, way := range []int8{first, second} {
		if way == taken && spent+s.costs[branch] > s.budget {
			continue
		}
		st, lf, cost := slices.Clone(state), slices.Clone(left), spent
		st[branch] = way
		if way == taken {
			s.apply(lf, branch)
			cost += s.costs[branch]
		}
		s.visit(st, lf, cost, slices.Clone(x), price)
	}
}

// settle decides what needs no branching: a measure that does not save its cost now never will, since savings only shrink; one that does not fit can not be taken; and
// one that saves more than its cost even beside all others is taken, where the budget has room for all of them.
func (s *branching) settle(state []int8, left []float64, spent float64) float64 {
	for again := true; again; {
		again = false
		open := 0.0
		for m, st := range state {
			if st != free {
				continue
			}
			if spent+s.costs[m] > s.budget || s.gain(left, m) <= s.costs[m] {
				state[m], again = dropped, true
				continue
			}
			open += s.costs[m]
		}
		if spent+open > s.budget {
			continue
		}
		low := slices.Clone(left)
		for m, st := range state {
			if st == free {
				s.apply(low, m)
			}
		}
		for m, st := range state {
			if st != free {
				continue
			}
			least := 0.0
			for _, e := range s.entries[m] {
				if e.keep > 0 {
					least += low[e.threat] / e.keep * (1 - e.keep)
				}
			}
			if least > s.costs[m]*(1+1e-9) {
				state[m], again = taken, true
				s.apply(left, m)
				spent += s.costs[m]
			}
		}
	}
	return spent
}

// bound is what every choice that agrees with the state costs at least, and the measure to branch on, -1 where nothing is open. Two bounds are taken: that savings only
// shrink; and the convex relaxation, where shares of measures are taken, R_i exp(-Σ w_mi x_m). Any tangent of it lies below it, so its least value over the box and the
// budget is a bound wherever it is laid, and the descent need not have come to its end.
func (s *branching) bound(state []int8, left []float64, spent, total float64, x []float64, price *float64) (bound float64, branch int) {
	var opens []int
	simple := total
	for m, st := range state {
		if st == free {
			opens = append(opens, m)
			simple -= max(0, s.gain(left, m)-s.costs[m])
		}
	}
	if len(opens) == 0 || simple >= s.enough() {
		return simple, -1
	}
	room := s.budget - spent
	bound = simple
	var r []float64
	for step := range 8 {
		r = s.descend(opens, left, x, *price, 3)
		bound = max(bound, s.tangent(opens, r, x, spent, room)-s.slack)
		if bound >= s.enough() {
			return bound, -1
		}
		used := 0.0
		for _, m := range opens {
			used += x[m] * s.costs[m]
		}
		if used <= room*(1+1e-6) && *price == 0 {
			if step >= 2 {
				break
			}
			continue
		}
		// The price of the budget follows how far it is overdrawn or left unused.
		*price = max(0, (1+*price)*math.Pow(max(used, 1e-3*room)/max(room, 1e-300), 0.5)-1)
		if math.IsInf(*price, 0) || *price > 1e12 {
			*price = 1e12
		}
	}
	// The measure about which the relaxation is least sure; then the one that costs most.
	best, score := opens[0], math.Inf(-1)
	for _, m := range opens {
		if u := 0.5 - math.Abs(x[m]-0.5); u > score+1e-9 || u > score-1e-9 && s.costs[m] > s.costs[best] {
			best, score = m, u
		}
	}
	return bound, best
}

// descend lowers the relaxation by Newton's steps on one measure after the other, and gives the losses that its shares leave.
func (s *branching) descend(opens []int, left, x []float64, price float64, rounds int) []float64 {
	r := slices.Clone(left)
	for _, m := range opens {
		for _, e := range s.entries[m] {
			r[e.threat] *= math.Exp(-e.weight * x[m])
		}
	}
	for range rounds {
		for _, m := range opens {
			slope, curve := (1+price)*s.costs[m], 0.0
			for _, e := range s.entries[m] {
				slope -= r[e.threat] * e.weight
				curve += r[e.threat] * e.weight * e.weight
			}
			if curve <= 0 {
				continue
			}
			// A step of at most one e-fold for the strongest of its weights keeps Newton's step from overshooting far.
			next := min(max(x[m]-slope/curve, 0), 1)
			if d := next - x[m]; d != 0 {
				for _, e := range s.entries[m] {
					r[e.threat] *= math.Exp(-e.weight * d)
				}
				x[m] = next
			}
		}
	}
	return r
}

// tangent is the least value, over shares within the box and the room that the budget leaves, of the plane that touches the relaxation at x.
func (s *branching) tangent(opens []int, r, x []float64, spent, room float64) float64 {
	value := s.rest + spent
	for _, l := range r {
		value += l
	}
	type pull struct{ cost, slope float64 }
	var pulls []pull
	for _, m := range opens {
		slope := 0.0 // of the losses alone
		for _, e := range s.entries[m] {
			slope -= r[e.threat] * e.weight
		}
		value -= slope * x[m]
		if net := slope + s.costs[m]; net < 0 {
			pulls = append(pulls, pull{s.costs[m], net})
		}
	}
	// A fractional knapsack: the steepest for each unit of cost first.
	slices.SortFunc(pulls, func(a, b pull) int {
		switch l, r := a.slope*b.cost, b.slope*a.cost; {
		case l < r:
			return -1
		case l > r:
			return 1
		}
		return 0
	})
	for _, p := range pulls {
		if p.cost <= room {
			value += p.slope
			room -= p.cost
			continue
		}
		value += p.slope * max(room, 0) / p.cost
		room = 0
	}
	return value
}
