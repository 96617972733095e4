package relay_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/relay"
)

const (
	patience = 10 * time.Second
	port     = 7403
)

// host is a network namespace with an address beyond a router, and a private address that nobody else knows the way to.
type host struct {
	t       *testing.T
	ns      netns.NsHandle
	nl      *netlink.Handle
	machine relay.Machine
	relay   *child
}

// child is a relay in a process of its own, since a process dials where its threads are: what it shall join goes in line by line, and what came of it comes out.
type child struct {
	in  *json.Encoder
	out *json.Decoder
}

const inChild = "REDOUBT_TEST_RELAY"

func TestMain(m *testing.M) {
	if os.Getenv(inChild) == "" {
		os.Exit(m.Run())
	}
	r := relay.New(slog.New(slog.DiscardHandler))
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var d relay.Desired
		if in.Decode(&d) != nil {
			return
		}
		text := ""
		if err := r.Apply(d); err != nil {
			text = string(fault.CodeOf(err)) + ": " + err.Error()
		}
		if out.Encode(text) != nil {
			return
		}
	}
}

// run starts the relay of a host.
func (h *host) run() {
	h.t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), inChild+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	h.must(err)
	out, err := cmd.StdoutPipe()
	h.must(err)
	h.must(h.in(cmd.Start))
	h.relay = &child{json.NewEncoder(in), json.NewDecoder(out)}
	h.t.Cleanup(func() { in.Close(); cmd.Wait() })
}

// apply lets the relay join what is desired; the text is its error.
func (h *host) apply(d relay.Desired) (text string) {
	h.t.Helper()
	h.must(h.relay.in.Encode(d))
	h.must(h.relay.out.Decode(&text))
	return text
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends in its namespace
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			h.ns, err = netns.Get()
		}
		made <- err
	}()
	h.must(<-made)
	var err error
	h.nl, err = netlink.NewHandleAt(h.ns)
	h.must(err)
	t.Cleanup(func() { h.nl.Close(); h.ns.Close() })
	lo, err := h.nl.LinkByName("lo")
	h.must(err)
	h.must(h.nl.LinkSetUp(lo))
	return h
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// in runs f on a thread in the namespace.
func (h *host) in(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(h.ns)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func (h *host) address(link, cidr string) {
	h.t.Helper()
	l, err := h.nl.LinkByName(link)
	h.must(err)
	a, err := netlink.ParseAddr(cidr)
	h.must(err)
	h.must(h.nl.AddrAdd(l, a))
	h.must(h.nl.LinkSetUp(l))
}

// wire joins a host to the router on a network of its own, 10.9.N.0/24, and gives it a private address.
func (h *host) wire(router *host, n int) {
	h.t.Helper()
	end := fmt.Sprintf("r%d", n)
	h.must(router.nl.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: end}, PeerName: "pub", PeerNamespace: netlink.NsFd(h.ns)}))
	router.address(end, fmt.Sprintf("10.9.%d.254/24", n))
	h.address("pub", fmt.Sprintf("10.9.%d.1/24", n))
	h.address("lo", fmt.Sprintf("172.30.0.%d/32", n))
	h.must(h.nl.RouteAdd(&netlink.Route{Gw: net.IPv4(10, 9, byte(n), 254)}))
	h.machine = relay.Machine{Private: netip.AddrFrom4([4]byte{172, 30, 0, byte(n)}), Public: netip.AddrFrom4([4]byte{10, 9, byte(n), 1})}
}

// join lets a host's relay carry what is meant for the peers. Their private addresses are taken in as package privnet does it.
func (h *host) join(peers ...*host) (text string) {
	h.t.Helper()
	d := relay.Desired{Self: h.machine, Ports: []uint16{port}}
	lo, err := h.nl.LinkByName("lo")
	h.must(err)
	for _, p := range peers {
		d.Peers = append(d.Peers, p.machine)
		h.must(h.nl.RouteReplace(&netlink.Route{
			Dst: &net.IPNet{IP: p.machine.Private.AsSlice(), Mask: net.CIDRMask(32, 32)}, LinkIndex: lo.Attrs().Index, Src: h.machine.Private.AsSlice(),
			Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: unix.RT_SCOPE_HOST,
		}))
	}
	return h.apply(d)
}

// echo serves at the host's private address: whatever comes in goes back, and the end of one direction is the end of the other.
func (h *host) echo() {
	h.t.Helper()
	h.must(h.in(func() error {
		l, err := net.Listen("tcp", netip.AddrPortFrom(h.machine.Private, port).String())
		if err != nil {
			return err
		}
		h.t.Cleanup(func() { l.Close() })
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

func (h *host) dial(to netip.Addr) (c *net.TCPConn, err error) {
	err = h.in(func() error {
		conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(to, port).String(), patience)
		if err == nil {
			c = conn.(*net.TCPConn)
			c.SetDeadline(time.Now().Add(patience))
			h.t.Cleanup(func() { c.Close() })
		}
		return err
	})
	return c, err
}

// world is a node, a quorum server and a stranger, each on a network of its own behind one router.
func world(t *testing.T) (node, server, stranger, router *host) {
	t.Helper()
	router = newHost(t)
	router.must(router.in(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }))
	node, server, stranger = newHost(t), newHost(t), newHost(t)
	for i, h := range []*host{node, server, stranger} {
		h.wire(router, i+1)
	}
	node.run()
	server.run()
	return node, server, stranger, router
}

func joined(t *testing.T, text string) {
	t.Helper()
	if text != "" {
		t.Fatal(text)
	}
}

func TestAPrivateAddressBeyondARouter(t *testing.T) {
	node, server, _, _ := world(t)
	joined(t, node.join(server))
	joined(t, server.join(node))
	node.echo()
	server.echo()
	for name, way := range map[string]struct{ from, to *host }{"out": {node, server}, "in": {server, node}} {
		t.Run(name, func(t *testing.T) {
			c, err := way.from.dial(way.to.machine.Private)
			if err != nil {
				t.Fatal(err)
			}
			sent := make([]byte, 1<<20)
			rand.Read(sent)
			go func() { c.Write(sent); c.CloseWrite() }()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("sent %d bytes, got back %d, %v", len(sent), len(got), err)
			}
		})
	}
}

func TestTheRelayServesNobodyElse(t *testing.T) {
	node, server, stranger, router := world(t)
	joined(t, node.join(server))
	joined(t, server.join(node))
	node.echo()
	server.echo()
	// By the public address: who is not meant is cut off before anything is carried.
	c, err := stranger.dial(server.machine.Public)
	if err == nil {
		_, err = io.ReadAll(c)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a stranger at the public address: %v, want the connection broken off", err)
	}
	// By the address that the node has taken in for the server: it is there for the node alone, even for who sends it to the node.
	private := &net.IPNet{IP: server.machine.Private.AsSlice(), Mask: net.CIDRMask(32, 32)}
	router.must(router.nl.RouteAdd(&netlink.Route{Dst: private, Gw: node.machine.Public.AsSlice()}))
	if c, err := stranger.dialBriefly(server.machine.Private); err == nil {
		t.Errorf("a stranger reached the server through the node: %v", c.RemoteAddr())
	}
}

// dialBriefly is for a connection that is not to be had: a refusal comes at once, and silence counts as one.
func (h *host) dialBriefly(to netip.Addr) (c net.Conn, err error) {
	err = h.in(func() error {
		c, err = net.DialTimeout("tcp", netip.AddrPortFrom(to, port).String(), 300*time.Millisecond)
		return err
	})
	return c, err
}

func TestNobodyBehindIsLikeNobodyThere(t *testing.T) {
	node, server, _, _ := world(t)
	joined(t, node.join(server))
	joined(t, server.join(node)) // but nothing of the server listens
	c, err := node.dial(server.machine.Private)
	if err == nil {
		_, err = io.ReadAll(c)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want the connection broken off", err)
	}
}

func TestWhatIsTakenBackEnds(t *testing.T) {
	node, server, _, _ := world(t)
	joined(t, node.join(server))
	joined(t, server.join(node))
	server.echo()
	c, err := node.dial(server.machine.Private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	joined(t, node.join(server)) // nothing has changed: what is carried is not disturbed
	if _, err := c.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatalf("after the same once more: %v", err)
	}
	joined(t, node.apply(relay.Desired{}))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection goes on: %v", err)
	}
	if _, err := node.dial(server.machine.Private); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("afterwards: %v, want it refused", err)
	}
}

func TestATakenPortIsSaid(t *testing.T) {
	node, server, _, _ := world(t)
	node.must(node.in(func() error {
		var lc net.ListenConfig
		l, err := lc.Listen(context.Background(), "tcp", netip.AddrPortFrom(node.machine.Public, port).String())
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	}))
	if text := node.join(server); !strings.HasPrefix(text, string(fault.Precondition)) || !strings.Contains(text, node.machine.Public.String()) {
		t.Errorf("a port that another program has: %q", text)
	}
	// The other way is open nevertheless.
	joined(t, server.join(node))
	server.echo()
	c, err := node.dial(server.machine.Private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// TestChangesWhileMachinesConnect ends lines while strangers and those who are meant knock at them.
func TestChangesWhileMachinesConnect(t *testing.T) {
	node, server, stranger, _ := world(t)
	server.echo()
	joined(t, node.join(server))
	ctx, cancel := context.WithCancel(t.Context())
	var knocking sync.WaitGroup
	for from, to := range map[*host]netip.Addr{stranger: server.machine.Public, node: server.machine.Private} {
		knocking.Go(func() {
			for ctx.Err() == nil {
				if c, err := from.dialBriefly(to); err == nil {
					c.Close()
				}
			}
		})
	}
	for range 50 {
		joined(t, server.join(node))
		joined(t, server.apply(relay.Desired{}))
	}
	cancel()
	knocking.Wait()
}
