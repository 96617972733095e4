// Package rbac decides who may do what. Users and Unix groups hold authorizations, mostly through rights profiles; a role is a set of rights that a user
// takes on with the role's password, in place of his own. A grant counts for the whole cluster, for one zone cluster, or for one resource group with its resources.
//
// Everything that is granted adds: there is no record that takes a right away, so a record that is missing or damaged can only mean less. What nothing grants is denied.
package rbac

import (
	"fmt"
	"slices"
	"strings"
)

// Word is an authorization: cluster.read, cluster.group.admin. The parts between "cluster" and the right name what it is about, broad before narrow.
type Word string

// The rights that an authorization ends with. They are separate: to change the configuration is not to change the state, nor to see either. Profiles bundle them.
const (
	Read   = "read"   // list, show, status and other reads
	Admin  = "admin"  // change the state of what is configured
	Modify = "modify" // create, delete, change properties
)

// prefix may stand before every authorization, as in Solaris.
const prefix = "solaris."

// maxWord bounds the length of an authorization.
const maxWord = 100

// apart are the subjects that no broader authorization includes: who may change the cluster may not change who may, nor act for a partner cluster.
var apart = []string{"user", "geo"}

// ParseWord reads an authorization as people write it.
func ParseWord(s string) (Word, error) {
	text := strings.TrimPrefix(s, prefix)
	parts := strings.Split(text, ".")
	bad := func(why string) (Word, error) {
		return "", fmt.Errorf("authorization %.40q: %s; want cluster.RIGHT or cluster.NOUN.RIGHT with the right read, admin or modify", s, why)
	}
	switch {
	case len(text) > maxWord:
		return bad("it is too long")
	case len(parts) < 2 || parts[0] != "cluster":
		return bad(`it does not begin with "cluster."`)
	case !slices.Contains([]string{Read, Admin, Modify}, parts[len(parts)-1]):
		return bad("it ends with no right")
	}
	for _, p := range parts[1 : len(parts)-1] {
		if !plain(p) {
			return bad(fmt.Sprintf("%q names nothing", p))
		}
	}
	return Word(text), nil
}

// plain reports whether s is a noun: lower-case letters, digits and dashes, a letter first.
func plain(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || r != '-' && r != '_' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != ""
}

// WordFor is the authorization for a right about a noun; no noun means the cluster as a whole.
func WordFor(noun, right string) Word {
	if noun == "" {
		return Word("cluster." + right)
	}
	return Word("cluster." + noun + "." + right)
}

// split gives what an authorization is about, and the right.
func (w Word) split() (subject []string, right string) {
	parts := strings.Split(string(w), ".")
	return parts[1 : len(parts)-1], parts[len(parts)-1]
}

// Implies reports whether whoever holds w needs nothing more for other: the same right, about the same or about something within it.
func (w Word) Implies(other Word) bool {
	if _, err := ParseWord(string(w)); err != nil {
		return false
	}
	if _, err := ParseWord(string(other)); err != nil {
		return false
	}
	if w == other {
		return true
	}
	have, right := w.split()
	need, same := other.split()
	if right != same || len(have) > len(need) || !slices.Equal(have, need[:len(have)]) {
		return false
	}
	return len(have) > 0 || len(need) == 0 || !slices.Contains(apart, need[0])
}
