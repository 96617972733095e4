package realtime_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
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
	if len(os.Args) == 3 && os.Args[1] == "threads" {
		fmt.Println(threads(os.Args[2]))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestThreads: every thread of the process, those made later too.
func TestThreads(t *testing.T) {
	out, err := exec.Command("/proc/self/exe", "threads", strconv.Itoa(realtime.Priority)).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "all" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestThreadsRefused(t *testing.T) {
	if err := realtime.Threads(1000); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "CAP_SYS_NICE") {
		t.Errorf("got %v, want an error that says what is needed", err)
	}
}

// threads gives itself the priority and looks at every thread, after it has made some more.
func threads(priority string) string {
	n, _ := strconv.Atoi(priority)
	if err := realtime.Threads(n); err != nil {
		return err.Error()
	}
	hold, held := make(chan struct{}), make(chan struct{})
	for range 8 {
		go func() {
			runtime.LockOSThread()
			held <- struct{}{}
			<-hold
		}()
	}
	for range 8 {
		<-held
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil || len(tasks) < 8 {
		return fmt.Sprint(len(tasks), err)
	}
	for _, task := range tasks {
		tid, _ := strconv.Atoi(task.Name())
		if a, err := unix.SchedGetAttr(tid, 0); err != nil || a.Policy != unix.SCHED_RR || int(a.Priority) != n {
			return fmt.Sprintf("thread %d has %+v, %v", tid, a, err)
		}
	}
	return "all"
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
