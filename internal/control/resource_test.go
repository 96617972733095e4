package control_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

func TestResources(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		res := ok[v1.Result](t)
		db := v1.ResourceCreate{Names: []string{"db"}, Group: "web-rg", Type: "redoubt.web", Property: []string{"Start_command=/srv/db"}}
		w.acts.ran()
		res(w.c().ResourceCreate(w.ctx, root, db))
		ran := w.acts.ran()
		for _, want := range []string{"Validate db n1", "Validate db n2", "Validate db n3", "Init db n2", "Start db n1"} {
			if !slices.Contains(ran, want) {
				t.Errorf("create did not run %s: %v", want, ran)
			}
		}
		if slices.Index(ran, "Validate db n3") > slices.Index(ran, "Start db n1") {
			t.Error("started before every node agreed")
		}
		refuse[v1.Result](t, fault.Exists, "resource db: a resource of this name exists")(w.c().ResourceCreate(w.ctx, root, db))
		res(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Standard: []string{"Resource_dependencies=db"}}))
		refuse[v1.Result](t, fault.Invalid, "the dependencies form a cycle: db -> web -> db")(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"db"}, Property: []string{"Resource_dependencies_weak=web"}}))

		refuse[v1.Result](t, fault.Precondition, "resource web depends on it and is enabled")(w.c().ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{"db"}}))
		w.acts.ran()
		res(w.c().ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{"db"}, Recursive: true}))
		stops := slices.DeleteFunc(w.acts.ran(), func(m string) bool { return strings.HasPrefix(m, "Update") })
		if got := strings.Join(stops, ", "); got != "Stop web n1, Stop db n1" {
			t.Errorf("disable ran: %s", got)
		}
		res(w.c().ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{"db"}})) // again
		out := res(w.c().ResourceEnable(w.ctx, root, v1.ResourceEnable{Names: []string{"web"}}))
		if !strings.Contains(strings.Join(out.Messages, "\n"), "stays offline until db") {
			t.Errorf("enable says %v", out.Messages)
		}
		res(w.c().ResourceEnable(w.ctx, root, v1.ResourceEnable{Names: []string{"web"}, Recursive: true}))
		res(w.c().ResourceEnable(w.ctx, root, v1.ResourceEnable{All: true})) // again
		w.is("web-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")

		res(w.c().ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{"web"}, Node: []string{"n1"}}))
		shown := ok[[]v1.Resource](t)(w.c().ResourceShow(w.ctx, root, v1.ResourceShow{Names: []string{"web"}}))
		if !shown[0].Enabled || !slices.Equal(shown[0].DisabledOn, []string{"n1"}) {
			t.Errorf("disabled on n1: %+v", shown[0])
		}
		res(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"web-rg"}, Node: []string{"n2"}}))
		st := ok[[]v1.ResourceState](t)(w.c().ResourceStatus(w.ctx, root, v1.ResourceStatus{Names: []string{"web"}, Node: []string{"n2"}}))
		if len(st[0].Nodes) != 1 || st[0].Nodes[0].State != "ONLINE" {
			t.Errorf("web on n2: %+v", st[0])
		}
		res(w.c().ResourceUnmonitor(w.ctx, root, v1.ResourceUnmonitor{Group: "web-rg"}))
		res(w.c().ResourceMonitor(w.ctx, root, v1.ResourceMonitor{Names: []string{"web"}, Node: []string{"n2"}}))
		shown = ok[[]v1.Resource](t)(w.c().ResourceShow(w.ctx, root, v1.ResourceShow{Names: []string{"web"}}))
		if !slices.Equal(shown[0].UnmonitoredOn, []string{"n1", "n3"}) {
			t.Errorf("not monitored on %v", shown[0].UnmonitoredOn)
		}
		refuse[v1.Result](t, fault.Invalid, "node n9 is not in the nodelist")(w.c().ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{"web"}, Node: []string{"n9"}}))
		refuse[v1.Result](t, fault.Invalid, "is of type redoubt.web, not of redoubt.many")(w.c().ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{"web"}, Type: "redoubt.many"}))

		refuse[v1.Result](t, fault.Precondition, "is enabled")(w.c().ResourceDelete(w.ctx, root, v1.ResourceDelete{Names: []string{"db"}}))
		res(w.c().ResourceDelete(w.ctx, root, v1.ResourceDelete{Names: []string{"db"}, Force: true}))
		shown = ok[[]v1.Resource](t)(w.c().ResourceShow(w.ctx, root, v1.ResourceShow{}))
		for _, r := range shown {
			if r.Name == "db" || slices.ContainsFunc(r.Standard, func(p v1.Property) bool { return slices.Contains(p.Values, "db") }) {
				t.Errorf("left of db: %+v", r)
			}
		}
		refuse[v1.Result](t, fault.Precondition, "is in use by web")(w.c().TypeUnregister(w.ctx, root, v1.TypeUnregister{Names: []string{"redoubt.web"}}))
	})
}

// TestServicesThatTheGuardCanNotEnd: a command that has another program start the service is warned of, when it is given and when it is changed.
func TestServicesThatTheGuardCanNotEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.configure()
		create := func(name, command string) string {
			out := ok[v1.Result](t)(w.c().ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{name}, Group: "web-rg", Type: "redoubt.web", Property: []string{"Start_command=" + command}}))
			return strings.Join(out.Messages, "\n")
		}
		set := func(name, property string) string {
			out := ok[v1.Result](t)(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{name}, Property: []string{property}}))
			return strings.Join(out.Messages, "\n")
		}
		const said = "the guard of a node that has lost its lease can not end it"
		if got := create("a", "/opt/server"); strings.Contains(got, said) {
			t.Errorf("a program of its own: %s", got)
		}
		if got := create("b", "systemctl start nginx"); strings.Count(got, said) != 1 || !strings.Contains(got, "warning: what resource b starts") {
			t.Errorf("systemctl: %s", got)
		}
		if got := set("b", "Level=4"); strings.Contains(got, said) {
			t.Errorf("another property: %s", got)
		}
	})
}

// What an agent finds wrong on a node need not be wrong: see judge.
func TestValidateDoubts(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.configure()
		says := func(d agent.Doubt) func(agent.Call) agent.Result {
			return func(agent.Call) agent.Result {
				return agent.Result{Exit: 6, Message: "no such address", Output: "checking\nno such address\n", Doubt: d}
			}
		}
		create := func(name string, disabled bool) (v1.Result, error) {
			return w.c().ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{name}, Group: "web-rg", Type: "redoubt.web", Property: []string{"Start_command=/srv"}, Disabled: disabled})
		}
		w.acts.script("a Validate", says(agent.DoubtPlace))
		out := ok[v1.Result](t)(create("a", false))
		if text := strings.Join(out.Messages, "\n"); strings.Count(text, "warning: Validate of resource a on node n2 refuses (exit status 6): no such address\n  checking\n  this can only be judged where") != 1 ||
			strings.Count(text, "no such address") != 3 {
			t.Errorf("warnings:\n%s", text)
		}
		out = ok[v1.Result](t)(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"a"}, Property: []string{"Level=4"}}))
		if !strings.Contains(strings.Join(out.Messages, "\n"), "warning: Validate of resource a on node n1") {
			t.Errorf("a change: %v", out.Messages)
		}
		w.acts.script("b Validate n2", says(agent.DoubtNode))
		out = ok[v1.Result](t)(create("b", false))
		if text := strings.Join(out.Messages, "\n"); !strings.Contains(text, "on node n2") || !strings.Contains(text, "the group can not start there") || strings.Contains(text, "on node n1") {
			t.Errorf("one node lacks something:\n%s", text)
		}
		w.acts.script("c Validate", says(agent.DoubtNode))
		_, err := create("c", false)
		refuse[v1.Result](t, fault.Invalid, "no node that was asked has what resource c needs")(v1.Result{}, err)
		for _, n := range []string{"n1", "n2", "n3"} {
			if got := strings.Count(err.Error(), "on node "+n+" refuses"); got != 1 {
				t.Errorf("the refusal of %s is said %d times:\n%v", n, got, err)
			}
		}
		ok[v1.Result](t)(create("c", true))
		w.acts.script("d Validate n1", says(""))
		w.acts.script("d Validate n2", says(agent.DoubtPlace))
		refuse[v1.Result](t, fault.Invalid, "Validate of resource d on node n1 refuses")(create("d", false))
	})
}

func TestValidateRefuses(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		w.acts.fail("web Validate n3", "the licence file is missing")
		set := v1.ResourceSet{Names: []string{"web"}, Property: []string{"Level=4", "Level{n2}=5"}}
		refuse[v1.Result](t, fault.Invalid, "Validate of resource web on node n3 refuses (exit status 1): the licence file is missing")(w.c().ResourceSet(w.ctx, root, set))
		w.acts.script("web Validate n3", func(agent.Call) agent.Result { return agent.Result{TimedOut: true, Exit: 137} })
		refuse[v1.Result](t, fault.Timeout, "Validate of resource web on node n3 took longer than 1h0m0s and was killed")(w.c().ResourceSet(w.ctx, root, set))
		w.acts.script("web Validate n3", nil)
		w.mu.Lock()
		w.cut["n2"] = true
		w.mu.Unlock()
		refuse[v1.Result](t, fault.Unavailable, "run Validate of resource web on node n2: node n2 can not be reached")(w.c().ResourceSet(w.ctx, root, set))
		r := ok[[]v1.Resource](t)(w.c().ResourceShow(w.ctx, root, v1.ResourceShow{Names: []string{"web"}}))
		if slices.ContainsFunc(r[0].Extension, func(p v1.Property) bool { return p.Name == "Level" && p.Values[0] != "3" }) {
			t.Errorf("refused, and changed all the same: %+v", r[0].Extension)
		}
		w.mu.Lock()
		w.cut["n2"] = false
		w.mu.Unlock()
		w.acts.ran()
		ok[v1.Result](t)(w.c().ResourceSet(w.ctx, root, set))
		synctest.Wait()
		if ran := w.acts.ran(); !slices.Contains(ran, "Update web n1") {
			t.Errorf("the running resource was not told: %v", ran)
		}
		for _, call := range w.acts.calls {
			if call.Method == model.MethodValidate && !call.Create && call.Changes == nil {
				t.Errorf("a validation of an update looks like one of a creation: %+v", call)
			}
		}
		w.lose("n3")
		ok[v1.Result](t)(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Verbose=yes"}})) // who is away is not asked
		refuse[v1.Result](t, fault.Precondition, "property Start_command: can be changed only while the resource is disabled")(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Start_command=y"}}))
		refuse[v1.Result](t, fault.Invalid, "10.77.0.100 is used by resource web-ip already")(w.c().ResourceCreateLogicalhostname(w.ctx, root, v1.ResourceCreateLogicalhostname{Names: []string{"ip2"}, Group: "web-rg", Address: []string{"10.77.0.100/16"}}))
		refuse[v1.Result](t, fault.Invalid, "give it with its prefix length")(w.c().ResourceCreateLogicalhostname(w.ctx, root, v1.ResourceCreateLogicalhostname{Names: []string{"ip2"}, Group: "web-rg", Address: []string{"10.77.0.9"}}))
	})
}

func TestSecretsAreNotShown(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		refuse[v1.Result](t, fault.Invalid, "keep its value as a private string")(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Password=hunter2"}}))
		ok[v1.Result](t)(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Password=secret:pw"}}))
		doc := ok[v1.Document](t)(w.c().ClusterExport(w.ctx, root, v1.ClusterExport{}))
		if got := doc.Resources[slices.IndexFunc(doc.Resources, func(r v1.ResourceDocument) bool { return r.Name == "web" })].Properties["Password"]; !slices.Equal(got, []string{"secret:pw"}) {
			t.Errorf("the export has the reference as %q", got)
		}
		// A value in the clear, from whoever wrote it there, is not given out.
		key := confdb.KeyResource("web")
		e, err := w.store.Get(w.ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		w.put(key, confdb.KindResource, func() model.Resource {
			r, err := confdb.Decode[model.Resource](confdb.KindResource, key, e.Value)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range r.Properties {
				if p.Name == "Password" {
					r.Properties[i].Values = []string{"hunter2"}
				}
			}
			return r
		}())
		synctest.Wait()
		shown := ok[[]v1.Resource](t)(w.c().ResourceShow(w.ctx, root, v1.ResourceShow{}))
		doc = ok[v1.Document](t)(w.c().ClusterExport(w.ctx, root, v1.ClusterExport{}))
		if text := fmt.Sprint(shown, doc); strings.Contains(text, "hunter2") {
			t.Errorf("a secret is shown or exported: %s", text)
		}
	})
}

// interfering is a repository into which somebody else writes just before a transaction.
type interfering struct {
	confdb.Store
	before func(ops []confdb.Op)
}

func (s *interfering) Txn(ctx context.Context, compares []confdb.Compare, ops []confdb.Op) (cluster.Revision, error) {
	if f := s.before; f != nil {
		s.before = nil
		f(ops)
	}
	return s.Store.Txn(ctx, compares, ops)
}

func TestSomebodyElseWasFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.configure()
		n := w.nodes["n1"]
		store := &interfering{Store: w.store}
		n.control.Enter(&control.Running{
			Node: "n1", Store: store, Source: n.mirror, Membership: n.member, Executor: n.executor, Types: types{w, "n1"}, Peers: peers{w, "n1"},
		})
		other := w.nodes["n2"].control
		// The same thing: decided anew, and found done.
		store.before = func([]confdb.Op) {
			ok[v1.Result](t)(other.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"new-rg"}}))
		}
		refuse[v1.Result](t, fault.Exists, "group new-rg")(w.c().GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"new-rg"}}))
		// Another thing on the same record: both hold.
		store.before = func([]confdb.Op) {
			ok[v1.Result](t)(other.GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"new-rg"}, Property: []string{"Failback=true"}}))
		}
		ok[v1.Result](t)(w.c().GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"new-rg"}, Property: []string{"Pingpong_interval=7"}}))
		synctest.Wait()
		g := ok[[]v1.Group](t)(w.c().GroupShow(w.ctx, root, v1.GroupShow{Names: []string{"new-rg"}}))
		for _, want := range []v1.Property{{Name: "Failback", Values: []string{"true"}}, {Name: "Pingpong_interval", Values: []string{"7"}}} {
			if !slices.ContainsFunc(g[0].Properties, func(p v1.Property) bool { return p.Name == want.Name && slices.Equal(p.Values, want.Values) }) {
				t.Errorf("%s is lost: %+v", want.Name, g[0].Properties)
			}
		}
		// A resource is made to depend on one that is deleted in the same moment: one of the two has to see the other.
		store.before = func([]confdb.Op) {
			ok[v1.Result](t)(other.ResourceDelete(w.ctx, root, v1.ResourceDelete{Names: []string{"web"}, Force: true}))
		}
		_, err := w.c().ResourceCreate(w.ctx, root, v1.ResourceCreate{
			Names: []string{"late"}, Group: "web-rg", Type: "redoubt.web", Property: []string{"Start_command=x", "Resource_dependencies=web"},
		})
		if err == nil || !strings.Contains(err.Error(), "resource web does not exist") && !strings.Contains(err.Error(), "resource web is being deleted") {
			t.Errorf("depends on what is not there: %v", err)
		}
		// A type is unregistered while a resource of it is made.
		store.before = func([]confdb.Op) {
			ok[v1.Result](t)(other.ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"many"}, Group: "web-rg", Type: "redoubt.many"}))
		}
		refuse[v1.Result](t, fault.Precondition, "is in use by many")(w.c().TypeUnregister(w.ctx, root, v1.TypeUnregister{Names: []string{"redoubt.many"}}))
		// Somebody who is always first.
		always := 0
		var again func([]confdb.Op)
		again = func([]confdb.Op) {
			always++
			w.put(confdb.KeySerial, confdb.KindSerial, map[string]string{"by": "somebody", "at": "2026-01-01T00:00:00Z"})
			store.before = again
		}
		store.before = again
		refuse[v1.Result](t, fault.Conflict, "try again")(w.c().GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"x-rg"}}))
		if always < 2 || always > 20 {
			t.Errorf("tried %d times", always)
		}
	})
}

func TestTypesOnNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		out := ok[v1.Result](t)(w.c().TypeRegister(w.ctx, root, v1.TypeRegister{Names: []string{"redoubt.many"}}))
		text := strings.Join(out.Messages, "\n")
		if !strings.Contains(text, `node n2 has version "1", this node has "2"`) || !strings.Contains(text, "node n3 does not have it") {
			t.Errorf("no warnings: %s", text)
		}
		refuse[v1.Result](t, fault.Exists, "is registered already")(w.c().TypeRegister(w.ctx, root, v1.TypeRegister{Names: []string{"redoubt.many"}}))
		refuse[v1.Result](t, fault.NotFound, "is not installed on node n1")(w.c().TypeRegister(w.ctx, root, v1.TypeRegister{Names: []string{"redoubt.nix"}}))
		refuse[v1.Result](t, fault.Invalid, "node n9 is not in the cluster")(w.c().TypeSet(w.ctx, root, v1.TypeSet{Names: []string{"redoubt.many"}, Node: []string{"n9"}}))
		ok[v1.Result](t)(w.c().TypeSet(w.ctx, root, v1.TypeSet{Names: []string{"redoubt.many"}, Node: []string{"n2", "n1"}, Property: []string{"Init_nodes=RT_INSTALLED_NODES"}}))
		types := ok[[]v1.Type](t)(w.c().TypeShow(w.ctx, root, v1.TypeShow{}))
		if !slices.Equal(types[0].InstalledNodes, []string{"n1", "n2"}) || types[0].InitNodes != "RT_INSTALLED_NODES" {
			t.Errorf("type: %+v", types[0])
		}
		props := ok[[]v1.TypeProps](t)(w.c().TypeListProps(w.ctx, root, v1.TypeListProps{Names: []string{"redoubt.many"}}))
		if !slices.ContainsFunc(props[0].Properties, func(p v1.PropertySpec) bool { return p.Name == "Start_timeout" && p.Default[0] == "30" }) {
			t.Errorf("properties: %+v", props[0].Properties)
		}
		ok[v1.Result](t)(w.c().TypeUnregister(w.ctx, root, v1.TypeUnregister{All: true}))
	})
}
