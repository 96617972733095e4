package realtime

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// The Go runtime has a thread of its own, the watchman here, that looks after goroutines which run long and system calls which do not return. Every time
// the process is woken and makes a call it wakes too, and looks around every 20 µs until the process rests again. A thread with real-time priority is woken
// exactly that often, and in a process that does a little a hundred times a second that is most of what it costs. So while the process rests the watchman alone has
// ordinary scheduling, the best there is, and may sleep up to watchmanSlack longer than it asked for.
//
// What it does may then be late by that much, and more under full load: a goroutine is preempted after 12 instead of 10 ms, and a call that hangs keeps one of the
// processors' places as long. Nothing waits for it in a process at rest while there is a second processor; where there is none the watchman is left alone. In a process
// at work, which makes many calls that take their time (it starts programs), everything waits for it: on a machine under full load for a tenth of a second. There it has the priority.

const (
	watchmanSlack = 2 * time.Millisecond
	bestNice      = -20
	// spareThreads are made ahead, so that the watchman does not have to make any: they would be as ordinary as it is.
	spareThreads = 12
)

// Watchman finds the runtime's watchman: the second thread of every Go program. 0: it can not be told.
func Watchman() (tid int, err error) {
	d, err := os.Open("/proc/self/task")
	if err != nil {
		return 0, fault.Errorf(fault.Internal, "find the runtime's watchman: %w", err)
	}
	defer d.Close()
	// The kernel lists threads in the order in which they were made; os.ReadDir would sort them by name.
	names, err := d.Readdirnames(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fault.Errorf(fault.Internal, "find the runtime's watchman: %w", err)
	}
	if len(names) < 2 || names[0] != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	return strconv.Atoi(names[1])
}

// relax takes the priority of the watchman back.
func relax(tid int) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: bestNice}
	if err := unix.SchedSetAttr(tid, &attr, 0); err != nil {
		return fault.Errorf(fault.Unsupported, "ordinary scheduling of thread %d: %w", tid, err)
	}
	slack := []byte(strconv.FormatInt(watchmanSlack.Nanoseconds(), 10))
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/timerslack_ns", tid), slack, 0); err != nil {
		return fault.Errorf(fault.Unsupported, "timer slack of thread %d: %w", tid, err)
	}
	return nil
}

// rouse gives the watchman the priority again, and its punctuality.
func rouse(tid, priority int) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: uint32(priority)}
	if err := unix.SchedSetAttr(tid, &attr, 0); err != nil {
		return fault.Errorf(fault.Unsupported, "real-time priority of thread %d: %w", tid, err)
	}
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/timerslack_ns", tid), []byte("0"), 0); err != nil { // 0: as it was
		return fault.Errorf(fault.Unsupported, "timer slack of thread %d: %w", tid, err)
	}
	return nil
}

// spare makes threads that wait for work from then on.
func spare(n int) {
	begin, began := make(chan struct{}), make(chan struct{})
	for range n {
		go func() {
			runtime.LockOSThread() // each on its own
			defer runtime.UnlockOSThread()
			began <- struct{}{}
			<-begin
		}()
	}
	for range n {
		<-began
	}
	close(begin)
}
