package control_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/confdb"
)

// inits gives, and forgets, the Init, Boot and Fini methods that have run meanwhile, sorted.
func (w *world) inits() string {
	w.t.Helper()
	time.Sleep(time.Second) // of the bubble
	synctest.Wait()
	var out []string
	for _, line := range w.acts.ran() {
		if m, _, _ := strings.Cut(line, " "); m == "Init" || m == "Boot" || m == "Fini" {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (w *world) ranInits(want string) {
	w.t.Helper()
	if got := w.inits(); got != want {
		w.t.Fatalf("ran %q, want %q", got, want)
	}
}

// Init runs once where a resource becomes managed, Boot where a node comes to what is managed already, Fini once where it ends.
func TestInitBootFini(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		res := ok[v1.Result](t)
		web := []string{"web-rg"}
		w.configure()
		w.ranInits("")
		res(w.c().GroupManage(w.ctx, root, v1.GroupManage{Names: web}))
		w.ranInits("Init web n1, Init web n2, Init web n3")
		res(w.c().GroupUnmanage(w.ctx, root, v1.GroupUnmanage{Names: web}))
		w.ranInits("Fini web n1, Fini web n2, Fini web n3")
		// Managed again, and a resource that comes later: still Init, though this daemon has seen the group managed before.
		res(w.c().GroupManage(w.ctx, root, v1.GroupManage{Names: web}))
		w.ranInits("Init web n1, Init web n2, Init web n3")
		res(w.c().ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"db"}, Group: "web-rg", Type: "redoubt.web", Property: []string{"Start_command=/db"}}))
		w.ranInits("Init db n1, Init db n2, Init db n3")
		w.lose("n3")
		w.back("n3")
		w.ranInits("Boot db n3, Boot web n3")
		res(w.c().ResourceDelete(w.ctx, root, v1.ResourceDelete{Names: []string{"db"}, Force: true}))
		w.ranInits("Fini db n1, Fini db n2, Fini db n3")

		// Out of the nodelist: the command returns when Fini has run there.
		out := res(w.c().GroupRemoveNode(w.ctx, root, v1.GroupRemoveNode{Names: web, Node: []string{"n3"}}))
		if ran := strings.Join(w.acts.ran(), ", "); ran != "Fini web n3" || len(out.Messages) != 1 {
			t.Errorf("remove-node ran %q and says %q", ran, out.Messages)
		}
		res(w.c().GroupAddNode(w.ctx, root, v1.GroupAddNode{Names: web, Node: []string{"n3"}}))
		w.ranInits("Init web n3")
		// The whole node: it takes leave before it goes.
		res(w.c().NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"n3"}, Force: true}))
		w.ranInits("Fini web n3")
	})
}

// Who was away runs Fini when it comes back, once, though there is nothing left of the resource, not even its group and its type.
func TestFiniOfWhoWasAway(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		res := ok[v1.Result](t)
		web := []string{"web-rg"}
		w.web()
		w.lose("n3")
		w.lose("n2")
		w.acts.ran()
		out := res(w.c().GroupRemoveNode(w.ctx, root, v1.GroupRemoveNode{Names: web, Node: []string{"n2"}}))
		if got := strings.Join(out.Messages, "; "); !strings.Contains(got, "Fini runs on n2 when it comes back") {
			t.Errorf("remove-node says %q", got)
		}
		w.back("n2")
		w.ranInits("Fini web n2")
		w.lose("n2")
		w.back("n2")
		w.ranInits("")

		res(w.c().GroupDelete(w.ctx, root, v1.GroupDelete{Names: web, Force: true}))
		res(w.c().TypeUnregister(w.ctx, root, v1.TypeUnregister{Names: []string{"redoubt.web"}}))
		w.ranInits("Fini web n1")
		var seen agent.Call
		w.acts.script("web Fini n3", func(c agent.Call) agent.Result { seen = c; return agent.Result{} })
		w.back("n3")
		w.ranInits("Fini web n3")
		if v := seen.Resource.Properties; seen.Group.Name != "web-rg" || len(seen.Group.Nodelist) == 0 || seen.Type.Name != "redoubt.web" || len(v) == 0 {
			t.Errorf("Fini was called with %+v", seen)
		}
		if snap := w.nodes["n1"].mirror.Snapshot(); len(snap.State.Farewells) != 0 || snap.Revision(confdb.KeyInstance("n3", "web-rg")) != 0 {
			t.Errorf("left behind: %+v", snap.State.Farewells)
		}
		w.lose("n3")
		w.back("n3")
		w.ranInits("")
	})
}

// A new resource of the name of one that was deleted waits until the Fini of the old one has run.
func TestFiniBeforeItsSuccessor(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		res := ok[v1.Result](t)
		w.web()
		w.lose("n3")
		res(w.c().ResourceDelete(w.ctx, root, v1.ResourceDelete{Names: []string{"web"}, Force: true}))
		create := func() {
			res(w.c().ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"web"}, Group: "web-rg", Type: "redoubt.web", Property: []string{"Start_command=/new"}}))
		}
		create()
		// The second one was never on n3: it leaves nothing to do there.
		res(w.c().ResourceDelete(w.ctx, root, v1.ResourceDelete{Names: []string{"web"}, Force: true}))
		create()
		w.acts.ran()
		var commands []string
		note := func(c agent.Call) agent.Result {
			for _, p := range c.Resource.Properties {
				if p.Name == "Start_command" {
					commands = append(commands, string(c.Method)+p.Values[0])
				}
			}
			return agent.Result{}
		}
		w.acts.script("web Fini n3", note)
		w.acts.script("web Boot n3", note)
		w.acts.script("web Init n3", note)
		w.back("n3")
		w.inits()
		if got := strings.Join(commands, " "); got != "Fini/srv/web Boot/new" {
			t.Errorf("ran %s", got)
		}
	})
}
