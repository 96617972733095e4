package assess

import (
	"slices"
	"strings"

	"redoubt/assess/codes"
	"redoubt/assess/model"
)

// Codes is section codes of the report: codes of subjects and objects that grant every permitted access, and how few others.
type Codes struct {
	Trace Trace `json:"trace"`

	N            int               `json:"n"` // length of the codes
	M            int               `json:"m"` // agreeing bits that access needs
	Phi          string            `json:"phi"`
	Class        string            `json:"class"`        // of the function: functions of a class protect alike
	Subjects     map[string]string `json:"subjects"`     // their codes
	Objects      map[string]string `json:"objects"`      // their codes
	Permitted    int               `json:"permitted"`    // accesses
	Forbidden    int               `json:"forbidden"`    // accesses
	Inadmissible int               `json:"inadmissible"` // accesses that the codes grant and that are not permitted
	Pairs        []CodePair        `json:"pairs"`        // the first of these, at most 1000
	PAbs         float64           `json:"P_abs"`
	PRel         float64           `json:"P_rel"`
	PMin         float64           `json:"P_min"`
	PMax         float64           `json:"P_max"`
	LowerBound   int               `json:"lower_bound"` // no codes of this kind have fewer inadmissible accesses
	Proved       bool              `json:"proved"`      // that there are no better codes of this kind
	Method       string            `json:"method"`      // how the codes were found
	Bound        string            `json:"bound"`       // where the lower bound comes from
	Level        LinearLevel       `json:"linear_hierarchy"`
	Worst        []CodeObject      `json:"worst"`            // objects with inadmissible accesses, the most first, at most 100
	Design       *CodeDesign       `json:"design,omitempty"` // where the length was to be found
	Matrix       *CodeMatrix       `json:"matrix,omitempty"` // up to 256 subjects and objects
}

// LinearLevel is how many levels of a ring the mechanism can tell apart; where the search did not settle it, between which numbers.
type LinearLevel struct {
	Low  int `json:"low"`
	High int `json:"high"`
}

// CodePair is an inadmissible access.
type CodePair struct {
	Subject string `json:"subject"`
	Object  string `json:"object"`
}

// CodeObject is how well an object is protected.
type CodeObject struct {
	Object       string  `json:"object"`
	Permitted    int     `json:"permitted"`    // subjects
	Inadmissible int     `json:"inadmissible"` // subjects
	PRel         float64 `json:"P_rel"`
}

// CodeDesign is how the length of the codes was found.
type CodeDesign struct {
	Measure string  `json:"measure"` // relative, absolute, minimum
	Degree  float64 `json:"degree"`  // that was wanted
	Reached bool    `json:"reached"`
	Least   bool    `json:"least"`  // it is proved that no fewer bits reach it
	Fewest  int     `json:"fewest"` // that no fewer bits than these reach it is proved
}

// CodeMatrix is who reaches what, a row for each subject: # permitted, x inadmissible, . denied.
type CodeMatrix struct {
	Subjects []string `json:"subjects"`
	Objects  []string `json:"objects"`
	Rows     []string `json:"rows"`
}

// What of large relations is listed.
const (
	mostCodePairs   = 1000
	mostCodeObjects = 100
	mostCodeMatrix  = 256
	codesSeed       = 1
)

func (r *run) codes() error {
	x := r.model.Codes
	if x == nil {
		return nil
	}
	h, input, err := codeHierarchy(x)
	if err != nil {
		return err
	}
	phi, err := codes.ParsePhi(x.Phi)
	if err != nil {
		return err
	}
	out := &Codes{Trace: Trace{
		Formulas: []string{"3.19", "3.20", "3.21", "3.22", "3.23", "3.24", "3.25", "3.26", "3.27", "3.28", "H.classes", "H.level", "H.relative", "H.bound"},
		Inputs:   []string{"codes.phi", "codes." + input},
	}}
	out.Trace.source(x.Source)
	options := codes.Options{Effort: x.Effort, Seed: codesSeed, Progress: func(done float64) { r.tell(SectionCodes, done) }}
	var s *codes.Solution
	if x.N > 0 {
		m := x.M
		if m == 0 {
			m = codes.DefaultM(phi, x.N)
		}
		out.Trace.Inputs = append(out.Trace.Inputs, "codes.n")
		if s, err = codes.Solve(r.ctx, h, codes.Mechanism{Phi: phi, N: x.N, M: m}, options); err != nil {
			return err
		}
	} else {
		wish := codes.Wish{Phi: phi, M: x.M, Degree: codes.Degree(x.Measure), AtLeast: x.Degree, Options: options}
		if wish.AtLeast == 0 {
			wish.AtLeast = 1
		}
		if wish.Degree == "" {
			wish.Degree = codes.Relative
		}
		plan, err := codes.Design(r.ctx, h, wish)
		if err != nil {
			return err
		}
		s = plan.Solution
		out.Design = &CodeDesign{Measure: string(wish.Degree), Degree: wish.AtLeast, Reached: plan.Reached, Least: plan.Least, Fewest: plan.Fewest}
		out.Trace.Formulas = append(out.Trace.Formulas, "H.design", "H.zero")
		if !plan.Reached {
			r.note(SectionCodes, "codes.degree", "no codes of up to %d bits were found that reach a %s degree of protection of %v; these are the best", s.Mechanism.N, wish.Degree, wish.AtLeast)
		}
	}
	out.Trace.Formulas = append(out.Trace.Formulas, codeFormulas(x, s.Mechanism)...)
	if err := out.fill(h, s); err != nil {
		return err
	}
	if !out.Proved {
		r.note(SectionCodes, "codes", "that %d inadmissible accesses are the fewest is not proved: no codes have fewer than %d (%s)", out.Inadmissible, out.LowerBound, s.Bound)
	}
	r.report.Codes = out
	return nil
}

// codeFormulas are the formulas that only some hierarchies and mechanisms need.
func codeFormulas(x *model.Codes, g codes.Mechanism) []string {
	var t Trace
	switch {
	case x.Ring != nil && x.Ring.Subjects == nil && x.Ring.Objects == nil:
		t.Formulas = append(t.Formulas, "H.ring")
	case x.Ring != nil:
		t.Formulas = append(t.Formulas, "H.ring", "H.rings")
	case x.TreeDepth > 0:
		t.Formulas = append(t.Formulas, "H.tree")
	}
	switch class, _ := g.Phi.Class(); {
	case class == "or" && g.M == g.N:
		t.Formulas = append(t.Formulas, "H.ideals")
	case class == "and" && g.M == 1:
		t.Formulas = append(t.Formulas, "H.cover", "H.response")
	default:
		t.Formulas = append(t.Formulas, "H.response")
	}
	return t.Formulas
}

// codeHierarchy is the hierarchy of a model, and the entry that says it.
func codeHierarchy(x *model.Codes) (h *codes.Hierarchy, input string, err error) {
	switch {
	case x.Ring != nil:
		one := slices.Repeat([]int{1}, x.Ring.Levels)
		ring := codes.Ring{Subjects: x.Ring.Subjects, Objects: x.Ring.Objects}
		if ring.Subjects == nil {
			ring.Subjects = one
		}
		if ring.Objects == nil {
			ring.Objects = one
		}
		h, err = codes.FromRing(ring)
		return h, "ring", err
	case x.TreeDepth > 0:
		h, err = codes.FromTree(x.TreeDepth)
		return h, "tree_depth", err
	case len(x.Nodes) > 0:
		nodes := make([]codes.Node, len(x.Nodes))
		for i, n := range x.Nodes {
			nodes[i] = codes.Node(n)
		}
		h, err = codes.FromNodes(nodes)
		return h, "nodes", err
	}
	relation := codes.NewRelation(x.Matrix.Subjects, x.Matrix.Objects)
	at := map[string]int{}
	for j, o := range x.Matrix.Objects {
		at[o] = j
	}
	for i, s := range x.Matrix.Subjects {
		for _, o := range x.Matrix.Permitted[s] {
			relation.Permit(i, at[o])
		}
	}
	h, err = codes.FromRelation(relation)
	return h, "matrix", err
}

// fill takes over a solution and measures it.
func (c *Codes) fill(h *codes.Hierarchy, s *codes.Solution) error {
	g := s.Mechanism
	d, err := codes.Measure(h.Relation, g, s.A, s.B, mostCodePairs)
	if err != nil {
		return err
	}
	level, err := codes.LevelOf(g)
	if err != nil {
		return err
	}
	c.N, c.M, c.Phi = g.N, g.M, g.Phi.String()
	c.Class, _ = g.Phi.Class()
	c.Inadmissible, c.PAbs, c.PRel, c.PMin, c.PMax = d.Y, d.Absolute, d.Relative, d.Minimum, d.Maximum
	c.LowerBound, c.Proved, c.Method, c.Bound = s.LowerBound, s.Proved, s.Method, s.Bound
	c.Level = LinearLevel{level.Low, level.High}
	c.Pairs, c.Worst = []CodePair{}, []CodeObject{}
	c.Subjects, c.Objects = map[string]string{}, map[string]string{}
	for i, name := range h.Subjects {
		c.Subjects[name] = codes.Format(s.A[i], g.N)
	}
	for j, name := range h.Objects {
		c.Objects[name] = codes.Format(s.B[j], g.N)
		c.Permitted += d.Permitted[j]
		c.Forbidden += len(h.Subjects) - d.Permitted[j]
		if d.Inadmissible[j] > 0 {
			c.Worst = append(c.Worst, CodeObject{name, d.Permitted[j], d.Inadmissible[j], d.ByObject[j]})
		}
	}
	slices.SortStableFunc(c.Worst, func(a, b CodeObject) int { return b.Inadmissible - a.Inadmissible })
	c.Worst = c.Worst[:min(len(c.Worst), mostCodeObjects)]
	for _, p := range d.Pairs {
		c.Pairs = append(c.Pairs, CodePair{h.Subjects[p.Subject], h.Objects[p.Object]})
	}
	if len(h.Subjects) > mostCodeMatrix || len(h.Objects) > mostCodeMatrix {
		return nil
	}
	c.Matrix = &CodeMatrix{Subjects: h.Subjects, Objects: h.Objects}
	for i := range h.Subjects {
		var row strings.Builder
		for j := range h.Objects {
			switch {
			case h.Permitted(i, j):
				row.WriteByte('#')
			case g.Grants(s.A[i], s.B[j]):
				row.WriteByte('x')
			default:
				row.WriteByte('.')
			}
		}
		c.Matrix.Rows = append(c.Matrix.Rows, row.String())
	}
	return nil
}
