package control_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/fault"
)

// tiers makes a database and an application that depends on it, each in its group, and a group that comes after both.
func (w *world) tiers(kind, qualifier string) {
	w.t.Helper()
	res := ok[v1.Result](w.t)
	c := w.c()
	res(c.TypeRegister(w.ctx, root, v1.TypeRegister{Names: []string{"redoubt.many"}}))
	res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"db-rg", "app-rg"}, Node: []string{"n1", "n2", "n3"}}))
	res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"late-rg"}, Property: []string{"RG_dependencies=app-rg"}}))
	res(c.ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"db"}, Group: "db-rg", Type: "redoubt.many"}))
	res(c.ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"app"}, Group: "app-rg", Type: "redoubt.many", Property: []string{"Resource_dependencies" + kind + "=db" + qualifier}}))
	res(c.ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"late"}, Group: "late-rg", Type: "redoubt.many"}))
}

// work are the starts and stops since it was asked last, in their order.
func (w *world) work() string {
	var out []string
	for _, line := range w.acts.ran() {
		if f := strings.Fields(line); f[0] == "Start" || f[0] == "Stop" {
			out = append(out, f[0]+" "+f[1])
		}
	}
	return strings.Join(out, ", ")
}

// Several groups in one command come online and go offline in the order of their dependencies, on whichever nodes; a slow one is waited for.
func TestGroupsInOrder(t *testing.T) {
	inWorld(t, func(w *world) {
		res := ok[v1.Result](w.t)
		c := w.c()
		w.tiers("_restart", "")
		res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"late-rg", "app-rg", "db-rg"}, Manage: true}))
		if got := w.work(); got != "Start db, Start app, Start late" {
			w.t.Errorf("online: %s", got)
		}
		res(c.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"db-rg"}, Node: []string{"n3"}}))
		<-time.After(time.Second)
		if got := w.work(); got != "Stop db, Start db, Stop app, Start app" {
			w.t.Errorf("switched: %s", got)
		}
		res(c.GroupRestart(w.ctx, root, v1.GroupRestart{Names: []string{"db-rg"}}))
		<-time.After(time.Second)
		if got := w.work(); got != "Stop db, Start db, Stop app, Start app" {
			w.t.Errorf("restarted: %s", got)
		}

		// Suspended, it takes nobody along; resumed, the other makes up for it.
		if out := res(c.GroupSuspend(w.ctx, root, v1.GroupSuspend{Names: []string{"db-rg"}})); !slices.ContainsFunc(out.Messages, func(m string) bool {
			return strings.Contains(m, "resource app of group app-rg does not restart with db")
		}) {
			w.t.Errorf("suspending says %v", out.Messages)
		}
		res(c.GroupRestart(w.ctx, root, v1.GroupRestart{Names: []string{"db-rg"}}))
		<-time.After(time.Second)
		if got := w.work(); got != "Stop db, Start db" {
			w.t.Errorf("restarted while suspended: %s", got)
		}
		res(c.GroupResume(w.ctx, root, v1.GroupResume{Names: []string{"db-rg"}}))
		<-time.After(time.Second)
		if got := w.work(); got != "Stop app, Start app" {
			w.t.Errorf("resumed: %s", got)
		}

		// What others need stays; together they go in order.
		refuse[v1.Result](w.t, fault.Precondition, "resource app of group app-rg is online on node n")(c.GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"db-rg"}}))
		refuse[v1.Result](w.t, fault.Precondition, "resource app depends on it and is enabled")(c.ResourceDisable(w.ctx, root, v1.ResourceDisable{Names: []string{"db"}}))
		res(c.GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"db-rg", "app-rg"}}))
		if got := w.work(); got != "Stop app, Stop db" {
			w.t.Errorf("offline: %s", got)
		}
		if s := w.states("late-rg"); !strings.Contains(s, ":ONLINE") {
			w.t.Errorf("what only comes after them is %s", s)
		}

		// A group that waits says for whom, and the command that asked for it does not wait for ever.
		refuse[v1.Result](w.t, fault.Precondition, "db of group db-rg, which is offline because an administrator took it offline")(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"app-rg"}}))
		s := ok[[]v1.GroupState](w.t)(c.GroupStatus(w.ctx, root, v1.GroupStatus{Names: []string{"app-rg"}}))
		if i := slices.IndexFunc(s[0].Nodes, func(n v1.GroupNode) bool { return n.State == "PENDING_ONLINE_BLOCKED" }); i < 0 || !strings.Contains(s[0].Nodes[i].BlockedOn, "redoubt group online db-rg") {
			w.t.Errorf("status of what waits: %+v", s[0].Nodes)
		}
	})
}

// What takes longer than a moment to start is waited for by the command, because it comes.
func TestOnlineWaitsForWhatComes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tiers("", "")
		w.acts.script("db Start", func(agent.Call) agent.Result { <-time.After(20 * time.Second); return agent.Result{} })
		ok[v1.Result](w.t)(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"app-rg", "db-rg"}, Manage: true}))
		if got := w.work(); got != "Start db, Start app" {
			w.t.Errorf("online: %s", got)
		}
	})
}

// A circle is refused by whatever closes it; what is named by others is not deleted, and what goes together goes.
func TestDependenciesInTheConfiguration(t *testing.T) {
	inWorld(t, func(w *world) {
		res := ok[v1.Result](w.t)
		c := w.c()
		w.tiers("_weak", "{from_rg_affinities}")
		circle := "app -> db -> group db-rg -> group late-rg (RG_dependencies) -> group app-rg (RG_dependencies) -> app"
		refuse[v1.Result](w.t, fault.Invalid, "group db-rg -> group late-rg (RG_dependencies)")(c.GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"db-rg"}, Property: []string{"RG_dependencies=late-rg"}}))
		refuse[v1.Result](w.t, fault.Invalid, "db -> late -> group late-rg -> group app-rg (RG_dependencies) -> app -> db")(c.ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"db"}, Property: []string{"Resource_dependencies=late"}}))
		doc := ok[v1.Document](w.t)(c.ClusterExport(w.ctx, root, v1.ClusterExport{}))
		for i := range doc.Groups {
			if doc.Groups[i].Name == "db-rg" {
				doc.Groups[i].Properties["RG_dependencies"] = []string{"late-rg"}
			}
		}
		refuse[v1.Result](w.t, fault.Invalid, circle)(c.ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc}))

		refuse[v1.Result](w.t, fault.Precondition, "group late-rg names it in RG_dependencies; run `redoubt group set -p RG_dependencies-=app-rg late-rg` first")(c.GroupDelete(w.ctx, root, v1.GroupDelete{Names: []string{"app-rg"}, Force: true}))
		refuse[v1.Result](w.t, fault.Precondition, "resource app of group app-rg depends on it")(c.GroupDelete(w.ctx, root, v1.GroupDelete{Names: []string{"db-rg"}, Force: true}))
		res(c.GroupDelete(w.ctx, root, v1.GroupDelete{Names: []string{"app-rg", "db-rg", "late-rg"}, Force: true}))
		if g := ok[[]v1.GroupState](w.t)(c.GroupStatus(w.ctx, root, v1.GroupStatus{All: true})); len(g) > 0 {
			w.t.Errorf("left: %+v", g)
		}
	})
}

// Only what would be left without what it needs keeps a group online.
func TestOfflineOfWhatOthersNeed(t *testing.T) {
	for _, c := range []struct {
		kind, qualifier, node string
		refused               bool
	}{
		{"", "", "n1", false}, // there is another on n2
		{"", "", "", true},
		{"", "{LOCAL_NODE}", "n1", true},
		{"", "{LOCAL_NODE}", "n2", false},
		{"_restart", "{ANY_NODE}", "", true},
		{"_weak", "{LOCAL_NODE}", "n1", false},
		{"_offline_restart", "", "", false},
		{"", "{@n2}", "", false}, // the application is on n1
	} {
		inWorld(t, func(w *world) {
			res := ok[v1.Result](w.t)
			x := w.c()
			res(x.TypeRegister(w.ctx, root, v1.TypeRegister{Names: []string{"redoubt.many"}}))
			res(x.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"db-rg"}, Node: []string{"n1", "n2"}, Scalable: true}))
			res(x.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"app-rg"}, Node: []string{"n1", "n2"}}))
			res(x.ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"db"}, Group: "db-rg", Type: "redoubt.many"}))
			res(x.ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"app"}, Group: "app-rg", Type: "redoubt.many", Property: []string{"Resource_dependencies" + c.kind + "=db" + c.qualifier}}))
			res(x.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"db-rg"}, Manage: true}))
			res(x.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"app-rg"}, Manage: true, Node: []string{"n1"}}))
			in := v1.GroupOffline{Names: []string{"db-rg"}}
			if c.node != "" {
				in.Node = []string{c.node}
			}
			if _, err := x.GroupOffline(w.ctx, root, in); (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "redoubt group offline db-rg app-rg") {
				w.t.Errorf("%s%s, off %q: %v", c.kind, c.qualifier, c.node, err)
			}
		})
	}
}
