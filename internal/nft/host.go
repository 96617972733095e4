package nft

import (
	"context"
	"errors"
	"math"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	mdlayher "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
)

// loopback is where addresses are that this node answers from without holding them.
const loopback = "lo"

// placed is an address of an interface.
type placed struct {
	prefix netip.Prefix
	link   string
	index  int
	mortal bool // its life ends, unless somebody renews it
}

// addresses lists what the interfaces have.
func addresses() ([]placed, error) {
	fail := func(err error) ([]placed, error) {
		return nil, fault.Errorf(fault.Internal, "list the addresses of this host: %w", err)
	}
	for try := 0; ; try++ {
		links, err := netlink.LinkList()
		var list []netlink.Addr
		if err == nil {
			list, err = netlink.AddrList(nil, netlink.FAMILY_ALL)
		}
		if errors.Is(err, netlink.ErrDumpInterrupted) && try < 10 {
			continue // something changed meanwhile
		}
		if err != nil {
			return fail(err)
		}
		var out []placed
		for _, a := range list {
			ip, ok := netip.AddrFromSlice(a.IP)
			i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Index == a.LinkIndex })
			if !ok || i < 0 {
				continue
			}
			bits, _ := a.Mask.Size()
			out = append(out, placed{netip.PrefixFrom(ip.Unmap(), bits), links[i].Attrs().Name, a.LinkIndex, a.ValidLft > 0 && a.ValidLft < math.MaxUint32})
		}
		return out, nil
	}
}

// device is an interface with those of a service's addresses that are on it.
type device struct {
	name      string
	addresses []netip.Addr
}

// devicesOf says where held addresses are. One that is nowhere, and of which nobody said where it comes, is left out.
func devicesOf(held []balance.Held) ([]device, error) {
	have, err := addresses()
	if err != nil {
		return nil, err
	}
	var out []device
	for _, h := range held {
		name := h.Device
		for _, p := range have {
			if name == "" && p.prefix.Addr() == h.Address && p.link != loopback {
				name = p.link
			}
		}
		if name == "" {
			continue
		}
		if i := slices.IndexFunc(out, func(d device) bool { return d.name == name }); i >= 0 {
			out[i].addresses = append(out[i].addresses, h.Address)
		} else {
			out = append(out, device{name, []netip.Addr{h.Address}})
		}
	}
	return out, nil
}

// Networks lists the addresses that this host has on its interfaces, without those of the loopback interface and of the link.
func (k *Kernel) Networks() ([]netip.Prefix, error) {
	have, err := addresses()
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, p := range have {
		if p.link != loopback && p.prefix.Addr().IsGlobalUnicast() {
			out = append(out, p.prefix)
		}
	}
	return out, nil
}

// single is an address as it stands on the loopback interface.
func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// local brings the addresses of the loopback interface up to date. Ours are those whose life ends: the guard renews them. An address that somebody put there for good
// is left alone.
func (k *Kernel) local(ctx context.Context, want []netip.Addr) error {
	have, err := addresses()
	if err != nil {
		return err
	}
	var errs []error
	there := map[netip.Addr]bool{}
	for _, p := range have {
		if p.link != loopback || !p.prefix.IsSingleIP() {
			continue
		}
		if !p.mortal || slices.Contains(want, p.prefix.Addr()) {
			there[p.prefix.Addr()] = true
			continue
		}
		err := netlink.AddrDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: p.index, Name: loopback}}, address(p.prefix, 0))
		if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			errs = append(errs, fault.Errorf(fault.Internal, "remove address %s from interface %s: %w", p.prefix, loopback, err))
			continue
		}
		if err := k.cfg.Obligations.Settle(ctx, obligation(p.prefix)); err != nil {
			errs = append(errs, err)
		}
	}
	for _, a := range want {
		if there[a] {
			continue
		}
		p := single(a)
		if err := k.cfg.Obligations.Owe(ctx, obligation(p)); err != nil {
			errs = append(errs, err)
			continue
		}
		link, err := netlink.LinkByName(loopback)
		if err == nil {
			err = netlink.AddrReplace(link, address(p, k.cfg.AddressLife))
		}
		if err != nil {
			errs = append(errs, fault.Errorf(fault.Internal, "add address %s to interface %s: %w", p, loopback, err))
		}
	}
	return errors.Join(errs...)
}

// onLoopback reports whether the loopback interface has all these addresses.
func onLoopback(want []netip.Addr) (bool, error) {
	if len(want) == 0 {
		return true, nil
	}
	have, err := addresses()
	return !slices.ContainsFunc(want, func(a netip.Addr) bool {
		return !slices.ContainsFunc(have, func(p placed) bool { return p.link == loopback && p.prefix == single(a) })
	}), err
}

func obligation(p netip.Prefix) agent.Obligation {
	return agent.Obligation{Address: p.String(), Interface: loopback}
}

func address(p netip.Prefix, life time.Duration) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
	if life > 0 {
		seconds := int(max(1, life/time.Second))
		a.ValidLft, a.PreferedLft = seconds, seconds
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		} else {
			a.Scope = unix.RT_SCOPE_HOST
		}
	}
	return a
}

// silence keeps this node from answering for addresses that it does not hold, and from using them when it asks for others. IPv6 needs nothing of the kind: there a
// node speaks on a link only for the addresses of that link. With more, it stays silent about what it was silent about besides.
func (k *Kernel) silence(list []balance.Silent, more bool) error {
	there, err := arpThere()
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: arpTable, Family: nftables.TableFamilyARP}
	elements := []nftables.SetElement{}
	for _, s := range list {
		if !s.Address.Is4() {
			continue
		}
		own := netip.IPv4Unspecified()
		if s.Own.Is4() {
			own = s.Own
		}
		elements = append(elements, nftables.SetElement{Key: s.Address.AsSlice(), Val: own.AsSlice()})
	}
	own := &nftables.Set{Table: table, Name: "own", IsMap: true, KeyType: nftables.TypeIPAddr, DataType: nftables.TypeIPAddr}
	var have []nftables.SetElement
	if there {
		have, _ = elementsOf(own) // one that can not be read has none, and is made anew
	}
	for _, h := range have {
		if more && !slices.ContainsFunc(elements, func(e nftables.SetElement) bool { return slices.Equal(e.Key, h.Key) }) {
			elements = append(elements, nftables.SetElement{Key: h.Key, Val: h.Val})
		}
	}
	if len(elements) == 0 && !there || there && len(elements) > 0 && sameElements(have, elements) {
		return nil
	}
	err = commit(func(c *nftables.Conn) ([]mdlayher.Message, error) {
		if there {
			c.DelTable(table)
		}
		if len(elements) == 0 {
			return nil, nil
		}
		c.AddTable(table)
		if err := c.AddSet(own, elements); err != nil {
			return nil, err
		}
		accept, in, out := nftables.ChainPolicyAccept, nftables.ChainHook(arpIn), nftables.ChainHook(arpOut)
		hear := c.AddChain(&nftables.Chain{Name: "hear", Table: table, Type: nftables.ChainTypeFilter, Hooknum: &in, Priority: nftables.ChainPriorityFilter, Policy: &accept})
		speak := c.AddChain(&nftables.Chain{Name: "speak", Table: table, Type: nftables.ChainTypeFilter, Hooknum: &out, Priority: nftables.ChainPriorityFilter, Policy: &accept})
		c.AddRule(&nftables.Rule{Table: table, Chain: hear, Exprs: join(
			network(arpOperation, 2, rKey), equal(rKey, be16(arpRequest)), network(arpTarget, 4, rKey), find(own.Name, rKey, rVia), verdict(expr.VerdictDrop, ""),
		)})
		c.AddRule(&nftables.Rule{Table: table, Chain: speak, Exprs: append(
			join(network(arpSender, 4, rKey), find(own.Name, rKey, rVia)),
			&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: rVia, Base: expr.PayloadBaseNetworkHeader, Offset: arpSender, Len: 4},
		)})
		return nil, nil
	})
	if err != nil {
		return fault.Errorf(fault.Internal, "keep silent about addresses that this node does not hold: %w", err)
	}
	return nil
}

// Where things are in an ARP message between Ethernet and IPv4, and the hooks of the family.
const (
	arpOperation = 6
	arpSender    = 14
	arpTarget    = 24
	arpRequest   = 1
	arpIn        = 0
	arpOut       = 1
)

func arpThere() (bool, error) {
	c, err := nftables.New()
	if err != nil {
		return false, err
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyARP)
	if err != nil {
		return false, fault.Errorf(fault.Internal, "list the tables of nftables: %w; scalable services need a kernel with nf_tables and its family arp", err)
	}
	return slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == arpTable }), nil
}

// sameElements reports whether two lists have the same elements.
func sameElements(have, want []nftables.SetElement) bool {
	return len(have) == len(want) && !slices.ContainsFunc(want, func(w nftables.SetElement) bool {
		return !slices.ContainsFunc(have, func(h nftables.SetElement) bool {
			return slices.Equal(h.Key, w.Key) && slices.Equal(h.Val, w.Val)
		})
	})
}

// Connections lists the TCP connections that this host has at ports of addresses, with the time for which a holder would remember each, and no mark. No ports are all but
// those excepted.
func (k *Kernel) Connections(addrs []netip.Addr, ports, except []balance.Port) ([]balance.Known, error) {
	var out []balance.Known
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		for try := 0; errors.Is(err, netlink.ErrDumpInterrupted) && try < 10; try++ {
			sockets, err = netlink.SocketDiagTCP(family)
		}
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "list connections: %w", err)
		}
		for _, s := range sockets {
			life := closeLife
			switch s.State {
			case netlink.TCP_LISTEN, netlink.TCP_CLOSE, netlink.TCP_TIME_WAIT:
				continue
			case netlink.TCP_ESTABLISHED:
				life = tcpLife
			}
			at := balance.Port{Number: s.ID.SourcePort}
			if len(ports) > 0 && !slices.Contains(ports, at) || len(ports) == 0 && slices.Contains(except, at) {
				continue
			}
			local, ok := netip.AddrFromSlice(s.ID.Source)
			client, fine := netip.AddrFromSlice(s.ID.Destination)
			if ok && fine && slices.Contains(addrs, local.Unmap()) {
				out = append(out, balance.Known{Client: client.Unmap(), Port: s.ID.DestinationPort, Left: life})
			}
		}
	}
	return out, nil
}
