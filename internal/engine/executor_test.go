package engine

import (
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// TestFactsLeaveOutTheDead: what a node reported before it was lost must not satisfy anybody's dependency.
func TestFactsLeaveOutTheDead(t *testing.T) {
	old, now := cluster.Incarnation{Number: 1, Tag: "a"}, cluster.Incarnation{Number: 2, Tag: "b"}
	snap := Snapshot{
		Record: &membership.Record{Members: []membership.Member{{Node: "n1", Incarnation: now}}},
		State: model.State{
			Groups:    []model.Group{{Name: "db-rg"}, {Name: "web-rg"}},
			Resources: []model.Resource{{Name: "db", Group: "db-rg"}, {Name: "web", Group: "web-rg"}, {Name: "ip", Group: "web-rg"}},
			Instances: []model.Instance{
				{Node: "n1", Incarnation: old, Group: "db-rg", State: model.GroupOnline},
				{Node: "n1", Incarnation: now, Group: "web-rg", State: model.GroupOnline},
				{Node: "n2", Incarnation: old, Group: "db-rg", State: model.GroupOnline},
			},
		},
	}
	if l := lives(snap); len(l) != 1 || l["n1"] != now {
		t.Errorf("living: %+v", l)
	}
	in := factsOf(snap, Around(snap), "n1", "web-rg")
	if len(in.Resources) != 2 || in.Group.Name != "web-rg" {
		t.Errorf("facts of web-rg: %+v", in)
	}
	snap.Record = nil
	if in := factsOf(snap, Around(snap), "n1", "web-rg"); in.Around != nil || len(in.Resources) != 2 {
		t.Errorf("without a membership: %+v", in)
	}
	if len(snap.State.Instances) != 3 {
		t.Error("the shared snapshot was changed")
	}
}
