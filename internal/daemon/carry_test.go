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
		{"as old", disk, 5, []string{confdb.PrefixRevoked + "later"}, nil},
		{"another cluster", append([]confdb.Entry{ofCluster("c2")}, disk[1:]...), 9, nil, nil},
		{"nothing was revoked", snapshot, 9, nil, nil},
	} {
		got := newestOf([]known{{path: "here", records: c.before, at: c.at}}, snapshot, 5)
		var keys []string
		for _, e := range got.Records {
			keys = append(keys, e.Key)
		}
		if !slices.Equal(keys, c.want) || !slices.Equal(got.Gone, c.out) {
			t.Errorf("%s: %v, removed %v; want %v, %v", c.name, keys, got.Gone, c.want, c.out)
		}
	}
	said := newestOf([]known{{path: "this node's copy", records: disk, at: 9}}, snapshot, 5).said(nil, 1)
	for _, word := range []string{"this node's copy (revision 9); 1 revocations and 2 other records", "certificates count no more: n3.", "Rights that were taken away count again"} {
		if !strings.Contains(said, word) {
			t.Errorf("%q is not said: %s", word, said)
		}
	}
	for _, err := range []error{os.ErrNotExist, errors.New("damaged")} {
		if said := (carried{}).said(err, 1); !strings.Contains(said, "Everything else that was removed or revoked after the snapshot was taken counts again") {
			t.Errorf("without a copy (%v): %s", err, said)
		}
	}
}

// Of several copies the newest says which authorities count and who was removed; what any of them has revoked is revoked. Whose rights have changed is named.
func TestRestoreTakesWhatAnyCopyKnows(t *testing.T) {
	cluster := entry(t, confdb.KeyCluster, confdb.KindCluster, model.Cluster{ID: "c1", Name: "demo"})
	other := entry(t, confdb.KeyCluster, confdb.KindCluster, model.Cluster{ID: "c2", Name: "demo"})
	plain := func(key, value string) confdb.Entry { return confdb.Entry{Key: key, Value: []byte(value)} }
	of := func(f string) confdb.Entry { return plain(confdb.PrefixRevoked+f, "revoked") }
	alice, bob := plain(confdb.PrefixUser+"alice", "admin"), plain(confdb.PrefixUser+"bob", "admin")
	snapshot := []confdb.Entry{cluster, alice, bob, plain(confdb.KeyAuthorities, "first"), plain(confdb.KeyNode("n3"), "n3")}
	own := known{path: "own", at: 7, records: []confdb.Entry{cluster, alice, of("seen here"), plain(confdb.KeyAuthorities, "second"), plain(confdb.KeyNode("n3"), "n3")}}
	newer := known{path: "n2", at: 9, records: []confdb.Entry{cluster, plain(confdb.PrefixUser+"alice", "read"), of("seen there"), plain(confdb.KeyAuthorities, "third")}}
	old := known{path: "old", at: 3, records: []confdb.Entry{cluster, of("long ago"), plain(confdb.KeyAuthorities, "zeroth")}}
	stranger := known{path: "stranger", at: 99, records: []confdb.Entry{other, of("elsewhere"), plain(confdb.KeyAuthorities, "theirs")}}
	got := newestOf([]known{own, stranger, old, newer}, snapshot, 5)
	var keys []string
	for _, e := range got.Records {
		keys = append(keys, strings.TrimPrefix(e.Key, confdb.Root)+"="+string(e.Value))
	}
	slices.Sort(keys)
	if want := []string{"authorities=third", "revoked/long ago=revoked", "revoked/seen here=revoked", "revoked/seen there=revoked"}; !slices.Equal(keys, want) || got.From != "n2" || got.At != 9 {
		t.Errorf("from %s at %d: %v, want %v", got.From, got.At, keys, want)
	}
	if !slices.Equal(got.Gone, []string{"n3"}) || !slices.Equal(got.Rights, []string{"user/alice", "user/bob"}) {
		t.Errorf("removed %v, rights %v", got.Gone, got.Rights)
	}
	if said := got.said(nil, 2); !strings.Contains(said, "n2 (revision 9); 3 revocations and 1 other") || !strings.Contains(said, "user/alice, user/bob") || !strings.Contains(said, "2 nodes' lists") {
		t.Error(said)
	}
}

// A copy that was named and can not be relied upon ends the restore before anything is changed; the list beside one is added to this node's own.
func TestCopiesOfOtherNodes(t *testing.T) {
	cfg, now := Config{Data: t.TempDir()}, time.Now()
	n3 := Config{Data: t.TempDir()}
	for c, serials := range map[*Config][]*big.Int{&cfg: {big.NewInt(7), big.NewInt(9)}, &n3: {big.NewInt(8), big.NewInt(9)}} {
		if err := writeList(*c, serials, now); err != nil {
			t.Fatal(err)
		}
	}
	theirs, err := listOf(n3.path(fileRevoked))
	if err != nil {
		t.Fatal(err)
	}
	if lists, err := mergeLists(cfg, []known{{listed: theirs}, {}}); err != nil || lists != 2 || !sameSerials(listed(cfg), []*big.Int{big.NewInt(7), big.NewInt(8), big.NewInt(9)}) {
		t.Errorf("%d lists: %v, %v", lists, listed(cfg), err)
	}
	file := n3.path("no snapshot")
	if err := os.WriteFile(file, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{n3.path("nowhere"): "no such file", n3.Data: "is no copy of the repository", file: "use another one"} {
		if _, err := readCopy(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := os.WriteFile(n3.path(fileRevoked), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listOf(n3.path(fileRevoked)); err == nil || listed(n3) != nil {
		t.Error("a list that is none is read")
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
