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
	"redoubt/internal/rgm/model"
)

// asInvalid gives an error of another code the code that the test looks for, keeping its text.
func asInvalid(_ v1.Result, err error) error { return fault.Errorf(fault.Invalid, "%v", err) }

func TestRemovingNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		ok[v1.Result](t)(w.c().GroupSwitch(w.ctx, root, v1.GroupSwitch{Names: []string{"web-rg"}, Node: []string{"n3"}}))
		ok[v1.Result](t)(w.c().ResourceSet(w.ctx, root, v1.ResourceSet{Names: []string{"web"}, Property: []string{"Level{n3}=7"}}))
		refuse[v1.Result](t, fault.Precondition, "node n3: is in the nodelist of group web-rg")(w.c().NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"n3"}}))
		refuse[v1.Result](t, fault.Precondition, "node n1 can not remove itself")(w.c().NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"n1"}, Force: true}))
		ok[v1.Result](t)(w.c().NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"n3"}, Force: true}))
		select {
		case why := <-w.nodes["n3"].left:
			if !strings.Contains(why, "removed") {
				t.Errorf("n3 was told %q", why)
			}
		default:
			t.Error("n3 was not told to leave")
		}
		synctest.Wait() // until the news has reached n2 too
		if w.nodes["n2"].machine.View().Record.Epoch != 6 {
			t.Error("n3 was not taken out of the membership")
		}
		w.is("web-rg", "n1:ONLINE n2:OFFLINE")
		r := ok[[]v1.Resource](t)(w.c().ResourceShow(w.ctx, root, v1.ResourceShow{Names: []string{"web"}}))
		if slices.ContainsFunc(r[0].Extension, func(p v1.Property) bool { return p.Node == "n3" }) {
			t.Error("a value for n3 is left")
		}
		if got := ok[[]string](t)(w.c().NodeList(w.ctx, root, v1.NodeList{})); !slices.Equal(got, []string{"n1", "n2"}) {
			t.Errorf("nodes: %v", got)
		}
	})
}

func TestClusterProperties(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		set := func(p ...string) (v1.Result, error) { return w.c().ClusterSet(w.ctx, root, v1.ClusterSet{Property: p}) }
		ok[v1.Result](t)(set("heartbeat_profile=fast"))
		synctest.Wait()
		if got := w.nodes["n3"].machine.View().Record.Timing.Profile; got != "fast" {
			t.Errorf("profile %s", got)
		}
		ok[v1.Result](t)(set("heartbeat_timeout=800", "description=demo"))
		st := ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		if tm := st.Cluster.Timing; tm.TimeoutMs != 800 || tm.QuantumMs != 30 || tm.HoldMs != 720 || tm.Profile != "custom" {
			t.Errorf("timing %+v", tm)
		}
		refuse[v1.Result](t, fault.Invalid, "too short for heartbeat_quantum")(set("heartbeat_timeout=100"))
		refuse[v1.Result](t, fault.Invalid, "did you mean heartbeat_timeout?")(set("heartbeat_timeot=100"))
		if n := len(w.nodes["n1"].mirror.Snapshot().Asks); n != 0 {
			t.Errorf("%d requests are left", n)
		}
		ok[v1.Result](t)(w.c().NodeSet(w.ctx, root, v1.NodeSet{Names: []string{"n2"}, Property: []string{"privatehostname=n2-priv"}}))
		fence := v1.NodeSetFence{Names: []string{"n2"}, Agent: "fence_ipmilan", Property: []string{"ip=10.0.0.2", "password_script=/etc/x"}}
		ok[v1.Result](t)(w.c().NodeSetFence(w.ctx, root, fence))
		fence.Property = []string{"passwd=hunter2"}
		_, err := w.c().NodeSetFence(w.ctx, root, fence)
		refuse[v1.Result](t, fault.Invalid, "option passwd: is a secret")(v1.Result{}, err)
		if strings.Contains(err.Error(), "hunter2") {
			t.Error("the error tells the secret")
		}
		nodes := ok[[]v1.Node](t)(w.c().NodeShow(w.ctx, root, v1.NodeShow{Names: []string{"n2"}}))
		if nodes[0].Fence == nil || nodes[0].Fence.Agent != "fence_ipmilan" || len(nodes[0].Fence.Options) != 2 {
			t.Errorf("fence: %+v", nodes[0].Fence)
		}
		ok[v1.Result](t)(w.c().NodeClearFence(w.ctx, root, v1.NodeClearFence{All: true}))
	})
}

func TestInterconnects(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		nets := func() string {
			synctest.Wait()
			var out []string
			for _, i := range ok[[]v1.Interconnect](t)(w.c().InterconnectShow(w.ctx, root, v1.InterconnectShow{})) {
				out = append(out, i.Network)
			}
			return strings.Join(out, " ")
		}
		ok[v1.Result](t)(w.c().InterconnectAdd(w.ctx, root, v1.InterconnectAdd{Names: []string{"10.3.0.0/24"}}))
		if got := nets(); got != "10.1.0.0/24 10.2.0.0/24 10.3.0.0/24" {
			t.Errorf("networks %s", got)
		}
		refuse[v1.Result](t, fault.Precondition, "it has no address in the interconnect 10.9.0.0/24")(w.c().InterconnectAdd(w.ctx, root, v1.InterconnectAdd{Names: []string{"10.9.0.0/24"}}))
		refuse[v1.Result](t, fault.Exists, "overlaps 10.1.0.0/24")(w.c().InterconnectAdd(w.ctx, root, v1.InterconnectAdd{Names: []string{"10.1.0.0/16"}}))
		refuse[v1.Result](t, fault.Precondition, "is in use")(w.c().InterconnectRemove(w.ctx, root, v1.InterconnectRemove{Names: []string{"10.1.0.0/24"}}))
		ok[v1.Result](t)(w.c().InterconnectDisable(w.ctx, root, v1.InterconnectDisable{Names: []string{"10.1.0.0/24"}}))
		ok[v1.Result](t)(w.c().InterconnectRemove(w.ctx, root, v1.InterconnectRemove{Names: []string{"10.1.0.0/24"}}))
		n := ok[[]v1.Node](t)(w.c().NodeShow(w.ctx, root, v1.NodeShow{Names: []string{"n2"}}))
		if !slices.Equal(n[0].Addresses, []string{"10.2.0.2", "10.3.0.2"}) {
			t.Errorf("addresses of n2: %v", n[0].Addresses)
		}
		w.poke(w.nodes["n1"], func(m *machine) { m.paths[1] = true })
		refuse[v1.Result](t, fault.Precondition, "is the last working path to node n2")(w.c().InterconnectDisable(w.ctx, root, v1.InterconnectDisable{Names: []string{"10.2.0.0/24"}}))
		st := ok[[]v1.InterconnectState](t)(w.c().InterconnectStatus(w.ctx, root, v1.InterconnectStatus{Names: []string{"10.3.0.0/24"}}))
		if len(st) != 2 || st[0].State != "faulted" {
			t.Errorf("paths: %+v", st)
		}
		apart := func() (objects []string) {
			for _, p := range ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{})).Problems {
				if p.Severity == "error" && strings.Contains(p.Text, "no interconnect to it works") {
					objects = append(objects, p.Object)
				}
			}
			return objects
		}
		if got := apart(); got != nil {
			t.Errorf("with one path left no interconnect works to %v", got)
		}
		w.poke(w.nodes["n1"], func(m *machine) { m.paths[0] = true })
		if got := apart(); !slices.Equal(got, []string{"node n2", "node n3"}) {
			t.Errorf("with no path left no interconnect works to %v", got)
		}
		w.poke(w.nodes["n1"], func(m *machine) { m.paths[0], m.paths[1] = false, false })
		refuse[v1.Result](t, fault.Precondition, "is the last one in use")(w.c().InterconnectDisable(w.ctx, root, v1.InterconnectDisable{Names: []string{"10.2.0.0/24", "10.3.0.0/24"}}))
	})
}

func TestCheckAndVerify(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		says := func(list []v1.Problem, object, text string) {
			t.Helper()
			if !slices.ContainsFunc(list, func(p v1.Problem) bool { return p.Object == object && strings.Contains(p.Text, text) }) {
				t.Errorf("nothing says %q of %s in %+v", text, object, list)
			}
		}
		n2 := w.nodes["n2"]
		n2.facts.GuardWarnings = []string{"no real-time priority"}
		w.put(confdb.PrefixCertificate+"SHA256:n2", confdb.KindCertificate, model.Certificate{
			Fingerprint: "SHA256:n2", Kind: "node", Name: "n2", NotBefore: time.Now().AddDate(0, -11, 0), NotAfter: time.Now().AddDate(0, 0, 5),
		})
		n2.facts.FreeBytes = 1 << 20
		ok[v1.Result](t)(w.c().NodeSetFence(w.ctx, root, v1.NodeSetFence{Names: []string{"n3"}, Agent: "fence_virt"}))
		r := ok[v1.CheckReport](t)(w.c().ClusterCheck(w.ctx, root, v1.ClusterCheck{}))
		says(r.Problems, "node n2", "guard: no real-time priority")
		says(r.Problems, "node n2", "its certificate expires")
		says(r.Problems, "node n2", "1 MB are free")
		says(r.Problems, "cluster demo", "neither a watchdog nor a fence agent protects")
		says(r.Problems, "node n3", "fence_virt is not installed on node n1")
		if r.OK {
			t.Error("found severe problems and is content")
		}
		if r := ok[v1.CheckReport](t)(w.c().ClusterVerify(w.ctx, root, v1.ClusterVerify{})); !r.OK || len(r.Problems) != 0 {
			t.Errorf("verify of a whole repository: %+v", r)
		}
		if _, err := w.store.Txn(w.ctx, nil, []confdb.Op{{Key: confdb.KeyGroup("broken-rg"), Value: []byte("{")}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if r := ok[v1.CheckReport](t)(w.c().ClusterVerify(w.ctx, root, v1.ClusterVerify{})); r.OK {
			t.Error("verify did not see a damaged record")
		}
		st := ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		says(st.Problems, "record group/broken-rg", "is damaged")
		w.lose("n3")
		st = ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		says(st.Problems, "node n3", "it is not in the cluster")
		says(st.Problems, "cluster demo", "2 of 3 voters are heard")
		if st.Degraded != "" || st.Cluster.Quorum.Margin != 0 {
			t.Errorf("degraded %q, quorum %+v", st.Degraded, st.Cluster.Quorum)
		}
		// A node that was cut off hears the others again before it learns what they have decided about it.
		w.poke(w.nodes["n1"], func(m *machine) { m.late = true })
		st = ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		if !strings.Contains(st.Degraded, "lease has run out") {
			t.Errorf("with a lease that has run out: %q", st.Degraded)
		}
		w.poke(w.nodes["n1"], func(m *machine) { m.late = false })
		// Without a majority status still answers, and says so.
		w.poke(w.nodes["n1"], func(m *machine) { m.lost["n2"], m.weak = true, true })
		st = ok[v1.Status](t)(w.c().ClusterStatus(w.ctx, root, v1.ClusterStatus{}))
		if !strings.Contains(st.Degraded, "does not hear a majority") || len(st.Groups) != 1 || st.Cluster.Quorum.Quorate {
			t.Errorf("without a majority: %q, %d groups", st.Degraded, len(st.Groups))
		}
	})
}

func TestShutdown(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		began := time.Now()
		ok[v1.Result](t)(w.c().ClusterShutdown(w.ctx, root, v1.ClusterShutdown{Grace: 5}))
		if time.Since(began) < 5*time.Second {
			t.Error("did not wait for the grace")
		}
		w.is("web-rg", "n1:OFFLINE n2:OFFLINE n3:OFFLINE")
		for _, n := range w.nodes {
			if len(n.left) != 1 {
				t.Errorf("%s was not told to leave", n.name)
			}
		}
	})
}

func TestWatch(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.configure()
		events, err := w.c().Watch(w.ctx, root)
		if err != nil {
			t.Fatal(err)
		}
		if first := <-events; first.Kind != "status" || first.Status == nil || first.Status.Cluster.Name != "demo" {
			t.Fatalf("first event: %+v", first)
		}
		failed := make(chan error, 1)
		go func() {
			_, err := w.c().GroupOnline(w.ctx, root, v1.GroupOnline{Names: []string{"web-rg"}, Manage: true})
			failed <- err
		}()
		var last time.Time
		online, noted := false, false
		for !online || !noted {
			e := <-events
			switch {
			case e.Note != nil:
				noted = noted || e.Note.Object == "group web-rg" && strings.Contains(e.Note.Text, "on node n1")
			case e.Status != nil:
				if !last.IsZero() && time.Since(last) < 100*time.Millisecond {
					t.Error("two statuses within 100 ms")
				}
				last = time.Now()
				online = slices.ContainsFunc(e.Status.Groups, func(g v1.GroupState) bool { return g.State == string(model.GroupOnline) })
			}
		}
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		w.c().Exit()
		for e := range events {
			if e.Status != nil && !e.Status.InCluster {
				break
			}
		}
		w.stop()
		for range events {
		}
	})
}
