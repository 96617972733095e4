package zones

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strings"
)

// Factor is a random factor that violates integrity: a regular flow of manifestations, and the effectiveness of what protects from it.
type Factor struct{ Rate, Effectiveness float64 }

// Manifests is the probability of at least one manifestation during the exposure, 1-exp(-λt).
func (f Factor) Manifests(exposure float64) float64 { return happens(-f.Rate * exposure) }

// Thinned is the logarithm of the probability that no factor violates integrity during the exposure, when each manifestation is stopped by itself.
func Thinned(factors []Factor, exposure float64) (intact float64) {
	for _, f := range factors {
		intact -= f.Rate * (1 - f.Effectiveness) * exposure
	}
	return intact
}

// OneShot is the same when all manifestations of a factor during the exposure are stopped together or not at all. It is never below Thinned.
func OneShot(factors []Factor, exposure float64) (intact float64) {
	for _, f := range factors {
		if v := f.Manifests(exposure) * (1 - f.Effectiveness); v < 0.5 {
			intact += math.Log1p(-v)
		} else { // the same as a sum, where the difference would lose what is left
			intact += math.Log(f.Effectiveness + (1-f.Effectiveness)*math.Exp(-f.Rate*exposure))
		}
	}
	return intact
}

// Step is an object of a technological route.
type Step struct {
	Name     string  // for errors
	Intact   float64 // logarithm of the probability that integrity is not violated here
	After    []int   // steps whose output it takes, all of them
	Branches []Branch
}

// Branch is one of the alternatives that a step takes its input from; their probabilities sum to 1.
type Branch struct {
	After       int
	Probability float64
}

// Outcome is what is known of the output of a step.
type Outcome struct {
	Local     float64 // probability of a violation here
	Violation float64 // probability of a violation here or on the way here; the middle of the bounds where it is not exact
	Bounds    Band    // of Violation
	Exact     bool    // false where the alternatives on the way combine in too many ways
}

// Cycle is the error of a route that runs in a circle.
type Cycle struct{ Names []string }

func (c *Cycle) Error() string {
	return "the route runs in a circle: " + strings.Join(c.Names, " → ") + "; a route has a beginning: take one of these inputs out"
}

// routeStates bounds the memory that combinations of alternatives take: the number of those that are remembered times the steps, in bits.
const routeStates = 64 << 23

// Route computes, for each step, the probability that its output is violated: by a violation there or at any step before it, each counted once however many ways lead from
// it. Alternatives are conditioned on: the mixture over what each step with branches takes, so that steps that alternatives share are counted once too.
func Route(steps []Step) ([]Outcome, error) {
	order, err := Order(steps)
	if err != nil {
		return nil, err
	}
	r := &route{steps: steps, order: order, at: make([]int, len(steps)), words: (len(steps) + 63) / 64, memory: map[string]float64{}}
	r.states = min(200_000, routeStates/max(1, r.words*64))
	for i, v := range order {
		r.at[v] = i
	}
	out := make([]Outcome, len(steps))
	r.closure = make([][]uint64, len(steps))
	widest := make([]float64, len(steps)) // for steps that are not exact: the probability of a violation at most, by all steps that may be on the way
	every := make([][]uint64, len(steps))
	for i, v := range order {
		s := &steps[v]
		own, all := make([]uint64, r.words), make([]uint64, r.words)
		own[i/64] |= 1 << (i % 64)
		for _, a := range s.After {
			unite(own, r.closure[r.at[a]])
			unite(all, every[r.at[a]])
		}
		for _, b := range s.Branches {
			unite(all, every[r.at[b.After]])
		}
		unite(all, own)
		r.closure[i], every[i] = own, all
		out[v].Local = happens(s.Intact)
		r.spent = 0
		intact, ok := r.intact(own)
		if ok {
			p := happens(intact)
			out[v].Violation, out[v].Bounds, out[v].Exact = p, Band{p, p}, true
			continue
		}
		// At least what the better known of its inputs says; at most what every step that may be on the way says.
		least := 0.0
		for _, a := range s.After {
			least = max(least, out[a].Bounds.Lo)
		}
		var mixed float64
		for _, b := range s.Branches {
			mixed += b.Probability * out[b.After].Bounds.Lo
		}
		least = Any(out[v].Local, min(1, max(least, mixed)))
		widest[v] = happens(r.sum(all, 0))
		out[v].Bounds = Band{min(least, widest[v]), widest[v]}
		out[v].Violation = (out[v].Bounds.Lo + out[v].Bounds.Hi) / 2
	}
	return out, nil
}

type route struct {
	steps   []Step
	order   []int      // steps in an order in which each comes after its inputs
	at      []int      // where a step stands in it
	words   int        //
	closure [][]uint64 // by place: the step and all that it surely rests on
	memory  map[string]float64
	states  int // how many results may be remembered
	spent   int // how many were sought for this step
}

func unite(to, from []uint64) {
	for i, w := range from {
		to[i] |= w
	}
}

// sum adds up the logarithms of a set of places, from a place on.
func (r *route) sum(set []uint64, from int) (sum float64) {
	for w := from / 64; w < len(set); w++ {
		word := set[w]
		if w == from/64 {
			word &= math.MaxUint64 << (from % 64)
		}
		for word != 0 {
			sum += r.steps[r.order[w*64+bits.TrailingZeros64(word)]].Intact
			word &= word - 1
		}
	}
	return sum
}

// intact is the logarithm of the probability that nothing is violated in a set of places, closed under what each surely rests on. The last step of the set that has
// alternatives is conditioned on; whatever comes after it is certain, and what is before it is the set that remains, with what the alternative brings.
func (r *route) intact(set []uint64) (float64, bool) {
	last := -1
search:
	for w := len(set) - 1; w >= 0; w-- {
		for word := set[w]; word != 0; {
			b := 63 - bits.LeadingZeros64(word)
			if len(r.steps[r.order[w*64+b]].Branches) > 0 {
				last = w*64 + b
				break search
			}
			word &^= 1 << b
		}
	}
	if last < 0 {
		return r.sum(set, 0), true
	}
	certain := r.sum(set, last)
	rest := make([]uint64, r.words)
	copy(rest, set)
	for w := range rest { // what is left of it before the step
		switch {
		case w > last/64:
			rest[w] = 0
		case w == last/64:
			rest[w] &= 1<<(last%64) - 1
		}
	}
	key := make([]byte, 8*(last/64+1)+4)
	binary.LittleEndian.PutUint32(key, uint32(last))
	for w := range last/64 + 1 {
		binary.LittleEndian.PutUint64(key[4+8*w:], rest[w])
	}
	if v, ok := r.memory[string(key)]; ok {
		return certain + v, true
	}
	if r.spent++; r.spent > r.states || len(r.memory) >= r.states {
		return 0, false
	}
	var violated float64
	for _, b := range r.steps[r.order[last]].Branches {
		if b.Probability == 0 {
			continue
		}
		with := append([]uint64(nil), rest...)
		unite(with, r.closure[r.at[b.After]])
		v, ok := r.intact(with)
		if !ok {
			return 0, false
		}
		violated += b.Probability * happens(v)
	}
	mixed := math.Log1p(-min(1, violated))
	r.memory[string(key)] = mixed
	return certain + mixed, true
}

// inputs lists all steps that a step takes or may take its input from.
func (s *Step) inputs() []int {
	all := append([]int(nil), s.After...)
	for _, b := range s.Branches {
		all = append(all, b.After)
	}
	return all
}

// Order is an order of the steps in which each comes after its inputs; the error of a route without one is a *Cycle. It walks without recursion, so that a long route takes no stack.
func Order(steps []Step) ([]int, error) {
	const (
		unseen = iota
		open
		done
	)
	state := make([]int, len(steps))
	var order, path []int
	var left [][]int // inputs that are still to be walked, by depth
	for start := range steps {
		if state[start] != unseen {
			continue
		}
		path, left = append(path[:0], start), append(left[:0], steps[start].inputs())
		state[start] = open
		for len(path) > 0 {
			top := len(path) - 1
			if len(left[top]) == 0 {
				state[path[top]] = done
				order = append(order, path[top])
				path, left = path[:top], left[:top]
				continue
			}
			next := left[top][0]
			left[top] = left[top][1:]
			if next < 0 || next >= len(steps) {
				return nil, fmt.Errorf("step %s takes its input from step number %d, and there are %d", steps[path[top]].Name, next, len(steps))
			}
			switch state[next] {
			case unseen:
				state[next] = open
				path, left = append(path, next), append(left, steps[next].inputs())
			case open:
				return nil, circle(steps, path, next)
			}
		}
	}
	return order, nil
}

// circleNames bounds how many names of a circle are printed.
const circleNames = 20

// circle names the steps of a circle in the direction of the route.
func circle(steps []Step, path []int, back int) *Cycle {
	c := &Cycle{Names: []string{steps[back].Name}}
	for i := len(path) - 1; i >= 0; i-- {
		if len(c.Names) == circleNames && path[i] != back {
			c.Names = append(c.Names, "...")
			break
		}
		if path[i] == back {
			break
		}
		c.Names = append(c.Names, steps[path[i]].Name)
	}
	c.Names = append(c.Names, steps[back].Name)
	return c
}
