package model

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

func (x *Codes) check(string, *Checker) {}
