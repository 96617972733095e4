// Package access decides who may reach what, by two models: ADEPT-50 (profiles of authority, category, franchise and mode of users, terminals and files, with the high-water
// mark of a session) and the five-dimensional security space of Hartson and Hsiao (users, authorisations, resources, states, operations). Every decision says by which rule
// it came about and, when it is a refusal, what would have to change.
//
// The rules of ADEPT-50 are confirmed by public sources but for the exact rules of files; those, and the steps of Hartson's procedure, are as remembered from the literature.
// In ADEPT-50 profiles are fixed and rights do not spread, so its safety is trivial. Were commands added that change profiles, safety could not be decided in general.
package access

import (
	"slices"
	"strings"
)

// Set is a set of names: sorted, each once. The zero value is the empty set.
type Set []string

// NewSet makes a set.
func NewSet(names ...string) Set {
	s := slices.Clone(names)
	slices.Sort(s)
	return slices.Compact(s)
}

// Has reports whether a name is in the set.
func (s Set) Has(name string) bool {
	_, ok := slices.BinarySearch(s, name)
	return ok
}

// Contains reports whether all of another set is in the set.
func (s Set) Contains(other Set) bool { return len(other.Without(s)) == 0 }

// Without is what is in the set and not in the other.
func (s Set) Without(other Set) (out Set) {
	for _, n := range s {
		if !other.Has(n) {
			out = append(out, n)
		}
	}
	return out
}

// And is what is in both sets.
func (s Set) And(other Set) (out Set) {
	for _, n := range s {
		if other.Has(n) {
			out = append(out, n)
		}
	}
	return out
}

// Or is what is in either set.
func (s Set) Or(other Set) Set { return NewSet(append(slices.Clone(s), other...)...) }

// meets reports whether the sets have a name in common.
func (s Set) meets(other Set) bool {
	if len(other) < len(s) {
		s, other = other, s
	}
	return slices.ContainsFunc(s, other.Has)
}

func (s Set) String() string { return "{" + strings.Join(s, ", ") + "}" }

// Decision is an answer, and why.
type Decision struct {
	Granted bool
	Rule    string // what decided
	Why     Said
	Needs   []Said // refused: what would have to change, all of it
}
