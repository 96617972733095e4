package sim

import (
	"testing"
	"time"

	"redoubt/internal/membership"
)

// With fence agents nothing starts elsewhere before proof or confirmation: under all faults, with agents that fail, machines that freeze beyond their guard's reach and thaw,
// and presidents that die in between; and the cluster comes to rest.
func TestFenceAgents(t *testing.T) {
	n := 180
	if testing.Short() {
		n = 20
	}
	for _, b := range []Bias{BiasNone, BiasFreeze, BiasCuts} {
		t.Run("bias "+string(b), func(t *testing.T) {
			t.Parallel()
			var sum Stats
			for seed := range uint64(n / 3) {
				r := Run(Options{Seed: seed + 1, Fence: true, Bias: b})
				if r.Broken != "" {
					t.Fatalf("seed %d broke an invariant after %v: %s\n%q", r.Seed, r.At, r.Broken, r.Trace[max(0, len(r.Trace)-40):])
				}
				sum.Add(r.Stats)
			}
			if sum.Asked == 0 || sum.Takeovers == 0 {
				t.Errorf("nothing was tried: %+v", sum)
			}
			t.Logf("%+v", sum)
		})
	}
}

// frozen freezes the node of the group "lone" for good and returns it.
func frozen(w *World) *node {
	for _, n := range w.nodes {
		for _, p := range n.procs {
			if p.group == "lone" && p.up {
				n.freeze(time.Hour)
				return n
			}
		}
	}
	return nil
}

// What ran on a frozen machine starts elsewhere once it is switched off; and never, as long as its agent fails.
func TestFrozenMachineIsSwitchedOffFirst(t *testing.T) {
	for seed := range uint64(10) {
		for _, dead := range []bool{false, true} {
			w := calmWith(t, Options{Seed: seed + 1, Fence: true, DeadAgents: dead})
			n := frozen(w)
			boot, began := n.boot, w.now
			elsewhere := func() bool {
				h := w.host("lone")
				return h != nil && (h != n || n.boot != boot)
			}
			w.run(func() bool { return elsewhere() || w.now-began > int64(30*time.Second) })
			switch {
			case w.broken != "":
				t.Errorf("seed %d, dead agents %v: %s", seed+1, dead, w.broken)
			case dead && (elsewhere() || w.stats.Asked < 2):
				t.Errorf("seed %d: taken over %v without a word of the agent, which was asked %d times", seed+1, elsewhere(), w.stats.Asked)
			case !dead && (!elsewhere() || n.boot == boot):
				t.Errorf("seed %d: taken over %v, switched off %v", seed+1, elsewhere(), n.boot != boot)
			}
			if dead {
				w.opt.DeadAgents = false
				n.thaw()
				w.until(time.Duration(w.now) + 20*time.Second)
				if w.broken != "" || w.host("lone") == nil {
					t.Errorf("seed %d: after the thaw: %s; lone is on %v", seed+1, w.broken, w.host("lone"))
				}
			}
		}
	}
}

// Nobody's agent is asked as long as every end is proven: orderly leaves, daemons and guards that die, restarts on purpose, removals by an administrator.
func TestAgentsAreSpared(t *testing.T) {
	for name, end := range map[string]func(w *World, n *node){
		"leave":           func(w *World, n *node) { w.op.leave(n) },
		"daemon":          func(_ *World, n *node) { n.killDaemon(300 * time.Millisecond) },
		"daemon for good": func(_ *World, n *node) { n.killDaemon(time.Hour) },
		"frozen daemon":   func(_ *World, n *node) { n.daemon.pause(8 * time.Second) },
		"guard":           func(_ *World, n *node) { n.guard.crash() },
		"restart":         func(w *World, n *node) { w.op.planned(n, 3*time.Second, 300*time.Millisecond) },
		"removal":         func(w *World, n *node) { w.op.ask(membership.AskRemove{Node: n.name, Why: "test"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(8) {
				w := calmWith(t, Options{Seed: seed + 1, Fence: true})
				n, epochs := w.busy(), w.stats.Epochs
				for n.daemon.view.President { // who removes nobody else than others
					n = w.nodes[(n.index+1)%len(w.nodes)]
				}
				end(w, n)
				w.until(time.Duration(w.now) + 20*time.Second)
				if w.broken != "" || w.stats.Asked > 0 || w.stats.Epochs == epochs {
					t.Errorf("seed %d, %s: %s; %d agents asked, %d records", seed+1, n.name, w.broken, w.stats.Asked, w.stats.Epochs-epochs)
				}
			}
		})
	}
}
