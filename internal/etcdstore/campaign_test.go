package etcdstore

import (
	"testing"

	"redoubt/internal/fault"
)

// A member that is told so leads although the leader lives and nobody would have called an election; what was written is there.
func TestCampaign(t *testing.T) {
	t.Parallel()
	m := newMembers(t)
	s := m.grow(3)
	put(t, s, "k", "1")
	lead := m.leader(1, 2, 3)
	next := lead%3 + 1
	if got := m.running[node(next)].Leader(); got != node(lead) {
		t.Fatalf("member %d takes %q for the leader, want %s", next, got, node(lead))
	}
	if err := m.running[node(next)].Campaign(bounded(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the one that asked leads", func() error {
		for i := 1; i <= 3; i++ {
			if got := m.running[node(i)].Leader(); got != node(next) {
				return fault.Errorf(fault.Unavailable, "member %d takes %q for the leader", i, got)
			}
		}
		return nil
	})
	put(t, s, "k", "2")
	if got := get(t, m.open(lead), "k"); got != "2" {
		t.Errorf("k is %s", got)
	}
}
