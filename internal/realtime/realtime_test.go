package realtime_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/realtime"
)

// TestMain lets the test binary play a process that protects itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "protected" {
		missing := realtime.Process(realtime.Options{LockMemory: true})
		grown := make([]byte, 64<<20) // memory can still be had
		grown[0] = 1
		oom, _ := os.ReadFile("/proc/self/oom_score_adj")
		status, _ := os.ReadFile("/proc/self/status")
		fmt.Printf("oom %sgrown %d\n%s", oom, len(grown), status)
		for _, s := range missing {
			fmt.Println("missing", s)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// onThread runs f on a thread that ends with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func TestThread(t *testing.T) {
	onThread(func() {
		if err := realtime.Thread(realtime.Priority); err != nil {
			t.Error(err)
			return
		}
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil || a.Policy != unix.SCHED_RR || a.Priority != realtime.Priority || a.Flags&unix.SCHED_FLAG_RESET_ON_FORK == 0 {
			t.Errorf("the thread has %+v, %v", a, err)
		}
		// Field 41 of stat is the policy: a child must not be in real time.
		out, err := exec.Command("/bin/sh", "-c", "cut -d' ' -f41 /proc/$$/stat").Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != "0" {
			t.Errorf("a child has the policy %q, %v: want 0", got, err)
		}
	})
	onThread(func() {
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil || a.Policy != unix.SCHED_NORMAL {
			t.Errorf("the next goroutine has %+v, %v", a, err)
		}
	})
}

func TestThreadRefused(t *testing.T) {
	onThread(func() {
		if err := realtime.Thread(1000); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "CAP_SYS_NICE") {
			t.Errorf("got %v, want an error that says what is needed", err)
		}
	})
}

// protected runs the process that protects itself, under a limit of locked memory, as root or as nobody.
func protected(t *testing.T, nobody bool) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "protected")
	if nobody { // has none of the capabilities
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_MEMLOCK, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 4 << 20, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old); err != nil {
			t.Error(err)
		}
	}()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func field(t *testing.T, out, name string) string {
	t.Helper()
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 1 && strings.TrimSuffix(f[0], ":") == name {
			return f[1]
		}
	}
	t.Fatalf("no %s in:\n%s", name, out)
	return ""
}

func TestProcess(t *testing.T) {
	out := protected(t, false)
	if safe := field(t, out, "oom") == "-1000"; safe == strings.Contains(out, "OOM killer") {
		t.Errorf("the report does not say what is the case:\n%s", out)
	}
	if strings.Contains(out, "not locked") { // root is exempt from the limit
		t.Errorf("memory is not locked:\n%s", out)
	}
	locked, err := strconv.Atoi(field(t, out, "VmLck"))
	if err != nil || locked == 0 {
		t.Errorf("%d kB are locked, %v", locked, err)
	}
	resident, err := strconv.Atoi(field(t, out, "VmRSS"))
	if err != nil || resident > 60<<10 {
		t.Errorf("the process has grown to %d kB by locking memory that it does not use", resident)
	}
}

func TestProcessWithoutPrivileges(t *testing.T) {
	out := protected(t, true)
	if strings.Count(out, "missing") != 2 || !strings.Contains(out, "OOM killer") || !strings.Contains(out, "LimitMEMLOCK") {
		t.Errorf("it does not say what is missing:\n%s", out)
	}
	if field(t, out, "VmLck") != "0" || field(t, out, "grown") != "67108864" {
		t.Errorf("memory was locked under a limit:\n%s", out)
	}
}
