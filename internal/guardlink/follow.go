package guardlink

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/guard"
)

// read takes what the guard says until the connection ends.
func (l *Link) read() {
	defer close(l.readEnd)
	buf := make([]byte, guard.MaxFrame)
	rc, err := l.conn.SyscallConn()
	if err != nil {
		return
	}
	var n int
	take := func(fd uintptr) bool {
		l.taking.Lock()
		defer l.taking.Unlock()
		if n, err = guard.Take(int(fd), buf); err == nil && n > 0 {
			l.hear(buf[:n])
		}
		return !errors.Is(err, unix.EAGAIN)
	}
	for {
		if rerr := rc.Read(take); rerr != nil {
			return
		}
		if err != nil && !errors.Is(err, unix.EINTR) || err == nil && n == 0 {
			return
		}
	}
}

// hear takes one packet of the guard's.
func (l *Link) hear(packet []byte) {
	f, err := guard.ParseFrame(packet)
	if err != nil {
		return
	}
	switch f.Kind {
	case guard.KindLeaseAck:
		l.noteLease(l.acked.Swap(f.Arg), f.Arg)
	case guard.KindFiring:
		l.firing.Store(true)
	case guard.KindFenced:
		l.hearReport(guard.ParseReport(f.Text))
	default:
		select {
		case l.replies <- f:
		default: // nobody waits any more
		}
	}
}

// catchUp takes what the guard has said and read has not come to yet: in a daemon that is late that one may still wait for its turn.
func (l *Link) catchUp() {
	rc, err := l.conn.SyscallConn()
	if err != nil {
		return
	}
	l.taking.Lock()
	defer l.taking.Unlock()
	_ = rc.Control(func(fd uintptr) {
		buf := make([]byte, guard.MaxFrame)
		for {
			n, err := guard.Take(int(fd), buf)
			if err != nil || n == 0 {
				return
			}
			l.hear(buf[:n])
		}
	})
}

func (l *Link) hearReport(r guard.Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.Clean && !l.reported {
		l.cfg.Log.Error("guard can not end everything", "reason", r.Reason, "problems", r.Problems)
	}
	l.report, l.reported = r, true
}

// grace is how long after the end of the confirmed lease a guard may take to say that it fires, before it is killed. A guard that is
// at work says so within milliseconds; one that is stopped or starved never does.
const grace = 20 * time.Millisecond

// due is when the guard has to fire: at the end of the lease it confirmed, or of the shorter one that it was given since. 0: no lease yet.
func (l *Link) due() int64 {
	asked, acked := l.asked.Load(), l.acked.Load()
	if acked == 0 {
		return asked
	}
	return min(asked, acked)
}

// watchLease kills a guard that lives on past the end of its lease: the kernel then ends what the guard did not. While leases are prolonged it sleeps: the alarm is
// put off with each that the guard confirms. A lease that ends earlier than the one before, and the first one, it is told of.
func (l *Link) watchLease() {
	defer l.alarm.Stop()
	for {
		if due := l.due(); due != 0 {
			l.alarm.Reset(time.Duration(due - guard.Now()))
		}
		select {
		case <-l.done:
			return
		case <-l.leased:
			continue
		case <-l.alarm.C:
		}
		if due := l.due(); due == 0 || guard.Now() < due {
			continue
		}
		// Counted from now and not from the end of the lease: the whole machine may have been frozen.
		select {
		case <-l.done:
			return
		case <-time.After(grace):
		}
		l.catchUp()
		if guard.Now() < l.due() {
			continue // a longer lease was on its way
		}
		if !l.firing.Load() {
			l.cfg.Log.Error("guard does not react to the end of its lease and is killed", "pid", l.pid)
			l.Kill()
		}
		<-l.done
		return
	}
}

// noteLease tells watchLease of a lease that may end earlier than it expects, and of the first one; for a longer one it puts the alarm off.
func (l *Link) noteLease(before, after int64) {
	if before != 0 && after >= before {
		due := l.due()
		l.alarm.Reset(time.Duration(due - guard.Now()))
		if l.due() >= due {
			return
		}
		// A shorter one came in between: the alarm may be too late for it.
	}
	select {
	case l.leased <- struct{}{}:
	default:
	}
}

// awaitEnd waits for the end of a guard that is not a child of this process.
func (l *Link) awaitEnd() {
	if rc, err := l.pidfd.SyscallConn(); err == nil {
		_ = rc.Read(func(fd uintptr) bool {
			fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(fds[:], 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
	}
	l.finish()
}

// finish is called when the guard is dead. Its last words may still be in the socket.
func (l *Link) finish() {
	// The peer is gone, so the reader comes to the end of what is there.
	_ = l.conn.SetReadDeadline(time.Now().Add(time.Second))
	<-l.readEnd
	l.conn.Close()
	r, ok := l.Report()
	switch {
	case !ok:
		l.cfg.Log.Error("guard has ended without a report; the kernel ended its services", "pid", l.pid)
	case r.Clean:
		l.cfg.Log.Warn("guard has fenced this node's services", "reason", r.Reason, "took", time.Duration(r.Took))
	default:
		l.cfg.Log.Error("guard could not end everything", "reason", r.Reason, "problems", r.Problems)
	}
	close(l.done)
	l.closeFiles()
}

func (l *Link) closeFiles() {
	for _, f := range []*os.File{l.pidfd, l.pidNS, l.mntNS} {
		if f != nil {
			f.Close()
		}
	}
}

// Leftover is what Cleanup found and did.
type Leftover struct {
	// Found says that a guard lived here before and did not end in good order. Incarnation is its name.
	Found       bool
	Incarnation string
	// Report is what was done. Only when it is clean has the incarnation ended for ever, and may that be told to the cluster.
	Report guard.Report
	// Last is the guard's own last report, if it left one.
	Last   guard.Report
	HasOwn bool
}

// Cleanup ends what a dead guard left: everything in the service cgroup, and the addresses and mounts it owed. It is refused with
// fault.Precondition while a guard lives. What could not be ended is in the report; then the record stays, for the next try.
func Cleanup(ctx context.Context, cfg Config) (Leftover, error) {
	if err := cfg.check(); err != nil {
		return Leftover{}, err
	}
	// A connection that does not attach is no harm to a living guard.
	conn, err := dial(ctx, cfg)
	if err == nil {
		conn.Close()
		return Leftover{}, fault.Errorf(fault.Precondition, "clean up %s: its guard lives; attach to it or let it fence", cfg.Cgroup)
	}
	if !fault.Is(err, fault.NotFound) {
		return Leftover{}, err
	}
	var left Leftover
	if b, err := os.ReadFile(filepath.Join(cfg.RunDir, guard.ReportName)); err == nil {
		left.Last, left.HasOwn = guard.ParseReport(string(b)), true
	}
	incarnation, owed, err := guard.ReadOwed(cfg.RunDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		// What can be read is undone all the same.
		cfg.Log.Error("record of the dead guard's obligations is damaged", "cause", err)
	}
	left.Found, left.Incarnation = incarnation != "", incarnation
	left.Report = guard.Undo(cfg.Cgroup, owed)
	left.Report.Incarnation = incarnation
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		left.Report.Clean = false
		left.Report.Problems = append(left.Report.Problems, err.Error())
	}
	if !left.Report.Clean {
		return left, nil
	}
	for _, name := range []string{guard.ObligationsName, guard.SocketName} {
		if err := os.Remove(filepath.Join(cfg.RunDir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return left, fault.Errorf(fault.Internal, "clean up %s: %w", cfg.RunDir, err)
		}
	}
	return left, nil
}
