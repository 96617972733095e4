package daemon

import (
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

// A node that was removed and has joined again has another private address; calls have to go there. To a node that has died and come back no connection of before leads.
func TestPeersFollowANodeToItsNewAddress(t *testing.T) {
	at := func(address string) *identity {
		return &identity{Node: "n1", Nodes: []model.Node{{Name: "n1"}, {Name: "n3", PrivateAddress: address}}}
	}
	n := &node{id: at("172.31.240.3")}
	n.creds.Store(&credentials{nodes: pki.Roots{certificate(t)}})
	var rec membership.Record
	p := &peers{node: n, clients: map[cluster.NodeName]peerClient{}, record: func() *membership.Record { return &rec }}
	first, err := p.client("n3")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.client("n3"); err != nil || again != first {
		t.Fatalf("a second call makes another client: %v", err)
	}
	n.id = at("172.31.240.4")
	if moved, err := p.client("n3"); err != nil || moved == first || p.clients["n3"].address != "172.31.240.4" {
		t.Fatalf("the client still goes to %s: %v", p.clients["n3"].address, err)
	}
	before := p.clients["n3"].Client
	n.creds.Store(&credentials{nodes: pki.Roots{certificate(t)}})
	if renewed, err := p.client("n3"); err != nil || renewed == before {
		t.Fatalf("the client still shows the certificate from before the renewal: %v", err)
	}
	before = p.clients["n3"].Client
	rec.Members = []membership.Member{{Node: "n3", Incarnation: cluster.Incarnation{Number: 2, Tag: "b"}}}
	if reborn, err := p.client("n3"); err != nil || reborn == before {
		t.Fatalf("calls still go over the connections to the life before: %v", err)
	}
	if _, err := p.client("n9"); err == nil {
		t.Fatal("there is a client of a node that is not in the cluster")
	}
}
