package e2e_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/lab"
)

// olderDaemon is redoubtd as a release that reads only the first version of the repository's schema would behave.
func olderDaemon(t *testing.T) string {
	t.Helper()
	path := filepath.Join(bin, "older", "redoubtd")
	build := exec.Command("go", "build", "-ldflags", "-X redoubt/internal/confdb.limit=1", "-o", path, "./cmd/redoubtd")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the older daemon: %v\n%s", err, out)
	}
	return path
}

// install puts another redoubtd on a node, as a package would, and restarts the daemon on purpose.
func (w *world) install(t *testing.T, node, program string) {
	t.Helper()
	const swap = `umount -l "$2"; mount --bind "$1" "$2"`
	if out, err := w.Output(t.Context(), node, "sh", "-c", swap, "sh", program, "/run/lab/bin/redoubtd"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.daemon(t, node, lab.DaemonRestart)
}

// TestRollingRestartOfNodes: every node is emptied, loses its power and comes back. The service moves exactly when its node is emptied.
func TestRollingRestartOfNodes(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	p := w.watch(t)
	moves := 0
	for _, n := range w.Nodes() {
		ask := w.other(t, n)
		if w.whereWeb(t, ask) == n {
			moves++
		}
		w.do(t, ask, "node", "evacuate", "-T", "600", n)
		at := w.whereWeb(t, ask)
		if at == n || at == "" {
			t.Fatalf("after the evacuation of %s web-rg is online on %q", n, at)
		}
		if _, err := w.Kill(n); err != nil {
			t.Fatal(err)
		}
		if err := w.Start(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now := w.whereWeb(t, ask); now != at {
			t.Errorf("the return of %s moved web-rg from %s to %q", n, at, now)
		}
		w.do(t, ask, "node", "evacuate", "-T", "0", n) // it may have groups again
	}
	if r := p.stop(t); len(r.Answerers) != moves+1 {
		t.Errorf("%d processes served, for %d moves: %+v", len(r.Answerers), moves, r.Answerers)
	}
}

// TestInterconnectsChangeUnderAService: a network is taken out of use, removed and added again, and a node leaves and is removed, while the service runs on.
func TestInterconnectsChangeUnderAService(t *testing.T) {
	w := own(t, "e2eic", lab.Options{Nodes: 3})
	w.web(t, "n1")
	p := w.watch(t)
	before := w.webProcess(t)
	w.do(t, "n2", "interconnect", "disable", "-y", "10.77.2.0/24")
	w.do(t, "n2", "interconnect", "enable", "10.77.2.0/24")
	w.do(t, "n2", "interconnect", "disable", "-y", "10.77.2.0/24")
	w.do(t, "n2", "interconnect", "remove", "-y", "10.77.2.0/24")
	w.do(t, "n1", "interconnect", "add", "10.77.2.0/24")
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The timing that forgives most: what is judged is what the changes do to a service, and not how punctual the machine is.
	w.do(t, "n1", "cluster", "set", "-p", "heartbeat_profile=wan")
	w.do(t, "n1", "group", "remove-node", "-n", "n3", "web-rg")
	w.daemon(t, "n3", lab.DaemonLeave)
	w.do(t, "n1", "node", "remove", "-F", "n3")
	// And in again, as another machine would come.
	w.daemon(t, "n3", lab.DaemonStart)
	eventually(t, func() string {
		if s, err := w.ClusterStatus(t.Context(), "n3"); err != nil || s.InCluster || s.Removed == "" {
			return "n3 does not know yet that it was removed"
		}
		return ""
	})
	fingerprint := show[v1.Cluster](t, w, "n1", "cluster", "show").Fingerprint
	w.do(t, "n2", "access", "allow", "-h", "n3", "--key", strings.TrimSpace(w.do(t, "n3", "node", "key")))
	w.do(t, "n3", "node", "join", "--sponsor", "n1", "--fingerprint", fingerprint)
	w.do(t, "n3", "group", "add-node", "-n", "n3", "web-rg")
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	if r := p.stop(t); len(r.Answerers) != 1 {
		t.Errorf("the service was restarted: %+v", r.Answerers)
	}
	w.do(t, "n1", "group", "switch", "-n", "n3", "web-rg")
}

// TestRollingUpgrade: a cluster of an older release becomes one of a newer, node by node, and the service does not notice; in between it behaves as the older release
// would. What is committed is not taken back: the older release is refused, and does no harm.
func TestRollingUpgrade(t *testing.T) {
	older, newer := olderDaemon(t), filepath.Join(bin, "redoubtd")
	w := own(t, "e2eup", lab.Options{Nodes: 3, Daemon: older})
	w.web(t, "n1")
	p := w.watch(t)
	before := w.webProcess(t)
	priority := []string{"group", "set", "-p", "Priority=700", "web-rg"}
	for i, n := range w.Nodes() {
		w.install(t, n, newer)
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Nobody may write what some node can not read, whoever is asked.
		for _, ask := range w.Nodes()[:i+1] {
			if msg := w.refuse(t, ask, priority...); !strings.Contains(msg, "cluster upgrade --commit") {
				t.Errorf("%s after the upgrade of %s: %s", ask, n, msg)
			}
		}
		if i < len(w.Nodes())-1 {
			if msg := w.refuse(t, n, "cluster", "upgrade", "--commit"); !strings.Contains(msg, "node n3 runs redoubtd") {
				t.Errorf("a commit with n3 of the older release: %s", msg)
			}
		}
		w.do(t, n, "group", "set", "-p", "Failback=false", "web-rg") // what both releases know is changed as ever
	}
	eventually(t, func() string {
		if s := w.status(t, "n2").Cluster.Schema; s.Active != 1 || s.Next != 2 {
			return "status does not say that version 2 can be committed"
		}
		return ""
	})
	w.do(t, "n2", "cluster", "upgrade", "--commit")
	w.do(t, "n2", priority...)
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	if r := p.stop(t); len(r.Answerers) != 1 {
		t.Errorf("the service was restarted: %+v", r.Answerers)
	}

	// The older release is put back on a node without services.
	p = w.watch(t)
	was := len(w.log(t, "n3"))
	w.install(t, "n3", older)
	eventually(t, func() string {
		if !strings.Contains(w.log(t, "n3")[was:], "is too old for cluster") {
			return "n3 does not refuse to run an older release"
		}
		return ""
	})
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	w.install(t, "n3", newer)
	w.daemon(t, "n3", lab.DaemonStart)
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.stop(t)
}
