package daemon

import (
	"time"

	"redoubt/internal/membership"
)

// report is what this node says of its copy. A member that takes part is usable once it has a vote and keeps up with the others.
func (s *seat) report(now membership.Instant, view membership.View) membership.Copy {
	s.mu.Lock()
	m, c := s.member, membership.Copy{Seat: s.lost}
	switch {
	case m != nil:
	case s.gone:
		c.State = membership.CopyLost
	case s.named:
		c.State = membership.CopyDown
	}
	s.mu.Unlock()
	if m == nil {
		return c
	}
	p := m.Standing()
	keeps := s.progress.keeps(now, p.Index, view)
	c = membership.Copy{State: membership.CopyBehind, Seat: p.Seat, Index: p.Index}
	if p.Ready && p.Follows && !p.Learner && keeps {
		c.State = membership.CopyUsable
	}
	return c
}

// paceLimit is how long a copy may lack what others have had all that time.
const paceLimit = 3 * time.Second

// progress measures whether this node's copy keeps up with those that it hears of.
type progress struct {
	goal uint64             // what another had
	set  membership.Instant // when that was heard
}

func (p *progress) keeps(now membership.Instant, index uint64, view membership.View) bool {
	if index < p.goal {
		return now-p.set < membership.Instant(paceLimit)
	}
	p.goal, p.set = 0, now
	for _, peer := range view.Peers {
		if peer.Copy.State == membership.CopyUsable {
			p.goal = max(p.goal, peer.Copy.Index)
		}
	}
	return true
}
