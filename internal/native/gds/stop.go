package gds

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/native/property"
)

// killReserve is the part of Stop's time that is kept for SIGKILL.
const killReserve = 5 // a fifth

// stop asks the service to end, and ends it when it does not. It succeeds when nothing of it is left.
func (t *Type) stop(ctx context.Context, call agent.Call) error {
	command := property.Text(call, "Stop_command")
	// A service with policy NONE has its processes elsewhere: only its command can tell whether it runs.
	if !t.empty(call) || policy(call) == policyNone && command != "" {
		patience := call.Timeout - call.Timeout/killReserve
		if call.Timeout <= 0 {
			patience = time.Minute
		}
		soft, cancel := context.WithTimeout(ctx, patience)
		err := t.ask(soft, call, command)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && policy(call) == policyNone {
			return err // killing our processes would not end it
		}
	}
	return t.End(ctx, call)
}

// ask tries the gentle way until ctx ends.
func (t *Type) ask(ctx context.Context, call agent.Call, command string) error {
	if command != "" {
		out := t.run(ctx, call, "Stop", command, 0)
		err := failure(ctx, "Stop_command", out)
		if err == nil {
			return t.cfg.Launcher.Await(ctx, ref(call), 0)
		}
		t.cfg.Log.Warn("Stop_command failed; the service is told by signal", "resource", call.Resource.Name, "cause", err.Error())
		if policy(call) == policyNone {
			return err
		}
	}
	signal := property.Int(call, "Stop_signal", int(unix.SIGTERM))
	if pid, _ := t.mainOf(call); pid != 0 {
		// Many services take their children down in good order when only the first of them is told.
		if err := unix.Kill(pid, unix.Signal(signal)); err == nil {
			if err := t.cfg.Launcher.Await(ctx, ref(call), pid); err != nil {
				return err
			}
		}
	}
	if err := t.cfg.Launcher.Signal(ref(call), signal); err != nil {
		return fault.Errorf(fault.Internal, "stop resource %s: %w", call.Resource.Name, err)
	}
	return t.cfg.Launcher.Await(ctx, ref(call), 0)
}
