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
	Local  []netip.Addr // the shared addresses that instances on this node answer from
	Silent []Silent     // those of Local that nobody may hear of: this node does not hold them, or is about to give them up
}

// Silent is an address that a node has and must not be found by; Own is what it says of itself instead in the same network, invalid when it has no address there.
type Silent struct{ Address, Own netip.Addr }

// Held is an address that a node holds. Device is the interface where it is about to be put; "" when it is there already.
type Held struct {
	Address netip.Addr
	Device  string
}

// Share is one service with what is known of its instances now.
type Share struct {
	Service
	Held      []Held       // of its addresses those that this node holds, or is about to
	Everybody []netip.Addr // all of its addresses
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
	Taking  map[cluster.ResourceName][]Held // about to be taken
	Leaving map[cluster.ResourceName]bool   // about to be given up: not to be answered for any more
	// Lingering were given up a moment ago. Machines that have not yet heard of it still send here, and what they send goes on to where it belongs.
	Lingering map[cluster.ResourceName][]Held
}

// Look makes the outline of a node.
func Look(s model.State, self cluster.NodeName, o Overrides) Outline {
	out := Outline{Node: self}
	services := services(s)
	if len(services) == 0 {
		return out
	}
	own := ownAddresses(s)
	for _, r := range services {
		g, ok := group(s, r.Group)
		if !ok || !g.Managed {
			continue
		}
		service, _ := Read(r)
		share := Share{Service: service}
		var kept []netip.Addr
		for _, a := range Uses(s, r) {
			addrs := AddressesOf(a)
			share.Everybody = append(share.Everybody, addrs...)
			holds, answers := holds(s, a, self)
			taking, takes := o.Taking[a.Name]
			lingering, lingers := o.Lingering[a.Name]
			switch {
			case takes:
				share.Held = append(share.Held, taking...)
			case lingers:
				share.Held = append(share.Held, lingering...)
			case holds:
				for _, x := range addrs {
					share.Held = append(share.Held, Held{Address: x})
				}
			}
			if answers && !o.Leaving[a.Name] || takes {
				kept = append(kept, addrs...)
			}
		}
		if service.Policy == Wild {
			share.Except = except(s, services, r, share.Everybody)
		}
		for _, n := range nodelist(g) {
			share.Instances = append(share.Instances, instance(s, r, n, self, service, share.Everybody, own))
		}
		if slices.Contains(g.Nodelist, self) {
			for _, a := range share.Everybody {
				if slices.Contains(out.Local, a) {
					continue
				}
				out.Local = append(out.Local, a)
				if !slices.Contains(kept, a) {
					out.Silent = append(out.Silent, Silent{a, reach(own[self], a)})
				}
			}
		}
		out.Shares = append(out.Shares, share)
	}
	slices.SortFunc(out.Local, netip.Addr.Compare)
	slices.SortFunc(out.Silent, func(a, b Silent) int { return a.Address.Compare(b.Address) })
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

// services are the scalable resources, by name.
func services(s model.State) []model.Resource {
	var out []model.Resource
	for i := range s.Resources {
		if r := &s.Resources[i]; scalable(r) && !r.Deleting {
			out = append(out, *r)
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
	i, found := s.Report(g, n.Name)
	if !found || i.Incarnation != n.Incarnation {
		return model.ResourceInstance{}, false
	}
	for _, ri := range i.Resources {
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
	i := Instance{Seat: Seat{Node: name, Weight: service.Weight(name)}, Mark: uint32(n.ID), Self: name == self}
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
	case well && (ri.State == model.ResourceStopping || up(ri) && !ordered(s, r.Group, n)):
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

// ordered reports whether a group is to be online on a node.
func ordered(s model.State, g cluster.GroupName, n model.NodeState) bool {
	at, found := slices.BinarySearchFunc(s.Assignments, g, func(a model.Assignment, g cluster.GroupName) int { return cmp.Compare(a.Group, g) })
	return !found || s.Assignments[at].On(n.Name, n.Incarnation)
}

// Draining is for how many seconds at most instances behind a shared address are about to stop; 0: none is.
func Draining(s model.State, address cluster.ResourceName) int {
	longest := 0
	for _, r := range services(s) {
		if !slices.ContainsFunc(Uses(s, r), func(a model.Resource) bool { return a.Name == address }) {
			continue
		}
		service, _ := Read(r)
		g, _ := group(s, r.Group)
		for _, n := range nodelist(g) {
			if i := instance(s, r, n, "", service, nil, nil); i.Runs && !i.Present {
				longest = max(longest, service.Drain)
			}
		}
	}
	return longest
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

// Unreached are the addresses that a scalable service uses in whose network a node of its group's nodelist has told of no address of its own.
func Unreached(s model.State, r model.Resource, n cluster.NodeName) []netip.Addr {
	if g, ok := group(s, r.Group); !ok || !slices.Contains(g.Nodelist, n) {
		return nil
	}
	own := ownAddresses(s)[n]
	var out []netip.Addr
	for _, a := range Uses(s, r) {
		for _, x := range AddressesOf(a) {
			if !reach(own, x).IsValid() {
				out = append(out, x)
			}
		}
	}
	return out
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

// Reached picks from all addresses of a node what it has to tell the others: its own in the networks of shared addresses, sorted.
func Reached(s model.State, self cluster.NodeName, all []netip.Prefix) []string {
	var shared []netip.Addr
	for _, r := range s.Resources {
		if r.Type == SharedAddress {
			shared = append(shared, AddressesOf(r)...)
		}
	}
	if len(shared) == 0 {
		return nil
	}
	var texts []string
	for _, p := range all {
		if slices.ContainsFunc(shared, p.Contains) {
			texts = append(texts, p.String())
		}
	}
	own := ownAddresses(model.State{Resources: s.Resources, Networks: []model.Network{{Node: self, Addresses: texts}}})
	var out []string
	for _, p := range own[self] {
		out = append(out, p.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}
