package membership_test

import (
	"testing"
	"time"

	"redoubt/internal/membership"
)

// What was promised to one life of a node's services is no lease of the next: its guard died, and the voters have promised the next nothing yet.
func TestNewIncarnationBeginsWithoutLease(t *testing.T) {
	r := formed(t, 3)
	m := r.machines["n3"]
	r.blind["n3"] = true // its own admission reaches it first by the test
	m.SetIncarnation(inc(2))
	r.step("n3", membership.Tick{})
	if v := m.View(); v.LeaseEnd != 0 || v.IsMember {
		t.Fatalf("a new incarnation has lease %d, member %v", v.LeaseEnd, v.IsMember)
	}
	r.until("admission", 2*time.Second, func() bool { me, _ := r.rec.Member("n3"); return me.Incarnation == inc(2) })
	r.step("n3", membership.Applied{Record: r.rec})
	if v := m.View(); v.LeaseEnd != 0 || !v.IsMember {
		t.Fatalf("just admitted, no voter has answered yet: lease %d, member %v", v.LeaseEnd, v.IsMember)
	}
	r.until("a lease of its own", time.Second, func() bool { return r.leased("n3") })
}

// A daemon that takes over the incarnation of the one before it is a member at once, and renews its lease without waiting for another record.
func TestTakenOverIncarnationIsAMemberAtOnce(t *testing.T) {
	r := formed(t, 3)
	epoch := r.rec.Epoch
	r.start("n3", inc(1))
	if !r.machines["n3"].View().IsMember {
		t.Fatal("not a member")
	}
	r.until("a lease", 200*time.Millisecond, func() bool { return r.leased("n3") })
	if r.rec.Epoch != epoch {
		t.Fatalf("the record changed to %+v", r.rec)
	}
}

// A lease that has ended stays ended: the guard has fired, and what it ended does not come back under the same incarnation.
func TestEndedLeaseIsNotRenewed(t *testing.T) {
	r := formed(t, 3)
	r.isolate("n3")
	r.stuck = true
	r.run(600 * time.Millisecond)
	if r.leased("n3") {
		t.Fatal("a lease without voters")
	}
	clear(r.cut)
	before := r.leases["n3"]
	r.run(300 * time.Millisecond)
	if r.leased("n3") || r.leases["n3"] != before {
		t.Fatalf("the lease that ended at %d was renewed until %d", before, r.leases["n3"])
	}
}

// Farewell is of one incarnation: a daemon that goes on after it stands for the next, which is admitted.
func TestFarewellIsOfOneIncarnation(t *testing.T) {
	r := formed(t, 3)
	r.machines["n2"].SetFarewell()
	r.until("removal", 300*time.Millisecond, func() bool { return !r.member("n2") })
	r.machines["n2"].SetIncarnation(inc(2))
	r.until("admission", time.Second, func() bool { return r.member("n2") })
}
