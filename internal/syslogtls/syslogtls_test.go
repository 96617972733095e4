package syslogtls

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"redoubt/internal/auditlog"
)

// selfSigned makes a certificate that is its own authority.
func selfSigned(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestOldCollector: a collector that speaks TLS 1.2 at best gets nothing, and the error says what to do.
func TestOldCollector(t *testing.T) {
	mine, authority := selfSigned(t, "siem.test")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{mine}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan []byte, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			b, _ := io.ReadAll(c)
			c.Close()
			got <- b
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := Dialer{}.Dial(ctx, l.Addr().String(), "siem.test", authority)
	if err == nil {
		c.Close()
		t.Fatal("a collector of TLS 1.2 was taken")
	}
	if !strings.Contains(err.Error(), "does not speak TLS 1.3") || !strings.Contains(err.Error(), "relay") {
		t.Errorf("%v", err)
	}
	if b := <-got; len(b) > 0 {
		t.Errorf("it was sent %q", b)
	}
}

// TestCollector sends to a real collector, and to nobody who is not it.
func TestCollector(t *testing.T) {
	mine, authority := selfSigned(t, "siem.test")
	_, other := selfSigned(t, "siem.test")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{mine}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan []byte, 8)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(c)
			c.Close()
			got <- b
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for name, try := range map[string][2]string{"another authority": {"siem.test", other}, "another name": {"else.test", authority}, "no name": {"", authority}, "no authority": {"siem.test", "x"}} {
		if c, err := (Dialer{}).Dial(ctx, l.Addr().String(), try[0], try[1]); err == nil {
			c.Close()
			t.Errorf("%s: taken", name)
		}
	}
	c, err := Dialer{}.Dial(ctx, l.Addr().String(), "siem.test", authority)
	if err != nil {
		t.Fatal(err)
	}
	message := auditlog.Record{Kind: auditlog.Event, Node: "n1", Text: "x"}.Syslog("demo")
	if _, err := c.Write(auditlog.Frame(message)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	for {
		select {
		case b := <-got: // those that were refused sent nothing
			if len(b) == 0 {
				continue
			}
			if m, rest, ok, err := auditlog.Unframe(b); err != nil || !ok || len(rest) > 0 || !bytes.Equal(m, message) {
				t.Errorf("%q %v", b, err)
			}
			return
		case <-ctx.Done():
			t.Fatal("nothing came")
		}
	}
}
