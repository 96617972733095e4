package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
)

// restore makes this node the only voter of its cluster, with the repository of a snapshot. The daemon must be stopped here, and the lost voters have to
// stay off. What was in the place of the repository is set aside, and comes back when the restore fails.
func restore(cfg Config, from string, stderr io.Writer) error {
	if from == "" {
		return fault.Errorf(fault.Invalid, "restore: name the snapshot with -from FILE; `redoubt cluster snapshot FILE` makes one")
	}
	if conn, err := net.DialTimeout("unix", cfg.Socket(), time.Second); err == nil {
		_ = conn.Close()
		return fault.Errorf(fault.Precondition, "restore: redoubtd runs on this node; stop it first, here and on every other node that is left")
	}
	id, err := loadIdentity(cfg)
	if err != nil {
		return err
	}
	if id == nil {
		return fault.Errorf(fault.Precondition, "restore: this node is in no cluster; restore on a node whose identity is in %s", cfg.Data)
	}
	dir, aside := cfg.path(dirEtcd), cfg.path(dirEtcd+".before-restore")
	if _, err := os.Stat(aside); err == nil {
		return fault.Errorf(fault.Exists, "restore: %s is left of an earlier restore; move it away first", aside)
	}
	moved := false
	if err := os.Rename(dir, aside); err == nil {
		moved = true
	} else if !errors.Is(err, os.ErrNotExist) {
		return fault.Errorf(fault.Internal, "restore: set the present repository aside: %w", err)
	}
	last := int64(-1)
	info, err := etcdstore.RestoreSnapshot(context.Background(), from, etcdstore.MemberConfig{
		Node: cfg.Node, Address: id.self().PrivateAddress, ClientPort: cluster.PortClient, PeerPort: cluster.PortPeer, Dir: dir, TLS: cfg.tlsFiles(), Cluster: id.Cluster.ID,
	}, func(done, total int64) {
		if total > 0 && done*20/total != last {
			last = done * 20 / total
			fmt.Fprintf(stderr, "restoring: %d %%\n", last*5)
		}
	})
	if err != nil {
		if moved {
			_ = os.RemoveAll(dir)
			_ = os.Rename(aside, dir)
		}
		return err
	}
	id.Voters, id.Restored, id.Fresh = []cluster.NodeName{cfg.Node}, true, false
	if err := id.save(cfg); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "restored revision %d with %d records. Start redoubtd: this node is the only voter now.\n", info.Revision, info.Keys)
	if moved {
		fmt.Fprintf(stderr, "The repository as it was is in %s.\n", aside)
	}
	return nil
}

// leap is how far epochs and incarnation numbers go on after a restore, so that none is used twice: how far they had come after the snapshot is not known.
const leap = 1_000_000

// renew makes the record of a restored repository one of a cluster that forms anew with this node as its voter.
func (n *node) renew(ctx context.Context) error {
	for {
		err := n.renewOnce(ctx)
		if err == nil {
			break
		}
		n.log.Warn("the restored membership record could not be renewed; trying again", "err", err)
		if err := wait(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return n.amend(func(id *identity) { id.Restored = false })
}

func (n *node) renewOnce(ctx context.Context) error {
	attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	e, err := n.store.Get(attempt, confdb.KeyMembership)
	if err != nil {
		return err
	}
	rec, err := confdb.Decode[membership.Record](confdb.KindMembership, e.Key, e.Value)
	if err != nil {
		return err
	}
	next := membership.Record{
		Epoch: rec.Epoch + leap, VoterEpoch: rec.Epoch + leap, Voters: []membership.Voter{{Node: n.cfg.Node, QuorumServer: n.cfg.QuorumServer}}, Timing: rec.Timing,
	}
	for _, l := range rec.Last {
		next.Last = append(next.Last, membership.LastNumber{Node: l.Node, Number: l.Number + leap})
	}
	value, err := confdb.EncodeFor(confdb.LevelOf(e.Value), confdb.KindMembership, next)
	if err != nil {
		return err
	}
	_, err = n.store.Txn(attempt, []confdb.Compare{{Key: e.Key, Revision: e.ModRevision}}, []confdb.Op{{Key: e.Key, Value: value}, {Key: confdb.KeyQuorum}})
	if fault.Is(err, fault.Conflict) {
		return nil // done by an attempt whose answer was lost; this node is the only one that writes
	}
	return err
}
