package model

import (
	"slices"
	"testing"

	"redoubt/internal/cluster"
)

func TestExchangeOfAnAuthority(t *testing.T) {
	nodes := []Party{{Name: "n1", Present: true, Signs: true}, {Name: "n2", Present: true, Signs: true}, {Name: "n3", Signs: true}, {Name: "q1", Present: true}}
	l := Lineage{Roots: []Root{{Fingerprint: "old"}, {Fingerprint: "new"}}, Stage: StageTrust}
	both, signer := []string{"old", "new"}, []string{"old", "new"}
	trusts := []Trust{{Node: "n1", NodeRoots: both, Keys: signer, Issuer: "old"}, {Node: "n2", NodeRoots: both, Keys: signer, Issuer: "old"}, {Node: "q1", NodeRoots: both, Issuer: "old"}}
	step := func(want Stage, waiting ...cluster.NodeName) {
		t.Helper()
		next, changed, w := l.Next("node", nodes, trusts, false)
		if next.Stage != want || !slices.Equal(w, waiting) || changed != (len(waiting) == 0) {
			t.Fatalf("from %q: %q, changed %v, waits for %v; want %q, %v", l.Stage, next.Stage, changed, w, want, waiting)
		}
		l = next
	}
	trusts[1].Keys = []string{"old"}
	step(StageTrust, "n2") // it trusts the successor, but can not sign with it
	trusts[1].Keys = signer
	trusts[2].NodeRoots = []string{"old"}
	step(StageTrust, "q1")
	trusts[2].NodeRoots = both
	step(StageReissue) // n3 is away and does not hold this up
	if r, _ := l.Signing(); r.Fingerprint != "new" {
		t.Error("the old one signs")
	}
	trusts[0].Issuer, trusts[2].Issuer = "new", "new"
	step(StageReissue, "n2", "n3") // but it would be shut out by the next stage
	trusts[1].Issuer = "new"
	step(StageReissue, "n3")
	forced := l
	forced.Force = true
	if next, changed, _ := forced.Next("node", nodes, trusts, false); !changed || next.Stage != StageDrop {
		t.Errorf("by force: %+v", next)
	}
	nodes[2].Present = true
	trusts = append(trusts, Trust{Node: "n3", NodeRoots: both, Keys: signer, Issuer: "new"})
	step(StageDrop)
	if len(l.Roots) != 1 || l.Roots[0].Fingerprint != "new" || l.Roots[0].Cross != nil {
		t.Errorf("trusted: %+v", l.Roots)
	}
	step(StageDrop, "n1", "n2", "n3", "q1")
	for i := range trusts {
		trusts[i].NodeRoots, trusts[i].Keys = []string{"new"}, []string{"new"}
	}
	step(StageSettled)
	if next, changed, _ := l.Next("node", nodes, trusts, false); changed || next.Stage != StageSettled {
		t.Errorf("it goes on: %+v", next)
	}
}

func TestUsersKeepTheOldAuthority(t *testing.T) {
	l := Lineage{Roots: []Root{{Fingerprint: "old"}, {Fingerprint: "new"}}, Stage: StageReissue}
	nodes, trusts := []Party{{Name: "n1", Present: true, Signs: true}}, []Trust{{Node: "n1", UserRoots: []string{"old", "new"}, Keys: []string{"new", "old"}}}
	if _, changed, _ := l.Next("user", nodes, trusts, true); changed {
		t.Error("users were shut out")
	}
	if next, changed, _ := l.Next("user", nodes, trusts, false); !changed || next.Stage != StageDrop {
		t.Errorf("nobody has a certificate of the old one any more: %+v", next)
	}
	l.Force = true
	if next, changed, _ := l.Next("user", nodes, trusts, true); !changed || next.Stage != StageDrop {
		t.Errorf("by force: %+v", next)
	}
}
