package privnet_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/privnet"
)

func TestConnectionsOutliveAnInterconnect(t *testing.T) {
	for name, c := range map[string]struct{ interconnect, private string }{
		"IPv4":           {"10.88.%d.%d/24", "172.30.0.%d"},
		"IPv6":           {"fd88:%d::%d/64", "fd30::%d"},
		"IPv4 over IPv6": {"fd88:%d::%d/64", "172.30.0.%d"},
	} {
		t.Run(name, func(t *testing.T) {
			wires, nodes := cluster(t, c.interconnect, c.private)
			applyAll(t, nodes, 0, 1)
			for _, n := range nodes {
				n.echo()
			}
			var conns []net.Conn
			for _, from := range nodes {
				for _, to := range nodes {
					conns = append(conns, from.dial(to))
					if got := conns[len(conns)-1].LocalAddr().(*net.TCPAddr).AddrPort().Addr(); got != from.private {
						t.Errorf("%s speaks to %s from %s, want its private address %s", from.name, to.name, got, from.private)
					}
				}
			}
			all := func(text string) {
				t.Helper()
				for _, c := range conns {
					speak(t, c, text)
				}
			}
			all("both interconnects")

			// The first interconnect falls silent for n1: nobody sees a carrier go.
			wires.Must(wires.NL.LinkSetNoMaster(wires.Link("n1-0")))
			applyAll(t, nodes, 1, 0)
			all("without the first")

			// It is back, and the second is gone with its carrier: the order alone would choose it.
			wires.Must(wires.NL.LinkSetMaster(wires.Link("n1-0"), wires.Link("ic0")))
			for k := 1; k <= 3; k++ {
				wires.Down(fmt.Sprintf("n%d-1", k))
			}
			applyAll(t, nodes, 1, 0)
			all("without the second")

			// Nothing is left: what is meant for the others is refused at once.
			for k := 1; k <= 3; k++ {
				wires.Down(fmt.Sprintf("n%d-0", k))
			}
			applyAll(t, nodes, 1, 0)
			err := nodes[0].In(func() error {
				c, err := net.DialTimeout("tcp", netip.AddrPortFrom(nodes[1].private, 7000).String(), patience)
				if err == nil {
					c.Close()
				}
				return err
			})
			if !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ENETUNREACH) {
				t.Errorf("without any interconnect: %v, want it refused", err)
			}
			if log := nodes[0].log.String(); strings.Count(log, "no interconnect leads") != 2 {
				t.Errorf("the log does not name the lost peers once each:\n%s", log)
			}
			for k := 1; k <= 3; k++ {
				wires.Up(fmt.Sprintf("n%d-0", k))
			}
			applyAll(t, nodes, 0, 1)
			all("after all were lost")
			if log := nodes[0].log.String(); strings.Count(log, "reached again") != 2 {
				t.Errorf("the log does not say that the peers are back:\n%s", log)
			}
		})
	}
}

// TestAnswersByAnotherWay lets the two ends of a connection prefer different interconnects, which a strict reverse path filter forbids.
func TestAnswersByAnotherWay(t *testing.T) {
	_, nodes := cluster(t, "10.88.%d.%d/24", "172.30.0.%d")
	a, b := nodes[0], nodes[1]
	a.sysctl("ic0", "1")
	a.sysctl("ic1", "1")
	b.sysctl("all", "1")
	b.sysctl("ic0", "0")
	b.sysctl("ic1", "0")
	nodes[2].sysctl("all", "0")
	nodes[2].sysctl("ic0", "0")
	applyAll(t, nodes[2:], 0, 1)
	if err := a.apply(nodes, 0, 1); err != nil {
		t.Fatal(err)
	}
	if err := b.apply(nodes, 1, 0); err != nil {
		t.Fatal(err)
	}
	a.echo()
	speak(t, b.dial(a), "round the houses")
	if err := nodes[2].apply(nodes, 0, 1); err != nil {
		t.Fatal(err)
	}
	if got := nodes[2].rpFilter("ic0"); got != "0" {
		t.Errorf("a filter that was off is %s now", got)
	}
	if a.rpFilter("ic0") != "2" || b.rpFilter("ic1") != "2" || b.rpFilter("all") != "1" {
		t.Errorf("filters are %s, %s and %s for all", a.rpFilter("ic0"), b.rpFilter("ic1"), b.rpFilter("all"))
	}
	b.sysctl("ic0", "1") // somebody wants it so now
	for _, n := range nodes {
		n.Must(n.In(func() error { return n.net.Close(context.Background()) }))
	}
	if a.rpFilter("ic0") != "1" || b.rpFilter("ic1") != "0" || b.rpFilter("ic0") != "1" {
		t.Errorf("afterwards filters are %s, %s and %s", a.rpFilter("ic0"), b.rpFilter("ic1"), b.rpFilter("ic0"))
	}
}

func TestApplyingTwiceChangesNothing(t *testing.T) {
	for name, private := range map[string]string{"IPv4": "172.30.0.%d", "IPv6": "fd30::%d"} {
		t.Run(name, func(t *testing.T) {
			wires, nodes := cluster(t, "fd88:%d::%d/64", private)
			n := nodes[0]
			// A lost peer's route is one of those that must stay as they are.
			applyAll(t, nodes, 0, 1)
			lost := privnet.Desired{Self: n.private, Peers: []privnet.Peer{{Private: nodes[1].private, Via: nodes[1].ic}, {Private: nodes[2].private}}}
			apply := func() { t.Helper(); n.Must(n.In(func() error { return n.net.Apply(context.Background(), lost) })) }
			apply()
			stop := make(chan struct{})
			defer close(stop)
			routes, addrs := make(chan netlink.RouteUpdate, 100), make(chan netlink.AddrUpdate, 100)
			n.Must(netlink.RouteSubscribeAt(n.NS, routes, stop))
			n.Must(netlink.AddrSubscribeAt(n.NS, addrs, stop))
			before := n.state()
			apply()
			if after := n.state(); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
			// A mark behind everything that the second time may have caused.
			n.Address("lo", "192.0.2.77/32")
			for limit := time.After(patience); ; {
				select {
				case r := <-routes:
					if r.Protocol == privnet.Protocol {
						t.Fatalf("a route was touched: %v", r)
					}
					continue
				case a := <-addrs:
					if a.LinkAddress.IP.String() == "192.0.2.77" {
						break
					}
					if a.LinkAddress.IP.Equal(net.IP(n.private.AsSlice())) {
						t.Fatalf("the private address was touched")
					}
					continue
				case <-limit:
					t.Fatal("the mark has not come")
				}
				break
			}
			wires.Down("n1-0")
		})
	}
}

func TestOthersAreNotTouched(t *testing.T) {
	for name, c := range map[string]struct{ interconnect, private, foreign string }{
		"IPv4": {"10.88.%d.%d/24", "172.30.0.%d", "198.51.100.9/32"},
		"IPv6": {"fd88:%d::%d/64", "fd30::%d", "fd99::9/128"},
	} {
		t.Run(name, func(t *testing.T) {
			_, nodes := cluster(t, c.interconnect, c.private)
			n := nodes[0]
			n.Address("lo", c.foreign)
			foreign := func(metric int) *netlink.Route {
				ip := net.IP(nodes[1].private.AsSlice())
				return &netlink.Route{Dst: &net.IPNet{IP: ip, Mask: net.CIDRMask(8*len(ip), 8*len(ip))}, Gw: net.IP(nodes[1].ic[1].AsSlice()), LinkIndex: n.Link("ic1").Attrs().Index, Protocol: unix.RTPROT_STATIC, Priority: metric}
			}
			n.Must(n.NL.RouteAdd(foreign(5000)))
			before := n.state()
			applyAll(t, nodes, 0, 1)
			if n.state() == before || !strings.Contains(n.state(), fmt.Sprintf("proto %d", privnet.Protocol)) {
				t.Fatalf("nothing was made:\n%s", n.state())
			}
			// The daemon that made it has died; the next one takes everything down.
			next := privnet.New(slog.New(slog.DiscardHandler))
			n.Must(n.In(func() error { return next.Close(context.Background()) }))
			if after := n.state(); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
			n.Must(n.In(func() error { return next.Close(context.Background()) }))
		})
	}
}

func TestAddressChangesAndPeersLeave(t *testing.T) {
	_, nodes := cluster(t, "10.88.%d.%d/24", "172.30.0.%d")
	n := nodes[0]
	applyAll(t, nodes, 0, 1)
	old := n.private
	n.private = netip.MustParseAddr("172.30.0.99")
	n.Must(n.apply(nodes[:2], 1))
	state := n.state()
	if strings.Contains(state, old.String()+"/32") || !strings.Contains(state, "172.30.0.99/32") || strings.Contains(state, "172.30.0.3/32") || !strings.Contains(state, "route 172.30.0.2/32 via 10.88.1.2") || !strings.Contains(state, "from 172.30.0.99") {
		t.Errorf("after the change:\n%s", state)
	}
	// An address that the administrator has put there is good enough, and stays.
	m := nodes[1]
	m.Must(m.In(func() error { return m.net.Close(context.Background()) }))
	m.Address("lo", m.private.String()+"/32")
	m.Must(m.apply(nodes, 0, 1))
	m.Must(m.In(func() error { return m.net.Close(context.Background()) }))
	if state := m.state(); !strings.Contains(state, m.private.String()) || strings.Contains(state, "route") {
		t.Errorf("afterwards:\n%s", state)
	}
}

func TestSenselessIsRefused(t *testing.T) {
	s := newSpace(t)
	before := s.state()
	a := netip.MustParseAddr
	for name, d := range map[string]privnet.Desired{
		"no own address": {Peers: []privnet.Peer{{Private: a("172.30.0.2")}}},
		"own address":    {Self: a("172.30.0.1"), Peers: []privnet.Peer{{Private: a("172.30.0.1")}}},
		"twice":          {Self: a("172.30.0.1"), Peers: []privnet.Peer{{Private: a("172.30.0.2")}, {Private: a("172.30.0.2")}}},
		"two kinds":      {Self: a("172.30.0.1"), Peers: []privnet.Peer{{Private: a("fd30::2")}}},
		"no address":     {Self: a("172.30.0.1"), Peers: []privnet.Peer{{}}},
		"IPv6 over IPv4": {Self: a("fd30::1"), Peers: []privnet.Peer{{Private: a("fd30::2"), Via: []netip.Addr{a("10.88.0.2")}}}},
	} {
		err := s.In(func() error { return privnet.New(slog.New(slog.DiscardHandler)).Apply(context.Background(), d) })
		if c := fault.CodeOf(err); c != fault.Invalid && c != fault.Unsupported {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := s.state(); after != before {
		t.Errorf("something was made of it:\n%s", after)
	}
}

func TestApplyStopsWithItsContext(t *testing.T) {
	_, nodes := cluster(t, "10.88.%d.%d/24", "172.30.0.%d")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d := privnet.Desired{Self: nodes[0].private, Peers: []privnet.Peer{{Private: nodes[1].private, Via: nodes[1].ic}}}
	if err := nodes[0].In(func() error { return nodes[0].net.Apply(ctx, d) }); !fault.Is(err, fault.Timeout) {
		t.Errorf("got %v", err)
	}
}

func TestLocalPrefixes(t *testing.T) {
	_, nodes := cluster(t, "10.88.%d.%d/24", "172.30.0.%d")
	n := nodes[0]
	n.Address("ic0", "10.88.0.200/24") // a service's
	n.Address("ic1", "fd00:5::1/64")
	applyAll(t, nodes, 0, 1)
	var got []netip.Prefix
	n.Must(n.In(func() (err error) {
		got, err = privnet.LocalPrefixes()
		return err
	}))
	want := []string{"10.88.0.1/24", "10.88.0.200/24", "10.88.1.1/24", "fd00:5::1/64"}
	var texts []string
	for _, p := range got {
		texts = append(texts, p.String())
	}
	if !slices.Equal(texts, want) {
		t.Errorf("got %v, want %v", texts, want)
	}
}
