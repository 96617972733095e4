package guard

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiver reads packets with at most one descriptor, without allocating.
type receiver struct {
	buf  []byte
	oob  [64]byte
	iov  unix.Iovec
	head unix.Msghdr
}

func (r *receiver) init() {
	r.buf = make([]byte, MaxFrame)
	r.iov.Base = &r.buf[0]
	r.head.Iov = &r.iov
}

// receive reads one packet into buf and returns its length and the descriptor that came with it, or -1. A packet without a
// length is the end of the connection.
func (r *receiver) receive(fd int) (n, passed int, err error) {
	r.iov.SetLen(len(r.buf))
	r.head.SetIovlen(1)
	r.head.Control = &r.oob[0]
	r.head.SetControllen(len(r.oob))
	got, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.head)), unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if errno != 0 {
		return 0, -1, errno
	}
	passed = -1
	if r.head.Controllen > 0 {
		passed = firstDescriptor(r.oob[:r.head.Controllen])
	}
	return int(got), passed, nil
}

// firstDescriptor returns the first descriptor of a control message and closes any other.
func firstDescriptor(oob []byte) int {
	first := -1
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return -1
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			if first < 0 {
				first = fd
			} else {
				unix.Close(fd)
			}
		}
	}
	return first
}
