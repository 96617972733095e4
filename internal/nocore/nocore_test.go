package nocore

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "careful":
		Set()
		fallthrough
	case len(os.Args) == 2 && os.Args[1] == "careless":
		os.Stdout.WriteString("ready\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is aborted
	}
	os.Exit(m.Run())
}

// TestAborted: a program that is aborted where a core file of it would be written leaves none; one that has not called Set does, so that the test would see it.
func TestAborted(t *testing.T) {
	const setting = "/proc/sys/kernel/core_pattern"
	pattern, err := os.ReadFile(setting)
	if err != nil {
		t.Fatal(err)
	}
	if pattern[0] == '|' || filepath.IsAbs(string(pattern)) { // another program takes them, which may do what it likes
		if err := os.WriteFile(setting, []byte("core"), 0o644); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.WriteFile(setting, pattern, 0o644) }()
	}
	var own syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &own); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_CORE, &own) }()
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 1 << 30, Max: own.Max}); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]bool{"careful": false, "careless": true} {
		cmd := exec.Command("/proc/self/exe", kind)
		cmd.Dir = t.TempDir()
		cmd.Env = []string{"GOTRACEBACK=crash"}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(unix.SIGABRT); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || status.Signal() != unix.SIGABRT {
			t.Fatalf("a %s program: %v", kind, cmd.ProcessState)
		}
		left, err := os.ReadDir(cmd.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if status.CoreDump() != want || (len(left) > 0) != want {
			t.Errorf("a %s program: core file %t, left in its folder %v", kind, status.CoreDump(), left)
		}
	}
}
