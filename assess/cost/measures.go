package cost

import (
	"fmt"
	"math"
	"slices"
)

// Measure is a means of protection that may be taken: what it costs in a period, and by threat the share of its expected loss that it takes away.
type Measure struct {
	Cost    float64
	Reduces map[int]float64 // by index in Problem.Losses, 0 to 1; threats that it does nothing against are absent
}

// Problem is the choice of measures: minimise the cost of those chosen and the expected losses that are left, Σ c_m + Σ R_i Π(1-e_mi) over the chosen m, while the cost
// keeps to the budget. The loss that is left is a decreasing supermodular function of the set: what a measure saves only shrinks when others are taken.
type Problem struct {
	Losses   []float64 // expected loss of each threat in a period
	Measures []Measure
	Budget   float64 // math.Inf(1): not bounded
}

// Choice is a set of measures.
type Choice struct {
	Chosen   []int // indices of measures, rising
	Cost     float64
	Residual float64 // expected loss that is left
	Total    float64 // both
	Proved   bool    // no choice within the budget has a total that is less by more than a billionth
	Bound    float64 // what the total is at least, of any choice; Total where proved
	Nodes    int     // of the search
}

// entry is what a measure does against one threat.
type entry struct {
	threat int
	keep   float64 // share that is left: 1-e
	weight float64 // -ln keep, as the relaxation counts it
}

// leastKeep stands in the relaxation for a share of 0 that is left, whose logarithm is not finite; the bound is lowered by what that can make out.
const leastKeep = 1e-12

// chooser is a problem as the search has it.
type chooser struct {
	costs   []float64
	entries [][]entry
	losses  []float64 // of the threats that a measure does something against
	rest    float64   // of the others
	budget  float64
	slack   float64 // how much the relaxation may lie above the truth
}

func newChooser(p Problem) (*chooser, error) {
	c := &chooser{budget: p.Budget}
	if math.IsNaN(p.Budget) || p.Budget < 0 {
		return nil, fmt.Errorf("the budget is %g: it is a number of at least 0", p.Budget)
	}
	index := make([]int, len(p.Losses))
	for i, l := range p.Losses {
		if !(l >= 0) || math.IsInf(l, 0) {
			return nil, fmt.Errorf("threat %d: the expected loss is %g: it is a finite number of at least 0", i, l)
		}
		index[i] = -1
	}
	touched := make([]bool, len(p.Losses))
	for j, m := range p.Measures {
		if !(m.Cost >= 0) || math.IsInf(m.Cost, 0) {
			return nil, fmt.Errorf("measure %d: the cost is %g: it is a finite number of at least 0", j, m.Cost)
		}
		for i, e := range m.Reduces {
			if i < 0 || i >= len(p.Losses) || !(e >= 0 && e <= 1) {
				return nil, fmt.Errorf("measure %d: it reduces threat %d by %g: threats go from 0 to %d, shares from 0 to 1", j, i, e, len(p.Losses)-1)
			}
			touched[i] = touched[i] || e > 0
		}
	}
	for i, l := range p.Losses {
		if !touched[i] {
			c.rest += l
			continue
		}
		index[i] = len(c.losses)
		c.losses = append(c.losses, l)
	}
	total := 0.0
	for _, m := range p.Measures {
		var es []entry
		for _, i := range sortedKeys(m.Reduces) {
			if e := m.Reduces[i]; e > 0 {
				es = append(es, entry{index[i], 1 - e, -math.Log(max(1-e, leastKeep))})
				total += c.losses[index[i]]
			}
		}
		c.costs, c.entries = append(c.costs, m.Cost), append(c.entries, es)
	}
	c.slack = leastKeep * total
	return c, nil
}

func sortedKeys(m map[int]float64) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// evaluate computes a choice from the beginning.
func (c *chooser) evaluate(in []bool) Choice {
	left := slices.Clone(c.losses)
	out := Choice{Chosen: []int{}, Residual: c.rest}
	for m, taken := range in {
		if taken {
			out.Chosen, out.Cost = append(out.Chosen, m), out.Cost+c.costs[m]
			c.apply(left, m)
		}
	}
	for _, l := range left {
		out.Residual += l
	}
	out.Total = out.Cost + out.Residual
	return out
}

func (c *chooser) apply(left []float64, m int) {
	for _, e := range c.entries[m] {
		left[e.threat] *= e.keep
	}
}

// gain is what measure m saves where these losses are left.
func (c *chooser) gain(left []float64, m int) float64 {
	g := 0.0
	for _, e := range c.entries[m] {
		g += left[e.threat] * (1 - e.keep)
	}
	return g
}

// Evaluate computes the cost, the residual loss and the total of a choice.
func (p Problem) Evaluate(chosen []int) (Choice, error) {
	c, err := newChooser(p)
	if err != nil {
		return Choice{}, err
	}
	in := make([]bool, len(p.Measures))
	for _, m := range chosen {
		in[m] = true
	}
	return c.evaluate(in), nil
}

// Greedy takes, as long as one pays, the measure that saves most beyond its cost; among equals the first. It is not optimal.
func (p Problem) Greedy() (Choice, error) {
	c, err := newChooser(p)
	if err != nil {
		return Choice{}, err
	}
	return c.evaluate(c.greedy(false)), nil
}

// greedy takes by the net saving, or by the saving for each unit of cost.
func (c *chooser) greedy(ratio bool) []bool {
	in, left, spent := make([]bool, len(c.costs)), slices.Clone(c.losses), 0.0
	for {
		best, most := -1, 0.0
		for m := range c.costs {
			if in[m] || spent+c.costs[m] > c.budget {
				continue
			}
			g := c.gain(left, m)
			score := g - c.costs[m]
			if score <= 0 {
				continue
			}
			if ratio {
				score = g / max(c.costs[m], 1e-300)
			}
			if score > most {
				best, most = m, score
			}
		}
		if best < 0 {
			return in
		}
		in[best], spent = true, spent+c.costs[best]
		c.apply(left, best)
	}
}

// improve adds, drops and swaps single measures as long as the total falls, within some hundred million steps.
func (c *chooser) improve(in []bool) Choice {
	best := c.evaluate(in)
	each := len(c.losses)
	for _, e := range c.entries {
		each += len(e)
	}
	looks := 200_000_000 / (each + 1)
	for looks > 0 {
		changed := false
		try := func(flips ...int) {
			if looks--; looks < 0 {
				return
			}
			for _, m := range flips {
				in[m] = !in[m]
			}
			if got := c.evaluate(in); got.Cost <= c.budget && got.Total < best.Total-1e-12*math.Abs(best.Total) {
				best, changed = got, true
				return
			}
			for _, m := range flips {
				in[m] = !in[m]
			}
		}
		for m := range in {
			try(m)
		}
		if len(in) <= 150 {
			for m := range in {
				for o := range m {
					if in[m] != in[o] {
						try(m, o)
					}
				}
			}
		}
		if !changed {
			break
		}
	}
	return best
}

// Return is what one measure saves in a period.
type Return struct {
	Alone    float64 // expected loss that it takes away where it is the only one
	Marginal float64 // where it comes to the other measures of a choice
}

// Returns are the savings of every measure, alone and beside the chosen ones.
func (p Problem) Returns(chosen []int) ([]Return, error) {
	c, err := newChooser(p)
	if err != nil {
		return nil, err
	}
	out := make([]Return, len(p.Measures))
	for m := range out {
		left := slices.Clone(c.losses)
		for _, o := range chosen {
			if o != m {
				c.apply(left, o)
			}
		}
		out[m] = Return{Alone: c.gain(c.losses, m), Marginal: c.gain(left, m)}
	}
	return out, nil
}
