package sim

import (
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/rgm/model"
)

// report writes the newest instances, as engine's reporter does: the revision of a key is asked for when it is not known.
func (l *lifetime) report() {
	if l.writing || len(l.pending) == 0 || !l.live() {
		return
	}
	l.writing = true
	var keys []string
	for k := range l.pending {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	batch := map[string]model.Instance{}
	unknown := false
	for _, k := range keys {
		batch[k] = l.pending[k]
		_, ok := l.known[k]
		unknown = unknown || !ok
	}
	clear(l.pending)
	failed := func() {
		l.writing = false
		for k, v := range batch {
			delete(l.known, k)
			if _, newer := l.pending[k]; !newer {
				l.pending[k] = v
			}
		}
		l.d.after(20*time.Millisecond, func(*daemon) { l.report() })
	}
	write := func() {
		if !l.live() {
			return // its context has ended
		}
		t := &txn{compares: map[string]cluster.Revision{}, writes: map[string]any{}}
		for _, k := range keys {
			t.compares[k] = l.known[k]
			t.writes[k] = stored(confdb.KindInstance, batch[k])
		}
		t.result = func(rev cluster.Revision, err error) {
			if err != nil {
				failed()
				return
			}
			for _, k := range keys {
				l.known[k] = rev
			}
			l.writing = false
			l.report()
		}
		l.d.n.w.store.do(l.d, t)
	}
	if !unknown {
		write()
		return
	}
	l.d.n.w.store.do(l.d, &txn{result: func(rev cluster.Revision, err error) {
		if err != nil {
			failed()
			return
		}
		for _, k := range keys {
			l.known[k] = l.d.n.w.store.log[rev-1].keys[k].rev
		}
		write()
	}})
}
