package control

import (
	"context"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// request is one call of scha_control.
type request struct {
	c   *Control
	r   *Running
	v   view
	who Caller
	res model.Resource
	typ model.Type
	g   model.Group
	me  model.Instance
}

// SchaControlCall carries out an agent's request for a restart or a giveover on this node, or takes over what a proxy says of its service. It answers when the request is refused or its effect is there.
func (c *Control) SchaControlCall(ctx context.Context, who Caller, in v1.SchaControlCall) (v1.Result, error) {
	r, v, err := c.reading(ctx, who, "scha_control call")
	if err != nil {
		return v1.Result{}, err
	}
	tags := map[string]func(*request, context.Context) error{
		"RESTART": (*request).restart, "RESOURCE_RESTART": (*request).resourceRestart, "RESOURCE_IS_RESTARTED": (*request).isRestarted, "GIVEOVER": (*request).giveover,
		"CHECK_RESTART": (*request).checkRestart, "CHECK_GIVEOVER": (*request).checkGiveover, "IGNORE_FAILED_START": (*request).ignoreFailedStart,
		"CHANGE_STATE_ONLINE": (*request).wentOnline, "CHANGE_STATE_OFFLINE": (*request).wentOffline,
	}
	f, ok := tags[strings.ToUpper(in.Operation)]
	if !ok {
		var known []string
		for k := range tags {
			known = append(known, k)
		}
		slices.Sort(known)
		return v1.Result{}, fault.Errorf(fault.Invalid, "scha_control has no operation %q; %s", in.Operation, check.DidYouMean(in.Operation, known, "there are "+strings.Join(known, ", ")))
	}
	q := &request{c: c, r: r, v: v, who: who}
	if q.res, q.typ, err = v.ofGroup(in.Resource, in.Group); err != nil {
		return v1.Result{}, err
	}
	q.g, _ = check.Group(v.state, q.res.Group)
	q.me, _ = v.instance(q.res.Group, r.Node)
	return v1.Result{}, f(q, ctx)
}

// ignoreFailedStart makes the start that runs now stay where it is, START_FAILED, if it fails: the group does not move, whatever Failover_mode says.
func (q *request) ignoreFailedStart(ctx context.Context) error {
	if s := resourceIn(q.r.Executor.Present(ctx, q.g.Name), q.res.Name).State; s != model.ResourceStarting {
		return fault.Errorf(fault.Precondition, "resource %s is %s on node %s; IGNORE_FAILED_START is for its Prenet_start and Start methods, while they run", q.res.Name, s, q.r.Node)
	}
	return q.r.Executor.Ask(ctx, q.g.Name, life.Asked{Kind: life.AskIgnoreFailed, Resource: q.res.Name})
}

// checkRestart says why a monitor may not restart anything.
func (q *request) checkRestart(context.Context) error {
	switch {
	case !q.me.MayRun():
		return fault.Errorf(fault.Precondition, "group %s is not online on node %s", q.g.Name, q.r.Node)
	case q.res.FailoverMode == model.FailoverLogOnly:
		return fault.Errorf(fault.Precondition, "resource %s has Failover_mode LOG_ONLY: requests of its monitor are only logged", q.res.Name)
	case q.g.Suspended:
		return fault.Errorf(fault.Precondition, "automatic recovery of group %s is suspended", q.g.Name)
	}
	return nil
}

func (q *request) restart(ctx context.Context) error {
	if err := q.checkRestart(ctx); err != nil {
		return err
	}
	return q.c.restartThere(ctx, q.r, waiting{limit: patience}, q.g.Name, q.r.Node)
}

func (q *request) resourceRestart(ctx context.Context) error {
	if err := q.checkRestart(ctx); err != nil {
		return err
	}
	before := resourceIn(q.me, q.res.Name)
	if !isUp(before.State) {
		return fault.Errorf(fault.Precondition, "resource %s is %s on node %s and can not be restarted", q.res.Name, before.State, q.r.Node)
	}
	if err := q.r.Executor.Ask(ctx, q.g.Name, life.Asked{Kind: life.AskResourceRestart, Resource: q.res.Name}); err != nil {
		return err
	}
	return q.c.await(ctx, q.r, waiting{limit: patience}, "resource "+string(q.res.Name)+" has restarted", func(v view) error {
		i, ok := v.instance(q.g.Name, q.r.Node)
		now := resourceIn(i, q.res.Name)
		switch {
		case !ok || !i.MayRun():
			return nil // the group has left meanwhile
		case now.State == model.ResourceStartFailed || now.State == model.ResourceStopFailed:
			return fault.Errorf(fault.Precondition, "resource %s is %s: %s", q.res.Name, now.State, now.Message)
		case now.RestartCount > before.RestartCount && isUp(now.State) && now.Since.After(before.Since):
			return nil
		}
		return errNotYet
	})
}

func (q *request) isRestarted(ctx context.Context) error {
	if err := q.checkRestart(ctx); err != nil {
		return err
	}
	return q.r.Executor.Ask(ctx, q.g.Name, life.Asked{Kind: life.AskIsRestarted, Resource: q.res.Name})
}

func (q *request) checkGiveover(ctx context.Context) error {
	_, err := q.successor(ctx)
	return err
}

// successor is the node that would take the group over: the first that the planner would choose and on which Monitor_check does not object.
func (q *request) successor(ctx context.Context) (cluster.NodeName, error) {
	if err := q.checkRestart(ctx); err != nil {
		return "", err
	}
	if q.res.FailoverMode == model.FailoverRestartOnly {
		return "", fault.Errorf(fault.Precondition, "resource %s has Failover_mode RESTART_ONLY: its monitor may not move the group", q.res.Name)
	}
	to, refusals := q.search(ctx)
	switch {
	case to != "":
		return to, nil
	case len(refusals) == 0:
		return "", fault.Errorf(fault.Precondition, "no other node can run group %s now; see `redoubt group status %s`", q.g.Name, q.g.Name)
	}
	errs := []error{fault.Errorf(fault.Precondition, "Monitor_check objects on every node that could run group %s", q.g.Name)}
	for _, r := range refusals {
		errs = append(errs, fault.Errorf(fault.Precondition, "%s", r.Why))
	}
	return "", together(errs)
}

// search asks the nodes that the planner would choose, the best first, until one does not object; who did, and why.
func (q *request) search(ctx context.Context) (to cluster.NodeName, refusals []model.Refusal) {
	refused := []cluster.NodeName{q.r.Node}
	for {
		next := q.next(refused)
		if next == "" {
			return "", refusals
		}
		err := q.monitorCheck(ctx, next)
		if err == nil {
			return next, refusals
		}
		refusals, refused = append(refusals, model.Refusal{Node: next, Why: err.Error()}), append(refused, next)
	}
}

// Refusals asks, before a resource's monitor here has its group moved, the nodes that the planner would choose, the best first, until one does not object by
// Monitor_check: the nodes that do object, with why.
func (c *Control) Refusals(ctx context.Context, r *Running, group cluster.GroupName, resource cluster.ResourceName) []model.Refusal {
	v := c.look(r)
	res, typ, err := v.ofGroup(string(resource), string(group))
	if err != nil {
		return nil // it is not configured any more; what becomes of the group is not for its monitor to say
	}
	g, _ := check.Group(v.state, group)
	q := &request{c: c, r: r, v: v, res: res, typ: typ, g: g}
	_, refusals := q.search(ctx)
	return refusals
}

// next is the best node for the group besides those refused and those where it runs already.
func (q *request) next(refused []cluster.NodeName) cluster.NodeName {
	a := q.v.assignment(q.g.Name)
	current := without(targetNodes(a), refused)
	nodes := order.Choose(q.v.state, q.g.Name, current, refused, min(len(current)+1, q.g.MaximumPrimaries))
	if left := without(without(nodes, current), refused); len(left) > 0 {
		return left[0]
	}
	return ""
}

// monitorCheck runs the Monitor_check methods of the group's resources on a node.
func (q *request) monitorCheck(ctx context.Context, n cluster.NodeName) error {
	for _, res := range check.ResourcesOf(q.v.state, q.g.Name) {
		t, ok := check.Type(q.v.state, res.Type)
		if _, declared := t.Method(model.MethodMonitorCheck); !ok || !declared || !res.EnabledOn(n) {
			continue
		}
		call := methodCall(q.v.state, model.MethodMonitorCheck, t, q.g, res, n, false, nil)
		out, err := q.c.runOn(ctx, q.r, n, call)
		if err := refused(n, call, out, err); err != nil {
			return err
		}
	}
	return nil
}

// giveover moves the group away. When the node that the planner would choose objects, the one that does not is ordered.
func (q *request) giveover(ctx context.Context) error {
	to, err := q.successor(ctx)
	if err != nil {
		return err
	}
	if to == q.next([]cluster.NodeName{q.r.Node}) {
		err = q.r.Executor.Ask(ctx, q.g.Name, life.Asked{Kind: life.AskGiveover, Resource: q.res.Name})
	} else {
		_, err = q.c.change(ctx, q.r, q.who, func(d *draft) error {
			d.wish(model.Want{Group: q.g.Name, Online: true, Nodes: append(without(targetNodes(d.assignment(q.g.Name)), []cluster.NodeName{q.r.Node}), to)})
			return nil
		})
	}
	if err != nil {
		return err
	}
	return q.c.await(ctx, q.r, waiting{limit: patience}, "group "+string(q.g.Name)+" has left node "+string(q.r.Node), func(v view) error {
		return isOff(v, q.g.Name, []cluster.NodeName{q.r.Node})
	})
}
