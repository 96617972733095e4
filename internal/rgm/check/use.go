package check

import (
	"iter"
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// DeleteType says why a type can not be unregistered.
func DeleteType(s model.State, t cluster.TypeName) Problems {
	var ps Problems
	var users []string
	for _, r := range s.Resources {
		if r.Type == t {
			users = append(users, string(r.Name))
		}
	}
	if len(users) > 0 {
		ps.add(fault.Precondition, "resource type "+string(t), "is in use by %s; delete what uses it first", strings.Join(users, ", "))
	}
	return ps
}

// DeleteNode says why a node can not be removed from the cluster.
func DeleteNode(s model.State, n cluster.NodeName) Problems {
	at := "node " + string(n)
	var ps Problems
	for _, g := range s.Groups {
		if slices.Contains(g.Nodelist, n) {
			ps.add(fault.Precondition, at, "is in the nodelist of group %s; run `redoubt group remove-node -n %s %s` first, or remove it with -F", g.Name, n, g.Name)
		}
	}
	for _, r := range s.Resources {
		if slices.ContainsFunc(r.Dependencies, func(d model.Dependency) bool { return d.Qualifier == "@"+string(n) }) {
			ps.add(fault.Precondition, at, "is named in the dependencies of resource %s; change these first", r.Name)
		}
	}
	return ps
}

// DeleteGroup says why a group can not be deleted. With its resources it can, when they may be deleted themselves. also are groups that are deleted in the same
// step: what these say of the group does not count.
func DeleteGroup(s model.State, g model.Group, withResources bool, also ...cluster.GroupName) Problems {
	at := "group " + string(g.Name)
	var ps Problems
	if g.System {
		ps.add(fault.Precondition, at, "is protected (RG_system); set RG_system=FALSE first")
	}
	rs := ResourcesOf(s, g.Name)
	if !withResources && len(rs) > 0 {
		ps.add(fault.Precondition, at, "has resources (%s); delete them first, or all together with -F", resourceNames(rs))
	}
	if !withResources && !Offline(s, g.Name) {
		ps.add(fault.Precondition, at, "is not offline; run `redoubt group offline %s` first", g.Name)
	}
	for _, r := range rs {
		for _, d := range Dependents(s, r.Name, true) {
			if o, _ := Resource(s, d); o.Group != g.Name && !slices.Contains(also, o.Group) {
				ps.add(fault.Precondition, "resource "+string(r.Name), "resource %s of group %s depends on it; change that first", d, o.Group)
			}
		}
	}
	for _, o := range s.Groups {
		if o.Name == g.Name || slices.Contains(also, o.Name) {
			continue
		}
		for property, text := range namings(o, g.Name) {
			ps.add(fault.Precondition, at, "group %s names it in %s; run `redoubt group set -p %s-=%s %s` first", o.Name, property, property, text, o.Name)
		}
	}
	return ps
}

// namings are the properties in which a group names another, and what stands there.
func namings(g model.Group, other cluster.GroupName) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, a := range g.Affinities {
			if a.Target == other && !yield(byAffinity, string(a.Kind)+string(a.Target)) {
				return
			}
		}
		if slices.Contains(g.Dependencies, other) {
			yield(byDependency, string(other))
		}
	}
}

// CutGroup takes a group out of what another says of groups, and reports whether it was there.
func CutGroup(g model.Group, gone cluster.GroupName) (model.Group, bool) {
	before := len(g.Affinities) + len(g.Dependencies)
	g.Affinities = slices.DeleteFunc(slices.Clone(g.Affinities), func(a model.Affinity) bool { return a.Target == gone })
	g.Dependencies = slices.DeleteFunc(slices.Clone(g.Dependencies), func(d cluster.GroupName) bool { return d == gone })
	if len(g.Affinities) == 0 {
		g.Affinities = nil
	}
	if len(g.Dependencies) == 0 {
		g.Dependencies = nil
	}
	return g, len(g.Affinities)+len(g.Dependencies) != before
}

// DeleteResource says why a resource can not be deleted. also are resources that are deleted together with it; force allows it while enabled.
func DeleteResource(s model.State, r model.Resource, also []cluster.ResourceName, force bool) Problems {
	at := "resource " + string(r.Name)
	var ps Problems
	if r.Enabled && !force {
		ps.add(fault.Precondition, at, "is enabled; run `redoubt resource disable %s` first, or delete it with -F", r.Name)
	}
	if g, ok := Group(s, r.Group); ok && g.System {
		ps.add(fault.Precondition, at, "its group %s is protected (RG_system); set RG_system=FALSE first", r.Group)
	}
	for _, o := range s.Resources {
		if o.Name == r.Name || slices.Contains(also, o.Name) || force {
			continue
		}
		if balance.Scalable(o) && slices.ContainsFunc(balance.Uses(s, o), func(a model.Resource) bool { return a.Name == r.Name }) {
			ps.add(fault.Precondition, at, "resource %s shares its load by it; delete that first, or set its %s to another address", o.Name, balance.PropertyAddresses)
			continue
		}
		if slices.ContainsFunc(o.Dependencies, func(d model.Dependency) bool { return d.On == r.Name }) {
			ps.add(fault.Precondition, at, "resource %s depends on it; change that first, or delete this one with -F", o.Name)
		}
	}
	return ps
}

// Disable says why resources can not be disabled: enabled ones outside the set depend on them, or share their load by them.
func Disable(s model.State, names []cluster.ResourceName) Problems {
	var ps Problems
	for _, n := range names {
		r, _ := Resource(s, n)
		for _, d := range Dependents(s, n, false) {
			o, _ := Resource(s, d)
			declared := slices.ContainsFunc(o.Dependencies, func(x model.Dependency) bool { return x.On == n && x.Kind != model.DependWeak })
			uses := slices.Contains(shared(s, o), n)
			switch {
			case !r.Enabled || !o.Enabled || slices.Contains(names, d):
			case uses:
				ps.add(fault.Precondition, "resource "+string(n), "resource %s is enabled and shares its load by it; disable that first, or both with -R", d)
			case declared:
				ps.add(fault.Precondition, "resource "+string(n), "resource %s depends on it and is enabled; disable that first, or both with -R", d)
			}
		}
	}
	return ps
}

// leavesNode says why a group can not lose a node of its nodelist now.
func leavesNode(s model.State, g model.Group, n cluster.NodeName) Problems {
	var ps Problems
	for _, i := range Instances(s, g.Name) {
		if i.Node == n && i.MayRun() {
			ps.add(fault.Precondition, "group "+string(g.Name), "is %s on node %s; switch it to another node before that one leaves the nodelist", i.State, n)
		}
	}
	return ps
}

// Offline reports whether a group runs nowhere and is ordered to run nowhere.
func Offline(s model.State, g cluster.GroupName) bool {
	if a, ok := Assignment(s, g); ok && (len(a.Targets) > 0 || len(a.Leaving) > 0) {
		return false
	}
	return !slices.ContainsFunc(Instances(s, g), model.Instance.MayRun)
}

func resourceNames(rs []model.Resource) string {
	parts := make([]string, len(rs))
	for i, r := range rs {
		parts[i] = string(r.Name)
	}
	return strings.Join(parts, ", ")
}
