package live_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "redoubt/api/v1"
	"redoubt/assess"
	"redoubt/assess/catalogue"
	"redoubt/assess/live"
	"redoubt/assess/model"
	"redoubt/internal/posture"
	"redoubt/internal/rbac"
)

var update = flag.Bool("update", false, "write the exports in testdata anew")

var taken = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return taken.Add(-d) }

const daylong = 24 * time.Hour

// checks are the results of all checks, passed but for those named.
func checks(failed ...string) *v1.CheckReport {
	r := &v1.CheckReport{OK: len(failed) == 0}
	for _, c := range posture.Checks() {
		x := v1.CheckResult{CheckInfo: c.CheckInfo, Status: v1.CheckPass}
		switch {
		case slices.Contains(failed, c.ID):
			x.Status = v1.CheckFail
			x.Findings = []v1.CheckFinding{{Severity: c.Severity, Object: "node n2", Text: "it is not as it should be", Remedy: c.Remedy}}
		case c.ID == "RC-VUL-001":
			x.Status = v1.CheckUnknown
			x.Unknown = []v1.CheckUnseen{{Object: "cluster", Why: "no database of vulnerabilities was given"}}
		}
		r.Results = append(r.Results, x)
	}
	return r
}

func profiles() []v1.Profile {
	var out []v1.Profile
	for _, p := range rbac.Builtin() {
		x := v1.Profile{Name: p.Name, Description: p.Description, Builtin: true, Profiles: p.Profiles}
		for _, a := range p.Authorizations {
			x.Authorizations = append(x.Authorizations, string(a))
		}
		out = append(out, x)
	}
	return out
}

func members(names ...string) []v1.NodeState {
	var out []v1.NodeState
	for i, n := range names {
		out = append(out, v1.NodeState{Name: n, ID: i + 1, State: "member", Voter: true, President: i == 0})
	}
	return out
}

// healthy is a cluster of three nodes with two groups, a year of log, and nothing that is wrong.
func healthy() *live.Export {
	on := func(node string) []v1.GroupNode { return []v1.GroupNode{{Node: node, State: "ONLINE", Wanted: true}} }
	exit := 0
	return &live.Export{
		Taken: taken, Program: "test", Since: ago(400 * daylong),
		Status: &v1.Status{
			Level: v1.Level, Time: taken, Node: "n1", InCluster: true, Revision: 4711, Nodes: members("n1", "n2", "n3"),
			Cluster: &v1.ClusterState{Name: "demo", ID: "c1", Quorum: v1.QuorumState{Needed: 2, Present: 3, Usable: 3, Margin: 1, Quorate: true, Writable: true}},
			Groups:  []v1.GroupState{{Name: "web-rg", State: "ONLINE", Managed: true, Nodes: on("n1")}, {Name: "db-rg", State: "ONLINE", Managed: true, Nodes: on("n2")}},
			Resources: []v1.ResourceState{
				{Name: "web", Group: "web-rg", Type: "gds", Nodes: []v1.ResourceNode{{Node: "n1", State: "ONLINE", Status: "OK", Message: "the password is hunter2", Enabled: true, Monitored: true}}},
				{Name: "db", Group: "db-rg", Type: "ocf:heartbeat:pgsql", Nodes: []v1.ResourceNode{{Node: "n2", State: "ONLINE", Status: "OK", Enabled: true, Monitored: true}}},
			},
		},
		Cluster: &v1.Cluster{Name: "demo", ID: "c1", Properties: []v1.Property{{Name: "resource_security", Values: []string{"SECURE"}}, {Name: "other", Values: []string{"hunter2"}}}},
		Check:   checks(),
		Access:  &v1.Access{Policy: "deny-all", Protocol: "key", Entries: []v1.AccessEntry{}},
		Nodes: []v1.Node{
			{Name: "n1", ID: 1, Addresses: []string{"10.0.0.1"}, Fence: &v1.Fence{Agent: "fence_ipmilan", Options: []v1.Property{{Name: "passwd", Values: []string{"hunter2"}}}}},
			{Name: "n2", ID: 2, Addresses: []string{"10.0.0.2"}}, {Name: "n3", ID: 3, Addresses: []string{"10.0.0.3"}},
		},
		Groups:    []v1.Group{{Name: "web-rg", Managed: true, Nodelist: []string{"n1", "n2"}, Resources: []string{"web"}}, {Name: "db-rg", Managed: true, Nodelist: []string{"n2", "n3"}, Resources: []string{"db"}}},
		Resources: []v1.Resource{{Name: "web", Group: "web-rg", Type: "gds", Enabled: true, Monitored: true}, {Name: "db", Group: "db-rg", Type: "ocf:heartbeat:pgsql", Enabled: true, Monitored: true}},
		Quorum:    &v1.Quorum{Wanted: 3, Voters: []string{"n1", "n2", "n3"}},
		Users:     []v1.User{{Name: "alice", Grants: []v1.Grant{{Profile: rbac.ClusterOperation, Scope: "group:web-rg"}}}},
		Roles:     []v1.Role{{Name: "boss", Grants: []v1.Grant{{Profile: rbac.ClusterManagement, Scope: "cluster"}}, Users: []string{"alice"}, HasPassword: true}},
		Profiles:  profiles(),
		Certificates: []v1.Certificate{
			{Fingerprint: "SHA256:aa", Kind: "node-authority", Name: "demo", State: "signs", NotBefore: ago(365 * daylong), NotAfter: taken.Add(3650 * daylong)},
		},
		Secrets: []v1.Secret{{Name: "db-password", ObjectType: "resource", Object: "db", Exists: true, Version: 1, By: "root", At: ago(300 * daylong), Readable: []string{"n1", "n2", "n3"}}},
		Events: []v1.LogEvent{
			{Time: ago(200 * daylong), Node: "n1", Kind: "group", Object: "group web-rg", State: "ONLINE", Text: "ONLINE on node n1"},
			{Time: ago(100 * daylong), Node: "n1", Kind: "node", Object: "node n1", State: "leaving", Text: "leaving: it is not heard any more; waiting until it is certain that it runs nothing"},
			{Time: ago(100*daylong - time.Second), Node: "n2", Kind: "node", Object: "node n1", State: "away", Text: "away: it is not heard any more"},
			{Time: ago(100*daylong - time.Second), Node: "n2", Kind: "group", Object: "group web-rg", State: "OFFLINE", Text: "OFFLINE on node n1"},
			{Time: ago(100*daylong - 37*time.Second), Node: "n2", Kind: "group", Object: "group web-rg", State: "ONLINE", Text: "ONLINE on node n2"},
			{Time: ago(100*daylong - time.Hour), Node: "n2", Kind: "node", Object: "node n1", State: "member", Text: "member"},
			{Time: ago(50 * daylong), Node: "n2", Kind: "group", Object: "group web-rg", State: "OFFLINE", Text: "OFFLINE on node n2"},
			{Time: ago(50*daylong - 5*time.Second), Node: "n2", Kind: "group", Object: "group web-rg", State: "ONLINE", Text: "ONLINE on node n1"},
			{Time: ago(20 * daylong), Node: "n2", Kind: "resource", Object: "resource db", State: "ONLINE", Text: "ONLINE, FAULTED: it does not answer on node n2"},
		},
		Commands: []v1.LoggedCommand{
			{Time: ago(50*daylong + time.Second), Node: "n1", Entry: 5, User: "alice", From: "10.9.9.9", State: "done", Exit: &exit, Ms: 9000, Operation: "group switch", Command: "redoubt group switch -n n1 web-rg", Objects: []string{"web-rg"}},
			{Time: ago(30 * daylong), Node: "n1", Entry: 6, User: "", State: "denied", Operation: "node admit", Command: "# join", Code: "denied", Count: 40},
			{Time: ago(29 * daylong), Node: "n1", Entry: 7, User: "bob", State: "denied", Operation: "group set", Command: "redoubt group set -p password=hunter2 web-rg", Objects: []string{"web-rg"}, Code: "denied", Said: []string{"hunter2"}},
		},
		Verified:  []v1.LogVerified{{Node: "n1", OK: true, Entries: 10}, {Node: "n2", OK: true, Entries: 11}, {Node: "n3", OK: true, Entries: 3}},
		Forward:   &v1.LogForward{Server: "siem.example.org:6514", Connected: true},
		Hardening: reports([]string{"n1", "n2", "n3"}),
	}
}

// weak is a cluster of two nodes where much is missing and some sources could not be read.
func weak() *live.Export {
	e := healthy()
	e.Status.Nodes = members("n1", "n2")
	e.Status.Cluster.Quorum = v1.QuorumState{Needed: 2, Present: 2, Usable: 2, Margin: 0, Quorate: true, Writable: true}
	e.Check = checks("RC-ACC-001", "RC-EXE-002", "RC-GRD-002", "RC-MEM-004", "RC-NET-001", "RC-NET-003", "RC-CLK-002")
	e.Cluster.Properties[0].Values = []string{"COMPATIBILITY"}
	e.Groups[1].Nodelist = []string{"n2"}
	e.Resources[1].Monitored = false
	e.Events, e.Commands, e.Secrets, e.Forward, e.Hardening = nil, nil, nil, &v1.LogForward{}, nil
	e.Missing = []live.Missing{{Source: "log events", Why: "this node keeps no command log"}, {Source: "log commands", Why: "this node keeps no command log"}, {Source: "secret show", Why: "denied"}}
	return e
}

func shipped(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func build(t testing.TB, e *live.Export) *live.Model {
	t.Helper()
	m, err := live.Build(e, shipped(t), "en")
	if err != nil {
		t.Fatal(err)
	}
	if faults := m.Check(); len(faults) > 0 {
		t.Fatalf("the model has faults: %v", faults)
	}
	return m
}

// TestStoredExports holds the exports in testdata to the types of the API: a field that is renamed would make stored exports unreadable.
func TestStoredExports(t *testing.T) {
	for name, e := range map[string]*live.Export{"healthy": healthy(), "weak": weak()} {
		file := filepath.Join("testdata", name+".json")
		text, err := live.Freeze(e)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(text)); d != "" {
			t.Errorf("%s (run with -update if that is wanted):\n%s", file, d)
		}
		back, err := live.Thaw(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		again, err := live.Freeze(back)
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("%s: freezing what was thawed gives another document (%v)", name, err)
		}
	}
}

func TestFrozenHoldsNoSecret(t *testing.T) {
	text, err := live.Freeze(healthy())
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"hunter2", "10.9.9.9", "10.0.0.1", "bob", "siem.example.org"} {
		if bytes.Contains(text, []byte(word)) {
			t.Errorf("the export holds %q", word)
		}
	}
}

func TestThawRefuses(t *testing.T) {
	text, err := live.Freeze(healthy())
	if err != nil {
		t.Fatal(err)
	}
	none, err := live.Freeze(&live.Export{Taken: taken, Status: &v1.Status{}})
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	for _, x := range []struct{ name, text, want string }{
		{"changed", strings.Replace(good, `"margin": 1`, `"margin": 3`, 1), "changed after it was frozen"},
		{"version", strings.Replace(good, `"version": 1`, `"version": 9`, 1), "version 9"},
		{"unknown field", strings.Replace(good, `"taken"`, `"more": 1, "taken"`, 1), "unknown field"},
		{"no JSON", "status: x", "no export of a cluster"},
		{"no cluster", string(none), "holds no cluster"},
	} {
		if x.text == good {
			t.Fatalf("%s: nothing was changed", x.name)
		}
		if _, err := live.Thaw(strings.NewReader(x.text)); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: error %v; want one with %q", x.name, err, x.want)
		}
	}
}

// present are the means that the model has in place.
func present(m *live.Model) []string {
	var out []string
	for _, x := range m.Means {
		if x.Present {
			out = append(out, x.Name)
		}
	}
	return out
}

func TestMeansAreThoseThatTheExportShows(t *testing.T) {
	m := build(t, healthy())
	for _, x := range m.Means {
		if want := x.Name != "no-known-weakness"; x.Present != want {
			t.Errorf("healthy: means %s present %v: %s", x.Name, x.Present, x.Source)
		}
	}
	w := build(t, weak())
	for _, name := range []string{"access-list", "program-check", "watchdog-or-fence", "second-node", "monitoring", "quorum-margin", "third-vote", "two-networks", "no-other-listeners", "kept-clocks", "sent-log", "no-known-weakness"} {
		if slices.Contains(present(w), name) {
			t.Errorf("weak: %s counts as in place", name)
		}
	}
	for _, name := range []string{"join-by-key", "tls", "guard", "watched-log", "role-passwords"} {
		if !slices.Contains(present(w), name) {
			t.Errorf("weak: %s does not count as in place", name)
		}
	}
}

func frequency(t *testing.T, m *live.Model, threat string) model.ThreatFrequency {
	t.Helper()
	for _, f := range m.Frequency.Threats {
		if f.Threat == threat {
			return f
		}
	}
	t.Fatalf("no frequency of %s", threat)
	return model.ThreatFrequency{}
}

func count(f model.ThreatFrequency) (n, years float64) {
	for _, o := range f.Observations {
		n += o.Count
		years += o.Exposure
	}
	return n, years
}

func TestIncidents(t *testing.T) {
	m := build(t, healthy())
	for threat, want := range map[string]float64{
		"node-loss": 1, "service-failure": 1, "outage": 1, "quorum-loss": 0, "join-without-permission": 1, "command-without-right": 1, "password-guessing": 0, "log-changed": 0, "strange-connection": 0,
	} {
		n, years := count(frequency(t, m, threat))
		if n != want {
			t.Errorf("%s: %v incidents; want %v", threat, n, want)
		}
		if want := 365 / 365.25; years < want-1e-9 || years > want+1e-9 { // since the cluster is there, not since the log was asked for
			t.Errorf("%s: exposed for %v years; want %v", threat, years, want)
		}
	}
	if f := frequency(t, m, "stolen-files"); len(f.Observations) != 0 {
		t.Error("the log can not show stolen files, but counts them")
	}
	i := slices.IndexFunc(m.Damage.Threats, func(d model.ThreatDamage) bool { return d.Threat == "outage" })
	if got := m.Damage.Threats[i].Observations; len(got) != 1 || got[0] != (36*time.Second).Hours() {
		t.Errorf("the outage lasted %v hours; want 36 seconds", got)
	}
}

// TestCutLog: of a log of which only the newest entries were answered, the time before them was not seen.
func TestCutLog(t *testing.T) {
	e := healthy()
	e.EventsCut = true
	_, years := count(frequency(t, build(t, e), "node-loss"))
	if want := 200 / 365.25; years < want-1e-9 || years > want+1e-9 {
		t.Errorf("exposed for %v years; want %v: since the first event", years, want)
	}
}

func TestWhatIsMissingIsSaidAndCountsForNothing(t *testing.T) {
	m := build(t, weak())
	for _, f := range m.Frequency.Threats {
		if len(f.Observations) > 0 {
			t.Errorf("%s: observations without a log", f.Threat)
		}
	}
	for _, want := range []string{"log events could not be read (this node keeps no command log)", "secret show could not be read", "zone clusters", "harden"} {
		if !slices.ContainsFunc(m.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("no note says %q: %q", want, m.Notes)
		}
	}
	ru, err := live.Build(weak(), shipped(t), "ru")
	if err != nil {
		t.Fatal(err)
	}
	if len(ru.Notes) != len(m.Notes) || !strings.HasPrefix(ru.Title, "Защищённость") || strings.Contains(strings.Join(ru.Notes, " "), "%!") {
		t.Errorf("in Russian: %q, %q", ru.Title, ru.Notes)
	}
	if _, err := live.Build(&live.Export{Taken: taken}, shipped(t), "en"); err == nil {
		t.Error("an export without a cluster gives a model")
	}
}

func TestPrices(t *testing.T) {
	c := shipped(t)
	c.Prices = catalogue.Prices{Currency: "EUR", OutageHour: 1000, WorkHour: 50}
	m, err := live.Build(healthy(), c, "en")
	if err != nil {
		t.Fatal(err)
	}
	if faults := m.Check(); len(faults) > 0 {
		t.Fatal(faults)
	}
	if m.Currency != "EUR" || m.Costs == nil || m.Damage.Threats[0].Maximum != 168_000 {
		t.Errorf("currency %s, costs %v, maximum %v", m.Currency, m.Costs, m.Damage.Threats[0].Maximum)
	}
	for _, x := range m.Means {
		if x.Name == "access-list" && x.Cost != 100 {
			t.Errorf("two hours of work cost %v", x.Cost)
		}
	}
}

func TestCodesAreTheHierarchyOfProfiles(t *testing.T) {
	e := healthy()
	e.Profiles = append(e.Profiles, v1.Profile{Name: "Own", Authorizations: []string{"cluster.read"}}, v1.Profile{Name: "Web", Authorizations: []string{"cluster.group.admin"}})
	below := map[string][]string{}
	for _, n := range build(t, e).Codes.Nodes {
		below[n.Name] = n.Below
	}
	want := map[string][]string{
		"Cluster Management": {"Cluster Operation"}, "Cluster Operation": {"Cluster Read = Own", "Web"}, "Cluster Read = Own": nil, "Web": nil,
		"Geo Management": {"Geo Operation"}, "Geo Operation": {"Geo Read"}, "Geo Read": nil, "User Security": nil,
	}
	if d := cmp.Diff(want, below); d != "" {
		t.Error(d)
	}
}

// TestFailingNeverHelps: whatever checks fail or are unknown besides, no further means counts as in place.
func TestFailingNeverHelps(t *testing.T) {
	c := shipped(t)
	rapid.Check(t, func(t *rapid.T) {
		e, worse := healthy(), healthy()
		for i := range e.Check.Results {
			status := rapid.SampledFrom([]string{v1.CheckPass, v1.CheckFail, v1.CheckUnknown}).Draw(t, "status")
			e.Check.Results[i].Status, worse.Check.Results[i].Status = status, status
			if rapid.Bool().Draw(t, "worse") {
				worse.Check.Results[i].Status = rapid.SampledFrom([]string{v1.CheckFail, v1.CheckUnknown}).Draw(t, "as")
			}
		}
		before, err := live.Build(e, c, "en")
		if err != nil {
			t.Fatal(err)
		}
		after, err := live.Build(worse, c, "en")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range present(after) {
			if !slices.Contains(present(before), name) {
				t.Fatalf("means %s is in place only when more fails", name)
			}
		}
	})
}

// TestReportOfStoredExport: a stored export gives a report, and the same one each time.
func TestReportOfStoredExport(t *testing.T) {
	for _, name := range []string{"healthy", "weak"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var digests []string
		for range 2 {
			e, err := live.Thaw(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			m := build(t, e)
			digests = append(digests, m.Digest())
			if len(digests) > 1 {
				continue
			}
			r, err := assess.Run(context.Background(), m.Model, assess.Options{Workers: 2})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if r.Dynamics == nil || r.Losses == nil || r.Coverage == nil || r.Vulnerability == nil || r.Codes == nil {
				t.Errorf("%s: a section is missing", name)
			}
			if open := len(r.Coverage.Open) > 0; !open { // no-known-weakness is unknown in both
				t.Errorf("%s: nothing is open", name)
			}
		}
		if digests[0] != digests[1] {
			t.Errorf("%s: two models of one export", name)
		}
	}
}
