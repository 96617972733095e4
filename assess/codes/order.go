package codes

import (
	"fmt"
	"strconv"
	"strings"
)

// Node is a node of a hierarchy, with one subject and one object.
type Node struct {
	Name  string
	Below []string // the nodes right below it; all below those are below it as well
}

// relationOf is the relation of a hierarchy: a node's subject may reach the objects of the node and of all below it. A cycle is an error that prints it.
func relationOf(nodes []Node) (*Relation, error) {
	index := make(map[string]int, len(nodes))
	names := make([]string, len(nodes))
	for i, n := range nodes {
		if _, twice := index[n.Name]; twice {
			return nil, fmt.Errorf("node %q is there twice; a name stands for one node", n.Name)
		}
		index[n.Name], names[i] = i, n.Name
	}
	below := make([][]int, len(nodes))
	for i, n := range nodes {
		for _, b := range n.Below {
			j, ok := index[b]
			if !ok {
				return nil, fmt.Errorf("node %q has %q below it, and there is no such node", n.Name, b)
			}
			below[i] = append(below[i], j)
		}
	}
	rising, cycle := upwards(below)
	if cycle != nil {
		var path []string
		for _, i := range cycle {
			path = append(path, names[i])
		}
		return nil, fmt.Errorf("the hierarchy has a cycle: %s; a node can not be below itself", strings.Join(path, " > "))
	}
	r := NewRelation(names, names)
	for _, i := range rising {
		r.permit[i].add(i)
		for _, j := range below[i] {
			r.permit[i].or(r.permit[j])
		}
	}
	r.order = true
	return r, nil
}

// upwards puts the nodes in an order in which each comes after all below it, or finds a cycle: a path that ends where it began.
func upwards(below [][]int) (rising, cycle []int) {
	const fresh, open, done = 0, 1, 2
	state := make([]int, len(below))
	next := make([]int, len(below)) // child to be looked at
	for root := range below {
		if state[root] != fresh {
			continue
		}
		path := []int{root}
		state[root] = open
		for len(path) > 0 {
			v := path[len(path)-1]
			if next[v] == len(below[v]) {
				state[v] = done
				rising = append(rising, v)
				path = path[:len(path)-1]
				continue
			}
			w := below[v][next[v]]
			next[v]++
			switch state[w] {
			case open:
				for path[0] != w {
					path = path[1:]
				}
				return nil, append(path, w)
			case fresh:
				state[w] = open
				path = append(path, w)
			}
		}
	}
	return rising, nil
}

// treeRelation is that of a complete binary tree of so many levels, its root named 1 and the nodes below v named 2v and 2v+1.
func treeRelation(levels int) *Relation {
	n := 1<<levels - 1
	names := make([]string, n)
	for i := range names {
		names[i] = strconv.Itoa(i + 1)
	}
	r := NewRelation(names, names)
	for i := n - 1; i >= 0; i-- {
		r.permit[i].add(i)
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < n {
				r.permit[i].or(r.permit[child])
			}
		}
	}
	r.order = true
	return r
}

// Detect finds out whether a relation with as many subjects as objects is that of a hierarchy, subject i and object i being a node.
func (r *Relation) Detect() {
	n := len(r.Subjects)
	r.order = false
	if n != len(r.Objects) {
		return
	}
	for i, row := range r.permit {
		if !row.has(i) {
			return
		}
		ok := true
		row.each(func(j int) {
			ok = ok && (i == j || !r.permit[j].has(i) && r.permit[j].within(row))
		})
		if !ok {
			return
		}
	}
	r.order = true
}

// rising are the nodes of a hierarchy, each after all below it.
func (r *Relation) rising() []int {
	below := make([][]int, len(r.permit))
	for i, row := range r.permit {
		row.each(func(j int) {
			if i != j {
				below[i] = append(below[i], j)
			}
		})
	}
	out, _ := upwards(below)
	return out
}

// longestChain is a longest chain of the nodes of a hierarchy that are in `of`, from the lowest upwards; rising is that of the relation.
func (r *Relation) longestChain(of set, rising []int) []int {
	length, under := make([]int, len(r.permit)), make([]int, len(r.permit))
	last := -1
	for _, i := range rising {
		if !of.has(i) {
			continue
		}
		length[i], under[i] = 1, -1
		r.permit[i].each(func(j int) {
			if j != i && of.has(j) && length[j] >= length[i] {
				length[i], under[i] = length[j]+1, j
			}
		})
		if last < 0 || length[i] > length[last] {
			last = i
		}
	}
	var out []int
	for i := last; i >= 0; i = under[i] {
		out = append(out, i)
	}
	for a, b := 0, len(out)-1; a < b; a, b = a+1, b-1 {
		out[a], out[b] = out[b], out[a]
	}
	return out
}

// antichain is a largest set of nodes of a hierarchy none of which is above another: by Dilworth's and König's theorems from a largest matching of each node to one
// strictly below it.
func (r *Relation) antichain() set {
	n := len(r.permit)
	strict := make([]set, n)
	for i := range strict {
		strict[i] = r.permit[i].clone()
		strict[i].remove(i)
	}
	upper, lower := make([]int, n), make([]int, n) // partner of a node as the lower one, and as the upper one
	for i := range n {
		upper[i], lower[i] = -1, -1
	}
	for i := range n {
		augment(strict, i, upper, lower)
	}
	// From the unmatched upper ends along edges down and matched edges back: König's cover is the upper ends not reached and the lower ends reached.
	reachedUpper, reachedLower := newSet(n), newSet(n)
	var queue []int
	for i := range n {
		if lower[i] < 0 {
			reachedUpper.add(i)
			queue = append(queue, i)
		}
	}
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		strict[i].each(func(j int) {
			if reachedLower.has(j) {
				return
			}
			reachedLower.add(j)
			if k := upper[j]; k >= 0 && !reachedUpper.has(k) {
				reachedUpper.add(k)
				queue = append(queue, k)
			}
		})
	}
	reachedUpper.less(reachedLower)
	return reachedUpper
}

// augment looks for a path, breadth first, on which the matching grows by the node i as an upper end.
func augment(strict []set, i int, upper, lower []int) {
	n := len(strict)
	free := fullSet(n) // lower ends not yet seen
	from := make([]int, n)
	queue := []int{i}
	candidates := newSet(n)
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		copy(candidates, strict[v])
		candidates.and(free)
		free.less(candidates)
		end := -1
		candidates.each(func(j int) {
			from[j] = v
			if upper[j] < 0 && end < 0 {
				end = j
			}
			if upper[j] >= 0 {
				queue = append(queue, upper[j])
			}
		})
		if end >= 0 {
			for j := end; ; {
				v := from[j]
				previous := lower[v]
				lower[v], upper[j] = j, v
				if v == i {
					return
				}
				j = previous
			}
		}
	}
}
