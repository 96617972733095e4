package control_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// inWitnessed is a cluster of two nodes and a quorum server.
func inWitnessed(t *testing.T, f func(*world)) {
	inWorld(t, func(w *world) {
		w.put(confdb.KeyNode("q1"), confdb.KindNode, model.Node{Name: "q1", ID: 9, QuorumServer: true, PrivateAddress: "172.31.0.9", Addresses: []string{"10.1.0.9", "10.2.0.9"}})
		w.start("q1", incarnation("q1"))
		synctest.Wait()
		f(w)
	})
}

// A quorum server that is lost is named as one, with what came of asking it and what to do, and not as paths that are broken besides.
func TestStatusNamesALostQuorumServer(t *testing.T) {
	inWitnessed(t, func(w *world) {
		t := w.t
		of := func(object string) (out []v1.Problem) {
			t.Helper()
			for _, p := range ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{})).Problems {
				if p.Object == object {
					out = append(out, p)
				}
			}
			return out
		}
		if got := of("node q1"); len(got) != 0 {
			t.Fatalf("of one that is there: %+v", got)
		}
		time.Sleep(7 * time.Second) // what it said last is not old yet
		w.poke(w.nodes["n1"], func(m *machine) { m.lost["q1"] = true })
		w.mu.Lock()
		w.cut["q1"] = true
		w.mu.Unlock()
		got := of("node q1")
		if len(got) != 1 {
			t.Fatalf("of one that is lost: %+v", got)
		}
		for _, want := range []string{"quorum server is down", "it is not heard", "node q1 can not be reached", "Services run on"} {
			if !strings.Contains(got[0].Text, want) {
				t.Errorf("%q does not say %q", got[0].Text, want)
			}
		}
		for _, want := range []string{"redoubtd quorum-server", "redoubt quorum remove q1"} {
			if !strings.Contains(got[0].Remedy, want) {
				t.Errorf("the remedy %q does not name %q", got[0].Remedy, want)
			}
		}
		w.poke(w.nodes["n1"], func(m *machine) { m.lost["q1"] = false })
		time.Sleep(time.Second)
		if got := of("node q1"); len(got) != 1 || got[0].Severity != "warning" || !strings.Contains(got[0].Text, "is heard, but does not speak to this node: node q1 can not be reached") {
			t.Errorf("of one that is heard and does not answer: %+v", got)
		}
		w.mu.Lock()
		delete(w.cut, "q1")
		w.mu.Unlock()
		time.Sleep(10 * time.Second)
		if got := of("node q1"); len(got) != 0 {
			t.Errorf("of one that is back: %+v", got)
		}
	})
}

// Who has lost a voter is told which one to bring back.
func TestStatusNamesTheMissingVoter(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.poke(w.nodes["n1"], func(m *machine) { m.lost["n3"] = true })
		problems := ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{})).Problems
		if !slices.ContainsFunc(problems, func(p v1.Problem) bool {
			return strings.Contains(p.Text, "none may fail") && strings.HasPrefix(p.Remedy, "bring back n3,")
		}) {
			t.Errorf("%+v", problems)
		}
	})
}

// A voter whose disk is full is named in the status before its copy of the repository stops, one without a byte left too.
func TestStatusNamesAFullDisk(t *testing.T) {
	inWitnessed(t, func(w *world) {
		t := w.t
		for _, c := range []struct {
			node     cluster.NodeName
			free     int64
			severity string
		}{{"n2", 1 << 30, ""}, {"n2", 63 << 20, "warning"}, {"n2", 1, "error"}, {"n2", 0, ""}, {"q1", 1, ""}} {
			w.nodes[c.node].facts.FreeBytes = c.free
			time.Sleep(2 * time.Minute)
			severity := ""
			for _, p := range ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{})).Problems {
				if p.Object == "node "+string(c.node) && strings.Contains(p.Text, "are free for its copy") {
					severity = p.Severity
				}
			}
			if severity != c.severity { // q1 does not vote among three nodes
				t.Errorf("%s with %d bytes: %q, want %q", c.node, c.free, severity, c.severity)
			}
		}
	})
}

// The checks look at a quorum server too, and ask none that is not heard.
func TestCheckLooksAtQuorumServers(t *testing.T) {
	inWitnessed(t, func(w *world) {
		t := w.t
		w.nodes["q1"].facts.FreeBytes = 1
		report := func() []v1.Problem {
			t.Helper()
			return ok[v1.CheckReport](t)(w.c().ClusterCheck(w.ctx, root, v1.ClusterCheck{Check: []string{"RC-NOD-002", "RC-MEM-001", "RC-GRD-003"}})).Problems
		}
		ok[v1.Result](t)(w.c().NodeSetFence(w.ctx, root, v1.NodeSetFence{Names: []string{"n3"}, Agent: "fence_virt"}))
		full := func(p v1.Problem) bool {
			return p.Object == "node q1" && strings.Contains(p.Text, "are free for the repository")
		}
		if got := report(); !slices.ContainsFunc(got, full) {
			t.Errorf("nothing says that the disk of q1 is full: %+v", got)
		} else if slices.ContainsFunc(got, func(p v1.Problem) bool { return strings.Contains(p.Text, "not installed on node q1") }) {
			t.Errorf("q1, which never fences, lacks a fence agent: %+v", got)
		}
		w.poke(w.nodes["n1"], func(m *machine) { m.lost["q1"] = true })
		if got := report(); slices.ContainsFunc(got, func(p v1.Problem) bool { return p.Object == "node q1" }) {
			t.Errorf("one that is not heard was asked: %+v", got)
		}
	})
}

// A machine that is in the cluster can not be added as a quorum server, and it is said what can be done.
func TestQuorumServerThatIsThereAlready(t *testing.T) {
	inWitnessed(t, func(w *world) {
		add := func(name string) (v1.Result, error) {
			return w.c().QuorumAdd(w.ctx, root, v1.QuorumAdd{Names: []string{name}})
		}
		refuse[v1.Result](w.t, fault.Exists, "`redoubt quorum remove q1` first")(add("q1"))
		refuse[v1.Result](w.t, fault.Exists, "`redoubt node remove n2` first")(add("n2"))
	})
}
