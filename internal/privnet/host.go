package privnet

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// host is what the kernel says of this host's interfaces and addresses.
type host struct {
	loopback  int
	addresses []address // by interface
	names     map[int]string
	carries   map[int]bool // the interface is up and has a carrier
}

// address is an address of an interface.
type address struct {
	prefix netip.Prefix
	index  int // of the interface
	ours   bool
}

const (
	ifaProto = 11 // IFA_PROTO: who made the address
	// label shows people whose address it is; IPv6 addresses have none.
	label = "lo:redoubt"
	// attempts bounds how often a listing is repeated that a change has interrupted.
	attempts = 10
)

// consistent repeats a listing until no change has come in between.
func consistent(list func() error) (err error) {
	for range attempts {
		if err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return err
		}
	}
	return err
}

func readHost() (*host, error) {
	h := &host{names: map[int]string{}, carries: map[int]bool{}}
	var links []netlink.Link
	err := consistent(func() (err error) {
		links, err = netlink.LinkList()
		return err
	})
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "list the interfaces of this host: %w", err)
	}
	for _, l := range links {
		a := l.Attrs()
		h.names[a.Index] = a.Name
		h.carries[a.Index] = a.RawFlags&unix.IFF_UP != 0 && a.RawFlags&unix.IFF_LOWER_UP != 0
		if a.RawFlags&unix.IFF_LOOPBACK != 0 {
			h.loopback = a.Index
		}
	}
	if h.loopback == 0 {
		return nil, fault.Errorf(fault.Unsupported, "this host has no loopback interface, where its private address would lie")
	}
	err = consistent(func() (err error) {
		h.addresses, err = listAddresses()
		return err
	})
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "list the addresses of this host: %w", err)
	}
	slices.SortStableFunc(h.addresses, func(a, b address) int { return a.index - b.index })
	return h, nil
}

// listAddresses reads the addresses with who made them, which the netlink package does not give.
func listAddresses() ([]address, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfAddrmsg(unix.AF_UNSPEC))
	replies, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWADDR)
	if err != nil {
		return nil, err
	}
	var out []address
	for _, m := range replies {
		msg := nl.DeserializeIfAddrmsg(m)
		attrs, err := nl.ParseRouteAttr(m[msg.Len():])
		if err != nil {
			return nil, err
		}
		a := address{index: int(msg.Index)}
		var ip netip.Addr
		for _, attr := range attrs {
			switch attr.Attr.Type {
			case unix.IFA_ADDRESS: // of a point-to-point link it is the other end's, and IFA_LOCAL follows or came before
				if v, ok := netip.AddrFromSlice(attr.Value); ok && !ip.IsValid() {
					ip = v
				}
			case unix.IFA_LOCAL:
				if v, ok := netip.AddrFromSlice(attr.Value); ok {
					ip = v
				}
			case unix.IFA_LABEL:
				a.ours = a.ours || string(attr.Value) == label+"\x00"
			case ifaProto:
				a.ours = a.ours || len(attr.Value) == 1 && attr.Value[0] == Protocol
			}
		}
		if ip.IsValid() {
			a.prefix = netip.PrefixFrom(ip, int(msg.Prefixlen))
			out = append(out, a)
		}
	}
	return out, nil
}

// changeAddress adds or removes an address of the loopback interface that is ours.
func changeAddress(h *host, request, flags int, a netip.Addr) error {
	msg := nl.NewIfAddrmsg(unix.AF_INET)
	if a.Is6() {
		msg.Family = unix.AF_INET6
		msg.Flags = unix.IFA_F_NODAD // it can be used at once, as the routes want
	}
	msg.Prefixlen, msg.Index = uint8(a.BitLen()), uint32(h.loopback)
	req := nl.NewNetlinkRequest(request, flags|unix.NLM_F_ACK)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, a.AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, a.AsSlice()))
	if request == unix.RTM_NEWADDR {
		req.AddData(nl.NewRtAttr(ifaProto, []byte{Protocol}))
		if a.Is4() {
			req.AddData(nl.NewRtAttr(unix.IFA_LABEL, nl.ZeroTerminated(label)))
		} else {
			// Deprecated from the start: it is used where a route or a program says so, and not picked for anything else.
			life := make([]byte, 16) // preferred, valid, and two times that the kernel keeps
			binary.NativeEndian.PutUint32(life[4:], ^uint32(0))
			req.AddData(nl.NewRtAttr(unix.IFA_CACHEINFO, life))
		}
	}
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// applyAddress puts the private address on the loopback interface and removes another one that is ours. An address that somebody else has put
// on this host is good enough, and stays theirs.
func (n *Net) applyAddress(h *host, self netip.Addr) error {
	if self.IsValid() && !h.carries[h.loopback] {
		lo, err := netlink.LinkByIndex(h.loopback)
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		if err != nil {
			return fault.Errorf(fault.Internal, "private address %s: bring up the loopback interface: %w", self, err)
		}
	}
	there := false
	for _, a := range h.addresses {
		mine := a.ours && a.index == h.loopback
		switch {
		case a.prefix.Addr() == self:
			there = true
		case mine:
			if err := changeAddress(h, unix.RTM_DELADDR, 0, a.prefix.Addr()); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return fault.Errorf(fault.Internal, "remove old private address %s: %w", a.prefix.Addr(), err)
			}
		}
	}
	if there || !self.IsValid() {
		return nil
	}
	if err := changeAddress(h, unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, self); err != nil && !errors.Is(err, unix.EEXIST) {
		return fault.Errorf(fault.Internal, "set private address %s: %w", self, err)
	}
	return nil
}

// interfaceTo finds the interface in whose network an address lies, the narrowest network first; 0: none.
func (h *host) interfaceTo(to netip.Addr) int {
	index, length := 0, -1
	for _, a := range h.addresses {
		if a.index != h.loopback && a.prefix.Contains(to) && a.prefix.Addr() != to && a.prefix.Bits() > length {
			index, length = a.index, a.prefix.Bits()
		}
	}
	return index
}

// interfacesTo lists the interfaces that may lead to a peer.
func (h *host) interfacesTo(p Peer) []string {
	var out []string
	for _, via := range p.Via {
		if i := h.interfaceTo(via); i != 0 && !slices.Contains(out, h.names[i]) {
			out = append(out, h.names[i])
		}
	}
	return out
}

func ipNet(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}
