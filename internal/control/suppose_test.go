package control_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// What is written after --with is read as a shell and the command line read it, and what the real command refuses is refused.
func TestWhatIsSupposed(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		res := ok[v1.Result](t)
		c := w.c()
		create := func(name string, property ...string) {
			t.Helper()
			res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{name}, Property: property}))
			res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{name}, Manage: true}))
		}
		create("db", "Priority=900", "Load_factors=mem@4")
		create("app", "RG_affinities=++db")
		create("log", "Nodelist=n1,n2", "RG_dependencies=db")
		res(c.GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"idle"}}))
		planned := func(with ...string) map[string]v1.PlannedGroup {
			t.Helper()
			out := map[string]v1.PlannedGroup{}
			report, err := c.ClusterPlan(w.ctx, root, v1.ClusterPlan{With: with})
			if err != nil {
				t.Fatalf("%v: %v", with, err)
			}
			for _, g := range report.Groups {
				out[g.Group] = g
			}
			return out
		}
		for _, x := range []struct {
			with  []string
			group string
			then  string // the nodes, or "gone"
		}{
			{[]string{"group switch -n n3 db", `redoubt group set --property='Nodelist=n2,n3' "db"`}, "app", "n3"},
			{[]string{`group set -p "RG_affinities=--db" l\og`}, "log", "n2"},
			{[]string{`group set "-pRG_affinities=+db,--app" 'log'`}, "log", "n2"},
			{[]string{"group online -eM idle"}, "idle", "n1"},
			{[]string{"group online -e -m -M --no-wait --timeout 5 -n n2 idle"}, "idle", "n2"},
			{[]string{"group switch -n n2 -M idle"}, "idle", "n2"},
			{[]string{"group offline -y -- log"}, "log", ""},
			{[]string{"group offline +"}, "db", ""},
			{[]string{"node evacuate -T 0 n1"}, "db", "n2"},
			{[]string{"node evacuate -T 600 n1 n2"}, "db", "n3"},
			{[]string{"group evacuate -n n1 -T 60 +"}, "log", "n2"},
			{[]string{"group evacuate -n n1,n2 db"}, "app", "n3"},
			{[]string{"node evacuate n1 n2", "group remove-node -y -n n1,n2 db", "node evacuate n3"}, "app", ""},
			{[]string{"group switch -n n2 log", "group remove-node -n n1 log", "group add-node -n n3 log", "node evacuate n2"}, "log", "n3"},
			{[]string{"group create -S -n n2,n3 web"}, "web", "n2 n3"},
			{[]string{"node create-loadlimit -p limitname=mem -p hardlimit=3 n1 n2"}, "db", "n3"},
			{[]string{"node create-loadlimit -p limitname=mem -p hardlimit=3 +"}, "db", ""},
			{[]string{"node create-loadlimit -p limitname=mem -p hardlimit=3 +", "node set-loadlimit -p limitname=mem -p hardlimit=5 n2"}, "db", "n2"},
			{[]string{"node create-loadlimit -p limitname=mem -p hardlimit=3 +", "node delete-loadlimit -y -p limitname=mem n3"}, "db", "n3"},
			{[]string{"group set -p RG_affinities= app", "group set -p RG_dependencies= log", "group offline db", "group delete db"}, "db", "gone"},
			{[]string{"group delete -F app log db"}, "db", "gone"},
		} {
			p, exists := planned(x.with...)[x.group]
			then := strings.Join(p.Then, " ")
			if !exists {
				then = "gone"
			}
			if then != x.then {
				t.Errorf("%v: %s is on %q, not %q: %+v", x.with, x.group, then, x.then, p)
			}
		}
		for text, says := range map[string]string{
			`group set -p 'Priority=1 db`:                                 "without closing quote",
			`group set db \`:                                              "last backslash",
			`group set -p Priority=1 'd b'`:                               `d b`,
			"group delete -F db":                                          "group app names it in RG_affinities",
			"group delete app":                                            "is not offline",
			"group online idle":                                           "add -M",
			"group remaster idle":                                         "not managed",
			"group suspend -n n1 db":                                      "group suspend takes the flags -k",
			"group manage -e db":                                          "takes no flags",
			"group create +":                                              "names no group",
			"group evacuate -n n1 -T 60 db":                               "with the operand +",
			"group evacuate db":                                           "with -n",
			"node evacuate -T -5 n1":                                      "out of bounds",
			"node evacuate -T 9223372036854775807 n1":                     "out of bounds",
			"node evacuate nosuch":                                        "does not exist",
			"group offline ''":                                            "does not exist",
			"group add-node db":                                           "with -n",
			"group remove-node -n n1,n2,n3 db":                            "Nodelist",
			"node create-loadlimit -p limitname=mem n1":                   "at least one of",
			"node set-loadlimit -p limitname=mem -p hardlimit=5 n1":       "has no load limit mem",
			"node delete-loadlimit -p limitname=mem n1":                   "has no load limit mem",
			"node create-loadlimit -p hardlimit=5 n1":                     "limitname=NAME",
			"node create-loadlimit -p limitname=mem -p harldimit=5 n1":    "no property harldimit",
			"group remove-nod -n n1 db":                                   "did you mean group remove-node?",
			"group offline -n n1,n2,n3 -T 5 db":                           "takes the flags -n -y",
			"node create-loadlimit -p limitname=mem -p hardlimit=none n1": "neither a whole number",
		} {
			refuse[v1.PlanReport](t, fault.CodeOf(func() error { _, err := c.ClusterPlan(w.ctx, root, v1.ClusterPlan{With: []string{text}}); return err }()), says)(c.ClusterPlan(w.ctx, root, v1.ClusterPlan{With: []string{text}}))
		}

		// Who has a place and waits there says so, in a plan and afterwards.
		if p := planned("group offline db")["log"]; p.Why != nil {
			t.Errorf("it runs, and waits for nobody: %+v", p)
		}
		if p := planned("group offline db", "group switch -n n2 log")["log"]; p.Why == nil || p.Why.Name != "waits-for-group" || !strings.Contains(p.Why.Text, "placed, waits for db") || !slices.Equal(p.Then, []string{"n2"}) {
			t.Errorf("it moves, and would wait: %+v", p)
		}
		if p := planned("group offline log", "group offline db", "group online log", "group create -p RG_dependencies=log last")["last"]; p.Why == nil || !strings.Contains(p.Why.Text, "placed, waits for log") {
			t.Errorf("it waits for one that waits: %+v", p)
		}
		res(c.GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"log"}}))
		res(c.GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"db"}}))
		res(c.GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"log"}, NoWait: true}))
		synctest.Wait()
		why := ok[[]v1.Explanation](t)(c.GroupWhy(w.ctx, root, v1.GroupWhy{Names: []string{"log"}}))[0]
		if len(why.Waits) != 1 || !strings.Contains(why.Waits[0].Text, "placed, waits: group db (RG_dependencies)") || why.Waits[0].Node != "n1" {
			t.Errorf("why: %+v", why.Waits)
		}
	})
}
