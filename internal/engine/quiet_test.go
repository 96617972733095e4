package engine

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

type stoppedClock struct{ boot membership.Instant }

func (c *stoppedClock) Boot() membership.Instant { return c.boot }
func (c *stoppedClock) Wall() time.Time          { return time.Unix(0, int64(c.boot)) }

// serving answers the questions to an executor's loop, without the rest of it.
func serving(t *testing.T) (*Executor, *stoppedClock) {
	clock := &stoppedClock{boot: 1}
	x := NewExecutor(Config{Clock: clock}, cluster.Incarnation{Number: 1, Tag: "a"}, nil, nil, nil, nil, nil)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		for {
			select {
			case f := <-x.calls:
				f()
			case <-ctx.Done():
				return
			}
		}
	}()
	return x, clock
}

// A daemon is restarted on purpose only when nothing runs and all is reported, and nothing begins any more once that was said: the next daemon goes on from
// the reports.
func TestQuietHolds(t *testing.T) {
	x, clock := serving(t)
	g := &groupRun{life: life.New(model.Instance{}), running: map[cluster.ResourceName]context.CancelFunc{"web": func() {}}}
	x.groups["g"] = g
	ctx := context.Background()
	if x.Quiet(ctx) {
		t.Error("quiet with a running method")
	}
	delete(g.running, "web")
	g.ending = 1
	if x.Quiet(ctx) {
		t.Error("quiet while processes are being ended")
	}
	g.ending = 0
	x.report.put("key", model.Instance{})
	if x.Quiet(ctx) {
		t.Error("quiet with something to report")
	}
	x.report.take()
	if x.Quiet(ctx) {
		t.Error("quiet while a report is being written")
	}
	x.report.take()
	if !x.Quiet(ctx) {
		t.Error("not quiet")
	}
	x.step(ctx, "g", life.Changed{}) // would ask the source, of which there is none
	clock.boot += membership.Instant(holdFor)
	if x.cfg.Clock.Boot() < x.held {
		t.Error("held for ever")
	}
}

// A node says farewell only when its executor knows that nothing is up, whatever the repository still shows.
func TestDrained(t *testing.T) {
	x, _ := serving(t)
	ctx := context.Background()
	up := model.Instance{State: model.GroupOnline, Resources: []model.ResourceInstance{{Name: "web", State: model.ResourceOnline}}}
	x.groups["g"] = &groupRun{life: life.New(up)}
	if x.Drained(ctx) {
		t.Error("drained without having been told to")
	}
	x.draining = true
	if x.Drained(ctx) {
		t.Error("drained with a resource online")
	}
	x.groups["g"] = &groupRun{life: life.New(model.Instance{})}
	if !x.Drained(ctx) {
		t.Error("not drained")
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	stuck := NewExecutor(Config{}, cluster.Incarnation{}, nil, nil, nil, nil, nil)
	if stuck.Drained(ended) || stuck.Quiet(ended) {
		t.Error("a loop that does not answer said yes")
	}
}

// unborn is the membership machine of a node that knows no record yet.
type unborn struct{}

func (unborn) Step(membership.Instant, membership.Event) []membership.Effect { return nil }
func (unborn) Deadline() membership.Instant                                  { return 0 }
func (unborn) View() membership.View                                         { return membership.View{} }

// A node that could not leave stays: its executor does again what the assignments say. Telling it so never waits, not even for a loop that has ended.
func TestStayEndsDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		cfg := Config{Clock: &stoppedClock{boot: 1}, Log: log}
		x := NewExecutor(cfg, cluster.Incarnation{Number: 1, Tag: "a"}, NewMember(cfg, unborn{}, nil, nil, nil), NewMirror(nil, log), nil, nil, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = x.Run(ctx) }()
		x.Drain()
		synctest.Wait()
		if !x.Drained(ctx) {
			t.Error("not drained")
		}
		x.Drain()
		x.Stay() // the newest word counts
		synctest.Wait()
		if x.Drained(ctx) {
			t.Error("still draining")
		}
		cancel()
		synctest.Wait()
		for range 5 {
			x.Drain()
			x.Stay()
		}
	})
}
