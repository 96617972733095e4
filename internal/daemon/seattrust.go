package daemon

import (
	"slices"

	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// The repository's member reads which authorities it trusts when it begins. When they change it begins anew, while the others carry the repository; no
// service depends on it.

// effective are the authorities that this node's ports trust: those of the files, or those that its member of the repository still has. While a member is between
// two beginnings nothing is said: the next node would begin anew in the same moment, and two of three copies were away at once.
func (s *seat) effective(cr *credentials) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.member == nil {
		if s.named && s.why == nil && !s.gone && !s.broken {
			return nil // it is on its way
		}
		return cr.nodes.Fingerprints()
	}
	select {
	case <-s.member.Ready():
		return s.trusts
	default:
		return nil
	}
}

// outdated reports whether the member has to begin anew now: one after the other, in the order of the names.
func (s *seat) outdated(n *node, snap engine.Snapshot) bool {
	want := n.cred().nodes.Fingerprints()
	s.mu.Lock()
	same := s.member == nil || slices.Equal(s.trusts, want)
	s.mu.Unlock()
	if same {
		return false
	}
	view, now := n.member.View(), n.clock.Boot()
	for _, m := range snap.Record.Members {
		if c, heard := view.CopyOf(m.Node, now); m.Node != s.cfg.Node && snap.Record.IsVoter(m.Node) && (!heard || c.State != membership.CopyUsable) {
			return false // one copy less at a time
		}
		if m.Node >= s.cfg.Node || !snap.Record.IsVoter(m.Node) {
			continue
		}
		if !slices.ContainsFunc(snap.Trusts, func(t model.Trust) bool { return t.Node == m.Node && slices.Equal(t.NodeRoots, want) }) {
			return false
		}
	}
	return true
}
