package daemon

import (
	"errors"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

func entry(t *testing.T, key string, kind confdb.Kind, spec any) confdb.Entry {
	t.Helper()
	value, err := confdb.Encode(kind, spec)
	if err != nil {
		t.Fatal(err)
	}
	return confdb.Entry{Key: key, Value: value}
}

// What this node read after the snapshot was made outlives its restoring, unless its copy is the older of both or one of another cluster.
func TestRevokedOutlivesARestore(t *testing.T) {
	ofCluster := func(id string) confdb.Entry {
		return entry(t, confdb.KeyCluster, confdb.KindCluster, model.Cluster{ID: id, Name: "demo"})
	}
	node := func(n string) confdb.Entry {
		return entry(t, confdb.PrefixNode+n, confdb.KindNode, model.Node{Name: "n"})
	}
	revoked := func(f string) confdb.Entry {
		return entry(t, confdb.PrefixRevoked+f, confdb.KindRevoked, model.Revoked{By: "root", Serial: "0a"})
	}
	given := func(f string) confdb.Entry {
		return entry(t, confdb.PrefixCertificate+f, confdb.KindCertificate, model.Certificate{Fingerprint: f, Kind: "node", Name: "n3", Serial: "0b"})
	}
	authority := func(f string) confdb.Entry {
		return entry(t, confdb.KeyAuthorities, confdb.KindAuthorities, model.Authorities{Node: model.Lineage{Roots: []model.Root{{Fingerprint: f}}}})
	}
	snapshot := []confdb.Entry{ofCluster("c1"), node("n1"), node("n3"), revoked("both"), given("old"), authority("old")}
	disk := []confdb.Entry{ofCluster("c1"), node("n1"), revoked("both"), revoked("later"), given("old"), given("new"), authority("new")}
	for _, c := range []struct {
		name      string
		before    []confdb.Entry
		at        cluster.Revision
		want, out []string
	}{
		{"newer", disk, 9, []string{confdb.PrefixRevoked + "later", confdb.PrefixCertificate + "new", confdb.KeyAuthorities}, []string{"n3"}},
		{"as old", disk, 5, nil, nil},
		{"another cluster", append([]confdb.Entry{ofCluster("c2")}, disk[1:]...), 9, nil, nil},
		{"nothing was revoked", snapshot, 9, nil, nil},
	} {
		got := newerOf(c.before, c.at, snapshot, 5)
		var keys []string
		for _, e := range got.Records {
			keys = append(keys, e.Key)
		}
		if !slices.Equal(keys, c.want) || !slices.Equal(got.Gone, c.out) {
			t.Errorf("%s: %v, removed %v; want %v, %v", c.name, keys, got.Gone, c.want, c.out)
		}
	}
	said := newerOf(disk, 9, snapshot, 5).said(nil)
	for _, word := range []string{"1 revocations and 2 other records", "certificates count no more: n3.", "Rights that were taken away count again"} {
		if !strings.Contains(said, word) {
			t.Errorf("%q is not said: %s", word, said)
		}
	}
	for _, err := range []error{os.ErrNotExist, errors.New("damaged")} {
		if said := (carried{}).said(err); !strings.Contains(said, "everything else that was removed or revoked after the snapshot was taken counts again") {
			t.Errorf("without a copy (%v): %s", err, said)
		}
	}
}

// With the copy lost, the list of the repository's ports is still there: whom it shuts out stays out, by name where the certificate is on record.
func TestListOfThePortsOutlivesARestore(t *testing.T) {
	cfg, now := Config{Data: t.TempDir()}, time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	der, err := pki.RevocationList([]*big.Int{big.NewInt(0x0a), big.NewInt(0x0b), big.NewInt(0x0c)}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(cfg.path(fileRevoked), der, 0o644); err != nil {
		t.Fatal(err)
	}
	there := []confdb.Entry{
		entry(t, confdb.PrefixRevoked+"SHA256:a", confdb.KindRevoked, model.Revoked{Serial: "0a", Kind: "node"}),
		entry(t, confdb.PrefixCertificate+"SHA256:b", confdb.KindCertificate, model.Certificate{Fingerprint: "SHA256:b", Kind: "node", Name: "n3", Serial: "0b"}),
	}
	got := listedOnly(listed(cfg), there, now)
	if len(got) != 2 || got[0].Key != confdb.PrefixRevoked+"SHA256:b" || got[1].Key != confdb.PrefixRevoked+"serial:0c" {
		t.Fatalf("revoked: %+v", got)
	}
	for i, want := range []string{"n3", ""} {
		r, err := confdb.Decode[model.Revoked](confdb.KindRevoked, got[i].Key, got[i].Value)
		if err != nil || r.Name != want || r.Kind != "node" || r.Reason == "" {
			t.Errorf("%s: %+v, %v", got[i].Key, r, err)
		}
	}
	if again := listedOnly(listed(cfg), append(there, got...), now); len(again) != 0 {
		t.Errorf("revoked twice: %+v", again)
	}
	if listed(Config{Data: t.TempDir()}) != nil {
		t.Error("a list that is not there has numbers")
	}
	// A level that does not know all of it writes what it knows.
	records := carried{Records: there}
	if err := records.keep(cfg); err != nil {
		t.Fatal(err)
	}
	back, err := loadCarried(cfg)
	if err != nil || len(back) != 2 {
		t.Fatal(back, err)
	}
	for _, e := range back {
		if value, err := lowered(e, confdb.OldestLevel); err != nil || confdb.LevelOf(value) != confdb.OldestLevel {
			t.Errorf("%s: level %d, %v", e.Key, confdb.LevelOf(value), err)
		}
	}
	if err := os.WriteFile(cfg.path(fileCarried), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadCarried(cfg); err == nil || !strings.Contains(err.Error(), "restore once more") {
		t.Errorf("damaged: %v", err)
	}
}
