package control

import (
	"context"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// selection says which resources an operation is about.
type selection struct {
	names     []string
	all       bool
	group     string
	typ       string
	nodes     []cluster.NodeName
	recursive bool
}

// ResourceEnable enables resources and waits until they run wherever their groups are online.
func (c *Control) ResourceEnable(ctx context.Context, who Caller, in v1.ResourceEnable) (v1.Result, error) {
	r, err := c.enter(ctx, who, "resource enable")
	if err != nil {
		return v1.Result{}, err
	}
	sel := selection{in.Names, in.All, in.Group, in.Type, nodesOf(in.Node), in.Recursive}
	names, out, err := c.toggle(ctx, r, who, sel, func(d *draft, res model.Resource, g model.Group) (model.Resource, string, error) {
		res.Enabled, res.DisabledOn = switchOn(res.Enabled, res.DisabledOn, sel.nodes, g)
		return res, "enabled", nil
	}, check.Needs)
	if err != nil {
		return out, err
	}
	v := c.look(r)
	for _, n := range names {
		for _, need := range check.Needs(v.state, n) {
			if o, ok := check.Resource(v.state, need); ok && !o.Enabled {
				out.Messages = append(out.Messages, "resource "+string(n)+" stays offline until "+string(need)+", which it depends on, is enabled too")
				return out, nil
			}
		}
	}
	return out, c.awaitUp(ctx, r, wait(in.NoWait, in.Timeout), names, sel.nodes)
}

// ResourceDisable disables resources and waits until they are down.
func (c *Control) ResourceDisable(ctx context.Context, who Caller, in v1.ResourceDisable) (v1.Result, error) {
	r, err := c.enter(ctx, who, "resource disable")
	if err != nil {
		return v1.Result{}, err
	}
	sel := selection{in.Names, in.All, in.Group, in.Type, nodesOf(in.Node), in.Recursive}
	names, out, err := c.toggle(ctx, r, who, sel, func(d *draft, res model.Resource, g model.Group) (model.Resource, string, error) {
		if g.System {
			return res, "", fault.Errorf(fault.Precondition, "group %s of resource %s is protected (RG_system); set RG_system=FALSE first", g.Name, res.Name)
		}
		res.Enabled, res.DisabledOn = switchOff(res.Enabled, res.DisabledOn, sel.nodes)
		return res, "disabled", nil
	}, func(s model.State, n cluster.ResourceName) []cluster.ResourceName {
		return check.Dependents(s, n, false)
	})
	if err != nil {
		return out, err
	}
	return out, c.awaitDown(ctx, r, wait(in.NoWait, in.Timeout), names, sel.nodes)
}

// ResourceMonitor starts monitoring resources.
func (c *Control) ResourceMonitor(ctx context.Context, who Caller, in v1.ResourceMonitor) (v1.Result, error) {
	r, err := c.enter(ctx, who, "resource monitor")
	if err != nil {
		return v1.Result{}, err
	}
	sel := selection{in.Names, in.All, in.Group, in.Type, nodesOf(in.Node), false}
	_, out, err := c.toggle(ctx, r, who, sel, func(d *draft, res model.Resource, g model.Group) (model.Resource, string, error) {
		res.Monitored, res.UnmonitoredOn = switchOn(res.Monitored, res.UnmonitoredOn, sel.nodes, g)
		return res, "monitored", nil
	}, nil)
	return out, err
}

// ResourceUnmonitor stops monitoring resources.
func (c *Control) ResourceUnmonitor(ctx context.Context, who Caller, in v1.ResourceUnmonitor) (v1.Result, error) {
	r, err := c.enter(ctx, who, "resource unmonitor")
	if err != nil {
		return v1.Result{}, err
	}
	sel := selection{in.Names, in.All, in.Group, in.Type, nodesOf(in.Node), false}
	_, out, err := c.toggle(ctx, r, who, sel, func(d *draft, res model.Resource, g model.Group) (model.Resource, string, error) {
		res.Monitored, res.UnmonitoredOn = switchOff(res.Monitored, res.UnmonitoredOn, sel.nodes)
		return res, "not monitored", nil
	}, nil)
	return out, err
}

// switchOn and switchOff change a switch with its exceptions, on nodes if any are named.
func switchOn(on bool, except, nodes []cluster.NodeName, g model.Group) (bool, []cluster.NodeName) {
	switch {
	case len(nodes) == 0:
		return true, nil
	case !on:
		return true, without(slices.Sorted(slices.Values(g.Nodelist)), nodes)
	}
	return true, without(except, nodes)
}

func switchOff(on bool, except, nodes []cluster.NodeName) (bool, []cluster.NodeName) {
	if len(nodes) == 0 || !on {
		return len(nodes) > 0 && on, nil
	}
	all := slices.Concat(except, without(nodes, except))
	slices.Sort(all)
	return true, all
}

// toggle changes the switches of resources in one transaction; spread says which others a recursive operation reaches.
func (c *Control) toggle(ctx context.Context, r *Running, who Caller, sel selection, change func(*draft, model.Resource, model.Group) (model.Resource, string, error),
	spread func(model.State, cluster.ResourceName) []cluster.ResourceName,
) ([]cluster.ResourceName, v1.Result, error) {
	var names []cluster.ResourceName
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		list, err := d.selectResources(sel.names, sel.all, sel.group, sel.typ)
		if err != nil {
			return err
		}
		names = nil
		for _, res := range list {
			names = append(names, res.Name)
		}
		if sel.recursive && spread != nil {
			names = check.Closure(names, func(n cluster.ResourceName) []cluster.ResourceName { return spread(d.state, n) })
		}
		var errs []error
		disabling := false
		for _, n := range names {
			old, _, err := d.resource(n)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if old.Deleting {
				errs = append(errs, fault.Errorf(fault.Precondition, "resource %s is being deleted", n))
				continue
			}
			g, _ := check.Group(d.state, old.Group)
			if missing := without(sel.nodes, g.Nodelist); len(missing) > 0 {
				errs = append(errs, fault.Errorf(fault.Invalid, "node %s is not in the nodelist of group %s of resource %s", missing[0], g.Name, n))
				continue
			}
			res, word, err := change(d, old, g)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			disabling = disabling || old.Enabled && !res.Enabled
			d.say("resource " + string(n) + " is " + word + onNodes(sel.nodes))
			if old.Enabled == res.Enabled && old.Monitored == res.Monitored && slices.Equal(old.DisabledOn, res.DisabledOn) && slices.Equal(old.UnmonitoredOn, res.UnmonitoredOn) {
				continue
			}
			d.put(confdb.KeyResource(n), confdb.KindResource, res)
		}
		if disabling {
			errs = append(errs, check.Disable(d.state, names).Err())
		}
		return together(errs)
	}))
	return names, out, err
}

func onNodes(nodes []cluster.NodeName) string {
	if len(nodes) == 0 {
		return ""
	}
	return " on " + commas(nodes)
}

// ResourceClear clears an error flag of resources on the nodes that show it.
func (c *Control) ResourceClear(ctx context.Context, who Caller, in v1.ResourceClear) (v1.Result, error) {
	r, err := c.enter(ctx, who, "resource clear")
	if err != nil {
		return v1.Result{}, err
	}
	flag := model.ResourceState(strings.ToUpper(in.Flag))
	if flag == "" {
		flag = model.ResourceStopFailed
	}
	if flag != model.ResourceStopFailed && flag != model.ResourceStartFailed && flag != model.ResourceMonitorFailed {
		return v1.Result{}, fault.Errorf(fault.Invalid, "error flag %q is none of STOP_FAILED, START_FAILED, MONITOR_FAILED", in.Flag)
	}
	v := c.look(r)
	list, err := v.selectResources(in.Names, in.All, in.Group, in.Type)
	if err != nil {
		return v1.Result{}, err
	}
	var out v1.Result
	var errs []error
	for _, res := range list {
		found := false
		for _, i := range check.Instances(v.state, res.Group) {
			if resourceIn(i, res.Name).State != flag || len(in.Node) > 0 && !slices.Contains(in.Node, string(i.Node)) {
				continue
			}
			found = true
			if err := c.clear(ctx, r, i, res, flag, wait(in.NoWait, in.Timeout)); err != nil {
				errs = append(errs, err)
				continue
			}
			out.Messages = append(out.Messages, "resource "+string(res.Name)+": "+string(flag)+" is cleared on node "+string(i.Node))
		}
		if !found && !in.All {
			errs = append(errs, fault.Errorf(fault.Precondition, "resource %s is not %s%s; `redoubt resource status %s` shows its state", res.Name, flag, onNodes(nodesOf(in.Node)), res.Name))
		}
	}
	return out, together(errs)
}

// clear asks a node to forget a failure and waits until the flag is gone.
func (c *Control) clear(ctx context.Context, r *Running, i model.Instance, res model.Resource, flag model.ResourceState, w waiting) error {
	since := resourceIn(i, res.Name).Since
	if err := c.ask(ctx, r, i.Node, res.Group, life.Asked{Kind: life.AskClear, Resource: res.Name}); err != nil {
		return err
	}
	up := comesUp(res.Name, []cluster.NodeName{i.Node})
	return c.await(ctx, r, w, "resource "+string(res.Name)+" is no longer "+string(flag), func(v view) error {
		now, ok := v.instance(res.Group, i.Node)
		ri := resourceIn(now, res.Name)
		switch {
		case ok && ri.State == flag && ri.Since.Equal(since):
			return errNotYet
		case flag == model.ResourceStartFailed:
			return up(v) // it is started again
		case ri.State == flag:
			return fault.Errorf(fault.Precondition, "resource %s is %s on node %s again: %s", res.Name, flag, i.Node, ri.Message)
		}
		return nil
	})
}
