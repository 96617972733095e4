package control

import (
	"context"
	"net/netip"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// InterconnectShow shows the private networks.
func (c *Control) InterconnectShow(ctx context.Context, who Caller, in v1.InterconnectShow) ([]v1.Interconnect, error) {
	r, err := c.enter(ctx, who, "interconnect show")
	if err != nil {
		return nil, err
	}
	v, err := c.read(r)
	if err != nil {
		return nil, err
	}
	names, err := shownNames("interconnect", in.Names, networks(v.state.Cluster))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(interconnects(v.state.Cluster), func(i v1.Interconnect) bool { return !slices.Contains(names, i.Network) }), nil
}

// InterconnectStatus shows the paths from this node to the others, the one between public addresses too where there is one, under the name v1.PublicPath.
func (c *Control) InterconnectStatus(ctx context.Context, who Caller, in v1.InterconnectStatus) ([]v1.InterconnectState, error) {
	r, err := c.enter(ctx, who, "interconnect status")
	if err != nil {
		return nil, err
	}
	v, err := c.read(r)
	if err != nil {
		return nil, err
	}
	known, out := networks(v.state.Cluster), []v1.InterconnectState{}
	for _, n := range v.state.Nodes {
		if n.Name == r.Node {
			continue
		}
		for _, p := range paths(v, n.Name) {
			out = append(out, v1.InterconnectState{Network: p.Network, From: string(r.Node), To: string(n.Name), State: p.State})
			if !slices.Contains(known, p.Network) {
				known = append(known, p.Network)
			}
		}
	}
	names, err := shownNames("interconnect", in.Names, known)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(i v1.InterconnectState) bool { return !slices.Contains(names, i.Network) }), nil
}

func networks(c model.Cluster) []string {
	out := []string{}
	for _, i := range c.Interconnects {
		out = append(out, i.Network)
	}
	return out
}

// paths are the paths to another node as this one hears it: its interconnects, or for a machine that is on none the one between public addresses.
func paths(v view, n cluster.NodeName) []v1.PathStatus {
	other, _ := check.Node(v.state, n)
	self, _ := check.Node(v.state, v.member.Self)
	if last := len(v.state.Cluster.Interconnects); model.Apart(self.Node, other.Node) {
		return []v1.PathStatus{{Path: last, Network: v1.PublicPath, State: v.heardOn(n, last)}}
	}
	var out []v1.PathStatus
	for pos, i := range v.state.Cluster.Interconnects {
		p := v1.PathStatus{Path: i.Index, Network: i.Network, State: v.heardOn(n, pos)}
		if i.Disabled {
			p.State = "disabled"
		}
		out = append(out, p)
	}
	return out
}

// heardOn is the state of a path to another node.
func (v view) heardOn(n cluster.NodeName, path int) string {
	i := slices.IndexFunc(v.member.Paths, func(s membership.PathState) bool { return s.Node == n && s.Path == path })
	switch {
	case i < 0:
		return "waiting"
	case v.member.Paths[i].Up:
		return "online"
	}
	return "faulted"
}

// editInterconnects changes the private networks in one transaction with the addresses of the nodes.
func (c *Control) editInterconnects(ctx context.Context, who Caller, name string, names []string, edit func(ctx context.Context, r *Running, d *draft, cl *model.Cluster, network string) error) (v1.Result, error) {
	r, err := c.enter(ctx, who, name)
	if err != nil {
		return v1.Result{}, err
	}
	if len(names) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "%s: name the network as CIDR, such as 10.77.2.0/24", name)
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		cl := d.state.Cluster
		cl.Interconnects = slices.Clone(cl.Interconnects)
		for _, n := range names {
			p, err := netip.ParsePrefix(n)
			if err != nil {
				return fault.Errorf(fault.Invalid, "interconnect %q is no network; give it as CIDR, such as 10.77.2.0/24", n)
			}
			if err := edit(ctx, r, d, &cl, p.Masked().String()); err != nil {
				return err
			}
		}
		d.put(confdb.KeyCluster, confdb.KindCluster, cl)
		return nil
	}))
}

func indexOf(cl *model.Cluster, network string) (int, error) {
	i := slices.IndexFunc(cl.Interconnects, func(i model.Interconnect) bool { return i.Network == network })
	if i < 0 {
		return i, unknown("interconnect", network, networks(*cl))
	}
	return i, nil
}

// InterconnectAdd adds private networks in which every node has an address, quorum servers that are on no interconnect excepted.
func (c *Control) InterconnectAdd(ctx context.Context, who Caller, in v1.InterconnectAdd) (v1.Result, error) {
	return c.editInterconnects(ctx, who, "interconnect add", in.Names, func(ctx context.Context, r *Running, d *draft, cl *model.Cluster, network string) error {
		p := netip.MustParsePrefix(network)
		for _, have := range append(networks(*cl), cl.PrivateNet) {
			if o, err := netip.ParsePrefix(have); err == nil && o.Overlaps(p) {
				return fault.Errorf(fault.Exists, "interconnect %s overlaps %s, which the cluster uses already", network, have)
			}
		}
		var errs []error
		for _, n := range d.state.Nodes {
			if a, err := netip.ParseAddr(n.PublicAddress); err == nil && p.Contains(a) {
				errs = append(errs, fault.Errorf(fault.Exists, "interconnect %s: node %s and a quorum server that is on no interconnect reach each other there, at %s; an interconnect has to be a network of its own", network, n.Name, a))
				continue
			}
			if n.Elsewhere() {
				continue
			}
			if !n.Member && !n.QuorumServer {
				errs = append(errs, fault.Errorf(fault.Precondition, "node %s is not in the cluster at the moment, so its address in %s can not be asked for; start it first", n.Name, network))
				continue
			}
			facts, err := c.factsOf(ctx, r, n.Name)
			if err != nil {
				errs = append(errs, fault.Errorf(fault.CodeOf(err), "ask node %s for its address in %s: %w", n.Name, network, err))
				continue
			}
			a, err := addressIn(network, facts.Addresses)
			if err != nil {
				errs = append(errs, fault.Errorf(fault.Precondition, "node %s: %w", n.Name, err))
				continue
			}
			node := d.pendingNode(n.Node)
			node.Addresses = append(slices.Clone(node.Addresses), a)
			d.put(confdb.KeyNode(n.Name), confdb.KindNode, node)
		}
		cl.Interconnects = append(cl.Interconnects, model.Interconnect{Index: len(cl.Interconnects), Network: network})
		d.say("interconnect " + network + " is added")
		return together(errs)
	})
}

// pendingNode is a node's record as this draft has changed it so far.
func (d *draft) pendingNode(n model.Node) model.Node {
	for _, op := range d.ops {
		if op.Key == confdb.KeyNode(n.Name) && op.Value != nil {
			if changed, err := confdb.Decode[model.Node](confdb.KindNode, op.Key, op.Value); err == nil {
				return changed
			}
		}
	}
	return n
}

// InterconnectRemove removes private networks that are disabled.
func (c *Control) InterconnectRemove(ctx context.Context, who Caller, in v1.InterconnectRemove) (v1.Result, error) {
	return c.editInterconnects(ctx, who, "interconnect remove", in.Names, func(_ context.Context, _ *Running, d *draft, cl *model.Cluster, network string) error {
		at, err := indexOf(cl, network)
		if err != nil {
			return err
		}
		if !cl.Interconnects[at].Disabled {
			return fault.Errorf(fault.Precondition, "interconnect %s is in use; run `redoubt interconnect disable %s` first", network, network)
		}
		cl.Interconnects = slices.Delete(cl.Interconnects, at, at+1)
		for i := range cl.Interconnects {
			cl.Interconnects[i].Index = i
		}
		for _, n := range d.state.Nodes {
			node := d.pendingNode(n.Node)
			if at < len(node.Addresses) {
				node.Addresses = slices.Delete(slices.Clone(node.Addresses), at, at+1)
				d.put(confdb.KeyNode(n.Name), confdb.KindNode, node)
			}
		}
		d.say("interconnect " + network + " is removed")
		return nil
	})
}

// InterconnectEnable uses private networks again.
func (c *Control) InterconnectEnable(ctx context.Context, who Caller, in v1.InterconnectEnable) (v1.Result, error) {
	return c.editInterconnects(ctx, who, "interconnect enable", in.Names, func(_ context.Context, _ *Running, d *draft, cl *model.Cluster, network string) error {
		at, err := indexOf(cl, network)
		if err != nil {
			return err
		}
		cl.Interconnects[at].Disabled = false
		d.say("interconnect " + network + " is enabled")
		return nil
	})
}

// InterconnectDisable stops using private networks. Every node has to keep another path that works.
func (c *Control) InterconnectDisable(ctx context.Context, who Caller, in v1.InterconnectDisable) (v1.Result, error) {
	return c.editInterconnects(ctx, who, "interconnect disable", in.Names, func(_ context.Context, r *Running, d *draft, cl *model.Cluster, network string) error {
		at, err := indexOf(cl, network)
		if err != nil {
			return err
		}
		cl.Interconnects[at].Disabled = true
		left := slices.DeleteFunc(slices.Clone(cl.Interconnects), func(i model.Interconnect) bool { return i.Disabled })
		if len(left) == 0 {
			return fault.Errorf(fault.Precondition, "interconnect %s is the last one in use and can not be disabled; add or enable another first", network)
		}
		for _, n := range d.members() {
			works := n == r.Node || slices.ContainsFunc(paths(d.view, n), func(p v1.PathStatus) bool {
				return p.State == "online" && slices.ContainsFunc(left, func(i model.Interconnect) bool { return i.Network == p.Network })
			})
			if !works {
				return fault.Errorf(fault.Precondition, "interconnect %s is the last working path to node %s and can not be disabled; repair another first (`redoubt interconnect status`)", network, n)
			}
		}
		d.say("interconnect " + network + " is disabled")
		return nil
	})
}
