package control_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// Of a lost node that only its agent can release everybody is told which agent that is, how often it has failed and why, and what to do; it is not removed by the way.
func TestStatusOfANodeThatAwaitsItsAgent(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		ok[v1.Result](t)(w.c().NodeSetFence(w.ctx, root, v1.NodeSetFence{Names: []string{"n3"}, Agent: "fence_virt"}))
		w.lose("n3")
		next := w.nodes["n1"].machine.View().Record.Clone()
		next.Epoch++
		next.Leaving = []membership.Leaver{{Node: "n3", Incarnation: incarnation("n3"), Removed: next.Epoch, Why: "it was not heard", Fence: true}}
		w.put(confdb.KeyMembership, confdb.KindMembership, next)
		synctest.Wait()
		says := func(parts ...string) {
			t.Helper()
			st := ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
			i := slices.IndexFunc(st.Nodes, func(n v1.NodeState) bool { return n.Name == "n3" })
			k := slices.IndexFunc(st.Problems, func(p v1.Problem) bool { return p.Object == "node n3" })
			if i < 0 || k < 0 || st.Nodes[i].State != "leaving" || !strings.Contains(st.Problems[k].Remedy, "redoubt node clear-fence n3") {
				t.Fatalf("%+v, %+v", st.Nodes, st.Problems)
			}
			for _, p := range parts {
				if !strings.Contains(st.Nodes[i].Why, p) {
					t.Errorf("%q is not in %q", p, st.Nodes[i].Why)
				}
			}
		}
		says("until its fence agent fence_virt has confirmed that it is off")
		w.put(confdb.PrefixFencing+"n3", confdb.KindFencing, model.Fencing{
			Node: "n3", Incarnation: incarnation("n3"), Agent: "fence_virt", By: "n2", Attempts: 3, Why: "no answer from 10.0.0.9", At: time.Now(), Next: time.Now().Add(20 * time.Second),
		})
		synctest.Wait()
		says("has failed 3 times, on node n2", "no answer from 10.0.0.9")
		refuse[v1.Result](t, fault.Precondition, "its fence agent has not confirmed that it is off")(w.c().NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"n3"}}))
		r := ok[v1.Result](t)(w.c().NodeClearFence(w.ctx, root, v1.NodeClearFence{Names: []string{"n3"}}))
		if !strings.Contains(strings.Join(r.Messages, "\n"), "what ran there starts elsewhere now") {
			t.Errorf("%v", r.Messages)
		}
	})
}
