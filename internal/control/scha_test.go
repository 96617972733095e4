package control_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

func TestSchaGet(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		ok[v1.Result](t)(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Level{n1}=7", "Failover_mode=SOFT", "Resource_dependencies_weak=web-ip{LOCAL_NODE}"}}))
		resource := func(tag string, args ...string) string {
			return strings.Join(ok[[]string](t)(w.c().SchaResourceGetCall(w.ctx, root, v1.SchaResourceGetCall{Operation: tag, Resource: "web", Group: "web-rg", Names: args})), "|")
		}
		for tag, want := range map[string]string{
			"STATUS": "OK|", "resource_state": "ONLINE", "RESOURCE_STATE_NODE n2": "OFFLINE", "STATUS_NODE n2": "OFFLINE|", "ON_OFF_SWITCH": "ENABLED", "MONITORED_SWITCH_NODE n3": "ENABLED",
			"NUM_RESOURCE_RESTARTS": "0", "NUM_RG_RESTARTS": "0", "TYPE": "redoubt.web", "TYPE_VERSION": "1", "GROUP": "web-rg", "FAILOVER_MODE": "SOFT", "RETRY_COUNT": "2",
			"RETRY_INTERVAL": "370", "THOROUGH_PROBE_INTERVAL": "60", "CHEAP_PROBE_INTERVAL": "0", "START_TIMEOUT": "30", "VALIDATE_TIMEOUT": "3600",
			"RESOURCE_DEPENDENCIES": "", "RESOURCE_DEPENDENCIES_WEAK": "web-ip{LOCAL_NODE}", "RESOURCE_DEPENDENCIES_RESTART": "", "RESOURCE_DEPENDENCIES_OFFLINE_RESTART": "",
			"PORT_LIST": "8080/tcp", "NETWORK_RESOURCES_USED": "web-ip", "ALL_EXTENSIONS": "Start_command|Port_list|Level|Verbose|Password",
			"EXTENSION level": "INT|7", "EXTENSION_NODE Level n2": "INT|3", "Extension Port_list": "STRINGARRAY|8080/tcp", "EXTENSION Verbose": "BOOLEAN|FALSE", "R_DESCRIPTION": "",
		} {
			words := strings.Fields(tag)
			if got := resource(words[0], words[1:]...); got != want {
				t.Errorf("resource %s: %q, want %q", tag, got, want)
			}
		}
		group := func(tag string, args ...string) string {
			return strings.Join(ok[[]string](t)(w.nodes["n2"].control.SchaResourcegroupGetCall(w.ctx, root, v1.SchaResourcegroupGetCall{Operation: tag, Group: "web-rg", Names: args})), "|")
		}
		for tag, want := range map[string]string{
			"RG_STATE": "OFFLINE", "RG_STATE_NODE n1": "ONLINE", "NODELIST": "n1|n2|n3", "RESOURCE_LIST": "web|web-ip", "FAILBACK": "FALSE", "MAXIMUM_PRIMARIES": "1",
			"RG_MODE": "Failover", "PINGPONG_INTERVAL": "3600", "RG_IS_FROZEN": "FALSE", "IMPLICIT_NETWORK_DEPENDENCIES": "TRUE", "SUSPEND_AUTOMATIC_RECOVERY": "FALSE",
		} {
			words := strings.Fields(tag)
			if got := group(words[0], words[1:]...); got != want {
				t.Errorf("group %s: %q, want %q", tag, got, want)
			}
		}
		for tag, want := range map[string]string{
			"RT_VERSION": "1", "RT_BASEDIR": "/types/redoubt.web", "FAILOVER": "TRUE", "SINGLE_INSTANCE": "FALSE", "INIT_NODES": "RG_PRIMARIES", "INSTALLED_NODES": "n1|n2|n3", "IS_LOGICAL_HOSTNAME": "FALSE",
		} {
			got := strings.Join(ok[[]string](t)(w.c().SchaResourcetypeGetCall(w.ctx, root, v1.SchaResourcetypeGetCall{Operation: tag, Type: "redoubt.web"})), "|")
			if got != want {
				t.Errorf("type %s: %q, want %q", tag, got, want)
			}
		}
		w.lose("n3")
		for tag, want := range map[string]string{
			"CLUSTERNAME": "demo", "NODENAME_LOCAL": "n1", "NODEID_LOCAL": "1", "NODENAME_NODEID 2": "n2", "NODEID_NODENAME n3": "3", "ALL_NODENAMES": "n1|n2|n3", "ALL_NODEIDS": "1|2|3",
			"NODESTATE_LOCAL": "UP", "NODESTATE_NODE n3": "DOWN", "PRIVATELINK_HOSTNAME_LOCAL": "172.31.0.1", "PRIVATELINK_HOSTNAME_NODE n2": "172.31.0.2",
			"ALL_PRIVATELINK_HOSTNAMES": "172.31.0.1|172.31.0.2|172.31.0.3", "ALL_RESOURCEGROUPS": "web-rg", "ALL_RESOURCETYPES": "redoubt.logicalhostname|redoubt.many|redoubt.web", "SYSLOG_FACILITY": "daemon",
		} {
			words := strings.Fields(tag)
			got := strings.Join(ok[[]string](t)(w.c().SchaClusterGetCall(w.ctx, root, v1.SchaClusterGetCall{Operation: words[0], Names: words[1:]})), "|")
			if got != want {
				t.Errorf("cluster %s: %q, want %q", tag, got, want)
			}
		}
		get := func(tag, r, g string, args ...string) ([]string, error) {
			return w.c().SchaResourceGetCall(w.ctx, root, v1.SchaResourceGetCall{Operation: tag, Resource: r, Group: g, Names: args})
		}
		refuse[[]string](t, fault.NotFound, "resource wbe does not exist; did you mean web")(get("STATUS", "wbe", ""))
		refuse[[]string](t, fault.NotFound, "group x-rg has no resource web")(get("STATUS", "web", "x-rg"))
		refuse[[]string](t, fault.Invalid, "there is no tag STATE; did you mean")(get("STATE", "web", ""))
		refuse[[]string](t, fault.Invalid, "needs a further argument: a node")(get("STATUS_NODE", "web", ""))
		refuse[[]string](t, fault.Invalid, "has no extension property Lvel; did you mean Level?")(get("EXTENSION", "web", "", "Lvel"))
		refuse[[]string](t, fault.NotFound, "node n9 does not exist")(get("STATUS_NODE", "web", "", "n9"))
		refuse[[]string](t, fault.Invalid, "name the tag with -O")(get("", "web", ""))
	})
}

func TestSchaControl(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		c := w.nodes["n1"].control
		do := func(op string) (v1.Result, error) {
			synctest.Wait()
			return c.SchaControlCall(w.ctx, root, v1.SchaControlCall{Operation: op, Resource: "web", Group: "web-rg"})
		}
		ok[v1.Result](t)(w.c().SchaResourceSetstatusCall(w.ctx, root, v1.SchaResourceSetstatusCall{Resource: "web", Group: "web-rg", Status: "degraded", Message: "slow"}))
		synctest.Wait()
		st := ok[[]v1.ResourceState](t)(w.c().ResourceStatus(w.ctx, root, v1.ResourceStatus{Names: []string{"web"}}))
		if n := st[0].Nodes[0]; n.Status != "DEGRADED" || n.Message != "slow" || n.State != "ONLINE" {
			t.Errorf("status: %+v", n)
		}
		refuse[v1.Result](t, fault.Invalid, "is none of OK, DEGRADED")(w.c().SchaResourceSetstatusCall(w.ctx, root, v1.SchaResourceSetstatusCall{Resource: "web", Status: "fine"}))
		w.acts.ran()
		ok[v1.Result](t)(do("RESOURCE_RESTART"))
		if got := strings.Join(w.acts.ran(), ", "); got != "Stop web n1, Start web n1" {
			t.Errorf("RESOURCE_RESTART ran %s", got)
		}
		ok[v1.Result](t)(do("resource_is_restarted"))
		synctest.Wait()
		if got := ok[[]string](t)(c.SchaResourceGetCall(w.ctx, root, v1.SchaResourceGetCall{Operation: "NUM_RESOURCE_RESTARTS", Resource: "web"})); got[0] != "2" {
			t.Errorf("restarts: %v", got)
		}
		ok[v1.Result](t)(do("RESTART"))
		if got := strings.Join(w.acts.ran(), ", "); got != "Stop web n1, Stop web-ip n1, Start web-ip n1, Start web n1" {
			t.Errorf("RESTART ran %s", got)
		}
		ok[v1.Result](t)(do("CHECK_RESTART"))
		ok[v1.Result](t)(do("CHECK_GIVEOVER"))
		refuse[v1.Result](t, fault.Precondition, "is ONLINE on node n1; IGNORE_FAILED_START is for")(do("IGNORE_FAILED_START"))
		refuse[v1.Result](t, fault.Unsupported, "its type redoubt.web is no proxy")(do("CHANGE_STATE_ONLINE"))
		refuse[v1.Result](t, fault.Invalid, "did you mean GIVEOVER?")(do("GIVEOVR"))

		// n2 objects: the group goes to n3.
		w.acts.fail("web Monitor_check n2", "no disk")
		ok[v1.Result](t)(do("GIVEOVER"))
		time.Sleep(time.Second)
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:ONLINE")
		refuse[v1.Result](t, fault.Precondition, "is not online on node n1")(do("GIVEOVER"))
		c = w.nodes["n3"].control
		w.acts.fail("web Monitor_check n1", "no disk either")
		_, err := do("GIVEOVER")
		refuse[v1.Result](t, fault.Precondition, "Monitor_check objects on every node")(v1.Result{}, err)
		if !strings.Contains(err.Error(), "on node n2 refuses (exit status 1): no disk") {
			t.Errorf("no reasons: %v", err)
		}
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:ONLINE")
		w.acts.script("web Monitor_check n1", nil)
		ok[v1.Result](t)(do("GIVEOVER"))
		time.Sleep(time.Second)
		w.is("web-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		c = w.nodes["n1"].control
		for mode, op := range map[string]string{"RESTART_ONLY": "GIVEOVER", "LOG_ONLY": "RESOURCE_RESTART"} {
			ok[v1.Result](t)(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Failover_mode=" + mode}}))
			refuse[v1.Result](t, fault.Precondition, "has Failover_mode "+mode)(do(op))
		}
		ok[v1.Result](t)(w.c().GroupSuspend(w.ctx, root, v1.GroupSuspend{All: true}))
		ok[v1.Result](t)(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Failover_mode=NONE"}}))
		refuse[v1.Result](t, fault.Precondition, "is suspended")(do("RESTART"))
	})
}

// What the methods of a proxy report is its state when the command returns, also if they report while they start it.
func TestProxyReports(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		res := ok[v1.Result](t)
		say := func(node cluster.NodeName, tag string) (v1.Result, error) {
			return w.nodes[node].control.SchaControlCall(w.ctx, root, v1.SchaControlCall{Operation: tag, Resource: "p", Group: "p-rg"})
		}
		get := func(tag string) string {
			return ok[[]string](t)(w.c().SchaResourceGetCall(w.ctx, root, v1.SchaResourceGetCall{Operation: tag, Resource: "p", Names: []string{"n1"}}))[0]
		}
		state := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := get("RESOURCE_STATE_NODE"); got != want {
				t.Fatalf("p is %s, want %s", got, want)
			}
		}
		res(w.c().TypeRegister(w.ctx, root, v1.TypeRegister{Names: []string{"redoubt.proxy"}}))
		if got := ok[[]string](t)(w.c().SchaResourcetypeGetCall(w.ctx, root, v1.SchaResourcetypeGetCall{Operation: "PROXY", Type: "redoubt.proxy"})); got[0] != "TRUE" {
			t.Errorf("PROXY is %v", got)
		}
		res(w.c().GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"p-rg"}, Node: []string{"n1", "n2"}, Property: []string{"Maximum_primaries=2", "Desired_primaries=2"}}))
		res(w.c().ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"p"}, Group: "p-rg", Type: "redoubt.proxy"}))
		refuse[v1.Result](t, fault.Precondition, "p is OFFLINE on node n1: what it stands for is followed from")(say("n1", "CHANGE_STATE_ONLINE"))
		// On n1 its start speaks itself; on n2 nobody does.
		w.acts.script("p Prenet_start n1", func(agent.Call) agent.Result {
			if _, err := say("n1", "change_state_online"); err != nil {
				return agent.Result{Exit: 1, Message: err.Error()}
			}
			return agent.Result{}
		})
		refuse[v1.Result](t, fault.Precondition, "group p-rg on node n2 waits: p: what it stands for is not reported online here; it goes on by itself")(
			w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"p-rg"}, Manage: true, Enable: true}))
		w.is("p-rg", "n1:ONLINE n2:PENDING_ONLINE_BLOCKED")
		w.acts.ran()
		res(say("n2", "CHANGE_STATE_ONLINE"))
		w.is("p-rg", "n1:ONLINE n2:ONLINE")
		res(say("n1", "CHANGE_STATE_OFFLINE"))
		state("OFFLINE")
		res(say("n1", "CHANGE_STATE_OFFLINE"))
		res(say("n1", "CHANGE_STATE_ONLINE"))
		state("ONLINE")
		if got := w.acts.ran(); len(got) > 0 {
			t.Errorf("what was reported ran %v", got)
		}
		refuse[v1.Result](t, fault.Precondition, "p is OFFLINE on node n3")(say("n3", "CHANGE_STATE_ONLINE"))
		// Automatic recovery is suspended; facts are facts.
		res(w.c().GroupSuspend(w.ctx, root, v1.GroupSuspend{All: true}))
		res(say("n1", "CHANGE_STATE_OFFLINE"))
		state("OFFLINE")
		// One that waits is taken down before it may be deleted.
		res(w.c().ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{"p"}}))
		got := w.acts.ran()
		slices.Sort(got)
		if strings.Join(got, ", ") != "Postnet_stop p n1, Postnet_stop p n2" {
			t.Errorf("disabling ran %v", got)
		}
		res(w.c().ResourceDelete(w.ctx, root, v1.ResourceDelete{Names: []string{"p"}}))
	})
}

func TestAttributes(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		set := func(name, value string, transient bool) {
			t.Helper()
			ok[v1.Result](t)(w.c().AttributeSet(w.ctx, root, v1.AttributeSet{Node: "n2", Name: name, Value: value, Transient: transient}))
		}
		get := func(name string) (v1.Attribute, error) {
			return w.nodes["n3"].control.AttributeGet(w.ctx, root, v1.AttributeGet{Node: "n2", Name: name})
		}
		set("master-pgsql/1:0 #x", "100", true)
		set("site", "east", false)
		set("site", "west", false)
		if a := ok[v1.Attribute](t)(get("master-pgsql/1:0 #x")); a.Value != "100" || !a.Transient {
			t.Errorf("attribute: %+v", a)
		}
		if a := ok[v1.Attribute](t)(get("site")); a.Value != "west" || a.Transient {
			t.Errorf("attribute: %+v", a)
		}
		list := ok[[]v1.Attribute](t)(w.c().AttributeList(w.ctx, root, v1.AttributeList{}))
		if len(list) != 2 || !slices.ContainsFunc(list, func(a v1.Attribute) bool { return a.Name == "site" && a.Node == "n2" }) {
			t.Errorf("attributes: %+v", list)
		}
		w.lose("n2")
		refuse[v1.Attribute](t, fault.NotFound, "node n2 has no attribute master-pgsql")(get("master-pgsql/1:0 #x"))
		ok[v1.Attribute](t)(get("site"))
		refuse[v1.Result](t, fault.Precondition, "is not in the cluster")(w.c().AttributeSet(w.ctx, root, v1.AttributeSet{Node: "n2", Name: "x", Value: "1", Transient: true}))
		ok[v1.Result](t)(w.c().AttributeDelete(w.ctx, root, v1.AttributeDelete{Node: "n2", Name: "site"}))
		ok[v1.Result](t)(w.c().AttributeDelete(w.ctx, root, v1.AttributeDelete{Node: "n2", Name: "site"}))
		refuse[v1.Attribute](t, fault.NotFound, "has no attribute site")(get("site"))
		refuse[v1.Result](t, fault.Invalid, "1 to 200 characters")(w.c().AttributeSet(w.ctx, root, v1.AttributeSet{Name: "", Value: "1"}))
		refuse[v1.Result](t, fault.NotFound, "node n9 does not exist")(w.c().AttributeSet(w.ctx, root, v1.AttributeSet{Node: "n9", Name: "x", Value: "1"}))
	})
}
