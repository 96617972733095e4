package e2e_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"redoubt/internal/cluster"
)

// TestNothingElseListens compares what the daemons have open with the table that the documentation prints.
func TestNothingElseListens(t *testing.T) {
	w := use(t, "e2e")
	for _, n := range []string{"n1", "n2", "n3"} {
		for _, network := range []string{"tcp", "tcp6", "udp", "udp6"} {
			out, err := w.Output(t.Context(), n, "cat", "/proc/net/"+network)
			if err != nil {
				t.Fatal(err)
			}
			for _, port := range listening(t, network, out) {
				if !slices.ContainsFunc(cluster.Listeners(), func(l cluster.Listener) bool { return l.Network == strings.TrimSuffix(network, "6") && l.Port == port }) {
					t.Errorf("node %s listens on %s port %d, which is not in the table", n, network, port)
				}
			}
		}
	}
	// The comparison would find something: the API is there.
	out, err := w.Output(t.Context(), "n1", "cat", "/proc/net/tcp", "/proc/net/tcp6")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(listening(t, "tcp", out), cluster.PortAPI) {
		t.Errorf("the API was not found among what listens:\n%s", out)
	}
}

// listening reads the ports of sockets that take what anybody sends out of a table of the kernel.
func listening(t *testing.T, network, table string) []int {
	t.Helper()
	var out []int
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] == "sl" {
			continue
		}
		unconnected := f[3] == "0A" // LISTEN
		if strings.HasPrefix(network, "udp") {
			unconnected = strings.HasSuffix(f[2], ":0000")
		}
		_, port, _ := strings.Cut(f[1], ":")
		n, err := strconv.ParseInt(port, 16, 32)
		if err != nil {
			t.Fatalf("%s: %q", network, line)
		}
		if unconnected && n != 8080 { // the web service of the tests
			out = append(out, int(n))
		}
	}
	return out
}

// TestSecretsAreNowhereInTheClear: the value of a private string stands in no file of any node, in no argument, no environment, no log and no export;
// and every node can read it all the same.
func TestSecretsAreNowhereInTheClear(t *testing.T) {
	w := use(t, "e2e")
	canary := fmt.Sprintf("canary-%d-%d", os.Getpid(), len(w.name))
	file := filepath.Join(bin, "canary")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file)
	w.do(t, "n1", "secret", "create", "-b", "web", "-f", file, "e2e-secret")
	defer func() { w.do(t, "n1", "secret", "delete", "-y", "-F", "e2e-secret") }()
	for _, n := range []string{"n1", "n2", "n3"} {
		out, err := w.Output(t.Context(), n, "scha_cluster_get", "-O", "PSTRING", "e2e-secret")
		if err != nil || strings.TrimSpace(out) != canary {
			t.Errorf("on %s: %q, %v", n, out, err)
		}
	}
	if out, err := w.Output(t.Context(), "n1", "setpriv", "--reuid=65534", "--clear-groups", "scha_cluster_get", "-O", "PSTRING", "e2e-secret"); err == nil || strings.Contains(out, canary) {
		t.Errorf("a user reads it: %q", out)
	}
	for _, args := range [][]string{{"secret", "show"}, {"cluster", "export"}, {"secret", "verify", "-o", "json"}} {
		if out := w.do(t, "n2", args...); strings.Contains(out, canary) {
			t.Errorf("%v tells the value", args)
		}
	}
	searched := 0
	for _, dir := range []string{"/var/lib/redoubt-lab/" + w.name, "/run/redoubt-lab/" + w.name} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // gone meanwhile, or nothing that has content
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			searched++
			if bytes.Contains(b, []byte(canary)) {
				t.Errorf("%s has the value", path)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if searched < 10 {
		t.Errorf("only %d files were looked at", searched)
	}
	seen := 0
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		line, err := os.ReadFile(p + "/cmdline")
		if err != nil {
			continue
		}
		env, _ := os.ReadFile(p + "/environ")
		if bytes.Contains(line, []byte(canary)) || bytes.Contains(env, []byte(canary)) {
			t.Errorf("process %s has the value in its arguments or environment: %q", p, line)
		}
		if bytes.Contains(line, []byte("redoubtd\x00--config")) {
			seen++
		}
	}
	if seen < 3 {
		t.Errorf("%d daemons were found", seen)
	}
}
