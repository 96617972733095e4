package check

import (
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// dependsRightly checks the declared dependencies of a resource.
func dependsRightly(s model.State, g model.Group, r model.Resource) Problems {
	var ps Problems
	for i, d := range r.Dependencies {
		path := "resource " + string(r.Name) + ": property " + dependencyProperty(d.Kind)
		on, ok := Resource(s, d.On)
		if !ok {
			var known []string
			for _, o := range s.Resources {
				known = append(known, string(o.Name))
			}
			ps.add(fault.NotFound, path, "resource %s does not exist; %s", d.On, DidYouMean(string(d.On), known, "create it first"))
			continue
		}
		if d.On == r.Name {
			ps.add(fault.Invalid, path, "a resource can not depend on itself")
			continue
		}
		if on.Deleting {
			ps.add(fault.Precondition, path, "resource %s is being deleted", d.On)
		}
		for _, o := range r.Dependencies[:i] {
			if o.On == d.On && o.Kind != d.Kind && o.Qualifier == d.Qualifier {
				ps.add(fault.Invalid, path, "resource %s stands in %s too; name it in one of them", d.On, dependencyProperty(o.Kind))
			}
		}
		ps = append(ps, qualified(s, g, on, d, path)...)
	}
	return ps
}

// qualified checks a dependency's qualifier.
func qualified(s model.State, g model.Group, on model.Resource, d model.Dependency, path string) Problems {
	var ps Problems
	og, _ := Group(s, on.Group)
	switch d.Qualifier {
	case "", "ANY_NODE":
	case "LOCAL_NODE":
		if on.Group != g.Name && !slices.ContainsFunc(g.Nodelist, func(n cluster.NodeName) bool { return slices.Contains(og.Nodelist, n) }) {
			ps.add(fault.Invalid, path, "%s{LOCAL_NODE} can never be met: groups %s and %s have no node in common", d.On, g.Name, og.Name)
		}
	default:
		n := cluster.NodeName(strings.TrimPrefix(d.Qualifier, "@"))
		if _, ok := Node(s, n); !ok {
			ps.add(fault.Invalid, path, "%s{@%s}: node %s is not in the cluster", d.On, n, n)
		} else if !slices.Contains(og.Nodelist, n) {
			ps.add(fault.Invalid, path, "%s{@%s} can never be met: node %s is not in the nodelist of group %s", d.On, n, n, og.Name)
		}
	}
	return ps
}

// needs are the resources that r depends on, by declaration or because they are the addresses of its group.
func needs(s model.State, r model.Resource) []cluster.ResourceName {
	var out []cluster.ResourceName
	for _, d := range r.Dependencies {
		if !slices.Contains(out, d.On) {
			out = append(out, d.On)
		}
	}
	return append(out, implicit(s, r, out)...)
}

// implicit are the addresses that r depends on without saying so.
func implicit(s model.State, r model.Resource, declared []cluster.ResourceName) []cluster.ResourceName {
	g, ok := Group(s, r.Group)
	t, _ := Type(s, r.Type)
	if !ok || !g.ImplicitNetworkDependencies || t.NetworkAddress {
		return nil
	}
	var out []cluster.ResourceName
	for _, o := range ResourcesOf(s, r.Group) {
		if ot, _ := Type(s, o.Type); ot.NetworkAddress && !slices.Contains(declared, o.Name) {
			out = append(out, o.Name)
		}
	}
	return out
}

// cycleThrough names a cycle of dependencies that the resource is part of, "" if there is none.
func cycleThrough(s model.State, start cluster.ResourceName) string {
	came := map[cluster.ResourceName]cluster.ResourceName{}
	queue := []cluster.ResourceName{start}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		r, ok := Resource(s, at)
		if !ok {
			continue
		}
		for _, n := range needs(s, r) {
			if n == start {
				return cycleText(s, start, at, came)
			}
			if _, seen := came[n]; !seen {
				came[n] = at
				queue = append(queue, n)
			}
		}
	}
	return ""
}

// cycleText writes the way from start to last and back. Links that nobody declared are marked.
func cycleText(s model.State, start, last cluster.ResourceName, came map[cluster.ResourceName]cluster.ResourceName) string {
	way := []cluster.ResourceName{start}
	for at := last; at != start; at = came[at] {
		way = slices.Insert(way, 0, at)
	}
	way = slices.Insert(way, 0, start)
	var b strings.Builder
	for i, n := range way {
		if i > 0 {
			b.WriteString(" -> ")
			b.WriteString(string(n))
			from, _ := Resource(s, way[i-1])
			if !slices.ContainsFunc(from.Dependencies, func(d model.Dependency) bool { return d.On == n }) {
				b.WriteString(" (implicit: network address of the group)")
			}
			continue
		}
		b.WriteString(string(n))
	}
	return b.String()
}

// Dependents are the resources that depend on one, directly, sorted by name. Weak dependencies count only with weak.
func Dependents(s model.State, on cluster.ResourceName, weak bool) []cluster.ResourceName {
	var out []cluster.ResourceName
	for _, r := range s.Resources {
		strong := slices.ContainsFunc(r.Dependencies, func(d model.Dependency) bool { return d.On == on && (weak || d.Kind != model.DependWeak) })
		if strong || slices.Contains(implicit(s, r, nil), on) {
			out = append(out, r.Name)
		}
	}
	return out
}

// Closure follows step from the names on and gives all that is reached, with the names themselves, sorted.
func Closure(names []cluster.ResourceName, step func(cluster.ResourceName) []cluster.ResourceName) []cluster.ResourceName {
	seen := map[cluster.ResourceName]bool{}
	queue := slices.Clone(names)
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		if seen[n] {
			continue
		}
		seen[n] = true
		queue = append(queue, step(n)...)
	}
	out := make([]cluster.ResourceName, 0, len(seen))
	for n := range seen {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// Needs are the resources that one depends on, directly, but for weak dependencies.
func Needs(s model.State, name cluster.ResourceName) []cluster.ResourceName {
	r, ok := Resource(s, name)
	if !ok {
		return nil
	}
	var declared []cluster.ResourceName
	for _, d := range r.Dependencies {
		if d.Kind != model.DependWeak {
			declared = append(declared, d.On)
		}
	}
	return append(declared, implicit(s, r, declared)...)
}
