package engine

import (
	"context"
	"strings"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// call collects what a driver needs for one method. The string says what is missing.
func (x *Executor) call(in life.Input, r model.Resource, t model.Type, method model.Method) (agent.Call, agent.Driver, string) {
	c := agent.Call{Method: method, Group: in.Group, Node: x.cfg.Node, Peers: peers(x.source.Snapshot().State, in.Resources, r), Resource: r, Type: t}
	d, ok := x.drivers.Driver(t.Driver)
	if !ok {
		return c, nil, "this build has no driver " + t.Driver
	}
	return c, d, ""
}

// run starts a method in its own goroutine; its end comes back as an event.
func (x *Executor) run(ctx context.Context, group cluster.GroupName, g *groupRun, in life.Input, a life.Run) {
	c, driver, missing := x.call(in, a.Spec, a.Type, a.Method)
	c.Timeout, c.Changes = a.Timeout, a.Changes
	if a.Group != nil {
		c.Group = *a.Group
	}
	done := func(o life.Outcome) {
		select {
		case x.events <- groupEvent{group: group, ev: life.Done{Resource: a.Resource, Method: a.Method, Outcome: o}}:
		case <-ctx.Done():
		}
	}
	if missing != "" {
		go done(life.Outcome{Exit: 1, Message: missing})
		return
	}
	runCtx, cancel := context.WithCancel(ctx)
	g.running[a.Resource] = cancel
	starts := a.Method == model.MethodStart || a.Method == model.MethodPrenetStart
	drains := x.drains(g, c.Resource, a.Method)
	call := func() {
		defer cancel()
		if drains {
			x.cfg.Drainer.Drain(runCtx, c.Resource)
		}
		began := x.cfg.Clock.Boot()
		r := driver.Run(runCtx, c)
		took := time.Duration(x.cfg.Clock.Boot() - began)
		x.cfg.meter().Method(string(c.Type.Name), string(a.Method), outcome(r), took)
		if !r.OK() {
			x.cfg.Log.Warn("method failed", "resource", a.Resource, "method", a.Method, "exit", r.Exit, "timedOut", r.TimedOut, "message", r.Message, "took", took)
		} else {
			x.cfg.Log.Info("method done", "resource", a.Resource, "method", a.Method, "took", took)
		}
		done(life.Outcome{OK: r.OK(), TimedOut: r.TimedOut, Aborted: r.Aborted, Exit: r.Exit, Message: strings.TrimSpace(r.Message), Status: r.Status})
	}
	end := func(o life.Outcome) { cancel(); done(o) }
	x.await(g, in.Group, a, pending{starts: starts, begin: func() { go call() }, end: end})
}

// outcome is how a method ended, in the words of the Meter.
func outcome(r agent.Result) string {
	switch {
	case r.TimedOut:
		return "timeout"
	case r.Aborted:
		return "aborted"
	case r.OK():
		return "ok"
	}
	return "failed"
}

// end makes sure that nothing of a resource is left running.
func (x *Executor) end(ctx context.Context, group cluster.GroupName, in life.Input, a life.End) {
	c, driver, missing := x.call(in, a.Spec, a.Type, "")
	go func() {
		o := life.Outcome{OK: true}
		if missing != "" {
			o = life.Outcome{Exit: 1, Message: missing}
		} else {
			bounded, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			if err := driver.End(bounded, c); err != nil {
				o = life.Outcome{Exit: 1, Message: err.Error()}
			}
		}
		select {
		case x.events <- groupEvent{group: group, ev: life.EndDone{Resource: a.Resource, Outcome: o}}:
		case <-ctx.Done():
		}
	}()
}

// watch follows an online resource until it is told to stop; what it sees comes back as events.
func (x *Executor) watch(ctx context.Context, group cluster.GroupName, g *groupRun, in life.Input, a life.Watch) {
	if w, ok := g.watches[a.Resource]; ok {
		w.stop()
		delete(g.watches, a.Resource)
	}
	c, driver, missing := x.call(in, a.Spec, a.Type, "")
	if missing != "" {
		return
	}
	watchCtx, cancel := context.WithCancel(ctx)
	x.watched++
	number := x.watched
	g.watches[a.Resource] = watching{stop: cancel, number: number}
	go driver.Watch(watchCtx, c, func(o agent.Observation) {
		select {
		case x.events <- groupEvent{group: group, ev: life.Observed{Resource: a.Resource, Kind: string(o.Kind), Message: o.Message}, watch: number}:
		case <-watchCtx.Done():
		}
	})
}
