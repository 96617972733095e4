package turn_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/turn"
)

func job(group, resource string) turn.Job {
	return turn.Job{Key: turn.Key{Group: cluster.GroupName(group), Resource: cluster.ResourceName(resource)}, Priority: 500}
}

// all takes what may begin now.
func all(q *turn.Queue) (names []string) {
	for {
		j, ok := q.Next()
		if !ok {
			return names
		}
		names = append(names, string(j.Group)+"/"+string(j.Resource))
	}
}

func began(t *testing.T, q *turn.Queue, want ...string) {
	t.Helper()
	if got := all(q); !slices.Equal(got, want) {
		t.Fatalf("began %v, want %v", got, want)
	}
}

func TestOrderOfStarts(t *testing.T) {
	q := turn.New(1)
	low, high, again := job("low", "a"), job("high", "a"), job("low", "failed")
	low.Priority, high.Priority, again.Priority, again.Again = 100, 900, 1, true
	q.Add(job("first", "a"))
	q.Add(job("second", "a"))
	q.Add(low)
	q.Add(high)
	q.Add(again)
	began(t, q, "low/failed", "high/a") // one of each kind is always let in
	q.Done(again.Key)
	began(t, q)
	q.Done(high.Key)
	began(t, q, "first/a")
	q.Done(job("first", "a").Key)
	q.Add(job("first", "b")) // the group that has begun is finished before the next one begins
	began(t, q, "first/b")
	q.Done(job("first", "b").Key)
	began(t, q, "second/a")
	q.Add(job("first", "c")) // too late: it is at the end
	q.Done(job("second", "a").Key)
	q.Add(job("second", "b"))
	began(t, q, "second/b")
	q.Done(job("second", "b").Key)
	began(t, q, "first/c")
	q.Done(job("first", "c").Key)
	began(t, q, "low/a")
}

// Stops do not wait for starts, however many of those hang; of starts no more than their share begin while a stop waits.
func TestStopsComeFirst(t *testing.T) {
	q := turn.New(2)
	for i := range 5 {
		q.Add(job("g", fmt.Sprint("up", i)))
	}
	began(t, q, "g/up0", "g/up1")
	for i := range 3 {
		j := job("h", fmt.Sprint("down", i))
		j.Stops = true
		q.Add(j)
	}
	began(t, q, "h/down0", "h/down1")
	q.Done(job("g", "up0").Key)
	q.Done(job("g", "up1").Key)
	began(t, q, "g/up2") // two stops run, a third waits
	q.Done(job("h", "down0").Key)
	began(t, q, "h/down2")
	q.Done(job("g", "up2").Key)
	began(t, q, "g/up3")
	q.Done(job("h", "down1").Key)
	q.Done(job("h", "down2").Key)
	began(t, q, "g/up4")
}

// Starts that hang, as many as may run, do not keep a resource that has failed from being started again; what hangs after a failure does not keep others from starting.
func TestHungStartsHoldUpNoRecovery(t *testing.T) {
	for _, c := range []struct{ limit, share int }{{1, 1}, {3, 1}, {4, 1}, {16, 4}} {
		for _, hung := range []bool{false, true} { // a start after a failure
			q := turn.New(c.limit)
			add := func(group string, again bool, n int) {
				for i := range n {
					j := job(group, fmt.Sprint("r", i))
					j.Again = again
					q.Add(j)
				}
			}
			add("hung", hung, c.limit+5)
			if got := all(q); len(got) != c.limit {
				t.Fatalf("limit %d: %d began", c.limit, len(got))
			}
			add("fresh", !hung, c.share+5)
			if got := all(q); len(got) != c.share {
				t.Errorf("limit %d, %v hang after a failure: %d of the other starts began, want %d", c.limit, hung, len(got), c.share)
			}
			q.Done(turn.Key{Group: "fresh", Resource: "r0"})
			began(t, q, fmt.Sprintf("fresh/r%d", c.share))
		}
	}
}

// Stops that hang, as many as may run, keep starts from most places, but not from all, whether more stops wait or not.
func TestHungStopsDoNotHoldUpEveryStart(t *testing.T) {
	for _, waiting := range []int{0, 3} {
		q := turn.New(8)
		for i := range 8 + waiting {
			j := job("down", fmt.Sprint("r", i))
			j.Stops = true
			q.Add(j)
		}
		if got := all(q); len(got) != 8 {
			t.Fatalf("%d stops began", len(got))
		}
		failed := job("again", "r")
		failed.Again = true
		q.Add(failed)
		for i := range 5 {
			q.Add(job("up", fmt.Sprint("r", i)))
		}
		began(t, q, "again/r", "up/r0", "up/r1")
		q.Done(job("up", "r0").Key)
		began(t, q, "up/r2")
	}
}

func TestWithdraw(t *testing.T) {
	q := turn.New(1)
	q.Add(job("g", "a"))
	q.Add(job("g", "b"))
	q.Add(job("g", "c"))
	began(t, q, "g/a")
	if q.Withdraw(job("g", "a").Key) || q.Withdraw(job("g", "none").Key) {
		t.Error("what runs, or was never there, was taken back")
	}
	if !q.Withdraw(job("g", "b").Key) {
		t.Error("what waits was not taken back")
	}
	q.Done(job("g", "b").Key) // of no effect
	q.Done(job("g", "a").Key)
	began(t, q, "g/c")
	if q.Running() != 1 || q.Waiting() != 0 {
		t.Errorf("%d run, %d wait", q.Running(), q.Waiting())
	}
}

// Whatever happens: starts begin while there is a place or within their share, stops while no more of them run than may, nothing waits while it could run, and everything
// has its turn.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 9).Draw(t, "limit")
		q := turn.New(limit)
		running, waiting := map[turn.Key]turn.Job{}, map[turn.Key]turn.Job{}
		share := max(limit/4, 1)
		alike := func(j turn.Job, of map[turn.Key]turn.Job) (n int) {
			for _, o := range of {
				if j.Stops && o.Stops || !j.Stops && !o.Stops && j.Again == o.Again {
					n++
				}
			}
			return n
		}
		may := func(j turn.Job) bool {
			if n := alike(j, running); j.Stops || n < share {
				return n < limit
			}
			return len(running) < limit && alike(turn.Job{Stops: true}, waiting) == 0
		}
		take := func() {
			for {
				j, ok := q.Next()
				if !ok {
					break
				}
				if waiting[j.Key] != j {
					t.Fatalf("%+v begins and does not wait", j)
				}
				delete(waiting, j.Key)
				if !may(j) {
					t.Fatalf("%+v begins while %v run; %d may", j, running, limit)
				}
				running[j.Key] = j
			}
			for _, j := range waiting {
				if may(j) {
					t.Fatalf("%+v waits although it could run", j)
				}
			}
		}
		keys := func(m map[turn.Key]turn.Job) []turn.Key {
			var out []turn.Key
			for k := range m {
				out = append(out, k)
			}
			slices.SortFunc(out, func(a, b turn.Key) int {
				return slices.Compare([]string{string(a.Group), string(a.Resource)}, []string{string(b.Group), string(b.Resource)})
			})
			return out
		}
		for i := range rapid.IntRange(0, 60).Draw(t, "events") {
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0, 1:
				j := job(rapid.SampledFrom([]string{"g", "h", "i"}).Draw(t, "group"), fmt.Sprint("r", i))
				j.Stops, j.Again, j.Priority = rapid.Bool().Draw(t, "stops"), rapid.Bool().Draw(t, "again"), rapid.IntRange(0, 2).Draw(t, "priority")
				q.Add(j)
				waiting[j.Key] = j
			case 2:
				if ks := keys(running); len(ks) > 0 {
					k := rapid.SampledFrom(ks).Draw(t, "done")
					q.Done(k)
					delete(running, k)
				}
			case 3:
				if ks := keys(waiting); len(ks) > 0 {
					k := rapid.SampledFrom(ks).Draw(t, "withdrawn")
					if !q.Withdraw(k) {
						t.Fatalf("%+v waits and was not taken back", k)
					}
					delete(waiting, k)
				}
			}
			take()
			if q.Waiting() != len(waiting) || q.Running() != len(running) {
				t.Fatalf("%d wait and %d run, not %d and %d", q.Waiting(), q.Running(), len(waiting), len(running))
			}
		}
		for len(running) > 0 {
			k := keys(running)[0]
			q.Done(k)
			delete(running, k)
			take()
		}
		if len(waiting) > 0 {
			t.Fatalf("%v never had a turn", waiting)
		}
	})
}
