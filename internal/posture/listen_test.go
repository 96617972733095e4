package posture

import (
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/rgm/model"
)

// TestListensWhereTheTableSays: a port of the table is right on the addresses that the table has for it, and on no others.
func TestListensWhereTheTableSays(t *testing.T) {
	for _, x := range []struct {
		network, address string
		port             int
		wanted           bool
		status           string
	}{
		{"tcp", "::", 7401, false, v1.CheckPass},
		{"udp", "10.1.0.1", 7400, false, v1.CheckPass},
		{"udp", "10.2.0.1", 7400, false, v1.CheckPass},
		{"udp", "0.0.0.0", 7400, false, v1.CheckFail},
		{"udp", "10.1.0.2", 7400, false, v1.CheckFail}, // of another node
		{"tcp", "172.31.0.1", 7402, false, v1.CheckPass},
		{"tcp", "::ffff:172.31.0.1", 7402, false, v1.CheckPass},
		{"tcp", "0.0.0.0", 7402, false, v1.CheckFail},
		{"tcp", "10.1.0.1", 7403, false, v1.CheckFail},
		{"tcp", "::", 7403, false, v1.CheckFail},
		{"tcp", "127.0.0.1", 7410, false, v1.CheckPass},
		{"tcp", "10.1.0.1", 7410, false, v1.CheckFail},
		{"tcp", "10.1.0.1", 7499, true, v1.CheckPass}, // the configuration of the node names it
	} {
		f := sound()
		for i := range f.State.Nodes {
			f.State.Nodes[i].PrivateAddress, f.State.Nodes[i].Addresses = "172.31.0."+string(rune('1'+i)), []string{"10.1.0." + string(rune('1'+i)), "10.2.0." + string(rune('1'+i))}
		}
		p := f.Nodes[0].Posture
		p.Sockets = append(p.Sockets, v1.SocketFact{Network: x.network, Address: x.address, Port: x.port, Own: true, Wanted: x.wanted})
		if got := result(t, Run(Checks(), f), "RC-NET-002"); got.Status != x.status {
			t.Errorf("%s %s port %d: %s %+v", x.network, x.address, x.port, got.Status, got.Findings)
		}
	}
}

// Public addresses, and private ones of machines elsewhere, count only while there is such a machine.
func TestListensForAMachineElsewhere(t *testing.T) {
	for _, x := range []struct {
		network, address string
		port             int
		status           string // while a quorum server is elsewhere; without, each is wrong
	}{
		{"udp", "198.51.100.1", 7400, v1.CheckPass},
		{"tcp", "198.51.100.1", 7402, v1.CheckPass},
		{"tcp", "198.51.100.1", 7403, v1.CheckPass},
		{"tcp", "172.31.0.9", 7402, v1.CheckPass},
		{"tcp", "172.31.0.9", 7403, v1.CheckPass},
		{"udp", "172.31.0.9", 7400, v1.CheckFail},
		{"tcp", "198.51.100.2", 7402, v1.CheckFail}, // of another node
		{"tcp", "172.31.0.2", 7402, v1.CheckFail},   // of a node that the interconnects lead to
		{"tcp", "0.0.0.0", 7402, v1.CheckFail},
	} {
		for _, elsewhere := range []bool{true, false} {
			f := sound()
			for i := range f.State.Nodes {
				n := &f.State.Nodes[i]
				k := string(rune('1' + i))
				n.PrivateAddress, n.Addresses, n.PublicAddress = "172.31.0."+k, []string{"10.1.0." + k, "10.2.0." + k}, "198.51.100."+k
			}
			server := model.Node{Name: "q1", QuorumServer: true, PrivateAddress: "172.31.0.9", Addresses: []string{"10.1.0.9", "10.2.0.9"}}
			if elsewhere {
				server.Addresses, server.PublicAddress = nil, "192.0.2.9"
			}
			f.State.Nodes = append(f.State.Nodes, model.NodeState{Node: server})
			p := f.Nodes[0].Posture
			p.Sockets = append(p.Sockets, v1.SocketFact{Network: x.network, Address: x.address, Port: x.port, Own: true})
			want := x.status
			if !elsewhere {
				want = v1.CheckFail
			}
			if got := result(t, Run(Checks(), f), "RC-NET-002"); got.Status != want {
				t.Errorf("%s %s port %d, a machine elsewhere: %v: %s %+v", x.network, x.address, x.port, elsewhere, got.Status, got.Findings)
			}
		}
	}
}
