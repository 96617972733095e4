package gds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/native/property"
)

// How often Start asks whether the service answers yet: often at first, for that is time without service.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

// start runs Start_command and returns when the service is usable. The command may stay, as the service itself, or end, leaving it behind.
func (t *Type) start(ctx context.Context, call agent.Call) error {
	if !t.empty(call) {
		if pid, _ := t.mainOf(call); pid != 0 || policy(call) != policyMain {
			return t.usable(ctx, call, nil)
		}
		// Children that outlived the main process are in the way of a new one.
		if err := t.End(ctx, call); err != nil {
			return err
		}
	}
	c, err := t.launch(ctx, call)
	if err != nil {
		return err
	}
	err = t.usable(ctx, call, c)
	if err == nil {
		return nil
	}
	// What was started and does not serve is not left to run; a Stop may come late or, with Failover_mode NONE, not at all.
	kill, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if kerr := t.End(kill, call); kerr != nil {
		err = errors.Join(err, kerr)
	}
	return err
}

// launch starts Start_command. It is not bound to ctx: the service outlives the method.
func (t *Type) launch(ctx context.Context, call agent.Call) (*command, error) {
	c := &command{done: make(chan struct{})}
	started := make(chan struct{})
	p, err := t.program(ctx, call, ref(call), "Start", property.Text(call, "Start_command"))
	if err != nil {
		return nil, err
	}
	p.Started = func(pid int) {
		c.pid, c.born = pid, bornAt(pid)
		close(started)
	}
	go func() {
		c.out = t.cfg.Launcher.Run(context.WithoutCancel(ctx), p)
		close(c.done)
	}()
	select {
	case <-started:
	case <-c.done:
		select {
		case <-started:
		default:
			if c.out.Err == nil {
				c.out.Err = errors.New("the command was not started")
			}
			return nil, c.out.Err
		}
	}
	return c, t.remember(call, c)
}

// usable waits until the service answers, or fails as soon as it is clear that it will not.
func (t *Type) usable(ctx context.Context, call agent.Call, c *command) error {
	ready := make(chan error, 1)
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { ready <- t.waitReady(wait, call) }()
	done := make(<-chan struct{}) // never, for a service that ran already
	if c != nil {
		done = c.done
	}
	gone := make(chan error, 1)
	for {
		select {
		case err := <-ready:
			if err != nil {
				return err
			}
			// The answer may have come from something else on this machine.
			if c != nil && c.ended() {
				if err := t.left(call, c); err != nil {
					return err
				}
			}
			return nil
		case <-done:
			if err := t.left(call, c); err != nil {
				return err
			}
			done = nil
			if policy(call) != policyNone {
				go func() { gone <- t.cfg.Launcher.Await(wait, ref(call), 0) }()
			}
		case err := <-gone:
			if err == nil {
				return died(call, c)
			}
		}
	}
}

// left judges a Start_command that has ended.
func (t *Type) left(call agent.Call, c *command) error {
	out := c.out
	if out.Err != nil {
		return out.Err
	}
	if out.Exit != 0 {
		return failure(context.Background(), "Start_command", out)
	}
	switch policy(call) {
	case policyMain:
		return fault.Errorf(fault.Precondition, "Start_command ended, but Child_policy MAIN needs it to stay; let it run in the foreground, or set Child_policy=ANY")
	case policyAny:
		if t.empty(call) {
			return died(call, c)
		}
	}
	return nil
}

func died(call agent.Call, c *command) error {
	text := "Start_command ended and no process of the service is left"
	if line := lastLine(c.out.Output); line != "" {
		text += ": " + line
	}
	return fault.Errorf(fault.Precondition, "%s; if it starts something that runs elsewhere, set Child_policy=NONE", text)
}

// waitReady returns when the probe or the ports answer; without either, when the grace time has passed.
func (t *Type) waitReady(ctx context.Context, call agent.Call) error {
	probe, what := t.readiness(call)
	if probe == nil {
		timer := time.NewTimer(property.Milliseconds(call, "Start_grace_ms", 100))
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	pause := firstPause
	var last error // what the last probe said that had the time to say something
	for {
		began := time.Now()
		err := probe(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		// A probe that takes long does not have to be asked more often than that.
		timer := time.NewTimer(max(pause, time.Since(began)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s did not succeed in time, last: %w (%w)", what, last, context.Cause(ctx))
		}
		pause = min(pause+pause/4, maxPause)
	}
}

// readiness is what Start waits for, nil for nothing.
func (t *Type) readiness(call agent.Call) (probe func(context.Context) error, what string) {
	if !property.Bool(call, "Wait_for_online", true) {
		return nil, ""
	}
	if text := property.Text(call, "Probe_command"); text != "" {
		return func(ctx context.Context) error {
			return failure(ctx, "Probe_command", t.run(ctx, call, "Probe", text, property.Seconds(call, "Probe_timeout", 30)))
		}, "Probe_command"
	}
	if list, err := ports(call); err == nil && len(list) > 0 {
		return func(ctx context.Context) error { return t.probePorts(ctx, call, list) }, "a connection to the ports"
	}
	return nil, ""
}
