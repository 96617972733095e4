package guardlink_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/execcheck"
	"redoubt/internal/fault"
	"redoubt/internal/guard"
	"redoubt/internal/guardlink"
	"redoubt/internal/membership"
	"redoubt/internal/version"
)

// TestEveryServiceDies is the promise of the guard: whatever ends it, nothing of the node's services is left, and the address is gone.
func TestEveryServiceDies(t *testing.T) {
	for _, c := range []struct {
		name    string
		trigger func(t *testing.T, n *node)
		reason  string // "": the guard could not say anything, its leftovers have to be cleaned up
	}{
		{"lease ends", func(t *testing.T, n *node) { lease(t, n.link, 30*time.Millisecond) }, "lease ended"},
		{"lease is in the past", func(t *testing.T, n *node) { lease(t, n.link, -time.Second) }, "lease ended"},
		{"told to", func(t *testing.T, n *node) {
			if _, err := n.link.Fence(t.Context()); err != nil {
				t.Error(err)
			}
		}, "told to"},
		{"connection ends", func(t *testing.T, n *node) { n.link.Close() }, "daemon died"},
		{"guard is killed", func(t *testing.T, n *node) { n.link.Kill() }, ""},
		{"guard is stopped", func(t *testing.T, n *node) {
			if err := unix.Kill(n.link.PID(), unix.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			lease(t, n.link, 50*time.Millisecond)
		}, ""},
		{"guard is stopped while leases go on", func(t *testing.T, n *node) {
			for range 5 {
				until := membership.Instant(guard.Now() + int64(400*time.Millisecond))
				if err := n.link.Lease(until); err != nil {
					t.Fatal(err)
				}
				within(t, time.Second, "the lease is confirmed", func() bool { return n.link.Acked() == until })
			}
			if err := unix.Kill(n.link.PID(), unix.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			lease(t, n.link, time.Minute) // which it never confirms
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			if err := n.serve(t.Context()); err != nil {
				t.Fatal(err)
			}
			ns := namespaceOf(t, n.link.PID())
			complete(t, n, ns)
			if !hasAddress(t, vip) {
				t.Fatal("no address")
			}
			start := time.Now()
			c.trigger(t, n)
			await(t, n.link)
			took := time.Since(start)
			if got := members(t, ns, 0); len(got) != 0 {
				t.Errorf("still running: %v", got)
			}
			if c.reason == "" {
				cleanUp(t, n.cfg)
			} else {
				checkReport(t, n, c.reason)
			}
			if hasAddress(t, vip) {
				t.Error("the address is still there")
			}
			r, _ := n.link.Report()
			t.Logf("all ended after %v; the guard itself took %v", took, time.Duration(r.Took))
		})
	}
}

func lease(t *testing.T, l *guardlink.Link, d time.Duration) {
	t.Helper()
	if err := l.Lease(membership.Instant(guard.Now() + int64(d))); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, l *guardlink.Link) {
	t.Helper()
	select {
	case <-l.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the guard has not ended")
	}
}

func checkReport(t *testing.T, n *node, reason string) {
	t.Helper()
	r, ok := n.link.Report()
	// The connection's end takes the last words with it; they are in the file too.
	if b, err := os.ReadFile(filepath.Join(n.cfg.RunDir, guard.ReportName)); err == nil && reason == "daemon died" {
		r, ok = guard.ParseReport(string(b)), true
	}
	if !ok || !r.Clean || r.Reason != reason || r.Incarnation != "3-abc" {
		t.Errorf("report %v %+v, want clean, because %q", ok, r, reason)
	}
	left, err := guardlink.Cleanup(t.Context(), n.cfg)
	if err != nil || left.Found || !left.HasOwn {
		t.Errorf("leftovers of a clean end: %+v, %v", left, err)
	}
}

func cleanUp(t *testing.T, cfg guardlink.Config) {
	t.Helper()
	if _, err := guardlink.Start(t.Context(), cfg); !fault.Is(err, fault.Precondition) {
		t.Errorf("a second guard was not refused before the cleanup: %v", err)
	}
	left, err := guardlink.Cleanup(t.Context(), cfg)
	if err != nil || !left.Found || left.Incarnation != "3-abc" || !left.Report.Clean {
		t.Errorf("got %+v, %v", left, err)
	}
	if left, err = guardlink.Cleanup(t.Context(), cfg); err != nil || left.Found {
		t.Errorf("second cleanup: got %+v, %v", left, err)
	}
}

func doomed(t *testing.T, cfg guardlink.Config) (daemon *exec.Cmd, guardPID int) {
	t.Helper()
	daemon = exec.Command("/proc/self/exe", "daemon", cfg.RunDir, cfg.Cgroup)
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { daemon.Process.Kill(); daemon.Wait() })
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscanf(line, "ready %d", &guardPID); err != nil {
		t.Fatalf("daemon said %q", line)
	}
	return daemon, guardPID
}

func TestDaemonKilled(t *testing.T) {
	cfg := testConfig(t)
	daemon, pid := doomed(t, cfg)
	ns := namespaceOf(t, pid)
	start := time.Now()
	daemon.Process.Kill()
	within(t, 5*time.Second, "all processes have ended", func() bool { return len(members(t, ns, 0)) == 0 })
	t.Logf("all ended %v after SIGKILL of the daemon", time.Since(start))
	if hasAddress(t, vip) {
		t.Error("the address is still there")
	}
	b, err := os.ReadFile(filepath.Join(cfg.RunDir, guard.ReportName))
	if r := guard.ParseReport(string(b)); err != nil || !r.Clean || r.Reason != "daemon died" {
		t.Errorf("report %+v, %v", r, err)
	}
}

// TestDaemonAndGuardKilled is the double fault: the kernel alone ends the processes and, after its life, the address.
func TestDaemonAndGuardKilled(t *testing.T) {
	cfg := testConfig(t)
	daemon, pid := doomed(t, cfg)
	ns := namespaceOf(t, pid)
	// Stopped first, so that neither sees the other die.
	for _, p := range []int{daemon.Process.Pid, pid} {
		unix.Kill(p, unix.SIGSTOP)
	}
	start := time.Now()
	for _, p := range []int{daemon.Process.Pid, pid} {
		unix.Kill(p, unix.SIGKILL)
	}
	within(t, 5*time.Second, "all processes have ended", func() bool { return len(members(t, ns, 0)) == 0 })
	t.Logf("all processes ended after %v", time.Since(start))
	within(t, 5*time.Second, "the address is gone", func() bool { return !hasAddress(t, vip) })
	t.Logf("the address was gone after %v, its life being 2s", time.Since(start))
	cleanUp(t, cfg)
}

func TestHandover(t *testing.T) {
	n := newNode(t)
	if err := n.serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	ns := namespaceOf(t, n.link.PID())
	complete(t, n, ns)
	before := members(t, ns, n.link.PID())
	if _, err := guardlink.Attach(t.Context(), n.cfg); !fault.Is(err, fault.Precondition) {
		t.Errorf("a second daemon was not refused: %v", err)
	}
	if _, err := guardlink.Cleanup(t.Context(), n.cfg); !fault.Is(err, fault.Precondition) {
		t.Errorf("a cleanup beside a living guard was not refused: %v", err)
	}
	watchdog(t, n.link)
	if err := n.link.Handover(t.Context(), membership.Instant(guard.Now()+int64(10*time.Second))); err != nil {
		t.Fatal(err)
	}
	n.link.Close()
	next, err := guardlink.Attach(t.Context(), n.cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := next.State()
	if want := []guard.Owed{{Address: vip, Interface: "pub0"}}; next.Incarnation() != "3-abc" || s.Lease == 0 || !slices.Equal(s.Owed, want) || next.PID() != n.link.PID() || s.Watchdog != "Test dog" {
		t.Errorf("state %+v", s)
	}
	lease(t, next, time.Minute)
	if got := members(t, ns, n.link.PID()); !slices.Equal(got, before) || !hasAddress(t, vip) {
		t.Errorf("processes %v before, %v after", before, got)
	}
	next.Close() // the handover was used up
	await(t, next)
	if got := members(t, ns, 0); len(got) != 0 {
		t.Errorf("still running: %v", got)
	}
}

func TestHandoverThatNobodyTakes(t *testing.T) {
	n := newNode(t)
	if err := n.serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.link.Handover(t.Context(), membership.Instant(guard.Now()+int64(100*time.Millisecond))); err != nil {
		t.Fatal(err)
	}
	n.link.Close()
	await(t, n.link)
	b, err := os.ReadFile(filepath.Join(n.cfg.RunDir, guard.ReportName))
	if r := guard.ParseReport(string(b)); err != nil || !r.Clean || r.Reason != "daemon did not come back in time" {
		t.Errorf("report %+v, %v", r, err)
	}
}

func TestLeaseIsConfirmedAndAddressesLiveOn(t *testing.T) {
	n := newNode(t)
	if err := n.serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	six := "2001:db8::7/64"
	if err := n.link.Owe(t.Context(), agent.Obligation{Address: six, Interface: "pub0"}); err != nil {
		t.Fatal(err)
	}
	if err := addAddress(six); err != nil {
		t.Fatal(err)
	}
	until := membership.Instant(guard.Now() + int64(20*time.Second))
	if err := n.link.Lease(until); err != nil {
		t.Fatal(err)
	}
	within(t, time.Second, "the lease is confirmed", func() bool { return n.link.Acked() == until })
	// Their life is 2 s; the guard prolongs it.
	for end := time.Now().Add(3500 * time.Millisecond); time.Now().Before(end); <-time.After(100 * time.Millisecond) {
		if !hasAddress(t, vip) || !hasAddress(t, six) {
			t.Fatal("an address was not prolonged")
		}
	}
	o := agent.Obligation{Address: vip, Interface: "pub0"}
	if err := n.link.Settle(t.Context(), o); err != nil || hasAddress(t, vip) {
		t.Errorf("after settling: %v", err)
	}
	if _, err := n.link.Fence(t.Context()); err != nil || hasAddress(t, six) {
		t.Errorf("after fencing: %v", err)
	}
}

func TestQuit(t *testing.T) {
	n := newNode(t)
	if err := n.serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.link.Quit(t.Context()); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "processes still run") {
		t.Errorf("got %v", err)
	}
	if err := n.proc.Kill(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if err := n.link.Quit(t.Context()); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "owed") {
		t.Errorf("got %v", err)
	}
	if err := n.link.Settle(t.Context(), agent.Obligation{Address: vip, Interface: "pub0"}); err != nil {
		t.Fatal(err)
	}
	if err := n.link.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := guardlink.Cleanup(t.Context(), n.cfg); err != nil || left.Found {
		t.Errorf("got %+v, %v", left, err)
	}
}

func TestMountsDatagramsAndWatchdog(t *testing.T) {
	cfg := testConfig(t)
	cfg.ShareMounts = true
	n, err := startNode(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer n.proc.Close()
	dir := filepath.Join(cfg.RunDir, "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := n.link.Owe(t.Context(), agent.Obligation{Mount: dir}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	// A service sees the mount although it was made outside of its namespace, and keeps it busy.
	out := n.proc.Run(t.Context(), agent.Program{Ref: ref, Label: "Start", Path: "/bin/sh", Args: []string{"-c", "echo hi > f; sleep 1000 & exit 0"}, Dir: dir, Timeout: 5 * time.Second})
	if _, err := os.Stat(filepath.Join(dir, "f")); err != nil || out.Exit != 0 {
		t.Fatalf("%v, %+v", err, out)
	}
	sock, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	conn, err := net.Dial("udp", sock.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	file, err := conn.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for _, text := range []string{"old", "fenced for ever"} {
		if err := n.link.Arm(t.Context(), []guardlink.Datagram{{Socket: file, Payload: []byte(text)}}); err != nil {
			t.Fatal(err)
		}
	}
	file.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := n.link.Watchdog(t.Context(), w, "test", time.Second); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if n, err := r.Read(make([]byte, 10)); n != 1 || err != nil {
		t.Errorf("the watchdog was not fed: %d, %v", n, err)
	}
	report, err := n.link.Fence(t.Context())
	if err != nil || !report.Clean {
		t.Fatalf("%+v, %v", report, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "f")); !os.IsNotExist(err) {
		t.Errorf("still mounted: %v", err)
	}
	_ = sock.SetReadDeadline(time.Now().Add(2 * time.Second))
	buf := make([]byte, 100)
	got, _, err := sock.ReadFrom(buf)
	if err != nil || string(buf[:got]) != "fenced for ever" {
		t.Errorf("datagram %q, %v", buf[:got], err)
	}
}

// watchdog gives the guard a pipe for a hardware watchdog, and returns what reads all that was written to it, once the guard has ended.
func watchdog(t *testing.T, l *guardlink.Link) (written func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := l.Watchdog(t.Context(), w, "Test dog", time.Second); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return func() string {
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// TestWatchdogIsStoppedWhereNothingIsLeft: a machine that runs nothing any more is not reset, one on which something survived, or might have, is.
func TestWatchdogIsStoppedWhereNothingIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		end     func(t *testing.T, n *node)
		stopped bool
	}{
		"good order": {func(t *testing.T, n *node) {
			if err := n.link.Quit(t.Context()); err != nil {
				t.Error(err)
			}
		}, true},
		"lease ends":      {func(t *testing.T, n *node) { lease(t, n.link, 30*time.Millisecond) }, true},
		"connection ends": {func(_ *testing.T, n *node) { n.link.Close() }, true},
		"something survives": {func(t *testing.T, n *node) {
			dir := filepath.Join(n.cfg.RunDir, "data")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := n.link.Owe(t.Context(), agent.Obligation{Mount: dir}); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
				t.Fatal(err)
			}
			file, err := os.Create(filepath.Join(dir, "f")) // of a process that the guard can not reach
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { file.Close() })
			if r, err := n.link.Fence(t.Context()); err != nil || r.Clean {
				t.Errorf("%+v, %v: want an end that is not clean", r, err)
			}
		}, false},
		"guard is killed": {func(_ *testing.T, n *node) { n.link.Kill() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t)
			cfg.ShareMounts = true
			n, err := startNode(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { n.link.Kill(); <-n.link.Done(); n.proc.Close() })
			written := watchdog(t, n.link)
			c.end(t, n)
			await(t, n.link)
			got := written()
			if !strings.HasPrefix(got, "\x00") {
				t.Errorf("the watchdog was written %q: it was not fed", got)
			}
			if strings.HasSuffix(got, "V") != c.stopped || strings.Count(got, "V") > 1 {
				t.Errorf("the watchdog was written %q: stopped %v", got, c.stopped)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	for _, o := range []agent.Obligation{
		{}, {Address: vip}, {Interface: "pub0"}, {Mount: "relative"}, {Address: "nonsense", Interface: "pub0"},
		{Address: vip, Interface: "pub0", Mount: "/x"}, {Mount: "/a\tb"}, {Mount: "/a\nb"},
	} {
		if err := n.link.Owe(ctx, o); !fault.Is(err, fault.Precondition) {
			t.Errorf("%+v: got %v", o, err)
		}
	}
	if _, err := guardlink.Attach(ctx, guardlink.Config{RunDir: t.TempDir(), Cgroup: "/x", Log: quiet()}); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	bad := n.cfg
	bad.RunDir, bad.OnUnkillable = t.TempDir(), "pray"
	if _, err := guardlink.Start(ctx, bad); err == nil || !strings.Contains(err.Error(), "pray") {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	bad.RunDir, bad.OnUnkillable = t.TempDir(), ""
	if _, err := guardlink.Start(ended, bad); !fault.Is(err, fault.Timeout) {
		t.Errorf("got %v", err)
	}
}

// With the short leases of the usual profiles the kernel keeps an address for a second, and it stays as long as they are prolonged.
func TestAddressStaysUnderShortLeases(t *testing.T) {
	n := newNode(t)
	if err := n.serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost := false
	for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		if err := n.link.Lease(membership.Instant(guard.Now() + int64(650*time.Millisecond))); err != nil {
			t.Fatal(err)
		}
		lost = lost || !hasAddress(t, vip)
	}
	if lost {
		t.Error("the address went though the lease was prolonged")
	}
	within(t, 5*time.Second, "the address is gone with the lease", func() bool { return !hasAddress(t, vip) })
}

// TestProgramOfItsOwn: the guard is the program that the daemon holds open, also when its name is gone, with all that a guard has to be.
func TestProgramOfItsOwn(t *testing.T) {
	dir, err := os.MkdirTemp("/var/lib", "rdt-guard-") // root's alone
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, guard.Name)
	if out, err := exec.Command("go", "build", "-o", path, "redoubt/cmd/redoubt-guard").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cfg := testConfig(t)
	if cfg.Program, err = execcheck.Hold(path); err != nil {
		t.Fatal(err)
	}
	defer cfg.Program.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	n, err := startNode(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.link.Kill(); <-n.link.Done(); n.proc.Close() })
	proc := func(name string) string {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(n.link.PID()), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := strings.TrimSpace(proc("comm")); got != guard.Name {
		t.Errorf("the process is called %q", got)
	}
	if !guard.Is(strings.Split(proc("cmdline"), "\x00")) {
		t.Errorf("its command line %q is no guard's", proc("cmdline"))
	}
	if got := n.link.State().Version; got != version.Version {
		t.Errorf("it says that it is of version %q", got)
	}
	if err := n.serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	namespace := namespaceOf(t, n.link.PID())
	complete(t, n, namespace)
	r, err := n.link.Fence(t.Context())
	if err != nil || !r.Clean || hasAddress(t, vip) || len(members(t, namespace, n.link.PID())) > 0 {
		t.Errorf("%+v, %v; address %v, processes %v", r, err, hasAddress(t, vip), members(t, namespace, n.link.PID()))
	}
}
