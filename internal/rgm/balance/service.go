// Package balance decides how the load of scalable services is shared: which instances take part, which of 1024 slots of clients each of them serves, and what the
// kernel of one node has to look like for that. Every node computes the same from the same state, so that the node that takes a shared address over goes on with
// the connections that there are.
package balance

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// SharedAddress is the type of addresses that scalable services use.
const SharedAddress cluster.TypeName = "redoubt.sharedaddress"

// The properties of a scalable resource, with their names in Solaris Cluster; Drain_timeout is our own.
const (
	PropertyScalable  = "Scalable"
	PropertyAddresses = "Network_resources_used"
	PropertyPorts     = "Port_list"
	PropertyPolicy    = "Load_balancing_policy"
	PropertyWeights   = "Load_balancing_weights"
	PropertyAffinity  = "Affinity_timeout"
	PropertyUDP       = "UDP_affinity"
	PropertyWeak      = "Weak_affinity"
	PropertyDrain     = "Drain_timeout"
)

// Policy says what decides on the node of a connection.
type Policy string

// The policies.
const (
	Weighted Policy = "Lb_weighted"    // the client's address and port: every connection for itself
	Sticky   Policy = "Lb_sticky"      // the client's address: one client, one node, for the ports of the service
	Wild     Policy = "Lb_sticky_wild" // as Sticky, for every port of the addresses
)

// DefaultDrain is how many seconds connections have to end before an instance is stopped on purpose.
const DefaultDrain = 5

// maxWeight is the largest weight.
const maxWeight = 1000

// Port is a port of a service.
type Port struct {
	Number uint16
	UDP    bool
}

// String gives the port as it stands in Port_list.
func (p Port) String() string {
	if p.UDP {
		return strconv.Itoa(int(p.Number)) + "/udp"
	}
	return strconv.Itoa(int(p.Number)) + "/tcp"
}

// Weight is the share of a node beside those of the others.
type Weight struct {
	Node   cluster.NodeName
	Weight int
}

// Service is what a scalable resource asks for.
type Service struct {
	Name        cluster.ResourceName
	Group       cluster.GroupName
	Addresses   []cluster.ResourceName // shared addresses that are named; the dependencies of the resource count besides
	Policy      Policy
	Ports       []Port // sorted; none with the policy Wild: all
	Weights     []Weight
	Affinity    int // seconds after a client's last connection was closed; -1: for good
	UDPAffinity bool
	Weak        bool // clients are not remembered: only the slot counts
	Drain       int  // seconds
}

// Scalable reports whether a resource shares its load.
func Scalable(r model.Resource) bool { return scalable(&r) }

// scalable looks at the resource where it is: all resources are looked at after each piece of news.
func scalable(r *model.Resource) bool {
	v := values(r, PropertyScalable)
	return len(v) > 0 && v[0] == "true"
}

// Fault is what is wrong with one property.
type Fault struct {
	Property string
	Text     string
}

// Read takes the properties of a scalable resource apart. What can not be read is told, and left out.
func Read(r model.Resource) (Service, []Fault) {
	s := Service{
		Name: r.Name, Group: r.Group, Policy: Weighted, Drain: DefaultDrain,
		UDPAffinity: text(r, PropertyUDP) == "true", Weak: text(r, PropertyWeak) == "true",
	}
	var faults []Fault
	wrong := func(property, format string, args ...any) {
		faults = append(faults, Fault{property, fmt.Sprintf(format, args...)})
	}
	for _, n := range list(r, PropertyAddresses) {
		s.Addresses = append(s.Addresses, cluster.ResourceName(strings.TrimSpace(n)))
	}
	if p := text(r, PropertyPolicy); p != "" {
		s.Policy = Policy(p)
	}
	for _, n := range []struct {
		property string
		to       *int
	}{{PropertyAffinity, &s.Affinity}, {PropertyDrain, &s.Drain}} {
		v := text(r, n.property)
		if v == "" {
			continue
		}
		i, err := strconv.Atoi(v)
		if err != nil {
			wrong(n.property, "%q is not a whole number", v)
			continue
		}
		*n.to = i
	}
	if s.Policy != Wild {
		for _, t := range list(r, PropertyPorts) {
			p, ok := parsePort(t)
			if !ok {
				wrong(PropertyPorts, "%q is not of the form PORT/tcp or PORT/udp", t)
			} else if !slices.Contains(s.Ports, p) {
				s.Ports = append(s.Ports, p)
			}
		}
		slices.SortFunc(s.Ports, func(a, b Port) int { return strings.Compare(a.String(), b.String()) })
		if len(s.Ports) == 0 && len(faults) == 0 {
			wrong(PropertyPorts, "names no port; the ports whose load is shared belong there, as in Port_list=80/tcp, unless Load_balancing_policy is %s", Wild)
		}
	}
	for _, t := range list(r, PropertyWeights) {
		w, ok := parseWeight(t)
		switch {
		case !ok:
			wrong(PropertyWeights, "%q is not of the form WEIGHT@NODE with a weight from 0 to %d", t, maxWeight)
		case slices.ContainsFunc(s.Weights, func(o Weight) bool { return o.Node == w.Node }):
			wrong(PropertyWeights, "node %s has two weights; give it one", w.Node)
		default:
			s.Weights = append(s.Weights, w)
		}
	}
	return s, faults
}

// ForgetNodes takes nodes out of the weights of a resource, and reports whether any was there.
func ForgetNodes(r model.Resource, gone []cluster.NodeName) (model.Resource, bool) {
	i := slices.IndexFunc(r.Properties, func(p model.Property) bool { return strings.EqualFold(p.Name, PropertyWeights) && p.Node == "" })
	if i < 0 {
		return r, false
	}
	left := slices.DeleteFunc(slices.Clone(r.Properties[i].Values), func(t string) bool {
		w, ok := parseWeight(t)
		return ok && slices.Contains(gone, w.Node)
	})
	if len(left) == len(r.Properties[i].Values) {
		return r, false
	}
	r.Properties = slices.Clone(r.Properties)
	if r.Properties[i].Values = left; len(left) == 0 {
		r.Properties = slices.Delete(r.Properties, i, i+1)
	}
	return r, true
}

// Weight is that of a node: 1 where none is given.
func (s Service) Weight(n cluster.NodeName) int {
	for _, w := range s.Weights {
		if w.Node == n {
			return w.Weight
		}
	}
	return 1
}

func parsePort(t string) (Port, bool) {
	number, protocol, _ := strings.Cut(strings.TrimSpace(t), "/")
	n, err := strconv.ParseUint(number, 10, 16)
	protocol = strings.ToLower(protocol)
	return Port{Number: uint16(n), UDP: protocol == "udp"}, err == nil && n > 0 && (protocol == "tcp" || protocol == "udp")
}

func parseWeight(t string) (Weight, bool) {
	weight, node, at := strings.Cut(strings.TrimSpace(t), "@")
	n, err := strconv.Atoi(weight)
	return Weight{Node: cluster.NodeName(node), Weight: n}, err == nil && at && node != "" && n >= 0 && n <= maxWeight
}

// Uses gives the shared addresses that a service uses: those that it names and those that it depends on, each once.
func Uses(s model.State, r model.Resource) []model.Resource {
	var out []model.Resource
	add := func(n cluster.ResourceName) {
		for _, o := range s.Resources {
			if o.Name == n && o.Type == SharedAddress && !slices.ContainsFunc(out, func(x model.Resource) bool { return x.Name == n }) {
				out = append(out, o)
			}
		}
	}
	for _, n := range list(r, PropertyAddresses) {
		add(cluster.ResourceName(strings.TrimSpace(n)))
	}
	for _, d := range r.Dependencies {
		add(d.On)
	}
	return out
}

// AddressesOf are the addresses of a shared address, as its property gives them.
func AddressesOf(r model.Resource) []netip.Addr {
	var out []netip.Addr
	for _, t := range list(r, "Address") {
		host, _, _ := strings.Cut(t, "/")
		if a, err := netip.ParseAddr(host); err == nil {
			out = append(out, a)
		}
	}
	return out
}

func list(r model.Resource, name string) []string { return values(&r, name) }

func values(r *model.Resource, name string) []string {
	for i := range r.Properties {
		if p := &r.Properties[i]; len(p.Name) == len(name) && strings.EqualFold(p.Name, name) && p.Node == "" {
			return p.Values
		}
	}
	return nil
}

func text(r model.Resource, name string) string {
	if v := list(r, name); len(v) > 0 {
		return v[0]
	}
	return ""
}
