package etcdstore

import (
	"context"
	"os"
	"testing"
	"time"

	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
)

func seatOf(t *testing.T, e *Electorate, n int) (engine.Seat, bool) {
	t.Helper()
	seats, err := e.Seats(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range seats {
		if s.Node == node(n) {
			return s, true
		}
	}
	return engine.Seat{}, false
}

// TestVotersChange takes a voter through its life: learner, voter, removed; every step is done twice, as another president would.
func TestVotersChange(t *testing.T) {
	t.Parallel()
	m := newMembers(t)
	s := m.grow(2)
	e, ctx := m.electorate(s), bounded(t)
	for range 2 {
		eventually(t, "seat n3", func() error { return e.AddLearner(ctx, "n3") })
	}
	if seat, ok := seatOf(t, e, 3); !ok || seat.ID == 0 || seat != (engine.Seat{Node: "n3", ID: seat.ID, Learner: true}) {
		t.Fatalf("seated: %+v, %v", seat, ok)
	}
	if err := e.Promote(ctx, "n3"); !fault.Is(err, fault.Precondition) {
		t.Fatalf("a learner that has not started is promoted: %v", err)
	}
	if err := e.AddLearner(ctx, "n9"); !fault.Is(err, fault.NotFound) {
		t.Fatalf("a node that is not configured: %v", err)
	}
	if err := e.Promote(ctx, "n4"); !fault.Is(err, fault.NotFound) {
		t.Fatalf("a node without a seat: %v", err)
	}
	peers, err := e.Peers(ctx)
	if err != nil || len(peers) != 3 {
		t.Fatalf("peers: %v, %v", peers, err)
	}
	third, err := StartMember(ctx, m.config(3, ModeJoin, peers))
	if err != nil {
		t.Fatal(err)
	}
	m.running["n3"] = third
	eventually(t, "n3 has started", func() error {
		if seat, _ := seatOf(t, e, 3); !seat.Started {
			return fault.Errorf(fault.Unavailable, "%+v", seat)
		}
		return nil
	})
	// A learner answers no client; the store goes to the next one.
	put(t, m.open(3, 1), "k", "v")
	for range 2 {
		eventually(t, "promote n3", func() error { return e.Promote(ctx, "n3") })
	}
	if seat, _ := seatOf(t, e, 3); seat.Learner || !seat.Started {
		t.Fatalf("promoted: %+v", seat)
	}

	// The first one goes, whether it leads or not, and says why it has stopped.
	if err := s.SetEndpoints([]string{m.endpoint(2), m.endpoint(3)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		eventually(t, "remove n1", func() error { return e.Remove(ctx, "n1") })
	}
	if seat, ok := seatOf(t, e, 1); ok {
		t.Fatalf("removed: %+v", seat)
	}
	waitFor(t, "the removed member stops", m.running["n1"].Done())
	if err := m.running["n1"].Err(); !fault.Is(err, fault.Precondition) {
		t.Fatalf("the removed member says: %v", err)
	}
	put(t, s, "k", "w")

	// Its data is refused by the others when it comes back.
	m.refused(ctx, 1)
}

// refused starts a removed member on its copy again: it ends, and says why.
func (m *members) refused(ctx context.Context, i int) {
	m.t.Helper()
	again, err := StartMember(ctx, m.config(i, ModeRestart, nil))
	if err != nil {
		m.t.Fatal(err)
	}
	defer again.Close()
	waitFor(m.t, "the removed member stops again", again.Done())
	if err := again.Err(); !fault.Is(err, fault.Precondition) {
		m.t.Fatalf("the removed member that was started again says: %v", err)
	}
}

// TestRemovedWhileItWasAway: a member that was removed while it was away has nothing of that in its own log; the others tell it, also when its node has another seat by then.
func TestRemovedWhileItWasAway(t *testing.T) {
	t.Parallel()
	m := newMembers(t)
	s := m.grow(3)
	e, ctx := m.electorate(s), bounded(t)
	m.stop("n3")
	if err := s.SetEndpoints([]string{m.endpoint(1), m.endpoint(2)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "remove n3", func() error { return e.Remove(ctx, "n3") })
	for _, seated := range []bool{false, true} {
		if seated {
			eventually(t, "seat n3 again", func() error { return e.AddLearner(ctx, "n3") })
		}
		m.refused(ctx, 3)
	}
}

// TestVoterWithoutMajority starts one of two voters: it waits, refuses, and can be closed.
func TestVoterWithoutMajority(t *testing.T) {
	t.Parallel()
	m := newMembers(t)
	s := m.grow(2)
	put(t, s, "k", "v")
	m.stop("n1")
	m.stop("n2")
	lonely, err := StartMember(t.Context(), m.config(1, ModeRestart, nil))
	if err != nil {
		t.Fatal(err)
	}
	m.running["n1"] = lonely
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := s.Get(ctx, confdb.Root+"k"); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("one voter of two answers: %v", err)
	}
	select {
	case <-lonely.Ready():
		t.Fatal("one voter of two serves")
	default:
	}
	began := time.Now()
	m.stop("n1")
	if d := time.Since(began); d > closePatience/2 {
		t.Fatalf("its end took %v", d)
	}
	for i := range 2 {
		if m.running[node(i+1)], err = StartMember(t.Context(), m.config(i+1, ModeRestart, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if got := get(t, s, "k"); got != "v" {
		t.Fatalf("after all voters were away k is %q", got)
	}
}

func TestLeadershipIsHandedOver(t *testing.T) {
	t.Parallel()
	m := newMembers(t)
	s := m.grow(2)
	leader, other := m.running["n1"], m.running["n2"]
	if !leader.IsLeader() {
		leader, other = other, leader
	}
	if err := leader.MoveLeader(bounded(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other member leads", func() error {
		if !other.IsLeader() {
			return fault.Errorf(fault.Unavailable, "it does not")
		}
		return nil
	})
	put(t, s, "k", "v")
}

// A voter whose data is lost is given another seat: the old one is taken although its member is gone, and the node comes back as a learner under another number.
func TestALostVoterIsSeatedAnew(t *testing.T) {
	m := newMembers(t)
	s := m.grow(3)
	e, ctx := m.electorate(s), bounded(t)
	put(t, s, "kept", "yes")
	was, _ := seatOf(t, e, 3)
	if got := m.running["n3"].Standing(); got.Seat != was.ID || got.Learner || !got.Ready || !got.Follows {
		t.Errorf("a voter stands at %+v in seat %x", got, was.ID)
	}
	m.stop("n3")
	if err := os.RemoveAll(m.config(3, ModeRestart, nil).Dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "take the seat", func() error { return e.Remove(ctx, "n3") })
	eventually(t, "seat n3 again", func() error { return e.AddLearner(ctx, "n3") })
	now, ok := seatOf(t, e, 3)
	if !ok || now.ID == was.ID || !now.Learner || now.Started {
		t.Fatalf("seated anew: %+v after %+v", now, was)
	}
	peers, err := e.Peers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m.start(3, ModeJoin, peers)
	eventually(t, "give it its vote", func() error { return e.Promote(ctx, "n3") })
	if seat, _ := seatOf(t, e, 3); seat.Learner || seat.ID != now.ID {
		t.Errorf("at the end: %+v", seat)
	}
}
