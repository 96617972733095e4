package etcdstore

import (
	"context"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
)

// sweepEvery is how often slots that nobody needs are looked for. They are small and few: those of nodes that were removed, and of clients without a name.
const sweepEvery = time.Hour

// keepTidy sweeps now and then.
func (m *Member) keepTidy() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	seen := int64(0)
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		var err error
		if seen, err = m.sweep(m.ctx, seen); err != nil {
			m.cfg.Log.Debug("deleting the slots of clients that are gone; trying again later", "err", err)
		}
	}
}

// sweep deletes the slots of clients that are no nodes and have written nothing since the repository had the revision seen; it returns the revision for the next time. Only
// the member that leads does anything. A client that is there all the same, and may have a transaction on its way, loses no more than the certainty of its outcome: see slotPrefix.
func (m *Member) sweep(ctx context.Context, seen int64) (int64, error) {
	server := m.etcd.Server
	if server.Leader() != server.MemberID() {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	list := func(prefix string) (*etcdserverpb.RangeResponse, error) {
		return server.Range(ctx, &etcdserverpb.RangeRequest{Key: []byte(prefix), RangeEnd: prefixEnd(prefix), KeysOnly: true})
	}
	nodes, err := list(confdb.PrefixNode)
	if err != nil {
		return seen, err
	}
	known := map[string]bool{}
	for _, kv := range nodes.Kvs {
		known[string(kv.Key)] = true
	}
	slots, err := list(slotPrefix)
	if err != nil {
		return seen, err
	}
	for _, kv := range slots.Kvs {
		client, _, _ := strings.Cut(strings.TrimPrefix(string(kv.Key), slotPrefix), "/")
		if known[confdb.KeyNode(cluster.NodeName(client))] || kv.ModRevision > seen {
			continue
		}
		_, err := server.Txn(ctx, &etcdserverpb.TxnRequest{
			Compare: []*etcdserverpb.Compare{unchanged(string(kv.Key), kv.ModRevision)},
			Success: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestDeleteRange{RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{Key: kv.Key}}}},
		})
		if err != nil {
			return seen, err
		}
	}
	return slots.Header.Revision, nil
}
