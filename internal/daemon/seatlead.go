package daemon

import (
	"context"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/quorum"
)

// The repository's members notice by silence that their leader is gone, and know nothing of what the membership knows: a guard that says that its node has
// ended, or voters that have not heard a node for its timeout. Then the first voter that is left asks for the leadership at once. Without it a failover from the
// node that leads would take an election longer than others.

// campaignTime bounds one attempt, and is the time between two of them. Where it fails the members elect by themselves.
const campaignTime = time.Second

// succeed asks for the leadership of the repository where the leader is gone and this node is the one to follow it.
func (s *seat) succeed(ctx context.Context, view membership.View) {
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m == nil || time.Since(s.campaigned) < campaignTime || !heir(s.cfg.Node, m.Leader(), view) {
		return
	}
	s.campaigned = time.Now()
	s.log.Info("the node that led the repository is gone; this one asks to lead it")
	go func() {
		ctx, cancel := context.WithTimeout(ctx, campaignTime)
		defer cancel()
		if err := m.Campaign(ctx); err != nil {
			s.log.Debug("the members of the repository elect by themselves", "err", err)
		}
	}()
}

// heir reports whether a node is the first voter left, where the leader of the repository is gone and a majority of the voters is not.
func heir(self, leader cluster.NodeName, view membership.View) bool {
	if view.Record == nil || leader == "" || leader == self {
		return false
	}
	suspected := map[cluster.NodeName]bool{}
	for _, p := range view.Peers {
		suspected[p.Node] = p.Suspected
	}
	if !suspected[leader] {
		return false
	}
	var first cluster.NodeName
	names := func(voters []membership.Voter) (out []cluster.NodeName) {
		for _, v := range voters {
			out = append(out, v.Node)
			if first == "" && !suspected[v.Node] {
				first = v.Node
			}
		}
		return out
	}
	now, next := names(view.Record.Voters), names(view.Record.NextVoters)
	return first == self && quorum.Has(func(n cluster.NodeName) bool { return !suspected[n] }, now, next)
}
