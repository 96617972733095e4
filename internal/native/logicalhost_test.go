package native_test

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/native"
	"redoubt/internal/rgm/model"
)

const lh = "redoubt.logicalhostname"

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

// public makes the interface pub0 with the addresses 10.9.8.1/24 and fd00:9::1/64, and a machine at its other end.
type public struct {
	ns   netns.NsHandle
	peer *netlink.Handle
	link netlink.Link // the peer's
}

func newPublic(t *testing.T) *public {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	err := cmd.Start()
	runtime.UnlockOSThread()
	ok(t, err)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if l, err := netlink.LinkByName("pub0"); err == nil {
			_ = netlink.LinkDel(l)
		}
	})
	ok(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "pub0"}, PeerName: "peer0"}))
	l, err := netlink.LinkByName("pub0")
	ok(t, err)
	peer, err := netlink.LinkByName("peer0")
	ok(t, err)
	ok(t, netlink.LinkSetNsPid(peer, cmd.Process.Pid))
	p := &public{}
	p.ns, err = netns.GetFromPid(cmd.Process.Pid)
	ok(t, err)
	t.Cleanup(func() { p.ns.Close() })
	p.peer, err = netlink.NewHandleAt(p.ns)
	ok(t, err)
	t.Cleanup(p.peer.Close)
	p.link, err = p.peer.LinkByName("peer0")
	ok(t, err)
	ok(t, p.peer.LinkSetUp(p.link))
	ok(t, netlink.LinkSetUp(l))
	for _, a := range []string{"10.9.8.1/24", "fd00:9::1/64"} {
		ok(t, netlink.AddrAdd(l, addr(t, a)))
	}
	within(t, 5*time.Second, "the link is up", func() bool {
		l, err := netlink.LinkByName("pub0")
		return err == nil && l.Attrs().RawFlags&unix.IFF_RUNNING != 0
	})
	return p
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func addr(t *testing.T, cidr string) *netlink.Addr {
	t.Helper()
	a, err := netlink.ParseAddr(cidr)
	ok(t, err)
	if strings.Contains(cidr, ":") {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// capture counts the frames of a protocol that reach the peer, by what they hold at an offset.
func (p *public) capture(t *testing.T, protocol uint16) func(offset int, want []byte) int {
	t.Helper()
	result := make(chan int, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread has changed its namespace
		if err := netns.Set(p.ns); err != nil {
			result <- -1
			return
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol<<8|protocol>>8))
		if err != nil {
			fd = -1
		}
		result <- fd
	}()
	fd := <-result
	if fd < 0 {
		t.Fatal("no packet socket in the peer's namespace")
	}
	t.Cleanup(func() { unix.Close(fd) })
	var frames [][]byte
	return func(offset int, want []byte) (count int) {
		for buf := make([]byte, 2048); ; {
			n, err := unix.Read(fd, buf)
			if err != nil {
				break
			}
			frames = append(frames, append([]byte{}, buf[:n]...))
		}
		for _, f := range frames {
			if len(f) >= offset+len(want) && string(f[offset:offset+len(want)]) == string(want) {
				count++
			}
		}
		return count
	}
}

func present(t *testing.T, cidr string) bool {
	t.Helper()
	l, err := netlink.LinkByName("pub0")
	if err != nil {
		return false
	}
	all, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	ok(t, err)
	for _, a := range all {
		if a.IPNet.String() == cidr {
			return true
		}
	}
	return false
}

func remove(t *testing.T, cidr string) {
	t.Helper()
	l, err := netlink.LinkByName("pub0")
	ok(t, err)
	ok(t, netlink.AddrDel(l, addr(t, cidr)))
}

func TestAddressesComeAndGo(t *testing.T) {
	p := newPublic(t)
	n := newNode(t)
	call := n.call(t, lh, "ip", set("Address", "10.9.8.100/24", "fd00:9::100/64"), set("Hostnames", "www"))
	n.hosts["www"] = []netip.Addr{mustAddr("10.9.8.101"), mustAddr("::ffff:10.9.8.100")}
	n.owed.seen = func(o agent.Obligation) {
		if present(t, o.Address) && len(n.owed.owed) < 3 {
			t.Errorf("%s was added before the guard knew of it", o.Address)
		}
	}
	arps, icmps := p.capture(t, unix.ETH_P_ARP), p.capture(t, unix.ETH_P_IPV6)
	n.succeed(t, call, model.MethodValidate)
	begin := time.Now()
	n.succeed(t, call, model.MethodStart)
	took := time.Since(begin)
	t.Logf("three addresses up after %v", took)
	if took < 25*time.Millisecond || took > 400*time.Millisecond {
		t.Errorf("Start took %v; the duplicate check takes 25ms, for all addresses at once", took)
	}
	want := []agent.Obligation{{Address: "10.9.8.100/24", Interface: "pub0"}, {Address: "fd00:9::100/64", Interface: "pub0"}, {Address: "10.9.8.101/24", Interface: "pub0"}}
	if diff := cmp.Diff(want, n.owed.list()); diff != "" {
		t.Errorf("owed (-want +got):\n%s", diff)
	}
	for _, o := range want {
		if !present(t, o.Address) {
			t.Errorf("%s is not there", o.Address)
		}
	}
	vip := []byte{10, 9, 8, 100}
	if got := arps(28, []byte{0, 0, 0, 0}); got < 3 {
		t.Errorf("%d ARP probes reached the network, want 3 for each address", got)
	}
	if got := arps(28, vip); got < 2 {
		t.Errorf("%d gratuitous ARP frames reached the network at once, want 2", got)
	}
	six := mustAddr("fd00:9::100").As16()
	if got := icmps(54, []byte{136}); got < 1 || icmps(62, six[:]) < 1 {
		t.Errorf("%d neighbour advertisements reached the network at once", got)
	}
	within(t, 5*time.Second, "the announcements are repeated", func() bool { return arps(28, vip) >= 10 })
	n.succeed(t, call, model.MethodStart)
	// After a planned restart of the daemon, and with the name service gone, it still knows what to give up.
	n.driver = native.New(n.cfg)
	delete(n.hosts, "www")
	n.succeed(t, call, model.MethodStop)
	for _, o := range want {
		if present(t, o.Address) {
			t.Errorf("%s is still there", o.Address)
		}
	}
	if left := n.owed.list(); len(left) != 0 {
		t.Errorf("still owed: %v", left)
	}
	call = n.call(t, lh, "ip", set("Address", "10.9.8.100/24"))
	n.succeed(t, call, model.MethodStop)
}

func TestAddressInUse(t *testing.T) {
	p := newPublic(t)
	for _, cidr := range []string{"10.9.8.77/24", "fd00:9::77/64"} {
		ok(t, p.peer.AddrAdd(p.link, addr(t, cidr)))
		n := newNode(t)
		n.cfg.AddressLife = time.Second // so long the address of a node that died may still answer
		n.driver = native.New(n.cfg)
		call := n.call(t, lh, "ip", set("Address", "10.9.8.100/24", cidr))
		n.refuse(t, call, model.MethodStart, strings.Split(cidr, "/")[0], p.link.Attrs().HardwareAddr.String(), "pub0")
		if present(t, cidr) || present(t, "10.9.8.100/24") {
			t.Error("an address was taken although the start failed")
		}
		if left := n.owed.list(); len(left) != 0 {
			t.Errorf("owed: %v", left)
		}
		n.succeed(t, call, model.MethodStop)
		call.Resource.Properties = append(call.Resource.Properties, set("Duplicate_check_ms", "0"))
		begin := time.Now()
		n.succeed(t, call, model.MethodStart)
		if took := time.Since(begin); took > 60*time.Millisecond {
			t.Errorf("Start without the check took %v", took)
		}
		n.succeed(t, call, model.MethodStop)
	}
}

func TestAddressOfTheHostIsLeftAlone(t *testing.T) {
	newPublic(t)
	n := newNode(t)
	for _, cidr := range []string{"10.9.8.1/24", "10.9.8.1/32"} {
		call := n.call(t, lh, "ip", set("Address", cidr))
		n.refuse(t, call, model.MethodStart, "10.9.8.1", "pub0")
		n.succeed(t, call, model.MethodStop)
		if !present(t, "10.9.8.1/24") {
			t.Fatal("the host's own address was removed")
		}
	}
}

func TestAddressFaultsAreNamed(t *testing.T) {
	newPublic(t)
	n := newNode(t)
	for name, c := range map[string]struct {
		properties []model.Property
		words      []string
	}{
		"nothing":         {nil, []string{"ip", "Address"}},
		"no address":      {[]model.Property{set("Address", "10.9.8")}, []string{"10.9.8", "192.0.2.10/24"}},
		"network":         {[]model.Property{set("Address", "10.9.8.0/24")}, []string{"10.9.8.0/24", "network"}},
		"loopback":        {[]model.Property{set("Address", "127.0.0.5/8")}, []string{"127.0.0.5"}},
		"no interface":    {[]model.Property{set("Address", "192.0.2.1/24")}, []string{"192.0.2.1", "Netif", "n1"}},
		"unknown link":    {[]model.Property{set("Address", "192.0.2.1/24"), set("Netif", "eth7@n1")}, []string{"eth7", "n1"}},
		"of another node": {[]model.Property{set("Address", "192.0.2.1/24"), set("Netif", "pub0@n2")}, []string{"Netif"}},
		"malformed":       {[]model.Property{set("Address", "192.0.2.1/24"), set("Netif", "@n1")}, []string{"@n1", "INTERFACE"}},
		"unknown host":    {[]model.Property{set("Hostnames", "nobody")}, []string{"nobody", "/etc/hosts"}},
		"no length":       {[]model.Property{set("Address", "192.0.2.1"), set("Netif", "pub0")}, []string{"192.0.2.1", "prefix length"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, m := range []model.Method{model.MethodValidate, model.MethodStart} {
				n.refuse(t, n.call(t, lh, "ip", c.properties...), m, c.words...)
			}
		})
	}
	call := n.call(t, lh, "ip", set("Address", "192.0.2.1/24"), set("Netif", "lo", "pub0@n1"))
	n.succeed(t, call, model.MethodStart)
	if !present(t, "192.0.2.1/24") {
		t.Error("the address is not on the interface that Netif names")
	}
	n.succeed(t, call, model.MethodStop)
}

func TestWatchOfAddresses(t *testing.T) {
	p := newPublic(t)
	n := newNode(t)
	call := n.call(t, lh, "ip", set("Address", "10.9.8.100/24", "fd00:9::100/64"), set("Link_grace_ms", "100"))
	for _, cidr := range []string{"10.9.8.100/24", "fd00:9::100/64"} {
		t.Run("removed "+cidr, func(t *testing.T) {
			n.succeed(t, call, model.MethodStart)
			seen := n.watch(t, call)
			begin := time.Now()
			remove(t, cidr)
			o := next(t, seen, agent.Failed)
			if took := time.Since(begin); took > 200*time.Millisecond {
				t.Errorf("reported after %v", took)
			}
			if !strings.Contains(o.Message, cidr) || !strings.Contains(o.Message, "pub0") {
				t.Errorf("message %q", o.Message)
			}
			n.succeed(t, call, model.MethodStop)
		})
	}
	call = n.call(t, lh, "ip", set("Address", "10.9.8.100/24"), set("Link_grace_ms", "100"))
	t.Run("carrier lost and back", func(t *testing.T) {
		n.succeed(t, call, model.MethodStart)
		seen := n.watch(t, call)
		ok(t, p.peer.LinkSetDown(p.link))
		next(t, seen, agent.Degraded)
		if o := next(t, seen, agent.Giveover); !strings.Contains(o.Message, "pub0") {
			t.Errorf("message %q", o.Message)
		}
		ok(t, p.peer.LinkSetUp(p.link))
		next(t, seen, agent.Healthy)
		n.succeed(t, call, model.MethodStop)
	})
	t.Run("set down", func(t *testing.T) {
		n.succeed(t, call, model.MethodStart)
		seen := n.watch(t, call)
		l, err := netlink.LinkByName("pub0")
		ok(t, err)
		ok(t, netlink.LinkSetDown(l))
		next(t, seen, agent.Degraded)
		next(t, seen, agent.Giveover)
		n.succeed(t, call, model.MethodStop)
		n.refuse(t, call, model.MethodStart, "pub0", "down")
		ok(t, netlink.LinkSetUp(l))
	})
	t.Run("interface removed", func(t *testing.T) {
		within(t, 5*time.Second, "the link is up", func() bool {
			l, err := netlink.LinkByName("pub0")
			return err == nil && l.Attrs().RawFlags&unix.IFF_RUNNING != 0
		})
		n.succeed(t, call, model.MethodStart)
		seen := n.watch(t, call)
		l, err := netlink.LinkByName("pub0")
		ok(t, err)
		ok(t, netlink.LinkDel(l))
		// The end of its link may be seen before the end of the interface.
		for o := range seen {
			if o.Kind == agent.Failed {
				break
			}
			if o.Kind != agent.Degraded {
				t.Fatalf("got %+v", o)
			}
		}
		n.succeed(t, call, model.MethodStop)
		if left := n.owed.list(); len(left) != 0 {
			t.Errorf("still owed after the interface has gone: %v", left)
		}
	})
}

// TestRenewalIsNotSeen gives an address a new life every few milliseconds, as the guard does every second.
func TestRenewalIsNotSeen(t *testing.T) {
	newPublic(t)
	n := newNode(t)
	call := n.call(t, lh, "ip", set("Address", "10.9.8.100/24"))
	n.succeed(t, call, model.MethodStart)
	seen := n.watch(t, call)
	l, err := netlink.LinkByName("pub0")
	ok(t, err)
	var renewals atomic.Int32
	within(t, 5*time.Second, "many renewals", func() bool {
		a := addr(t, "10.9.8.100/24")
		a.ValidLft, a.PreferedLft = 20, 20
		ok(t, netlink.AddrReplace(l, a))
		return renewals.Add(1) > 50
	})
	select {
	case o := <-seen:
		t.Errorf("reported %+v", o)
	default:
	}
	n.succeed(t, call, model.MethodStop)
}

func TestInterfaceWithoutNeighbours(t *testing.T) {
	l, err := netlink.LinkByName("lo")
	ok(t, err)
	n := newNode(t)
	call := n.call(t, lh, "ip", set("Address", "192.0.2.9/32"), set("Netif", "lo"))
	n.succeed(t, call, model.MethodStart)
	all, err := netlink.AddrList(l, netlink.FAMILY_V4)
	ok(t, err)
	found := slices.ContainsFunc(all, func(a netlink.Addr) bool {
		return a.IP.Equal(net.IPv4(192, 0, 2, 9)) && a.ValidLft > 0 && a.ValidLft <= 30
	})
	if !found {
		t.Errorf("got %v: want the address with a life of 30 s at most", all)
	}
	n.succeed(t, call, model.MethodStop)
}

func TestDescribe(t *testing.T) {
	n := newNode(t)
	for _, name := range native.Types() {
		typ, err := n.driver.Describe(t.Context(), name)
		if err != nil {
			t.Error(err)
			continue
		}
		if typ.Name != name || typ.Driver != native.DriverName || typ.Description == "" {
			t.Errorf("%s: %+v", name, typ)
		}
	}
	if len(native.Types()) < 3 {
		t.Errorf("types: %v", native.Types())
	}
	if _, err := os.Stat("../../agents"); err != nil {
		t.Error(err)
	}
}
