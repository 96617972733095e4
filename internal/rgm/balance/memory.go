package balance

import (
	"net/netip"
	"time"

	"redoubt/internal/cluster"
)

// Memory is what the holder of a service's addresses remembers of it.
type Memory struct {
	Connections []Known
	Clients     []Known // of policies that remember them; Port is 0
}

// Known is a connection or a client, and the node that has it.
type Known struct {
	Client netip.Addr
	Port   uint16
	Mark   uint32
	Left   time.Duration // until it is forgotten, when no packet comes
}

// Fill is how full the memory of a service is: per cent of the connections, or of the clients, of one family, whichever is most.
type Fill struct {
	Resource cluster.ResourceName
	Full     int
}

// NearlyFull is from how many per cent on administrators are warned.
const NearlyFull = 80
