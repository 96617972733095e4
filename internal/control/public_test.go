package control_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// elsewhere is a quorum server that asks to join from an address that is on no interconnect.
func elsewhere(w *world, name, at string) *joiner {
	j := newJoiner(w.t, name, at)
	j.in.QuorumServer, j.in.PublicAddress, j.in.Addresses = true, at, []string{at + "/24"}
	ok[v1.Result](w.t)(w.c().QuorumAdd(w.ctx, root, v1.QuorumAdd{Names: []string{name}, Property: []string{"key=" + j.print()}}))
	return j
}

// leads gives nodes a way to an address.
func leads(w *world, to string, ways map[cluster.NodeName]string) {
	for n, a := range ways {
		if w.nodes[n].source == nil {
			w.nodes[n].source = map[netip.Addr]netip.Addr{}
		}
		w.nodes[n].source[netip.MustParseAddr(to)] = netip.MustParseAddr(a)
	}
}

func publicAddresses(nodes []v1.Node) map[string]string {
	out := map[string]string{}
	for _, n := range nodes {
		if n.PublicAddress != "" {
			out[n.Name] = n.PublicAddress
		}
	}
	return out
}

func TestAQuorumServerElsewhereJoins(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		leads(w, "192.0.2.9", map[cluster.NodeName]string{"n1": "10.0.0.1", "n2": "10.0.0.2"})
		w.mu.Lock()
		w.cut["n3"] = true // it can not be asked, and finds out by itself later
		w.mu.Unlock()
		q := elsewhere(w, "q1", "192.0.2.9")
		out := ok[v1.NodeAdmitted](t)(q.ask(w))
		want := map[string]string{"n1": "10.0.0.1", "n2": "10.0.0.2", "q1": "192.0.2.9"}
		if got := publicAddresses(out.Nodes); len(out.Addresses) != 0 || !maps.Equal(got, want) {
			t.Errorf("it was told %v and %v, want %v", out.Addresses, got, want)
		}
		// The answer was lost: the same machine gets the same again.
		if again := ok[v1.NodeAdmitted](t)(q.ask(w)); again.ID != out.ID || !maps.Equal(publicAddresses(again.Nodes), want) {
			t.Errorf("admitted again: %+v", again)
		}
		if got := publicAddresses(ok[[]v1.Node](t)(w.c().NodeShow(w.ctx, root, v1.NodeShow{}))); !maps.Equal(got, want) {
			t.Errorf("on record is %v, want %v", got, want)
		}
		unheard := func() (objects []string) {
			for _, p := range ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{})).Problems {
				if strings.Contains(p.Text, "quorum server q1 does not hear it") {
					objects = append(objects, p.Object)
				}
			}
			return objects
		}
		if got := unheard(); !slices.Equal(got, []string{"node n3"}) {
			t.Errorf("the quorum server is said not to hear %v", got)
		}
		for _, n := range ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{})).Nodes {
			public := slices.ContainsFunc(n.Paths, func(p v1.PathStatus) bool { return p.Network == v1.PublicPath })
			if public != (n.Name == "q1") || public && len(n.Paths) != 1 {
				t.Errorf("the paths to %s are %+v", n.Name, n.Paths)
			}
		}
		for _, names := range [][]string{nil, {v1.PublicPath}} {
			var to []string
			for _, i := range ok[[]v1.InterconnectState](t)(w.c().InterconnectStatus(w.ctx, root, v1.InterconnectStatus{Names: names})) {
				if i.Network == v1.PublicPath {
					to = append(to, i.To)
				} else if names != nil {
					t.Errorf("asked for %v, told of %+v", names, i)
				}
			}
			if !slices.Equal(to, []string{"q1"}) {
				t.Errorf("asked for %v: public paths lead to %v", names, to)
			}
		}
		refuse[[]v1.InterconnectState](t, fault.NotFound, "public")(w.c().InterconnectStatus(w.ctx, root, v1.InterconnectStatus{Names: []string{"publik"}}))
		// A further interconnect does not concern it, unless it is the network in which they reach each other.
		w.mu.Lock()
		w.cut["n3"] = false
		w.mu.Unlock()
		for i, n := range []cluster.NodeName{"n1", "n2", "n3"} {
			w.nodes[n].facts.Addresses = []string{"10.3.0." + string(rune('1'+i)) + "/24", "10.0.0." + string(rune('1'+i)) + "/24"}
		}
		refuse[v1.Result](t, fault.Exists, "10.0.0.1")(w.c().InterconnectAdd(w.ctx, root, v1.InterconnectAdd{Names: []string{"10.0.0.0/24"}}))
		ok[v1.Result](t)(w.c().InterconnectAdd(w.ctx, root, v1.InterconnectAdd{Names: []string{"10.3.0.0/24"}}))
		for _, n := range ok[[]v1.Node](t)(w.c().NodeShow(w.ctx, root, v1.NodeShow{})) {
			if (n.Name == "q1") != (len(n.Addresses) == 0) || n.Name != "q1" && len(n.Addresses) != 3 {
				t.Errorf("%s has the addresses %v", n.Name, n.Addresses)
			}
		}
	})
}

func TestAQuorumServerElsewhereIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		at       string
		ways     map[cluster.NodeName]string
		code     fault.Code
		says     string
		interior []string // its addresses, if they are not that one
	}{
		"loopback":                {"127.0.0.1", nil, fault.Invalid, "--public", []string{"192.0.2.9/24"}},
		"of any host":             {"0.0.0.0", nil, fault.Invalid, "--public", nil},
		"link-local":              {"fe80::1", nil, fault.Invalid, "--public", nil},
		"no address":              {"q1.example", nil, fault.Invalid, "--public", []string{"192.0.2.9/24"}},
		"private network":         {"172.31.0.77", nil, fault.Invalid, "lies in the private network", nil},
		"an interconnect":         {"10.1.0.9", nil, fault.Invalid, "it has no address in the interconnect 10.2.0.0/24", nil},
		"hidden in one":           {"10.1.0.9", nil, fault.Invalid, "lies in an interconnect", []string{"192.0.2.9/24"}},
		"the sponsor has no way":  {"192.0.2.9", map[cluster.NodeName]string{"n2": "10.0.0.2", "n3": "10.0.0.3"}, fault.Unavailable, "node n1: its way to quorum server q1", nil},
		"over an interconnect":    {"192.0.2.9", map[cluster.NodeName]string{"n1": "10.0.0.1", "n2": "10.1.0.2", "n3": "10.0.0.3"}, fault.Precondition, "node n2 reaches quorum server q1", nil},
		"the address of a server": {"192.0.2.7", nil, fault.Exists, "is that of node q7", nil},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.put(confdb.KeyNode("q7"), confdb.KindNode, model.Node{Name: "q7", ID: 7, QuorumServer: true, PrivateAddress: "172.31.0.7", PublicAddress: "192.0.2.7", Addresses: []string{}})
				leads(w, "192.0.2.9", c.ways)
				q := elsewhere(w, "q1", "192.0.2.9")
				q.in.PublicAddress, q.in.Addresses = c.at, c.interior
				if q.in.Addresses == nil {
					q.in.Addresses = []string{c.at + "/24"}
				}
				refused(w.t, c.code, c.says)(q.ask(w))
				if got := publicAddresses(ok[[]v1.Node](w.t)(w.c().NodeShow(w.ctx, root, v1.NodeShow{}))); len(got) != 1 {
					w.t.Errorf("something of it is on record: %v", got)
				}
			})
		})
	}
}

// A quorum server that has an address on every interconnect is on them, whatever else it says.
func TestAQuorumServerOnTheInterconnects(t *testing.T) {
	inWorld(t, func(w *world) {
		q := elsewhere(w, "q1", "192.0.2.9")
		q.in.Addresses = []string{"192.0.2.9/24", "10.1.0.9/24", "10.2.0.9/24"}
		out := ok[v1.NodeAdmitted](w.t)(q.ask(w))
		if got := publicAddresses(out.Nodes); len(got) > 0 || strings.Join(out.Addresses, " ") != "10.1.0.9 10.2.0.9" {
			w.t.Errorf("it is at %v, public %v", out.Addresses, got)
		}
	})
}
