package life

import (
	"slices"

	"redoubt/internal/rgm/model"
)

// initNode reports whether Init, Boot and Fini of a resource run on this node: on those of the nodelist, or, when its type says so, on those where the type
// is installed.
func (g *Group) initNode(r *resource) bool {
	if t := r.typ; t != nil && t.InitNodes == model.InitInstalledNodes {
		return len(t.InstalledNodes) == 0 || slices.Contains(t.InstalledNodes, string(g.in.Node))
	}
	return slices.Contains(g.in.Group.Nodelist, g.in.Node)
}

// initialize runs Boot, Init or Fini when one is due; false: none is.
func (g *Group) initialize(r *resource) bool {
	if r.owed != nil {
		r.running = model.MethodFini
		g.emit(Run{
			Resource: r.ri.Name, Method: model.MethodFini, Timeout: Timeout(r.owed.Resource, r.owed.Type, model.MethodFini),
			Spec: r.owed.Resource, Type: r.owed.Type, Group: &r.owed.Group,
		})
		return true
	}
	managed := g.in.Group.Managed && !g.deleting(r) && g.initNode(r)
	m := model.MethodInit
	switch {
	case managed && r.ri.Inited || !managed && !r.ri.OwesFini():
		return false
	case !managed:
		m = model.MethodFini
	case r.boot || r.ri.FiniDue:
		m = model.MethodBoot
	}
	if !g.run(r, m) {
		g.initialized(r, m)
	}
	return true
}

// initialized takes over that Init, Boot or Fini has ended. How it ended does not matter: Solaris Cluster notes a failure in the log and goes on.
func (g *Group) initialized(r *resource, m model.Method) {
	if m != model.MethodFini {
		r.ri.Inited, r.ri.FiniDue, r.boot = true, false, false
		return
	}
	if r.owed != nil {
		g.settled = append(g.settled, *r.owed)
		r.owed = nil
		g.emit(Settled{Resource: r.ri.Name})
		r.ri.FiniDue = false // it was that of the one that is gone
		return
	}
	r.ri.Inited, r.ri.FiniDue, r.boot = false, false, false
}

// farewells takes over the Fini methods of resources that were deleted while this node was away. A new resource of the name waits for them.
func (g *Group) farewells() {
	for _, f := range g.in.Farewells {
		same := func(o model.Farewell) bool { return o.Resource.Name == f.Resource.Name && o.At.Equal(f.At) }
		if slices.ContainsFunc(g.settled, same) {
			continue // its record is about to be deleted
		}
		r := g.find(f.Resource.Name)
		if r == nil {
			r = &resource{ri: model.ResourceInstance{Name: f.Resource.Name, State: model.ResourceOffline, Status: model.StatusOffline, Since: g.in.Now}}
			g.res = append(g.res, r)
		}
		if r.owed == nil {
			r.owed = &f
		}
	}
	g.settled = slices.DeleteFunc(g.settled, func(f model.Farewell) bool {
		return !slices.ContainsFunc(g.in.Farewells, func(o model.Farewell) bool { return o.Resource.Name == f.Resource.Name && o.At.Equal(f.At) })
	})
}
