package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
)

// askLimit is how long the president gets to change the membership record; an unanswered request ends by itself after a minute.
const askLimit = 65 * time.Second

// askPresident writes a request for a change of the membership record and waits until it is gone; done says of the record whether it was carried out.
func (c *Control) askPresident(ctx context.Context, r *Running, who Caller, ask engine.Ask, what string, done func(*membership.Record) bool) error {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return fault.Errorf(fault.Internal, "draw a name for the request: %w", err)
	}
	key := confdb.PrefixAsk + hex.EncodeToString(random[:])
	asked, err := c.change(ctx, r, who, func(d *draft) error {
		ask.By, ask.At = who.String(), d.now.UTC()
		d.put(key, confdb.KindAsk, ask)
		return nil
	})
	if err != nil {
		return err
	}
	gone := false
	return c.await(ctx, r, waiting{limit: askLimit}, what, func(v view) error {
		read, known := v.snap.Record, v.member.Record // both: what is decided next may rest on either
		switch {
		case int64(v.snap.State.Basis.Revision) < asked.Revision || v.snap.Revision(key) != 0:
			return errNotYet // also when the record shows it: a request that is left would be carried out again after the next one
		case read != nil && known != nil && done(read) && done(known):
			return nil
		case read != nil && done(read):
			return errNotYet
		case !gone:
			gone = true // the record may be the one from before by a moment
			return errNotYet
		}
		return fault.Errorf(fault.Precondition, "the president could not do it: it is not so that %s; see its log", what)
	})
}

// setTiming changes the heartbeat timing of the running cluster.
func (c *Control) setTiming(ctx context.Context, r *Running, who Caller, t cluster.Timing) error {
	if err := t.Check(); err != nil {
		return fault.Errorf(fault.Invalid, "cluster: %w", err)
	}
	return c.askPresident(ctx, r, who, engine.Ask{Kind: engine.AskTiming, Timing: &t}, "the cluster has the new timing", func(rec *membership.Record) bool {
		return rec.Timing == t
	})
}

// removeMember takes a node out of the membership record.
func (c *Control) removeMember(ctx context.Context, r *Running, who Caller, n cluster.NodeName, why string) error {
	return c.askPresident(ctx, r, who, engine.Ask{Kind: engine.AskRemove, Node: n, Why: why}, "node "+string(n)+" is no member any more", func(rec *membership.Record) bool {
		_, member := rec.Member(n)
		return !member
	})
}
