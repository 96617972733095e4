package life

import (
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// web is which resources each group has and who depends on whom: what of Around changes only with the configuration.
type web struct {
	groups     []model.Group
	resources  []model.Resource
	members    [][]model.Resource // of each group
	dependents map[cluster.ResourceName][]Dependent
	sources    map[cluster.GroupName][]cluster.GroupName // those that name the group in RG_dependencies
	below      map[cluster.GroupName][]cluster.GroupName // those on which the group depends in any way
	above      map[cluster.GroupName][]cluster.GroupName // those that depend on it in any way
}

// Dependent is a resource that depends on one of another group.
type Dependent struct {
	Spec  *model.Resource
	Group *model.Group
	Dep   model.Dependency
}

func weave(groups []model.Group, resources []model.Resource) *web {
	w := &web{
		groups: groups, resources: resources, dependents: map[cluster.ResourceName][]Dependent{}, sources: map[cluster.GroupName][]cluster.GroupName{},
		below: map[cluster.GroupName][]cluster.GroupName{}, above: map[cluster.GroupName][]cluster.GroupName{},
	}
	w.sortByGroup()
	for i := range resources {
		r := &resources[i]
		for _, d := range r.Dependencies {
			on := at(resources, d.On, nameOfResource)
			if on == nil || on.Group == r.Group {
				continue
			}
			if g := at(groups, r.Group, nameOfGroup); g != nil {
				w.dependents[d.On] = append(w.dependents[d.On], Dependent{r, g, d})
				w.tie(r.Group, on.Group)
			}
		}
	}
	for _, g := range groups {
		for _, d := range g.Dependencies {
			w.sources[d] = append(w.sources[d], g.Name)
			w.tie(g.Name, d)
		}
	}
	return w
}

// tie notes that a group depends on another.
func (w *web) tie(g, on cluster.GroupName) {
	if !slices.Contains(w.below[g], on) {
		w.below[g], w.above[on] = append(w.below[g], on), append(w.above[on], g)
	}
}

// Near are the groups that may have something else to do when something of a group is different: itself, those that depend on it, directly or over others, and those on which it depends, which it keeps from
// going down.
func (w *web) Near(g cluster.GroupName) []cluster.GroupName {
	near, seen := []cluster.GroupName{g}, map[cluster.GroupName]bool{g: true}
	add := func(groups []cluster.GroupName) {
		for _, o := range groups {
			if !seen[o] {
				seen[o], near = true, append(near, o)
			}
		}
	}
	for i := 0; i < len(near); i++ {
		add(w.above[near[i]])
	}
	add(w.below[g])
	return near
}

// Dependents are the resources of other groups that depend on a resource in any way, sorted by name.
func (w *web) Dependents(n cluster.ResourceName) []Dependent { return w.dependents[n] }

// sortByGroup puts the resources of each group together, all in one piece of memory: there are many.
func (w *web) sortByGroup() {
	w.members = make([][]model.Resource, len(w.groups))
	counts, of := make([]int, len(w.groups)), make([]int, len(w.resources))
	for i := range w.resources {
		of[i] = indexOf(w.groups, w.resources[i].Group, nameOfGroup)
		if of[i] >= 0 {
			counts[of[i]]++
		}
	}
	all := make([]model.Resource, len(w.resources))
	for g, n := range counts {
		w.members[g], all = all[:0:n], all[n:]
	}
	for i, g := range of {
		if g >= 0 {
			w.members[g] = append(w.members[g], w.resources[i])
		}
	}
}

// Members are the resources of a group, sorted by name.
func (w *web) Members(g cluster.GroupName) []model.Resource {
	if i := indexOf(w.groups, g, nameOfGroup); i >= 0 {
		return w.members[i]
	}
	return nil
}
