package membership_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// Nodes that boot together form a cluster, each with a lease; the record says that it formed anew.
func TestFormation(t *testing.T) {
	for n := 1; n <= 5; n++ {
		r := formed(t, n)
		if r.rec.Formation == 0 || r.president() == "" {
			t.Errorf("%d nodes: %+v", n, r.rec)
		}
		for _, name := range names(n) {
			if r.rec.LastNumber(name) != 1 {
				t.Errorf("the last number of %s is %d", name, r.rec.LastNumber(name))
			}
		}
	}
}

// A node that joins a running cluster forms nothing anew.
func TestJoin(t *testing.T) {
	r := newRig(t, 3)
	r.kill("n3")
	r.until("two members", 5*time.Second, func() bool { return r.member("n1") && r.member("n2") })
	formation := r.rec.Formation
	r.start("n3", inc(4))
	r.until("the third", time.Second, func() bool { return r.leased("n3") })
	if r.rec.Formation != formation || r.rec.LastNumber("n3") != 4 {
		t.Errorf("%+v", r.rec)
	}
}

// Only configured nodes are admitted, and only numbers that were never used.
func TestAdmission(t *testing.T) {
	r := formed(t, 3)
	for _, m := range r.machines {
		m.SetNodes(r.nodes[:2])
	}
	r.start("n3", inc(2))
	r.machines["n3"].SetNodes(r.nodes[:2])
	r.run(3 * time.Second)
	if me, ok := r.rec.Member("n3"); ok && me.Incarnation == inc(2) {
		t.Error("a node that is not configured was admitted")
	}
	for _, m := range r.machines {
		m.SetNodes(r.nodes)
	}
	r.start("n3", cluster.Incarnation{Number: 1, Tag: "other"})
	r.run(3 * time.Second)
	if me, ok := r.rec.Member("n3"); ok && me.Incarnation.Tag == "other" {
		t.Error("a number was used twice")
	}
	r.start("n3", inc(2))
	r.until("admission", 3*time.Second, func() bool { return r.member("n3") })
}

// The lease is Run from the sending of the heartbeat that a majority has answered, and never longer.
func TestLeaseIsCountedFromTheSending(t *testing.T) {
	r := formed(t, 3)
	run := membership.Instant(cluster.Run(r.rec.Timing.Hold))
	for range 40 {
		r.run(25 * time.Millisecond)
		for _, n := range r.order {
			if end := r.machines[n].View().LeaseEnd; end > r.now+run {
				t.Fatalf("at %d the lease of %s ends at %d, Run is %d", r.now, n, end, run)
			}
		}
	}
	// An answer that was long on its way gives what is left of it.
	r.cut[[2]cluster.NodeName{"n1", "n3"}], r.cut[[2]cluster.NodeName{"n2", "n3"}] = true, true
	sent := r.now
	var late []delivery
	for r.now < sent+250*ms {
		r.now += 5 * ms
		for _, n := range r.order {
			if r.machines[n].Deadline() <= r.now {
				for _, eff := range r.machines[n].Step(r.now, membership.Tick{}) {
					if s, ok := eff.(membership.Send); ok && n == "n3" {
						for _, back := range r.machines[s.To].Step(r.now, membership.Received{Msg: s.Msg}) {
							if a, ok := back.(membership.Send); ok && a.Msg.Answer != nil {
								late = append(late, delivery{"n3", 0, a.Msg})
							}
						}
					}
				}
			}
		}
	}
	before := r.machines["n3"].View().LeaseEnd
	for _, d := range late {
		r.step(d.to, membership.Received{Msg: d.msg})
	}
	after := r.machines["n3"].View().LeaseEnd
	if len(late) == 0 || after <= before || after > r.now+run {
		t.Errorf("%d late answers: the lease went from %d to %d at %d", len(late), before, after, r.now)
	}
}

// A node that hears no majority loses its lease within Run, and the others remove it after the timeout and release it.
func TestPartitionedNode(t *testing.T) {
	r := formed(t, 3)
	r.isolate("n3")
	took := r.until("end of the lease", time.Second, func() bool { return !r.leased("n3") })
	if took > cluster.Run(r.rec.Timing.Hold)+10*time.Millisecond {
		t.Errorf("the lease ended after %v", took)
	}
	r.until("removal", time.Second, func() bool { return !r.member("n3") })
	r.until("release", 300*time.Millisecond, func() bool { return r.gone("n1", "n3", inc(1)) && r.gone("n2", "n3", inc(1)) })
	r.until("tidying", time.Second, func() bool { return len(r.rec.Leaving) == 0 })
	if !r.leased("n1") || !r.leased("n2") {
		t.Error("the others lost their leases")
	}
}

// What is partitioned with the president is a minority like any other: the next voter takes over.
func TestPresidentIsLost(t *testing.T) {
	r := formed(t, 3)
	old := r.president()
	r.isolate(old)
	took := r.until("another president", 2*time.Second, func() bool { return r.president() != old })
	if r.member(old) {
		t.Error("the old one is still a member")
	}
	if took > r.rec.Timing.Timeout+3*r.rec.Timing.Quantum {
		t.Errorf("it took %v", took)
	}
}

// A minority removes nobody, whatever it suspects.
func TestMinorityRemovesNobody(t *testing.T) {
	r := formed(t, 5)
	for _, a := range []cluster.NodeName{"n1", "n2"} {
		for _, b := range []cluster.NodeName{"n3", "n4", "n5"} {
			r.cut[[2]cluster.NodeName{a, b}], r.cut[[2]cluster.NodeName{b, a}] = true, true
		}
		r.blind[a] = true
	}
	r.stuck = true
	proposals := 0
	for range 400 {
		r.now += 5 * ms
		for _, n := range []cluster.NodeName{"n1", "n2"} {
			for _, eff := range r.machines[n].Step(r.now, membership.Tick{}) {
				switch e := eff.(type) {
				case membership.Propose:
					proposals++
				case membership.Send:
					if e.To == "n1" || e.To == "n2" {
						r.inbox = append(r.inbox, delivery{e.To, 0, e.Msg})
					}
				}
			}
		}
		r.settle()
	}
	if proposals > 0 {
		t.Errorf("two of five proposed %d records", proposals)
	}
	if r.leased("n1") || r.leased("n2") {
		t.Error("two of five hold leases")
	}
}

// A removed incarnation gets no promise from whoever has applied the removal, however well it is heard.
func TestRemovedIncarnationGetsNoPromise(t *testing.T) {
	r := formed(t, 3)
	r.blind["n3"] = true // it does not know yet
	r.ask(r.president(), membership.AskRemove{Node: "n3", Why: "test"})
	r.until("removal", 300*time.Millisecond, func() bool { return !r.member("n3") })
	end := r.machines["n3"].View().LeaseEnd
	r.run(300 * time.Millisecond)
	if got := r.machines["n3"].View().LeaseEnd; got != end {
		t.Errorf("the lease was prolonged from %d to %d after the removal", end, got)
	}
}

// Nobody releases a leaver before its last promise has run out; with the proof that it has ended, everybody does at once.
func TestReleaseWaitsForThePromise(t *testing.T) {
	for _, proof := range []bool{false, true} {
		r := formed(t, 3)
		r.blind["n3"] = true
		r.ask(r.president(), membership.AskRemove{Node: "n3", Why: "test"})
		r.until("removal", 300*time.Millisecond, func() bool { return !r.member("n3") })
		lease := r.machines["n3"].View().LeaseEnd
		r.isolate("n3")
		if proof {
			for _, n := range names(2) {
				r.step(n, membership.Received{Msg: membership.Message{From: "n3", Fenced: &membership.Fenced{Incarnation: inc(1)}}})
			}
			if !r.gone("n1", "n3", inc(1)) {
				t.Error("not gone with proof")
			}
			continue
		}
		r.until("release", time.Second, func() bool { return r.released("n3", inc(1)) })
		if r.now <= lease+membership.Instant(cluster.GuardReaction) {
			t.Errorf("released at %d, the lease ended at %d", r.now, lease)
		}
	}
}

// The proof is of exactly one incarnation.
func TestProofIsOfOneIncarnation(t *testing.T) {
	r := formed(t, 3)
	r.step("n1", membership.Received{Msg: membership.Message{From: "n3", Fenced: &membership.Fenced{Incarnation: inc(7)}}})
	r.step("n1", membership.Received{Msg: membership.Message{From: "n3", Fenced: &membership.Fenced{}}})
	r.run(300 * time.Millisecond)
	if !r.member("n3") || !r.leased("n3") {
		t.Error("the proof of another incarnation counted")
	}
	r.step("n1", membership.Received{Msg: membership.Message{From: "n3", Fenced: &membership.Fenced{Incarnation: inc(1)}}})
	r.until("removal", 300*time.Millisecond, func() bool { return !r.member("n3") })
}

// Hearing a later incarnation proves the end of the earlier ones: its daemon has cleaned up before it spoke.
func TestLaterIncarnationProvesTheEndOfEarlierOnes(t *testing.T) {
	r := formed(t, 3)
	r.start("n3", inc(2))
	took := r.until("admission", time.Second, func() bool { me, _ := r.rec.Member("n3"); return me.Incarnation == inc(2) })
	if took > 3*r.rec.Timing.Quantum {
		t.Errorf("admitted after %v", took)
	}
	r.until("the end of the first", 100*time.Millisecond, func() bool { return r.released("n3", inc(1)) })
}

// So does a record in which the later incarnation is a member: a president who has heard neither its node nor the proof takes over at once.
func TestAdmissionProvesTheEndOfEarlierIncarnations(t *testing.T) {
	r := formed(t, 3)
	rec := r.rec.Clone()
	rec.Epoch++
	rec.Members[2].Incarnation, rec.Members[2].Since = inc(2), rec.Epoch
	rec.Leaving = []membership.Leaver{{Node: "n3", Incarnation: inc(1), Removed: rec.Epoch, Hold: int64(time.Hour)}}
	r.rec = rec
	r.isolate("n3")
	r.publish()
	if !r.released("n3", inc(1)) {
		t.Error("not gone")
	}
}

// A voter that was restarted releases nobody before its start plus the longest hold, and promises nothing before its read of the record.
func TestRestartedVoter(t *testing.T) {
	r := formed(t, 3)
	r.blind["n3"] = true
	r.ask(r.president(), membership.AskRemove{Node: "n3", Why: "test"})
	r.until("removal", 300*time.Millisecond, func() bool { return !r.member("n3") })
	r.isolate("n3")
	restarted := r.now
	r.start("n1", inc(1))
	r.start("n2", inc(1))
	r.until("release", 2*time.Second, func() bool { return r.released("n3", inc(1)) })
	if took := r.now - restarted; took < membership.Instant(r.rec.Timing.Hold) {
		t.Errorf("released %d ns after the restart, hold is %v", took, r.rec.Timing.Hold)
	}

	r = formed(t, 3)
	m := membership.New(membership.Config{Self: "n2", Session: 99, Paths: 2, Started: r.now})
	m.SetNodes(r.nodes)
	m.SetIncarnation(inc(1))
	m.Step(r.now, membership.Applied{Record: r.rec}) // a watch alone may be old
	for _, eff := range m.Step(r.now, membership.Received{Msg: membership.Message{From: "n3", Incarnation: inc(1), Session: 5, ToSession: 99, Seq: 1, Epoch: r.rec.Epoch, VoterEpoch: r.rec.VoterEpoch, Heartbeat: &membership.Heartbeat{}}}) {
		if s, ok := eff.(membership.Send); ok && s.Msg.Answer != nil && s.Msg.Answer.Hold != 0 {
			t.Error("promised before a linearizable read")
		}
	}
}

// A node that leaves in good order is removed and gone at once.
func TestFarewell(t *testing.T) {
	r := formed(t, 3)
	r.machines["n3"].SetFarewell()
	took := r.until("gone", time.Second, func() bool { return !r.member("n3") && r.released("n3", inc(1)) })
	if took > 300*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	r.run(time.Second)
	if r.member("n3") {
		t.Error("it was admitted again while it leaves")
	}
}

// One interconnect path is lost and comes back: it is reported, and nothing else happens.
func TestPathLostAndBack(t *testing.T) {
	r := formed(t, 2)
	r.run(2 * time.Second)
	epoch := r.rec.Epoch
	up := func() (n int) {
		for _, p := range r.machines["n1"].View().Paths {
			if p.Up {
				n++
			}
		}
		return n
	}
	if up() != 2 {
		t.Fatalf("%d of 2 paths are up", up())
	}
	drop := true
	for range 500 {
		for i := 0; i < len(r.inbox); i++ {
			if drop && r.inbox[i].path == 1 {
				r.inbox = append(r.inbox[:i], r.inbox[i+1:]...)
				i--
			}
		}
		r.settle()
		r.now += 5 * ms
		for _, n := range r.order {
			if r.machines[n].Deadline() <= r.now {
				r.step(n, membership.Tick{})
			}
		}
		// What the answers bring on the dead path is dropped too.
		for len(r.inbox) > 0 {
			d := r.inbox[0]
			r.inbox = r.inbox[1:]
			if drop && d.path == 1 {
				continue
			}
			r.step(d.to, membership.Received{Path: d.path, Msg: d.msg})
		}
	}
	if up() != 1 || !r.leased("n1") || !r.leased("n2") || r.rec.Epoch != epoch {
		t.Errorf("%d paths up, leases %v %v, epoch %d after %d", up(), r.leased("n1"), r.leased("n2"), r.rec.Epoch, epoch)
	}
	r.run(time.Second)
	if up() != 2 {
		t.Error("the path did not come back")
	}
	lost, back := 0, 0
	for _, n := range r.notices {
		if n.Path == 1 && n.Level == "warn" {
			lost++
		}
		if n.Path == 1 && n.Level == "info" {
			back++
		}
	}
	if lost != 2 || back != 2 {
		t.Errorf("reported lost %d times and back %d times, by two nodes", lost, back)
	}
}

// A path that does not lead to a node is not said to be lost, and one that does not lead there any more is forgotten.
func TestPathThatDoesNotLeadThere(t *testing.T) {
	r := formed(t, 2)
	r.run(2 * time.Second)
	r.notices = nil
	for i := range r.nodes {
		r.nodes[i].Unused = []int{1, 2}
	}
	for _, m := range r.machines {
		m.SetPaths(3)
		m.SetNodes(r.nodes)
	}
	r.run(2 * time.Second)
	for name, m := range r.machines {
		if paths := m.View().Paths; len(paths) != 1 || paths[0].Path != 0 || !paths[0].Up || !r.leased(name) {
			t.Errorf("%s: %+v, lease %v", name, paths, r.leased(name))
		}
	}
	if len(r.notices) > 0 {
		t.Errorf("it was said: %+v", r.notices)
	}
}

// The messages of another session, of the past, or repeated are worth nothing.
func TestReplay(t *testing.T) {
	r := formed(t, 3)
	var recorded []membership.Send
	for _, s := range r.sent {
		if s.To == "n1" && s.Msg.From == "n3" {
			recorded = append(recorded, s)
		}
	}
	r.isolate("n3")
	r.kill("n3")
	r.run(200 * time.Millisecond)
	began := r.now
	for r.member("n3") && r.now < began+membership.Instant(3*time.Second) {
		for _, s := range recorded[max(0, len(recorded)-30):] {
			for p := range 2 {
				r.step("n1", membership.Received{Path: p, Msg: s.Msg})
			}
		}
		r.run(20 * time.Millisecond)
	}
	if r.member("n3") {
		t.Fatal("replayed messages keep a dead node in the cluster")
	}
	// Nor for the session after a restart of the receiver.
	r.start("n1", inc(1))
	for _, s := range recorded {
		r.step("n1", membership.Received{Msg: s.Msg})
	}
	for _, p := range r.machines["n1"].View().Peers {
		if p.Node == "n3" && p.LastHeard != 0 {
			t.Error("a message for an earlier session counted as a sign of life")
		}
	}
}

// The lease agrees with a twin that counts by hand: for any pattern of answers lost, it ends when the majority of promises does.
func TestLeaseAgreesWithCounting(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := formed(t, 5)
		run := membership.Instant(cluster.Run(r.rec.Timing.Hold))
		answered := map[cluster.NodeName]membership.Instant{} // newest sending time that each voter has answered
		r.run(100 * time.Millisecond)
		lossless := r.machines["n1"].View().LeaseEnd
		for range rapid.IntRange(1, 12).Draw(rt, "rounds") {
			lost := map[cluster.NodeName]bool{}
			for _, n := range names(5)[1:] {
				lost[n] = rapid.Bool().Draw(rt, "lost")
			}
			for r.machines["n1"].Deadline() > r.now {
				r.now += ms
			}
			for _, eff := range r.machines["n1"].Step(r.now, membership.Tick{}) {
				s, ok := eff.(membership.Send)
				if !ok || s.Msg.Heartbeat == nil || lost[s.To] {
					continue
				}
				for _, back := range r.machines[s.To].Step(r.now, membership.Received{Msg: s.Msg}) {
					if a, ok := back.(membership.Send); ok && a.To == "n1" && a.Msg.Answer != nil && a.Msg.Answer.Hold > 0 {
						answered[s.To] = r.now
						r.machines["n1"].Step(r.now, membership.Received{Msg: a.Msg})
					}
				}
			}
			answered["n1"] = r.now
			var ends []membership.Instant
			for _, n := range names(5) {
				if at, ok := answered[n]; ok {
					ends = append(ends, at+run)
				}
			}
			// With three of five the third latest counts.
			want := lossless
			if len(ends) >= 3 {
				sortDown(ends)
				want = max(want, ends[2])
			}
			got := r.machines["n1"].View().LeaseEnd
			if got != want && r.now < want {
				rt.Fatalf("the lease ends at %d, by hand at %d; answered %v", got, want, answered)
			}
			if r.now >= got {
				return // it has ended, and does not come back
			}
		}
	})
}

func sortDown(x []membership.Instant) {
	for i := range x {
		for k := i; k > 0 && x[k] > x[k-1]; k-- {
			x[k], x[k-1] = x[k-1], x[k]
		}
	}
}
