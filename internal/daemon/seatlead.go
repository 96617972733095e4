package daemon

import (
	"context"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/quorum"
)

// The repository's members notice by silence that their leader is gone, and know nothing of what the membership knows: a guard that says that its node has
// ended, or voters that have not heard a node for its timeout. Then the voters that are left ask for the leadership, one after the other in the order of the record,
// until there is a leader. Without it a failover from the node that leads would take an election longer than others. One asker is not enough: the members refuse whoever
// lacks an entry that they have, and which of them is behind when a leader dies nobody knows.

const (
	// turnTime is what each voter has before the next one asks: two messages there and back, and two writes to disk.
	turnTime = 100 * time.Millisecond
	// turnRounds is how often each asks. After that the members elect by themselves, as they do anyhow.
	turnRounds = 2
	// campaignTime bounds one attempt.
	campaignTime = time.Second
)

// succession is what a voter knows of the leadership of the repository. Its methods are called from one goroutine.
type succession struct {
	leader cluster.NodeName // the last one known
	gone   time.Time        // since when it is known to be gone; zero: it is not
	asked  int              // how often this node has asked since then
}

// step says whether this node asks for the leadership now, and otherwise after how long it has to look again; 0: not before something changes. leader is the one that
// this node's member knows, "" for none.
func (s *succession) step(now time.Time, self, leader cluster.NodeName, view membership.View) (ask bool, again time.Duration) {
	if leader != "" && leader != s.leader {
		*s = succession{leader: leader}
	}
	rank, count := heirs(self, s.leader, view)
	if rank < 0 || leader == self {
		s.gone, s.asked = time.Time{}, 0
		return false, 0
	}
	if s.gone.IsZero() {
		s.gone = now
	}
	if s.asked >= turnRounds {
		return false, 0
	}
	if wait := s.turn(rank, count).Sub(now); wait > 0 {
		return false, wait
	}
	s.asked++
	if s.asked < turnRounds {
		again = max(s.turn(rank, count).Sub(now), turnTime)
	}
	return true, again
}

// turn is when this node asks next.
func (s *succession) turn(rank, count int) time.Time {
	return s.gone.Add(time.Duration(rank+s.asked*count) * turnTime)
}

// heirs are the voters left where the leader of the repository is gone and a majority of the voters is not: how many, and the place of this node among them; otherwise
// the place is -1.
func heirs(self, leader cluster.NodeName, view membership.View) (rank, count int) {
	if view.Record == nil || leader == "" || leader == self {
		return -1, 0
	}
	suspected := map[cluster.NodeName]bool{}
	for _, p := range view.Peers {
		suspected[p.Node] = p.Suspected
	}
	if !suspected[leader] {
		return -1, 0
	}
	rank = -1
	seen := map[cluster.NodeName]bool{}
	names := func(voters []membership.Voter) (out []cluster.NodeName) {
		for _, v := range voters {
			out = append(out, v.Node)
			if seen[v.Node] || suspected[v.Node] {
				continue
			}
			seen[v.Node] = true
			if v.Node == self {
				rank = count
			}
			count++
		}
		return out
	}
	now, next := names(view.Record.Voters), names(view.Record.NextVoters)
	if !quorum.Has(func(n cluster.NodeName) bool { return !suspected[n] }, now, next) {
		return -1, 0
	}
	return rank, count
}

// succeed asks for the leadership of the repository where the leader is gone and it is this node's turn.
func (s *seat) succeed(ctx context.Context, view membership.View) {
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m == nil {
		return
	}
	ask, again := s.succession.step(time.Now(), s.cfg.Node, m.Leader(), view)
	if again > 0 {
		time.AfterFunc(again, s.tell)
	}
	if !ask {
		return
	}
	s.log.Info("the node that led the repository is gone; this one asks to lead it", "gone", s.succession.leader)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, campaignTime)
		defer cancel()
		if err := m.Campaign(ctx); err != nil {
			s.log.Debug("the members of the repository elect by themselves", "err", err)
		}
	}()
}
