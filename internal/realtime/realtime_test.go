package realtime_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
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
	if len(os.Args) == 2 && os.Args[1] == "relaxed" {
		fmt.Println(relaxed())
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

// TestRelax: while the process rests the runtime's watchman, and no other thread, has ordinary scheduling; a thread that it has made gets the priority with Renew. At work
// it has the priority as all others.
func TestRelax(t *testing.T) {
	out, err := exec.Command("/proc/self/exe", "relaxed").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "as it should be" {
		t.Errorf("%v: %s", err, out)
	}
}

func relaxed() string {
	o := realtime.Options{Priority: realtime.Priority, Relax: true}
	watchman, err := realtime.Watchman()
	if err != nil || watchman == 0 {
		return fmt.Sprint("no watchman: ", err)
	}
	for _, m := range realtime.Process(o) {
		if strings.Contains(m, "lose its lease") {
			return m
		}
	}
	ordinary := func() (list []int) {
		tasks, _ := os.ReadDir("/proc/self/task")
		for _, task := range tasks {
			tid, _ := strconv.Atoi(task.Name())
			if a, err := unix.SchedGetAttr(tid, 0); err == nil && a.Policy != unix.SCHED_RR {
				list = append(list, tid)
			}
		}
		return list
	}
	if got := ordinary(); len(got) > 0 {
		return fmt.Sprintf("threads %d are ordinary in a process that begins", got)
	}
	if err := realtime.Rest(o, true); err != nil {
		return err.Error()
	}
	want := []int{watchman}
	if runtime.NumCPU() < 2 {
		want = nil
	}
	if got := ordinary(); !slices.Equal(got, want) {
		return fmt.Sprintf("threads %d are ordinary, want %d", got, want)
	}
	slack, _ := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", watchman))
	if n, _ := strconv.Atoi(strings.TrimSpace(string(slack))); want != nil && n < 1e6 {
		return fmt.Sprintf("the watchman may sleep %d ns longer", n)
	}
	// What the watchman does: it sleeps, in nanosleep or on a futex. Other threads that rest do so in epoll_wait or on a futex without a limit of time.
	look := func() string {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/syscall", watchman))
		return strings.Fields(string(b) + " none")[0]
	}
	known := []string{"running", strconv.Itoa(unix.SYS_NANOSLEEP), strconv.Itoa(unix.SYS_FUTEX)}
	for range 200 {
		if now := look(); !slices.Contains(known, now) {
			return "the watchman is in system call " + now
		}
	}
	var lost int
	done := make(chan struct{})
	go func() { // a thread as the watchman would make it
		runtime.LockOSThread()
		defer close(done)
		lost = unix.Gettid()
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}
		_ = unix.SchedSetAttr(lost, &attr, 0)
		if want != nil && len(ordinary()) != 2 {
			return
		}
		if err := realtime.Renew(o, true); err != nil {
			lost = -1
		}
	}()
	<-done
	if got := ordinary(); lost < 0 || want != nil && !slices.Equal(got, want) {
		return fmt.Sprintf("after Renew threads %d are ordinary, want %d", got, want)
	}
	if err := realtime.Rest(o, false); err != nil {
		return err.Error()
	}
	slack, _ = os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", watchman))
	if n, _ := strconv.Atoi(strings.TrimSpace(string(slack))); len(ordinary()) > 0 || n >= 1e6 {
		return fmt.Sprintf("at work threads %d are ordinary, and the watchman may sleep %d ns longer", ordinary(), n)
	}
	return "as it should be"
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
