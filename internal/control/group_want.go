package control

import (
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// wish writes what is asked of a group's place, one Seq further.
func (d *draft) wish(w model.Want) {
	for _, old := range d.state.Wants {
		if old.Group == w.Group {
			w.Seq = old.Seq
		}
	}
	// A group that was deleted and made anew has an assignment without a want: go on from what it has acted on.
	w.Seq = max(w.Seq, d.assignment(w.Group).WantSeq) + 1
	w.By, w.At = d.who.String(), d.now.UTC()
	d.rely(confdb.KeyGroup(w.Group))
	d.put(confdb.KeyWant(w.Group), confdb.KindWant, w)
}

// seqOf is the newest want of a group in a reading.
func (v view) seqOf(g cluster.GroupName) uint64 {
	for _, w := range v.state.Wants {
		if w.Group == g {
			return w.Seq
		}
	}
	return 0
}

// mayPlace says why a group's place can not be changed at all.
func mayPlace(g model.Group, manage bool) error {
	switch {
	case g.Deleting:
		return fault.Errorf(fault.Precondition, "group %s is being deleted", g.Name)
	case !g.Managed && !manage:
		return fault.Errorf(fault.Precondition, "group %s is not managed; run `redoubt group manage %s`, or add -M", g.Name, g.Name)
	}
	return nil
}

// targets checks nodes that a group shall run on.
func (v view) targets(g model.Group, nodes []cluster.NodeName) error {
	var errs []error
	for _, n := range nodes {
		switch {
		case !slices.Contains(g.Nodelist, n):
			if _, err := v.node(n); err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, fault.Errorf(fault.Invalid, "node %s is not in the nodelist of group %s (%s); add it with `redoubt group add-node -n %s %s`", n, g.Name, commas(g.Nodelist), n, g.Name))
		case !v.isMember(n):
			errs = append(errs, fault.Errorf(fault.Precondition, "node %s is not in the cluster at the moment, so group %s can not run there; start it, or choose another node", n, g.Name))
		}
	}
	if len(errs) == 0 && len(nodes) > g.MaximumPrimaries {
		errs = append(errs, fault.Errorf(fault.Invalid, "group %s runs on %d nodes at most (Maximum_primaries), but %d are named", g.Name, g.MaximumPrimaries, len(nodes)))
	}
	return together(errs)
}

// onlineWant is what to ask for when a group shall come online, on nodes if any are named. add keeps it where it runs besides.
func (v view) onlineWant(g model.Group, nodes []cluster.NodeName, add bool) (model.Want, error) {
	w := model.Want{Group: g.Name, Online: true, Force: true}
	var now []cluster.NodeName
	for _, t := range v.assignment(g.Name).Targets {
		now = append(now, t.Node)
	}
	if len(nodes) == 0 {
		if g.Suspended {
			// The planner moves a suspended group only to nodes that an administrator names: choose for him.
			if w.Nodes = v.choose(g, now, nil); len(w.Nodes) == 0 {
				return w, fault.Errorf(fault.Precondition, "no node of the nodelist of group %s can run it now", g.Name)
			}
		}
		return w, nil
	}
	if err := v.targets(g, nodes); err != nil {
		return w, err
	}
	w.Nodes = nodes
	if !add {
		return w, nil
	}
	for _, n := range now {
		if !slices.Contains(w.Nodes, n) {
			w.Nodes = append(w.Nodes, n)
		}
	}
	if len(w.Nodes) > g.MaximumPrimaries {
		return w, fault.Errorf(fault.Precondition, "group %s is online on %s and may run on %d nodes at most (Maximum_primaries); move it with `redoubt group switch -n %s %s`", g.Name, commas(now), g.MaximumPrimaries, commas(nodes), g.Name)
	}
	return w, nil
}

// choose is where the planner would put a group, leaving out some nodes.
func (v view) choose(g model.Group, current, without []cluster.NodeName) []cluster.NodeName {
	return order.Choose(v.state, g.Name, current, without, g.DesiredPrimaries)
}

// offlineWant is what to ask for when a group shall go offline, from nodes if any are named.
func (v view) offlineWant(g model.Group, nodes []cluster.NodeName) (model.Want, error) {
	w := model.Want{Group: g.Name}
	var errs []error
	for _, n := range nodes {
		if !slices.Contains(g.Nodelist, n) {
			errs = append(errs, fault.Errorf(fault.Invalid, "node %s is not in the nodelist of group %s (%s)", n, g.Name, commas(g.Nodelist)))
		}
	}
	left := slices.DeleteFunc(v.runsOn(g.Name), func(n cluster.NodeName) bool { return slices.Contains(nodes, n) })
	if len(nodes) > 0 && len(left) > 0 {
		w.Nodes = slices.Sorted(slices.Values(nodes))
	}
	// Taken off every node it is on, a group shall not come up on another.
	return w, together(errs)
}

// bring applies -e, -m and -M of online and switch to a group and its resources.
func (d *draft) bring(g model.Group, enable, monitor, manage bool) model.Group {
	if manage && !g.Managed {
		g.Managed = true
		d.put(confdb.KeyGroup(g.Name), confdb.KindGroup, g)
	}
	if !enable && !monitor {
		return g
	}
	for _, r := range check.ResourcesOf(d.state, g.Name) {
		changed := r
		if enable {
			changed.Enabled, changed.DisabledOn = true, nil
		}
		if monitor {
			changed.Monitored, changed.UnmonitoredOn = true, nil
		}
		if changed.Enabled != r.Enabled || changed.Monitored != r.Monitored || len(changed.DisabledOn) != len(r.DisabledOn) || len(changed.UnmonitoredOn) != len(r.UnmonitoredOn) {
			d.put(confdb.KeyResource(r.Name), confdb.KindResource, changed)
		}
	}
	return g
}
