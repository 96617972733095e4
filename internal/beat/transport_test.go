package beat

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
)

var _ engine.Transport = (*Transport)(nil)

func TestEveryPathCarriesEveryMessage(t *testing.T) {
	for name, a := range map[string][4]string{
		"IPv4": {"127.0.1.1", "127.0.2.1", "127.0.1.2", "127.0.2.2"},
		"IPv6": {"fd00:1::1", "fd00:2::1", "fd00:1::2", "fd00:2::2"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "IPv6" {
				for _, x := range a {
					addAddress(t, "lo", x+"/128")
					until(t, "the kernel delivers to "+x, func() bool { return reaches(x) })
				}
			}
			n1, n2 := listen(t, "n1", 1, addrs(a[0], a[1]), nil), listen(t, "n2", 2, addrs(a[2], a[3]), nil)
			introduce(t, n1, n2)
			want := full()
			before := at()
			n1.Send("n2", want)
			want.From = "n1"
			paths := map[int]bool{}
			for range 2 {
				got := n2.next(t)
				paths[got.path] = true
				if d := cmp.Diff(want, got.msg); d != "" {
					t.Error(d)
				}
				if got.at < before || got.at > at() {
					t.Errorf("received at %d, which is not between %d and now", got.at, before)
				}
			}
			if !paths[0] || !paths[1] {
				t.Errorf("the message came by paths %v, want both", paths)
			}
			n2.Send("n1", membership.Message{Answer: &membership.Answer{Seq: 9, Hold: 5}})
			if got := n1.next(t); got.msg.From != "n2" || got.msg.Answer == nil || got.msg.Answer.Hold != 5 {
				t.Errorf("the answer came as %+v", got.msg)
			}
			for _, c := range n1.Counts() {
				if c.Sent != 1 || c.Unsent != 0 {
					t.Errorf("path %d of n1: %d sent, %d unsent: want 1 and 0", c.Path, c.Sent, c.Unsent)
				}
			}
		})
	}
}

// reaches reports whether a datagram to an own address arrives: the kernel takes up IPv6 addresses a little later than it is told.
func reaches(own string) bool {
	c, err := net.ListenPacket("udp", net.JoinHostPort(own, "0"))
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := c.WriteTo([]byte("x"), c.LocalAddr()); err != nil {
		return false
	}
	_, _, err = c.ReadFrom(make([]byte, 1))
	return err == nil
}

// wiretap sends datagrams from outside of the cluster.
func wiretap(t *testing.T, to string, datagrams ...[]byte) {
	t.Helper()
	c, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, d := range datagrams {
		if _, err := c.Write(d); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsNotGenuineIsDroppedAndCounted(t *testing.T) {
	n1, n2 := listen(t, "n1", 1, addrs("127.0.1.1", "127.0.2.1"), nil), listen(t, "n2", 2, addrs("127.0.1.2", "127.0.2.2"), nil)
	n3 := listen(t, "n3", 3, addrs("127.0.1.3", "127.0.2.3"), nil)
	introduce(t, n1, n2, n3)
	genuine := func(from, to *end, path int) []byte {
		msg := full()
		plain, err := appendMessage(nil, &msg)
		if err != nil {
			t.Fatal(err)
		}
		p := from.peers.Load().byName[to.peer.Node]
		return seal(nil, p.seal, from.self.id, p.id, p.addrs[path], plain)
	}
	// The same node by name and number in another cluster, and one with another key.
	foreign := listen(t, "n1", 1, addrs("127.0.1.4"), func(c *Config) { c.Key, c.ClusterID = n1.cfg.Key, "c-2" })
	impostor := listen(t, "n1", 1, addrs("127.0.1.5"), nil)
	introduce(t, foreign, n2)
	introduce(t, impostor, n2)
	introduce(t, n1, n2, n3)

	alter := func(at int) []byte {
		d := genuine(n1, n2, 0)
		if at < 0 {
			at += len(d)
		}
		d[at] ^= 1
		return d
	}
	malformed := func() []byte {
		p := n1.peers.Load().byName["n2"]
		return seal(nil, p.seal, 1, 2, p.addrs[0], []byte("no message"))
	}
	for _, c := range []struct {
		name, reason string
		datagram     []byte
	}{
		{"empty", "short", nil},
		{"noise", "short", []byte("hello")},
		{"header only", "short", genuine(n1, n2, 0)[:overhead-1]},
		{"truncated", "forged", genuine(n1, n2, 0)[:overhead+3]},
		{"one byte less", "forged", genuine(n1, n2, 0)[:len(genuine(n1, n2, 0))-1]},
		{"one byte more", "forged", append(genuine(n1, n2, 0), 0)},
		{"too long", "long", make([]byte, maxDatagram+1)},
		{"another version", "version", alter(0)},
		{"unknown sender", "sender", alter(1)},
		{"claims another sender", "forged", func() []byte { d := genuine(n1, n2, 0); d[4] = 3; return d }()},
		{"for another node", "receiver", genuine(n1, n3, 0)},
		{"altered receiver", "receiver", alter(8)},
		{"altered nonce", "forged", alter(headerSize)},
		{"altered message", "forged", alter(headerSize + nonceSize)},
		{"altered tag", "forged", alter(-1)},
		{"recorded on another path", "forged", genuine(n1, n2, 1)},
		{"sent back", "sender", genuine(n2, n1, 0)},
		{"sent back with swapped numbers", "forged", func() []byte { d := genuine(n2, n1, 0); d[4], d[8] = 1, 2; return d }()},
		{"another cluster", "forged", genuine(foreign, n2, 0)},
		{"another key", "forged", genuine(impostor, n2, 0)},
		{"sealed nonsense", "malformed", malformed()},
	} {
		before := n2.dropped(c.reason)
		wiretap(t, "127.0.1.2:7400", c.datagram)
		until(t, c.name+" counted as "+c.reason, func() bool { return n2.dropped(c.reason) == before+1 })
	}
	select {
	case a := <-n2.arrivals:
		t.Fatalf("delivered: %+v", a)
	default:
	}
	wiretap(t, "127.0.1.2:7400", genuine(n1, n2, 0))
	if got := n2.next(t); got.msg.From != "n1" {
		t.Errorf("the genuine message came from %q", got.msg.From)
	}
}

func TestDropsAreLoggedSparingly(t *testing.T) {
	n1, n2 := listen(t, "n1", 1, addrs("127.0.1.1"), nil), listen(t, "n2", 2, addrs("127.0.1.2"), nil)
	introduce(t, n1, n2)
	forged := make([]byte, overhead)
	forged[0], forged[4], forged[8] = version, 1, 2
	for range 300 {
		wiretap(t, "127.0.1.2:7400", forged, []byte("x"))
	}
	until(t, "all are counted", func() bool { return n2.dropped("forged") == 300 && n2.dropped("short") == 300 })
	log := n2.log.String()
	if n := strings.Count(log, "dropped"); n != 2 {
		t.Errorf("%d records, want one for n1 and one for the unknown:\n%s", n, log)
	}
	if !strings.Contains(log, "claims=n1") || !strings.Contains(log, "reason=forged") || !strings.Contains(log, "from=127.0.0.1:") {
		t.Errorf("the record does not say who, why and from where:\n%s", log)
	}

	var turns dropLog
	turns.log = n2.cfg.Log
	for i := range 100 {
		turns.note(membership.Instant(0).Add(int64(i)*int64(time.Second)), 0, "forged", "n7", nil)
	}
	if n := strings.Count(n2.log.String(), "claims=n7"); n != 10 {
		t.Errorf("%d records in 100 seconds, want 10", n)
	}
	if !strings.Contains(n2.log.String(), "claims=n7 from=\"\" more=9") {
		t.Errorf("the record does not say how many there were:\n%s", n2.log.String())
	}
}

func TestEqualMessagesMakeDifferentDatagrams(t *testing.T) {
	own, other := newKey(t), newKey(t)
	send, _, err := pairKeys(own, "c", party{"a", 1, own.PublicKey()}, party{"b", 2, other.PublicKey()})
	if err != nil {
		t.Fatal(err)
	}
	to := addrs("10.0.0.1")[0]
	one, two := seal(nil, send, 1, 2, to, []byte("message")), seal(nil, send, 1, 2, to, []byte("message"))
	if bytes.Equal(one[headerSize:headerSize+nonceSize], two[headerSize:headerSize+nonceSize]) || bytes.Contains(one, []byte("message")) {
		t.Error("a nonce came twice, or the message is in clear")
	}
}

func TestPeersThatCanNotBeUsed(t *testing.T) {
	n1, n2 := listen(t, "n1", 1, addrs("127.0.1.1"), nil), listen(t, "n2", 2, addrs("127.0.1.2"), nil)
	introduce(t, n1, n2)
	low := base64.StdEncoding.EncodeToString(make([]byte, 32)) // a point that makes every secret zero
	for name, bad := range map[string]Peer{
		"no base64":  {Node: "n3", ID: 3, Key: "?"},
		"short":      {Node: "n3", ID: 3, Key: base64.StdEncoding.EncodeToString([]byte("key"))},
		"low order":  {Node: "n3", ID: 3, Key: low},
		"own number": {Node: "n3", ID: 1, Key: n2.peer.Key},
		"no number":  {Node: "n3", ID: 0, Key: n2.peer.Key},
		"twice":      {Node: "n3", ID: 2, Key: n2.peer.Key},
	} {
		err := n1.SetPeers([]Peer{n2.peer, bad})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "n3") {
			t.Errorf("%s: error %v, want one that names n3", name, err)
		}
		n1.Send("n2", full())
		if got := n2.next(t); got.msg.From != "n1" {
			t.Errorf("%s: the good peer does not hear from n1 any more", name)
		}
	}
	n1.Send("n3", full()) // not known: nothing happens
	if err := n1.SetPeers(nil); err != nil {
		t.Fatal(err)
	}
	n2.Send("n1", full())
	until(t, "a removed peer is not heard", func() bool { return n1.dropped("sender") == 1 })
}

func TestPathsCanBeDisabledAndAdded(t *testing.T) {
	n1, n2 := listen(t, "n1", 1, addrs("127.0.1.1"), nil), listen(t, "n2", 2, addrs("127.0.1.2", "127.0.2.2"), nil)
	introduce(t, n1, n2)
	n1.Send("n2", full())
	n2.next(t)
	if err := n1.SetAddresses(addrs("127.0.1.1", "127.0.2.1")); err != nil {
		t.Fatal(err)
	}
	n1.Send("n2", full())
	if a, b := n2.next(t).path, n2.next(t).path; a == b {
		t.Errorf("after the second path was added, the message came twice by path %d", a)
	}
	if c := n1.Counts(); c[0].Sent != 2 {
		t.Errorf("the first path was disturbed: it has sent %d datagrams since it was opened, want 2", c[0].Sent)
	}
	if err := n1.SetAddresses(addrs("", "127.0.2.1")); err != nil {
		t.Fatal(err)
	}
	n1.Send("n2", full())
	if a := n2.next(t); a.path != 1 {
		t.Errorf("a disabled path carried a message")
	}
	if c := n1.Counts(); len(c) != 1 || c[0].Path != 1 {
		t.Errorf("paths in use: %v", c)
	}
	if err := n1.SetAddresses(addrs("127.0.1.1", "127.0.2.1")); err != nil {
		t.Fatal("a path can not be taken up again:", err)
	}
	for _, bad := range []string{"0.0.0.0", "::", "224.0.0.1", "fe80::1", "fe80::1%lo"} {
		if err := n1.SetAddresses(addrs(bad)); !fault.Is(err, fault.Invalid) {
			t.Errorf("address %s: %v, want it refused", bad, err)
		}
	}
}

func TestPortInUse(t *testing.T) {
	listen(t, "n1", 1, addrs("127.0.1.1"), nil)
	_, err := Listen(Config{Node: "n1", ID: 1, Key: newKey(t), ClusterID: "c", Addresses: addrs("127.0.2.1", "127.0.1.1"), Port: port, Log: listen(t, "n9", 9, nil, nil).cfg.Log,
		Deliver: func(int, membership.Message, membership.Instant) {}})
	if !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "7400") || !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("second daemon: %v, want an error that names the port", err)
	}
	// The failed start has left nothing open.
	listen(t, "n2", 2, addrs("127.0.2.1"), nil)
}

func TestConfigIsChecked(t *testing.T) {
	good := listen(t, "n1", 1, nil, nil).cfg
	for name, change := range map[string]func(*Config){
		"key":     func(c *Config) { c.Key = nil },
		"curve":   func(c *Config) { c.Key, _ = ecdh.P256().NewPrivateKey(bytes.Repeat([]byte{1}, 32)) },
		"name":    func(c *Config) { c.Node = "" },
		"number":  func(c *Config) { c.ID = 0 },
		"cluster": func(c *Config) { c.ClusterID = "" },
		"port":    func(c *Config) { c.Port = 0 },
		"log":     func(c *Config) { c.Log = nil },
		"deliver": func(c *Config) { c.Deliver = nil },
	} {
		cfg := good
		change(&cfg)
		if tr, err := Listen(cfg); err == nil {
			tr.Close()
			t.Errorf("a transport without %s was made", name)
		}
	}
}

func TestCloseEndsEverything(t *testing.T) {
	n1, n2 := listen(t, "n1", 1, addrs("127.0.1.1", "127.0.2.1"), nil), listen(t, "n2", 2, addrs("127.0.1.2", "127.0.2.2"), nil)
	introduce(t, n1, n2)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // sending and receiving go on while it closes
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				n1.Send("n2", full())
				n2.Send("n1", full())
			}
		}
	}()
	n1.next(t)
	n1.Close()
	n1.Close()
	close(stop)
	<-done
	if got := n1.log.String(); got != "" {
		t.Errorf("an end in good order is no trouble: %s", got)
	}
	if err := n1.SetAddresses(addrs("127.0.1.1")); err == nil {
		t.Error("a closed transport took an address")
	}
	again := listen(t, "n1", 1, addrs("127.0.1.1", "127.0.2.1"), nil) // the ports are free
	introduce(t, again, n2)
	n2.Send("n1", full())
	again.next(t)
}

func TestReceivingMakesLittleGarbage(t *testing.T) {
	n1, n2 := listen(t, "n1", 1, addrs("127.0.1.1"), nil), listen(t, "n2", 2, addrs("127.0.1.2"), nil)
	introduce(t, n1, n2)
	msg := membership.Message{Session: 1, Incarnation: cluster.Incarnation{Number: 3, Tag: "ab12"}, Answer: &membership.Answer{Seq: 1, Hold: 4, Incarnation: cluster.Incarnation{Number: 5, Tag: "cd34"}}}
	plain, err := appendMessage(nil, &msg)
	if err != nil {
		t.Fatal(err)
	}
	p := n1.peers.Load().byName["n2"]
	datagram := seal(nil, p.seal, 1, 2, p.addrs[0], plain)
	// A path of its own, so that the receiving thread is not disturbed.
	lone := &path{t: n2.Transport, addr: p.addrs[0], plain: make([]byte, 0, maxDatagram)}
	if n := testing.AllocsPerRun(200, func() { n2.receive(lone, datagram, nil, 1) }); n > 4 {
		t.Errorf("%v allocations for an answer, want at most 4", n)
	}
}

func TestFencedDatagrams(t *testing.T) {
	n1, n2 := listen(t, "n1", 1, addrs("127.0.1.1", "127.0.2.1"), nil), listen(t, "n2", 2, addrs("127.0.1.2", "127.0.2.2"), nil)
	n3 := listen(t, "n3", 3, addrs("127.0.1.3", ""), nil)
	introduce(t, n1, n2, n3)
	ended := cluster.Incarnation{Number: 8, Tag: "dead"}
	datagrams, err := n1.FencedDatagrams(ended)
	if err != nil || len(datagrams) != 3 {
		t.Fatalf("%d datagrams, %v: want two for n2 and one for n3", len(datagrams), err)
	}
	n1.Close() // the daemon is dead when they are sent
	for _, d := range datagrams {
		if _, err := d.Socket.Write(d.Payload); err != nil {
			t.Fatal(err)
		}
		d.Socket.Close()
	}
	for _, e := range []*end{n2, n2, n3} {
		got := e.next(t)
		if got.msg.From != "n1" || got.msg.Fenced == nil || got.msg.Fenced.Incarnation != ended {
			t.Errorf("%s was told %+v", e.peer.Node, got.msg)
		}
	}
	if _, err := n1.FencedDatagrams(cluster.Incarnation{}); err == nil {
		t.Error("the end of no incarnation was sealed")
	}
	lonely := listen(t, "n4", 4, addrs("127.0.1.4"), nil)
	if d, err := lonely.FencedDatagrams(ended); err != nil || len(d) != 0 {
		t.Errorf("without peers: %v, %v", d, err)
	}
	if err := lonely.SetPeers([]Peer{{Node: "n9", ID: 9, Key: n2.peer.Key, Addresses: addrs("198.51.100.1")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := lonely.FencedDatagrams(ended); !fault.Is(err, fault.Unavailable) {
		t.Errorf("nobody can be reached: %v", err)
	}
}

func addAddress(t testing.TB, link, cidr string) {
	t.Helper()
	l, err := netlink.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		t.Fatal(err)
	}
	a.Flags = unix.IFA_F_NODAD
	if err := netlink.AddrReplace(l, a); err != nil {
		t.Fatal(cidr, err)
	}
}

func removeAddress(t testing.TB, link, cidr string) {
	t.Helper()
	l, err := netlink.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrDel(l, a); err != nil {
		t.Fatal(cidr, err)
	}
}

// makeLink makes an interface with a carrier.
func makeLink(t testing.TB, name string) {
	t.Helper()
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}); err != nil {
		t.Fatal(err)
	}
	setLink(t, name, netlink.LinkSetUp)
	setLink(t, name+"p", netlink.LinkSetUp)
}

func setLink(t testing.TB, name string, change func(netlink.Link) error) {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := change(l); err != nil {
		t.Fatal(err)
	}
}

// TestInterfacesGoAndComeBack takes the interface of path 0 away in every way there is and sees the path come back, while path 1 carries on.
func TestInterfacesGoAndComeBack(t *testing.T) {
	for _, family := range []struct{ name, a, b, len string }{{"IPv4", "10.55.1.1", "10.55.1.2", "/24"}, {"IPv6", "fd55:1::1", "fd55:1::2", "/64"}} {
		t.Run(family.name, func(t *testing.T) {
			makeLink(t, "ic0")
			defer func() { setLink(t, "ic0", netlink.LinkDel) }()
			// n1's address comes later than its daemon.
			addAddress(t, "ic0", family.b+family.len)
			n1 := listen(t, "n1", 1, append(addrs(family.a), addrs("127.0.1.1")...), nil)
			n2 := listen(t, "n2", 2, append(addrs(family.b), addrs("127.0.1.2")...), nil)
			introduce(t, n1, n2)
			both := func() {
				addAddress(t, "ic0", family.a+family.len)
				addAddress(t, "ic0", family.b+family.len)
			}
			cut := func() {
				t.Helper()
				seq := sendUntil(t, n2, n1, func(paths map[int]bool) bool { return paths[1] })
				if sawPath(n1, 0, seq) {
					t.Error("path 0 carried a message although it is cut")
				}
			}
			healed := func(what string) {
				t.Helper()
				sendUntil(t, n1, n2, func(paths map[int]bool) bool { return paths[0] })
				sendUntil(t, n2, n1, func(paths map[int]bool) bool { return paths[0] })
				t.Log("back after:", what)
			}
			cut()
			both()
			healed("the address came late")

			removeAddress(t, "ic0", family.a+family.len)
			cut()
			both()
			healed("the address was removed and came back")

			setLink(t, "ic0", netlink.LinkSetDown)
			if family.name == "IPv6" { // IPv4 goes on to reach the own addresses of an interface that is down
				cut()
			}
			setLink(t, "ic0", netlink.LinkSetUp)
			both() // the kernel drops IPv6 addresses of an interface that goes down
			healed("the interface was down")

			setLink(t, "ic0", netlink.LinkDel)
			cut()
			makeLink(t, "ic0")
			both()
			healed("the interface was deleted and made again")
			if c := n2.Counts()[0]; c.Unsent == 0 {
				t.Error("the cuts were not noticed when sending")
			}
		})
	}
}

var testSeq atomic.Uint64

// sendUntil sends messages until those that arrive satisfy enough, and returns the number of the first.
func sendUntil(t *testing.T, from, to *end, enough func(paths map[int]bool) bool) uint64 {
	t.Helper()
	first := testSeq.Add(1)
	paths := map[int]bool{}
	limit := time.After(patience)
	for {
		from.Send(to.peer.Node, membership.Message{Seq: testSeq.Add(1), Heartbeat: &membership.Heartbeat{}})
		tick := time.After(10 * time.Millisecond)
		for waiting := true; waiting; {
			select {
			case a := <-to.arrivals:
				if a.msg.Seq >= first {
					paths[a.path] = true
				}
				if enough(paths) {
					return first
				}
			case <-tick:
				waiting = false
			case <-limit:
				t.Fatalf("messages of %s reach %s only by paths %v; counters %s", from.peer.Node, to.peer.Node, paths, fmt.Sprint(from.Counts()))
			}
		}
	}
}

// sawPath reports whether a message since the given number is waiting that came by a path.
func sawPath(e *end, path int, since uint64) bool {
	for {
		select {
		case a := <-e.arrivals:
			if a.path == path && a.msg.Seq >= since {
				return true
			}
		default:
			return false
		}
	}
}

// FuzzDatagram: a transport survives anything, and delivers only what is genuine.
func FuzzDatagram(f *testing.F) {
	n1, n2 := newKey(f), newKey(f)
	self, peerParty := party{"n2", 2, n2.PublicKey()}, party{"n1", 1, n1.PublicKey()}
	send, _, err := pairKeys(n1, "c", peerParty, self)
	if err != nil {
		f.Fatal(err)
	}
	sealKey, openKey, err := pairKeys(n2, "c", self, peerParty)
	if err != nil {
		f.Fatal(err)
	}
	msg := full()
	plain, err := appendMessage(nil, &msg)
	if err != nil {
		f.Fatal(err)
	}
	to := netip.MustParseAddr("10.0.0.2")
	good := seal(nil, send, 1, 2, to, plain)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte{})
	delivered := 0
	tr := &Transport{cfg: Config{Deliver: func(int, membership.Message, membership.Instant) { delivered++ }}, self: self}
	tr.drops.log = listen(f, "n9", 9, nil, nil).cfg.Log
	p := &peer{party: peerParty, seal: sealKey, open: openKey}
	tr.peers.Store(&peerTable{byID: map[uint32]*peer{1: p}, byName: map[cluster.NodeName]*peer{"n1": p}})
	lone := &path{t: tr, addr: to, plain: make([]byte, 0, maxDatagram)}
	f.Fuzz(func(t *testing.T, b []byte) {
		delivered = 0
		tr.receive(lone, b, nil, 1)
		if (delivered == 1) != bytes.Equal(b, good) {
			t.Fatalf("%d messages delivered from %x", delivered, b)
		}
	})
}
