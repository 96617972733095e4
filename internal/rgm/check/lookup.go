package check

import (
	"slices"
	"sort"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// Node returns the node of that name.
func Node(s model.State, n cluster.NodeName) (model.NodeState, bool) {
	return find(s.Nodes, func(x model.NodeState) bool { return x.Name == n })
}

// Type returns the registered type of that name.
func Type(s model.State, t cluster.TypeName) (model.Type, bool) {
	return find(s.Types, func(x model.Type) bool { return x.Name == t })
}

// Group returns the group of that name.
func Group(s model.State, g cluster.GroupName) (model.Group, bool) {
	return named(s.Groups, g, func(x *model.Group) cluster.GroupName { return x.Name })
}

// Resource returns the resource of that name.
func Resource(s model.State, r cluster.ResourceName) (model.Resource, bool) {
	return named(s.Resources, r, func(x *model.Resource) cluster.ResourceName { return x.Name })
}

// Assignment returns the assignment of a group.
func Assignment(s model.State, g cluster.GroupName) (model.Assignment, bool) {
	return named(s.Assignments, g, func(x *model.Assignment) cluster.GroupName { return x.Group })
}

// named finds an element of a list that is sorted by name. The elements are large: they are compared where they are.
func named[T any, N ~string](list []T, name N, of func(*T) N) (T, bool) {
	i := sort.Search(len(list), func(i int) bool { return of(&list[i]) >= name })
	if i < len(list) && of(&list[i]) == name {
		return list[i], true
	}
	var none T
	return none, false
}

func find[T any](list []T, is func(T) bool) (T, bool) {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	var none T
	return none, false
}

// ResourcesOf returns the resources of a group, sorted by name.
func ResourcesOf(s model.State, g cluster.GroupName) []model.Resource {
	var out []model.Resource
	for i := range s.Resources {
		if s.Resources[i].Group == g {
			out = append(out, s.Resources[i])
		}
	}
	return out
}

// Instances returns the reports about a group that count: those of incarnations that are members, or that may still run something.
func Instances(s model.State, g cluster.GroupName) []model.Instance {
	var out []model.Instance
	for i := firstInstance(s, g); i < len(s.Instances) && s.Instances[i].Group == g; i++ {
		if counts(&s, &s.Instances[i]) {
			out = append(out, s.Instances[i])
		}
	}
	return out
}

// Instance returns the report of a node about a group, if it has one that counts.
func Instance(s model.State, g cluster.GroupName, n cluster.NodeName) (model.Instance, bool) {
	for i := firstInstance(s, g); i < len(s.Instances) && s.Instances[i].Group == g; i++ {
		if s.Instances[i].Node == n && counts(&s, &s.Instances[i]) {
			return s.Instances[i], true
		}
	}
	return model.Instance{}, false
}

// firstInstance is where the reports about a group begin.
func firstInstance(s model.State, g cluster.GroupName) int {
	return sort.Search(len(s.Instances), func(i int) bool { return s.Instances[i].Group >= g })
}

func counts(s *model.State, i *model.Instance) bool {
	if slices.Contains(s.Held, model.Target{Node: i.Node, Incarnation: i.Incarnation}) {
		return true
	}
	for k := range s.Nodes {
		if n := &s.Nodes[k]; n.Name == i.Node {
			return n.Member && n.Incarnation == i.Incarnation
		}
	}
	return false
}

// WithGroup, WithResource and WithType give the state as it would be with the object added or replaced. The others give it without the object.
func WithGroup(s model.State, g model.Group) model.State {
	s.Groups = with(s.Groups, g, func(x model.Group) string { return string(x.Name) })
	return s
}

// WithNode is the state with another record of a node that it has.
func WithNode(s model.State, n model.Node) model.State {
	s.Nodes = slices.Clone(s.Nodes)
	for i := range s.Nodes {
		if s.Nodes[i].Name == n.Name {
			s.Nodes[i].Node = n
		}
	}
	return s
}

// WithResource gives the state with the resource added or replaced.
func WithResource(s model.State, r model.Resource) model.State {
	s.Resources = with(s.Resources, r, func(x model.Resource) string { return string(x.Name) })
	return s
}

// WithType gives the state with the type added or replaced.
func WithType(s model.State, t model.Type) model.State {
	s.Types = with(s.Types, t, func(x model.Type) string { return string(x.Name) })
	return s
}

// PutGroup, PutResource and PutType are WithGroup, WithResource and WithType for a state whose lists are the caller's own: they are changed in place, so that thousands of objects
// are not copied thousands of times.
func PutGroup(s *model.State, g model.Group) {
	s.Groups = put(s.Groups, g, func(x model.Group) string { return string(x.Name) })
}

// PutResource is described at PutGroup.
func PutResource(s *model.State, r model.Resource) {
	s.Resources = put(s.Resources, r, func(x model.Resource) string { return string(x.Name) })
}

// PutType is described at PutGroup.
func PutType(s *model.State, t model.Type) {
	s.Types = put(s.Types, t, func(x model.Type) string { return string(x.Name) })
}

// WithoutGroup gives the state without the group.
func WithoutGroup(s model.State, g cluster.GroupName) model.State {
	s.Groups = slices.DeleteFunc(slices.Clone(s.Groups), func(x model.Group) bool { return x.Name == g })
	return s
}

// WithoutResource gives the state without the resource.
func WithoutResource(s model.State, r cluster.ResourceName) model.State {
	s.Resources = slices.DeleteFunc(slices.Clone(s.Resources), func(x model.Resource) bool { return x.Name == r })
	return s
}

// WithoutType gives the state without the type.
func WithoutType(s model.State, t cluster.TypeName) model.State {
	s.Types = slices.DeleteFunc(slices.Clone(s.Types), func(x model.Type) bool { return x.Name == t })
	return s
}

func with[T any](list []T, item T, name func(T) string) []T {
	return put(slices.Clone(list), item, name)
}

func put[T any](list []T, item T, name func(T) string) []T {
	i, found := slices.BinarySearchFunc(list, name(item), func(x T, n string) int { return strings.Compare(name(x), n) })
	if found {
		list[i] = item
		return list
	}
	return slices.Insert(list, i, item)
}

func nodeNames(s model.State) []string {
	var out []string
	for _, n := range NodesThatRun(s) {
		out = append(out, string(n))
	}
	return out
}

// NodesThatRun are the nodes that can run services: all but the quorum servers.
func NodesThatRun(s model.State) []cluster.NodeName {
	var out []cluster.NodeName
	for _, n := range s.Nodes {
		if !n.QuorumServer {
			out = append(out, n.Name)
		}
	}
	return out
}
