package engine

import (
	"context"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/tick"
)

// AskKind is what an Ask wants.
type AskKind string

// The kinds of asks.
const (
	AskTiming AskKind = "timing" // another timing for the cluster: Timing
	AskExtend AskKind = "extend" // a longer hold for a member: Node, Hold; Hold 0 ends it
	AskRemove AskKind = "remove" // a member goes: Node, Why
)

// Ask is a request to the president for a change of the membership record. It stands in the repository below confdb.PrefixAsk, under a random
// name, until the president has carried it out or has found it impossible; whoever asked waits until the key is gone and then looks at the record.
type Ask struct {
	Kind        AskKind             `json:"kind"`
	Timing      *cluster.Timing     `json:"timing,omitempty"`
	Node        cluster.NodeName    `json:"node,omitempty"`
	Incarnation cluster.Incarnation `json:"incarnation,omitzero"` // of Node, for extend
	Hold        time.Duration       `json:"hold,omitempty"`
	Why         string              `json:"why,omitempty"`
	By          string              `json:"by,omitempty"`
	At          time.Time           `json:"at"`
}

// askLife is how long an ask is tried; after it the key is deleted and whoever asked sees that nothing changed.
const askLife = time.Minute

// settled reports whether the record shows what a wants, or can never show it.
func (a Ask) settled(r *membership.Record, now time.Time) bool {
	if now.Sub(a.At) > askLife {
		return true
	}
	switch a.Kind {
	case AskTiming:
		return a.Timing == nil || a.Timing.Check() != nil || r.Timing == *a.Timing
	case AskExtend:
		m, ok := r.Member(a.Node)
		return !ok || m.Incarnation != a.Incarnation || a.Hold == Extended(r, a.Node, a.Incarnation)
	case AskRemove:
		_, ok := r.Member(a.Node)
		return !ok
	}
	return true
}

// Extended is the longer hold that counts for an incarnation, 0 if none does (or only one that is running out).
func Extended(r *membership.Record, n cluster.NodeName, i cluster.Incarnation) time.Duration {
	for _, e := range r.Extended {
		if e.Node == n && e.Incarnation == i && !e.Ending {
			return time.Duration(e.Hold)
		}
	}
	return 0
}

// request is what the machine is asked for.
func (a Ask) request() membership.Ask {
	switch a.Kind {
	case AskTiming:
		return membership.AskTiming{Timing: *a.Timing}
	case AskExtend:
		return membership.AskExtend{Node: a.Node, Hold: int64(a.Hold)}
	default:
		return membership.AskRemove{Node: a.Node, Why: a.Why}
	}
}

// Asks is the loop that carries asks to the machine of the president. Every node runs it.
type Asks struct {
	cfg    Config
	member *Member
	source Source
	store  confdb.Store
	handed map[string]time.Time // asks given to the machine, and when
}

// NewAsks returns the loop; Run starts it.
func NewAsks(cfg Config, member *Member, source Source, store confdb.Store) *Asks {
	return &Asks{cfg: cfg, member: member, source: source, store: store, handed: map[string]time.Time{}}
}

// again is when an ask that the machine was given, and that the record does not show, is given once more: the commit may have failed.
const again = 2 * time.Second

// Run carries asks until ctx ends.
func (a *Asks) Run(ctx context.Context) error {
	views, news := a.member.Subscribe(ctx), a.source.Subscribe(ctx)
	ticks := tick.New(time.Second)
	defer ticks.Stop()
	for {
		if a.member.View().President {
			a.carry(ctx)
		} else {
			clear(a.handed)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-views:
		case <-news:
		case <-ticks.C:
		}
	}
}

func (a *Asks) carry(ctx context.Context) {
	snap := a.source.Snapshot()
	rec := a.member.View().Record
	now := a.cfg.Clock.Wall()
	for key, ask := range snap.Asks {
		if ask.settled(rec, now) {
			a.remove(ctx, key, snap.Revision(key))
			delete(a.handed, key)
			continue
		}
		if last, ok := a.handed[key]; ok && now.Sub(last) < again {
			continue
		}
		a.handed[key] = now
		if err := a.member.Ask(ctx, ask.request()); err != nil {
			return
		}
	}
	for key := range a.handed {
		if _, ok := snap.Asks[key]; !ok {
			delete(a.handed, key)
		}
	}
}

func (a *Asks) remove(ctx context.Context, key string, rev cluster.Revision) {
	attempt, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	if _, err := a.store.Txn(attempt, []confdb.Compare{{Key: key, Revision: rev}}, []confdb.Op{{Key: key}}); err != nil {
		a.cfg.Log.Debug("deleting a carried-out request; trying again", "key", key, "err", err)
	}
}
