package daemon

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
)

// A restored cluster begins without members and with everybody who may still run something as a leaver, for as long as a planned restart may take; numbers go on far
// beyond what the snapshot knows.
func TestRestoredRecord(t *testing.T) {
	timing, _ := cluster.ProfileTiming("default")
	slow := timing
	slow.Hold = restartHold + time.Second
	inc := func(n uint64) cluster.Incarnation { return cluster.Incarnation{Number: n, Tag: "a"} }
	old := membership.Record{
		Epoch: 7, Formation: 2, President: "n2", Timing: timing,
		Members:  []membership.Member{{Node: "n1", Incarnation: inc(4), Since: 2}, {Node: "n2", Incarnation: inc(1), Since: 3}},
		Leaving:  []membership.Leaver{{Node: "n2", Incarnation: inc(0), Removed: 6, Hold: int64(time.Minute), Why: "it was slow"}},
		Last:     []membership.LastNumber{{Node: "n1", Number: 4}, {Node: "n2", Number: 1}},
		Voters:   []membership.Voter{{Node: "n1"}, {Node: "n2"}, {Node: "n3"}},
		Extended: []membership.Extension{{Node: "n1", Incarnation: inc(4), Hold: int64(time.Second)}},
	}
	why := "the repository was restored"
	epoch := cluster.Epoch(7 + leap)
	want := membership.Record{
		Epoch: epoch, VoterEpoch: epoch, Timing: timing, Voters: []membership.Voter{{Node: "n1"}},
		Leaving: []membership.Leaver{
			{Node: "n1", Incarnation: inc(4), Removed: epoch, Hold: int64(restartHold), Why: why},
			{Node: "n2", Incarnation: inc(0), Removed: epoch, Hold: int64(time.Minute), Why: why},
			{Node: "n2", Incarnation: inc(1), Removed: epoch, Hold: int64(restartHold), Why: why},
		},
		Last: []membership.LastNumber{{Node: "n1", Number: 4 + leap}, {Node: "n2", Number: 1 + leap}},
	}
	got := renewed(old, membership.Voter{Node: "n1"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := confdb.Encode(confdb.KindMembership, got); err != nil {
		t.Errorf("it can not be written: %v", err)
	}
	old.PrevTiming = &slow
	if got := renewed(old, membership.Voter{Node: "n1"}).Leaving[0].Hold; got != int64(slow.Hold) {
		t.Errorf("hold %v, want that of the timing before: %v", time.Duration(got), slow.Hold)
	}
}

// The machine of the restored node, the only voter, does not release before the restart hold is over, and no life begins until then.
func TestNothingBeginsUntilTheRestoredLeaversAreGone(t *testing.T) {
	timing, _ := cluster.ProfileTiming("default")
	inc := cluster.Incarnation{Number: 1, Tag: "a"}
	rec := renewed(membership.Record{Epoch: 7, Timing: timing, Members: []membership.Member{{Node: "n1", Incarnation: inc}, {Node: "n2", Incarnation: inc}}}, membership.Voter{Node: "n1"})
	const began = membership.Instant(1_000_000)
	m := membership.New(membership.Config{Self: "n1", Session: 1, Paths: 1, Started: began})
	m.SetNodes([]membership.Configured{{Node: "n1"}, {Node: "n2"}})
	m.Step(began, membership.Applied{Record: &rec, Linearizable: true})
	for at := began; ; at = at.Add(int64(100 * time.Millisecond)) {
		m.Step(at, membership.Tick{})
		if waited := time.Duration(at - began); !formsAnew(rec, m.View().Gone) {
			if waited < restartHold || waited > restartHold+time.Second {
				t.Errorf("services begin after %v, want %v", waited, restartHold)
			}
			break
		}
		if at > began.Add(int64(time.Hour)) {
			t.Fatal("services never begin")
		}
	}
	rec.Members = []membership.Member{{Node: "n1", Incarnation: inc}}
	if formsAnew(rec, nil) {
		t.Error("once a member is there the record says what has to wait")
	}
	if formsAnew(membership.Record{}, nil) {
		t.Error("a cluster that was just created waits for nobody")
	}
}
