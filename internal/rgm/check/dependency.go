package check

import (
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
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
	if node, only := strings.CutPrefix(d.Qualifier, "@"); only {
		n := cluster.NodeName(node)
		if _, ok := Node(s, n); !ok {
			ps.add(fault.Invalid, path, "%s{@%s}: node %s is not in the cluster", d.On, n, n)
			return ps
		} else if !slices.Contains(g.Nodelist, n) {
			ps.add(fault.Invalid, path, "%s{@%s} never holds: node %s is not in the nodelist of group %s, which has the resource", d.On, n, n, g.Name)
			return ps
		}
	}
	return append(ps, reachable(s, g, on, d, path)...)
}

// reachable refuses a dependency whose target can not be where it has to be.
func reachable(s model.State, g model.Group, on model.Resource, d model.Dependency, path string) Problems {
	var ps Problems
	og, ok := Group(s, on.Group)
	met := func(n cluster.NodeName) bool { return d.AppliesOn(n) && slices.Contains(og.Nodelist, n) }
	if !ok || on.Group == g.Name || !d.Local(g, on.Group) || slices.ContainsFunc(g.Nodelist, met) {
		return ps
	}
	if node, only := strings.CutPrefix(d.Qualifier, "@"); only && !slices.Contains(g.Nodelist, cluster.NodeName(node)) {
		return ps // it holds nowhere
	}
	where := "no node of the nodelist of group " + string(g.Name) + " is in that of group " + string(og.Name)
	if node, only := strings.CutPrefix(d.Qualifier, "@"); only {
		where = "node " + node + " is not in the nodelist of group " + string(og.Name)
	}
	why := ""
	if d.Qualifier != model.LocalNode {
		why = ", on the same node because of the affinity to group " + string(og.Name) + ","
	}
	ps.add(fault.Invalid, path, "%s%s can never be met: %s", dependencyText(d), why, where)
	return ps
}

// beside checks what the properties of a group mean for dependencies: of its resources, and of those of others on them.
func beside(s model.State, g model.Group) Problems {
	var ps Problems
	own := map[cluster.ResourceName]bool{}
	for _, r := range ResourcesOf(s, g.Name) {
		own[r.Name] = true
	}
	for _, r := range s.Resources {
		for _, d := range r.Dependencies {
			if r.Group != g.Name && !own[d.On] {
				continue
			}
			on, ok := Resource(s, d.On)
			if rg, have := Group(s, r.Group); ok && have {
				ps = append(ps, reachable(s, rg, on, d, "resource "+string(r.Name)+": property "+dependencyProperty(d.Kind))...)
			}
		}
	}
	return ps
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

// Dependents are the resources that depend on one, directly, sorted by name; a scalable service depends on the shared addresses that it uses. Weak dependencies count
// only with weak.
func Dependents(s model.State, on cluster.ResourceName, weak bool) []cluster.ResourceName {
	var out []cluster.ResourceName
	for _, r := range s.Resources {
		strong := slices.ContainsFunc(r.Dependencies, func(d model.Dependency) bool { return d.On == on && (weak || d.Kind != model.DependWeak) })
		if strong || slices.Contains(implicit(s, r, nil), on) || slices.Contains(shared(s, r), on) {
			out = append(out, r.Name)
		}
	}
	return out
}

// shared are the shared addresses that a scalable service uses.
func shared(s model.State, r model.Resource) []cluster.ResourceName {
	if !balance.Scalable(r) {
		return nil
	}
	var out []cluster.ResourceName
	for _, a := range balance.Uses(s, r) {
		out = append(out, a.Name)
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
	for _, a := range shared(s, r) {
		if !slices.Contains(declared, a) {
			declared = append(declared, a)
		}
	}
	return append(declared, implicit(s, r, declared)...)
}
