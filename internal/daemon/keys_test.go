package daemon

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// TestResourceOf: a process is a resource's when it is in the cgroup that the resource's methods are started in.
func TestResourceOf(t *testing.T) {
	const top = "/sys/fs/cgroup/unified"
	base := top
	if _, err := os.Stat(top); err != nil {
		base = "/sys/fs/cgroup"
	}
	root, err := os.MkdirTemp(base, "keys-test-")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Cgroup: filepath.Join(root, "redoubt")}
	leaf, own := filepath.Join(c.services(), "rg-web-rg", "rs-web", "start-1"), filepath.Join(root, "user", "rg-web-rg", "rs-web", "start-1")
	for _, dir := range []string{leaf, own} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	child, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Kill()
		_, _ = child.Wait()
		for _, dir := range []string{own, leaf} {
			for ; dir != base; dir = filepath.Dir(dir) {
				_ = os.Remove(dir)
			}
		}
	})
	if got := c.resourceOf(child.Pid); got != "" {
		t.Errorf("a process outside: %q", got)
	}
	if err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte(strconv.Itoa(child.Pid)), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := c.resourceOf(child.Pid); got != "" {
		t.Errorf("a process in a cgroup of a user that is called like one of ours: %q", got)
	}
	if err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte(strconv.Itoa(child.Pid)), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := c.resourceOf(child.Pid); got != cluster.ResourceName("web") {
		t.Errorf("a process of resource web: %q", got)
	}
	if got := c.resourceOf(1 << 30); got != "" {
		t.Errorf("a process that there is not: %q", got)
	}
}

func TestKeysToPublish(t *testing.T) {
	want := map[string]string{model.KeySecret: "age1x"}
	for _, c := range []struct {
		have map[string]string
		done bool
	}{{nil, false}, {map[string]string{"log": "y"}, false}, {map[string]string{model.KeySecret: "age1old"}, false}, {map[string]string{"log": "y", model.KeySecret: "age1x"}, true}} {
		if got := contains(c.have, want); got != c.done {
			t.Errorf("%v: %t", c.have, got)
		}
	}
}
