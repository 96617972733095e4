package ocf_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
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
	"redoubt/internal/cli/ocftools"
	"redoubt/internal/cluster"
	"redoubt/internal/execcheck"
	"redoubt/internal/guard"
	"redoubt/internal/guardlink"
	"redoubt/internal/launch"
	"redoubt/internal/membership"
	"redoubt/internal/nstest"
	"redoubt/internal/ocf"
	"redoubt/internal/proc"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// TestMain runs the tests in network and mount namespaces of their own, with fresh /run and /var/log; the same binary plays the guard
// and the tools of Pacemaker.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "guard":
		os.Exit(guard.Main(os.Args[2:]))
	case len(os.Args) > 1 && os.Args[1] == launch.Word:
		os.Exit(launch.Main(os.Args[2:]))
	case slices.Contains(ocftools.Names(), filepath.Base(os.Args[0])):
		os.Exit(ocftools.Run(context.Background(), filepath.Base(os.Args[0]), os.Args[1:], ocftools.Env{
			Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Client: files(filepath.Dir(os.Args[0])),
		}))
	case slices.Contains(os.Args, "-test.fuzzworker"): // its descriptors are counted, and the host was made by who started it
		os.Exit(m.Run())
	}
	nstest.Enter(syscall.CLONE_NEWNS | syscall.CLONE_NEWNET)
	if err := world(); err != nil {
		fmt.Fprintln(os.Stderr, "make the test's host:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// world makes a host with a network and empty /run and /var/log.
func world() error {
	for _, dir := range []string{"/run", "/var/log", "/dev/shm"} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	for dir, mode := range map[string]os.FileMode{"/run/lock": 0o777, "/var/log/apache2": 0o755, "/var/log/nginx": 0o755, "/dev/shm": 0o777 | os.ModeSticky} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(dir, mode); err != nil {
			return err
		}
	}
	for _, words := range []string{
		"link set lo up", "link add eth0 type veth peer name peer0", "link set eth0 up", "link set peer0 up",
		"addr add 10.99.0.1/24 dev eth0", "addr add fd99::1/64 dev eth0 nodad",
	} {
		if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", words, err, out)
		}
	}
	return nil
}

// host is a node with a guard and the driver under test.
type host struct {
	*ocf.Driver
	link     *guardlink.Link
	launcher *proc.Launcher
	ledger   *ledger
	cfg      ocf.Config
}

// ledger is the guard, and notes what it is told.
type ledger struct {
	agent.Obligations
	mu    sync.Mutex
	lines []string
}

func (l *ledger) note(what string, o agent.Obligation, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSpace(fmt.Sprintf("%s %s%s %s", what, o.Address, o.Mount, o.Interface)))
	return err
}

func (l *ledger) Owe(ctx context.Context, o agent.Obligation) error {
	return l.note("owe", o, l.Obligations.Owe(ctx, o))
}

func (l *ledger) Settle(ctx context.Context, o agent.Obligation) error {
	return l.note("settle", o, l.Obligations.Settle(ctx, o))
}

func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "; ")
}

// testLog shows the log of a test that fails. A guard's end is noted after the test.
type testLog struct {
	mu   sync.Mutex
	t    *testing.T
	over bool
}

func (l *testLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.t.Logf("%s", b)
	}
	return len(b), nil
}

func newHost(t *testing.T, change func(*ocf.Config)) *host {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	root, err := proc.Mountpoint(string(b))
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.MkdirTemp("/tmp", "rdtocf") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	out := &testLog{t: t}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelInfo}))
	group := filepath.Join(root, filepath.Base(run))
	link, err := guardlink.Start(t.Context(), guardlink.Config{RunDir: run, Cgroup: group, Incarnation: "1-ocf", Log: log, AddressLife: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		out.mu.Lock()
		out.over = true
		out.mu.Unlock()
		link.Kill()
		<-link.Done()
		os.RemoveAll(run)
		within(t, 5*time.Second, "the cgroup can be removed", func() bool {
			removeTree(group)
			_, err := os.Stat(group)
			return errors.Is(err, os.ErrNotExist)
		})
	})
	if err := link.Lease(membership.Instant(guard.Now() + int64(5*time.Minute))); err != nil {
		t.Fatal(err)
	}
	pid, mnt := link.Namespaces()
	level := execsec.Secure
	gate, err := execcheck.New(execcheck.Config{Dir: filepath.Join("/run", filepath.Base(run)), Level: func() execsec.Level { return level }, Log: log, Fresh: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := proc.New(proc.Config{Cgroup: group, RunDir: filepath.Join(run, "out"), PIDNamespace: pid, MountNamespace: mnt, Log: log, Gate: gate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	h := &host{link: link, launcher: l, ledger: &ledger{Obligations: link}}
	h.cfg = ocf.Config{Launcher: l, Processes: l, Obligations: h.ledger, Log: log, Node: "n1"}
	if change != nil {
		change(&h.cfg)
	}
	if h.cfg.Root == "" {
		h.cfg.Gate = gate
	} else {
		level = execsec.Warn // a test's own agents lie in its own directory, below one that everybody may write
	}
	if h.Driver, err = ocf.New(h.cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

// call prepares calls for a resource of a type, its properties complete with the defaults as control keeps them.
func (h *host) call(t *testing.T, name cluster.TypeName, resource cluster.ResourceName, set ...string) agent.Call {
	t.Helper()
	typ, err := h.Describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	r := model.Resource{Name: resource, Group: "g", Type: name, ThoroughProbeInterval: 1}
	for _, s := range typ.Properties {
		p := model.Property{Name: strings.ToLower(s.Name), Values: s.Default}
		given := s.Default != nil
		for i := 0; i < len(set); i += 2 {
			if set[i] == s.Name {
				p.Values, given = []string{set[i+1]}, true
			}
		}
		if given {
			r.Properties = append(r.Properties, p)
		} else if s.Required {
			t.Fatalf("required parameter %s is not given", s.Name)
		}
	}
	return agent.Call{Type: typ, Resource: r, Group: model.Group{Name: "g", Nodelist: []cluster.NodeName{"n1"}}, Node: "n1"}
}

// do runs a method with the timeout that the type declares.
func (h *host) do(ctx context.Context, c agent.Call, m model.Method) agent.Result {
	spec, _ := c.Type.Method(m)
	c.Method, c.Timeout = m, time.Duration(max(spec.Timeout, 20))*time.Second
	return h.Run(ctx, c)
}

func (h *host) must(t *testing.T, c agent.Call, methods ...model.Method) {
	t.Helper()
	for _, m := range methods {
		began := time.Now()
		if r := h.do(t.Context(), c, m); !r.OK() {
			t.Fatalf("%s: %+v", m, r)
		}
		t.Logf("%s took %v", m, time.Since(began).Round(time.Millisecond))
	}
}

// watching follows a resource and hands on what is seen.
type watching struct {
	seen chan agent.Observation
	stop func()
}

func (h *host) watch(t *testing.T, c agent.Call) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{seen: make(chan agent.Observation, 100)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.Watch(ctx, c, func(o agent.Observation) {
			select {
			case w.seen <- o:
			default:
			}
		})
	}()
	w.stop = func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("Watch does not return")
		}
	}
	t.Cleanup(w.stop)
	return w
}

// next waits for the next observation.
func (w *watching) next(t *testing.T, limit time.Duration) agent.Observation {
	t.Helper()
	select {
	case o := <-w.seen:
		return o
	case <-time.After(limit):
		t.Fatalf("nothing observed within %v", limit)
		return agent.Observation{}
	}
}

func (w *watching) expect(t *testing.T, limit time.Duration, kind agent.ObservationKind) agent.Observation {
	t.Helper()
	o := w.next(t, limit)
	if o.Kind != kind {
		t.Fatalf("observed %+v, want %s", o, kind)
	}
	return o
}

// status is the agent's own answer, from outside of the driver's watch: the exit status of its monitor.
func (h *host) status(t *testing.T, c agent.Call) int {
	t.Helper()
	path := filepath.Join("/usr/lib/ocf/resource.d", strings.ReplaceAll(strings.TrimPrefix(string(c.Type.Name), "ocf:"), ":", "/"))
	env := []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "OCF_ROOT=/usr/lib/ocf", "OCF_RA_VERSION_MAJOR=1", "OCF_RA_VERSION_MINOR=1",
		"OCF_RESOURCE_INSTANCE=" + string(c.Resource.Name), "HA_LOGFACILITY=none", "LC_ALL=C",
	}
	for _, s := range c.Type.Properties {
		for _, p := range c.Resource.Properties {
			if strings.EqualFold(s.Name, p.Name) && (s.Default == nil || p.Values[0] != s.Default[0]) {
				env = append(env, "OCF_RESKEY_"+s.Name+"="+p.Values[0])
			}
		}
	}
	out := h.launcher.Run(t.Context(), agent.Program{
		Ref: agent.Ref{Group: "g", Resource: c.Resource.Name}, Label: "Test", Path: path, Args: []string{"monitor"}, Env: env, Timeout: 20 * time.Second,
	})
	return out.Exit
}

// pidOf finds a process of the resource by its name; the oldest is the one that leads.
func (h *host) pidOf(t *testing.T, c agent.Call, name string) int {
	t.Helper()
	pids, err := h.launcher.Processes(agent.Ref{Group: "g", Resource: c.Resource.Name})
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(b)) == name {
			return pid
		}
	}
	t.Fatalf("no process %s among %v", name, pids)
	return 0
}

// address finds an address of eth0; nil when it is not there.
func address(t *testing.T, ip string) *netlink.Addr {
	t.Helper()
	l, err := netlink.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	all, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if all[i].IP.String() == ip {
			return &all[i]
		}
	}
	return nil
}

// mounted reports whether something is mounted on a directory in the guard's namespace.
func (h *host) mounted(t *testing.T, dir string) bool {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", h.link.PID()))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(b), " "+dir+" ")
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
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// newHostLike is the driver of a daemon that has taken over from another.
func newHostLike(t *testing.T, h *host) *host {
	t.Helper()
	d, err := ocf.New(h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	next := *h
	next.Driver = d
	return &next
}
