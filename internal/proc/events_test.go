package proc

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// However many want to, only a few at a time are let in; the others wait where they take no thread.
func TestTurnsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := make(turns, 3)
		leave := make(chan struct{})
		var inside, after atomic.Int32
		for range 100 {
			go way.do(func() {
				inside.Add(1)
				<-leave
				after.Add(1)
			})
		}
		if synctest.Wait(); inside.Load() != 3 {
			t.Errorf("%d are inside at once", inside.Load())
		}
		close(leave)
		if synctest.Wait(); after.Load() != 100 {
			t.Errorf("%d of 100 had their turn", after.Load())
		}
	})
}
