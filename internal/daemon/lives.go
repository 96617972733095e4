package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/guardlink"
	"redoubt/internal/membership"
)

// lives runs one incarnation of this node's services after the other: clean up what the last one left, take the next number, start a guard, work until the
// guard has ended, begin again.
type lives struct {
	guard  guardlink.Config
	log    *slog.Logger
	node   cluster.NodeName
	store  confdb.Store
	member *engine.Member
	// identify tells the membership machine its incarnation; it runs in the machine's loop.
	identify func(cluster.Incarnation)
	slot     *slot
	// fencing counts that the guard ended the services, by why.
	fencing func(why string)
	// calm stops the hardware watchdog that a guard left which died, once nothing of it runs any more.
	calm func()
	// leaving reports that this node goes in good order: no further life begins, unless it stays after all.
	leaving func() bool
	// work runs the services of an incarnation until ctx ends; adopted says that an earlier daemon began it.
	work func(ctx context.Context, link *guardlink.Link, inc cluster.Incarnation, adopted bool) error
}

// run lives until ctx ends. The guard of the last incarnation is then still alive: whoever ends ctx has to hand it over, or to let it fence.
func (l *lives) run(ctx context.Context) error {
	for {
		if err := l.mayLive(ctx); err != nil {
			return err
		}
		link, inc, adopted, err := l.begin(ctx)
		if err != nil {
			return err
		}
		if err := l.live(ctx, link, inc, adopted); err != nil {
			return err
		}
	}
}

// mayLive waits while this node leaves: it may have to stay.
func (l *lives) mayLive(ctx context.Context) error {
	for l.leaving() {
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// live works until the guard has ended (nil) or ctx has (its cause).
func (l *lives) live(ctx context.Context, link *guardlink.Link, inc cluster.Incarnation, adopted bool) error {
	l.slot.set(link)
	if err := l.member.Do(ctx, func() { l.identify(inc) }); err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- l.work(working, link, inc, adopted) }()
	defer func() { stop(); <-ended }()
	go l.doom(working, link, inc)
	select {
	case <-link.Done():
		l.slot.set(nil)
		if r, ok := link.Report(); ok {
			l.fencing(r.Reason)
			l.log.Error("the guard has ended the services of this node", "incarnation", inc, "reason", r.Reason, "took", time.Duration(r.Took), "clean", r.Clean)
		} else {
			l.fencing("guard died")
			l.log.Error("the guard was killed; the kernel has ended the services of this node", "incarnation", inc)
		}
		_ = link.Close() // its end is the guard's, and has been seen
		return nil
	case err := <-ended:
		ended <- err
		if ctx.Err() == nil {
			// Work ends only with its context; anything else is a fault of ours, and safe is to end the services.
			l.log.Error("the executor has failed; ending the services of this node", "err", err)
			l.slot.fence(link)
			<-link.Done()
			l.slot.set(nil)
			_ = link.Close()
			return nil
		}
		return context.Cause(ctx)
	}
}

// doom ends an incarnation that can not be a member (any more): it was removed, or another attempt with its number was admitted.
func (l *lives) doom(ctx context.Context, link *guardlink.Link, inc cluster.Incarnation) {
	views := l.member.Subscribe(ctx)
	for {
		if r := l.member.View().Record; r != nil && r.LastNumber(l.node) >= inc.Number {
			if m, ok := r.Member(l.node); !ok || m.Incarnation != inc {
				l.log.Warn("this incarnation is not in the membership and cannot come back; ending it", "incarnation", inc)
				l.slot.fence(link)
				return
			}
		}
		select {
		case <-views:
		case <-ctx.Done():
			return
		}
	}
}

// begin takes over the guard that an earlier daemon handed on, or starts the next incarnation.
func (l *lives) begin(ctx context.Context) (link *guardlink.Link, inc cluster.Incarnation, adopted bool, err error) {
	link, err = guardlink.Attach(ctx, l.guard)
	if err == nil {
		inc, err = cluster.ParseIncarnation(link.Incarnation())
		if err == nil {
			l.log.Info("took over the guard of a planned restart", "incarnation", inc)
			return link, inc, true, nil
		}
		l.slot.fence(link)
		<-link.Done()
		_ = link.Close()
	} else if !fault.Is(err, fault.NotFound) {
		return nil, inc, false, err
	}
	if err := l.cleanup(ctx); err != nil {
		return nil, inc, false, err
	}
	inc, err = l.number(ctx)
	if err != nil {
		return nil, inc, false, err
	}
	cfg := l.guard
	cfg.Incarnation = inc.String()
	link, err = guardlink.Start(ctx, cfg)
	if err != nil {
		return nil, inc, false, err
	}
	l.log.Info("a new incarnation of this node begins", "incarnation", inc)
	return link, inc, false, nil
}

// cleanup ends what an earlier incarnation left, and does not give up: nothing may start here before.
func (l *lives) cleanup(ctx context.Context) error {
	for {
		left, err := guardlink.Cleanup(ctx, l.guard)
		switch {
		case err == nil && (!left.Found || left.Report.Clean):
			if left.Found {
				l.log.Warn("cleaned up after an incarnation that did not end in good order", "incarnation", left.Incarnation)
				l.calm()
			}
			return nil
		case err != nil:
			l.log.Error("cleaning up what an earlier incarnation left; trying again", "err", err)
		default:
			l.log.Error("something of an earlier incarnation could not be ended; this node runs no services until it is gone", "incarnation", left.Incarnation, "problems", left.Report.Problems)
		}
		if err := wait(ctx, time.Second); err != nil {
			return err
		}
	}
}

// number chooses the next incarnation after a linearizable read of the record, which may take as long as there is no majority. After a restore it waits for what may
// run elsewhere.
func (l *lives) number(ctx context.Context) (cluster.Incarnation, error) {
	var tag [4]byte
	if _, err := rand.Read(tag[:]); err != nil {
		return cluster.Incarnation{}, fault.Errorf(fault.Internal, "random numbers: %w", err)
	}
	said := false
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		e, err := l.store.Get(attempt, confdb.KeyMembership)
		cancel()
		if err == nil && e.ModRevision != 0 {
			rec, err := confdb.Decode[membership.Record](confdb.KindMembership, e.Key, e.Value)
			if err != nil {
				return cluster.Incarnation{}, err
			}
			if !formsAnew(rec, l.member.View().Gone) {
				return cluster.Incarnation{Number: rec.LastNumber(l.node) + 1, Tag: hex.EncodeToString(tag[:])}, nil
			}
			if !said {
				l.log.Warn("the repository was restored: nothing begins before all has ended that may run on under the guards of other nodes", "for", restartHold)
				said = true
			}
		} else if !said {
			l.log.Warn("waiting for a majority of the voters before this node can offer itself", "err", err)
			said = true
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return cluster.Incarnation{}, err
		}
	}
}

// wait pauses for d; it returns the cause when ctx ends first.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
