package lab

import (
	"context"
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// freezeTimeout bounds freezing and thawing.
const freezeTimeout = 5 * time.Second

// Kill takes the power from a machine and returns the moment of its death. The machine is frozen first, so that all of it stops in one moment;
// then its links go, so that nobody is told; then its processes end: a dead machine closes no connection.
func (l *Lab) Kill(name string) (time.Time, error) {
	m, err := l.machine(name)
	if err != nil {
		return time.Time{}, err
	}
	pid, err := m.running()
	if err != nil {
		return time.Time{}, err
	}
	fabric, err := l.fabric().running()
	if err != nil {
		return time.Time{}, err
	}
	p, err := m.ports(fabric)
	if err != nil {
		return time.Time{}, err
	}
	at := time.Now()
	if err := m.group.write("cgroup.freeze", "1"); err != nil {
		return at, errors.Join(err, p.close(false))
	}
	err = p.pull()
	if e := unix.Kill(pid, unix.SIGKILL); e != nil && !errors.Is(e, syscall.ESRCH) {
		err = errors.Join(err, e)
	}
	err = errors.Join(err, m.group.end(endTimeout), m.group.remove(endTimeout), p.close(true))
	if err != nil {
		return at, fault.Errorf(fault.Internal, "kill machine %s of lab %s: %w", name, l.place, err)
	}
	return at, nil
}

// Start starts a killed machine again, with the disk it had.
func (l *Lab) Start(ctx context.Context, name string) error {
	m, err := l.machine(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.start(m)
}

// Pause freezes the whole machine with its services, as a virtual machine is frozen.
func (l *Lab) Pause(name string) error { return l.freeze(name, true) }

// Resume lets a paused machine go on.
func (l *Lab) Resume(name string) error { return l.freeze(name, false) }

func (l *Lab) freeze(name string, on bool) error {
	m, err := l.machine(name)
	if err != nil {
		return err
	}
	if _, err := m.running(); err != nil {
		return err
	}
	value := "0"
	if on {
		value = "1"
	}
	if err := m.group.write("cgroup.freeze", value); err != nil {
		return err
	}
	return m.group.wait("frozen", on, freezeTimeout)
}

// Verbs of Daemon.
const (
	DaemonStart     = "start"
	DaemonStop      = "stop"       // SIGTERM, and wait for its end: the services run on for a daemon that comes soon
	DaemonRestart   = "restart"    // stop and start
	DaemonLeave     = "leave"      // SIGINT, and wait for its end: it stops the services and leaves the membership
	DaemonKill      = "kill"       // SIGKILL to the daemon
	DaemonKillGuard = "kill-guard" // SIGKILL to the guard
	DaemonKillBoth  = "kill-both"  // to both in the same moment
	DaemonShow      = "status"
)

// Daemon acts on a node's daemon without touching the machine, and says what became of it.
func (l *Lab) Daemon(name, verb string) (DaemonStatus, error) {
	m, err := l.machine(name)
	if err != nil {
		return DaemonStatus{}, err
	}
	r, err := m.ask(request{Do: verb})
	return r.Daemon, err
}
