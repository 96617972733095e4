package guard

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// priority is the real-time priority of the guard's threads: above the daemon's, below the kernel's own.
const priority = 60

// name calls the process by its name: it was started by a descriptor, whose number the kernel takes for one. It is called on the first thread.
func name() {
	b := append([]byte(Name), 0)
	_, _, _ = unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0)
}

// ownProc gives the PID namespace its own /proc. The mount it covers is made private first, so that the new one is not seen outside;
// every other mount keeps its propagation, so that file systems mounted by services are seen by the host and the other way round.
func ownProc() error {
	if err := unix.Mount("", "/proc", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make /proc private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc of the PID namespace: %w", err)
	}
	return nil
}

// ignoreSignals makes the guard deaf to everything that can be caught, but for what the Go runtime needs. Ignoring SIGCHLD
// also lets the kernel reap the orphans of the namespace.
func ignoreSignals() {
	for n := syscall.Signal(1); n <= 64; n++ {
		switch n {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGURG, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGPROF:
		default:
			signal.Ignore(n)
		}
	}
}

// harden makes the process hard to delay: no garbage collection, locked memory, real-time priority, out of the reach of the OOM killer. What
// can not be had is returned as warnings; a guard without it is still a guard.
func harden() (warnings []string) {
	// The loop does not allocate in steady state; the limit is there for the case that it does.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(64 << 20)
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0); err != nil {
		warnings = append(warnings, "guard is within reach of the OOM killer: "+err.Error())
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		warnings = append(warnings, "guard's memory is not locked: "+err.Error())
	}
	if err := realtimeThreads(); err != nil {
		warnings = append(warnings, "guard has no real-time priority: "+err.Error())
	}
	return warnings
}

// realtimeThreads gives every thread SCHED_RR. Threads made later inherit it from the thread that makes them.
func realtimeThreads() error {
	done := map[string]bool{}
	for range 5 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		fresh := false
		for _, t := range tasks {
			if done[t.Name()] {
				continue
			}
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			err = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: priority}, 0)
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			done[t.Name()], fresh = true, true
		}
		if !fresh {
			break
		}
	}
	return nil
}

// rehearse goes through the whole firing path once at an empty target, so that its code and data are in memory (and, locked, stay there).
func (g *guard) rehearse() error {
	dir := filepath.Join(g.cfg.cgroup, "rehearsal")
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return fmt.Errorf("make rehearsal cgroup: %w", err)
	}
	defer os.Remove(dir)
	c, err := openContainer(dir)
	if err != nil {
		return err
	}
	defer c.close()
	t := target{
		services:  c,
		namespace: g.target.namespace,
		net:       g.target.net,
		// An address of a network that is reserved for documentation: it is not there, and removing it is no error.
		owed:     []Owed{{Address: "192.0.2.255/32", Interface: "lo"}, {Mount: filepath.Join(g.cfg.runDir, "rehearsal")}},
		patience: time.Second,
	}
	r := Report{}
	t.fire(Now(), &r)
	if !r.Clean {
		return fmt.Errorf("rehearsal of fencing failed: %s", r.Problems[0])
	}
	return nil
}
