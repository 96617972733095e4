package balance

import (
	"net/netip"
	"slices"
)

// Plane is what the kernel of one node has to look like.
type Plane struct {
	Tables []Table      // of the services whose addresses this node holds, by name
	Local  []netip.Addr // addresses that programs on this node may use although it does not hold them
	Silent []Silent
}

// Table is one service on the node that holds its addresses. What Shape is made of changes seldom; the rest changes while connections go on.
type Table struct {
	Shape
	Slots [Slots]uint32 // the mark of the node that serves each slot; 0: nobody
	Open  []uint32      // marks of the nodes that take new connections, sorted
	Live  []uint32      // marks of the nodes whose connections go on, sorted
	Hops  []Hop         // how the others are reached, by mark
}

// Shape is the part of a table that it is made with.
type Shape struct {
	Name        string
	Addresses   []Held
	Ports       []Port // none: all but Except
	Except      []Port
	Self        uint32 // the mark of this node
	BySource    bool   // the slot of a TCP connection depends on the client's address alone
	BySourceUDP bool   // the same for UDP
	Remember    bool   // clients that are dealt by their address stay where they are, as long as that is open
	RememberUDP bool   // the same for UDP
	Affinity    int    // for how many seconds after the last connection was closed; -1: for good
}

// Hop is where packets to an address go on to for a mark.
type Hop struct {
	Mark    uint32
	Address netip.Addr
	Via     netip.Addr
}

// Plane works the outline out.
func (o Outline) Plane() Plane {
	p := Plane{Local: o.Local, Silent: o.Silent}
	for _, s := range o.Shares {
		if len(s.Held) > 0 {
			p.Tables = append(p.Tables, s.table())
		}
	}
	return p
}

func (s Share) table() Table {
	sticky := s.Policy != Weighted
	t := Table{Shape: Shape{
		Name: string(s.Name), Addresses: s.Held, Ports: s.Ports, Except: s.Except, BySource: sticky, BySourceUDP: sticky || s.UDPAffinity,
		Remember: sticky && !s.Weak, RememberUDP: s.UDPAffinity && !s.Weak, Affinity: s.Affinity,
	}}
	for slot, i := range s.Dealt() {
		if i >= 0 {
			t.Slots[slot] = s.Instances[i].Mark
		}
	}
	for _, i := range s.Instances {
		if i.Self {
			t.Self = i.Mark
		}
		if i.Present {
			t.Open = append(t.Open, i.Mark)
		}
		if !i.Runs {
			continue
		}
		t.Live = append(t.Live, i.Mark)
		for k, a := range s.Everybody {
			if !i.Self && i.Via[k].IsValid() && slices.ContainsFunc(s.Held, func(h Held) bool { return h.Address == a }) {
				t.Hops = append(t.Hops, Hop{i.Mark, a, i.Via[k]})
			}
		}
	}
	return t
}
