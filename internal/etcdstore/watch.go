package etcdstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/tick"
)

// A watch that is idle asks its member every probeEvery whether it is still there, and goes to another one when nothing has come for
// probePatience: a machine that is frozen keeps its connections.
const (
	probeEvery     = time.Second
	probePatience  = 2500 * time.Millisecond
	createPatience = time.Second
)

// Why a watch leaves its member.
var (
	errSilent    = errors.New("the member does not answer the watch")
	errPreferred = errors.New("another member is preferred now")
	errCompacted = errors.New("the history that the watch asks for is gone")
	errOther     = errors.New("this is another cluster's history")
)

// Watch implements confdb.Store.
func (s *Store) Watch(ctx context.Context, prefix string) <-chan confdb.Change {
	w := &watch{store: s, prefix: prefix, out: make(chan confdb.Change)}
	w.heard.Store(time.Now().UnixNano())
	s.mu.Lock()
	s.watches[w] = struct{}{}
	s.mu.Unlock()
	go func() {
		defer close(w.out)
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.watches, w)
		}()
		w.run(ctx)
	}()
	return w.out
}

// watch is one call of Watch.
type watch struct {
	store  *Store
	prefix string
	out    chan confdb.Change
	heard  atomic.Int64 // unix nanoseconds of when all that the member has said was delivered; at first of the beginning

	next      int64  // revision from which on changes are still to be delivered; 0: a Reset is due
	clusterID uint64 // whose history that is
}

// run goes from member to member until ctx ends or the store is closed.
func (w *watch) run(ctx context.Context) {
	for ctx.Err() == nil {
		if w.next == 0 && !w.reset(ctx) {
			// A refusal comes at once; who is refused does not ask again at once.
			if _, changed, err := w.store.order(); err != nil || !w.rest(ctx, changed) {
				return
			}
			continue
		}
		endpoints, changed, err := w.store.order()
		if err != nil {
			return
		}
		heard, began := false, time.Now()
		for _, e := range endpoints {
			err := w.follow(ctx, e, changed, &heard)
			if ctx.Err() != nil {
				return
			}
			if errors.Is(err, errCompacted) || errors.Is(err, errOther) {
				w.next = 0
				break
			}
			if errors.Is(err, errPreferred) {
				break
			}
			e.note(err)
			w.store.cfg.Log.Debug("a watch of the repository goes to another member", "from", e.address, "err", err)
			if heard {
				break // begin with the preferred one again
			}
		}
		if (!heard || time.Since(began) < 4*breather) && !w.rest(ctx, changed) {
			return
		}
	}
}

// rest waits a moment after everybody has refused.
func (w *watch) rest(ctx context.Context, changed <-chan struct{}) bool {
	t := time.NewTimer(4 * breather)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-t.C:
	}
	return true
}

// reset delivers the content below the prefix; the history goes on behind it.
func (w *watch) reset(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	snap, id, err := w.store.readAll(bounded, w.prefix)
	if err != nil {
		return false
	}
	if !w.deliver(ctx, confdb.Change{Revision: snap.Revision, Reset: &snap}) {
		return false
	}
	w.next, w.clusterID = int64(snap.Revision)+1, id
	return true
}

func (w *watch) deliver(ctx context.Context, c confdb.Change) bool {
	select {
	case w.out <- c:
		return true
	case <-ctx.Done():
		return false
	}
}

// heardFrom is what one call of Recv gave.
type heardFrom struct {
	resp *etcdserverpb.WatchResponse
	err  error
}

// follow watches at one member and returns why it had to end. It sets heard once the member serves the watch.
func (w *watch) follow(ctx context.Context, e *endpoint, changed <-chan struct{}, heard *bool) error {
	// A member that has lost the others ends the watch instead of keeping quiet.
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(ctx, rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader))
	defer cancel()
	late := time.AfterFunc(createPatience, cancel)
	defer late.Stop()
	stream, err := etcdserverpb.NewWatchClient(e.conn).Watch(ctx)
	if err != nil {
		return err
	}
	err = stream.Send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: &etcdserverpb.WatchCreateRequest{
		Key: []byte(w.prefix), RangeEnd: prefixEnd(w.prefix), StartRevision: w.next,
	}}})
	if err != nil {
		return err
	}
	messages := make(chan heardFrom)
	go func() {
		for {
			resp, err := stream.Recv()
			select {
			case messages <- heardFrom{resp, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return w.listen(ctx, e, stream, messages, late, changed, heard)
}

// listen delivers what the member says, and asks it for a sign when it says nothing. It leaves the member when another one is preferred.
func (w *watch) listen(ctx context.Context, e *endpoint, stream etcdserverpb.Watch_WatchClient, messages <-chan heardFrom, late *time.Timer, changed <-chan struct{}, heard *bool) error {
	probe := tick.New(probeEvery)
	defer probe.Stop()
	last := time.Now()
	for {
		var msg heardFrom
		select {
		case msg = <-messages:
		case <-ctx.Done():
			return errSilent
		case <-changed:
			// One that begins again behind a change that was just made waits for the member's next look at those that are late, a tenth of a second.
			if changed = w.store.prefers(e); changed == nil {
				return errPreferred
			}
			continue
		case <-probe.C:
			select {
			case msg = <-messages:
			default:
				if time.Since(last) > probePatience {
					return errSilent
				}
				ask := &etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_ProgressRequest{ProgressRequest: &etcdserverpb.WatchProgressRequest{}}}
				if err := stream.Send(ask); err != nil {
					return err
				}
				continue
			}
		}
		if msg.err != nil {
			return msg.err
		}
		if late.Stop() {
			*heard = true
		}
		if err := w.take(ctx, msg.resp); err != nil {
			return err
		}
		last = time.Now() // after the delivery: a slow consumer is not the member's fault
		w.heard.Store(last.UnixNano())
	}
}

// take delivers one message of the member: every transaction in it as one change.
func (w *watch) take(ctx context.Context, resp *etcdserverpb.WatchResponse) error {
	switch {
	case resp.Header.GetClusterId() != w.clusterID:
		return errOther
	case resp.CompactRevision != 0:
		return errCompacted
	case resp.Canceled:
		return errors.New(resp.CancelReason)
	}
	for events := resp.Events; len(events) > 0; {
		n := 1
		for n < len(events) && events[n].Kv.ModRevision == events[0].Kv.ModRevision {
			n++
		}
		if rev := events[0].Kv.ModRevision; rev >= w.next {
			if !w.deliver(ctx, changeOf(events[:n])) {
				return ctx.Err()
			}
			w.next = rev + 1
		}
		events = events[n:]
	}
	return nil
}

// changeOf is the change of one transaction.
func changeOf(events []*mvccpb.Event) confdb.Change {
	c := confdb.Change{Revision: cluster.Revision(events[0].Kv.ModRevision)}
	for _, ev := range events {
		e := entryOf(ev.Kv)
		if ev.Type == mvccpb.Event_DELETE {
			e.Value = nil
		}
		c.Entries = append(c.Entries, e)
	}
	return c
}
