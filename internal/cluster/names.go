// Package cluster holds the vocabulary every other package shares: typed names,
// epochs, incarnations, revisions and the time spans of the quorum lease. It imports nothing of
// the project, does no I/O and owns no state.
package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// NodeName is the name of a cluster node (or of a quorum server, which votes and runs nothing).
type NodeName string

// GroupName is the name of a resource group.
type GroupName string

// ResourceName is the name of a resource; unique in the cluster, not only in its group.
type ResourceName string

// TypeName is the name of a resource type, such as "redoubt.gds" or "ocf:heartbeat:IPaddr2".
type TypeName string

// Epoch counts the membership records of a cluster. Every change of the record increments it.
type Epoch uint64

// Revision is a revision of the configuration repository. Zero means "does not exist".
type Revision int64

// Incarnation is one life of a node's services: the life of one guard process. It is chosen by the node
// after a linearizable read of the membership record as one more than the last number the record knows, so
// numbers of one node only grow. Tag is random, so that two attempts with the same number never look alike.
// The zero value means "none".
type Incarnation struct {
	Number uint64
	Tag    string
}

// IsZero reports whether i is no incarnation at all.
func (i Incarnation) IsZero() bool { return i == Incarnation{} }

// String gives the form that ParseIncarnation reads: "12-9f3a7c21".
func (i Incarnation) String() string {
	if i.IsZero() {
		return ""
	}
	return strconv.FormatUint(i.Number, 10) + "-" + i.Tag
}

// MarshalText implements encoding.TextMarshaler with String.
func (i Incarnation) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParseIncarnation.
func (i *Incarnation) UnmarshalText(b []byte) error {
	v, err := ParseIncarnation(string(b))
	if err != nil {
		return err
	}
	*i = v
	return nil
}

// ParseIncarnation is the inverse of Incarnation.String; the empty string is the zero incarnation.
func ParseIncarnation(s string) (Incarnation, error) {
	if s == "" {
		return Incarnation{}, nil
	}
	num, tag, ok := strings.Cut(s, "-")
	n, err := strconv.ParseUint(num, 10, 64)
	if !ok || err != nil || tag == "" || n == 0 {
		return Incarnation{}, fmt.Errorf("incarnation %q: want NUMBER-TAG", s)
	}
	return Incarnation{Number: n, Tag: tag}, nil
}

// MaxNameLength is the longest name of a node, group, resource or type.
const MaxNameLength = 128

// CheckName reports what is wrong with name as the name of a kind ("group", "node", ...), or nil. A name starts with a letter or
// digit and goes on with letters, digits, '-', '_' and '.'; the words "global" and "all" are reserved.
func CheckName(kind, name string) error {
	if name == "" {
		return fmt.Errorf("%s name is empty", kind)
	}
	if len(name) > MaxNameLength {
		return fmt.Errorf("%s name %.20q… has %d characters: at most %d are allowed", kind, name, len(name), MaxNameLength)
	}
	if name == "global" || name == "all" {
		return fmt.Errorf("%s name %q is reserved", kind, name)
	}
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || r != '-' && r != '_' && r != '.') {
			return fmt.Errorf("%s name %q: character %q is not allowed here; use letters, digits, '-', '_' and '.', and begin with a letter or digit", kind, name, r)
		}
	}
	return nil
}

// CheckTypeName is CheckName for resource types, whose OCF form "ocf:PROVIDER:NAME" has colons.
func CheckTypeName(name string) error {
	if rest, ok := strings.CutPrefix(name, "ocf:"); ok {
		provider, agent, ok := strings.Cut(rest, ":")
		if !ok {
			return fmt.Errorf("type name %q: an OCF agent is named ocf:PROVIDER:NAME", name)
		}
		if err := CheckName("OCF provider", provider); err != nil {
			return err
		}
		return CheckName("OCF agent", agent)
	}
	return CheckName("type", name)
}
