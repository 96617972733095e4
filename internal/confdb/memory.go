package confdb

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// Memory is a Store in memory, for tests and the simulator. It keeps every transaction, so that no watcher misses one, and blocks only
// on channels, so that it works under testing/synctest.
type Memory struct {
	mu       sync.Mutex
	revision cluster.Revision
	entries  map[string]Entry
	history  []Change      // one for each transaction, in order
	changed  chan struct{} // closed and replaced by every transaction
}

// NewMemory returns an empty repository at revision 1, as a new etcd has it.
func NewMemory() *Memory {
	return &Memory{revision: 1, entries: map[string]Entry{}, changed: make(chan struct{})}
}

// Get reads one key.
func (m *Memory) Get(ctx context.Context, key string) (Entry, error) {
	if err := ended(ctx); err != nil {
		return Entry{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	if !ok {
		return Entry{Key: key}, nil
	}
	return clone(e), nil
}

// Read returns all keys below prefix.
func (m *Memory) Read(ctx context.Context, prefix string) (Snapshot, error) {
	if err := ended(ctx); err != nil {
		return Snapshot{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.below(prefix), nil
}

// Txn writes all ops or nothing. Like etcd it refuses two writes to one key.
func (m *Memory) Txn(ctx context.Context, compares []Compare, ops []Op) (cluster.Revision, error) {
	if err := ended(ctx); err != nil {
		return 0, err
	}
	seen := map[string]bool{}
	for _, op := range ops {
		if op.Key == "" || seen[op.Key] {
			return 0, fault.Errorf(fault.Invalid, "a transaction writes key %q twice or names no key; give every key once", op.Key)
		}
		seen[op.Key] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range compares {
		if m.entries[c.Key].ModRevision != c.Revision {
			return 0, fault.Errorf(fault.Conflict, "record %s was changed by somebody else; read it again and retry", c.Key)
		}
	}
	change := Change{Revision: m.revision + 1}
	for _, op := range ops {
		if op.Value != nil {
			e := Entry{Key: op.Key, Value: bytes.Clone(op.Value), ModRevision: change.Revision}
			m.entries[op.Key] = e
			change.Entries = append(change.Entries, e)
		} else if _, ok := m.entries[op.Key]; ok {
			delete(m.entries, op.Key)
			change.Entries = append(change.Entries, Entry{Key: op.Key, ModRevision: change.Revision})
		}
	}
	if len(change.Entries) == 0 {
		return m.revision, nil // nothing written: the revision stays, as in etcd
	}
	m.revision = change.Revision
	m.history = append(m.history, change)
	close(m.changed)
	m.changed = make(chan struct{})
	return m.revision, nil
}

// Watch delivers the content below prefix and then every change to it.
func (m *Memory) Watch(ctx context.Context, prefix string) <-chan Change {
	out := make(chan Change)
	m.mu.Lock()
	first := m.below(prefix)
	next := len(m.history)
	m.mu.Unlock()
	go func() {
		defer close(out)
		send := func(c Change) bool {
			select {
			case out <- c:
				return true
			case <-ctx.Done():
				return false
			}
		}
		if !send(Change{Revision: first.Revision, Reset: &first}) {
			return
		}
		for {
			m.mu.Lock()
			fresh, changed := m.history[next:], m.changed
			m.mu.Unlock()
			for _, c := range fresh {
				if part, ok := narrow(c, prefix); ok && !send(part) {
					return
				}
			}
			next += len(fresh)
			if len(fresh) > 0 {
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// below is the content below prefix; the caller holds the lock.
func (m *Memory) below(prefix string) Snapshot {
	s := Snapshot{Revision: m.revision}
	for key, e := range m.entries {
		if strings.HasPrefix(key, prefix) {
			s.Entries = append(s.Entries, clone(e))
		}
	}
	slices.SortFunc(s.Entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return s
}

// narrow is what of a change lies below prefix.
func narrow(c Change, prefix string) (Change, bool) {
	part := Change{Revision: c.Revision}
	for _, e := range c.Entries {
		if strings.HasPrefix(e.Key, prefix) {
			part.Entries = append(part.Entries, clone(e))
		}
	}
	return part, len(part.Entries) > 0
}

// clone keeps the store's bytes out of the caller's hands.
func clone(e Entry) Entry {
	e.Value = bytes.Clone(e.Value)
	return e
}

// ended is the error of a call whose context is over before it began.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Errorf(fault.Unavailable, "the repository was not asked: %w", err)
	}
	return nil
}
