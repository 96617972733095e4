package codes

import (
	"fmt"
	"slices"
)

// Hierarchy is what codes are wanted for: a relation, and what is known of its form.
type Hierarchy struct {
	*Relation
	ring *Ring
	tree int // levels of a complete binary tree
}

// MostNodes is the most subjects, and the most objects, that codes are computed for.
const MostNodes = 2048

// FromNodes is a hierarchy of any form. A cycle, a name that is there twice or one that is nowhere is an error.
func FromNodes(nodes []Node) (*Hierarchy, error) {
	if len(nodes) > MostNodes {
		return nil, fmt.Errorf("%d nodes; at most %d can be computed with", len(nodes), MostNodes)
	}
	r, err := relationOf(nodes)
	if err != nil {
		return nil, err
	}
	return &Hierarchy{Relation: r}, nil
}

// FromRing is a linear hierarchy; each level has a number of subjects and one of objects.
func FromRing(ring Ring) (*Hierarchy, error) {
	if len(ring.Subjects) != len(ring.Objects) || len(ring.Subjects) == 0 {
		return nil, fmt.Errorf("a ring with subjects on %d levels and objects on %d; it needs both for each level", len(ring.Subjects), len(ring.Objects))
	}
	for _, counts := range [][]int{ring.Subjects, ring.Objects} {
		sum := 0
		for l, n := range counts {
			if sum += n; n < 0 || sum > MostNodes || n > MostNodes {
				return nil, fmt.Errorf("level %d of the ring has %d subjects or objects; together at most %d can be computed with, and none can be negative", l+1, n, MostNodes)
			}
		}
	}
	return &Hierarchy{Relation: ring.relation(), ring: &ring}, nil
}

// PlainRing is a ring with one subject and one object on each level.
func PlainRing(levels int) (*Hierarchy, error) {
	if levels < 1 || levels > MostNodes {
		return nil, fmt.Errorf("a ring of %d levels; 1 to %d can be computed with", levels, MostNodes)
	}
	one := slices.Repeat([]int{1}, levels)
	return FromRing(Ring{Subjects: one, Objects: one})
}

// MostTreeLevels is the most levels of a complete binary tree.
const MostTreeLevels = 11

// FromTree is a complete binary tree, its root named 1 and the nodes below v named 2v and 2v+1.
func FromTree(levels int) (*Hierarchy, error) {
	if levels < 1 || levels > MostTreeLevels {
		return nil, fmt.Errorf("a complete binary tree of %d levels; 1 to %d can be computed with", levels, MostTreeLevels)
	}
	return &Hierarchy{Relation: treeRelation(levels), tree: levels}, nil
}

// FromRelation takes any relation, and finds out whether it is that of a hierarchy.
func FromRelation(r *Relation) (*Hierarchy, error) {
	if len(r.Subjects) > MostNodes || len(r.Objects) > MostNodes {
		return nil, fmt.Errorf("%d subjects and %d objects; at most %d of each can be computed with", len(r.Subjects), len(r.Objects), MostNodes)
	}
	r.Detect()
	return &Hierarchy{Relation: r}, nil
}

// bisection are the codes of the subjects of a complete binary tree by the step by step procedure: two bits a level, one for all left and one for all right
// subtrees of its nodes (H.tree). A last odd bit divides the next level in the left subtrees and the rest.
func bisection(levels, n int) []uint64 {
	a := make([]uint64, 1<<levels-1)
	mask := Mechanism{N: n}.mask()
	for v := range a {
		a[v] = mask
	}
	for step := 0; 2*step < n && step < levels-1; step++ {
		for v := range a {
			at := v + 1 // number of the node; the node of level step+1 above it decides
			for at >= 2<<(step+1) {
				at /= 2
			}
			if at < 2<<step { // above that level
				continue
			}
			if bit := n - 1 - 2*step - at%2; bit >= 0 {
				a[v] &^= 1 << bit
			}
		}
	}
	return a
}

// BisectionY is how many inadmissible accesses the bisection of a complete binary tree with so many levels leaves after k steps of two bits (H.tree).
func BisectionY(levels, k int) int {
	m := 1<<(levels-k) - 1
	return (m*m - (levels-k)<<(levels-k) + m) << k
}
