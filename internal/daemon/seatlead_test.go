package daemon

import (
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// One voter asks for the leadership, and only where the leader is gone and a majority is not.
func TestHeir(t *testing.T) {
	voters := func(names ...cluster.NodeName) (out []membership.Voter) {
		for _, n := range names {
			out = append(out, membership.Voter{Node: n})
		}
		return out
	}
	for _, c := range []struct {
		name         string
		self, leader cluster.NodeName
		now, next    []membership.Voter
		suspected    []cluster.NodeName
		want         bool
	}{
		{"the leader lives", "n2", "n1", voters("n1", "n2", "n3"), nil, nil, false},
		{"another is gone", "n2", "n1", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n3"}, false},
		{"the leader is gone", "n2", "n1", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1"}, true},
		{"the leader is gone, but another comes first", "n3", "n1", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1"}, false},
		{"the first is gone with the leader, and the majority", "n3", "n1", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1", "n2"}, false},
		{"two of five are gone", "n2", "n3", voters("n1", "n2", "n3", "n4", "n5"), nil, []cluster.NodeName{"n1", "n3"}, true},
		{"this node leads", "n2", "n2", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1"}, false},
		{"there is no leader: they elect one", "n2", "", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1"}, false},
		{"no majority of the next voters is left", "n2", "n1", voters("n1", "n2", "n3"), voters("n1", "n2"), []cluster.NodeName{"n1"}, false},
		{"a node that does not vote", "n4", "n1", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1"}, false},
	} {
		view := membership.View{Record: &membership.Record{Voters: c.now, NextVoters: c.next}}
		for _, n := range c.suspected {
			view.Peers = append(view.Peers, membership.Peer{Node: n, Suspected: true})
		}
		if got := heir(c.self, c.leader, view); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if heir("n1", "n2", membership.View{}) {
		t.Error("without a record")
	}
}
