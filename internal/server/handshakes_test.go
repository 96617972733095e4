package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"redoubt/api/client"
	"redoubt/internal/auditlog"
	"redoubt/internal/control"
	"redoubt/internal/pki"
	"redoubt/internal/server/servertest"
)

// Whoever is refused before he can ask for anything is in the command log too.
func TestRefusedHandshakesAreRecorded(t *testing.T) {
	ca, other := authority(t), authority(t)
	mine := certificate(t, ca, "n1", time.Now())
	records := &servertest.Recorder{Heard: make(chan auditlog.Record, 10)}
	s, _ := start(t, func(c *Config) {
		c.Control = servertest.AloneRecorded(records)
		c.TLS = func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{mine}, ClientCAs: pki.Roots{ca.Cert}.Pool()}
		}
	})
	addr := onTLS(t, s)
	foreign := certificate(t, other, "n2", time.Now())
	c := client.TLS(addr, &tls.Config{RootCAs: pool(ca), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &foreign, nil }})
	defer c.Close()
	if c.Do(t.Context(), "peer", "leave", nil, nil) == nil {
		t.Fatal("a certificate of another cluster was accepted")
	}
	r := <-records.Heard
	if r.Kind != auditlog.Denied || r.User != ":stranger" || r.From != "127.0.0.1" || r.Command != "# TLS handshake" || !strings.Contains(r.Error, "tls:") {
		t.Errorf("%+v", r)
	}
}

// Nobody fills the log or the memory with attempts, and none of them is forgotten in the count.
func TestHandshakesAreBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	var told []string
	h := &handshakes{log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }, seen: map[netip.Addr]*attempts{}, refuse: func(who control.Caller, what string, err error) {
		told = append(told, fmt.Sprint(who.From, " ", what, " ", err))
	}}
	attempt := func(from, why string) { fmt.Fprintf(h, "http: TLS handshake error from %s: %s\n", from, why) }
	const bad = "tls: client didn't provide a certificate"
	for range 50 {
		attempt("192.0.2.7:4000", bad)
	}
	attempt("192.0.2.8:4000", "EOF")
	attempt("192.0.2.8:4000", "read tcp 192.0.2.1:7401->192.0.2.8:4000: i/o timeout")
	fmt.Fprintln(h, "http: something else")
	fmt.Fprintln(h, "http: TLS handshake error from nowhere: tls: x")
	if len(told) != 1 || !strings.Contains(told[0], "192.0.2.7") {
		t.Fatalf("%q", told)
	}
	now = now.Add(handshakeEvery)
	attempt("[::ffff:192.0.2.7]:4001", bad)
	if len(told) != 2 || !strings.Contains(told[1], "49 more since the last record") {
		t.Fatalf("%q", told)
	}
	told = nil
	for i := range 10_000 {
		attempt(fmt.Sprintf("10.%d.%d.1:5", i/250, i%250), bad)
	}
	if len(h.seen) > handshakeFrom+1 || len(told) > handshakeFrom+1 {
		t.Errorf("%d addresses are kept, %d records made", len(h.seen), len(told))
	}
	now = now.Add(2 * handshakeEvery)
	told = nil
	attempt("10.200.0.1:5", bad)
	if len(told) != 1 {
		t.Errorf("after a while: %q", told)
	}
}
