package membership_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// agents is a formed rig whose nodes have fence agents, all but those named.
func agents(t *testing.T, n int, without ...cluster.NodeName) *rig {
	r := formed(t, n)
	for i := range r.nodes {
		r.nodes[i].Fence = !slices.Contains(without, r.nodes[i].Node)
	}
	for _, m := range r.machines {
		m.SetNodes(r.nodes)
	}
	return r
}

func of(n cluster.NodeName, k int) membership.NodeIncarnation {
	return membership.NodeIncarnation{Node: n, Incarnation: inc(k)}
}

// awaited reports whether the machine of a node wants the agent of another to be asked.
func (r *rig) awaited(at, who cluster.NodeName) bool {
	return slices.Contains(r.machines[at].View().Unproven, of(who, 1))
}

// A node with a fence agent that is silent is removed as any other, and gone only when its agent has confirmed it, however long that takes: also for a president
// that came later. The agent is not asked before the node had the time to prove its end.
func TestSilentNodeAwaitsItsAgent(t *testing.T) {
	r := agents(t, 3)
	r.isolate("n3")
	r.until("removal", time.Second, func() bool { return !r.member("n3") })
	took := r.until("the question", 2*time.Second, func() bool { return r.awaited("n1", "n3") && r.awaited("n2", "n3") })
	if least := r.rec.Timing.Hold + cluster.GuardReaction; took < least {
		t.Errorf("the agent is to be asked after %v, and the node had a lease and a guard for %v", took, least)
	}
	r.run(30 * time.Second)
	for _, n := range names(2) {
		if r.gone(n, "n3", inc(1)) || !r.leased(n) {
			t.Errorf("%s: gone %v, leased %v", n, r.gone(n, "n3", inc(1)), r.leased(n))
		}
	}
	old := r.president()
	r.kill(old)
	r.start(old, inc(2))
	r.until("another life of the president", 3*time.Second, func() bool { me, _ := r.rec.Member(old); return me.Incarnation == inc(2) && r.leased(old) })
	r.run(5 * time.Second)
	if r.released("n3", inc(1)) {
		t.Error("the next president does not know that the agent has not confirmed")
	}
	r.ask(r.president(), membership.AskFenced{Who: of("n3", 7)})
	r.run(500 * time.Millisecond)
	if r.released("n3", inc(1)) {
		t.Error("the word for another incarnation counted")
	}
	r.ask(r.president(), membership.AskFenced{Who: of("n3", 1)})
	r.until("the word of the agent", 300*time.Millisecond, func() bool { return r.released("n3", inc(1)) && len(r.rec.Leaving) == 0 })
}

// The administrator who takes the agent away leaves the rule for everybody: the promises have run out long ago.
func TestAgentIsTakenAway(t *testing.T) {
	r := agents(t, 3)
	r.isolate("n3")
	r.until("the question", 3*time.Second, func() bool { return r.awaited(r.president(), "n3") })
	r.ask(r.president(), membership.AskUnfence{Who: of("n3", 1)})
	r.until("release", 500*time.Millisecond, func() bool { return r.released("n3", inc(1)) && len(r.rec.Leaving) == 0 })

	// Not even that shortens what was promised.
	r = agents(t, 3)
	r.blind["n3"] = true
	r.ask(r.president(), membership.AskRemove{Node: "n3", Why: "test"})
	r.until("removal", 300*time.Millisecond, func() bool { return !r.member("n3") })
	lease := r.machines["n3"].View().LeaseEnd
	r.isolate("n3")
	r.ask(r.president(), membership.AskUnfence{Who: of("n3", 1)})
	r.until("release", time.Second, func() bool { return r.released("n3", inc(1)) })
	if r.now <= lease+membership.Instant(cluster.GuardReaction) {
		t.Errorf("released at %d, the lease ended at %d", r.now, lease)
	}
}

// No agent is ever asked about a node whose end is proven, however it ended; and what is proven needs no longer than without an agent.
func TestProofSparesTheAgent(t *testing.T) {
	fenced := func(r *rig, at ...cluster.NodeName) {
		for _, n := range at {
			r.step(n, membership.Received{Msg: membership.Message{From: "n3", Fenced: &membership.Fenced{Incarnation: inc(1)}}})
		}
	}
	for _, c := range []struct {
		name string
		end  func(r *rig)
		rest func(r *rig) // once it is removed
	}{
		{"farewell", func(r *rig) { r.machines["n3"].SetFarewell() }, nil},
		{"the guard's word before the removal", func(r *rig) { r.kill("n3"); fenced(r, "n1", "n2") }, nil},
		{"the guard's word to one voter, before the removal", func(r *rig) { r.kill("n3"); fenced(r, "n2") }, nil},
		{"a later incarnation", func(r *rig) { r.start("n3", inc(2)) }, nil},
		{"the guard's word after the removal", func(r *rig) { r.isolate("n3") }, func(r *rig) { fenced(r, "n1", "n2") }},
		{"the guard's word to the other voter alone", func(r *rig) { r.isolate("n3") }, func(r *rig) {
			fenced(r, r.other(r.president(), "n3"))
		}},
		{"a removal of which it hears", func(r *rig) { r.ask(r.president(), membership.AskRemove{Node: "n3", Why: "test"}) }, func(r *rig) { fenced(r, "n1") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := agents(t, 3)
			c.end(r)
			r.until("removal", time.Second, func() bool { me, ok := r.rec.Member("n3"); return !ok || me.Incarnation != inc(1) })
			if c.rest != nil {
				c.rest(r)
			}
			r.until("the end", 300*time.Millisecond, func() bool { return r.released("n3", inc(1)) })
			for range 100 {
				r.run(50 * time.Millisecond)
				for _, n := range names(2) {
					if r.awaited(n, "n3") {
						t.Fatalf("%s wants its agent asked", n)
					}
				}
			}
			if len(r.rec.Leaving) > 0 {
				t.Errorf("%+v", r.rec)
			}
		})
	}
}

// All machines were off. One that was never heard since is waited for as long as a machine may take to boot, and then its agent is asked: it may run, cut off from all others.
func TestNodesBootAtTheirOwnPace(t *testing.T) {
	for _, back := range []bool{true, false} {
		r := agents(t, 3)
		for _, n := range names(3) {
			r.kill(n)
		}
		r.now += 3600 * 1000 * ms
		for _, n := range names(2) {
			r.start(n, inc(2))
		}
		r.until("the others", 5*time.Second, func() bool { return r.leased("n1") && r.leased("n2") && !r.member("n3") })
		took := time.Duration(0)
		if back {
			r.run(50 * time.Second)
			r.start("n3", inc(2))
		}
		for took < 90*time.Second && !r.awaited("n1", "n3") && !r.awaited("n2", "n3") {
			r.run(100 * time.Millisecond)
			took += 100 * time.Millisecond
		}
		if back && (took < 90*time.Second || !r.leased("n3")) || !back && (took < time.Minute || took > 62*time.Second) {
			t.Errorf("back %v: its agent was asked after %v; %+v", back, took, r.rec)
		}
	}
}

// other returns a node that is none of those given.
func (r *rig) other(not ...cluster.NodeName) cluster.NodeName {
	for _, n := range r.order {
		if !slices.Contains(not, n) {
			return n
		}
	}
	r.t.Fatal("no other node")
	return ""
}

// While one waits for its agent everything else goes on: others leave and are released, and the waiting ends with the node's later life.
func TestOthersDoNotWaitForAnAgent(t *testing.T) {
	r := agents(t, 5, "n4")
	r.isolate("n5")
	r.until("the question", 3*time.Second, func() bool { return r.awaited(r.president(), "n5") })
	r.kill("n4")
	r.until("removal", 2*time.Second, func() bool { return !r.member("n4") })
	r.until("release", time.Second, func() bool { return r.released("n4", inc(1)) })
	if r.released("n5", inc(1)) {
		t.Error("n5 was released")
	}
	r.heal()
	r.start("n5", inc(2))
	r.until("its later life", 3*time.Second, func() bool { return r.member("n5") && r.released("n5", inc(1)) })
}

// What was marked is never gone without proof, confirmation or the administrator, whatever else happens and whoever decides.
func TestMarkedIsGoneOnlyByProof(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := agents(t, 5)
		r.isolate("n5")
		r.until("removal", time.Second, func() bool { return !r.member("n5") })
		lives := map[cluster.NodeName]int{"n1": 1, "n2": 1, "n3": 1, "n4": 1}
		for range rapid.IntRange(1, 8).Draw(rt, "events") {
			n := rapid.SampledFrom(names(4)).Draw(rt, "node")
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0:
				lives[n]++
				r.start(n, inc(lives[n]))
			case 1:
				r.ask(r.president(), membership.AskRemove{Node: n, Why: "test"})
			case 2:
				slow, _ := cluster.ProfileTiming(rapid.SampledFrom([]string{"fast", "wan", "default"}).Draw(rt, "timing"))
				r.ask(r.president(), membership.AskTiming{Timing: slow})
			case 3:
				r.isolate(n)
				r.run(rapid.SampledFrom([]time.Duration{200 * time.Millisecond, 700 * time.Millisecond}).Draw(rt, "cut"))
				r.heal()
				r.isolate("n5")
			}
			r.run(time.Duration(rapid.IntRange(0, 1500).Draw(rt, "ms")) * time.Millisecond)
			l, held := r.rec.Leaver(of("n5", 1))
			if !held || !l.Fence {
				rt.Fatalf("n5 is not held any more: %+v", r.rec)
			}
			for at := range r.machines {
				if r.gone(at, "n5", inc(1)) {
					rt.Fatalf("%s holds it for gone: %+v", at, r.rec)
				}
			}
		}
	})
}
