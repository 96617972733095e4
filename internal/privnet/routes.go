package privnet

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// route is a route to a private address, as far as we set it.
type route struct {
	to, via, from netip.Addr // no via: what is sent there is refused
	index         int        // of the interface
	here          bool       // it is an address of this host itself
}

// route chooses the first interconnect address of a peer that an interface with a carrier leads to.
func (h *host) route(self netip.Addr, p Peer) route {
	if p.Here {
		return route{to: p.Private, from: self, index: h.loopback, here: true}
	}
	for _, via := range p.Via {
		if i := h.interfaceTo(via); i != 0 && h.carries[i] {
			return route{to: p.Private, via: via, from: self, index: i}
		}
	}
	return route{to: p.Private}
}

// kernel gives the route as the kernel takes it.
func (r route) kernel() *netlink.Route {
	k := &netlink.Route{Dst: ipNet(r.to), Protocol: Protocol, Priority: metric, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNREACHABLE}
	if r.here {
		k.Type, k.Table, k.Scope, k.LinkIndex, k.Src = unix.RTN_LOCAL, unix.RT_TABLE_LOCAL, unix.RT_SCOPE_HOST, r.index, net.IP(r.from.AsSlice())
		return k
	}
	if !r.via.IsValid() {
		return k
	}
	k.Type, k.LinkIndex, k.Src = unix.RTN_UNICAST, r.index, net.IP(r.from.AsSlice())
	if r.via.Is4() == r.to.Is4() {
		k.Gw = net.IP(r.via.AsSlice())
	} else {
		k.Via = &netlink.Via{AddrFamily: unix.AF_INET6, Addr: net.IP(r.via.AsSlice())}
	}
	return k
}

// fromKernel is the inverse of kernel.
func fromKernel(k netlink.Route) route {
	var r route
	if k.Dst != nil {
		r.to = addr(k.Dst.IP)
	}
	if k.Type != unix.RTN_UNICAST && k.Type != unix.RTN_LOCAL {
		return r
	}
	r.here = k.Type == unix.RTN_LOCAL
	r.via, r.from, r.index = addr(k.Gw), addr(k.Src), k.LinkIndex
	if v, ok := k.Via.(*netlink.Via); ok {
		r.via = addr(v.Addr)
	}
	return r
}

func addr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// tables are those in which we set routes.
var tables = []int{unix.RT_TABLE_MAIN, unix.RT_TABLE_LOCAL}

// ownRoutes lists the routes that are ours.
func ownRoutes() ([]netlink.Route, error) {
	var out []netlink.Route
	err := consistent(func() error {
		out = nil
		for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
			for _, table := range tables {
				filter := &netlink.Route{Protocol: Protocol, Table: table}
				list, err := netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
				if err != nil {
					return err
				}
				out = append(out, list...)
			}
		}
		return nil
	})
	return out, err
}

// applyRoutes makes our routes those that are wanted. New ones replace old ones in one step, so that there is no moment without a route.
func applyRoutes(wanted []route) (errs []error) {
	have, err := ownRoutes()
	if err != nil {
		return []error{fault.Errorf(fault.Internal, "list the routes of the private network: %w", err)}
	}
	for _, w := range wanted {
		if slices.ContainsFunc(have, func(k netlink.Route) bool { return fromKernel(k) == w }) {
			continue
		}
		if err := netlink.RouteReplace(w.kernel()); err != nil {
			errs = append(errs, fault.Errorf(fault.Internal, "route to private address %s via %s: %w", w.to, w.via, err))
			refuse := route{to: w.to} // better than to leave by another network
			if netlink.RouteReplace(refuse.kernel()) == nil {
				wanted = append(slices.Clone(wanted), refuse)
			}
		}
	}
	if have, err = ownRoutes(); err != nil {
		return append(errs, fault.Errorf(fault.Internal, "list the routes of the private network: %w", err))
	}
	for _, k := range have {
		if slices.Contains(wanted, fromKernel(k)) {
			continue
		}
		if err := netlink.RouteDel(&k); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fault.Errorf(fault.Internal, "remove old route to private address %s: %w", fromKernel(k).to, err))
		}
	}
	return errs
}
