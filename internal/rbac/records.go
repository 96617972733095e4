package rbac

import (
	"fmt"
	"strings"
	"time"
)

// Grant is a rights profile or a single authorization, and where it counts.
type Grant struct {
	Profile       string `json:"profile,omitempty"`
	Authorization Word   `json:"authorization,omitempty"`
	Scope         Scope  `json:"scope"`
}

// String names the grant.
func (g Grant) String() string {
	what := "profile " + g.Profile
	if g.Profile == "" {
		what = "authorization " + string(g.Authorization)
	}
	return what + " for " + g.Scope.String()
}

// Certificate is a certificate that was given to a user. One that is not in his record does not count, whoever signed it.
type Certificate struct {
	Fingerprint string    `json:"fingerprint"`
	Expires     time.Time `json:"expires"`
	By          string    `json:"by"`
	At          time.Time `json:"at"`
}

// User is what a user holds. The name is that of the Unix user on the nodes and that in the certificate.
type User struct {
	Name         string        `json:"name"`
	Grants       []Grant       `json:"grants,omitempty"`
	Roles        []string      `json:"roles,omitempty"` // that he may assume
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Group is what everybody in a Unix group holds.
type Group struct {
	Name   string  `json:"name"`
	Grants []Grant `json:"grants,omitempty"`
}

// Role is a set of rights that users assume.
type Role struct {
	Name        string  `json:"name"`
	Description string  `json:"description,omitempty"`
	Grants      []Grant `json:"grants,omitempty"`
	Password    string  `json:"password,omitempty"` // its hash; without one nobody assumes the role
}

// Profile is a set of authorizations under a name.
type Profile struct {
	Name           string   `json:"name"`
	Description    string   `json:"description,omitempty"`
	Authorizations []Word   `json:"authorizations,omitempty"`
	Profiles       []string `json:"profiles,omitempty"` // whose authorizations it has too
}

// The bounds of records.
const (
	MaxGrants   = 100 // of one user, group or role
	MaxRecords  = 1000
	maxUserName = 32
	maxProfile  = 64
)

// CheckUserName says what is wrong with the name of a user, a Unix group or a role. Names are those of Unix: none has a blank, a sign or a letter outside ASCII, so
// that none can look like "node n1" or like another.
func CheckUserName(kind, name string) error {
	if name == "" || len(name) > maxUserName {
		return fmt.Errorf("%s name %.40q: it has 1 to %d characters", kind, name, maxUserName)
	}
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || r != '-' && r != '.' && (r < '0' || r > '9')) {
			return fmt.Errorf("%s name %q: character %q is not allowed here; use letters of ASCII, digits, '_', '-' and '.', and begin with a letter", kind, name, r)
		}
	}
	return nil
}

// CheckProfileName says what is wrong with the name of a profile of one's own.
func CheckProfileName(name string) error {
	if name == "" || len(name) > maxProfile {
		return fmt.Errorf("profile name %.80q: it has 1 to %d characters", name, maxProfile)
	}
	if name != strings.TrimSpace(name) || strings.Contains(name, "  ") {
		return fmt.Errorf("profile name %q: blanks stand only between words, one at a time", name)
	}
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != ' ' && r != '-' && r != '_' && r != '.' && (r < '0' || r > '9')) {
			return fmt.Errorf("profile name %q: character %q is not allowed here; use letters of ASCII, digits, blanks, '_', '-' and '.', and begin with a letter", name, r)
		}
	}
	for _, b := range Builtin() {
		if strings.EqualFold(b.Name, name) {
			return fmt.Errorf("profile name %q is that of a profile of the product", name)
		}
	}
	return nil
}
