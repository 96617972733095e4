package control_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
)

// What a change of the timing has to wait for is in the status, so that whoever waits can say it.
func TestTimingWaits(t *testing.T) {
	inWorld(t, func(w *world) {
		next := w.nodes["n1"].machine.View().Record.Clone()
		next.Epoch++
		old := next.Timing
		next.PrevTiming = &old
		next.Extended = []membership.Extension{{Node: "n2", Incarnation: incarnation("n2"), Hold: int64(15 * time.Second), Ending: true}}
		w.put(confdb.KeyMembership, confdb.KindMembership, next)
		w.poke(w.nodes["n1"], func(m *machine) {})
		synctest.Wait()
		s := ok[v1.Status](w.t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		if got := strings.Join(s.Cluster.Timing.Waits, "; "); !strings.Contains(got, "under the one before (450ms)") || !strings.Contains(got, "planned restart of node n2 (15s)") {
			w.t.Errorf("waits: %q", got)
		}
	})
}

// A machine is in one cluster at a time, and says which.
func TestMemberCanNotJoin(t *testing.T) {
	inWorld(t, func(w *world) {
		says := "this machine is node n1 of cluster demo already"
		refuse[v1.Result](w.t, fault.Precondition, says)(w.c().NodeJoin(w.ctx, root, v1.NodeJoin{Sponsor: "n2"}))
		refuse[v1.ClusterCreated](w.t, fault.Precondition, says)(w.c().ClusterCreate(w.ctx, root, v1.ClusterCreate{Name: "other"}))
	})
}
