package privnet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/nstest"
	"redoubt/internal/privnet"
)

const patience = 10 * time.Second

// space is a network namespace in which a node lives, or the wires between nodes.
type space struct{ *nstest.Space }

func newSpace(t *testing.T) *space { t.Helper(); return &space{nstest.NewSpace(t)} }

func (s *space) sysctl(name, value string) {
	s.T.Helper()
	s.Must(s.In(func() error {
		return os.WriteFile(filepath.Join("/proc/sys/net/ipv4/conf", name, "rp_filter"), []byte(value), 0)
	}))
}

func (s *space) rpFilter(name string) (value string) {
	s.T.Helper()
	s.Must(s.In(func() error {
		b, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv4/conf", name, "rp_filter"))
		value = strings.TrimSpace(string(b))
		return err
	}))
	return value
}

// state prints the addresses and routes of the namespace that the kernel did not make by itself.
func (s *space) state() string {
	s.T.Helper()
	var out []string
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		as, err := s.NL.AddrList(nil, family)
		s.Must(err)
		for _, a := range as {
			if !a.IP.IsLinkLocalUnicast() {
				out = append(out, fmt.Sprintf("%s on %d", a.IPNet, a.LinkIndex))
			}
		}
		rs, err := s.NL.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
		s.Must(err)
		ours, err := s.NL.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_LOCAL, Protocol: privnet.Protocol}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
		s.Must(err)
		rs = append(rs, ours...)
		for _, r := range rs {
			if r.Protocol != unix.RTPROT_KERNEL {
				out = append(out, fmt.Sprintf("route %s via %s %v dev %d from %s type %d proto %d", r.Dst, r.Gw, r.Via, r.LinkIndex, r.Src, r.Type, r.Protocol))
			}
		}
	}
	return strings.Join(out, "\n")
}

// node is a host with two interconnects.
type node struct {
	*space
	name    string
	net     *privnet.Net
	log     *journal
	private netip.Addr
	ic      []netip.Addr
}

type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// cluster makes three nodes, joined by the bridges ic0 and ic1 of a fourth namespace. The formats take the number of the interconnect and of the node.
func cluster(t *testing.T, interconnect, private string) (wires *space, nodes []*node) {
	t.Helper()
	wires = newSpace(t)
	for p := range 2 {
		br := fmt.Sprintf("ic%d", p)
		wires.Must(wires.NL.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: br}}))
		wires.Up(br)
	}
	for k := 1; k <= 3; k++ {
		n := &node{space: newSpace(t), name: fmt.Sprintf("n%d", k), log: &journal{}, private: netip.MustParseAddr(fmt.Sprintf(private, k))}
		n.net = privnet.New(slog.New(slog.NewTextHandler(n.log, nil)))
		for p := range 2 {
			port := fmt.Sprintf("n%d-%d", k, p)
			ic := fmt.Sprintf("ic%d", p)
			wires.Wire(port, n.Space, ic)
			wires.Must(wires.NL.LinkSetMaster(wires.Link(port), wires.Link(ic)))
			cidr := fmt.Sprintf(interconnect, p, k)
			n.Address(ic, cidr)
			n.ic = append(n.ic, netip.MustParsePrefix(cidr).Addr())
		}
		nodes = append(nodes, n)
	}
	return wires, nodes
}

// apply lets a node prefer the interconnects in the given order towards every other node.
func (n *node) apply(others []*node, order ...int) error {
	d := privnet.Desired{Self: n.private}
	for _, o := range others {
		if o == n {
			continue
		}
		p := privnet.Peer{Private: o.private}
		for _, i := range order {
			p.Via = append(p.Via, o.ic[i])
		}
		d.Peers = append(d.Peers, p)
	}
	return n.In(func() error { return n.net.Apply(context.Background(), d) })
}

func applyAll(t *testing.T, nodes []*node, order ...int) {
	t.Helper()
	for _, n := range nodes {
		if err := n.apply(nodes, order...); err != nil {
			t.Fatal(n.name, err)
		}
	}
}

// echo serves at a node's private address.
func (n *node) echo() { n.T.Helper(); n.Echo(netip.AddrPortFrom(n.private, 7000)) }

// dial connects to another node's private address. It tries again while the kernel is still bringing up IPv6 addresses.
func (n *node) dial(to *node) net.Conn {
	n.T.Helper()
	var c net.Conn
	deadline := time.Now().Add(patience)
	for c == nil {
		err := n.In(func() (err error) {
			c, err = net.DialTimeout("tcp", netip.AddrPortFrom(to.private, 7000).String(), time.Second)
			return err
		})
		if err != nil && time.Now().After(deadline) {
			n.T.Fatalf("%s does not reach %s: %v\n%s", n.name, to.name, err, n.state())
		}
		if err != nil {
			c = nil
		}
	}
	n.T.Cleanup(func() { c.Close() })
	return c
}

// speak sends through a connection and waits for the echo.
func speak(t *testing.T, c net.Conn, text string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("%s -> %s: sent %q, got back %q, %v", c.LocalAddr(), c.RemoteAddr(), text, b, err)
	}
}
