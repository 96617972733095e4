package balance

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
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

// packed is the length of one entry of a packed memory: the kind, the address as of IPv6, the port, the mark, the seconds left.
const packed = 1 + 16 + 2 + 4 + 4

// Pack writes a memory down for another node, 27 bytes for each entry. Times are rounded up to seconds.
func (m Memory) Pack() []byte {
	out := make([]byte, 0, packed*(len(m.Connections)+len(m.Clients)))
	for kind, list := range [][]Known{m.Connections, m.Clients} {
		for _, k := range list {
			a := k.Client.As16()
			out = append(append(out, byte(kind)), a[:]...)
			out = binary.BigEndian.AppendUint16(out, k.Port)
			out = binary.BigEndian.AppendUint32(out, k.Mark)
			out = binary.BigEndian.AppendUint32(out, uint32((k.Left+time.Second-1)/time.Second))
		}
	}
	return out
}

// Unpack reads what Pack wrote.
func Unpack(b []byte) (Memory, error) {
	var m Memory
	if len(b)%packed != 0 {
		return m, fmt.Errorf("a memory of connections of %d bytes, which is no multiple of %d", len(b), packed)
	}
	for e := range slices.Chunk(b, packed) {
		k := Known{
			Client: netip.AddrFrom16([16]byte(e[1:17])).Unmap(), Port: binary.BigEndian.Uint16(e[17:]), Mark: binary.BigEndian.Uint32(e[19:]),
			Left: time.Duration(binary.BigEndian.Uint32(e[23:])) * time.Second,
		}
		switch e[0] {
		case 0:
			m.Connections = append(m.Connections, k)
		case 1:
			m.Clients = append(m.Clients, k)
		default:
			return Memory{}, fmt.Errorf("a memory of connections with an entry of kind %d, which is none", e[0])
		}
	}
	return m, nil
}
