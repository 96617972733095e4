package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
)

// seat is this node's own member of the repository: there while the node votes or is being made a voter.
type seat struct {
	cfg  Config
	log  *slog.Logger
	news chan struct{} // gets a token when the member is up, ready or gone
	said chan struct{} // the same, for whoever says what this node trusts

	mu      sync.Mutex
	member  *etcdstore.Member
	trusts  []string  // the authorities that the member has trusted since it began
	broken  bool      // it failed in a way that this process can not start it again after
	damaged bool      // what is in the directory can not be used any more
	lost    uint64    // the seat whose copy is lost; 0: none, or not known which
	gone    bool      // the copy that this node should have is lost
	named   bool      // this node should have a member
	next    time.Time // no attempt to start before
	idle    time.Time // since when the record does not name this node
	asked   time.Time // when it was last asked for the seats while the member was up
	why     error     // why the member is not up although it should be; nil when it is, or need not be

	progress   progress   // of follow alone
	succession succession // of follow alone
	links      links      // of follow alone
}

func newSeat(cfg Config, log *slog.Logger) *seat {
	return &seat{cfg: cfg, log: log, news: make(chan struct{}, 1), said: make(chan struct{}, 1)}
}

// unseatedFor is how long the record must not have named a node before its member of the repository is ended and its copy removed: the last steps of a change
// are seen in another order than they were made.
const unseatedFor = 5 * time.Second

// How long a start that failed is left alone, and how often a node whose copy is lost looks whether it has been given another seat.
const (
	retrySeat = 5 * time.Second
	askSeat   = 500 * time.Millisecond
)

// startIfThere starts the member of a voter that comes up, or the first member of a new cluster. It fails where this node is the only voter and its copy is
// lost: there is nobody to wait for.
func (s *seat) startIfThere(ctx context.Context, n *node) error {
	id := n.identity()
	only := slices.Equal(id.Voters, []cluster.NodeName{id.Node})
	var err error
	switch {
	case etcdstore.HasData(s.cfg.path(dirEtcd)):
		err = s.start(ctx, n, etcdstore.ModeRestart, nil)
	case only && id.Fresh:
		err = s.start(ctx, n, etcdstore.ModeNew, nil)
	case only:
		return s.onlyCopy(id, "it is gone")
	default:
		return nil
	}
	if errors.Is(err, etcdstore.ErrDamaged) && only {
		return s.onlyCopy(id, err.Error())
	}
	if err != nil {
		// The node can still be a client of the other voters; whoever operates it has to see why.
		s.failed(err)
		s.log.Error("this node's member of the repository did not start; trying again", "err", err)
	}
	return nil
}

// onlyCopy is the error of a cluster that has no copy of its repository any more.
func (s *seat) onlyCopy(id *identity, why string) error {
	err := fault.Errorf(fault.Precondition, "node %s is the only voter of cluster %s, and its copy of the repository in %s can not be used: %s. No other node has a copy to fill it from: restore a snapshot on this node with `redoubtd restore -from FILE`, or put the directory back as it was, then start redoubtd", id.Node, id.Cluster.Name, s.cfg.path(dirEtcd), why)
	s.log.Error("redoubtd does not start", "err", err)
	return err
}

// adjust starts or ends the member as the record and the voters' loop of the president say.
func (s *seat) adjust(ctx context.Context, n *node, snap engine.Snapshot) {
	invited := false
	if snap.Quorum != nil {
		q, err := confdb.Decode[engine.Quorum](confdb.KindQuorum, confdb.KeyQuorum, snap.Quorum)
		invited = err == nil && slices.Contains(q.Starting, s.cfg.Node)
	}
	named := invited || snap.Record.IsVoter(s.cfg.Node)
	s.mu.Lock()
	s.named = named
	s.mu.Unlock()
	running := s.running()
	switch {
	case named && running:
		s.idle = time.Time{}
		switch {
		case invited && s.replaced(ctx, n):
			s.log.Info("this node was given another seat in the repository; its copy in the earlier one is removed")
			s.stop()
			s.remove()
		case s.outdated(n, snap):
			s.log.Info("this node's member of the repository starts again, to trust other authorities")
			s.stop()
		default:
			return
		}
		s.after(0)
		s.come(ctx, n)
	case named:
		s.idle = time.Time{}
		s.come(ctx, n)
	case running && s.idle.IsZero():
		s.idle = time.Now()
	case running && time.Since(s.idle) > unseatedFor:
		s.log.Info("this node votes no more; its copy of the repository is removed")
		s.stop()
		s.remove()
	case !running:
		s.mu.Lock()
		s.why, s.gone, s.lost = nil, false, 0
		s.mu.Unlock()
	}
}

// after puts the next attempt off.
func (s *seat) after(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = time.Now().Add(d)
}

// failed notes why a start failed.
func (s *seat) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.why = time.Now().Add(retrySeat), err
	s.damaged = s.damaged || errors.Is(err, etcdstore.ErrDamaged)
}

// lose notes that the copy is lost, and in which seat if that is known; true: that is news.
func (s *seat) lose(id uint64, why error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := !s.gone || s.why == nil || s.why.Error() != why.Error()
	s.gone, s.why = true, why
	if id != 0 {
		s.lost = id
	}
	return news
}

// trouble is why the member is not up although it should be.
func (s *seat) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// start brings the member up and watches over it.
func (s *seat) start(ctx context.Context, n *node, mode etcdstore.Mode, peers map[cluster.NodeName]string) error {
	id, trusts := n.identity(), n.cred().nodes.Fingerprints()
	heartbeat, election := seatTiming(id.timing())
	m, err := etcdstore.StartMember(ctx, etcdstore.MemberConfig{
		Node: s.cfg.Node, Address: id.self().PrivateAddress, ClientPort: cluster.PortClient, PeerPort: cluster.PortPeer, Dir: s.cfg.path(dirEtcd), TLS: s.cfg.tlsFiles(), Mode: mode, Peers: peers,
		Cluster: id.Cluster.ID, Heartbeat: heartbeat, Election: election, Admit: n.admit, AdmitPeer: n.admitPeer, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.member, s.why, s.damaged, s.gone, s.lost = m, nil, false, false, 0
	s.trusts = trusts
	s.mu.Unlock()
	s.log.Info("this node's member of the repository is up", "mode", fmt.Sprint(mode))
	go s.watch(m)
	return nil
}

// watch follows a member to its end.
func (s *seat) watch(m *etcdstore.Member) {
	defer s.tell()
	select {
	case <-m.Ready():
		s.tell()
		<-m.Done()
	case <-m.Done():
	}
	s.mu.Lock()
	ours := s.member == m
	if ours {
		s.member = nil
	}
	s.mu.Unlock()
	if !ours {
		return
	}
	switch err := m.Err(); {
	case fault.Is(err, fault.Precondition):
		s.log.Info("this node's seat in the repository was given up; its copy is removed")
		s.remove()
	case errors.Is(err, etcdstore.ErrDamaged):
		s.mu.Lock()
		s.damaged, s.gone, s.lost, s.why = true, true, m.Standing().Seat, err
		s.mu.Unlock()
		s.log.Error("this node's copy of the repository is damaged; the other voters carry on, and it waits for another seat", "err", err)
	case fault.Is(err, fault.Internal):
		s.mu.Lock()
		s.broken, s.why = true, err
		s.mu.Unlock()
		s.log.Error("this node's member of the repository has failed; the other voters carry on; restart redoubtd when the cause is gone", "err", err)
	default:
		s.log.Error("this node's member of the repository has ended; starting it again", "err", err)
	}
}

// tell wakes whoever looks after the seat.
func (s *seat) tell() {
	for _, ch := range []chan struct{}{s.news, s.said} {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// running reports whether the member is up.
func (s *seat) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.member != nil
}

// stop ends the member in good order; its data stays.
func (s *seat) stop() {
	s.mu.Lock()
	m := s.member
	s.member = nil
	s.mu.Unlock()
	if m != nil {
		m.Close()
	}
}

// remove sets the copy of a node that votes no more aside. The last one is kept: a repository is never thrown away for good by a program.
func (s *seat) remove() {
	dir := s.cfg.path(dirEtcd)
	old := filepath.Join(s.cfg.Data, dirEtcd+".old")
	if !holdsAnything(dir) {
		return // an earlier copy is worth more than nothing
	}
	if err := os.RemoveAll(old); err != nil {
		s.log.Warn("removing an old copy of the repository", "err", err)
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("setting the copy of the repository aside", "err", err)
	}
}

// holdsAnything reports whether there is anything in a directory.
func holdsAnything(dir string) bool {
	names, err := os.ReadDir(dir)
	return err == nil && len(names) > 0
}
