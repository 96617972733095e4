package membership_test

import (
	"slices"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// Voters that began at different times come to beat at the same time, none of them oftener than once in a quantum.
func TestVotersBeatTogether(t *testing.T) {
	r := newRig(t, 0)
	for _, name := range names(3) {
		r.rec.Voters = append(r.rec.Voters, membership.Voter{Node: name})
		r.nodes = append(r.nodes, membership.Configured{Node: name})
	}
	for _, name := range names(3) {
		r.start(name, inc(1))
		r.run(35 * time.Millisecond)
	}
	r.until("everybody has a lease", 5*time.Second, func() bool { return r.leased("n1") && r.leased("n2") && r.leased("n3") })
	r.run(time.Second)
	beats := map[cluster.NodeName][]membership.Instant{}
	for end := r.now.Add(int64(time.Second)); r.now < end; {
		before, at := len(r.sent), r.now
		r.run(5 * time.Millisecond)
		for _, s := range r.sent[before:] {
			if s.Msg.Heartbeat != nil && !slices.Contains(beats[s.Msg.From], at) {
				beats[s.Msg.From] = append(beats[s.Msg.From], at)
			}
		}
	}
	all := map[membership.Instant]bool{}
	for name, at := range beats {
		if len(at) < 9 || len(at) > 11 {
			t.Errorf("%s beat %d times in ten quanta", name, len(at))
		}
		for _, i := range at {
			all[i] = true
		}
	}
	if len(beats) != 3 || len(all) > 11 {
		t.Errorf("in ten quanta voters beat at %d instants: %v", len(all), beats)
	}
}

// What a voter sends at one time may arrive in any order: an answer is worth as much behind the heartbeat that was sent after it.
func TestAnswersMayBeOvertaken(t *testing.T) {
	r := formed(t, 3)
	for end := r.now.Add(int64(3 * time.Second)); r.now < end; {
		for i, n := range r.order { // the timer of n1 is the first: the others beat along with it
			if r.machines[n].Deadline()+membership.Instant(i)*10*ms <= r.now {
				r.step(n, membership.Tick{})
			}
		}
		for len(r.inbox) > 0 {
			batch := r.inbox
			r.inbox = nil
			slices.Reverse(batch)
			for _, d := range batch {
				r.step(d.to, membership.Received{Path: d.path, Msg: d.msg})
			}
		}
		r.now += 5 * ms
		for _, n := range r.order {
			if end := r.machines[n].View().LeaseEnd; end < r.now.Add(int64(200*time.Millisecond)) {
				t.Fatalf("the lease of %s ends at %d, it is %d", n, end, r.now)
			}
		}
	}
}
