package daemon

import (
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// The connections between the members of the repository wait long, after a network is whole again, before they notice it; heartbeats notice it at once. So whoever was silent and
// is heard again gets new ones, see etcdstore.Member.Relink.

// links knows who is silent. Its methods are called from one goroutine.
type links struct {
	silent map[cluster.NodeName]bool
}

// back are the nodes that were silent for more than two timeouts, or long enough to be suspected, and have been heard since. Less does not matter: the connections try again
// soon enough.
func (l *links) back(now membership.Instant, view membership.View) (out []cluster.NodeName) {
	if view.Record == nil {
		return nil
	}
	timeout := view.Record.Timing.Timeout
	for _, p := range view.Peers {
		switch silence := time.Duration(now - p.LastHeard); {
		case p.LastHeard == 0:
		case p.Suspected || silence > 2*timeout:
			if l.silent == nil {
				l.silent = map[cluster.NodeName]bool{}
			}
			l.silent[p.Node] = true
		case l.silent[p.Node] && silence < timeout:
			delete(l.silent, p.Node)
			out = append(out, p.Node)
		}
	}
	return out
}

// relink makes new connections between this node's member of the repository and those of nodes that are back.
func (s *seat) relink(now membership.Instant, view membership.View) {
	back := s.links.back(now, view)
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m == nil {
		return
	}
	for _, n := range back {
		if count := m.Relink(n); count > 0 {
			s.log.Debug("a node is heard again: its member of the repository connects anew to this one", "node", n, "connections", count)
		}
	}
}
