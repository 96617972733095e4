// Package relay joins a machine that no interconnect leads to, a quorum server elsewhere, to the private network of the others: each side takes in, on its own loopback
// interface, what is meant for the private address of the other, carries it to the other's public address, and there it goes on to the machine's own private address. What
// runs over the private network (the repository, mutual TLS from end to end) need not know; the relay sees none of what it carries and proves nothing of its own.
//
// From the network only the machines that are meant are let in, by their address, so that nobody else can use the listeners up; on the loopback interface only this machine.
// A way that is lost is not hidden: connections over it end within seconds.
package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// Desired is what is to be joined. The zero value is nothing.
type Desired struct {
	Self  Machine
	Peers []Machine // those that Self and they themselves reach by public addresses alone
	Ports []uint16  // TCP, of the private network
}

// Machine is one machine by its two addresses.
type Machine struct {
	Private, Public netip.Addr
}

// The bounds of a connection that is carried.
const (
	dialLimit   = 2 * time.Second
	silence     = 8 * time.Second // unacknowledged for so long, it ends
	keepIdle    = 3 * time.Second
	keepEvery   = time.Second
	keepCount   = 4
	mostCarried = 256 // connections of one listener at once
)

// Relay is what is joined at this moment. Its methods may be called from several goroutines.
type Relay struct {
	log   *slog.Logger
	known atomic.Pointer[[]netip.Addr] // who may come from the network; replaced as a whole. Lines read it while Apply waits for their end

	mu    sync.Mutex // one change at a time
	lines map[way]*line
}

// way is one listener and where what comes in goes on to.
type way struct {
	listen, dial netip.AddrPort
	from         netip.Addr // the address to dial from; the zero Addr: any
	inward       bool       // from the network to this machine; otherwise from this machine to the network
}

// line is a way that is open.
type line struct {
	way
	listener net.Listener
	stop     context.CancelFunc
	tasks    sync.WaitGroup
}

// New returns a relay of nothing; Apply makes it.
func New(log *slog.Logger) *Relay {
	return &Relay{log: log, lines: map[way]*line{}}
}

// ways lists what is to be open.
func ways(d Desired) []way {
	var out []way
	if !d.Self.Private.IsValid() || !d.Self.Public.IsValid() {
		return nil
	}
	inward := false
	for _, p := range d.Peers {
		if !p.Private.IsValid() || !p.Public.IsValid() {
			continue
		}
		inward = true
		for _, port := range d.Ports {
			out = append(out, way{listen: netip.AddrPortFrom(p.Private, port), dial: netip.AddrPortFrom(p.Public, port), from: d.Self.Public})
		}
	}
	for _, port := range d.Ports {
		if inward {
			out = append(out, way{listen: netip.AddrPortFrom(d.Self.Public, port), dial: netip.AddrPortFrom(d.Self.Private, port), inward: true})
		}
	}
	return out
}

// Apply joins what is desired and nothing else; ways that stay are not disturbed. What can not be opened, because another program has the port, is in the error; the rest is
// open, and the next call tries it again.
func (r *Relay) Apply(d Desired) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var known []netip.Addr
	for _, p := range d.Peers {
		known = append(known, p.Public.Unmap())
	}
	r.known.Store(&known)
	want := ways(d)
	for w, l := range r.lines {
		if !slices.Contains(want, w) {
			l.end()
			delete(r.lines, w)
		}
	}
	var errs []error
	for _, w := range want {
		if r.lines[w] != nil {
			continue
		}
		l, err := r.open(w)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.lines[w] = l
	}
	return errors.Join(errs...)
}

// Close ends every way and what it carries.
func (r *Relay) Close() { _ = r.Apply(Desired{}) }

// open begins to listen.
func (r *Relay) open(w way) (*line, error) {
	lc := net.ListenConfig{Control: w.shape, KeepAliveConfig: keepAlive()}
	listener, err := lc.Listen(context.Background(), "tcp", w.listen.String())
	if err != nil {
		return nil, fault.Errorf(fault.Precondition, "the way to a machine that is on no interconnect: listen on %s: %w; see which program has the port (ss -ltnp)", w.listen, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &line{way: w, listener: listener, stop: stop}
	l.tasks.Go(func() { r.accept(ctx, l) })
	return l, nil
}

// shape sets what a listener wants of the kernel: a public address may come later than the listener, and what is taken in for another machine comes from this one alone.
func (w way) shape(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		level, freebind := unix.IPPROTO_IP, unix.IP_FREEBIND
		if w.listen.Addr().Is6() {
			level, freebind = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND
		}
		failed = unix.SetsockoptInt(int(fd), level, freebind, 1)
		if failed == nil && !w.inward {
			failed = unix.BindToDevice(int(fd), "lo")
		}
		if failed == nil {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
		}
	})
	return errors.Join(err, failed)
}

// impatient lets a connection end when nothing of it is acknowledged any more.
func impatient(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
	})
	return errors.Join(err, failed)
}

func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: keepIdle, Interval: keepEvery, Count: keepCount}
}

// end closes a line and everything that it carries.
func (l *line) end() {
	l.stop()
	_ = l.listener.Close()
	l.tasks.Wait()
}

// accept takes connections in until the line ends.
func (r *Relay) accept(ctx context.Context, l *line) {
	places := make(chan struct{}, mostCarried)
	for {
		c, err := l.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			// No descriptors, say: it passes.
			select {
			case <-ctx.Done():
				return
			case <-time.After(dialLimit / 10):
			}
			continue
		}
		near, ok := c.(*net.TCPConn)
		if !ok {
			_ = c.Close()
			continue
		}
		if l.inward && !r.admits(near) {
			abort(near)
			continue
		}
		select {
		case places <- struct{}{}:
		default:
			r.log.Warn("too many connections are carried for a machine that is on no interconnect; this one is refused", "at", l.listen, "from", near.RemoteAddr())
			abort(near)
			continue
		}
		l.tasks.Go(func() {
			defer func() { <-places }()
			l.carry(ctx, near)
		})
	}
}

// admits reports whether who connects is one of those that are meant.
func (r *Relay) admits(c *net.TCPConn) bool {
	at, ok := c.RemoteAddr().(*net.TCPAddr)
	known := r.known.Load()
	return ok && known != nil && slices.Contains(*known, at.AddrPort().Addr().Unmap())
}

// carry passes on what one side sends to the other until both have ended or one has failed.
func (l *line) carry(ctx context.Context, near *net.TCPConn) {
	d := net.Dialer{Timeout: dialLimit, KeepAliveConfig: keepAlive(), Control: impatient}
	if l.from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.from, 0))
	}
	c, err := d.DialContext(ctx, "tcp", l.dial.String())
	if err != nil {
		abort(near) // as if nobody listened
		return
	}
	far, ok := c.(*net.TCPConn)
	if !ok {
		abort(near)
		return
	}
	release := context.AfterFunc(ctx, func() { abort(near); abort(far) })
	defer release()
	var both sync.WaitGroup
	for _, p := range [][2]*net.TCPConn{{near, far}, {far, near}} {
		both.Go(func() {
			if _, err := io.Copy(p[1], p[0]); err != nil {
				abort(near)
				abort(far)
				return
			}
			_ = p[1].CloseWrite()
		})
	}
	both.Wait()
	_ = near.Close()
	_ = far.Close()
}

// abort closes a connection so that the other side sees that it broke, and did not end.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
