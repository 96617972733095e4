package ocf

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// The exit statuses of OCF.
const (
	exitSuccess        = 0
	exitGeneric        = 1
	exitArgs           = 2
	exitUnimplemented  = 3
	exitPermission     = 4
	exitInstalled      = 5
	exitConfigured     = 6
	exitNotRunning     = 7
	exitPromoted       = 8
	exitFailedPromoted = 9
	exitDegraded       = 190
	exitDegradedProm   = 191
)

var exitText = map[int]string{
	exitGeneric:        "it failed",
	exitArgs:           "its parameters are wrong",
	exitUnimplemented:  "the agent does not have this action",
	exitPermission:     "it may not do what it has to",
	exitInstalled:      "what it needs is not installed on this node",
	exitConfigured:     "its parameters do not fit together",
	exitNotRunning:     "it is not running",
	exitPromoted:       "it runs promoted",
	exitFailedPromoted: "it was promoted and has failed",
	exitDegraded:       "it works, but not well",
	exitDegradedProm:   "it runs promoted, but not well",
}

// doubts are the exit statuses of validate-all that need not mean a mistake. Agents are written to be asked on the node where the resource is about to
// start, after what comes before it: nginx says 6 where the address that it listens on is missing, Filesystem 5 where the device is.
var doubts = map[int]agent.Doubt{exitConfigured: agent.DoubtPlace, exitInstalled: agent.DoubtNode}

// reasonPrefix begins the lines in which an agent says to people why it failed.
const reasonPrefix = "ocf-exit-reason:"

// Run implements agent.Driver. Start is trusted when it says that it succeeded, as Pacemaker does. After a start that was killed nothing is known of
// the resource; it has to be stopped before it is started again.
func (d *Driver) Run(ctx context.Context, call agent.Call) agent.Result {
	spec, ok := call.Type.Method(call.Method)
	if !ok {
		return agent.Result{}
	}
	if err := d.prepare(ctx, call); err != nil {
		return agent.Result{Exit: exitGeneric, Message: err.Error(), Aborted: ctx.Err() != nil}
	}
	owed, owing := agent.Obligation{}, false
	if call.Method == model.MethodStop {
		// Before it runs: afterwards the address that tells the interface is gone.
		owed, owing = d.owes(call)
	}
	open, values, err := d.revealed(call)
	if err != nil && call.Method != model.MethodStop { // a stop does what it can without
		return agent.Result{Exit: exitGeneric, Message: err.Error()}
	}
	r := masked(d.perform(ctx, call, open, spec.Program), values)
	switch {
	case call.Method == model.MethodStart && r.OK():
		d.remember(call, d.leaders(call))
	case call.Method == model.MethodStop:
		d.remember(call, nil)
		if r.OK() && owing {
			d.settle(ctx, call, owed)
		}
	}
	return r
}

// remember notes what a start left running, for a watch that begins later.
func (d *Driver) remember(call agent.Call, l []leader) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.started, call.Resource.Name)
	if len(l) > 0 {
		d.started[call.Resource.Name] = l
	}
}

// prepare does what has to be done before an action.
func (d *Driver) prepare(ctx context.Context, call agent.Call) error {
	if err := d.makeRunDirs(); err != nil {
		return err
	}
	switch call.Method {
	case model.MethodValidate:
		return supported(call)
	case model.MethodStart:
		return d.owe(ctx, call)
	}
	return nil
}

// action runs one action of the agent to its end. ran is false when the agent could not be started at all.
func (d *Driver) action(ctx context.Context, call agent.Call, action string, env []string) (r agent.Result, ran bool) {
	path, err := d.locate(call.Type.Name)
	if err != nil {
		return agent.Result{Exit: exitInstalled, Message: err.Error(), Doubt: agent.DoubtNode}, false
	}
	label := string(call.Method)
	if label == "" {
		label = "Probe"
	}
	out := d.cfg.Launcher.Run(ctx, agent.Program{
		Ref: refOf(call), Label: label, Path: path, Args: []string{action}, Env: env, Timeout: call.Timeout,
		Folder: filepath.Dir(path), Libraries: d.libraries(),
	})
	r = agent.Result{Exit: out.Exit, TimedOut: out.TimedOut, Aborted: out.Aborted, Output: out.Output}
	switch {
	case out.Err != nil:
		r.Exit, r.Message = exitGeneric, out.Err.Error()
		if fault.Is(out.Err, fault.NotFound) {
			r.Exit = exitInstalled
			r.Message += "; is its interpreter installed?"
		}
	case out.TimedOut:
		r.Message = fmt.Sprintf("%s of %s took longer than %v and was killed with everything it had started%s", action, call.Type.Name, call.Timeout, said(out.Output))
	case out.Aborted:
		r.Message = fmt.Sprintf("%s of %s was aborted", action, call.Type.Name)
	default:
		conclude(&r, call.Method, action)
	}
	return r, out.Err == nil
}

// conclude says what an exit status means for the method.
func conclude(r *agent.Result, method model.Method, action string) {
	why := explain(r.Exit, action, r.Output)
	success := []int{exitSuccess}
	switch method {
	case model.MethodStart:
		success = append(success, exitPromoted, exitDegraded, exitDegradedProm)
	case model.MethodStop:
		success = append(success, exitNotRunning)
	case model.MethodValidate:
		success = append(success, exitUnimplemented)
	}
	if !slices.Contains(success, r.Exit) {
		r.Message = why
		if method == model.MethodValidate {
			r.Doubt = doubts[r.Exit]
		}
		return
	}
	if r.Exit == exitDegraded || r.Exit == exitDegradedProm {
		r.Status, r.Message = model.StatusDegraded, why
	}
	r.Exit = exitSuccess
}

// explain makes one line for people of an exit status and what the agent wrote.
func explain(exit int, action, output string) string {
	text, known := exitText[exit]
	switch {
	case !known && exit > 128 && exit < 128+65:
		text = fmt.Sprintf("ended by signal %d", exit-128)
	case !known:
		text = "not a status of OCF"
	}
	return fmt.Sprintf("%s: exit status %d, %s%s", action, exit, text, said(output))
}

// said is the agent's own reason with a colon before it, "" when it gave none.
func said(output string) string {
	reason := ""
	for line := range strings.Lines(output) {
		if _, r, ok := strings.Cut(line, reasonPrefix); ok && strings.TrimSpace(r) != "" {
			reason = strings.TrimSpace(r)
		}
	}
	if reason == "" {
		reason = lastLine(output)
	}
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// lastLine is the last line of an output that says something, cut to a length that fits a status.
func lastLine(output string) string {
	last := ""
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.Contains(line, "INFO:") && !strings.Contains(line, "DEBUG:") {
			last = line
		}
	}
	last = strings.ToValidUTF8(last, "\uFFFD")
	if r := []rune(last); len(r) > maxText {
		last = string(r[:maxText]) + "…"
	}
	return last
}
