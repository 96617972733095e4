package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
)

// tally is a machine that counts what happens to it, and notices when two things happen at once.
type tally struct {
	busy    atomic.Bool
	overlap atomic.Bool
	seen    map[cluster.NodeName][]uint64
	ticks   []membership.Instant
	asked   int
	next    membership.Instant
	every   time.Duration
}

func (m *tally) Step(now membership.Instant, ev membership.Event) []membership.Effect {
	if !m.busy.CompareAndSwap(false, true) {
		m.overlap.Store(true)
	}
	defer m.busy.Store(false)
	switch ev := ev.(type) {
	case membership.Received:
		m.seen[ev.Msg.From] = append(m.seen[ev.Msg.From], ev.Msg.Seq)
	case membership.Request:
		m.asked++
	case membership.Tick:
		m.ticks = append(m.ticks, now)
	}
	if now >= m.next {
		m.next = now.Add(int64(m.every))
	}
	return nil
}

func (m *tally) Deadline() membership.Instant { return m.next }
func (m *tally) View() membership.View        { return membership.View{} }

// monotonic counts Boot from the start of the test.
type monotonic struct{ began time.Time }

func (c monotonic) Boot() membership.Instant { return membership.Instant(time.Since(c.began) + 1) }
func (c monotonic) Wall() time.Time          { return time.Now() }

type silence struct{}

func (silence) Send(cluster.NodeName, membership.Message) {}
func (silence) Lease(membership.Instant) error            { return nil }

func startMember(ctx context.Context, t *testing.T, m Machine) (*Member, *sync.WaitGroup) {
	t.Helper()
	cfg := Config{Node: "n1", Clock: monotonic{time.Now()}, Log: slog.New(slog.DiscardHandler)}
	member := NewMember(cfg, m, silence{}, silence{}, confdb.NewMemory())
	var loop sync.WaitGroup
	loop.Go(func() { _ = member.Run(ctx) })
	return member, &loop
}

// Whoever delivers may work the queue off; the machine sees one thing at a time, nothing is lost, and what one sender said keeps its order.
func TestMemberStepsOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		m := &tally{seen: map[cluster.NodeName][]uint64{}, every: time.Hour}
		member, loop := startMember(ctx, t, m)
		const senders, each = 8, 100
		var all sync.WaitGroup
		for i := range senders {
			all.Go(func() {
				from := cluster.NodeName([]string{"a", "b", "c", "d", "e", "f", "g", "h"}[i])
				for seq := range uint64(each) {
					member.Deliver(1, membership.Received{Msg: membership.Message{From: from, Seq: seq}})
				}
				if err := member.Ask(ctx, membership.AskSettleVoters{}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		synctest.Wait()
		stop()
		loop.Wait()
		if m.overlap.Load() {
			t.Error("the machine was stepped by two at once")
		}
		if len(m.seen) != senders || m.asked != senders {
			t.Errorf("%d senders and %d requests were heard, want %d of both", len(m.seen), m.asked, senders)
		}
		for from, seqs := range m.seen {
			for i, seq := range seqs {
				if len(seqs) != each || seq != uint64(i) {
					t.Fatalf("from %s came %v", from, seqs)
				}
			}
		}
	})
}

// The machine gets its tick at its deadline, also after a message has moved it away or brought it nearer.
func TestMemberKeepsDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		m := &tally{seen: map[cluster.NodeName][]uint64{}, every: 100 * time.Millisecond}
		member, loop := startMember(ctx, t, m)
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		pass(950 * time.Millisecond)
		if n := len(m.ticks); n != 10 { // at once and every 100 ms
			t.Errorf("%d ticks in 950 ms, want 10", n)
		}
		before := len(m.ticks)
		if err := member.Do(ctx, func() { m.next = m.next.Add(int64(-30 * time.Millisecond)) }); err != nil {
			t.Fatal(err)
		}
		pass(25 * time.Millisecond)
		if n := len(m.ticks) - before; n != 2 { // Do gives one by itself
			t.Errorf("%d ticks after the deadline came nearer, want 2", n)
		}
		before = len(m.ticks)
		member.Deliver(m.next, membership.Received{Msg: membership.Message{From: "n2"}}) // moves the deadline away
		pass(250 * time.Millisecond)
		if n := len(m.ticks) - before; n < 2 || n > 3 {
			t.Errorf("%d ticks in 250 ms after the deadline moved away, want 2, and one in vain at most", n)
		}
		stop()
		loop.Wait()
		// Nobody works any more; nobody may wait for that.
		for range 3000 {
			member.Deliver(1, membership.Received{})
		}
		if err := member.Do(ctx, func() {}); err == nil {
			t.Error("something was done after the end")
		}
	})
}
