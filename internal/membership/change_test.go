package membership_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

func profile(name string) cluster.Timing {
	t, _ := cluster.ProfileTiming(name)
	return t
}

// refused reports whether the newest notice is a refusal.
func (r *rig) refused() bool {
	return slices.ContainsFunc(r.notices, func(n membership.Notice) bool {
		return len(n.Text) > 40 && n.Text[:38] == "a change of the membership was refused"
	})
}

// Another timing counts for new promises at once, and the old one for what was promised, until all have applied the new one and its hold has passed.
func TestTimingChange(t *testing.T) {
	for _, to := range []string{"fast", "wan"} {
		r := formed(t, 3)
		old := r.rec.Timing
		r.ask(r.president(), membership.AskTiming{Timing: profile(to)})
		r.until("the change", time.Second, func() bool { return r.rec.Timing.Profile == to })
		if r.rec.PrevTiming == nil || *r.rec.PrevTiming != old {
			t.Fatalf("the old timing is not kept: %+v", r.rec.PrevTiming)
		}
		began := r.now
		r.until("the end of the old timing", 20*time.Second, func() bool { return r.rec.PrevTiming == nil })
		if took := time.Duration(r.now - began); took < max(old.Hold, profile(to).Hold) {
			t.Errorf("to %s: the old timing was forgotten after %v", to, took)
		}
		for _, n := range r.order {
			if !r.leased(n) {
				t.Errorf("to %s: %s lost its lease", to, n)
			}
		}
	}
}

// A node that has not heard of the new timing keeps the old one in the record.
func TestTimingChangeWaitsForEverybody(t *testing.T) {
	r := formed(t, 3)
	r.blind["n3"] = true
	r.ask(r.president(), membership.AskTiming{Timing: profile("fast")})
	r.run(3 * time.Second)
	if r.rec.PrevTiming == nil {
		t.Error("the old timing was forgotten while a member still counts on it")
	}
	r.heal()
	r.until("the end of the old timing", 3*time.Second, func() bool { return r.rec.PrevTiming == nil })
}

// A node that is the first to hear of a slower timing goes on at the old pace: the others still give short promises.
func TestFirstToHearOfASlowerTiming(t *testing.T) {
	r := formed(t, 3)
	r.ask(r.president(), membership.AskTiming{Timing: profile("fast")})
	r.until("the fast timing", 3*time.Second, func() bool { return r.rec.Timing.Profile == "fast" && r.rec.PrevTiming == nil })
	r.blind["n1"], r.blind["n2"] = true, true // it reaches them a second late
	r.ask(r.president(), membership.AskTiming{Timing: profile("wan")})
	r.until("the slow timing", time.Second, func() bool { return r.rec.Timing.Profile == "wan" })
	for i := range 400 {
		if i == 200 {
			r.heal()
		}
		r.run(5 * time.Millisecond)
		for _, n := range r.order {
			if !r.leased(n) {
				t.Fatalf("%s lost its lease", n)
			}
		}
	}
}

// While a timing changes, a lost node is suspected and released by the longer of the two.
func TestLossWhileTimingChanges(t *testing.T) {
	r := formed(t, 3)
	r.ask(r.president(), membership.AskTiming{Timing: profile("fast")})
	r.until("the change", time.Second, func() bool { return r.rec.Timing.Profile == "fast" })
	r.isolate("n3")
	lease := r.machines["n3"].View().LeaseEnd
	began := r.now
	r.until("removal", 2*time.Second, func() bool { return !r.member("n3") })
	if took := time.Duration(r.now - began); took < profile("default").Timeout-10*time.Millisecond {
		t.Errorf("removed after %v", took)
	}
	r.until("release", time.Second, func() bool { return r.released("n3", inc(1)) })
	if r.now < lease+membership.Instant(cluster.GuardReaction) {
		t.Error("released before the lease had ended")
	}
}

func TestBadTimingIsRefused(t *testing.T) {
	r := formed(t, 3)
	epoch := r.rec.Epoch
	r.ask(r.president(), membership.AskTiming{Timing: cluster.Timing{Quantum: time.Second, Timeout: time.Second, Hold: time.Second}})
	r.run(300 * time.Millisecond)
	if r.rec.Epoch != epoch || !r.refused() {
		t.Errorf("%+v", r.rec)
	}
}

// An extension gives a member a longer lease; a silent daemon is then suspected and released only after it. It ends like a timing.
func TestExtension(t *testing.T) {
	hold := 5 * time.Second
	r := formed(t, 3)
	victim := cluster.NodeName("n3")
	r.ask(r.president(), membership.AskExtend{Node: victim, Hold: int64(hold)})
	r.until("the longer lease", time.Second, func() bool {
		return r.machines[victim].View().LeaseEnd > r.now+membership.Instant(hold*9/10)
	})
	for _, n := range names(2) {
		if end := r.machines[n].View().LeaseEnd; end > r.now+membership.Instant(r.rec.Timing.Hold) {
			t.Errorf("%s got a longer lease too: %d at %d", n, end, r.now)
		}
	}
	// Its daemon is away for a while: it stays a member, and the next one goes on.
	r.kill(victim)
	r.run(2 * time.Second)
	if !r.member(victim) {
		t.Fatal("removed within its extension")
	}
	r.start(victim, inc(1))
	r.until("a lease", 200*time.Millisecond, func() bool { return r.leased(victim) })
	r.ask(r.president(), membership.AskExtend{Node: victim})
	r.until("the end of the extension", time.Second, func() bool { return len(r.rec.Extended) == 1 && r.rec.Extended[0].Ending })
	began := r.now
	r.until("its tidying", 10*time.Second, func() bool { return len(r.rec.Extended) == 0 })
	if took := time.Duration(r.now - began); took < hold {
		t.Errorf("forgotten after %v", took)
	}
	if !r.leased(victim) {
		t.Error("the lease was lost")
	}
}

// A daemon that does not come back from its extension is removed and released when that has run out, not before; also by voters that were restarted meanwhile.
func TestExtensionRunsOut(t *testing.T) {
	for _, restart := range []bool{false, true} {
		hold := 3 * time.Second
		r := formed(t, 3)
		r.ask(r.president(), membership.AskExtend{Node: "n3", Hold: int64(hold)})
		r.until("the longer lease", time.Second, func() bool {
			return r.machines["n3"].View().LeaseEnd > r.now+membership.Instant(hold*9/10)
		})
		lease := r.machines["n3"].View().LeaseEnd
		r.kill("n3")
		if restart {
			r.run(500 * time.Millisecond)
			r.start("n1", inc(1))
			r.start("n2", inc(1))
		}
		r.until("removal", 5*time.Second, func() bool { return !r.member("n3") })
		r.until("release", 5*time.Second, func() bool { return r.released("n3", inc(1)) })
		if r.now < lease+membership.Instant(cluster.GuardReaction) {
			t.Errorf("restart %v: released at %d, the lease ended at %d", restart, r.now, lease)
		}
	}
}

func TestExtendNobody(t *testing.T) {
	r := formed(t, 2)
	r.ask(r.president(), membership.AskExtend{Node: "n9", Hold: 1e9})
	r.ask(r.president(), membership.AskRemove{Node: "n9"})
	r.ask(r.president(), membership.AskSettleVoters{})
	r.run(200 * time.Millisecond)
	if len(r.rec.Extended) != 0 || !r.refused() {
		t.Errorf("%+v", r.rec.Extended)
	}
}

func voters(ns ...cluster.NodeName) (v []membership.Voter) {
	for _, n := range ns {
		v = append(v, membership.Voter{Node: n})
	}
	return v
}

// The voters change by one, need majorities of both sets meanwhile, and settle only when the longest hold has passed.
func TestVoterChange(t *testing.T) {
	r := formed(t, 4)
	r.ask(r.president(), membership.AskVoters{Next: voters("n1", "n2", "n3")})
	r.until("both sets", time.Second, func() bool { return len(r.rec.NextVoters) == 3 })
	if r.rec.VoterEpoch != r.rec.Epoch {
		t.Error("the change is no epoch of its own")
	}
	began := r.now
	for r.rec.NextVoters != nil {
		r.ask(r.president(), membership.AskSettleVoters{})
		r.run(50 * time.Millisecond)
		if r.now-began > membership.Instant(5*time.Second) {
			t.Fatal("does not settle")
		}
	}
	if took := time.Duration(r.now - began); took < r.rec.Timing.Hold {
		t.Errorf("settled after %v", took)
	}
	if len(r.rec.Voters) != 3 {
		t.Errorf("voters %v", r.rec.Voters)
	}
	for _, n := range r.order {
		if !r.leased(n) {
			t.Errorf("%s lost its lease", n)
		}
	}
}

// While two sets vote, a majority of one alone gives no lease.
func TestJointMajorities(t *testing.T) {
	r := newRig(t, 4)
	r.rec.Voters = voters("n1", "n2", "n3")
	r.rec.Epoch++
	r.publish()
	r.until("all are members", 3*time.Second, func() bool { return len(r.rec.Members) == 4 })
	r.ask(r.president(), membership.AskVoters{Next: voters("n1", "n2", "n4")})
	r.until("both sets", time.Second, func() bool { return len(r.rec.NextVoters) == 3 })
	r.run(200 * time.Millisecond)
	// n4 hears n1 alone: of {n1 n2 n3} that is one of two it needs.
	for _, n := range []cluster.NodeName{"n2", "n3"} {
		r.cut[[2]cluster.NodeName{n, "n4"}], r.cut[[2]cluster.NodeName{"n4", n}] = true, true
	}
	r.stuck = true
	r.run(600 * time.Millisecond)
	if r.leased("n4") {
		t.Error("n4 has a lease with one vote of the old set")
	}
	// n3 hears n2 and itself: two of the old set, one of the new.
	if r.leased("n3") != true {
		t.Error("n3 has the majority of both sets and no lease")
	}
	r.cut[[2]cluster.NodeName{"n1", "n3"}], r.cut[[2]cluster.NodeName{"n3", "n1"}] = true, true
	r.run(600 * time.Millisecond)
	if r.leased("n3") {
		t.Error("n3 has a lease with one vote of the new set")
	}
}

// The answer of a voter that knows of a change does not count for a node that does not: that is how leases on an old set end.
func TestAnswersOfOtherVoterEpochs(t *testing.T) {
	r := formed(t, 3)
	r.blind["n3"] = true
	r.ask(r.president(), membership.AskVoters{Next: voters("n1", "n2")})
	r.until("both sets", time.Second, func() bool { return len(r.rec.NextVoters) == 2 })
	end := r.machines["n3"].View().LeaseEnd
	r.run(200 * time.Millisecond)
	if got := r.machines["n3"].View().LeaseEnd; got != end {
		t.Errorf("the lease was prolonged from %d to %d by voters of another set", end, got)
	}
}

// Who knows of a change keeps its lease while the other voters have not read of it yet: a repository that is slow to tell costs nothing.
func TestAnswersOfEarlierVoterEpochs(t *testing.T) {
	r := formed(t, 3)
	p := r.president()
	for _, n := range []cluster.NodeName{"n1", "n2", "n3"} {
		r.blind[n] = n != p
	}
	next := voters("n1", "n2")
	if p == "n3" {
		next = voters("n1", "n3")
	}
	r.ask(p, membership.AskVoters{Next: next})
	r.until("both sets", time.Second, func() bool { return len(r.rec.NextVoters) == 2 })
	r.run(3 * time.Second)
	if !r.leased(p) {
		t.Error("the node that began the change has lost its lease")
	}
	if len(r.rec.NextVoters) != 2 {
		t.Error("the change was ended although nobody else knows of it")
	}
}

// Two nodes that do not vote any more do not speak to each other, and neither calls that a broken network.
func TestPathsBetweenNodesThatDoNotVote(t *testing.T) {
	r := formed(t, 3)
	for _, next := range [][]membership.Voter{voters("n1", "n2"), voters("n1")} {
		r.ask(r.president(), membership.AskVoters{Next: next})
		r.until("both sets", time.Second, func() bool { return len(r.rec.NextVoters) == len(next) })
		r.until("the new set", 3*time.Second, func() bool {
			r.ask(r.president(), membership.AskSettleVoters{})
			return r.rec.NextVoters == nil
		})
	}
	r.run(3 * time.Second)
	seen := func(from, of cluster.NodeName) (paths int) {
		for _, p := range r.machines[from].View().Paths {
			if p.Node == of {
				paths++
				if !p.Up {
					t.Errorf("%s: path %d to %s is lost", from, p.Path, of)
				}
			}
		}
		return paths
	}
	for _, n := range []cluster.NodeName{"n2", "n3"} {
		if seen(n, "n1") == 0 || seen("n1", n) == 0 {
			t.Errorf("%s and n1 do not know their paths", n)
		}
	}
	seen("n2", "n3")
	seen("n3", "n2")
	for _, n := range r.notices {
		if strings.Contains(n.Text, "interconnect path is lost") {
			t.Errorf("told: %+v", n)
		}
	}
}

func TestVotersChangeOneAtATime(t *testing.T) {
	for _, next := range [][]membership.Voter{nil, voters("n1", "n4", "n5"), voters("n1")} {
		r := formed(t, 3)
		r.ask(r.president(), membership.AskVoters{Next: next})
		r.run(300 * time.Millisecond)
		if r.rec.NextVoters != nil || !r.refused() {
			t.Errorf("from n1 n2 n3 to %v", next)
		}
	}
}

// Whoever asks for a change asks until he sees it; what is done already is no news, and no refusal.
func TestAskingOnceMoreIsNoRefusal(t *testing.T) {
	r := formed(t, 3)
	ask := func(a membership.Ask) { r.ask(r.president(), a) }
	for range 5 {
		ask(membership.AskVoters{Next: voters("n1", "n2")})
	}
	r.until("both sets", time.Second, func() bool { return len(r.rec.NextVoters) == 2 })
	epoch := r.rec.Epoch
	for range 5 {
		ask(membership.AskVoters{Next: voters("n1", "n2")})
		ask(membership.AskSettleVoters{})
	}
	r.until("the new set", 3*time.Second, func() bool { return r.rec.NextVoters == nil })
	ask(membership.AskSettleVoters{})
	ask(membership.AskVoters{Next: voters("n1", "n2")})
	r.run(time.Second)
	if r.refused() || r.rec.Epoch != epoch+1 {
		t.Errorf("epoch %d after %d: %+v", r.rec.Epoch, epoch, r.notices)
	}
}

// A quorum server votes, answers and releases, and is never a member nor president.
func TestQuorumServer(t *testing.T) {
	r := newRig(t, 2)
	r.rec.Voters = append(r.rec.Voters, membership.Voter{Node: "qs", QuorumServer: true})
	r.rec.Epoch++
	r.nodes = append(r.nodes, membership.Configured{Node: "qs", QuorumServer: true})
	r.publish()
	r.startServer("qs")
	for _, m := range r.machines {
		m.SetNodes(r.nodes)
	}
	r.until("both nodes", 3*time.Second, func() bool { return r.leased("n1") && r.leased("n2") })
	r.isolate("n1")
	r.until("removal", 2*time.Second, func() bool { return !r.member("n1") })
	r.until("release", time.Second, func() bool { return r.released("n1", inc(1)) })
	if !r.leased("n2") || r.president() != "n2" || r.member("qs") {
		t.Errorf("%+v", r.rec)
	}
}

// Two voters that see the same at the same moment do not both change the record: the second waits its turn.
func TestSuccessionInOrder(t *testing.T) {
	r := formed(t, 5)
	old := r.president()
	r.isolate(old)
	proposers := map[cluster.NodeName]bool{}
	r.until("another president", 2*time.Second, func() bool {
		if r.president() != old {
			proposers[r.president()] = true
			return true
		}
		return false
	})
	want := cluster.NodeName("n1")
	if old == want {
		want = "n2"
	}
	if !proposers[want] {
		t.Errorf("%v presides, want %s", proposers, want)
	}
}

// Every node hears from every voter how its copy of the repository is, at once and not with the next heartbeat; a restarted daemon begins without a word.
func TestCopiesAreTold(t *testing.T) {
	r := formed(t, 3)
	lost := membership.Copy{State: membership.CopyLost, Seat: 7, Index: 40}
	r.machines["n3"].SetCopy(lost)
	r.until("the news", r.rec.Timing.Quantum, func() bool {
		for _, p := range r.machines["n1"].View().Peers {
			if p.Node == "n3" {
				return p.Copy == lost
			}
		}
		return false
	})
	if got := r.machines["n3"].View().Copy; got != lost {
		t.Errorf("n3 says of itself: %+v", got)
	}
}

// What may still be lost is counted by copies that can be used, and by the set with less to spare.
func TestTally(t *testing.T) {
	const now = membership.Instant(100 * time.Second)
	timing := profile("default")
	heard := func(n cluster.NodeName, s membership.CopyState) membership.Peer {
		return membership.Peer{Node: n, LastHeard: now - 1, Copy: membership.Copy{State: s}}
	}
	long := heard("n3", membership.CopyUsable)
	long.LastHeard = now - membership.Instant(timing.Timeout)
	for _, c := range []struct {
		name  string
		own   membership.CopyState
		now   []membership.Voter
		next  []membership.Voter
		peers []membership.Peer
		want  membership.Tally
	}{
		{"all is well", membership.CopyUsable, voters("n1", "n2", "n3"), nil, []membership.Peer{heard("n2", membership.CopyUsable), heard("n3", membership.CopyUsable)}, membership.Tally{Needed: 2, Present: 3, Copies: 2, Usable: 3, Margin: 1}},
		{"a lost copy", membership.CopyUsable, voters("n1", "n2", "n3"), nil, []membership.Peer{heard("n2", membership.CopyUsable), heard("n3", membership.CopyLost)}, membership.Tally{Needed: 2, Present: 3, Copies: 2, Usable: 2, Margin: 0}},
		{"not heard", membership.CopyUsable, voters("n1", "n2", "n3"), nil, []membership.Peer{heard("n2", membership.CopyUsable), long}, membership.Tally{Needed: 2, Present: 2, Copies: 2, Usable: 2, Margin: 0}},
		{"two copies gone", membership.CopyBehind, voters("n1", "n2", "n3"), nil, []membership.Peer{heard("n2", membership.CopyUsable), heard("n3", membership.CopyDown)}, membership.Tally{Needed: 2, Present: 3, Copies: 2, Usable: 1, Margin: -1}},
		{"one voter", membership.CopyUsable, voters("n1"), nil, nil, membership.Tally{Needed: 1, Present: 1, Copies: 1, Usable: 1, Margin: 0}},
		{"this node does not vote", membership.CopyNone, voters("n2", "n3", "n4"), nil, []membership.Peer{heard("n2", membership.CopyUsable), heard("n3", membership.CopyUsable), heard("n4", membership.CopyUsable)}, membership.Tally{Needed: 2, Present: 3, Copies: 2, Usable: 3, Margin: 1}},
		{"one comes", membership.CopyUsable, voters("n1"), voters("n1", "n2"), []membership.Peer{heard("n2", membership.CopyBehind)}, membership.Tally{Needed: 1, Present: 1, Copies: 1, Usable: 1, Margin: 0}},
		{"one comes, another's copy is lost", membership.CopyUsable, voters("n1", "n2", "n3"), voters("n1", "n2", "n3", "n4"), []membership.Peer{heard("n2", membership.CopyUsable), heard("n3", membership.CopyLost), heard("n4", membership.CopyBehind)}, membership.Tally{Needed: 2, Present: 3, Copies: 2, Usable: 2, Margin: 0}},
	} {
		v := membership.View{Self: "n1", Copy: membership.Copy{State: c.own}, Peers: c.peers, Record: &membership.Record{Voters: c.now, NextVoters: c.next, Timing: timing}}
		if got := v.Tally(now); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
