package ocf

import (
	"math/bits"
	"net/netip"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

type route struct {
	nic  string
	bits int
}

// routeTo finds the network that an address belongs to, as the agents' findif does: the narrowest route of the main table, for IPv4 of link scope,
// whose network has all of want (an address when bits is negative) in it, through nic if that is given. Default routes do not count.
func routeTo(want netip.Addr, bits int, nic string) (route, error) {
	family := unix.AF_INET6
	if want.Is4() {
		family = unix.AF_INET
	}
	if bits < 0 {
		bits = want.BitLen()
	}
	routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return route{}, fault.Errorf(fault.Internal, "list routes: %w", err)
	}
	if want.IsLoopback() {
		return route{"lo", loopbackBits(want)}, nil
	}
	best, index := -1, 0
	for _, r := range routes {
		if r.Dst == nil || len(r.MultiPath) > 0 || want.Is4() && r.Scope != netlink.SCOPE_LINK {
			continue
		}
		dst, ok := netip.AddrFromSlice(r.Dst.IP)
		size, _ := r.Dst.Mask.Size()
		if !ok || size == 0 || size > bits || size < best {
			continue
		}
		if p := netip.PrefixFrom(dst.Unmap(), size); !p.Contains(want) || nic != "" && !isLink(r.LinkIndex, nic) {
			continue
		}
		if size > best { // of equals the first, as listed
			best, index = size, r.LinkIndex
		}
	}
	if best < 0 {
		return route{}, fault.Errorf(fault.Precondition, "address %s: no interface of this node is in its network; give nic and cidr_netmask, or an address of that network to an interface", want)
	}
	link, err := netlink.LinkByIndex(index)
	if err != nil {
		return route{}, fault.Errorf(fault.Internal, "address %s: find interface %d: %w", want, index, err)
	}
	return route{link.Attrs().Name, best}, nil
}

func isLink(index int, name string) bool {
	l, err := netlink.LinkByIndex(index)
	return err == nil && l.Attrs().Name == name
}

func loopbackBits(a netip.Addr) int {
	if a.Is4() {
		return 8
	}
	return 128
}

// prefixBits reads a netmask: a number of bits or, for IPv4, four numbers.
func prefixBits(a netip.Addr, mask string) (int, error) {
	if n, err := strconv.Atoi(mask); err == nil && n >= 1 && n <= a.BitLen() {
		return n, nil
	}
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() && a.Is4() {
		b := m.As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		if ones := bits.LeadingZeros32(^v); v != 0 && v<<ones == 0 {
			return ones, nil
		}
	}
	return 0, fault.Errorf(fault.Invalid, "netmask %q of address %s: give the number of its bits, 1 to %d", mask, a, a.BitLen())
}
