package control

import (
	"context"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
)

// Bounds of the events that are recorded: a resource that fails and recovers all the time does not fill the log.
const (
	eventBurst = 200
	eventEvery = 5 * time.Second // one more each
)

// KeepEvents records what happens to the cluster in the command log, until ctx ends. Every node watches, and the president writes, so that each event is recorded once;
// the copies of its log bring it to the other nodes.
func (c *Control) KeepEvents(ctx context.Context, r *Running) error {
	if c.cfg.Recorder == nil {
		return nil
	}
	watch := make(chan v1.Event)
	go func() {
		defer close(watch)
		c.watch(ctx, Caller{Kind: CallerLocal, User: "root"}, watch)
	}()
	left, last, dropped := eventBurst, c.cfg.Clock.Wall(), 0
	for e := range watch {
		if e.Note == nil || !worthRecording(*e.Note) || !r.Membership.View().President {
			continue
		}
		now := c.cfg.Clock.Wall()
		if more := int(now.Sub(last) / eventEvery); more > 0 {
			left, last = min(eventBurst, left+more), now
		}
		if left == 0 {
			dropped++
			continue
		}
		left--
		if dropped > 0 {
			c.cfg.Recorder.Event("log", "cluster", "lossy", "events came faster than they are recorded; some are left out")
			dropped = 0
		}
		kind, _, _ := strings.Cut(e.Note.Object, " ")
		state, _, _ := strings.Cut(strings.TrimSuffix(e.Note.Text, ":"), " ")
		c.cfg.Recorder.Event(kind, e.Note.Object, strings.TrimRight(state, ":,"), e.Note.Text)
	}
	return context.Cause(ctx)
}

// worthRecording reports whether an event belongs to the history of the cluster: what became of nodes and groups, and resources that failed.
func worthRecording(n v1.Notice) bool {
	kind, _, _ := strings.Cut(n.Object, " ")
	switch kind {
	case "cluster", "node":
		return true
	case "group":
		return !strings.HasPrefix(n.Text, "PENDING_")
	case "resource":
		return slices.ContainsFunc([]string{"FAILED", "FAULTED"}, func(s string) bool { return strings.Contains(n.Text, s) })
	}
	return false
}
