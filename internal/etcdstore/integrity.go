package etcdstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// damaged is the fault of a data directory that etcd must not be started with.
func damaged(dir string, why any) *fault.Error {
	return fault.Errorf(fault.Internal, "the repository's data in %s %w (%v); where other nodes have the repository this one is filled anew, where none has, restore a snapshot with `redoubtd restore`", dir, ErrDamaged, why)
}

// ErrDamaged is in the chain of every error about data that no member can be started with (again).
var ErrDamaged = errors.New("is damaged")

// content is what a database file holds.
type content struct {
	revision cluster.Revision
	keys     int    // records that exist
	applied  uint64 // the newest log entry that is in the database
}

// checkData reads the whole data directory before etcd does: etcd would panic on damage, in goroutines of its own where nobody can catch it. A log that was
// cut in the middle of its last record is no damage: that is how a machine dies.
func checkData(ctx context.Context, dir string) error {
	db := dbFile(dir)
	if _, err := os.Stat(db); err != nil {
		return damaged(dir, err)
	}
	found, err := readDatabase(ctx, db)
	if ctx.Err() != nil {
		return fault.Errorf(fault.Timeout, "check of %s was called off: %w", dir, context.Cause(ctx))
	}
	if errors.Is(err, errInUse) {
		return fault.Errorf(fault.Unavailable, "the repository in %s is in use by another process: end it first", dir)
	}
	if err != nil {
		return damaged(dir, err)
	}
	last, commit, err := readLog(dir)
	switch {
	case err != nil:
		return damaged(dir, err)
	case last < found.applied:
		return damaged(dir, fmt.Sprintf("the log ends at entry %d, the database has entry %d", last, found.applied))
	case last < commit:
		return damaged(dir, fmt.Sprintf("the log ends at entry %d, entry %d was committed", last, commit))
	}
	return nil
}

// readLog reads the log as etcd does; it gives the index of its last entry and the one that was committed.
func readLog(dir string) (last, commit uint64, err error) {
	defer rescue(&err)
	quiet := zap.NewNop()
	snaps, err := wal.ValidSnapshotEntries(quiet, walDir(dir))
	if err != nil {
		return 0, 0, fmt.Errorf("log: %w", err)
	}
	start := &walpb.Snapshot{}
	newest, err := snap.New(quiet, filepath.Join(dir, "member", "snap")).LoadNewestAvailable(snaps)
	if err != nil && !errors.Is(err, snap.ErrNoSnapshot) {
		return 0, 0, fmt.Errorf("snapshots of the log: %w", err)
	}
	if newest != nil {
		start.Index, start.Term = new(newest.Metadata.GetIndex()), new(newest.Metadata.GetTerm())
	}
	w, err := wal.OpenForRead(quiet, walDir(dir), start)
	if err != nil {
		return 0, 0, fmt.Errorf("log: %w", err)
	}
	defer func() { _ = w.Close() }()
	_, state, entries, err := w.ReadAll()
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, 0, fmt.Errorf("log: %w", err)
	}
	last = start.GetIndex()
	if n := len(entries); n > 0 {
		last = entries[n-1].GetIndex()
	}
	return last, state.GetCommit(), nil
}

// readDatabase reads everything in a database file and checks its structure. Pages have no checksums, so a changed byte within a value is not seen here;
// confdb.Decode and the members' comparison see that.
func readDatabase(ctx context.Context, path string) (content, error) {
	var found content
	live := map[string]bool{}
	err := walkDatabase(ctx, path, func(bucket string, k, v []byte) error {
		switch {
		case bucket == "meta" && string(k) == "consistent_index" && len(v) == 8:
			found.applied = binary.BigEndian.Uint64(v)
		case bucket == "key":
			return found.note(live, k, v)
		}
		return nil
	})
	found.keys = len(live)
	return found, err
}

// note reads one revision of one key: its name is the revision, eight bytes, a separator, eight bytes, and a mark where it is a deletion.
func (c *content) note(live map[string]bool, k, v []byte) error {
	if len(k) != 17 && len(k) != 18 {
		return fmt.Errorf("revision %x has a wrong form", k)
	}
	var kv mvccpb.KeyValue
	if err := proto.Unmarshal(v, &kv); err != nil {
		return fmt.Errorf("revision %x can not be read: %w", k, err)
	}
	c.revision = max(c.revision, cluster.Revision(binary.BigEndian.Uint64(k)))
	if len(k) == 18 {
		delete(live, string(kv.Key))
	} else if strings.HasPrefix(string(kv.Key), confdb.Root) {
		live[string(kv.Key)] = true
	}
	return nil
}

// rescue turns a panic into an error.
func rescue(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%v", r)
	}
}
