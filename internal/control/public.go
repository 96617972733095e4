package control

import (
	"context"
	"net/netip"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// A quorum server that is on no interconnect is reached by its public address, and reaches every node by the node's.

// onInterconnect reports whether any of the addresses lies in an interconnect.
func onInterconnect(c model.Cluster, addresses []string) bool {
	return slices.ContainsFunc(c.Interconnects, func(i model.Interconnect) bool {
		_, err := addressIn(i.Network, addresses)
		return err == nil
	})
}

// publicAddress is the address by which a joining quorum server is reached.
func publicAddress(s model.State, in v1.NodeAdmit) (string, error) {
	a, err := netip.ParseAddr(in.PublicAddress)
	a = a.Unmap()
	switch private, perr := netip.ParsePrefix(s.Cluster.PrivateNet); {
	case err != nil || !a.IsGlobalUnicast() || a.Zone() != "":
		return "", fault.Errorf(fault.Invalid, "quorum server %s: %q is no address at which the nodes can reach it; name another with `redoubt node join --public ADDRESS` there", in.Node, in.PublicAddress)
	case perr == nil && private.Contains(a):
		return "", fault.Errorf(fault.Invalid, "quorum server %s: its address %s lies in the private network %s of the cluster; give it another", in.Node, a, private)
	case onInterconnect(s.Cluster, []string{a.String()}):
		return "", fault.Errorf(fault.Invalid, "quorum server %s: its address %s lies in an interconnect; without an address in each of them it has to have one that lies in none", in.Node, a)
	}
	if o, ok := whoHas(s, a.String()); ok {
		return "", fault.Errorf(fault.Exists, "quorum server %s: its address %s is that of node %s; every machine needs its own", in.Node, a, o)
	}
	return a.String(), nil
}

// reachPublicly gives every node that has none yet its public address, for the first quorum server that is on no interconnect, and returns the nodes as they are then. A node
// that can not be asked at the moment finds its address out by itself later; the quorum server does not hear it before.
func (c *Control) reachPublicly(ctx context.Context, r *Running, d *draft, nodes []model.NodeState, server model.Node) ([]model.NodeState, error) {
	nodes = slices.Clone(nodes)
	var errs []error
	for i, n := range nodes {
		if n.PublicAddress != "" {
			continue
		}
		a, err := c.publicAddressOf(ctx, r, n.Name, server.PublicAddress)
		switch {
		case err != nil && n.Name != r.Node && fault.Is(err, fault.Unavailable):
			c.cfg.Log.Warn("a node can not be asked for its public address; the quorum server does not reach it until the node has found it out by itself", "node", n.Name, "server", server.Name, "err", err)
			continue
		case err != nil:
			errs = append(errs, fault.Errorf(fault.CodeOf(err), "node %s: its way to quorum server %s: %w", n.Name, server.Name, err))
			continue
		case slices.Contains(n.Addresses, a):
			errs = append(errs, fault.Errorf(fault.Precondition, "node %s reaches quorum server %s at %s over an interconnect, with the address %s; give it a way over another network, or the quorum server an address on every interconnect",
				n.Name, server.Name, server.PublicAddress, a))
			continue
		}
		nodes[i].PublicAddress = a
		d.put(confdb.KeyNode(n.Name), confdb.KindNode, nodes[i].Node)
	}
	return nodes, together(errs)
}

// publicAddressOf asks a node with which of its addresses it reaches another.
func (c *Control) publicAddressOf(ctx context.Context, r *Running, n cluster.NodeName, toward string) (string, error) {
	bounded, cancel := context.WithTimeout(ctx, factsLimit)
	defer cancel()
	facts, err := c.factsFrom(bounded, r, n, v1.PeerFacts{Toward: toward})
	if err != nil {
		return "", err
	}
	if _, err := netip.ParseAddr(facts.PublicAddress); err != nil {
		return "", fault.Errorf(fault.Unsupported, "it does not say with which address it reaches %s; is redoubtd there of the same version?", toward)
	}
	return facts.PublicAddress, nil
}

// publicHere is the answer of this node.
func (c *Control) publicHere(ctx context.Context, r *Running, in v1.PeerFacts) (v1.NodeFacts, error) {
	to, err := netip.ParseAddr(in.Toward)
	if err != nil {
		return v1.NodeFacts{}, fault.Errorf(fault.Invalid, "%q is no address", in.Toward)
	}
	a, err := c.cfg.Local.PublicAddress(ctx, to)
	if err != nil {
		return v1.NodeFacts{}, err
	}
	return v1.NodeFacts{Node: string(r.Node), PublicAddress: a.String()}, nil
}
