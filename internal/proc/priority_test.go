package proc

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A child is made with the priority of the daemon: one of ordinary priority would hold up the thread that made it, and the daemon with it, until the machine has time.
func TestChildrenAreMadeWithThePriority(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with it
		if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0); err != nil {
			t.Error(err)
			return
		}
		err := (&Launcher{}).enter(func() error {
			if attr, err := unix.SchedGetAttr(0, 0); err != nil || attr.Policy != unix.SCHED_RR {
				t.Errorf("got %+v, %v", attr, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	<-done
}
