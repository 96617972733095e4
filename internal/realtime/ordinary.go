package realtime

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// From its fork until it has become its program a child keeps the priority of the process that makes it: so long the kernel lets the thread wait that has made it, which
// holds one of the runtime's places and can not be stopped, and with it, at the next collection of garbage, the whole process. A child of ordinary priority would wait for
// a processor meanwhile, on a machine under full load for some tenths of a second, and a lease is lost by that. What the child has become is ordinary at once; its threads,
// and the processes that it has already made, are all in its cgroup.

// Ordinary takes from everything in a cgroup what it has inherited of Process: the priority, and the protection from the OOM killer as far as the kernel lets it.
// A process that is just being made has its priority already and is in no cgroup yet; those are looked for again a little later.
func Ordinary(cgroup string) error {
	err := ordinary(cgroup)
	for _, after := range laterLooks {
		time.AfterFunc(after, func() { _ = ordinary(cgroup) })
	}
	return err
}

// laterLooks are long after a fork, also on a machine under full load.
var laterLooks = [...]time.Duration{30 * time.Millisecond, time.Second}

func ordinary(cgroup string) error {
	for range ordinaryRounds {
		threads, err := members(cgroup, "cgroup.threads")
		if err != nil {
			return err
		}
		fresh := false
		for _, tid := range threads {
			was, err := demote(tid)
			if err != nil {
				return fault.Errorf(fault.Internal, "ordinary priority for thread %d in %s: %w", tid, cgroup, err)
			}
			fresh = fresh || was
		}
		processes, err := members(cgroup, "cgroup.procs")
		if err != nil {
			return err
		}
		for _, pid := range processes {
			fresh = expose(pid) || fresh
		}
		if !fresh {
			return nil
		}
	}
	return fault.Errorf(fault.Internal, "ordinary priority in %s: it makes processes faster than they can be given one", cgroup)
}

// OrdinaryProcess does the same for one process that has no cgroup of its own: what it has made before stays as it is.
func OrdinaryProcess(pid int) {
	_, _ = demote(pid)
	expose(pid)
}

// ordinaryRounds is how often it is looked for what was made meanwhile by others that were not ordinary yet.
const ordinaryRounds = 50

// members are the threads or processes of a cgroup; none when it was taken away.
func members(cgroup, file string) (ids []int, err error) {
	b, err := os.ReadFile(filepath.Join(cgroup, file))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "threads and processes of %s: %w", cgroup, err)
	}
	for text := range strings.FieldsSeq(string(b)) {
		id, err := strconv.Atoi(text)
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "threads and processes of %s: %w", cgroup, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// demote gives a thread ordinary priority and reports whether it had another one.
func demote(tid int) (had bool, err error) {
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

// expose takes from a process what the OOM killer is told of this one, and reports whether it had that.
func expose(pid int) bool {
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return false
	}
	path := "/proc/" + strconv.Itoa(pid) + "/oom_score_adj"
	has, err := os.ReadFile(path)
	return err == nil && bytes.Equal(own, has) && strings.TrimSpace(string(own)) != "0" && os.WriteFile(path, []byte("0"), 0) == nil
}
