package etcdstore

import (
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// Renew makes the client connect to every member anew, with the certificate and the authorities that the files hold now. Calls that are under way end
// on the old connections, and watches go on where they were.
func (s *Store) Renew() error {
	s.mu.Lock()
	var addresses []string
	for _, e := range s.endpoints {
		addresses = append(addresses, e.address)
	}
	fresh := make([]*endpoint, 0, len(addresses))
	for _, a := range addresses {
		e, err := newEndpoint(a, s.cfg.TLS)
		if err != nil {
			for _, f := range fresh {
				_ = f.conn.Close()
			}
			s.mu.Unlock()
			return err
		}
		fresh = append(fresh, e)
	}
	old := s.endpoints
	s.endpoints = fresh
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	time.AfterFunc(lateCalls, func() {
		for _, e := range old {
			_ = e.conn.Close()
		}
	})
	return nil
}

// lateCalls is how long calls that are under way may go on over connections that are not used any more.
const lateCalls = 5 * time.Second

// Cut ends every connection of this process with the peers' port of a member, here and elsewhere: what etcd has accepted it does not look at again, and it
// keeps its connections to itself. Members that still count are back within a tenth of a second, those whose certificate was revoked meet the list.
func Cut(port int) error {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fault.Errorf(fault.Internal, "end the connections of the repository's members: %w", err)
	}
	var errs []error
	for _, f := range fds {
		fd, err := strconv.Atoi(f.Name())
		if err != nil {
			continue
		}
		errs = append(errs, cut(fd, port))
	}
	return errors.Join(errs...)
}

// cut ends the connection that fd is, if it is one with the port. It works on a duplicate: the number may be somebody else's a moment later.
func cut(fd, port int) error {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil //nolint:nilerr // it was closed meanwhile
	}
	defer unix.Close(own)
	if kind, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
		return nil //nolint:nilerr // not a connection
	}
	there, err := unix.Getpeername(own)
	if err != nil {
		return nil //nolint:nilerr // it listens
	}
	here, err := unix.Getsockname(own)
	if err != nil || portOf(here) != port && portOf(there) != port {
		return nil //nolint:nilerr // gone
	}
	if err := unix.Shutdown(own, unix.SHUT_RDWR); err != nil && !errors.Is(err, unix.ENOTCONN) {
		return fault.Errorf(fault.Internal, "end a connection of the repository's members: %w", err)
	}
	return nil
}

func portOf(a unix.Sockaddr) int {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return a.Port
	case *unix.SockaddrInet6:
		return a.Port
	}
	return -1
}
