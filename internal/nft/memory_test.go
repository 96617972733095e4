package nft_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/cluster"
	"redoubt/internal/nft"
	"redoubt/internal/rgm/balance"
)

// recollect is what a host remembers of a service.
func (h *host) recollect(t *testing.T, service cluster.ResourceName) (m balance.Memory) {
	t.Helper()
	h.in(t, func() error { m = h.kernel.Recollect(service); return nil })
	return m
}

// left is for how long the connection of a client is remembered; 0 when it is not.
func left(m balance.Memory, c net.Conn) time.Duration {
	from := netip.MustParseAddrPort(c.LocalAddr().String())
	for _, k := range m.Connections {
		if k.Client == from.Addr() && k.Port == from.Port() {
			return k.Left
		}
	}
	return 0
}

// opened is a connection that was answered.
func (h *host) opened(t *testing.T, to string) net.Conn {
	t.Helper()
	return h.answered(t, to).Conn
}

// answered is a connection with who answered by it.
func (h *host) answered(t *testing.T, to string) answering {
	t.Helper()
	c, err := h.dial("tcp", to, netip.AddrPort{})
	who := ""
	if err == nil {
		t.Cleanup(func() { c.Close() })
		who, err = ask(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return answering{c, who}
}

// ended has the server end a connection after the client, and waits for it.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
}

// Whoever closes is forgotten soon, by FIN and by RST; who is quiet is not; and who begins again from the same port counts as open.
func TestClosedConnectionsLeaveSoon(t *testing.T) {
	client, nodes := service(t)
	nodes[0].apply(t, hold(table("web", nodes, map[string]int{"n2": 1, "n3": 1}, tcp80)))
	for _, to := range []string{url4, url6} {
		open, fin, rst := client.opened(t, to), client.opened(t, to), client.opened(t, to)
		ended(t, fin)
		_ = rst.(*net.TCPConn).SetLinger(0)
		rst.Close()
		m := nodes[0].recollect(t, "web")
		if l := left(m, open); l < 59*time.Minute || l > time.Hour {
			t.Errorf("%s: an open connection is remembered for %v", to, l)
		}
		for name, c := range map[string]net.Conn{"closed": fin, "reset": rst} {
			if l := left(m, c); l <= 0 || l > 15*time.Second {
				t.Errorf("%s: a connection that was %s is remembered for %v", to, name, l)
			}
		}
		again, err := client.dial("tcp", to, netip.MustParseAddrPort(rst.LocalAddr().String()))
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if _, err := ask(again); err != nil {
			t.Fatal(err)
		}
		if l := left(nodes[0].recollect(t, "web"), again); l < 59*time.Minute {
			t.Errorf("%s: a connection that began again is remembered for %v", to, l)
		}
	}
}

// A client stays with its node while it has a connection, and from the last close on for as long as the service says.
func TestClientsStayFromTheLastClose(t *testing.T) {
	client, nodes := service(t)
	about := func(d time.Duration) [2]time.Duration { return [2]time.Duration{d - 20*time.Second, d} }
	const year = 365 * 24 * time.Hour
	for affinity, want := range map[int]struct{ open, closed [2]time.Duration }{
		0:    {about(time.Hour), about(30 * time.Second)},
		60:   {about(time.Hour), about(time.Minute)},
		7200: {about(2 * time.Hour), about(2 * time.Hour)},
		-1:   {about(year), about(year)},
	} {
		s := table("web", nodes, map[string]int{"n2": 1, "n3": 1}, tcp80, udp80)
		s.BySource, s.Remember, s.Affinity = true, true, affinity
		nodes[0].apply(t, hold())
		nodes[0].apply(t, hold(s))
		check := func(when string, want [2]time.Duration) {
			t.Helper()
			m := nodes[0].recollect(t, "web")
			if len(m.Clients) != 1 || m.Clients[0].Client != client.v4 || m.Clients[0].Left < want[0] || m.Clients[0].Left > want[1] {
				t.Errorf("Affinity_timeout=%d, %s: clients %v, want %v", affinity, when, m.Clients, want)
			}
		}
		first, second := client.opened(t, url4), client.opened(t, url4)
		check("two open", want.open)
		ended(t, first)
		check("one closed a moment ago", want.closed)
		if affinity >= 0 && affinity <= 30 {
			nodes[0].in(t, func() error { _, err := nodes[0].kernel.Tend(); return err })
			check("one is open and quiet", want.open)
		}
		ended(t, second)
		check("both closed", want.closed)
		nodes[0].in(t, func() error { _, err := nodes[0].kernel.Tend(); return err })
		check("both closed, and looked after", want.closed)
	}
}

// A client that begins and does not go on is not remembered for long, whatever the service says.
func TestBeginnersAreNotRememberedForLong(t *testing.T) {
	client, nodes := service(t)
	s := table("web", nodes, map[string]int{"n2": 1}, balance.Port{Number: 83}) // nobody listens there
	s.BySource, s.Remember, s.Affinity = true, true, 3600
	nodes[0].apply(t, hold(s))
	if _, err := client.dial("tcp", "10.1.1.99:83", netip.AddrPort{}); err == nil {
		t.Fatal("somebody answers")
	}
	m := nodes[0].recollect(t, "web")
	if len(m.Clients) != 1 || m.Clients[0].Left > 15*time.Second || len(m.Connections) != 1 || m.Connections[0].Left > 15*time.Second {
		t.Errorf("%+v", m)
	}
}

// A memory that is full breaks nothing: what comes goes by its slot. It is told, and room is made by those who have been quiet for the longest.
func TestFullMemory(t *testing.T) {
	client, nodes := service(t)
	holder := nodes[0]
	holder.kernel = nft.New(nft.Config{Obligations: holder.owed, Log: slog.New(slog.DiscardHandler), AddressLife: time.Hour, Room: 16})
	holder.apply(t, hold(table("web", nodes, map[string]int{"n2": 1, "n3": 1}, tcp80)))
	tend := func() int {
		t.Helper()
		var fills []balance.Fill
		holder.in(t, func() (err error) { fills, err = holder.kernel.Tend(); return err })
		if len(fills) != 1 || fills[0].Resource != "web" {
			t.Fatalf("%+v", fills)
		}
		return fills[0].Full
	}
	if full := tend(); full != 0 {
		t.Errorf("empty: %d", full)
	}
	var conns []net.Conn
	for range 24 {
		conns = append(conns, client.opened(t, url4))
	}
	for i := range 4 {
		ended(t, conns[3*i])
	}
	if full := tend(); full != 100 {
		t.Errorf("24 connections where there is room for 16: %d", full)
	}
	m := holder.recollect(t, "web")
	if len(m.Connections) != 12 {
		t.Errorf("%d are remembered where there is room for 16, and 12 of them to be used", len(m.Connections))
	}
	for i, c := range conns {
		over := i%3 == 0 && i < 12
		if known := left(m, c) > 0; known != (!over && i < 16) {
			t.Errorf("connection %d is remembered: %v", i, known)
		}
		if _, err := ask(c); err != nil && !over {
			t.Errorf("connection %d: %v", i, err)
		}
	}
	// Clients whom a service remembers for good make room as well.
	s := table("web", nodes, map[string]int{"n2": 1, "n3": 1}, tcp80)
	s.BySource, s.Remember, s.Affinity = true, true, -1
	holder.apply(t, hold(s))
	for i := range 20 {
		a := netip.AddrFrom4([4]byte{10, 1, 1, byte(100 + i)})
		client.in(t, func() error { return client.add("eth0", a.String()+"/24") })
		c, err := client.dial("tcp", url4, netip.AddrPortFrom(a, 0))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(c); err != nil {
			t.Fatal(err)
		}
		ended(t, c)
		c.Close()
		tend()
	}
	clients := map[netip.Addr]bool{}
	for _, k := range holder.recollect(t, "web").Clients {
		clients[k.Client] = true
	}
	if len(clients) > 14 || !clients[netip.MustParseAddr("10.1.1.119")] || clients[netip.MustParseAddr("10.1.1.100")] {
		t.Errorf("clients: %v", clients)
	}
}

// What another node remembers is added to what this one does, which is right where both know a connection.
func TestMemoryOfTheHolderBefore(t *testing.T) {
	client, nodes := service(t)
	nodes[0].apply(t, hold(table("web", nodes, map[string]int{"n2": 1}, tcp80)))
	known, other := client.opened(t, url4), netip.MustParseAddrPort("10.1.1.200:1234")
	before := balance.Memory{Clients: []balance.Known{{Client: other.Addr(), Mark: 3, Left: time.Minute}}}
	for _, from := range []netip.AddrPort{netip.MustParseAddrPort(known.LocalAddr().String()), other, netip.MustParseAddrPort("[fd00:1::77]:99")} {
		before.Connections = append(before.Connections, balance.Known{Client: from.Addr(), Port: from.Port(), Mark: 3, Left: 10 * time.Minute})
	}
	for range 2 { // again is the same
		nodes[0].in(t, func() error { return nodes[0].kernel.Remember("web", before) })
	}
	m := nodes[0].recollect(t, "web")
	marks := map[uint32]int{}
	for _, k := range m.Connections {
		marks[k.Mark]++
	}
	if len(m.Connections) != 3 || marks[2] != 1 || marks[3] != 2 || len(m.Clients) != 0 {
		t.Errorf("%+v", m)
	}
	if who, err := ask(known); err != nil || who != "n2" {
		t.Errorf("%q, %v", who, err)
	}
	// One without a table remembers from the moment when it has one, whatever else changes meanwhile.
	nodes[0].in(t, func() error { return nodes[0].kernel.Remember("later", before) })
	nodes[0].apply(t, hold(table("web", nodes, map[string]int{"n3": 1}, tcp80)))
	nodes[0].apply(t, hold(table("later", nodes, map[string]int{"n2": 1}, balance.Port{Number: 81})))
	if m := nodes[0].recollect(t, "later"); len(m.Connections) != 3 {
		t.Errorf("a table that came later: %+v", m)
	}
}

// Of what several say the one counts that saw a packet last, and that a node has an end of a connection only where nobody remembers it.
func TestWhoSawItLastIsRight(t *testing.T) {
	_, nodes := service(t)
	holder := nodes[0]
	at := func(port uint16, mark uint32, left time.Duration) balance.Known {
		return balance.Known{Client: netip.MustParseAddr("10.1.1.200"), Port: port, Mark: mark, Left: left}
	}
	for _, c := range []struct {
		port uint16
		when string
	}{{80, "with a table"}, {81, "before there is a table"}} {
		s := table("web"+c.when[:1], nodes, map[string]int{"n2": 1, "n3": 1}, balance.Port{Number: c.port})
		s.BySource, s.Remember, s.Affinity = true, true, 60
		if c.port == 80 {
			holder.apply(t, hold(s))
		}
		for _, m := range []balance.Memory{
			{Connections: []balance.Known{at(1, 2, 20*time.Minute), at(2, 2, 50*time.Minute)}},
			{Connections: []balance.Known{at(1, 3, 50*time.Minute), at(2, 3, 20*time.Minute)}, Sockets: []balance.Known{at(2, 3, time.Hour), at(3, 3, time.Hour)}},
			{Connections: []balance.Known{}},
		} {
			holder.in(t, func() error { return holder.kernel.Remember(cluster.ResourceName(s.Name), m) })
		}
		holder.apply(t, hold(s))
		got := holder.recollect(t, cluster.ResourceName(s.Name))
		marks := map[uint16]uint32{}
		for _, k := range got.Connections {
			marks[k.Port] = k.Mark
		}
		if len(marks) != 3 || marks[1] != 3 || marks[2] != 2 || marks[3] != 3 || len(got.Clients) != 1 {
			t.Errorf("%s: %+v", c.when, got)
		}
		holder.apply(t, hold())
	}
}

// A node that takes an address over is heard by others only when its rules are there: what came sooner would be refused by its own kernel.
func TestNobodyHearsANodeWithoutRules(t *testing.T) {
	client, nodes := service(t)
	next := nodes[1]
	nodes[0].in(t, func() error { return nodes[0].remove("eth0", vip4.String()+"/24", vip6.String()+"/64") })
	nodes[0].apply(t, balance.Plane{Local: []netip.Addr{vip4, vip6}, Silent: []balance.Silent{{Address: vip4, Own: nodes[0].v4}}})
	mine := table("web", nodes, map[string]int{"n3": 1}, tcp80)
	mine.Self, mine.Addresses = 2, []balance.Held{{Address: vip4, Device: "eth0"}, {Address: vip6, Device: "eth0"}}
	refused := mine
	refused.Name = strings.Repeat("long", 100)
	next.in(t, func() error {
		if err := next.kernel.Apply(t.Context(), hold(refused)); err == nil {
			t.Error("the kernel takes a name of any length")
		}
		return nil
	})
	client.in(t, func() error { return client.forget() })
	if who, err := client.once("tcp", url4); err == nil || errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a node without rules is heard: %q, %v", who, err)
	}
	next.apply(t, hold(mine))
	client.in(t, func() error { return client.forget() })
	if who, err := client.once("tcp", url4); err != nil || who != "n3" {
		t.Errorf("with rules: %q, %v", who, err)
	}
}

// The holder dies with all that it remembers, after the slots were dealt anew. The next one goes by what the nodes say of their own connections.
func TestConnectionsOutliveTheirHolder(t *testing.T) {
	client, nodes := service(t)
	nodes[0].apply(t, hold(table("web", nodes, map[string]int{"n1": 1, "n2": 5, "n3": 1}, tcp80)))
	conns := map[string][]net.Conn{}
	for _, to := range []string{url4, url6} {
		for range 30 {
			c := client.answered(t, to)
			conns[c.who] = append(conns[c.who], c)
		}
	}
	if len(conns["n2"]) < 10 || len(conns["n3"]) == 0 {
		t.Fatalf("%v", conns)
	}
	nodes[0].in(t, func() error { return nodes[0].remove("eth0", vip4.String()+"/24", vip6.String()+"/64") })
	nodes[0].apply(t, balance.Plane{Silent: []balance.Silent{{Address: vip4}}})
	next := table("web", nodes, map[string]int{"n1": -1, "n2": 1, "n3": 9}, tcp80)
	next.Self = 2
	next.Addresses = []balance.Held{{Address: vip4, Device: "eth0"}, {Address: vip6, Device: "eth0"}}
	var all []balance.Memory
	for i, n := range nodes[1:] {
		n.in(t, func() error {
			own, err := n.kernel.Connections([]netip.Addr{vip4, vip6}, []balance.Port{tcp80}, nil)
			for k := range own {
				own[k].Mark = uint32(i + 2)
			}
			all = append(all, balance.Memory{Sockets: own})
			return err
		})
	}
	nodes[1].in(t, func() error { return nodes[1].kernel.Remember("web", balance.Join(all...)) })
	nodes[1].apply(t, hold(next))
	nodes[1].in(t, func() error { return nodes[1].add("eth0", vip4.String()+"/24", vip6.String()+"/64") })
	client.in(t, func() error { return client.forget() })
	for _, n := range []string{"n2", "n3"} {
		for _, c := range conns[n] {
			if who, err := ask(c); err != nil || who != n {
				t.Errorf("connection from %s with %s: %q, %v", c.LocalAddr(), n, who, err)
			}
		}
	}
}

// An instance of the holder may serve before anybody has heard that it is up. What it took then stays with it.
func TestFirstConnectionsStay(t *testing.T) {
	client, nodes := service(t)
	holder := nodes[0]
	holder.apply(t, hold(table("web", nodes, map[string]int{}, tcp80)))
	var conns []net.Conn
	for _, to := range []string{url4, url6} {
		conns = append(conns, client.opened(t, to))
	}
	both := table("web", nodes, map[string]int{"n2": 1}, tcp80)
	both.Live = []uint32{1, 2}
	holder.apply(t, hold(both))
	for _, c := range conns {
		if who, err := ask(c); err != nil || who != "n1" {
			t.Errorf("%s: %q, %v", c.RemoteAddr(), who, err)
		}
	}
}

// A table that was made a moment ago still grows in the kernel, and reading it leaves slots out; they are dealt anew all the same.
func TestSlotsAreDealtAnewAtOnce(t *testing.T) {
	client, nodes := service(t)
	for range 10 {
		nodes[0].apply(t, hold())
		for _, to := range []string{"n2", "n3"} {
			nodes[0].apply(t, hold(table("web", nodes, map[string]int{to: 1}, tcp80)))
			if who, err := client.once("tcp", url4); err != nil || who != to {
				t.Fatalf("%q, %v; want %s", who, err, to)
			}
		}
	}
}

// Much that is remembered is taken over, and survives new rules, in messages as large as it takes.
func TestMuchIsRemembered(t *testing.T) {
	_, nodes := service(t)
	holder := nodes[0]
	holder.apply(t, hold(table("web", nodes, map[string]int{"n2": 1}, tcp80)))
	const many = 20_000
	var before balance.Memory
	for i := range many {
		before.Connections = append(before.Connections, balance.Known{Client: netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), Port: 1000, Mark: 2, Left: 30 * time.Minute})
	}
	holder.in(t, func() error { return holder.kernel.Remember("web", before) })
	for range 2 {
		if got := len(holder.recollect(t, "web").Connections); got != many {
			t.Errorf("%d connections are remembered of %d", got, many)
		}
		holder.apply(t, hold(table("web", nodes, map[string]int{"n2": 1}, tcp80, udp80)))
	}
	holder.in(t, func() error {
		fills, err := holder.kernel.Tend()
		if len(fills) != 1 || fills[0].Full != many*100/(1<<18) {
			t.Errorf("%+v", fills)
		}
		return err
	})
}

// With UDP_affinity the UDP of a client goes where its TCP is. Without, it goes by the slot of the client, and stays there port by port.
func TestUDPOfAClient(t *testing.T) {
	client, nodes := service(t)
	for _, affinity := range []bool{true, false} {
		both := func(weights map[string]int) balance.Table {
			s := table("web", nodes, weights, tcp80, udp80)
			s.BySource, s.BySourceUDP, s.Remember, s.RememberUDP, s.Affinity = true, true, true, affinity, 300
			s.Live, s.Open = []uint32{2, 3}, []uint32{2, 3}
			s.Hops = nil
			for i := 1; i < 3; i++ {
				s.Hops = append(s.Hops, balance.Hop{Mark: uint32(i + 1), Address: vip4, Via: nodes[i].v4}, balance.Hop{Mark: uint32(i + 1), Address: vip6, Via: nodes[i].v6})
			}
			return s
		}
		nodes[0].apply(t, hold())
		nodes[0].apply(t, hold(both(map[string]int{"n2": 1})))
		client.opened(t, url4)
		known, err := client.dial("udp", url4, netip.AddrPort{})
		if err != nil {
			t.Fatal(err)
		}
		defer known.Close()
		if who, err := ask(known); err != nil || who != "n2" {
			t.Fatalf("%q, %v", who, err)
		}
		nodes[0].apply(t, hold(both(map[string]int{"n3": 1})))
		if who, err := ask(known); err != nil || who != "n2" {
			t.Errorf("UDP_affinity %v, a port that is known: %q, %v", affinity, who, err)
		}
		want := map[bool]string{true: "n2", false: "n3"}[affinity]
		if who, err := client.once("udp", url4); err != nil || who != want {
			t.Errorf("UDP_affinity %v, a port that is new: %q, %v; want %s", affinity, who, err, want)
		}
		if who, err := client.once("tcp", url4); err != nil || who != "n2" {
			t.Errorf("TCP of the client: %q, %v", who, err)
		}
	}
}

// A table that is made anew knows the connections and clients of the one before.
func TestRulesAnewForgetNothing(t *testing.T) {
	client, nodes := service(t)
	before := table("web", nodes, map[string]int{"n2": 1}, tcp80)
	before.BySource, before.Remember, before.Affinity = true, true, 300
	nodes[0].apply(t, hold(before))
	old4, old6 := client.opened(t, url4), client.opened(t, url6)
	// Other ports, another time, and all new ones go elsewhere.
	after := table("web", nodes, map[string]int{"n2": -1, "n3": 1}, tcp80, balance.Port{Number: 443})
	after.BySource, after.Remember, after.Affinity = true, true, 400
	after.Live, after.Open = []uint32{2, 3}, []uint32{2, 3}
	after.Hops = append(after.Hops, balance.Hop{Mark: 2, Address: vip4, Via: nodes[1].v4}, balance.Hop{Mark: 2, Address: vip6, Via: nodes[1].v6})
	nodes[0].apply(t, hold(after))
	for _, c := range []net.Conn{old4, old6} {
		if who, err := ask(c); err != nil || who != "n2" {
			t.Errorf("a connection from before: %q, %v", who, err)
		}
	}
	for _, to := range []string{url4, url6} {
		if who, err := client.once("tcp", to); err != nil || who != "n2" {
			t.Errorf("a client from before, at %s: %q, %v", to, who, err)
		}
	}
	// One of the two addresses goes: those of the other stay.
	after.Addresses = after.Addresses[:1]
	nodes[0].apply(t, hold(after))
	if who, err := ask(old4); err != nil || who != "n2" {
		t.Errorf("a connection to the address that stays: %q, %v", who, err)
	}
}
