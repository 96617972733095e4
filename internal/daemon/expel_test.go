package daemon

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"slices"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/rgm/model"
)

// The ports of the repository's members are told what is revoked, not how much: one certificate that is forgotten while another is revoked changes the list too.
func TestRevocationsAreToldByTheirContent(t *testing.T) {
	cfg := Config{Node: "n1", Data: t.TempDir()}
	n := &node{cfg: cfg, id: &identity{Cluster: model.Cluster{ID: "c1"}, Node: "n1"}, seat: newSeat(cfg, nil)}
	k := &keeper{node: n}
	var done expelled
	for _, want := range [][]string{{"1a", "2b"}, {"1a", "3c"}, {"1a"}, {"1a"}, {}} {
		snap := engine.Snapshot{State: model.State{Cluster: model.Cluster{ID: "c1"}}}
		for _, serial := range want {
			snap.Revoked = append(snap.Revoked, "SHA256:"+serial)
			snap.Revocations = append(snap.Revocations, model.Revoked{Node: cluster.NodeName("n" + serial), Kind: "node", Serial: serial})
		}
		if next := revokedSerials(snap); !done.told && listedAlready(cfg, next) {
			t.Error("no list was written, and it is said to be complete")
		}
		if err := k.expelOnce(&done, snap); err != nil {
			t.Fatal(err)
		}
		if next := revokedSerials(snap); !listedAlready(cfg, next) || listedAlready(cfg, append(next, big.NewInt(7))) {
			t.Errorf("the list of %v is not what it is taken for", want)
		}
		der, err := os.ReadFile(cfg.path(fileRevoked))
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, e := range list.RevokedCertificateEntries {
			got = append(got, fmt.Sprintf("%x", e.SerialNumber))
		}
		if !slices.Equal(got, want) {
			t.Errorf("the ports refuse %v, not %v", got, want)
		}
	}
}
