package guard

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The guard is woken with every lease, many times a second, and hardly does anything then. What that costs is mostly the runtime's: a thread that waits in a
// system call of its own, and every call that is announced to the scheduler, wake a second thread that looks whether the first one hangs. So the guard waits as the
// runtime itself does, and makes the calls of the steady state, none of which can wait, past the scheduler. Where that can not be it waits in poll: the same, dearer.

// rest is how the guard waits: all its descriptors are in one epoll descriptor, which the runtime waits for.
type rest struct {
	set   int
	wait  syscall.RawConn // nil: not to be had
	file  *os.File
	fds   []unix.PollFd
	ready func(uintptr) bool // looks at fds; made once, so that waiting allocates nothing
}

// prepare makes the set. A failure leaves the guard with poll.
func (r *rest) prepare(fds ...int) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return
	}
	r.set = set
	if unix.SetNonblock(set, true) != nil {
		return
	}
	r.file = os.NewFile(uintptr(set), "guard")
	if r.wait, err = r.file.SyscallConn(); err != nil {
		r.wait = nil
		return
	}
	var now unix.Timespec
	r.ready = func(uintptr) bool {
		n, _, _ := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&r.fds[0])), uintptr(len(r.fds)), uintptr(unsafe.Pointer(&now)), 0, 0, 0)
		return n != 0 // an error as well
	}
	for _, fd := range fds {
		r.add(fd)
	}
}

// add takes a descriptor into the set; it leaves it when it is closed. One that can not be added is not waited for, so everything is polled from then on.
func (r *rest) add(fd int) {
	if r.wait == nil || fd < 0 {
		return
	}
	if unix.EpollCtl(r.set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}) != nil {
		r.wait = nil
	}
}

// until waits until one of the descriptors, which are those of the set or -1, has something, and tells which.
func (r *rest) until(fds ...int) []unix.PollFd {
	r.fds = r.fds[:0]
	for _, fd := range fds {
		r.fds = append(r.fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	if r.wait != nil {
		err := r.wait.Read(r.ready)
		if err == nil {
			return r.fds
		}
		r.wait = nil
	}
	_, _ = unix.Poll(r.fds, -1)
	return r.fds
}

// settle frees the guard from the thread that it began on.
func (r *rest) settle() {
	if r.wait != nil {
		runtime.UnlockOSThread()
	}
}

// Now reads CLOCK_BOOTTIME in nanoseconds.
func Now() int64 {
	var ts unix.Timespec
	// The call can not fail: the clock exists on every kernel that has timerfd for it.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

// setTimer arms a timer at an absolute time. With an own timer that can not fail.
func setTimer(timer int, at int64) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(at)}
	_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(timer), unix.TFD_TIMER_ABSTIME, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}

// takeTicks reads what a timer has counted. It is asked when there is something.
func takeTicks(timer int) {
	var count [8]byte
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(timer), uintptr(unsafe.Pointer(&count[0])), 8)
}

// Post writes a packet, which is not empty, if it can be at once. The daemon sends leases by it too: what it costs there is what it costs here.
func Post(fd int, packet []byte) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&packet[0])), uintptr(len(packet)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Take reads a packet into buf if there is one; without one the error is EAGAIN, and a packet without a length is the end of the connection.
func Take(fd int, buf []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
