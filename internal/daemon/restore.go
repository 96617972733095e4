package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// restore makes this node the only voter of its cluster, with the repository of a snapshot. The daemon must be stopped here, and the lost voters have to
// stay off. What was in the place of the repository is set aside, and comes back when the restore fails.
// copies are other nodes' copies of the repository, or other snapshots: see readCopies.
func restore(cfg Config, from string, copies []string, stderr io.Writer) error {
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
	others, err := readCopies(context.Background(), copies, from)
	if err != nil {
		return err
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
	kept, unknown := carry(context.Background(), aside, others, from)
	if err := kept.keep(cfg); err != nil {
		return err
	}
	lists, err := mergeLists(cfg, others)
	if err != nil {
		return err
	}
	id.Voters, id.Restored, id.Fresh = []cluster.NodeName{cfg.Node}, true, false
	if err := id.save(cfg); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "restored revision %d with %d records. Start redoubtd: this node is the only voter now. Its services begin %v later: what runs on under the guard of another node, whose daemon was stopped for a restart, has ended by then.\n",
		info.Revision, info.Keys, restartHold)
	fmt.Fprintln(stderr, kept.said(unknown, lists))
	if moved {
		fmt.Fprintf(stderr, "The repository as it was is in %s.\n", aside)
	}
	return nil
}

// leap is how far epochs and incarnation numbers go on after a restore, so that none is used twice: how far they had come after the snapshot is not known.
const leap = 1_000_000

// renew makes the record of a restored repository one of a cluster that forms anew with this node as its voter. id is what this node knew before the repository was read.
func (n *node) renew(ctx context.Context, id *identity) error {
	var aimed cluster.Epoch // the epoch that an attempt meant to write; nobody else gets so far
	for {
		err := n.renewOnce(ctx, id, &aimed)
		if err == nil {
			break
		}
		n.log.Warn("the restored membership record could not be renewed; trying again", "err", err)
		if err := wait(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	if err := n.amend(func(id *identity) { id.Restored = false }); err != nil {
		return err
	}
	if err := os.Remove(n.cfg.path(fileCarried)); err != nil && !errors.Is(err, os.ErrNotExist) {
		n.log.Warn("what was carried into the restored repository is left on disk", "err", err)
	}
	return nil
}

// renewOnce is an attempt. One whose answer was lost is known by the epoch that it has written.
func (n *node) renewOnce(ctx context.Context, id *identity, aimed *cluster.Epoch) error {
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
	if *aimed != 0 && rec.Epoch >= *aimed {
		return n.hasRead(attempt, e.ModRevision)
	}
	if err := n.carryOver(attempt, confdb.LevelOf(e.Value)); err != nil {
		return err
	}
	*aimed = rec.Epoch + leap
	value, err := confdb.EncodeFor(confdb.LevelOf(e.Value), confdb.KindMembership, renewed(rec, membership.Voter{Node: n.cfg.Node, QuorumServer: n.cfg.QuorumServer}))
	if err != nil {
		return err
	}
	nodes, err := n.store.Read(attempt, confdb.PrefixNode)
	if err != nil {
		return err
	}
	given, err := rememberedCertificates(nodes.Entries, id)
	if err != nil {
		return err
	}
	sessions, err := n.store.Read(attempt, confdb.PrefixSession)
	if err != nil {
		return err
	}
	for _, s := range sessions.Entries { // which of them were closed after the snapshot was made is not known
		given = append(given, confdb.Op{Key: s.Key})
	}
	at, err := n.store.Txn(attempt, []confdb.Compare{{Key: e.Key, Revision: e.ModRevision}}, append(given, confdb.Op{Key: e.Key, Value: value}, confdb.Op{Key: confdb.KeyQuorum}))
	if err != nil {
		return err
	}
	return n.hasRead(attempt, at)
}

// hasRead waits until this node's copy of the repository has the membership record of a revision, and so all that was written before it.
func (n *node) hasRead(ctx context.Context, at cluster.Revision) error {
	news := n.mirror.Subscribe(ctx)
	for n.mirror.Snapshot().Revision(confdb.KeyMembership) < at {
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// rememberedCertificates are the records of nodes of a restored repository with the certificates that this node knows them by: those that they were given after the snapshot
// was made would count for nobody.
func rememberedCertificates(records []confdb.Entry, id *identity) ([]confdb.Op, error) {
	var ops []confdb.Op
	for _, e := range records {
		record, err := confdb.Decode[model.Node](confdb.KindNode, e.Key, e.Value)
		if err != nil {
			continue // it is left out everywhere, and said where the repository is read
		}
		now, ok := id.find(record.Name)
		if !ok || now.ID != record.ID || now.Certificate == record.Certificate || now.Certificate == "" {
			continue
		}
		record.Certificate = now.Certificate
		value, err := confdb.EncodeFor(confdb.LevelOf(e.Value), confdb.KindNode, record)
		if err != nil {
			return nil, err
		}
		ops = append(ops, confdb.Op{Key: e.Key, Value: value})
	}
	return ops, nil
}

// renewed is the record of a restored repository as that of a cluster that forms anew with its only voter. Whoever was a member is a leaver: its daemon may have been
// stopped for a restart a moment ago, and then its services run on for as long as a restart may take.
func renewed(rec membership.Record, voter membership.Voter) membership.Record {
	epoch := rec.Epoch + leap
	next := membership.Record{Epoch: epoch, VoterEpoch: epoch, Voters: []membership.Voter{voter}, Timing: rec.Timing}
	for _, l := range rec.Last {
		next.Last = append(next.Last, membership.LastNumber{Node: l.Node, Number: l.Number + leap})
	}
	hold := max(restartHold, rec.Timing.Hold)
	if rec.PrevTiming != nil {
		hold = max(hold, rec.PrevTiming.Hold)
	}
	for _, e := range rec.Extended {
		hold = max(hold, time.Duration(e.Hold))
	}
	leaver := membership.Leaver{Removed: epoch, Why: "the repository was restored"}
	for _, l := range rec.Leaving {
		leaver.Node, leaver.Incarnation, leaver.Hold = l.Node, l.Incarnation, max(l.Hold, int64(hold))
		next.Leaving = append(next.Leaving, leaver)
	}
	for _, m := range rec.Members {
		leaver.Node, leaver.Incarnation, leaver.Hold = m.Node, m.Incarnation, int64(hold)
		next.Leaving = append(next.Leaving, leaver)
	}
	slices.SortFunc(next.Leaving, func(a, b membership.Leaver) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Incarnation.Number, b.Incarnation.Number))
	})
	return next
}

// formsAnew reports whether a record is one that renewed made and on which no node has come up, with leavers that may still run something. Nothing begins under such
// a record, whatever it says about them: what ran where after the snapshot was taken is not known.
func formsAnew(rec membership.Record, gone []membership.NodeIncarnation) bool {
	held := func(l membership.Leaver) bool {
		return !slices.Contains(gone, membership.NodeIncarnation{Node: l.Node, Incarnation: l.Incarnation})
	}
	return len(rec.Members) == 0 && slices.ContainsFunc(rec.Leaving, held)
}
