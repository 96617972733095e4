package model

import "redoubt/internal/cluster"

// Network is what a node says of its public networks: its own addresses, with their prefix lengths ("10.77.0.1/24"), sorted. The other nodes hand on to it there what
// comes in at a shared address.
type Network struct {
	Node      cluster.NodeName `json:"node"`
	Addresses []string         `json:"addresses"`
	Memory    []Memory         `json:"memory,omitempty"` // of the services whose shared addresses it holds, by name
}

// Memory is how full what a node remembers of a scalable service's connections and clients is, in per cent, rounded down to tens; 0 is left out.
type Memory struct {
	Resource cluster.ResourceName `json:"resource"`
	Full     int                  `json:"full"`
}
