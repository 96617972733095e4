package life

import (
	"cmp"
	"slices"
	"sort"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// Around is what the groups of a node have to know of each other and of those on other nodes: an index over one snapshot, made once for all of them.
type Around struct {
	*web
	s     model.State
	lives map[cluster.NodeName]cluster.Incarnation
}

// Survey makes the index. lives are the incarnations that are members: what others reported last does not count.
func Survey(s model.State, lives map[cluster.NodeName]cluster.Incarnation) *Around {
	return (*Around)(nil).Next(s, lives)
}

// Next is the index over a newer snapshot. When that has the very groups and resources of this one, in the same memory, nothing is sorted anew: a change elsewhere costs nothing here.
func (a *Around) Next(s model.State, lives map[cluster.NodeName]cluster.Incarnation) *Around {
	if a != nil && same(a.groups, s.Groups) && same(a.resources, s.Resources) {
		return &Around{a.web, s, lives}
	}
	return &Around{weave(s.Groups, s.Resources), s, lives}
}

// same reports whether two lists that nobody changes are one.
func same[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// indexOf finds a name in a sorted list, -1 when it is not there. It copies no elements: they are large.
func indexOf[T any, N cmp.Ordered](list []T, n N, name func(*T) N) int {
	from, to := 0, len(list)
	for from < to {
		mid := int(uint(from+to) >> 1)
		switch have := name(&list[mid]); {
		case have == n:
			return mid
		case have < n:
			from = mid + 1
		default:
			to = mid
		}
	}
	return -1
}

// at is the element of a sorted list that has a name; nil when none has.
func at[T any, N cmp.Ordered](list []T, n N, name func(*T) N) *T {
	if i := indexOf(list, n, name); i >= 0 {
		return &list[i]
	}
	return nil
}

func nameOfGroup(g *model.Group) cluster.GroupName { return g.Name }

func nameOfResource(r *model.Resource) cluster.ResourceName { return r.Name }

func lookup[T any, N cmp.Ordered](list []T, n N, name func(*T) N) (T, bool) {
	if x := at(list, n, name); x != nil {
		return *x, true
	}
	var none T
	return none, false
}

func (a *Around) group(n cluster.GroupName) (model.Group, bool) {
	return lookup(a.s.Groups, n, nameOfGroup)
}

func (a *Around) resource(n cluster.ResourceName) (model.Resource, bool) {
	return lookup(a.s.Resources, n, nameOfResource)
}

// groupOf is the group of a resource.
func (a *Around) groupOf(n cluster.ResourceName) (model.Group, bool) {
	if a == nil {
		return model.Group{}, false
	}
	r, _ := a.resource(n)
	return a.group(r.Group)
}

func (a *Around) assignment(n cluster.GroupName) model.Assignment {
	x, _ := lookup(a.s.Assignments, n, func(x *model.Assignment) cluster.GroupName { return x.Group })
	return x
}

// pending is what an administrator asked for and the president has not acted on yet.
func (a *Around) pending(n cluster.GroupName) (model.Want, bool) {
	w, ok := lookup(a.s.Wants, n, func(w *model.Want) cluster.GroupName { return w.Group })
	return w, ok && w.Seq > a.assignment(n).WantSeq
}

// instances are what living nodes have reported of a group, sorted by node.
func (a *Around) instances(n cluster.GroupName) []model.Instance {
	from := sort.Search(len(a.s.Instances), func(i int) bool { return a.s.Instances[i].Group >= n })
	var out []model.Instance
	for i := from; i < len(a.s.Instances) && a.s.Instances[i].Group == n; i++ {
		if inc, lives := a.lives[a.s.Instances[i].Node]; lives && inc == a.s.Instances[i].Incarnation {
			out = append(out, a.s.Instances[i])
		}
	}
	return out
}

func (a *Around) address(r model.Resource) bool {
	t, _ := lookup(a.s.Types, r.Type, func(t *model.Type) cluster.TypeName { return t.Name })
	return t.NetworkAddress
}

// scene is Around as it is seen from a node that knows of its own groups better than the repository does.
type scene struct {
	*Around
	node cluster.NodeName
	here map[cluster.GroupName]model.Instance
}

// reports are what living nodes say of a group.
func (s scene) reports(g cluster.GroupName) []model.Instance {
	is := s.instances(g)
	own, ok := s.here[g]
	if !ok {
		return is
	}
	out := make([]model.Instance, 0, len(is)+1)
	for _, i := range is {
		if i.Node != own.Node {
			out = append(out, i)
		}
	}
	return append(out, own)
}

func resourceIn(i model.Instance, n cluster.ResourceName) model.ResourceInstance {
	ri, ok := lookup(i.Resources, n, func(r *model.ResourceInstance) cluster.ResourceName { return r.Name })
	if !ok {
		return model.ResourceInstance{Name: n, State: model.ResourceOffline}
	}
	return ri
}

// ordered reports whether a group shall be online where this instance is, and go on to be.
func (s scene) ordered(i model.Instance) bool {
	g, ok := s.group(i.Group)
	a := s.assignment(i.Group)
	switch {
	case !ok || !g.Managed || !a.On(i.Node, i.Incarnation) || a.Version < i.Version || a.Restart > i.Restart:
		return false
	case i.Plea != nil && i.Plea.Kind == model.PleaStartFailed && i.Plea.Version >= a.Version:
		return false // it is being moved
	}
	return true
}

// stays reports whether a resource is ordered up where this instance is.
func (s scene) stays(r model.Resource, i model.Instance) bool {
	return s.ordered(i) && r.EnabledOn(i.Node) && !r.Deleting
}

// up reports whether a resource is online, and stays so, on a node, or on any when at is "".
func (s scene) up(r model.Resource, at cluster.NodeName) bool {
	return slices.ContainsFunc(s.reports(r.Group), func(i model.Instance) bool {
		return (at == "" || i.Node == at) && resourceIn(i, r.Name).IsOnline() && s.stays(r, i)
	})
}

// done reports whether a group has come online somewhere: what failed to start in it does not count.
func (s scene) done(g cluster.GroupName) bool {
	return slices.ContainsFunc(s.reports(g), func(i model.Instance) bool {
		return (i.State == model.GroupOnline || i.State == model.GroupOnlineFaulted) && s.ordered(i)
	})
}

// bound are the nodes on which a group is online, comes online or will.
func (s scene) bound(g model.Group) []cluster.NodeName {
	a := s.assignment(g.Name)
	if !g.Managed || slices.ContainsFunc(s.reports(g.Name), func(i model.Instance) bool { return i.State == model.GroupErrorStopFailed }) {
		return nil
	}
	if w, ok := s.pending(g.Name); ok {
		switch {
		case w.Online && len(w.Nodes) > 0:
			return w.Nodes
		case w.Online:
			return g.Nodelist
		case len(w.Nodes) == 0:
			return nil
		}
	}
	out := slices.Clone(a.Wanted)
	for _, t := range a.Targets {
		if !slices.Contains(out, t.Node) {
			out = append(out, t.Node)
		}
	}
	return out
}

// forecast finds out what comes online by itself, without anybody doing anything. What it is being asked already does not: that ends it in a circle, which
// validation refuses.
type forecast struct {
	scene
	known map[forecastKey]bool
}

type forecastKey struct {
	what string
	at   cluster.NodeName
}

func (s scene) forecast() forecast { return forecast{s, map[forecastKey]bool{}} }

// resource reports whether a resource is online on a node or comes to be, or on any node when at is "".
func (f forecast) resource(r model.Resource, at cluster.NodeName) bool {
	g, ok := f.group(r.Group)
	if !ok {
		return false
	}
	if f.up(r, at) {
		return true
	}
	for _, n := range f.bound(g) {
		if (at == "" || n == at) && f.comes(g, r, n) {
			return true
		}
	}
	return false
}

func (f forecast) report(g cluster.GroupName, n cluster.NodeName) model.Instance {
	for _, i := range f.reports(g) {
		if i.Node == n {
			return i
		}
	}
	return model.Instance{}
}

// comes reports whether a resource comes online on a node where its group does.
func (f forecast) comes(g model.Group, r model.Resource, n cluster.NodeName) bool {
	key := forecastKey{"resource " + string(r.Name), n}
	if known, asked := f.known[key]; asked {
		return known
	}
	f.known[key] = false
	f.known[key] = f.willCome(g, r, n)
	return f.known[key]
}

func (f forecast) willCome(g model.Group, r model.Resource, n cluster.NodeName) bool {
	i := f.report(g.Name, n)
	ri := resourceIn(i, r.Name)
	if ri.Awaiting || ri.State == model.ResourceStartFailed || ri.State == model.ResourceStopFailed {
		return false
	}
	if !r.EnabledOn(n) || r.Deleting || !i.MayRun() && !f.groupsBefore(g) {
		return false
	}
	for _, d := range r.Dependencies {
		on, ok := f.Around.resource(d.On)
		if !d.AppliesOn(n) || d.Kind == model.DependWeak {
			continue
		}
		at := n
		if ok && !d.Local(g, on.Group) {
			at = ""
		}
		if !ok || !f.resource(on, at) {
			return false
		}
	}
	if !g.ImplicitNetworkDependencies || f.address(r) {
		return true
	}
	return !slices.ContainsFunc(f.Members(g.Name), func(o model.Resource) bool {
		return f.address(o) && o.EnabledOn(n) && o.Name != r.Name && !f.resource(o, n)
	})
}

// groupsBefore reports whether all that a group names in RG_dependencies is online or comes to be.
func (f forecast) groupsBefore(g model.Group) bool {
	return !slices.ContainsFunc(g.Dependencies, func(d cluster.GroupName) bool { return !f.done(d) && !f.whole(d) })
}

// whole reports whether a group comes online somewhere, with all that is enabled in it and has not failed.
func (f forecast) whole(name cluster.GroupName) bool {
	key := forecastKey{"group " + string(name), ""}
	if known, asked := f.known[key]; asked {
		return known
	}
	f.known[key] = false
	g, ok := f.group(name)
	f.known[key] = ok && slices.ContainsFunc(f.bound(g), func(n cluster.NodeName) bool {
		i := f.report(name, n)
		return (i.MayRun() || f.groupsBefore(g)) && !slices.ContainsFunc(f.Members(name), func(r model.Resource) bool {
			return r.EnabledOn(n) && !r.Deleting && resourceIn(i, r.Name).State != model.ResourceStartFailed && !f.resource(r, n)
		})
	})
	return f.known[key]
}

// Comes reports whether a group that is not online on a node comes online there without anybody doing anything.
func (a *Around) Comes(g cluster.GroupName, n cluster.NodeName) bool {
	f := scene{Around: a}.forecast()
	group, ok := f.group(g)
	i := f.report(g, n)
	return ok && slices.Contains(f.bound(group), n) && (i.MayRun() || f.groupsBefore(group)) && !slices.ContainsFunc(f.Members(g), func(r model.Resource) bool {
		return r.EnabledOn(n) && !r.Deleting && !f.resource(r, n)
	})
}
