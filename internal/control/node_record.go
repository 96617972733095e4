package control

import (
	"encoding/base64"
	"net/netip"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
	places "redoubt/internal/rgm/plan"
)

// newNode makes the record of a joining node: its number, and its address on each interconnect, or its public one.
func newNode(s model.State, in v1.NodeAdmit) (model.Node, error) {
	if err := cluster.CheckName("node", in.Node); err != nil {
		return model.Node{}, fault.Errorf(fault.Invalid, "admit: %w", err)
	}
	if _, taken := check.Node(s, cluster.NodeName(in.Node)); taken {
		return model.Node{}, fault.Errorf(fault.Exists, "a node %s is in the cluster already; give the machine another name, or remove the old one with `redoubt node remove %s`", in.Node, in.Node)
	}
	if runs := len(check.NodesThatRun(s)); !in.QuorumServer && runs >= places.MaxNodes {
		return model.Node{}, fault.Errorf(fault.Precondition, "node %s: %d nodes can run groups already, and the planner places groups on no more; remove one with `redoubt node remove`, or let the machine join as a quorum server",
			in.Node, runs)
	}
	if key, err := base64.StdEncoding.DecodeString(in.HeartbeatKey); err != nil || len(key) != 32 {
		return model.Node{}, fault.Errorf(fault.Invalid, "node %s sent no usable heartbeat key; is it of the same version?", in.Node)
	}
	if err := checkKeys(in); err != nil {
		return model.Node{}, err
	}
	n := model.Node{Name: cluster.NodeName(in.Node), QuorumServer: in.QuorumServer, Host: in.Host, HeartbeatKey: in.HeartbeatKey, ID: nextID(s), Keys: in.Keys}
	private, err := privateAddress(s.Cluster.PrivateNet, n.ID)
	if err != nil {
		return n, err
	}
	n.PrivateAddress = private.String()
	if in.QuorumServer && in.PublicAddress != "" && !onInterconnect(s.Cluster, in.Addresses) {
		n.Addresses = []string{}
		n.PublicAddress, err = publicAddress(s, in)
		return n, err
	}
	var errs []error
	for _, i := range s.Cluster.Interconnects {
		a, err := addressIn(i.Network, in.Addresses)
		if err != nil {
			errs = append(errs, fault.Errorf(fault.Invalid, "node %s: %w", in.Node, err))
			continue
		}
		if o, ok := whoHas(s, a); ok {
			errs = append(errs, fault.Errorf(fault.Exists, "node %s: its address %s is that of node %s; every node needs its own", in.Node, a, o))
		}
		n.Addresses = append(n.Addresses, a)
	}
	return n, together(errs)
}

// checkKeys bounds the public keys that a machine brings along: they stand in its record from then on.
func checkKeys(in v1.NodeAdmit) error {
	size := 0
	for purpose, key := range in.Keys {
		size += len(purpose) + len(key)
	}
	if len(in.Keys) > 16 || size > 8<<10 {
		return fault.Errorf(fault.Invalid, "node %s sent %d public keys of %d bytes, more than a node has; is it of the same version?", in.Node, len(in.Keys), size)
	}
	return nil
}

// nextID is a number that no node has ever had.
func nextID(s model.State) int {
	id := s.Cluster.LastNode
	for _, n := range s.Nodes {
		id = max(id, n.ID)
	}
	return id + 1
}

// privateAddress is the address with a number in the private network.
func privateAddress(network string, number int) (netip.Addr, error) {
	p, err := netip.ParsePrefix(network)
	if err != nil {
		return netip.Addr{}, fault.Errorf(fault.Internal, "the private network %q of the cluster is no network: %w", network, err)
	}
	a := p.Masked().Addr()
	for range number {
		a = a.Next()
	}
	if !p.Contains(a) || a.Is4() && !p.Contains(a.Next()) {
		return netip.Addr{}, fault.Errorf(fault.Precondition, "the private network %s has no address number %d: it is full", network, number)
	}
	return a, nil
}

// addressIn picks the address that lies in a network.
func addressIn(network string, addresses []string) (string, error) {
	p, err := netip.ParsePrefix(network)
	if err != nil {
		return "", fault.Errorf(fault.Invalid, "interconnect %q is no network; give it as CIDR, such as 10.77.1.0/24", network)
	}
	for _, text := range addresses {
		a, err := netip.ParseAddr(text)
		if prefix, perr := netip.ParsePrefix(text); perr == nil {
			a, err = prefix.Addr(), nil
		}
		if err == nil && p.Contains(a.Unmap()) {
			return a.Unmap().String(), nil
		}
	}
	return "", fault.Errorf(fault.Invalid, "it has no address in the interconnect %s; configure one on the network card that is connected to it", network)
}

func whoHas(s model.State, address string) (cluster.NodeName, bool) {
	for _, n := range s.Nodes {
		if slices.Contains(n.Addresses, address) || n.PublicAddress == address {
			return n.Name, true
		}
	}
	return "", false
}

// addressesOf are the addresses by which others reach a node.
func addressesOf(n model.Node) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, text := range append(slices.Clone(n.Addresses), n.PrivateAddress) {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "node %s: %q is no address: %w", n.Name, text, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// admittedAs is the sponsor's answer.
func admittedAs(s model.State, n model.Node, signed Signed) v1.NodeAdmitted {
	out := v1.NodeAdmitted{
		Cluster: s.Cluster.Name, ClusterID: s.Cluster.ID, Node: string(n.Name), ID: n.ID, Certificate: signed.Certificate, Authority: signed.Authority,
		Interconnects: interconnects(s.Cluster), Addresses: n.Addresses, PrivateNet: s.Cluster.PrivateNet, PrivateAddress: n.PrivateAddress, Extra: signed.Extra,
	}
	for _, o := range s.Nodes {
		out.Nodes = append(out.Nodes, nodeOf(o.Node))
	}
	out.Nodes = append(out.Nodes, nodeOf(n))
	return out
}
