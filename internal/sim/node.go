package sim

import (
	"fmt"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// node is one machine (or a quorum server).
type node struct {
	w      *World
	name   cluster.NodeName
	index  int
	server bool // quorum server

	offset, ppm int64         // its clock
	skew        time.Duration // of its wall clock

	on     bool // the machine runs
	boot   int  // counts boots, so that what was planned for an earlier one is dropped
	daemon *daemon
	guard  *guard
	procs  map[cluster.ResourceName]*proc

	kernel kernel

	frozen  bool
	queue   []func()            // what happened while it was frozen
	excused int64               // true time up to which what runs does not count: the window after a thaw
	spawned int                 // daemons so far
	planned bool                // a planned restart is under way
	leaving bool                // shuts down in good order
	left    cluster.Incarnation // the last one that said farewell
	lag     time.Duration       // of what it sees of the repository
	inbound time.Duration       // how long messages to it take at most
}

// local is the node's CLOCK_BOOTTIME at a true time.
func (n *node) local(t int64) membership.Instant {
	return membership.Instant(n.offset + t + t*n.ppm/1_000_000)
}

func (n *node) clock() membership.Instant { return n.local(n.w.now) }

// truth is the first true time at which the node's clock shows l or more.
func (n *node) truth(l membership.Instant) int64 {
	t := (int64(l) - n.offset) * 1_000_000 / (1_000_000 + n.ppm)
	for n.local(t) < l {
		t++
	}
	for n.local(t-1) >= l {
		t--
	}
	return t
}

func (n *node) wall() time.Time { return n.w.wall().Add(n.skew) }

// exec does something on the machine: now, or when it thaws; not at all once it was switched off.
func (n *node) exec(fn func()) {
	boot := n.boot
	switch {
	case !n.on:
	case n.frozen:
		n.queue = append(n.queue, func() {
			if n.boot == boot {
				fn()
			}
		})
	default:
		fn()
	}
}

// after does something on the machine when d has passed.
func (n *node) after(d time.Duration, fn func()) {
	boot := n.boot
	n.w.after(d, func() {
		if n.boot == boot {
			n.exec(fn)
		}
	})
}

// powerOn boots the machine; its daemon starts by itself.
func (n *node) powerOn() {
	if n.on {
		return
	}
	n.on, n.frozen, n.queue = true, false, nil
	n.w.trace.note(n.name, "boots")
	n.startDaemon(0)
}

// powerOff ends the machine without a word.
func (n *node) powerOff() {
	if !n.on {
		return
	}
	n.w.trace.note(n.name, "dies")
	n.on, n.frozen, n.queue = false, false, nil
	n.boot++
	if n.daemon != nil {
		n.daemon.dead = true
		n.daemon = nil
	}
	n.guard = nil
	n.planned, n.leaving = false, false
	clear(n.procs)
	n.kernel = kernel{}
}

func (n *node) startDaemon(d time.Duration) {
	n.after(d, func() {
		if n.daemon == nil {
			newDaemon(n)
		}
	})
}

// killDaemon ends the daemon unannounced; the guard notices.
func (n *node) killDaemon(back time.Duration) {
	if n.daemon == nil {
		return
	}
	n.w.trace.note(n.name, "daemon is killed")
	n.endDaemon()
	if g := n.guard; g != nil {
		n.after(n.w.between(0, 3*time.Millisecond), func() { g.orphaned() })
	}
	n.startDaemon(back)
}

func (n *node) endDaemon() {
	n.daemon.dead = true
	n.daemon = nil
	n.planned, n.leaving = false, false
}

// freeze stops everything on the machine.
func (n *node) freeze(d time.Duration) {
	if !n.on || n.frozen {
		return
	}
	n.w.trace.note(n.name, fmt.Sprintf("freezes for %v", d))
	n.frozen = true
	boot := n.boot
	n.w.after(d, func() {
		if n.boot == boot {
			n.thaw()
		}
	})
}

// thaw lets the machine go on; the guard goes first.
func (n *node) thaw() {
	if !n.frozen {
		return
	}
	n.w.trace.note(n.name, "thaws")
	n.frozen = false
	n.excused = n.w.now + int64(cluster.GuardReaction)
	if n.guard != nil {
		n.guard.check()
	}
	queue := n.queue
	n.queue = nil
	for i, fn := range queue {
		if n.frozen { // again, by something in the queue
			n.queue = append(n.queue, queue[i:]...)
			return
		}
		fn()
	}
	n.w.after(cluster.GuardReaction+time.Nanosecond, n.w.checkExclusive)
}

// proc is what runs of a resource on a machine.
type proc struct {
	group    cluster.GroupName
	up       bool // its Start has succeeded, its Stop has not begun
	stopping bool
}
