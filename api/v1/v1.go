// Package v1 is the wire form of the product's API: what goes over HTTP as JSON, and nothing else. It has no behaviour. Every change adds: a field
// that was published keeps its name and its meaning. An operation "NOUN VERB" takes the type of the same name (GroupCreate) and answers
// with a type of this package; field names are the flags of the command line in camelCase.
package v1

import "time"

// Level counts what was added to this API.
//
//	1  2026-11  first level
const Level = 1

// Operation is one entry of the table of operations.
type Operation struct {
	Noun          string `json:"noun"`
	Verb          string `json:"verb"`
	Read          bool   `json:"read"`          // GET with the input in the query; otherwise POST with the input as body
	Authorization string `json:"authorization"` // what a caller needs: cluster.NOUN.read, .admin or .modify, or one of the words below
	Summary       string `json:"summary"`
	Peer          bool   `json:"peer,omitempty"`   // nodes of the cluster may call it with their certificate
	Open          bool   `json:"open,omitempty"`   // may be called without a certificate: it decides by the access list
	Single        bool   `json:"single,omitempty"` // works on a node that is in no cluster
	Stream        bool   `json:"stream,omitempty"` // answers with bytes, not with JSON
	Firm          bool   `json:"firm,omitempty"`   // not in a session: the caller has to be known by the kernel or by a certificate
}

// The rights that authorizations end with. In the table of operations the noun is put in between: cluster.group.admin.
const (
	AuthRead   = "cluster.read"   // list, show, status and other reads
	AuthAdmin  = "cluster.admin"  // change the state of what is configured
	AuthModify = "cluster.modify" // change the configuration
)

// The words of Operation.Authorization that nobody can be granted.
const (
	AuthRoot = "root" // root on a node
	AuthNode = "node" // the nodes of the cluster among themselves, and root on one
	AuthSelf = "self" // everybody who is known, about himself
	AuthOwn  = "own"  // root on a node; and whoever holds something, on a node and for himself alone
)

// Error is the body of every answer that is not a success.
type Error struct {
	Code    string `json:"code"`             // one of the fault codes: invalid, notfound, exists, conflict, denied, precondition, unavailable, timeout, unsupported, internal
	Message string `json:"message"`          // one sentence: what failed, on which object, why, what to do
	Detail  string `json:"detail,omitempty"` // further lines: every problem found, the output of a method
}

// Result answers an operation that changes something.
type Result struct {
	Messages []string `json:"messages,omitempty"` // what was done and what to know about it, one sentence each
	Revision int64    `json:"revision,omitempty"` // of the repository after the change
}

// Event is one event of the watch.
type Event struct {
	Kind   string  `json:"kind"` // "status" or "note"
	Status *Status `json:"status,omitempty"`
	Note   *Notice `json:"note,omitempty"`
}

// Notice is something that happened and that people want to see.
type Notice struct {
	At     time.Time `json:"at"`
	Object string    `json:"object"` // "group web-rg", "node n2"
	Text   string    `json:"text"`
}

// Property is a named value; a single value is a list of one.
type Property struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
	Node   string   `json:"node,omitempty"` // of a per-node value
}

// PropertySpec declares a property: what list-props prints.
type PropertySpec struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"` // standard or extension
	Type        string   `json:"type"`
	Default     []string `json:"default,omitempty"`
	Required    bool     `json:"required,omitempty"`
	Min         *int64   `json:"min,omitempty"`
	Max         *int64   `json:"max,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	Tunable     string   `json:"tunable"`
	PerNode     bool     `json:"perNode,omitempty"`
	Description string   `json:"description,omitempty"`
}
