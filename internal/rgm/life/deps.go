package life

import (
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// goesUp reports whether the group shall be online here.
func (g *Group) goesUp() bool {
	a := g.in.Assignment
	switch {
	case !g.in.Group.Managed || g.in.Draining || !a.On(g.in.Node, g.in.Incarnation):
		return false
	case a.Version < g.inst.Version:
		return false // an older reading of the repository than one already acted on
	case g.inst.Plea != nil && g.inst.Plea.Kind == model.PleaStartFailed:
		return false // it asked for another node; a newer version answers
	case a.Restart > g.inst.Restart:
		return false // down first
	}
	return true
}

// desired reports whether the resource shall be up at this moment.
func (g *Group) desired(r *resource) bool {
	return g.ordered(r, len(g.res)) && !r.restart
}

// ordered reports whether the resource shall be up when nothing is being restarted. What it has an offline-restart dependency on has to be ordered up too if
// it is in this group, and online if it is in another; depth ends the search in a circle, which validation refuses.
func (g *Group) ordered(r *resource, depth int) bool {
	if depth < 0 || !g.enabled(r) {
		return false
	}
	for _, d := range g.spec(r).Dependencies {
		o := g.find(d.On)
		if o == nil || d.Kind != model.DependOfflineRestart || !d.AppliesOn(g.in.Node) || o.stage != standing && g.ordered(o, depth-1) {
			continue
		}
		if d.Qualifier != model.AnyNode || g.elsewhere(needOf(d)) != "" {
			return false
		}
	}
	return g.bereft(r, depth) == ""
}

// enabled reports whether people want the resource up here.
func (g *Group) enabled(r *resource) bool {
	spec := g.spec(r)
	return spec != nil && g.goesUp() && spec.EnabledOn(g.in.Node) && !spec.Deleting
}

func (g *Group) deleting(r *resource) bool {
	spec := g.spec(r)
	return spec == nil || spec.Deleting
}

// address reports whether the resource is a network address.
func (g *Group) address(r *resource) bool { return r.typ != nil && r.typ.NetworkAddress }

// need is one thing a resource depends on.
type need struct {
	on   cluster.ResourceName
	weak bool
	kind model.DependencyKind
	qual string
}

func needOf(d model.Dependency) need {
	return need{on: d.On, weak: d.Kind == model.DependWeak, kind: d.Kind, qual: d.Qualifier}
}

// needs lists the declared dependencies that hold on this node and the implicit one on the group's addresses.
func (g *Group) needs(r *resource) []need {
	spec := r.spec
	if spec == nil {
		return nil
	}
	var ns []need
	for _, d := range spec.Dependencies {
		if d.AppliesOn(g.in.Node) {
			ns = append(ns, needOf(d))
		}
	}
	if g.in.Group.ImplicitNetworkDependencies && !g.address(r) {
		for _, o := range g.res {
			s := o.spec
			if s != nil && g.address(o) && s.EnabledOn(g.in.Node) && !slices.ContainsFunc(ns, func(n need) bool { return n.on == o.ri.Name }) {
				ns = append(ns, need{on: o.ri.Name, kind: model.DependStrong})
			}
		}
	}
	return ns
}

// prenetBlocked says what Prenet_start waits for: everything but the addresses of the group.
func (g *Group) prenetBlocked(r *resource) string { return g.blocked(r, false) }

// startBlocked says what Start waits for; an address also waits for the Prenet_start of those that need it.
func (g *Group) startBlocked(r *resource) string {
	if g.address(r) {
		for _, o := range g.res {
			if o != r && o.stage == down && g.desired(o) && g.has(o, model.MethodPrenetStart) && g.needsDirectly(o, r.ri.Name) && g.prenetBlocked(o) == "" {
				return string(o.ri.Name) + " has not run Prenet_start"
			}
		}
	}
	return g.blocked(r, true)
}

func (g *Group) needsDirectly(r *resource, on cluster.ResourceName) bool {
	return slices.ContainsFunc(g.needs(r), func(n need) bool { return n.on == on })
}

// blocked returns the first dependency that keeps a resource from starting, "" when none does.
func (g *Group) blocked(r *resource, addresses bool) string {
	if g.typeOf(g.spec(r)) == nil {
		return "its resource type is not registered"
	}
	if !g.begun {
		return g.groupBlocked()
	}
	for _, n := range g.needs(r) {
		o := g.find(n.on)
		switch {
		case o == nil:
			if why := g.elsewhere(n); why != "" {
				return why
			}
		case g.address(o) && !addresses:
		case n.weak:
			coming := (o.stage == down || o.stage == prenetted) && (g.desired(o) || o.restart) && !g.hopeless(o, len(g.res))
			if coming || !o.idle() && o.stage != up {
				return string(n.on) + " is still starting"
			}
		case o.stage != up || o.restart:
			if n.qual == model.AnyNode && g.elsewhere(n) == "" {
				continue
			}
			return describe(o, g.desired(o))
		}
	}
	return ""
}

// hopeless reports whether a resource cannot come up before somebody does something: what it needs has failed, is disabled, or is not online in another
// group and does not come. Who depends on it weakly does not wait for it.
func (g *Group) hopeless(r *resource, depth int) bool {
	for _, n := range g.needs(r) {
		o := g.find(n.on)
		switch {
		case n.weak || depth < 0:
		case o == nil:
			if g.elsewhere(n) != "" && !g.expected(n) {
				return true
			}
		case o.stage == stopFailed, o.stage == standing && !o.restart, o.stage == halfUp && !o.restart, o.stage == down && !o.restart && !g.desired(o):
			return true
		case o.stage != up && g.hopeless(o, depth-1):
			return true
		}
	}
	return false
}

func describe(o *resource, desired bool) string {
	switch {
	case o.stage == halfUp:
		return string(o.ri.Name) + " failed to start"
	case o.stage == stopFailed:
		return string(o.ri.Name) + " failed to stop"
	case o.stage == standing && desired:
		return string(o.ri.Name) + " stands for something that is not online here"
	case !desired && !o.restart:
		return string(o.ri.Name) + " is disabled"
	}
	return string(o.ri.Name) + " is not online yet"
}

// mayStop reports whether nothing that depends on the resource, and is going down too, is still up.
func (g *Group) mayStop(r *resource) bool {
	for _, o := range g.res {
		if o == r || o.stage == down || o.stage == ended || g.desired(o) && o.idle() {
			continue
		}
		if o.stage == prenetted && o.idle() && !g.has(o, model.MethodPrenetStart) {
			continue
		}
		if g.needsDirectly(o, r.ri.Name) {
			return false
		}
	}
	return true
}

// addressesDown reports whether the addresses that the resource needs, and that are going down too, are down: Postnet_stop comes after them.
func (g *Group) addressesDown(r *resource) bool {
	if !g.has(r, model.MethodPostnetStop) {
		return true
	}
	for _, n := range g.needs(r) {
		o := g.find(n.on)
		if o != nil && g.address(o) && o.stage != down && !g.desired(o) && o.stage != stopFailed {
			return false
		}
	}
	return true
}

// state computes the group's state and what it waits for.
func (g *Group) state() (model.GroupState, string) {
	failed := ""
	busy, allUp, faulted := false, true, false
	blocked, held := "", ""
	if g.goesUp() && !g.begun {
		blocked, allUp = g.groupBlocked(), false
	}
	for _, r := range g.res {
		switch {
		case r.stage == stopFailed:
			failed = string(r.ri.Name) + ": " + r.ri.Message
		case !r.idle():
			if r.running != model.MethodMonitorStart && r.running != model.MethodUpdate && r.running != model.MethodMonitorStop || r.stage != up && r.stage != standing {
				busy = true
			}
		}
		if !g.desired(r) && !r.restart {
			if r.stage != down {
				busy = true
				if why := g.held(r); why != "" && held == "" {
					held = why
				}
			} else if why := g.bereft(r, len(g.res)); why != "" && g.enabled(r) {
				allUp = false
				if blocked == "" {
					blocked = string(r.ri.Name) + ": " + why
				}
			}
			continue
		}
		switch r.stage {
		case up:
		case standing:
			allUp = false
			if blocked == "" {
				blocked = string(r.ri.Name) + ": " + r.ri.Message
			}
		case halfUp:
			faulted, allUp = true, false
		default:
			allUp = false
			if why := g.startBlocked(r); why != "" && r.idle() && blocked == "" {
				blocked = string(r.ri.Name) + ": " + why
			}
		}
	}
	switch {
	case failed != "":
		return model.GroupErrorStopFailed, failed
	case !g.goesUp() && g.nothingUp() && !g.in.Group.Managed:
		return model.GroupUnmanaged, ""
	case !g.goesUp() && g.nothingUp():
		return model.GroupOffline, ""
	case !g.goesUp():
		return model.GroupPendingOffline, held
	case allUp && !busy:
		return model.GroupOnline, ""
	case busy:
		return model.GroupPendingOnline, held
	case faulted:
		return model.GroupOnlineFaulted, ""
	case blocked != "" && g.in.MayStart:
		return model.GroupPendingOnlineBlocked, blocked
	}
	return model.GroupPendingOnline, ""
}
