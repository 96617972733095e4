package e2e_test

import (
	"os"
	"testing"

	"redoubt/internal/guard"
	"redoubt/internal/lab"
)

// movesAway lets a fault happen to the node that serves and waits until another serves instead.
func movesAway(t *testing.T, w *world, from []string, happen func(node string) error) (was, is string) {
	t.Helper()
	was = "n1"
	w.web(t, was)
	p := w.watch(t, from...)
	if err := happen(was); err != nil {
		t.Fatal(err)
	}
	ask := w.other(t, was)
	eventually(t, func() string {
		is = w.whereWeb(t, ask)
		if is == "" || is == was {
			return "web-rg is online on " + is
		}
		return ""
	})
	r := p.stop(t)
	if gap := r.Outage(); gap.Open {
		t.Errorf("nobody answers the client any more since %v", gap.From)
	}
	return was, is
}

func TestNodeDies(t *testing.T) {
	w := use(t, "e2e")
	movesAway(t, w, nil, func(n string) error { _, err := w.Kill(n); return err })
}

func TestPresidentDies(t *testing.T) {
	w := use(t, "e2e")
	president := w.president(t, "n1")
	w.web(t, president)
	p := w.watch(t)
	if _, err := w.Kill(president); err != nil {
		t.Fatal(err)
	}
	ask := w.other(t, president)
	eventually(t, func() string {
		if at := w.whereWeb(t, ask); at == "" || at == president {
			return "web-rg is online on " + at
		}
		return ""
	})
	if now := w.president(t, ask); now == president {
		t.Errorf("%s is still the president", now)
	}
	p.stop(t)
}

func TestDaemonDies(t *testing.T) {
	w := use(t, "e2e")
	movesAway(t, w, []string{"n1"}, func(n string) error { _, err := w.Daemon(n, lab.DaemonKill); return err })
}

func TestGuardDies(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	p := w.watch(t, "n1")
	before := w.webProcess(t)
	if out, err := w.Output(t.Context(), "n1", "pgrep", "-f", "^"+guard.Name+" -cgroup "); err != nil {
		t.Errorf("the guard of n1 is not the program of its own: %v %s", err, out)
	}
	if _, err := w.Daemon("n1", lab.DaemonKillGuard); err != nil {
		t.Fatal(err)
	}
	// The kernel ends what the guard guarded. Where the group comes up again is the planner's affair: the node is back at once.
	eventually(t, func() string {
		at := w.whereWeb(t, "n2")
		if now := w.webProcess(t); at == "" || now == "" || at == "n1" && now == before {
			return "web-rg is online on " + at
		}
		return ""
	})
	p.stop(t)
}

func TestDaemonAndGuardDieTogether(t *testing.T) {
	w := use(t, "e2e")
	movesAway(t, w, []string{"n1"}, func(n string) error { _, err := w.Daemon(n, lab.DaemonKillBoth); return err })
}

func TestPartitions(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault lab.Fault
	}{
		{"everything", lab.Fault{}},
		{"interconnects only", lab.Fault{Networks: []string{"ic1", "ic2"}}},
		{"hears nobody", lab.Fault{Networks: []string{"ic1", "ic2"}, Direction: lab.In}},
		{"is heard by nobody", lab.Fault{Networks: []string{"ic1", "ic2"}, Direction: lab.Out}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := use(t, "e2e")
			// The second probe stands for the clients on the cut node's side.
			was, _ := movesAway(t, w, []string{"n1"}, func(n string) error {
				f := c.fault
				f.Machine = n
				return w.Cut(f)
			})
			if err := w.Heal(); err != nil {
				t.Fatal(err)
			}
			p := w.watch(t, was)
			if err := w.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.stop(t)
		})
	}
}

func TestPausedNodeIsReplaced(t *testing.T) {
	w := use(t, "e2e")
	was, is := movesAway(t, w, nil, func(n string) error { return w.Pause(n) })
	// While the machine was frozen its server held the lock without running; that is no service.
	_ = os.Remove(w.lock + ".violations")
	p := w.watch(t)
	if err := w.Resume(was); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.onlineOn(t, was, is)
	p.stop(t)
}

func TestOneInterconnectIsLost(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	p := w.watch(t)
	before := w.webProcess(t)
	for _, net := range []string{"ic1", "ic2"} {
		if err := w.Cut(lab.Fault{Machine: "n1", Networks: []string{net}}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string {
			for _, n := range w.status(t, "n2").Nodes {
				for _, path := range n.Paths {
					if n.Name == "n1" && path.State == "faulted" {
						return ""
					}
				}
			}
			return "no path to n1 is reported as faulted"
		})
		// The repository and the API between nodes go on over the other path.
		w.do(t, "n1", "group", "set", "-p", "RG_description=without "+net, "web-rg")
		if err := w.Heal("n1"); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string {
			for _, n := range w.status(t, "n2").Nodes {
				for _, path := range n.Paths {
					if path.State == "faulted" {
						return "path " + path.Network + " to " + n.Name + " is still faulted"
					}
				}
			}
			return ""
		})
	}
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	if r := p.stop(t); len(r.Answerers) != 1 {
		t.Errorf("the service moved: %+v", r.Answerers)
	}
}

func TestMinorityStops(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	p := w.watch(t, "n1")
	for _, n := range []string{"n2", "n3"} {
		if _, err := w.Kill(n); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() string {
		out, err := w.Output(t.Context(), "n1", "ip", "-o", "addr", "show", "to", "10.77.0.100")
		if err != nil || out != "" {
			return "n1 still has the address: " + out
		}
		return ""
	})
	p.cancel()
	for _, n := range []string{"n2", "n3"} {
		if err := w.Start(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() string {
		if at := w.whereWeb(t, "n1"); len(at) != 2 {
			return "web-rg is online on " + at
		}
		return ""
	})
	p.stop(t)
}

func TestTwoNodesWithQuorumServer(t *testing.T) {
	w := use(t, "e2eq")
	w.web(t, "n1")
	p := w.watch(t)
	if _, err := w.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	w.onlineOn(t, "n2", "n2")
	p.stop(t)
	w.do(t, "n2", "group", "set", "-p", "RG_description=alone", "web-rg")
	w.mend(t)
	// Now without the quorum server: nothing stops, since two of three votes are left.
	p = w.watch(t)
	before := w.webProcess(t)
	if _, err := w.Kill(lab.QuorumServer); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if q := w.status(t, "n1").Cluster.Quorum; q.Present != 2 || !q.Quorate {
			return "the loss of the quorum server is not seen"
		}
		return ""
	})
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	p.stop(t)
}
