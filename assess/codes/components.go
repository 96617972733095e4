package codes

import "slices"

// components solves xnor with m = n: access is between equal codes, so all that required accesses connect have one code, and the codes divide the components.
func (s *solver) components() *Solution {
	r := s.h.Relation
	side, parts := r.components()
	groups := saturate(s.g.N)
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return parts[b][0] + parts[b][1] - parts[a][0] - parts[a][1]
	})
	var load [][2]int
	group, forced, unbound := make([]int, len(parts)), -r.required(), 0
	place := func(p int) {
		best, at := 0, -1
		for g, l := range load {
			if c := l[0]*parts[p][1] + l[1]*parts[p][0]; at < 0 || c < best {
				best, at = c, g
			}
		}
		if best > 0 && len(load) < groups || at < 0 {
			at = len(load)
			load = append(load, [2]int{})
		}
		group[p] = at
		load[at][0] += parts[p][0]
		load[at][1] += parts[p][1]
	}
	for _, p := range order {
		place(p)
		forced += parts[p][0] * parts[p][1]
		if parts[p][0] == 0 || parts[p][1] == 0 {
			unbound++
		}
	}
	for range 10 * min(1, len(parts)) { // each once more to where it costs least
		for _, p := range order {
			load[group[p]][0] -= parts[p][0]
			load[group[p]][1] -= parts[p][1]
			place(p)
		}
	}
	out := &Solution{A: make([]uint64, len(r.Subjects)), B: make([]uint64, len(r.Objects)), Method: "components of required access, divided among the codes",
		LowerBound: forced + 2*turan(len(parts)-unbound, groups), Bound: "components share a code as a whole; two with one code cost two accesses at least"}
	for i := range out.A {
		out.A[i] = uint64(group[side[0][i]])
	}
	for j := range out.B {
		out.B[j] = uint64(group[side[1][j]])
	}
	for _, l := range load {
		out.Y += l[0] * l[1]
	}
	out.Y -= r.required()
	return out
}

// components are the parts that required accesses connect: of each subject and each object its part, and of each part how many subjects and objects.
func (r *Relation) components() (side [2][]int, parts [][2]int) {
	wanted := r.wanted()
	side[0], side[1] = slices.Repeat([]int{-1}, len(r.Subjects)), slices.Repeat([]int{-1}, len(r.Objects))
	for which := range side {
		for start, p := range side[which] {
			if p >= 0 {
				continue
			}
			part := len(parts)
			parts = append(parts, [2]int{})
			queue := []Pair{{which, start}} // side and number
			side[which][start] = part
			for len(queue) > 0 {
				at := queue[0]
				queue = queue[1:]
				parts[part][at.Subject]++
				next := r.permit
				if at.Subject == 1 {
					next = wanted
				}
				next[at.Object].each(func(x int) {
					if other := 1 - at.Subject; side[other][x] < 0 {
						side[other][x] = part
						queue = append(queue, Pair{other, x})
					}
				})
			}
		}
	}
	return side, parts
}
