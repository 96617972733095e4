package engine

import (
	"context"
	"strings"
	"sync"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// reporter writes instances to the repository. Only this node writes its keys, so the newest value always wins: values that are
// overtaken before they could be written are never sent.
type reporter struct {
	cfg   Config
	store confdb.Store

	mu      sync.Mutex
	pending map[string]*model.Instance // nil: delete the key
	wake    chan struct{}
	known   map[string]cluster.Revision // ModRevision of our keys; absent: not known
	writing bool
}

func newReporter(cfg Config, store confdb.Store) *reporter {
	return &reporter{cfg: cfg, store: store, pending: map[string]*model.Instance{}, wake: make(chan struct{}, 1), known: map[string]cluster.Revision{}}
}

func (r *reporter) put(key string, inst model.Instance) { r.add(key, &inst) }
func (r *reporter) drop(key string)                     { r.add(key, nil) }

func (r *reporter) add(key string, inst *model.Instance) {
	r.mu.Lock()
	r.pending[key] = inst
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reporter) take() map[string]*model.Instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := map[string]*model.Instance{}
	for k, v := range r.pending {
		if len(batch) == maxTxnOps {
			break
		}
		batch[k] = v
		delete(r.pending, k)
	}
	r.writing = len(batch) > 0
	return batch
}

// idle reports whether the repository has everything.
func (r *reporter) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending) == 0 && !r.writing
}

// restore puts back what could not be written, unless something newer has come.
func (r *reporter) restore(batch map[string]*model.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, v := range batch {
		if _, newer := r.pending[k]; !newer {
			r.pending[k] = v
		}
	}
}

func (r *reporter) run(ctx context.Context) {
	for {
		batch := r.take()
		if len(batch) == 0 {
			select {
			case <-r.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if err := r.write(ctx, batch); err != nil {
			if ended(ctx) {
				return
			}
			r.restore(batch)
			r.cfg.Log.Debug("reporting states; trying again", "err", err)
			pause(ctx, 20*time.Millisecond)
		}
	}
}

// fewGets is how many keys are asked for one by one; more are read together.
const fewGets = 4

// learn finds out the revisions of the keys of a batch that are not known: a node that comes with a thousand groups knows none of them.
func (r *reporter) learn(ctx context.Context, batch map[string]*model.Instance) error {
	var unknown []string
	for key := range batch {
		if _, ok := r.known[key]; !ok {
			unknown = append(unknown, key)
		}
	}
	if own := confdb.KeyInstance(r.cfg.Node, ""); len(unknown) > fewGets {
		all, err := r.store.Read(ctx, own)
		if err != nil {
			return err
		}
		for _, key := range unknown {
			if strings.HasPrefix(key, own) {
				r.known[key] = 0
			}
		}
		for _, e := range all.Entries {
			if known := r.known[e.Key]; known == 0 {
				r.known[e.Key] = e.ModRevision
			}
		}
	}
	for _, key := range unknown {
		if _, ok := r.known[key]; ok {
			continue
		}
		e, err := r.store.Get(ctx, key)
		if err != nil {
			return err
		}
		r.known[key] = e.ModRevision
	}
	return nil
}

func (r *reporter) write(ctx context.Context, batch map[string]*model.Instance) error {
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	if err := r.learn(ctx, batch); err != nil {
		return err
	}
	var compares []confdb.Compare
	var ops []confdb.Op
	for key, inst := range batch {
		op := confdb.Op{Key: key}
		if inst != nil {
			value, err := confdb.Encode(confdb.KindInstance, *inst)
			if err != nil {
				return err
			}
			op.Value = value
		}
		compares = append(compares, confdb.Compare{Key: key, Revision: r.known[key]})
		ops = append(ops, op)
	}
	rev, err := r.store.Txn(ctx, compares, ops)
	for key, inst := range batch {
		switch {
		case err != nil:
			delete(r.known, key)
		case inst == nil:
			r.known[key] = 0
		default:
			r.known[key] = rev
		}
	}
	if fault.Is(err, fault.Conflict) {
		return fault.Errorf(fault.Conflict, "report states: a key of this node was written by somebody else: %w", err)
	}
	return err
}
