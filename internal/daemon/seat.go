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
	cfg Config
	log *slog.Logger

	mu     sync.Mutex
	member *etcdstore.Member
	broken bool      // it failed in a way that this process can not start it again after
	next   time.Time // no attempt to start before
	idle   time.Time // since when the record does not name this node
	why    error     // why the member is not up although it should be; nil when it is, or need not be
}

// unseatedFor is how long the record must not have named a node before its member of the repository is ended and its copy removed: the last steps of a change
// are seen in another order than they were made.
const unseatedFor = 5 * time.Second

// A leader of the repository that is gone is replaced in 0.25 to 0.5 s, so that it is there when the voters have made up their minds about the membership.
// No service depends on it: an election that was called too early costs nobody anything.
const (
	seatHeartbeat = 50 * time.Millisecond
	seatElection  = 250 * time.Millisecond
)

// retrySeat is how long a start that failed is left alone.
const retrySeat = 5 * time.Second

// startIfThere starts the member of a voter that comes up, or the first member of a new cluster.
func (s *seat) startIfThere(ctx context.Context, n *node) error {
	id := n.identity()
	var err error
	switch {
	case etcdstore.HasData(s.cfg.path(dirEtcd)):
		err = s.start(ctx, n, etcdstore.ModeRestart, nil)
	case len(id.Nodes) == 1 && slices.Contains(id.Voters, id.Node):
		err = s.start(ctx, n, etcdstore.ModeNew, nil)
	default:
		return nil
	}
	if err != nil {
		// The node can still be a client of the other voters; whoever operates it has to see why.
		s.note(err)
		s.log.Error("this node's member of the repository did not start; trying again", "err", err)
		s.next = time.Now().Add(retrySeat)
	}
	return nil
}

// adjust starts or ends the member as the record and the voters' loop of the president say.
func (s *seat) adjust(ctx context.Context, n *node, snap engine.Snapshot) {
	invited := false
	if snap.Quorum != nil {
		q, err := confdb.Decode[engine.Quorum](confdb.KindQuorum, confdb.KeyQuorum, snap.Quorum)
		invited = err == nil && q.Starting == s.cfg.Node
	}
	named := invited || snap.Record.IsVoter(s.cfg.Node)
	running := s.running()
	switch {
	case named && running:
		s.idle = time.Time{}
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
		s.note(nil)
	}
}

// come starts the member: from its own copy, or as a newcomer that the others have seated.
func (s *seat) come(ctx context.Context, n *node) {
	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	if broken || time.Now().Before(s.next) {
		return
	}
	s.next = time.Now().Add(retrySeat)
	if etcdstore.HasData(s.cfg.path(dirEtcd)) {
		if err := s.start(ctx, n, etcdstore.ModeRestart, nil); err != nil {
			s.note(err)
			s.log.Error("this node's member of the repository did not start; trying again", "err", err)
		}
		return
	}
	bounded, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	seats, err := n.electorate().Seats(bounded)
	if err != nil {
		return // no majority at this moment
	}
	seated, err := mayBegin(seats, s.cfg.Node, s.cfg.path(dirEtcd))
	if err != nil {
		if s.note(err) {
			s.log.Error("this node has a vote in the repository, and its copy is lost", "err", err)
		}
		return
	}
	if !seated {
		return // not seated (any more)
	}
	peers, err := n.electorate().Peers(bounded)
	if err != nil {
		return
	}
	if err := s.start(ctx, n, etcdstore.ModeJoin, peers); err != nil {
		s.note(err)
		s.log.Error("this node's new member of the repository did not start; trying again", "err", err)
		s.remove()
	}
}

// mayBegin reports whether a node that has no copy of the repository may begin one: only as a learner. A voter that lost its copy has forgotten what it
// voted for and what it has acknowledged; filled anew it could undo what was committed.
func mayBegin(seats []engine.Seat, node cluster.NodeName, dir string) (bool, error) {
	for _, seat := range seats {
		if seat.Node != node {
			continue
		}
		if !seat.Learner {
			return false, fault.Errorf(fault.Precondition, "the copy of the repository in %s is gone, but node %s has a vote in it: a voter is not filled anew, because it has forgotten what it acknowledged; put the copy back, or run `redoubt node remove -F %s` on another node and let this one join again", dir, node, node)
		}
		return true, nil
	}
	return false, nil
}

// note keeps why the member is not up; true: that was not known yet.
func (s *seat) note(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := err != nil && (s.why == nil || s.why.Error() != err.Error())
	s.why = err
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
	id := n.identity()
	m, err := etcdstore.StartMember(ctx, etcdstore.MemberConfig{
		Node: s.cfg.Node, Address: id.self().PrivateAddress, ClientPort: PortClient, PeerPort: PortPeer, Dir: s.cfg.path(dirEtcd), TLS: s.cfg.tlsFiles(), Mode: mode, Peers: peers,
		Cluster: id.Cluster.ID, Heartbeat: seatHeartbeat, Election: seatElection, Admit: n.admit, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.member, s.why = m, nil
	s.mu.Unlock()
	s.log.Info("this node's member of the repository is up", "mode", fmt.Sprint(mode))
	go func() {
		<-m.Done()
		s.mu.Lock()
		ours := s.member == m
		if ours {
			s.member = nil
		}
		s.mu.Unlock()
		if !ours {
			return
		}
		switch err := m.Err(); fault.CodeOf(err) {
		case fault.Precondition:
			s.log.Info("this node's seat in the repository was given up; its copy is removed")
			s.remove()
		case fault.Internal:
			s.mu.Lock()
			s.broken, s.why = true, err
			s.mu.Unlock()
			s.log.Error("this node's member of the repository has failed; the other voters carry on; restart redoubtd when the cause is gone", "err", err)
		default:
			s.log.Error("this node's member of the repository has ended; starting it again", "err", err)
		}
	}()
	return nil
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
	if err := os.RemoveAll(old); err != nil {
		s.log.Warn("removing an old copy of the repository", "err", err)
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("setting the copy of the repository aside", "err", err)
	}
}
