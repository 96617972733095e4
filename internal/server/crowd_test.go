package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"redoubt/api/client"
	"redoubt/internal/admission"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
)

// fake is a connection that counts how often it was closed.
type fake struct {
	net.Conn
	closed int
}

func (f *fake) Close() error { f.closed++; return nil }

func enter(c *crowd, from string) (n, gone *counted) {
	n = &counted{Conn: &fake{}, network: admission.Network(netip.MustParseAddr(from))}
	return n, c.enter(n)
}

// TestCrowd: the oldest connection of a network that has its share makes room for its next one; when all places are taken, the oldest of the fullest network does.
func TestCrowd(t *testing.T) {
	var c crowd
	first, _ := enter(&c, "10.0.0.1")
	for range networkConns - 1 {
		if _, gone := enter(&c, "10.0.0.1"); gone != nil {
			t.Fatal("too early")
		}
	}
	if _, gone := enter(&c, "10.0.0.1"); gone != first {
		t.Error("the oldest one did not make room")
	}
	lonely, _ := enter(&c, "10.0.0.2")
	for i := range networkConns {
		if _, gone := enter(&c, netip.AddrFrom16([16]byte{0xfd, 15: byte(i)}).String()); gone != nil {
			t.Fatal("too early")
		}
	}
	if _, gone := enter(&c, "fd00::ffff:1:2:3"); gone == nil || !gone.network.Contains(netip.MustParseAddr("fd00::7")) {
		t.Error("addresses of one IPv6 network have shares of their own")
	}
	for i := c.size(); i < crowdConns; i++ {
		if _, gone := enter(&c, netip.AddrFrom4([4]byte{11, 0, byte(i / 200), 1}).String()); gone != nil {
			t.Fatal("too early")
		}
	}
	for i := range 100 {
		if _, gone := enter(&c, netip.AddrFrom4([4]byte{12, 0, 0, byte(i)}).String()); gone == nil || gone == lonely || c.size() != crowdConns {
			t.Fatalf("%d: %+v went, %d are there", i, gone, c.size())
		}
	}
	many, said := c.tell(time.Unix(1000, 0))
	if _, again := c.tell(time.Unix(1059, 0)); !said || again || many != 102 {
		t.Errorf("%d have made room; said %v, and again %v", many, said, again)
	}
	if !c.out(lonely) || c.out(lonely) || c.size() != crowdConns-1 {
		t.Error("who has proved who he is still counts")
	}
}

// TestNodesTalkUnderAFlood opens connections to a real port as fast as it can, from the address that a node has too, some silent, some half way through a handshake, and
// some of a stranger who has finished it. A node is answered all the while, on new connections and on the one that it has; its own are not counted; the strangers' are
// bounded.
func TestNodesTalkUnderAFlood(t *testing.T) {
	ca, users := authority(t), userAuthority(t)
	mine, theirs := certificate(t, ca, "n1", time.Now()), certificate(t, ca, "n2", time.Now())
	s, log := start(t, func(c *Config) {
		c.TLS = func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{mine}, ClientCAs: pki.Roots{ca.Cert, users.Cert}.Pool()}
		}
		c.Identify = identify(pki.Roots{ca.Cert}, pki.Roots{users.Cert}, func(*x509.Certificate) bool { return false })
	})
	addr := onTLS(t, s)
	asNode := func() *client.Client {
		return client.TLS(addr, &tls.Config{RootCAs: pool(ca), Certificates: []tls.Certificate{theirs}})
	}
	ask := func(c *client.Client) error {
		if err := c.Do(t.Context(), "peer", "leave", nil, nil); !fault.Is(err, fault.Precondition) { // which is the answer: there is no cluster
			return err
		}
		return nil
	}
	before := asNode()
	defer before.Close()
	if err := ask(before); err != nil {
		t.Fatal(err)
	}
	if n := s.crowd.size(); n != 0 {
		t.Errorf("the connection of a node counts: %d", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	var mu sync.Mutex
	var held []net.Conn
	opened := 0
	for kind := range 3 {
		flood.Go(func() {
			for ctx.Err() == nil {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					return
				}
				switch kind {
				case 1:
					_, _ = conn.Write([]byte{22, 3, 1, 2, 0, 1})
				case 2:
					over := tls.Client(conn, &tls.Config{RootCAs: pool(ca), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13})
					_ = over.HandshakeContext(ctx)
				}
				mu.Lock()
				opened++
				if held = append(held, conn); len(held) > 4*crowdConns { // the descriptors of this end are not what is tested
					_ = held[0].Close()
					held = held[1:]
				}
				mu.Unlock()
			}
		})
	}
	for {
		mu.Lock()
		n := len(held)
		mu.Unlock()
		if n > 2*networkConns {
			break
		}
		<-time.After(time.Millisecond)
	}
	again := 0
	for i := range 10 {
		c := asNode()
		err := ask(c)
		for range 10 { // it asks again, as nodes do
			if err == nil {
				break
			}
			again++
			err = ask(c)
		}
		if err != nil {
			t.Errorf("%d: a new connection of a node is not answered: %v", i, err)
		}
		c.Close()
		if err := ask(before); err != nil {
			t.Errorf("%d: the connection that was there: %v", i, err)
		}
		if n := s.crowd.size(); n > networkConns {
			t.Errorf("%d connections of one address", n)
		}
	}
	if again > 30 { // of 10
		t.Errorf("it had to ask again %d times", again)
	}
	cancel()
	flood.Wait()
	t.Logf("%d connections were opened meanwhile; for 10 new ones a node had to ask again %d times", opened, again)
	for _, c := range held {
		_ = c.Close()
	}
	if !strings.Contains(log.String(), "the oldest ones are closed") {
		t.Error("nobody is told of the flood")
	}
}

// TestConnectionsOfAUser: a user's certificate has so many connections, and they do not count among those of strangers.
func TestConnectionsOfAUser(t *testing.T) {
	ca, users := authority(t), userAuthority(t)
	mine := certificate(t, ca, "n1", time.Now())
	s, _ := start(t, func(c *Config) {
		c.TLS = func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{mine}, ClientCAs: pki.Roots{ca.Cert, users.Cert}.Pool()}
		}
		c.Identify = identify(pki.Roots{ca.Cert}, pki.Roots{users.Cert}, func(*x509.Certificate) bool { return false })
	})
	addr := onTLS(t, s)
	alice := userCertificate(t, users, "alice")
	var open []*client.Client
	for i := range userConns + 5 {
		c := client.TLS(addr, &tls.Config{RootCAs: pool(ca), Certificates: []tls.Certificate{alice}})
		open = append(open, c)
		err := c.Do(t.Context(), "user", "whoami", nil, nil)
		if refused := !fault.Is(err, fault.Denied); refused != (i >= userConns) {
			t.Errorf("connection %d: %v", i, err)
		}
	}
	if n := s.crowd.size(); n != 0 {
		t.Errorf("%d count as strangers", n)
	}
	for _, c := range open {
		c.Close()
	}
	for end := time.Now().Add(10 * time.Second); ; {
		s.conns.mu.Lock()
		left := s.conns.of["user alice"]
		s.conns.mu.Unlock()
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d still count", left)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func userAuthority(t *testing.T) *pki.Identity {
	t.Helper()
	users, err := pki.NewAuthority(pki.AuthorityOfUsers, "c1", "demo", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return users
}

func userCertificate(t *testing.T, users *pki.Identity, name string) tls.Certificate {
	t.Helper()
	key, request, err := pki.NewUserRequest(name)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := users.SignUser(request, name, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}
