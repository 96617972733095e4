package balance

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"redoubt/internal/cluster"
)

// Memory is what a node knows of the connections of a service.
type Memory struct {
	Connections []Known // as the holder of the addresses remembers them
	Clients     []Known // of policies that remember them; Port is 0
	Sockets     []Known // TCP connections whose end is on a node, as that node says: they are known when every holder has died
}

// lasting is more than what is left of a connection that has only begun or is about to close.
const lasting = 15 * time.Second

// known is a connection or client by its key.
type known map[netip.AddrPort]Known

func (k Known) key() netip.AddrPort { return netip.AddrPortFrom(k.Client, k.Port) }

// later puts in what is not there, or was seen later than what is there.
func (m known) later(list []Known) {
	for _, k := range list {
		if had, ok := m[k.key()]; !ok || k.Left > had.Left {
			m[k.key()] = k
		}
	}
}

func (m known) list() []Known {
	out := make([]Known, 0, len(m))
	for _, k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b Known) int { return a.key().Compare(b.key()) })
	return out
}

// Join makes one memory of what several nodes know of a service. Of what several remember, whoever saw a packet last is right. A connection of which two nodes say that
// they have its end is none of the sockets: one end is that of a client that vanished, and nothing tells which.
func Join(all ...Memory) Memory {
	connections, clients, sockets := known{}, known{}, known{}
	twice := map[netip.AddrPort]bool{}
	for _, m := range all {
		connections.later(m.Connections)
		clients.later(m.Clients)
		for _, k := range m.Sockets {
			if had, ok := sockets[k.key()]; ok && had.Mark != k.Mark {
				twice[k.key()] = true
			}
			sockets[k.key()] = k
		}
	}
	for key := range twice {
		delete(sockets, key)
	}
	return Memory{Connections: connections.list(), Clients: clients.list(), Sockets: sockets.list()}
}

// News is what a node that remembers m has to take over of what others know: what it does not know, and what they saw later elsewhere. Sockets count where nobody
// remembers the connection. A client of whom nobody knows more than that he has connections is where the one is that has most time left.
func (m Memory) News(o Memory) Memory {
	var out Memory
	news := func(own, others []Known) (had known, fresh []Known) {
		had = known{}
		had.later(own)
		for _, k := range others {
			// Other nodes tell whole seconds.
			if h, ok := had[k.key()]; !ok || h.Mark != k.Mark && k.Left > h.Left+time.Second {
				fresh = append(fresh, k)
			}
		}
		had.later(others)
		return had, fresh
	}
	connections, fresh := news(m.Connections, o.Connections)
	out.Connections = fresh
	for _, k := range o.Sockets {
		if _, ok := connections[k.key()]; !ok {
			out.Connections = append(out.Connections, k)
		}
	}
	clients, fresh := news(m.Clients, o.Clients)
	out.Clients = fresh
	open := map[netip.Addr]Known{}
	for _, k := range out.Connections {
		_, there := clients[netip.AddrPortFrom(k.Client, 0)]
		had, ok := open[k.Client]
		if !there && k.Left > lasting && (!ok || cmp.Or(cmp.Compare(k.Left, had.Left), cmp.Compare(had.Mark, k.Mark)) > 0) {
			open[k.Client] = Known{Client: k.Client, Mark: k.Mark, Left: k.Left}
		}
	}
	for _, k := range open {
		out.Clients = append(out.Clients, k)
	}
	return out
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

// Pack writes what is remembered down for another node, without the sockets, 27 bytes for each entry. Times are rounded up to seconds.
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
