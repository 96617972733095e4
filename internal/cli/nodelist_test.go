package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	v1 "redoubt/api/v1"
)

// answers is a daemon that has one answer for each "noun verb".
type answers map[string]any

func (a answers) Do(_ context.Context, c Call) (json.RawMessage, error) {
	return json.Marshal(a[c.Noun+" "+c.Verb])
}

func TestNodeList(t *testing.T) {
	a := answers{
		"node list": []string{"n1", "n2"},
		"node show": []v1.Node{
			{Name: "n1", ID: 1, Host: "n1.example", PrivateAddress: "172.31.0.1", Addresses: []string{"10.77.1.1", "10.77.2.1"}},
			{Name: "n2", ID: 2, Host: "n2.example", PrivateAddress: "172.31.0.2", Addresses: []string{"10.77.1.2", "10.77.2.2"}},
			{Name: "q1", ID: 3, Host: "q1.example", PrivateAddress: "172.31.0.3", PublicAddress: "192.0.2.9", QuorumServer: true},
		},
		"node status": []v1.NodeState{{Name: "n1", State: "member"}, {Name: "n2", State: "away"}, {Name: "q1", State: "quorum-server"}},
	}
	run := func(args ...string) string {
		var out, errout bytes.Buffer
		e := Env{Stdout: &out, Stderr: &errout, Client: func() (Client, error) { return a, nil }}
		if status := Main(t.Context(), args, e); status != 0 {
			t.Fatalf("status %d: %s", status, errout.String())
		}
		return out.String()
	}
	if got := run("redoubt", "node", "list"); got != "n1\nn2\n" {
		t.Errorf("node list: %q", got)
	}
	if got := run("redoubt", "node", "list", "-v", "-o", "json"); !strings.HasPrefix(strings.TrimSpace(got), "[") {
		t.Errorf("as JSON: %q", got)
	}
	golden(t, "nodelist", run("clnode", "list", "-v"))
}

// A change of the timing that has to wait says for what.
func TestProgressOfATimingThatWaits(t *testing.T) {
	waits := func() *v1.Status {
		s := healthy()
		s.Cluster.Timing.Waits = []string{"until what was promised for the planned restart of node n2 (15s) has run out"}
		return s
	}
	for _, terminal := range []bool{false, true} {
		var out, errout bytes.Buffer
		s := &stage{statuses: []*v1.Status{waits(), waits(), healthy()}, answer: `{"messages":["done"]}`, seen: make(chan struct{})}
		e := Env{Stdout: &out, Stderr: &errout, Client: func() (Client, error) { return s, nil }, ErrTerminal: func() bool { return terminal }}
		if status := Main(t.Context(), []string{"redoubt", "cluster", "set", "-p", "heartbeat_timeout=500"}, e); status != 0 {
			t.Errorf("status %d, %q", status, out.String())
		}
		if got := strings.Count(errout.String(), "the new timing waits until what was promised for the planned restart of node n2 (15s) has run out"); got != 1 {
			t.Errorf("terminal %t: said %d times: %q", terminal, got, errout.String())
		}
	}
}
