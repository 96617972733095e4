package control

import (
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// around is who depends on whom in a reading, and what living nodes report.
func (v view) around() *life.Around {
	lives := map[cluster.NodeName]cluster.Incarnation{}
	for _, n := range v.state.Nodes {
		if n.Member {
			lives[n.Name] = n.Incarnation
		}
	}
	return life.Survey(v.state, lives)
}

// comes reports whether a group that waits on some of its nodes comes online on all of them without anybody doing anything.
func (v view) comes(a model.Assignment) bool {
	around := v.around()
	return !slices.ContainsFunc(a.Targets, func(t model.Target) bool { return !around.Comes(a.Group, t.Node) })
}

// mayGo says why a group can not be taken offline, from nodes if any are named: a resource of another group that stays online needs one of its resources. What
// the same command takes offline too stops first by itself.
func (d *draft) mayGo(g model.Group, nodes []cluster.NodeName, p placing) error {
	if d.tied == nil {
		d.tied = d.around() // once for all groups that are named: there may be thousands
	}
	goes := func(n cluster.NodeName) bool { return len(nodes) == 0 || slices.Contains(nodes, n) }
	named := func(o cluster.GroupName) bool { return p.all || slices.Contains(p.names, string(o)) }
	var errs []error
	for _, r := range d.tied.Members(g.Name) {
		var there, left []cluster.NodeName
		for _, i := range check.Instances(d.state, g.Name) {
			if isUp(resourceIn(i, r.Name).State) {
				there = append(there, i.Node)
				if !goes(i.Node) {
					left = append(left, i.Node)
				}
			}
		}
		if len(there) > 0 && len(left) == 0 {
			errs = append(errs, d.shareLoad(g, r, func(o cluster.GroupName, n cluster.NodeName) bool { return named(o) && goes(n) })...)
		}
		for _, o := range d.tied.Dependents(r.Name) {
			if o.Dep.Kind != model.DependStrong && o.Dep.Kind != model.DependRestart {
				continue
			}
			local := o.Dep.Local(*o.Group, g.Name)
			for _, i := range check.Instances(d.state, o.Group.Name) {
				safe := len(left) > 0
				if local {
					safe = !slices.Contains(there, i.Node) || !goes(i.Node)
				}
				if safe || len(there) == 0 || !o.Dep.AppliesOn(i.Node) || !isUp(resourceIn(i, o.Spec.Name).State) || named(o.Group.Name) && goes(i.Node) {
					continue
				}
				errs = append(errs, fault.Errorf(fault.Precondition,
					"group %s: resource %s of group %s is online on node %s and depends on its resource %s; take both offline with `redoubt group offline %s %s`, in which %s stops first, or disable %s before",
					g.Name, o.Spec.Name, o.Group.Name, i.Node, r.Name, g.Name, o.Group.Name, o.Group.Name, o.Spec.Name))
			}
		}
	}
	return together(errs)
}

// shareLoad says which scalable services would be left without the shared address r of a group; ends says which groups go offline in the same step, and where.
func (d *draft) shareLoad(g model.Group, r model.Resource, ends func(cluster.GroupName, cluster.NodeName) bool) []error {
	if r.Type != balance.SharedAddress {
		return nil
	}
	var errs []error
	for _, o := range d.state.Resources {
		if o.Group == g.Name || !balance.Scalable(o) || !slices.ContainsFunc(balance.Uses(d.state, o), func(a model.Resource) bool { return a.Name == r.Name }) {
			continue
		}
		var on []cluster.NodeName
		for _, i := range check.Instances(d.state, o.Group) {
			if isUp(resourceIn(i, o.Name).State) && !ends(o.Group, i.Node) {
				on = append(on, i.Node)
			}
		}
		if len(on) > 0 {
			errs = append(errs, fault.Errorf(fault.Precondition,
				"group %s: resource %s of group %s is online on %s and shares its load by its resource %s; take both offline with `redoubt group offline %s %s`, or disable %s before",
				g.Name, o.Name, o.Group, commas(on), r.Name, g.Name, o.Group, o.Name))
		}
	}
	return errs
}

// sayUntended names what is not restarted and stopped with the resources of a group while that is suspended.
func (d *draft) sayUntended(g model.Group) {
	for _, o := range d.state.Resources {
		if o.Group == g.Name {
			continue
		}
		for _, dep := range o.Dependencies {
			if on, ok := check.Resource(d.state, dep.On); ok && on.Group == g.Name && dep.Kind.Restarts() {
				d.say("while group " + string(g.Name) + " is suspended, resource " + string(o.Name) + " of group " + string(o.Group) + " does not restart with " + string(dep.On) + "; what it misses it does when the group is resumed")
			}
		}
	}
}
