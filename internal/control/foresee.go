package control

import (
	"context"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
	"redoubt/internal/rgm/place"
)

// ClusterPlan says what would become of the groups if nodes were lost or came back and if the configuration were changed. It changes nothing.
func (c *Control) ClusterPlan(ctx context.Context, who Caller, in v1.ClusterPlan) (v1.PlanReport, error) {
	_, v, err := c.reading(ctx, who, "cluster plan")
	if err != nil {
		return v1.PlanReport{}, err
	}
	if reach := c.reach(who, "cluster plan"); !reach.Whole() {
		return v1.PlanReport{}, fault.Errorf(fault.Denied, "cluster plan: a plan shows all groups, and you may see some of them only; `redoubt group why` explains those")
	}
	if len(in.With) > maxSupposed {
		return v1.PlanReport{}, fault.Errorf(fault.Invalid, "cluster plan: %d changes are supposed; at most %d are at once", len(in.With), maxSupposed)
	}
	done, err := c.turn(ctx, who, "cluster plan")
	if err != nil {
		return v1.PlanReport{}, err
	}
	defer done()
	w := whatIf{view: v}
	w.state.Nodes = slices.Clone(v.state.Nodes)
	for _, n := range in.Without {
		if err := w.member(n, false); err != nil {
			return v1.PlanReport{}, err
		}
	}
	for _, n := range in.Back {
		if err := w.member(n, true); err != nil {
			return v1.PlanReport{}, err
		}
	}
	for i, text := range in.With {
		if i > 0 || len(in.Without)+len(in.Back) > 0 {
			w.settle()
		}
		if ctx.Err() != nil {
			return v1.PlanReport{}, context.Cause(ctx)
		}
		if err := w.change(text); err != nil {
			return v1.PlanReport{}, err
		}
	}
	out := foreseen(v, w.state, order.Look(w.state))
	out.Without, out.Back, out.With = none(in.Without), none(in.Back), none(in.With)
	return out, nil
}

func none(list []string) []string { return append([]string{}, list...) }

// foreseen compares a plan with what is ordered now.
func foreseen(v view, then model.State, look *order.View) v1.PlanReport {
	out := v1.PlanReport{Groups: []v1.PlannedGroup{}, Nodes: []v1.PlannedNode{}}
	nodes := map[string]*v1.PlannedNode{}
	for _, n := range look.Problem.Nodes {
		node, _ := check.Node(then, cluster.NodeName(n.Name))
		p := &v1.PlannedNode{Node: n.Name, Member: !n.Down, Loads: []v1.PlannedLoad{}}
		for k, name := range look.Problem.Kinds {
			l := v1.PlannedLoad{Name: name}
			for _, limit := range node.LoadLimits {
				if limit.Name == name {
					l.Soft, l.Hard = limited(limit.Soft), limited(limit.Hard)
				}
			}
			for g, x := range look.Groups() {
				if k >= len(x.Loads) {
					continue
				}
				if slices.Contains(targetNodes(v.assignment(cluster.GroupName(x.Name))), cluster.NodeName(n.Name)) {
					l.Now += x.Loads[k]
				}
				if slices.Contains(look.Wanted(g), cluster.NodeName(n.Name)) {
					l.Then += x.Loads[k]
				}
			}
			p.Loads = append(p.Loads, l)
		}
		nodes[n.Name] = p
	}
	for i, g := range look.Groups() {
		now := targetNodes(v.assignment(cluster.GroupName(g.Name)))
		p := v1.PlannedGroup{Group: g.Name, Now: words(now), Then: words(look.Wanted(i))}
		slices.Sort(p.Then)
		for _, n := range p.Then {
			nodes[n].Groups++
		}
		p.Change = changeOf(p.Now, p.Then, g.Off)
		for _, n := range look.Notes(i) {
			if n.Node == "" && (len(p.Then) == 0 || n.Name == place.Ignored) {
				p.Why = &v1.Reason{Name: n.Name, Text: n.Text}
			}
		}
		if waits := waitsFor(then, look, cluster.GroupName(g.Name), nil); p.Why == nil && len(waits) > 0 {
			p.Why = &v1.Reason{Name: waitsForGroup, Text: "placed, waits for " + commas(waits) + " (RG_dependencies), which would not be online"}
		}
		out.Groups = append(out.Groups, p)
	}
	for _, n := range look.Problem.Nodes {
		if p := nodes[n.Name]; p != nil {
			out.Nodes = append(out.Nodes, *p)
		}
	}
	f := look.Result.Figures
	out.Figures = v1.PlanFigures{Offline: f.Offline, Missing: f.Missing, Soft: f.Soft, Excess: f.Excess, Weak: f.Weak}
	out.Proved, out.Gap = quality(look)
	return out
}

// waitsForGroup is the reason of a group that has a place and waits there for others.
const waitsForGroup = "waits-for-group"

// waitsFor are the groups that would have to be online before one starts where it has a place, and have none, or wait in turn. Who runs there waits for nobody.
func waitsFor(s model.State, look *order.View, name cluster.GroupName, way []cluster.GroupName) (out []cluster.GroupName) {
	i, ok := look.Of(name)
	if !ok || len(without(look.Wanted(i), upOn(s, name))) == 0 || slices.Contains(way, name) {
		return nil
	}
	g, _ := check.Group(s, name)
	for _, d := range g.Dependencies {
		if j, ok := look.Of(d); ok && (len(look.Wanted(j)) == 0 || len(waitsFor(s, look, d, append(slices.Clone(way), name))) > 0) {
			out = append(out, d)
		}
	}
	return out
}

// upOn are the nodes on which a group is online.
func upOn(s model.State, name cluster.GroupName) (nodes []cluster.NodeName) {
	for _, i := range check.Instances(s, name) {
		if i.State == model.GroupOnline || i.State == model.GroupOnlineFaulted {
			nodes = append(nodes, i.Node)
		}
	}
	return nodes
}

func limited(n int64) *int64 {
	if n == model.Unlimited {
		return nil
	}
	return &n
}

func changeOf(now, then []string, off bool) string {
	switch {
	case slices.Equal(now, then) && len(then) == 0 && !off:
		return "offline"
	case slices.Equal(now, then):
		return "stays"
	case len(then) == 0 && off:
		return "stops"
	case len(then) == 0:
		return "offline"
	case len(without(now, then)) == 0:
		return "starts"
	case len(without(then, now)) == 0:
		return "stops"
	}
	return "moves"
}
