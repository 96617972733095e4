package etcdstore

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
