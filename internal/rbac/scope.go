package rbac

import (
	"fmt"
	"slices"
	"strings"

	"redoubt/internal/cluster"
)

// Scope is where a grant counts. The zero value is the whole cluster.
type Scope struct {
	Zone  string // one zone cluster
	Group string // one resource group with its resources
}

// ParseScope reads "cluster", "zone:NAME" or "group:NAME"; nothing is the whole cluster.
func ParseScope(s string) (Scope, error) {
	kind, name, named := strings.Cut(s, ":")
	switch {
	case s == "" || s == "cluster":
		return Scope{}, nil
	case !named || kind != "zone" && kind != "group":
		return Scope{}, fmt.Errorf("scope %.40q: want cluster, zone:NAME or group:NAME", s)
	}
	if err := cluster.CheckName(kind, name); err != nil {
		return Scope{}, fmt.Errorf("scope %.40q: %w", s, err)
	}
	if kind == "zone" {
		return Scope{Zone: name}, nil
	}
	return Scope{Group: name}, nil
}

// String writes the scope as ParseScope reads it.
func (s Scope) String() string {
	switch {
	case s.Zone != "":
		return "zone:" + s.Zone
	case s.Group != "":
		return "group:" + s.Group
	}
	return "cluster"
}

// MarshalText implements encoding.TextMarshaler.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It refuses what is no scope: a damaged one must not become the whole cluster.
func (s *Scope) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return fmt.Errorf("a scope is empty")
	}
	got, err := ParseScope(string(text))
	if err == nil {
		*s = got
	}
	return err
}

// IsWhole reports whether the scope is the whole cluster.
func (s Scope) IsWhole() bool { return s == Scope{} }

// Object is what an operation touches. The zero value is the whole cluster, which only a grant for the whole cluster covers.
type Object struct {
	Zone  string // the zone cluster that the group belongs to, if any
	Group string
	What  string // how people call it: "group web-rg", "resource web"
}

// Whole is the cluster as an object.
var Whole = Object{}

// String names the object in explanations.
func (o Object) String() string {
	switch {
	case o.What != "":
		return o.What
	case o.Group != "":
		return "group " + o.Group
	case o.Zone != "":
		return "zone cluster " + o.Zone
	}
	return "the whole cluster"
}

// Covers reports whether a grant of this scope counts for an object.
func (s Scope) Covers(o Object) bool {
	switch {
	case s.Zone != "" && s.Group != "":
		return false // no such scope can be granted
	case s.Group != "":
		return o.Group == s.Group && o.Zone == ""
	case s.Zone != "":
		return o.Zone == s.Zone
	}
	return true
}

// Reach is everything that somebody's grants of one authorization cover together.
type Reach []Scope

// Whole reports whether it is the whole cluster.
func (r Reach) Whole() bool { return slices.ContainsFunc(r, Scope.IsWhole) }

// Covers reports whether an object is within reach.
func (r Reach) Covers(o Object) bool {
	return slices.ContainsFunc(r, func(s Scope) bool { return s.Covers(o) })
}
