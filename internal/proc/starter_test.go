package proc

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
)

var program = agent.Ref{Group: "g", Resource: "r"}

func script(text string, timeout time.Duration) agent.Program {
	return agent.Program{Ref: program, Label: "Start", Path: "/bin/sh", Args: []string{"-c", text}, Env: []string{"PATH=/usr/bin:/bin"}, Timeout: timeout}
}

// launcherHere is a launcher with a cgroup of its own.
func launcherHere(t *testing.T) *Launcher {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	root, err := Mountpoint(string(mounts))
	if err != nil {
		t.Fatal(err)
	}
	group, err := os.MkdirTemp(root, "redoubt-starter-")
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(Config{Cgroup: group, RunDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Kill(context.Background(), program); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := os.Remove(group); err != nil {
			t.Error(err)
		}
	})
	return l
}

// The process that starts programs is killed: what it has started runs on, how that ends is not known, and others are started by another one.
func TestStarterIsKilled(t *testing.T) {
	l := launcherHere(t)
	running := make(chan struct{})
	result := make(chan agent.Outcome)
	stop := filepath.Join(t.TempDir(), "stop")
	if err := unix.Mkfifo(stop, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		p := script("read x < "+stop+"; exit 0", time.Minute)
		p.Started = func(int) { close(running) }
		result <- l.Run(t.Context(), p)
	}()
	<-running
	first := l.starter
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.gone
	if got := l.Run(t.Context(), script("exit 7", time.Minute)); got.Err != nil && !fault.Is(got.Err, fault.Unavailable) || got.Err == nil && got.Exit != 7 {
		t.Errorf("beside the end of the process: %+v", got) // it may have been asked before its end was seen
	}
	if got := l.Run(t.Context(), script("exit 7", time.Minute)); got.Err != nil || got.Exit != 7 {
		t.Errorf("after the end of the process: %+v", got)
	}
	select {
	case got := <-result:
		t.Errorf("the program that runs on has ended: %+v", got)
	default:
	}
	if err := os.WriteFile(stop, []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	if got := <-result; got.Exit != -1 || got.Err != nil || got.TimedOut || got.Aborted {
		t.Errorf("a program whose end nobody has taken note of: %+v", got)
	}
}

// What was given up before it began never begins, whenever the one who starts programs gets to it: another node may have been told that nothing runs here.
func TestGivenUpBeforeItBegan(t *testing.T) {
	l := launcherHere(t)
	if got := l.Run(t.Context(), script("exit 0", time.Minute)); got.Err != nil || got.Exit != 0 {
		t.Fatalf("got %+v", got)
	}
	if err := l.starter.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ran := filepath.Join(t.TempDir(), "ran")
	if got := l.Run(t.Context(), script("echo > "+ran, 50*time.Millisecond)); !got.TimedOut || got.Aborted || got.Exit != -1 {
		t.Errorf("got %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if got := l.Run(ctx, script("echo > "+ran, time.Minute)); got.TimedOut || !got.Aborted || got.Exit != -1 {
		t.Errorf("got %+v", got)
	}
	if pid, err := l.Spawn(ctx, script("echo > "+ran, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %d, %v", pid, err)
	}
	var all sync.WaitGroup
	for range 4 * startsAhead { // more than there is room for in the connection
		all.Go(func() {
			p := script("echo > "+ran, 50*time.Millisecond)
			p.Args = append(p.Args, strings.Repeat("x", 20_000))
			if got := l.Run(t.Context(), p); !got.TimedOut {
				t.Errorf("got %+v", got)
			}
		})
	}
	all.Wait()
	if left, err := filepath.Glob(filepath.Join(l.dir(program), "*-*")); err != nil || len(left) != 0 {
		t.Errorf("cgroups in which something may still begin: %v, %v", left, err)
	}
	if err := l.starter.cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if got := l.Run(t.Context(), script("exit 3", time.Minute)); got.Err != nil || got.Exit != 3 {
		t.Errorf("the next one: %+v", got)
	}
	if _, err := os.Stat(ran); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a program that was given up has run")
	}
}

// A daemon has real-time priority; what it has started never has, not for a moment.
func TestProgramsAreOrdinary(t *testing.T) {
	l := launcherHere(t)
	result := make(chan agent.Outcome)
	go func() {
		runtime.LockOSThread() // the thread ends with it
		if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0); err != nil {
			t.Error(err)
		}
		result <- l.Run(t.Context(), script(`cut -d" " -f41 /proc/self/stat; cat /proc/self/oom_score_adj`, time.Minute))
	}()
	if got := <-result; got.Output != "0\n0\n" {
		t.Errorf("policy and score for the OOM killer: %+v", got)
	}
}

// A program whose arguments the kernel would not take is refused with its error, and disturbs nobody.
func TestTooManyArguments(t *testing.T) {
	l := launcherHere(t)
	p := script("exit 0", time.Minute)
	for _, size := range []int{1 << 20, 8 << 20} {
		p.Args = []string{"-c", "exit 0", strings.Repeat("x", size)}
		if got := l.Run(t.Context(), p); !errors.Is(got.Err, syscall.E2BIG) {
			t.Errorf("%d bytes: %+v", size, got)
		}
	}
	if got := l.Run(t.Context(), script("exit 5", time.Minute)); got.Err != nil || got.Exit != 5 {
		t.Errorf("the next one: %+v", got)
	}
}
