package etcdstore

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/pki"
)

// patience bounds every wait for something that has to happen.
const patience = 20 * time.Second

// authority gives certificates to the nodes of a test.
type authority struct {
	t  *testing.T
	ca *pki.Identity
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	ca, err := pki.NewAuthority(pki.AuthorityOfNodes, "c1", "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t: t, ca: ca}
}

// files are the files of a node whose certificate is made at now.
func (a *authority) files(node cluster.NodeName, ip string, now time.Time) TLSFiles {
	a.t.Helper()
	key, csr, err := pki.NewRequest(node)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := a.ca.SignNode(csr, node, []net.IP{net.ParseIP(ip)}, 0, now)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	dir := a.t.TempDir()
	put := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		return path
	}
	return TLSFiles{CA: put("ca.crt", "CERTIFICATE", a.ca.Cert.Raw), Cert: put("node.crt", "CERTIFICATE", cert.Raw), Key: put("node.key", "EC PRIVATE KEY", der)}
}

// members is a repository on loopback addresses; all members use the same two ports, as on real nodes.
type members struct {
	t            *testing.T
	authority    *authority
	client, peer int
	net          byte
	log          *slog.Logger
	running      map[cluster.NodeName]*Member
	cfgs         map[cluster.NodeName]MemberConfig
}

// nets counts repositories, so that each has loopback addresses of its own.
var nets atomic.Int32

func newMembers(t *testing.T) *members {
	t.Helper()
	m := &members{
		t: t, authority: newAuthority(t), net: byte(nets.Add(1)), running: map[cluster.NodeName]*Member{}, cfgs: map[cluster.NodeName]MemberConfig{},
		log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	m.client, m.peer = freePort(t), freePort(t)
	t.TempDir() // is removed after the members have stopped
	t.Cleanup(func() {
		for n := range m.running {
			m.stop(n)
		}
	})
	return m
}

// freePort finds a port that nobody listens at, below those that the kernel gives to outgoing connections: one of those may be taken at any moment.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("0.0.0.0:%d", 10000+rand.IntN(22000)))
		if err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func node(i int) cluster.NodeName { return cluster.NodeName(fmt.Sprintf("n%d", i)) }

func (m *members) ip(i int) string       { return fmt.Sprintf("127.77.%d.%d", m.net, i) }
func (m *members) endpoint(i int) string { return hostPort(m.ip(i), m.client) }

// addresses is what the cluster knows of its nodes.
func (m *members) addresses() map[cluster.NodeName]string {
	out := map[cluster.NodeName]string{}
	for i := 1; i <= 5; i++ {
		out[node(i)] = m.ip(i)
	}
	return out
}

func (m *members) config(i int, mode Mode, peers map[cluster.NodeName]string) MemberConfig {
	cfg, ok := m.cfgs[node(i)]
	if !ok {
		cfg = MemberConfig{
			Node: node(i), Address: m.ip(i), ClientPort: m.client, PeerPort: m.peer, Dir: filepath.Join(m.t.TempDir(), "repository"),
			TLS: m.authority.files(node(i), m.ip(i), time.Now()), Cluster: "test", Log: m.log.With("member", node(i)),
		}
	}
	cfg.Mode, cfg.Peers = mode, peers
	m.cfgs[node(i)] = cfg
	return cfg
}

// start starts a member and waits until it serves.
func (m *members) start(i int, mode Mode, peers map[cluster.NodeName]string) *Member {
	m.t.Helper()
	return m.startWith(m.config(i, mode, peers))
}

func (m *members) startWith(cfg MemberConfig) *Member {
	m.t.Helper()
	member, err := StartMember(m.t.Context(), cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	m.running[cfg.Node] = member
	waitFor(m.t, "member "+string(cfg.Node)+" serves", member.Ready())
	return member
}

func (m *members) stop(n cluster.NodeName) {
	m.t.Helper()
	m.running[n].Close()
	delete(m.running, n)
}

// open gives a client of the members with these numbers, the first one preferred.
func (m *members) open(numbers ...int) *Store {
	m.t.Helper()
	var endpoints []string
	for _, i := range numbers {
		endpoints = append(endpoints, m.endpoint(i))
	}
	s, err := Dial(ClientConfig{Endpoints: endpoints, TLS: m.authority.files("client", "127.0.0.1", time.Now()), Log: m.log})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(s.Close)
	return s
}

// electorate is the one over s.
func (m *members) electorate(s *Store) *Electorate {
	return NewElectorate(s, m.addresses, m.peer)
}

// grow makes a repository of n voters, the way a cluster does it: one learner after the other.
func (m *members) grow(n int) *Store {
	m.t.Helper()
	m.start(1, ModeNew, nil)
	s := m.open(1)
	for i := 2; i <= n; i++ {
		m.seat(s, i)
	}
	return s
}

// seat adds member i as a learner, starts it and makes it a voter.
func (m *members) seat(s *Store, i int) {
	m.t.Helper()
	ctx := bounded(m.t)
	e := m.electorate(s)
	eventually(m.t, "seat "+string(node(i)), func() error { return e.AddLearner(ctx, node(i)) })
	peers, err := e.Peers(ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	member, err := StartMember(ctx, m.config(i, ModeJoin, peers))
	if err != nil {
		m.t.Fatal(err)
	}
	m.running[node(i)] = member
	eventually(m.t, "promote "+string(node(i)), func() error { return e.Promote(ctx, node(i)) })
	waitFor(m.t, "member serves", member.Ready())
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func waitFor(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("waited %v: %s", patience, what)
	}
}

// eventually calls f until it succeeds.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v: %s: %v", patience, what, err)
		}
	}
}

func put(t *testing.T, s confdb.Store, key, value string) cluster.Revision {
	t.Helper()
	rev, err := s.Txn(bounded(t), nil, []confdb.Op{{Key: confdb.Root + key, Value: []byte(value)}})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func get(t *testing.T, s confdb.Store, key string) string {
	t.Helper()
	e, err := s.Get(bounded(t), confdb.Root+key)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.Value)
}

// compact forgets the history.
func compact(t *testing.T, s *Store) {
	t.Helper()
	e, err := s.Get(bounded(t), confdb.Root+"k")
	if err != nil {
		t.Fatal(err)
	}
	req := &etcdserverpb.CompactionRequest{Revision: int64(e.ModRevision), Physical: true}
	if _, err := etcdserverpb.NewKVClient(s.endpoints[0].conn).Compact(bounded(t), req); err != nil {
		t.Fatal(err)
	}
}

// replace puts a copy of one file in the place of another.
func replace(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
