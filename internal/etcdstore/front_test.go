package etcdstore

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// Whoever opens connections to the ports of a member without end, and shows nothing, ends his own: there are never more of them than the bound. A node speaks all the while,
// on the connection that it has and on new ones, and so do the other members.
func TestStrangersDoNotFillThePorts(t *testing.T) {
	m := newMembers(t)
	member := m.start(1, ModeNew, nil)
	s := m.open(1)
	put(t, s, "a", "b")
	files := m.authority.files("n9", "127.0.0.1", time.Now())
	pool, err := files.pool()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := files.pair(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []int{m.client, m.peer} {
		address := hostPort(m.ip(1), port)
		var open []net.Conn
		defer func() {
			for _, c := range open {
				_ = c.Close()
			}
		}()
		for range 3 * networkWaits {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
		}
		// The last one shows who it is: it was taken in after the others.
		over, err := (&tls.Dialer{Config: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{*pair}}}).DialContext(bounded(t), "tcp", address)
		if err != nil {
			t.Fatalf("port %d, a node among strangers: %v", port, err)
		}
		_ = over.Close()
		left := 0
		for _, c := range open {
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
				left++
			}
		}
		if left > networkWaits || left < networkWaits/2 {
			t.Errorf("port %d holds %d connections of strangers, want at most %d", port, left, networkWaits)
		}
		if got := get(t, s, "a"); got != "b" {
			t.Errorf("the node reads %q", got)
		}
	}
	fresh := m.open(1)
	if got := get(t, fresh, "a"); got != "b" {
		t.Errorf("on a new connection the node reads %q", got)
	}
	if err := member.Err(); err != nil {
		t.Error(err)
	}
}

// A node that opens connections without end closes its own; none of another node goes for it, and neither does one of it for those who show what does not count.
func TestPlacesAreOfNodes(t *testing.T) {
	d := &door{}
	visit := func(network string) *visitor {
		v := &visitor{door: d, network: netip.MustParsePrefix(network)}
		if gone := d.enter(v); gone != nil && gone.node != "" {
			t.Fatalf("a connection of %s goes for one that waits", gone.node)
		}
		return v
	}
	var others []*visitor
	for i := range nodePlaces {
		v := visit("10.0.0.2/32")
		if gone := d.admit(v, fmt.Sprintf("n%d", i%3)); gone != nil {
			t.Fatal("there is room, and one goes")
		}
		others = append(others, v)
	}
	gone := 0
	for i := range 20 * nodePlaces {
		v := visit(fmt.Sprintf("10.0.%d.%d/32", 1+i/200, i%200))
		if i%2 == 0 { // one that shows nothing that counts
			continue
		}
		if w := d.admit(v, "hostile"); w != nil {
			if gone++; w.node != "hostile" {
				t.Fatalf("a connection of %s goes for one of another node", w.node)
			}
		}
	}
	if want := 10*nodePlaces - nodePlaces; gone != want || d.nodes["hostile"].Len() != nodePlaces || d.waiting.Len() > mostWaiting {
		t.Errorf("%d had to go, want %d; it has %d places, and %d wait", gone, want, d.nodes["hostile"].Len(), d.waiting.Len())
	}
	for _, v := range others {
		if v.place == nil {
			t.Error("a connection of another node has lost its place")
		}
		if d.out(v); v.place != nil {
			t.Error("what ended keeps its place")
		}
	}
	if v := visit("10.0.0.3/32"); d.admit(v, "n1") != nil || v.node != "n1" || d.admit(v, "n2") != nil || v.node != "n1" {
		t.Error("a connection has other than one place")
	}
	if len(d.nodes) != 2 {
		t.Errorf("places are kept for %d nodes", len(d.nodes))
	}
}

// asked makes a connection to the port of members that was answered with a status, and stays open.
func asked(t *testing.T, address string, cfg *tls.Config, want int) (net.Conn, error) {
	t.Helper()
	c, err := (&tls.Dialer{Config: cfg}).DialContext(bounded(t), "tcp", address)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, askOn(c, want)
}

// askOn asks for the version on a connection.
func askOn(c net.Conn, want int) error {
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("GET /version HTTP/1.1\r\nHost: n1\r\n\r\n")); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != want {
		return fmt.Errorf("answered with %d, want %d", answer.StatusCode, want)
	}
	return answer.Body.Close()
}

// still counts the connections that have not been closed by the other side.
func still(conns []net.Conn) (n int) {
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			n++
		}
	}
	return n
}

// A member that is hostile fills its own places on both ports, with its own certificate, and those of strangers with others: the rest get in, and what they have stays.
func TestHostileMemberDoesNotFillThePorts(t *testing.T) {
	m := newMembers(t)
	cfg := m.config(1, ModeNew, nil)
	cfg.AdmitPeer = func(chain []*x509.Certificate) error {
		if chain[0].Subject.CommonName == "n7" {
			return fault.Errorf(fault.Denied, "n7 was given no such certificate")
		}
		return nil
	}
	m.startWith(cfg)
	s := m.open(1)
	put(t, s, "a", "b")
	pool, err := cfg.TLS.pool()
	if err != nil {
		t.Fatal(err)
	}
	as := func(name cluster.NodeName) (*tls.Config, TLSFiles) {
		files := m.authority.files(name, "127.0.0.1", time.Now())
		pair, err := files.pair(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{*pair}}, files
	}
	peer := hostPort(m.ip(1), m.peer)
	good, _ := as("n8")
	kept, err := asked(t, peer, good, http.StatusOK)
	if err != nil {
		t.Fatal(err)
	}
	hostile, files := as("n9")
	minted, _ := as("n7")
	for what, c := range map[string]struct {
		cfg  *tls.Config
		want int
	}{"its own certificate": {hostile, http.StatusOK}, "one that does not count": {minted, http.StatusForbidden}} {
		var open []net.Conn
		for range nodePlaces + 20 {
			conn, err := asked(t, peer, c.cfg, c.want)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			open = append(open, conn)
			// A silent connection is closed after five seconds, and on a busy machine this takes longer.
			if err := askOn(kept, http.StatusOK); err != nil {
				t.Fatalf("%s: the connection that another node has: %v", what, err)
			}
		}
		if n := still(open); n > nodePlaces || n < nodePlaces/2 {
			t.Errorf("with %s it has %d connections, want at most %d", what, n, nodePlaces)
		}
		if _, err := asked(t, peer, good, http.StatusOK); err != nil {
			t.Errorf("%s: another node: %v", what, err)
		}
	}
	var first, ours etcdserverpb.Watch_WatchClient
	for range nodePlaces + 20 {
		own, err := Dial(ClientConfig{Endpoints: []string{m.endpoint(1)}, TLS: files, Log: m.log})
		if err != nil {
			t.Fatal(err)
		}
		defer own.Close()
		if get(t, own, "a"); first == nil {
			first, ours = watching(t, own), watching(t, s)
		}
	}
	put(t, m.open(1), "k/new", "1")
	if got, err := ours.Recv(); err != nil || len(got.Events) != 1 {
		t.Errorf("the watch of another node: %v, %v", got, err)
	}
	for err = nil; err == nil; { // the event may have come before
		_, err = first.Recv()
	}
	if status.Code(err) == codes.DeadlineExceeded {
		t.Errorf("the first connection of a node with too many goes on: %v", err)
	}
}

// watching is a watch in the form that etcd has it, so that nothing connects anew by itself.
func watching(t *testing.T, s *Store) etcdserverpb.Watch_WatchClient {
	t.Helper()
	stream, err := etcdserverpb.NewWatchClient(s.endpoints[0].conn).Watch(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: &etcdserverpb.WatchCreateRequest{
		Key: []byte(confdb.Root), RangeEnd: prefixEnd(confdb.Root),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := stream.Recv(); err != nil || !first.Created {
		t.Fatal(first, err)
	}
	return stream
}

// page asks for a page of HTTP on a port; the status, or 0 when nothing was answered.
func page(t *testing.T, address, path string, cfg *tls.Config) int {
	t.Helper()
	c, err := (&tls.Dialer{Config: cfg}).DialContext(bounded(t), "tcp", address)
	if err != nil {
		return 0
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: n1\r\nConnection: close\r\n\r\n")); err != nil {
		return 0
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// The port of clients answers calls and no pages; that of members answers what members ask, by what AdmitPeer says, and ends what it has admitted when that changes.
func TestWhatThePortsAnswer(t *testing.T) {
	m := newMembers(t)
	cfg := m.config(1, ModeNew, nil)
	var refuse atomic.Pointer[fault.Code]
	cfg.AdmitPeer = func([]*x509.Certificate) error {
		if code := refuse.Load(); code != nil {
			return fault.Errorf(*code, "not now")
		}
		return nil
	}
	member := m.startWith(cfg)
	<-member.Ready()
	files := m.authority.files("n9", "127.0.0.1", time.Now())
	pool, err := files.pool()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := files.pair(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	tlscfg := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{*pair}}
	peer := hostPort(m.ip(1), m.peer)
	for _, path := range []string{"/version", "/health", "/metrics", "/debug/vars", "/"} {
		if got := page(t, m.endpoint(1), path, tlscfg); got != 0 {
			t.Errorf("the port of clients answers %s with %d", path, got)
		}
	}
	for path, want := range map[string]int{"/version": 200, "/members": 200, "/metrics": 404, "/health": 404, "/debug/vars": 404} {
		if got := page(t, peer, path, tlscfg); got != want {
			t.Errorf("the port of members answers %s with %d, want %d", path, got, want)
		}
	}
	for code, want := range map[fault.Code]int{fault.Denied: 403, fault.NotFound: 403, fault.Unavailable: 503} {
		refuse.Store(&code)
		if got := page(t, peer, "/version", tlscfg); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
	refuse.Store(nil)
}

// A stream between members ends when the certificate on which it was admitted counts no more, and is refused after that; the others go on.
func TestStreamsOfMembersAreJudgedAgain(t *testing.T) {
	m := newMembers(t)
	cfg := m.config(1, ModeNew, nil)
	var gone atomic.Bool
	var asked atomic.Int64
	cfg.AdmitPeer = func(chain []*x509.Certificate) error {
		if asked.Add(1); gone.Load() && chain[0].Subject.CommonName == "n2" {
			return fault.Errorf(fault.Denied, "n2 was removed")
		}
		return nil
	}
	member := m.startWith(cfg)
	s := m.open(1)
	m.seat(s, 2)
	put(t, s, "a", "b")
	if asked.Load() == 0 {
		t.Fatal("n2 is a member and nobody asked whether it may be")
	}
	streams := func() (n int) {
		member.peerGate.mu.Lock()
		defer member.peerGate.mu.Unlock()
		for c := range member.peerGate.calls {
			if strings.HasPrefix(c.chain[0].Subject.CommonName, "n2") {
				n++
			}
		}
		return n
	}
	eventually(t, "n2 has streams", func() error {
		if streams() == 0 {
			return errors.New("it has none")
		}
		return nil
	})
	gone.Store(true)
	member.Readmit()
	eventually(t, "the streams of n2 end", func() error {
		if n := streams(); n != 0 {
			return fmt.Errorf("%d go on", n)
		}
		return nil
	})
}
