package e2e_test

import (
	"strings"
	"testing"

	v1 "redoubt/api/v1"
)

// pid is the process of a resource on a node that sleeps as long as nobody else does; "" when there is none.
func (w *world) pid(t *testing.T, node, seconds string) string {
	t.Helper()
	out, err := w.Output(t.Context(), node, "sh", "-c", "for f in /proc/[0-9]*; do tr '\\0' ' ' <$f/cmdline 2>/dev/null | grep -q '^/bin/sleep "+seconds+" $' && echo ${f#/proc/}; done; true")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(out), " ")
}

// A database and an application on other nodes: they come online in their order whichever is named first, the application restarts when the database's process dies,
// when the database moves and when its node dies, and both go offline in their order.
func TestDependenciesAcrossNodes(t *testing.T) {
	w := use(t, "e2e")
	w.gds(t, "n1")
	w.leave(t, "n1", "dep-app", "dep-db")
	w.do(t, "n1", "group", "create", "-n", "n2,n3", "dep-db")
	w.do(t, "n1", "group", "create", "-n", "n1", "dep-app")
	w.do(t, "n1", "resource", "create", "-g", "dep-db", "-t", "redoubt.gds", "-p", "Start_command=/bin/sleep 100071", "dep-db-r")
	w.do(t, "n1", "resource", "create", "-g", "dep-app", "-t", "redoubt.gds", "-p", "Start_command=/bin/sleep 100072", "-p", "Resource_dependencies_restart=dep-db-r", "dep-app-r")
	node := func(group string) (v1.GroupNode, string) {
		for _, g := range w.status(t, "n1").Groups {
			for _, n := range g.Nodes {
				if g.Name == group && n.State != "OFFLINE" {
					return n, n.Node
				}
			}
		}
		return v1.GroupNode{}, ""
	}

	// Alone it waits, and says for what.
	if out := w.refuse(t, "n1", "group", "online", "-eM", "dep-app"); !strings.Contains(out, "dep-db-r of group dep-db") {
		t.Errorf("what waits says: %s", out)
	}
	if n, _ := node("dep-app"); n.State != "PENDING_ONLINE_BLOCKED" || !strings.Contains(n.BlockedOn, "dep-db-r of group dep-db") {
		t.Errorf("status: %+v", n)
	}
	w.do(t, "n1", "group", "offline", "-y", "dep-app")
	w.do(t, "n1", "group", "online", "-eM", "dep-app", "dep-db")
	app := w.pid(t, "n1", "100072")
	restarted := func(why string) {
		t.Helper()
		eventually(t, func() string {
			if now := w.pid(t, "n1", "100072"); now == "" || now == app || strings.Contains(now, " ") {
				return why + ": the application is still process " + app + " (" + now + ")"
			}
			return ""
		})
		app = w.pid(t, "n1", "100072")
	}
	db, _ := node("dep-db")
	if _, err := w.Output(t.Context(), db.Node, "kill", "-9", w.pid(t, db.Node, "100071")); err != nil {
		t.Fatal(err)
	}
	restarted("the database's process died")
	w.do(t, "n1", "group", "restart", "dep-db")
	restarted("the database's group was restarted")
	w.do(t, "n1", "group", "switch", "-n", map[string]string{"n2": "n3", "n3": "n2"}[db.Node], "dep-db")
	restarted("the database was moved")
	_, at := node("dep-db")
	if _, err := w.Kill(at); err != nil {
		t.Fatal(err)
	}
	restarted("the database's node died")
	// A process is there before its start is done and reported: what is refused depends on the latter.
	eventually(t, func() string {
		if n, _ := node("dep-app"); n.State != "ONLINE" {
			return "dep-app is " + n.State
		}
		return ""
	})
	if out := w.refuse(t, "n1", "group", "offline", "-y", "dep-db"); !strings.Contains(out, "depends on its resource dep-db-r") {
		t.Errorf("what others need is taken offline: %s", out)
	}
	w.do(t, "n1", "group", "offline", "-y", "dep-db", "dep-app")
	if a, d := w.pid(t, "n1", "100072"), w.pid(t, map[string]string{"n2": "n3", "n3": "n2"}[at], "100071"); a != "" || d != "" {
		t.Errorf("after offline the application is process %q, the database %q", a, d)
	}
}
