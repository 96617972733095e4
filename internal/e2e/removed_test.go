package e2e_test

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	v1 "redoubt/api/v1"
	"redoubt/internal/beat"
	"redoubt/internal/cluster"
	"redoubt/internal/lab"
	"redoubt/internal/membership"
	"redoubt/internal/pki"
	"redoubt/internal/rgm/model"
)

// kept is what a node has of its cluster, and what a machine that was removed may have copied before.
type kept struct {
	pair      tls.Certificate
	authority pki.Identity
	heartbeat *ecdh.PrivateKey
	identity  struct {
		Cluster model.Cluster `json:"cluster"`
		Nodes   []model.Node  `json:"nodes"`
	}
}

func (w *world) keep(t *testing.T, node string) kept {
	t.Helper()
	lib := filepath.Join(w.Disk(node), "lib")
	read := func(file string) []byte {
		b, err := os.ReadFile(filepath.Join(lib, file))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	block := func(file string) []byte {
		b, _ := pem.Decode(read(file))
		if b == nil {
			t.Fatalf("%s holds nothing", file)
		}
		return b.Bytes
	}
	key := func(file string) any {
		k, err := x509.ParsePKCS8PrivateKey(block(file))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	var k kept
	var err error
	if k.pair, err = tls.X509KeyPair(read("node.pem"), read("node.pem")); err != nil {
		t.Fatal(err)
	}
	if k.authority.Cert, err = x509.ParseCertificate(block("ca.crt")); err != nil {
		t.Fatal(err)
	}
	k.authority.Key, k.heartbeat = key("ca.key").(*ecdsa.PrivateKey), key("heartbeat.key").(*ecdh.PrivateKey)
	if err := json.Unmarshal(read("identity.json"), &k.identity); err != nil {
		t.Fatal(err)
	}
	return k
}

// mint makes a certificate in the name of a node, as whoever has the authority's key can.
func (k kept) mint(t *testing.T, name cluster.NodeName) tls.Certificate {
	t.Helper()
	key, request, err := pki.NewRequest(name)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := k.authority.SignNode(request, name, []net.IP{net.ParseIP("172.31.240.1")}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// repository connects to the client port of n2's member as the holder of a certificate.
func (w *world) repository(t *testing.T, pair tls.Certificate) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///172.31.240.2:7402",
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return w.Dial(ctx, "n1", "tcp", address) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// read asks n2's member for the record of the cluster.
func (w *world) read(t *testing.T, pair tls.Certificate) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := etcdserverpb.NewKVClient(w.repository(t, pair)).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte("/redoubt/cluster")})
	return err
}

// strangers is how many heartbeats of senders that it does not know a node has dropped.
func (w *world) strangers(t *testing.T, node string) int {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", w.Socket(node))
	}}}
	answer, err := c.Get("http://redoubt/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasSuffix(name, `heartbeats_dropped_total{reason="sender"}`) {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
	}
	t.Fatalf("node %s does not count heartbeats of strangers:\n%s", node, text)
	return 0
}

// A machine that was removed comes back with all that it kept: a watch that is open, its certificate, the authority's key with which it makes another in the name of a node
// that is there, and its heartbeat key. Nothing of it counts on any port.
func TestRemovedNodeComesBack(t *testing.T) {
	w := own(t, "e2er", lab.Options{Nodes: 3})
	old, own := w.keep(t, "n3"), w.keep(t, "n1")
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	stream, err := etcdserverpb.NewWatchClient(w.repository(t, old.pair)).Watch(ctx)
	if err == nil {
		err = stream.Send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: &etcdserverpb.WatchCreateRequest{
			Key: []byte("/redoubt/"), RangeEnd: []byte("/redoubt0"),
		}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	if first, err := stream.Recv(); err != nil || !first.Created {
		t.Fatal(first, err)
	}
	w.daemon(t, "n3", lab.DaemonLeave)
	if out := w.do(t, "n1", "node", "remove", "-F", "n3"); !strings.Contains(out, "rotate-authority") {
		t.Errorf("nothing says that n3 knows the authority's key:\n%s", out)
	}
	removed := time.Now()
	for err = nil; err == nil; { // what is written until then, the removal too
		_, err = stream.Recv()
	}
	if took := time.Since(removed); ctx.Err() != nil || took > 5*time.Second {
		t.Errorf("a watch of the removed node went on for %v: %v", took, err)
	}
	for _, port := range []int{7401, 7402, 7403} {
		if err := w.speak(t, port, own.pair, tls.VersionTLS13); err != nil {
			t.Errorf("port %d, a node of the cluster: %v", port, err)
		}
		eventually(t, func() string {
			if w.speak(t, port, old.pair, tls.VersionTLS13) == nil {
				return "port " + strconv.Itoa(port) + " takes the certificate of a node that was removed"
			}
			return ""
		})
	}
	for _, name := range []cluster.NodeName{"n1", "n2", "n3"} {
		minted := old.mint(t, name)
		if err := w.speak(t, 7401, minted, tls.VersionTLS13); err == nil || !strings.HasPrefix(err.Error(), "40") {
			t.Errorf("7401 answers a certificate that the removed node made for %s: %v", name, err)
		}
		if err := w.read(t, minted); status.Code(err) != codes.PermissionDenied {
			t.Errorf("7402 answers a certificate that the removed node made for %s: %v", name, err)
		}
		if err := w.speak(t, 7403, minted, tls.VersionTLS13); err == nil || !strings.HasPrefix(err.Error(), "403") {
			t.Errorf("7403 answers a certificate that the removed node made for %s: %v", name, err)
		}
	}
	if err := w.read(t, own.pair); err != nil {
		t.Errorf("a node of the cluster: %v", err)
	}
	w.heartbeats(t, old)
	if s := w.status(t, "n1"); len(s.Nodes) != 2 {
		t.Errorf("the cluster has other nodes than n1 and n2: %+v", s.Nodes)
	}
	minted := old.mint(t, "n1")
	w.do(t, "n1", "certificate", "rotate-authority", "-y", "-F")
	eventually(t, func() string {
		if w.speak(t, 7403, minted, tls.VersionTLS13) == nil {
			return "port 7403 takes a certificate of the old authority"
		}
		return ""
	})
	if err := w.speak(t, 7403, w.keep(t, "n1").pair, tls.VersionTLS13); err != nil {
		t.Errorf("port 7403, a node of the cluster: %v", err)
	}
}

// A node is removed while a voter is down, which knows nothing of it. When the voter comes back it refuses the removed node as all the others do.
func TestRemovedWhileAVoterWasDown(t *testing.T) {
	w := own(t, "e2erv", lab.Options{Nodes: 4})
	if slices.ContainsFunc(w.status(t, "n1").Cluster.Quorum.Voters, func(v v1.VoterStatus) bool { return v.Node == "n4" }) {
		t.Fatal("n4 votes")
	}
	old := w.keep(t, "n4")
	w.daemon(t, "n4", lab.DaemonLeave)
	w.daemon(t, "n2", lab.DaemonLeave)
	w.do(t, "n1", "node", "remove", "-F", "n4")
	w.daemon(t, "n2", lab.DaemonStart)
	eventually(t, func() string {
		if w.speakTo(t, "n2", 7403, old.pair, tls.VersionTLS13) == nil {
			t.Error("n2, which has read nothing yet, takes the node that was removed for a member, although the others can say that it is none")
		}
		out, err := w.try(t.Context(), "n2", "node", "list")
		if err != nil || strings.Contains(out, "n4") || !strings.Contains(out, "n2") {
			return fmt.Sprintf("n2 knows the nodes %q, %v", out, err)
		}
		return ""
	})
	if log, err := os.ReadFile(filepath.Join(w.Disk("n2"), "log", "redoubt", "redoubtd.log")); err != nil || !strings.Contains(string(log), "it is not in the cluster any more, by the word of n1, n3") {
		t.Errorf("n2 does not say that it believes n4 no more: %v", err)
	}
	minted := old.mint(t, "n1")
	for _, node := range []string{"n1", "n2", "n3"} {
		for _, port := range []int{7401, 7402, 7403} {
			for what, pair := range map[string]tls.Certificate{"the certificate of the removed node": old.pair, "a certificate that it made for another": minted} {
				eventually(t, func() string {
					if w.speakTo(t, node, port, pair, tls.VersionTLS13) == nil {
						return node + " takes " + what + " on port " + strconv.Itoa(port)
					}
					return ""
				})
			}
			if err := w.speakTo(t, node, port, w.keep(t, "n1").pair, tls.VersionTLS13); err != nil {
				t.Errorf("port %d of %s, a node of the cluster: %v", port, node, err)
			}
		}
	}
	w.findTogether(t, old)
}

// findTogether has n2 come up alone, after n1 was given another certificate: as long as it can read nothing, it goes by what it knew. Then n1 comes, whose certificate n2 does not
// know, without n3: neither can read anything without the other.
func (w *world) findTogether(t *testing.T, old kept) {
	t.Helper()
	w.daemon(t, "n2", lab.DaemonStop)
	w.do(t, "n1", "certificate", "renew", "n1")
	w.daemon(t, "n3", lab.DaemonStop)
	w.daemon(t, "n1", lab.DaemonStop)
	w.daemon(t, "n2", lab.DaemonStart)
	known := w.keep(t, "n3").pair
	eventually(t, func() string {
		if err := w.speakTo(t, "n2", 7403, known, tls.VersionTLS13); err != nil {
			return "n2 is alone and does not answer whom it knew: " + err.Error()
		}
		return ""
	})
	for what, pair := range map[string]tls.Certificate{
		"a certificate that was made for n1": old.mint(t, "n1"), "one that was made for nobody": old.mint(t, "n9"), "that of the removed node": old.pair, "one that nobody answers with": w.keep(t, "n1").pair,
	} {
		if w.speakTo(t, "n2", 7403, pair, tls.VersionTLS13) == nil {
			t.Errorf("n2 is alone, and answers to %s", what)
		}
	}
	if err := w.speakTo(t, "n2", 7403, known, tls.VersionTLS13); err != nil {
		t.Errorf("n2 does not answer any more whom it knew: %v", err)
	}
	w.daemon(t, "n1", lab.DaemonStart)
	eventually(t, func() string {
		if _, err := w.try(t.Context(), "n2", "node", "list"); err != nil {
			return err.Error()
		}
		if err := w.speakTo(t, "n2", 7403, w.keep(t, "n1").pair, tls.VersionTLS13); err != nil {
			return "n2 does not take the certificate that n1 was given meanwhile: " + err.Error()
		}
		return ""
	})
	w.do(t, "n2", "certificate", "renew", "n2") // that is written by a majority
}

// heartbeats sends those of the removed n3 to n1, with its old key and from its own addresses, and sees n1 drop them.
func (w *world) heartbeats(t *testing.T, old kept) {
	t.Helper()
	paths := func(n model.Node) (out []netip.Addr) {
		for _, a := range n.Addresses {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	var n1, n3 model.Node
	for _, n := range old.identity.Nodes {
		switch n.Name {
		case "n1":
			n1 = n
		case "n3":
			n3 = n
		}
	}
	var transport *beat.Transport
	err := w.InNetwork("n3", func() (err error) {
		transport, err = beat.Listen(beat.Config{
			Node: n3.Name, ID: uint32(n3.ID), ClusterID: old.identity.Cluster.ID, Key: old.heartbeat, Addresses: paths(n3), Port: cluster.PortHeartbeat, Log: slog.New(slog.DiscardHandler),
			Deliver: func(int, membership.Message, membership.Instant) { t.Error("n1 answers a node that was removed") },
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer transport.Close()
	if err := transport.SetPeers([]beat.Peer{{Node: n1.Name, ID: uint32(n1.ID), Key: n1.HeartbeatKey, Addresses: paths(n1)}}); err != nil {
		t.Fatal(err)
	}
	before := w.strangers(t, "n1")
	eventually(t, func() string {
		transport.Send("n1", membership.Message{From: "n3", Session: 1, Seq: uint64(time.Now().UnixNano()), Heartbeat: &membership.Heartbeat{}})
		if w.strangers(t, "n1") <= before {
			return "n1 has not dropped a heartbeat of a stranger"
		}
		return ""
	})
}
