package control

import (
	"context"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// reading is how every list, show and status begins.
func (c *Control) reading(ctx context.Context, who Caller, name string) (*Running, view, error) {
	r, err := c.enter(ctx, who, name)
	if err != nil {
		return nil, view{}, err
	}
	v, err := c.read(r)
	return r, c.narrow(v, who, name), err
}

// NodeList lists the nodes.
func (c *Control) NodeList(ctx context.Context, who Caller, in v1.NodeList) ([]string, error) {
	_, v, err := c.reading(ctx, who, "node list")
	if err != nil {
		return nil, err
	}
	return shownNames("node", in.Names, nodeNames(v.state))
}

// NodeShow shows the configuration of nodes.
func (c *Control) NodeShow(ctx context.Context, who Caller, in v1.NodeShow) ([]v1.Node, error) {
	_, v, err := c.reading(ctx, who, "node show")
	if err != nil {
		return nil, err
	}
	names, err := shownNames("node", in.Names, nodeNames(v.state))
	out := []v1.Node{}
	for _, n := range names {
		node, _ := v.node(cluster.NodeName(n))
		shown := nodeOf(node.Node)
		shown.Properties = propertiesOf(check.NodeValues(node.Node))
		out = append(out, shown)
	}
	return out, err
}

// NodeStatus shows the state of nodes.
func (c *Control) NodeStatus(ctx context.Context, who Caller, in v1.NodeStatus) ([]v1.NodeState, error) {
	r, v, err := c.reading(ctx, who, "node status")
	if err != nil {
		return nil, err
	}
	c.refresh(ctx, r, v, refreshLimit)
	names, err := shownNames("node", in.Names, nodeNames(v.state))
	out := []v1.NodeState{}
	for _, n := range names {
		node, _ := v.node(cluster.NodeName(n))
		out = append(out, c.nodeState(r, v, node))
	}
	return out, err
}

// TypeList lists the resource types.
func (c *Control) TypeList(ctx context.Context, who Caller, in v1.TypeList) ([]string, error) {
	_, v, err := c.reading(ctx, who, "type list")
	if err != nil {
		return nil, err
	}
	return shownNames("type", in.Names, typeNames(v.state))
}

// TypeShow shows resource types.
func (c *Control) TypeShow(ctx context.Context, who Caller, in v1.TypeShow) ([]v1.Type, error) {
	_, v, err := c.reading(ctx, who, "type show")
	if err != nil {
		return nil, err
	}
	names, err := shownNames("type", in.Names, typeNames(v.state))
	out := []v1.Type{}
	for _, n := range names {
		t, _ := check.Type(v.state, cluster.TypeName(n))
		out = append(out, typeOf(t))
	}
	return out, err
}

// TypeListProps lists the properties that resources of types have.
func (c *Control) TypeListProps(ctx context.Context, who Caller, in v1.TypeListProps) ([]v1.TypeProps, error) {
	_, v, err := c.reading(ctx, who, "type list-props")
	if err != nil {
		return nil, err
	}
	names, err := shownNames("type", in.Names, typeNames(v.state))
	out := []v1.TypeProps{}
	for _, n := range names {
		t, _ := check.Type(v.state, cluster.TypeName(n))
		out = append(out, v1.TypeProps{Type: n, Properties: specsOf(t, "all")})
	}
	return out, err
}

// specsOf lists the properties of a type: all, standard or extension ones.
func specsOf(t model.Type, which string) []v1.PropertySpec {
	out := []v1.PropertySpec{}
	for _, p := range check.ResourceProperties(t) {
		if which == "standard" && !p.Standard || which == "extension" && p.Standard {
			continue
		}
		out = append(out, specOf(p.Spec, p.Standard))
	}
	return out
}

// GroupList lists groups, perhaps only those on some nodes, in some states or with resources of some types.
func (c *Control) GroupList(ctx context.Context, who Caller, in v1.GroupList) ([]string, error) {
	_, v, err := c.reading(ctx, who, "group list")
	if err != nil {
		return nil, err
	}
	names, err := shownNames("group", in.Names, groupNames(v.state))
	out := []string{}
	for _, n := range names {
		g, _ := v.group(cluster.GroupName(n))
		on := slices.ContainsFunc(v.runsOn(g.Name), func(n cluster.NodeName) bool { return slices.Contains(in.Node, string(n)) })
		has := slices.ContainsFunc(check.ResourcesOf(v.state, g.Name), func(r model.Resource) bool { return slices.Contains(in.Type, string(r.Type)) })
		state := slices.ContainsFunc(in.State, func(s string) bool { return strings.EqualFold(s, groupState(v, g).State) })
		if (len(in.Node) == 0 || on) && (len(in.Type) == 0 || has) && (len(in.State) == 0 || state) {
			out = append(out, n)
		}
	}
	return out, err
}

// GroupShow shows the configuration of groups.
func (c *Control) GroupShow(ctx context.Context, who Caller, in v1.GroupShow) ([]v1.Group, error) {
	_, v, err := c.reading(ctx, who, "group show")
	if err != nil {
		return nil, err
	}
	names, err := shownNames("group", in.Names, groupNames(v.state))
	out := []v1.Group{}
	for _, n := range names {
		g, _ := v.group(cluster.GroupName(n))
		out = append(out, groupOf(v.state, g))
	}
	return out, err
}

// GroupStatus shows the state of groups.
func (c *Control) GroupStatus(ctx context.Context, who Caller, in v1.GroupStatus) ([]v1.GroupState, error) {
	_, v, err := c.reading(ctx, who, "group status")
	if err != nil {
		return nil, err
	}
	names, err := shownNames("group", in.Names, groupNames(v.state))
	out := []v1.GroupState{}
	for _, n := range names {
		g, _ := v.group(cluster.GroupName(n))
		out = append(out, groupState(v, g))
	}
	return out, err
}

// GroupListProps lists the properties that groups have.
func (c *Control) GroupListProps(ctx context.Context, who Caller, in v1.GroupListProps) ([]v1.PropertySpec, error) {
	_, v, err := c.reading(ctx, who, "group list-props")
	if err != nil {
		return nil, err
	}
	if _, err := shownNames("group", in.Names, groupNames(v.state)); err != nil {
		return nil, err
	}
	out := []v1.PropertySpec{}
	for _, p := range check.GroupProperties() {
		out = append(out, specOf(p, true))
	}
	return out, nil
}

// shownResources are the resources that a read is about.
func (v view) shownResources(names []string, group, typ string) ([]model.Resource, error) {
	return v.selectResources(names, len(names) == 0, group, typ)
}

// ResourceList lists resources.
func (c *Control) ResourceList(ctx context.Context, who Caller, in v1.ResourceList) ([]string, error) {
	_, v, err := c.reading(ctx, who, "resource list")
	if err != nil {
		return nil, err
	}
	list, err := v.shownResources(in.Names, in.Group, in.Type)
	out := []string{}
	for _, r := range list {
		out = append(out, string(r.Name))
	}
	return out, err
}

// ResourceShow shows the configuration of resources.
func (c *Control) ResourceShow(ctx context.Context, who Caller, in v1.ResourceShow) ([]v1.Resource, error) {
	_, v, err := c.reading(ctx, who, "resource show")
	if err != nil {
		return nil, err
	}
	list, err := v.shownResources(in.Names, in.Group, in.Type)
	out := []v1.Resource{}
	for _, r := range list {
		t, _ := check.Type(v.state, r.Type)
		out = append(out, resourceOf(t, r))
	}
	return out, err
}

// ResourceStatus shows the state of resources, perhaps only on some nodes.
func (c *Control) ResourceStatus(ctx context.Context, who Caller, in v1.ResourceStatus) ([]v1.ResourceState, error) {
	_, v, err := c.reading(ctx, who, "resource status")
	if err != nil {
		return nil, err
	}
	list, err := v.shownResources(in.Names, in.Group, in.Type)
	out := []v1.ResourceState{}
	for _, r := range list {
		s := resourceState(v, r)
		if len(in.Node) > 0 {
			s.Nodes = slices.DeleteFunc(s.Nodes, func(n v1.ResourceNode) bool { return !slices.Contains(in.Node, n.Node) })
		}
		out = append(out, s)
	}
	return out, err
}

// ResourceListProps lists the properties of resources.
func (c *Control) ResourceListProps(ctx context.Context, who Caller, in v1.ResourceListProps) ([]v1.ResourceProps, error) {
	_, v, err := c.reading(ctx, who, "resource list-props")
	if err != nil {
		return nil, err
	}
	list, err := v.shownResources(in.Names, in.Group, in.Type)
	out := []v1.ResourceProps{}
	for _, r := range list {
		t, _ := check.Type(v.state, r.Type)
		out = append(out, v1.ResourceProps{Resource: string(r.Name), Properties: specsOf(t, in.List)})
	}
	return out, err
}
