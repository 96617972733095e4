package sim

import (
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
)

// apply gives the machine a record as it stood at a revision.
func (d *daemon) apply(snap engine.Snapshot, linearizable bool) {
	if snap.Record == nil {
		return
	}
	d.revs[snap.Record.Epoch] = snap.RecordRevision
	delete(d.revs, snap.Record.Epoch-8)
	d.step(membership.Applied{Record: snap.Record, Linearizable: linearizable})
}

// firstRead retries the linearizable read that a starting voter owes.
func (d *daemon) firstRead() {
	s := d.n.w.store
	s.do(d, &txn{result: func(rev cluster.Revision, err error) {
		if err != nil {
			d.after(100*time.Millisecond, func(d *daemon) { d.firstRead() })
			return
		}
		d.read, d.records = true, int(rev)
		d.apply(s.log[rev-1].snap, true)
	}})
}

// fill gets the whole repository for the mirror, linearizably; the watch goes on from there.
func (d *daemon) fill() {
	s := d.n.w.store
	s.do(d, &txn{result: func(rev cluster.Revision, err error) {
		if err != nil {
			d.after(100*time.Millisecond, func(d *daemon) { d.fill() })
			return
		}
		d.filled = true
		d.show(int(rev))
	}})
}

// look takes over what the watch shows, and comes back when it can not see everything yet.
func (d *daemon) look(kind watchKind) {
	s := d.n.w.store
	have := s.visible(d.n)
	if kind == watchRecord && d.read {
		for d.records < have {
			c := s.log[d.records]
			d.records++
			if c.record {
				d.apply(c.snap, false)
			}
		}
	}
	if kind == watchAll && d.filled && d.seen < have {
		d.show(have)
	}
	if have < len(s.log) && !d.looking[kind] {
		d.looking[kind] = true
		d.after(d.n.w.between(20*time.Millisecond, 80*time.Millisecond), func(d *daemon) {
			d.looking[kind] = false
			d.look(kind)
		})
	}
}

// show makes the mirror show a revision.
func (d *daemon) show(rev int) {
	if rev <= d.seen {
		return
	}
	d.seen = rev
	d.mirror, d.keys = d.n.w.store.log[rev-1].snap, d.n.w.store.log[rev-1].keys
	d.changed()
	d.plan()
}
