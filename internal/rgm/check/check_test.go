package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

func bound(n int64) *int64 { return &n }

// web is a type with a property of every kind and tunability.
func web() model.Type {
	return model.Type{
		Name: "redoubt.web", Driver: "exec", Failover: true,
		Methods: []model.MethodSpec{{Method: model.MethodStart, Program: "start", Timeout: 30}, {Method: model.MethodStop, Program: "stop"}, {Method: model.MethodValidate, Program: "validate"}},
		Properties: []model.PropertySpec{
			{Name: "Start_command", Type: model.TypeString, Required: true, Min: bound(1), Max: bound(64), Tunable: model.TunableWhenDisabled},
			{Name: "Port", Type: model.TypeInt, Default: []string{"80"}, Min: bound(1), Max: bound(65535), Tunable: model.TunableAnytime},
			{Name: "Log_level", Type: model.TypeEnum, Enum: []string{"NONE", "INFO", "ERR"}, Default: []string{"INFO"}, Tunable: model.TunableAnytime, PerNode: true},
			{Name: "Listen", Type: model.TypeBool, Default: []string{"true"}, Tunable: model.TunableWhenOffline},
			{Name: "Hosts", Type: model.TypeStringArray, Default: []string{}, Max: bound(3), Tunable: model.TunableAnytime},
			{Name: "Root", Type: model.TypeString, Default: []string{"/srv"}, Tunable: model.TunableAtCreation},
			{Name: "Engine", Type: model.TypeString, Default: []string{"a"}, Tunable: model.TunableWhenUnmanaged},
			{Name: "Fixed", Type: model.TypeString, Default: []string{"x"}, Tunable: model.TunableNever},
			{Name: "Password", Type: model.TypeInt, Secret: true, Tunable: model.TunableAnytime},
			{Name: "Retry_count", Type: model.TypeInt, Default: []string{"4"}, Max: bound(9), Tunable: model.TunableWhenDisabled},
		},
	}
}

func ip() model.Type {
	return model.Type{
		Name: "redoubt.logicalhostname", Driver: "native", Failover: true, NetworkAddress: true,
		Methods:    []model.MethodSpec{{Method: model.MethodStart}, {Method: model.MethodStop}},
		Properties: []model.PropertySpec{{Name: "Addresses", Type: model.TypeStringArray, Required: true, Unique: true, Tunable: model.TunableWhenDisabled}},
	}
}

func state() model.State {
	i := cluster.Incarnation{Number: 1, Tag: "a"}
	s := model.State{
		Nodes: []model.NodeState{
			{Node: model.Node{Name: "n1"}, Member: true, Incarnation: i}, {Node: model.Node{Name: "n2"}, Member: true, Incarnation: i},
			{Node: model.Node{Name: "n3"}}, {Node: model.Node{Name: "q1", QuorumServer: true}},
		},
		Types: []model.Type{
			ip(),
			{Name: "redoubt.many", Driver: "exec", Methods: []model.MethodSpec{{Method: model.MethodStart}, {Method: model.MethodStop}}},
			{Name: "redoubt.one", Driver: "exec", SingleInstance: true, Methods: []model.MethodSpec{{Method: model.MethodStart}, {Method: model.MethodStop}}},
			web(),
			{Name: "redoubt.young", Driver: "exec", InstalledNodes: []string{"n1"}, Methods: []model.MethodSpec{{Method: model.MethodStart}, {Method: model.MethodStop}}},
		},
		Groups: []model.Group{
			{Name: "far-rg", Nodelist: []cluster.NodeName{"n3"}, MaximumPrimaries: 1, DesiredPrimaries: 1},
			{Name: "many-rg", Nodelist: []cluster.NodeName{"n1", "n2"}, MaximumPrimaries: 2, DesiredPrimaries: 2},
			{Name: "web-rg", Nodelist: []cluster.NodeName{"n1", "n2"}, MaximumPrimaries: 1, DesiredPrimaries: 1, ImplicitNetworkDependencies: true, Managed: true},
		},
	}
	add := func(name cluster.ResourceName, group cluster.GroupName, typ cluster.TypeName, settings ...string) {
		set, ps := check.ParseSettings("test", settings)
		r, more := check.NewResource(s, check.ResourceRequest{Name: name, Group: group, Type: typ, Changes: check.Changes{Any: set}})
		if len(ps)+len(more) > 0 {
			panic(append(ps, more...).Err())
		}
		s = check.WithResource(s, r)
	}
	add("far", "far-rg", "redoubt.many")
	add("only", "far-rg", "redoubt.one")
	add("web-ip", "web-rg", "redoubt.logicalhostname", "Addresses=10.0.0.1/24,fd00::1/64")
	add("db", "web-rg", "redoubt.web", "Start_command=/bin/db")
	add("web", "web-rg", "redoubt.web", "Start_command=/bin/web", "Resource_dependencies=db")
	return s
}

func settings(t *testing.T, texts ...string) []check.Setting {
	t.Helper()
	set, ps := check.ParseSettings("test", texts)
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

// says fails unless the problems are exactly one for each wanted text, in any order.
func says(t *testing.T, ps check.Problems, want ...string) {
	t.Helper()
	lines := ps.Lines()
	if len(lines) != len(want) {
		t.Fatalf("got %d problems, want %d:\n%s", len(lines), len(want), strings.Join(lines, "\n"))
	}
	for _, w := range want {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, w) }) {
			t.Errorf("no problem says %q in:\n%s", w, strings.Join(lines, "\n"))
		}
	}
}

func TestNewResourceRefuses(t *testing.T) {
	ok := []string{"Start_command=/bin/true"}
	for _, c := range []struct {
		what        string
		name        cluster.ResourceName
		group       cluster.GroupName
		typ         cluster.TypeName
		set         []string
		want        []string
		code        fault.Code
		noImplicits bool
	}{
		{what: "bad name", name: "we b", set: ok, want: []string{`character ' ' is not allowed`}},
		{what: "reserved name", name: "all", set: ok, want: []string{"reserved"}},
		{what: "name taken", name: "web", set: ok, want: []string{"resource web: a resource of this name exists"}, code: fault.Exists},
		{what: "no such group", group: "nix-rg", set: ok, want: []string{"group nix-rg does not exist"}, code: fault.NotFound},
		{what: "no such type", typ: "redoubt.nix", set: ok, want: []string{"redoubt.nix is not registered"}, code: fault.NotFound},
		{what: "no group and type", group: "-", typ: "-", want: []string{"group - does not exist", "type - is not registered"}, code: fault.NotFound},
		{what: "unknown property", set: append(ok, "Portt=80"), want: []string{"property Portt: resource type redoubt.web has no such property; did you mean Port?"}},
		{what: "unlike any property", set: append(ok, "Zzzzzzzzz=80"), want: []string{"redoubt type list-props redoubt.web"}},
		{what: "required property", want: []string{"property Start_command: is required"}},
		{what: "required property empty", set: []string{"Start_command="}, want: []string{"property Start_command: 0 characters is less than the minimum of 1"}},
		{what: "too long", set: []string{"Start_command=" + strings.Repeat("x", 65)}, want: []string{"65 characters is more than the maximum of 64"}},
		{what: "no number", set: append(ok, "port=many"), want: []string{`property Port: "many" is not a whole number`}},
		{what: "below", set: append(ok, "Port=0"), want: []string{"0 is less than the minimum of 1"}},
		{what: "above", set: append(ok, "Port=65536"), want: []string{"65536 is more than the maximum of 65535"}},
		{what: "no bool", set: append(ok, "Listen=perhaps"), want: []string{`"perhaps" is neither true nor false`}},
		{what: "no enum word", set: append(ok, "Log_level=LOUD"), want: []string{`"LOUD" is none of NONE, INFO, ERR`}},
		{what: "too many elements", set: append(ok, "Hosts=a,b,c,d"), want: []string{"4 elements is more than the maximum of 3"}},
		{what: "list operation on a single value", set: append(ok, "Port+=1"), want: []string{"property Port: is no list"}},
		{what: "removing what is not there", set: append(ok, "Hosts-=a"), want: []string{`does not have the element "a"`}},
		{what: "per-node value of a common property", set: append(ok, "Port{n1}=1"), want: []string{"property Port{n1}: has one value for all nodes"}},
		{what: "per-node value of a standard property", set: append(ok, "Retry_count{n1}=1"), want: []string{"has one value for all nodes"}},
		{what: "per-node value elsewhere", set: append(ok, "Log_level{n3}=ERR"), want: []string{"node n3 is not in the nodelist of group web-rg"}},
		{what: "secret", set: append(ok, "Password=hunter2"), want: []string{"property Password: is secret: keep its value as a private string"}},
		{what: "not settable", set: append(ok, "Fixed=y"), want: []string{"property Fixed: can not be set"}, code: fault.Precondition},
		{what: "read-only", set: append(ok, "Type=x"), want: []string{"property Type: can not be set"}, code: fault.Precondition},
		{what: "failover mode", set: append(ok, "Failover_mode=MAYBE"), want: []string{`"MAYBE" is none of NONE, SOFT, HARD`}},
		{what: "bound of the type", set: append(ok, "Retry_count=10"), want: []string{"10 is more than the maximum of 9"}},
		{what: "timeout", set: append(ok, "Start_timeout=0"), want: []string{"property Start_timeout: 0 is less than the minimum of 1"}},
		{what: "timeout of a method that is not declared", set: append(ok, "Update_timeout=5"), want: []string{"property Update_timeout: resource type redoubt.web has no such property"}},
		{what: "retry never reached", set: append(ok, "Retry_interval=0"), want: []string{"Retry_count 4 could never be reached"}},
		{what: "unknown dependency", set: append(ok, "Resource_dependencies=dba"), want: []string{"resource dba does not exist; did you mean db?"}, code: fault.NotFound},
		{what: "itself", set: append(ok, "Resource_dependencies=new"), want: []string{"can not depend on itself"}},
		{what: "bad qualifier", set: append(ok, "Resource_dependencies=db{SOMEWHERE}"), want: []string{"the qualifiers are LOCAL_NODE"}},
		{what: "open brace", set: append(ok, "Resource_dependencies=db{LOCAL_NODE"), want: []string{"lacks the closing brace"}},
		{what: "unknown node of a dependency", set: append(ok, "Resource_dependencies_weak=db{@n9}"), want: []string{"Resource_dependencies_weak: db{@n9}: node n9 is not in the cluster"}},
		{what: "node where the other can not be", set: append(ok, "Resource_dependencies=far{@n3}"), want: []string{"node n3 is not in the nodelist of group web-rg"}},
		{what: "no common node", set: append(ok, "Resource_dependencies=far{local_node}"), want: []string{"far{LOCAL_NODE} can never be met: no node of the nodelist of group web-rg is in that of group far-rg"}},
		{what: "two kinds", set: append(ok, "Resource_dependencies=db", "Resource_dependencies_restart=db"), want: []string{"resource db stands in"}},
		{what: "address that needs a server", name: "ip2", typ: "redoubt.logicalhostname", set: []string{"Addresses=10.0.0.2/24", "Resource_dependencies=web"}, want: []string{"ip2 -> web -> ip2 (implicit: network address of the group)"}},
		{what: "address used twice", name: "ip2", typ: "redoubt.logicalhostname", set: []string{"Addresses=10.0.0.1/16"}, want: []string{"property Addresses: 10.0.0.1 is used by resource web-ip already"}},
		{what: "address used twice, other spelling", name: "ip2", typ: "redoubt.logicalhostname", set: []string{"Addresses=fd00:0::0:1/64"}, want: []string{"fd00::1 is used by resource web-ip"}},
		{what: "failover type in a group with several primaries", group: "many-rg", set: ok, want: []string{"runs on one node at a time, but group many-rg has Maximum_primaries 2"}},
		{what: "single instance", typ: "redoubt.one", want: []string{"allows one resource in the cluster, and that is only"}},
		{what: "not installed everywhere", typ: "redoubt.young", want: []string{"redoubt.young is not installed on node n2"}},
		{what: "all at once", set: []string{"Port=x", "Listen=y", "Nonsense_of_mine=1"}, want: []string{"Port", "Listen", "Nonsense_of_mine"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			q := check.ResourceRequest{Name: c.name, Group: c.group, Type: c.typ, Changes: check.Changes{Any: settings(t, c.set...)}}
			if q.Name == "" {
				q.Name = "new"
			}
			if q.Group == "" {
				q.Group = "web-rg"
			}
			if q.Type == "" {
				q.Type = "redoubt.web"
			}
			_, ps := check.NewResource(state(), q)
			says(t, ps, c.want...)
			want := c.code
			if want == "" {
				want = fault.Invalid
			}
			if got := fault.CodeOf(ps.Err()); got != want {
				t.Errorf("code %s, want %s", got, want)
			}
			if strings.Contains(ps.Err().Error(), "hunter2") {
				t.Error("the error tells a secret")
			}
		})
	}
}

func TestNewResourceIsComplete(t *testing.T) {
	r, ps := check.NewResource(state(), check.ResourceRequest{Name: "new", Group: "web-rg", Type: "redoubt.web", Changes: check.Changes{
		Any:       settings(t, "start_command=/bin/x,y", "LOG_LEVEL=err", "Log_level{n2}=none", "Start_timeout=31", "Stop_timeout=3600"),
		Standard:  settings(t, "failover_mode=soft", "Resource_dependencies_offline_restart=web,db"),
		Extension: settings(t, `hosts=a\,b,c`),
	}})
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	want := model.Resource{
		Name: "new", Group: "web-rg", Type: "redoubt.web", Enabled: true, Monitored: true, FailoverMode: model.FailoverSoft,
		RetryCount: 4, RetryInterval: 370, ThoroughProbeInterval: 60, Generation: 1,
		Dependencies: []model.Dependency{{On: "db", Kind: model.DependOfflineRestart}, {On: "web", Kind: model.DependOfflineRestart}},
		Timeouts:     []model.MethodTimeout{{Method: model.MethodStart, Seconds: 31}},
		Properties: []model.Property{
			{Name: "Engine", Values: []string{"a"}}, {Name: "Fixed", Values: []string{"x"}}, {Name: "Hosts", Values: []string{"a,b", "c"}},
			{Name: "Listen", Values: []string{"true"}}, {Name: "Log_level", Values: []string{"ERR"}}, {Name: "Log_level", Values: []string{"NONE"}, Node: "n2"},
			{Name: "Port", Values: []string{"80"}}, {Name: "Root", Values: []string{"/srv"}}, {Name: "Start_command", Values: []string{"/bin/x,y"}},
		},
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
	if v, _ := check.Value(web(), r, "log_level", "n2"); !slices.Equal(v, []string{"NONE"}) {
		t.Errorf("on n2 Log_level is %v", v)
	}
	if v, _ := check.Value(web(), r, "log_level", "n1"); !slices.Equal(v, []string{"ERR"}) {
		t.Errorf("on n1 Log_level is %v", v)
	}
}

func TestKindsOfProperties(t *testing.T) {
	_, ps := check.NewResource(state(), check.ResourceRequest{Name: "new", Group: "web-rg", Type: "redoubt.web", Changes: check.Changes{
		Standard: settings(t, "Start_command=/bin/x"), Extension: settings(t, "Retry_count=1"),
	}})
	says(t, ps, "property Start_command: is an extension property; set it with -x", "property Retry_count: is a standard property; set it with -y")
}

func TestParseSettings(t *testing.T) {
	got, ps := check.ParseSettings("resource web", []string{"A=b=c", "B+=x,y", "C-=z", "D{n1, n2}=v", "E=", "F", "=x", "G{n1=x", "H{}=x"})
	says(t, ps, `"F" is no property setting`, "has no name", "G: the nodes of a per-node value", "H: the nodes")
	want := []check.Setting{
		{Name: "A", Text: "b=c"}, {Name: "B", Op: check.OpAdd, Text: "x,y"}, {Name: "C", Op: check.OpRemove, Text: "z"},
		{Name: "D", Nodes: []cluster.NodeName{"n1", "n2"}, Text: "v"}, {Name: "E"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// running gives the state with an instance of web-rg on n1.
func running(s model.State, group model.GroupState, web model.ResourceState) model.State {
	s.Instances = []model.Instance{{
		Node: "n1", Incarnation: cluster.Incarnation{Number: 1, Tag: "a"}, Group: "web-rg", State: group,
		Resources: []model.ResourceInstance{{Name: "web", State: web}},
	}}
	return s
}

func TestSetResourceMoments(t *testing.T) {
	const group, enabled = 1, 2
	for _, c := range []struct {
		set     string
		off     int // what is off: group offline, resource disabled
		managed bool
		want    string // "" allowed
	}{
		{"Port=81", 0, true, ""},
		{"Start_command=/bin/y", 0, true, "while the resource is disabled"},
		{"Start_command=/bin/y", enabled, true, ""},
		{"Retry_count=1", 0, true, "while the resource is disabled"},
		{"Listen=false", enabled, true, "while the group is offline"},
		{"Listen=false", group, true, ""},
		{"Root=/x", group | enabled, false, "only when the resource is created"},
		{"Root=/srv", 0, true, ""}, // changes nothing
		{"Engine=b", group | enabled, true, "while the group is unmanaged"},
		{"Engine=b", group, false, ""},
		{"Fixed=z", group | enabled, false, "can not be set"},
		{"Type=other", group, false, "can not be set"},
	} {
		s := running(state(), model.GroupOnline, model.ResourceOnline)
		r, _ := check.Resource(s, "web")
		if c.off&enabled != 0 {
			r.Enabled = false
			s = running(s, model.GroupOnline, model.ResourceOffline)
		}
		if c.off&group != 0 {
			s = running(s, model.GroupOffline, model.ResourceOffline)
		}
		g, _ := check.Group(s, "web-rg")
		g.Managed = c.managed
		s = check.WithResource(check.WithGroup(s, g), r)
		_, changed, ps := check.SetResource(s, r, check.Changes{Any: settings(t, c.set)})
		switch {
		case c.want == "" && len(ps) > 0:
			t.Errorf("%s: %v", c.set, ps.Err())
		case c.want != "" && (len(ps) != 1 || !strings.Contains(ps[0].Text, c.want) || ps[0].Code != fault.Precondition):
			t.Errorf("%s: got %v, want %q", c.set, ps, c.want)
		case c.want == "" && (len(changed) == 1) != (c.set != "Root=/srv"):
			t.Errorf("%s: changed %v", c.set, changed)
		}
	}
}

func TestSetResourceGeneration(t *testing.T) {
	s := state()
	old, _ := check.Resource(s, "web")
	for set, want := range map[string]uint64{"R_description=a server": 1, "Port=80": 1, "Port=81": 2} {
		r, _, ps := check.SetResource(s, old, check.Changes{Any: settings(t, set)})
		if len(ps) > 0 || r.Generation != want {
			t.Errorf("%s: generation %d, want %d (%v)", set, r.Generation, want, ps)
		}
	}
	if _, _, ps := check.SetResource(s, old, check.Changes{Any: settings(t, "Hosts+=a,b", "Hosts+=b,c", "Hosts-=a")}); len(ps) > 0 {
		t.Error(ps.Err())
	}
}

func TestCycles(t *testing.T) {
	s := state()
	db, _ := check.Resource(s, "db")
	for _, kind := range []string{"", "_weak", "_restart", "_offline_restart"} {
		_, _, ps := check.SetResource(s, db, check.Changes{Any: settings(t, "Resource_dependencies"+kind+"=web")})
		says(t, ps, "the dependencies form a cycle: db -> web -> db")
	}
	g, _ := check.Group(s, "web-rg")
	g.ImplicitNetworkDependencies = false
	s = check.WithGroup(s, g)
	ip, _ := check.Resource(s, "web-ip")
	ip, _, ps := check.SetResource(s, ip, check.Changes{Any: settings(t, "Resource_dependencies=web")})
	if len(ps) > 0 {
		t.Fatal(ps.Err())
	}
	_, ps = check.SetGroup(check.WithResource(s, ip), g, settings(t, "Implicit_network_dependencies=true"))
	says(t, ps, "web-ip (implicit: network address of the group) -> web")
}

func TestGroups(t *testing.T) {
	s := running(state(), model.GroupOnline, model.ResourceOnline)
	for _, c := range []struct {
		name cluster.GroupName
		set  []string
		want []string
	}{
		{"web-rg", nil, []string{"a group of this name exists"}},
		{"-x", nil, []string{"character '-' is not allowed here"}},
		{"new", []string{"Nodelist=n1,n9"}, []string{`node "n9" is not in the cluster; did you mean n1 or n2 or n3?`}},
		{"new", []string{"Nodelist=n1,n1"}, []string{"names node n1 twice"}},
		{"new", []string{"Nodelist=q1"}, []string{"q1 is a quorum server"}},
		{"new", []string{"Nodelist="}, []string{"is empty"}},
		{"new", []string{"Desired_primaries=2"}, []string{"Desired_primaries: 2 is more than Maximum_primaries 1"}},
		{"new", []string{"Maximum_primaries=0", "Failback=maybe"}, []string{"0 is less than the minimum of 1", `"maybe" is neither true nor false`}},
		{"new", []string{"Pingpong_intervall=3"}, []string{"did you mean Pingpong_interval?"}},
		{"new", []string{"Pathprefix=data"}, []string{"not the full name of a directory"}},
		{"new", []string{"RG_mode=Scalable"}, []string{"property RG_mode: can not be set"}},
		{"new", []string{"Failback{n1}=true"}, []string{"one value for all nodes"}},
		{"new", []string{"Failback+=true"}, []string{"is no list"}},
	} {
		_, ps := check.NewGroup(s, c.name, settings(t, c.set...))
		says(t, ps, c.want...)
	}
	g, ps := check.NewGroup(s, "new", nil)
	want := model.Group{Name: "new", Nodelist: []cluster.NodeName{"n1", "n2", "n3"}, MaximumPrimaries: 1, DesiredPrimaries: 1, PingpongInterval: 3600, AutoStartOnNewCluster: true, ImplicitNetworkDependencies: true, Priority: model.DefaultPriority}
	if d := cmp.Diff(want, g); d != "" || len(ps) > 0 {
		t.Error(d, ps)
	}
	webRG, _ := check.Group(s, "web-rg")
	_, ps = check.SetGroup(s, webRG, settings(t, "Maximum_primaries=2"))
	says(t, ps, "web: resource type redoubt.web runs on one node", "web-ip: resource type", "db: resource type")
	_, ps = check.SetGroup(s, webRG, settings(t, "Nodelist-=n1"))
	says(t, ps, "is ONLINE on node n1; switch it")
	if _, ps = check.SetGroup(s, webRG, settings(t, "Nodelist-=n2", "failback=TRUE")); len(ps) > 0 {
		t.Error(ps.Err())
	}
	webRG.System = true
	_, ps = check.SetGroup(s, webRG, settings(t, "Failback=true"))
	says(t, ps, "is protected (RG_system)")
	for _, free := range []string{"Suspend_automatic_recovery=true", "RG_system=false"} {
		if _, ps = check.SetGroup(s, webRG, settings(t, free)); len(ps) > 0 {
			t.Error(free, ps.Err())
		}
	}
}

func TestDeletingThingsInUse(t *testing.T) {
	s := running(state(), model.GroupOnline, model.ResourceOnline)
	says(t, check.DeleteType(s, "redoubt.web"), "is in use by db, web")
	says(t, check.DeleteType(s, "redoubt.young"))
	says(t, check.DeleteNode(s, "n3"), "is in the nodelist of group far-rg")
	says(t, check.DeleteNode(s, "q1"))
	webRG, _ := check.Group(s, "web-rg")
	says(t, check.DeleteGroup(s, webRG, false), "has resources (db, web, web-ip)", "is not offline")
	says(t, check.DeleteGroup(s, webRG, true))
	db, _ := check.Resource(s, "db")
	says(t, check.DeleteResource(s, db, nil, false), "is enabled", "resource web depends on it")
	says(t, check.DeleteResource(s, db, []cluster.ResourceName{"web"}, false), "is enabled")
	says(t, check.DeleteResource(s, db, nil, true))
	says(t, check.Disable(s, []cluster.ResourceName{"db"}), "resource web depends on it and is enabled")
	says(t, check.Disable(s, []cluster.ResourceName{"db", "web"}))
	says(t, check.Disable(s, []cluster.ResourceName{"web-ip"}))
	far, _ := check.Resource(s, "far")
	far.Dependencies = []model.Dependency{{On: "web", Kind: model.DependStrong, Qualifier: "@n3"}}
	s = check.WithResource(s, far)
	says(t, check.DeleteGroup(s, webRG, true), "resource far of group far-rg depends on it")
	says(t, check.DeleteGroup(s, webRG, true, "far-rg"))
	says(t, check.DeleteNode(s, "n3"), "nodelist of group far-rg", "is named in the dependencies of resource far")
	says(t, check.All(s))
	says(t, check.All(check.WithoutType(s, "redoubt.many")), "resource far: its resource type redoubt.many is not registered")
}

func TestTypes(t *testing.T) {
	bad := model.Type{Name: "ocf:x", Driver: "exec", Methods: []model.MethodSpec{{Method: "Run"}, {Method: model.MethodValidate}, {Method: model.MethodValidate}}, Properties: []model.PropertySpec{
		{Name: ""}, {Name: "A", Type: "float"}, {Name: "B", Type: model.TypeEnum}, {Name: "B", Type: model.TypeInt, Default: []string{"x"}, Min: bound(3), Max: bound(2)},
	}}
	says(t, check.CheckType(bad), "ocf:PROVIDER:NAME", "neither Start nor", "neither Stop nor", `method "Run"`, "Validate twice", "has no name", "unknown type", "without words", "declared twice", "minimum above", "default is wrong")
	says(t, check.CheckType(web()))
	ocf := model.Type{Name: "ocf:heartbeat:db", Driver: "ocf", Properties: []model.PropertySpec{{Name: "port", Type: model.TypeInt, Default: []string{""}}, {Name: "type", Type: model.TypeString}}}
	says(t, check.CheckType(ocf))
	r, ps := check.NewResource(check.WithType(state(), ocf), check.ResourceRequest{Name: "x", Group: "web-rg", Type: ocf.Name, Changes: check.Changes{Any: settings(t, "type=master")}})
	says(t, ps)
	if d := cmp.Diff([]model.Property{{Name: "type", Values: []string{"master"}}}, r.Properties); d != "" {
		t.Error(d)
	}
}

func TestClusterAndNodes(t *testing.T) {
	def, _ := cluster.ProfileTiming("default")
	old := check.ClusterSettings{Timing: def}
	for _, c := range []struct {
		set  []string
		want []string
	}{
		{[]string{"heartbeat_quantom=50"}, []string{"did you mean heartbeat_quantum?"}},
		{[]string{"heartbeat_quantum=fast"}, []string{"is not a whole number"}},
		{[]string{"heartbeat_quantum=1"}, []string{"1 is less than the minimum of 10"}},
		{[]string{"heartbeat_timeout=60001"}, []string{"more than the maximum of 60000"}},
		{[]string{"heartbeat_profile=slow"}, []string{"is none of default, fast, wan, custom"}},
		{[]string{"heartbeat_timeout=200"}, []string{"too short for heartbeat_quantum"}},
		{[]string{"description{n1}=x"}, []string{"one value for all nodes"}},
	} {
		_, ps := check.SetCluster(old, settings(t, c.set...))
		says(t, ps, c.want...)
	}
	got, ps := check.SetCluster(old, settings(t, "heartbeat_profile=wan", "heartbeat_timeout=4000", "description=demo"))
	says(t, ps)
	want := check.ClusterSettings{Timing: cluster.CustomTiming(500e6, 4000e6), Properties: []model.Property{{Name: "description", Values: []string{"demo"}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	n, ps := check.SetNode(model.Node{Name: "n1"}, settings(t, "Host=n1.example", "privatehostname=n1-priv"))
	says(t, ps)
	if d := cmp.Diff(model.Node{Name: "n1", Host: "n1.example", Properties: []model.Property{{Name: "privatehostname", Values: []string{"n1-priv"}}}}, n); d != "" {
		t.Error(d)
	}
}
