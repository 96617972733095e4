package check_test

import (
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// What is ordered and not yet done, what was asked for and not yet ordered, and what a lost node may still do keep a group from being at rest.
func TestUnrest(t *testing.T) {
	one, two := model.Target{Node: "n1", Incarnation: cluster.Incarnation{Number: 1}}, model.Target{Node: "n2", Incarnation: cluster.Incarnation{Number: 1}}
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, why string // why "": at rest
		change    func(s *model.State)
	}{
		{"it runs", "", func(*model.State) {}},
		{"it is not there", "", func(s *model.State) { s.Groups = nil }},
		{"a wish", "asked for last", func(s *model.State) { s.Wants[0].Seq = 8 }},
		{"a wish of a group that nobody manages", "", func(s *model.State) { s.Wants[0].Seq, s.Groups[0].Managed = 8, false }},
		{"it leaves", "leaves n2", func(s *model.State) { s.Assignments[0].Leaving = []model.Target{two} }},
		{"it has a place that is not free yet", "start on n2", func(s *model.State) { s.Assignments[0].Wanted = []cluster.NodeName{"n2"} }},
		{"its node was lost", "n1 was lost", func(s *model.State) { s.Held = []model.Target{one} }},
		{"another node was lost", "", func(s *model.State) { s.Held = []model.Target{two} }},
		{"its node is evacuated", "is to leave n1", func(s *model.State) { s.Nodes[0].EvacuatedUntil = now.Add(time.Second) }},
		{"its node was evacuated", "", func(s *model.State) { s.Nodes[0].EvacuatedUntil = now }},
		{"it was put on an evacuated node", "", func(s *model.State) {
			s.Nodes[0].EvacuatedUntil = now.Add(time.Second)
			s.Assignments[0].Overruled = []model.Evacuation{{Node: "n1", Until: now.Add(time.Second)}}
		}},
		{"it comes up", "PENDING_ONLINE on n1", func(s *model.State) { s.Instances[0].State = model.GroupPendingOnline }},
		{"a node that is gone reported that it came up", "", func(s *model.State) { s.Instances[0].State, s.Nodes[0].Member = model.GroupPendingOnline, false }},
		{"it waits for another", "", func(s *model.State) { s.Instances[0].State = model.GroupPendingOnlineBlocked }},
		{"it asks to leave", "n1 asks", func(s *model.State) { s.Instances[0].Plea = &model.Plea{Kind: model.PleaGiveover, Version: 3, At: now} }},
		{"it has asked to leave", "", func(s *model.State) {
			s.Instances[0].Plea = &model.Plea{Kind: model.PleaGiveover, Version: 3, At: now}
			s.Assignments[0].Failures = []model.Failure{{Node: "n1", At: now}}
		}},
		{"it asked to leave long ago", "", func(s *model.State) {
			s.Instances[0].Plea = &model.Plea{Kind: model.PleaGiveover, Version: 3, At: now.Add(-time.Hour)}
		}},
		{"it asked to leave before it came here", "", func(s *model.State) { s.Instances[0].Plea = &model.Plea{Kind: model.PleaGiveover, Version: 2, At: now} }},
	} {
		s := model.State{
			Now:         now,
			Nodes:       []model.NodeState{{Node: model.Node{Name: "n1"}, Member: true, Incarnation: one.Incarnation}, {Node: model.Node{Name: "n2"}, Member: true, Incarnation: two.Incarnation}},
			Groups:      []model.Group{{Name: "g", Managed: true, Suspended: true, Nodelist: []cluster.NodeName{"n1", "n2"}, PingpongInterval: 60}},
			Wants:       []model.Want{{Group: "g", Seq: 7}},
			Assignments: []model.Assignment{{Group: "g", Version: 3, WantSeq: 7, Targets: []model.Target{one}, Wanted: []cluster.NodeName{"n1"}}},
			Instances:   []model.Instance{{Group: "g", Node: "n1", Incarnation: one.Incarnation, Version: 3, State: model.GroupOnline}},
		}
		c.change(&s)
		if why := check.Unrest(s, "g"); (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q, not %q", c.name, why, c.why)
		}
	}
}
