package codes

import "fmt"

// lowerBound is a number of inadmissible accesses that no codes of a mechanism go below, and why (H.bound). most is the most pairs that one bit can block, where a
// bit blocks pairs (subset with m = n) and that is known; otherwise -1.
func lowerBound(r *Relation, g Mechanism, most int) (int, string) {
	best, why := 0, "none is needed"
	take := func(y int, text string) {
		if y > best {
			best, why = y, text
		}
	}
	x := r.shapeOf()
	codes := saturate(g.N)
	take(x.rows-codes, fmt.Sprintf("%d subjects with different rights for %d codes", x.rows, codes))
	take(x.columns-codes, fmt.Sprintf("%d objects with different rights for %d codes", x.columns, codes))
	blocks := g.M == g.N && g.Phi.isOr()
	if blocks && most >= 0 {
		take(x.forbidden-g.N*most, fmt.Sprintf("each of the %d bits blocks at most %d of the %d forbidden pairs", g.N, most, x.forbidden))
	}
	if !r.order {
		return best, why
	}
	n := len(r.permit)
	take(turan(n, codes), fmt.Sprintf("%d nodes for %d codes, by Turán's theorem", n, codes))
	if blocks {
		take(x.forbidden-g.N*(n*n/4), fmt.Sprintf("each of the %d bits blocks at most %d of the %d forbidden pairs", g.N, n*n/4, x.forbidden))
	}
	level, err := LevelOf(g)
	if err != nil {
		return best, why
	}
	take(rings(x.chains, level.High), fmt.Sprintf("disjoint chains, each a ring with level of linear hierarchy %d", level.High))
	nodes := 0
	for t, c := range x.chains { // what is proper between comparable nodes only is proper on chains alone, so the accesses that are missing are between incomparable ones
		nodes += c
		take(turan(nodes, level.High)-x.apart[t]+rings(x.chains[t+1:], level.High), fmt.Sprintf("%d nodes, of which %d pairs are not one above the other, as a ring with level of linear hierarchy %d", nodes, x.apart[t], level.High))
	}
	y := 2 * turan(x.width, codes) // equal codes of incomparable nodes cost two accesses
	if blocks {
		y = max(y, turan(x.width, choose(g.N, g.N/2))) // codes none of which is part of another: Sperner's theorem
	}
	take(y+rings(x.others, level.High), fmt.Sprintf("%d nodes none of which is above another, and disjoint chains of the others", x.width))
	return best, why
}

// rings is what disjoint chains cost at least.
func rings(chains []int, level int) int {
	sum := 0
	for _, c := range chains {
		sum += turan(c, level)
	}
	return sum
}

const chainSteps = 100_000_000 // that the search for chains may take

// shape is what the bounds use of a relation; it does not depend on the codes.
type shape struct {
	forbidden, rows, columns int
	height, width            int   // of a hierarchy
	chains                   []int // lengths of disjoint chains that are all nodes, each the longest of what is left
	apart                    []int // pairs of nodes of as many of these chains that are not one above the other
	others                   []int // the same without a largest antichain
}

// shapeOf is the shape of a relation; it is computed once, so the relation must not change after.
func (r *Relation) shapeOf() *shape {
	r.once.Do(func() {
		x := &shape{forbidden: r.forbidden(), rows: distinct(r.permit), columns: distinct(r.wanted())}
		r.shape = x
		if !r.order {
			return
		}
		rising := r.rising()
		rounds := 1 + chainSteps/(1+len(r.permit)*len(r.permit)-x.forbidden) // fewer chains are a bound as well
		chains := func(of set, each func([]int)) (lengths []int) {
			for range rounds {
				if of.empty() {
					break
				}
				chain := r.longestChain(of, rising)
				lengths = append(lengths, len(chain))
				each(chain)
				if len(chain) == 1 { // and so are all others, which cost nothing
					break
				}
				for _, i := range chain {
					of.remove(i)
				}
			}
			return lengths
		}
		above, seen, apart := r.wanted(), newSet(len(r.permit)), 0
		x.chains = chains(fullSet(len(r.permit)), func(chain []int) {
			for _, i := range chain {
				apart += seen.count() - seen.countAnd(r.permit[i]) - seen.countAnd(above[i])
			}
			for _, i := range chain {
				seen.add(i)
			}
			x.apart = append(x.apart, apart)
		})
		x.height = x.chains[0]
		wide := r.antichain()
		x.width = wide.count()
		rest := fullSet(len(r.permit))
		rest.less(wide)
		x.others = chains(rest, func([]int) {})
	})
	return r.shape
}

func (p Phi) isOr() bool {
	c, _, _ := p.class()
	return c == classOr
}

// distinct is the number of different sets.
func distinct(sets []set) int {
	seen := map[string]bool{}
	for _, s := range sets {
		seen[s.key()] = true
	}
	return len(seen)
}

// key is a set as a key of a map.
func (s set) key() string {
	b := make([]byte, 0, 8*len(s))
	for _, w := range s {
		for k := range 8 {
			b = append(b, byte(w>>(8*k)))
		}
	}
	return string(b)
}
