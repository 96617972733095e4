package check

import (
	"cmp"
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// vertex is something that has to be before something else: a resource that is online, or a group that may come online (done: that has).
type vertex struct {
	resource cluster.ResourceName
	group    cluster.GroupName
	done     bool
}

// link is what a vertex needs. How says what makes it so where no resource names the other.
type link struct {
	to  vertex
	how string
}

const (
	byAddress    = "implicit: network address of the group"
	byDependency = "RG_dependencies"
	byAffinity   = "RG_affinities"
)

// graph is everything that has to be online before something else: the dependencies of resources of all kinds, those on the addresses of a group, RG_dependencies,
// and strong affinities, which let a group come online only where its target does.
type graph struct {
	resources map[cluster.ResourceName]model.Resource
	groups    map[cluster.GroupName]model.Group
	members   map[cluster.GroupName][]cluster.ResourceName
	addresses map[cluster.GroupName][]cluster.ResourceName
	address   map[cluster.ResourceName]bool
}

func graphOf(s model.State) *graph {
	g := &graph{
		resources: map[cluster.ResourceName]model.Resource{}, groups: map[cluster.GroupName]model.Group{}, members: map[cluster.GroupName][]cluster.ResourceName{},
		addresses: map[cluster.GroupName][]cluster.ResourceName{}, address: map[cluster.ResourceName]bool{},
	}
	networked := map[cluster.TypeName]bool{}
	for _, t := range s.Types {
		networked[t.Name] = t.NetworkAddress
	}
	for _, x := range s.Groups {
		g.groups[x.Name] = x
	}
	for _, r := range s.Resources {
		g.resources[r.Name] = r
		g.members[r.Group] = append(g.members[r.Group], r.Name)
		if networked[r.Type] {
			g.address[r.Name] = true
			g.addresses[r.Group] = append(g.addresses[r.Group], r.Name)
		}
	}
	return g
}

// needs are the vertices that one needs, directly.
func (g *graph) needs(v vertex) []link {
	var out []link
	if v.resource == "" {
		if !v.done {
			for _, d := range g.groups[v.group].Dependencies {
				if d != v.group { // that is said elsewhere
					out = append(out, link{vertex{group: d, done: true}, byDependency})
				}
			}
			for _, a := range g.groups[v.group].Affinities {
				if a.Kind.Strong() && a.Target != v.group {
					out = append(out, link{vertex{group: a.Target}, byAffinity})
				}
			}
			return out
		}
		for _, r := range g.members[v.group] {
			out = append(out, link{to: vertex{resource: r}})
		}
		return append(out, link{to: vertex{group: v.group}})
	}
	r, ok := g.resources[v.resource]
	if !ok {
		return nil
	}
	declared := func(n cluster.ResourceName) bool {
		return slices.ContainsFunc(r.Dependencies, func(d model.Dependency) bool { return d.On == n })
	}
	for _, d := range r.Dependencies {
		if d.On != r.Name {
			out = append(out, link{to: vertex{resource: d.On}})
		}
	}
	if g.groups[r.Group].ImplicitNetworkDependencies && !g.address[r.Name] {
		for _, n := range g.addresses[r.Group] {
			if !declared(n) {
				out = append(out, link{vertex{resource: n}, byAddress})
			}
		}
	}
	return append(out, link{to: vertex{group: r.Group}})
}

// through finds the shortest way from a vertex back to itself; nil when there is none.
func (g *graph) through(start vertex) []link {
	type step struct {
		from vertex
		how  string
	}
	came := map[vertex]step{}
	for queue := []vertex{start}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		for _, l := range g.needs(at) {
			if _, seen := came[l.to]; seen {
				continue
			}
			came[l.to] = step{at, l.how}
			if l.to != start {
				queue = append(queue, l.to)
				continue
			}
			way := []link{{start, l.how}}
			for v := at; v != start; v = came[v].from {
				way = slices.Insert(way, 0, link{v, came[v].how})
			}
			return slices.Insert(way, 0, link{to: start})
		}
	}
	return nil
}

// cycle is the fault of a way back to where it began, at the vertex where it does.
func cycle(way []link) Problem {
	at := "resource " + string(way[0].to.resource)
	if way[0].to.resource == "" {
		at = "group " + string(way[0].to.group)
	}
	what := "dependencies"
	if !slices.ContainsFunc(way[1:], func(l link) bool { return l.how != byAffinity }) {
		what = "strong affinities"
	}
	var parts []string
	for i, l := range way {
		text := string(l.to.resource)
		if text == "" {
			text = "group " + string(l.to.group)
			if i > 0 && l.how == "" && way[i-1].to.resource == "" {
				continue // the same group, on its way and there
			}
		}
		if l.how != "" {
			text += " (" + l.how + ")"
		}
		parts = append(parts, text)
	}
	return Problem{Code: fault.Invalid, Path: at, Text: "the " + what + " form a cycle: " + strings.Join(parts, " -> ") + "; take one of them away"}
}

// cyclesThrough are the cycles of which one of the vertices is part, one for the first that is.
func cyclesThrough(s model.State, starts ...vertex) Problems {
	g := graphOf(s)
	for _, v := range starts {
		if way := g.through(v); way != nil {
			return Problems{cycle(way)}
		}
	}
	return nil
}

// cycles are those of the whole state: of those that share something, one.
func cycles(s model.State) Problems {
	g := graphOf(s)
	t := knots{graph: g, order: map[vertex]int{}, low: map[vertex]int{}, open: map[vertex]bool{}}
	for _, r := range s.Resources {
		t.visit(vertex{resource: r.Name})
	}
	for _, x := range s.Groups {
		t.visit(vertex{group: x.Name})
	}
	var ps Problems
	for _, k := range t.found {
		ps = append(ps, cycle(k))
	}
	return ps
}

// knots finds the parts of a graph in which everything needs everything (Tarjan's algorithm): found is a way through each.
type knots struct {
	*graph
	order, low map[vertex]int // from 1
	open       map[vertex]bool
	stack      []vertex
	found      [][]link
}

func (k *knots) visit(v vertex) {
	if k.order[v] > 0 {
		return
	}
	k.order[v] = len(k.order) + 1
	k.low[v] = k.order[v]
	k.stack, k.open[v] = append(k.stack, v), true
	for _, l := range k.needs(v) {
		k.visit(l.to)
		if k.open[l.to] {
			k.low[v] = min(k.low[v], k.low[l.to])
		}
	}
	if k.low[v] < k.order[v] {
		return
	}
	at := slices.Index(k.stack, v)
	part := slices.Clone(k.stack[at:])
	k.stack = k.stack[:at]
	for _, x := range part {
		k.open[x] = false
	}
	if len(part) > 1 {
		k.found = append(k.found, k.shortest(part))
	}
}

// shortest is the shortest way through one of the vertices, of equals the one that begins with the first resource by name. Of a vast tangle only some are tried.
func (k *knots) shortest(part []vertex) []link {
	slices.SortFunc(part, func(a, b vertex) int {
		return cmp.Or(cmp.Compare(b2i(a.resource == ""), b2i(b.resource == "")), cmp.Compare(a.resource, b.resource), cmp.Compare(a.group, b.group), cmp.Compare(b2i(a.done), b2i(b.done)))
	})
	const most = 100
	var best []link
	for _, v := range part[:min(len(part), most)] {
		if way := k.through(v); best == nil || len(way) < len(best) {
			best = way
		}
	}
	return best
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
