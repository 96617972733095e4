package proc

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Who waits for one cgroup is not woken when another is removed: with thousands of services each program that ended had all of them look.
func TestTheEndOfOneCgroupWakesNobodyElse(t *testing.T) {
	e, err := openEvents()
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	l := &Launcher{events: e}
	root := t.TempDir()
	wakes := map[string]chan struct{}{}
	for _, name := range []string{"gone", "other"} {
		dir := filepath.Join(root, name)
		if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(eventsOf(dir), []byte("populated 1\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		wake, cancel, err := e.subscribe(eventsOf(dir))
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		wakes[name] = wake
	}
	dir := filepath.Join(root, "gone")
	if err := os.Remove(eventsOf(dir)); err != nil {
		t.Fatal(err)
	}
	if !l.remove(dir) {
		t.Fatal("the cgroup is still there")
	}
	<-wakes["gone"]
	select {
	case <-wakes["other"]:
		t.Error("who waits for another cgroup was woken")
	default:
	}
}
