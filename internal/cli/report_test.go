package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "redoubt/api/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	for line := range strings.SplitSeq(got, "\n") {
		if strings.TrimRight(line, " ") != line {
			t.Errorf("%s: blanks at the end of %q", name, line)
		}
	}
}

func at(s string) *time.Time {
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return &v
}

func paths(one, two string) []v1.PathStatus {
	return []v1.PathStatus{{Path: 0, Network: "10.77.1.0/24", State: one}, {Path: 1, Network: "10.77.2.0/24", State: two}}
}

// healthy is a cluster of three nodes with one group on n1.
func healthy() *v1.Status {
	lease := int64(400)
	return &v1.Status{
		Level: 1, Time: *at("2030-01-02T12:00:00Z"), Node: "n1", InCluster: true, Revision: 42,
		Cluster: &v1.ClusterState{
			Name: "demo", Epoch: 3, President: "n1", Timing: v1.Timing{Profile: "default", QuantumMs: 100, TimeoutMs: 500},
			Quorum: v1.QuorumState{Voters: []v1.VoterStatus{{Node: "n1", Present: true, Copy: "usable"}, {Node: "n2", Present: true, Copy: "usable"}, {Node: "n3", Present: true, Copy: "usable"}}, Needed: 2, Present: 3, Usable: 3, Margin: 1, Quorate: true, Writable: true},
		},
		Nodes: []v1.NodeState{
			{Name: "n1", ID: 1, State: "member", Voter: true, President: true, LeaseMs: &lease},
			{Name: "n2", ID: 2, State: "member", Voter: true, Paths: paths("online", "online"), FenceAgent: "fence_ipmilan"},
			{Name: "n3", ID: 3, State: "member", Voter: true, Paths: paths("online", "online")},
		},
		Groups: []v1.GroupState{{
			Name: "web-rg", State: "ONLINE", Managed: true, Wanted: []string{"n1"},
			Nodes: []v1.GroupNode{{Node: "n1", State: "ONLINE", Wanted: true}, {Node: "n2", State: "OFFLINE"}, {Node: "n3", State: "OFFLINE"}},
			Notes: []v1.Note{{Node: "n1", Name: "preferred", Text: "first in the nodelist"}},
		}},
		Resources: []v1.ResourceState{
			{Name: "web-ip", Group: "web-rg", Type: "redoubt.logicalhostname", Nodes: on("n1", "ONLINE", "ONLINE", "10.77.0.100 is served")},
			{Name: "web", Group: "web-rg", Type: "redoubt.gds", Nodes: on("n1", "ONLINE", "ONLINE", "")},
		},
	}
}

// on is a resource that is in a state on one node and offline on the others.
func on(node, state, status, message string) []v1.ResourceNode {
	var out []v1.ResourceNode
	for _, n := range []string{"n1", "n2", "n3"} {
		r := v1.ResourceNode{Node: n, State: "OFFLINE", Status: "OFFLINE", Enabled: true, Monitored: true}
		if n == node {
			r.State, r.Status, r.Message = state, status, message
		}
		out = append(out, r)
	}
	return out
}

func nodeDown() *v1.Status {
	s := healthy()
	s.Node, s.Cluster.Epoch, s.Cluster.President = "n2", 4, "n2"
	s.Cluster.Quorum.Voters[0].Present, s.Cluster.Quorum.Present, s.Cluster.Quorum.Margin = false, 2, 0
	s.Cluster.Quorum.Voters[0].Copy, s.Cluster.Quorum.Usable = "unknown", 2
	s.Nodes[0] = v1.NodeState{Name: "n1", ID: 1, State: "away", Voter: true, Why: "not heard since 12:00:03", Paths: paths("faulted", "faulted")}
	s.Nodes[1] = v1.NodeState{Name: "n2", ID: 2, State: "member", Voter: true, President: true, EvacuatedUntil: nil}
	s.Groups[0].State, s.Groups[0].Wanted = "PENDING_ONLINE", []string{"n2"}
	s.Groups[0].Nodes = []v1.GroupNode{{Node: "n1", State: "OFFLINE"}, {Node: "n2", State: "PENDING_ONLINE", Wanted: true}, {Node: "n3", State: "OFFLINE"}}
	s.Groups[0].Notes = []v1.Note{{Node: "n1", Name: "not-member", Text: "the node is not in the cluster"}, {Node: "n2", Name: "chosen", Text: "the next in the nodelist"}}
	s.Resources[0].Nodes = on("n2", "STARTING", "UNKNOWN", "")
	s.Resources[1].Nodes = on("", "", "", "")
	s.Problems = []v1.Problem{{Severity: "warning", Object: "cluster demo", Text: "no node may be lost any more without losing the majority", Remedy: "bring n1 back, or remove it and join another node"},
		{Severity: "error", Object: "node n1", Text: "is not in the cluster", Remedy: "look at its console; start redoubtd there"}}
	return s
}

func split() *v1.Status {
	s := nodeDown()
	s.Node, s.Cluster.President = "n1", ""
	s.Degraded = "the majority of the repository is not reachable; last heard at 12:00:01"
	s.Cluster.Quorum = v1.QuorumState{Voters: []v1.VoterStatus{{Node: "n1", Present: true, Copy: "behind"}, {Node: "n2", Copy: "unknown"}, {Node: "q1", QuorumServer: true, Copy: "unknown"}}, Needed: 2, Present: 1, Margin: -1, Quorate: false}
	lease := int64(0)
	s.Nodes = []v1.NodeState{{Name: "n1", State: "member", Voter: true, LeaseMs: &lease}, {Name: "n2", State: "away", Voter: true, Paths: paths("faulted", "online")}, {Name: "q1", State: "quorum-server", Voter: true, Paths: paths("faulted", "faulted")}}
	s.Groups[0] = v1.GroupState{Name: "web-rg", State: "OFFLINE", Managed: true, Suspended: true, Nodes: []v1.GroupNode{{Node: "n1", State: "OFFLINE", Wanted: true}, {Node: "n2", State: "OFFLINE"}}}
	s.Resources = s.Resources[:1]
	s.Resources[0].Nodes = nil
	s.Problems = []v1.Problem{{Severity: "error", Object: "cluster demo", Text: "this node is cut off from the majority", Remedy: "check the interconnects"}}
	return s
}

func stopFailed() *v1.Status {
	s := healthy()
	s.Groups[0].State = "ERROR_STOP_FAILED"
	s.Groups[0].Nodes[0] = v1.GroupNode{Node: "n1", State: "ERROR_STOP_FAILED", BlockedOn: "web"}
	s.Groups[0].Notes = nil
	s.Resources[1].Nodes[0] = v1.ResourceNode{Node: "n1", State: "STOP_FAILED", Status: "FAULTED", Message: "Stop took longer than 30 s and was killed", Enabled: true, Restarts: 2}
	s.Problems = []v1.Problem{{Severity: "error", Object: "resource web", Text: "could not be stopped on n1; the group is not started anywhere until that is cleared", Remedy: "make sure that it does not run there, then: redoubt resource clear -f STOP_FAILED -n n1 web"}}
	return s
}

func TestReports(t *testing.T) {
	for name, s := range map[string]*v1.Status{
		"healthy": healthy(), "node-down": nodeDown(), "split": split(), "stop-failed": stopFailed(),
		"unclustered": {Level: 1, Node: "n1"},
		"no-groups":   {Level: 1, Node: "n1", InCluster: true, Cluster: healthy().Cluster, Nodes: healthy().Nodes[:1]},
	} {
		golden(t, name, look{}.report(s))
	}
	golden(t, "node-down-80", look{width: 80}.report(nodeDown()))
	golden(t, "stop-failed-colour", look{colour: true, width: 100}.report(stopFailed()))
	for line := range strings.SplitSeq(look{width: 80}.report(nodeDown()), "\n") {
		if len(line) > 80 {
			t.Errorf("wider than the terminal: %q", line)
		}
	}
}

func TestChangesAndProgress(t *testing.T) {
	var b strings.Builder
	for _, step := range [][2]*v1.Status{{nil, healthy()}, {healthy(), nodeDown()}, {healthy(), stopFailed()}, {healthy(), healthy()}, {healthy(), {Node: "n1"}}} {
		for _, c := range (look{}).changes(step[0], step[1]) {
			b.WriteString(c.text + "\n")
		}
		b.WriteString("--\n")
	}
	all := func(string) bool { return true }
	b.WriteString(look{}.moving(nodeDown(), all) + "\n" + look{}.moving(healthy(), all) + "\n" + look{}.moving(nodeDown(), func(g string) bool { return g == "db-rg" }) + "\n")
	golden(t, "changes", b.String())
}

// stage is a daemon that plays statuses to its watchers, and answers its one call when they have been seen.
type stage struct {
	statuses []*v1.Status
	answer   string
	seen     chan struct{}
}

func (s *stage) Do(ctx context.Context, _ Call) (json.RawMessage, error) {
	select {
	case <-s.seen:
	case <-ctx.Done():
	}
	return json.RawMessage(s.answer), ctx.Err()
}

func (s *stage) Watch(ctx context.Context) iter.Seq2[v1.Event, error] {
	return func(yield func(v1.Event, error) bool) {
		for i, st := range s.statuses {
			if i > 0 {
				<-time.After(2 * quickly)
			}
			if !yield(v1.Event{Kind: "status", Status: st}, nil) {
				return
			}
		}
		if s.seen != nil {
			<-time.After(quickly / 3)
			close(s.seen)
		}
	}
}

func TestProgressOfALongCommand(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var out, errout bytes.Buffer
		s := &stage{statuses: []*v1.Status{healthy(), nodeDown()}, answer: `{"messages":["web-rg is online on n2"]}`, seen: make(chan struct{})}
		e := Env{Stdout: &out, Stderr: &errout, Client: func() (Client, error) { return s, nil }, ErrTerminal: func() bool { return terminal }}
		if status := Main(t.Context(), []string{"redoubt", "group", "switch", "-n", "n2", "web-rg"}, e); status != 0 || out.String() != "web-rg is online on n2\n" {
			t.Errorf("status %d, %q", status, out.String())
		}
		want := "web-rg on n2: Pending_online\n"
		if terminal {
			want = "\r\x1b[Kweb-rg on n2: Pending_online (web-ip Starting)\r\x1b[K"
		}
		if !strings.Contains(errout.String(), want) {
			t.Errorf("terminal %t: progress %q", terminal, errout.String())
		}
		if terminal && strings.Contains(errout.String(), "\n") {
			t.Errorf("the line is not written over: %q", errout.String())
		}
	}
}

// A machine that enters a cluster is not yet whole, which is no problem to report; what happens is.
func TestProgressOfAMachineThatEntersACluster(t *testing.T) {
	for _, args := range [][]string{
		{"cluster", "create", "--name", "demo", "--node", "n1", "--interconnect", "10.1.0.0/24"}, {"node", "join", "--sponsor", "n1", "--token-file", "-"},
	} {
		var out, errout bytes.Buffer
		begins := healthy()
		begins.Problems = []v1.Problem{{Severity: "error", Object: "cluster ", Text: "this node has not read the configuration yet"}}
		s := &stage{statuses: []*v1.Status{{Node: "n1"}, begins, healthy()}, answer: `{"messages":["done"]}`, seen: make(chan struct{})}
		e := Env{Stdin: strings.NewReader("token"), Stdout: &out, Stderr: &errout, Client: func() (Client, error) { return s, nil }}
		if status := Main(t.Context(), append([]string{"redoubt"}, args...), e); status != 0 {
			t.Errorf("%v: status %d, %s", args, status, errout.String())
		}
		if got := errout.String(); !strings.Contains(got, "is in a cluster") || strings.Contains(got, "error:") {
			t.Errorf("%v: progress %q", args, got)
		}
	}
}

// A token counts also with what was printed before it.
func TestTokenIsTheLastLine(t *testing.T) {
	for text, want := range map[string]string{
		"redoubt-join.a.b\n": "redoubt-join.a.b", "Host n3 may join.\r\nredoubt-join.a.b\r\n\n": "redoubt-join.a.b", " redoubt-join.a.b ": "redoubt-join.a.b", "": "",
	} {
		if got := lastLine(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestFollow(t *testing.T) {
	run := func(terminal bool, args ...string) string {
		var out, errout bytes.Buffer
		s := &stage{statuses: []*v1.Status{healthy(), nodeDown()}}
		e := Env{Stdout: &out, Stderr: &errout, Client: func() (Client, error) { return s, nil }, Screen: func() (int, int, bool) { return 100, 12, terminal }, Getenv: func(string) string { return "1" }}
		if status := Main(t.Context(), append([]string{"redoubt"}, args...), e); status != 0 {
			t.Errorf("status %d: %s", status, errout.String())
		}
		return out.String()
	}
	lines := run(false, "status", "-w")
	if !strings.HasPrefix(lines, "Cluster demo") || !strings.Contains(lines, "  node n1: Offline\n") || strings.Contains(lines, "\x1b") {
		t.Errorf("without a terminal:\n%s", lines)
	}
	docs := strings.Split(strings.TrimSpace(run(false, "status", "-w", "-o", "json")), "\n")
	var ev v1.Event
	if len(docs) != 2 || json.Unmarshal([]byte(docs[1]), &ev) != nil || ev.Status.Node != "n2" {
		t.Errorf("json: %q", docs)
	}
	screen := run(true, "status", "-w")
	if !strings.Contains(screen, "\x1b[11A\r") || !strings.Contains(screen, "more lines: make the window higher") || !strings.HasSuffix(screen, "\x1b[?25h") {
		t.Errorf("on a terminal: %q", screen)
	}
}
