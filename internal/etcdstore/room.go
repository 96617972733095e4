package etcdstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/tick"
)

// A write that meets a full disk ends etcd in the middle of its work, and nothing but a new process helps then. So the member keeps blocks allocated ahead
// of the database (the log allocates its own files), and stops in order before it has used them up. The other members go on without it.
const (
	lookTick    = time.Second            // between two looks at whether anything was written
	roomTick    = 100 * time.Millisecond // between two looks when less than ampleRoom is left: a file of the log may be full in a quarter of a second
	ampleRoom   = 32 * segmentSize       // more than can be written between two looks
	tightTick   = 10 * time.Millisecond  // when less than tightRoom is left
	spareLooks  = 3                      // for which the log's next file may be missing
	tightRoom   = 64 << 20
	reserve     = 4 << 20 // allocated beyond the end of the database
	lastReserve = 2 << 20 // what is left of it when the member stops
	minimalRoom = 1 << 20
	// An entry of the log is a request of etcd's limit of 1.5 MiB and what is said about it.
	largestEntry = 2 << 20
	startRoom    = 3*segmentSize + 24<<20 // two files of the log, the first step of the database, and something to live on
)

// roomLeft is how many bytes can be written below dir.
func roomLeft(dir string) int64 {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0
	}
	return int64(fs.Bavail) * fs.Bsize
}

// checkRoom refuses to start on a disk that is as good as full. Files that are there already count as room.
func checkRoom(dir string) error {
	need := int64(startRoom)
	for _, pattern := range []string{filepath.Join(walDir(dir), "*.tmp"), dbFile(dir)} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			var st unix.Stat_t
			if unix.Stat(name, &st) == nil {
				need -= st.Blocks * 512
			}
		}
	}
	if left := roomLeft(dir); left < max(need, minimalRoom) {
		return fault.Errorf(fault.Unavailable, "the disk under %s is full: %d MiB are free, the repository needs %d MiB; make room there", dir, left>>20, max(need, minimalRoom)>>20)
	}
	return nil
}

// WaitForRoom returns when a member can be started in dir, or with ctx.
func WaitForRoom(ctx context.Context, dir string) error {
	ticks := tick.New(time.Second)
	defer ticks.Stop()
	for checkRoom(dir) != nil {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticks.C:
		}
	}
	return nil
}

// keepRoom keeps the reserve and stops the member when it is nearly used up; it clears the repository's own alarm when there is room again.
func (m *Member) keepRoom() {
	wait := time.NewTimer(0)
	defer wait.Stop()
	warned, full, spare, relief := false, false, 0, time.Now()
	var left int64
	var quiet stillness
	var looked time.Time
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-wait.C:
		}
		room := roomLeft(m.cfg.Dir)
		look := time.Now().After(looked)
		if look {
			looked = time.Now().Add(lookTick * 9 / 10)
		}
		if look && quiet.due(m.etcd.Server.AppliedIndex()) || full || room < tightRoom {
			var err error
			left, err = m.allocateAhead()
			full = errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
		}
		if full && !warned {
			m.cfg.Log.Error("the disk under the repository is full; the repository lives on what it has reserved: make room", "dir", m.cfg.Dir)
		}
		warned = full
		if room >= segmentSize || m.spareLog() {
			spare = 0
		} else {
			spare++ // the spare file is missing for a moment after it was taken into use
		}
		if full && left < lastReserve || spare > spareLooks || spare > 0 && room < minimalRoom {
			m.fail(fault.Errorf(fault.Unavailable, "the disk under %s is full and the repository's member on node %s has stopped: make room there, it starts again by itself; the other members go on", m.cfg.Dir, m.cfg.Node))
			return
		}
		if now := time.Now(); now.After(relief) {
			relief = now.Add(m.relieve())
		}
		switch {
		case full || room < tightRoom:
			wait.Reset(tightTick)
		case room < ampleRoom:
			wait.Reset(roomTick)
		default:
			wait.Reset(tick.Until(time.Now(), lookTick))
		}
	}
}

// stillness counts the looks at a repository since something was written to it last.
type stillness struct {
	index uint64 // of the last entry that was applied
	looks int
}

// due says whether the reserve has to be looked after: when something was written, once more when it has come to the database, and now and then all the same.
func (s *stillness) due(index uint64) bool {
	const seldom = 10
	if index != s.index {
		s.index, s.looks = index, 0
		return true
	}
	s.looks++
	return s.looks == 1 || s.looks%seldom == 0
}

// allocateAhead allocates blocks up to the reserve beyond the database's end and reports how much of them is unused.
func (m *Member) allocateAhead() (left int64, err error) {
	f, err := os.OpenFile(dbFile(m.cfg.Dir), os.O_RDWR, 0)
	if err != nil {
		return reserve, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return reserve, err
	}
	if err := m.allocateLog(); err != nil {
		return reserve, err
	}
	used := m.etcd.Server.Backend().Size() // the file itself grows in large steps, without blocks
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, max(info.Size(), used+reserve))
	var st unix.Stat_t
	if e := unix.Fstat(int(f.Fd()), &st); e != nil {
		return reserve, e
	}
	return st.Blocks*512 - used, err
}

// allocateLog gives the newest files of the log room for an entry that goes beyond their end: a file is left only after it is full.
func (m *Member) allocateLog() error {
	for _, pattern := range []string{"*.wal", "*.tmp"} {
		names, err := filepath.Glob(filepath.Join(walDir(m.cfg.Dir), pattern))
		if err != nil || len(names) == 0 {
			continue
		}
		f, err := os.OpenFile(names[len(names)-1], os.O_RDWR, 0)
		if err != nil {
			continue // it was renamed in this moment
		}
		err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, segmentSize+largestEntry)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// spareLog reports whether the log's next file is allocated.
func (m *Member) spareLog() bool {
	names, _ := filepath.Glob(filepath.Join(walDir(m.cfg.Dir), "*.tmp"))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Size() >= segmentSize {
			return true
		}
	}
	return false
}

// relieve answers the alarm of a repository that has reached its quota: it forgets the history, gives the pages back, and ends the alarm when that
// was enough. It returns when to look again.
func (m *Member) relieve() time.Duration {
	// The server reads its alarms without a lock while a snapshot replaces them: they are looked at only when there can be one.
	if !m.alarmed && m.etcd.Server.Backend().Size() < m.cfg.Quota/2 {
		return time.Second
	}
	server, alarmed := m.etcd.Server, false
	for _, a := range server.Alarms() {
		if a.MemberID == uint64(server.MemberID()) && a.Alarm == etcdserverpb.AlarmType_NOSPACE {
			alarmed = true
		}
	}
	m.alarmed = alarmed
	if !alarmed || server.AppliedIndex() == m.fullAt {
		return time.Second // well, or as full as it was
	}
	ctx, cancel := context.WithTimeout(m.ctx, 5*time.Second)
	defer cancel()
	if _, err := server.Compact(ctx, &etcdserverpb.CompactionRequest{Revision: server.KV().Rev(), Physical: true}); err != nil {
		m.cfg.Log.Debug("compacting the repository", "err", err)
	}
	if err := server.Backend().Defrag(); err != nil {
		m.cfg.Log.Warn("the repository could not give pages back", "dir", m.cfg.Dir, "err", err)
	}
	if size := server.Backend().Size(); size > m.cfg.Quota*8/10 {
		m.cfg.Log.Error("the repository is full and takes no writes: remove objects", "node", m.cfg.Node, "size", size, "quota", m.cfg.Quota)
		m.fullAt = server.AppliedIndex()
		return 5 * time.Second // giving pages back holds everybody up
	}
	_, err := server.Alarm(ctx, &etcdserverpb.AlarmRequest{
		Action: etcdserverpb.AlarmRequest_DEACTIVATE, MemberID: uint64(server.MemberID()), Alarm: etcdserverpb.AlarmType_NOSPACE,
	})
	if err != nil {
		m.cfg.Log.Warn("the repository has room again but does not take writes yet", "err", err)
		return time.Second
	}
	m.cfg.Log.Info("the repository has room again", "node", m.cfg.Node)
	return time.Second
}
