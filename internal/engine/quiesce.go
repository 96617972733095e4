package engine

import (
	"context"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// Forsaken are the groups that a quiesce suspends whose daemon is gone or whose time is over, as they are to be without it.
func Forsaken(snap Snapshot, view membership.View, boot membership.Instant, now time.Time) []model.Group {
	var out []model.Group
	for _, g := range snap.State.Groups {
		if len(g.Quiesced.By) > 0 && g.EndQuiesces(func(q model.Quiesce) bool { return !now.Before(q.Until) || orphaned(q, view, boot) }) {
			out = append(out, g)
		}
	}
	return out
}

// orphaned reports whether the daemon that runs a quiesce is gone: its node is, or another daemon runs there. Of a member of which nothing was heard yet that is not known. A wrong yes does no
// harm: a quiesce that finds its suspension taken away suspends the group again.
func orphaned(q model.Quiesce, view membership.View, boot membership.Instant) bool {
	if view.Record == nil {
		return false
	}
	if _, member := view.Record.Member(q.Node); !member && !view.Hears(q.Node, boot) { // a quorum server is none, and may be asked as well
		return true
	}
	session := sessionOf(view, q.Node)
	return session != 0 && session != membership.Session(q.Session)
}

// sessionOf is the session of a node's newest daemon as far as it is known; 0: not.
func sessionOf(view membership.View, n cluster.NodeName) membership.Session {
	if n == view.Self {
		return view.Session
	}
	for _, p := range view.Peers {
		if p.Node == n {
			return p.Session
		}
	}
	return 0
}

// resume takes away what forsaken quiesces have suspended. done: it has written, or tried to, and what is planned rests on what becomes of that; again: it is to be tried again at once.
func (p *President) resume(ctx context.Context, snap Snapshot, view membership.View) (done, again bool) {
	groups := Forsaken(snap, view, p.cfg.Clock.Boot(), p.cfg.Clock.Wall())
	if len(groups) == 0 {
		return false, false
	}
	groups = groups[:min(len(groups), maxTxnOps)] // the next plan takes the rest
	compares := []confdb.Compare{{Key: confdb.KeyMembership, Revision: snap.RecordRevision}}
	var ops []confdb.Op
	for _, g := range groups {
		key := confdb.KeyGroup(g.Name)
		value, err := confdb.EncodeFor(snap.Schema, confdb.KindGroup, g)
		if err != nil {
			p.cfg.Log.Error("a group whose quiesce is over can not be written", "group", g.Name, "err", err)
			return false, false
		}
		compares = append(compares, confdb.Compare{Key: key, Revision: snap.Revision(key)})
		ops = append(ops, confdb.Op{Key: key, Value: value})
	}
	attempt, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	rev, err := p.store.Txn(attempt, compares, ops)
	if fault.Is(err, fault.Conflict) {
		return true, false // somebody was first; the watch brings the news
	}
	if err != nil {
		p.cfg.Log.Warn("groups whose quiesce is over could not be resumed; trying again", "err", err)
		return true, !ended(ctx)
	}
	p.written = rev
	for _, g := range groups {
		p.cfg.Log.Info("a quiesce has left the group behind: its daemon is gone, or its time is over", "group", g.Name, "suspended", g.Suspended)
	}
	return true, false
}
