package control

import (
	"context"
	"fmt"
	"reflect"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
	"redoubt/internal/tick"
)

// Bounds of the watch.
const (
	watchEvery = 100 * time.Millisecond // between two events at least
	watchTick  = time.Second            // the membership changes without telling anybody
	watchRest  = 19                     // times as long as a look took nothing is looked at: of a processor a watch takes a twentieth at most, however large the cluster is
	watchMost  = 5 * time.Second        // but no longer
)

// watchPause is how long a watch rests after a look that took so long.
func watchPause(took time.Duration) time.Duration {
	return min(max(watchEvery, watchRest*took), watchMost)
}

// Watch sends the status at once and after each change, and notes of what happened, until ctx ends; the channel is then closed. It goes on when this node
// leaves its cluster or enters one.
func (c *Control) Watch(ctx context.Context, who Caller) (<-chan v1.Event, error) {
	if err := c.authorise(ctx, who, "cluster status"); err != nil {
		return nil, err
	}
	out := make(chan v1.Event)
	go func() {
		defer close(out)
		c.watch(ctx, who, out)
	}()
	return out, nil
}

func (c *Control) watch(ctx context.Context, who Caller, out chan<- v1.Event) {
	send := func(e v1.Event) bool {
		select {
		case out <- e:
			return true
		case <-ctx.Done():
			return false
		}
	}
	var last *v1.Status
	var subscribed *Running
	var news <-chan struct{}
	unsubscribe := func() {}
	defer func() { unsubscribe() }()
	ticks := tick.New(watchTick)
	defer ticks.Stop()
	for {
		r := c.running.Load()
		if r != subscribed {
			unsubscribe()
			subscribed = r
			news, unsubscribe = subscribe(ctx, r)
		}
		if err := c.permit(ctx, who, "cluster status"); fault.Is(err, fault.Denied) {
			c.cfg.Log.Warn("a watch ends: what allowed it was taken away", "caller", who.String(), "from", who.Origin(), "why", err.Error())
			return
		}
		began := time.Now()
		now := c.statusFor(r, who)
		if last == nil || !sameStatus(*last, now) {
			if last != nil {
				for _, n := range happened(*last, now) {
					if !send(v1.Event{Kind: "note", Note: &n}) {
						return
					}
				}
			}
			if !send(v1.Event{Kind: "status", Status: &now}) {
				return
			}
			last = &now
		}
		pause := time.NewTimer(watchPause(time.Since(began)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		select {
		case <-news:
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

// subscribe gets news of a node's repository, if it is in a cluster.
func subscribe(ctx context.Context, r *Running) (news <-chan struct{}, unsubscribe func()) {
	if r == nil {
		return nil, func() {}
	}
	sub, cancel := context.WithCancel(ctx)
	return r.Source.Subscribe(sub), cancel
}

// sameStatus compares what people would see change: not the time, and not the lease, which shrinks and grows all the time.
func sameStatus(a, b v1.Status) bool { return reflect.DeepEqual(still(a), still(b)) }

func still(s v1.Status) v1.Status {
	s.Time, s.Revision = time.Time{}, 0
	nodes := make([]v1.NodeState, len(s.Nodes))
	for i, n := range s.Nodes {
		n.LeaseMs = nil
		nodes[i] = n
	}
	s.Nodes = nodes
	return s
}

// happened says what is different between two statuses.
func happened(old, now v1.Status) []v1.Notice {
	var out []v1.Notice
	say := func(object, format string, args ...any) {
		out = append(out, v1.Notice{At: now.Time, Object: object, Text: fmt.Sprintf(format, args...)})
	}
	if old.InCluster != now.InCluster || old.Cluster == nil || now.Cluster == nil {
		return nil
	}
	if old.Cluster.President != now.Cluster.President {
		say("cluster "+now.Cluster.Name, "the president is %s", now.Cluster.President)
	}
	if old.Degraded != now.Degraded && now.Degraded != "" {
		say("cluster "+now.Cluster.Name, "%s", now.Degraded)
	}
	before := map[string]v1.NodeState{}
	for _, n := range old.Nodes {
		before[n.Name] = n
	}
	for _, n := range now.Nodes {
		b, known := before[n.Name]
		if known && b.State == n.State && b.Incarnation == n.Incarnation {
			continue
		}
		text := n.State
		if n.Why != "" {
			text += ": " + n.Why
		}
		say("node "+n.Name, "%s", text)
	}
	changes(old, now, say)
	return out
}

// changes says which groups and resources changed their state, and where.
func changes(old, now v1.Status, say func(object, format string, args ...any)) {
	groups := map[[2]string]string{}
	for _, g := range old.Groups {
		for _, n := range g.Nodes {
			groups[[2]string{g.Name, n.Node}] = n.State
		}
	}
	for _, g := range now.Groups {
		for _, n := range g.Nodes {
			if was, known := groups[[2]string{g.Name, n.Node}]; known && was != n.State {
				say("group "+g.Name, "%s on node %s", n.State, n.Node)
			}
		}
	}
	type seen struct{ state, status, message string }
	resources := map[[2]string]seen{}
	for _, r := range old.Resources {
		for _, n := range r.Nodes {
			resources[[2]string{r.Name, n.Node}] = seen{n.State, n.Status, n.Message}
		}
	}
	for _, r := range now.Resources {
		for _, n := range r.Nodes {
			is := seen{n.State, n.Status, n.Message}
			was, known := resources[[2]string{r.Name, n.Node}]
			if !known || was == is {
				continue
			}
			text := n.State + ", " + n.Status
			if n.Message != "" {
				text += ": " + n.Message
			}
			say("resource "+r.Name, "%s on node %s", text, n.Node)
		}
	}
}
