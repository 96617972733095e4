package daemon

import (
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	ca, err := pki.NewAuthority(pki.AuthorityOfNodes, "c1", "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca.Cert
}

// A voter without its copy has forgotten what it voted for and acknowledged: filled anew under the same number it could undo what was committed.
func TestOnlyAnEmptySeatIsFilled(t *testing.T) {
	seats := []engine.Seat{{Node: "n1", ID: 1, Started: true}, {Node: "n2", ID: 2, Learner: true}, {Node: "n3", ID: 3, Started: true}, {Node: "n5", ID: 5, Learner: true, Started: true}}
	for _, c := range []struct {
		node cluster.NodeName
		lost uint64
		want fate
		id   uint64
	}{
		{"n2", 0, seatEmpty, 2},
		{"n2", 1, seatEmpty, 2}, // it lost an earlier one
		{"n2", 2, seatLost, 2},  // it had begun to fill it
		{"n3", 0, seatLost, 3},
		{"n4", 0, seatNone, 0},
		{"n5", 0, seatLost, 5},
	} {
		if is, id := fateOf(seats, c.node, c.lost); is != c.want || id != c.id {
			t.Errorf("%s that lost %d: %v of %d, want %v of %d", c.node, c.lost, is, id, c.want, c.id)
		}
	}
}

// A member gives way to another seat of its node, and to nothing else.
func TestSeatIsSuperseded(t *testing.T) {
	seats := []engine.Seat{{Node: "n1", ID: 1, Started: true}, {Node: "n2", ID: 2, Learner: true}, {Node: "n3", ID: 3, Learner: true, Started: true}}
	for _, c := range []struct {
		node cluster.NodeName
		own  uint64
		want bool
	}{
		{"n1", 1, false}, {"n2", 2, false}, // its own
		{"n2", 7, true},
		{"n3", 7, false}, // somebody fills that one
		{"n4", 7, false}, // removed, and nothing else offered
	} {
		if got := givesWay(seats, c.node, c.own); got != c.want {
			t.Errorf("%s with seat %d: %v", c.node, c.own, got)
		}
	}
}

// A copy is behind when it still lacks what another had a while ago, however fast the others write.
func TestProgress(t *testing.T) {
	var p progress
	at := func(sec int) membership.Instant { return membership.Instant(sec) * membership.Instant(time.Second) }
	others := func(index uint64) membership.View {
		return membership.View{Peers: []membership.Peer{{Node: "n2", Copy: membership.Copy{State: membership.CopyUsable, Index: index}}, {Node: "n3", Copy: membership.Copy{State: membership.CopyLost, Index: 1 << 40}}}}
	}
	for _, c := range []struct {
		sec   int
		index uint64
		peer  uint64
		want  bool
	}{
		{0, 100, 100, true}, {1, 100, 5000, true}, {2, 4000, 9000, true}, {3, 5000, 14000, true}, {4, 10000, 19000, true}, // always behind by thousands, never for long
		{5, 10000, 19000, true}, {6, 10000, 19000, false}, {7, 10000, 19000, false}, {8, 13999, 19000, false}, {9, 14000, 19000, true},
	} {
		if got := p.keeps(at(c.sec), c.index, others(c.peer)); got != c.want {
			t.Errorf("second %d: %v", c.sec, got)
		}
	}
}

// What a seat says of its copy when no member is up.
func TestReportWithoutAMember(t *testing.T) {
	s := newSeat(Config{Data: t.TempDir()}, slog.New(slog.DiscardHandler))
	check := func(want membership.Copy) {
		t.Helper()
		if got := s.report(0, membership.View{}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	check(membership.Copy{})
	s.named = true
	check(membership.Copy{State: membership.CopyDown})
	why := fault.Errorf(fault.Unavailable, "lost")
	if !s.lose(7, why) || s.lose(7, why) {
		t.Error("a loss is told once")
	}
	check(membership.Copy{State: membership.CopyLost, Seat: 7})
	s.lose(0, fault.Errorf(fault.Unavailable, "no majority")) // which seat it was stays known
	check(membership.Copy{State: membership.CopyLost, Seat: 7})
}

// An earlier copy is set aside, and nothing in its place does not push it out.
func TestRemoveKeepsTheLastCopy(t *testing.T) {
	s := newSeat(Config{Data: t.TempDir()}, slog.New(slog.DiscardHandler))
	kept := filepath.Join(s.cfg.path(dirEtcd), "member", "kept")
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	s.remove()
	if err := os.Mkdir(s.cfg.path(dirEtcd), 0o700); err != nil {
		t.Fatal(err)
	}
	s.remove()
	if _, err := os.Stat(filepath.Join(s.cfg.path(dirEtcd)+".old", "member", "kept")); err != nil {
		t.Error(err)
	}
}

// The only voter without its copy does not begin an empty repository in its place: there was a configuration, and it has to be restored.
func TestTheOnlyCopyIsNotReplaced(t *testing.T) {
	for _, damage := range []string{"gone", "damaged"} {
		cfg := Config{Data: t.TempDir()}
		s := newSeat(cfg, slog.New(slog.DiscardHandler))
		n := &node{cfg: cfg, id: &identity{Node: "n1", Nodes: []model.Node{{Name: "n1"}}, Voters: []cluster.NodeName{"n1"}}}
		err := s.startIfThere(t.Context(), n)
		if damage == "damaged" {
			err = s.onlyCopy(n.id, "it is damaged")
		}
		if !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), damage) || !strings.Contains(err.Error(), "redoubtd restore -from") {
			t.Errorf("%s: %v", damage, err)
		}
		if etcdstore.HasData(cfg.path(dirEtcd)) {
			t.Errorf("%s: an empty repository has begun", damage)
		}
		n.id.Voters = []cluster.NodeName{"n1", "n2", "n3"}
		if err := s.startIfThere(t.Context(), n); err != nil {
			t.Errorf("%s, with other voters: %v", damage, err)
		}
	}
}

// While a member of the repository begins anew its node does not say yet that it trusts the new authorities, or the next one would begin in the same moment.
func TestTrustIsSaidWhenTheMemberIsBack(t *testing.T) {
	root := certificate(t)
	cr := &credentials{nodes: pki.Roots{root}}
	for name, c := range map[string]struct {
		seat *seat
		want int
	}{
		"no voter":               {&seat{}, 1},
		"between two beginnings": {&seat{named: true}, 0},
		"it did not start":       {&seat{named: true, why: fault.Errorf(fault.Unavailable, "no")}, 1},
		"its copy is lost":       {&seat{named: true, gone: true}, 1},
		"it can not start":       {&seat{named: true, broken: true}, 1},
	} {
		if got := c.seat.effective(cr); len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
