package sim

import (
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// calm is a cluster of at least three nodes with the default timing in which everything has come online and nothing fails.
func calm(t *testing.T, seed uint64) *World {
	t.Helper()
	return calmWith(t, Options{Seed: seed})
}

func calmWith(t *testing.T, opt Options) *World {
	t.Helper()
	for ; ; opt.Seed += 1000 {
		w := newWorld(opt)
		profile, _ := cluster.ProfileTiming("default")
		if w.store.log[0].snap.Record.Timing != profile || w.nodes[len(w.nodes)-1].server {
			continue
		}
		w.op.online()
		w.until(5 * time.Second)
		if why := w.unsettled(); w.broken != "" || why != "" {
			t.Fatalf("seed %d: %s %s", opt.Seed, w.broken, why)
		}
		return w
	}
}

// until runs to a true time.
func (w *World) until(d time.Duration) {
	w.run(func() bool { return w.heap[0].at > int64(d) })
	w.now = int64(d)
}

// host is the node that a failover group runs on.
func (w *World) host(g cluster.GroupName) *node {
	for _, n := range w.nodes {
		if n.asleep() {
			continue
		}
		for _, p := range n.procs {
			if p.group == g && p.up {
				return n
			}
		}
	}
	return nil
}

// recovery does something to the node of the group "lone" and says how long it is until that runs elsewhere.
func recovery(t *testing.T, seed uint64, hurt func(w *World, n *node)) time.Duration {
	t.Helper()
	w := calm(t, seed)
	n := w.host("lone")
	began := w.now
	hurt(w, n)
	w.run(func() bool {
		h := w.host("lone")
		return h != nil && h != n || w.now-began > int64(20*time.Second)
	})
	if w.broken != "" {
		t.Fatalf("seed %d: %s", seed, w.broken)
	}
	return time.Duration(w.now - began)
}

// In a calm cluster a service is back within the time that the product promises.
func TestFailoverTimes(t *testing.T) {
	for _, c := range []struct {
		what  string
		limit time.Duration
		hurt  func(w *World, n *node)
	}{
		{"node death", time.Second, func(_ *World, n *node) { n.powerOff() }},
		{"partition", time.Second, func(w *World, n *node) { w.cutOff(n, 0, -1, time.Hour) }},
		{"nothing comes out any more", time.Second, func(w *World, n *node) { w.cutOff(n, 2, -1, time.Hour) }},
		{"frozen daemon", time.Second, func(_ *World, n *node) { n.daemon.pause(time.Hour) }},
		{"frozen node", time.Second, func(_ *World, n *node) { n.freeze(time.Hour) }},
		{"daemon death", 500 * time.Millisecond, func(_ *World, n *node) { n.killDaemon(time.Hour) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			var worst time.Duration
			for seed := range uint64(25) {
				// An election of the repository's leader comes on top where the node was that, as it does in production.
				took := recovery(t, seed+1, func(w *World, n *node) {
					for _, s := range w.store.seats {
						if s.node != n && !s.learner {
							w.store.leader = s.node
							break
						}
					}
					c.hurt(w, n)
				})
				worst = max(worst, took)
			}
			t.Logf("at most %v", worst)
			if worst > c.limit {
				t.Errorf("it took %v, allowed are %v", worst, c.limit)
			}
		})
	}
}

// Every daemon is restarted on purpose, one after the other: no service notices.
func TestRollingRestartOfDaemons(t *testing.T) {
	for seed := range uint64(10) {
		w := calm(t, seed+1)
		starts, stops, fired := w.stats.Starts, w.stats.Stops, w.stats.Fired
		for _, n := range w.nodes {
			before := n.spawned
			w.op.planned(n, 15*time.Second, time.Second)
			w.until(time.Duration(w.now) + 20*time.Second)
			if n.spawned != before+1 {
				t.Fatalf("seed %d: %s started %d daemons", seed+1, n.name, n.spawned-before)
			}
		}
		w.until(time.Duration(w.now) + 20*time.Second)
		if w.broken != "" || w.stats.Starts != starts || w.stats.Stops != stops || w.stats.Fired != fired {
			t.Errorf("seed %d: %s; %d starts, %d stops, %d guards fired", seed+1, w.broken, w.stats.Starts-starts, w.stats.Stops-stops, w.stats.Fired-fired)
		}
		if why := w.unsettled(); why != "" {
			t.Errorf("seed %d: %s", seed+1, why)
		}
	}
}

// The timing changes in a running cluster, there and back: nobody loses a lease, nothing is restarted.
func TestTimingChangesHarmNothing(t *testing.T) {
	for seed := range uint64(10) {
		w := calm(t, seed+1)
		starts, fired := w.stats.Starts, w.stats.Fired
		for _, name := range []string{"fast", "wan", "default"} {
			p, _ := cluster.ProfileTiming(name)
			w.op.ask(membership.AskTiming{Timing: p})
			w.until(time.Duration(w.now) + 15*time.Second)
			if rec := w.store.log[len(w.store.log)-1].snap.Record; rec.Timing.Profile != name || rec.PrevTiming != nil {
				t.Fatalf("seed %d: timing %+v after %s was asked for", seed+1, rec.Timing, name)
			}
		}
		if w.broken != "" || w.stats.Starts != starts || w.stats.Fired != fired {
			t.Errorf("seed %d: %s; %d starts, %d guards fired", seed+1, w.broken, w.stats.Starts-starts, w.stats.Fired-fired)
		}
	}
}

// One interconnect dies: nothing but a report.
func TestOneInterconnectDies(t *testing.T) {
	w := calm(t, 1)
	starts, epochs := w.stats.Starts, w.stats.Epochs
	for _, n := range w.nodes {
		w.cutOff(n, 0, 1, time.Hour)
	}
	w.until(time.Duration(w.now) + 10*time.Second)
	if w.broken != "" || w.stats.Starts != starts || w.stats.Epochs != epochs {
		t.Errorf("%s; %d starts, %d records", w.broken, w.stats.Starts-starts, w.stats.Epochs-epochs)
	}
}

// The president dies at some moment of a switch: the next goes on with it.
func TestPresidentDiesAmidASwitch(t *testing.T) {
	for seed := range uint64(20) {
		w := calm(t, seed+1)
		from := w.host("lone")
		var to *node
		for _, g := range w.op.groups {
			for _, n := range g.Nodelist {
				if g.Name == "lone" && w.byName[n] != from {
					to = w.byName[n]
				}
			}
		}
		w.op.want("lone", model.Want{Online: true, Nodes: []cluster.NodeName{to.name}})
		w.until(time.Duration(w.now) + w.between(0, 150*time.Millisecond))
		president := w.byName[w.store.log[len(w.store.log)-1].snap.Record.President]
		if president != to && president != from {
			president.powerOff()
		} else {
			president.killDaemon(50 * time.Millisecond)
		}
		w.until(time.Duration(w.now) + 8*time.Second)
		if w.broken != "" || w.host("lone") == nil {
			t.Errorf("seed %d: %s; lone is on %v", seed+1, w.broken, w.host("lone"))
		}
	}
}

// A voter that has lost its copy of the repository is seated anew by whoever is president: nobody asks for it, no service notices more than a restart of a daemon.
func TestLostCopyIsMended(t *testing.T) {
	for seed := range uint64(10) {
		w := calm(t, seed+1)
		n := w.nodes[int(seed)%len(w.nodes)]
		at := w.store.seatOf(n)
		if at == nil || at.learner || !w.store.wipe(n) {
			continue
		}
		began := w.now
		w.run(func() bool {
			x := w.store.seatOf(n)
			whole := x != nil && x.id != at.id && !x.learner && x.have == len(w.store.log)
			return whole || w.now-began > int64(10*time.Second)
		})
		if took := time.Duration(w.now - began); took > 5*time.Second {
			t.Errorf("seed %d: %s has no whole copy %v after it lost its own", seed+1, n.name, took)
		}
		if w.broken != "" {
			t.Errorf("seed %d: %s", seed+1, w.broken)
		}
	}
}
