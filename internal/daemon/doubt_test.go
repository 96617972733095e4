package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"

	v1 "redoubt/api/v1"
)

// Whom at least as many nodes leave out as name is in doubt: one that lies about several changes nothing, of two that leave each other out neither is believed.
func TestWhoIsInDoubt(t *testing.T) {
	node := func(name string, id int) model.Node { return model.Node{Name: cluster.NodeName(name), ID: id} }
	nodes := []model.Node{node("n2", 2), node("n3", 3), node("n4", 4)}
	list := func(names ...string) (out []v1.KnownNode) {
		for _, n := range names {
			out = append(out, v1.KnownNode{Name: n, ID: int(n[1] - '0')})
		}
		return out
	}
	type says map[cluster.NodeName][]v1.KnownNode
	for what, c := range map[string]struct {
		said says
		want []cluster.NodeName
	}{
		"nobody says anything":              {nil, nil},
		"all are there":                     {says{"n2": list("n1", "n2", "n3", "n4"), "n3": list("n1", "n2", "n3", "n4")}, nil},
		"one was removed":                   {says{"n2": list("n1", "n2", "n3"), "n3": list("n1", "n2", "n3")}, []cluster.NodeName{"n4"}},
		"one was removed, one answers":      {says{"n2": list("n1", "n2", "n3")}, []cluster.NodeName{"n4"}},
		"the removed one names itself":      {says{"n2": list("n1", "n2", "n3"), "n3": list("n1", "n2", "n3"), "n4": list("n1", "n2", "n3", "n4")}, []cluster.NodeName{"n4"}},
		"the removed one denies two":        {says{"n2": list("n1", "n2", "n3"), "n3": list("n1", "n2", "n3"), "n4": list("n1", "n4")}, []cluster.NodeName{"n4"}},
		"one word against another":          {says{"n2": list("n1", "n2", "n3"), "n4": list("n1", "n3", "n4")}, []cluster.NodeName{"n2", "n4"}},
		"it came back under another number": {says{"n2": append(list("n1", "n2", "n3"), v1.KnownNode{Name: "n4", ID: 5})}, []cluster.NodeName{"n4"}},
		"two against two":                   {says{"n2": list("n2", "n3"), "n3": list("n2", "n3"), "n4": list("n4", "n5"), "n5": list("n4", "n5")}, []cluster.NodeName{"n2", "n3", "n4"}},
	} {
		if got := slices.Sorted(maps.Keys(doubtful(nodes, c.said))); !slices.Equal(got, c.want) {
			t.Errorf("%s: in doubt are %v, want %v", what, got, c.want)
		}
	}
}

// A node that was away while another was removed hears so from those that are in the cluster, before it reads the repository from that one or speaks with it as with another member. It
// takes its word again once the repository says that it belongs to the cluster.
func TestWhoWasRemovedWhileANodeWasAway(t *testing.T) {
	o := newOffice(t)
	own, key := o.give("n1", nil)
	cfg := Config{Node: "n1", Data: t.TempDir()}
	cfg.Listen.API = ":17451"
	o.keepCredentials(cfg, own, key)
	cr, err := loadCredentials(cfg)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	n := &node{cfg: cfg, log: log, mirror: engine.NewMirror(confdb.NewMemory(), log), id: &identity{
		Cluster: model.Cluster{ID: "c1", Interconnects: []model.Interconnect{{Network: "127.74.5.0/24"}}}, Node: "n1", Schema: model.RecordedFrom, Nodes: []model.Node{{Name: "n1", ID: 1, PrivateAddress: "127.74.6.1", Addresses: []string{"127.74.5.1"}}},
	}}
	n.creds.Store(cr)
	n.callback = newCallback(n.shownAt, log)
	shows := map[string]*x509.Certificate{}
	var says [2]atomic.Pointer[[]v1.KnownNode]
	for i, name := range []string{"n2", "n3"} {
		cert, key := o.give(cluster.NodeName(name), nil)
		address := "127.74.5." + name[1:]
		shows[name] = cert
		n.id.Nodes = append(n.id.Nodes, model.Node{Name: cluster.NodeName(name), ID: i + 2, Addresses: []string{address}, PrivateAddress: "127.74.6." + name[1:], Certificate: pki.Fingerprint(cert)})
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var in v1.PeerFacts
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil || !in.Nodes || r.URL.Path != "/v1/peer/facts" {
				http.Error(w, "wrong question", http.StatusBadRequest)
				return
			}
			_ = json.NewEncoder(w).Encode(v1.NodeFacts{Node: name, Nodes: *says[i].Load()})
		}))
		s.Listener.Close()
		if s.Listener, err = tls.Listen("tcp", address+":17451", &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: cr.nodes.Pool(),
		}); err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(s.Close)
	}
	routed := func() (out []string) {
		for _, p := range n.routes(membership.View{}).Peers {
			out = append(out, p.Private.String())
		}
		return out
	}
	believes := func(name string) bool {
		chain := []*x509.Certificate{shows[name]}
		server, peer := n.acceptServer(chain), n.admitPeer(chain)
		if (server == nil) != (peer == nil) || server != nil && (!fault.Is(server, fault.Unavailable) || !strings.Contains(server.Error(), "is not in the cluster by the word of n2")) {
			t.Errorf("%s: %v, %v", name, server, peer)
		}
		return server == nil
	}
	without, all := []v1.KnownNode{{Name: "n1", ID: 1}, {Name: "n2", ID: 2}}, []v1.KnownNode{{Name: "n1", ID: 1}, {Name: "n2", ID: 2}, {Name: "n3", ID: 3}}
	says[0].Store(&without)
	says[1].Store(&[]v1.KnownNode{})
	if err := n.askAround(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !believes("n2") || believes("n3") || !slices.Equal(routed(), []string{"127.74.6.2"}) {
		t.Errorf("n3 was removed: believed is n2 %v, n3 %v; there are ways to %v", believes("n2"), believes("n3"), routed())
	}
	says[0].Store(&[]v1.KnownNode{}) // it has lost its lease: what was said stays
	if err := n.askAround(t.Context()); err != nil || believes("n3") {
		t.Error("n3 is believed again because nobody says anything", err)
	}
	says[0].Store(&all)
	if err := n.askAround(t.Context()); err != nil || !believes("n3") || len(routed()) != 2 {
		t.Errorf("n3 is in the cluster after all: %v, ways to %v", err, routed())
	}
}
