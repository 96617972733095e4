package cost

import (
	"math"
	"slices"
)

// exactFrontier is up to how many measures the whole frontier is looked for.
const exactFrontier = 25

// Frontier are the choices that no other betters in cost without being worse in residual loss, by rising cost, within the budget. For up to 25 measures it is complete,
// unless the search takes more than so many nodes (0: what some seconds suffice for); otherwise it has only such points as the least of k*cost + residual for some k, and the least
// of cost + residual under some budgets, find, each proved, and complete is false.
func (p Problem) Frontier(nodes int) (points []Choice, complete bool, err error) {
	c, err := newChooser(p)
	if err != nil {
		return nil, false, err
	}
	if nodes == 0 {
		nodes = 500_000_000 / (20 + len(c.losses))
	}
	if len(p.Measures) <= exactFrontier {
		if points, complete = c.frontier(nodes); complete {
			return points, true, nil
		}
	}
	return c.supported(), false, nil
}

// staircase holds choices by rising cost and falling residual.
type staircase struct {
	cost, residual []float64
	sets           []uint32
}

// under reports whether a choice is there that costs no more and leaves no more.
func (s *staircase) under(cost, residual float64) bool {
	i, found := slices.BinarySearch(s.cost, cost)
	if !found {
		i--
	}
	return i >= 0 && s.residual[i] <= residual
}

func (s *staircase) add(cost, residual float64, set uint32) {
	if s.under(cost, residual) {
		return
	}
	i, _ := slices.BinarySearch(s.cost, cost)
	j := i
	for j < len(s.cost) && s.residual[j] >= residual {
		j++
	}
	s.cost = slices.Replace(s.cost, i, j, cost)
	s.residual = slices.Replace(s.residual, i, j, residual)
	s.sets = slices.Replace(s.sets, i, j, set)
}

// frontier goes through all choices, leaving out those of which even the best end is under one that was found.
func (c *chooser) frontier(limit int) ([]Choice, bool) {
	n := len(c.costs)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	// What saves most for its cost is decided first, so that good choices are found early.
	slices.SortStableFunc(order, func(a, b int) int {
		l, r := c.gain(c.losses, a)*c.costs[b], c.gain(c.losses, b)*c.costs[a]
		switch {
		case l > r:
			return -1
		case l < r:
			return 1
		}
		return 0
	})
	// rest[d] are the factors by which all measures from d on together reduce each threat.
	rest := make([][]float64, n+1)
	rest[n] = make([]float64, len(c.losses))
	for i := range rest[n] {
		rest[n][i] = 1
	}
	for d := n - 1; d >= 0; d-- {
		rest[d] = slices.Clone(rest[d+1])
		c.apply(rest[d], order[d])
	}
	left := make([][]float64, n+1)
	for d := range left {
		left[d] = slices.Clone(c.losses)
	}
	var found staircase
	nodes := 0
	var visit func(d int, spent float64, set uint32) bool
	visit = func(d int, spent float64, set uint32) bool {
		if nodes++; nodes > limit {
			return false
		}
		now, best := c.rest, c.rest
		for i, l := range left[d] {
			now += l
			best += l * rest[d][i]
		}
		found.add(spent, now, set)
		if d == n || found.under(spent, best) {
			return true
		}
		m := order[d]
		if spent+c.costs[m] <= c.budget && c.gain(left[d], m) > 0 {
			copy(left[d+1], left[d])
			c.apply(left[d+1], m)
			if !visit(d+1, spent+c.costs[m], set|1<<m) {
				return false
			}
		}
		copy(left[d+1], left[d])
		return visit(d+1, spent, set)
	}
	if !visit(0, 0, 0) {
		return nil, false
	}
	out := make([]Choice, 0, len(found.sets))
	for _, set := range found.sets {
		in := make([]bool, n)
		for m := range in {
			in[m] = set>>m&1 == 1
		}
		choice := c.evaluate(in)
		choice.Proved, choice.Bound = true, choice.Total
		out = append(out, choice)
	}
	return stairs(out), true
}

// supported finds points of the frontier one by one: by giving cost different weights beside loss, and by the least total under different budgets. A choice that is the
// least of either kind is on the frontier, since one that bettered it would be less; only what was proved is taken.
func (c *chooser) supported() []Choice {
	found := map[string]bool{}
	var out []Choice
	add := func(got Choice) {
		in, key := make([]bool, len(c.costs)), make([]byte, len(c.costs))
		for _, m := range got.Chosen {
			in[m], key[m] = true, 1
		}
		if !got.Proved || found[string(key)] {
			return
		}
		found[string(key)] = true
		choice := c.evaluate(in)
		choice.Proved, choice.Bound = true, choice.Total
		out = append(out, choice)
	}
	nodes, dearest := c.nodes()/20, 0.0
	for i := -12; i <= 12; i++ {
		weight := math.Pow(2, float64(i)/2)
		weighted := *c
		weighted.costs = make([]float64, len(c.costs))
		for m, cost := range c.costs {
			weighted.costs[m] = cost * weight
		}
		weighted.budget = c.budget * weight
		got := weighted.best(nodes)
		if i == 0 {
			dearest = got.Cost
		}
		add(got)
	}
	for i := 1; i < 20; i++ {
		bounded := *c
		bounded.budget = min(c.budget, dearest*float64(i)/20)
		add(bounded.best(nodes))
	}
	slices.SortStableFunc(out, func(a, b Choice) int {
		switch {
		case a.Cost < b.Cost:
			return -1
		case a.Cost > b.Cost:
			return 1
		}
		return 0
	})
	return stairs(out)
}

// stairs leaves out what is no step of a staircase, or one by rounding alone: proofs are to a billionth, and products depend on the order of their factors.
func stairs(all []Choice) []Choice {
	kept := all[:0]
	for _, x := range all {
		if n := len(kept); n == 0 || x.Cost > kept[n-1].Cost && x.Residual < kept[n-1].Residual*(1-1e-12) {
			kept = append(kept, x)
		}
	}
	return kept
}
