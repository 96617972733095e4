package daemon

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

// What was revoked stays revoked when a snapshot from before it is restored, and an authority that was exchanged stays exchanged: this node's copy of the repository, which the
// restored one replaces, tells what there was, and the list of serial numbers that its ports read tells the rest.

// fileCarried holds, from the restore until the daemon has written it into the restored repository, what the repository before knew.
const fileCarried = "carried.json"

// carried is what of a repository outlives its restoring.
type carried struct {
	Records []confdb.Entry   // certificates, revocations and authorities; none when the copy on disk is not newer than the snapshot
	Gone    []string         // nodes of the snapshot that had been removed
	At      cluster.Revision // of the copy on disk; 0: there is none that could be read
}

// outlives names the records that are carried, and those of the nodes, by which one sees who was removed.
func outlives(key string) bool {
	return key == confdb.KeyAuthorities || key == confdb.KeyCluster || strings.HasPrefix(key, confdb.PrefixRevoked) || strings.HasPrefix(key, confdb.PrefixCertificate) || strings.HasPrefix(key, confdb.PrefixNode)
}

// carry reads what of the repository in dir, as it was, outlives the restoring of a snapshot.
func carry(ctx context.Context, dir, snapshot string) (carried, error) {
	before, at, err := etcdstore.Records(ctx, dir, outlives)
	if err != nil {
		return carried{}, err
	}
	after, from, err := etcdstore.Records(ctx, snapshot, outlives)
	if err != nil {
		return carried{}, err
	}
	return newerOf(before, at, after, from), nil
}

// newerOf are the records of the repository before, at its revision, that one of a snapshot does not have, or has otherwise.
func newerOf(before []confdb.Entry, at cluster.Revision, after []confdb.Entry, from cluster.Revision) carried {
	out := carried{At: at}
	was, is := valuesOf(before), valuesOf(after)
	if at <= from || clusterOf(was[confdb.KeyCluster]) != clusterOf(is[confdb.KeyCluster]) {
		return out
	}
	for _, e := range before {
		if e.Key != confdb.KeyCluster && !strings.HasPrefix(e.Key, confdb.PrefixNode) && is[e.Key] != string(e.Value) {
			out.Records = append(out.Records, e)
		}
	}
	for _, e := range after {
		if strings.HasPrefix(e.Key, confdb.PrefixNode) && was[e.Key] == "" {
			out.Gone = append(out.Gone, confdb.Name(confdb.PrefixNode, e.Key))
		}
	}
	return out
}

func valuesOf(entries []confdb.Entry) map[string]string {
	out := map[string]string{}
	for _, e := range entries {
		out[e.Key] = string(e.Value)
	}
	return out
}

func clusterOf(value string) string {
	c, err := confdb.Decode[model.Cluster](confdb.KindCluster, confdb.KeyCluster, []byte(value))
	if err != nil {
		return ""
	}
	return c.ID
}

// revocations is how many of the records are revocations.
func (c carried) revocations() (n int) {
	for _, e := range c.Records {
		if strings.HasPrefix(e.Key, confdb.PrefixRevoked) {
			n++
		}
	}
	return n
}

// said tells the administrator what the restored repository will know, and what can not be known.
func (c carried) said(err error) string {
	switch {
	case err != nil && errors.Is(err, os.ErrNotExist):
		return "This node has no copy of the repository as it was: what this node's list of revoked certificates of nodes says is kept, everything else that was removed or revoked after the snapshot was taken counts again. " + anew
	case err != nil:
		return fmt.Sprintf("This node's copy of the repository as it was tells nothing (%v): what this node's list of revoked certificates of nodes says is kept, everything else that was removed or revoked after the snapshot was taken counts again. %s", err, anew)
	}
	out := fmt.Sprintf("Certificates that were revoked after the snapshot was taken stay revoked, and authorities that were exchanged stay exchanged, as far as this node had read of it (revision %d; %d revocations and %d other records are carried over). ",
		c.At, c.revocations(), len(c.Records)-c.revocations())
	if len(c.Gone) > 0 {
		out += fmt.Sprintf("Removed after the snapshot was taken, and in the configuration again, though their certificates count no more: %s. Remove them anew. ", strings.Join(c.Gone, ", "))
	}
	return out + "Rights that were taken away count again, and so does what was revoked while this node did not read it. " + anew
}

// anew is what is to be done about what is not carried over.
const anew = "Remove and revoke those anew, and if a node was among them run: redoubt certificate rotate-authority"

// keep writes what is carried down, until the daemon has put it into the repository.
func (c carried) keep(cfg Config) error {
	b, err := json.Marshal(c.Records)
	if err != nil {
		return fault.Errorf(fault.Internal, "restore: %w", err)
	}
	return writeFile(cfg.path(fileCarried), b, 0o600)
}

// carryOver puts what outlives the restoring into the repository, and what only the list of this node's ports says: who is on it is not known by a fingerprint.
func (n *node) carryOver(ctx context.Context, level int) error {
	records, err := loadCarried(n.cfg)
	if err != nil {
		return err
	}
	var there []confdb.Entry
	for _, prefix := range []string{confdb.PrefixRevoked, confdb.PrefixCertificate} {
		read, err := n.store.Read(ctx, prefix)
		if err != nil {
			return err
		}
		there = append(there, read.Entries...)
	}
	there = slices.DeleteFunc(there, func(e confdb.Entry) bool {
		return slices.ContainsFunc(records, func(r confdb.Entry) bool { return r.Key == e.Key })
	})
	there = append(there, records...)
	var ops []confdb.Op
	for _, r := range append(records, listedOnly(listed(n.cfg), there, n.clock.Wall())...) {
		value, err := lowered(r, level)
		if err != nil {
			n.log.Error("a record of the repository as it was is left behind", "record", r.Key, "err", err)
			continue
		}
		ops = append(ops, confdb.Op{Key: r.Key, Value: value})
	}
	for part := range slices.Chunk(ops, etcdstore.MaxOps/2) {
		if _, err := n.store.Txn(ctx, nil, part); err != nil {
			return err
		}
	}
	if len(ops) > 0 {
		n.log.Info("what was revoked before the snapshot was restored stays revoked", "records", len(ops))
	}
	return nil
}

func loadCarried(cfg Config) (records []confdb.Entry, err error) {
	b, err := os.ReadFile(cfg.path(fileCarried))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &records)
	}
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "what the repository knew before the snapshot was restored: %w; restore once more, or remove %s: certificates that were revoked since the snapshot then count again", err, cfg.path(fileCarried))
	}
	return records, nil
}

// lowered is the value of a record for the level of the schema on which the restored repository has agreed.
func lowered(e confdb.Entry, level int) ([]byte, error) {
	switch {
	case e.Key == confdb.KeyAuthorities:
		return reencode[model.Authorities](e, level, confdb.KindAuthorities)
	case strings.HasPrefix(e.Key, confdb.PrefixRevoked):
		return reencode[model.Revoked](e, level, confdb.KindRevoked)
	}
	return reencode[model.Certificate](e, level, confdb.KindCertificate)
}

func reencode[T any](e confdb.Entry, level int, kind confdb.Kind) ([]byte, error) {
	spec, err := confdb.Decode[T](kind, e.Key, e.Value)
	if err != nil {
		return nil, err
	}
	return confdb.EncodeFor(level, kind, spec)
}

// listedOnly are revocations for the serial numbers for which the records have none. One that belongs to no certificate on record stands under its number.
func listedOnly(serials []*big.Int, records []confdb.Entry, now time.Time) []confdb.Entry {
	var snap engine.Snapshot
	for _, e := range records {
		switch {
		case strings.HasPrefix(e.Key, confdb.PrefixRevoked):
			if r, err := confdb.Decode[model.Revoked](confdb.KindRevoked, e.Key, e.Value); err == nil {
				snap.Revoked, snap.Revocations = append(snap.Revoked, confdb.Name(confdb.PrefixRevoked, e.Key)), append(snap.Revocations, r)
			}
		case strings.HasPrefix(e.Key, confdb.PrefixCertificate):
			if c, err := confdb.Decode[model.Certificate](confdb.KindCertificate, e.Key, e.Value); err == nil {
				snap.Certificates = append(snap.Certificates, c)
			}
		}
	}
	known := revokedSerials(snap)
	var out []confdb.Entry
	for _, number := range serials {
		if slices.ContainsFunc(known, func(k *big.Int) bool { return k.Cmp(number) == 0 }) {
			continue
		}
		serial := hex.EncodeToString(number.Bytes())
		key := confdb.PrefixRevoked + "serial:" + serial
		r := model.Revoked{By: "the restoring of a snapshot", At: now.UTC(), Kind: string(pki.Node), Serial: serial, Reason: "it was revoked before the snapshot was restored"}
		if i := slices.IndexFunc(snap.Certificates, func(c model.Certificate) bool { return c.Serial == serial && c.Kind == string(pki.Node) }); i >= 0 {
			c := snap.Certificates[i]
			key, r.Name, r.Node, r.Until = confdb.PrefixRevoked+c.Fingerprint, c.Name, cluster.NodeName(c.Name), c.NotAfter
		}
		if value, err := confdb.Encode(confdb.KindRevoked, r); err == nil {
			out = append(out, confdb.Entry{Key: key, Value: value})
		}
	}
	return out
}
