package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/lab"
)

// visitor is a program on the clients' network that has nothing but the token of a session and the authority of the nodes.
type visitor struct {
	w     *world
	token string
	roots *x509.CertPool
}

// ask sends a request to a node, as `curl --cacert FILE -H "Authorization: Bearer TOKEN"` does.
func (v visitor) ask(t *testing.T, node, method, path, body string) (int, string) {
	t.Helper()
	address, err := v.w.Address(node, "pub")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: v.roots, ServerName: node, MinVersion: tls.VersionTLS13},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return v.w.Dial(ctx, lab.Client, "tcp", net.JoinHostPort(address, "7401"))
		},
	}}
	r, err := http.NewRequestWithContext(ctx, method, "https://"+node+":7401"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if v.token != "" {
		r.Header.Set("Authorization", "Bearer "+v.token)
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

// gets waits until a node answers with a status.
func (v visitor) gets(t *testing.T, node string, status int) {
	t.Helper()
	eventually(t, func() string {
		if is, text := v.ask(t, node, "GET", "/v1/node/list", ""); is != status {
			return fmt.Sprintf("%s answers %d, want %d: %s", node, is, status, text)
		}
		return ""
	})
}

// Somebody without a certificate asks at every node by the token of a session, until it is closed or his rights go; a node that is cut off knows nobody by a session.
func TestSessionsAtEveryNode(t *testing.T) {
	w := use(t, "e2e")
	const dir = "/run/redoubt/dora"
	defer func() {
		_ = w.Heal()
		_, _ = w.try(context.Background(), "n1", "cluster", "set", "-p", "sessions=off")
		_, _ = w.try(context.Background(), "n1", "user", "delete", "-y", "dora")
		_, _ = w.Output(context.Background(), "n1", "rm", "-rf", dir)
	}()
	w.do(t, "n1", "user", "grant", "-P", "Cluster Read,User Security", "dora")
	if out := w.refuse(t, "n1", "session", "open", "--user", "dora"); !strings.Contains(out, "sessions are off") {
		t.Errorf("before they are allowed: %s", out)
	}
	w.do(t, "n1", "cluster", "set", "-p", "sessions=on")
	open := func() (v1.SessionOpened, visitor) {
		t.Helper()
		var s v1.SessionOpened
		if err := json.Unmarshal([]byte(w.do(t, "n1", "session", "open", "--user", "dora", "--for", "1h", "-o", "json")), &s); err != nil {
			t.Fatal(err)
		}
		v := visitor{w, s.Token, x509.NewCertPool()}
		if !v.roots.AppendCertsFromPEM([]byte(s.Authority)) {
			t.Fatal("no authority of the nodes")
		}
		return s, v
	}
	s, dora := open()
	for _, n := range w.Nodes() {
		dora.gets(t, n, http.StatusOK)
	}
	if status, text := (visitor{w, "", dora.roots}).ask(t, "n2", "GET", "/v1/node/list", ""); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d %s", status, text)
	}
	if status, text := dora.ask(t, "n2", "POST", "/v1/user/grant", `{"names":["eve"],"profile":["Cluster Management"]}`); status != http.StatusForbidden || !strings.Contains(text, "not in a session") {
		t.Errorf("granting in a session: %d %s", status, text)
	}
	// The command line is known by it too.
	if out, err := w.Output(t.Context(), "n1", "sh", "-c", "mkdir -m 700 "+dir+" && umask 077 && redoubt session open --user dora --authority "+dir+"/ca.pem > "+dir+"/token"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, func() string {
		out, err := w.try(t.Context(), "n1", "--host", "n2", "--session", dir+"/token", "--ca", dir+"/ca.pem", "whoami")
		if err != nil || !strings.Contains(out, "dora, known by a session") {
			return fmt.Sprintf("%s: %v", out, err)
		}
		return ""
	})
	dora.nowhereOnDisk(t)
	// Closed on one node, it is closed on all.
	_, other := open()
	other.gets(t, "n3", http.StatusOK)
	began := time.Now()
	w.do(t, "n1", "session", "close", s.ID)
	for _, n := range w.Nodes() {
		dora.gets(t, n, http.StatusUnauthorized)
	}
	t.Logf("closed everywhere after %v", time.Since(began).Round(time.Millisecond))
	other.gets(t, "n3", http.StatusOK)
	// A node that is cut off can not know what was closed meanwhile.
	if err := w.Cut(lab.Fault{Machine: "n3", Networks: []string{"ic1", "ic2"}}); err != nil {
		t.Fatal(err)
	}
	other.gets(t, "n3", http.StatusServiceUnavailable)
	w.do(t, "n1", "user", "delete", "-y", "dora")
	other.gets(t, "n2", http.StatusUnauthorized)
	if status, text := other.ask(t, "n3", "GET", "/v1/node/list", ""); status != http.StatusServiceUnavailable {
		t.Errorf("the node that is cut off: %d %s", status, text)
	}
	if err := w.Heal(); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	other.gets(t, "n3", http.StatusUnauthorized)
}

// nowhereOnDisk looks for the token in what the nodes have written, but for the file that this test has made; its hash is there.
func (v visitor) nowhereOnDisk(t *testing.T) {
	t.Helper()
	hash, hashed := sha256.Sum256([]byte(v.token)), false
	for _, n := range v.w.Nodes() {
		err := filepath.WalkDir(v.w.Disk(n), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil // it was replaced meanwhile
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			if bytes.Contains(text, []byte(v.token[4:])) {
				t.Errorf("the token stands in %s", path)
			}
			hashed = hashed || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString(hash[:])))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if !hashed {
		t.Error("its hash is on no disk: this test looks in the wrong place")
	}
}
