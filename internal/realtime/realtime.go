// Package realtime makes a process hard to delay: real-time priority for the threads that must not be late, memory that stays in memory, safety from the
// OOM killer. What a machine refuses is reported, not fatal: the cluster is then safe as before and only less patient under load.
package realtime

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// Priority is the real-time priority for the daemon's threads: below the guard's, above everything that has none.
const Priority = 10

// Threads gives every thread of the process the real-time priority under SCHED_RR. Threads that it makes later inherit it, and so do programs that it starts: who
// starts one gives it back. All threads, because under full load a single one would wait for those of the runtime that hand it its work.
func Threads(priority int) error { return threads(priority, 0) }

// threads leaves out one thread.
func threads(priority, except int) error {
	done := map[string]bool{strconv.Itoa(except): true}
	for range 5 { // until no thread was made meanwhile
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fault.Errorf(fault.Internal, "real-time priority: %w", err)
		}
		fresh := false
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if done[t.Name()] || err != nil {
				continue
			}
			attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: uint32(priority)}
			if err := unix.SchedSetAttr(tid, &attr, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return fault.Errorf(fault.Unsupported, "real-time priority %d: %w; it needs CAP_SYS_NICE and, in a cgroup with its own real-time share, a share greater than zero", priority, err)
			}
			done[t.Name()], fresh = true, true
		}
		if !fresh {
			return nil
		}
	}
	return nil
}

// Options say what Process asks for.
type Options struct {
	// Priority is for Threads; 0: not wanted.
	Priority int
	// Relax lets Rest give the runtime's watchman ordinary scheduling while the process rests; see Watchman. Renew has to be called now and then.
	Relax bool
	// LockMemory keeps every page that was touched in memory. Pages are not filled in beforehand, so the process does not grow by it.
	LockMemory bool
}

// Process protects the whole process and returns, in words for people, what could not be had.
func Process(o Options) (missing []string) {
	// Programs that the process starts inherit this; whoever starts services resets it for them.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0); err != nil {
		missing = append(missing, "the daemon is within reach of the OOM killer: "+err.Error())
	}
	if o.Priority > 0 {
		if err := prioritize(o); err != nil {
			missing = append(missing, "under full load this node may lose its lease: "+err.Error())
		}
	}
	if o.LockMemory {
		if err := lockMemory(); err != nil {
			missing = append(missing, "the daemon's memory is not locked: "+err.Error())
		}
	}
	return missing
}

// prioritize gives the threads their priority, the watchman too: a process is at work when it begins.
func prioritize(o Options) error {
	if o.relaxes() {
		spare(spareThreads)
	}
	return Threads(o.Priority)
}

// relaxes reports whether the watchman is ever relaxed: where there is one processor, somebody would wait for it.
func (o Options) relaxes() bool { return o.Priority > 0 && o.Relax && runtime.NumCPU() > 1 }

// Rest says whether the process rests: then its watchman has ordinary scheduling, otherwise its priority.
func Rest(o Options, rests bool) error {
	if !o.relaxes() {
		return nil
	}
	tid, err := Watchman()
	if err != nil || tid == 0 {
		return err // a watchman that can not be told from others keeps the priority, and only costs more
	}
	if rests {
		return relax(tid)
	}
	return rouse(tid, o.Priority)
}

// Renew gives the priority to threads that were made by the watchman while it had none; rests says whether it has none now.
func Renew(o Options, rests bool) error {
	if !o.relaxes() {
		return nil
	}
	if !rests {
		return Threads(o.Priority)
	}
	tid, err := Watchman()
	if err != nil {
		return err
	}
	return threads(o.Priority, tid)
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
