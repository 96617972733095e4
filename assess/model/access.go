package model

// Access holds requests and what decides them.
type Access struct {
	Adept   *Adept   `yaml:"adept50,omitempty" json:"adept50,omitempty"`
	Hartson *Hartson `yaml:"hartson,omitempty" json:"hartson,omitempty"`
}

// Adept is the model ADEPT-50: profiles of users, terminals and files.
type Adept struct {
	Mode      string         `yaml:"mode,omitempty" json:"mode,omitempty"`     // strict: all modes of the file; request: the mode that is asked for
	Levels    []string       `yaml:"levels,omitempty" json:"levels,omitempty"` // names of the levels from the lowest, 0; profiles may use numbers
	Users     []AdeptProfile `yaml:"users" json:"users"`
	Terminals []AdeptProfile `yaml:"terminals" json:"terminals"`
	Files     []AdeptProfile `yaml:"files" json:"files"`
	Requests  []AdeptRequest `yaml:"requests" json:"requests"`
}

// AdeptProfile is the four-tuple of authority, category, franchise and mode.
type AdeptProfile struct {
	Name       string   `yaml:"name" json:"name"`
	Authority  string   `yaml:"authority" json:"authority"`                       // a name of a level, or its number
	Categories []string `yaml:"categories,omitempty" json:"categories,omitempty"` //
	Franchise  []string `yaml:"franchise,omitempty" json:"franchise,omitempty"`   // users
	Modes      []string `yaml:"modes,omitempty" json:"modes,omitempty"`           // as r, w, x
	Source     string   `yaml:"source,omitempty" json:"source,omitempty"`
}

// AdeptRequest is a user at a terminal who opens a file, or makes one. Requests of the same user at the same terminal are one session.
type AdeptRequest struct {
	User     string `yaml:"user" json:"user"`
	Terminal string `yaml:"terminal" json:"terminal"`
	File     string `yaml:"file,omitempty" json:"file,omitempty"`
	Mode     string `yaml:"mode,omitempty" json:"mode,omitempty"`
	Create   string `yaml:"create,omitempty" json:"create,omitempty"` // name of a new file
}

// Hartson is the five-dimensional security space of users, authorisations, resources, states and operations.
type Hartson struct {
	Mode           string                 `yaml:"mode,omitempty" json:"mode,omitempty"`       // element, or class
	Inner          string                 `yaml:"inner,omitempty" json:"inner,omitempty"`     // class: how conditions within a class combine: or, and
	Outer          string                 `yaml:"outer,omitempty" json:"outer,omitempty"`     // class: how classes combine: and, or
	Partial        bool                   `yaml:"partial,omitempty" json:"partial,omitempty"` // a request may be granted in part
	Groups         map[string][]string    `yaml:"groups,omitempty" json:"groups,omitempty"`   // of users; everybody is in GENERAL
	Units          map[string][]string    `yaml:"units,omitempty" json:"units,omitempty"`     // names for sets of resources
	Authorisations []HartsonAuthorisation `yaml:"authorisations" json:"authorisations"`
	Requests       []HartsonRequest       `yaml:"requests" json:"requests"`
}

// HartsonAuthorisation allows operations on a unit of resources to groups, under a condition on the state.
type HartsonAuthorisation struct {
	Name       string   `yaml:"name" json:"name"`
	Groups     []string `yaml:"groups" json:"groups"` // groups or users
	Operations []string `yaml:"operations" json:"operations"`
	Unit       []string `yaml:"unit" json:"unit"`                               // resources, or names of units
	Condition  string   `yaml:"condition,omitempty" json:"condition,omitempty"` // an expression of the state, as hour < 18; default: always
	Authorizer string   `yaml:"authorizer,omitempty" json:"authorizer,omitempty"`
	Source     string   `yaml:"source,omitempty" json:"source,omitempty"`
}

// HartsonRequest is a query q = (u, e, R', s).
type HartsonRequest struct {
	Name      string         `yaml:"name,omitempty" json:"name,omitempty"`
	User      string         `yaml:"user" json:"user"`
	Operation string         `yaml:"operation" json:"operation"`
	Resources []string       `yaml:"resources" json:"resources"`
	State     map[string]any `yaml:"state,omitempty" json:"state,omitempty"`
}

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

func (x *Access) check(string, *Checker) {}
func (x *Codes) check(string, *Checker)  {}
