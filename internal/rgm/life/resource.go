package life

import (
	"time"

	"redoubt/internal/rgm/model"
)

// stage is how far a resource has come. Methods that its type does not declare are passed over.
type stage int

const (
	down       stage = iota // nothing runs
	prenetted               // Prenet_start has run
	standing                // of a proxy: Start has run, and what it stands for has not been reported online
	up                      // Start has run
	quiet                   // Monitor_stop has run: Stop is next
	stopped                 // Stop has run: its processes have to be ended
	ended                   // no process is left: Postnet_stop is next
	halfUp                  // a start failed: what it left behind needs Stop
	stopFailed              // until it is cleared
)

// resource is one resource of the group on this node.
type resource struct {
	ri       model.ResourceInstance
	stage    stage
	running  model.Method // in flight; "" none
	ending   bool         // End is in flight
	restart  bool         // goes down to come up again
	sick     bool         // observed to have failed, and not yet restarted
	watching bool
	aborted  bool // an administrator killed its method: no recovery until cleared
	boot     bool // it was there when this incarnation began: Boot, not Init
	ignore   bool // its start asked that the group stays if it fails
	told     bool // of a proxy: what it stands for was reported online last

	withdrawn bool // the start that runs or waits is not wanted any more

	// The newest known record of the resource and of its type; nil: not known to this daemon.
	spec *model.Resource
	typ  *model.Type
	owed *model.Farewell // of an earlier resource of this name: its Fini comes first
}

func (r *resource) idle() bool { return r.running == "" && !r.ending }

// adopt goes on from a reported state. No method was running: a daemon restarts on purpose only then.
func adopt(ri model.ResourceInstance) *resource {
	r := &resource{ri: ri}
	switch ri.State {
	case model.ResourceOnline, model.ResourceOnlineNotMonitored, model.ResourceMonitorFailed:
		r.stage = up
		r.ri.Starts = max(r.ri.Starts, 1) // an earlier release does not count
	case model.ResourceStarting, model.ResourceStopping:
		r.stage = quiet // to be stopped, then started again if wanted
		r.restart = true
	case model.ResourceStartFailed:
		r.stage = halfUp
	case model.ResourceStopFailed:
		r.stage = stopFailed
	}
	if ri.Awaiting {
		r.stage = standing
	}
	return r
}

// set changes the state and notes since when.
func (g *Group) set(r *resource, s model.ResourceState) {
	if r.ri.State != s {
		r.ri.State, r.ri.Since = s, g.in.Now
	}
}

func (r *resource) status(s model.Status, message string) { r.ri.Status, r.ri.Message = s, message }

// run starts a method if the type declares it; false: there is none, go on.
func (g *Group) run(r *resource, m model.Method) bool {
	if !g.has(r, m) {
		return false
	}
	r.running, r.ignore, r.withdrawn = m, false, false
	g.emit(Run{Resource: r.ri.Name, Method: m, Timeout: Timeout(*r.spec, *r.typ, m), Spec: *r.spec, Type: *r.typ})
	return true
}

func (g *Group) has(r *resource, m model.Method) bool {
	if !r.known() {
		return false
	}
	_, ok := r.typ.Method(m)
	return ok
}

// known reports whether this daemon has seen the records of the resource and its type: without them nothing can be stopped.
func (r *resource) known() bool { return r.spec != nil && r.typ != nil }

// Timeout is the timeout of a method: the resource's own, its type's, or the default.
func Timeout(r model.Resource, t model.Type, m model.Method) time.Duration {
	seconds := model.DefaultMethodTimeout
	if s, ok := t.Method(m); ok && s.Timeout > 0 {
		seconds = s.Timeout
	}
	for _, o := range r.Timeouts {
		if o.Method == m && o.Seconds > 0 {
			seconds = o.Seconds
		}
	}
	return time.Duration(seconds) * time.Second
}

// advance takes one step with an idle resource; false when it has to wait or has nothing to do.
func (g *Group) advance(r *resource) bool {
	want := g.desired(r)
	switch r.stage {
	case down:
		return g.fromDown(r, want)
	case prenetted:
		if !want {
			r.stage = quiet
			g.set(r, model.ResourceStopping)
			return true
		}
		if !g.in.MayStart || g.startBlocked(r) != "" {
			return false
		}
		if spec := g.spec(r); spec != nil {
			r.ri.Generation = spec.Generation
		}
		g.look(r)
		g.set(r, model.ResourceStarting)
		if !g.run(r, model.MethodStart) {
			g.started(r, Outcome{OK: true})
		}
		return true
	case standing, up:
		if want && r.stage == standing {
			return g.stand(r)
		}
		if want {
			r.ri.Leaving = false
			return g.tend(r)
		}
		if r.ri.Leaving = g.held(r) != ""; r.ri.Leaving || !g.mayStop(r) {
			return false
		}
		return g.stopMonitor(r)
	case halfUp:
		// Failover_mode NONE leaves it as it is, for people to look at; otherwise the group is on its way down.
		if want || !g.mayStop(r) || g.held(r) != "" {
			return false
		}
		r.stage = quiet
		g.set(r, model.ResourceStopping)
		return true
	case quiet:
		if !r.known() {
			g.lost(r)
		} else if !g.run(r, model.MethodStop) {
			r.stage = stopped
		}
		return true
	case stopped:
		if !r.known() {
			g.lost(r)
			return true
		}
		r.ending = true
		g.emit(End{Resource: r.ri.Name, Spec: *r.spec, Type: *r.typ})
		return true
	case ended:
		if !g.addressesDown(r) {
			return false
		}
		if !g.run(r, model.MethodPostnetStop) {
			g.nowDown(r)
		}
		return true
	}
	return false
}

// lost is the end of a resource that an earlier daemon started and whose records are gone: nobody knows how to stop it, so it counts as running.
func (g *Group) lost(r *resource) {
	why := "cannot be stopped: its record or that of its type is no longer configured; configure it again, then clear the resource"
	r.stage, r.restart = stopFailed, false
	r.status(model.StatusFaulted, why)
	g.set(r, model.ResourceStopFailed)
	g.emit(Note{Text: why, Resource: r.ri.Name})
}

// fromDown brings a resource through Init and Prenet_start.
func (g *Group) fromDown(r *resource, want bool) bool {
	if g.initialize(r) {
		return true
	}
	if r.restart {
		r.restart = false
		return true
	}
	if !want || !g.in.MayStart || g.prenetBlocked(r) != "" {
		return false
	}
	g.set(r, model.ResourceStarting)
	r.told = false
	r.status(model.StatusUnknown, "starting")
	if !g.run(r, model.MethodPrenetStart) {
		r.stage = prenetted
	}
	return true
}

// nowUp notes a successful Start.
func (g *Group) nowUp(r *resource, o Outcome) {
	r.stage, r.sick, r.aborted = up, false, false
	r.ri.Starts++
	g.withdraw(r)
	status := o.Status
	if status == "" {
		status = model.StatusOnline
	}
	r.status(status, o.Message)
	g.set(r, model.ResourceOnlineNotMonitored)
}

// nowDown notes that nothing of the resource is left.
func (g *Group) nowDown(r *resource) {
	r.stage, r.sick, r.aborted = down, false, false
	r.ri.Sights = nil
	if !r.restart {
		r.ri.RestartCount, r.ri.Restarts = 0, nil
	}
	r.status(model.StatusOffline, "")
	g.set(r, model.ResourceOffline)
}

// tend keeps an online resource's monitor and its Update method in step with its record.
func (g *Group) tend(r *resource) bool {
	spec := g.spec(r)
	if spec == nil {
		return false
	}
	monitored := spec.MonitoredOn(g.in.Node)
	if g.update(r, spec) {
		return true
	}
	g.watch(r, monitored)
	switch {
	case monitored && !r.ri.Monitoring && r.ri.State != model.ResourceMonitorFailed:
		if !g.run(r, model.MethodMonitorStart) {
			g.monitoring(r)
		}
		return true
	case !monitored && (r.ri.Monitoring || r.watching):
		return g.unmonitor(r)
	}
	return false
}

// update runs Update when the record is a newer one than the methods have seen; false: it is not.
func (g *Group) update(r *resource, spec *model.Resource) bool {
	if r.ri.Generation == spec.Generation {
		return false
	}
	r.ri.Generation = spec.Generation
	if r.watching {
		r.watching = false // watch anew, with the new properties
		g.emit(Unwatch{Resource: r.ri.Name})
	}
	g.run(r, model.MethodUpdate)
	return true
}

func (g *Group) watch(r *resource, monitored bool) {
	if monitored && !r.watching && r.known() {
		r.watching = true
		g.emit(Watch{Resource: r.ri.Name, Spec: *r.spec, Type: *r.typ})
	}
}

func (g *Group) monitoring(r *resource) {
	r.ri.Monitoring = true
	if r.stage == up {
		g.set(r, model.ResourceOnline)
	}
}

// unmonitor ends the watch and runs Monitor_stop.
func (g *Group) unmonitor(r *resource) bool {
	if r.watching {
		r.watching = false
		g.emit(Unwatch{Resource: r.ri.Name})
	}
	was := r.ri.Monitoring
	r.ri.Monitoring = false
	if g.desired(r) && r.stage == up {
		g.set(r, model.ResourceOnlineNotMonitored)
	}
	if was {
		g.run(r, model.MethodMonitorStop)
	}
	return true
}

// stopMonitor begins to stop an online resource.
func (g *Group) stopMonitor(r *resource) bool {
	g.set(r, model.ResourceStopping)
	if r.watching || r.ri.Monitoring {
		return g.unmonitor(r)
	}
	r.stage = quiet
	return true
}
