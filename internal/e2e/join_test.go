package e2e_test

import (
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/lab"
)

// TestOtherWaysToJoin: by a token that counts once and for one host, and by a machine that lets a node of the cluster configure it.
func TestOtherWaysToJoin(t *testing.T) {
	w := own(t, "e2eways", lab.Options{Nodes: 3, Bare: true})
	for _, n := range w.Nodes() {
		eventually(t, func() string {
			if _, err := w.try(t.Context(), n, "status"); err != nil {
				return err.Error()
			}
			return ""
		})
	}
	w.do(t, "n1", "cluster", "create", "--name", "demo", "--node", "n1", "--interconnect", "10.77.1.0/24", "--interconnect", "10.77.2.0/24")
	fp := show[v1.Cluster](t, w, "n1", "cluster", "show").Fingerprint

	// A token: its last line is the token alone.
	lines := strings.Fields(w.do(t, "n1", "access", "allow", "-h", "n2", "--token"))
	token := lines[len(lines)-1]
	withToken := func(node, word string) (string, error) {
		return w.Output(t.Context(), node, "sh", "-c", "umask 077 && printf %s '"+word+"' >/run/token && redoubt node join --sponsor n1 --token-file /run/token")
	}
	if out, err := withToken("n3", token); err == nil {
		t.Fatalf("n3 joined with the token of n2: %s", out)
	}
	if out, err := withToken("n2", strings.Replace(token, token[len(token)-6:], "AAAAAA", 1)); err == nil {
		t.Fatalf("n2 joined with another token than it was given: %s", out)
	}
	if out, err := withToken("n2", token); err != nil {
		t.Fatalf("n2 does not join with its token: %v\n%s", err, out)
	}
	if out, err := withToken("n3", token); err == nil {
		t.Fatalf("a token was taken twice: %s", out)
	}
	if nodes := w.do(t, "n1", "node", "list"); strings.Contains(nodes, "n3") {
		t.Fatalf("n3 is a node: %s", nodes)
	}

	// A machine that has authorised nobody is not configured, and one that has authorised another cluster neither.
	key := strings.TrimSpace(w.do(t, "n3", "node", "key"))
	w.refuse(t, "n1", "node", "add", "n3", "--fingerprint", key)
	w.do(t, "n3", "auth", "enable", "-n", "n1", "--fingerprint", "SHA256:"+strings.Repeat("A", 43))
	w.refuse(t, "n1", "node", "add", "n3", "--fingerprint", key)
	w.do(t, "n3", "auth", "disable")
	w.do(t, "n3", "auth", "enable", "-n", "n1", "--fingerprint", fp)
	w.refuse(t, "n1", "node", "add", "n3", "--fingerprint", "SHA256:"+strings.Repeat("A", 43))
	w.do(t, "n1", "node", "add", "n3", "--fingerprint", key)
	eventually(t, func() string {
		for _, n := range w.status(t, "n1").Nodes {
			if n.State != "member" {
				return n.Name + " is " + n.State
			}
		}
		if n := len(w.status(t, "n1").Nodes); n != 3 {
			return "not three nodes"
		}
		return ""
	})
	if s := w.do(t, "n3", "auth", "show"); strings.Contains(s, "n1 ") && strings.Contains(s, "may make this machine join") {
		t.Errorf("the authorisation was not used up: %s", s)
	}
	// Who was refused is known.
	denied := w.do(t, "n1", "log", "commands", "--failed")
	if !strings.Contains(denied, "node admit") {
		t.Errorf("the refused joins are not in the command log: %s", denied)
	}
}
