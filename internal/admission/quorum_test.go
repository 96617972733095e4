package admission

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Who was added as a quorum server joins as one, and who was allowed as a node as a node: a vote is not to be had by a flag of one's own.
func TestQuorumServersAreAddedAsSuch(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	key := "SHA256:" + strings.Repeat("A", 43)
	for _, c := range []struct {
		added, joins bool
		says         string
	}{
		{false, false, ""}, {true, true, ""}, {false, true, "run `redoubt quorum add q1`"}, {true, false, "is allowed as a quorum server"},
	} {
		l, err := List(nil).Allow(Entry{Host: "q1", Once: true, Key: key, QuorumServer: c.added})
		if err != nil {
			t.Fatal(err)
		}
		d := l.Decide(Request{Host: "q1", Key: key, From: netip.MustParseAddr("10.0.0.9"), QuorumServer: c.joins}, now)
		if (d.Outcome == Allowed) != (c.says == "") || !strings.Contains(d.Reason, c.says) {
			t.Errorf("added as a quorum server %v, joins as one %v: %v, %s", c.added, c.joins, d.Outcome, d.Reason)
		}
	}
}
