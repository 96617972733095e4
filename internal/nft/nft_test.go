package nft_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/nft"
	"redoubt/internal/rgm/balance"
)

var (
	vip4 = netip.MustParseAddr("10.1.1.99")
	vip6 = netip.MustParseAddr("fd00:1::99")
)

func cname(s string) cluster.NodeName { return cluster.NodeName(s) }

const (
	url4 = "10.1.1.99:80"
	url6 = "[fd00:1::99]:80"
)

var tcp80, udp80 = balance.Port{Number: 80}, balance.Port{Number: 80, UDP: true}

// service makes a client and three nodes with an instance each; the first holds the addresses.
func service(t *testing.T) (client *host, nodes []*host) {
	hosts := lan(t, "c", "n1", "n2", "n3")
	client, nodes = hosts[0], hosts[1:]
	for i, n := range nodes {
		p := balance.Plane{Local: []netip.Addr{vip4, vip6}}
		if i > 0 {
			p.Silent = []balance.Silent{{Address: vip4, Own: n.v4}, {Address: vip6, Own: n.v6}}
		}
		n.apply(t, p)
		n.serve(t, 80)
	}
	nodes[0].in(t, func() error { return nodes[0].add("eth0", vip4.String()+"/24", vip6.String()+"/64") })
	return client, nodes
}

func (h *host) apply(t *testing.T, p balance.Plane) {
	t.Helper()
	h.in(t, func() error { return h.kernel.Apply(t.Context(), p) })
}

// hold is the plane of the holder.
func hold(tables ...balance.Table) balance.Plane {
	return balance.Plane{Tables: tables, Local: []netip.Addr{vip4, vip6}}
}

// spread asks n times and counts who answered.
func spread(t *testing.T, client *host, protocol, to string, n int) map[string]int {
	t.Helper()
	out := map[string]int{}
	for range n {
		who, err := client.once(protocol, to)
		if err != nil {
			t.Fatalf("%s %s: %v, after %v", protocol, to, err, out)
		}
		out[who]++
	}
	return out
}

func TestConnectionsAreSpread(t *testing.T) {
	client, nodes := service(t)
	all := map[string]int{"n1": 1, "n2": 1, "n3": 1}
	nodes[0].apply(t, hold(table("web", nodes, all, tcp80, udp80)))
	for _, c := range []struct{ protocol, to string }{{"tcp", url4}, {"tcp", url6}, {"udp", url4}, {"udp", url6}} {
		got := spread(t, client, c.protocol, c.to, 150)
		if len(got) != 3 || got["n1"] < 20 || got["n2"] < 20 || got["n3"] < 20 {
			t.Errorf("%s %s: %v", c.protocol, c.to, got)
		}
	}
	nodes[0].in(t, listed)
	// The weights count, and who has none gets nothing.
	nodes[0].apply(t, hold(table("web", nodes, map[string]int{"n2": 3, "n3": 1}, tcp80)))
	got := spread(t, client, "tcp", url4, 200)
	if got["n1"] != 0 || got["n2"] < 110 || got["n3"] < 20 {
		t.Errorf("weights 3 and 1: %v", got)
	}
	nodes[0].apply(t, hold(table("web", nodes, map[string]int{}, tcp80)))
	if who, err := client.once("tcp", url4); err == nil && who != "n1" {
		t.Errorf("nobody serves, and %s answers", who)
	}
}

func TestKnownConnectionsStay(t *testing.T) {
	client, nodes := service(t)
	nodes[0].apply(t, hold(table("web", nodes, map[string]int{"n2": 1, "n3": 1}, tcp80)))
	conns := map[string]answering{}
	for range 60 {
		c := client.answered(t, url4)
		conns[c.LocalAddr().String()] = c
	}
	// All new ones go to n3; the old ones stay where they are.
	only := table("web", nodes, map[string]int{"n3": 1}, tcp80)
	only.Live = []uint32{2, 3}
	only.Hops = append(only.Hops, balance.Hop{Mark: 2, Address: vip4, Via: nodes[1].v4})
	nodes[0].apply(t, hold(only))
	for from, c := range conns {
		if who, err := ask(c.Conn); err != nil || who != c.who {
			t.Errorf("connection from %s was with %s and is with %q, %v", from, c.who, who, err)
		}
	}
	if got := spread(t, client, "tcp", url4, 30); got["n3"] != 30 {
		t.Errorf("new connections: %v", got)
	}
	// A connection that begins anew from a port that was known goes by the slots.
	for from, c := range conns {
		if c.who != "n2" {
			continue
		}
		c.Close()
		again, err := client.dial("tcp", url4, netip.MustParseAddrPort(from))
		if err != nil {
			continue // the old one is not yet forgotten by the client's kernel
		}
		if who, err := ask(again); err != nil || who != "n3" {
			t.Errorf("new connection from %s: %q, %v", from, who, err)
		}
		again.Close()
		break
	}
	// What the dead served is refused by who is dealt it now; what others served goes on.
	nodes[0].apply(t, hold(table("web", nodes, map[string]int{"n3": 1}, tcp80)))
	for _, c := range conns {
		who, err := ask(c.Conn)
		if c.who == "n3" && (err != nil || who != "n3") {
			t.Errorf("a connection of the living was broken: %q, %v", who, err)
		}
		if c.who == "n2" && err == nil {
			t.Errorf("a connection of the dead goes on with %q", who)
		}
	}
}

func TestNextHolderGoesOn(t *testing.T) {
	client, nodes := service(t)
	weights := map[string]int{"n1": 1, "n2": 1, "n3": 1}
	nodes[0].apply(t, hold(table("web", nodes, weights, tcp80)))
	conns := map[string]answering{}
	for range 60 {
		c := client.answered(t, url4)
		conns[c.LocalAddr().String()] = c
	}
	// n1 goes, with its instance; n2 takes the addresses over.
	nodes[0].in(t, func() error { return nodes[0].remove("eth0", vip4.String()+"/24", vip6.String()+"/64") })
	nodes[0].apply(t, balance.Plane{Silent: []balance.Silent{{Address: vip4}}})
	next := table("web", nodes, map[string]int{"n1": -1, "n2": 1, "n3": 1}, tcp80)
	next.Self = 2
	next.Addresses = []balance.Held{{Address: vip4, Device: "eth0"}, {Address: vip6, Device: "eth0"}}
	for i := range next.Hops {
		if next.Hops[i].Mark == 2 {
			next.Hops[i].Mark = 99
		}
	}
	nodes[1].apply(t, hold(next))
	nodes[1].in(t, func() error { return nodes[1].add("eth0", vip4.String()+"/24", vip6.String()+"/64") })
	client.in(t, func() error { return client.forget() })
	for from, c := range conns {
		who, err := ask(c.Conn)
		if c.who != "n1" && (err != nil || who != c.who) {
			t.Errorf("connection from %s with %s: %q, %v", from, c.who, who, err)
		}
	}
	if got := spread(t, client, "tcp", url6, 60); got["n1"] != 0 || len(got) != 2 {
		t.Errorf("new connections: %v", got)
	}
}

func TestClientsStick(t *testing.T) {
	client, nodes := service(t)
	var others []netip.Addr
	client.in(t, func() error {
		for i := range 40 {
			a := netip.AddrFrom4([4]byte{10, 1, 1, byte(100 + i)})
			others = append(others, a)
			if err := client.add("eth0", a.String()+"/24"); err != nil {
				return err
			}
		}
		return nil
	})
	sticky := func(weights map[string]int) balance.Table {
		s := table("web", nodes, weights, tcp80, udp80)
		s.BySource, s.BySourceUDP, s.Remember, s.RememberUDP, s.Affinity = true, true, true, true, 300
		return s
	}
	nodes[0].apply(t, hold(sticky(map[string]int{"n1": 1, "n2": 1, "n3": 1})))
	nodes[0].in(t, listed) // by people who use the nft command
	home := map[netip.Addr]string{}
	for _, a := range others {
		for range 3 {
			for _, protocol := range []string{"tcp", "udp"} {
				c, err := client.dial(protocol, url4, netip.AddrPortFrom(a, 0))
				if err != nil {
					t.Fatal(err)
				}
				who, err := ask(c)
				c.Close()
				if err != nil || home[a] != "" && home[a] != who {
					t.Errorf("client %s by %s: %q after %q, %v", a, protocol, who, home[a], err)
				}
				home[a] = who
			}
		}
	}
	count := map[string]int{}
	for _, n := range home {
		count[n]++
	}
	if len(count) != 3 {
		t.Errorf("40 clients: %v", count)
	}
	// Other weights move no client that is known; a node that goes loses only its own.
	for _, weights := range []map[string]int{{"n1": 1, "n2": 8, "n3": 1}, {"n2": 1, "n3": 1}} {
		nodes[0].apply(t, hold(sticky(weights)))
		for _, a := range others {
			c, err := client.dial("tcp", url4, netip.AddrPortFrom(a, 0))
			if err != nil {
				t.Fatal(err)
			}
			who, err := ask(c)
			c.Close()
			if _, in := weights[home[a]]; err != nil || in && who != home[a] || !in && weights[who] == 0 {
				t.Errorf("weights %v, client %s: %q after %q, %v", weights, a, who, home[a], err)
			}
		}
	}
}

func TestEveryPortButThose(t *testing.T) {
	client, nodes := service(t)
	for _, n := range nodes {
		n.serve(t, 81)
	}
	wild := table("any", nodes, map[string]int{"n3": 1})
	wild.BySource, wild.BySourceUDP, wild.Except = true, true, []balance.Port{tcp80}
	nodes[0].apply(t, hold(wild, table("web", nodes, map[string]int{"n2": 1}, tcp80)))
	for to, want := range map[string]string{"10.1.1.99:80": "n2", "10.1.1.99:81": "n3", "[fd00:1::99]:81": "n3"} {
		if who, err := client.once("tcp", to); err != nil || who != want {
			t.Errorf("%s: %q, %v; want %s", to, who, err, want)
		}
	}
	if who, err := client.once("udp", url4); err != nil || who != "n3" {
		t.Errorf("UDP port 80 is none of those that are excepted: %q, %v", who, err)
	}
}

func TestSilentNodesAreNotHeard(t *testing.T) {
	client, nodes := service(t)
	nodes[0].apply(t, hold(table("web", nodes, map[string]int{"n2": 1}, tcp80)))
	// n2 answers the client, whom it has to find first: it must not name the shared address when it asks.
	nodes[1].in(t, func() error { return nodes[1].forget() })
	if who, err := client.once("tcp", url4); err != nil || who != "n2" {
		t.Fatalf("%q, %v", who, err)
	}
	var n1, at string
	nodes[0].in(t, func() error { n1 = mac(t, "eth0"); return nil })
	client.in(t, func() error { at = neighbour(t, vip4); return nil })
	if at != n1 {
		t.Errorf("the client finds %s at %s, and n1, which holds it, is %s", vip4, at, n1)
	}
	// Nobody holds it: nobody answers.
	nodes[0].in(t, func() error { return nodes[0].remove("eth0", vip4.String()+"/24") })
	nodes[0].apply(t, balance.Plane{Local: []netip.Addr{vip4, vip6}, Silent: []balance.Silent{{Address: vip4, Own: nodes[0].v4}}})
	client.in(t, func() error { return client.forget() })
	if who, err := client.once("tcp", url4); err == nil {
		t.Errorf("%s answers for an address that nobody holds", who)
	}
}

func TestApplyRepairsAndClears(t *testing.T) {
	client, nodes := service(t)
	n := nodes[0]
	p := hold(table("web", nodes, map[string]int{"n2": 1}, tcp80))
	n.apply(t, p)
	n.apply(t, p)
	intact := func(want bool) {
		t.Helper()
		n.in(t, func() error {
			if got := n.kernel.Intact(); got != want {
				t.Errorf("intact: %v", got)
			}
			return nil
		})
	}
	intact(true)
	n.in(t, func() error { return flush() })
	intact(false)
	n.apply(t, p)
	intact(true)
	if who, err := client.once("tcp", url4); err != nil || who != "n2" {
		t.Errorf("repaired: %q, %v", who, err)
	}
	// Whoever configures the network takes the addresses of an interface away, and a device that is made anew comes without its chain.
	n.in(t, func() error { return n.remove("lo", vip4.String()+"/32", vip6.String()+"/128") })
	intact(false)
	n.apply(t, p)
	intact(true)
	known := client.opened(t, url4)
	n.in(t, func() error { return unhook("redoubt-web", "in-eth0") })
	intact(false)
	n.apply(t, p)
	intact(true)
	if who, err := client.once("tcp", url4); err != nil || who != "n2" {
		t.Errorf("hung into the device again: %q, %v", who, err)
	}
	if l := left(n.recollect(t, "web"), known); l < 59*time.Minute {
		t.Errorf("a connection from before is remembered for %v", l)
	}
	n.in(t, func() error {
		left, err := nft.New(nft.Config{Obligations: n.owed}).Leftover("web", []netip.Addr{vip4, vip6})
		if len(left) != 2 || left[0] != (balance.Held{Address: vip4, Device: "eth0"}) {
			t.Errorf("the next life finds %v", left)
		}
		return err
	})
	// An address that is nowhere, and will not come, has no table that could be missing.
	elsewhere := table("web", nodes, map[string]int{"n2": 1}, tcp80)
	elsewhere.Addresses = []balance.Held{{Address: netip.MustParseAddr("10.1.1.98")}}
	n.apply(t, hold(elsewhere))
	intact(true)
	n.apply(t, p)
	if list := ownedBy(n); !strings.Contains(list, "10.1.1.99/32 lo") || !strings.Contains(list, "fd00:1::99/128 lo") {
		t.Errorf("owed: %s", list)
	}
	n.apply(t, balance.Plane{})
	if list := ownedBy(n); list != "" {
		t.Errorf("still owed: %s", list)
	}
	n.in(t, func() error {
		if left := tables(t); left != "" {
			t.Errorf("tables left: %s", left)
		}
		return nil
	})
	nodes[1].in(t, func() error { return nodes[1].kernel.Clear() })
	nodes[1].in(t, func() error {
		if left := tables(t); left != "" {
			t.Errorf("tables left: %s", left)
		}
		return nil
	})
}

func TestConnectionsAreCounted(t *testing.T) {
	client, nodes := service(t)
	nodes[0].apply(t, hold(table("web", nodes, map[string]int{"n2": 1}, tcp80)))
	for range 3 {
		client.opened(t, url4)
	}
	for i, want := range []int{0, 3, 0} {
		nodes[i].in(t, func() error {
			got, err := nodes[i].kernel.Connections([]netip.Addr{vip4, vip6}, []balance.Port{tcp80}, nil)
			if len(got) != want {
				t.Errorf("%s has the connections %v, want %d", nodes[i].name, got, want)
			}
			if others, err := nodes[i].kernel.Connections([]netip.Addr{vip4, vip6}, nil, []balance.Port{tcp80}); len(others) != 0 || err != nil {
				t.Errorf("%s has connections at ports that are excepted: %v, %v", nodes[i].name, others, err)
			}
			return err
		})
	}
}

func TestNetworksOfAHost(t *testing.T) {
	_, nodes := service(t)
	nodes[1].in(t, func() error {
		got, err := nodes[1].kernel.Networks()
		want := map[string]bool{"10.1.1.3/24": true, "fd00:1::3/64": true}
		for _, p := range got {
			delete(want, p.String())
		}
		if len(got) != 2 || len(want) != 0 {
			t.Errorf("%v", got)
		}
		return err
	})
}
