package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
)

// TestNothingElseListens compares what the daemons have open, and on which addresses, with the table that the documentation prints.
func TestNothingElseListens(t *testing.T) {
	w := use(t, "e2e")
	api := 0
	for _, l := range w.documented(t) {
		if l.at.Port() == cluster.PortAPI {
			api++
		}
	}
	if api < 3 { // the comparison would find something: the API is there
		t.Errorf("the API was found on %d nodes", api)
	}
	// The nodes see it themselves, too; and that the kernel writes no core file of the daemons that run.
	for _, r := range show[v1.CheckReport](t, w, "n1", "cluster", "check", "-C", "RC-NET-002,RC-HST-001").Results {
		if r.Status != v1.CheckPass {
			t.Errorf("%s: %s %+v %+v", r.ID, r.Status, r.Findings, r.Unknown)
		}
	}
}

// socket is what a node listens on.
type socket struct {
	node, network string
	at            netip.AddrPort
}

// documented lists what the nodes listen on, and fails for what is not in the table.
func (w *world) documented(t *testing.T) (all []socket) {
	t.Helper()
	nodes := show[[]v1.Node](t, w, "n1", "node", "show")
	for _, n := range nodes {
		own := addressesOf(nodes, n)
		out, err := w.Output(t.Context(), n.Name, "ss", "-Hlntu")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out) {
			network, at := listening(t, line)
			if at.Port() == 8080 { // the web service of the tests
				continue
			}
			if !slices.ContainsFunc(cluster.Listeners(), func(l cluster.Listener) bool {
				return l.Network == network && l.Port == int(at.Port()) && l.Covers(at.Addr(), own)
			}) {
				t.Errorf("node %s listens on %s %s, which is not in the table", n.Name, network, at)
			}
			all = append(all, socket{n.Name, network, at})
		}
	}
	return all
}

// addressesOf are the addresses of a node by their kind.
func addressesOf(nodes []v1.Node, n v1.Node) cluster.Addresses {
	away := func(n v1.Node) bool { return n.QuorumServer && len(n.Addresses) == 0 }
	own := cluster.Addresses{Private: netip.MustParseAddr(n.PrivateAddress)}
	for _, a := range n.Addresses {
		own.Interconnects = append(own.Interconnects, netip.MustParseAddr(a))
	}
	for _, o := range nodes {
		if o.Name != n.Name && (away(o) || away(n)) {
			own.Public = netip.MustParseAddr(n.PublicAddress)
			own.Carried = append(own.Carried, netip.MustParseAddr(o.PrivateAddress))
		}
	}
	return own
}

// listening reads a line of ss.
func listening(t *testing.T, line string) (network string, at netip.AddrPort) {
	t.Helper()
	f := strings.Fields(line)
	if len(f) < 5 {
		t.Fatalf("ss: %q", line)
	}
	i := strings.LastIndexByte(f[4], ':')
	host, _, _ := strings.Cut(strings.Trim(f[4][:i], "[]"), "%") // what is bound to an interface
	if host == "*" {
		host = "::"
	}
	at, err := netip.ParseAddrPort(net.JoinHostPort(host, f[4][i+1:]))
	if err != nil {
		t.Fatalf("ss: %q: %v", line, err)
	}
	return f[0], at
}

// forms are the ways in which a secret may lie about: as it is, in hexadecimal, as JSON and URLs have it, and in base64 wherever it begins.
func forms(secret string) map[string][]byte {
	quoted, _ := json.Marshal(secret)
	out := map[string][]byte{
		"as it is": []byte(secret), "hex": []byte(hex.EncodeToString([]byte(secret))), "HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(secret)))),
		"JSON": bytes.Trim(quoted, `"`), "a query": []byte(url.QueryEscape(secret)), "a path": []byte(url.PathEscape(secret)),
	}
	for name, code := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64 of URLs": base64.RawURLEncoding} {
		for before := range 3 {
			text := code.EncodeToString([]byte(strings.Repeat("x", before) + secret))
			out[fmt.Sprintf("%s after %d", name, before)] = []byte(text[(before*8+5)/6 : len(text)-1]) // what the neighbours have no part in
		}
	}
	return out
}

// found looks for secrets in every file of every node of the lab, and in the arguments and environment of every process, and says where they are. What can not be looked at is
// a fault of its own.
func (w *world) found(t *testing.T, secrets map[string]string) []string {
	t.Helper()
	var out []string
	look := func(place string, content []byte) {
		for name, s := range secrets {
			for form, b := range forms(s) {
				if bytes.Contains(content, b) {
					out = append(out, fmt.Sprintf("%s has %s, %s", place, name, form))
				}
			}
		}
	}
	read := func(path string) bool {
		b, err := os.ReadFile(path)
		gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
		if err != nil && !gone {
			t.Errorf("can not be searched: %v", err)
		}
		look(path, b)
		return err == nil
	}
	searched := map[string]int{}
	for _, dir := range []string{"/var/lib/redoubt-lab/" + w.name, "/run/redoubt-lab/" + w.name} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil // gone meanwhile
			case err != nil:
				return err
			case d.Type().IsRegular() && read(path):
				searched[filepath.Base(path)]++
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"commandlog", "commandlog.jsonl", "db", "ca.key", "secret.key"} { // of each node
		if searched[name] < 3 {
			t.Errorf("only %d files %s were searched", searched[name], name)
		}
	}
	daemons := 0
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if line, err := os.ReadFile(p + "/cmdline"); err == nil && bytes.Contains(line, []byte("redoubtd\x00--config")) {
			daemons++
		}
		read(p + "/cmdline")
		if p != "/proc/1" { // in a container it may show its environment to nobody; it is older than the lab
			read(p + "/environ")
		}
	}
	if daemons < 3 {
		t.Errorf("%d daemons were found", daemons)
	}
	slices.Sort(out)
	return out
}

// TestSecretsAreNowhereInTheClear: the value of a private string, the password of a role, a token to join with and the passphrase of an export stand in no file of any node, in no
// argument, no environment, no log and no export, in no form; and every node can read the private string all the same.
func TestSecretsAreNowhereInTheClear(t *testing.T) {
	w := use(t, "e2e")
	secrets := map[string]string{}
	file := map[string]string{}
	for _, what := range []string{"value", "password", "passphrase"} {
		secrets[what] = fmt.Sprintf("canary+/%s \"%d-%d", what, os.Getpid(), len(w.name)) // each form of it is another
		file[what] = filepath.Join(bin, "canary."+what)
		if err := os.WriteFile(file[what], []byte(secrets[what]+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(file[what])
	}
	w.do(t, "n1", "secret", "create", "-b", "web", "-f", file["value"], "e2e-secret")
	w.do(t, "n1", "role", "create", "-P", "Cluster Read", "-f", file["password"], "e2e-keeper")
	fields := strings.Fields(w.do(t, "n1", "access", "allow", "-h", "n9", "--token"))
	parts := strings.Split(fields[len(fields)-1], ".") // what it is, the random part, what it is for
	if len(parts) != 3 || len(parts[1]) < 30 {
		t.Fatalf("a token has %d parts", len(parts))
	}
	secrets["token"] = parts[1]
	defer func() {
		w.do(t, "n1", "secret", "delete", "-y", "-F", "e2e-secret")
		w.do(t, "n1", "role", "delete", "-y", "e2e-keeper")
		w.do(t, "n1", "access", "deny", "-h", "n9")
	}()
	for _, n := range []string{"n1", "n2", "n3"} {
		out, err := w.Output(t.Context(), n, "scha_cluster_get", "-O", "PSTRING", "e2e-secret")
		if err != nil || strings.TrimSpace(out) != secrets["value"] {
			t.Errorf("on %s: %q, %v", n, out, err)
		}
	}
	told := func(what, out string) {
		for name, s := range secrets {
			for form, b := range forms(s) {
				if bytes.Contains([]byte(out), b) {
					t.Errorf("%s tells the %s, %s", what, name, form)
				}
			}
		}
	}
	out, err := w.Output(t.Context(), "n1", "setpriv", "--reuid=65534", "--clear-groups", "scha_cluster_get", "-O", "PSTRING", "e2e-secret")
	if err == nil {
		t.Errorf("a user reads it: %q", out)
	}
	told("a refusal", out+fmt.Sprint(err))
	for _, args := range [][]string{
		{"secret", "show"}, {"cluster", "export"}, {"cluster", "export", "--passphrase-file", file["passphrase"]}, {"secret", "verify", "-o", "json"}, {"role", "show", "-o", "json"}, {"access", "show", "-o", "json"},
		{"log", "commands", "-o", "json"},
	} {
		told(strings.Join(args, " "), w.do(t, "n2", args...))
	}
	// The search would find them.
	planted := filepath.Join(w.Disk("n3"), "lib", "planted")
	var all []byte
	for _, b := range forms(secrets["password"]) {
		all = append(append(all, b...), '\n')
	}
	if err := os.WriteFile(planted, all, 0o600); err != nil {
		t.Fatal(err)
	}
	hits := w.found(t, map[string]string{"password": secrets["password"]})
	if err := os.Remove(planted); err != nil {
		t.Fatal(err)
	}
	if n := len(forms("any")); len(hits) != n {
		t.Errorf("of the password in %d forms were found: %v", n, hits)
	}
	for _, hit := range w.found(t, secrets) {
		t.Error(hit)
	}
}
