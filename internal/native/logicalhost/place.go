package logicalhost

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/native/property"
)

// want is an address that is asked for. bits is -1 when the prefix length is to be that of the interface's network.
type want struct {
	addr netip.Addr
	bits int
}

// place is an address on an interface.
type place struct {
	prefix netip.Prefix
	link   string
}

func (p place) obligation() agent.Obligation {
	return agent.Obligation{Address: p.prefix.String(), Interface: p.link}
}

// wanted collects the addresses of the properties Address and Hostnames, each once.
func (t *Type) wanted(ctx context.Context, call agent.Call) ([]want, error) {
	var all []want
	add := func(w want) {
		if !slices.ContainsFunc(all, func(o want) bool { return o.addr == w.addr }) {
			all = append(all, w)
		}
	}
	for _, text := range property.List(call, "Address") {
		w, err := parseWant(text)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "resource %s: property Address: %w", call.Resource.Name, err)
		}
		add(w)
	}
	for _, host := range property.List(call, "Hostnames") {
		addrs, err := t.cfg.Resolve(ctx, host)
		if err != nil || len(addrs) == 0 {
			return nil, fault.Hide(fault.NotFound, err, "resource %s: host name %s has no address on node %s; add it to /etc/hosts of every node or to the name service", call.Resource.Name, host, call.Node)
		}
		for _, a := range addrs {
			add(want{a.Unmap(), -1})
		}
	}
	if len(all) == 0 {
		return nil, fault.Errorf(fault.Invalid, "resource %s: neither Address nor Hostnames is set; name at least one address, such as Address=192.0.2.10/24", call.Resource.Name)
	}
	return all, nil
}

func parseWant(text string) (want, error) {
	w := want{bits: -1}
	var err error
	if strings.Contains(text, "/") {
		var p netip.Prefix
		p, err = netip.ParsePrefix(text)
		w.addr, w.bits = p.Addr(), p.Bits()
	} else {
		w.addr, err = netip.ParseAddr(text)
	}
	switch {
	case err != nil:
		return w, fault.Errorf(fault.Invalid, "%q is no address; give it with its prefix length, such as 192.0.2.10/24 or fd00::10/64", text)
	case w.addr.Zone() != "" || w.addr.Is4In6() || w.addr.IsUnspecified() || w.addr.IsMulticast() || w.addr.IsLoopback() || w.addr.IsLinkLocalUnicast():
		return w, fault.Errorf(fault.Invalid, "%q is no address that a service could have; a unicast address of a network is wanted", text)
	case w.addr.Is4() && w.bits >= 8 && w.bits < 31 && !isHost(w):
		return w, fault.Errorf(fault.Invalid, "%q is the address of a network or its broadcast address, not that of a host in it", text)
	}
	return w, nil
}

// isHost reports whether the host part of an IPv4 address is neither all zeros nor all ones.
func isHost(w want) bool {
	a := w.addr.As4()
	v := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	mask := uint32(1)<<(32-w.bits) - 1
	return v&mask != 0 && v&mask != mask
}

// place chooses the interface of each address: the one that Netif names for this node, or the one that is in the same network.
func (h *host) place(call agent.Call, wanted []want) ([]place, error) {
	netif, err := netifOf(call)
	if err != nil {
		return nil, err
	}
	if netif != "" && h.links[netif] == nil {
		return nil, fault.Errorf(fault.NotFound, "resource %s: interface %s of property Netif does not exist on node %s; `ip link` lists those there are", call.Resource.Name, netif, call.Node)
	}
	var places []place
	for _, w := range wanted {
		p := place{link: netif}
		bits := w.bits
		if network, ok := h.networkOf(w.addr, netif); ok {
			if p.link == "" {
				p.link = network.link
			}
			if bits < 0 {
				bits = network.prefix.Bits()
			}
		}
		switch {
		case p.link == "":
			return nil, fault.Errorf(fault.Precondition, "resource %s: no interface of node %s is in the network of address %s; name one with Netif=INTERFACE@%s", call.Resource.Name, call.Node, w.addr, call.Node)
		case bits < 0:
			return nil, fault.Errorf(fault.Precondition, "resource %s: the prefix length of address %s is not known, for interface %s of node %s has no address in its network; give it, as in Address=%s/24", call.Resource.Name, w.addr, p.link, call.Node, w.addr)
		}
		p.prefix = netip.PrefixFrom(w.addr, bits)
		places = append(places, p)
	}
	return places, nil
}

// netifOf is the interface that Netif names for this node, "" when it names none. An entry without a node is for all others.
func netifOf(call agent.Call) (string, error) {
	general := ""
	for _, entry := range property.List(call, "Netif") {
		name, node, per := strings.Cut(entry, "@")
		if name == "" || len(name) > 15 || per && node == "" || strings.ContainsAny(name, " /") {
			return "", fault.Errorf(fault.Invalid, "resource %s: property Netif: %q is not of the form INTERFACE or INTERFACE@NODE", call.Resource.Name, entry)
		}
		switch {
		case per && node == string(call.Node):
			return name, nil
		case !per:
			general = name
		}
	}
	return general, nil
}

// networkOf finds the address of this host, on a given interface if link is not empty, whose network has addr in it; the narrowest wins.
func (h *host) networkOf(addr netip.Addr, link string) (place, bool) {
	var best place
	for _, n := range h.networks {
		narrower := !best.prefix.IsValid() || n.prefix.Bits() > best.prefix.Bits()
		if (link == "" || n.link == link) && narrower && n.prefix.Contains(addr) && !h.links[n.link].loopback() && (n.prefix.Addr() != addr || !n.prefix.IsSingleIP()) {
			best = n
		}
	}
	return best, best.prefix.IsValid()
}
