// Package realtime makes a process hard to delay: real-time priority for the threads that must not be late, memory that stays in memory, safety from the
// OOM killer. What a machine refuses is reported, not fatal: the cluster is then safe as before and only less patient under load.
package realtime

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// Priority is the real-time priority for the daemon's threads: below the guard's, above everything that has none.
const Priority = 50

// Thread ties the calling goroutine to its thread and gives the thread the real-time priority under SCHED_RR. Programs and threads that it starts do
// not inherit it. The goroutine stays tied also if the priority is refused; a goroutine that ends while it is tied takes its thread with it.
func Thread(priority int) error {
	runtime.LockOSThread()
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: uint32(priority), Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
		return fault.Errorf(fault.Unsupported, "real-time priority %d: %w; it needs CAP_SYS_NICE and, in a cgroup with its own real-time share, a share greater than zero", priority, err)
	}
	return nil
}

// Options say what Process asks for.
type Options struct {
	// LockMemory keeps every page that was touched in memory. Pages are not filled in beforehand, so the process does not grow by it.
	LockMemory bool
}

// Process protects the whole process and returns, in words for people, what could not be had.
func Process(o Options) (missing []string) {
	// Programs that the process starts inherit this; whoever starts services resets it for them.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0); err != nil {
		missing = append(missing, "the daemon is within reach of the OOM killer: "+err.Error())
	}
	if o.LockMemory {
		if err := lockMemory(); err != nil {
			missing = append(missing, "the daemon's memory is not locked: "+err.Error())
		}
	}
	return missing
}

// lockMemory locks memory only if there is no limit to it: under a limit some later allocation would fail, and end the process.
func lockMemory() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err
	}
	if limit.Cur != unix.RLIM_INFINITY {
		can, err := mayLock()
		if err != nil {
			return err
		}
		if !can {
			return fmt.Errorf("the limit of locked memory is %d KiB; raise it to infinity (LimitMEMLOCK=) or give CAP_IPC_LOCK", limit.Cur/1024)
		}
	}
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}

// mayLock reports whether the process has CAP_IPC_LOCK, which lifts the limit.
func mayLock() (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, err
	}
	return data[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0, nil
}
