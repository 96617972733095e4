package sim

import (
	"fmt"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// checkExclusive is invariant I1: what belongs to a group runs on at most Maximum_primaries machines.
func (w *World) checkExclusive() {
	on := map[cluster.GroupName][]cluster.NodeName{}
	for _, n := range w.nodes {
		if n.asleep() {
			continue
		}
		var here []cluster.GroupName
		for _, p := range n.procs {
			if !slices.Contains(here, p.group) {
				here = append(here, p.group)
			}
		}
		for _, g := range here {
			on[g] = append(on[g], n.name)
		}
	}
	for _, g := range w.op.groups {
		if len(on[g.Name]) > g.MaximumPrimaries {
			w.violated("I1", "group %s runs on %v, Maximum_primaries is %d", g.Name, on[g.Name], g.MaximumPrimaries)
		}
	}
}

// asleep reports whether what is on a frozen or just thawed machine does not count as running: its lease has ended and its guard could not act. With a fence agent it counts.
func (n *node) asleep() bool {
	return !n.w.opt.Fence && (n.frozen || n.w.now < n.excused) && n.guard != nil && n.w.now >= n.guard.overAt
}

// checkLeases is invariant I2: nothing runs on a machine beyond the end of its lease and the reaction of its guard.
func (w *World) checkLeases() {
	for _, n := range w.nodes {
		if len(n.procs) == 0 || n.frozen || w.now < n.excused {
			continue
		}
		switch {
		case n.guard == nil:
			w.violated("I2", "something runs on %s without a guard", n.name)
		case n.guard.lease == 0:
			w.violated("I2", "something runs on %s before its guard has a lease", n.name)
		case w.now > n.guard.overAt:
			w.violated("I2", "something runs on %s beyond the end of its lease and its guard's reaction", n.name)
		}
	}
}

// checkGone is the heart of I1, seen at its cause: an incarnation that somebody holds for gone has no lease any more.
func (w *World) checkGone(d *daemon) {
	for _, g := range d.view.Gone {
		n := w.byName[g.Node]
		if n.guard == nil || n.guard.inc != g.Incarnation || n.left == g.Incarnation && len(n.procs) == 0 || n.asleep() {
			continue
		}
		if w.now <= n.guard.overAt && n.guard.lease != 0 {
			w.violated("I1", "%s holds %s/%v for gone while its lease runs for another %v", d.n.name, g.Node, g.Incarnation, n.guard.overAt-w.now)
		}
	}
}

// checkStart is invariant I5: a start is decided only with a current lease and on the newest assignment that the node knows.
func (w *World) checkStart(l *lifetime, in life.Input, a life.Run) {
	if a.Method != model.MethodStart && a.Method != model.MethodPrenetStart {
		return
	}
	n, g := l.d.n, l.guard
	known := l.groups[in.Group.Name].life.Instance().Version
	switch {
	case g.lease <= n.clock():
		w.violated("I5", "%s starts %s, but its guard's lease has ended", n.name, a.Resource)
	case !in.Assignment.On(n.name, g.inc):
		w.violated("I5", "%s starts %s, but version %d of the assignment does not order it there", n.name, a.Resource, in.Assignment.Version)
	case in.Assignment.Version < known:
		w.violated("I5", "%s starts %s on version %d, but knew version %d", n.name, a.Resource, in.Assignment.Version, known)
	}
}

// checkOrder is invariant I4: what a resource strongly depends on is up before it starts, and what depends on it is down before it stops, when both go
// the same way.
func (w *World) checkOrder(n *node, in life.Input, a life.Run) {
	leaves := !in.Assignment.On(n.name, in.Incarnation)
	for _, r := range in.Resources {
		for _, dep := range r.Dependencies {
			p, on := n.procs[r.Name], n.procs[dep.On]
			own := slices.ContainsFunc(in.Resources, func(o model.Resource) bool { return o.Name == dep.On })
			switch {
			case dep.Kind == model.DependWeak || !own:
			case a.Method == model.MethodStart && r.Name == a.Resource && (on == nil || !on.up):
				w.violated("I4", "%s starts on %s before %s is up", r.Name, n.name, dep.On)
			case a.Method == model.MethodStop && leaves && dep.On == a.Resource && p != nil && p.up:
				w.violated("I4", "%s stops on %s while %s is up", dep.On, n.name, r.Name)
			}
		}
	}
}

// checkAssignment looks at what the president writes: nobody becomes a target beyond Maximum_primaries, counting those who leave.
func (w *World) checkAssignment(old, a model.Assignment) {
	w.staysStill(old, a)
	added := slices.ContainsFunc(a.Targets, func(t model.Target) bool { return !slices.Contains(old.Targets, t) })
	for _, g := range w.op.groups {
		if g.Name == a.Group && added && len(a.Targets)+len(a.Leaving) > g.MaximumPrimaries {
			w.violated("I1", "group %s was assigned to %v with %v leaving, Maximum_primaries is %d", a.Group, a.Targets, a.Leaving, g.MaximumPrimaries)
		}
	}
}

// checkPlaces is invariant I6, on what the president writes: no node becomes a target of a group while a group that it may not share the node with is there or
// still leaves, nor where its strong target is not ordered, nor beyond a hard limit, of which only suspended and stuck groups may take more than there is.
func (w *World) checkPlaces(before, after []model.Assignment, s model.State) {
	at := func(list []model.Assignment, g cluster.GroupName) model.Assignment {
		i := slices.IndexFunc(list, func(a model.Assignment) bool { return a.Group == g })
		if i < 0 {
			return model.Assignment{}
		}
		return list[i]
	}
	on := func(list []model.Target, n cluster.NodeName) bool {
		return slices.ContainsFunc(list, func(t model.Target) bool { return t.Node == n })
	}
	there := func(g cluster.GroupName, n cluster.NodeName) bool {
		a := at(after, g)
		return on(a.Targets, n) || on(a.Leaving, n)
	}
	bound := func(g model.Group, kind model.AffinityKind, to cluster.GroupName) bool {
		return slices.Contains(g.Affinities, model.Affinity{Kind: kind, Target: to})
	}
	for _, g := range s.Groups {
		for _, t := range at(after, g.Name).Targets {
			if slices.Contains(at(before, g.Name).Targets, t) {
				continue
			}
			for _, o := range s.Groups {
				switch {
				case (bound(g, model.AffinityForbid, o.Name) || bound(o, model.AffinityForbid, g.Name)) && there(o.Name, t.Node):
					w.violated("I6", "group %s is ordered on %s, which it may not share with group %s", g.Name, t.Node, o.Name)
				case (bound(g, model.AffinityRequire, o.Name) || bound(g, model.AffinityDelegate, o.Name)) && !on(at(after, o.Name).Targets, t.Node):
					w.violated("I6", "group %s is ordered on %s, where its strong target %s is not", g.Name, t.Node, o.Name)
				}
			}
			w.checkLoad(s, g, t.Node, there)
		}
	}
}

// checkLoad is the part of I6 about hard limits.
func (w *World) checkLoad(s model.State, g model.Group, n cluster.NodeName, there func(cluster.GroupName, cluster.NodeName) bool) {
	i := slices.IndexFunc(s.Nodes, func(x model.NodeState) bool { return x.Name == n })
	for _, limit := range s.Nodes[i].LoadLimits {
		var sum, fixed int64
		for _, o := range s.Groups {
			for _, f := range o.LoadFactors {
				if f.Name == limit.Name && there(o.Name, n) {
					sum += f.Load
					if o.Suspended {
						fixed += f.Load
					}
				}
			}
		}
		carries := slices.ContainsFunc(g.LoadFactors, func(f model.LoadFactor) bool { return f.Name == limit.Name && f.Load > 0 })
		if carries && sum > limit.Hard && fixed <= limit.Hard {
			w.violated("I6", "group %s is ordered on %s, whose %s is then %d of %d", g.Name, n, limit.Name, sum, limit.Hard)
		}
	}
}

// unsettled says why the cluster is not at rest as it should be once nothing fails any more; "" when it is.
func (w *World) unsettled() string {
	snap := w.store.log[len(w.store.log)-1].snap
	rec := snap.Record
	for _, n := range w.nodes {
		if _, ok := rec.Member(n.name); !ok && !n.server {
			return fmt.Sprintf("node %s is no member", n.name)
		}
	}
	if len(rec.Leaving) > 0 || rec.PrevTiming != nil || rec.NextVoters != nil || len(rec.Extended) > 0 {
		return "the record is not tidy: " + describe(*rec)
	}
	for _, v := range rec.Voters {
		if x := w.store.seatOf(w.byName[v.Node]); x == nil || x.learner || x.bare {
			return fmt.Sprintf("voter %s has no whole copy of the repository", v.Node)
		}
	}
	president := w.byName[rec.President]
	if president == nil || president.daemon == nil {
		return "there is no president"
	}
	view := president.daemon.m.View()
	if why := w.unsettledGroups(snap, view, president.wall()); why != "" {
		return why
	}
	if why := w.unshared(); why != "" {
		return why
	}
	if why := w.op.unquieted(); why != "" {
		return why
	}
	if steps := order.Plan(engine.BuildState(snap, view, president.wall())); len(steps) > 0 {
		return fmt.Sprintf("the plan is not empty: %+v", steps[0])
	}
	return ""
}

func (w *World) unsettledGroups(snap engine.Snapshot, view membership.View, now time.Time) string {
	look := order.Look(engine.BuildState(snap, view, now))
	for k, g := range snap.State.Groups {
		var a model.Assignment
		if i := slices.IndexFunc(snap.State.Assignments, func(x model.Assignment) bool { return x.Group == g.Name }); i >= 0 {
			a = snap.State.Assignments[i]
		}
		able := 0
		for _, n := range g.Nodelist {
			if !slices.Contains(a.OffNodes, n) {
				able++
			}
		}
		want := min(able, g.DesiredPrimaries)
		if a.Primaries > 0 && a.PrimariesOf == g.DesiredPrimaries {
			want = min(want, a.Primaries) // it was switched to fewer
		}
		if tied(g, snap.State) {
			want = min(want, len(look.Wanted(k))) // others may leave no room for it; then it has to be said
			if want < min(able, g.DesiredPrimaries) && want == 0 && len(a.Notes) == 0 {
				return fmt.Sprintf("group %s runs nowhere and nobody says why", g.Name)
			}
		}
		switch {
		case g.Managed && !a.Off && !g.Suspended && len(a.Targets) < want:
			return fmt.Sprintf("group %s has %d of %d targets: %v", g.Name, len(a.Targets), want, a.Notes)
		case a.Off && len(a.Targets) > 0:
			return fmt.Sprintf("group %s was taken offline and has targets %v", g.Name, a.Targets)
		}
		for _, n := range w.nodes {
			on := slices.ContainsFunc(a.Targets, func(t model.Target) bool { return t.Node == n.name })
			runs := 0
			for _, p := range n.procs {
				if p.group == g.Name {
					runs++
				}
			}
			i := slices.IndexFunc(snap.State.Instances, func(i model.Instance) bool { return i.Group == g.Name && i.Node == n.name })
			if on && (i < 0 || snap.State.Instances[i].State != model.GroupOnline) {
				state := model.GroupState("not reported")
				if i >= 0 {
					state = snap.State.Instances[i].State + " " + model.GroupState(snap.State.Instances[i].BlockedOn)
				}
				if i >= 0 && snap.State.Instances[i].State == model.GroupPendingOnlineBlocked && awaits(g, n.name, snap.State) {
					continue
				}
				return fmt.Sprintf("group %s on %s is %s", g.Name, n.name, state)
			}
			if !on && runs > 0 {
				return fmt.Sprintf("%d resources of group %s run on %s, which is no target", runs, g.Name, n.name)
			}
		}
	}
	return ""
}

// tied reports whether the place of a group depends on others.
func tied(g model.Group, s model.State) bool {
	return len(g.LoadFactors) > 0 || len(g.Affinities) > 0 || slices.ContainsFunc(s.Groups, func(o model.Group) bool {
		return slices.ContainsFunc(o.Affinities, func(a model.Affinity) bool { return a.Target == g.Name && a.Kind == model.AffinityForbid })
	})
}

// awaits reports whether a group needs, on a node, another that is not ordered where it has to be, or that awaits another in turn.
func awaits(g model.Group, n cluster.NodeName, s model.State) bool {
	missing := func(name cluster.GroupName, local bool) bool {
		o := slices.IndexFunc(s.Groups, func(o model.Group) bool { return o.Name == name })
		a := slices.IndexFunc(s.Assignments, func(a model.Assignment) bool { return a.Group == name })
		if o < 0 || a < 0 {
			return true
		}
		return !slices.ContainsFunc(s.Assignments[a].Targets, func(t model.Target) bool {
			return (!local || t.Node == n) && !awaits(s.Groups[o], t.Node, s)
		})
	}
	for _, d := range g.Dependencies {
		if missing(d, false) {
			return true
		}
	}
	for _, r := range s.Resources {
		for _, d := range r.Dependencies {
			on := slices.IndexFunc(s.Resources, func(o model.Resource) bool { return o.Name == d.On })
			if r.Group == g.Name && on >= 0 && s.Resources[on].Group != g.Name && d.Kind != model.DependWeak && d.AppliesOn(n) &&
				missing(s.Resources[on].Group, d.Local(g, s.Resources[on].Group)) {
				return true
			}
		}
	}
	return false
}
