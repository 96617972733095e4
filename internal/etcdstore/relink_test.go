package etcdstore

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/fault"
)

// A member that is told to connect anew to another one has connections that were not there before, for what either says, and both take part in what is written.
func TestRelink(t *testing.T) {
	t.Parallel()
	m := newMembers(t)
	s := m.grow(3)
	put(t, s, "k", "1")
	places := func(of, from int) map[*visitor]bool {
		d := m.running[node(of)].peerDoor
		d.mu.Lock()
		defer d.mu.Unlock()
		out := map[*visitor]bool{}
		if own := d.nodes[string(node(from))]; own != nil {
			for e := own.Front(); e != nil; e = e.Next() {
				out[e.Value.(*visitor)] = true //nolint:forcetypeassert // the list has nothing else
			}
		}
		return out
	}
	ends := [][2]int{{1, 2}, {2, 1}}
	before := map[[2]int]map[*visitor]bool{}
	for _, e := range ends {
		eventually(t, "the members are connected", func() error {
			if before[e] = places(e[0], e[1]); len(before[e]) < 2 || len(places(e[0], 3)) == 0 {
				return fault.Errorf(fault.Unavailable, "member %d has %d connections of member %d", e[0], len(before[e]), e[1])
			}
			return nil
		})
		third := places(e[0], 3)
		if n := m.running[node(e[0])].Relink(node(e[1])); n < 2 {
			t.Errorf("member %d ended %d connections of member %d, want the two streams at least", e[0], n, e[1])
		}
		if now := places(e[0], 3); !slices.ContainsFunc(slices.Collect(maps.Keys(third)), func(v *visitor) bool { return now[v] }) {
			t.Errorf("member %d has ended the connections of member 3 too", e[0])
		}
	}
	for _, e := range ends {
		eventually(t, "the members are connected anew", func() error {
			now := places(e[0], e[1])
			for v := range now {
				if before[e][v] {
					t.Fatalf("member %d keeps a connection of member %d that was ended", e[0], e[1])
				}
			}
			if len(now) < 2 {
				return fault.Errorf(fault.Unavailable, "member %d has %d connections of member %d", e[0], len(now), e[1])
			}
			return nil
		})
	}
	m.stop(node(3))
	put(t, m.open(1, 2), "k", "2") // needs both
	if m.running[node(1)].Relink("n9") != 0 {
		t.Error("somebody who is not there had connections")
	}
}

// After a token somebody reads, again and again for two seconds and then no more; who waits long for an answer goes on for as long after it.
func TestReadsGoOnForAWhile(t *testing.T) {
	for name, c := range map[string]struct {
		slow  time.Duration // how long the tenth read takes
		reads [2]int        // how many there are, about
	}{
		"answered at once":  {0, [2]int{90, 101}},
		"answered late":     {500 * time.Millisecond, [2]int{100, 111}},
		"not answered ever": {time.Hour, [2]int{100, 111}},
		"answered soon":     {100 * time.Millisecond, [2]int{90, 101}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				tokens := make(chan struct{}, 1)
				reads := 0
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					readOn(ctx, tokens, func(ctx context.Context) {
						if reads++; reads == 10 && c.slow > 0 {
							select {
							case <-ctx.Done():
							case <-time.After(c.slow):
							}
						}
					})
				}()
				time.Sleep(time.Minute)
				synctest.Wait()
				if reads != 0 {
					t.Errorf("%d reads before anything has happened", reads)
				}
				tokens <- struct{}{}
				time.Sleep(time.Minute)
				synctest.Wait()
				if reads < c.reads[0] || reads > c.reads[1] {
					t.Errorf("%d reads, want %d to %d", reads, c.reads[0], c.reads[1])
				}
				cancel()
				<-ended
			})
		})
	}
}
