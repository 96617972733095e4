package daemon

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/privnet"
	"redoubt/internal/relay"
	"redoubt/internal/rgm/model"
	"redoubt/internal/tick"
)

// A quorum server may be on no interconnect. The nodes and it reach each other by public addresses: heartbeats have one path more, the API is called there, and what the
// repository sends to a private address is carried by package relay.

// elsewhere reports whether any machine of the cluster is on no interconnect.
func (id *identity) elsewhere() bool { return slices.ContainsFunc(id.Nodes, model.Node.Elsewhere) }

// apart reports whether this node and another reach each other by public addresses alone.
func (id *identity) apart(r model.Node) bool { return model.Apart(id.self(), r) }

// public is the public address of a node as far as this one has a use for it: its own while any machine is on no interconnect, and those of nodes that no interconnect leads
// to. The zero address: none.
func (id *identity) public(r model.Node) (netip.Addr, error) {
	if r.PublicAddress == "" || !id.apart(r) && (r.Name != id.Node || !id.elsewhere()) {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(r.PublicAddress)
	if err != nil {
		return netip.Addr{}, fault.Errorf(fault.Internal, "public address %q in the record of node %s: %w", r.PublicAddress, r.Name, err)
	}
	return a, nil
}

// pathCount is how many paths there are: one for each interconnect, and one more for machines that are on none.
func (id *identity) pathCount() int {
	n := len(id.Cluster.Interconnects)
	if id.elsewhere() {
		n++
	}
	return max(1, n)
}

// unused are the paths that do not lead to another node.
func (id *identity) unused(r model.Node) []int {
	if !id.elsewhere() {
		return nil
	}
	last := len(id.Cluster.Interconnects)
	if !id.apart(r) {
		return []int{last}
	}
	var out []int
	for i := range last {
		out = append(out, i)
	}
	return out
}

// paths are a node's addresses by path: its interconnects, then its public address. The zero address where the path is not in use or does not lead to the node.
func (id *identity) paths(r model.Node) ([]netip.Addr, error) {
	out, err := id.interconnects(r)
	if err != nil || !id.elsewhere() {
		return out, err
	}
	a, err := id.public(r)
	return append(out, a), err
}

// api is the address at which the API of another node is called.
func (id *identity) api(r model.Node) string {
	if id.apart(r) {
		return r.PublicAddress
	}
	return r.PrivateAddress
}

// relays is what package relay has to join. A machine whose addresses are not known, or damaged, is left out.
func (id *identity) relays() relay.Desired {
	machine := func(r model.Node) (relay.Machine, bool) {
		private, perr := netip.ParseAddr(r.PrivateAddress)
		public, err := id.public(r)
		return relay.Machine{Private: private, Public: public}, perr == nil && err == nil && public.IsValid()
	}
	self, ok := machine(id.self())
	if !ok {
		return relay.Desired{}
	}
	d := relay.Desired{Self: self, Ports: []uint16{cluster.PortClient, cluster.PortPeer}}
	for _, r := range id.Nodes {
		if p, ok := machine(r); ok && id.apart(r) {
			d.Peers = append(d.Peers, p)
		}
	}
	if len(d.Peers) == 0 {
		return relay.Desired{}
	}
	return d
}

// lookAtPublic is how often a node looks whether its public address is still the one on record.
const lookAtPublic = 5 * time.Second

// keepPublic keeps this node's public address on record while a quorum server is on no interconnect: one that joined while the sponsor could not ask this node, or an address
// that this host has no more. Nothing is on record, and so nothing listens there, once no such quorum server is left.
func (n *node) keepPublic(ctx context.Context) error {
	news := n.mirror.Subscribe(ctx)
	ticks := tick.New(lookAtPublic)
	defer ticks.Stop()
	said := ""
	for {
		switch err := n.recordPublic(ctx); {
		case err == nil:
			said = ""
		case ctx.Err() == nil && !fault.Is(err, fault.Conflict) && err.Error() != said:
			said = err.Error()
			n.log.Warn("the public address of this node is not on record; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-news:
		case <-ticks.C:
		}
	}
}

func (n *node) recordPublic(ctx context.Context) error {
	snap := n.mirror.Snapshot()
	i := slices.IndexFunc(snap.State.Nodes, func(s model.NodeState) bool { return s.Name == n.cfg.Node })
	if i < 0 {
		return nil
	}
	var nodes []model.Node
	for _, s := range snap.State.Nodes {
		nodes = append(nodes, s.Node)
	}
	next := nodes[i]
	if next.PublicAddress == "" && !slices.ContainsFunc(nodes, model.Node.Elsewhere) {
		return nil
	}
	local, err := privnet.LocalPrefixes()
	if err != nil {
		return err
	}
	want, err := publicFor(next, nodes, local, sourceTo)
	if err != nil || want == next.PublicAddress {
		return err
	}
	next.PublicAddress = want
	b := batch{snap: snap}
	b.put(confdb.KeyNode(n.cfg.Node), confdb.KindNode, next)
	if b.err != nil {
		return b.err
	}
	attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err := n.gated().Txn(attempt, b.compares, b.ops); err != nil {
		return err
	}
	n.log.Info("the public address of this node is on record", "address", want)
	return nil
}

// publicFor is the public address that a node should have on record: what is there, as long as the host has it; otherwise that with which the host reaches the first machine
// that is on no interconnect. Such a machine keeps its own.
func publicFor(own model.Node, nodes []model.Node, local []netip.Prefix, source func(netip.Addr) (netip.Addr, error)) (string, error) {
	if own.Elsewhere() {
		return own.PublicAddress, nil
	}
	i := slices.IndexFunc(nodes, model.Node.Elsewhere)
	if i < 0 {
		return "", nil
	}
	if have, err := netip.ParseAddr(own.PublicAddress); err == nil && slices.ContainsFunc(local, func(p netip.Prefix) bool { return p.Addr().Unmap() == have }) {
		return own.PublicAddress, nil
	}
	to, err := netip.ParseAddr(nodes[i].PublicAddress)
	if err != nil {
		return own.PublicAddress, fault.Errorf(fault.Internal, "public address %q in the record of quorum server %s: %w", nodes[i].PublicAddress, nodes[i].Name, err)
	}
	a, err := source(to)
	if err != nil {
		return own.PublicAddress, fault.Errorf(fault.CodeOf(err), "quorum server %s: %w", nodes[i].Name, err)
	}
	if slices.Contains(own.Addresses, a.String()) {
		return own.PublicAddress, fault.Errorf(fault.Precondition, "quorum server %s at %s is reached over the interconnect with the address %s; give this node another way to it: the path to it has to be a network of its own", nodes[i].Name, to, a)
	}
	return a.String(), nil
}

// sourceTo is the address from which this host would send to another. Nothing is sent.
func sourceTo(to netip.Addr) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, cluster.PortHeartbeat)))
	if err != nil {
		return netip.Addr{}, fault.Errorf(fault.Unavailable, "this host has no way to %s: %w; see its routes", to, err)
	}
	defer c.Close()
	at, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}, fault.Errorf(fault.Internal, "the kernel gives no address of the way to %s", to)
	}
	return at.AddrPort().Addr().Unmap(), nil
}

// PublicAddress implements control.Local.
func (d *Daemon) PublicAddress(_ context.Context, toward netip.Addr) (netip.Addr, error) {
	return sourceTo(toward)
}
