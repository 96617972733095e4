package etcdstore

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// ClientConfig describes a client of the repository.
type ClientConfig struct {
	Name      string   // of no other client at the same time: the node's; empty: a random one, whose traces are deleted when it has been silent for an hour or two
	Endpoints []string // ADDRESS:PORT of the members' client ports; see SetEndpoints
	TLS       TLSFiles
	Attempt   time.Duration // how long the first try of a call may take; default 250 ms, less with sharper elections
	Log       *slog.Logger
}

// The first try of a call may take ClientConfig.Attempt, later ones up to attemptMost: a write that was on its way to a leader that died would hang
// for as long as it is given.
const (
	defaultAttempt = 250 * time.Millisecond
	attemptMost    = time.Second
	breather       = 25 * time.Millisecond // between rounds in which everybody refused at once
)

// Store is a confdb.Store over the members of the repository.
type Store struct {
	cfg   ClientConfig
	began time.Time

	mu        sync.Mutex
	watches   map[*watch]struct{} // under way
	endpoints []*endpoint
	changed   chan struct{} // closed and replaced by SetEndpoints and Close
	closed    bool
	slots     slots
}

var _ confdb.Store = (*Store)(nil)

// Dial returns a client. It connects when it is used, so no member needs to be there yet.
func Dial(cfg ClientConfig) (*Store, error) {
	if err := cfg.TLS.check(time.Now()); err != nil {
		return nil, err
	}
	if cfg.Name == "" {
		cfg.Name = rand.Text()
	}
	if cfg.Attempt == 0 {
		cfg.Attempt = defaultAttempt
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{cfg: cfg, began: time.Now(), watches: map[*watch]struct{}{}, changed: make(chan struct{})}
	if err := s.SetEndpoints(cfg.Endpoints); err != nil {
		return nil, err
	}
	return s, nil
}

// SetEndpoints says which members there are, the preferred one first: the member of this node, if there is one. It may be called at any time.
// Connections to members that are not named any more are given up at once, with the calls that wait on them, and watches go to the preferred member.
func (s *Store) SetEndpoints(addresses []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fault.Errorf(fault.Unavailable, "set the repository's members: %w", errClosed)
	}
	next := make([]*endpoint, 0, len(addresses))
	var fresh []*endpoint
	for _, a := range addresses {
		if slices.ContainsFunc(next, func(e *endpoint) bool { return e.address == a }) {
			continue
		}
		i := slices.IndexFunc(s.endpoints, func(e *endpoint) bool { return e.address == a })
		if i >= 0 {
			next = append(next, s.endpoints[i])
			continue
		}
		e, err := newEndpoint(a, s.cfg.TLS)
		if err != nil {
			for _, f := range fresh {
				_ = f.conn.Close()
			}
			return err
		}
		next, fresh = append(next, e), append(fresh, e)
	}
	for _, e := range s.endpoints {
		if !slices.Contains(next, e) {
			_ = e.conn.Close()
		}
	}
	same := slices.Equal(s.endpoints, next)
	s.endpoints = next
	if !same {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return nil
}

// Endpoints are the members in use, the preferred one first.
func (s *Store) Endpoints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, e := range s.endpoints {
		out = append(out, e.address)
	}
	return out
}

// Close ends all calls and watches.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, e := range s.endpoints {
		_ = e.conn.Close()
	}
	s.endpoints = nil
	close(s.changed)
}

// order is the members in the order in which to try them: as preferred, those that have just failed at the end.
func (s *Store) order() ([]*endpoint, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, errClosed
	}
	out := slices.Clone(s.endpoints)
	slices.SortStableFunc(out, func(a, b *endpoint) int { return rank(a) - rank(b) })
	return out, s.changed, nil
}

// prefers is closed when the members change next, if this one is the first in the order now; otherwise it is nil.
func (s *Store) prefers(e *endpoint) <-chan struct{} {
	endpoints, changed, err := s.order()
	if err != nil || len(endpoints) == 0 || endpoints[0] != e {
		return nil
	}
	return changed
}

func rank(e *endpoint) int {
	if e.sulks() {
		return 1
	}
	return 0
}

// try calls one member after the other until one answers, an answer is final, or ctx ends. The call must be one that can be repeated.
func (s *Store) try(ctx context.Context, what string, call func(ctx context.Context, conn *grpc.ClientConn) error) error {
	var last error
	unknown := false
	for limit := s.cfg.Attempt; ; limit = min(limit*3/2, attemptMost) {
		endpoints, changed, err := s.order()
		if err != nil {
			return fault.Errorf(fault.Unavailable, "%s: %w", what, err)
		}
		began := time.Now()
		for _, e := range endpoints {
			if ctx.Err() != nil {
				return s.gaveUp(ctx, what, last, unknown)
			}
			attempt, cancel := context.WithTimeout(ctx, limit)
			err := call(attempt, e.conn)
			cancel()
			if err == nil {
				e.note(nil)
				return nil
			}
			if _, ok := errors.AsType[*fault.Error](err); ok {
				return err
			}
			if f := final(err); f != nil {
				return f
			}
			unknown = unknown || !neverSent(err)
			if ctx.Err() == nil {
				e.note(err)
			}
			last = err
		}
		pause := time.NewTimer(max(breather-time.Since(began), time.Millisecond))
		select {
		case <-ctx.Done():
			pause.Stop()
			return s.gaveUp(ctx, what, last, unknown)
		case <-changed:
			pause.Stop()
		case <-pause.C:
		}
	}
}

// Silent is for how long the one of the watches under way that has been silent for longest has not heard from a member with a majority behind it; without a watch, since the beginning.
// What calls are answered does not count: it says nothing of what the watches have delivered.
func (s *Store) Silent() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.watches) == 0 {
		return time.Since(s.began)
	}
	var longest time.Duration
	for w := range s.watches {
		longest = max(longest, time.Since(time.Unix(0, w.heard.Load())))
	}
	return longest
}

// read is try for calls that change nothing: their outcome is never unknown.
func (s *Store) read(ctx context.Context, what string, call func(ctx context.Context, conn *grpc.ClientConn) error) error {
	err := s.try(ctx, what, call)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == fault.Timeout {
		f.Code = fault.Unavailable
	}
	return err
}

// Get implements confdb.Store.
func (s *Store) Get(ctx context.Context, key string) (confdb.Entry, error) {
	entry := confdb.Entry{Key: key}
	err := s.read(ctx, "read "+key, func(ctx context.Context, conn *grpc.ClientConn) error {
		resp, err := etcdserverpb.NewKVClient(conn).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte(key)})
		if err == nil && len(resp.Kvs) > 0 {
			entry = entryOf(resp.Kvs[0])
		}
		return err
	})
	return entry, err
}

// Read implements confdb.Store.
func (s *Store) Read(ctx context.Context, prefix string) (confdb.Snapshot, error) {
	snap, _, err := s.readAll(ctx, prefix)
	return snap, err
}

// readAll is Read that also says which cluster answered.
func (s *Store) readAll(ctx context.Context, prefix string) (confdb.Snapshot, uint64, error) {
	var snap confdb.Snapshot
	var id uint64
	err := s.read(ctx, "read all below "+prefix, func(ctx context.Context, conn *grpc.ClientConn) error {
		resp, err := etcdserverpb.NewKVClient(conn).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte(prefix), RangeEnd: prefixEnd(prefix)})
		if err != nil {
			return err
		}
		snap = confdb.Snapshot{Revision: cluster.Revision(resp.Header.Revision)}
		id = resp.Header.ClusterId
		for _, kv := range resp.Kvs {
			snap.Entries = append(snap.Entries, entryOf(kv))
		}
		return nil
	})
	return snap, id, err
}

// entryOf keeps an empty value apart from none.
func entryOf(kv *mvccpb.KeyValue) confdb.Entry {
	e := confdb.Entry{Key: string(kv.Key), Value: kv.Value, ModRevision: cluster.Revision(kv.ModRevision)}
	if e.Value == nil {
		e.Value = []byte{}
	}
	return e
}

// prefixEnd is the first key after all that begin with prefix.
func prefixEnd(prefix string) []byte {
	end := []byte(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xFF {
			end[i]++
			return end[:i+1]
		}
	}
	return []byte{0}
}
