// Package auditfile keeps the command log on disk: this node's own log, and the copies of the logs of the other nodes. It writes so that what was
// acknowledged survives a crash, and puts right what a crash left half written; it never takes a change by somebody else for a crash.
package auditfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

// RotateAfter is how long the text file is written before it becomes an archive.
const RotateAfter = 7 * 24 * time.Hour

const (
	nameKey  = "commandlog.key"
	nameLock = ".lock"
)

// Config is what a log needs.
type Config struct {
	Dir  string
	Node string
	Now  func() time.Time
	// User is who the log's own notes are by.
	User string
}

// Log is this node's own log. It is safe for use by several goroutines, and only one process can have it.
type Log struct {
	cfg  Config
	key  auditlog.Key
	lock *os.File

	mu      sync.Mutex
	twin    *os.File
	ends    []int64 // where each line of the twin ends, from the base on
	tree    *auditlog.Tree
	hashes  *os.File
	text    *os.File
	behind  []string // lines that could not be written to the text file yet
	since   time.Time
	signed  []byte
	head    auditlog.Head
	trouble auditlog.Report // what was found when it was opened
	failed  error           // set when the files are in an unknown state: nothing is written any more
}

// Open opens the log in a directory and makes it if there is none. What a crash left is put right and noted in the log.
func Open(cfg Config) (*Log, error) {
	fail := func(err error) (*Log, error) {
		return nil, fault.Errorf(fault.Unavailable, "command log in %s: %w", cfg.Dir, err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return fail(err)
	}
	lock, err := os.OpenFile(filepath.Join(cfg.Dir, nameLock), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fail(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fault.Errorf(fault.Exists, "command log in %s: another process writes it; stop that one first", cfg.Dir)
	}
	l := &Log{cfg: cfg, lock: lock}
	if l.key, err = loadKey(filepath.Join(cfg.Dir, nameKey)); err == nil {
		err = l.load()
	}
	if err != nil {
		l.Close()
		return fail(err)
	}
	return l, nil
}

// loadKey reads the key and makes one if there is none.
func loadKey(path string) (auditlog.Key, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return auditlog.ParseKey(string(b))
	}
	if !errors.Is(err, os.ErrNotExist) {
		return auditlog.Key{}, err
	}
	seed := make([]byte, auditlog.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return auditlog.Key{}, err
	}
	key, err := auditlog.NewKey(seed)
	if err != nil {
		return auditlog.Key{}, err
	}
	return key, replace(path, []byte(key.Encode()))
}

// PublicKey returns the key that the log in a directory is verified with, and makes the key if there is none.
func PublicKey(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fault.Errorf(fault.Unavailable, "command log in %s: %w", dir, err)
	}
	key, err := loadKey(filepath.Join(dir, nameKey))
	if err != nil {
		return "", fault.Errorf(fault.Unavailable, "command log in %s: %w", dir, err)
	}
	return key.Public(), nil
}

// Public is the key that this log is verified with.
func (l *Log) Public() string { return l.key.Public() }

// Close ends the use of the log.
func (l *Log) Close() {
	for _, f := range []*os.File{l.twin, l.hashes, l.text, l.lock} {
		if f != nil {
			_ = f.Close()
		}
	}
}

func (l *Log) path(name string) string { return filepath.Join(l.cfg.Dir, name) }

// Append writes records, gives them their places, and returns when they are on disk. Either all of them are or none is.
func (l *Log) Append(records ...auditlog.Record) ([]auditlog.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.cfg.Now(); !l.since.IsZero() && now.Sub(l.since) >= RotateAfter && l.failed == nil {
		l.rotate(now)
	}
	return l.append(records)
}

func (l *Log) append(records []auditlog.Record) ([]auditlog.Record, error) {
	if l.failed != nil {
		return nil, fault.Errorf(fault.Unavailable, "command log in %s: it can not be written since an earlier fault; restart redoubtd when the disk is well again: %w", l.cfg.Dir, l.failed)
	}
	out := make([]auditlog.Record, len(records))
	var block []byte
	lines := make([][]byte, len(records))
	for i, r := range records {
		r.Seq, r.Node = l.tree.Size()+uint64(i), l.cfg.Node
		if r.Time.IsZero() {
			r.Time = l.cfg.Now()
		}
		r.Time = r.Time.Round(time.Millisecond)
		line, err := r.Encode()
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "command log: %w", err)
		}
		out[i], lines[i] = r, line
		block = append(append(block, line...), '\n')
	}
	l.reattach()
	if err := l.durable(block); err != nil {
		return nil, err
	}
	end := l.end()
	var hashes []byte
	for i, line := range lines {
		end += int64(len(line)) + 1
		l.ends = append(l.ends, end)
		h := auditlog.LeafHash(line)
		l.tree.Append(h)
		hashes = append(hashes, h...)
		if l.since.IsZero() {
			l.since = out[i].Time
		}
		// What the text says follows from the line that was written, as verification will read it.
		if written, err := auditlog.Decode(line); err == nil {
			if text, ok := written.TextLine(); ok {
				l.behind = append(l.behind, text)
			}
		}
	}
	// The records are safe. What follows is made from them again when it fails here.
	l.writeHashes(hashes)
	l.writeText()
	l.sign()
	return out, nil
}

// Room makes sure that the twin has room for a start and its end, however long, beyond what is written. A file system that reserves nothing is taken at its word.
func (l *Log) Room() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.failed
	if err == nil {
		l.reattach()
		err = unix.Fallocate(int(l.twin.Fd()), unix.FALLOC_FL_KEEP_SIZE, l.end(), 2*(auditlog.MaxLeaf+1))
	}
	if err == nil || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return fault.Errorf(fault.Unavailable, "command log in %s: it has no room for a record: %w", l.cfg.Dir, err)
}

func (l *Log) end() int64 {
	if len(l.ends) == 0 {
		return 0
	}
	return l.ends[len(l.ends)-1]
}

// reattach goes on in the files that are there now when somebody has put others in the place of those that were opened: verification finds what they lack, and what
// is written from now on is where people look for it.
func (l *Log) reattach() {
	for name, f := range map[string]**os.File{auditlog.NameTwin: &l.twin, auditlog.NameTree: &l.hashes, auditlog.NameText: &l.text} {
		was, err := (*f).Stat()
		if err != nil {
			continue
		}
		if is, err := os.Stat(l.path(name)); err == nil && os.SameFile(was, is) {
			continue
		}
		now, err := os.OpenFile(l.path(name), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			continue
		}
		_ = (*f).Close()
		*f = now
		if size, err := now.Seek(0, io.SeekEnd); err == nil && name == auditlog.NameTwin && len(l.ends) > 0 {
			l.ends[len(l.ends)-1] = size
		}
	}
}

// durable writes a block at the end of the twin, or nothing of it.
func (l *Log) durable(block []byte) error {
	at := l.end()
	_, err := l.twin.WriteAt(block, at)
	if err == nil {
		err = unix.Fdatasync(int(l.twin.Fd()))
	}
	if err == nil {
		return nil
	}
	if terr := l.twin.Truncate(at); terr != nil {
		l.failed = errors.Join(err, terr)
	} else if serr := unix.Fdatasync(int(l.twin.Fd())); serr != nil && !errors.Is(err, unix.ENOSPC) {
		l.failed = errors.Join(err, serr)
	}
	return fault.Errorf(fault.Unavailable, "command log in %s: it can not be written: %w", l.cfg.Dir, err)
}

// writeHashes writes the hashes that the file does not have yet.
func (l *Log) writeHashes(hashes []byte) {
	at := int64(l.tree.Size())*auditlog.HashSize - int64(len(hashes))
	if info, err := l.hashes.Stat(); err == nil && info.Size() < at { // an earlier write failed
		hashes, at = nil, info.Size()/auditlog.HashSize*auditlog.HashSize
		for i := uint64(at) / auditlog.HashSize; i < l.tree.Size(); i++ {
			h, _ := l.tree.Leaf(i)
			hashes = append(hashes, h...)
		}
	}
	if _, err := l.hashes.WriteAt(hashes, at); err != nil {
		_ = l.hashes.Truncate(at)
	}
}

// writeText writes the lines of the text file that are still to be written; those that can not be are kept.
func (l *Log) writeText() {
	var block []byte
	for _, line := range l.behind {
		block = append(append(block, line...), '\n')
	}
	at, err := l.text.Seek(0, io.SeekEnd)
	if err != nil {
		return
	}
	if _, err := l.text.WriteAt(block, at); err != nil {
		_ = l.text.Truncate(at)
		return
	}
	l.behind = nil
}

// sign signs the log as it is. Without room for the new head the old one stays: it is true of a shorter log.
func (l *Log) sign() {
	head := auditlog.Head{Size: l.tree.Size(), Root: l.tree.Root()}
	signed, err := l.key.Sign(head)
	if err != nil {
		return
	}
	l.signed, l.head = signed, head
	tmp := l.path("." + auditlog.NameHead)
	if os.WriteFile(tmp, signed, 0o600) == nil {
		_ = os.Rename(tmp, l.path(auditlog.NameHead))
	}
}

// Head returns the newest head, signed and as it is.
func (l *Log) Head() ([]byte, auditlog.Head) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.signed), l.head
}

// Proof proves that the log of old entries is the beginning of the one of size entries.
func (l *Log) Proof(old, size uint64) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.Consistency(old, size)
}

// MaxBlock bounds what Leaves returns at once.
const MaxBlock = 1 << 20

// Leaves reads records from one on, as they are on disk: as many as fit into MaxBlock, and at least one.
func (l *Log) Leaves(from uint64, most int) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from >= uint64(len(l.ends)) || most <= 0 {
		return nil, nil
	}
	begin := int64(0)
	if from > 0 {
		begin = l.ends[from-1]
	}
	last := from
	for last+1 < uint64(len(l.ends)) && last+1-from < uint64(most) && l.ends[last+1]-begin <= MaxBlock {
		last++
	}
	f, err := os.Open(l.path(auditlog.NameTwin)) // what is there now, which need not be what was opened
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "read the command log: %w", err)
	}
	defer f.Close()
	block := make([]byte, max(0, l.ends[last]-begin))
	n, err := f.ReadAt(block, begin)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.Errorf(fault.Internal, "read the command log: %w", err)
	}
	block = block[:n]
	lines, _ := auditlog.Lines(block)
	return lines, nil
}

// Size is how many bytes the log has on disk, without the text files.
func (l *Log) Size() (entries uint64, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.Size(), l.end()
}

// Trouble is what was found wrong when the log was opened.
func (l *Log) Trouble() auditlog.Report { return l.trouble }

// Stored reads the log as it lies on disk, and what this process knows of it.
func (l *Log) Stored() (auditlog.Stored, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := Read(l.cfg.Dir)
	if err != nil {
		return s, err
	}
	s.Public = l.key.Public()
	w := auditlog.Witness{Name: "the running daemon"}
	for i := range l.tree.Size() {
		h, _ := l.tree.Leaf(i)
		w.Hashes = append(w.Hashes, h)
	}
	s.Witnesses = []auditlog.Witness{w}
	return s, nil
}

// Read reads the log in a directory, of whatever node. Its public key has to be known from elsewhere.
func Read(dir string) (auditlog.Stored, error) {
	return auditlog.Load(func(name string) ([]byte, error) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil, nil
		case err != nil:
			return nil, fault.Errorf(fault.Internal, "read the command log: %w", err)
		case b == nil:
			b = []byte{}
		}
		return b, nil
	})
}

// replace writes a file beside its place and moves it there.
func replace(path string, content []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(0o600), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
