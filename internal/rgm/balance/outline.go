package balance

import (
	"cmp"
	"net/netip"
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// Outline is all that one node's part in the sharing of load depends on. Two that are equal lead to the same Plane.
type Outline struct {
	Node   cluster.NodeName
	Shares []Share
	// Local are the shared addresses that instances on this node answer from, and that nobody may hear of: the node does not hold them. Silent are all those
	// that are not to be answered for, which may still be on an interface: one that is about to be given up.
	Local, Silent []netip.Addr
}

// Share is one service with what is known of its instances now.
type Share struct {
	Service
	Held      []netip.Addr // of its addresses those that this node holds, or is about to
	Everybody []netip.Addr // all of its addresses
	Netif     []string     // how the shared addresses name their interfaces
	Except    []Port       // policy Wild: ports that other services have on the same addresses
	Instances []Instance   // by node
}

// Instance is a service on one node of its group's nodelist.
type Instance struct {
	Seat
	Mark uint32       // the number of the node
	Via  []netip.Addr // where the node is reached, for each of Everybody; an invalid one: nowhere
	Runs bool         // what it serves already goes on
	Why  string       // why it is not Present; "" when it is
	Self bool         // this node
}

// Overrides are what a node knows of its own shared addresses before the repository does.
type Overrides struct {
	Taking  map[cluster.ResourceName]bool // about to be taken
	Leaving map[cluster.ResourceName]bool // about to be given up: not to be answered for any more
}

// Look makes the outline of a node.
func Look(s model.State, self cluster.NodeName, o Overrides) Outline {
	out := Outline{Node: self}
	own := ownAddresses(s)
	services := services(s)
	for _, r := range services {
		g, ok := group(s, r.Group)
		if !ok || !g.Managed {
			continue
		}
		service, _ := Read(r)
		share := Share{Service: service}
		var held, kept []netip.Addr
		for _, a := range Uses(s, r) {
			addrs := AddressesOf(a)
			share.Everybody = append(share.Everybody, addrs...)
			share.Netif = append(share.Netif, list(a, "Netif")...)
			holds, answers := holds(s, a, self)
			if holds || o.Taking[a.Name] {
				held = append(held, addrs...)
			}
			if answers && !o.Leaving[a.Name] || o.Taking[a.Name] {
				kept = append(kept, addrs...)
			}
		}
		share.Held = held
		if service.Policy == Wild {
			share.Except = except(s, services, r, share.Everybody)
		}
		for _, n := range nodelist(g) {
			share.Instances = append(share.Instances, instance(s, r, n, self, service, share.Everybody, own))
		}
		if slices.Contains(g.Nodelist, self) {
			for _, a := range share.Everybody {
				out.Local = add(out.Local, a)
				if !slices.Contains(kept, a) {
					out.Silent = add(out.Silent, a)
				}
			}
		}
		out.Shares = append(out.Shares, share)
	}
	slices.SortFunc(out.Local, netip.Addr.Compare)
	slices.SortFunc(out.Silent, netip.Addr.Compare)
	return out
}

// Dealt deals the slots of a service: for each the index of an instance, or -1.
func (s Share) Dealt() [Slots]int {
	seats := make([]Seat, len(s.Instances))
	for i, n := range s.Instances {
		seats[i] = n.Seat
	}
	return Deal(seats)
}

func add(list []netip.Addr, a netip.Addr) []netip.Addr {
	if slices.Contains(list, a) {
		return list
	}
	return append(list, a)
}

// services are the scalable resources, by name.
func services(s model.State) []model.Resource {
	var out []model.Resource
	for _, r := range s.Resources {
		if Scalable(r) && !r.Deleting {
			out = append(out, r)
		}
	}
	return out
}

func group(s model.State, name cluster.GroupName) (model.Group, bool) {
	for _, g := range s.Groups {
		if g.Name == name {
			return g, true
		}
	}
	return model.Group{}, false
}

// nodelist is that of a group, by name.
func nodelist(g model.Group) []cluster.NodeName {
	out := slices.Clone(g.Nodelist)
	slices.Sort(out)
	return slices.Compact(out)
}

// node gives a node and whether it is a member.
func node(s model.State, name cluster.NodeName) (model.NodeState, bool) {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n, n.Member
		}
	}
	return model.NodeState{}, false
}

// reported is what a living node says of a resource.
func reported(s model.State, g cluster.GroupName, r cluster.ResourceName, n model.NodeState) (model.ResourceInstance, bool) {
	at, found := slices.BinarySearchFunc(s.Instances, model.Instance{Group: g, Node: n.Name}, func(a, b model.Instance) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Node, b.Node))
	})
	if !found || s.Instances[at].Incarnation != n.Incarnation {
		return model.ResourceInstance{}, false
	}
	for _, ri := range s.Instances[at].Resources {
		if ri.Name == r {
			return ri, true
		}
	}
	return model.ResourceInstance{}, false
}

// holds reports whether a node holds a shared address, as far as the repository knows: it has not yet said that it gave the address up. answers is true when the
// address is up there.
func holds(s model.State, a model.Resource, self cluster.NodeName) (holds, answers bool) {
	n, member := node(s, self)
	ri, ok := reported(s, a.Group, a.Name, n)
	if !member || !ok {
		return false, false
	}
	return ri.State != model.ResourceOffline, up(ri)
}

func up(ri model.ResourceInstance) bool {
	return ri.State == model.ResourceOnline || ri.State == model.ResourceOnlineNotMonitored || ri.State == model.ResourceMonitorFailed
}

// Holder is the node that holds a shared address now, "" when nobody does.
func Holder(s model.State, a model.Resource) cluster.NodeName {
	for _, n := range s.Nodes {
		if _, answers := holds(s, a, n.Name); answers {
			return n.Name
		}
	}
	return ""
}

// instance says how a service is on a node.
func instance(s model.State, r model.Resource, name, self cluster.NodeName, service Service, addrs []netip.Addr, own map[cluster.NodeName][]netip.Prefix) Instance {
	n, member := node(s, name)
	i := Instance{Seat: Seat{Node: name, Weight: service.weight(name)}, Mark: uint32(n.ID), Self: name == self}
	reachable := true
	for _, a := range addrs {
		via := reach(own[name], a)
		i.Via = append(i.Via, via)
		reachable = reachable && via.IsValid()
	}
	ri, ok := reported(s, r.Group, r.Name, n)
	well := ri.Status != model.StatusFaulted && ri.Status != model.StatusOffline
	switch {
	case !member:
		i.Why = "the node is not in the cluster"
	case !ok || ri.State == model.ResourceOffline:
		i.Why = "offline"
	case !reachable:
		i.Why = "the node has no address in the network of a shared address"
	case ri.State == model.ResourceStopping && well:
		i.Why, i.Runs = "about to stop: connections may end", true
	case !up(ri) || !well:
		i.Why = "not healthy"
		if ri.State == model.ResourceStarting {
			i.Why = "starting"
		}
	default:
		i.Present, i.Runs = true, true
	}
	return i
}

// ownAddresses are the addresses of the nodes themselves: those that they publish, without what is moved by resources.
func ownAddresses(s model.State) map[cluster.NodeName][]netip.Prefix {
	moved := map[netip.Addr]bool{}
	for _, r := range s.Resources {
		for _, a := range AddressesOf(r) {
			moved[a] = true
		}
	}
	out := map[cluster.NodeName][]netip.Prefix{}
	for _, n := range s.Networks {
		for _, t := range n.Addresses {
			if p, err := netip.ParsePrefix(t); err == nil && !moved[p.Addr()] {
				out[n.Node] = append(out[n.Node], p)
			}
		}
	}
	return out
}

// reach is the address of a node in the network of a shared address; the narrowest network counts.
func reach(own []netip.Prefix, a netip.Addr) netip.Addr {
	var best netip.Prefix
	for _, p := range own {
		if p.Contains(a) && p.Addr() != a && (!best.IsValid() || p.Bits() > best.Bits()) {
			best = p
		}
	}
	return best.Addr()
}

// except are the ports that other services have on addresses of a service that takes all the others.
func except(s model.State, all []model.Resource, r model.Resource, addrs []netip.Addr) []Port {
	var out []Port
	for _, o := range all {
		if o.Name == r.Name {
			continue
		}
		shares := slices.ContainsFunc(Uses(s, o), func(a model.Resource) bool {
			return slices.ContainsFunc(AddressesOf(a), func(x netip.Addr) bool { return slices.Contains(addrs, x) })
		})
		if other, _ := Read(o); shares {
			out = append(out, other.Ports...)
		}
	}
	slices.SortFunc(out, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.String(), b.String()))
	})
	return slices.Compact(out)
}
