package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/lab"
	"redoubt/internal/lab/probe"
)

// labs are the labs that exist, by name.
var labs = map[string]*world{}

// world is a lab with what the tests know of it.
type world struct {
	*lab.Lab
	name string
	lock string // of the web service
}

// running is the test that a lab's progress belongs to: a lab outlives the test that made it.
var running atomic.Pointer[testing.T]

func runs(t *testing.T) {
	running.Store(t)
	t.Cleanup(func() { running.CompareAndSwap(t, nil) })
}

// patience bounds every wait for a condition. It is long because machines that run tests are slow, and no test waits for its end.
const patience = 60 * time.Second

// options of the labs that tests share: made by the first test that needs one, and brought back to health before each use.
var shared = map[string]lab.Options{
	"e2e":  {Nodes: 3},
	"e2eq": {Nodes: 2, QuorumServer: true},
}

// use returns a shared lab in good health.
func use(t *testing.T, name string) *world {
	t.Helper()
	runs(t)
	w, ok := labs[name]
	if !ok {
		w = up(t, name, shared[name])
	}
	w.mend(t)
	t.Cleanup(func() {
		w.checkOracle(t)
		if t.Failed() {
			w.dump(t)
		}
	})
	return w
}

// up makes a lab.
func up(t *testing.T, name string, o lab.Options) *world {
	t.Helper()
	o.Name, o.Program = name, filepath.Join(bin, "redoubt")
	if o.Daemon == "" {
		o.Daemon = filepath.Join(bin, "redoubtd")
	}
	o.Progress = func(s string) {
		if now := running.Load(); now != nil {
			now.Log(s)
		}
	}
	_ = lab.Remove(name) // of an earlier run that was killed
	l, err := lab.Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Lab: l, name: name, lock: filepath.Join(bin, name+".lock")}
	labs[name] = w
	return w
}

// own makes a lab for one test alone.
func own(t *testing.T, name string, o lab.Options) *world {
	t.Helper()
	runs(t)
	w := up(t, name, o)
	t.Cleanup(func() {
		w.checkOracle(t)
		if t.Failed() {
			w.dump(t)
		}
		delete(labs, name)
		if err := w.Down(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// mend undoes every fault.
func (w *world) mend(t *testing.T) {
	t.Helper()
	if err := w.Heal(); err != nil {
		t.Fatal(err)
	}
	st, err := w.Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range st.Machines {
		switch m.State {
		case "paused":
			if err := w.Resume(m.Name); err != nil {
				t.Fatal(err)
			}
		case "off":
			if err := w.Start(t.Context(), m.Name); err != nil {
				t.Fatal(err)
			}
		}
		if m.Daemon.State == "stopped" || m.Daemon.State == "dead" {
			if _, err := w.Daemon(m.Name, "start"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// do runs a redoubt command on a node and returns what it printed.
func (w *world) do(t *testing.T, node string, args ...string) string {
	t.Helper()
	out, err := w.try(t.Context(), node, args...)
	if err != nil {
		t.Fatalf("%s# redoubt %s: %v\n%s", node, strings.Join(args, " "), err, out)
	}
	return out
}

func (w *world) try(ctx context.Context, node string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return w.Output(ctx, node, append([]string{"redoubt"}, args...)...)
}

// leave takes groups out of the cluster when the test ends, so that those that follow do not find them.
func (w *world) leave(t *testing.T, node string, groups ...string) {
	t.Cleanup(func() {
		for _, words := range [][]string{{"group", "offline", "-y"}, {"group", "delete", "-y", "-F"}} {
			if out, err := w.try(context.Background(), node, append(words, groups...)...); err != nil && !t.Failed() { // the test's own context has ended
				t.Errorf("%s# redoubt %s: %v %s", node, strings.Join(append(words, groups...), " "), err, out)
			}
		}
	})
}

// refuse runs a command that has to fail, and returns its error.
func (w *world) refuse(t *testing.T, node string, args ...string) string {
	t.Helper()
	out, err := w.try(t.Context(), node, args...)
	if err == nil {
		t.Fatalf("%s# redoubt %s: it was not refused: %s", node, strings.Join(args, " "), out)
	}
	return err.Error() + out
}

// status is the cluster as a node sees it.
func (w *world) status(t *testing.T, node string) v1.Status {
	t.Helper()
	s, err := w.ClusterStatus(t.Context(), node)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// eventually waits until f has nothing to complain of.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := f()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, missing)
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(context.Cause(t.Context()))
		}
	}
}

const webAddress = "10.77.0.100:8080"

// gds makes sure that the type redoubt.gds is registered: tests that share a lab come in any order.
func (w *world) gds(t *testing.T, node string) {
	t.Helper()
	if !strings.Contains(w.do(t, node, "type", "list"), "redoubt.gds") {
		w.do(t, node, "type", "register", "redoubt.gds")
	}
}

// web makes sure that the group web-rg, an address and a server, is online on the node.
func (w *world) web(t *testing.T, node string) {
	t.Helper()
	if !strings.Contains(w.do(t, node, "group", "list"), "web-rg") {
		nodes := strings.Join(w.Nodes(), ",")
		w.gds(t, node)
		w.do(t, node, "group", "create", "-n", nodes, "-p", "Pingpong_interval=1", "web-rg")
		w.do(t, node, "resource", "create-logicalhostname", "-g", "web-rg", "--address", "10.77.0.100/24", "web-ip")
		self, err := service()
		if err != nil {
			t.Fatal(err)
		}
		w.do(t, node, "resource", "create", "-g", "web-rg", "-t", "redoubt.gds", "-p", "Start_command=exec "+self+" serve 10.77.0.100:8080 "+w.lock, "-p", "Port_list=8080/tcp", "web")
		w.do(t, node, "group", "online", "-eM", "-n", node, "web-rg")
	}
	w.do(t, node, "group", "switch", "-n", node, "web-rg")
	w.onlineOn(t, node, node)
}

// writeType writes a resource type, its type.yaml and its programs by their names, and returns its folder.
func writeType(t *testing.T, name string, files map[string]string) (folder string) {
	t.Helper()
	folder = filepath.Join(bin, "types", name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		mode := os.FileMode(0o755)
		if file == "type.yaml" {
			mode = 0o644
		}
		if err := os.WriteFile(filepath.Join(folder, file), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// onlineOn waits until the asked node says that the group is online on the node, and nowhere else.
func (w *world) onlineOn(t *testing.T, ask, node string) {
	t.Helper()
	eventually(t, func() string {
		if at := w.whereWeb(t, ask); at != node {
			return fmt.Sprintf("web-rg is online on %q, not on %s", at, node)
		}
		return ""
	})
}

// whereWeb names the nodes on which the group is online, as a node sees it.
func (w *world) whereWeb(t *testing.T, ask string) string {
	s, err := w.ClusterStatus(t.Context(), ask)
	if err != nil {
		return err.Error()
	}
	var at []string
	for _, g := range s.Groups {
		if g.Name != "web-rg" {
			continue
		}
		for _, n := range g.Nodes {
			if n.State == "ONLINE" {
				at = append(at, n.Node)
			}
		}
	}
	return strings.Join(at, ",")
}

// watching is a probe in the background.
type watching struct {
	cancel context.CancelFunc
	done   chan struct{}
	result *lab.ProbeResult
	err    error
}

// watch asks the service from the client, and from the machines named, until stop. Its answers name the node and the process.
func (w *world) watch(t *testing.T, from ...string) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &watching{cancel: cancel, done: make(chan struct{})}
	answered := make(chan struct{}, 1)
	go func() {
		defer close(p.done)
		p.result, p.err = w.Probe(ctx, probe.Options{Address: webAddress, Each: func(a probe.Attempt) {
			if a.Answer != "" && a.Source == lab.Client {
				select {
				case answered <- struct{}{}:
				default:
				}
			}
		}}, append([]string{lab.Client}, from...)...)
	}()
	t.Cleanup(func() { cancel(); <-p.done })
	select {
	case <-answered:
	case <-time.After(patience):
		t.Fatal("the service does not answer the client")
	}
	return p
}

// stop ends the probe and holds it against what must never happen.
func (p *watching) stop(t *testing.T) *lab.ProbeResult {
	t.Helper()
	p.cancel()
	<-p.done
	if p.err != nil {
		t.Fatal(p.err)
	}
	if d := p.result.Double; d != nil {
		t.Errorf("two served at once: %s and %s, %d times between %v and %v", d.A, d.B, d.Times, d.First, d.Last)
	}
	if gap := p.result.Outage(); gap.Length > 0 {
		t.Logf("longest gap %v, from %s to %s", gap.Length.Round(time.Millisecond), gap.Before, gap.After)
	}
	return p.result
}

// checkOracle reads what the service itself has seen.
func (w *world) checkOracle(t *testing.T) {
	t.Helper()
	if b, err := os.ReadFile(w.lock + ".violations"); err == nil {
		t.Errorf("the service ran twice:\n%s", b)
		_ = os.Remove(w.lock + ".violations")
	}
}

// dump helps to understand a failure.
func (w *world) dump(t *testing.T) {
	for _, n := range w.Nodes() {
		path := filepath.Join(w.Disk(n), "log", "redoubt", "redoubtd.log")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Logf("log of %s: %v", n, err)
			continue
		}
		lines := strings.Split(string(b), "\n")
		t.Logf("log of %s, its end:\n%s", n, strings.Join(lines[max(0, len(lines)-60):], "\n"))
	}
}

// show reads one object of a show command.
func show[T any](t *testing.T, w *world, node string, args ...string) T {
	t.Helper()
	var v T
	out := w.do(t, node, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return v
}

// other returns a node that is none of those given.
func (w *world) other(t *testing.T, not ...string) string {
	t.Helper()
	for _, n := range w.Nodes() {
		used := false
		for _, x := range not {
			used = used || x == n
		}
		if !used {
			return n
		}
	}
	t.Fatal("no other node")
	return ""
}

// president names the president, as a node sees it.
func (w *world) president(t *testing.T, ask string) string {
	t.Helper()
	s := w.status(t, ask)
	if s.Cluster == nil || s.Cluster.President == "" {
		t.Fatal("the cluster has no president")
	}
	return s.Cluster.President
}

// webProcess names the process that serves, as it says itself; "" while nobody answers.
func (w *world) webProcess(t *testing.T) string {
	t.Helper()
	out, err := w.Output(t.Context(), lab.Client, "wget", "-qO-", "-T", "5", "-t", "1", "http://"+webAddress+"/")
	if err != nil {
		return ""
	}
	out = strings.TrimSpace(out)
	if !strings.Contains(out, "/") {
		t.Fatalf("the server says %q", out)
	}
	return out
}

// life is the incarnation of a node, and the epoch that admitted it, as another node sees it.
func (w *world) life(t *testing.T, ask, node string) string {
	t.Helper()
	for _, n := range w.status(t, ask).Nodes {
		if n.Name == node {
			return fmt.Sprintf("%s %s since epoch %d", n.State, n.Incarnation, n.Since)
		}
	}
	t.Fatalf("%s is not in the status", node)
	return ""
}
