package beat

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"redoubt/internal/membership"
)

// The system calls of every heartbeat, none of which can wait: made past the runtime's scheduler. The ordinary way announces each call to the runtime's
// watchman for calls that take long, which wakes its thread and keeps it polling: with ten quanta a second that was most of the cost of a daemon at rest.

// at is the present instant.
func at() membership.Instant {
	var ts unix.Timespec
	// It can not fail: the clock is older than every kernel this runs on.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0)
	return membership.Instant(ts.Nano())
}

// sockname is an address and port as the kernel reads and writes them; size 0: none.
type sockname struct {
	raw  unix.RawSockaddrInet6 // of IPv4 only the beginning is used, which is laid out as struct sockaddr_in
	size uint32
}

// sockaddr is the same for the calls that are made seldom.
func sockaddr(a netip.Addr, port uint16) unix.Sockaddr {
	switch {
	case !a.IsValid():
		return nil
	case a.Is4():
		return &unix.SockaddrInet4{Port: int(port), Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: int(port), Addr: a.As16()}
}

func socknameOf(a netip.Addr, port uint16) (s sockname) {
	switch {
	case !a.IsValid():
	case a.Is4():
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.raw))
		v4.Family, v4.Addr, s.size = unix.AF_INET, a.As4(), unix.SizeofSockaddrInet4
		putPort(&v4.Port, port)
	default:
		s.raw.Family, s.raw.Addr, s.size = unix.AF_INET6, a.As16(), unix.SizeofSockaddrInet6
		putPort(&s.raw.Port, port)
	}
	return s
}

func putPort(field *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(field))[:], port)
}

// addrPort reads what the kernel wrote; invalid where there is nothing to read.
func (s *sockname) addrPort() netip.AddrPort {
	switch {
	case s == nil || s.size < unix.SizeofSockaddrInet4:
	case s.raw.Family == unix.AF_INET:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.raw))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), getPort(&v4.Port))
	case s.raw.Family == unix.AF_INET6 && s.size >= unix.SizeofSockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.raw.Addr), getPort(&s.raw.Port))
	}
	return netip.AddrPort{}
}

func getPort(field *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(field))[:])
}

// sendTo hands a datagram, which is not empty, to the network without waiting.
func sendTo(fd int, datagram []byte, to *sockname) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&datagram[0])), uintptr(len(datagram)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
	if errno != 0 {
		return errno
	}
	return nil
}

// receiveFrom reads a datagram into buf, without waiting for one.
func receiveFrom(fd int, buf []byte, from *sockname) (int, error) {
	from.size = unix.SizeofSockaddrInet6
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&from.raw)), uintptr(unsafe.Pointer(&from.size)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
