package model

import "redoubt/internal/cluster"

// Network is what a node says of its public networks: its own addresses, with their prefix lengths ("10.77.0.1/24"), sorted. The other nodes hand on to it there what
// comes in at a shared address.
type Network struct {
	Node      cluster.NodeName `json:"node"`
	Addresses []string         `json:"addresses"`
}
