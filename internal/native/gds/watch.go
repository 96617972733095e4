package gds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/native/property"
)

// What probes are worth: the sum within Retry_interval at which the service has failed, and the exit status that asks for another node.
const (
	completeFailure   = 100
	immediateFailover = 201
)

// Probe intervals in seconds for resources that have none.
const (
	defaultProbeInterval = 60
	defaultRetryInterval = 370
)

// Watch waits for the end of the service's processes and probes it at Thorough_probe_interval.
func (t *Type) Watch(ctx context.Context, call agent.Call, report func(agent.Observation)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dead := make(chan string, 1)
	if policy(call) != policyNone {
		go t.awaitDeath(ctx, call, dead)
	}
	probes := make(chan verdict)
	if t.probe(call) != nil {
		go t.probing(ctx, call, probes)
	}
	h := history{window: seconds(call.Resource.RetryInterval, defaultRetryInterval)}
	for {
		select {
		case <-ctx.Done():
			return
		case why := <-dead:
			report(agent.Observation{Kind: agent.Dead, Message: why})
			return
		case v := <-probes:
			if o, ok := h.judge(time.Now(), v); ok {
				report(o)
			}
		}
	}
}

func seconds(n, otherwise int) time.Duration {
	if n <= 0 {
		n = otherwise
	}
	return time.Duration(n) * time.Second
}

// awaitDeath returns through dead why the service is gone, as soon as the kernel says so.
func (t *Type) awaitDeath(ctx context.Context, call agent.Call, dead chan<- string) {
	pid, c := t.mainOf(call)
	what := "all its processes have ended"
	var err error
	if policy(call) == policyMain {
		what = "its main process has ended"
		if pid != 0 {
			err = t.cfg.Launcher.Await(ctx, ref(call), pid)
		}
	} else {
		err = t.cfg.Launcher.Await(ctx, ref(call), 0)
	}
	if err != nil {
		if ctx.Err() == nil {
			t.cfg.Log.Error("processes can not be watched", "resource", call.Resource.Name, "cause", err.Error())
		}
		return
	}
	dead <- what + t.lastWords(c)
}

// lastWords is how the main process ended. It is reaped right after the kernel reports it; that is waited for, but not for long.
func (t *Type) lastWords(c *command) string {
	if c == nil {
		return ""
	}
	timer := time.NewTimer(5 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		return ""
	}
	text := fmt.Sprintf(" (exit status %d)", c.out.Exit)
	if c.out.Exit > 128 {
		text = fmt.Sprintf(" (signal %d)", c.out.Exit-128)
	}
	if line := lastLine(c.out.Output); line != "" && c.out.Exit != 0 {
		text += ": " + line
	}
	return text
}

// verdict is what one probe says: 0 is well, 100 is complete failure, 201 is move at once.
type verdict struct {
	worth int
	why   string
}

// probe returns what is asked at each interval, nil for nothing.
func (t *Type) probe(call agent.Call) func(context.Context) verdict {
	if text := property.Text(call, "Probe_command"); text != "" {
		return func(ctx context.Context) verdict {
			out := t.run(ctx, call, "Probe", text, property.Seconds(call, "Probe_timeout", 30))
			err := failure(ctx, "Probe_command", out)
			v := verdict{}
			if err != nil {
				v.why = err.Error()
			}
			switch {
			case err == nil:
			case out.Exit == immediateFailover && !out.TimedOut:
				v.worth = immediateFailover
			case out.Exit < 0 || out.Exit > completeFailure || out.TimedOut || property.Text(call, "Probe_result") == "PLAIN":
				v.worth = completeFailure
			default:
				v.worth = out.Exit
			}
			return v
		}
	}
	list, err := ports(call)
	if err != nil || len(list) == 0 {
		return nil
	}
	return func(ctx context.Context) verdict {
		err := t.probePorts(ctx, call, list)
		switch {
		case err == nil:
			return verdict{}
		case errors.Is(err, context.DeadlineExceeded):
			// Slow, but there: two in a row make a failure.
			return verdict{completeFailure / 2, err.Error()}
		}
		return verdict{completeFailure, err.Error()}
	}
}

// probing asks at every interval; one question at a time.
func (t *Type) probing(ctx context.Context, call agent.Call, out chan<- verdict) {
	probe := t.probe(call)
	tick := time.NewTicker(seconds(call.Resource.ThoroughProbeInterval, defaultProbeInterval))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		v := probe(ctx)
		t.tell(call, v)
		select {
		case out <- v:
		case <-ctx.Done():
			return
		}
	}
}

func (t *Type) tell(call agent.Call, v verdict) {
	switch level := property.Text(call, "Log_level"); {
	case level == "NONE":
	case v.worth > 0:
		t.cfg.Log.Warn("probe failed", "resource", call.Resource.Name, "worth", v.worth, "cause", v.why)
	case level != "ERR":
		t.cfg.Log.Debug("probe succeeded", "resource", call.Resource.Name)
	}
}

// history is the failures of the last Retry_interval. A success does not take them back: a service that fails every other time is not well.
type history struct {
	window   time.Duration
	failures []failureAt
	last     agent.ObservationKind
}

type failureAt struct {
	at    time.Time
	worth int
}

// judge takes one verdict and says what to report, if anything: health on change only, a failure each time it is complete.
func (h *history) judge(now time.Time, v verdict) (agent.Observation, bool) {
	kind := agent.Healthy
	switch {
	case v.worth >= immediateFailover:
		kind = agent.Giveover
	case v.worth > 0:
		kind = agent.Degraded
		kept := h.failures[:0]
		sum := v.worth
		for _, f := range h.failures {
			if now.Sub(f.at) < h.window {
				kept = append(kept, f)
				sum += f.worth
			}
		}
		h.failures = append(kept, failureAt{now, v.worth})
		if sum >= completeFailure {
			kind, h.failures = agent.Failed, nil
		}
	}
	changed := kind != h.last && (kind != agent.Healthy || h.last != "")
	h.last = kind
	return agent.Observation{Kind: kind, Message: v.why}, changed || kind == agent.Failed || kind == agent.Giveover
}
