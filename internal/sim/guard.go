package sim

import (
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// guard is the process that ends a node's services.
type guard struct {
	n        *node
	inc      cluster.Incarnation
	lease    membership.Instant // 0: not armed yet
	handover membership.Instant // until then the daemon may be away
	attached bool
	firing   bool
	dead     bool  // and with it, by the kernel, everything that ran in its namespace
	armed    int   // counts settings of the timer
	overAt   int64 // true time from which nothing may run any more under this guard
}

// reaction is what the guard needs from waking up to the end of the last process; wake-up and kill together stay within cluster.GuardReaction.
const reaction = cluster.GuardReaction - 2*time.Millisecond

func (g *guard) deadline() membership.Instant {
	if g.attached || g.handover == 0 {
		return g.lease
	}
	if g.lease == 0 {
		return g.handover
	}
	return min(g.lease, g.handover)
}

// arm sets the timer.
func (g *guard) arm() {
	g.armed++
	d, armed := g.deadline(), g.armed
	if d == 0 {
		return
	}
	wake := g.n.truth(d)
	boot := g.n.boot
	g.n.w.at(wake, func() {
		if g.n.boot == boot && g.armed == armed {
			g.n.exec(func() { g.check() })
		}
	})
}

// check fires when the lease has passed; it is asked before every message is looked at.
func (g *guard) check() bool {
	d := g.deadline()
	if g.dead || g.firing || d == 0 || g.n.clock() < d {
		return g.dead || g.firing
	}
	g.fire("its lease ended")
	return true
}

// setLease is the daemon's message.
func (g *guard) setLease(until membership.Instant) {
	if !g.check() {
		g.lease = until
		g.overAt = g.n.truth(until) + int64(cluster.GuardReaction)
		g.arm()
	}
}

// orphaned: the daemon's end of the connection was closed.
func (g *guard) orphaned() {
	if g.check() || !g.attached {
		return
	}
	g.attached = false
	if g.handover == 0 {
		g.fire("its daemon died")
		return
	}
	g.arm()
}

// attach takes a new daemon; false: this guard ends.
func (g *guard) attach() bool {
	if g.check() || g.handover == 0 {
		return false
	}
	g.attached, g.handover = true, 0
	g.arm()
	return true
}

// fire kills everything that runs and ends the guard.
func (g *guard) fire(why string) {
	if g.firing || g.dead {
		return
	}
	if g.n.w.opt.IgnoreGuard {
		return
	}
	g.firing = true
	g.n.w.stats.Fired++
	g.n.w.trace.note(g.n.name, "guard fires: "+why)
	g.n.after(g.n.w.between(time.Millisecond, reaction), func() {
		if g.dead {
			return
		}
		g.end()
		for _, to := range g.n.w.nodes {
			if to != g.n {
				for range 3 {
					g.n.w.send(g.n, to, membership.Message{From: g.n.name, Fenced: &membership.Fenced{Incarnation: g.inc}})
				}
			}
		}
	})
}

// crash kills the guard itself: the kernel ends its namespace.
func (g *guard) crash() {
	if g.dead {
		return
	}
	g.n.w.trace.note(g.n.name, "guard is killed")
	g.end()
}

// end is the end of the guard and of all it guards; the daemon is told by the kernel.
func (g *guard) end() {
	g.dead = true
	clear(g.n.procs)
	g.n.kernel.local = false
	if g.n.guard == g {
		g.n.guard = nil
	}
	g.n.after(time.Millisecond, func() {
		if d := g.n.daemon; d != nil {
			d.exec(func(d *daemon) { d.guardEnded(g) })
		}
	})
}
