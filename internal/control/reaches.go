package control

import (
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// What properties say about others reaches these: a group that is bound to another by an affinity moves it or keeps it away, one that depends on another holds it back when it stops, and
// so does a resource. Whoever sets that up needs the same right for the others. What stands there already, and what is taken away, reaches nobody.

// ranking are the properties by which the groups of the cluster are weighed against each other: by them one takes the place of others, whoever's these are.
var ranking = []string{"Priority", "Preemption_mode", "Load_factors"}

// groupReach adds to groups what properties that are set for them reach.
func (v view) groupReach(groups []rbac.Object, properties []string) []rbac.Object {
	settings, _ := check.ParseSettings("group", properties)
	if len(groups) == 0 || len(settings) == 0 {
		return groups
	}
	out := groups
	for _, o := range groups {
		old, _ := check.Group(v.state, cluster.GroupName(o.Group))
		old.System = false // whether it may be changed at all is asked later
		g, _ := check.DraftGroupChange(v.state, old, settings)
		for _, a := range g.Affinities {
			if !slices.Contains(old.Affinities, a) {
				out = append(out, rbac.Object{Group: string(a.Target)})
			}
		}
		for _, name := range g.Dependencies {
			if !slices.Contains(old.Dependencies, name) {
				out = append(out, rbac.Object{Group: string(name)})
			}
		}
	}
	if slices.ContainsFunc(settings, func(s check.Setting) bool {
		return slices.ContainsFunc(ranking, func(name string) bool { return strings.EqualFold(s.Name, name) })
	}) {
		out = append(out, rbac.Object{What: "Priority, Preemption_mode and Load_factors, by which all groups of the cluster are weighed"})
	}
	return out
}

// creates is what the creation of resources touches: their group, and what their properties name in other groups.
func (v view) creates(in v1.ResourceCreate) []rbac.Object {
	out := v.createdObjects(in.Names, in.Group)
	changes, _ := changesOf(in.Names, in.Property, in.Standard, in.Extension)
	for _, n := range in.Names {
		if len(out) == 0 {
			break
		}
		r, _ := check.DraftResource(v.state, check.ResourceRequest{Name: cluster.ResourceName(n), Group: cluster.GroupName(in.Group), Type: cluster.TypeName(in.Type), Changes: changes})
		out = append(out, v.named(model.Resource{Group: cluster.GroupName(in.Group)}, r)...)
	}
	return out
}

// createsAddress is creates for an address.
func (v view) createsAddress(in v1.ResourceCreateLogicalhostname, typ cluster.TypeName) []rbac.Object {
	return v.creates(v1.ResourceCreate{Names: in.Names, Group: in.Group, Type: string(typ), Property: in.Property, Standard: in.Standard, Extension: in.Extension})
}

// sets is what a change of resources touches: they, and what their properties name in other groups from then on.
func (v view) sets(in v1.ResourceSet) []rbac.Object {
	out := v.resourceObjects(in.Names, in.All, in.Group, in.Type)
	if len(out) == 0 {
		return nil
	}
	changes, _ := changesOf(in.Names, in.Property, in.Standard, in.Extension)
	list, err := v.selectResources(in.Names, in.All, in.Group, in.Type)
	if err != nil {
		return out // refused anyhow
	}
	for _, old := range list {
		r, _, _ := check.DraftChange(v.state, old, changes)
		out = append(out, v.named(old, r)...)
	}
	return out
}

// named are the resources of other groups that a resource names and did not name before: those that it depends on, and the addresses whose load it shares.
func (v view) named(old, r model.Resource) []rbac.Object {
	var out []rbac.Object
	add := func(name cluster.ResourceName) {
		if on, ok := check.Resource(v.state, name); ok && on.Group != old.Group {
			out = append(out, resourceObject(on))
		}
	}
	for _, d := range r.Dependencies {
		if !slices.Contains(old.Dependencies, d) {
			add(d.On)
		}
	}
	before := balance.Uses(v.state, old)
	for _, a := range balance.Uses(v.state, r) {
		if !slices.ContainsFunc(before, func(b model.Resource) bool { return b.Name == a.Name }) {
			add(a.Name)
		}
	}
	return out
}
