package etcdstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

func TestOnlyNodesOfTheClusterMaySpeak(t *testing.T) {
	m := newMembers(t)
	member := m.start(1, ModeNew, nil)
	ours := m.authority.files("n9", "127.0.0.1", time.Now())
	pool, err := ours.pool()
	if err != nil {
		t.Fatal(err)
	}
	foreign := newAuthority(t).files("n9", "127.0.0.1", time.Now())
	pair := func(f TLSFiles) []tls.Certificate {
		p, err := f.pair(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{*p}
	}
	for _, address := range []string{m.endpoint(1), hostPort(m.ip(1), m.peer)} {
		for what, cfg := range map[string]*tls.Config{
			"no certificate":      {},
			"foreign certificate": {Certificates: pair(foreign)},
			"TLS 1.2":             {Certificates: pair(ours), MaxVersion: tls.VersionTLS12},
			"our certificate":     {Certificates: pair(ours)},
		} {
			if cfg.RootCAs = pool; address == m.endpoint(1) {
				cfg.NextProtos = []string{"h2"} // members speak HTTP/1.1 to each other
			}
			if err := greet(t, address, cfg); (err == nil) != (what == "our certificate") {
				t.Errorf("%s at %s: %v", what, address, err)
			}
		}
	}
	// What the member says of its ports is what was seen.
	ports, err := member.Ports()
	if err != nil || len(ports) != 2 {
		t.Fatal(ports, err)
	}
	for _, p := range ports {
		if p.TLS.MinVersion != tls.VersionTLS13 || p.TLS.ClientAuth != tls.RequireAndVerifyClientCert {
			t.Errorf("%s: from %s on, certificates %v", p.Name, tls.VersionName(p.TLS.MinVersion), p.TLS.ClientAuth)
		}
	}
}

// greet makes a connection and waits for the member's first word or its refusal. A peer port says nothing first, so a deadline there is no refusal.
func greet(t *testing.T, address string, cfg *tls.Config) error {
	t.Helper()
	d := tls.Dialer{Config: cfg}
	c, err := d.DialContext(bounded(t), "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(500 * time.Millisecond))
	// The preface of HTTP/2 with empty settings.
	if _, err := c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	if errors.Is(err, context.DeadlineExceeded) || err != nil && strings.Contains(err.Error(), "timeout") {
		return nil
	}
	return err
}

func TestExpiredCertificates(t *testing.T) {
	m := newMembers(t)
	cfg := m.config(1, ModeNew, nil)
	old := time.Now().AddDate(-1, -1, 0)
	cfg.TLS = m.authority.files("n1", m.ip(1), old)
	if _, err := StartMember(t.Context(), cfg); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "expired on") {
		t.Fatalf("a member with an expired certificate: %v", err)
	}
	young := m.authority.files("n1", m.ip(1), time.Now().AddDate(0, 1, 0))
	if _, err := Dial(ClientConfig{TLS: young, Log: m.log}); err == nil || !strings.Contains(err.Error(), "not valid before") {
		t.Fatalf("a client with a certificate of the future: %v", err)
	}

	// The certificate of the client, and then the member's, expires while they run: files are read for every connection.
	m.start(1, ModeNew, nil)
	files := m.authority.files("client", "127.0.0.1", time.Now())
	s, err := Dial(ClientConfig{Endpoints: []string{m.endpoint(1)}, TLS: files, Log: m.log})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	s.cfg.TLS.Cert, s.cfg.TLS.Key = cfg.TLS.Cert, cfg.TLS.Key
	s.SetEndpoints(nil)
	s.SetEndpoints([]string{m.endpoint(1)})
	if _, err := s.Get(ctx, confdb.KeyCluster); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "expired on") {
		t.Fatalf("a client whose certificate has expired: %v", err)
	}
}

func TestExpiredMemberIsNamed(t *testing.T) {
	m := newMembers(t)
	cfg := m.config(1, ModeNew, nil)
	m.startWith(cfg)
	expired := m.authority.files("n1", m.ip(1), time.Now().AddDate(-1, -1, 0))
	replace(t, expired.Cert, cfg.TLS.Cert)
	replace(t, expired.Key, cfg.TLS.Key)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := m.open(1).Get(ctx, confdb.KeyCluster); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "expired") {
		t.Fatalf("a member whose certificate has expired: %v", err)
	}
}

func TestGateRefusesRevokedNodes(t *testing.T) {
	m := newMembers(t)
	cfg := m.config(1, ModeNew, nil)
	cfg.Admit = func(chain []*x509.Certificate) error {
		if chain[0].Subject.CommonName == "client" {
			return errors.New("the certificate of node client was revoked")
		}
		return nil
	}
	m.startWith(cfg)
	if _, err := m.open(1).Get(bounded(t), confdb.KeyCluster); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "revoked") {
		t.Fatalf("a revoked client: %v", err)
	}
	s, err := Dial(ClientConfig{Endpoints: []string{m.endpoint(1)}, TLS: cfg.TLS, Log: m.log})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, "k", "v")
}

// A watch that is open ends when its certificate counts no more; those of others go on, and who is refused comes back no more.
func TestGateEndsWhatWasAdmitted(t *testing.T) {
	m := newMembers(t)
	cfg := m.config(1, ModeNew, nil)
	var revoked, unsure atomic.Bool
	cfg.Admit = func(chain []*x509.Certificate) error {
		switch {
		case unsure.Load():
			return fault.Errorf(fault.Unavailable, "this node has lost the others")
		case revoked.Load() && chain[0].Subject.CommonName == "client":
			return errors.New("the certificate of node client was revoked")
		}
		return nil
	}
	member := m.startWith(cfg)
	own, err := Dial(ClientConfig{Endpoints: []string{m.endpoint(1)}, TLS: cfg.TLS, Log: m.log})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	theirs, ours := watching(t, m.open(1)), watching(t, own)
	put(t, own, "k/before", "1")
	for what, s := range map[string]etcdserverpb.Watch_WatchClient{"theirs": theirs, "ours": ours} {
		if got, err := s.Recv(); err != nil || len(got.Events) != 1 {
			t.Fatalf("%s: %v, %v", what, got, err)
		}
	}
	unsure.Store(true)
	member.Readmit() // who can not be judged now stays
	unsure.Store(false)
	revoked.Store(true)
	member.Readmit()
	if got, err := theirs.Recv(); err == nil {
		t.Fatalf("the watch of a node whose certificate was revoked brings %v", got)
	}
	put(t, own, "k/after", "2")
	if got, err := ours.Recv(); err != nil || len(got.Events) != 1 {
		t.Errorf("the watch of another: %v, %v", got, err)
	}
	if _, err := m.open(1).Get(bounded(t), confdb.KeyCluster); !fault.Is(err, fault.Denied) {
		t.Errorf("a revoked client: %v", err)
	}
	unsure.Store(true)
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := own.Get(short, confdb.KeyCluster); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a client that can not be judged: %v", err)
	}
}
