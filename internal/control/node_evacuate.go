package control

import (
	"context"
	"slices"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// stayAway is for how many seconds an evacuated node gets no group back, if nobody says how long.
const stayAway = 60

// NodeEvacuate moves every group off nodes and keeps them away for some time.
func (c *Control) NodeEvacuate(ctx context.Context, who Caller, in v1.NodeEvacuate) (v1.Result, error) {
	r, err := c.enter(ctx, who, "node evacuate")
	if err != nil {
		return v1.Result{}, err
	}
	return c.evacuate(ctx, r, who, in.Names, in.All, in.Timeout, wait(in.NoWait, 0))
}

// GroupEvacuate moves groups off nodes: all of them as node evacuate does, single ones by ordering them elsewhere.
func (c *Control) GroupEvacuate(ctx context.Context, who Caller, in v1.GroupEvacuate) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group evacuate")
	if err != nil {
		return v1.Result{}, err
	}
	if len(in.Node) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "group evacuate: name the nodes with -n")
	}
	if in.All && len(in.Names) > 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "group evacuate: either names of groups or all of them; both were given")
	}
	if in.All {
		return c.evacuate(ctx, r, who, in.Node, false, in.Timeout, wait(in.NoWait, 0))
	}
	if in.Timeout != nil {
		return v1.Result{}, fault.Errorf(fault.Invalid, "group evacuate: -T keeps all groups away from a node; give it with the operand +")
	}
	nodes := nodesOf(in.Node)
	p := placing{names: in.Names, waiting: wait(in.NoWait, 0)}
	return c.wish(ctx, r, who, p, func(d *draft, g model.Group) (model.Want, error) {
		for _, n := range nodes {
			if _, err := d.node(n); err != nil {
				return model.Want{}, err
			}
		}
		return d.elsewhere(g, nodes), nil
	}, "has left "+commas(nodes), func(g cluster.GroupName, seq uint64) func(view) error {
		return func(v view) error {
			if err := stillWanted(v, g, seq); err != nil {
				return err
			}
			if err := isOff(v, g, nodes); err != nil {
				return err
			}
			if v.assignment(g).Off {
				return nil
			}
			return online(g, seq, nil)(v)
		}
	})
}

// elsewhere is what to ask for when a group shall leave nodes.
func (v view) elsewhere(g model.Group, nodes []cluster.NodeName) model.Want {
	w := model.Want{Group: g.Name, Online: true}
	current := without(targetNodes(v.assignment(g.Name)), nodes)
	if w.Nodes = v.choose(g, current, nodes); len(w.Nodes) == 0 {
		w.Online = false // no other node can run it: it goes offline
	}
	return w
}

// awayFor is for how many seconds an evacuated node gets no group back.
func awayFor(seconds *int) (int, error) {
	switch {
	case seconds == nil:
		return stayAway, nil
	case *seconds < 0 || *seconds > aYear:
		return 0, fault.Errorf(fault.Invalid, "evacuate: a timeout of %d seconds is out of bounds: 0 to a year", *seconds)
	}
	return *seconds, nil
}

// evacuate marks nodes as evacuated, which the planner heeds, and waits until nothing runs there any more.
func (c *Control) evacuate(ctx context.Context, r *Running, who Caller, names []string, all bool, seconds *int, w waiting) (v1.Result, error) {
	span, err := awayFor(seconds)
	if err != nil {
		return v1.Result{}, err
	}
	if span == 0 && w.no {
		return v1.Result{}, fault.Errorf(fault.Invalid, "evacuate: with a timeout of 0 a node gets groups again once it is empty, and that has to be waited for; give a time, or leave --no-wait out")
	}
	var nodes []cluster.NodeName
	// With 0 the node is taken again as soon as it is empty; until then it has to count as evacuated.
	mark := func(ctx context.Context, span time.Duration) (v1.Result, error) {
		return c.editNodes(ctx, r, who, names, all, func(n model.Node) (model.Node, string, error) {
			if n.QuorumServer {
				return n, "", fault.Errorf(fault.Invalid, "%s is a quorum server and runs no groups", n.Name)
			}
			if !slices.Contains(nodes, n.Name) {
				nodes = append(nodes, n.Name)
			}
			n.EvacuatedUntil = time.Time{}
			if span > 0 {
				n.EvacuatedUntil = c.cfg.Clock.Wall().Add(span).UTC().Truncate(time.Millisecond)
			}
			return n, "is evacuated", nil
		})
	}
	first := time.Duration(span) * time.Second
	if span == 0 {
		first = patience
	}
	out, err := mark(ctx, first)
	if err != nil {
		return out, err
	}
	moving := groupsOn(c.look(r), nodes)
	err = c.await(ctx, r, w, "nothing runs on "+commas(nodes), func(v view) error { return empty(v, nodes) })
	if err == nil && !w.no {
		out.Messages = append(out.Messages, c.settled(ctx, r, moving)...)
	}
	if span == 0 {
		// Also when the caller has given up: nobody asked for a node that stays evacuated.
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
		defer cancel()
		_, undone := mark(undo, 0)
		err = together([]error{err, undone})
	}
	return out, err
}

// groupsOn are the groups that run on the nodes.
func groupsOn(v view, nodes []cluster.NodeName) []cluster.GroupName {
	var out []cluster.GroupName
	for _, g := range v.state.Groups {
		if slices.ContainsFunc(v.runsOn(g.Name), func(n cluster.NodeName) bool { return slices.Contains(nodes, n) }) {
			out = append(out, g.Name)
		}
	}
	return out
}

// settled waits until groups that had to leave a node are online elsewhere, and says which of them can not be.
func (c *Control) settled(ctx context.Context, r *Running, groups []cluster.GroupName) []string {
	var messages []string
	for _, g := range groups {
		seq := c.look(r).seqOf(g)
		err := c.await(ctx, r, waiting{limit: patience}, "group "+string(g)+" is online elsewhere", func(v view) error {
			if v.assignment(g).Off {
				return nil
			}
			return online(g, seq, nil)(v)
		})
		if err != nil {
			messages = append(messages, "warning: "+err.Error())
		}
	}
	return messages
}

// empty is nil when no group runs, or is ordered to run, on the nodes.
func empty(v view, nodes []cluster.NodeName) error {
	for _, g := range v.state.Groups {
		if err := isOff(v, g.Name, nodes); err != nil {
			return err
		}
	}
	return nil
}
