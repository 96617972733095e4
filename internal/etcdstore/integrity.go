package etcdstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// damaged is the fault of a data directory that etcd must not be started with.
func damaged(dir string, why any) *fault.Error {
	return fault.Errorf(fault.Internal, "the repository's data in %s is damaged (%v): move the directory away and let this node join again, or, when no other node has the repository, restore a snapshot", dir, why)
}

// content is what a database file holds.
type content struct {
	revision cluster.Revision
	keys     int    // that exist
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
	if errors.Is(err, bolterrors.ErrTimeout) {
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
	defer w.Close()
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
func readDatabase(ctx context.Context, path string) (found content, err error) {
	if err := checkPages(path); err != nil {
		return found, err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: 2 * time.Second})
	if err != nil {
		return found, err
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) (err error) {
		defer rescue(&err)
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a wild offset in a page must not end the process
		if err := tx.ForEach(func(name []byte, b *bolt.Bucket) error { return found.read(ctx, string(name), b) }); err != nil {
			return err
		}
		var first error
		for err := range tx.Check() {
			if first == nil {
				first = err
			}
		}
		return first
	})
	return found, err
}

// read reads one bucket.
func (c *content) read(ctx context.Context, name string, b *bolt.Bucket) error {
	live := map[string]bool{}
	err := b.ForEach(func(k, v []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case name == "meta" && string(k) == "consistent_index" && len(v) == 8:
			c.applied = binary.BigEndian.Uint64(v)
		case name == "key":
			return c.note(live, k, v)
		}
		return nil
	})
	if name == "key" {
		c.keys = len(live)
	}
	return err
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
	} else {
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

// The database's file format: two pages with the meta record, of which the valid one with the higher transaction counts.
const (
	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	pageHeader   = 16
	metaChecked  = 56 // bytes before the checksum
	noFreelist   = ^uint64(0)
	freelistFlag = 0x10
)

// meta is what of a meta record the check needs.
type meta struct {
	pageSize, freelist, pages, transaction uint64
}

// checkPages checks what the database code takes on trust when it maps the file: that the file has all pages, and that the list of free pages lies in it.
func checkPages(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, ok := newestMeta(f)
	if !ok {
		return errors.New("the database has no valid head")
	}
	if size := uint64(info.Size()); m.pages*m.pageSize > size {
		return fmt.Errorf("the database is cut: it has %d of %d bytes", size, m.pages*m.pageSize)
	}
	if m.freelist == noFreelist {
		return nil
	}
	head := make([]byte, pageHeader)
	if m.freelist < 2 || m.freelist >= m.pages {
		return errors.New("the database's list of free pages is not in the file")
	}
	if _, err := f.ReadAt(head, int64(m.freelist*m.pageSize)); err != nil {
		return err
	}
	flags, count, overflow := binary.NativeEndian.Uint16(head[8:]), uint64(binary.NativeEndian.Uint16(head[10:])), uint64(binary.NativeEndian.Uint32(head[12:]))
	if flags != freelistFlag || m.freelist+overflow >= m.pages || count < 0xFFFF && pageHeader+8*count > (overflow+1)*m.pageSize {
		return errors.New("the database's list of free pages is overwritten")
	}
	return nil
}

// newestMeta reads both meta records. The second lies one page further on; page sizes are those of the machines the file may come from.
func newestMeta(f io.ReaderAt) (meta, bool) {
	var best meta
	found := false
	for _, at := range []int64{0, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16} {
		b := make([]byte, pageHeader+metaChecked+8)
		if _, err := f.ReadAt(b, at); err != nil {
			continue
		}
		b = b[pageHeader:]
		h := fnv.New64a()
		h.Write(b[:metaChecked])
		le := binary.NativeEndian
		if le.Uint32(b) != metaMagic || le.Uint32(b[4:]) != metaVersion || le.Uint64(b[metaChecked:]) != h.Sum64() {
			continue
		}
		m := meta{pageSize: uint64(le.Uint32(b[8:])), freelist: le.Uint64(b[32:]), pages: le.Uint64(b[40:]), transaction: le.Uint64(b[48:])}
		if at != 0 && uint64(at) != m.pageSize || m.pageSize == 0 {
			continue
		}
		if !found || m.transaction > best.transaction {
			best, found = m, true
		}
	}
	return best, found
}
