package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/metrics"
	"redoubt/internal/server/servertest"
)

const patience = 10 * time.Second

// logbook is a log that a test can read.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start makes a server over a control layer that is in no cluster.
func start(t *testing.T, change func(*Config)) (*Server, *logbook) {
	t.Helper()
	log := &logbook{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := Config{Control: servertest.Alone(), Log: logger, Grace: time.Second}
	if change != nil {
		change(&cfg)
	}
	return New(cfg), log
}

// onSocket serves on a unix socket until the test ends.
func onSocket(t *testing.T, s *Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run", "api.sock")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.ServeUnix(ctx, path) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("the server did not end")
		}
		if _, err := os.Lstat(path); err == nil {
			t.Error("the socket is still there")
		}
	})
	await(t, "the socket", func() bool {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return path
}

// await waits for a condition, for a bounded time.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		select {
		case <-t.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// raw sends a request over a unix socket.
func raw(t *testing.T, socket, method, path, contentType, body string) (int, string) {
	t.Helper()
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://x"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestRequests(t *testing.T) {
	s, log := start(t, nil)
	socket := onSocket(t, s)
	const js = "application/json"
	for _, tc := range []struct {
		name, method, path, contentType, body string
		status                                int
		code, text                            string
	}{
		{"a status", "GET", "/v1/cluster/status", "", "", 200, "", `"inCluster":false`},
		{"a read by POST", "POST", "/v1/cluster/status", js, "{}", 200, "", `"inCluster":false`},
		{"an empty body", "POST", "/v1/group/online", "", "", 412, "precondition", "this node is in no cluster"},
		{"in no cluster", "POST", "/v1/group/online", js, `{"names":["web-rg"],"enable":true,"timeout":5}`, 412, "precondition", "redoubt cluster create"},
		{"a list in the query", "GET", "/v1/group/show?names=a,b", "", "", 412, "precondition", "in no cluster"},
		{"an unknown field", "POST", "/v1/group/online", js, `{"nmaes":["web-rg"]}`, 400, "invalid", "nmaes"},
		{"a field in other letters", "POST", "/v1/group/online", js, `{"Names":["web-rg"]}`, 400, "invalid", "Names"},
		{"a wrong kind", "POST", "/v1/group/online", js, `{"names":"web-rg"}`, 400, "invalid", "names: expected array"},
		{"two wrong kinds", "POST", "/v1/group/online", js, `{"names":"web-rg","timeout":"x"}`, 400, "invalid", "timeout"},
		{"a field missing", "POST", "/v1/node/join", js, `{}`, 400, "invalid", "sponsor"},
		{"an unknown parameter", "GET", "/v1/group/show?nmaes=a", "", "", 400, "invalid", "nmaes"},
		{"no JSON", "POST", "/v1/group/online", js, `{"names":`, 400, "invalid", "unexpected end"},
		{"two documents", "POST", "/v1/group/online", js, `{} {}`, 400, "invalid", "invalid character"},
		{"another content type", "POST", "/v1/group/online", "text/plain", `{}`, 400, "invalid", "the request is wrong"},
		{"a body too large", "POST", "/v1/group/online", js, `{"names":["` + strings.Repeat("x", maxBody) + `"]}`, 400, "invalid", "more than"},
		{"no such operation", "POST", "/v1/group/explode", js, `{}`, 404, "notfound", "no such operation"},
		{"a wrong method", "DELETE", "/v1/group/show", "", "", 404, "notfound", "no such operation"},
		{"a change by GET", "GET", "/v1/group/online", "", "", 404, "notfound", "no such operation"},
		{"outside", "GET", "/../etc/passwd", "", "", 404, "notfound", "no such operation"},
		{"health", "GET", "/healthz", "", "", 200, "", "ok"},
		{"no documentation page", "GET", "/docs", "", "", 404, "notfound", ""},
	} {
		status, text := raw(t, socket, tc.method, tc.path, tc.contentType, tc.body)
		var e v1.Error
		_ = json.Unmarshal([]byte(text), &e)
		if status != tc.status || e.Code != tc.code || !strings.Contains(text, tc.text) {
			t.Errorf("%s: %d %.300s; want %d %s with %q", tc.name, status, text, tc.status, tc.code, tc.text)
		}
		if strings.Contains(text, "$schema") {
			t.Errorf("%s: the answer is not the document alone: %s", tc.name, text)
		}
	}
	if got := log.String(); !strings.Contains(got, "path=/v1/group/online caller=root") {
		t.Errorf("no line with the caller in the log:\n%s", got)
	}
}

// Every code has a status, and the client makes of the answer what the operation said.
func TestErrorsSurvive(t *testing.T) {
	for _, code := range []fault.Code{
		fault.Invalid, fault.NotFound, fault.Exists, fault.Conflict, fault.Denied, fault.Precondition, fault.Unavailable, fault.Timeout, fault.Unsupported, fault.Internal,
	} {
		f := failed(fmt.Errorf("around it: %w", fault.Errorf(code, "show group x: it is not there").WithDetail("more")), "1")
		if statuses[code] == 0 || f.GetStatus() != statuses[code] || f.Code != string(code) || f.Message != "show group x: it is not there" || f.Detail != "more" {
			t.Errorf("%s: %+v", code, f)
		}
	}
	if f := failed(fmt.Errorf("open /secret: no"), "77"); f.Code != "internal" || strings.Contains(f.Message, "secret") || !strings.Contains(f.Message, "77") {
		t.Errorf("an error without a code: %+v", f)
	}
}

func TestOpenAPIIsComplete(t *testing.T) {
	s, _ := start(t, nil)
	socket := onSocket(t, s)
	status, text := raw(t, socket, "GET", "/openapi.json", "", "")
	if status != 200 {
		t.Fatal(text)
	}
	var doc struct {
		OpenAPI    string `json:"openapi"`
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Schemas map[string]json.RawMessage }
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("version %s", doc.OpenAPI)
	}
	ops := control.Operations()
	for _, op := range ops {
		method := "post"
		if op.Read {
			method = "get"
		}
		entry := doc.Paths["/v1/"+op.Noun+"/"+op.Verb]
		if len(entry) != 1 || entry[method] == nil {
			t.Errorf("%s %s: not in the document as %s: %v", op.Noun, op.Verb, method, entry)
		}
		if methods[op.Noun+" "+op.Verb] == nil {
			t.Errorf("%s %s has no handler", op.Noun, op.Verb)
		}
	}
	if want := len(ops) + 1; len(doc.Paths) != want || len(methods) != len(ops) {
		t.Errorf("%d paths, %d handlers for %d operations", len(doc.Paths), len(methods), len(ops))
	}
	// Every reference has something to refer to.
	for _, part := range strings.Split(text, `"$ref":"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if doc.Components.Schemas[name] == nil {
			t.Errorf("schema %s is missing", name)
		}
	}
	if doc.Components.Schemas["ErrorModel"] != nil || doc.Components.Schemas["Error"] == nil {
		t.Error("errors are described as something else")
	}
	if status, text := raw(t, socket, "GET", "/openapi.yaml", "", ""); status != 200 || !strings.Contains(text, "openapi: 3.1") {
		t.Errorf("yaml: %d %.80s", status, text)
	}
}

// A panic is our fault: the caller gets a number to look for, the log gets the rest, and the server goes on.
func TestPanic(t *testing.T) {
	s, log := start(t, nil)
	inner := s.guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			_, _ = w.Write([]byte("half"))
		}
		panic("the secret of the stack")
	}))
	s.handler = inner
	socket := onSocket(t, s)
	status, text := raw(t, socket, "GET", "/x", "", "")
	if status != 500 || !strings.Contains(text, `"internal"`) || !strings.Contains(text, "under request ") || strings.Contains(text, "secret") {
		t.Errorf("%d %s", status, text)
	}
	if !strings.Contains(log.String(), "the secret of the stack") || !strings.Contains(log.String(), "server_test.go") {
		t.Error("the log does not tell where")
	}
	var out any
	if err := client.Unix(socket).Get(t.Context(), "late", "x", nil, &out); err == nil {
		t.Error("half an answer passed for a whole one")
	}
}

func TestSocketReplacedOnlyWhenDead(t *testing.T) {
	s, _ := start(t, nil)
	path := onSocket(t, s)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if dir, err := os.Stat(filepath.Dir(path)); err != nil || dir.Mode().Perm() != 0o755 {
		t.Errorf("directory %v, %v", dir.Mode(), err)
	}
	other, _ := start(t, nil)
	if err := other.ServeUnix(t.Context(), path); !fault.Is(err, fault.Exists) {
		t.Errorf("a second server on the same socket: %v", err)
	}
	// What a daemon that was killed leaves behind.
	dead := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- other.ServeUnix(ctx, dead) }()
	await(t, "the new server", func() bool {
		c, err := net.Dial("unix", dead)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// asNobody is set in a copy of this test that runs as another user.
const asNobody = "REDOUBT_TEST_SOCKET"

func TestMain(m *testing.M) {
	if socket := os.Getenv(asNobody); socket != "" {
		err := client.Unix(socket).Do(context.Background(), "group", "create", map[string]any{"names": []string{"g"}}, nil)
		fmt.Printf("%s|%v", fault.CodeOf(err), err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The kernel says who calls: a user who can open the socket is still not root.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test has to run as root: it becomes another user")
	}
	for mode, want := range map[os.FileMode]string{0o666: "denied|nobody may not do group create", 0o600: "denied|group create: user 65534 may not use"} {
		s, _ := start(t, func(c *Config) { c.SocketMode = mode })
		s.cfg.SocketMode = mode
		path := onSocket(t, s)
		for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
			if dir != os.TempDir() && strings.HasPrefix(dir, os.TempDir()) {
				if err := os.Chmod(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
		binary := filepath.Join(filepath.Dir(path), "as-nobody")
		if err := copyFile("/proc/self/exe", binary); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), binary)
		cmd.Env = []string{asNobody + "=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("mode %o: %s, %v; want %s", mode, out, err, want)
		}
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

func TestMetrics(t *testing.T) {
	s, _ := start(t, func(c *Config) { c.Metrics = metrics.New(metrics.Sources{}) })
	socket := onSocket(t, s)
	raw(t, socket, "GET", "/v1/cluster/status", "", "")
	raw(t, socket, "POST", "/v1/group/online", "application/json", `{"bad":1}`)
	raw(t, socket, "GET", "/v1/made/up", "", "")
	_, text := raw(t, socket, "GET", "/metrics", "", "")
	for _, want := range []string{`redoubt_request_seconds_count{code="ok",operation="cluster status"} 1`, `{code="invalid",operation="group online"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if strings.Contains(text, "made up") {
		t.Error("a name that a caller made up is in the metrics")
	}
	for _, addr := range []string{"0.0.0.0:9464", "10.1.2.3:9464", "localhost:9464", ":9464"} {
		if err := s.ServeMetrics(t.Context(), addr); !fault.Is(err, fault.Invalid) {
			t.Errorf("metrics without protection on %s: %v", addr, err)
		}
	}
}
