package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
)

// sponsor is the authority of a cluster, with the certificate of one of its nodes.
type sponsor struct {
	ca   *pki.Identity
	pair tls.Certificate
}

func newSponsor(t *testing.T, node cluster.NodeName) sponsor {
	t.Helper()
	ca, err := pki.NewAuthority(pki.AuthorityOfNodes, "c0ffee", "demo", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return sponsor{ca: ca}.with(t, node)
}

// with is the same cluster's certificate for another node.
func (s sponsor) with(t *testing.T, node cluster.NodeName) sponsor {
	t.Helper()
	key, request, err := pki.NewRequest(node)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := s.ca.SignNode(request, node, nil, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.pair = tls.Certificate{Certificate: [][]byte{cert.Raw, s.ca.Cert.Raw}, PrivateKey: key, Leaf: cert}
	return s
}

func (s sponsor) fingerprint() string { return pki.Fingerprint(s.ca.Cert) }

// alone is a daemon in no cluster, of which only what joining needs is there.
func alone(t *testing.T) *Daemon {
	t.Helper()
	d := &Daemon{cfg: Config{Node: "n2", Data: t.TempDir()}, log: slog.New(slog.DiscardHandler), changed: make(chan struct{}, 1)}
	d.cfg.Listen.API = "127.0.0.1:0"
	d.control = control.New(control.Config{Clock: clock{}, Log: d.log, Local: d, Sponsor: d})
	return d
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestTheJoinKeyStays(t *testing.T) {
	d := alone(t)
	first, err := d.Key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.Key(t.Context())
	if err != nil || first != second {
		t.Errorf("%v, then %v, %v", first, second, err)
	}
	if info, err := os.Stat(d.cfg.path(fileJoin)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestOnlyTheSponsorIsTold holds the joining side to it: whoever does not show a node's certificate of the cluster gets not one byte of the request. And a man between
// the two, who passes on what the machine sent to him, proves nothing to the real sponsor.
func TestOnlyTheSponsorIsTold(t *testing.T) {
	d := alone(t)
	real := newSponsor(t, "n1")
	other := newSponsor(t, "n1")
	key, der, err := d.cfg.joinRequest()
	if err != nil {
		t.Fatal(err)
	}
	var heard atomic.Int32
	var proofs []error
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard.Add(1)
		var in v1.NodeAdmit
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		binding, err := r.TLS.ExportKeyingMaterial(v1.JoinBinding, nil, v1.JoinBindingLength)
		if err == nil {
			var statement []byte
			if statement, err = in.Statement(binding); err == nil && !ecdsa.VerifyASN1(&key.PublicKey, statement, in.Proof) {
				err = fault.Errorf(fault.Denied, "the proof is for another connection")
			}
		}
		proofs = append(proofs, err)
		_ = json.NewEncoder(w).Encode(v1.NodeAdmitted{Node: in.Node})
	})
	ask := func(pair tls.Certificate) error {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}})
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), ReadHeaderTimeout: time.Second}
		go func() { _ = srv.Serve(l) }()
		defer srv.Close()
		_, err = admitOn(bounded(t), l.Addr().String(), real.fingerprint(), key, v1.NodeAdmit{Node: "n2", Request: der, Addresses: []string{}})
		return err
	}
	self, err := d.selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	users, err := pki.NewAuthority(pki.AuthorityOfUsers, "c0ffee", "demo", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	forged := tls.Certificate{Certificate: [][]byte{other.pair.Certificate[0], real.ca.Cert.Raw}, PrivateKey: other.pair.PrivateKey}
	bare := tls.Certificate{Certificate: [][]byte{real.pair.Certificate[0]}, PrivateKey: real.pair.PrivateKey}
	mixed := tls.Certificate{Certificate: [][]byte{real.pair.Certificate[0], users.Cert.Raw}, PrivateKey: real.pair.PrivateKey}
	for what, pair := range map[string]tls.Certificate{"another cluster": other.pair, "self-signed": self.Certificates[0], "a forged chain": forged, "no authority": bare, "another authority": mixed} {
		if err := ask(pair); !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := heard.Load(); n != 0 {
		t.Fatalf("%d of them were told something", n)
	}
	if err := ask(real.pair); err != nil || len(proofs) != 1 || proofs[0] != nil {
		t.Errorf("the sponsor: %v, %v", err, proofs)
	}

	// The relay terminates the machine's connection with a stolen certificate of the cluster, and opens one of its own.
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{real.with(t, "n3").pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	behind, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{real.pair}})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(behind) }()
	defer srv.Close()
	go func() {
		in, err := l.Accept()
		if err != nil {
			return
		}
		defer in.Close()
		out, err := tls.Dial("tcp", behind.Addr().String(), proving(real.fingerprint()))
		if err != nil {
			return
		}
		defer out.Close()
		go func() { _, _ = io.Copy(out, in) }()
		_, _ = io.Copy(in, out)
	}()
	proofs = nil
	_, _ = admitOn(bounded(t), l.Addr().String(), real.fingerprint(), key, v1.NodeAdmit{Node: "n2", Request: der, Addresses: []string{}})
	if len(proofs) != 1 || proofs[0] == nil {
		t.Errorf("a relayed request was taken for a proof: %v", proofs)
	}
}

// TestOnlyTheControlNodeMayConfigure holds the machine in no cluster to it: it answers the authorised node, and nobody else gets as far as a request.
func TestOnlyTheControlNodeMayConfigure(t *testing.T) {
	d := alone(t)
	ctx := bounded(t)
	real := newSponsor(t, "n1")
	if auth, err := d.Auth(ctx); err != nil || auth.Enabled {
		t.Fatalf("authorised without being asked: %+v, %v", auth, err)
	}
	if _, err := d.Authorise(ctx, &v1.AuthEnable{Node: "n1", Fingerprint: "SHA256:short"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a fingerprint that is none: %v", err)
	}
	if _, err := d.Authorise(ctx, &v1.AuthEnable{Node: "n1", Fingerprint: real.fingerprint()}); err != nil {
		t.Fatal(err)
	}
	s, err := d.cfg.loadSponsorship(time.Now())
	if err != nil || s == nil {
		t.Fatal(s, err)
	}
	if late, err := d.cfg.loadSponsorship(time.Now().Add(2 * time.Hour)); err != nil || late != nil {
		t.Errorf("the authorisation does not end: %+v, %v", late, err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.cfg.Listen.API = free.Addr().String()
	free.Close()
	stop, err := d.listenForSponsor(ctx, *s)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	call := func(pair *tls.Certificate, noun, verb string) error {
		cfg := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}
		if pair != nil {
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
		}
		c := client.TLS(d.cfg.Listen.API, cfg)
		defer c.Close()
		var out v1.Result
		return c.Do(ctx, noun, verb, v1.NodeConfigure{Node: "n9"}, &out)
	}
	for what, pair := range map[string]sponsor{"another cluster": newSponsor(t, "n1"), "another node of the cluster": real.with(t, "n3")} {
		if err := call(&pair.pair, "node", "configure"); err == nil || fault.Is(err, fault.Precondition) {
			t.Errorf("%s was heard: %v", what, err)
		}
	}
	if err := call(nil, "node", "configure"); err == nil || fault.Is(err, fault.Precondition) {
		t.Errorf("a stranger was heard: %v", err)
	}
	// Strangers hold connections: the oldest make room for the next, and the control node is heard.
	var silent []net.Conn
	for range 300 {
		c, err := net.Dial("tcp", d.cfg.Listen.API)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	_ = silent[0].SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := silent[0].Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the oldest of too many connections: %v", err)
	}
	if err := call(&real.pair, "cluster", "status"); !fault.Is(err, fault.Precondition) {
		t.Errorf("the control node did something else: %v", err)
	}
	if err := call(&real.pair, "node", "configure"); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "this machine is called n2") {
		t.Errorf("the control node: %v", err)
	}
	if _, err := d.Authorise(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := call(&real.pair, "node", "configure"); !fault.Is(err, fault.Denied) {
		t.Errorf("after the authorisation was taken back: %v", err)
	}
	stop()
	if c, err := net.DialTimeout("tcp", d.cfg.Listen.API, time.Second); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	// What the certificate says to strangers: nothing.
	cfg, err := d.selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	if cert, err := x509.ParseCertificate(cfg.Certificates[0].Certificate[0]); err != nil || strings.Contains(string(cert.Raw), "n2") {
		t.Errorf("the certificate names the machine: %v", err)
	}
}
