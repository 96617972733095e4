// Package codes is access by codes, model (h): subjects and objects have codes of n bits, and access is granted where at least m bits agree by a function φ of two
// bits. It measures how well given codes protect (formulas 3.19 to 3.28) and finds codes for a hierarchy or any matrix of permitted accesses: every required access
// granted, as few others as possible. What is proved to be the least is said to be, otherwise there is a lower bound beside it.
//
// All results are the same for the same input, effort and seed.
package codes

import (
	"fmt"
	"math/bits"
	"strings"
	"sync"
)

// MaxBits is the longest code.
const MaxBits = 64

// Phi is a function of two bits: bit 2a+b of it is φ(a,b). There are 16.
type Phi uint8

// Functions with names.
const (
	And    Phi = 0b1000 // φ = a∧b
	Subset Phi = 0b1101 // φ = a∨¬b: with m = n access is granted where the object's code is part of the subject's
	Xnor   Phi = 0b1001 // φ = 1 where the bits are equal
)

// ParsePhi reads a function: subset, and, xnor, or its values at 00, 01, 10 and 11 as four digits. "" is subset.
func ParsePhi(s string) (Phi, error) {
	switch s {
	case "", "subset":
		return Subset, nil
	case "and":
		return And, nil
	case "xnor":
		return Xnor, nil
	}
	var p Phi
	for k, c := range []byte(s) {
		if k > 3 || c != '0' && c != '1' {
			p = 16
			break
		}
		p |= Phi(c-'0') << k
	}
	if len(s) != 4 || p > 15 {
		return 0, fmt.Errorf("%q is no function of two bits; it is subset, and, xnor, or four digits 0 and 1: the values at 00, 01, 10 and 11", s)
	}
	return p, nil
}

// String is the name of a function, or its four digits.
func (p Phi) String() string {
	switch p {
	case And:
		return "and"
	case Subset:
		return "subset"
	case Xnor:
		return "xnor"
	}
	return p.Digits()
}

// Digits are the values at 00, 01, 10 and 11.
func (p Phi) Digits() string {
	var out [4]byte
	for k := range out {
		out[k] = '0' + byte(p>>k&1)
	}
	return string(out[:])
}

// Of is φ(a,b), a and b being 0 or 1.
func (p Phi) Of(a, b int) int { return int(p >> (2*a + b) & 1) }

// each is φ bit by bit.
func (p Phi) each(a, b uint64) uint64 {
	var out uint64
	if p&1 != 0 {
		out |= ^a & ^b
	}
	if p&2 != 0 {
		out |= ^a & b
	}
	if p&4 != 0 {
		out |= a &^ b
	}
	if p&8 != 0 {
		out |= a & b
	}
	return out
}

// Mechanism is (A, B, g): access where at least M of N bits agree by Phi, 0 < M <= N <= MaxBits.
type Mechanism struct {
	Phi  Phi
	N, M int
}

// Check says what is wrong with a mechanism.
func (g Mechanism) Check() error {
	switch {
	case g.Phi > 15:
		return fmt.Errorf("there is no function %d of two bits; the functions are 0 to 15", g.Phi)
	case g.N < 1 || g.N > MaxBits:
		return fmt.Errorf("codes of %d bits can not be computed with; 1 to %d bits can", g.N, MaxBits)
	case g.M < 1 || g.M > g.N:
		return fmt.Errorf("access at %d agreeing bits of %d; it has to be 1 to %d", g.M, g.N, g.N)
	}
	return nil
}

func (g Mechanism) mask() uint64 { return ^uint64(0) >> (MaxBits - g.N) }

// Grants is g(a,b) of (3.19) and (3.20).
func (g Mechanism) Grants(a, b uint64) bool {
	return bits.OnesCount64(g.Phi.each(a, b)&g.mask()) >= g.M
}

// DefaultM is the threshold that is usual for a function: all bits, and one bit for and-like functions.
func DefaultM(p Phi, n int) int {
	if c, _, _ := p.class(); c == classAnd {
		return 1
	}
	return n
}

// Format is a code as text of n digits, the highest bit first.
func Format(code uint64, n int) string { return fmt.Sprintf("%0*b", n, code) }

// Relation says which accesses are required: subjects by objects.
type Relation struct {
	Subjects, Objects []string
	permit            []set // by subject, over objects
	order             bool  // it is that of a hierarchy: subject i and object i are node i, and permit is reflexive, antisymmetric and transitive

	once  sync.Once
	shape *shape
}

// NewRelation is a relation in which nothing is permitted yet.
func NewRelation(subjects, objects []string) *Relation {
	r := &Relation{Subjects: subjects, Objects: objects, permit: make([]set, len(subjects))}
	for i := range r.permit {
		r.permit[i] = newSet(len(objects))
	}
	return r
}

// Permit permits subject i object j.
func (r *Relation) Permit(i, j int) { r.permit[i].add(j); r.order = false }

// Permitted reports whether subject i may reach object j: X of (3.21).
func (r *Relation) Permitted(i, j int) bool { return r.permit[i].has(j) }

// IsOrder reports whether the relation is that of a hierarchy, whose node i is subject i and object i.
func (r *Relation) IsOrder() bool { return r.order }

// required is the number of required accesses.
func (r *Relation) required() int {
	n := 0
	for _, row := range r.permit {
		n += row.count()
	}
	return n
}

// forbidden is the number of accesses that are not permitted: the most that can be inadmissible.
func (r *Relation) forbidden() int { return len(r.Subjects)*len(r.Objects) - r.required() }

// wanted are, by object, the subjects that may reach it.
func (r *Relation) wanted() []set {
	out := make([]set, len(r.Objects))
	for j := range out {
		out[j] = newSet(len(r.Subjects))
	}
	for i, row := range r.permit {
		row.each(func(j int) { out[j].add(i) })
	}
	return out
}

// Pair is a subject and an object.
type Pair struct{ Subject, Object int }

// Degrees are the measures of protection (3.21) to (3.28) of codes.
type Degrees struct {
	Permitted    []int // x_j by object
	Inadmissible []int // y_j by object
	Y            int   // their sum
	Absolute     float64
	Relative     float64
	Minimum      float64 // of the worst object
	Maximum      float64 // of the best object
	ByObject     []float64
	Pairs        []Pair // inadmissible accesses, at most as many as were asked for
}

// Measure computes the degrees of protection of codes a of the subjects and b of the objects, from the mechanism itself. Codes that deny a required access are an error.
// At most `list` inadmissible pairs are listed, by subject and object.
func Measure(r *Relation, g Mechanism, a, b []uint64, list int) (*Degrees, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	if len(a) != len(r.Subjects) || len(b) != len(r.Objects) {
		return nil, fmt.Errorf("%d codes for %d subjects, %d codes for %d objects", len(a), len(r.Subjects), len(b), len(r.Objects))
	}
	d := &Degrees{Permitted: make([]int, len(b)), Inadmissible: make([]int, len(b)), ByObject: make([]float64, len(b))}
	var denied []string
	for i := range a {
		for j := range b {
			granted := g.Grants(a[i], b[j])
			switch {
			case r.permit[i].has(j):
				d.Permitted[j]++
				if !granted && len(denied) < 5 {
					denied = append(denied, r.Subjects[i]+" to "+r.Objects[j])
				}
			case granted:
				d.Inadmissible[j]++
				d.Y++
				if len(d.Pairs) < list {
					d.Pairs = append(d.Pairs, Pair{i, j})
				}
			}
		}
	}
	if denied != nil {
		return nil, fmt.Errorf("the codes deny required accesses: %s; every required access has to be granted", strings.Join(denied, ", "))
	}
	d.degrees(len(a))
	return d, nil
}

// degrees computes the degrees from the counts. Without objects nothing is inadmissible.
func (d *Degrees) degrees(subjects int) {
	d.Absolute, d.Relative, d.Minimum, d.Maximum = 1, 1, 1, 1
	if len(d.Permitted) == 0 {
		return
	}
	sum, least, most := 0, d.Inadmissible[0], 0
	for j, x := range d.Permitted {
		y := d.Inadmissible[j]
		sum += subjects - x
		least, most = min(least, y), max(most, y)
		d.ByObject[j] = 1
		if x < subjects {
			d.ByObject[j] = 1 - float64(y)/float64(subjects-x)
		}
	}
	objects := float64(len(d.Permitted))
	d.Absolute = objects / (objects + float64(d.Y))
	if sum > 0 {
		d.Relative = 1 - float64(d.Y)/float64(sum)
	}
	d.Minimum, d.Maximum = 1/(1+float64(most)), 1/(1+float64(least))
}
