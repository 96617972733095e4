package daemon

import (
	"context"
	"crypto/rand"
	"time"

	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
)

// How long a planned restart of the daemon may take: the members' hold is extended to this, and the guard waits as long.
const (
	restartHold   = 15 * time.Second
	extendPatient = 4 * time.Second
	quietPatient  = 10 * time.Second
	drainPatient  = 2 * time.Minute
)

// handOver prepares the end of this daemon so that the next one finds the services running: a longer hold for this node is committed, the lease that follows from it
// reaches the guard, no method is under way, and the guard is told that the end of its connection is no death. An error says that it can not be done now; nothing was changed then.
func (n *node) handOver(ctx context.Context) error {
	link, err := n.slot.get()
	w := n.work.Load()
	view := n.member.View()
	if err != nil || w == nil || !view.IsMember {
		return fault.Errorf(fault.Precondition, "this node runs no services that could be handed over")
	}
	if err := n.extend(ctx, n.extensionOf(view), restartHold); err != nil {
		return err
	}
	until := n.clock.Boot().Add(int64(restartHold / 2))
	bounded, cancel := context.WithTimeout(ctx, extendPatient)
	defer cancel()
	for link.Acked() < until {
		if err := wait(bounded, 20*time.Millisecond); err != nil {
			return fault.Errorf(fault.Timeout, "hand the services over: the voters have not promised a longer hold: %w", err)
		}
	}
	quiet, stop := context.WithTimeout(ctx, quietPatient)
	defer stop()
	for !w.executor.Quiet(quiet) {
		if err := wait(quiet, 20*time.Millisecond); err != nil {
			return fault.Errorf(fault.Timeout, "hand the services over: methods are still running: %w", err)
		}
	}
	if err := link.Handover(ctx, link.Acked()); err != nil {
		w.executor.GoOn(ctx)
		return err
	}
	return nil
}

// extensionOf names the members whose lease depends on this daemon: this node, and, where the voters that are left are no majority, everybody.
func (n *node) extensionOf(view membership.View) []membership.Member {
	if len(view.Record.Voters) < 3 && view.Record.IsVoter(n.cfg.Node) {
		return view.Record.Members
	}
	return []membership.Member{view.Me}
}

// extend asks for a hold for the members and waits until the record shows it. Zero ends one.
func (n *node) extend(ctx context.Context, members []membership.Member, hold time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, extendPatient)
	defer cancel()
	for _, m := range members {
		if err := n.ask(bounded, engine.Ask{Kind: engine.AskExtend, Node: m.Node, Incarnation: m.Incarnation, Hold: hold, By: string(n.cfg.Node)}); err != nil {
			return err
		}
	}
	for _, m := range members {
		for engine.Extended(n.member.View().Record, m.Node, m.Incarnation) != hold {
			if err := wait(bounded, 10*time.Millisecond); err != nil {
				return fault.Errorf(fault.Timeout, "change the hold of node %s: the president has not done it: %w", m.Node, err)
			}
		}
	}
	return nil
}

func (n *node) ask(ctx context.Context, a engine.Ask) error {
	a.At = n.clock.Wall()
	value, err := confdb.Encode(confdb.KindAsk, a)
	if err != nil {
		return err
	}
	key := confdb.PrefixAsk + rand.Text()
	_, err = n.store.Txn(ctx, []confdb.Compare{{Key: key}}, []confdb.Op{{Key: key, Value: value}})
	return err
}

// endExtension ends the longer hold after a planned restart, once this node has its lease again.
func (n *node) endExtension(ctx context.Context) {
	for !n.member.MayStart() {
		if wait(ctx, 20*time.Millisecond) != nil {
			return
		}
	}
	for {
		view := n.member.View()
		var still []membership.Member
		for _, m := range n.extensionOf(view) {
			if engine.Extended(view.Record, m.Node, m.Incarnation) != 0 {
				still = append(still, m)
			}
		}
		if len(still) == 0 {
			return
		}
		if err := n.extend(ctx, still, 0); err == nil {
			return
		}
		if wait(ctx, time.Second) != nil {
			return
		}
	}
}

// stay ends a leaving that failed: a node that is still a member serves again, and begins another life if its last one has ended meanwhile.
func (n *node) stay() {
	if !n.leaving.CompareAndSwap(true, false) {
		return
	}
	n.log.Warn("this node could not leave in good order; it stays and serves again")
	if w := n.work.Load(); w != nil {
		w.executor.Stay()
	}
}

// drain stops every service of this node in order, lets its lease go, and ends its guard.
func (n *node) drain(ctx context.Context) error {
	w := n.work.Load()
	if w == nil {
		return nil
	}
	n.log.Info("stopping every service of this node")
	n.leaving.Store(true)
	w.executor.Drain()
	bounded, cancel := context.WithTimeout(ctx, drainPatient)
	defer cancel()
	for !w.executor.Drained(bounded) {
		if err := wait(bounded, 50*time.Millisecond); err != nil {
			return fault.Errorf(fault.Timeout, "stop the services of this node: some have not stopped: %w", err)
		}
	}
	link, err := n.slot.get()
	if err != nil {
		return nil //nolint:nilerr // no guard: nothing runs
	}
	if err := n.member.Do(ctx, n.machine.SetFarewell); err != nil {
		return err
	}
	if err := link.Quit(bounded); err != nil {
		return err
	}
	// The others hear the farewell with the next heartbeat.
	view := n.member.View()
	if view.Record != nil {
		_ = wait(ctx, 2*view.Record.Timing.Quantum)
	}
	return nil
}
