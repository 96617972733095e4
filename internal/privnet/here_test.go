package privnet_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"redoubt/internal/privnet"
)

// TestAnotherNodesAddressIsTakenInHere lets a program of this host stand for a node that no interconnect leads to, and gives the address up again.
func TestAnotherNodesAddressIsTakenInHere(t *testing.T) {
	_, nodes := cluster(t, "fd88:%d::%d/64", "172.30.0.%d")
	n := nodes[0]
	before := n.state()
	desired := func(here bool) privnet.Desired {
		return privnet.Desired{Self: n.private, Peers: []privnet.Peer{{Private: nodes[1].private, Via: nodes[1].ic}, {Private: nodes[2].private, Here: here}}}
	}
	apply := func(d privnet.Desired) {
		t.Helper()
		n.Must(n.In(func() error { return n.net.Apply(context.Background(), d) }))
	}
	apply(desired(true))
	standIn := &node{space: n.space, name: "stand-in", private: nodes[2].private, log: n.log}
	standIn.echo()
	c := n.dial(standIn)
	speak(t, c, "to whoever is here")
	if got := netip.MustParseAddrPort(c.LocalAddr().String()).Addr(); got != n.private {
		t.Errorf("the connection comes from %s, want the private address %s", got, n.private)
	}
	again := n.state()
	apply(desired(true))
	if now := n.state(); now != again {
		t.Errorf("applied again it is\n%s\nwant\n%s", now, again)
	}
	if strings.Contains(n.log.String(), "no interconnect leads") {
		t.Errorf("the address counts as lost:\n%s", n.log.String())
	}
	apply(desired(false))
	if now := n.state(); strings.Contains(now, "type 2") {
		t.Errorf("the address is still this host's:\n%s", now)
	}
	apply(desired(true))
	n.Must(n.In(func() error { return n.net.Close(context.Background()) }))
	if now := n.state(); now != before {
		t.Errorf("afterwards there is\n%s\nwant\n%s", now, before)
	}
}
