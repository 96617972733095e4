package control

import (
	"context"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/life"
)

// Bounds of a change.
const (
	attempts   = 8               // how often a change is decided anew when somebody else was first
	ownWrites  = 2 * time.Second // how long a change waits until this node sees it
	writeLimit = 5 * time.Second // one transaction
	maxOps     = 1000            // the operations of one transaction; what a member of the repository takes is a little more
)

// draft is a change that is being decided: what it rests on and what it writes.
type draft struct {
	view
	who      Caller
	compares []confdb.Compare
	ops      []confdb.Op
	messages []string
	err      error
	tied     *life.Around // who depends on whom; nil: not asked yet
}

// rely makes the change depend on a record being as it was read.
func (d *draft) rely(key string) {
	for _, c := range d.compares {
		if c.Key == key {
			return
		}
	}
	d.compares = append(d.compares, confdb.Compare{Key: key, Revision: d.snap.Revision(key)})
}

// put writes a record over the one that was read.
func (d *draft) put(key string, kind confdb.Kind, record any) {
	value, err := confdb.EncodeFor(d.snap.Schema, kind, record)
	if err != nil {
		d.err = fault.Errorf(fault.CodeOf(err), "%s: %w", strings.Replace(strings.TrimPrefix(key, confdb.Root), "/", " ", 1), err)
		return
	}
	d.write(confdb.Op{Key: key, Value: value})
}

// drop deletes the record that was read.
func (d *draft) drop(key string) { d.write(confdb.Op{Key: key}) }

func (d *draft) write(op confdb.Op) {
	d.rely(op.Key)
	for i := range d.ops {
		if d.ops[i].Key == op.Key {
			d.ops[i] = op
			return
		}
	}
	d.ops = append(d.ops, op)
}

// extent is how much a draft holds at some moment of its making.
type extent struct{ compares, ops, messages int }

// room is how many records may still be written or relied upon; below 0 it is too much for one transaction.
func (d *draft) room() int { return maxOps - max(len(d.ops), len(d.compares)) }

func (d *draft) extent() extent { return extent{len(d.compares), len(d.ops), len(d.messages)} }

// cut takes away what came after.
func (d *draft) cut(to extent) {
	d.compares, d.ops, d.messages = d.compares[:to.compares], d.ops[:to.ops], d.messages[:to.messages]
}

func (d *draft) say(message string) { d.messages = append(d.messages, message) }

// validated takes over what Validate methods found.
func (d *draft) validated(warnings []string, err error) error {
	for _, w := range warnings {
		d.say(w)
	}
	return err
}

// serial is who changed the configuration last. Every change of it writes this record over the one it has read, so that of two changes that were decided
// on the same reading only one is written, and the other is decided anew.
type serial struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// configuration is decide for changes of the configuration.
func configuration(decide func(d *draft) error) func(d *draft) error {
	return func(d *draft) error {
		if err := decide(d); err != nil || len(d.ops) == 0 {
			return err
		}
		d.put(confdb.KeySerial, confdb.KindSerial, serial{By: d.who.String(), At: d.now.UTC()})
		return nil
	}
}

// change decides and writes, anew when what it rested on was changed meanwhile, and returns when this node sees what was written.
func (c *Control) change(ctx context.Context, r *Running, who Caller, decide func(d *draft) error) (v1.Result, error) {
	var err error
	for range attempts {
		d := &draft{view: c.look(r), who: who}
		if d.snap.State.Basis.Revision == 0 {
			return v1.Result{}, fault.Errorf(fault.Unavailable, "this node has not read the configuration yet; try again in a moment")
		}
		if err := c.recheck(ctx, who); err != nil {
			return v1.Result{}, err
		}
		if err := decide(d); err != nil {
			return v1.Result{}, err
		}
		if d.err != nil {
			return v1.Result{}, d.err
		}
		out := v1.Result{Messages: d.messages, Revision: int64(d.snap.State.Basis.Revision)}
		if len(d.ops) == 0 {
			return out, nil
		}
		var rev cluster.Revision
		if rev, err = c.commit(ctx, r, d); err == nil {
			out.Revision = int64(rev)
			c.cfg.Log.Info("configuration changed", "by", who.String(), "revision", rev, "records", len(d.ops))
			return out, c.seen(ctx, r, rev)
		}
		if !fault.Is(err, fault.Conflict) {
			return v1.Result{}, err
		}
		// Somebody was first: wait until their change is seen here, and decide anew.
		c.newer(ctx, r, d.snap.State.Basis.Revision)
	}
	return v1.Result{}, fault.Errorf(fault.Conflict, "others changed the configuration %d times while this was decided; try again: %w", attempts, err)
}

// commit writes a draft in one transaction.
func (c *Control) commit(ctx context.Context, r *Running, d *draft) (cluster.Revision, error) {
	if d.room() < 0 {
		return 0, fault.Errorf(fault.Invalid, "this would change %d records at once on what %d say, more than the %d that one transaction holds; do it in smaller parts",
			len(d.ops), len(d.compares), maxOps)
	}
	bounded, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	return r.Store.Txn(bounded, d.compares, d.ops)
}

// seen waits until this node's reading includes the revision. That it takes too long is no error: the change is made.
func (c *Control) seen(ctx context.Context, r *Running, rev cluster.Revision) error {
	return c.until(ctx, r, ownWrites, func(v view) bool { return v.snap.State.Basis.Revision >= rev })
}

func (c *Control) newer(ctx context.Context, r *Running, than cluster.Revision) {
	_ = c.until(ctx, r, ownWrites/10, func(v view) bool { return v.snap.State.Basis.Revision > than })
}

// until waits, no longer than limit, until the condition holds; it fails only when ctx ends.
func (c *Control) until(ctx context.Context, r *Running, limit time.Duration, holds func(view) bool) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	news := r.Source.Subscribe(bounded)
	for {
		if holds(c.look(r)) {
			return nil
		}
		select {
		case <-news:
		case <-bounded.Done():
			if ctx.Err() != nil {
				return fault.Errorf(fault.Timeout, "given up while waiting to see the change, which is made: %w", context.Cause(ctx))
			}
			return nil
		}
	}
}
