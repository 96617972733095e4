package life

import (
	"fmt"
	"slices"
	"time"

	"redoubt/internal/rgm/model"
)

// done takes over how a method ended.
func (g *Group) done(e Done) {
	r := g.find(e.Resource)
	if r == nil || r.running != e.Method {
		return
	}
	r.running = ""
	o := e.Outcome
	if o.NotRun {
		g.notRun(r, e.Method)
		return
	}
	switch e.Method {
	case model.MethodInit, model.MethodBoot, model.MethodFini:
		g.initialized(r, e.Method)
	case model.MethodPrenetStart:
		if g.startOutcome(r, e.Method, o) {
			r.stage = prenetted
		}
	case model.MethodStart:
		if g.startOutcome(r, e.Method, o) {
			g.started(r, o)
		}
	case model.MethodMonitorStart:
		if o.OK {
			g.monitoring(r)
			return
		}
		if r.stage == up {
			r.ri.Message = "Monitor_start " + how(o)
			g.set(r, model.ResourceMonitorFailed)
		}
	case model.MethodMonitorStop:
		if !g.stopOutcome(r, e.Method, o) {
			return
		}
	case model.MethodStop:
		if g.stopOutcome(r, e.Method, o) {
			r.stage = stopped
		}
	case model.MethodPostnetStop:
		if g.stopOutcome(r, e.Method, o) {
			g.nowDown(r)
		}
	case model.MethodUpdate:
		if !o.OK {
			r.ri.Message = "Update " + how(o)
		}
	}
}

// notRun takes over that a method never began: the resource is where it was before.
func (g *Group) notRun(r *resource, m model.Method) {
	bare := m == model.MethodStart && !g.has(r, model.MethodPrenetStart)
	if m == model.MethodPrenetStart || bare {
		r.stage = down
		r.status(model.StatusOffline, "")
		g.set(r, model.ResourceOffline)
	}
}

// reconsider takes back the starts that are not wanted any more: thousands may wait for their turn, and what is told to leave does not have to come up first.
func (g *Group) reconsider() {
	for _, r := range g.res {
		starts := r.running == model.MethodPrenetStart || r.running == model.MethodStart || r.running == model.MethodMonitorStart
		if starts && !r.withdrawn && !g.desired(r) {
			r.withdrawn = true
			g.emit(Withdraw{Resource: r.ri.Name})
		}
	}
}

// how says in a few words how a method failed.
func how(o Outcome) string {
	switch {
	case o.TimedOut:
		return "timed out and was killed"
	case o.Aborted:
		return "was aborted"
	case o.Message != "":
		return "failed: " + o.Message
	}
	return fmt.Sprintf("failed with exit status %d", o.Exit)
}

// startOutcome handles a start that failed: by Failover_mode the group asks for another node or stays, faulted.
func (g *Group) startOutcome(r *resource, m model.Method, o Outcome) bool {
	if o.OK {
		return true
	}
	why := string(m) + " " + how(o)
	r.stage, r.restart, r.aborted = halfUp, false, o.Aborted
	r.status(model.StatusFaulted, why)
	g.set(r, model.ResourceStartFailed)
	g.emit(Note{Text: why, Resource: r.ri.Name})
	spec := g.spec(r)
	if spec != nil && g.goesUp() && !o.Aborted && !r.ignore && !g.in.Group.Suspended && (spec.FailoverMode == model.FailoverSoft || spec.FailoverMode == model.FailoverHard) {
		g.plead(r, model.PleaStartFailed, why)
	}
	return false
}

// stopOutcome handles a stop that failed: with Failover_mode HARD the node ends, otherwise the group is blocked until somebody clears it.
func (g *Group) stopOutcome(r *resource, m model.Method, o Outcome) bool {
	if o.OK {
		return true
	}
	why := string(m) + " " + how(o)
	r.stage, r.restart = stopFailed, false
	r.status(model.StatusFaulted, why)
	g.set(r, model.ResourceStopFailed)
	g.emit(Note{Text: why, Resource: r.ri.Name})
	if spec := g.spec(r); spec != nil && spec.FailoverMode == model.FailoverHard && !o.Aborted {
		g.emit(Halt{Why: fmt.Sprintf("resource %s: %s, and its Failover_mode is HARD", r.ri.Name, why)})
	}
	return false
}

func (g *Group) endDone(e EndDone) {
	r := g.find(e.Resource)
	if r == nil || !r.ending {
		return
	}
	r.ending = false
	if g.stopOutcome(r, model.MethodStop, e.Outcome) {
		r.stage = ended
	}
}

// plead asks the president to move the group; once per version.
func (g *Group) plead(r *resource, kind, why string) {
	if p := g.inst.Plea; p != nil && (p.Kind == kind || p.Kind == model.PleaStartFailed) {
		return
	}
	g.inst.Plea = &model.Plea{Kind: kind, Resource: r.ri.Name, Version: g.inst.Version, Why: why, At: g.in.Now}
}

// withdraw takes back the request to give the group over because of a resource that is well again: if it fails anew it is asked for anew.
func (g *Group) withdraw(r *resource) {
	if p := g.inst.Plea; p != nil && p.Kind == model.PleaGiveover && p.Resource == r.ri.Name {
		g.inst.Plea = nil
	}
}

// observed takes over what a watch saw; what it says while the resource goes up or down does not count.
func (g *Group) observed(e Observed) {
	r := g.find(e.Resource)
	dies := e.Kind == "failed" || e.Kind == "dead"
	if r == nil || r.stage != up && (r.stage != standing || !dies) || !g.desired(r) {
		return
	}
	switch e.Kind {
	case "healthy":
		r.sick = false
		g.withdraw(r)
		r.status(model.StatusOnline, e.Message)
	case "degraded":
		r.status(model.StatusDegraded, e.Message)
	case "failed", "dead":
		r.status(model.StatusFaulted, e.Message)
		g.emit(Note{Text: "not healthy: " + e.Message, Resource: r.ri.Name})
		r.sick = true
		g.recover(r)
	case "giveover":
		r.status(model.StatusFaulted, e.Message)
		g.giveover(r, e.Message)
	}
}

// recover restarts a resource in place, or gives the group over when Retry_count restarts within Retry_interval did not help.
func (g *Group) recover(r *resource) {
	spec := g.spec(r)
	if spec == nil || spec.FailoverMode == model.FailoverLogOnly || g.in.Group.Suspended || r.restart {
		return
	}
	if g.mayRestart(r, spec) {
		g.restartResource(r)
		return
	}
	why := fmt.Sprintf("%s; %d restarts within %d s did not help", r.ri.Message, len(r.ri.Restarts), spec.RetryInterval)
	g.giveover(r, why)
}

// mayRestart forgets restarts older than Retry_interval and compares the rest with Retry_count; a negative count has no limit.
func (g *Group) mayRestart(r *resource, spec *model.Resource) bool {
	since := g.in.Now.Add(-time.Duration(spec.RetryInterval) * time.Second)
	r.ri.Restarts = slices.DeleteFunc(slices.Clone(r.ri.Restarts), func(t time.Time) bool { return t.Before(since) })
	return spec.RetryCount < 0 || len(r.ri.Restarts) < spec.RetryCount
}

func (g *Group) giveover(r *resource, why string) {
	spec := g.spec(r)
	if spec == nil || g.in.Group.Suspended || spec.FailoverMode == model.FailoverRestartOnly || spec.FailoverMode == model.FailoverLogOnly {
		return
	}
	g.plead(r, model.PleaGiveover, why)
}

// restartResource takes a resource down and up again, with those that have a restart dependency on it.
func (g *Group) restartResource(r *resource) {
	r.restart, r.sick = true, false
	r.ri.Restarts = append(slices.Clone(r.ri.Restarts), g.in.Now)
	r.ri.RestartCount++
	g.restartDependents(r)
}

func (g *Group) restartDependents(r *resource) {
	for _, o := range g.res {
		if o.restart || o.stage != up || !slices.ContainsFunc(g.needs(o), func(n need) bool {
			return n.on == r.ri.Name && (n.kind == model.DependRestart || n.kind == model.DependOfflineRestart)
		}) {
			continue
		}
		o.restart = true
		g.restartDependents(o)
	}
}

// retry tries again what was given up when Retry_interval has passed and nobody took the group over.
func (g *Group) retry() {
	for _, r := range g.res {
		spec := g.spec(r)
		if r.sick && (r.stage == up || r.stage == standing) && r.idle() && spec != nil && g.desired(r) && !g.in.Group.Suspended && spec.FailoverMode != model.FailoverLogOnly && g.mayRestart(r, spec) {
			g.restartResource(r)
		}
	}
}

// killed are the methods that quiesce -k kills. What initializes a resource, or tells it of its properties, always comes to its end.
var killed = map[model.Method]bool{
	model.MethodPrenetStart: true, model.MethodStart: true, model.MethodMonitorStart: true,
	model.MethodMonitorStop: true, model.MethodStop: true, model.MethodPostnetStop: true,
}

// asked carries out a request of an administrator or an agent.
func (g *Group) asked(e Asked) {
	if e.Kind == AskKill {
		for _, r := range g.res {
			if killed[r.running] {
				g.emit(Abort{Resource: r.ri.Name})
			}
		}
		return
	}
	if e.Kind == AskRestart {
		for _, r := range g.res {
			if (r.stage == up || r.stage == standing) && g.desired(r) {
				r.restart = true
			}
		}
		return
	}
	r := g.find(e.Resource)
	if r == nil {
		return
	}
	monitors := e.Kind == AskGiveover || e.Kind == AskResourceRestart
	if monitors && r.spec != nil && r.spec.FailoverMode == model.FailoverLogOnly {
		g.emit(Note{Text: string(e.Kind) + " was asked for and is only logged: Failover_mode is LOG_ONLY", Resource: r.ri.Name})
		return
	}
	switch e.Kind {
	case AskClear:
		g.clear(r)
	case AskGiveover:
		g.giveover(r, orDefault(e.Message, "its agent asked for it"))
	case AskResourceRestart:
		if r.stage == up && g.desired(r) {
			g.restartResource(r)
		}
	case AskIsRestarted:
		r.ri.Restarts = append(slices.Clone(r.ri.Restarts), g.in.Now)
		r.ri.RestartCount++
		r.ri.Starts++
	case AskIgnoreFailed:
		r.ignore = r.running == model.MethodStart || r.running == model.MethodPrenetStart
	case AskOnline, AskOffline:
		g.hear(r, e.Kind == AskOnline)
	case AskStatus:
		r.status(e.Status, e.Message)
	}
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// clear forgets a failure: a stop that failed counts as done (who clears it has looked), a start is tried again.
func (g *Group) clear(r *resource) {
	switch r.stage {
	case stopFailed:
		r.stage = stopped // whatever is left of it is ended
		g.set(r, model.ResourceStopping)
	case halfUp:
		r.restart = true
		if g.inst.Plea != nil && g.inst.Plea.Resource == r.ri.Name {
			g.inst.Plea = nil
		}
	default:
		if r.ri.State == model.ResourceMonitorFailed {
			g.set(r, model.ResourceOnlineNotMonitored)
		}
	}
	r.ri.Message = ""
}
