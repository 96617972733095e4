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
	began(t, q, "low/failed")
	q.Done(again.Key)
	began(t, q, "high/a")
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

// Stops do not wait for starts, however many of those hang, and no start begins while a stop waits.
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
	began(t, q) // two stops run, a third waits
	q.Done(job("h", "down0").Key)
	began(t, q, "h/down2")
	q.Done(job("h", "down1").Key)
	q.Done(job("h", "down2").Key)
	began(t, q, "g/up2", "g/up3")
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

// Whatever happens: no more starts run than may, no more than twice as many methods in all, nothing waits while it could run, and everything has its turn.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		q := turn.New(limit)
		running, waiting := map[turn.Key]turn.Job{}, map[turn.Key]turn.Job{}
		count := func(stops bool) (n int) {
			for _, j := range running {
				if j.Stops == stops {
					n++
				}
			}
			return n
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
				running[j.Key] = j
				if starts, stops := count(false), count(true); stops > limit || !j.Stops && starts+stops > limit {
					t.Fatalf("%d starts and %d stops run at once; %d may", starts, stops, limit)
				}
			}
			for _, j := range waiting {
				if j.Stops && count(true) < limit || len(running) == 0 {
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
