package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/nstest"
	"redoubt/internal/proc"
)

// TestMain runs the tests where a daemon may have the usual ports, and directories below /run.
func TestMain(m *testing.M) {
	nstest.Enter(syscall.CLONE_NEWNET | syscall.CLONE_NEWNS)
	os.Exit(m.Run())
}

// TestAbortedDaemonLeavesNoCore aborts the real daemon of a cluster, in which the keys of the node and of the authority are, where everything is set so that there would be a
// core file: no limit, a pattern that leads to a file, a runtime that ends by the signal.
func TestAbortedDaemonLeavesNoCore(t *testing.T) {
	for _, source := range []string{"main.go", "../../internal/nocore/nocore.go"} { // an earlier result counts as long as these are the same
		if _, err := os.ReadFile(source); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if out, err := exec.Command("go", "build", "-o", bin+"/", "redoubt/cmd/redoubtd", "redoubt/cmd/redoubt-guard", "redoubt/cmd/redoubt").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	writesCores(t)
	config, socket := settings(t, dir)
	folder := filepath.Join(dir, "cores")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}

	// A program that has not taken care leaves one: the test would see it.
	careless := exec.Command("sleep", "1000")
	careless.Dir = folder
	if err := careless.Start(); err != nil {
		t.Fatal(err)
	}
	if status := abort(t, careless); !status.CoreDump() || len(left(t, folder)) == 0 {
		t.Fatalf("a program that was aborted here leaves no core file (%v), so the test would see none of the daemon's", left(t, folder))
	}
	for _, name := range left(t, folder) {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}

	var log bytes.Buffer
	daemon := exec.Command(filepath.Join(bin, "redoubtd"), "-config", config)
	daemon.Dir, daemon.Stdout, daemon.Stderr = folder, &log, &log
	daemon.Env = append(os.Environ(), "GOTRACEBACK=crash")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		if t.Failed() {
			t.Logf("%s", log.Bytes()[:min(log.Len(), 20_000)])
		}
	})
	ask := func(args ...string) error {
		out, err := exec.Command(filepath.Join(bin, "redoubt"), append([]string{"--socket", socket}, args...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("redoubt %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	soon(t, func() error { return ask("status") })
	if err := ask("cluster", "create", "--name", "demo", "--node", "n1", "--interconnect", "10.77.1.0/24"); err != nil {
		t.Fatal(err)
	}
	soon(t, func() error { return ask("group", "create", "-n", "n1", "some-rg") })

	where, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", daemon.Process.Pid))
	if err != nil || where != folder {
		t.Fatalf("the daemon is in %s (%v), the test looks for a core file in %s", where, err, folder)
	}
	if status := abort(t, daemon); status.CoreDump() || len(left(t, folder)) > 0 {
		t.Errorf("the daemon left a core file: %v, %v", status.CoreDump(), left(t, folder))
	}
}

// writesCores makes the kernel write core files where programs are, if it hands them to another program, which may do what it likes; and takes that back.
func writesCores(t *testing.T) {
	t.Helper()
	const setting = "/proc/sys/kernel/core_pattern"
	pattern, err := os.ReadFile(setting)
	if err != nil {
		t.Fatal(err)
	}
	if pattern[0] != '|' && !filepath.IsAbs(string(pattern)) {
		return
	}
	if err := os.WriteFile(setting, []byte("core"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile(setting, pattern, 0o644) })
}

// settings writes the configuration of a node with an interconnect of its own.
func settings(t *testing.T, dir string) (config, socket string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	root, err := proc.Mountpoint(string(mounts))
	if err != nil {
		t.Fatal(err)
	}
	group, err := os.MkdirTemp(root, "redoubt-core-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		soon(t, func() error {
			var folders []string
			_ = filepath.WalkDir(group, func(path string, _ os.DirEntry, _ error) error { folders = append(folders, path); return nil })
			for i := range folders { // the deepest first
				_ = unix.Rmdir(folders[len(folders)-1-i])
			}
			if _, err := os.Stat(group); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("%s is still there", group)
			}
			return nil
		})
	})
	for _, words := range []string{"link set lo up", "link add path0 type veth peer name peer0", "link set peer0 up", "link set path0 up", "addr add 10.77.1.1/24 dev path0"} {
		if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", words, err, out)
		}
	}
	run, err := os.MkdirTemp("/run", "rdtcore") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	config = filepath.Join(dir, "redoubtd.yaml")
	text := fmt.Sprintf("node: n1\ndataDir: %s/data\nrunDir: %s\nlogDir: %s/log\netcDir: %s/etc\ncgroup: %s\nwatchdog: none\n", dir, run, dir, dir, group)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config, filepath.Join(run, "api.sock")
}

// abort ends a program by the signal, with no limit on its core file.
func abort(t *testing.T, cmd *exec.Cmd) syscall.WaitStatus {
	t.Helper()
	pid := cmd.Process.Pid
	if err := unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(unix.SIGABRT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != unix.SIGABRT {
		t.Fatalf("%s: %v", cmd.Path, cmd.ProcessState)
	}
	return status
}

func left(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// soon calls f until it succeeds; nobody tells when a daemon that starts can be asked.
func soon(t *testing.T, f func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(60 * time.Second); ; <-tick.C {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
