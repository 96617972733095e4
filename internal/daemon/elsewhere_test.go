package daemon

import (
	"net/netip"
	"reflect"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/privnet"
	"redoubt/internal/relay"
	"redoubt/internal/rgm/model"
)

func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, addr(s))
	}
	return out
}

// remote is a cluster of two nodes and a quorum server that is on no interconnect, as one of them knows it.
func remote(self cluster.NodeName) *identity {
	return &identity{
		Node: self, Cluster: model.Cluster{Interconnects: []model.Interconnect{{Network: "10.1.0.0/24"}, {Network: "10.2.0.0/24"}}},
		Nodes: []model.Node{
			{Name: "n1", ID: 1, Addresses: []string{"10.1.0.1", "10.2.0.1"}, PrivateAddress: "172.31.0.1", PublicAddress: "198.51.100.1"},
			{Name: "n2", ID: 2, Addresses: []string{"10.1.0.2", "10.2.0.2"}, PrivateAddress: "172.31.0.2", PublicAddress: "198.51.100.2"},
			{Name: "q1", ID: 3, QuorumServer: true, PrivateAddress: "172.31.0.3", PublicAddress: "192.0.2.9"},
		},
	}
}

func TestPathsToAMachineElsewhere(t *testing.T) {
	for self, want := range map[cluster.NodeName]struct {
		paths  map[cluster.NodeName][]netip.Addr
		unused map[cluster.NodeName][]int
		api    map[cluster.NodeName]string
		relays relay.Desired
		peers  []privnet.Peer
	}{
		"n1": {
			map[cluster.NodeName][]netip.Addr{"n1": addrs("10.1.0.1", "10.2.0.1", "198.51.100.1"), "n2": addrs("10.1.0.2", "10.2.0.2", ""), "q1": addrs("", "", "192.0.2.9")},
			map[cluster.NodeName][]int{"n2": {2}, "q1": {0, 1}},
			map[cluster.NodeName]string{"n2": "172.31.0.2", "q1": "192.0.2.9"},
			relay.Desired{
				Self:  relay.Machine{Private: addr("172.31.0.1"), Public: addr("198.51.100.1")},
				Peers: []relay.Machine{{Private: addr("172.31.0.3"), Public: addr("192.0.2.9")}}, Ports: []uint16{7402, 7403},
			},
			[]privnet.Peer{{Private: addr("172.31.0.2"), Via: addrs("10.1.0.2", "10.2.0.2")}, {Private: addr("172.31.0.3"), Here: true}},
		},
		"q1": {
			map[cluster.NodeName][]netip.Addr{"n1": addrs("", "", "198.51.100.1"), "n2": addrs("", "", "198.51.100.2"), "q1": addrs("", "", "192.0.2.9")},
			map[cluster.NodeName][]int{"n1": {0, 1}, "n2": {0, 1}},
			map[cluster.NodeName]string{"n1": "198.51.100.1", "n2": "198.51.100.2"},
			relay.Desired{
				Self: relay.Machine{Private: addr("172.31.0.3"), Public: addr("192.0.2.9")}, Ports: []uint16{7402, 7403},
				Peers: []relay.Machine{{Private: addr("172.31.0.1"), Public: addr("198.51.100.1")}, {Private: addr("172.31.0.2"), Public: addr("198.51.100.2")}},
			},
			[]privnet.Peer{{Private: addr("172.31.0.1"), Here: true}, {Private: addr("172.31.0.2"), Here: true}},
		},
	} {
		t.Run(string(self), func(t *testing.T) {
			id := remote(self)
			for _, r := range id.Nodes {
				got, err := id.paths(r)
				if self == "q1" && r.Name != "q1" { // it has no use for their interconnects: nothing leads there, and it sends from none
					got[0], got[1] = netip.Addr{}, netip.Addr{}
				}
				if err != nil || !reflect.DeepEqual(got, want.paths[r.Name]) {
					t.Errorf("%s is reached at %v, %v; want %v", r.Name, got, err, want.paths[r.Name])
				}
				if r.Name == self {
					continue
				}
				if got := id.unused(r); !reflect.DeepEqual(got, want.unused[r.Name]) {
					t.Errorf("the paths %v do not lead to %s; want %v", got, r.Name, want.unused[r.Name])
				}
				if got := id.api(r); got != want.api[r.Name] {
					t.Errorf("the API of %s is called at %s, want %s", r.Name, got, want.api[r.Name])
				}
			}
			if got := id.relays(); !reflect.DeepEqual(got, want.relays) {
				t.Errorf("joined is %+v\nwant %+v", got, want.relays)
			}
			n := &node{id: id}
			if got := n.routes(membership.View{}); got.Self != want.relays.Self.Private || !reflect.DeepEqual(got.Peers, want.peers) {
				t.Errorf("the private network is %+v\nwant %+v", got, want.peers)
			}
			if got := id.pathCount(); got != 3 {
				t.Errorf("%d paths", got)
			}
		})
	}
}

// While a node's public address is not known, what is meant for the quorum server is refused rather than sent anywhere.
func TestAPublicAddressThatIsNotKnown(t *testing.T) {
	for name, forget := range map[string]int{"its own": 0, "the other's": 1} {
		id := remote("q1")
		if forget == 0 {
			id = remote("n1")
		}
		id.Nodes[forget].PublicAddress = ""
		n := &node{id: id}
		for _, p := range n.routes(membership.View{}).Peers {
			lost := p.Private == addr("172.31.0.3") || forget == 1 && p.Private == addr("172.31.0.2")
			if lost && (p.Here || len(p.Via) > 0) {
				t.Errorf("%s is not known: %+v", name, p)
			}
		}
		if got := len(id.relays().Peers); got != forget {
			t.Errorf("%s is not known: %d machines are joined", name, got)
		}
	}
}

// Without such a quorum server nothing is public, whatever a record says.
func TestNothingIsPublicWithoutNeed(t *testing.T) {
	id := remote("n1")
	id.Nodes[2] = model.Node{Name: "q1", ID: 3, QuorumServer: true, Addresses: []string{"10.1.0.9", "10.2.0.9"}, PrivateAddress: "172.31.0.3"}
	for _, r := range id.Nodes {
		if got, err := id.paths(r); err != nil || len(got) != 2 || id.unused(r) != nil || id.api(r) != r.PrivateAddress {
			t.Errorf("%s: %v, %v, %v, %s", r.Name, got, err, id.unused(r), id.api(r))
		}
	}
	if got := id.relays(); !reflect.DeepEqual(got, relay.Desired{}) || id.pathCount() != 2 {
		t.Errorf("joined is %+v, over %d paths", got, id.pathCount())
	}
}

func TestThePublicAddressOnRecord(t *testing.T) {
	nodes := remote("n1").Nodes
	local := []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("198.51.100.7/24")}
	by := func(a string) func(netip.Addr) (netip.Addr, error) {
		return func(to netip.Addr) (netip.Addr, error) {
			if a == "" {
				return netip.Addr{}, fault.Errorf(fault.Unavailable, "no way to %s", to)
			}
			return addr(a), nil
		}
	}
	with := func(r model.Node, public string) model.Node { r.PublicAddress = public; return r }
	for name, c := range map[string]struct {
		own    model.Node
		nodes  []model.Node
		source string
		want   string
		code   fault.Code
	}{
		"none yet":                 {with(nodes[0], ""), nodes, "198.51.100.7", "198.51.100.7", ""},
		"the host has it":          {with(nodes[0], "198.51.100.7"), nodes, "198.51.100.8", "198.51.100.7", ""},
		"the host has it no more":  {nodes[0], nodes, "198.51.100.7", "198.51.100.7", ""},
		"no way":                   {nodes[0], nodes, "", "198.51.100.1", fault.Unavailable},
		"over an interconnect":     {with(nodes[0], ""), nodes, "10.1.0.1", "", fault.Precondition},
		"nobody is elsewhere":      {nodes[0], nodes[:2], "198.51.100.7", "", ""},
		"the quorum server itself": {nodes[2], nodes, "203.0.113.5", "192.0.2.9", ""},
	} {
		got, err := publicFor(c.own, c.nodes, local, by(c.source))
		if got != c.want || (err == nil) != (c.code == "") || err != nil && !fault.Is(err, c.code) {
			t.Errorf("%s: %q, %v; want %q and the code %q", name, got, err, c.want, c.code)
		}
	}
}
