package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"log/slog"
	"slices"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

// office gives certificates.
type office struct {
	t  *testing.T
	ca *pki.Identity
}

func newOffice(t *testing.T) office {
	t.Helper()
	ca, err := pki.NewAuthority(pki.AuthorityOfNodes, "c1", "demo", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return office{t, ca}
}

// give makes a certificate for a key; for a new one with key nil.
func (o office) give(name cluster.NodeName, key *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	o.t.Helper()
	fresh, request, err := pki.NewRequest(name)
	if key != nil {
		fresh = key
		request, err = pki.RequestFor(name, key)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	cert, err := o.ca.SignNode(request, name, nil, time.Hour, time.Now())
	if err != nil {
		o.t.Fatal(err)
	}
	return cert, fresh
}

// nodeOf is a node on record with its certificate.
func nodeOf(name cluster.NodeName, cert *x509.Certificate) model.NodeState {
	return model.NodeState{Node: model.Node{Name: name, Certificate: pki.Fingerprint(cert)}}
}

// Who has the key of the authority makes certificates in any name. They count for nobody, because nobody has written them down; what nodes were given counts, also when it
// has ended and the node has signed its key another.
func TestOnlyWhatWasGivenCounts(t *testing.T) {
	o := newOffice(t)
	n1, _ := o.give("n1", nil)
	n2, key2 := o.give("n2", nil)
	n3, key3 := o.give("n3", nil)
	n3next, _ := o.give("n3", nil)
	n3old, keyold := o.give("n3", nil)
	minted, _ := o.give("n2", nil)
	longer, _ := o.give("n2", key2)
	longerOld, _ := o.give("n3", keyold)
	longerThrice, _ := o.give("n3", key3)
	between, _ := o.give("n3", key3)
	id := pki.Fingerprint
	record := func(cert *x509.Certificate) model.Certificate { return recordOf(cert, o.ca.Cert) }
	snap := engine.Snapshot{
		Schema: model.RecordedFrom, Revoked: []string{id(n3old)}, Certificates: []model.Certificate{record(n2), record(n3), record(n3next), record(n3old)},
		State: model.State{Cluster: model.Cluster{ID: "c1"}, Nodes: []model.NodeState{nodeOf("n1", n1), nodeOf("n2", n2), nodeOf("n3", n3)}},
	}
	memory := &identity{Node: "n1", Nodes: []model.Node{{Name: "n1", Certificate: id(n1)}, {Name: "n2", Certificate: id(n2)}}}
	sure := witness{snap: snap, memory: memory, own: id(n1), quorum: true, touched: true}
	unsure, alone, unread, older, unsaid := sure, sure, sure, sure, sure
	unsure.quorum = false
	alone.quorum, alone.touched = false, false
	unread.snap, unread.quorum = engine.Snapshot{}, false
	older.snap.Schema = model.RecordedFrom - 1
	unsaid.snap.Schema, unsaid.memory = model.RecordedFrom-1, &identity{Node: "n1", Schema: model.RecordedFrom}
	const server, client = x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	chain := func(c ...*x509.Certificate) []*x509.Certificate { return c }
	for what, c := range map[string]struct {
		w     witness
		name  cluster.NodeName
		chain []*x509.Certificate
		usage x509.ExtKeyUsage
		want  fault.Code // "": it counts
	}{
		"in its record":                                {sure, "n2", chain(n2), client, ""},
		"written down before it is used":               {sure, "n3", chain(n3next), client, ""},
		"its own":                                      {sure, "n1", chain(n1), client, ""},
		"minted":                                       {sure, "n2", chain(minted), client, fault.Denied},
		"minted, as a server":                          {sure, "n2", chain(minted), server, fault.Denied},
		"minted, with the true one beside it":          {sure, "n2", chain(minted, n2), client, fault.Denied},
		"the certificate of another":                   {sure, "n3", chain(n2), client, fault.Denied},
		"ended, and signed again for the same key":     {sure, "n2", chain(longer, n2), client, ""},
		"the same, without the one on record":          {sure, "n2", chain(longer), client, fault.Denied},
		"signed again three times":                     {sure, "n3", chain(longerThrice, o.ca.Cert, between, n3), client, ""},
		"signed again for a key that was replaced":     {sure, "n3", chain(longerOld, n3old), client, fault.Denied},
		"nothing was read, as remembered":              {unread, "n2", chain(n2), client, ""},
		"nothing was read, ended meanwhile":            {unread, "n2", chain(longer, n2), client, ""},
		"nothing was read, unknown":                    {unread, "n2", chain(minted), client, fault.Unavailable},
		"nothing was read, a node that is not known":   {unread, "n4", chain(n3), client, fault.Unavailable},
		"nothing was read, but this node calls":        {unread, "n3", chain(n3), server, ""},
		"not in quorum, given":                         {unsure, "n2", chain(n2), client, ""},
		"not in quorum, unknown":                       {unsure, "n2", chain(minted), client, fault.Unavailable},
		"not in quorum, unknown, as a server":          {unsure, "n2", chain(minted), server, fault.Unavailable},
		"out of touch, unknown":                        {alone, "n2", chain(minted), client, fault.Unavailable},
		"out of touch, but this node calls":            {alone, "n2", chain(minted), server, ""},
		"daemons that do not write down what they use": {older, "n2", chain(minted), client, ""},
		"the version that was agreed on is remembered": {unsaid, "n2", chain(minted), client, fault.Denied},
	} {
		err := c.w.given(c.name, shown(c.chain), c.usage)
		if (err == nil) != (c.want == "") || err != nil && !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	for what, c := range map[string]struct {
		w    witness
		name cluster.NodeName
		want fault.Code
	}{
		"configured":                          {sure, "n2", ""},
		"removed":                             {sure, "n4", fault.NotFound},
		"joined while this node was alone":    {alone, "n4", fault.Unavailable},
		"joined while this node had no lease": {unsure, "n4", fault.Unavailable},
		"nothing was read":                    {unread, "n4", ""},
	} {
		err := c.w.configured(c.name)
		if (err == nil) != (c.want == "") || err != nil && !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
		if gone := removedBy(c.name, err); gone != (c.want == fault.NotFound) {
			t.Errorf("%s: the node believes that it was removed: %v", what, gone)
		}
	}
}

// Who was removed while a voter was down is not let in by what that voter remembers; the voter itself reads by its own member, and nobody else waits for ever.
func TestVoterLetsNobodyInBeforeItHasRead(t *testing.T) {
	voter := &identity{Node: "n1", Voters: []cluster.NodeName{"n1", "n2"}}
	client := &identity{Node: "n1", Voters: []cluster.NodeName{"n2"}}
	unknown := &identity{Node: "n1"}
	for _, c := range []struct {
		id   *identity
		name cluster.NodeName
		want bool
	}{{voter, "n1", true}, {voter, "n2", false}, {voter, "n3", false}, {client, "n2", true}, {unknown, "n2", true}} {
		if err := c.id.first(c.name); (err == nil) != c.want || err != nil && !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v lets %s in: %v", c.id.Voters, c.name, err)
		}
	}
	n := &node{mirror: engine.NewMirror(confdb.NewMemory(), slog.New(slog.DiscardHandler))}
	if n.filled() {
		t.Error("it has read nothing")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = n.mirror.Run(ctx) }()
	<-n.mirror.Filled()
	if !n.filled() {
		t.Error("it has read the repository")
	}
}

// keepCredentials writes the files of a node whose certificate ends at a time.
func (o office) keepCredentials(cfg Config, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	o.t.Helper()
	hb, _, err := newHeartbeatKey()
	if err != nil {
		o.t.Fatal(err)
	}
	for _, err := range []error{
		writeKeys(cfg.path(fileNodeKeys), o.ca.Key), writeFile(cfg.path(fileNodeRoots), pki.Chain(o.ca.Cert), 0o644), writeKey(cfg.path(fileHeartbeat), hb),
		writePair(cfg.path(fileCert), key, cert),
	} {
		if err != nil {
			o.t.Fatal(err)
		}
	}
}

// A node that comes up with a certificate that has ended signs its own key another, however often, and the others know it by the first.
func TestNodeThatWasAwayIsKnown(t *testing.T) {
	o := newOffice(t)
	cfg := Config{Node: "n2", Data: t.TempDir()}
	first, key := o.give("n2", nil)
	o.keepCredentials(cfg, first, key)
	cr, err := loadCredentials(cfg)
	if err != nil {
		t.Fatal(err)
	}
	id := &identity{Node: "n2", Nodes: []model.Node{{Name: "n2"}}}
	w := witness{memory: &identity{Node: "n1"}, quorum: true, touched: true, snap: engine.Snapshot{
		Schema: model.RecordedFrom, State: model.State{Cluster: model.Cluster{ID: "c1"}}, Certificates: []model.Certificate{recordOf(first, o.ca.Cert)},
	}}
	now := time.Now()
	if same, err := freshen(cfg, id, cr, now); err != nil || same != cr {
		t.Fatal("a certificate that holds was replaced", err)
	}
	for range 3 {
		now = now.Add(2 * pki.NodeLife)
		was := cr.leaf
		if cr, err = freshen(cfg, id, cr, now); err != nil {
			t.Fatal(err)
		}
		var chain []*x509.Certificate
		for _, der := range cr.pair.Certificate {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			chain = append(chain, c)
		}
		if cr.leaf.Equal(was) || !cr.timely(now) {
			t.Fatalf("its certificate ends on %v", cr.leaf.NotAfter)
		}
		if _, err := cr.nodes.VerifyChain(chain, now, x509.ExtKeyUsageClientAuth, pki.Node); err != nil {
			t.Error(err)
		}
		if err := w.given("n2", shown(chain), x509.ExtKeyUsageClientAuth); err != nil {
			t.Error(err)
		}
	}
}

// A certificate is written down for a node that is in the cluster, once.
func TestCertificateIsWrittenDownBeforeItIsUsed(t *testing.T) {
	o := newOffice(t)
	cert, _ := o.give("n2", nil)
	record, store := recordOf(cert, o.ca.Cert), confdb.NewMemory()
	if err := writeDown(t.Context(), store, "n2", record); !fault.Is(err, fault.Precondition) {
		t.Errorf("for a node that was removed: %v", err)
	}
	value, err := confdb.Encode(confdb.KindNode, model.Node{Name: "n2"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Txn(t.Context(), nil, []confdb.Op{{Key: confdb.KeyNode("n2"), Value: value}}); err != nil {
		t.Fatal(err)
	}
	var revisions []cluster.Revision
	for range 2 {
		if err := writeDown(t.Context(), store, "n2", record); err != nil {
			t.Fatal(err)
		}
		e, err := store.Get(t.Context(), confdb.PrefixCertificate+record.Fingerprint)
		if err != nil || e.Value == nil {
			t.Fatal("it is not written down", err)
		}
		revisions = append(revisions, e.ModRevision)
	}
	if revisions[0] != revisions[1] {
		t.Error("it was written twice")
	}
}

// Who restores a snapshot knows which certificates the other nodes were given since it was made.
func TestRestoredClusterKnowsItsNodes(t *testing.T) {
	entry := func(n model.Node) confdb.Entry {
		value, err := confdb.Encode(confdb.KindNode, n)
		if err != nil {
			t.Fatal(err)
		}
		return confdb.Entry{Key: confdb.KeyNode(n.Name), Value: value}
	}
	id := &identity{Node: "n1", Nodes: []model.Node{{Name: "n1", ID: 1, Certificate: "a"}, {Name: "n2", ID: 2, Certificate: "new"}, {Name: "n3", ID: 7, Certificate: "another machine"}}}
	ops, err := rememberedCertificates([]confdb.Entry{
		entry(model.Node{Name: "n1", ID: 1, Certificate: "a"}), entry(model.Node{Name: "n2", ID: 2, Certificate: "old", Host: "h2"}),
		entry(model.Node{Name: "n3", ID: 3, Certificate: "c"}), entry(model.Node{Name: "n4", ID: 4, Certificate: "d"}), {Key: confdb.KeyNode("n5"), Value: []byte("damaged")},
	}, id)
	if err != nil {
		t.Fatal(err)
	}
	if len(ops) != 1 || ops[0].Key != confdb.KeyNode("n2") {
		t.Fatalf("written: %+v", ops)
	}
	now, err := confdb.Decode[model.Node](confdb.KindNode, ops[0].Key, ops[0].Value)
	if err != nil || now.Certificate != "new" || now.Host != "h2" {
		t.Errorf("%+v, %v", now, err)
	}
}

// What decides whether a certificate counts is all looked at when calls that are under way are judged again.
func TestCallsAreJudgedAgain(t *testing.T) {
	base := func() engine.Snapshot {
		return engine.Snapshot{
			Revoked: []string{"r"}, Certificates: []model.Certificate{{Fingerprint: "f", Kind: "node"}, {Fingerprint: "u", Kind: "user"}},
			State: model.State{Nodes: []model.NodeState{{Node: model.Node{Name: "n1", Certificate: "c"}}}},
		}
	}
	for what, change := range map[string]func(s *engine.Snapshot){
		"a revocation": func(s *engine.Snapshot) { s.Revoked = append(s.Revoked, "s") },
		"a removal":    func(s *engine.Snapshot) { s.State.Nodes = nil },
		"a renewal":    func(s *engine.Snapshot) { s.State.Nodes[0].Certificate = "d" },
		"a record":     func(s *engine.Snapshot) { s.Certificates = s.Certificates[1:] },
	} {
		next := base()
		if change(&next); slices.Equal(standingOf(base()), standingOf(next)) {
			t.Errorf("%s changes nothing", what)
		}
	}
	if next := base(); !slices.Equal(standingOf(base()), standingOf(next)) {
		t.Error("calls are judged again although nothing was changed")
	}
}
