package control_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// older makes the cluster one in which the first version of the schema counts, with nodes of the releases given: what each reads.
func (w *world) older(newest map[cluster.NodeName]int) {
	w.t.Helper()
	w.put(confdb.KeySchema, confdb.KindSchema, model.Schema{Level: confdb.OldestLevel})
	for n, level := range newest {
		w.nodes[n].facts.SchemaNewest = level
		w.put(confdb.PrefixReads+string(n), confdb.KindReads, model.Reads{Node: n, Oldest: 1, Newest: level, Release: "1." + string(rune('0'+level))})
	}
	synctest.Wait()
}

// Nodes of two releases in one cluster: it behaves as the older one would, says what it can not do yet and why, and is committed when every node is of the newer.
func TestUpgradeIsCommitted(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		c := w.c()
		w.older(map[cluster.NodeName]int{"n1": 2, "n2": 2, "n3": 1})
		w.web() // what there was before works
		w.is("web-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		priority := v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"Priority=700"}}
		refuse[v1.Result](t, fault.Unsupported, "group web-rg: Priority came with version 2 of the repository's schema")(c.GroupSet(w.ctx, root, priority))
		ok[v1.Result](t)(c.GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"Failback=true"}}))
		ok[v1.Result](t)(c.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"web-rg"}, Node: []string{"n2"}}))
		w.is("web-rg", "n1:OFFLINE n2:ONLINE n3:OFFLINE")
		entries, err := w.store.Read(w.ctx, confdb.Root)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries.Entries {
			if level := confdb.LevelOf(e.Value); level != confdb.OldestLevel {
				t.Errorf("%s stands at level %d, which n3 does not read: %s", e.Key, level, e.Value)
			}
		}

		says := ok[v1.Result](t)(c.ClusterUpgrade(w.ctx, root, v1.ClusterUpgrade{})).Messages
		if !slices.Contains(says, "node n3 reads 1 to 1 (redoubtd 1.1)") || !strings.Contains(says[len(says)-1], "when every node reads it") {
			t.Errorf("%q", says)
		}
		commit := v1.ClusterUpgrade{Commit: true}
		refuse[v1.Result](t, fault.Precondition, "node n3 runs redoubtd")(c.ClusterUpgrade(w.ctx, root, commit))

		// Its record says that it was upgraded, but what runs there is the older release, put back.
		w.put(confdb.PrefixReads+"n3", confdb.KindReads, model.Reads{Node: "n3", Oldest: 1, Newest: 2})
		synctest.Wait()
		refuse[v1.Result](t, fault.Precondition, "node n3 runs redoubtd")(c.ClusterUpgrade(w.ctx, root, commit))
		w.nodes["n3"].facts.SchemaNewest = 2
		status := ok[v1.Status](t)(c.ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		if s := status.Cluster.Schema; s.Active != 1 || s.Next != 2 {
			t.Errorf("%+v", s)
		}
		ok[v1.Result](t)(c.ClusterUpgrade(w.ctx, root, commit))
		e, err := w.store.Get(w.ctx, confdb.KeyMembership)
		if err != nil || confdb.LevelOf(e.Value) != 2 {
			t.Errorf("the membership stands at level %d, where an older release would go on with it: %v", confdb.LevelOf(e.Value), err)
		}
		ok[v1.Result](t)(c.GroupSet(w.ctx, root, priority))
		says = ok[v1.Result](t)(c.ClusterUpgrade(w.ctx, root, commit)).Messages
		if len(says) != 1 || !strings.Contains(says[0], "nothing to commit") {
			t.Errorf("%q", says)
		}
		// The membership goes on from there, at the same level.
		w.lose("n3")
		ok[v1.Result](t)(c.NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"n3"}, Force: true}))
		w.is("web-rg", "n1:OFFLINE n2:ONLINE")
	})
}

// Of a node that is away the last word counts; of one that is a member and does not answer none does.
func TestUpgradeAsksWhoIsThere(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.older(map[cluster.NodeName]int{"n1": 2, "n2": 2, "n3": 1})
		w.lose("n3")
		refuse[v1.Result](t, fault.Precondition, "node n3 runs redoubtd 1.1, which reads up to version 1")(w.c().ClusterUpgrade(w.ctx, root, v1.ClusterUpgrade{Commit: true}))
		w.put(confdb.PrefixReads+"n3", confdb.KindReads, model.Reads{Node: "n3", Oldest: 1, Newest: 2})
		synctest.Wait()
		w.mu.Lock()
		w.cut["n2"] = true
		w.mu.Unlock()
		refuse[v1.Result](t, fault.Unavailable, "node n2 does not say")(w.c().ClusterUpgrade(w.ctx, root, v1.ClusterUpgrade{Commit: true}))
		w.mu.Lock()
		delete(w.cut, "n2")
		w.mu.Unlock()
		ok[v1.Result](t)(w.c().ClusterUpgrade(w.ctx, root, v1.ClusterUpgrade{Commit: true}))
	})
}

// A machine whose daemon would misread the cluster is refused before it is anything in it; its permission stays.
func TestOlderReleaseMayNotJoin(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		n4 := newJoiner(t, "n4", "10.0.0.4")
		n4.in.Schema = 0
		allow(w, v1.AccessAllow{Host: []string{"n4"}, Key: n4.print()})
		refused(t, fault.Unsupported, "reads version 1 of the repository's schema, and this cluster has committed version 2")(n4.ask(w))
		n4.in.Schema = confdb.Newest()
		ok[v1.NodeAdmitted](t)(n4.ask(w))
	})
}
