package live

import (
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/assess/catalogue"
)

// A node that is only being added is away at first, and nothing was lost by it; when the beginning of the log is not there, nobody can know.
func TestNewNodesAreNoLosses(t *testing.T) {
	rule := catalogue.Events{Kind: "node", Down: []string{"away", "leaving"}, Up: []string{"member"}, Initial: []string{"away"}}
	event := func(second int, node, state string) v1.LogEvent {
		return v1.LogEvent{Time: time.Unix(int64(second), 0), Kind: "node", Object: "node " + node, State: state, Text: state}
	}
	events := []v1.LogEvent{
		event(1, "n1", "member"), event(2, "n2", "away"), event(3, "n2", "member"), event(4, "n1", "leaving"), event(5, "n1", "away"), event(6, "n1", "member"), event(7, "n2", "away"),
		event(8, "n3", "leaving"),
	}
	if at := countEvents(events, rule, false); len(at) != 3 || at[0].Unix() != 4 || at[1].Unix() != 7 || at[2].Unix() != 8 {
		t.Errorf("lost at %v", at)
	}
	if at := countEvents(events, rule, true); len(at) != 4 || at[0].Unix() != 2 {
		t.Errorf("without the beginning of the log: lost at %v", at)
	}
}
