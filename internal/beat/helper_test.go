package beat

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/nstest"
)

// TestMain runs the tests in a network namespace of their own.
func TestMain(m *testing.M) {
	nstest.Enter(syscall.CLONE_NEWNET)
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const (
	port     = 7400
	patience = 10 * time.Second
)

// arrival is a message as it was delivered.
type arrival struct {
	path int
	msg  membership.Message
	at   membership.Instant
}

// end is one node of a test.
type end struct {
	*Transport
	peer     Peer
	arrivals chan arrival
	log      *journal
}

// journal collects log records.
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

func newKey(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range texts {
		if s == "" {
			out = append(out, netip.Addr{})
			continue
		}
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// listen starts a node; change may alter its configuration.
func listen(t testing.TB, name string, id uint32, addresses []netip.Addr, change func(*Config)) *end {
	t.Helper()
	e := &end{arrivals: make(chan arrival, 1024), log: &journal{}}
	cfg := Config{
		Node: cluster.NodeName(name), ID: id, Key: newKey(t), ClusterID: "c-1", Addresses: addresses, Port: port,
		Log: slog.New(slog.NewTextHandler(e.log, nil)),
		Deliver: func(path int, msg membership.Message, at membership.Instant) {
			select {
			case e.arrivals <- arrival{path, msg, at}:
			default:
			}
		},
	}
	if change != nil {
		change(&cfg)
	}
	tr, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	e.Transport = tr
	e.peer = Peer{Node: cfg.Node, ID: id, Key: FormatPublicKey(cfg.Key.PublicKey()), Addresses: addresses}
	return e
}

// introduce makes nodes know each other.
func introduce(t testing.TB, ends ...*end) {
	t.Helper()
	var peers []Peer
	for _, e := range ends {
		peers = append(peers, e.peer)
	}
	for _, e := range ends {
		if err := e.SetPeers(peers); err != nil {
			t.Fatal(err)
		}
	}
}

// next waits for a message.
func (e *end) next(t testing.TB) arrival {
	t.Helper()
	select {
	case a := <-e.arrivals:
		return a
	case <-time.After(patience):
		t.Fatalf("node %s: no message has arrived; counters %v; log:\n%s", e.peer.Node, e.Counts(), e.log)
		return arrival{}
	}
}

// until repeats f until it is true.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(patience); !f(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// dropped adds up a counter over the paths.
func (e *end) dropped(reason string) (n uint64) {
	for _, c := range e.Counts() {
		n += c.Dropped[reason]
	}
	return n
}

func full() membership.Message {
	list := func(names ...string) (out []membership.NodeIncarnation) {
		for i, n := range names {
			out = append(out, membership.NodeIncarnation{Node: cluster.NodeName(n), Incarnation: cluster.Incarnation{Number: uint64(i) + 300, Tag: "9f3a7c21"}})
		}
		return out
	}
	return membership.Message{
		Incarnation: cluster.Incarnation{Number: 7, Tag: "ab12"}, Session: 0xfedcba9876543210, ToSession: 5, Seq: 70000, Epoch: 12, VoterEpoch: 11,
		Heartbeat: &membership.Heartbeat{Suspects: list("n2", "node-3.example"), Released: list("n4"), Heard: list("n5", "n6", "n7"), Farewell: true},
	}
}
