package engine

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// A quiesce is forsaken when its node is gone, another daemon runs there, or its time is over; and not when nothing is known of its node yet.
func TestForsaken(t *testing.T) {
	now := time.Unix(1000, 0)
	timing, _ := cluster.ProfileTiming("default")
	rec := &membership.Record{Timing: timing, Members: []membership.Member{{Node: "n1"}, {Node: "n2"}}, Voters: []membership.Voter{{Node: "q1", QuorumServer: true}}}
	boot := membership.Instant(time.Hour)
	view := membership.View{Self: "n1", Session: 11, Record: rec, Peers: []membership.Peer{
		{Node: "n2", Session: 22, LastHeard: boot}, {Node: "q1", Session: 33, LastHeard: boot}, {Node: "n9", Session: 99, LastHeard: 1},
	}}
	for _, c := range []struct {
		name    string
		node    cluster.NodeName
		session uint64
		until   time.Duration
		over    bool
	}{
		{"of this daemon", "n1", 11, time.Minute, false},
		{"of an earlier daemon here", "n1", 10, time.Minute, true},
		{"of a member", "n2", 22, time.Minute, false},
		{"of an earlier daemon of a member", "n2", 21, time.Minute, true},
		{"of a quorum server", "q1", 33, time.Minute, false},
		{"of a node that is not heard any more", "n9", 99, time.Minute, true},
		{"of a node that does not exist any more", "n7", 1, time.Minute, true},
		{"beyond its time", "n1", 11, 0, true},
	} {
		q := model.Quiesce{Node: c.node, Session: c.session, Number: 1, Until: now.Add(c.until)}
		for _, byHand := range []bool{false, true} {
			var g model.Group
			g.SuspendByHand(byHand)
			g.BeginQuiesce(q)
			got := Forsaken(Snapshot{State: model.State{Groups: []model.Group{g, {Name: "other"}}}}, view, boot, now)
			if (len(got) == 1) != c.over {
				t.Errorf("%s: %+v", c.name, got)
			}
			if c.over && len(got) == 1 && (got[0].Suspended != byHand || got[0].QuiescedBy(q)) {
				t.Errorf("%s, by hand %v: left as %+v", c.name, byHand, got[0])
			}
		}
	}
	fresh := membership.View{Self: "n1", Session: 11, Record: rec}
	g := model.Group{}
	g.BeginQuiesce(model.Quiesce{Node: "n2", Session: 21, Until: now.Add(time.Minute)})
	if got := Forsaken(Snapshot{State: model.State{Groups: []model.Group{g}}}, fresh, boot, now); len(got) > 0 {
		t.Errorf("nothing was heard of n2 yet: %+v", got)
	}
}

// The president resumes what a quiesce of a node that is lost, or of a daemon that was followed by another, has left suspended.
func TestPresidentEndsForsakenQuiesces(t *testing.T) {
	for name, lose := range map[string]func(*sites){
		"the node is lost":       func(s *sites) { s.freeze(s.last()) },
		"another daemon follows": func(s *sites) { s.freeze(s.last()); s.start(s.last(), 1, false) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := found(t, 3, confdb.Newest(), false)
				group := func() model.Group {
					g, _ := read[model.Group](s, confdb.KindGroup, confdb.KeyGroup("g"))
					return g
				}
				s.mu.Lock()
				session := s.net[s.last()].member.View().Session
				s.mu.Unlock()
				g := group()
				q := model.Quiesce{Node: s.last(), Session: uint64(session), Until: time.Now().Add(time.Hour)}
				g.BeginQuiesce(q)
				s.put(confdb.Newest(), confdb.KeyGroup("g"), confdb.KindGroup, g)
				time.Sleep(5 * time.Second)
				if !group().QuiescedBy(q) {
					t.Fatal("a quiesce that goes on was ended")
				}
				lose(s)
				time.Sleep(5 * time.Second)
				if g := group(); g.Suspended || !slices.Equal(g.Quiesced.By, nil) {
					t.Errorf("the group stays suspended: %+v", g)
				}
			})
		})
	}
}
