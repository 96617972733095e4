package e2e_test

import (
	"strings"
	"testing"

	v1 "redoubt/api/v1"
)

// Groups that need each other and nodes that carry only so much: what a what-if says of a node's death is what its death does.
func TestPlacementAroundADeath(t *testing.T) {
	w := use(t, "e2e")
	w.gds(t, "n1")
	groups := []string{"pl-db", "pl-app", "pl-batch"}
	t.Cleanup(func() {
		for _, g := range groups {
			_, _ = w.try(t.Context(), "n1", "group", "delete", "-y", "-F", g)
		}
		_, _ = w.try(t.Context(), "n1", "node", "delete-loadlimit", "-y", "-p", "limitname=mem", "+")
	})
	w.do(t, "n1", "node", "create-loadlimit", "-p", "limitname=mem", "-p", "softlimit=6", "-p", "hardlimit=8", "+")
	for _, g := range groups {
		w.do(t, "n1", "group", "create", "-n", "n1,n2,n3", g)
		w.do(t, "n1", "resource", "create", "-g", g, "-t", "redoubt.gds", "-p", "Start_command=/bin/sleep 100000", g+"-r")
	}
	w.do(t, "n1", "group", "set", "-p", "Load_factors=mem@5", "-p", "Priority=900", "pl-db")
	w.do(t, "n1", "group", "set", "-p", "Load_factors=mem@1", "-p", "RG_affinities=++pl-db", "pl-app")
	w.do(t, "n1", "group", "set", "-p", "Load_factors=mem@7", "-p", "RG_affinities=--pl-db", "pl-batch")
	w.do(t, "n1", append([]string{"group", "online", "-eM"}, groups...)...)
	on := func(ask, group string) string {
		for _, g := range w.status(t, ask).Groups {
			if g.Name != group {
				continue
			}
			for _, n := range g.Nodes {
				if n.State == "ONLINE" {
					return n.Node
				}
			}
		}
		return ""
	}
	if db, app, batch := on("n1", "pl-db"), on("n1", "pl-app"), on("n1", "pl-batch"); db == "" || app != db || batch == db || batch == "" {
		t.Fatalf("pl-db is on %q, pl-app on %q, pl-batch on %q", db, app, batch)
	}
	if out := w.refuse(t, "n1", "group", "switch", "-n", on("n1", "pl-batch"), "pl-app"); !strings.Contains(out, "has to run with pl-db") {
		t.Errorf("a source is taken from its target: %s", out)
	}
	dies := on("n1", "pl-db")
	ask := w.other(t, dies)
	foreseen := map[string]string{}
	for _, g := range show[v1.PlanReport](t, w, ask, "plan", "--without", dies).Groups {
		foreseen[g.Group] = strings.Join(g.Then, ",")
	}
	if foreseen["pl-db"] == "" || foreseen["pl-app"] != foreseen["pl-db"] || foreseen["pl-batch"] != on(ask, "pl-batch") {
		t.Fatalf("what the death of %s would do: %v", dies, foreseen)
	}
	if _, err := w.Kill(dies); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		for _, g := range groups {
			if at := on(ask, g); at != foreseen[g] {
				return g + " is on " + at + ", foreseen was " + foreseen[g]
			}
		}
		return ""
	})
	if out := w.do(t, ask, "group", "why", "pl-app"); !strings.Contains(out, "++pl-db runs here") {
		t.Errorf("why: %s", out)
	}
	if out := w.do(t, ask, "node", "status"); !strings.Contains(out, "Hard Limit") {
		t.Errorf("node status has no loads: %s", out)
	}
}
