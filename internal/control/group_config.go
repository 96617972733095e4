package control

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// GroupCreate creates groups.
func (c *Control) GroupCreate(ctx context.Context, who Caller, in v1.GroupCreate) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group create")
	if err != nil {
		return v1.Result{}, err
	}
	if len(in.Names) == 0 || in.All {
		return v1.Result{}, fault.Errorf(fault.Invalid, "group create: name the groups to create")
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		settings, ps := check.ParseSettings("group "+in.Names[0], in.Property)
		if len(in.Node) > 0 {
			settings = append([]check.Setting{{Name: "Nodelist", Values: words(nodesOf(in.Node))}}, settings...)
		}
		if in.Scalable {
			n := len(in.Node)
			if n == 0 {
				n = len(check.NodesThatRun(d.state))
			}
			all := strconv.Itoa(n)
			settings = append([]check.Setting{{Name: "Maximum_primaries", Text: all}, {Name: "Desired_primaries", Text: all}}, settings...)
		}
		state := d.state
		for _, name := range in.Names {
			g, more := check.NewGroup(state, cluster.GroupName(name), settings)
			ps = append(ps, more...)
			state = check.WithGroup(state, g)
			d.put(confdb.KeyGroup(g.Name), confdb.KindGroup, g)
			d.say("group " + name + " is created; it is not managed yet")
			d.sayUnlimited(state, g)
		}
		if err := ps.Err(); err != nil {
			return err
		}
		return d.placeable(state)
	}))
}

// GroupSet changes properties of groups. -n is short for -p Nodelist.
func (c *Control) GroupSet(ctx context.Context, who Caller, in v1.GroupSet) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group set")
	if err != nil {
		return v1.Result{}, err
	}
	settings, ps := check.ParseSettings("group "+strings.Join(in.Names, ","), in.Property)
	if err := ps.Err(); err != nil {
		return v1.Result{}, err
	}
	if len(in.Node) > 0 {
		settings = append(settings, check.Setting{Name: "Nodelist", Values: words(nodesOf(in.Node))})
	}
	if len(settings) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "group set: name the properties to change with -p")
	}
	return c.editGroups(ctx, r, who, in.Names, in.All, func(model.Group) []check.Setting { return settings })
}

// GroupAddNode adds nodes to the end of the nodelist.
func (c *Control) GroupAddNode(ctx context.Context, who Caller, in v1.GroupAddNode) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group add-node")
	if err != nil {
		return v1.Result{}, err
	}
	if len(in.Node) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "group add-node: name the nodes with -n")
	}
	return c.editGroups(ctx, r, who, in.Names, in.All, func(g model.Group) []check.Setting {
		return moreNodes(g, nodesOf(in.Node), in.Scalable)
	})
}

// moreNodes are the settings that add nodes to the end of a nodelist.
func moreNodes(g model.Group, nodes []cluster.NodeName, scalable bool) []check.Setting {
	added := without(nodes, g.Nodelist)
	settings := []check.Setting{{Name: "Nodelist", Op: check.OpAdd, Values: words(added)}}
	if scalable {
		settings = append(settings, check.Setting{Name: "Maximum_primaries", Text: strconv.Itoa(g.MaximumPrimaries + len(added))},
			check.Setting{Name: "Desired_primaries", Text: strconv.Itoa(g.DesiredPrimaries + len(added))})
	}
	return settings
}

// GroupRemoveNode removes nodes from the nodelist.
func (c *Control) GroupRemoveNode(ctx context.Context, who Caller, in v1.GroupRemoveNode) (v1.Result, error) {
	r, err := c.enter(ctx, who, "group remove-node")
	if err != nil {
		return v1.Result{}, err
	}
	if len(in.Node) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "group remove-node: name the nodes with -n")
	}
	return c.editGroups(ctx, r, who, in.Names, in.All, func(model.Group) []check.Setting {
		return []check.Setting{{Name: "Nodelist", Op: check.OpRemove, Values: words(nodesOf(in.Node))}}
	})
}

// remembered is what every node last reported of a group, also those that are away and those that have come back and not reported anew.
func (v view) remembered(g cluster.GroupName) []model.Instance {
	return slices.DeleteFunc(slices.Clone(v.state.Instances), func(i model.Instance) bool { return i.Group != g })
}

// owing are the nodes outside the nodelist of a group where Fini of one of its resources has not run yet.
func owing(v view, g model.Group) (members, away []cluster.NodeName) {
	for _, i := range v.remembered(g.Name) {
		for _, res := range check.ResourcesOf(v.state, g.Name) {
			t, _ := check.Type(v.state, res.Type)
			_, has := t.Method(model.MethodFini)
			switch {
			case !has || t.InitNodes == model.InitInstalledNodes || slices.Contains(g.Nodelist, i.Node) || !resourceIn(i, res.Name).OwesFini():
				continue
			case v.isMember(i.Node):
				members = append(members, i.Node)
			default:
				away = append(away, i.Node)
			}
			break
		}
	}
	return members, away
}

// awaitFini waits until the nodes that left the nodelists of groups have taken leave of their resources, and names those that will do so when they come back.
func (c *Control) awaitFini(ctx context.Context, r *Running, out *v1.Result, groups []cluster.GroupName) error {
	err := c.awaitEach(ctx, r, waiting{limit: finiLimit}, groups, "has run Fini on the nodes that left its nodelist", func(n cluster.GroupName) func(view) error {
		return func(v view) error {
			g, _ := check.Group(v.state, n)
			if members, _ := owing(v, g); len(members) > 0 {
				return errNotYet
			}
			return nil
		}
	})
	v := c.look(r)
	for _, n := range groups {
		g, _ := check.Group(v.state, n)
		if _, away := owing(v, g); len(away) > 0 {
			out.Messages = append(out.Messages, fmt.Sprintf("group %s: Fini runs on %s when it comes back into the cluster", n, commas(away)))
		}
	}
	return err
}

// editGroups applies settings to groups. New nodes have to agree with every resource, and old ones leave no traces in the resources.
func (c *Control) editGroups(ctx context.Context, r *Running, who Caller, names []string, all bool, settings func(model.Group) []check.Setting) (v1.Result, error) {
	var shrunk []cluster.GroupName
	out, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		names, err := selected("group", names, all, groupNames(d.state))
		if err != nil {
			return err
		}
		shrunk = nil
		var ps check.Problems
		var validations []validation
		state := d.state
		for _, n := range names {
			old, _ := d.group(cluster.GroupName(n))
			g, more := check.DraftGroupChange(state, old, settings(old))
			ps = append(ps, more...)
			state = check.WithGroup(state, g)
			d.put(confdb.KeyGroup(g.Name), confdb.KindGroup, g)
			d.relyOnPlace(g.Name)
			added, gone := without(g.Nodelist, old.Nodelist), without(old.Nodelist, g.Nodelist)
			d.say(edited(old, g))
			if !slices.Equal(old.LoadFactors, g.LoadFactors) {
				d.sayUnlimited(state, g)
			}
			if len(gone) > 0 {
				shrunk = append(shrunk, g.Name)
			}
			for _, res := range check.ResourcesOf(state, g.Name) {
				if len(added) > 0 {
					validations = append(validations, validation{resource: res, create: true, only: added})
				}
				if cleaned, changed := forgetNodes(res, gone); changed {
					state = check.WithResource(state, cleaned)
					d.put(confdb.KeyResource(res.Name), confdb.KindResource, cleaned)
				}
			}
			if len(more) == 0 {
				ps = append(ps, check.CheckGroup(state, g)...)
			}
		}
		if err := ps.Err(); err != nil {
			return err
		}
		if err := d.bearable(state); err != nil {
			return err
		}
		return d.validated(c.validate(ctx, r, state, validations))
	}))
	if err != nil {
		return out, err
	}
	err = c.awaitFini(ctx, r, &out, shrunk)
	return out, err
}

// edited says what an edit of a group did.
func edited(old, g model.Group) string {
	var parts []string
	if !slices.Equal(old.Nodelist, g.Nodelist) {
		parts = append(parts, "its nodelist is "+commas(g.Nodelist))
	}
	if old.DesiredPrimaries != g.DesiredPrimaries || old.MaximumPrimaries != g.MaximumPrimaries {
		parts = append(parts, fmt.Sprintf("it runs on %d nodes (Desired_primaries), %d at most (Maximum_primaries)", g.DesiredPrimaries, g.MaximumPrimaries))
	}
	old.Nodelist, old.DesiredPrimaries, old.MaximumPrimaries = g.Nodelist, g.DesiredPrimaries, g.MaximumPrimaries
	if !reflect.DeepEqual(old, g) {
		parts = append(parts, "its properties are changed")
	}
	if len(parts) == 0 {
		return "group " + string(g.Name) + " is so already; nothing was changed"
	}
	return "group " + string(g.Name) + ": " + strings.Join(parts, "; ")
}

// relyOnPlace makes a change depend on where a group is ordered to run and what the nodes report of it.
func (d *draft) relyOnPlace(g cluster.GroupName) {
	d.rely(confdb.KeyAssign(g))
	for _, i := range check.Instances(d.state, g) {
		d.rely(confdb.KeyInstance(i.Node, g))
	}
}

// without gives the elements of a that are not in b.
func without[T comparable](a, b []T) []T {
	var out []T
	for _, n := range a {
		if !slices.Contains(b, n) {
			out = append(out, n)
		}
	}
	return out
}

// forgetNodes takes nodes out of what a resource says about single nodes.
func forgetNodes(r model.Resource, nodes []cluster.NodeName) (model.Resource, bool) {
	before := len(r.Properties) + len(r.DisabledOn) + len(r.UnmonitoredOn) + len(r.Dependencies)
	in := func(n cluster.NodeName) bool { return slices.Contains(nodes, n) }
	r.Properties = slices.DeleteFunc(slices.Clone(r.Properties), func(p model.Property) bool { return p.Node != "" && in(p.Node) })
	r.DisabledOn, r.UnmonitoredOn = without(r.DisabledOn, nodes), without(r.UnmonitoredOn, nodes)
	r.Dependencies = slices.DeleteFunc(slices.Clone(r.Dependencies), func(d model.Dependency) bool {
		return slices.ContainsFunc(nodes, func(n cluster.NodeName) bool { return d.Qualifier == "@"+string(n) })
	})
	if len(r.Dependencies) == 0 {
		r.Dependencies = nil
	}
	r, weights := balance.ForgetNodes(r, nodes)
	return r, weights || len(r.Properties)+len(r.DisabledOn)+len(r.UnmonitoredOn)+len(r.Dependencies) != before
}
