package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"redoubt/internal/lab"
)

// collector is a machine that takes logs over TLS.
type collector struct {
	listener net.Listener
	conns    sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool
	text strings.Builder
}

// identityFor makes a certificate that signs itself.
func identityFor(t *testing.T, host string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "collector"}, IPAddresses: []net.IP{net.ParseIP(host)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// collect listens on the client's machine.
func (w *world) collect(t *testing.T, address string, who tls.Certificate) *collector {
	t.Helper()
	c := &collector{open: map[net.Conn]bool{}}
	err := w.InNetwork(lab.Client, func() (err error) {
		c.listener, err = tls.Listen("tcp", address, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{who}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c.conns.Go(func() {
		for {
			conn, err := c.listener.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.open[conn] = true
			c.mu.Unlock()
			c.conns.Go(func() { c.read(conn) })
		}
	})
	return c
}

// close ends the collector as if its machine went away.
func (c *collector) close() {
	c.listener.Close()
	c.mu.Lock()
	for conn := range c.open {
		conn.Close()
	}
	c.mu.Unlock()
	c.conns.Wait()
}

func (c *collector) read(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := conn.Read(buf)
		c.mu.Lock()
		c.text.Write(buf[:n])
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *collector) said(words ...string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range strings.Split(c.text.String(), "<109>1 ") {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}

// TestLogIsForwarded: what is done on any node reaches a collector outside the cluster, also what was done while it was away; one that is not the one meant gets nothing.
func TestLogIsForwarded(t *testing.T) {
	const address = "10.77.0.250:6514"
	w := use(t, "e2e")
	w.web(t, "n1")
	own, ca := identityFor(t, "10.77.0.250")
	other, _ := identityFor(t, "10.77.0.250")
	collector := w.collect(t, address, own)
	file := filepath.Join(w.Disk("n1"), "lib", "collector.pem")
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file)
	w.do(t, "n1", "log", "set-forward", "-p", "server="+address, "-p", "ca=/var/lib/redoubt/collector.pem")
	defer w.do(t, "n1", "log", "clear-forward")
	told := func(node, what string) {
		t.Helper()
		eventually(t, func() string {
			if !collector.said(" "+node+" redoubt ", what) {
				return "the collector was not told of " + what + " on " + node
			}
			return ""
		})
	}
	for _, n := range w.Nodes() {
		w.do(t, n, "group", "set", "-p", "RG_description=told-by-"+n, "web-rg")
		told(n, "told-by-"+n)
	}
	collector.close()
	w.do(t, "n2", "group", "set", "-p", "RG_description=while-it-was-away", "web-rg")
	// Somebody else answers at its address, and is told nothing.
	collector = w.collect(t, address, other)
	eventually(t, func() string {
		if s := w.do(t, "n2", "log", "show-forward"); !strings.Contains(s, "certificate") {
			return "n2 says of the forwarding: " + s
		}
		return ""
	})
	if collector.said("redoubt") {
		t.Error("somebody else was told what is in the log")
	}
	collector.close()
	collector = w.collect(t, address, own)
	told("n2", "while-it-was-away")
	collector.close()
}
