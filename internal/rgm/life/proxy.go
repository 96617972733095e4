package life

import "redoubt/internal/rgm/model"

// A proxy stands for a service that something outside the cluster starts and stops. Its methods only bring up what follows that service, from Prenet_start on, and that
// reports, by scha_control, when the service goes online or offline: the state of the resource follows without any method. Between its start and the first report, and
// whenever the service is offline, it is standing: OFFLINE for everybody who depends on it, though it has to be stopped.

func (g *Group) proxy(r *resource) bool { return r.typ != nil && r.typ.Proxy }

// started notes a successful Start.
func (g *Group) started(r *resource, o Outcome) {
	if g.proxy(r) && !r.told {
		r.sick, r.aborted = false, false
		g.toStand(r)
		return
	}
	g.nowUp(r, o)
}

func (g *Group) toStand(r *resource) {
	r.stage = standing
	r.status(model.StatusOffline, "what it stands for is not reported online here")
	g.set(r, model.ResourceOffline)
}

// stand keeps what follows the service in step with the record; a monitor of the resource itself runs only while it is online.
func (g *Group) stand(r *resource) bool {
	spec := g.spec(r)
	switch {
	case !g.proxy(r): // its type has been registered anew, as one whose methods start the service
		g.nowUp(r, Outcome{OK: true})
		return true
	case r.ri.Monitoring:
		r.ri.Monitoring = false
		g.run(r, model.MethodMonitorStop)
		return true
	case g.update(r, spec):
		return true
	}
	monitored := spec.MonitoredOn(g.in.Node)
	g.watch(r, monitored)
	if !monitored && r.watching {
		return g.unmonitor(r)
	}
	return false
}

// hear takes over what a proxy says of its service. Before its start has ended that is only kept: it counts when it has.
func (g *Group) hear(r *resource, online bool) {
	begins := r.stage == prenetted || r.stage == down && r.running == model.MethodPrenetStart
	if !g.proxy(r) || !begins && r.stage != standing && r.stage != up {
		return
	}
	r.told = online
	switch {
	case online && r.stage == standing && r.ri.State == model.ResourceOffline:
		g.nowUp(r, Outcome{OK: true})
	case !online && r.stage == up && r.ri.State != model.ResourceStopping:
		g.toStand(r)
	}
}
