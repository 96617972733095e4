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
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"redoubt/internal/privnet"
)

const patience = 10 * time.Second

// space is a network namespace. It has no name: it ends when the test closes it.
type space struct {
	t  *testing.T
	ns netns.NsHandle
	nl *netlink.Handle
}

func newSpace(t *testing.T) *space {
	t.Helper()
	s := &space{t: t}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends in its namespace
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			s.ns, err = netns.Get()
		}
		made <- err
	}()
	err := <-made
	if err == nil {
		s.nl, err = netlink.NewHandleAt(s.ns)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.nl.Close(); s.ns.Close() })
	s.up("lo")
	return s
}

// in runs f on a thread in the namespace.
func (s *space) in(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(s.ns)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func (s *space) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *space) link(name string) netlink.Link {
	s.t.Helper()
	l, err := s.nl.LinkByName(name)
	s.must(err)
	return l
}

func (s *space) up(name string) { s.t.Helper(); s.must(s.nl.LinkSetUp(s.link(name))) }

func (s *space) down(name string) { s.t.Helper(); s.must(s.nl.LinkSetDown(s.link(name))) }

func (s *space) address(name, cidr string) {
	s.t.Helper()
	a, err := netlink.ParseAddr(cidr)
	s.must(err)
	if strings.Contains(cidr, ":") {
		a.Flags = unix.IFA_F_NODAD
	}
	s.must(s.nl.AddrAdd(s.link(name), a))
}

func (s *space) sysctl(name, value string) {
	s.t.Helper()
	s.must(s.in(func() error {
		return os.WriteFile(filepath.Join("/proc/sys/net/ipv4/conf", name, "rp_filter"), []byte(value), 0)
	}))
}

func (s *space) rpFilter(name string) (value string) {
	s.t.Helper()
	s.must(s.in(func() error {
		b, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv4/conf", name, "rp_filter"))
		value = strings.TrimSpace(string(b))
		return err
	}))
	return value
}

// state prints the addresses and routes of the namespace that the kernel did not make by itself.
func (s *space) state() string {
	s.t.Helper()
	var out []string
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		as, err := s.nl.AddrList(nil, family)
		s.must(err)
		for _, a := range as {
			if !a.IP.IsLinkLocalUnicast() {
				out = append(out, fmt.Sprintf("%s on %d", a.IPNet, a.LinkIndex))
			}
		}
		rs, err := s.nl.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
		s.must(err)
		ours, err := s.nl.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_LOCAL, Protocol: privnet.Protocol}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
		s.must(err)
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
		wires.must(wires.nl.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: br}}))
		wires.up(br)
	}
	for k := 1; k <= 3; k++ {
		n := &node{space: newSpace(t), name: fmt.Sprintf("n%d", k), log: &journal{}, private: netip.MustParseAddr(fmt.Sprintf(private, k))}
		n.net = privnet.New(slog.New(slog.NewTextHandler(n.log, nil)))
		for p := range 2 {
			port := fmt.Sprintf("n%d-%d", k, p)
			ic := fmt.Sprintf("ic%d", p)
			wires.must(wires.nl.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port}, PeerName: ic, PeerNamespace: netlink.NsFd(n.ns)}))
			wires.must(wires.nl.LinkSetMaster(wires.link(port), wires.link(ic)))
			wires.up(port)
			n.up(ic)
			cidr := fmt.Sprintf(interconnect, p, k)
			n.address(ic, cidr)
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
	return n.in(func() error { return n.net.Apply(context.Background(), d) })
}

func applyAll(t *testing.T, nodes []*node, order ...int) {
	t.Helper()
	for _, n := range nodes {
		if err := n.apply(nodes, order...); err != nil {
			t.Fatal(n.name, err)
		}
	}
}

// echo serves at a node's private address: whatever comes in goes back.
func (n *node) echo() {
	n.t.Helper()
	n.must(n.in(func() error {
		l, err := net.Listen("tcp", netip.AddrPortFrom(n.private, 7000).String())
		if err != nil {
			return err
		}
		n.t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { io.Copy(c, c); c.Close() }()
			}
		}()
		return nil
	}))
}

// dial connects to another node's private address. It tries again while the kernel is still bringing up IPv6 addresses.
func (n *node) dial(to *node) net.Conn {
	n.t.Helper()
	var c net.Conn
	deadline := time.Now().Add(patience)
	for c == nil {
		err := n.in(func() (err error) {
			c, err = net.DialTimeout("tcp", netip.AddrPortFrom(to.private, 7000).String(), time.Second)
			return err
		})
		if err != nil && time.Now().After(deadline) {
			n.t.Fatalf("%s does not reach %s: %v\n%s", n.name, to.name, err, n.state())
		}
		if err != nil {
			c = nil
		}
	}
	n.t.Cleanup(func() { c.Close() })
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
