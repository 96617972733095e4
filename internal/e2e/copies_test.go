package e2e_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"redoubt/internal/guard"
	"redoubt/internal/lab"
)

// copies waits until the node sees three usable copies of the repository, and one more may fail.
func (w *world) copies(t *testing.T, ask string) {
	t.Helper()
	eventually(t, func() string {
		s, err := w.ClusterStatus(t.Context(), ask)
		switch {
		case err != nil:
			return err.Error()
		case s.Cluster == nil || s.Cluster.Quorum.Usable != 3 || s.Cluster.Quorum.Margin != 1:
			return fmt.Sprintf("%+v", s.Cluster)
		}
		return ""
	})
}

// A voter that has lost its copy of the repository gets another without anybody's doing, while the service goes on. A node that was removed while it was away is told
// when it comes back, and forgets the cluster.
func TestLostCopiesAndRemovedNodes(t *testing.T) {
	w := own(t, "e2ec", lab.Options{Nodes: 3})
	w.web(t, "n1")
	w.copies(t, "n1")
	p := w.watch(t)
	before := w.webProcess(t)
	for _, c := range []struct {
		node   string
		damage func(dir string) error
	}{
		{"n3", os.RemoveAll},
		{"n2", damagePages},
		{"n1", os.RemoveAll}, // where the service runs, and perhaps the president
	} {
		was := len(w.log(t, c.node))
		w.daemon(t, c.node, lab.DaemonStop)
		if err := c.damage(filepath.Join(w.Disk(c.node), "lib", "repository")); err != nil {
			t.Fatal(err)
		}
		w.daemon(t, c.node, lab.DaemonStart)
		eventually(t, func() string {
			if !strings.Contains(w.log(t, c.node)[was:], "mode=join") {
				return "it has not begun another copy"
			}
			return ""
		})
		w.copies(t, w.other(t, c.node))
		w.copies(t, c.node)
	}
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	p.stop(t)

	w.daemon(t, "n3", lab.DaemonLeave)
	w.do(t, "n1", "node", "remove", "-F", "n3")
	w.daemon(t, "n3", lab.DaemonStart)
	eventually(t, func() string {
		s, err := w.ClusterStatus(t.Context(), "n3")
		if err != nil {
			return err.Error()
		}
		if s.InCluster || !strings.Contains(s.Removed, "removed from cluster") {
			return fmt.Sprintf("n3 says of itself: in the cluster %v, removed %q", s.InCluster, s.Removed)
		}
		return ""
	})
	if out := w.do(t, "n3", "status"); !strings.Contains(out, "removed from cluster") {
		t.Errorf("status on n3:\n%s", out)
	}
	if out, err := w.Output(t.Context(), "n3", "pgrep", "-x", guard.Name); err == nil {
		t.Errorf("a guard still runs on n3: %s", out)
	}
}

// damagePages turns over every bit of every page of the database that holds something, but for the two that describe it.
func damagePages(dir string) error {
	const page, branch, leaf = 4096, 1, 2
	path := filepath.Join(dir, "member", "snap", "db")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for at := 2 * page; at+page <= len(b); at += page {
		if kind := binary.NativeEndian.Uint16(b[at+8:]); kind != branch && kind != leaf {
			continue
		}
		for i := at; i < at+page; i++ {
			b[i] ^= 0xff
		}
	}
	return os.WriteFile(path, b, 0o600)
}

func (w *world) daemon(t *testing.T, node string, verb string) {
	t.Helper()
	if _, err := w.Daemon(node, verb); err != nil {
		t.Fatal(err)
	}
}

// log is the log of a node.
func (w *world) log(t *testing.T, node string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.Disk(node), "log", "redoubt", "redoubtd.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
