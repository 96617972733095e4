package beat

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/tick"
)

// path is one interconnect path of this node: an address, its socket, the goroutine that receives on it and the one that keeps the socket on the
// interface that has the address.
type path struct {
	t     *Transport
	index int
	addr  netip.Addr
	count pathCount

	// Of the receiving goroutine alone.
	buf, plain []byte
	from       sockname
	names      interner

	trouble chan struct{} // sending failed: has the interface changed?
	stopped chan struct{}
	tasks   sync.WaitGroup

	mu     sync.RWMutex // held for reading while the descriptor is used to send
	fd     int          // -1: not open
	file   *os.File     // the same socket as the runtime waits for it
	device int          // the interface that sending is pinned to; 0: none
}

const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = time.Second
	lookAnyhow = 10 * time.Second
	// maxErrors of the socket in a row are read; more are no errors of datagrams, and the next datagram shows whether it has recovered.
	maxErrors = 64
	// receiveBuffer holds a second of heartbeats of a large cluster, for when the thread can not run.
	receiveBuffer = 1 << 20
)

// openPath starts a path. Only a port that another program has is an error: everything else may pass, and is tried again.
func openPath(t *Transport, index int, addr netip.Addr) (*path, error) {
	p := &path{
		t: t, index: index, addr: addr, fd: -1,
		buf: make([]byte, maxDatagram+1), plain: make([]byte, 0, maxDatagram),
		trouble: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	err := p.open()
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fault.Errorf(fault.Precondition, "interconnect path %d: port %d of %s is taken; is another daemon running? %w", index, t.cfg.Port, addr, err)
	}
	p.tasks.Go(func() { p.keep(err) })
	return p, nil
}

// close ends the path; nothing is delivered afterwards.
func (p *path) close() {
	close(p.stopped)
	p.mu.Lock()
	if p.file != nil {
		p.file.Close() // ends listen
	}
	p.mu.Unlock()
	p.tasks.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
}

// open makes the socket and starts to receive.
func (p *path) open() error {
	family := unix.AF_INET
	if p.addr.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	if err := configure(fd, family); err != nil {
		unix.Close(fd)
		return err
	}
	if err := unix.Bind(fd, sockaddr(p.addr, p.t.cfg.Port)); err != nil {
		unix.Close(fd)
		return err
	}
	// The runtime gets a descriptor of its own: closing it ends the wait, and nobody can be sending on it.
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		unix.Close(fd)
		return err
	}
	file := os.NewFile(uintptr(own), "heartbeats of "+p.addr.String())
	wait, err := file.SyscallConn()
	if err != nil {
		file.Close()
		unix.Close(fd)
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.stopped:
		file.Close()
		unix.Close(fd)
		return nil
	default:
	}
	p.fd, p.file = fd, file
	p.steerLocked()
	p.tasks.Go(func() { p.listen(wait, fd) })
	return nil
}

// configure sets what a heartbeat wants of the network: precedence on the way, room for a burst, and to be cut into fragments rather than be refused when
// it is long. A socket may be bound before its address is there.
func configure(fd, family int) error {
	level, freebind, tclass, discover := unix.IPPROTO_IP, unix.IP_FREEBIND, unix.IP_TOS, unix.IP_MTU_DISCOVER
	if family == unix.AF_INET6 {
		level, freebind, tclass, discover = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, unix.IPV6_TCLASS, unix.IPV6_MTU_DISCOVER
		if err := unix.SetsockoptInt(fd, level, unix.IPV6_V6ONLY, 1); err != nil {
			return err
		}
	}
	if err := unix.SetsockoptInt(fd, level, freebind, 1); err != nil {
		return err
	}
	// The rest is a matter of quality; a kernel or a container that refuses it is good enough.
	const networkControl = 0xc0 // DSCP CS6
	_ = unix.SetsockoptInt(fd, level, tclass, networkControl)
	_ = unix.SetsockoptInt(fd, level, discover, unix.IP_PMTUDISC_DONT)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, 6)
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	return nil
}

// keep opens the socket, if that has failed so far, and keeps it on the interface of its address.
func (p *path) keep(failed error) {
	backoff := minBackoff
	for failed != nil {
		p.t.cfg.Log.Warn("interconnect path can not be used; trying again", "path", p.index, "address", p.addr, "err", failed)
		for failed != nil {
			if !p.pause(backoff) {
				return
			}
			backoff = min(2*backoff, maxBackoff)
			failed = p.open()
		}
		p.t.cfg.Log.Info("interconnect path can be used", "path", p.index, "address", p.addr)
	}
	// Addresses that come are told. Where that does not work, or was lost, looking has to do.
	addresses := make(chan netlink.AddrUpdate, 16)
	every := lookAnyhow
	if err := netlink.AddrSubscribe(addresses, p.stopped); err != nil {
		addresses, every = nil, maxBackoff
	}
	ticks := tick.New(every)
	defer func() { ticks.Stop() }()
	p.steer()
	for {
		select {
		case <-p.stopped:
			return
		case <-ticks.C:
			p.steer()
		case change, ok := <-addresses:
			switch {
			case !ok:
				ticks.Stop()
				addresses, ticks = nil, tick.New(maxBackoff)
			case change.NewAddr && change.LinkAddress.IP.Equal(net.IP(p.addr.AsSlice())):
				p.steer()
			}
		case <-p.trouble:
			p.steer()
			if !p.pause(minBackoff) { // trouble comes with every message while it lasts
				return
			}
		}
	}
}

func (p *path) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.stopped:
		return false
	case <-timer.C:
		return true
	}
}

// steer pins sending to the interface that has the address, so that a path that is lost is not carried by another network unnoticed. An
// interface that was made anew has another number.
func (p *path) steer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steerLocked()
}

func (p *path) steerLocked() {
	device := deviceOf(p.addr)
	if device == 0 || device == p.device || p.fd < 0 {
		return
	}
	level, option := unix.IPPROTO_IP, unix.IP_UNICAST_IF
	if p.addr.Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_IF
	}
	var index [4]byte
	binary.BigEndian.PutUint32(index[:], uint32(device)) // in network byte order
	if err := unix.SetsockoptInt(p.fd, level, option, int(int32(binary.NativeEndian.Uint32(index[:])))); err != nil {
		p.t.cfg.Log.Warn("interconnect path is not pinned to its interface", "path", p.index, "address", p.addr, "err", err)
	}
	p.device = device
}

// deviceOf finds the interface that has an address; 0: none has it now.
func deviceOf(a netip.Addr) int {
	family := netlink.FAMILY_V4
	if a.Is6() {
		family = netlink.FAMILY_V6
	}
	list, err := netlink.AddrList(nil, family)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return 0
	}
	for _, have := range list {
		if have.IP.Equal(net.IP(a.AsSlice())) {
			return have.LinkIndex
		}
	}
	return 0
}

// write hands a datagram to the network without waiting.
func (p *path) write(datagram []byte, to *sockname) {
	p.mu.RLock()
	err := sendTo(p.fd, datagram, to)
	p.mu.RUnlock()
	if err == nil {
		p.count.sent.Add(1)
		return
	}
	p.count.unsent.Add(1)
	select {
	case p.trouble <- struct{}{}:
	default:
	}
}

// listen receives until the path is closed. The runtime waits for all sockets of the process together, so that a round of heartbeats that arrives at once wakes
// the process once.
func (p *path) listen(wait syscall.RawConn, fd int) {
	err := wait.Read(func(uintptr) bool {
		p.drain(fd)
		return false // wait for more; the poller tells only of what comes after the socket was empty
	})
	select {
	case <-p.stopped:
		return
	default:
	}
	if err != nil {
		p.t.cfg.Log.Error("interconnect path does not receive any more", "path", p.index, "address", p.addr, "err", err)
	}
}

// drain reads until nothing is left. An error of the socket is cleared by reading it.
func (p *path) drain(fd int) {
	for errs := 0; errs < maxErrors; {
		n, err := receiveFrom(fd, p.buf, &p.from)
		now := at()
		switch {
		case err == nil:
			errs = 0
			p.t.receive(p, p.buf[:n], &p.from, now)
		case errors.Is(err, unix.EAGAIN):
			return
		default:
			errs++
		}
	}
}
