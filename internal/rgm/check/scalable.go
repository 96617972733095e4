package check

import (
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// scalableProperties are those that resources of every type have that can run on several nodes at once. None has a default that is written down: a record
// has those only that somebody set.
func scalableProperties() []model.PropertySpec {
	list := func(name, about string) model.PropertySpec {
		return model.PropertySpec{Name: name, Type: model.TypeStringArray, Description: about, Tunable: model.TunableAnytime}
	}
	truth := func(name, about string) model.PropertySpec {
		return model.PropertySpec{Name: name, Type: model.TypeBool, Description: about, Tunable: model.TunableAnytime}
	}
	whole := func(name, about string, low int64) model.PropertySpec {
		return model.PropertySpec{Name: name, Type: model.TypeInt, Description: about, Min: bound(low), Max: bound(maxSeconds), Tunable: model.TunableAnytime}
	}
	return []model.PropertySpec{
		{Name: balance.PropertyScalable, Type: model.TypeBool, Description: "whether clients reach all instances by a shared address; false when not given", Tunable: model.TunableWhenDisabled},
		list(balance.PropertyAddresses, "the shared addresses; those that the resource depends on count besides"),
		list(balance.PropertyPorts, "ports that clients reach, such as 80/tcp"),
		{
			Name: balance.PropertyPolicy, Type: model.TypeEnum, Description: "what decides on the instance of a connection; Lb_weighted when not given", Tunable: model.TunableAnytime,
			Enum: []string{string(balance.Weighted), string(balance.Sticky), string(balance.Wild)},
		},
		list(balance.PropertyWeights, "WEIGHT@NODE, how much nodes get beside the others; 1 for those that are not named, 0 for nothing new"),
		whole(balance.PropertyAffinity, "seconds for which a client stays with its node after its last connection was closed, with a sticky policy, half a minute at least; 0 when not given; -1: as long as there is room", -1),
		truth(balance.PropertyUDP, "whether all UDP of one client goes to one node, with a sticky policy that of its TCP; false when not given"),
		truth(balance.PropertyWeak, "whether clients of a sticky policy may move when nodes come and go; false when not given"),
		whole(balance.PropertyDrain, "seconds that connections have to end before an instance is stopped on purpose; 5 when not given", 0),
	}
}

// sharesLoad reports whether a property is one of those.
func sharesLoad(name string) bool {
	return slices.ContainsFunc(scalableProperties(), func(p model.PropertySpec) bool { return strings.EqualFold(p.Name, name) })
}

// withScalable adds the properties of scalable services to what a type declares itself.
func withScalable(t model.Type, own []model.PropertySpec) []model.PropertySpec {
	if t.Failover || t.NetworkAddress {
		return own
	}
	for _, p := range scalableProperties() {
		if !slices.ContainsFunc(t.Properties, func(o model.PropertySpec) bool { return strings.EqualFold(o.Name, p.Name) }) {
			own = append(own, p)
		}
	}
	return own
}

// scalable says what is wrong with a resource that is to share its load.
func scalable(s model.State, g model.Group, r model.Resource) Problems {
	if !balance.Scalable(r) {
		return nil
	}
	at := "resource " + string(r.Name)
	of := func(property string) string { return at + ": property " + property }
	var ps Problems
	service, faults := balance.Read(r)
	for _, f := range faults {
		ps.add(fault.Invalid, of(f.Property), "%s", f.Text)
	}
	for _, n := range service.Addresses {
		o, ok := Resource(s, n)
		switch {
		case !ok:
			ps.add(fault.NotFound, of(balance.PropertyAddresses), "resource %s does not exist; create it with `redoubt resource create-sharedaddress`", n)
		case o.Type != balance.SharedAddress:
			ps.add(fault.Invalid, of(balance.PropertyAddresses), "resource %s is of type %s and no shared address", n, o.Type)
		}
	}
	uses := balance.Uses(s, r)
	if len(uses) == 0 && len(service.Addresses) == 0 {
		ps.add(fault.Invalid, of(balance.PropertyScalable), "it uses no shared address; create one in a failover group with `redoubt resource create-sharedaddress` and name it in %s", balance.PropertyAddresses)
	}
	if weightless(g, service) {
		ps.add(fault.Invalid, of(balance.PropertyWeights), "every node has weight 0; leave at least one with more")
	}
	for _, w := range service.Weights {
		if !slices.Contains(g.Nodelist, w.Node) {
			ps.add(fault.Invalid, of(balance.PropertyWeights), "node %s is not in the nodelist of group %s", w.Node, g.Name)
		}
	}
	return append(ps, portsOnce(s, r, service, uses)...)
}

// weightless reports whether no node of a group has a weight.
func weightless(g model.Group, service balance.Service) bool {
	return len(g.Nodelist) > 0 && !slices.ContainsFunc(g.Nodelist, func(n cluster.NodeName) bool { return service.Weight(n) > 0 })
}

// WithoutWeight reports whether a scalable resource of a group would be without any weight if a node left the nodelist.
func WithoutWeight(g model.Group, r model.Resource, gone cluster.NodeName) bool {
	service, _ := balance.Read(r)
	left := g
	left.Nodelist = slices.DeleteFunc(slices.Clone(g.Nodelist), func(n cluster.NodeName) bool { return n == gone })
	return balance.Scalable(r) && len(left.Nodelist) < len(g.Nodelist) && weightless(left, service)
}

// portsOnce says where another service has the same port of the same address.
func portsOnce(s model.State, r model.Resource, service balance.Service, uses []model.Resource) Problems {
	var ps Problems
	for _, o := range s.Resources {
		if o.Name == r.Name || !balance.Scalable(o) {
			continue
		}
		other, _ := balance.Read(o)
		for _, a := range balance.Uses(s, o) {
			if !slices.ContainsFunc(uses, func(u model.Resource) bool { return u.Name == a.Name }) {
				continue
			}
			at := "resource " + string(r.Name) + ": property "
			if service.Policy == balance.Wild && other.Policy == balance.Wild {
				ps.add(fault.Invalid, at+balance.PropertyPolicy, "resource %s has all ports of shared address %s already", o.Name, a.Name)
			}
			for _, p := range service.Ports {
				if slices.Contains(other.Ports, p) {
					ps.add(fault.Invalid, at+balance.PropertyPorts, "%s of shared address %s belongs to resource %s already", p, a.Name, o.Name)
				}
			}
		}
	}
	return ps
}
