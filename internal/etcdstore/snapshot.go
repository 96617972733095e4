package etcdstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// Info describes a snapshot of the repository.
type Info struct {
	Revision cluster.Revision // of the newest transaction in it
	Keys     int              // records
	Size     int64            // bytes of the file
	SHA256   string           // of the file, as sha256sum prints it
}

// Progress is told how many bytes of how many are done; it may be nil.
type Progress func(done, total int64)

func (p Progress) tell(done, total int64) {
	if p != nil {
		p(done, total)
	}
}

// A snapshot is a database file followed by its SHA-256. Database files are whole pages, so the remainder shows whether the sum is there.
const (
	sectorSize    = 512
	stallPatience = 10 * time.Second // without a byte from the member
	restoreBump   = 1_000_000        // revisions that a restore leaves out, so that none is ever given twice
)

// SaveSnapshot writes the whole repository, as it is now or later, to the file path. It verifies what it has written before the file gets its name.
func SaveSnapshot(ctx context.Context, store *Store, path string, progress Progress) (Info, error) {
	if _, err := os.Lstat(path); err == nil {
		return Info{}, fault.Errorf(fault.Exists, "snapshot %s: there is such a file already; choose another name", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".part-*")
	if err != nil {
		return Info{}, fault.Errorf(fault.Invalid, "snapshot %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := store.download(ctx, f, progress); err != nil {
		return Info{}, err
	}
	if err := f.Sync(); err != nil {
		return Info{}, fault.Errorf(fault.Unavailable, "snapshot %s: %w", path, err)
	}
	info, err := VerifySnapshot(ctx, f.Name(), nil)
	if err != nil {
		return Info{}, fault.Errorf(fault.Internal, "snapshot %s was not written rightly; try again: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return Info{}, fault.Errorf(fault.Unavailable, "snapshot %s: %w", path, err)
	}
	return info, syncDir(filepath.Dir(path))
}

// download gets the database from the first member that gives it whole.
func (s *Store) download(ctx context.Context, to *os.File, progress Progress) error {
	endpoints, _, err := s.order()
	if err != nil {
		return fault.Errorf(fault.Unavailable, "snapshot of the repository: %w", err)
	}
	last := error(nil)
	for _, e := range endpoints {
		err := s.downloadFrom(ctx, e, to, progress)
		if err == nil {
			return nil
		}
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return f
		}
		e.note(err)
		last = err
	}
	return s.gaveUp(ctx, "snapshot of the repository", last, false)
}

func (s *Store) downloadFrom(ctx context.Context, e *endpoint, to *os.File, progress Progress) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stall := time.AfterFunc(stallPatience, cancel)
	defer stall.Stop()
	// A member that is behind gives an old database; after this read it is not behind.
	if _, err := etcdserverpb.NewKVClient(e.conn).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte(confdb.KeyCluster), KeysOnly: true}); err != nil {
		return err
	}
	stream, err := etcdserverpb.NewMaintenanceClient(e.conn).Snapshot(ctx, &etcdserverpb.SnapshotRequest{})
	if err != nil {
		return err
	}
	if err := to.Truncate(0); err != nil {
		return fault.Errorf(fault.Unavailable, "snapshot of the repository: %w", err)
	}
	var done int64
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := to.WriteAt(resp.Blob, done); err != nil {
			return fault.Errorf(fault.Unavailable, "snapshot of the repository: %w", err)
		}
		done += int64(len(resp.Blob))
		progress.tell(done, done+int64(resp.RemainingBytes))
		stall.Reset(stallPatience)
	}
}

// VerifySnapshot reads a snapshot whole: its sum, the structure of its database and that every revision in it can be read. It refuses what is cut or changed.
func VerifySnapshot(ctx context.Context, path string, progress Progress) (Info, error) {
	info, err := checkSum(ctx, path, progress)
	if err != nil {
		return Info{}, err
	}
	found, err := readDatabase(ctx, path)
	if ctx.Err() != nil {
		return Info{}, fault.Errorf(fault.Timeout, "check of snapshot %s was called off: %w", path, context.Cause(ctx))
	}
	if err != nil {
		return Info{}, notGood(path, err)
	}
	info.Revision, info.Keys = found.revision, found.keys
	return info, nil
}

func notGood(path string, why any) error {
	return fault.Errorf(fault.Invalid, "snapshot %s is damaged or no snapshot (%v): use another one", path, why)
}

// checkSum compares the database with the sum behind it.
func checkSum(ctx context.Context, path string, progress Progress) (Info, error) {
	f, err := os.Open(path)
	if err != nil {
		return Info{}, fault.Errorf(fault.NotFound, "snapshot: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Info{}, fault.Errorf(fault.Invalid, "snapshot: %w", err)
	}
	size := st.Size() - sha256.Size
	if !st.Mode().IsRegular() || size <= 0 || size%sectorSize != 0 {
		return Info{}, notGood(path, "its length is not that of a snapshot")
	}
	whole, database := sha256.New(), sha256.New()
	buf := make([]byte, 256<<10)
	for done := int64(0); done < size; {
		if ctx.Err() != nil {
			return Info{}, fault.Errorf(fault.Timeout, "check of snapshot %s was called off: %w", path, context.Cause(ctx))
		}
		n, err := io.ReadFull(f, buf[:min(int64(len(buf)), size-done)])
		if err != nil {
			return Info{}, notGood(path, err)
		}
		whole.Write(buf[:n])
		database.Write(buf[:n])
		done += int64(n)
		progress.tell(done, size)
	}
	sum := make([]byte, sha256.Size)
	if _, err := io.ReadFull(f, sum); err != nil {
		return Info{}, notGood(path, err)
	}
	if !bytes.Equal(sum, database.Sum(nil)) {
		return Info{}, notGood(path, "its sum is wrong")
	}
	whole.Write(sum)
	return Info{Size: st.Size(), SHA256: hex.EncodeToString(whole.Sum(nil))}, nil
}

// RestoreSnapshot makes the data directory of a new repository with the content of a snapshot and cfg's node as its only member; start it with
// ModeRestart. The directory must be empty or missing, and appears whole or not at all. Revisions go on above all that were ever given, and clients of the
// repository as it was before see another cluster, so that they read everything anew.
func RestoreSnapshot(ctx context.Context, path string, cfg MemberConfig, progress Progress) (Info, error) {
	entries, err := os.ReadDir(cfg.Dir)
	if err == nil && len(entries) > 0 {
		return Info{}, fault.Errorf(fault.Exists, "restore of snapshot %s: %s is not empty; move it away", path, cfg.Dir)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Info{}, fault.Errorf(fault.Unavailable, "restore of snapshot %s: %w", path, err)
	}
	info, err := VerifySnapshot(ctx, path, func(done, total int64) { progress.tell(done, 2*total) })
	if err != nil {
		return Info{}, err
	}
	parent := filepath.Dir(cfg.Dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return Info{}, fault.Errorf(fault.Unavailable, "restore of snapshot %s: %w", path, err)
	}
	building, err := os.MkdirTemp(parent, "."+filepath.Base(cfg.Dir)+".restore-*")
	if err != nil {
		return Info{}, fault.Errorf(fault.Unavailable, "restore of snapshot %s: %w", path, err)
	}
	defer os.RemoveAll(building)
	if err := build(path, building, cfg); err != nil {
		return Info{}, err
	}
	os.Remove(cfg.Dir) // it is empty; rename wants it gone
	if err := os.Rename(building, cfg.Dir); err != nil {
		return Info{}, fault.Errorf(fault.Unavailable, "restore of snapshot %s: %w", path, err)
	}
	progress.tell(2*info.Size, 2*info.Size)
	return info, syncDir(parent)
}

// build makes the data directory in dir.
func build(path, dir string, cfg MemberConfig) error {
	tune()
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	token := make([]byte, 8)
	if _, err := rand.Read(token); err != nil {
		return fault.Errorf(fault.Internal, "draw the name of a repository: %w", err)
	}
	peer := secureURL(cfg.Address, cfg.PeerPort)
	var words string
	done := make(chan error, 1)
	go func() {
		err := errors.New("it ended in between")
		defer func() { done <- err }()
		defer rescue(&err)
		err = snapshot.NewV3(newZap(log, func(why string) { words = why }, nil)).Restore(snapshot.RestoreConfig{
			SnapshotPath: path, Name: string(cfg.Node), OutputDataDir: dir,
			PeerURLs: []string{peer.String()}, InitialCluster: initialCluster(map[cluster.NodeName]string{cfg.Node: cfg.Address}, cfg.PeerPort),
			InitialClusterToken: fmt.Sprintf("redoubt-%s-%x", cfg.Cluster, token),
			RevisionBump:        restoreBump, MarkCompacted: true,
		})
	}()
	if err := <-done; err != nil {
		if words != "" {
			err = errors.New(words)
		}
		return fault.Errorf(fault.Unavailable, "restore of snapshot %s to %s: %w", path, cfg.Dir, err)
	}
	return nil
}

// syncDir makes a rename in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fault.Errorf(fault.Unavailable, "write %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fault.Errorf(fault.Unavailable, "write %s: %w", dir, err)
	}
	return nil
}
