package daemon

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"redoubt/internal/membership"
)

// clock implements engine.Clock by the kernel's clocks.
type clock struct{}

// Boot is CLOCK_BOOTTIME: it goes on while the machine sleeps and is never set.
func (clock) Boot() membership.Instant {
	var ts unix.Timespec
	// It cannot fail: the clock is in every kernel since 2.6.39. It cannot wait either, so the runtime's scheduler need not hear of it.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0)
	return membership.Instant(ts.Nano())
}

// Wall is the time people read.
func (clock) Wall() time.Time { return time.Now().Round(0) }
