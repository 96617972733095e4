package life_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// drawn is a fleet with dependencies that form no circle, and where each of its groups shall run.
type drawn struct {
	*fleet
	rt    *rapid.T
	nodes []cluster.NodeName
	where map[cluster.GroupName][]cluster.NodeName
	calm  bool // nothing but what was ordered happens, so that nobody can have been told wrong
}

func drawFleet(t *testing.T, rt *rapid.T) *drawn {
	d := &drawn{rt: rt, nodes: []cluster.NodeName{"n1", "n2", "n3"}, where: map[cluster.GroupName][]cluster.NodeName{}}
	d.fleet = newFleet(t, d.nodes...)
	kinds := []model.DependencyKind{model.DependStrong, model.DependWeak, model.DependRestart, model.DependOfflineRestart}
	count := rapid.IntRange(1, 5).Draw(rt, "groups")
	groups := make([]model.Group, count)
	members := make([][]model.Resource, count)
	of := map[cluster.ResourceName]int{}
	first, last := map[int]int{}, map[int]int{}
	for i := range groups {
		groups[i] = model.Group{Name: cluster.GroupName(fmt.Sprintf("g%d", i)), ImplicitNetworkDependencies: true}
		d.where[groups[i].Name] = rapid.SampledFrom([][]cluster.NodeName{{"n1"}, {"n2"}, {"n3"}, {"n1", "n2"}, {"n1", "n2", "n3"}}).Draw(rt, "where")
	}
	within := func(i, k int) bool {
		return !slices.ContainsFunc(d.where[groups[i].Name], func(n cluster.NodeName) bool { return !slices.Contains(d.where[groups[k].Name], n) })
	}
	for i := range groups {
		for k := range groups {
			if i != k && within(i, k) && rapid.IntRange(0, 3).Draw(rt, "affinity") == 0 {
				groups[i].Affinities = append(groups[i].Affinities, model.Affinity{Kind: model.AffinityPrefer, Target: groups[k].Name})
			}
		}
	}
	var names []cluster.ResourceName
	for i := range rapid.IntRange(1, 9).Draw(rt, "resources") {
		g := rapid.IntRange(0, count-1).Draw(rt, "group")
		r := res(cluster.ResourceName(fmt.Sprintf("r%d", i)), rapid.SampledFrom([]cluster.TypeName{"app", "disk", "full"}).Draw(rt, "type"))
		for _, o := range names {
			if rapid.IntRange(0, 2).Draw(rt, "depends") > 0 {
				continue
			}
			qualifiers := []string{"", "ANY_NODE", "@n1", "@n2"}
			if within(g, of[o]) {
				qualifiers = append(qualifiers, "LOCAL_NODE")
			}
			r.Dependencies = append(r.Dependencies, model.Dependency{On: o, Kind: rapid.SampledFrom(kinds).Draw(rt, "kind"), Qualifier: rapid.SampledFrom(qualifiers).Draw(rt, "qualifier")})
		}
		if _, ok := first[g]; !ok {
			first[g] = i
		}
		last[g] = i
		names, of[r.Name] = append(names, r.Name), g
		members[g] = append(members[g], r)
	}
	for i := range groups {
		for k := range groups {
			_, some := first[k]
			if f, ok := first[i]; ok && some && last[k] < f && rapid.IntRange(0, 2).Draw(rt, "group depends") == 0 {
				groups[i].Dependencies = append(groups[i].Dependencies, groups[k].Name)
			}
		}
		d.group(groups[i], members[i]...)
	}
	d.slow = true
	return d
}

func (d *drawn) all(on bool) {
	for _, g := range d.s.Groups {
		if on {
			d.on(g.Name, d.where[g.Name]...)
		} else {
			d.on(g.Name)
		}
	}
}

// some lets some things happen, in any order: a group looks, a method ends, one hears what another reports, a daemon is restarted.
func (d *drawn) some(steps int) {
	for range steps {
		at := rapid.SampledFrom(d.order).Draw(d.rt, "at")
		if _, lives := d.lives[at.node]; !lives {
			continue
		}
		p := d.spots[at]
		switch rapid.IntRange(0, 5).Draw(d.rt, "happens") {
		case 0, 1:
			d.watched(func() { d.step(at, life.Changed{}) })
		case 2:
			d.seen[at] = d.told(p.g.Instance())
		case 3:
			if d.quiet(at.node) {
				d.reborn(at.node)
			}
		default:
			if len(p.running) > 0 {
				d.watched(func() { d.end(at, rapid.IntRange(0, len(p.running)-1).Draw(d.rt, "which")) })
			}
		}
	}
}

func (d *drawn) quiet(n cluster.NodeName) bool {
	return !slices.ContainsFunc(d.order, func(at spot) bool { return at.node == n && len(d.spots[at].running) > 0 })
}

// rest lets everything go on in turn until nothing does.
func (d *drawn) rest() {
	for range 3000 {
		moved := d.hear()
		for _, at := range d.order {
			if _, lives := d.lives[at.node]; !lives {
				continue
			}
			d.watched(func() { moved = d.step(at, life.Changed{}) || moved })
			if len(d.spots[at].running) > 0 {
				d.watched(func() { d.end(at, 0) })
				moved = true
			}
		}
		if !moved {
			return
		}
	}
	d.rt.Fatalf("does not come to rest: %s", d.tell())
}

// watched does something and judges the starts and stops that come of it.
func (d *drawn) watched(f func()) {
	from := len(d.log)
	f()
	for _, line := range d.log[from:] {
		what, node, _ := strings.Cut(line, "@")
		method, name, _ := strings.Cut(what, " ")
		switch model.Method(method) {
		case model.MethodStart, model.MethodPrenetStart:
			d.mayStart(cluster.ResourceName(name), cluster.NodeName(node), line)
		case model.MethodStop:
			d.mayStop(cluster.ResourceName(name), cluster.NodeName(node), line)
		}
	}
}

func (d *drawn) resource(n cluster.ResourceName) (model.Resource, model.Group) {
	i := slices.IndexFunc(d.s.Resources, func(r model.Resource) bool { return r.Name == n })
	g := slices.IndexFunc(d.s.Groups, func(g model.Group) bool { return g.Name == d.s.Resources[i].Group })
	return d.s.Resources[i], d.s.Groups[g]
}

func (d *drawn) state(n cluster.ResourceName, node cluster.NodeName) model.ResourceInstance {
	r, _ := d.resource(n)
	for _, ri := range d.instance(r.Group, node).Resources {
		if ri.Name == n {
			return ri
		}
	}
	return model.ResourceInstance{State: model.ResourceOffline}
}

// mayStart is the law of starts, by what really is: all that is needed is online where it has to be.
func (d *drawn) mayStart(name cluster.ResourceName, node cluster.NodeName, line string) {
	r, g := d.resource(name)
	for _, dep := range r.Dependencies {
		if !d.calm || dep.Kind == model.DependWeak || !dep.AppliesOn(node) {
			continue
		}
		on, _ := d.resource(dep.On)
		if !slices.ContainsFunc(d.nodes, func(n cluster.NodeName) bool {
			return (n == node || !dep.Local(g, on.Group)) && d.state(dep.On, n).IsOnline()
		}) {
			d.rt.Fatalf("%s before what it needs (%s%s) is online: %s", line, dep.On, dep.Qualifier, d.tell())
		}
	}
	for _, o := range g.Dependencies {
		started := slices.ContainsFunc(d.instance(g.Name, node).Resources, func(ri model.ResourceInstance) bool { return ri.Name != name && ri.State != model.ResourceOffline })
		if d.calm && !started && !slices.ContainsFunc(d.nodes, func(n cluster.NodeName) bool { return d.instance(o, n).State == model.GroupOnline }) {
			d.rt.Fatalf("%s before group %s is online: %s", line, o, d.tell())
		}
	}
}

// mayStop is the law of stops when everything is ordered offline: all that depends on it has stopped.
func (d *drawn) mayStop(name cluster.ResourceName, node cluster.NodeName, line string) {
	_, g := d.resource(name)
	if !d.calm {
		return
	}
	for _, r := range d.s.Resources {
		for _, dep := range r.Dependencies {
			_, rg := d.resource(r.Name)
			for _, n := range d.nodes {
				if dep.On != name || !dep.AppliesOn(n) || n != node && dep.Local(rg, g.Name) {
					continue
				}
				s := d.state(r.Name, n).State
				own := r.Group == g.Name // there Postnet_stop may come after what it needs
				if s != model.ResourceOffline && (!own || n == node && s != model.ResourceStopping) {
					d.rt.Fatalf("%s while %s on %s, which depends on it, is %s: %s", line, r.Name, n, s, d.tell())
				}
			}
		}
	}
	for _, o := range d.s.Groups {
		if i := d.instance(o.Name, node); slices.Contains(o.Dependencies, g.Name) && i.MayRun() {
			d.rt.Fatalf("%s while group %s is %s there: %s", line, o.Name, i.State, d.tell())
		}
	}
}

func (d *drawn) tell() string {
	var b strings.Builder
	for _, g := range d.s.Groups {
		fmt.Fprintf(&b, "\n%s on %v after %v near %v", g.Name, d.where[g.Name], g.Dependencies, g.Affinities)
		for _, n := range d.nodes {
			if i := d.instance(g.Name, n); i.MayRun() {
				fmt.Fprintf(&b, "\n  %s %s %s", n, i.State, i.BlockedOn)
			}
		}
	}
	for _, r := range d.s.Resources {
		fmt.Fprintf(&b, "\n%s in %s: %v", r.Name, r.Group, r.Dependencies)
	}
	return b.String() + fmt.Sprint("\n", d.log)
}

func (d *drawn) arrived(on bool) {
	for _, g := range d.s.Groups {
		for _, n := range d.nodes {
			want := model.GroupOffline
			if on && slices.Contains(d.where[g.Name], n) {
				want = model.GroupOnline
			}
			if i := d.instance(g.Name, n); i.State != want {
				d.rt.Fatalf("%s on %s is %s (%s), not %s: %s", g.Name, n, i.State, i.BlockedOn, want, d.tell())
			}
		}
	}
}

// Whatever depends on whatever, without a circle: ordered online all comes online, each after what it needs, on whichever node; ordered offline all goes offline,
// each after what needs it; in whatever order the nodes look and hear, and however often their daemons are restarted.
func TestDependenciesInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawFleet(t, rt)
		d.calm, d.uncounted = true, rapid.Bool().Draw(rt, "beside an earlier release")
		d.all(true)
		d.some(rapid.IntRange(0, 60).Draw(rt, "steps"))
		d.rest()
		d.arrived(true)
		d.log = nil
		d.all(false)
		d.some(rapid.IntRange(0, 60).Draw(rt, "steps"))
		d.rest()
		d.arrived(false)
	})
}

// Whatever happened before, a cluster that is healthy again comes to where it is ordered, and rests there: nobody waits for somebody who waits for him, and nothing
// is restarted for ever.
func TestDependenciesComeToRest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawFleet(t, rt)
		d.uncounted = rapid.Bool().Draw(rt, "beside an earlier release")
		d.all(true)
		lives := map[cluster.NodeName]uint64{}
		for range rapid.IntRange(0, 12).Draw(rt, "events") {
			g := rapid.SampledFrom(d.s.Groups).Draw(rt, "group").Name
			r := rapid.SampledFrom(d.s.Resources).Draw(rt, "resource")
			n := rapid.SampledFrom(d.nodes).Draw(rt, "node")
			_, alive := d.lives[n]
			switch rapid.IntRange(0, 9).Draw(rt, "event") {
			case 0:
				d.on(g)
			case 1:
				d.on(g, rapid.SampledFrom(d.nodes).Draw(rt, "to"))
			case 2:
				d.restart(g)
			case 3:
				d.edit(r.Name, func(r *model.Resource) { r.Enabled = !r.Enabled })
			case 4:
				d.editGroup(g, func(g *model.Group) { g.Suspended = !g.Suspended })
			case 5:
				if alive {
					d.watched(func() { d.step(spot{n, r.Group}, life.Observed{Resource: r.Name, Kind: "dead"}) })
				}
			case 6:
				if alive {
					d.watched(func() { d.step(spot{n, r.Group}, life.Asked{Kind: life.AskResourceRestart, Resource: r.Name}) })
				}
			case 7:
				if alive {
					d.die(n)
				} else {
					lives[n]++
					d.back(n, 1+lives[n])
				}
			case 8:
				d.drain[n] = !d.drain[n]
			case 9:
				d.weak[n] = !d.weak[n]
			}
			d.some(rapid.IntRange(0, 20).Draw(rt, "steps"))
		}
		for _, n := range d.nodes {
			if _, alive := d.lives[n]; !alive {
				d.back(n, 2+lives[n])
			}
			d.drain[n], d.weak[n] = false, false
		}
		for _, g := range d.s.Groups {
			d.editGroup(g.Name, func(g *model.Group) { g.Suspended = false })
		}
		for _, r := range d.s.Resources {
			d.edit(r.Name, func(r *model.Resource) { r.Enabled = true })
		}
		d.all(true)
		d.rest()
		d.arrived(true)
		d.log = nil
		d.rest()
		if len(d.log) > 0 {
			rt.Fatalf("does not rest: %s", d.tell())
		}
		d.all(false)
		d.rest()
		d.arrived(false)
	})
}
