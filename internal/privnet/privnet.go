// Package privnet gives each node a private address that outlives the loss of any one interconnect: it lies on the loopback interface, and every other node has a route to
// it over the best interconnect that works. When the states of the paths change, Apply moves the routes, and connections between private addresses carry on.
// The private address of a node that no interconnect leads to can be taken in here, for a program that carries its connections on over another network.
//
// Routes and addresses of ours carry the protocol number Protocol; others are never touched.
//
// An answer may come back by another interconnect than the question went out by. Reverse path filtering must therefore be off or loose on the interconnects; Apply
// makes it loose where it finds it strict. A firewall has to let the private addresses pass on every interconnect.
package privnet

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"redoubt/internal/fault"
)

// Protocol marks our routes and addresses (rtm_protocol, ifa_proto).
const Protocol = 199

// metric keeps our routes apart from others to the same address.
const metric = 199

// Desired is what the private network of this node should be. The zero value is nothing at all.
type Desired struct {
	Self  netip.Addr // own private address; the zero Addr: none
	Peers []Peer
}

// Peer is another node.
type Peer struct {
	Private netip.Addr
	Via     []netip.Addr // its interconnect addresses, the best first
	// Here takes what this host sends to the private address in on this host's loopback interface, whatever Via says.
	Here bool
}

// Net is the private network of this host. Its methods may be called from several goroutines.
type Net struct {
	log *slog.Logger

	mu       sync.Mutex
	loosened map[string]string // interfaces whose reverse path filter was strict, with its own value before
	lost     map[netip.Addr]bool
}

// New returns the private network; Apply makes it.
func New(log *slog.Logger) *Net {
	return &Net{log: log, loosened: map[string]string{}, lost: map[netip.Addr]bool{}}
}

// Apply makes the private network as desired, changing only what is different. A peer that no interconnect leads to gets a route that refuses, so that
// what is meant for it does not leave by another network. What fails for one peer does not keep the others from theirs.
func (n *Net) Apply(ctx context.Context, d Desired) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := check(d); err != nil {
		return err
	}
	host, err := readHost()
	if err != nil {
		return err
	}
	var errs []error
	if err := n.applyAddress(host, d.Self); err != nil {
		errs = append(errs, err)
	}
	var wanted []route
	for _, p := range d.Peers {
		if err := ctx.Err(); err != nil {
			return fault.Errorf(fault.Timeout, "private network: %w", context.Cause(ctx))
		}
		r := host.route(d.Self, p)
		wanted = append(wanted, r)
		n.tell(p.Private, r)
		for _, i := range host.interfacesTo(p) {
			if err := n.loosen(i); err != nil {
				errs = append(errs, err)
			}
		}
	}
	errs = append(errs, applyRoutes(wanted)...)
	return errors.Join(errs...)
}

// Close removes everything that Apply has made, here or in an earlier life of the daemon.
func (n *Net) Close(ctx context.Context) error {
	err := n.Apply(ctx, Desired{})
	n.mu.Lock()
	defer n.mu.Unlock()
	return errors.Join(err, n.tighten())
}

// check refuses what can not be meant.
func check(d Desired) error {
	seen := map[netip.Addr]bool{d.Self: true}
	for _, p := range d.Peers {
		switch {
		case !d.Self.IsValid():
			return fault.Errorf(fault.Invalid, "private network: this node has no private address")
		case !p.Private.IsValid() || p.Private.Is4() != d.Self.Is4():
			return fault.Errorf(fault.Invalid, "private network: %s and %s are not of one kind", d.Self, p.Private)
		case seen[p.Private]:
			return fault.Errorf(fault.Invalid, "private network: two nodes have the private address %s", p.Private)
		}
		seen[p.Private] = true
		if p.Private.Is6() && slices.ContainsFunc(p.Via, netip.Addr.Is4) {
			return fault.Errorf(fault.Unsupported, "private network: %s is an IPv6 address, which IPv4 interconnects do not carry; choose an IPv4 private network", p.Private)
		}
	}
	return nil
}

// tell logs when a peer is lost and when it is back.
func (n *Net) tell(private netip.Addr, r route) {
	lost := !r.via.IsValid() && !r.here
	if lost != n.lost[private] {
		n.lost[private] = lost
		if lost {
			n.log.Warn("no interconnect leads to a private address", "address", private)
		} else {
			n.log.Info("a private address is reached again", "address", private, "via", r.via)
		}
	}
}

// LocalPrefixes lists the addresses of this host with the lengths of their networks, by interface, those of a network's own before secondary ones. Those of the
// loopback interface and link-local ones are left out.
func LocalPrefixes() ([]netip.Prefix, error) {
	h, err := readHost()
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, a := range h.addresses {
		if a.index != h.loopback && !a.prefix.Addr().IsLinkLocalUnicast() {
			out = append(out, a.prefix)
		}
	}
	return out, nil
}
