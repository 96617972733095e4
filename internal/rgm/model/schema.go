package model

import (
	"time"

	"redoubt/internal/cluster"
)

// Schema is the version of the repository's schema on which the cluster has agreed: nobody writes what it does not have.
type Schema struct {
	Level int       `json:"level"`
	By    string    `json:"by,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// Reads says which versions of the schema the daemon of a node reads, from Oldest to Newest.
type Reads struct {
	Node    cluster.NodeName `json:"node"`
	Oldest  int              `json:"oldest"`
	Newest  int              `json:"newest"`
	Release string           `json:"release"` // of the daemon
}

// SetDefaults gives what the record of the group leaves out its value.
func (f *Farewell) SetDefaults() { f.Group.SetDefaults() }
