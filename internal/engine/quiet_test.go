package engine

import (
	"context"
	"testing"
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
