package realtime_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"redoubt/internal/realtime"
)

// emptyCgroup makes a cgroup for the test.
func emptyCgroup(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			dir, err := os.MkdirTemp(f[1], "rdt-ordinary-*")
			if err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	t.Fatal("there is no cgroup2 file system")
	return ""
}

// TestOrdinary: a program of a protected process, and what it has started before anybody looked, lose priority and protection.
func TestOrdinary(t *testing.T) {
	before, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	// A score that needs no right to be given stands for the one of a daemon.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.WriteFile("/proc/self/oom_score_adj", before, 0) }()
	group := emptyCgroup(t)
	dir, err := os.Open(group)
	if err != nil {
		t.Fatal(err)
	}
	// It says when its child and its grandchild are there, and ends with its input.
	cmd := exec.Command("/bin/sh", "-c", "(sleep 1000 & echo $!; wait) & echo $!; read x")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	// The thread that makes it is protected for that moment, as all those of a daemon are.
	started := make(chan error)
	go func() {
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
		runtime.LockOSThread() // the thread ends with it
		if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = os.WriteFile(filepath.Join(group, "cgroup.kill"), []byte("1"), 0)
		_ = cmd.Wait()
		_ = dir.Close()
		for os.Remove(group) != nil { // the kernel takes a moment to forget its processes
		}
	}()
	pids := []int{cmd.Process.Pid}
	var text []byte
	for len(strings.Fields(string(text))) < 2 || text[len(text)-1] != '\n' {
		b := make([]byte, 64)
		n, err := out.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b[:n]...)
	}
	for _, f := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	oom := func(pid int) string {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/oom_score_adj")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	for _, pid := range pids {
		if attr, err := unix.SchedGetAttr(pid, 0); err != nil || attr.Policy != unix.SCHED_RR || oom(pid) != "500" {
			t.Fatalf("process %d was made with policy %+v, %v, OOM score %s", pid, attr, err, oom(pid))
		}
	}
	for range 2 { // what is ordinary stays so
		if err := realtime.Ordinary(group); err != nil {
			t.Fatal(err)
		}
		for _, pid := range pids {
			if attr, err := unix.SchedGetAttr(pid, 0); err != nil || attr.Policy != unix.SCHED_NORMAL || oom(pid) != "0" {
				t.Errorf("process %d of %d: policy %+v, %v, OOM score %s", pid, pids, attr, err, oom(pid))
			}
		}
	}
	if err := realtime.Ordinary(group + "-that-is-gone"); err != nil {
		t.Errorf("a cgroup that was taken away: %v", err)
	}
}
