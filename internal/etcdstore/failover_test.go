package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"redoubt/internal/confdb"
)

// follow gives the changes of a watch below prefix, after its first Reset.
func follow(t *testing.T, s confdb.Store, prefix string) <-chan confdb.Change {
	t.Helper()
	changes := s.Watch(t.Context(), confdb.Root+prefix)
	if c := next(t, changes); c.Reset == nil {
		t.Fatalf("the watch begins with %+v", c)
	}
	return changes
}

func next(t *testing.T, changes <-chan confdb.Change) confdb.Change {
	t.Helper()
	select {
	case c, ok := <-changes:
		if !ok {
			t.Fatal("the watch ended")
		}
		return c
	case <-time.After(patience):
		t.Fatalf("waited %v for a change", patience)
	}
	return confdb.Change{}
}

// expectValues reads one change for each value.
func expectValues(t *testing.T, changes <-chan confdb.Change, values ...string) {
	t.Helper()
	for _, v := range values {
		c := next(t, changes)
		if c.Reset != nil || len(c.Entries) != 1 || string(c.Entries[0].Value) != v {
			t.Fatalf("got %+v, want the value %s", c, v)
		}
	}
}

// TestLeaderFreezesAndDies has the member that everything goes through frozen, thawed, killed and started again.
func TestLeaderFreezesAndDies(t *testing.T) {
	t.Parallel()
	m := newMembers(t)
	s, procs := m.growProcesses()
	put(t, s, "k", "0")
	lead := m.leader(1, 2, 3)
	order := []int{lead, lead%3 + 1, (lead+1)%3 + 1}
	var endpoints []string
	for _, i := range order {
		endpoints = append(endpoints, m.endpoint(i))
	}
	if err := s.SetEndpoints(endpoints); err != nil {
		t.Fatal(err)
	}
	changes := follow(t, s, "k")

	procs[lead].signal(syscall.SIGSTOP)
	began := time.Now()
	put(t, s, "k", "1")
	t.Logf("a write came through %v after the leader froze", time.Since(began))
	expectValues(t, changes, "1")
	t.Logf("the watch came through after %v", time.Since(began))
	put(t, s, "k", "2")
	procs[lead].signal(syscall.SIGCONT)
	put(t, s, "k", "3")
	expectValues(t, changes, "2", "3")

	lead = m.leader(1, 2, 3)
	began = time.Now()
	procs[lead].kill()
	put(t, s, "k", "4")
	t.Logf("a write came through %v after the leader was killed", time.Since(began))
	expectValues(t, changes, "4")
	if got := get(t, s, "k"); got != "4" {
		t.Fatalf("k is %s", got)
	}
	again := m.spawn(lead, ModeRestart, nil, "")
	again.expect("ready")
	if got := get(t, m.open(lead), "k"); got != "4" {
		t.Fatalf("at the member that was killed and started again k is %s", got)
	}
}

// TestSetEndpointsGivesUp has a watch and a call at a frozen member, which end at the word of the daemon, not at a timeout.
func TestSetEndpointsGivesUp(t *testing.T) {
	m := newMembers(t)
	frozen := m.spawn(1, ModeNew, nil, "")
	frozen.expect("ready")
	s := m.open(1)
	put(t, s, "k", "0")
	changes := follow(t, s, "k")
	frozen.signal(syscall.SIGSTOP)
	if err := s.SetEndpoints(nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := s.Get(ctx, confdb.KeyCluster); err == nil {
		t.Fatal("a store without members answered")
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Fatalf("a call with 100 ms took %v", d)
	}
	frozen.signal(syscall.SIGCONT)
	if err := s.SetEndpoints([]string{m.endpoint(1)}); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "1")
	expectValues(t, changes, "1")
}

// A watch stays with the member that it prefers when others come and go, and leaves it for one that is preferred.
func TestWatchStaysWithWhoIsPreferred(t *testing.T) {
	m := newMembers(t)
	s := m.open(1, 2)
	endpoints, changed, err := s.order()
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{store: s}
	for i, c := range []struct {
		members []int
		want    error
	}{{[]int{1, 3}, errSilent}, {[]int{1}, errSilent}, {[]int{1, 2, 3}, errSilent}, {[]int{3, 1}, errPreferred}} {
		messages, ended := make(chan heardFrom), make(chan error, 1)
		go func() {
			heard := false
			ended <- w.listen(t.Context(), endpoints[0], nil, messages, time.NewTimer(time.Hour), changed, &heard)
		}()
		var addresses []string
		for _, n := range c.members {
			addresses = append(addresses, m.endpoint(n))
		}
		if err := s.SetEndpoints(addresses); err != nil {
			t.Fatal(err)
		}
		if errors.Is(c.want, errSilent) {
			select {
			case messages <- heardFrom{err: errSilent}: // the end that the test gives it
			case err := <-ended:
				t.Fatalf("%d: it left for %v: %v", i, c.members, err)
			}
		}
		if err := <-ended; !errors.Is(err, c.want) {
			t.Errorf("%d: with %v: %v, want %v", i, c.members, err, c.want)
		}
		if _, changed, err = s.order(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWatchAfterCompaction has a watch that comes back when the history it asks for is gone.
func TestWatchAfterCompaction(t *testing.T) {
	m := newMembers(t)
	m.start(1, ModeNew, nil)
	s, other := m.open(1), m.open(1)
	put(t, s, "k", "0")
	changes := follow(t, s, "k")
	if err := s.SetEndpoints(nil); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		put(t, other, "k", fmt.Sprint(i))
	}
	compact(t, other)
	if err := s.SetEndpoints([]string{m.endpoint(1)}); err != nil {
		t.Fatal(err)
	}
	c := next(t, changes)
	if c.Reset == nil || len(c.Reset.Entries) != 1 || string(c.Reset.Entries[0].Value) != "4" {
		t.Fatalf("after the compaction came %+v", c)
	}
	put(t, other, "k", "5")
	expectValues(t, changes, "5")
}
