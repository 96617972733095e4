// Package overlap is the model of full overlap: threats that are real for objects are the edges of a graph, means of protection remove edges, and a system is fully
// overlapped when no edge remains. It rates a choice of means, finds the cheapest full cover and proves it, and holds the five-tuple of Clements and Hoffman and the
// rating in words. It knows nothing of model files. Formulas: part (e) of the models; the five-tuple and the operators of the fuzzy rating are as remembered from the
// literature.
package overlap

import "math"

// Strength is how strong a means is against an edge.
type Strength struct {
	Mean int // index of the means
	R    float64
}

// Edge is a threat that is real for an object.
type Edge struct {
	Weight float64
	Means  []Strength // ascending by means, each once
}

// Problem is a system: its edges, what each means costs, and the rule by which an edge counts as removed.
type Problem struct {
	Edges   []Edge
	Costs   []float64 // by means, not negative
	Combine bool      // an edge is removed when 1-Π(1-r) over the chosen means exceeds its weight; r and weight are probabilities. Otherwise one of them has to exceed it
	Depth   int       // how many means have to exceed the weight of each edge; 0 and 1: one. Not together with Combine
}

func (p *Problem) depth() int { return max(p.Depth, 1) }

// Reach is what a set of means does to an edge.
type Reach struct {
	Count    int     // how many of them exceed the weight, each by itself
	Best     float64 // the greatest strength, or all of them together where strengths combine; 0 without means
	BestMean int     // the strongest means, the lowest of equal ones; -1 without means
	Covered  bool    // removed, as often as Depth asks
}

// Reach tells what the chosen means do to an edge; nil stands for all means.
func (p *Problem) Reach(edge int, chosen []bool) Reach {
	e := &p.Edges[edge]
	r := Reach{BestMean: -1}
	left := 1.0
	for _, s := range e.Means {
		if chosen != nil && !chosen[s.Mean] {
			continue
		}
		if s.R > e.Weight {
			r.Count++
		}
		if r.BestMean < 0 || s.R > r.Best {
			r.Best, r.BestMean = s.R, s.Mean
		}
		left *= 1 - s.R
	}
	if p.Combine {
		r.Best = 1 - left
		r.Covered = r.Best > e.Weight
		return r
	}
	r.Covered = r.Count >= p.depth()
	return r
}

// Rating is how well a set of means overlaps the threats.
type Rating struct {
	Covered  int
	K        float64 // share of the edges that are removed; 1 without edges
	Weighted float64 // the same by weight; 1 where nothing has weight
	Full     bool
	Open     []int    // edges that remain, ascending
	Single   []Single // removed edges that one means alone holds
	Least    int      // how many means exceed the weight on the edge where the fewest do; 0 without edges
}

// Single is an edge that opens again when one means is taken away. Where strengths combine there may be several such means.
type Single struct {
	Edge  int
	Means []int
}

// Rate rates the chosen means.
func (p *Problem) Rate(chosen []bool) Rating {
	out := Rating{K: 1, Weighted: 1, Full: true}
	var all, covered, heaviest float64
	for i := range p.Edges {
		heaviest = max(heaviest, p.Edges[i].Weight)
	}
	for i := range p.Edges {
		r := p.Reach(i, chosen)
		share := 0.0 // of the heaviest, so that sums stay finite
		if heaviest > 0 {
			share = p.Edges[i].Weight / heaviest
		}
		if i == 0 || r.Count < out.Least {
			out.Least = r.Count
		}
		all += share
		if !r.Covered {
			out.Open = append(out.Open, i)
			continue
		}
		out.Covered++
		covered += share
		if means := p.critical(i, r, chosen); len(means) > 0 {
			out.Single = append(out.Single, Single{Edge: i, Means: means})
		}
	}
	out.Full = len(out.Open) == 0
	if len(p.Edges) > 0 {
		out.K = float64(out.Covered) / float64(len(p.Edges))
	}
	switch {
	case out.Full: // exactly 1, whatever the order of summation
	case all > 0:
		out.Weighted = min(1, covered/all)
	default:
		out.Weighted = out.K
	}
	return out
}

// critical lists the means without which a removed edge would have none that exceeds its weight.
func (p *Problem) critical(edge int, r Reach, chosen []bool) (means []int) {
	e := &p.Edges[edge]
	if !p.Combine {
		if r.Count != 1 {
			return nil
		}
		for _, s := range e.Means {
			if chosen[s.Mean] && s.R > e.Weight {
				return []int{s.Mean}
			}
		}
		return nil
	}
	// Products before and after each means, so that no division by 1-r is needed.
	var in []Strength
	for _, s := range e.Means {
		if chosen[s.Mean] {
			in = append(in, s)
		}
	}
	after := make([]float64, len(in)+1)
	after[len(in)] = 1
	for i := len(in) - 1; i >= 0; i-- {
		after[i] = after[i+1] * (1 - in[i].R)
	}
	before := 1.0
	for i, s := range in {
		if !(1-before*after[i+1] > e.Weight) {
			means = append(means, s.Mean)
		}
		before *= 1 - s.R
	}
	return means
}

// Gain is what one means does for a choice.
type Gain struct {
	Covers int // edges whose weight it exceeds by itself
	Change int // removed edges that are lost without it if it is chosen, or that it would add if it is not
}

// Gains tells for each means what it does beside the chosen ones.
func (p *Problem) Gains(chosen []bool) []Gain {
	out := make([]Gain, len(p.Costs))
	for i := range p.Edges {
		e := &p.Edges[i]
		r := p.Reach(i, chosen)
		left := 1.0
		if p.Combine && !r.Covered {
			for _, s := range e.Means {
				if chosen[s.Mean] {
					left *= 1 - s.R
				}
			}
		}
		for _, s := range e.Means {
			alone := s.R > e.Weight
			if alone {
				out[s.Mean].Covers++
			}
			switch {
			case p.Combine && !chosen[s.Mean] && !r.Covered && 1-left*(1-s.R) > e.Weight,
				!p.Combine && alone && !chosen[s.Mean] && r.Count+1 == p.depth(),
				!p.Combine && alone && chosen[s.Mean] && r.Count == p.depth():
				out[s.Mean].Change++
			}
		}
		if p.Combine && r.Covered {
			for _, m := range p.critical(i, r, chosen) {
				out[m].Change++
			}
		}
	}
	return out
}

// Barrier is an element of the five-tuple: a threat to an object with its probability, the damage, and the resistance of the means between them; 0 where there is none.
type Barrier struct{ Probability, Damage, Resistance float64 }

// Residual is the risk P·L·(1-R) that a barrier leaves, in the unit of the damage.
func (b Barrier) Residual() float64 { return b.Probability * b.Damage * (1 - b.Resistance) }

// Residual sums the risk that barriers leave, and gives the strength of the system, 1/sum; it is infinite, and ok false, when nothing is left.
func Residual(all []Barrier) (sum, strength float64, ok bool) {
	for _, b := range all {
		sum += b.Residual()
	}
	strength = 1 / sum
	if sum <= 0 || math.IsInf(strength, 0) {
		return sum, 0, false
	}
	return sum, strength, true
}
