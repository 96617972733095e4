package control

import (
	"context"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// NodeRemove removes nodes from the cluster: their groups move away, they leave in good order if they can, their certificates count no more.
func (c *Control) NodeRemove(ctx context.Context, who Caller, in v1.NodeRemove) (v1.Result, error) {
	r, err := c.enter(ctx, who, "node remove")
	if err != nil {
		return v1.Result{}, err
	}
	v := c.look(r)
	names, err := selected("node", in.Names, false, nodeNames(v.state))
	if err != nil {
		return v1.Result{}, err
	}
	return c.removeNodes(ctx, r, who, names, in.Force)
}

func (c *Control) removeNodes(ctx context.Context, r *Running, who Caller, names []string, force bool) (v1.Result, error) {
	v := c.look(r)
	var errs []error
	for _, n := range namesOf[cluster.NodeName](names) {
		if n == r.Node {
			errs = append(errs, fault.Errorf(fault.Precondition, "node %s can not remove itself; run the command on another node", n))
		}
		if !force {
			errs = append(errs, check.DeleteNode(v.state, n).Err())
			if v.fenced(n) {
				errs = append(errs, fault.Errorf(fault.Precondition, "node %s was lost, and its fence agent has not confirmed that it is off: what ran there would start elsewhere without that; make sure that the machine is off, then say so with `redoubt node clear-fence %s`, or remove it with -F", n, n))
			}
		}
		for _, g := range v.state.Groups {
			if slices.Equal(g.Nodelist, []cluster.NodeName{n}) {
				errs = append(errs, fault.Errorf(fault.Precondition, "node %s is the only one in the nodelist of group %s; add another with `redoubt group add-node`, or delete the group", n, g.Name))
			}
		}
		for _, res := range v.state.Resources {
			if g, _ := check.Group(v.state, res.Group); check.WithoutWeight(g, res, n) {
				errs = append(errs, fault.Errorf(fault.Precondition, "node %s is the only one with a weight in %s of resource %s; give another one a weight first", n, balance.PropertyWeights, res.Name))
			}
		}
	}
	if err := together(errs); err != nil {
		return v1.Result{}, err
	}
	var out v1.Result
	for _, n := range namesOf[cluster.NodeName](names) {
		if err := c.removeNode(ctx, r, who, n); err != nil {
			return out, err
		}
		out.Messages = append(out.Messages, "node "+string(n)+" is removed from the cluster; its certificate counts no more")
		out.Messages = append(out.Messages, c.afterRemoved(ctx, r, n)...)
	}
	return out, nil
}

func (c *Control) removeNode(ctx context.Context, r *Running, who Caller, n cluster.NodeName) error {
	v := c.look(r)
	if v.isMember(n) {
		if _, err := c.evacuate(ctx, r, who, []string{string(n)}, false, nil, wait(false, 0)); err != nil {
			return err
		}
		if err := c.leaveNodelists(ctx, r, who, n); err != nil {
			return err
		}
		var none v1.Result
		if err := r.Peers.Call(ctx, n, "peer", "leave", v1.PeerLeave{Why: "it is removed from the cluster"}, &none); err != nil {
			c.cfg.Log.Warn("a node that is being removed could not be told; it is removed without", "node", n, "err", err)
		}
		if err := c.removeMember(ctx, r, who, n, "removed from the cluster by "+who.String()); err != nil {
			return err
		}
	}
	_, err := c.change(ctx, r, who, configuration(func(d *draft) error { return d.forgetNode(n) }))
	return err
}

// leaveNodelists takes a node that is going to be removed out of the nodelists, as long as it is there to run its Fini methods.
func (c *Control) leaveNodelists(ctx context.Context, r *Running, who Caller, n cluster.NodeName) error {
	var groups []cluster.GroupName
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		groups = nil
		for _, g := range d.state.Groups {
			if slices.Contains(g.Nodelist, n) {
				g.Nodelist = without(g.Nodelist, []cluster.NodeName{n})
				d.put(confdb.KeyGroup(g.Name), confdb.KindGroup, g)
				groups = append(groups, g.Name)
				for _, res := range check.ResourcesOf(d.state, g.Name) {
					if cleaned, changed := forgetNodes(res, []cluster.NodeName{n}); changed {
						d.put(confdb.KeyResource(res.Name), confdb.KindResource, cleaned)
					}
				}
			}
		}
		return nil
	}))
	if err != nil {
		return err
	}
	return c.awaitFini(ctx, r, &out, groups)
}

// forgetNode deletes a node's record and all that is about it, and takes it out of nodelists and resources.
func (d *draft) forgetNode(n cluster.NodeName) error {
	node, err := d.node(n)
	if err != nil {
		return err
	}
	if node.Member {
		return fault.Errorf(fault.Precondition, "node %s has joined again meanwhile; remove it anew", n)
	}
	var ps check.Problems
	state := d.state
	for _, g := range d.state.Groups {
		if !slices.Contains(g.Nodelist, n) {
			continue
		}
		g.Nodelist = without(g.Nodelist, []cluster.NodeName{n})
		state = check.WithGroup(state, g)
		d.put(confdb.KeyGroup(g.Name), confdb.KindGroup, g)
	}
	for _, r := range d.state.Resources {
		cleaned, changed := forgetNodes(r, []cluster.NodeName{n})
		deps := slices.DeleteFunc(slices.Clone(cleaned.Dependencies), func(x model.Dependency) bool { return x.Qualifier == "@"+string(n) })
		if changed = changed || len(deps) != len(cleaned.Dependencies); changed {
			if cleaned.Dependencies = deps; len(deps) == 0 {
				cleaned.Dependencies = nil
			}
			state = check.WithResource(state, cleaned)
			d.put(confdb.KeyResource(r.Name), confdb.KindResource, cleaned)
		}
	}
	for _, g := range state.Groups {
		ps = append(ps, check.CheckGroup(state, g)...)
	}
	d.drop(confdb.KeyNode(n))
	d.drop(confdb.PrefixNetwork + string(n))
	for _, i := range d.state.Instances {
		if i.Node == n {
			d.drop(confdb.KeyInstance(n, i.Group))
		}
	}
	for _, f := range d.state.Farewells {
		if f.Node == n {
			d.drop(confdb.KeyFarewell(n, f.Group.Name, f.Resource.Name))
		}
	}
	if node.Certificate != "" {
		d.revokeNode(node.Certificate, n)
	}
	if list, err := d.accessList(); err == nil {
		d.writeAccess(list, list.Forget(string(n)))
	}
	if node.ID > d.state.Cluster.LastNode {
		changed := d.state.Cluster
		changed.LastNode = node.ID
		d.put(confdb.KeyCluster, confdb.KindCluster, changed)
	}
	return ps.Err()
}
