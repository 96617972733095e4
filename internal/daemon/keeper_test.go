package daemon

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/etcdstore"
	"redoubt/internal/membership"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

// keeping is a node of cluster c1 as far as it looks after its certificates: it reads the repository, and no other node is there.
func keeping(t *testing.T, cfg Config, store *confdb.Memory) *node {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	n := &node{
		cfg: cfg, log: log, id: &identity{Cluster: model.Cluster{ID: "c1", Name: "demo"}, Node: "n1", Nodes: []model.Node{{Name: "n1"}}}, seat: newSeat(cfg, log), mirror: engine.NewMirror(store, log),
	}
	var err error
	if n.store, err = etcdstore.Dial(etcdstore.ClientConfig{TLS: cfg.tlsFiles(), Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.store.Close() })
	go func() { _ = n.mirror.Run(t.Context()) }()
	<-n.mirror.Filled()
	return n
}

// The node that has made a successor's key may be gone before anybody else had it. The others can not carry the exchange on, but they trust what the repository names and renew
// their certificates all the same.
func TestNodesRenewWithoutTheSuccessorsKey(t *testing.T) {
	o := newOffice(t)
	cfg := Config{Node: "n1", Data: t.TempDir()}
	first, key := o.give("n1", nil)
	o.keepCredentials(cfg, first, key)
	next, err := pki.NewAuthority(pki.AuthorityOfNodes, "c1", "demo", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	users, err := pki.NewAuthority(pki.AuthorityOfUsers, "c1", "demo", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	store := confdb.NewMemory()
	var ops []confdb.Op
	for _, r := range []struct {
		key  string
		kind confdb.Kind
		spec any
	}{
		{confdb.KeyCluster, confdb.KindCluster, model.Cluster{ID: "c1", Name: "demo"}},
		{confdb.KeyAuthorities, confdb.KindAuthorities, model.Authorities{
			Node: model.Lineage{Roots: []model.Root{rootOf(o.ca.Cert, nil), rootOf(next.Cert, nil)}, Stage: model.StageTrust},
			User: model.Lineage{Roots: []model.Root{rootOf(users.Cert, nil)}},
		}},
	} {
		value, err := confdb.Encode(r.kind, r.spec)
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, confdb.Op{Key: r.key, Value: value})
	}
	if _, err := store.Txn(t.Context(), nil, ops); err != nil {
		t.Fatal(err)
	}
	n := keeping(t, cfg, store)
	n.keeper = &keeper{node: n, peers: &peers{node: n}}
	n.member = engine.NewMember(n.engineConfig(), membership.New(membership.Config{Self: "n1", Session: 1, Paths: 1}), nil, nil, store)
	// The certificate has ended: it is signed anew without the repository, which nobody answers for here.
	request, err := pki.RequestFor("n1", key)
	if err != nil {
		t.Fatal(err)
	}
	ended, err := o.ca.SignNode(request, "n1", nil, time.Hour, time.Now().Add(-24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	o.keepCredentials(cfg, ended, key)
	if err := n.reload(); err != nil {
		t.Fatal(err)
	}
	unheard, cancel := context.WithCancel(t.Context())
	cancel()
	err = n.keeper.round(unheard)
	if err == nil || !strings.Contains(err.Error(), pki.Fingerprint(next.Cert)) {
		t.Errorf("it is not said which key is missing: %v", err)
	}
	got := n.cred()
	if got.leaf.Equal(ended) || got.leaf.Equal(first) || !got.timely(time.Now()) {
		t.Error("the certificate was not renewed")
	}
	if !got.nodes.Has(pki.Fingerprint(next.Cert)) || !got.users.Has(pki.Fingerprint(users.Cert)) {
		t.Error("not every authority that the repository names is trusted")
	}
}

// Between the making of a successor's key and the record that names it the node looks after its files, and the key stays.
func TestSuccessorsKeyStaysUntilTheRecordNamesIt(t *testing.T) {
	o := newOffice(t)
	cfg := Config{Node: "n1", Data: t.TempDir()}
	first, key := o.give("n1", nil)
	o.keepCredentials(cfg, first, key)
	if err := writeKeys(cfg.path(fileNodeKeys), o.ca.Key); err != nil {
		t.Fatal(err)
	}
	store := confdb.NewMemory()
	lineage := model.Lineage{Roots: []model.Root{rootOf(o.ca.Cert, nil)}}
	value, err := confdb.Encode(confdb.KindAuthorities, model.Authorities{Node: lineage})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Txn(t.Context(), nil, []confdb.Op{{Key: confdb.KeyAuthorities, Value: value}}); err != nil {
		t.Fatal(err)
	}
	n := keeping(t, cfg, store)
	if err := n.reload(); err != nil {
		t.Fatal(err)
	}
	k := &keeper{node: n}
	next, err := k.Succeed(t.Context(), "node")
	if err != nil {
		t.Fatal(err)
	}
	both := model.Lineage{Roots: append(lineage.Roots[:1:1], next)}
	for _, c := range []struct {
		when    string
		lineage model.Lineage
		want    int
	}{
		{"the record does not name it yet", lineage, 2}, {"the record names it", both, 2}, {"it was given up", lineage, 1},
	} {
		if missing, err := k.obtain(t.Context(), c.lineage, fileNodeKeys); missing != nil || err != nil {
			t.Fatalf("%s: %v, %v", c.when, missing, err)
		}
		if keys, err := readKeys(cfg.path(fileNodeKeys)); err != nil || len(keys) != c.want {
			t.Errorf("%s: %d keys, want %d: %v", c.when, len(keys), c.want, err)
		}
	}
}
