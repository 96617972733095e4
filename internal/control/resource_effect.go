package control

import (
	"context"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

func isUp(s model.ResourceState) bool {
	return s == model.ResourceOnline || s == model.ResourceOnlineNotMonitored || s == model.ResourceMonitorFailed
}

// resourceIn finds a resource in an instance; one that is not reported is offline.
func resourceIn(i model.Instance, name cluster.ResourceName) model.ResourceInstance {
	for _, ri := range i.Resources {
		if ri.Name == name {
			return ri
		}
	}
	return model.ResourceInstance{Name: name, State: model.ResourceOffline, Status: model.StatusOffline}
}

// awaitUp waits until resources run wherever their groups are ordered online, on nodes if any are named.
func (c *Control) awaitUp(ctx context.Context, r *Running, w waiting, names []cluster.ResourceName, nodes []cluster.NodeName) error {
	var errs []error
	for _, n := range names {
		errs = append(errs, c.await(ctx, r, w, "resource "+string(n)+" is online", comesUp(n, nodes)))
	}
	return together(errs)
}

// comesUp is the effect of enabling a resource: it runs wherever its group is ordered online. One that waits for something that is not this command's
// business, another group or a resource that failed earlier, counts as done after a moment.
func comesUp(name cluster.ResourceName, nodes []cluster.NodeName) func(view) error {
	var waitsSince time.Time
	return func(v view) error {
		res, ok := check.Resource(v.state, name)
		if !ok {
			return fault.Errorf(fault.NotFound, "resource %s was deleted meanwhile", name)
		}
		a := v.assignment(res.Group)
		for _, t := range a.Targets {
			if len(nodes) > 0 && !slices.Contains(nodes, t.Node) || !res.EnabledOn(t.Node) || !v.isMember(t.Node) {
				continue
			}
			i, ok := v.instance(res.Group, t.Node)
			if !ok || i.Version < a.Version {
				return errNotYet
			}
			ri := resourceIn(i, name)
			switch {
			case isUp(ri.State):
			case ri.State == model.ResourceStartFailed || ri.State == model.ResourceStopFailed:
				return fault.Errorf(fault.Precondition, "resource %s is %s on node %s: %s", name, ri.State, t.Node, ri.Message)
			case i.State == model.GroupPendingOnlineBlocked || i.State == model.GroupErrorStopFailed || i.State == model.GroupOnlineFaulted:
				if waitsSince.IsZero() {
					waitsSince = time.Now()
				}
				if time.Since(waitsSince) < blockedIn {
					return errNotYet
				}
			default:
				waitsSince = time.Time{}
				return errNotYet
			}
		}
		return nil
	}
}

// awaitDown waits until resources run nowhere, or on none of the nodes if any are named.
func (c *Control) awaitDown(ctx context.Context, r *Running, w waiting, names []cluster.ResourceName, nodes []cluster.NodeName) error {
	var errs []error
	for _, n := range names {
		errs = append(errs, c.await(ctx, r, w, "resource "+string(n)+" is offline", func(v view) error { return goesDown(v, n, nodes, false) }))
	}
	return together(errs)
}

// goesDown is nil when a resource runs on none of the nodes (nil: nowhere) and, with fini, has been taken leave of.
func goesDown(v view, name cluster.ResourceName, nodes []cluster.NodeName, fini bool) error {
	res, ok := check.Resource(v.state, name)
	if !ok {
		return nil
	}
	for _, i := range check.Instances(v.state, res.Group) {
		if len(nodes) > 0 && !slices.Contains(nodes, i.Node) {
			continue
		}
		ri := resourceIn(i, name)
		switch {
		case ri.State == model.ResourceStopFailed:
			return fault.Errorf(fault.Precondition, "resource %s is STOP_FAILED on node %s: %s; make sure that nothing of it runs there, then `redoubt resource clear -f STOP_FAILED -n %s %s`", name, i.Node, ri.Message, i.Node, name)
		case ri.Remains():
			return errNotYet
		}
	}
	for _, i := range v.remembered(res.Group) {
		if fini && resourceIn(i, name).OwesFini() && v.isMember(i.Node) {
			return errNotYet
		}
	}
	return nil
}
