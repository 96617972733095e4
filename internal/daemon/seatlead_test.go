package daemon

import (
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

func voters(names ...cluster.NodeName) (out []membership.Voter) {
	for _, n := range names {
		out = append(out, membership.Voter{Node: n})
	}
	return out
}

func viewOf(now, next []membership.Voter, suspected ...cluster.NodeName) membership.View {
	view := membership.View{Record: &membership.Record{Voters: now, NextVoters: next}}
	for _, n := range suspected {
		view.Peers = append(view.Peers, membership.Peer{Node: n, Suspected: true})
	}
	return view
}

// The voters that are left stand in a row where the leader is gone and a majority is not.
func TestHeirs(t *testing.T) {
	for _, c := range []struct {
		name         string
		self, leader cluster.NodeName
		now, next    []membership.Voter
		suspected    []cluster.NodeName
		rank         int
	}{
		{"the leader lives", "n2", "n1", voters("n1", "n2", "n3"), nil, nil, -1},
		{"another is gone", "n2", "n1", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n3"}, -1},
		{"the leader is gone", "n2", "n1", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1"}, 0},
		{"the leader is gone, and another comes first", "n3", "n1", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1"}, 1},
		{"the first is gone with the leader, and the majority", "n3", "n1", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1", "n2"}, -1},
		{"two of five are gone", "n2", "n3", voters("n1", "n2", "n3", "n4", "n5"), nil, []cluster.NodeName{"n1", "n3"}, 0},
		{"two of five are gone, the last one's place", "n5", "n3", voters("n1", "n2", "n3", "n4", "n5"), nil, []cluster.NodeName{"n1", "n3"}, 2},
		{"this node leads", "n2", "n2", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1"}, -1},
		{"nobody ever led", "n2", "", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1"}, -1},
		{"no majority of the next voters is left", "n2", "n1", voters("n1", "n2", "n3"), voters("n1", "n2"), []cluster.NodeName{"n1"}, -1},
		{"a node that does not vote", "n4", "n1", voters("n1", "n2", "n3"), nil, []cluster.NodeName{"n1"}, -1},
	} {
		if rank, _ := heirs(c.self, c.leader, viewOf(c.now, c.next, c.suspected...)); rank != c.rank {
			t.Errorf("%s: place %d, want %d", c.name, rank, c.rank)
		}
	}
	if rank, _ := heirs("n1", "n2", membership.View{}); rank != -1 {
		t.Error("without a record")
	}
}

// The first voter left may be refused, because it lacks an entry that the other has; then the other has to ask, although by now nobody knows a leader any more.
func TestSuccessionGoesOnUntilThereIsALeader(t *testing.T) {
	start := time.Unix(1000, 0)
	alive, dead := viewOf(voters("n1", "n2", "n3"), nil), viewOf(voters("n1", "n2", "n3"), nil, "n1")
	type at struct {
		ms     int
		leader cluster.NodeName
		view   membership.View
		ask    bool
		again  int // ms
	}
	for name, c := range map[string]struct {
		self  cluster.NodeName
		steps []at
	}{
		"the first asks at once": {"n2", []at{
			{0, "n1", alive, false, 0},
			{500, "n1", dead, true, 200},
			{520, "n2", dead, false, 0},
		}},
		"the first is refused and asks again after the other": {"n2", []at{
			{0, "n1", alive, false, 0},
			{500, "n1", dead, true, 200},
			{510, "", dead, false, 190},
			{700, "", dead, true, 0},
			{900, "", dead, false, 0},
		}},
		"the second waits for its turn, and nobody leads by then": {"n3", []at{
			{0, "n1", alive, false, 0},
			{500, "n1", dead, false, 100},
			{510, "", dead, false, 90},
			{600, "", dead, true, 200},
		}},
		"the second has nothing to do where the first leads": {"n3", []at{
			{0, "n1", alive, false, 0},
			{500, "n1", dead, false, 100},
			{530, "n2", dead, false, 0},
			{600, "n2", dead, false, 0},
		}},
		"the next leader dies too": {"n3", []at{
			{0, "n1", viewOf(voters("n1", "n2", "n3", "n4", "n5"), nil), false, 0},
			{500, "n1", viewOf(voters("n1", "n2", "n3", "n4", "n5"), nil, "n1"), false, 100},
			{530, "n2", viewOf(voters("n1", "n2", "n3", "n4", "n5"), nil, "n1"), false, 0},
			{900, "n2", viewOf(voters("n1", "n2", "n3", "n4", "n5"), nil, "n1", "n2"), true, 300},
		}},
		"the leader comes back": {"n2", []at{
			{0, "n1", alive, false, 0},
			{500, "n1", dead, true, 200},
			{600, "n1", alive, false, 0},
			{900, "n1", dead, true, 200},
		}},
		"nobody leads, and nobody is gone": {"n2", []at{
			{0, "n1", alive, false, 0},
			{500, "", alive, false, 0},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var s succession
			for i, a := range c.steps {
				ask, again := s.step(start.Add(time.Duration(a.ms)*time.Millisecond), c.self, a.leader, a.view)
				if ask != a.ask || again != time.Duration(a.again)*time.Millisecond {
					t.Errorf("step %d at %d ms: asks %v and looks again after %v, want %v and %d ms", i, a.ms, ask, again, a.ask, a.again)
				}
			}
		})
	}
}
