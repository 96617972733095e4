// Package guardlink is the daemon's side of the guard: it starts a guard or takes over the one that a restarted daemon left, feeds it leases and
// obligations, notices its death through the kernel, and cleans up after a guard that died. A guard that does not answer is killed when its
// lease ends; being the first process of its PID namespace, it takes every service with it.
package guardlink

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/guard"
	"redoubt/internal/membership"
)

// Config says which guard to start or to find.
type Config struct {
	// Program is the guard's own program, held open, with a descriptor that is not among the first ones (see execcheck.Hold). nil: this program is started, with the
	// word guard.
	Program *os.File
	// RunDir is where the control socket and the records of the guard lie; on a memory file system.
	RunDir string
	// Cgroup is the absolute path of the node's service cgroup; it is made when it is missing.
	Cgroup string
	// Incarnation is the name of this life of the node's services; only Start uses it.
	Incarnation string
	// OnUnkillable is one of guard.OnUnkillable*; "" is report.
	OnUnkillable string
	// AddressLife is how long the kernel keeps an owed address after both guard and daemon have died; at least one second. 0 is guard.AddressLife.
	AddressLife time.Duration
	// ShareMounts makes the root mount of this mount namespace shared if it is private, so that file systems mounted inside the guard's
	// namespace are seen outside and the other way round. systemd does so on every host it boots.
	ShareMounts bool
	// Log receives changes of state. It must not be nil.
	Log *slog.Logger
}

// Datagram is something that the guard sends after it has fenced.
type Datagram struct {
	Socket  *os.File // a connected datagram socket; the guard gets a duplicate
	Payload []byte
}

// Link is a connection to a living guard. Its methods may be called from several goroutines.
type Link struct {
	cfg         Config
	incarnation string
	pid         int
	pidfd       *os.File
	pidNS       *os.File
	mntNS       *os.File
	conn        *net.UnixConn

	call    sync.Mutex // one request at a time
	replies chan guard.Frame

	asked, acked atomic.Int64
	leased       chan struct{} // the lease may end earlier than watchLease expects
	alarm        *time.Timer   // when watchLease looks again
	firing       atomic.Bool
	taking       sync.Mutex // what the guard says is taken and heard in its order
	readEnd      chan struct{}

	mu       sync.Mutex
	state    guard.State
	report   guard.Report
	reported bool
	done     chan struct{} // closed when the kernel has ended the guard and all of its namespace
}

var _ agent.Obligations = (*Link)(nil)

// Incarnation returns the name of the life that the guard guards.
func (l *Link) Incarnation() string { return l.incarnation }

// PID returns the guard's process id in the namespace of the caller.
func (l *Link) PID() int { return l.pid }

// Namespaces returns the PID and the mount namespace in which services have to be started. They stay open until Close or the
// guard's end, and are for proc.Config.
func (l *Link) Namespaces() (pid, mnt *os.File) { return l.pidNS, l.mntNS }

// State returns what the guard said when the link was made: its lease, what it owes, which watchdog it feeds, and what it could not have.
func (l *Link) State() guard.State { return l.state }

// Acked returns the lease that the guard has last confirmed, zero if none.
func (l *Link) Acked() membership.Instant { return membership.Instant(l.acked.Load()) }

// Done is closed when the guard has ended and the kernel has ended everything in its namespace. Report says more.
func (l *Link) Done() <-chan struct{} { return l.done }

// Report returns the guard's last words, and false if it ended without any: it was killed. Only after Done.
func (l *Link) Report() (guard.Report, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report, l.reported
}

// Lease tells the guard until when services may run. It does not block and does not wait for the confirmation (see Acked). An error
// means that the guard can not be reached; it fires by itself when its last lease ends.
func (l *Link) Lease(until membership.Instant) error {
	before := l.asked.Swap(int64(until))
	if err := l.send(guard.Frame{Kind: guard.KindLease, Arg: int64(until)}, nil); err != nil {
		return fault.Errorf(fault.Unavailable, "give lease to the guard of %s: %w", l.cfg.Cgroup, err)
	}
	l.noteLease(before, int64(until))
	return nil
}

// Owe implements agent.Obligations.
func (l *Link) Owe(ctx context.Context, o agent.Obligation) error {
	return l.request(ctx, guard.Frame{Kind: guard.KindOwe, Text: owed(o).String()}, nil)
}

// Settle implements agent.Obligations. An address is removed again if it is still there.
func (l *Link) Settle(ctx context.Context, o agent.Obligation) error {
	return l.request(ctx, guard.Frame{Kind: guard.KindSettle, Text: owed(o).String()}, nil)
}

func owed(o agent.Obligation) guard.Owed {
	return guard.Owed{Address: o.Address, Interface: o.Interface, Mount: o.Mount}
}

// Handover tells the guard that until then the end of the connection is a planned restart and not the daemon's death. The lease has to be
// prolonged besides. Zero takes it back.
func (l *Link) Handover(ctx context.Context, until membership.Instant) error {
	return l.request(ctx, guard.Frame{Kind: guard.KindHandover, Arg: int64(until)}, nil)
}

// Arm gives the guard the datagrams that it sends once it has fenced cleanly, in place of those it had.
func (l *Link) Arm(ctx context.Context, datagrams []Datagram) error {
	if err := l.request(ctx, guard.Frame{Kind: guard.KindDatagram, Arg: 1}, nil); err != nil {
		return err
	}
	for _, d := range datagrams {
		if err := l.request(ctx, guard.Frame{Kind: guard.KindDatagram, Text: string(d.Payload)}, d.Socket); err != nil {
			return err
		}
	}
	return nil
}

// Watchdog gives the guard an open hardware watchdog to feed at every interval, with the name that the next daemon reads in State. The guard stops it when it ends and
// nothing has survived; for that the caller closes its own descriptor once the guard has taken the device.
func (l *Link) Watchdog(ctx context.Context, device *os.File, name string, every time.Duration) error {
	return l.request(ctx, guard.Frame{Kind: guard.KindWatchdog, Arg: int64(every), Text: name}, device)
}

// Fence ends every service now and returns what the guard reports, once its namespace is gone.
func (l *Link) Fence(ctx context.Context) (guard.Report, error) {
	if err := l.send(guard.Frame{Kind: guard.KindFence}, nil); err != nil && !l.ended() {
		// A guard that can not be told is killed: the kernel ends its namespace.
		l.Kill()
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		return guard.Report{}, fault.Errorf(fault.Timeout, "fence services in %s: the guard has not ended: %w", l.cfg.Cgroup, context.Cause(ctx))
	}
	r, ok := l.Report()
	if !ok {
		return r, fault.Errorf(fault.Unavailable, "fence services in %s: the guard ended without a report; run the cleanup of its leftovers", l.cfg.Cgroup)
	}
	return r, nil
}

// Quit ends the guard in good order. It is refused while a process runs in the service cgroup or something is owed.
func (l *Link) Quit(ctx context.Context) error {
	if err := l.request(ctx, guard.Frame{Kind: guard.KindQuit}, nil); err != nil {
		return err
	}
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fault.Errorf(fault.Timeout, "end guard of %s: %w", l.cfg.Cgroup, context.Cause(ctx))
	}
}

// Kill ends the guard by SIGKILL. The kernel ends every service with it; what it owed stays for Cleanup.
func (l *Link) Kill() {
	if rc, err := l.pidfd.SyscallConn(); err == nil {
		_ = rc.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
	}
}

// Close closes the connection. Without a Handover the guard takes it for the daemon's death and fences.
func (l *Link) Close() error { return l.conn.Close() }

func (l *Link) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// send writes one frame without ever blocking: a guard whose queue is full is not alive.
func (l *Link) send(f guard.Frame, file *os.File) error {
	b, err := f.AppendBinary(make([]byte, 0, 64+len(f.Text)))
	if err != nil {
		return err
	}
	if len(b) > guard.MaxFrame {
		return errors.New("control packet is too long")
	}
	rc, err := l.conn.SyscallConn()
	if err != nil {
		return err
	}
	if file == nil {
		werr := rc.Control(func(fd uintptr) { err = guard.Post(int(fd), b) })
		return errors.Join(werr, err)
	}
	// Fd would make the file blocking; its raw connection does not.
	frc, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var oob []byte
	if err := frc.Control(func(fd uintptr) { oob = unix.UnixRights(int(fd)) }); err != nil {
		return err
	}
	defer func() { _ = frc.Control(func(uintptr) {}) }()
	werr := rc.Control(func(fd uintptr) {
		err = unix.Sendmsg(int(fd), b, oob, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
	return errors.Join(werr, err)
}

func (l *Link) request(ctx context.Context, f guard.Frame, file *os.File) error {
	l.call.Lock()
	defer l.call.Unlock()
	select { // an answer to a request that was given up
	case <-l.replies:
	default:
	}
	if err := l.send(f, file); err != nil {
		return fault.Errorf(fault.Unavailable, "tell the guard of %s: %w", l.cfg.Cgroup, err)
	}
	select {
	case r := <-l.replies:
		if r.Kind == guard.KindRefused {
			return fault.Errorf(fault.Precondition, "guard of %s refused: %s", l.cfg.Cgroup, r.Text)
		}
		return nil
	case <-l.done:
		return fault.Errorf(fault.Unavailable, "tell the guard of %s: it has ended", l.cfg.Cgroup)
	case <-ctx.Done():
		return fault.Errorf(fault.Timeout, "tell the guard of %s: no answer: %w", l.cfg.Cgroup, context.Cause(ctx))
	}
}
