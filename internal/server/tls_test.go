package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
)

// authority makes a cluster's authority.
func authority(t *testing.T) *pki.Identity {
	t.Helper()
	ca, err := pki.NewAuthority(pki.AuthorityOfNodes, "c1", "demo", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// certificate makes a node's certificate as it was at a time.
func certificate(t *testing.T, ca *pki.Identity, node cluster.NodeName, at time.Time) tls.Certificate {
	t.Helper()
	key, request, err := pki.NewRequest(node)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.SignNode(request, node, []net.IP{net.IPv4(127, 0, 0, 1)}, 0, at)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func pool(ca *pki.Identity) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.Cert)
	return p
}

// onTLS serves on the loopback network until the test ends.
func onTLS(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.ServeListener(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestWhoMayOnTLS(t *testing.T) {
	ca, other := authority(t), authority(t)
	users, err := pki.NewAuthority(pki.AuthorityOfUsers, "c1", "demo", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	mine := certificate(t, ca, "n1", time.Now())
	removed := certificate(t, ca, "n3", time.Now())
	s, _ := start(t, func(c *Config) {
		c.TLS = func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{mine}, ClientCAs: pki.Roots{ca.Cert, users.Cert}.Pool()}
		}
		c.Identify = identify(pki.Roots{ca.Cert}, pki.Roots{users.Cert}, func(c *x509.Certificate) bool { return c.Equal(removed.Leaf) })
	})
	addr := onTLS(t, s)
	selfSigned := certificate(t, other, "n2", time.Now())
	for _, tc := range []struct {
		name       string
		certs      []tls.Certificate
		noun, verb string
		in         any
		code       fault.Code
		text       string
	}{
		{"a node, between nodes", []tls.Certificate{certificate(t, ca, "n2", time.Now())}, "peer", "leave", nil, fault.Precondition, "in no cluster"},
		{"a node, what people do", []tls.Certificate{certificate(t, ca, "n2", time.Now())}, "group", "create", nil, fault.Denied, "node n2 may not do group create"},
		{"a node that was removed", []tls.Certificate{removed}, "peer", "leave", nil, fault.Denied, "revoked"},
		{"a certificate that ended", []tls.Certificate{certificate(t, ca, "n2", time.Now().AddDate(-2, 0, 0))}, "peer", "leave", nil, fault.Unavailable, "expired certificate"},
		{"a certificate of another cluster", []tls.Certificate{selfSigned}, "peer", "leave", nil, fault.Unavailable, "tls"},
		{"nobody, between nodes", nil, "peer", "leave", nil, fault.Denied, "a stranger may not"},
		{"nobody, what people do", nil, "group", "create", nil, fault.Denied, "a stranger may not"},
		{"nobody, reading", nil, "cluster", "status", nil, fault.Denied, "a stranger may not"},
		{"nobody, asking to join", nil, "node", "admit", map[string]any{"node": "n4", "request": "AAAA", "heartbeatKey": "", "addresses": []string{}}, fault.Precondition, "in no cluster"},
	} {
		c := client.TLS(addr, &tls.Config{RootCAs: pool(ca), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(tc.certs) == 0 {
				return &tls.Certificate{}, nil
			}
			return &tc.certs[0], nil
		}})
		err := c.Do(t.Context(), tc.noun, tc.verb, tc.in, nil)
		if fault.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %s: %v; want %s with %q", tc.name, fault.CodeOf(err), err, tc.code, tc.text)
		}
		c.Close()
	}
	if c := client.TLS(addr, &tls.Config{RootCAs: pool(other)}); c.Do(t.Context(), "cluster", "status", nil, nil) == nil {
		t.Error("a client believed the wrong cluster")
	}
	old := &tls.Config{RootCAs: pool(ca), MaxVersion: tls.VersionTLS12}
	if c, err := tls.Dial("tcp", addr, old); err == nil {
		c.Close()
		t.Error("TLS 1.2 was accepted")
	}
}

// A certificate is looked at with every request: a connection does not outlive its node's membership.
func TestRevokedWhileConnected(t *testing.T) {
	ca := authority(t)
	mine, theirs := certificate(t, ca, "n1", time.Now()), certificate(t, ca, "n2", time.Now())
	var revoked atomic.Bool
	s, _ := start(t, func(c *Config) {
		c.TLS = func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{mine}, ClientCAs: pool(ca)}
		}
		c.Identify = identify(pki.Roots{ca.Cert}, nil, func(*x509.Certificate) bool { return revoked.Load() })
	})
	addr := onTLS(t, s)
	c := client.TLS(addr, &tls.Config{RootCAs: pool(ca), Certificates: []tls.Certificate{theirs}})
	defer c.Close()
	if err := c.Do(t.Context(), "peer", "leave", nil, nil); !fault.Is(err, fault.Precondition) {
		t.Errorf("before: %v", err)
	}
	revoked.Store(true)
	if err := c.Do(t.Context(), "peer", "leave", nil, nil); !fault.Is(err, fault.Denied) {
		t.Errorf("after: %v", err)
	}
}

// Before there is a cluster nobody can speak TLS to the daemon; and never is a certificate believed because the system knows its authority.
func TestNoAuthority(t *testing.T) {
	ca := authority(t)
	for name, cfg := range map[string]func() *tls.Config{
		"no function": nil, "no configuration": func() *tls.Config { return nil },
		"no authority": func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{certificate(t, ca, "n1", time.Now())}}
		},
	} {
		s, _ := start(t, func(c *Config) { c.TLS = cfg })
		if c, err := tls.Dial("tcp", onTLS(t, s), &tls.Config{RootCAs: pool(ca)}); err == nil {
			c.Close()
			t.Errorf("%s: a connection was made", name)
		}
	}
}

// A caller with a certificate is refused where nobody can say whose it is.
func TestNobodyIdentifies(t *testing.T) {
	s, _ := start(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), "GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	cert := certificate(t, authority(t), "n1", time.Now())
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert.Leaf}}
	if who, err := s.caller(r, &request{}); !fault.Is(err, fault.Precondition) || who.Kind != control.CallerNone {
		t.Errorf("%+v, %v", who, err)
	}
}

// identify does what the daemon does with certificates.
func identify(nodes, users pki.Roots, revoked func(*x509.Certificate) bool) func([]*x509.Certificate) (control.Caller, error) {
	return func(chain []*x509.Certificate) (control.Caller, error) {
		c := chain[0]
		if revoked(c) {
			return control.Caller{}, fault.Errorf(fault.Denied, "the certificate of %s was revoked", c.Subject.CommonName)
		}
		if s, err := users.Verify(c, time.Now(), x509.ExtKeyUsageClientAuth, pki.User); err == nil {
			return control.Caller{Kind: control.CallerUser, User: s.Name}, nil
		}
		s, err := nodes.Verify(c, time.Now(), x509.ExtKeyUsageClientAuth, pki.Node)
		return control.Caller{Kind: control.CallerNode, Node: cluster.NodeName(s.Name)}, err
	}
}

// A watch ends with its watcher's certificate, not with the next request.
func TestRevokedWhileWatching(t *testing.T) {
	ca := authority(t)
	mine, theirs := certificate(t, ca, "n1", time.Now()), certificate(t, ca, "n2", time.Now())
	var revoked atomic.Bool
	s, _ := start(t, func(c *Config) {
		c.TLS = func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{mine}, ClientCAs: pool(ca)}
		}
		c.Identify = identify(pki.Roots{ca.Cert}, nil, func(*x509.Certificate) bool { return revoked.Load() })
	})
	s.events = func(ctx context.Context, _ control.Caller) (<-chan v1.Event, error) {
		return make(chan v1.Event), nil
	}
	addr := onTLS(t, s)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(ca), Certificates: []tls.Certificate{theirs}}}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr+"/v1/watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the watch was refused: %s", answer.Status)
	}
	revoked.Store(true)
	began := time.Now()
	_, _ = io.ReadAll(answer.Body)
	if took := time.Since(began); ctx.Err() != nil || took > 5*lookAgain {
		t.Errorf("the watch went on for %v", took)
	}
}
