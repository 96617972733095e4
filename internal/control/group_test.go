package control_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/fault"
)

// TestMainJob: from nothing to a service, around the nodes, and away again.
func TestMainJob(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		res := ok[v1.Result](t)
		web := []string{"web-rg"}
		w.configure()
		w.is("web-rg", "n1:UNMANAGED n2:UNMANAGED n3:UNMANAGED")
		refuse[v1.Result](t, fault.Precondition, "group web-rg is not managed")(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: web}))
		res(w.c().GroupManage(w.ctx, root, v1.GroupManage{Names: web}))
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:OFFLINE")
		out := res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: web}))
		if !slices.Contains(out.Messages, "group web-rg is online on n1") {
			t.Errorf("messages: %v", out.Messages)
		}
		w.is("web-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{All: true}))                                        // again
		res(w.nodes["n3"].control.GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: web, Node: []string{"n2"}})) // from any node
		w.is("web-rg", "n1:OFFLINE n2:ONLINE n3:OFFLINE")
		w.acts.ran()
		res(w.c().GroupRestart(w.ctx, root, v1.GroupRestart{Names: web}))
		if got := strings.Join(w.acts.ran(), ", "); got != "Stop web n2, Stop web-ip n2, Start web-ip n2, Start web n2" {
			t.Errorf("restart ran: %s", got)
		}
		res(w.c().GroupRestart(w.ctx, root, v1.GroupRestart{Names: web, Node: []string{"n2"}}))
		res(w.c().GroupRemaster(w.ctx, root, v1.GroupRemaster{Names: web}))
		w.is("web-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		res(w.c().GroupOffline(w.ctx, root, v1.GroupOffline{Names: web}))
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:OFFLINE")
		refuse[v1.Result](t, fault.Precondition, "is not online")(w.c().GroupRestart(w.ctx, root, v1.GroupRestart{Names: web}))
		refuse[v1.Result](t, fault.Precondition, "has resources (web, web-ip)")(w.c().GroupDelete(w.ctx, root, v1.GroupDelete{Names: web}))
		res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: web}))
		w.acts.ran()
		res(w.c().GroupDelete(w.ctx, root, v1.GroupDelete{Names: web, Force: true}))
		if ran := w.acts.ran(); !slices.Contains(ran, "Fini web n3") || !slices.Contains(ran, "Stop web-ip n1") {
			t.Errorf("delete ran %v", ran)
		}
		if names := ok[[]string](t)(w.c().GroupList(w.ctx, root, v1.GroupList{})); len(names) != 0 {
			t.Errorf("groups left: %v", names)
		}
		if names := ok[[]string](t)(w.c().ResourceList(w.ctx, root, v1.ResourceList{})); len(names) != 0 {
			t.Errorf("resources left: %v", names)
		}
		// The same names again: nothing of the old group is in the way.
		res(w.c().GroupCreate(w.ctx, root, v1.GroupCreate{Names: web}))
		res(w.c().ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"web"}, Group: "web-rg", Type: "redoubt.web", Property: []string{"Start_command=x"}}))
		res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: web, Manage: true, Node: []string{"n3"}}))
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:ONLINE")
		res(w.c().GroupOffline(w.ctx, root, v1.GroupOffline{Names: web, Node: []string{"n3"}}))
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:OFFLINE")
		res(w.c().GroupUnmanage(w.ctx, root, v1.GroupUnmanage{Names: web}))
		w.is("web-rg", "n1:UNMANAGED n2:UNMANAGED n3:UNMANAGED")
	})
}

func TestPlacesThatCanNotBe(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		web := []string{"web-rg"}
		sw := func(nodes ...string) (v1.Result, error) {
			return w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: web, Node: nodes})
		}
		refuse[v1.Result](t, fault.Invalid, "name the nodes to move to")(sw())
		refuse[v1.Result](t, fault.NotFound, "node n9 does not exist")(sw("n9"))
		refuse[v1.Result](t, fault.Invalid, "runs on 1 nodes at most (Maximum_primaries), but 2 are named")(sw("n1", "n2"))
		refuse[v1.Result](t, fault.Precondition, "group web-rg is online on n1")(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: web, Node: []string{"n2"}}))
		ok[v1.Result](t)(w.c().GroupRemoveNode(w.ctx, root, v1.GroupRemoveNode{Names: web, Node: []string{"n3"}}))
		refuse[v1.Result](t, fault.Invalid, "node n3 is not in the nodelist of group web-rg (n1, n2)")(sw("n3"))
		w.lose("n2")
		refuse[v1.Result](t, fault.Precondition, "node n2 is not in the cluster at the moment")(sw("n2"))
		refuse[v1.Result](t, fault.NotFound, "group wbe-rg does not exist; did you mean web-rg?")(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"wbe-rg"}}))
		refuse[v1.Result](t, fault.Invalid, "name at least one group, or + for all")(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{}))
		ok[v1.Result](t)(w.c().GroupSet(w.ctx, root, v1.GroupSet{Names: web, Property: []string{"RG_system=true"}}))
		refuse[v1.Result](t, fault.Precondition, "is protected (RG_system)")(w.c().GroupOffline(w.ctx, root, v1.GroupOffline{Names: web}))
		refuse[v1.Result](t, fault.Precondition, "is protected (RG_system)")(w.c().GroupDelete(w.ctx, root, v1.GroupDelete{Names: web, Force: true}))
		w.is("web-rg", "n1:ONLINE n2:OFFLINE")
	})
}

func TestStartsThatFail(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.configure()
		w.acts.fail("web Start n1", "port 8080 is taken")
		online := func(nodes ...string) (v1.Result, error) {
			return w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"web-rg"}, Manage: true, Node: nodes})
		}
		refuse[v1.Result](t, fault.Precondition, "group web-rg is ONLINE_FAULTED on node n1: resource web: Start failed: port 8080 is taken")(online())
		refuse[v1.Result](t, fault.Precondition, "resource web is START_FAILED on node n1: Start failed: port 8080 is taken")(w.c().ResourceClear(w.ctx, root, v1.ResourceClear{Names: []string{"web"}, Flag: "start_failed"}))
		w.acts.script("web Start n1", nil)
		ok[v1.Result](t)(w.c().ResourceClear(w.ctx, root, v1.ResourceClear{Names: []string{"web"}, Flag: "START_FAILED", Node: []string{"n1"}}))
		w.is("web-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		refuse[v1.Result](t, fault.Precondition, "resource web is not STOP_FAILED on n1")(w.c().ResourceClear(w.ctx, root, v1.ResourceClear{Names: []string{"web"}, Node: []string{"n1"}}))
		refuse[v1.Result](t, fault.Invalid, `"FOO" is none of`)(w.c().ResourceClear(w.ctx, root, v1.ResourceClear{Names: []string{"web"}, Flag: "FOO"}))

		// With SOFT the group moves on; a command that named the node says that it is not there, and why.
		ok[v1.Result](t)(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Failover_mode=SOFT"}}))
		w.acts.fail("web Start n2", "no licence")
		_, err := w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"web-rg"}, Node: []string{"n2"}})
		refuse[v1.Result](t, fault.Precondition, "and not on node n2: resource web there: Start failed: no licence")(v1.Result{}, err)
		w.is("web-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")

		// Nowhere at all.
		ok[v1.Result](t)(w.c().GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"web-rg"}}))
		w.acts.fail("web Start", "broken")
		_, err = online()
		refuse[v1.Result](t, fault.Precondition, "group web-rg can run on no node now")(v1.Result{}, err)
		for _, n := range []string{"n1", "n2", "n3"} {
			if !strings.Contains(err.Error(), "node "+n+": resource web failed to start here") {
				t.Errorf("nothing about %s in %v", n, err)
			}
		}
	})
}

func TestStopsThatFail(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		w.acts.fail("web Stop n1", "busy")
		refuse[v1.Result](t, fault.Precondition, "group web-rg is blocked on node n1: web: Stop failed: busy")(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"web-rg"}, Node: []string{"n2"}}))
		w.is("web-rg", "n1:ERROR_STOP_FAILED n2:OFFLINE n3:OFFLINE")
		st := ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		if !slices.ContainsFunc(st.Problems, func(p v1.Problem) bool {
			return p.Object == "resource web" && p.Severity == "error" && strings.Contains(p.Text, "could not be stopped on node n1") && strings.Contains(p.Remedy, "resource clear")
		}) {
			t.Errorf("status does not say it: %+v", st.Problems)
		}
		ok[v1.Result](t)(w.nodes["n2"].control.ResourceClear(w.ctx, root, v1.ResourceClear{Names: []string{"web"}}))
		time.Sleep(time.Second)
		w.is("web-rg", "n1:OFFLINE n2:ONLINE n3:OFFLINE")
	})
}

func TestWaiting(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.configure()
		hang := make(chan struct{})
		w.acts.script("web Start n1", func(agent.Call) agent.Result { <-hang; return agent.Result{} })
		in := v1.GroupOnline{Names: []string{"web-rg"}, Manage: true}
		in.NoWait = true
		ok[v1.Result](t)(w.c().GroupOnline(w.ctx, root, in))
		in.NoWait, in.Timeout = false, 5
		refuse[v1.Result](t, fault.Timeout, "after 5s it is still not so that group web-rg is online")(w.c().GroupOnline(w.ctx, root, in))
		in.Timeout = 0
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		refuse[v1.Result](t, fault.Timeout, "given up while waiting")(w.c().GroupOnline(ctx, root, in))
		// Somebody else asks for something else meanwhile.
		failed := make(chan error, 1)
		go func() {
			_, err := w.c().GroupOnline(w.ctx, root, in)
			failed <- err
		}()
		synctest.Wait()
		ok[v1.Result](t)(w.nodes["n2"].control.GroupOffline(w.ctx, root, v1.GroupOffline{Names: []string{"web-rg"}, NoWait: true}))
		refuse[v1.Result](t, fault.Conflict, "somebody asked for another place")(v1.Result{}, <-failed)
		close(hang)
		synctest.Wait()
	})
}

func TestEvacuation(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		res := ok[v1.Result](t)
		ten := 10
		res(w.c().NodeEvacuate(w.ctx, root, v1.NodeEvacuate{Names: []string{"n1"}, Timeout: &ten}))
		w.is("web-rg", "n1:OFFLINE n2:ONLINE n3:OFFLINE")
		n := ok[[]v1.NodeState](t)(w.c().NodeStatus(w.ctx, root, v1.NodeStatus{Names: []string{"n1"}}))
		if n[0].EvacuatedUntil == nil {
			t.Error("status does not say that n1 is evacuated")
		}
		res(w.c().GroupEvacuate(w.ctx, root, v1.GroupEvacuate{Names: []string{"web-rg"}, Node: []string{"n2"}}))
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:ONLINE") // n1 is still evacuated
		time.Sleep(15 * time.Second)
		zero := 0
		res(w.c().GroupEvacuate(w.ctx, root, v1.GroupEvacuate{All: true, Node: []string{"n3"}, Timeout: &zero}))
		w.is("web-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		n = ok[[]v1.NodeState](t)(w.c().NodeStatus(w.ctx, root, v1.NodeStatus{Names: []string{"n3"}}))
		if n[0].EvacuatedUntil != nil {
			t.Error("n3 is still evacuated")
		}
		out := res(w.c().NodeEvacuate(w.ctx, root, v1.NodeEvacuate{All: true}))
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:OFFLINE")
		if !slices.ContainsFunc(out.Messages, func(m string) bool { return strings.Contains(m, "group web-rg can run on no node now") }) {
			t.Errorf("messages: %v", out.Messages)
		}
		minus := -1
		refuse[v1.Result](t, fault.Invalid, "out of bounds")(w.c().NodeEvacuate(w.ctx, root, v1.NodeEvacuate{All: true, Timeout: &minus}))
	})
}

func TestSuspendedAndQuiesced(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		res := ok[v1.Result](t)
		web := []string{"web-rg"}
		res(w.c().GroupSuspend(w.ctx, root, v1.GroupSuspend{Names: web}))
		res(w.c().GroupOffline(w.ctx, root, v1.GroupOffline{Names: web}))
		res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: web})) // by hand it may
		res(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: web, Node: []string{"n3"}}))
		w.lose("n3")
		time.Sleep(5 * time.Second)
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:OFFLINE")
		res(w.c().GroupResume(w.ctx, root, v1.GroupResume{Names: web}))
		time.Sleep(time.Second)
		w.is("web-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		w.acts.script("web Stop", func(agent.Call) agent.Result { time.Sleep(7 * time.Second); return agent.Result{} })
		res(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: web, Node: []string{"n2"}, NoWait: true}))
		began := time.Now()
		res(w.c().GroupQuiesce(w.ctx, root, v1.GroupQuiesce{Names: web}))
		if took := time.Since(began); took < 6*time.Second {
			t.Errorf("quiesce did not wait for the method: %v", took)
		}
		if g := ok[[]v1.Group](t)(w.c().GroupShow(w.ctx, root, v1.GroupShow{Names: web})); g[0].Suspended {
			t.Error("the group stays suspended after quiesce")
		}
		res(w.c().GroupQuiesce(w.ctx, root, v1.GroupQuiesce{Names: web, Kill: true}))
	})
}

// A group whose start fails everywhere goes round its nodes for as long as Pingpong_interval is short. Quiesce brings it to rest, and it stays so afterwards.
func TestQuiesceEndsTheBouncing(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.configure()
		res := ok[v1.Result](t)
		web := []string{"web-rg"}
		res(w.c().GroupSet(w.ctx, root, v1.GroupSet{Names: web, Property: []string{"Pingpong_interval=1"}}))
		res(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Failover_mode=SOFT"}}))
		w.acts.script("web Start", func(agent.Call) agent.Result {
			time.Sleep(2 * time.Second)
			return agent.Result{Exit: 1, Message: "no such file"}
		})
		res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: web, Manage: true, Enable: true, NoWait: true}))
		time.Sleep(30 * time.Second)
		starts := func() (n int) {
			for _, m := range w.acts.ran() {
				if strings.HasPrefix(m, "Start web ") {
					n++
				}
			}
			return n
		}
		if n := starts(); n < 6 {
			t.Fatalf("%d starts: the group does not go round", n)
		}
		out := res(w.c().GroupQuiesce(w.ctx, root, v1.GroupQuiesce{Names: web}))
		if !slices.Contains(out.Messages, "group web-rg is at rest") {
			t.Errorf("it says %q", out.Messages)
		}
		starts()
		time.Sleep(10 * time.Minute)
		if n := starts(); n != 0 {
			t.Errorf("%d starts after it came to rest: %s", n, w.states("web-rg"))
		}
		if g := ok[[]v1.Group](t)(w.c().GroupShow(w.ctx, root, v1.GroupShow{Names: web})); g[0].Suspended {
			t.Error("the group stays suspended after quiesce")
		}
	})
}

// A node that is behind has been told to start the group before it was quiesced, and has not heard of either. Nothing is at rest before it has.
func TestQuiesceAsksWhoIsBehind(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		web := []string{"web-rg"}
		w.mu.Lock()
		w.lag["n2"] = 3 * time.Second
		w.mu.Unlock()
		w.acts.script("web Start", func(agent.Call) agent.Result { time.Sleep(4 * time.Second); return agent.Result{} })
		ok[v1.Result](t)(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: web, Node: []string{"n2"}, NoWait: true}))
		time.Sleep(time.Second)
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:OFFLINE")
		began := time.Now()
		out := ok[v1.Result](t)(w.c().GroupQuiesce(w.ctx, root, v1.GroupQuiesce{Names: web}))
		if took := time.Since(began); took < 5*time.Second || !slices.Contains(out.Messages, "group web-rg is at rest") {
			t.Errorf("after %v it says %q", took, out.Messages)
		}
		w.acts.ran()
		w.is("web-rg", "n1:OFFLINE n2:ONLINE n3:OFFLINE")
		time.Sleep(time.Minute)
		if ran := w.acts.ran(); len(ran) > 0 {
			t.Errorf("methods that ran after it came to rest: %q", ran)
		}
		// Who can not be asked is not known to be at rest.
		w.mu.Lock()
		w.cut["n3"] = true
		w.mu.Unlock()
		if out, err := w.c().GroupQuiesce(w.ctx, root, v1.GroupQuiesce{Names: web, Timeout: 5}); !fault.Is(err, fault.Timeout) || slices.Contains(out.Messages, "group web-rg is at rest") {
			t.Errorf("n3 could not be asked: %q, %v", out.Messages, err)
		}
	})
}

// Quiesce -k ends the method that runs and waits until its group has come to rest; where that takes longer than the caller waits, nothing says that it has.
func TestQuiesceKills(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.configure()
		res := ok[v1.Result](t)
		web := []string{"web-rg"}
		w.acts.mu.Lock()
		w.acts.hangs = "web Start"
		w.acts.mu.Unlock()
		res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: web, Manage: true, Enable: true, NoWait: true}))
		time.Sleep(3 * time.Second)
		began := time.Now()
		out, err := w.c().GroupQuiesce(w.ctx, root, v1.GroupQuiesce{Names: web, Timeout: 5})
		if took := time.Since(began); !fault.Is(err, fault.Timeout) || took < 5*time.Second || took > 6*time.Second || slices.Contains(out.Messages, "group web-rg is at rest") {
			t.Errorf("after %v it says %q, %v; a method still runs", took, out.Messages, err)
		}
		if g := ok[[]v1.Group](t)(w.c().GroupShow(w.ctx, root, v1.GroupShow{Names: web})); g[0].Suspended {
			t.Error("the group stays suspended when quiesce gives up")
		}
		began = time.Now()
		out = res(w.c().GroupQuiesce(w.ctx, root, v1.GroupQuiesce{Names: web, Kill: true}))
		if took := time.Since(began); took > 5*time.Second || !slices.Contains(out.Messages, "group web-rg is at rest") {
			t.Errorf("after %v it says %q: the method was to be killed", took, out.Messages)
		}
		state := w.states("web-rg")
		w.acts.ran()
		time.Sleep(10 * time.Minute)
		if ran := w.acts.ran(); len(ran) > 0 || w.states("web-rg") != state {
			t.Errorf("after it came to rest as %s, %v ran, and it is %s", state, ran, w.states("web-rg"))
		}
	})
}

func TestGroupsOnSeveralNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.configure()
		res := ok[v1.Result](t)
		many := []string{"many-rg"}
		res(w.c().GroupCreate(w.ctx, root, v1.GroupCreate{Names: many, Scalable: true, Node: []string{"n1", "n2"}}))
		res(w.c().ResourceCreate(w.ctx, root, v1.ResourceCreate{Names: []string{"many"}, Group: "many-rg", Type: "redoubt.many"}))
		res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: many, Manage: true}))
		w.is("many-rg", "n1:ONLINE n2:ONLINE")
		out := ok[v1.Result](t)(w.c().GroupAddNode(w.ctx, root, v1.GroupAddNode{Names: many, Node: []string{"n3"}, Scalable: true}))
		if got, want := strings.Join(out.Messages, ""), "group many-rg: its nodelist is n1, n2, n3; it runs on 3 nodes (Desired_primaries), 3 at most (Maximum_primaries)"; got != want {
			t.Errorf("add-node says %q, want %q", got, want)
		}
		out = ok[v1.Result](t)(w.c().GroupAddNode(w.ctx, root, v1.GroupAddNode{Names: many, Node: []string{"n3"}}))
		if got := strings.Join(out.Messages, ""); !strings.Contains(got, "so already") {
			t.Errorf("add-node of a node that is there says %q", got)
		}
		time.Sleep(time.Second)
		w.is("many-rg", "n1:ONLINE n2:ONLINE n3:ONLINE")
		res(w.c().GroupOffline(w.ctx, root, v1.GroupOffline{Names: many, Node: []string{"n2"}}))
		w.is("many-rg", "n1:ONLINE n2:OFFLINE n3:ONLINE")
		w.acts.ran()
		res(w.c().GroupRestart(w.ctx, root, v1.GroupRestart{Names: many, Node: []string{"n3"}}))
		if got := strings.Join(w.acts.ran(), ", "); got != "Stop many n3, Start many n3" {
			t.Errorf("restart on n3 ran: %s", got)
		}
		res(w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: many, Node: []string{"n2"}}))
		w.is("many-rg", "n1:ONLINE n2:ONLINE n3:ONLINE")
		res(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: many, Node: []string{"n1"}}))
		time.Sleep(time.Second) // and it stays so
		w.is("many-rg", "n1:ONLINE n2:OFFLINE n3:OFFLINE")
		refuse[v1.Result](t, fault.Precondition, "is ONLINE on node n1")(w.c().GroupRemoveNode(w.ctx, root, v1.GroupRemoveNode{Names: many, Node: []string{"n1"}}))
		if got := ok[[]string](t)(w.c().GroupList(w.ctx, root, v1.GroupList{Node: []string{"n1"}})); !slices.Equal(got, many) {
			t.Errorf("on n1: %v", got)
		}
		if got := ok[[]string](t)(w.c().GroupList(w.ctx, root, v1.GroupList{State: []string{"unmanaged"}, Type: []string{"redoubt.web"}})); !slices.Equal(got, []string{"web-rg"}) {
			t.Errorf("unmanaged: %v", got)
		}
	})
}
