package native_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/agent/agenttest"
	"redoubt/internal/cluster"
	"redoubt/internal/launch"
	"redoubt/internal/native"
	"redoubt/internal/nstest"
	"redoubt/internal/proc"
	"redoubt/internal/rgm/model"
)

// TestMain runs the tests in network and mount namespaces of their own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == launch.Word {
		os.Exit(launch.Main(os.Args[2:]))
	}
	nstest.Enter(syscall.CLONE_NEWNS | syscall.CLONE_NEWNET)
	err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")
	if lo, lerr := netlink.LinkByName("lo"); lerr == nil && err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// obligations is a guard that only keeps its books.
type obligations struct {
	mu   sync.Mutex
	owed []agent.Obligation
	seen func(agent.Obligation) // called at Owe
}

func (o *obligations) Owe(_ context.Context, what agent.Obligation) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen != nil {
		o.seen(what)
	}
	if !slices.Contains(o.owed, what) {
		o.owed = append(o.owed, what)
	}
	return nil
}

func (o *obligations) Settle(_ context.Context, what agent.Obligation) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owed = slices.DeleteFunc(o.owed, func(have agent.Obligation) bool { return have == what })
	return nil
}

func (o *obligations) list() []agent.Obligation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.owed)
}

// node is what a daemon has of one driver.
type node struct {
	driver agent.Driver
	cfg    native.Config
	owed   *obligations
	cgroup string
	proc   *proc.Launcher
	log    *logText
	hosts  map[string][]netip.Addr
}

// logText is a log that can be read while it is written.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newNode(t *testing.T) *node {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	root, err := proc.Mountpoint(string(b))
	if err != nil {
		t.Fatal(err)
	}
	n := &node{owed: &obligations{}, log: &logText{}, hosts: map[string][]netip.Addr{}}
	n.cgroup, err = os.MkdirTemp(root, "redoubt-native-")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n.proc, err = proc.New(proc.Config{Cgroup: n.cgroup, RunDir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(filepath.Join(n.cgroup, "cgroup.kill"), []byte("1"), 0); err != nil {
			t.Error(err)
		}
		within(t, 10*time.Second, "the cgroup can be removed", func() bool {
			removeTree(n.cgroup)
			_, err := os.Stat(n.cgroup)
			return errors.Is(err, os.ErrNotExist)
		})
		n.proc.Close()
		if t.Failed() {
			t.Logf("log:\n%s", n.log)
		}
	})
	n.cfg = native.Config{
		Launcher: n.proc, Obligations: n.owed, Log: log, RunDir: filepath.Join(t.TempDir(), "native"), Socket: "/run/x/api.sock", ToolDir: "/usr/lib/redoubt/tools",
		AddressLife: 30 * time.Second,
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			if a, ok := n.hosts[host]; ok {
				return a, nil
			}
			return nil, errors.New("no such host")
		},
	}
	n.driver = native.New(n.cfg)
	return n
}

func removeTree(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeTree(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir)
}

// within polls a condition; the kernel gives no event for what these tests look at.
func within(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// pids are the processes of a resource and of its probes.
func (n *node) pids(call agent.Call) []string {
	var all []string
	for _, suffix := range []string{"", "~probe"} {
		for _, pattern := range []string{"cgroup.procs", "*/cgroup.procs"} {
			files, _ := filepath.Glob(filepath.Join(n.cgroup, "rg-g", "rs-"+string(call.Resource.Name)+suffix, pattern))
			for _, f := range files {
				b, _ := os.ReadFile(f)
				all = append(all, strings.Fields(string(b))...)
			}
		}
	}
	return all
}

func (n *node) describe(t *testing.T, name cluster.TypeName) model.Type {
	t.Helper()
	typ, err := n.driver.Describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

func (n *node) call(t *testing.T, typ cluster.TypeName, name cluster.ResourceName, properties ...model.Property) agent.Call {
	t.Helper()
	call := agenttest.Resource(n.describe(t, typ), name, properties...)
	call.Timeout = 10 * time.Second
	return call
}

func (n *node) run(t *testing.T, call agent.Call, m model.Method) agent.Result {
	t.Helper()
	call.Method = m
	return n.driver.Run(t.Context(), call)
}

func (n *node) succeed(t *testing.T, call agent.Call, m model.Method) {
	t.Helper()
	if r := n.run(t, call, m); !r.OK() {
		t.Fatalf("%s: %+v", m, r)
	}
}

func (n *node) refuse(t *testing.T, call agent.Call, m model.Method, words ...string) {
	t.Helper()
	r := n.run(t, call, m)
	if r.OK() {
		t.Fatalf("%s succeeded", m)
	}
	for _, w := range words {
		if !strings.Contains(r.Message, w) {
			t.Errorf("%s: message %q does not say %q", m, r.Message, w)
		}
	}
}

// watch starts a watch and returns what it reports.
func (n *node) watch(t *testing.T, call agent.Call) <-chan agent.Observation {
	t.Helper()
	seen := make(chan agent.Observation, 64)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.driver.Watch(ctx, call, func(o agent.Observation) { seen <- o })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return seen
}

func next(t *testing.T, seen <-chan agent.Observation, kind agent.ObservationKind) agent.Observation {
	t.Helper()
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case o := <-seen:
		if o.Kind != kind {
			t.Fatalf("got %+v, want %s", o, kind)
		}
		return o
	case <-timer.C:
		t.Fatalf("%s was not reported", kind)
	}
	return agent.Observation{}
}

func set(name string, values ...string) model.Property {
	return model.Property{Name: name, Values: values}
}
