// Package confdbtest is the test that every implementation of confdb.Store passes.
package confdbtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// patience is how long one call or one delivery may take.
const patience = 5 * time.Second

// Run tests the stores that open gives; each must be empty below confdb.Root.
func Run(t *testing.T, open func(t *testing.T) confdb.Store) {
	t.Run("read and write", func(t *testing.T) { readWrite(t, open(t)) })
	t.Run("compare and swap", func(t *testing.T) { swap(t, open(t)) })
	t.Run("watch", func(t *testing.T) { watch(t, open(t)) })
	t.Run("nothing missed", func(t *testing.T) { nothingMissed(t, open(t)) })
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func readWrite(t *testing.T, s confdb.Store) {
	ctx, key := bounded(t), confdb.Root+"rw/b"
	if e, err := s.Get(ctx, key); err != nil || e.ModRevision != 0 || e.Key != key || e.Value != nil {
		t.Fatalf("missing key: %+v, %v", e, err)
	}
	rev, err := s.Txn(ctx, nil, []confdb.Op{{Key: key, Value: []byte("1")}, {Key: confdb.Root + "rw/a", Value: []byte{}}})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(ctx, key); err != nil || string(e.Value) != "1" || e.ModRevision != rev {
		t.Fatalf("after the write at %d: %+v, %v", rev, e, err)
	}
	snap, err := s.Read(ctx, confdb.Root+"rw/")
	if err != nil || len(snap.Entries) != 2 || snap.Entries[0].Key != confdb.Root+"rw/a" || snap.Revision < rev {
		t.Fatalf("snapshot: %+v, %v", snap, err)
	}
	if _, err := s.Txn(ctx, nil, []confdb.Op{{Key: key}}); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(ctx, key); err != nil || e.ModRevision != 0 {
		t.Fatalf("after the delete: %+v, %v", e, err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Get(over, key); err == nil {
		t.Fatal("a call outlived its context")
	}
}

func swap(t *testing.T, s confdb.Store) {
	ctx, key, other := bounded(t), confdb.Root+"cas/a", confdb.Root+"cas/b"
	absent := []confdb.Compare{{Key: key}}
	write := []confdb.Op{{Key: key, Value: []byte("1")}, {Key: other, Value: []byte("1")}}
	rev, err := s.Txn(ctx, absent, write)
	if err != nil {
		t.Fatal(err)
	}
	write = []confdb.Op{{Key: key, Value: []byte("2")}, {Key: other}}
	if _, err := s.Txn(ctx, absent, write); !fault.Is(err, fault.Conflict) {
		t.Fatalf("the key exists: %v", err)
	}
	if e, err := s.Get(ctx, other); err != nil || string(e.Value) != "1" {
		t.Fatalf("a refused transaction wrote: %+v, %v", e, err)
	}
	next, err := s.Txn(ctx, []confdb.Compare{{Key: key, Revision: rev}}, write)
	if err != nil || next <= rev {
		t.Fatalf("swap at %d gave %d, %v", rev, next, err)
	}
}

func watch(t *testing.T, s confdb.Store) {
	ctx, prefix := bounded(t), confdb.Root+"w/"
	put(t, ctx, s, prefix+"a", "1")
	wctx, stop := context.WithCancel(ctx)
	changes := s.Watch(wctx, prefix)
	if c := receive(t, changes); c.Reset == nil || len(c.Reset.Entries) != 1 || string(c.Reset.Entries[0].Value) != "1" {
		t.Fatalf("first: %+v", c)
	}
	put(t, ctx, s, confdb.Root+"elsewhere", "1")
	rev, err := s.Txn(ctx, nil, []confdb.Op{{Key: prefix + "a"}, {Key: prefix + "b", Value: []byte("2")}})
	if err != nil {
		t.Fatal(err)
	}
	c := receive(t, changes)
	if c.Reset != nil || c.Revision != rev || len(c.Entries) != 2 || c.Entries[0].Value != nil || string(c.Entries[1].Value) != "2" {
		t.Fatalf("a transaction is one change, in order: %+v", c)
	}
	stop()
	for {
		select {
		case _, ok := <-changes:
			if !ok {
				return
			}
		case <-ctx.Done():
			t.Fatal("the watch outlived its context")
		}
	}
}

func nothingMissed(t *testing.T, s confdb.Store) {
	const writers, each = 4, 25
	ctx, prefix := bounded(t), confdb.Root+"m/"
	changes := s.Watch(ctx, prefix)
	if c := receive(t, changes); c.Reset == nil {
		t.Fatalf("first: %+v", c)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := s.Txn(ctx, nil, []confdb.Op{{Key: fmt.Sprintf("%s%d", prefix, w), Value: fmt.Append(nil, i)}}); err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	want, last := map[string]int{}, confdb.Change{}
	for range writers * each {
		c := receive(t, changes)
		if c.Reset != nil || len(c.Entries) != 1 || c.Revision <= last.Revision {
			t.Fatalf("after %+v came %+v", last, c)
		}
		key := c.Entries[0].Key
		if got := string(c.Entries[0].Value); got != fmt.Sprint(want[key]) {
			t.Fatalf("%s: got %s, want %d", key, got, want[key])
		}
		want[key]++
		last = c
	}
}

func put(t *testing.T, ctx context.Context, s confdb.Store, key, value string) {
	t.Helper()
	if _, err := s.Txn(ctx, nil, []confdb.Op{{Key: key, Value: []byte(value)}}); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, from <-chan confdb.Change) confdb.Change {
	t.Helper()
	select {
	case c, ok := <-from:
		if !ok {
			t.Fatal("the watch ended")
		}
		return c
	case <-time.After(patience):
		t.Fatal("no change arrived")
	}
	return confdb.Change{}
}
