package control_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/rgm/place"
)

// A service that starts nowhere comes to rest, after one attempt on each node: offline, with a note for each node that says what failed there and until when it counts.
// Nothing moves any more until Pingpong_interval has passed or somebody says that it shall be tried again; then it comes back where it can.
func TestServiceThatFailsEverywhereComesToRest(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.configure()
		res := ok[v1.Result](t)
		res(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Failover_mode=SOFT"}}))
		for _, n := range []string{"n1", "n2", "n3"} {
			w.acts.fail("web Start "+n, "no licence on "+n)
		}
		_, err := w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"web-rg"}, Manage: true, Enable: true})
		if err == nil || !strings.Contains(err.Error(), "no licence on n") {
			t.Errorf("what was said of a group that starts nowhere: %v", err)
		}
		time.Sleep(time.Minute)
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:OFFLINE")
		before := ok[[]v1.GroupState](t)(w.c().GroupStatus(w.ctx, root, v1.GroupStatus{Names: []string{"web-rg"}}))[0]
		for _, n := range []string{"n1", "n2", "n3"} {
			if !slices.ContainsFunc(before.Notes, func(x v1.Note) bool {
				return x.Node == n && x.Name == place.StartFailed && strings.Contains(x.Text, "no licence on "+n) && strings.Contains(x.Text, "Pingpong_interval")
			}) {
				t.Errorf("node %s is not explained: %+v", n, before.Notes)
			}
		}
		if !slices.ContainsFunc(before.Notes, func(x v1.Note) bool { return x.Node == "" && x.Name == place.NoCandidate }) {
			t.Errorf("that no node is left is not said: %+v", before.Notes)
		}
		starts := func() (n int) {
			for _, m := range w.acts.ran() {
				if strings.HasPrefix(m, "Start web n") {
					n++
				}
			}
			return n
		}
		started := starts()
		if started != 3 {
			t.Errorf("it was tried %d times on three nodes", started)
		}
		time.Sleep(30 * time.Minute)
		if n := starts(); n != 0 {
			t.Errorf("it does not rest: %d more attempts in half an hour", n)
		}

		// Somebody has found the licence of n2.
		w.acts.script("web Start n2", nil)
		res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"web-rg"}, Node: []string{"n2"}}))
		synctest.Wait()
		w.is("web-rg", "n1:OFFLINE n2:ONLINE n3:OFFLINE")

		// And without any word, once Pingpong_interval has passed since the others failed.
		res(w.c().GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"web-rg"}}))
		w.acts.fail("web Start n2", "no licence on n2")
		if _, err := w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"web-rg"}}); err == nil {
			t.Error("it is online without a licence")
		}
		w.acts.script("web Start n1", nil)
		time.Sleep(2 * time.Hour)
		w.is("web-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
	})
}
