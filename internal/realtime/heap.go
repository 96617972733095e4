package realtime

import (
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// A heap that grows asks the kernel for another piece of its address space, and nothing in the process can touch new memory until it has it. The kernel may wait then for a thread
// of its own that looks at the process's pages (DAMON, the reclaim of memory) and holds a lock of theirs; such threads have no real-time priority, and on a machine whose processors are all
// taken by one that has, they hold it for most of a second: the process with the priority stands still, and its lease ends. So the daemon asks once, when it begins, for more than it
// will need. What is never touched costs no memory.

// ReserveHeap lets the heap grow to about size bytes without asking the kernel again. It does nothing where a limit to the address space, or a kernel that counts what is asked for
// instead of what is used, could make the request fail: the runtime would end the process. It reports whether it did.
func ReserveHeap(size int) bool {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil || limit.Cur != unix.RLIM_INFINITY {
		return false
	}
	if b, err := os.ReadFile("/proc/sys/vm/overcommit_memory"); err != nil || strings.TrimSpace(string(b)) == "2" {
		return false
	}
	runtime.KeepAlive(make([]byte, size))
	runtime.GC()
	return true
}
