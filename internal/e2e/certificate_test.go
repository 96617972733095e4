package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	v1 "redoubt/api/v1"
	"redoubt/internal/lab"
	"redoubt/internal/pki"
)

// certificate is the one that a node uses now.
func (w *world) certificate(t *testing.T, ask, node string) v1.Certificate {
	t.Helper()
	for _, c := range w.certificates(t, ask, "node") {
		if c.Name == node && c.State == "in use" {
			return c
		}
	}
	t.Fatalf("node %s uses no certificate", node)
	return v1.Certificate{}
}

func (w *world) certificates(t *testing.T, ask, kind string) []v1.Certificate {
	t.Helper()
	var out []v1.Certificate
	if err := json.Unmarshal([]byte(w.do(t, ask, "certificate", "show", "--old", "--kind", kind, "-o", "json")), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// reconfigure gives a node's daemon another test section and restarts it.
func (w *world) reconfigure(t *testing.T, node, section string) {
	t.Helper()
	const config = "/etc/redoubt/redoubtd.yaml"
	if _, err := w.Output(t.Context(), node, "sh", "-c", "grep -v '^test:' "+config+" > "+config+".new; echo '"+section+"' >> "+config+".new; mv "+config+".new "+config); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Daemon(node, lab.DaemonRestart); err != nil {
		t.Fatal(err)
	}
	// The others keep it as a member meanwhile: only its port tells that it is back.
	eventually(t, func() string {
		c, err := w.Dial(t.Context(), "n1", "tcp", net.JoinHostPort("172.31.240."+strings.TrimPrefix(node, "n"), "7401"))
		if err != nil {
			return err.Error()
		}
		c.Close()
		return ""
	})
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Certificates that end after seconds, a renewal of all, the exchange of the authority and a clock that jumps: no service notices any of it.
func TestCertificatesChangeUnderAService(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	before := w.webProcess(t)
	p := w.watch(t)
	w.reconfigure(t, "n2", "test: {certificateLife: 8s}")
	w.reconfigure(t, "n3", "test: {clock: /run/redoubt/clock}")
	defer func() { // not as a cleanup: the test's context has ended by then
		for _, n := range []string{"n2", "n3"} {
			w.reconfigure(t, n, "")
		}
		w.do(t, "n1", "certificate", "renew", "+")
	}()
	first := w.certificate(t, "n1", "n2")
	w.do(t, "n1", "certificate", "renew", "+")
	short := w.certificate(t, "n1", "n2")
	if short.Fingerprint == first.Fingerprint {
		t.Fatal("n2 was given no other certificate")
	}
	root := w.certificates(t, "n1", "node-authority")
	if len(root) != 1 {
		t.Fatalf("there are %d authorities", len(root))
	}
	w.do(t, "n1", "certificate", "rotate-authority", "-y")
	now := w.certificates(t, "n2", "node-authority")
	if len(now) != 1 || now[0].Fingerprint == root[0].Fingerprint {
		t.Errorf("the authority was not exchanged: %+v", now)
	}
	for _, n := range []string{"n1", "n2", "n3"} {
		if c := w.certificate(t, "n1", n); c.Issuer != now[0].Fingerprint {
			t.Errorf("node %s still shows a certificate of the old authority", n)
		}
	}
	eventually(t, func() string {
		if c := w.certificate(t, "n1", "n2"); c.Fingerprint == short.Fingerprint || !time.Now().After(short.NotAfter) {
			return "n2 has the certificate that ends at " + short.NotAfter.String()
		}
		return ""
	})
	if _, err := w.Output(t.Context(), "n3", "sh", "-c", "echo 10m > /run/redoubt/clock"); err != nil {
		t.Fatal(err)
	}
	warned := func(want bool) {
		t.Helper()
		eventually(t, func() string {
			problems := w.status(t, "n1").Problems
			if got := slices.ContainsFunc(problems, func(p v1.Problem) bool { return p.Object == "node n3" && strings.Contains(p.Text, "clock") }); got != want {
				return "the status says of the clock of n3: " + strconv.FormatBool(got)
			}
			return ""
		})
	}
	warned(true)
	if _, err := w.Output(t.Context(), "n3", "rm", "/run/redoubt/clock"); err != nil {
		t.Fatal(err)
	}
	warned(false)
	// A node whose certificate ended while its daemon was down comes back.
	if _, err := w.Daemon("n2", lab.DaemonStop); err != nil {
		t.Fatal(err)
	}
	ended := w.certificate(t, "n1", "n2")
	eventually(t, func() string {
		if !time.Now().After(ended.NotAfter) {
			return "the certificate of n2 has not ended"
		}
		return ""
	})
	if _, err := w.Daemon("n2", lab.DaemonStart); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := w.certificate(t, "n1", "n2"); c.Fingerprint == ended.Fingerprint {
		t.Error("n2 still uses the certificate that ended")
	}
	if r := p.stop(t); r.Outage().Length > time.Second {
		t.Errorf("nobody answered for %v", r.Outage().Length)
	}
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
}

// A certificate that was revoked, one of a user, and a client that speaks an older TLS are refused on every port.
func TestWhoIsRefusedOnEveryPort(t *testing.T) {
	w := use(t, "e2e")
	lib := filepath.Join(w.Disk("n3"), "lib")
	old, err := tls.LoadX509KeyPair(filepath.Join(lib, "node.pem"), filepath.Join(lib, "node.pem"))
	if err != nil {
		t.Fatal(err)
	}
	was := w.certificate(t, "n1", "n3").Fingerprint
	w.do(t, "n1", "certificate", "renew", "n3")
	refused := w.refuse(t, "n1", "certificate", "revoke", "-y", w.certificate(t, "n1", "n3").Fingerprint)
	if !strings.Contains(refused, "would be shut out") {
		t.Errorf("the certificate in use: %s", refused)
	}
	w.do(t, "n1", "certificate", "revoke", "-y", "--reason", "stolen", was)
	current, err := tls.LoadX509KeyPair(filepath.Join(lib, "node.pem"), filepath.Join(lib, "node.pem"))
	if err != nil {
		t.Fatal(err)
	}
	user := guest(t, lib)
	for _, port := range []int{7401, 7402, 7403} {
		if err := w.speak(t, port, current, tls.VersionTLS13); err != nil {
			t.Errorf("port %d, the certificate in use: %v", port, err)
		}
		if w.speak(t, port, current, tls.VersionTLS12) == nil {
			t.Errorf("port %d speaks TLS 1.2", port)
		}
		if port != 7401 && w.speak(t, port, user, tls.VersionTLS13) == nil {
			t.Errorf("port %d takes a user's certificate", port)
		}
	}
	for _, port := range []int{7401, 7402, 7403} {
		eventually(t, func() string {
			if w.speak(t, port, old, tls.VersionTLS13) == nil {
				return "port " + strconv.Itoa(port) + " takes a certificate that was revoked"
			}
			return ""
		})
	}
	w.keysStayOut(t)
}

// speak asks n2 something on a port, as the holder of a certificate; nil: it was answered.
func (w *world) speak(t *testing.T, port int, pair tls.Certificate, version uint16) error {
	t.Helper()
	return w.speakTo(t, "n2", port, pair, version)
}

// speakTo is speak for any node.
func (w *world) speakTo(t *testing.T, node string, port int, pair tls.Certificate, version uint16) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	raw, err := w.Dial(ctx, "n1", "tcp", net.JoinHostPort("172.31.240."+strings.TrimPrefix(node, "n"), strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(5 * time.Second))
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
	if port == 7402 {
		return call(ctx, raw, cfg)
	}
	path := "/version"
	if port == 7401 {
		path = "/v1/peer/time"
	}
	c := tls.Client(raw, cfg)
	if _, err := c.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: n2\r\nConnection: close\r\n\r\n")); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

// call asks a member of the repository for the record of the cluster, over a connection to its port for clients.
func call(ctx context.Context, raw net.Conn, cfg *tls.Config) error {
	conn, err := grpc.NewClient("passthrough:///member", grpc.WithTransportCredentials(credentials.NewTLS(cfg)),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return raw, nil }))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = etcdserverpb.NewKVClient(conn).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte("/redoubt/cluster")})
	return err
}

// guest makes a user's certificate with the authority of users in a data directory.
func guest(t *testing.T, lib string) tls.Certificate {
	t.Helper()
	read := func(file string) []byte {
		text, err := os.ReadFile(filepath.Join(lib, file))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			t.Fatalf("%s holds nothing", file)
		}
		return block.Bytes
	}
	root, err := x509.ParseCertificate(read("users.crt"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := x509.ParsePKCS8PrivateKey(read("users.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, request, err := pki.NewUserRequest("ada")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := (&pki.Identity{Cert: root, Key: signer.(*ecdsa.PrivateKey)}).SignUser(request, "ada", time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// keysStayOut looks for every private key of every node in the files of the repository and in the export: as they lie on disk, and in base64.
func (w *world) keysStayOut(t *testing.T) {
	t.Helper()
	places := map[string][]byte{"the export": []byte(w.do(t, "n1", "cluster", "export"))}
	for _, n := range w.Nodes() {
		dir := filepath.Join(w.Disk(n), "lib", "repository")
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			places[path], err = os.ReadFile(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	looked := 0
	for _, n := range w.Nodes() {
		for _, file := range []string{"ca.key", "users.key", "node.pem", "heartbeat.key"} {
			path := filepath.Join(w.Disk(n), "lib", file)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has the mode %v", path, info.Mode())
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
				if block.Type != "PRIVATE KEY" {
					continue
				}
				looked++
				// What every key of a kind begins with says nothing; the secret part is in the middle.
				secret := block.Bytes[len(block.Bytes)/4 : len(block.Bytes)*3/4]
				for place, content := range places {
					if bytes.Contains(content, secret) || bytes.Contains(content, []byte(base64.StdEncoding.EncodeToString(block.Bytes))) {
						t.Errorf("the key in %s is found in %s", path, place)
					}
				}
			}
		}
	}
	if looked < 12 || len(places) < 4 {
		t.Errorf("only %d keys were looked for in %d places", looked, len(places))
	}
}
