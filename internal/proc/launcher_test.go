package proc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/launch"
	"redoubt/internal/proc"
)

// logBuffer is a log that several goroutines write and a test waits for.
type logBuffer struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	wake chan struct{}
}

// TestMain lets the test binary start the programs of resources.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == launch.Word {
		os.Exit(launch.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func newLog() *logBuffer { return &logBuffer{wake: make(chan struct{}, 1)} }

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) waitFor(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.wake:
		case <-deadline:
			t.Fatalf("log does not show %q:\n%s", text, l.String())
		}
	}
}

func testCgroup(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	root, err := proc.Mountpoint(string(b))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, fmt.Sprintf("rdt-proc-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "_")))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newLauncher(t *testing.T, log *logBuffer) (*proc.Launcher, proc.Config) {
	t.Helper()
	cfg := proc.Config{Cgroup: testCgroup(t), RunDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(log, nil))}
	l, err := proc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Kill(context.Background(), ref); err != nil {
			t.Error(err)
		}
		l.Close()
		os.WriteFile(filepath.Join(cfg.Cgroup, "cgroup.kill"), []byte("1"), 0)
		removeCgroup(t, cfg.Cgroup)
	})
	return l, cfg
}

func removeCgroup(t *testing.T, dir string) {
	for range 2000 {
		if err := os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 1000})
	}
	t.Errorf("cgroup %s can not be removed", dir)
}

var ref = agent.Ref{Group: "g", Resource: "cgroup.kill"}

func sh(script string, timeout time.Duration) agent.Program {
	return agent.Program{Ref: ref, Label: "Start", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin", "A=b c"}, Timeout: timeout}
}

// The daemon's threads have real-time priority. What they start has not, once it runs, and neither has what that had started before.
func TestProgramsAreOrdinary(t *testing.T) {
	l, _ := newLauncher(t, newLog())
	give := func(a unix.SchedAttr) {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		a.Size = unix.SizeofSchedAttr
		for _, task := range tasks {
			tid, _ := strconv.Atoi(task.Name())
			if err := unix.SchedSetAttr(tid, &a, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				t.Fatal(err)
			}
		}
	}
	give(unix.SchedAttr{Policy: unix.SCHED_RR, Priority: 1})
	defer give(unix.SchedAttr{Policy: unix.SCHED_NORMAL})
	const script = `sleep 100 & until [ "$(cut -d' ' -f41 /proc/$$/stat)$(cut -d' ' -f41 /proc/$!/stat)" = 00 ]; do :; done; cut -d' ' -f41 /proc/self/stat; kill $!`
	for range 20 {
		if got := l.Run(t.Context(), sh(script, 10*time.Second)); got.Exit != 0 || got.Output != "0\n" {
			t.Fatalf("got %+v", got)
		}
	}
}

func TestRun(t *testing.T) {
	log := newLog()
	l, _ := newLauncher(t, log)
	for _, c := range []struct {
		name, script string
		exit         int
		output       string
	}{
		{"success", "echo hello", 0, "hello\n"},
		{"failure with both outputs", "echo out; echo err >&2; exit 7", 7, "out\nerr\n"},
		{"ended by a signal", "kill -9 $$", 137, ""},
		{"environment is complete", "echo $A; env | grep -c HOME", 1, "b c\n0\n"},
		{"directory and session", "pwd; [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leader", 0, "/\nleader\n"},
		{"normal priority and within reach of the OOM killer", "cut -d' ' -f41 /proc/self/stat; cat /proc/self/oom_score_adj", 0, "0\n0\n"},
		{"last line without its end", "printf abc", 0, "abc"},
		{"standard input is empty", "cat", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := l.Run(t.Context(), sh(c.script, 10*time.Second))
			if got.Exit != c.exit || got.Output != c.output || got.Err != nil || got.TimedOut || got.Aborted {
				t.Errorf("got %+v, want exit %d, output %q", got, c.exit, c.output)
			}
		})
	}
	log.waitFor(t, `resource=cgroup.kill method=Start line=hello`)
}

func TestRunDoesNotWaitForTheEndOfOutput(t *testing.T) {
	log := newLog()
	l, _ := newLauncher(t, log)
	start := time.Now()
	got := l.Run(t.Context(), sh("(read x < /dev/zero; sleep 3; echo late; sleep 60) & echo begun", 30*time.Second))
	if took := time.Since(start); took > 2*time.Second || got.Output != "begun\n" || got.Exit != 0 {
		t.Fatalf("after %v: %+v", took, got)
	}
	if err := l.Signal(ref, int(syscall.Signal(0))); err != nil {
		t.Error(err)
	}
	if err := l.Kill(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if err := l.Await(t.Context(), ref, 0); err != nil {
		t.Error(err)
	}
}

// count is how many entries a directory has.
func count(t *testing.T, dir string) int {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestProgramsTakeNoThreads: a program that runs for months takes no thread of the daemon, which may have thousands of them.
func TestProgramsTakeNoThreads(t *testing.T) {
	const programs = 64
	l, _ := newLauncher(t, newLog())
	before := count(t, "/proc/self/task")
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var up sync.WaitGroup
	for range programs {
		up.Add(1)
		all.Go(func() {
			l.Run(ctx, agent.Program{Ref: ref, Label: "Start", Path: "/bin/sleep", Args: []string{"1000"}, Timeout: time.Hour, Started: func(int) { up.Done() }})
		})
	}
	up.Wait()
	cancel()
	all.Wait()
	if more := count(t, "/proc/self/task") - before; more > programs/2 { // the runtime keeps those that it has made
		t.Errorf("%d programs that ran took %d threads", programs, more)
	}
}

// TestProgramsOfOneResourceStartAtOnce has a probe beside a method: neither may sweep away the other's new cgroup.
func TestProgramsOfOneResourceStartAtOnce(t *testing.T) {
	l, _ := newLauncher(t, newLog())
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			for range 25 {
				if got := l.Run(t.Context(), agent.Program{Ref: ref, Label: "Probe", Path: "/bin/true", Timeout: time.Minute}); got.Err != nil || got.Exit != 0 {
					errs <- fmt.Errorf("%+v", got)
					return
				}
			}
			errs <- nil
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestServiceLeftBehindIsLogged(t *testing.T) {
	log := newLog()
	l, _ := newLauncher(t, log)
	l.Run(t.Context(), sh("(while :; do [ -e "+t.TempDir()+"/x ]; echo still here; sleep 0.05; done) & exit 0", 5*time.Second))
	log.waitFor(t, "still here")
}

func TestTimeoutKillsTheTree(t *testing.T) {
	l, _ := newLauncher(t, newLog())
	other, err := l.Spawn(t.Context(), sh("exec sleep 1000", 0))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	got := l.Run(t.Context(), sh("trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' & echo x; sleep 1000", 100*time.Millisecond))
	if !got.TimedOut || got.Exit != 137 || got.Output != "x\n" {
		t.Errorf("got %+v", got)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := l.Await(ctx, ref, other); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("another program of the resource was killed too: %v", err)
	}
}

func TestAbort(t *testing.T) {
	l, _ := newLauncher(t, newLog())
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if got := l.Run(ctx, sh("sleep 1000", time.Minute)); !got.Aborted || got.TimedOut {
		t.Errorf("got %+v", got)
	}
	if got := l.Run(ctx, sh("echo never", time.Minute)); !got.Aborted || got.Output != "" {
		t.Errorf("started although its context had ended: %+v", got)
	}
}

func TestHugeOutputIsBounded(t *testing.T) {
	l, _ := newLauncher(t, newLog())
	got := l.Run(t.Context(), sh("echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last", time.Minute))
	if len(got.Output) > agent.MaxOutput || !strings.HasPrefix(got.Output, "first\n") || !strings.HasSuffix(got.Output, "\nlast\n") || !strings.Contains(got.Output, "bytes left out") {
		t.Errorf("exit %d, %d bytes, begins %.20q", got.Exit, len(got.Output), got.Output)
	}
}

// TestOpenFilesOfAProgram: a node may have thousands of services, and a daemon only so many open files: one for what the service writes.
func TestOpenFilesOfAProgram(t *testing.T) {
	l, _ := newLauncher(t, newLog())
	const programs = 20
	if _, err := l.Spawn(t.Context(), sh("exec sleep 1000", 0)); err != nil { // what the first one needs once
		t.Fatal(err)
	}
	before := count(t, "/proc/self/fd")
	for range programs {
		if _, err := l.Spawn(t.Context(), sh("exec sleep 1000", 0)); err != nil {
			t.Fatal(err)
		}
	}
	const looks = 5 // that are made at that moment
	if n := count(t, "/proc/self/fd") - before; n > programs+looks {
		t.Errorf("%d programs keep %d files open", programs, n)
	}
}

func TestStartErrors(t *testing.T) {
	l, cfg := newLauncher(t, newLog())
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fault.Code{"/nonexistent/x": fault.NotFound, text: fault.Precondition, "relative": fault.Invalid} {
		got := l.Run(t.Context(), agent.Program{Ref: ref, Path: path})
		if fault.CodeOf(got.Err) != want || !strings.Contains(got.Err.Error(), path) {
			t.Errorf("%s: got %v, want code %s", path, got.Err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(cfg.RunDir, "*")); len(left) != 0 {
		t.Errorf("pipes left: %v", left)
	}
}

func TestAwaitProcessAndResource(t *testing.T) {
	l, _ := newLauncher(t, newLog())
	pid, err := l.Spawn(t.Context(), sh("exec sleep 1000", 0))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, p := range []int{pid, 0} {
		if err := l.Await(ctx, ref, p); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Await(%d) of a living process: %v", p, err)
		}
	}
	got := make(chan error, 2)
	for _, p := range []int{pid, 0} {
		go func() { got <- l.Await(t.Context(), ref, p) }()
	}
	if err := l.Signal(ref, int(syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	if err := l.Await(t.Context(), agent.Ref{Group: "no", Resource: "such"}, 0); err != nil {
		t.Error(err)
	}
}

func TestResumeReadsOn(t *testing.T) {
	log := newLog()
	l, cfg := newLauncher(t, log)
	pid, err := l.Spawn(t.Context(), sh("while :; do echo tick $$; sleep 0.02; done", 0))
	if err != nil {
		t.Fatal(err)
	}
	log.waitFor(t, "tick")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	log2 := newLog()
	cfg.Log = slog.New(slog.NewTextHandler(log2, nil))
	next, err := proc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Resume(); err != nil {
		t.Fatal(err)
	}
	log2.waitFor(t, "tick "+strconv.Itoa(pid))
	if err := next.Kill(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	next.Close()
}

func TestMountpoint(t *testing.T) {
	hybrid := "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
	if got, err := proc.Mountpoint(hybrid); got != "/sys/fs/cgroup/unified" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := proc.Mountpoint("1 2 0:3 / /odd\\040place rw - cgroup2 none rw\n"); got != "/odd place" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := proc.Mountpoint("garbage\n - \n"); !fault.Is(err, fault.Unsupported) {
		t.Errorf("got %v", err)
	}
}

// TestAbortOfShortPrograms kills programs that are about to end by themselves: their cgroups are filled, emptied and removed within
// milliseconds, and the kernel may not say so.
func TestAbortOfShortPrograms(t *testing.T) {
	l, _ := newLauncher(t, newLog())
	begin := time.Now()
	for i := 0; i < 100 && time.Since(begin) < 10*time.Second; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*200*time.Microsecond)
		l.Run(ctx, sh("exit 0", time.Minute))
		cancel()
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("100 short programs took %v", took)
	}
}
