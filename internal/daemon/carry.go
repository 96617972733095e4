package daemon

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
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
	Records []confdb.Entry   // certificates, revocations and authorities; none when no copy is newer than the snapshot
	Gone    []string         // nodes of the snapshot that had been removed
	Rights  []string         // who held other rights than the snapshot says, by the keys of their records; they are not carried
	At      cluster.Revision // of the newest copy; 0: there is none that could be read
	From    string           // which copy that is
}

// outlives names the records that are carried, and those by which one sees who was removed and whose rights were changed.
func outlives(key string) bool {
	return key == confdb.KeyAuthorities || key == confdb.KeyCluster || strings.HasPrefix(key, confdb.PrefixRevoked) || strings.HasPrefix(key, confdb.PrefixCertificate) || strings.HasPrefix(key, confdb.PrefixNode) || isRight(key)
}

// prefixRights is that of the records of users, Unix groups, roles and profiles.
const prefixRights = confdb.Root + "rbac/"

// isRight names the records of who may do what.
func isRight(key string) bool { return strings.HasPrefix(key, prefixRights) }

// known is what one copy of the repository knows: this node's own, another node's, or a snapshot.
type known struct {
	path    string
	records []confdb.Entry
	at      cluster.Revision
	listed  []*big.Int // serial numbers on the list of that node's ports
}

// readCopies reads what other nodes' copies and other snapshots know. A path is a snapshot, a node's directory of the repository, or a directory with that and the list of the ports in it. Each
// of them has to be readable and of the cluster of the snapshot that is restored: whoever names one relies upon it.
func readCopies(ctx context.Context, paths []string, snapshot string) (out []known, err error) {
	if len(paths) == 0 {
		return nil, nil
	}
	of, _, err := etcdstore.Records(ctx, snapshot, outlives)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		k, err := readCopy(ctx, path)
		if err != nil {
			return nil, err
		}
		if clusterOf(valuesOf(k.records)[confdb.KeyCluster]) != clusterOf(valuesOf(of)[confdb.KeyCluster]) {
			return nil, fault.Errorf(fault.Invalid, "restore: %s is of another cluster than the snapshot; name copies of the same cluster with -copy", path)
		}
		out = append(out, k)
	}
	return out, nil
}

func readCopy(ctx context.Context, path string) (k known, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return k, fault.Errorf(fault.NotFound, "restore: copy of the repository: %w; -copy names a snapshot, or a directory %s of another node or one that holds it", err, dirEtcd)
	}
	k.path = path
	switch inside := filepath.Join(path, dirEtcd); {
	case !info.IsDir():
		if _, err := etcdstore.VerifySnapshot(ctx, path, nil); err != nil {
			return k, err
		}
	case etcdstore.HasData(inside):
		path = inside
		if k.listed, err = listOf(filepath.Join(k.path, fileRevoked)); err != nil {
			return k, err
		}
	case !etcdstore.HasData(path):
		return k, fault.Errorf(fault.NotFound, "restore: %s is no copy of the repository; -copy names a snapshot, or a directory %s of another node or one that holds it", path, dirEtcd)
	}
	k.records, k.at, err = etcdstore.Records(ctx, path, outlives)
	return k, err
}

// carry reads what of the repository in dir, as it was, and of other copies of it outlives the restoring of a snapshot. An error is about the own copy alone.
func carry(ctx context.Context, dir string, others []known, snapshot string) (carried, error) {
	after, from, err := etcdstore.Records(ctx, snapshot, outlives)
	if err != nil {
		return carried{}, err
	}
	before, at, err := etcdstore.Records(ctx, dir, outlives)
	if err == nil {
		others = append([]known{{path: "this node's copy", records: before, at: at}}, others...)
	}
	return newestOf(others, after, from), err
}

// newestOf is what the newest of several copies knows beyond a snapshot, and every revocation that any of them has: nobody takes one back.
func newestOf(copies []known, after []confdb.Entry, from cluster.Revision) (out carried) {
	is := valuesOf(after)
	for _, k := range slices.SortedStableFunc(slices.Values(copies), func(a, b known) int { return cmp.Compare(b.at, a.at) }) {
		if clusterOf(valuesOf(k.records)[confdb.KeyCluster]) != clusterOf(is[confdb.KeyCluster]) {
			continue
		}
		if out.From == "" {
			out = newerOf(k.records, k.at, after, from)
			out.From = k.path
		}
		for _, e := range k.records {
			_, there := is[e.Key]
			if strings.HasPrefix(e.Key, confdb.PrefixRevoked) && !there && !slices.ContainsFunc(out.Records, func(r confdb.Entry) bool { return r.Key == e.Key }) {
				out.Records = append(out.Records, e)
			}
		}
	}
	return out
}

// newerOf are the records of the repository before, at its revision, that one of a snapshot does not have, or has otherwise.
func newerOf(before []confdb.Entry, at cluster.Revision, after []confdb.Entry, from cluster.Revision) carried {
	out := carried{At: at}
	was, is := valuesOf(before), valuesOf(after)
	if at <= from {
		return out
	}
	for _, e := range before {
		switch {
		case is[e.Key] == string(e.Value) || e.Key == confdb.KeyCluster || strings.HasPrefix(e.Key, confdb.PrefixNode):
		case isRight(e.Key):
			out.Rights = append(out.Rights, confdb.Name(prefixRights, e.Key))
		default:
			out.Records = append(out.Records, e)
		}
	}
	for _, e := range after {
		if strings.HasPrefix(e.Key, confdb.PrefixNode) && was[e.Key] == "" {
			out.Gone = append(out.Gone, confdb.Name(confdb.PrefixNode, e.Key))
		}
		if isRight(e.Key) && was[e.Key] == "" {
			out.Rights = append(out.Rights, confdb.Name(prefixRights, e.Key))
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

// said tells the administrator what the restored repository will know, and what can not be known. err is why this node's own copy tells nothing, lists how many nodes' lists of revoked
// certificates were read.
func (c carried) said(err error, lists int) string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch {
	case err != nil && errors.Is(err, os.ErrNotExist):
		say("This node has no copy of the repository as it was.")
	case err != nil:
		say("This node's copy of the repository as it was tells nothing (%v).", err)
	}
	if lists == 1 {
		say("What this node's list of revoked certificates of nodes says is kept.")
	} else {
		say("What %d nodes' lists of revoked certificates of nodes say is kept.", lists)
	}
	if c.From == "" {
		say("Everything else that was removed or revoked after the snapshot was taken counts again.")
	} else {
		say("Certificates that were revoked after the snapshot was taken stay revoked, and authorities that were exchanged stay exchanged, as far as the newest copy tells, %s (revision %d); %d revocations and %d other records are carried over.",
			c.From, c.At, c.revocations(), len(c.Records)-c.revocations())
	}
	if len(c.Gone) > 0 {
		say("Removed after the snapshot was taken, and in the configuration again, though their certificates count no more: %s. Remove them anew.", strings.Join(c.Gone, ", "))
	}
	if len(c.Rights) > 0 {
		say("Rights are what they were when the snapshot was taken; changed since then, as far as is known: %s. Look at them with `redoubt user show`, `role show` and `profile show`.", strings.Join(c.Rights, ", "))
	}
	say("Sessions of people without a certificate are closed.")
	say("Rights that were taken away count again, and so does what was revoked and is in no copy that was read.")
	say("If another node's copy may be newer, end redoubtd here, move %s.before-restore back, and restore with -copy and that copy.", dirEtcd)
	return strings.Join(append(out, anew), " ")
}

// anew is what is to be done about what is not carried over.
const anew = "Remove and revoke those anew, and if a node was among them run: redoubt certificate rotate-authority"

// mergeLists adds what other nodes' lists of revoked certificates say to this node's, and returns how many lists there are.
func mergeLists(cfg Config, others []known) (lists int, err error) {
	all, lists := listed(cfg), 1
	for _, k := range others {
		if len(k.listed) > 0 {
			all, lists = append(all, k.listed...), lists+1
		}
	}
	if lists == 1 {
		return lists, nil
	}
	slices.SortFunc(all, func(a, b *big.Int) int { return a.Cmp(b) })
	return lists, writeList(cfg, slices.CompactFunc(all, func(a, b *big.Int) bool { return a.Cmp(b) == 0 }), time.Now())
}

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
