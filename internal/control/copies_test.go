package control_test

import (
	"strings"
	"testing"
	"testing/synctest"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

// Status counts the copies of the repository that can be used, not only the votes that are heard: it never claims that more may fail than may.
func TestStatusCountsUsableCopies(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		status := func(bare map[cluster.NodeName]membership.CopyState) v1.Status {
			w.poke(w.nodes["n1"], func(m *machine) { m.bare = bare })
			synctest.Wait()
			return ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		}
		says := func(st v1.Status, object, text string) {
			t.Helper()
			for _, p := range st.Problems {
				if p.Object == object && strings.Contains(p.Text, text) {
					return
				}
			}
			t.Errorf("no problem of %s says %q: %+v", object, text, st.Problems)
		}
		st := status(nil)
		if q := st.Cluster.Quorum; q.Usable != 3 || q.Margin != 1 || !q.Writable || st.Degraded != "" {
			t.Errorf("whole: %+v, %q", q, st.Degraded)
		}
		st = status(map[cluster.NodeName]membership.CopyState{"n3": membership.CopyLost})
		if q := st.Cluster.Quorum; q.Present != 3 || q.Usable != 2 || q.Margin != 0 || !q.Quorate || !q.Writable || st.Degraded != "" {
			t.Errorf("one lost: %+v, %q", q, st.Degraded)
		}
		says(st, "node n3", "copy of the repository is lost")
		says(st, "cluster demo", "none may fail")
		says(st, "cluster demo", "3 of 3 voters")
		for _, v := range st.Cluster.Quorum.Voters {
			if want := map[bool]string{true: "lost", false: "usable"}[v.Node == "n3"]; v.Copy != want {
				t.Errorf("%+v", v)
			}
		}
		st = status(map[cluster.NodeName]membership.CopyState{"n3": membership.CopyLost, "n1": membership.CopyDown})
		if q := st.Cluster.Quorum; q.Usable != 1 || q.Margin != -1 || !q.Quorate || q.Writable || !strings.Contains(st.Degraded, "nothing can be changed") {
			t.Errorf("two lost: %+v, %q", q, st.Degraded)
		}
		says(st, "node n1", "member of the repository is not up")
		says(st, "cluster demo", "less than a majority")
		// Two voters are no number that a cluster keeps: they are on their way to one or three.
		w.poke(w.nodes["n1"], func(m *machine) {
			rec := *m.rec
			rec.Voters = rec.Voters[:2]
			m.rec = &rec
		})
		says(status(nil), "cluster demo", "the voters are changing: 2 of 2 voters are heard")
	})
}
