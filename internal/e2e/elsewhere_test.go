package e2e_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/lab"
)

// TestQuorumServerElsewhere is two nodes on interconnects of their own, and their third vote on the public network alone.
func TestQuorumServerElsewhere(t *testing.T) {
	w := own(t, "e2ep", lab.Options{Nodes: 2, QuorumPublic: true})
	t.Run("joined", func(t *testing.T) {
		runs(t)
		for _, n := range w.Nodes() {
			w.pathsOf(t, n)
		}
		public := 0
		for _, s := range w.documented(t) {
			if s.at.Addr().Unmap() == publicOf(t, w, s.node) && slices.Contains([]int{cluster.PortHeartbeat, cluster.PortClient, cluster.PortPeer}, int(s.at.Port())) {
				public++
			}
		}
		if public != 9 {
			t.Errorf("%d listeners on public addresses, want three on each machine", public)
		}
	})
	t.Run("a node dies", func(t *testing.T) {
		runs(t)
		w.web(t, "n1")
		p := w.watch(t)
		if _, err := w.Kill("n1"); err != nil {
			t.Fatal(err)
		}
		w.onlineOn(t, "n2", "n2")
		p.stop(t)
		w.do(t, "n2", "group", "set", "-p", "RG_description=alone", "web-rg")
		w.mend(t)
	})
	t.Run("the interconnects are cut", func(t *testing.T) {
		runs(t)
		w.web(t, "n2")
		p := w.watch(t, "n1", "n2")
		before := w.webProcess(t)
		if err := w.Cut(lab.Fault{Machine: "n1", Networks: []string{"ic1", "ic2"}}); err != nil {
			t.Fatal(err)
		}
		// Both reach the quorum server, so neither is lost, and each says that it does not hear the other.
		eventually(t, func() string {
			for _, n := range w.Nodes() {
				for _, path := range w.pathTo(t, n, w.other(t, n)) {
					if path.State != "faulted" {
						return n + " does not say that the path " + path.Network + " is faulted"
					}
				}
			}
			return ""
		})
		if now := w.webProcess(t); now != before {
			t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
		}
		w.do(t, "n1", "group", "set", "-p", "RG_description=cut", "web-rg")
		w.do(t, "n2", "group", "switch", "-n", "n1", "web-rg")
		w.onlineOn(t, "n2", "n1")
		w.do(t, "n1", "group", "switch", "-n", "n2", "web-rg")
		w.onlineOn(t, "n1", "n2")
		// Now the one that serves loses the quorum server too: the other has the majority, and it alone.
		if err := w.Cut(lab.Fault{Machine: "n2", From: []string{lab.QuorumServer}, Networks: []string{"pub"}}); err != nil {
			t.Fatal(err)
		}
		w.onlineOn(t, "n1", "n1")
		p.stop(t)
		w.do(t, "n1", "group", "set", "-p", "RG_description=won", "web-rg")
		w.mend(t)
		w.onlineOn(t, "n2", "n1")
	})
	t.Run("the way to the quorum server is cut", func(t *testing.T) {
		runs(t)
		w.web(t, "n1")
		w.withoutServer(t, func() error { return w.Cut(lab.Fault{Machine: lab.QuorumServer}) })
	})
	t.Run("the quorum server dies", func(t *testing.T) {
		runs(t)
		w.web(t, "n1")
		w.withoutServer(t, func() error { _, err := w.Kill(lab.QuorumServer); return err })
		for _, n := range w.Nodes() {
			w.pathsOf(t, n)
		}
	})
	t.Run("removed and joined again", func(t *testing.T) {
		runs(t)
		w.do(t, "n1", "quorum", "remove", "-y", lab.QuorumServer)
		eventually(t, func() string {
			for _, n := range show[[]v1.Node](t, w, "n1", "node", "show") {
				if n.PublicAddress != "" {
					return n.Name + " has still a public address on record"
				}
			}
			return ""
		})
		eventually(t, func() string {
			for _, n := range w.Nodes() {
				out, err := w.Output(t.Context(), n, "ss", "-Hlntu", "src", "10.77.0.0/24", "or", "src", "172.31.240.3/32")
				if err != nil {
					t.Fatal(err)
				}
				for _, port := range []string{":7400", ":7402", ":7403"} {
					if strings.Contains(out, port) {
						return n + " still listens for it: " + out
					}
				}
			}
			return ""
		})
		// Now its address is named, one of IPv6, and it gets another number.
		var key string
		eventually(t, func() string {
			out, err := w.Output(t.Context(), lab.QuorumServer, "redoubt", "node", "key")
			key = strings.TrimSpace(out)
			if err != nil || strings.Contains(w.do(t, lab.QuorumServer, "status", "-o", "json"), `"inCluster": true`) {
				return "the quorum server has not forgotten the cluster"
			}
			return ""
		})
		var c v1.Cluster
		if err := json.Unmarshal([]byte(w.do(t, "n1", "cluster", "show", "-o", "json")), &c); err != nil {
			t.Fatal(err)
		}
		w.do(t, "n2", "quorum", "add", "-t", "quorum_server", "-p", "key="+key, lab.QuorumServer)
		w.do(t, lab.QuorumServer, "node", "join", "--sponsor", "n2-pub", "--public", "fd77::200", "--fingerprint", c.Fingerprint)
		w.mend(t)
		for _, n := range w.Nodes() {
			w.pathsOf(t, n)
		}
		for _, s := range w.documented(t) {
			if s.network == "udp" && s.at.Addr() == publicOf(t, w, s.node) {
				t.Errorf("%s still listens at %s", s.node, s.at)
			}
		}
	})
}

// withoutServer lets the quorum server be lost and come back: two of three votes are left, and nothing happens to what runs.
func (w *world) withoutServer(t *testing.T, lose func() error) {
	t.Helper()
	p := w.watch(t)
	before := w.webProcess(t)
	if err := lose(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if q := w.status(t, "n1").Cluster.Quorum; q.Present != 2 || !q.Quorate {
			return "the loss of the quorum server is not seen"
		}
		return ""
	})
	w.do(t, "n2", "group", "set", "-p", "RG_description=two", "web-rg")
	w.mend(t)
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	p.stop(t)
}

// pathTo are the paths from a node to another machine.
func (w *world) pathTo(t *testing.T, from, to string) []v1.PathStatus {
	t.Helper()
	nodes := w.status(t, from).Nodes
	i := slices.IndexFunc(nodes, func(n v1.NodeState) bool { return n.Name == to })
	if i < 0 {
		t.Fatalf("%s does not know %s", from, to)
	}
	return nodes[i].Paths
}

// pathsOf waits until a node hears the quorum server over the public network, and the other node over the interconnects.
func (w *world) pathsOf(t *testing.T, from string) {
	t.Helper()
	want := map[string][]string{lab.QuorumServer: {v1.PublicPath}, w.other(t, from): {"10.77.1.0/24", "10.77.2.0/24"}}
	eventually(t, func() string {
		for to, networks := range want {
			var online []string
			paths := w.pathTo(t, from, to)
			for _, p := range paths {
				if p.State == "online" {
					online = append(online, p.Network)
				}
			}
			if len(paths) != len(networks) || !slices.Equal(online, networks) {
				return from + " does not hear " + to + " as it should"
			}
		}
		return ""
	})
}

func publicOf(t *testing.T, w *world, name string) netip.Addr {
	t.Helper()
	a, err := w.Address(name, "pub")
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddr(a)
}
