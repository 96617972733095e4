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
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/nstest"
	"redoubt/internal/relay"
)

const (
	patience = 10 * time.Second
	port     = 7403
)

// host is a network namespace with an address beyond a router, and a private address that nobody else knows the way to.
type host struct {
	*nstest.Space
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
	h.T.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), inChild+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	h.Must(err)
	out, err := cmd.StdoutPipe()
	h.Must(err)
	h.Must(h.In(cmd.Start))
	h.relay = &child{json.NewEncoder(in), json.NewDecoder(out)}
	h.T.Cleanup(func() { in.Close(); cmd.Wait() })
}

// apply lets the relay join what is desired; the text is its error.
func (h *host) apply(d relay.Desired) (text string) {
	h.T.Helper()
	h.Must(h.relay.in.Encode(d))
	h.Must(h.relay.out.Decode(&text))
	return text
}

func newHost(t *testing.T) *host { t.Helper(); return &host{Space: nstest.NewSpace(t)} }

// wire joins a host to the router on a network of its own, 10.9.N.0/24, and gives it a private address.
func (h *host) wire(router *host, n int) {
	h.T.Helper()
	end := fmt.Sprintf("r%d", n)
	router.Wire(end, h.Space, "pub")
	router.Address(end, fmt.Sprintf("10.9.%d.254/24", n))
	h.Address("pub", fmt.Sprintf("10.9.%d.1/24", n))
	h.Address("lo", fmt.Sprintf("172.30.0.%d/32", n))
	h.Must(h.NL.RouteAdd(&netlink.Route{Gw: net.IPv4(10, 9, byte(n), 254)}))
	h.machine = relay.Machine{Private: netip.AddrFrom4([4]byte{172, 30, 0, byte(n)}), Public: netip.AddrFrom4([4]byte{10, 9, byte(n), 1})}
}

// join lets a host's relay carry what is meant for the peers. Their private addresses are taken in as package privnet does it.
func (h *host) join(peers ...*host) (text string) {
	h.T.Helper()
	d := relay.Desired{Self: h.machine, Ports: []uint16{port}}
	lo := h.Link("lo")
	for _, p := range peers {
		d.Peers = append(d.Peers, p.machine)
		h.Must(h.NL.RouteReplace(&netlink.Route{
			Dst: &net.IPNet{IP: p.machine.Private.AsSlice(), Mask: net.CIDRMask(32, 32)}, LinkIndex: lo.Attrs().Index, Src: h.machine.Private.AsSlice(),
			Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: unix.RT_SCOPE_HOST,
		}))
	}
	return h.apply(d)
}

// echo serves at the host's private address.
func (h *host) echo() { h.T.Helper(); h.Echo(netip.AddrPortFrom(h.machine.Private, port)) }

func (h *host) dial(to netip.Addr) (c *net.TCPConn, err error) {
	err = h.In(func() error {
		conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(to, port).String(), patience)
		if err == nil {
			c = conn.(*net.TCPConn)
			c.SetDeadline(time.Now().Add(patience))
			h.T.Cleanup(func() { c.Close() })
		}
		return err
	})
	return c, err
}

// answered sends something through a connection and waits until it comes back.
func answered(c net.Conn) error {
	_, err := c.Write([]byte("x"))
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	return err
}

// world is a node, a quorum server and a stranger, each on a network of its own behind one router.
func world(t *testing.T) (node, server, stranger, router *host) {
	t.Helper()
	router = newHost(t)
	router.Must(router.In(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }))
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
	router.Must(router.NL.RouteAdd(&netlink.Route{Dst: private, Gw: node.machine.Public.AsSlice()}))
	if c, err := stranger.dialBriefly(server.machine.Private); err == nil {
		t.Errorf("a stranger reached the server through the node: %v", c.RemoteAddr())
	}
}

// dialBriefly is for a connection that is not to be had: a refusal comes at once, and silence counts as one.
func (h *host) dialBriefly(to netip.Addr) (c net.Conn, err error) {
	err = h.In(func() error {
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
	node.Must(err)
	node.Must(answered(c))
	joined(t, node.join(server)) // nothing has changed: what is carried is not disturbed
	if err := answered(c); err != nil {
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
	node.Must(node.In(func() error {
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
	node.Must(err)
	node.Must(answered(c))
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
