// Package apart runs code that changes its thread for good: its namespaces, its root directory.
package apart

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do calls f on a thread of its own, which ends with the call, and returns what f returns. What f opens or starts may outlive it, except for
// children that asked to die with their parent.
//
// The thread is never the first one of the process. The Go runtime can not end that one: it would stay for as long as the process, in whatever
// namespaces f left it, hold them open, and answer for the process in /proc/self.
func Do(f func() error) error {
	result := make(chan error, 1)
	go do(f, result)
	return <-result
}

func do(f func() error, result chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() != os.Getpid() {
		result <- f() // never unlocked: the runtime ends the thread with the goroutine
		return
	}
	// While this goroutine keeps the first thread, another one gets another.
	other := make(chan error, 1)
	go do(f, other)
	result <- <-other
	runtime.UnlockOSThread()
}
