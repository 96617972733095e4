package daemon

import (
	"slices"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// Who was silent for long is back once, with the first view in which it is heard again; a heartbeat that was late is nothing.
func TestNodesThatAreHeardAgain(t *testing.T) {
	const ms = membership.Instant(time.Millisecond)
	record := &membership.Record{}
	record.Timing.Timeout = 200 * time.Millisecond
	type step struct {
		now, heard membership.Instant // of n2
		suspected  bool
		back       bool
	}
	for name, steps := range map[string][]step{
		"heard all the time":              {{1000, 990, false, false}, {2000, 1900, false, false}},
		"late, and heard again":           {{1000, 700, false, false}, {1100, 1100, false, false}},
		"suspected":                       {{1000, 790, true, false}, {2000, 790, false, false}, {2010, 2010, false, true}, {2100, 2090, false, false}},
		"silent for two timeouts":         {{1000, 590, false, false}, {2010, 2010, false, true}, {2100, 2090, false, false}},
		"silent again":                    {{1000, 500, false, false}, {1010, 1010, false, true}, {2000, 1500, false, false}, {2010, 2010, false, true}},
		"an old word does not make it so": {{1000, 500, false, false}, {1010, 750, false, false}, {1020, 1020, false, true}},
		"never heard":                     {{5000, 0, false, false}, {5010, 5010, false, false}},
	} {
		var l links
		for i, s := range steps {
			got := l.back(s.now*ms, membership.View{Record: record, Peers: []membership.Peer{
				{Node: "n2", LastHeard: s.heard * ms, Suspected: s.suspected}, {Node: "n3", LastHeard: s.now * ms},
			}})
			want := []cluster.NodeName(nil)
			if s.back {
				want = []cluster.NodeName{"n2"}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, step %d: %v, want %v", name, i, got, want)
			}
		}
	}
	var l links
	if got := l.back(5000*ms, membership.View{Peers: []membership.Peer{{Node: "n2", LastHeard: 1}}}); got != nil {
		t.Errorf("without a record: %v", got)
	}
}
