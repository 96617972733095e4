package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
	"redoubt/internal/server/servertest"
)

// somebody is a user that every Debian has, and a group.
const (
	somebodyUID, somebody = 65534, "nobody"
	otherGID, otherGroup  = 12, "man"
)

// asSomebody runs this test's program as another user and gives what it printed.
func asSomebody(t *testing.T, socket, path string, header ...string) (status int, body string) {
	t.Helper()
	program := filepath.Join(filepath.Dir(socket), "program") // where the other user can come to it
	if _, err := os.Stat(program); err != nil {
		self, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, self, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestAsSomebody$")
	cmd.Env = append(os.Environ(), "REDOUBT_SOMEBODY_SOCKET="+socket, "REDOUBT_SOMEBODY_PATH="+path, "REDOUBT_SOMEBODY_HEADER="+strings.Join(header, ""))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: somebodyUID, Gid: somebodyUID, Groups: []uint32{otherGID}}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	line, _, _ := strings.Cut(string(out), "\nPASS")
	if _, err := fmt.Sscanf(line, "%d", &status); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	_, body, _ = strings.Cut(line, " ")
	return status, body
}

// TestAsSomebody is the other process of the tests below.
func TestAsSomebody(t *testing.T) {
	socket := os.Getenv("REDOUBT_SOMEBODY_SOCKET")
	if socket == "" {
		return
	}
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	method, path, _ := strings.Cut(os.Getenv("REDOUBT_SOMEBODY_PATH"), " ")
	path, body, _ := strings.Cut(path, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, "http://x"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if h := os.Getenv("REDOUBT_SOMEBODY_HEADER"); h != "" {
		req.Header.Set(v1.SessionHeader, h)
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
	fmt.Printf("%d %s\n", resp.StatusCode, bytes.TrimSpace(text))
}

// reachable makes a folder that another user can come to, and serves there.
func reachable(t *testing.T, c *control.Control) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "redoubt-server-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, _ := start(t, func(cfg *Config) { cfg.Control, cfg.SocketMode = c, 0o666 })
	path := filepath.Join(dir, "api.sock")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.ServeUnix(ctx, path) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
			return path
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// A user of the machine is known by the kernel's word, with his groups; a role comes with its token, and only for who assumed it.
func TestUserOfTheMachine(t *testing.T) {
	c, _ := servertest.Cluster(t)
	socket := reachable(t, c)
	root := control.Caller{Kind: control.CallerLocal, User: "root"}
	grant := func(in v1.UserGrant) {
		t.Helper()
		if _, err := c.UserGrant(t.Context(), root, in); err != nil {
			t.Fatal(err)
		}
	}
	if status, body := asSomebody(t, socket, "GET /v1/node/list"); status != http.StatusForbidden {
		t.Errorf("without rights: %d %s", status, body)
	}
	_, body := asSomebody(t, socket, "GET /v1/user/whoami")
	var me v1.Whoami
	if err := json.Unmarshal([]byte(body), &me); err != nil || me.User != somebody || me.UID == nil || *me.UID != somebodyUID || !slices.Contains(me.Groups, otherGroup) || me.Root {
		t.Errorf("whoami: %s, %v", body, err)
	}
	grant(v1.UserGrant{Names: []string{otherGroup}, UnixGroup: true, Profile: []string{rbac.ClusterRead}})
	if status, body := asSomebody(t, socket, "GET /v1/node/list"); status != http.StatusOK {
		t.Errorf("by the Unix group: %d %s", status, body)
	}
	if _, err := c.UserRevoke(t.Context(), root, v1.UserRevoke{Names: []string{otherGroup}, UnixGroup: true, Profile: []string{rbac.ClusterRead}}); err != nil {
		t.Fatal(err)
	}
	if status, body := asSomebody(t, socket, "GET /v1/node/list"); status != http.StatusForbidden {
		t.Errorf("the Unix group holds nothing any more: %d %s", status, body)
	}
	if _, err := c.RoleCreate(t.Context(), root, v1.RoleCreate{Names: []string{"boss"}, Profile: []string{rbac.ClusterRead}, Password: []byte("correct horse")}); err != nil {
		t.Fatal(err)
	}
	grant(v1.UserGrant{Names: []string{somebody}, Role: []string{"boss"}})
	status, body := asSomebody(t, socket, `POST /v1/role/assume {"names":["boss"],"password":"Y29ycmVjdCBob3JzZQ=="}`)
	var session v1.RoleSession
	if err := json.Unmarshal([]byte(body), &session); err != nil || status != http.StatusOK {
		t.Fatalf("assume: %d %s %v", status, body, err)
	}
	if status, body := asSomebody(t, socket, "GET /v1/node/list", session.Token); status != http.StatusOK {
		t.Errorf("in the role: %d %s", status, body)
	}
	if err := client.Unix(socket).InRole(session.Token).Get(t.Context(), "node", "list", nil, nil); !fault.Is(err, fault.Denied) {
		t.Errorf("the token of another: %v", err)
	}
}

func TestCountersAndRates(t *testing.T) {
	var c counters
	for range 3 {
		if !c.take("a", 3) {
			t.Fatal("refused too early")
		}
	}
	if c.take("a", 3) || !c.take("b", 3) {
		t.Error("not counted by name")
	}
	c.give("a")
	if !c.take("a", 3) {
		t.Error("what was given back is not free")
	}
	var r rates
	now := time.Unix(1000, 0)
	n := 0
	for r.allow("a", now) {
		n++
	}
	if n != burst || !r.allow("b", now) {
		t.Errorf("%d at once, want %d", n, burst)
	}
	if !r.allow("a", now.Add(time.Second/perSecond+time.Millisecond)) || r.allow("a", now.Add(time.Second/perSecond+time.Millisecond)) {
		t.Error("not one more after its time")
	}
	for i := range 2 * maxCounted {
		r.allow(fmt.Sprint(i), now)
	}
	if len(r.of) > maxCounted {
		t.Errorf("%d are remembered", len(r.of))
	}
}

// A user of the machine who opens connections without end keeps nobody else away, and root is not counted.
func TestManyConnections(t *testing.T) {
	c, _ := servertest.Cluster(t)
	socket := reachable(t, c)
	var l counters
	for range localConns {
		l.take("uid 65534", localConns)
	}
	if l.take("uid 65534", localConns) {
		t.Error("one too many")
	}
	for range 3 * localConns { // root's are not counted
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if err := client.Unix(socket).Get(t.Context(), "node", "list", nil, nil); err != nil {
		t.Errorf("root is kept away: %v", err)
	}
}
