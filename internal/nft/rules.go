package nft

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"golang.org/x/sys/unix"

	"redoubt/internal/rgm/balance"
)

// For how long a connection without packets is remembered: one that has only begun (whoever waits for an answer asks again sooner), one that goes on, one whose client
// has closed it, one of UDP.
const (
	beginLife = 15 * time.Second
	tcpLife   = time.Hour
	closeLife = 15 * time.Second
	udpLife   = 2 * time.Minute
)

// For how long a client is remembered after a connection was closed, at least: long enough for Tend to see that it has others. And for how long if it is for good.
const (
	graceLife = 30 * time.Second
	forGood   = 365 * 24 * time.Hour
)

// remembered is how many connections, and how many clients, a table remembers of each family. What comes beyond that goes by its slot alone.
const remembered = 1 << 18

// seed makes the slots of all nodes the same.
const seed = 0x7265646f

// Operations of a dynamic set; package unix lacks the last.
const (
	opAdd    = unix.NFT_DYNSET_OP_ADD
	opUpdate = unix.NFT_DYNSET_OP_UPDATE
	opDelete = 2
)

// register is the n-th of the kernel's registers of 4 bytes.
func register(n uint32) uint32 { return unix.NFT_REG32_00 + n }

// Where values lie: the key from the first on, an IPv6 address takes four.
var (
	rKey  = register(0)
	rMark = register(8)
	rVia  = register(8)
	rDev  = register(12)
)

// variant is a family with a protocol.
type variant struct {
	v6, udp bool
}

func (v variant) name() string {
	return map[bool]string{false: "4", true: "6"}[v.v6] + map[bool]string{false: "tcp", true: "udp"}[v.udp]
}

func (v variant) family() string { return map[bool]string{false: "4", true: "6"}[v.v6] }

// width is the length of an address.
func (v variant) width() uint32 {
	if v.v6 {
		return 16
	}
	return 4
}

// set is one of a table, with the elements that are ours to keep; nil: the kernel's own.
type set struct {
	set      *nftables.Set
	elements func() []nftables.SetElement
}

// sets are those of a table; room is for how many connections, and clients, there is memory.
func sets(table *nftables.Table, t balance.Table, room uint32) []set {
	marks := func(list []uint32) func() []nftables.SetElement {
		return func() []nftables.SetElement {
			out := make([]nftables.SetElement, 0, len(list))
			for _, m := range list {
				out = append(out, nftables.SetElement{Key: host32(m)})
			}
			return out
		}
	}
	out := []set{
		{&nftables.Set{Table: table, Name: "slots", IsMap: true, KeyType: nftables.TypeMark, DataType: nftables.TypeMark, KeyByteOrder: binaryutil.NativeEndian}, func() []nftables.SetElement {
			elements := make([]nftables.SetElement, 0, len(t.Slots))
			for slot, m := range t.Slots {
				if m != 0 {
					elements = append(elements, nftables.SetElement{Key: host32(uint32(slot)), Val: host32(m)})
				}
			}
			return elements
		}},
		{&nftables.Set{Table: table, Name: "open", KeyType: nftables.TypeMark, KeyByteOrder: binaryutil.NativeEndian}, marks(t.Open)},
		{&nftables.Set{Table: table, Name: "live", KeyType: nftables.TypeMark, KeyByteOrder: binaryutil.NativeEndian}, marks(t.Live)},
	}
	for _, v6 := range families(t.Shape) {
		f, address := variant{v6: v6}.family(), addressType(v6)
		out = append(out, set{
			&nftables.Set{Table: table, Name: "hops" + f, IsMap: true, KeyType: nftables.MustConcatSetType(nftables.TypeMark, address), DataType: address},
			func() []nftables.SetElement {
				elements := []nftables.SetElement{}
				for _, h := range t.Hops {
					if h.Address.Is6() == v6 && h.Via.Is6() == v6 {
						elements = append(elements, nftables.SetElement{Key: append(host32(h.Mark), h.Address.AsSlice()...), Val: h.Via.AsSlice()})
					}
				}
				return elements
			},
		}, set{flowsOf(table, v6, room), nil}, set{&nftables.Set{
			Table: table, Name: "closing" + f, Dynamic: true, HasTimeout: true, Timeout: closeLife, Size: room, KeyType: connectionType(v6),
		}, nil})
		if t.Remember || t.RememberUDP {
			out = append(out, set{clientsOf(table, v6, room), nil})
		}
	}
	return out
}

// flowsOf is the map of the connections of a family to their nodes.
func flowsOf(table *nftables.Table, v6 bool, room uint32) *nftables.Set {
	return &nftables.Set{
		Table: table, Name: "flows" + variant{v6: v6}.family(), IsMap: true, Dynamic: true, HasTimeout: true, Timeout: tcpLife, Size: room,
		KeyType: connectionType(v6), DataType: nftables.TypeMark,
	}
}

// clientsOf is the map of the clients of a family to their nodes.
func clientsOf(table *nftables.Table, v6 bool, room uint32) *nftables.Set {
	return &nftables.Set{
		Table: table, Name: "clients" + variant{v6: v6}.family(), IsMap: true, Dynamic: true, HasTimeout: true, Timeout: graceLife, Size: room,
		KeyType: addressType(v6), DataType: nftables.TypeMark,
	}
}

func addressType(v6 bool) nftables.SetDatatype {
	if v6 {
		return nftables.TypeIP6Addr
	}
	return nftables.TypeIPAddr
}

// connectionType is the key of a connection: the client's address and port.
func connectionType(v6 bool) nftables.SetDatatype {
	return nftables.MustConcatSetType(addressType(v6), nftables.TypeInetService)
}

func host32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// families are those of the addresses: false IPv4, true IPv6.
func families(s balance.Shape) []bool {
	var out []bool
	for _, h := range s.Addresses {
		if !slices.Contains(out, h.Address.Is6()) {
			out = append(out, h.Address.Is6())
		}
	}
	return out
}
