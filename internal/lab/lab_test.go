package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redoubt/internal/fault"
	"redoubt/internal/lab"
)

func TestTwoLabsSideBySide(t *testing.T) {
	a, b := up(t, nil), up(t, nil)
	for _, l := range []*lab.Lab{a, b} {
		if got := output(t, l, "n1", "hostname"); got != "n1" {
			t.Errorf("lab %s: n1 calls itself %q", l.Name(), got)
		}
		for _, n := range lab.Networks() {
			if !reaches(t, l, "n1", "n2", n) {
				t.Errorf("lab %s: n1 does not reach n2 on %s", l.Name(), n)
			}
		}
		if !reaches(t, l, "client", "n1", "pub") {
			t.Errorf("lab %s: the client does not reach n1", l.Name())
		}
	}
	if _, err := a.Kill("n2"); err != nil {
		t.Fatal(err)
	}
	if err := a.Cut(lab.Fault{Machine: "n1"}); err != nil {
		t.Fatal(err)
	}
	if !reaches(t, b, "n1", "n2", "ic1") || reaches(t, a, "client", "n1", "pub") {
		t.Error("a fault of one lab is one of the other, or of none")
	}
	sockets := lab.Sockets()
	if slices.Contains(sockets, a.Socket("n2")) || !slices.Contains(sockets, a.Socket("n1")) || !slices.Contains(sockets, b.Socket("n2")) {
		t.Errorf("sockets of living nodes: %v", sockets)
	}
	if err := a.Down(); err != nil {
		t.Fatal(err)
	}
	if !reaches(t, b, "client", "n2", "pub") {
		t.Error("the end of one lab was felt in the other")
	}
	if got := output(t, b, "n1", "cat", "/etc/redoubt/redoubtd.yaml"); !strings.Contains(got, "node: n1") {
		t.Errorf("after the end of the other lab, the node's configuration is %q", got)
	}
}

func TestMachine(t *testing.T) {
	l := up(t, func(o *lab.Options) { o.QuorumServer, o.Private = true, []string{"/srv"} })
	for name, want := range map[string]string{
		"cat /proc/1/comm":                     filepath.Base(os.Args[0]),
		"getent hosts n2":                      "10.77.0.2       n2 n2-pub",
		"getent hosts n2-ic2":                  "10.77.2.2       n2-ic2",
		"getent hosts q1":                      "10.77.1.200     q1 q1-ic1",
		"ls /sys/class/net":                    "ic1\nic2\nlo\npub",
		"stat -fc %T /run":                     "tmpfs",
		"tail -n1 /proc/self/cgroup":           "0::/redoubt-lab-" + l.Name() + "/n1",
		"sh -c ls_/run/lab/bin_|_grep_-c_clrg": "1",
	} {
		argv := strings.Fields(name)
		for i := range argv {
			argv[i] = strings.ReplaceAll(argv[i], "_", " ")
		}
		got := output(t, l, "n1", argv...)
		if len(want) > 15 && strings.HasPrefix(name, "cat") { // a process name has 15 characters
			want = want[:15]
		}
		if got != want {
			t.Errorf("%v: got %q, want %q", argv, got, want)
		}
	}
	if s, err := l.Daemon("q1", lab.DaemonShow); err != nil || s.State != "running" {
		t.Errorf("daemon of the quorum server: %+v, %v", s, err)
	}
	within(t, 10*time.Second, "the quorum server's first word on its console", func() bool {
		return strings.Contains(output(t, l, "q1", "cat", "/var/log/redoubt/console.log"), "stand-in quorum-server --config /etc/redoubt/redoubtd.yaml")
	})
	// A mount that is made on a node is seen by what is started there and by nobody else.
	output(t, l, "n1", "mount", "-t", "tmpfs", "tmpfs", "/mnt")
	if output(t, l, "n1", "stat", "-fc", "%T", "/mnt") != "tmpfs" || output(t, l, "n2", "stat", "-fc", "%T", "/mnt") == "tmpfs" {
		t.Error("a mount of n1 is not its own")
	}
	if here, err := os.ReadFile("/proc/self/mountinfo"); err != nil || bytes.Contains(here, []byte(" /mnt ")) {
		t.Errorf("a mount of n1 is seen on the host (%v)", err)
	}
	if got := output(t, l, "n1", "unshare", "-m", "--propagation", "unchanged", "sh", "-c", "mount -t tmpfs tmpfs /srv; nsenter -t 1 -m stat -fc %T /srv"); got != "tmpfs" {
		t.Errorf("a mount in a mount namespace below the node's is not seen by the node: %q", got)
	}
}

// TestDisk fills a node's own disk, kills the node, and finds the disk as it was.
func TestDisk(t *testing.T) {
	l := up(t, func(o *lab.Options) { o.Nodes, o.DiskSize = 1, 16<<20 })
	if out, err := l.Output(t.Context(), "n1", "dd", "if=/dev/zero", "of=/var/lib/redoubt/fill", "bs=1M", "count=64"); err == nil || !strings.Contains(err.Error(), "No space left") {
		t.Errorf("64 MiB fit on a disk of 16: %v, %s", err, out)
	}
	output(t, l, "n1", "sh", "-c", "rm /var/lib/redoubt/fill; echo kept > /var/lib/redoubt/file; sync")
	if _, err := l.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	if got := output(t, l, "n1", "cat", "/var/lib/redoubt/file"); got != "kept" {
		t.Errorf("after a reboot the disk has %q", got)
	}
	if err := l.Down(); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "the loop device is free", func() bool {
		files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
		return err == nil && !slices.ContainsFunc(files, func(f string) bool {
			b, _ := os.ReadFile(f)
			return bytes.Contains(b, []byte("/redoubt-lab/"+l.Name()+"/"))
		})
	})
}

func TestExec(t *testing.T) {
	l := up(t, nil)
	for _, c := range []struct {
		argv   []string
		status int
		out    string
	}{
		{[]string{"true"}, 0, ""},
		{[]string{"sh", "-c", "echo out; echo err >&2; exit 7"}, 7, "out\n"},
		{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{[]string{"cat"}, 0, "input"},
	} {
		var out bytes.Buffer
		p, err := l.Run("n1", lab.Stdio{In: strings.NewReader("input"), Out: &out}, c.argv...)
		if err != nil {
			t.Fatal(err)
		}
		if status, err := p.Wait(); status != c.status || err != nil || out.String() != c.out {
			t.Errorf("%v: status %d, output %q, error %v; want %d, %q", c.argv, status, out.String(), err, c.status, c.out)
		}
	}
	if _, err := l.Output(t.Context(), "n1", "no-such-program"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a program that is not there: %v", err)
	}
	if _, err := l.Output(t.Context(), "n9", "true"); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "client, n1, n2") {
		t.Errorf("a machine that is not there: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := l.Output(ctx, "n1", "sleep", "100"); !fault.Is(err, fault.Timeout) {
		t.Errorf("a program that takes too long: %v", err)
	}
	var out, errs bytes.Buffer
	if got := redoubt([]string{"redoubt", "lab", "exec", "--name", l.Name(), "n2", "--", "sh", "-c", "hostname -f; exit 9"}, &out, &errs); got != 9 || out.String() != "n2\n" || errs.Len() > 0 {
		t.Errorf("lab exec: status %d, output %q, errors %q", got, out.String(), errs.String())
	}
}

func TestKilledMachineSaysNothing(t *testing.T) {
	l := up(t, func(o *lab.Options) { o.NoRestart = true })
	hold := func(node string) net.Conn {
		c, err := l.Dial(t.Context(), "client", "tcp", net.JoinHostPort(address(t, l, node, "pub"), portHold))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		return c
	}
	silent := func(c net.Conn) bool {
		_ = c.SetReadDeadline(time.Now().Add(400 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return errors.Is(err, os.ErrDeadlineExceeded)
	}
	dead, lives := hold("n1"), hold("n2")
	output(t, l, "n1", "touch", "/var/lib/redoubt/kept", "/run/redoubt/gone")
	if _, err := l.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	if !silent(dead) {
		t.Error("the killed machine closed its connection")
	}
	// The other way round, to know that the silence means something: only the daemon dies, and the kernel closes its connection.
	if _, err := l.Daemon("n2", lab.DaemonKill); err != nil {
		t.Fatal(err)
	}
	if silent(lives) {
		t.Error("nothing was heard of a daemon's death either: this test can not fail")
	}
	if reaches(t, l, "client", "n1", "pub") {
		t.Error("the killed machine is reached")
	}
	if _, err := l.Output(t.Context(), "n1", "true"); !fault.Is(err, fault.Precondition) {
		t.Errorf("run a program on a killed machine: %v", err)
	}
	if _, err := l.Kill("n1"); !fault.Is(err, fault.Precondition) {
		t.Errorf("kill a killed machine: %v", err)
	}
	for range 2 { // a machine can be killed and started again and again
		if err := l.Start(t.Context(), "n1"); err != nil {
			t.Fatal(err)
		}
		serving(t, l, "n1")
		if got := output(t, l, "n1", "sh", "-c", "ls /var/lib/redoubt; ls /run/redoubt"); got != "kept\napi.sock" {
			t.Errorf("after a reboot the disk and /run have %q", got)
		}
		if !reaches(t, l, "n2", "n1", "ic2") {
			t.Error("the machine that was started again is not reached")
		}
		if _, err := l.Kill("n1"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPause(t *testing.T) {
	l := up(t, nil)
	ask := func() string {
		c, err := l.Dial(t.Context(), "client", "tcp", net.JoinHostPort(address(t, l, "n1", "pub"), portName))
		if err != nil {
			t.Fatal(err) // also of a paused machine: its kernel is not paused
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond))
		_, _ = io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
		b, _ := io.ReadAll(c)
		return string(b)
	}
	if err := l.Pause("n1"); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "" {
		t.Errorf("a paused machine answers %q", got)
	}
	if _, err := l.Output(t.Context(), "n1", "true"); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "resume") {
		t.Errorf("run a program on a paused machine: %v", err)
	}
	s, err := l.Status()
	if err != nil || s.Machines[1].State != "paused" || s.Machines[2].State != "running" {
		t.Errorf("status: %+v, %v", s.Machines, err)
	}
	if err := l.Resume("n1"); err != nil {
		t.Fatal(err)
	}
	if got := ask(); !strings.Contains(got, "n1 served you") {
		t.Errorf("after the pause the machine answers %q", got)
	}
	if err := l.Pause("n1"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Kill("n1"); err != nil {
		t.Errorf("kill a paused machine: %v", err)
	}
}

func TestDaemon(t *testing.T) {
	l := up(t, nil)
	o := options()
	o.NoDaemon = true
	t.Cleanup(func() { _ = lab.Remove(o.Name) })
	held, err := lab.Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := held.Daemon("n1", lab.DaemonShow); err != nil || s.State != "stopped" || s.LastEnd != "" {
		t.Errorf("a daemon that is to be started by hand: %+v, %v", s, err)
	}
	if s, err := held.Daemon("n1", lab.DaemonStart); err != nil || s.State != "running" {
		t.Errorf("after it was started by hand: %+v, %v", s, err)
	}
	do := func(verb string) lab.DaemonStatus {
		t.Helper()
		s, err := l.Daemon("n1", verb)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := do(lab.DaemonShow)
	if again := do(lab.DaemonStart); again.PID != first.PID {
		t.Error("a daemon that runs was started once more")
	}
	if s := do(lab.DaemonStop); s.State != "stopped" || s.LastEnd != "exit status 0" || s.PID != 0 {
		t.Errorf("after stop: %+v", s)
	}
	if s := do(lab.DaemonStart); s.State != "running" || s.Restarts != 0 {
		t.Errorf("after start: %+v", s)
	}
	serving(t, l, "n1")
	if s := do(lab.DaemonRestart); s.State != "running" || s.LastEnd != "exit status 0" {
		t.Errorf("after restart: %+v", s)
	}
	serving(t, l, "n1")
	before := do(lab.DaemonShow).PID
	do(lab.DaemonKillGuard)
	within(t, 5*time.Second, "the guard is dead", func() bool {
		_, err := l.Daemon("n1", lab.DaemonKillGuard)
		return fault.Is(err, fault.Precondition)
	})
	if s := do(lab.DaemonShow); s.PID != before {
		t.Errorf("with the guard the daemon died too: %+v", s)
	}
	do(lab.DaemonRestart)
	serving(t, l, "n1")
	do(lab.DaemonKillBoth)
	within(t, 5*time.Second, "the killed daemon runs again", func() bool {
		s := do(lab.DaemonShow)
		return s.State == "running" && s.Restarts == 1 && s.LastEnd == "signal SIGKILL"
	})
	if _, err := l.Daemon("client", lab.DaemonStart); !fault.Is(err, fault.Precondition) {
		t.Errorf("start a daemon on the client: %v", err)
	}
}

// host is everything that a lab could leave on the host.
type host struct {
	Mounts, Dirs, Links []string
	Processes           []string
	Turn                string // of real-time threads, milliseconds
}

func look(t *testing.T, name string) host {
	t.Helper()
	var h host
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	turn, err := os.ReadFile("/proc/sys/kernel/sched_rr_timeslice_ms")
	if err != nil {
		t.Fatal(err)
	}
	h.Turn = strings.TrimSpace(string(turn))
	for line := range strings.Lines(string(b)) {
		h.Mounts = append(h.Mounts, strings.Fields(line)[4])
	}
	for _, pattern := range []string{"/run/redoubt-lab/" + name, "/var/lib/redoubt-lab/" + name, "/sys/fs/cgroup/*/redoubt-lab-" + name} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		h.Dirs = append(h.Dirs, found...)
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		h.Links = append(h.Links, l.Name)
	}
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if b, err := os.ReadFile(g); err == nil && bytes.Contains(b, []byte("redoubt-lab-"+name+"/")) {
			h.Processes = append(h.Processes, g)
		}
	}
	return h
}

func TestDownLeavesNothing(t *testing.T) {
	o := options()
	before := look(t, o.Name)
	l, err := lab.Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if during := look(t, o.Name); len(during.Dirs) != 3 || len(during.Processes) < 4 || len(during.Turn) != 1 {
		t.Errorf("while the lab runs only this is seen: %+v: this test can not fail", during)
	}
	// A lab at its worst: a paused machine, a dead one, a process that is in no session of ours, a cut.
	for _, err := range []error{l.Pause("n1"), l.Cut(lab.Fault{Machine: "n2"})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := l.Run("client", lab.Stdio{}, "setsid", "sh", "-c", "trap '' TERM; while :; do sleep 100; done")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Kill("n2"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing to do
		if err := lab.Remove(o.Name); err != nil {
			t.Fatal(err)
		}
	}
	if status, err := p.Wait(); status != 128+9 || err != nil {
		t.Errorf("a program that ran when the lab was taken down: status %d, %v", status, err)
	}
	// A process that was killed is seen until its parent, which is this one, has taken note.
	within(t, 5*time.Second, "no process is left", func() bool { return len(look(t, o.Name).Processes) == 0 })
	if diff := cmp.Diff(before, look(t, o.Name)); diff != "" {
		t.Errorf("the lab left something (-before +after):\n%s", diff)
	}
	if _, err := lab.Open(o.Name); !fault.Is(err, fault.NotFound) {
		t.Errorf("open a lab that was taken down: %v", err)
	}
}

// TestCrash kills the process that makes a lab at several points, and takes down what it left.
func TestCrash(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, sign string }{
		{"at the beginning", "lab.json"}, {"with its first machine", "client/pid"}, {"with some machines", "n1/run/api.sock"}, {"after the end", ""},
	} {
		o := options()
		t.Cleanup(func() { _ = lab.Remove(o.Name) })
		before := look(t, o.Name)
		cmd := exec.Command(exe, "lab", "up", "--bare", "-n", "3", "--name", o.Name, "--daemon", exe)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if c.sign != "" {
			within(t, 10*time.Second, c.what, func() bool {
				_, err := os.Stat(filepath.Join("/run/redoubt-lab", o.Name, c.sign))
				return err == nil
			})
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
		if _, err := lab.Up(t.Context(), o); !fault.Is(err, fault.Exists) || !strings.Contains(err.Error(), "redoubt lab down --name "+o.Name) {
			t.Errorf("%s: make the lab again: %v", c.what, err)
		}
		if c.sign == "" {
			if l, err := lab.Open(o.Name); err != nil || output(t, l, "n3", "hostname") != "n3" {
				t.Errorf("%s: the lab is not usable: %v", c.what, err)
			}
		}
		if !slices.ContainsFunc(lab.List(), func(s lab.Summary) bool { return s.Name == o.Name }) {
			t.Errorf("%s: the lab is not listed: %+v", c.what, lab.List())
		}
		if err := lab.Remove(o.Name); err != nil {
			t.Fatal(err)
		}
		settles(t, 10*time.Second, c.what+": nothing is left", func() string { return cmp.Diff(before, look(t, o.Name)) })
	}
}

func TestWrongOptions(t *testing.T) {
	for what, change := range map[string]func(*lab.Options){
		"name":    func(o *lab.Options) { o.Name = "../x" },
		"nodes":   func(o *lab.Options) { o.Nodes = 99 },
		"none":    func(o *lab.Options) { o.Nodes = 0 },
		"daemon":  func(o *lab.Options) { o.Daemon = "/nowhere/redoubtd" },
		"private": func(o *lab.Options) { o.Private = []string{"var"} },
	} {
		o := options()
		change(&o)
		if _, err := lab.Up(t.Context(), o); !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
		if d := look(t, o.Name); len(d.Dirs) > 0 {
			t.Errorf("%s: something was made: %v", what, d.Dirs)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := options()
	if _, err := lab.Up(ctx, o); err == nil || len(look(t, o.Name).Dirs) > 0 {
		t.Errorf("an interrupted up: error %v, left %v", err, look(t, o.Name).Dirs)
	}
}

func TestStatusOutput(t *testing.T) {
	l := up(t, nil)
	if err := l.Cut(lab.Fault{Machine: "n1", From: []string{"n2"}, Networks: []string{"ic1"}, Direction: lab.Out, Percent: 12.5}); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if got := redoubt([]string{"redoubt", "lab", "status", "--name", l.Name()}, &out, &errs); got != 0 {
		t.Fatalf("status %d: %s", got, errs.String())
	}
	want := `MACHINE  KIND  STATE    DAEMON   RESTARTS  ADDRESSES
client   host  running  none     0         10.77.0.250
n1       node  running  running  0         10.77.0.1 10.77.1.1 10.77.2.1
n2       node  running  running  0         10.77.0.2 10.77.1.2 10.77.2.2

FAULT  NETWORKS  DIRECTION  FROM  LOST
n1     ic1       out        n2    12.5 %
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lab status (-want +got):\n%s", diff)
	}
	out.Reset()
	if got := redoubt([]string{"redoubt", "lab", "status", "--name", l.Name(), "-o", "json"}, &out, &errs); got != 0 {
		t.Fatalf("status %d: %s", got, errs.String())
	}
	var s lab.Status
	if err := json.Unmarshal(out.Bytes(), &s); err != nil || len(s.Machines) != 3 || s.Machines[1].Socket != l.Socket("n1") || len(s.Faults) != 1 {
		t.Errorf("lab status -o json: %v, %s", err, out.String())
	}
	for _, argv := range [][]string{{"kill"}, {"nonsense"}, {"cut", "n1", "--network"}, {"daemon", "sing", "n1"}, {"status", "-o", "xml"}, {"up", "--profile", "lunar"}, {"exec", "n1"}} {
		if got := redoubt(append([]string{"redoubt", "lab", "--name", l.Name()}, argv...), io.Discard, &errs); got != 2 {
			t.Errorf("lab %v: exit status %d, want 2", argv, got)
		}
	}
}
