package control

import (
	"context"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// GroupRestart takes groups offline and online again where they are: on all their nodes in one order of the president, on some of
// them by asking these.
func (c *Control) GroupRestart(ctx context.Context, who Caller, in v1.GroupRestart) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group restart")
	if err != nil {
		return v1.Result{}, err
	}
	nodes := nodesOf(in.Node)
	p := placing{names: in.Names, all: in.All, waiting: wait(in.NoWait, in.Timeout)}
	if len(nodes) > 0 && c.isPart(r, p, nodes) {
		return c.restartPart(ctx, r, p, nodes)
	}
	return c.wish(ctx, r, who, p, func(d *draft, g model.Group) (model.Want, error) {
		if err := mayPlace(g, false); err != nil {
			return model.Want{}, err
		}
		if len(d.assignment(g.Name).Targets) == 0 {
			return model.Want{}, notOnline(g.Name)
		}
		return model.Want{Group: g.Name, Online: true, Restart: true}, nil
	}, "has restarted", func(g cluster.GroupName, seq uint64) func(view) error { return online(g, seq, nil) })
}

func notOnline(g cluster.GroupName) error {
	return fault.Errorf(fault.Precondition, "group %s is not online; bring it online with `redoubt group online %s`", g, g)
}

// isPart reports whether some group runs on other nodes besides those named.
func (c *Control) isPart(r *Running, p placing, nodes []cluster.NodeName) bool {
	v := c.look(r)
	names := p.names
	if p.all {
		names = groupNames(v.state)
	}
	return slices.ContainsFunc(names, func(g string) bool {
		return slices.ContainsFunc(v.runsOn(cluster.GroupName(g)), func(n cluster.NodeName) bool { return !slices.Contains(nodes, n) })
	})
}

// restartPart asks single nodes to restart their instances.
func (c *Control) restartPart(ctx context.Context, r *Running, p placing, nodes []cluster.NodeName) (v1.Result, error) {
	v := c.look(r)
	names, err := selected("group", p.names, p.all, groupNames(v.state))
	if err != nil {
		return v1.Result{}, err
	}
	var out v1.Result
	var errs []error
	for _, n := range names {
		g := cluster.GroupName(n)
		on := slices.DeleteFunc(v.runsOn(g), func(n cluster.NodeName) bool { return !slices.Contains(nodes, n) })
		if len(on) == 0 {
			errs = append(errs, fault.Errorf(fault.Precondition, "group %s is not online on %s", g, commas(nodes)))
			continue
		}
		for _, node := range on {
			errs = append(errs, c.restartThere(ctx, r, p.waiting, g, node))
		}
		out.Messages = append(out.Messages, "group "+n+" has restarted on "+commas(on))
	}
	return out, together(errs)
}

// restartThere asks a node to restart a group and waits until every resource of it has come up again.
func (c *Control) restartThere(ctx context.Context, r *Running, w waiting, g cluster.GroupName, node cluster.NodeName) error {
	before, _ := c.look(r).instance(g, node)
	if err := c.ask(ctx, r, node, g, life.Asked{Kind: life.AskRestart}); err != nil {
		return err
	}
	return c.await(ctx, r, w, "group "+string(g)+" has restarted on node "+string(node), func(v view) error {
		if err := stopFailed(v, g, anywhere); err != nil {
			return err
		}
		now, ok := v.instance(g, node)
		switch {
		case !ok:
			return fault.Errorf(fault.Precondition, "node %s has left the cluster meanwhile", node)
		case now.State == model.GroupOnlineFaulted:
			return startFailed(now)
		case now.State != model.GroupOnline || !allNewer(before, now):
			return errNotYet
		}
		return nil
	})
}

// allNewer reports whether every resource that was up has changed its state since.
func allNewer(before, now model.Instance) bool {
	for _, b := range before.Resources {
		if b.State != model.ResourceOnline && b.State != model.ResourceOnlineNotMonitored && b.State != model.ResourceMonitorFailed {
			continue
		}
		for _, n := range now.Resources {
			if n.Name == b.Name && !n.Since.After(b.Since) {
				return false
			}
		}
	}
	return true
}

// ask hands a request to the executor of a node, here or there.
func (c *Control) ask(ctx context.Context, r *Running, node cluster.NodeName, g cluster.GroupName, a life.Asked) error {
	if node == r.Node {
		return r.Executor.Ask(ctx, g, a)
	}
	var none v1.Result
	err := r.Peers.Call(ctx, node, "peer", "ask", v1.PeerAsk{
		Group: string(g), Kind: string(a.Kind), Resource: string(a.Resource), Status: string(a.Status), Message: a.Message,
	}, &none)
	if err != nil {
		return fault.Errorf(fault.CodeOf(err), "ask node %s about group %s: %w", node, g, err)
	}
	return nil
}
