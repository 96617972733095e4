package model

import (
	"maps"
	"slices"

	"redoubt/assess/codes"
)

// Codes is an access mechanism by codes: subject and object codes of n bits, access where at least m bits agree by the function phi (formulas 3.19 to 3.28).
type Codes struct {
	Phi       string      `yaml:"phi,omitempty" json:"phi,omitempty"`               // subset, and, xnor, or any of the 16 as four digits: its values at 00, 01, 10, 11
	N         int         `yaml:"n,omitempty" json:"n,omitempty"`                   // bits; 0: as few as the wanted degree needs
	M         int         `yaml:"m,omitempty" json:"m,omitempty"`                   // default: n for subset and xnor, 1 for and
	Degree    float64     `yaml:"degree,omitempty" json:"degree,omitempty"`         // wanted: the relative degree of protection, 0 to 1; default 1
	Measure   string      `yaml:"measure,omitempty" json:"measure,omitempty"`       // which degree is wanted: relative, absolute, minimum
	Ring      *Ring       `yaml:"ring,omitempty" json:"ring,omitempty"`             // a linear hierarchy
	TreeDepth int         `yaml:"tree_depth,omitempty" json:"tree_depth,omitempty"` // a complete binary tree of so many levels
	Nodes     []CodeNode  `yaml:"nodes,omitempty" json:"nodes,omitempty"`           // any hierarchy
	Matrix    *CodeMatrix `yaml:"matrix,omitempty" json:"matrix,omitempty"`         // any matrix of permitted accesses
	Effort    float64     `yaml:"effort,omitempty" json:"effort,omitempty"`         // how many million steps an exact search may take; default 5
	Source    string      `yaml:"source,omitempty" json:"source,omitempty"`
}

// Ring is a linear hierarchy of levels, the first the innermost: subjects of a level may reach objects of their own level and of those outside it.
type Ring struct {
	Levels   int   `yaml:"levels" json:"levels"`
	Subjects []int `yaml:"subjects,omitempty" json:"subjects,omitempty"` // by level; default one each
	Objects  []int `yaml:"objects,omitempty" json:"objects,omitempty"`
}

// CodeNode is a node of a hierarchy with one subject and one object; its subject may reach the objects of the node itself and of all below it.
type CodeNode struct {
	Name  string   `yaml:"name" json:"name"`
	Below []string `yaml:"below,omitempty" json:"below,omitempty"` // the nodes right below it
}

// CodeMatrix says who may reach what: a row for each subject.
type CodeMatrix struct {
	Subjects  []string            `yaml:"subjects" json:"subjects"`
	Objects   []string            `yaml:"objects" json:"objects"`
	Permitted map[string][]string `yaml:"permitted" json:"permitted"` // by subject
}

const (
	maxEffort = 1000 // million steps: minutes
	minDegree = 1e-6 // less is no protection, and makes sums overflow
)

func (x *Codes) check(path string, c *Checker) {
	if x == nil {
		return
	}
	if phi, err := codes.ParsePhi(x.Phi); err != nil {
		c.Bad(path+".phi", "%v", err)
	} else if phi == 0 {
		c.Bad(path+".phi", "this function grants nothing, so required accesses would be denied; take another, as subset")
	}
	if x.N < 0 || x.N > codes.MaxBits {
		c.Bad(path+".n", "codes of %d bits can not be computed with; 1 to %d bits can, and 0 finds the fewest", x.N, codes.MaxBits)
	}
	most := x.N
	if most <= 0 {
		most = codes.MaxBits
	}
	if x.M < 0 || x.M > most {
		c.Bad(path+".m", "%d agreeing bits; 1 to %d can be asked for, and 0 takes what is usual for the function", x.M, most)
	}
	if c.Finite(path+".degree", x.Degree) && x.Degree != 0 && (x.Degree < minDegree || x.Degree > 1) {
		c.Bad(path+".degree", "a degree of protection of %v is wanted; it is greater than 0 and at most 1", x.Degree)
	}
	c.OneOf(path+".measure", x.Measure, string(codes.Relative), string(codes.Absolute), string(codes.Minimum))
	if c.Finite(path+".effort", x.Effort) && (x.Effort < 0 || x.Effort > maxEffort) {
		c.Bad(path+".effort", "%v million steps; 0 to %d can be asked for, and 0 is the default", x.Effort, maxEffort)
	}
	forms := 0
	for _, there := range []bool{x.Ring != nil, x.TreeDepth != 0, len(x.Nodes) > 0, x.Matrix != nil} {
		if there {
			forms++
		}
	}
	if forms != 1 {
		c.Bad(path, "who may reach what is said in %d ways; one of ring, tree_depth, nodes and matrix is needed", forms)
	}
	if x.TreeDepth < 0 || x.TreeDepth > codes.MostTreeLevels {
		c.Bad(path+".tree_depth", "a complete binary tree of %d levels; 1 to %d can be computed with", x.TreeDepth, codes.MostTreeLevels)
	}
	x.Ring.check(path+".ring", c)
	checkNodes(path+".nodes", x.Nodes, c)
	x.Matrix.check(path+".matrix", c)
}

func (x *Ring) check(path string, c *Checker) {
	if x == nil {
		return
	}
	if x.Levels < 1 || x.Levels > codes.MostNodes {
		c.Bad(path+".levels", "a ring of %d levels; 1 to %d can be computed with", x.Levels, codes.MostNodes)
	}
	for _, side := range []struct {
		name   string
		counts []int
	}{{"subjects", x.Subjects}, {"objects", x.Objects}} {
		if side.counts == nil {
			continue
		}
		if len(side.counts) != x.Levels {
			c.Bad(path+"."+side.name, "there are %d numbers for %d levels; one for each is needed", len(side.counts), x.Levels)
		}
		sum := 0
		for i, n := range side.counts {
			if n < 0 || n > codes.MostNodes {
				c.Bad(Item(path+"."+side.name, i), "%d %s on a level; 0 to %d can be computed with", n, side.name, codes.MostNodes)
				sum = 1 // this is said already
				break
			}
			sum += n
		}
		if sum < 1 || sum > codes.MostNodes {
			c.Bad(path+"."+side.name, "%d %s together; 1 to %d can be computed with", sum, side.name, codes.MostNodes)
		}
	}
}

func checkNodes(path string, nodes []CodeNode, c *Checker) {
	if len(nodes) > codes.MostNodes {
		c.Bad(path, "there are %d nodes; at most %d can be computed with", len(nodes), codes.MostNodes)
		return
	}
	before := len(c.faults)
	c.Names(path, "name", collect(nodes, func(n CodeNode) string { return n.Name }))
	known := map[string]bool{}
	for _, n := range nodes {
		known[n.Name] = true
	}
	var same []codes.Node
	for i, n := range nodes {
		for k, b := range n.Below {
			if !known[b] {
				c.Bad(Item(Item(path, i)+".below", k), "there is no node %q", b)
			}
		}
		same = append(same, codes.Node(n))
	}
	if len(c.faults) > before {
		return
	}
	if _, err := codes.FromNodes(same); err != nil {
		c.Bad(path, "%v", err)
	}
}

func (x *CodeMatrix) check(path string, c *Checker) {
	if x == nil {
		return
	}
	known := map[string]map[string]bool{}
	for _, side := range []struct {
		name  string
		names []string
	}{{"subjects", x.Subjects}, {"objects", x.Objects}} {
		if len(side.names) == 0 || len(side.names) > codes.MostNodes {
			c.Bad(path+"."+side.name, "there are %d; 1 to %d can be computed with", len(side.names), codes.MostNodes)
		}
		known[side.name] = map[string]bool{}
		for i, n := range side.names {
			at := Item(path+"."+side.name, i)
			switch {
			case n == "":
				c.Bad(at, "it has no name")
			case known[side.name][n]:
				c.Bad(at, "%q is there twice; a name stands for one", n)
			}
			known[side.name][n] = true
		}
	}
	for _, s := range slices.Sorted(maps.Keys(x.Permitted)) {
		if !known["subjects"][s] {
			c.Bad(path+".permitted."+s, "there is no subject %q", s)
		}
		for i, o := range x.Permitted[s] {
			if !known["objects"][o] {
				c.Bad(Item(path+".permitted."+s, i), "there is no object %q", o)
			}
		}
	}
}
