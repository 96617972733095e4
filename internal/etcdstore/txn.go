package etcdstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// MaxOps is how many writes, and how many compares, one transaction may have.
const MaxOps = 1024

// A transaction whose answer was lost may have been applied, may never be, or may be later: a member can hold it for as long as it likes. So every
// transaction also writes a slot, a key of this client alone outside the records, and compares the slot's revision: of all tries of one transaction at most one
// is ever applied, and the next try learns from the slot whether an earlier one was. That makes "conflict" and "done" certain; only a
// transaction that was given up in between has an unknown outcome. Its slot is used again all the same: whatever is still on its way compares a revision that the slot
// has only until somebody writes it, so of the old tries and the new ones together at most one is applied, and a try of the new one that comes too late for that is
// told which revision the slot has now.
//
// A slot that is not there has to be claimed first, by a write of itself alone. So no transaction compares that its slot does not exist: what compares that could be applied
// once more after the slot was deleted (Member.sweep), however long it was on its way.
const slotPrefix = "/redoubt.txn/"

// slot is used by one transaction at a time.
type slot struct {
	key      string
	revision int64 // of the slot's last write as far as this client knows; 0: none, as far as it knows
}

// slots are those not in use.
type slots struct {
	free []*slot
	made int
}

func (s *Store) takeSlot() *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.slots.free); n > 0 {
		taken := s.slots.free[n-1]
		s.slots.free = s.slots.free[:n-1]
		return taken
	}
	s.slots.made++
	return &slot{key: fmt.Sprintf("%s%s/%d", slotPrefix, s.cfg.Name, s.slots.made)}
}

func (s *Store) putSlot(free *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots.free = append(s.slots.free, free)
}

// Txn implements confdb.Store.
func (s *Store) Txn(ctx context.Context, compares []confdb.Compare, ops []confdb.Op) (cluster.Revision, error) {
	if err := checkTxn(compares, ops); err != nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, fault.Errorf(fault.Unavailable, "the repository was not asked: %w", context.Cause(ctx))
	}
	slot := s.takeSlot()
	t := transaction{store: s, slot: slot, mark: make([]byte, 8), what: "write " + describe(ops)}
	if _, err := rand.Read(t.mark); err != nil {
		return 0, fault.Errorf(fault.Internal, "draw the mark of a transaction: %w", err)
	}
	rev, err := t.run(ctx, compares, ops)
	if errors.Is(err, errFull) && onlyDeletes(ops) {
		rev, err = t.withoutSlot(ctx, compares, ops)
	}
	s.putSlot(slot)
	return rev, err
}

// withoutSlot is for a repository that is full and takes nothing but deletes, not even the slot. It is tried once.
func (t *transaction) withoutSlot(ctx context.Context, compares []confdb.Compare, ops []confdb.Op) (cluster.Revision, error) {
	req := t.request(compares, ops)
	req.Compare, req.Success = req.Compare[1:], req.Success[1:]
	endpoints, _, err := t.store.order()
	if err != nil || len(endpoints) == 0 {
		return 0, t.store.gaveUp(ctx, t.what, err, false)
	}
	ctx, cancel := context.WithTimeout(ctx, attemptMost)
	defer cancel()
	resp, err := etcdserverpb.NewKVClient(endpoints[0].conn).Txn(ctx, req)
	if err != nil {
		return 0, t.store.gaveUp(ctx, t.what, err, true)
	}
	if !resp.Succeeded {
		key, _ := changed(compares, resp)
		return 0, fault.Errorf(fault.Conflict, "record %s was changed by somebody else; read it again and retry", key)
	}
	return cluster.Revision(resp.Header.Revision), nil
}

func onlyDeletes(ops []confdb.Op) bool {
	return !slices.ContainsFunc(ops, func(op confdb.Op) bool { return op.Value != nil })
}

// transaction is one call of Txn with all its tries.
type transaction struct {
	store *Store
	slot  *slot
	mark  []byte
	what  string
	asked int // tries that may have reached a member
}

func (t *transaction) run(ctx context.Context, compares []confdb.Compare, ops []confdb.Op) (cluster.Revision, error) {
	if t.slot.revision == 0 {
		if err := t.claim(ctx); err != nil {
			return 0, err
		}
	}
	resp, err := t.commit(ctx, t.request(compares, ops))
	if err != nil {
		return 0, err
	}
	expected := t.slot.revision
	if rev, ok := t.applied(resp); ok {
		return rev, nil
	}
	if t.slot.revision == 0 && t.asked > 1 {
		// The slot was deleted, and with it what it could say of the tries that nobody answered.
		return 0, fault.Errorf(fault.Timeout, "%s: the outcome is unknown, read it again", t.what)
	}
	key, differs := changed(compares, resp)
	conflict := fault.Errorf(fault.Conflict, "record %s was changed by somebody else; read it again and retry", key)
	if t.slot.revision != expected {
		// The slot is as an earlier transaction or life of this client left it, was deleted, or the repository was restored. No try so far was applied, nor will one be.
		if differs {
			return 0, conflict
		}
		t.asked = 0
		return t.run(ctx, compares, ops)
	}
	if t.asked == 1 {
		return 0, conflict
	}
	return t.void(ctx, conflict)
}

// claim makes sure that the slot exists, and learns its revision. The transaction has not been asked for before: its outcome is never unknown by this.
func (t *transaction) claim(ctx context.Context) error {
	c := transaction{store: t.store, slot: t.slot, mark: append(bytes.Clone(t.mark), 'c'), what: t.what}
	resp, err := c.commit(ctx, c.request(nil, nil))
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == fault.Timeout {
		return fault.Errorf(fault.Unavailable, "%s: the repository does not answer, nothing was written: %w", t.what, err)
	}
	if err == nil {
		c.applied(resp)
	}
	return err
}

// void makes a refusal certain: a try that nobody answered may still be on its way, and its compares may come true again. After another write of the
// slot it can not be applied any more.
func (t *transaction) void(ctx context.Context, conflict error) (cluster.Revision, error) {
	v := transaction{store: t.store, slot: t.slot, mark: append(bytes.Clone(t.mark), 'v'), what: t.what}
	resp, err := v.commit(ctx, v.request(nil, nil))
	if err != nil {
		return 0, fault.Errorf(fault.Timeout, "%s: the outcome is unknown, read it again: %w", t.what, err)
	}
	if _, ok := v.applied(resp); ok {
		return 0, conflict
	}
	if rev, ok := t.applied(resp); ok {
		return rev, nil // it came first after all
	}
	return 0, fault.Errorf(fault.Timeout, "%s: the outcome is unknown, read it again", t.what)
}

// request is the transaction in etcd's form, with the slot. When it is refused it reads the slot and the revisions of the compared keys.
func (t *transaction) request(compares []confdb.Compare, ops []confdb.Op) *etcdserverpb.TxnRequest {
	req := &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{unchanged(t.slot.key, t.slot.revision)},
		Success: []*etcdserverpb.RequestOp{write(t.slot.key, t.mark)},
		Failure: []*etcdserverpb.RequestOp{fetch(t.slot.key, false)},
	}
	for _, c := range compares {
		req.Compare = append(req.Compare, unchanged(c.Key, int64(c.Revision)))
		req.Failure = append(req.Failure, fetch(c.Key, true))
	}
	for _, op := range ops {
		if op.Value == nil {
			req.Success = append(req.Success, &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestDeleteRange{
				RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{Key: []byte(op.Key)},
			}})
			continue
		}
		req.Success = append(req.Success, write(op.Key, op.Value))
	}
	return req
}

// commit sends the request until a member answers it.
func (t *transaction) commit(ctx context.Context, req *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	var resp *etcdserverpb.TxnResponse
	err := t.store.try(ctx, t.what, func(ctx context.Context, conn *grpc.ClientConn) error {
		var err error
		resp, err = etcdserverpb.NewKVClient(conn).Txn(ctx, req)
		if err == nil || !neverSent(err) {
			t.asked++
		}
		return err
	})
	if f, ok := errors.AsType[*fault.Error](err); ok && t.asked > 1 && f.Code != fault.Timeout {
		// A refusal that is certain says nothing about the tries before it.
		return nil, fault.Errorf(fault.Timeout, "%s: the outcome of an earlier try is unknown, read it again: %w", t.what, err)
	}
	return resp, err
}

// applied reports whether this transaction stands, by this try or an earlier one, and keeps the slot's revision.
func (t *transaction) applied(resp *etcdserverpb.TxnResponse) (cluster.Revision, bool) {
	if resp.Succeeded {
		t.slot.revision = resp.Header.Revision
		return cluster.Revision(resp.Header.Revision), true
	}
	kvs := resp.Responses[0].GetResponseRange().GetKvs()
	if len(kvs) == 0 {
		t.slot.revision = 0
		return 0, false
	}
	t.slot.revision = kvs[0].ModRevision
	return cluster.Revision(kvs[0].ModRevision), bytes.Equal(kvs[0].Value, t.mark)
}

// changed is the first key whose compare did not hold.
func changed(compares []confdb.Compare, resp *etcdserverpb.TxnResponse) (string, bool) {
	for i, c := range compares {
		rev := int64(0)
		if kvs := resp.Responses[i+1].GetResponseRange().GetKvs(); len(kvs) > 0 {
			rev = kvs[0].ModRevision
		}
		if rev != int64(c.Revision) {
			return c.Key, true
		}
	}
	return "of a transaction", false
}

func unchanged(key string, revision int64) *etcdserverpb.Compare {
	return &etcdserverpb.Compare{
		Key: []byte(key), Target: etcdserverpb.Compare_MOD, Result: etcdserverpb.Compare_EQUAL,
		TargetUnion: &etcdserverpb.Compare_ModRevision{ModRevision: revision},
	}
}

func write(key string, value []byte) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{Key: []byte(key), Value: value}}}
}

func fetch(key string, keysOnly bool) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestRange{RequestRange: &etcdserverpb.RangeRequest{Key: []byte(key), KeysOnly: keysOnly}}}
}

// checkTxn refuses what the repository would refuse, with the key.
func checkTxn(compares []confdb.Compare, ops []confdb.Op) error {
	if len(ops) > MaxOps || len(compares) > MaxOps {
		return fault.Errorf(fault.Invalid, "a transaction has %d writes and %d compares; at most %d of each are allowed: split it", len(ops), len(compares), MaxOps)
	}
	seen := map[string]bool{}
	for _, op := range ops {
		if op.Key == "" || seen[op.Key] {
			return fault.Errorf(fault.Invalid, "a transaction writes key %q twice or names no key; give every key once", op.Key)
		}
		seen[op.Key] = true
	}
	return nil
}

// describe names what a transaction writes.
func describe(ops []confdb.Op) string {
	switch len(ops) {
	case 0:
		return "nothing"
	case 1:
		return ops[0].Key
	}
	return fmt.Sprintf("%s and %d more", ops[0].Key, len(ops)-1)
}
