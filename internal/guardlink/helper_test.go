package guardlink_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/guard"
	"redoubt/internal/guardlink"
	"redoubt/internal/launch"
	"redoubt/internal/membership"
	"redoubt/internal/nstest"
	"redoubt/internal/proc"
)

// TestMain runs the tests in network and mount namespaces of their own; the same binary plays the guard and a daemon to be killed.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "guard":
		os.Exit(guard.Main(os.Args[2:]))
	case len(os.Args) > 1 && os.Args[1] == launch.Word:
		os.Exit(launch.Main(os.Args[2:]))
	case len(os.Args) > 3 && os.Args[1] == "daemon":
		os.Exit(doomedDaemon(os.Args[2], os.Args[3]))
	}
	nstest.Enter(syscall.CLONE_NEWNS | syscall.CLONE_NEWNET)
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err == nil {
		err = netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "pub0"}})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const vip = "10.9.8.7/24"

var ref = agent.Ref{Group: "g", Resource: "r"}

// node is what a daemon has of its services.
type node struct {
	cfg  guardlink.Config
	link *guardlink.Link
	proc *proc.Launcher
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }

func config(runDir, cgroup string) guardlink.Config {
	return guardlink.Config{RunDir: runDir, Cgroup: cgroup, Incarnation: "3-abc", Log: quiet(), AddressLife: 2 * time.Second}
}

func startNode(ctx context.Context, cfg guardlink.Config) (*node, error) {
	link, err := guardlink.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	pid, mnt := link.Namespaces()
	l, err := proc.New(proc.Config{Cgroup: cfg.Cgroup, RunDir: filepath.Join(cfg.RunDir, "out"), PIDNamespace: pid, MountNamespace: mnt, Log: quiet()})
	return &node{cfg, link, l}, err
}

// serve makes an address and a service that is hard to kill: deaf, forked twice, in sessions of its own, one of them out of its cgroup.
func (n *node) serve(ctx context.Context) error {
	if err := n.link.Lease(membership.Instant(guard.Now() + int64(time.Minute))); err != nil {
		return err
	}
	if err := n.link.Owe(ctx, agent.Obligation{Address: vip, Interface: "pub0"}); err != nil {
		return err
	}
	if err := addAddress(vip); err != nil {
		return err
	}
	root := filepath.Dir(n.cfg.Cgroup)
	script := `trap "" TERM HUP INT
	  loop='trap "" TERM HUP INT; (while :; do sleep 100; done) & while :; do sleep 100; done'
	  setsid sh -c "$loop" &
	  setsid sh -c "echo 0 > ` + root + `/cgroup.procs; $loop" &
	  while ! grep -q '^0::/$' /proc/$!/cgroup; do :; done; exit 0`
	out := n.proc.Run(ctx, agent.Program{Ref: ref, Label: "Start", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Timeout: 10 * time.Second})
	if out.Exit != 0 || out.Err != nil {
		return fmt.Errorf("start: %+v", out)
	}
	return nil
}

// complete waits until all of what serve started is there: two loops in two shells each, and the sleep of each.
func complete(t *testing.T, n *node, namespace string) {
	t.Helper()
	within(t, 10*time.Second, "eight processes are in the namespace", func() bool { return len(members(t, namespace, n.link.PID())) == 8 })
}

func doomedDaemon(runDir, cgroup string) int {
	n, err := startNode(context.Background(), config(runDir, cgroup))
	if err == nil {
		err = n.serve(context.Background())
	}
	if err != nil {
		fmt.Println("failed", err)
		return 1
	}
	fmt.Println("ready", n.link.PID())
	select {}
}

func addAddress(cidr string) error {
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	a.ValidLft, a.PreferedLft = 2, 2
	if strings.Contains(cidr, ":") {
		a.Flags = unix.IFA_F_NODAD
	}
	l, err := netlink.LinkByName("pub0")
	if err != nil {
		return err
	}
	return netlink.AddrReplace(l, a)
}

func hasAddress(t *testing.T, cidr string) bool {
	t.Helper()
	l, err := netlink.LinkByName("pub0")
	if err != nil {
		t.Fatal(err)
	}
	all, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.IPNet.String() == cidr {
			return true
		}
	}
	return false
}

func testConfig(t testing.TB) guardlink.Config {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	root, err := proc.Mountpoint(string(b))
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.MkdirTemp("/tmp", "rdt") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(run, filepath.Join(root, "rdt-"+filepath.Base(run)))
	t.Cleanup(func() {
		os.RemoveAll(run)
		if l, err := netlink.LinkByName("pub0"); err == nil {
			if a, err := netlink.ParseAddr(vip); err == nil {
				_ = netlink.AddrDel(l, a)
			}
		}
		_ = os.WriteFile(filepath.Join(cfg.Cgroup, "cgroup.kill"), []byte("1"), 0)
		within(t, 5*time.Second, "the cgroup can be removed", func() bool {
			removeTree(cfg.Cgroup)
			_, err := os.Stat(cfg.Cgroup)
			return errors.Is(err, os.ErrNotExist)
		})
	})
	return cfg
}

func newNode(t *testing.T) *node {
	t.Helper()
	n, err := startNode(t.Context(), testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.link.Kill()
		<-n.link.Done()
		n.proc.Close()
	})
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

// members returns the processes of the guard's PID namespace but for the guard, as the host sees them.
func members(t *testing.T, namespace string, guardPID int) (pids []int) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		pid, _ := strconv.Atoi(strings.Split(d, "/")[2])
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		dead := strings.Contains(string(stat), ") Z ") || len(stat) == 0
		if ns, err := os.Readlink(d); err == nil && ns == namespace && pid != guardPID && !dead {
			pids = append(pids, pid)
		}
	}
	return pids
}

func namespaceOf(t *testing.T, pid int) string {
	t.Helper()
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		t.Fatal(err)
	}
	return ns
}
