package control_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/fault"
)

// suspended reports whether a group is suspended now.
func (w *world) suspended(group string) bool {
	w.t.Helper()
	synctest.Wait()
	return ok[[]v1.Group](w.t)(w.c().GroupShow(w.ctx, root, v1.GroupShow{Names: []string{group}}))[0].Suspended
}

// quiesced is the outcome of a quiesce that goes on beside the test.
type quiesced struct {
	out v1.Result
	err error
}

func (w *world) quiesce(ctx context.Context, node string, in v1.GroupQuiesce) <-chan quiesced {
	done := make(chan quiesced, 1)
	for name, n := range w.nodes {
		if string(name) == node {
			w.done.Go(func() {
				out, err := n.control.GroupQuiesce(ctx, root, in)
				done <- quiesced{out, err}
			})
		}
	}
	return done
}

// The first of two quiesces gives up and resumes the group, which the second needs suspended: it suspends it again, says that it is at rest when it is, and leaves it as it was.
func TestTwoQuiesces(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		web := []string{"web-rg"}
		w.acts.script("web Stop", func(agent.Call) agent.Result { time.Sleep(9 * time.Second); return agent.Result{} })
		ok[v1.Result](t)(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: web, Node: []string{"n2"}, NoWait: true}))
		time.Sleep(time.Second)
		began := time.Now()
		first := w.quiesce(w.ctx, "n1", v1.GroupQuiesce{Names: web, Timeout: 3})
		time.Sleep(time.Second)
		second := w.quiesce(w.ctx, "n2", v1.GroupQuiesce{Names: web})
		if q := <-first; !fault.Is(q.err, fault.Timeout) {
			t.Errorf("the first: %+v", q)
		}
		time.Sleep(time.Second)
		if !w.suspended("web-rg") {
			t.Error("the second does not suspend the group again")
		}
		q := <-second
		if q.err != nil || !slices.Contains(q.out.Messages, "group web-rg is at rest") || time.Since(began) < 7*time.Second {
			t.Errorf("the second, after %v: %+v", time.Since(began), q)
		}
		if w.suspended("web-rg") {
			t.Error("the group stays suspended")
		}
	})
}

// Whoever suspended the group before finds it suspended afterwards, and resuming it while it is brought to rest does not make it move.
func TestQuiesceAndSuspension(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		web := []string{"web-rg"}
		res := ok[v1.Result](t)
		res(w.c().GroupSuspend(w.ctx, root, v1.GroupSuspend{Names: web}))
		res(w.c().GroupQuiesce(w.ctx, root, v1.GroupQuiesce{Names: web}))
		if !w.suspended("web-rg") {
			t.Error("quiesce has resumed what it did not suspend")
		}
		res(w.c().GroupResume(w.ctx, root, v1.GroupResume{Names: web}))
		w.acts.script("web Stop", func(agent.Call) agent.Result { time.Sleep(5 * time.Second); return agent.Result{} })
		res(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: web, Node: []string{"n2"}, NoWait: true}))
		done := w.quiesce(w.ctx, "n1", v1.GroupQuiesce{Names: web})
		time.Sleep(2 * time.Second)
		res(w.c().GroupResume(w.ctx, root, v1.GroupResume{Names: web}))
		time.Sleep(time.Second)
		if !w.suspended("web-rg") {
			t.Error("it goes on with a group that is not suspended")
		}
		if q := <-done; q.err != nil {
			t.Error(q.err)
		}
		if w.suspended("web-rg") {
			t.Error("the group stays suspended")
		}
	})
}

// A quiesce whose caller goes away leaves no suspended group behind, and one that gives up says for what it waited.
func TestQuiesceOfACallerWhoGoes(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		w.acts.script("web Stop", func(agent.Call) agent.Result { time.Sleep(20 * time.Second); return agent.Result{} })
		ok[v1.Result](t)(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"web-rg"}, Node: []string{"n2"}, NoWait: true}))
		time.Sleep(time.Second)
		ctx, cancel := context.WithCancel(w.ctx)
		done := w.quiesce(ctx, "n3", v1.GroupQuiesce{Names: []string{"web-rg"}})
		time.Sleep(2 * time.Second)
		if !w.suspended("web-rg") {
			t.Error("it is not suspended meanwhile")
		}
		cancel()
		if q := <-done; !fault.Is(q.err, fault.Timeout) {
			t.Errorf("%+v", q)
		}
		time.Sleep(time.Second)
		if w.suspended("web-rg") {
			t.Error("the group stays suspended")
		}
		refuse[v1.Result](t, fault.Timeout, "group web-rg: it leaves n1")(w.c().GroupQuiesce(w.ctx, root, v1.GroupQuiesce{Names: []string{"web-rg"}, Timeout: 2}))
		time.Sleep(30 * time.Second) // the method ends
	})
}

func TestQuiesceRefuses(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		for says, in := range map[string]v1.GroupQuiesce{
			"can not be waited for":   {Names: []string{"web-rg"}, Timeout: -1},
			"name at least one group": {},
			"both were given":         {Names: []string{"web-rg"}, All: true},
			"did you mean web-rg?":    {Names: []string{"web-rg", "web-r"}},
			"group  does not exist":   {Names: []string{""}},
		} {
			_, err := w.c().GroupQuiesce(w.ctx, root, in)
			refuse[v1.Result](t, fault.CodeOf(err), says)(v1.Result{}, err)
			if w.suspended("web-rg") {
				t.Errorf("%s: the group is suspended", says)
			}
		}
		// Nobody lives so long.
		if q := <-w.quiesce(w.ctx, "n1", v1.GroupQuiesce{Names: []string{"web-rg"}, Timeout: 1 << 62}); q.err != nil {
			t.Error(q.err)
		}
	})
}

// A group that a failed stop blocks on another node does not keep a node from being evacuated; a node that was to be emptied and taken again at once is not left evacuated.
func TestEvacuationOfOddCases(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		res := ok[v1.Result](t)
		zero, minus := 0, -3
		refuse[v1.Result](t, fault.Invalid, "both were given")(w.c().GroupEvacuate(w.ctx, root, v1.GroupEvacuate{Names: []string{"web-rg"}, All: true, Node: []string{"n1"}}))
		refuse[v1.Result](t, fault.Invalid, "with -n")(w.c().GroupEvacuate(w.ctx, root, v1.GroupEvacuate{All: true}))
		refuse[v1.Result](t, fault.Invalid, "out of bounds")(w.c().GroupEvacuate(w.ctx, root, v1.GroupEvacuate{All: true, Node: []string{"n1"}, Timeout: &minus}))
		refuse[v1.Result](t, fault.Invalid, "has to be waited for")(w.c().NodeEvacuate(w.ctx, root, v1.NodeEvacuate{Names: []string{"n1"}, Timeout: &zero, NoWait: true}))
		refuse[v1.Result](t, fault.NotFound, "node n9 does not exist")(w.c().NodeEvacuate(w.ctx, root, v1.NodeEvacuate{Names: []string{"n9"}}))
		w.acts.fail("web Stop n1", "busy")
		_, _ = w.c().GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"web-rg"}})
		w.is("web-rg", "n1:ERROR_STOP_FAILED n2:OFFLINE n3:OFFLINE")
		res(w.c().NodeEvacuate(w.ctx, root, v1.NodeEvacuate{Names: []string{"n2"}}))
		refuse[v1.Result](t, fault.Precondition, "blocked on node n1")(w.c().NodeEvacuate(w.ctx, root, v1.NodeEvacuate{Names: []string{"n1"}, Timeout: &zero}))
		evacuated := func() bool {
			return ok[[]v1.NodeState](t)(w.c().NodeStatus(w.ctx, root, v1.NodeStatus{Names: []string{"n1"}}))[0].EvacuatedUntil != nil
		}
		if evacuated() {
			t.Error("n1 stays evacuated")
		}
		w.acts.script("web Stop n1", func(agent.Call) agent.Result { time.Sleep(20 * time.Second); return agent.Result{} })
		res(w.c().ResourceClear(w.ctx, root, v1.ResourceClear{Names: []string{"web"}, Flag: "STOP_FAILED", Node: []string{"n1"}}))
		res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"web-rg"}, Node: []string{"n1"}}))
		ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
		defer cancel()
		if _, err := w.c().NodeEvacuate(ctx, root, v1.NodeEvacuate{Names: []string{"n1"}, Timeout: &zero}); !fault.Is(err, fault.Timeout) || evacuated() {
			t.Errorf("the caller has gone: %v; n1 is evacuated: %v", err, evacuated())
		}
		time.Sleep(30 * time.Second) // the method ends
	})
}

// byHand reports whether an administrator has suspended a group.
func (w *world) byHand(group string) bool {
	w.t.Helper()
	synctest.Wait()
	g := ok[[]v1.Group](w.t)(w.c().GroupShow(w.ctx, root, v1.GroupShow{Names: []string{group}}))[0]
	i := slices.IndexFunc(g.Properties, func(p v1.Property) bool { return p.Name == "Suspend_automatic_recovery" })
	return g.Properties[i].Values[0] == "true"
}

// An administrator who suspends a group, or sets it so, while it is brought to rest finds it suspended afterwards.
func TestSuspendDuringAQuiesce(t *testing.T) {
	for name, suspend := range map[string]func(*world) (v1.Result, error){
		"suspend": func(w *world) (v1.Result, error) {
			return w.c().GroupSuspend(w.ctx, root, v1.GroupSuspend{Names: []string{"web-rg"}})
		},
		"set": func(w *world) (v1.Result, error) {
			return w.c().GroupSet(w.ctx, root, v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"Suspend_automatic_recovery=TRUE"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				t := w.t
				w.web()
				w.acts.script("web Stop", func(agent.Call) agent.Result { time.Sleep(5 * time.Second); return agent.Result{} })
				ok[v1.Result](t)(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"web-rg"}, Node: []string{"n2"}, NoWait: true}))
				done := w.quiesce(w.ctx, "n3", v1.GroupQuiesce{Names: []string{"web-rg"}})
				time.Sleep(2 * time.Second)
				if !w.suspended("web-rg") || w.byHand("web-rg") {
					t.Error("a quiesce suspends the group, and no administrator does")
				}
				state := ok[[]v1.GroupState](t)(w.c().GroupStatus(w.ctx, root, v1.GroupStatus{Names: []string{"web-rg"}}))[0]
				if len(state.Quiesced) != 1 || state.Quiesced[0].Node != "n3" || !state.Quiesced[0].Until.After(time.Now()) {
					t.Errorf("status: %+v", state.Quiesced)
				}
				ok[v1.Result](t)(suspend(w))
				if q := <-done; q.err != nil {
					t.Error(q.err)
				}
				if !w.suspended("web-rg") || !w.byHand("web-rg") {
					t.Error("the end of the quiesce has resumed what an administrator suspended")
				}
				out := ok[v1.Result](t)(w.c().GroupResume(w.ctx, root, v1.GroupResume{Names: []string{"web-rg"}}))
				if w.suspended("web-rg") || !slices.Contains(out.Messages, "automatic recovery of group web-rg is resumed") {
					t.Errorf("it can not be resumed: %+v", out)
				}
			})
		})
	}
}

// A quiesce whose daemon dies leaves no suspension behind, but for that of an administrator; and one whose daemon was only taken for dead suspends the group again.
func TestQuiesceOfADaemonThatDies(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		ok[v1.Result](t)(w.c().GroupCreate(w.ctx, root, v1.GroupCreate{Names: []string{"held-rg"}}))
		w.acts.script("web Stop", func(agent.Call) agent.Result { time.Sleep(20 * time.Second); return agent.Result{} })
		ok[v1.Result](t)(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"web-rg"}, Node: []string{"n2"}, NoWait: true}))
		time.Sleep(time.Second)
		done := w.quiesce(w.ctx, "n3", v1.GroupQuiesce{All: true, Timeout: 10})
		time.Sleep(time.Second)
		ok[v1.Result](t)(w.c().GroupSuspend(w.ctx, root, v1.GroupSuspend{Names: []string{"held-rg"}}))
		if !w.suspended("web-rg") || !w.suspended("held-rg") {
			t.Fatal("the groups are not suspended meanwhile")
		}
		w.lose("n3")
		time.Sleep(3 * time.Second)
		if w.suspended("web-rg") {
			t.Error("the group stays suspended by a daemon that is gone")
		}
		if !w.suspended("held-rg") || !w.byHand("held-rg") {
			t.Error("what an administrator has suspended was resumed")
		}
		<-done
		time.Sleep(30 * time.Second)
		if w.suspended("web-rg") || !w.suspended("held-rg") {
			t.Error("the end of the quiesce has changed something")
		}
	})
}

// More groups than one transaction holds are suspended, quiesced and resumed.
func TestSuspendingThousandsOfGroups(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		doc := v1.Document{Level: v1.Level}
		for i := range 1200 {
			doc.Groups = append(doc.Groups, v1.GroupDocument{Name: fmt.Sprintf("g%04d", i)})
		}
		res := ok[v1.Result](t)
		res(w.c().ClusterApply(w.ctx, root, v1.ClusterApply{Document: doc}))
		count := func() (n int) {
			for _, g := range ok[[]v1.Group](t)(w.c().GroupShow(w.ctx, root, v1.GroupShow{All: true})) {
				if g.Suspended {
					n++
				}
			}
			return n
		}
		if out := res(w.c().GroupSuspend(w.ctx, root, v1.GroupSuspend{All: true})); count() != 1200 || len(out.Messages) != 1200 {
			t.Errorf("%d are suspended, %d messages", count(), len(out.Messages))
		}
		if res(w.c().GroupResume(w.ctx, root, v1.GroupResume{All: true})); count() != 0 {
			t.Errorf("%d are suspended", count())
		}
	})
}
