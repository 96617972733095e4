package posture

import (
	"regexp"
	"slices"
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// sound is a cluster of two nodes and a quorum server with which every check but that of the dependencies passes.
func sound() Facts {
	yes := true
	facts := func(name string) Node {
		return Node{
			NodeFacts: v1.NodeFacts{
				Node: name, Version: "1.0", Watchdog: "/dev/watchdog", FreeBytes: 1 << 40, AuthorityExpires: noon.AddDate(20, 0, 0),
				Posture: &v1.NodePosture{
					Now: noon, ClockSynced: &yes,
					Files: []v1.FileFact{
						{Path: "/var/lib/redoubt", Kind: v1.FileState, Mode: 0o700}, {Path: "/var/lib/redoubt/ca.key", Kind: v1.FileKey, Mode: 0o600},
						{Path: "/etc/redoubt", Kind: v1.FileConfig, Mode: 0o755}, {Path: "/usr/bin/redoubtd", Kind: v1.FileProgram, Mode: 0o755}, {Path: "/tmp", Kind: v1.FileProgram, Mode: 0o1777},
					},
					Certificates: []v1.CertificateFact{{Name: "the certificate of the node", Key: "ECDSA", Bits: 256, Signature: "ECDSA-SHA256", NotAfter: noon.AddDate(1, 0, 0)}},
					TLS:          []v1.TLSFact{{Name: "the API", Minimum: "1.3", ClientCert: true}},
					Sockets: []v1.SocketFact{
						{Network: "tcp", Address: "::", Port: 7401, Own: true}, {Network: "tcp", Address: "127.0.0.1", Port: 631, Program: "cupsd"},
					},
				},
			},
			ClockSure: time.Millisecond,
		}
	}
	state := model.State{Cluster: model.Cluster{Name: "demo", Interconnects: []model.Interconnect{{Network: "10.1.0.0/24"}, {Index: 1, Network: "10.2.0.0/24"}}}}
	for i, name := range []string{"n1", "n2", "q1"} {
		state.Nodes = append(state.Nodes, model.NodeState{Member: true, Node: model.Node{Name: cluster.NodeName(name), ID: i + 1, QuorumServer: name == "q1"}})
	}
	return Facts{Now: noon, State: state, Nodes: []Node{facts("n1"), facts("n2")}}
}

func result(t *testing.T, results []v1.CheckResult, id string) v1.CheckResult {
	t.Helper()
	i := slices.IndexFunc(results, func(r v1.CheckResult) bool { return r.ID == id })
	if i < 0 {
		t.Fatalf("there is no check %s", id)
	}
	return results[i]
}

// TestEachCheckFails breaks one thing at a time: the check that is for it fails and no other does.
func TestEachCheckFails(t *testing.T) {
	for _, r := range Run(Checks(), sound()) {
		if r.Status != v1.CheckPass && r.ID != dependenciesID {
			t.Errorf("%s of a sound cluster: %s %+v %+v", r.ID, r.Status, r.Findings, r.Unknown)
		}
	}
	no := false
	problem := []v1.Problem{{Severity: Warning, Object: "x", Text: "y"}}
	node := func(f func(n *Node)) func(*Facts) { return func(all *Facts) { f(&all.Nodes[1]) } }
	post := func(f func(p *v1.NodePosture)) func(*Facts) { return func(all *Facts) { f(all.Nodes[1].Posture) } }
	file := func(i int, mode, uid uint32) func(*Facts) {
		return post(func(p *v1.NodePosture) { p.Files[i].Mode, p.Files[i].UID = mode, uid })
	}
	for _, c := range []struct {
		id      string
		spoil   func(f *Facts)
		unknown bool // the silent node leaves others unknown
	}{
		{id: "RC-MEM-001", spoil: func(f *Facts) { f.Silent = []string{"n3"} }, unknown: true},
		{id: "RC-MEM-002", spoil: func(f *Facts) { f.Problems.Membership = problem }},
		{id: "RC-MEM-003", spoil: func(f *Facts) { f.State.Nodes = slices.Delete(f.State.Nodes, 1, 2) }},
		{id: "RC-MEM-004", spoil: func(f *Facts) { f.State.Nodes = f.State.Nodes[:2] }},
		{id: "RC-MEM-005", spoil: node(func(n *Node) { n.Version = "0.9" })},
		{id: "RC-NET-001", spoil: func(f *Facts) { f.State.Cluster.Interconnects[1].Disabled = true }},
		{id: "RC-RGM-001", spoil: func(f *Facts) { f.Problems.Groups = problem }},
		{id: "RC-CFG-001", spoil: func(f *Facts) { f.State.Resources = []model.Resource{{Name: "r", Group: "none", Type: "none"}} }},
		{id: "RC-GRD-001", spoil: node(func(n *Node) { n.GuardWarnings = []string{"no real-time priority"} })},
		{id: "RC-GRD-002", spoil: node(func(n *Node) { n.Watchdog = "" })},
		{id: "RC-GRD-003", spoil: func(f *Facts) { f.State.Nodes[0].Fence = &model.Fence{Agent: "fence_virt"} }},
		{id: "RC-NOD-001", spoil: node(func(n *Node) { n.Warnings = []string{"w"} })},
		{id: "RC-NOD-002", spoil: node(func(n *Node) { n.FreeBytes = 1 << 20 })},
		{id: "RC-CLK-001", spoil: node(func(n *Node) { n.ClockOff = -2 * time.Second })},
		{id: "RC-CLK-002", spoil: post(func(p *v1.NodePosture) { p.ClockSynced = &no })},
		{id: "RC-LOG-001", spoil: func(f *Facts) { f.Problems.Log = problem }},
		{id: "RC-CRT-001", spoil: func(f *Facts) { f.Problems.Certificates = problem }},
		{id: "RC-CRT-001", spoil: node(func(n *Node) { n.CertificateExpires = noon.AddDate(0, 0, 5) })},
		{id: "RC-CRT-002", spoil: node(func(n *Node) { n.AuthorityExpires = noon.AddDate(0, 0, 29) })},
		{id: "RC-CRT-003", spoil: func(f *Facts) { f.KnowNodes = []string{"n9"} }},
		{id: "RC-CRT-003", spoil: func(f *Facts) { f.KnowUsers = []string{"n9"} }},
		{id: "RC-TLS-001", spoil: post(func(p *v1.NodePosture) { p.TLS[0].Minimum = "1.2" })},
		{id: "RC-TLS-001", spoil: post(func(p *v1.NodePosture) { p.TLS[0].ClientCert = false })},
		{id: "RC-TLS-002", spoil: post(func(p *v1.NodePosture) { p.Certificates[0].Key, p.Certificates[0].Bits = "RSA", 2048 })},
		{id: "RC-TLS-002", spoil: post(func(p *v1.NodePosture) { p.Certificates[0].Signature = "ECDSA-SHA1" })},
		{id: "RC-TLS-002", spoil: post(func(p *v1.NodePosture) { p.Certificates[0].Key = "DSA" })},
		{id: "RC-TLS-003", spoil: post(func(p *v1.NodePosture) { p.Certificates[0].NotAfter = noon })},
		{id: "RC-FIL-001", spoil: file(1, 0o640, 0)},
		{id: "RC-FIL-002", spoil: file(0, 0o711, 0)},
		{id: "RC-FIL-003", spoil: file(2, 0o775, 0)},
		{id: "RC-FIL-004", spoil: file(3, 0o757, 0)},
		{id: "RC-FIL-004", spoil: file(3, 0o755, 1000)},
		{id: "RC-EXE-001", spoil: node(func(n *Node) { n.Plantable = []string{"/opt/x"} })},
		{id: "RC-EXE-002", spoil: func(f *Facts) {
			f.State.Cluster.Properties = []model.Property{{Name: "resource_security", Values: []string{"COMPATIBILITY"}}}
		}},
		{id: "RC-ACC-001", spoil: func(f *Facts) { f.Access.Everybody = true }},
		{id: "RC-ACC-002", spoil: func(f *Facts) { f.Access.Unreadable = "it is damaged" }},
		{id: "RC-ACC-003", spoil: func(f *Facts) { f.Access.ByAddress = true }},
		{id: "RC-USR-001", spoil: func(f *Facts) {
			f.Policy.Users = map[string]rbac.User{"ann": {Name: "ann", Grants: []rbac.Grant{{Profile: rbac.ClusterManagement}}}, "bob": {Grants: []rbac.Grant{{Profile: rbac.ClusterRead}}}}
		}},
		{id: "RC-USR-002", spoil: func(f *Facts) { f.Policy.Roles = map[string]rbac.Role{"ops": {Name: "ops"}} }},
		{id: "RC-USR-003", spoil: func(f *Facts) {
			f.State.Cluster.Properties = []model.Property{{Name: model.SessionLimit, Values: []string{"1441"}}, {Name: model.Sessions, Values: []string{"on"}}}
		}},
		{id: "RC-USR-003", spoil: func(f *Facts) {
			f.State.Cluster.Properties = []model.Property{{Name: model.Sessions, Values: []string{"on"}}}
			f.Sessions = []rbac.Session{{ID: "a", User: "ann", Hash: make([]byte, 32), Opened: noon, Used: noon, Ends: noon.Add(10 * time.Hour), Idle: 9 * 3600}}
		}},
		{id: "RC-SEC-001", spoil: func(f *Facts) { f.Secrets = []Secret{{Name: "pw"}} }},
		{id: "RC-SEC-002", spoil: func(f *Facts) {
			f.Secrets = []Secret{{Name: "pw", Readable: []string{"n1"}, Waiting: []string{"n2"}, Stuck: true}}
		}},
		{id: "RC-SEC-003", spoil: func(f *Facts) { f.Secrets = []Secret{{Name: "pw", Readable: []string{"n1"}, KnownTo: []string{"n9"}}} }},
		{id: "RC-NET-002", spoil: post(func(p *v1.NodePosture) {
			p.Sockets = append(p.Sockets, v1.SocketFact{Network: "tcp", Address: "::", Port: 9999, Own: true})
		})},
		{id: "RC-NET-003", spoil: post(func(p *v1.NodePosture) {
			p.Sockets = append(p.Sockets, v1.SocketFact{Network: "tcp", Address: "0.0.0.0", Port: 22, Program: "sshd"})
		})},
		{id: "RC-HST-001", spoil: post(func(p *v1.NodePosture) { p.Core = true })},
	} {
		f := sound()
		c.spoil(&f)
		for _, r := range Run(Checks(), f) {
			want := v1.CheckPass
			switch {
			case r.ID == c.id:
				want = v1.CheckFail
			case r.ID == dependenciesID || c.unknown && r.Status == v1.CheckUnknown:
				continue
			}
			if r.Status != want {
				t.Errorf("%s spoiled: %s is %s, want %s: %+v", c.id, r.ID, r.Status, want, r.Findings)
			}
		}
	}
}

// TestUnknownIsNoPass: a node that does not tell, or does not answer, makes no check pass that is about what it would have told.
func TestUnknownIsNoPass(t *testing.T) {
	f := sound()
	f.Nodes[1].Posture, f.Nodes[1].ClockSure = nil, 0
	about := []string{"RC-FIL-001", "RC-FIL-002", "RC-FIL-003", "RC-FIL-004", "RC-TLS-001", "RC-TLS-002", "RC-NET-002", "RC-CLK-001", "RC-CLK-002", "RC-HST-001", "RC-HST-002"}
	for _, id := range about {
		if r := result(t, Run(Checks(), f), id); r.Status != v1.CheckUnknown || r.Unknown[0].Object != "node n2" {
			t.Errorf("%s: %s %+v", id, r.Status, r.Unknown)
		}
	}
	f = sound()
	f.Nodes[0].Posture.Missing = []string{"what listens: no such file"}
	if r := result(t, Run(Checks(), f), "RC-HST-002"); r.Status != v1.CheckUnknown {
		t.Errorf("what a node could not look at: %+v", r)
	}
	// A finding counts for more than what is not known beside it.
	f.Silent = []string{"n3"}
	f.Nodes[0].Posture.Core = true
	if r := result(t, Run(Checks(), f), "RC-HST-001"); r.Status != v1.CheckFail || len(r.Unknown) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestTableOfChecks(t *testing.T) {
	seen := map[string]bool{}
	form := regexp.MustCompile(`^RC-[A-Z]{3}-[0-9]{3}$`)
	for _, c := range Checks() {
		if seen[c.ID] || !form.MatchString(c.ID) || c.Title == "" || c.Rationale == "" || c.Remedy == "" || c.Area == "" || Rank(c.Severity) > 1 && c.Severity != Info {
			t.Errorf("check %+v", c.CheckInfo)
		}
		seen[c.ID] = true
	}
}

func TestSelect(t *testing.T) {
	all := Checks()
	for _, c := range []struct {
		only, exclude []string
		severity      string
		want          int
	}{
		{nil, nil, "", len(all)}, {[]string{"rc-tls-002"}, nil, "", 1}, {nil, []string{"RC-TLS-002"}, "", len(all) - 1}, {[]string{"RC-TLS-002", "RC-USR-001"}, nil, "moderate", 1},
		{[]string{"RC-NOP-001"}, nil, "", 0}, {nil, []string{"RC-NOP-001"}, "", 0}, {nil, nil, "awful", 0}, {[]string{"RC-TLS-002"}, []string{"RC-TLS-002"}, "", 0},
	} {
		got, err := Select(all, c.only, c.exclude, c.severity)
		if len(got) != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%+v: %d checks, %v", c, len(got), err)
		}
	}
	for _, c := range first(Select(all, nil, nil, "critical")) {
		if c.Severity != Error {
			t.Errorf("%s is %s", c.ID, c.Severity)
		}
	}
}

func first(list []Check, _ error) []Check { return list }
