package model

import (
	"time"

	"redoubt/internal/cluster"
)

// Fencing says of a node that was lost that its fence agent has not confirmed its end yet, for whoever asks why its groups wait. The president writes it with every attempt
// that failed, and takes it away when the node is not waited for any more.
type Fencing struct {
	Node        cluster.NodeName    `json:"node"`
	Incarnation cluster.Incarnation `json:"incarnation"` // which life of it
	Agent       string              `json:"agent"`
	By          cluster.NodeName    `json:"by"`       // the president, whose log has what the agent said
	Attempts    int                 `json:"attempts"` // how many have failed, of all presidents
	Why         string              `json:"why"`      // the last one did
	At          time.Time           `json:"at"`       // when that was
	Next        time.Time           `json:"next"`     // when the next begins
}
