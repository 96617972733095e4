package daemon

import (
	"slices"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/etcdstore"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// A node asks its own member of the repository first, unless that one is cut off from the one that leads and a voter that is heard is not.
func TestTheRepositoryIsAskedWhereItIsCurrent(t *testing.T) {
	id := &identity{Node: "n1", Voters: []cluster.NodeName{"n1", "n2", "q1"}, Nodes: []model.Node{
		{Name: "n1", PrivateAddress: "172.31.0.1"}, {Name: "n2", PrivateAddress: "172.31.0.2"}, {Name: "q1", QuorumServer: true, PrivateAddress: "172.31.0.3"},
	}}
	n1, n2, q1 := "172.31.0.1:7402", "172.31.0.2:7402", "172.31.0.3:7402"
	usable, behind := membership.CopyUsable, membership.CopyBehind
	for name, c := range map[string]struct {
		own    membership.CopyState
		copies map[cluster.NodeName]membership.CopyState // of those that are heard
		want   []string
	}{
		"all is well":                   {usable, map[cluster.NodeName]membership.CopyState{"n2": usable, "q1": usable}, []string{n1, n2, q1}},
		"cut off from the one that led": {behind, map[cluster.NodeName]membership.CopyState{"q1": usable}, []string{q1, n1}},
		"the same, and another is too":  {behind, map[cluster.NodeName]membership.CopyState{"n2": behind, "q1": usable}, []string{q1, n2, n1}},
		"the one that led is gone":      {behind, map[cluster.NodeName]membership.CopyState{"n2": behind, "q1": behind}, []string{n1, n2, q1}},
		"nobody is heard":               {behind, nil, []string{n1, n2, q1}},
	} {
		n := &node{id: id, seat: &seat{member: &etcdstore.Member{}}}
		view := membership.View{Record: &membership.Record{Timing: cluster.Timing{Timeout: time.Hour}}, Copy: membership.Copy{State: c.own}}
		for peer, state := range c.copies {
			view.Peers = append(view.Peers, membership.Peer{Node: peer, LastHeard: n.clock.Boot(), Copy: membership.Copy{State: state}})
		}
		if got := n.endpoints(&view); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
