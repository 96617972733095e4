package nft_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/nft"
	"redoubt/internal/nstest"
	"redoubt/internal/rgm/balance"
)

// TestMain runs the tests in a network namespace of their own, whose bridge is the network of the hosts below.
func TestMain(m *testing.M) {
	nstest.Enter(syscall.CLONE_NEWNET)
	os.Exit(m.Run())
}

// owed is a guard that only keeps its books.
type owed struct {
	mu   sync.Mutex
	list []agent.Obligation
}

func (o *owed) Owe(_ context.Context, what agent.Obligation) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(o.list, what) {
		o.list = append(o.list, what)
	}
	return nil
}

func (o *owed) Settle(_ context.Context, what agent.Obligation) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = slices.DeleteFunc(o.list, func(h agent.Obligation) bool { return h == what })
	return nil
}

// host is a network namespace with eth0 on the common bridge.
type host struct {
	name   string
	ns     netns.NsHandle
	kernel *nft.Kernel
	owed   *owed
	v4, v6 netip.Addr
}

// in runs f in the host's namespace.
func (h *host) in(t *testing.T, f func() error) {
	t.Helper()
	if err := h.try(f); err != nil {
		t.Fatalf("%s: %v", h.name, err)
	}
}

func (h *host) try(f func() error) error { return nstest.In(h.ns, f) }

// lan makes hosts 10.1.1.N and fd00:1::N on one bridge.
func lan(t *testing.T, names ...string) []*host {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	ok(err)
	defer home.Close()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "lan"}}
	ok(netlink.LinkAdd(bridge))
	t.Cleanup(func() { _ = netlink.LinkDel(bridge) })
	ok(netlink.LinkSetUp(bridge))
	var hosts []*host
	for i, name := range names {
		ns, err := netns.New()
		ok(err)
		ok(netns.Set(home))
		h := &host{name: name, ns: ns, owed: &owed{}, v4: netip.MustParseAddr("10.1.1." + strconv.Itoa(i+1)), v6: netip.MustParseAddr("fd00:1::" + strconv.Itoa(i+1))}
		h.kernel = nft.New(nft.Config{Obligations: h.owed, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), AddressLife: time.Hour})
		t.Cleanup(func() { ns.Close() })
		// An address of the link that is not yet sure of itself asks for no neighbour.
		h.in(t, func() error { return os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0) })
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "to-" + name, MasterIndex: bridge.Index}, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns)}
		ok(netlink.LinkAdd(veth))
		t.Cleanup(func() { _ = netlink.LinkDel(veth) })
		ok(netlink.LinkSetUp(veth))
		h.in(t, func() error {
			lo, err := netlink.LinkByName("lo")
			if err == nil {
				err = netlink.LinkSetUp(lo)
			}
			if err != nil {
				return err
			}
			return h.add("eth0", h.v4.String()+"/24", h.v6.String()+"/64")
		})
		hosts = append(hosts, h)
	}
	return hosts
}

// add gives an interface addresses and sets it up.
func (h *host) add(link string, addrs ...string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	for _, text := range addrs {
		a, err := netlink.ParseAddr(text)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrReplace(l, a); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(l)
}

// serve answers TCP connections with the host's name, line by line, and UDP datagrams with it. Who sends "end" ends the connection.
func (h *host) serve(t *testing.T, port int) {
	t.Helper()
	h.in(t, func() error {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					buf := make([]byte, 16)
					for {
						if n, err := c.Read(buf); err != nil || n == 3 {
							return
						}
						if _, err := io.WriteString(c, h.name); err != nil {
							return
						}
					}
				}()
			}
		}()
		for _, family := range []string{"udp4", "udp6"} {
			u, err := net.ListenPacket(family, ":"+strconv.Itoa(port))
			if err != nil {
				return err
			}
			t.Cleanup(func() { u.Close() })
			// An answer has to come from the address that was asked.
			raw, err := u.(*net.UDPConn).SyscallConn()
			if err != nil {
				return err
			}
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_PKTINFO, 1)
				_ = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
			})
			go func() {
				buf, oob := make([]byte, 16), make([]byte, 256)
				for {
					_, n, _, from, err := u.(*net.UDPConn).ReadMsgUDPAddrPort(buf, oob)
					if err != nil {
						return
					}
					_, _, _ = u.(*net.UDPConn).WriteMsgUDPAddrPort([]byte(h.name), answerFrom(oob[:n]), from)
				}
			}()
		}
		return nil
	})
}

// answerFrom makes the control message that answers from the address of a received one; the interface is the kernel's choice.
func answerFrom(oob []byte) []byte {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil || len(messages) == 0 {
		return nil
	}
	m := messages[0]
	if m.Header.Level == unix.SOL_IP {
		copy(m.Data[4:8], m.Data[8:12]) // the address asked becomes the one that answers
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: [4]byte(m.Data[4:8])})
	}
	return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: [16]byte(m.Data[:16])})
}

// dial opens a connection, from a port of its own if that is not 0.
func (h *host) dial(protocol, to string, from netip.AddrPort) (net.Conn, error) {
	var c net.Conn
	err := h.try(func() (err error) {
		d := net.Dialer{Timeout: 2 * time.Second}
		if from.IsValid() {
			if protocol == "tcp" {
				d.LocalAddr = net.TCPAddrFromAddrPort(from)
			} else {
				d.LocalAddr = net.UDPAddrFromAddrPort(from)
			}
		}
		c, err = d.Dial(protocol, to)
		return err
	})
	return c, err
}

// ask sends a word and returns the answer.
func ask(c net.Conn) (string, error) {
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.WriteString(c, "?"); err != nil {
		return "", err
	}
	buf := make([]byte, 16)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

// once asks by a connection of its own.
func (h *host) once(protocol, to string) (string, error) {
	c, err := h.dial(protocol, to, netip.AddrPort{})
	if err != nil {
		return "", err
	}
	defer c.Close()
	return ask(c)
}

// table is that of a service on both addresses, held by hosts[0]; weights are by host name, negative ones of hosts that are away.
func table(name string, hosts []*host, weights map[string]int, ports ...balance.Port) balance.Table {
	t := balance.Table{Shape: balance.Shape{Name: name, Addresses: []balance.Held{{Address: vip4}, {Address: vip6}}, Ports: ports, Self: 1}}
	var seats []balance.Seat
	for i, h := range hosts {
		w, in := weights[h.name]
		if w < 0 {
			w, in = -w, false
		}
		seats = append(seats, balance.Seat{Node: cname(h.name), Weight: w, Present: in})
		if !in {
			continue
		}
		m := uint32(i + 1)
		t.Open, t.Live = append(t.Open, m), append(t.Live, m)
		if i > 0 {
			t.Hops = append(t.Hops, balance.Hop{Mark: m, Address: vip4, Via: h.v4}, balance.Hop{Mark: m, Address: vip6, Via: h.v6})
		}
	}
	for slot, seat := range balance.Deal(seats) {
		if seat >= 0 {
			t.Slots[slot] = uint32(seat + 1)
		}
	}
	return t
}

// answering is a connection with who answered it first.
type answering struct {
	net.Conn
	who string
}

func (h *host) remove(link string, addrs ...string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	for _, text := range addrs {
		a, err := netlink.ParseAddr(text)
		if err == nil {
			err = netlink.AddrDel(l, a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forget empties the host's table of neighbours.
func (h *host) forget() error {
	list, err := netlink.NeighList(0, 0)
	for _, n := range list {
		if n.State&(unix.NUD_NOARP|unix.NUD_PERMANENT) == 0 {
			_ = netlink.NeighDel(&n)
		}
	}
	return err
}

func mac(t *testing.T, link string) string {
	l, err := netlink.LinkByName(link)
	if err != nil {
		t.Error(err)
		return ""
	}
	return l.Attrs().HardwareAddr.String()
}

// neighbour is where the host believes an address to be.
func neighbour(t *testing.T, a netip.Addr) string {
	list, err := netlink.NeighList(0, unix.AF_INET)
	if err != nil {
		t.Error(err)
	}
	for _, n := range list {
		if n.IP.String() == a.String() {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

// flush does what loading another rule set does.
func flush() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	c.FlushRuleset()
	return c.Flush()
}

// unhook takes the chain of a device away, as some kernels do with the device.
func unhook(table, chain string) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	c.DelChain(&nftables.Chain{Name: chain, Table: &nftables.Table{Name: table, Family: nftables.TableFamilyNetdev}})
	return c.Flush()
}

func tables(t *testing.T) string {
	c, err := nftables.New()
	if err != nil {
		t.Error(err)
		return ""
	}
	list, err := c.ListTables()
	if err != nil {
		t.Error(err)
	}
	out := ""
	for _, table := range list {
		out += table.Name + " "
	}
	return out
}

func ownedBy(h *host) string {
	h.owed.mu.Lock()
	defer h.owed.mu.Unlock()
	out := ""
	for _, o := range h.owed.list {
		out += o.Address + " " + o.Interface + " "
	}
	return out
}

// listed runs what people look with; some versions of it end when a rule is put in words that they do not expect.
func listed() error {
	if out, err := exec.Command("nft", "list", "ruleset").CombinedOutput(); err != nil {
		return fmt.Errorf("nft list ruleset: %w: %s", err, out)
	}
	return nil
}
