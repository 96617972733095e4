package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

// A voter that can not read what a majority has lets nobody speak to it as another voter whom it did not know, nor with a certificate that it did not know, unless the node that the
// certificate names answers with it.
func TestVoterKeepsWhomItKnew(t *testing.T) {
	o := newOffice(t)
	n1, _ := o.give("n1", nil)
	n2, key2 := o.give("n2", nil)
	n3, _ := o.give("n3", nil)
	renewed, _ := o.give("n2", nil)
	minted, _ := o.give("n2", nil)
	longer, _ := o.give("n2", key2)
	id := pki.Fingerprint
	memory := &identity{Node: "n1", Schema: model.RecordedFrom, Nodes: []model.Node{{Name: "n1", Certificate: id(n1)}, {Name: "n2", Certificate: id(n2)}}}
	down := witness{memory: memory, own: id(n1)}
	cut := down
	cut.snap = engine.Snapshot{
		Schema: model.RecordedFrom, Certificates: []model.Certificate{recordOf(renewed, o.ca.Cert)},
		State: model.State{Cluster: model.Cluster{ID: "c1"}, Nodes: []model.NodeState{nodeOf("n2", n2), nodeOf("n3", n3)}},
	}
	gone := cut
	gone.snap.State.Nodes = cut.snap.State.Nodes[1:]
	older := down
	older.memory = &identity{Node: "n1", Nodes: memory.Nodes}
	for what, c := range map[string]struct {
		w     witness
		name  cluster.NodeName
		chain []*x509.Certificate
		shows *x509.Certificate // by who answers at the node's own address
		want  bool
	}{
		"as remembered":                                {down, "n2", []*x509.Certificate{n2}, nil, true},
		"ended and signed again":                       {down, "n2", []*x509.Certificate{longer, n2}, nil, true},
		"given meanwhile, and there":                   {down, "n2", []*x509.Certificate{renewed}, renewed, true},
		"given meanwhile, and not seen":                {down, "n2", []*x509.Certificate{renewed}, nil, false},
		"minted in the name of a node that is there":   {down, "n2", []*x509.Certificate{minted}, renewed, false},
		"minted in the name of a node that is away":    {down, "n2", []*x509.Certificate{minted}, nil, false},
		"the certificate of another":                   {down, "n2", []*x509.Certificate{n3}, n2, false},
		"a node that was not known":                    {down, "n3", []*x509.Certificate{n3}, n3, false},
		"minted in a name that nobody has":             {down, "n9", []*x509.Certificate{minted}, minted, false},
		"out of touch, joined before that":             {cut, "n3", []*x509.Certificate{n3}, nil, true},
		"out of touch, given before that":              {cut, "n2", []*x509.Certificate{renewed}, nil, true},
		"out of touch, minted":                         {cut, "n2", []*x509.Certificate{minted}, n2, false},
		"out of touch, removed before that":            {gone, "n2", []*x509.Certificate{n2}, n2, false},
		"daemons that do not write down what they use": {older, "n2", []*x509.Certificate{minted}, nil, true},
		"of such daemons, a node that was not known":   {older, "n3", []*x509.Certificate{n3}, n3, false},
	} {
		err := c.w.kept(c.name, shown(c.chain), func(r model.Node, prints []string) bool {
			return r.Name == c.name && c.shows != nil && slices.Contains(prints, id(c.shows))
		})
		if (err == nil) != c.want || err != nil && !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Whoever asks without end makes a node look once a second, and is let in when the node was seen with what he shows.
func TestLooksAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		var there atomic.Bool
		c := newCallback(func(ctx context.Context, r model.Node) ([]string, error) {
			looks.Add(1)
			if !there.Load() {
				<-ctx.Done()
				return nil, errors.New("nobody answers")
			}
			return []string{"SHA256:" + string(r.Name)}, nil
		}, slog.New(slog.DiscardHandler))
		ask := func() bool { return c.answers(model.Node{Name: "n2"}, []string{"SHA256:n2"}) }
		for range 100 {
			if time.Sleep(100 * time.Millisecond); ask() {
				t.Fatal("it was let in and nobody answered")
			}
		}
		if n := looks.Load(); n < 9 || n > 11 {
			t.Errorf("%d looks in ten seconds", n)
		}
		there.Store(true)
		time.Sleep(2 * lookAgain)
		ask()
		synctest.Wait()
		if !ask() || c.answers(model.Node{Name: "n2"}, []string{"SHA256:minted"}) {
			t.Error("not that one certificate is let in with which the node answers")
		}
		time.Sleep(2 * lookAgain)
	})
}

// A voter that has just come up looks by itself which certificate another has now.
func TestVoterLooksWhatAnotherHasNow(t *testing.T) {
	o := newOffice(t)
	own, key := o.give("n1", nil)
	was, _ := o.give("n2", nil)
	now, nowKey := o.give("n2", nil)
	minted, _ := o.give("n2", nil)
	cfg := Config{Node: "n1", Data: t.TempDir()}
	o.keepCredentials(cfg, own, key)
	cr, err := loadCredentials(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := model.Node{Name: "n2", PrivateAddress: "127.74.3.2", Certificate: pki.Fingerprint(was)}
	n := &node{
		cfg: cfg, mirror: engine.NewMirror(confdb.NewMemory(), slog.New(slog.DiscardHandler)),
		id: &identity{Cluster: model.Cluster{ID: "c1"}, Node: "n1", Schema: model.RecordedFrom, Nodes: []model.Node{{Name: "n1"}, r}},
	}
	n.creds.Store(cr)
	n.callback = newCallback(n.shownAt, slog.New(slog.DiscardHandler))
	n.callback.next["n2"] = time.Now().Add(time.Hour) // the test looks itself
	admits := func(cert *x509.Certificate) bool { return n.admitPeer([]*x509.Certificate{cert}) == nil }
	if !admits(was) || admits(now) || admits(minted) {
		t.Error("before anybody answers, not what was known is let in")
	}
	n.callback.lookAt(r)
	if admits(now) {
		t.Error("nobody answers, and what is not known is let in")
	}
	serveAs(t, net.JoinHostPort(r.PrivateAddress, strconv.Itoa(cluster.PortPeer)), now, nowKey, cr)
	n.callback.lookAt(r)
	if !admits(was) || !admits(now) || admits(minted) {
		t.Errorf("n2 answers with another certificate than was known: %v, %v, minted %v", admits(was), admits(now), admits(minted))
	}
}

// serveAs answers handshakes as the holder of a certificate until the test ends.
func serveAs(t *testing.T, address string, cert *x509.Certificate, key *ecdsa.PrivateKey, cr *credentials) {
	t.Helper()
	l, err := tls.Listen("tcp", address, &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: cr.nodes.Pool(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1)) // to its end
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
}
