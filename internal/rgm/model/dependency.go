package model

import (
	"strings"

	"redoubt/internal/cluster"
)

// The qualifiers of dependencies; the default, FROM_RG_AFFINITIES, is the empty one. @node is the fourth.
const (
	LocalNode = "LOCAL_NODE"
	AnyNode   = "ANY_NODE"
)

// AppliesOn reports whether the dependency binds the resource that has it on a node: {@node} does on that node only, all others do everywhere.
func (d Dependency) AppliesOn(n cluster.NodeName) bool {
	only, ok := strings.CutPrefix(d.Qualifier, "@")
	return !ok || only == string(n)
}

// Local reports whether the target has to be on the node of the resource that needs it. source is the group of that resource, target the group of the other.
// Without LOCAL_NODE and ANY_NODE it has to be when the groups are one or the source has a positive affinity to the target.
func (d Dependency) Local(source Group, target cluster.GroupName) bool {
	switch d.Qualifier {
	case LocalNode:
		return true
	case AnyNode:
		return false
	}
	if source.Name == target {
		return true
	}
	for _, a := range source.Affinities {
		if a.Target == target && (a.Kind == AffinityPrefer || a.Kind.Strong()) {
			return true
		}
	}
	return false
}

// Restarts reports whether a restart of the target restarts the resource that depends on it.
func (k DependencyKind) Restarts() bool { return k == DependRestart || k == DependOfflineRestart }

// Sight is which lives of the target of a restart dependency a resource has seen since it came up: another one is a restart of the target.
type Sight struct {
	On    cluster.ResourceName `json:"on"`
	Lives []Life               `json:"lives,omitempty"` // sorted by node
}

// Life is one time that a resource came up.
type Life struct {
	Node        cluster.NodeName    `json:"node"`
	Incarnation cluster.Incarnation `json:"incarnation"`
	Starts      uint64              `json:"starts"`
}
