package proc

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// From its fork until it has become its program a child keeps the priority of the daemon: so long the kernel lets the thread wait that has made it, which holds one of the
// runtime's places and can not be stopped, and with it, at the next collection of garbage, the whole daemon. A child of ordinary priority would wait for a processor
// meanwhile, on a machine under full load for some tenths of a second, and a lease is lost by that. What the child has become is ordinary at once; its threads, and
// the processes that it has already made, are all in its cgroup.

// ordinary takes the daemon's priority from everything in a cgroup.
func ordinary(leaf string) error {
	path := filepath.Join(leaf, "cgroup.threads")
	for range ordinaryRounds {
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil // it has ended, and its cgroup was taken away
		}
		if err != nil {
			return fault.Errorf(fault.Internal, "threads of %s: %w", leaf, err)
		}
		fresh := false
		for tid := range strings.FieldsSeq(string(b)) {
			was, err := reset(tid)
			if err != nil {
				return fault.Errorf(fault.Internal, "ordinary priority for thread %s in %s: %w", tid, leaf, err)
			}
			fresh = fresh || was
		}
		if !fresh {
			return nil
		}
	}
	return fault.Errorf(fault.Internal, "ordinary priority in %s: it makes processes faster than they can be given one", leaf)
}

// ordinaryRounds is how often threads are looked for that were made meanwhile by others that still had the priority.
const ordinaryRounds = 50

// reset gives a thread ordinary priority and reports whether it had another one.
func reset(thread string) (had bool, err error) {
	tid, err := strconv.Atoi(thread)
	if err != nil {
		return false, err
	}
	attr, err := unix.SchedGetAttr(tid, 0)
	if err == nil && attr.Policy == unix.SCHED_NORMAL {
		return false, nil
	}
	if err == nil {
		err = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
	}
	if errors.Is(err, unix.ESRCH) {
		return false, nil // it has ended
	}
	return true, err
}
