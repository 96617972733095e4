package control

import (
	"context"
	"maps"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// placing is what group online, switch and the like have in common.
type placing struct {
	name    string // of the operation
	names   []string
	all     bool
	node    []string
	enable  bool
	monitor bool
	manage  bool
	waiting waiting
}

// GroupOnline brings groups online, on further nodes if any are named.
func (c *Control) GroupOnline(ctx context.Context, who Caller, in v1.GroupOnline) (v1.Result, error) {
	return c.place(ctx, who, placing{
		name: "group online", names: in.Names, all: in.All, node: in.Node, enable: in.Enable, monitor: in.Monitor, manage: in.Manage, waiting: wait(in.NoWait, in.Timeout),
	}, true)
}

// GroupSwitch moves groups to exactly the nodes named.
func (c *Control) GroupSwitch(ctx context.Context, who Caller, in v1.GroupSwitch) (v1.Result, error) {
	p := placing{
		name: "group switch", names: in.Names, all: in.All, node: in.Node, enable: in.Enable, monitor: in.Monitor, manage: in.Manage, waiting: wait(in.NoWait, in.Timeout),
	}
	if len(in.Node) == 0 {
		if _, err := c.enter(ctx, who, p.name); err != nil {
			return v1.Result{}, err
		}
		return v1.Result{}, fault.Errorf(fault.Invalid, "group switch: name the nodes to move to with -n")
	}
	return c.place(ctx, who, p, false)
}

// place brings groups online; add keeps them where they run besides.
func (c *Control) place(ctx context.Context, who Caller, p placing, add bool) (v1.Result, error) {
	r, err := c.enter(ctx, who, p.name)
	if err != nil {
		return v1.Result{}, err
	}
	nodes := nodesOf(p.node)
	return c.wish(ctx, r, who, p, func(d *draft, g model.Group) (model.Want, error) {
		if err := mayPlace(g, p.manage); err != nil {
			return model.Want{}, err
		}
		g = d.bring(g, p.enable, p.monitor, p.manage)
		return d.onlineWant(g, nodes, add)
	}, "is online", func(g cluster.GroupName, seq uint64) func(view) error { return online(g, seq, nodes) })
}

// wish writes a want for each group named and waits for the effects. All are decided together, and nothing is written when one is refused. What is too much for one
// transaction goes into several, in the order of names; the rest is then decided anew.
func (c *Control) wish(ctx context.Context, r *Running, who Caller, p placing, decide func(*draft, model.Group) (model.Want, error),
	what string, effect func(cluster.GroupName, uint64) func(view) error,
) (v1.Result, error) {
	var groups []cluster.GroupName // all that were named
	var seqs map[cluster.GroupName]uint64
	written := map[cluster.GroupName]uint64{}
	var out v1.Result
	for more := true; more; {
		part, err := c.change(ctx, r, who, func(d *draft) error {
			names, err := selected("group", p.names, p.all, groupNames(d.state))
			if err != nil {
				return err
			}
			var errs []error
			var wants []model.Want
			var fits extent
			groups, seqs, more = nil, map[cluster.GroupName]uint64{}, false
			for _, n := range names {
				g, _ := d.group(cluster.GroupName(n))
				groups = append(groups, g.Name)
				if _, ok := written[g.Name]; ok {
					continue
				}
				w, err := decide(d, g)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				d.wish(w)
				wants = append(wants, w)
				if more = more || d.room() < 0 && len(seqs) > 0; !more {
					seqs[g.Name], fits = max(d.seqOf(g.Name), d.assignment(g.Name).WantSeq)+1, d.extent()
				}
			}
			if err := together(errs); err != nil {
				return err
			}
			err = d.fulfillable(wants)
			if more {
				d.cut(fits)
			}
			return err
		})
		out.Messages, out.Revision = append(out.Messages, part.Messages...), max(out.Revision, part.Revision)
		if err != nil && len(written) > 0 {
			err = fault.Errorf(fault.CodeOf(err), "%d of %d groups were asked for before this: %w", len(written), len(groups), err)
		}
		if err != nil {
			return out, err
		}
		maps.Copy(written, seqs)
	}
	if err := c.awaitEach(ctx, r, p.waiting, groups, what, func(g cluster.GroupName) func(view) error { return effect(g, written[g]) }); err != nil {
		return out, err
	}
	c.report(r, &out, p.waiting, groups)
	return out, nil
}

// report says where groups are after an operation.
func (c *Control) report(r *Running, out *v1.Result, w waiting, groups []cluster.GroupName) {
	v := c.look(r)
	for _, g := range groups {
		switch on := v.runsOn(g); {
		case w.no:
			out.Messages = append(out.Messages, "group "+string(g)+": asked for; `redoubt group status "+string(g)+"` shows what becomes of it")
		case len(on) == 0:
			out.Messages = append(out.Messages, "group "+string(g)+" is offline")
		default:
			out.Messages = append(out.Messages, "group "+string(g)+" is online on "+commas(on))
		}
	}
}

// GroupOffline takes groups offline, from nodes if any are named.
func (c *Control) GroupOffline(ctx context.Context, who Caller, in v1.GroupOffline) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group offline")
	if err != nil {
		return v1.Result{}, err
	}
	nodes := nodesOf(in.Node)
	p := placing{names: in.Names, all: in.All, waiting: wait(in.NoWait, in.Timeout)}
	return c.wish(ctx, r, who, p, func(d *draft, g model.Group) (model.Want, error) {
		if g.System {
			return model.Want{}, fault.Errorf(fault.Precondition, "group %s is protected (RG_system); set RG_system=FALSE first", g.Name)
		}
		if err := d.mayGo(g, nodes, p); err != nil {
			return model.Want{}, err
		}
		return d.offlineWant(g, nodes)
	}, "is offline", func(g cluster.GroupName, seq uint64) func(view) error { return offline(g, seq, nodes) })
}

// GroupRemaster moves groups to their most preferred nodes.
func (c *Control) GroupRemaster(ctx context.Context, who Caller, in v1.GroupRemaster) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group remaster")
	if err != nil {
		return v1.Result{}, err
	}
	p := placing{names: in.Names, all: in.All, waiting: wait(in.NoWait, in.Timeout)}
	return c.wish(ctx, r, who, p, func(d *draft, g model.Group) (model.Want, error) {
		if err := mayPlace(g, false); err != nil {
			return model.Want{}, err
		}
		w := model.Want{Group: g.Name, Online: true, Remaster: true}
		if g.Suspended {
			if w.Nodes = d.choose(g, nil, nil); len(w.Nodes) == 0 {
				return w, fault.Errorf(fault.Precondition, "no node of the nodelist of group %s can run it now", g.Name)
			}
		}
		return w, nil
	}, "is online on its most preferred nodes", func(g cluster.GroupName, seq uint64) func(view) error { return online(g, seq, nil) })
}
