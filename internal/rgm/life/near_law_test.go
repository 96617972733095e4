package life_test

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// near are the groups that have to look again when something of a group is different, by what depends on what now.
func (d *drawn) near(g cluster.GroupName) []cluster.GroupName {
	return life.Survey(d.s, d.lives).Near(g)
}

// unmoved checks that looking again makes no difference to groups.
func (d *drawn) unmoved(when string, but ...cluster.GroupName) {
	for _, at := range d.order {
		if _, lives := d.lives[at.node]; !lives || slices.Contains(but, at.group) {
			continue
		}
		g := d.spots[at].g
		before := g.Instance()
		acts := g.Step(d.input(at), life.Changed{})
		if after := g.Instance(); len(acts) > 0 || !reflect.DeepEqual(before, after) {
			d.rt.Fatalf("%s, %s on %s, which looks again, does %+v; it was\n%+v and is\n%+v: %s", when, at.group, at.node, acts, before, after, d.tell())
		}
	}
}

// change makes something of a group different: what is ordered or configured, what is asked for, what it does on a node, or what is heard of that.
func (d *drawn) change(g cluster.GroupName) {
	n := rapid.SampledFrom(d.nodes).Draw(d.rt, "node")
	members := slices.DeleteFunc(slices.Clone(d.s.Resources), func(r model.Resource) bool { return r.Group != g })
	what := rapid.IntRange(0, 5).Draw(d.rt, "change")
	if len(members) > 0 {
		what = rapid.IntRange(0, 10).Draw(d.rt, "change with resources")
	}
	r := model.Resource{}
	if len(members) > 0 {
		r = rapid.SampledFrom(members).Draw(d.rt, "resource")
	}
	_, alive := d.lives[n]
	switch at := (spot{n, g}); what {
	case 0:
		d.on(g)
	case 1:
		d.on(g, rapid.SampledFrom(d.nodes).Draw(d.rt, "to"))
	case 2:
		d.restart(g)
	case 3:
		d.editGroup(g, func(g *model.Group) { g.Suspended = !g.Suspended })
	case 4:
		d.seen[at] = d.told(d.spots[at].g.Instance())
	case 5:
		seq := uint64(len(d.s.Wants)) + 1
		d.s.Wants = slices.DeleteFunc(slices.Clone(d.s.Wants), func(w model.Want) bool { return w.Group == g })
		d.s.Wants = append(d.s.Wants, model.Want{Group: g, Seq: seq, Online: rapid.Bool().Draw(d.rt, "online")})
		byName(d.s.Wants, func(w model.Want) cluster.GroupName { return w.Group })
	case 6:
		if alive && len(d.spots[at].running) > 0 {
			d.end(at, 0)
		}
	case 7:
		if alive {
			d.step(at, life.Observed{Resource: r.Name, Kind: "dead"})
		}
	case 8:
		d.edit(r.Name, func(r *model.Resource) { r.Enabled = !r.Enabled })
	case 9:
		d.edit(r.Name, func(r *model.Resource) { r.Dependencies = r.Dependencies[:len(r.Dependencies)/2] })
	case 10:
		d.edit(r.Name, func(r *model.Resource) { r.Deleting = true })
	}
}

// Whoever has looked need not look again before something of a group is different to which it is near: nothing would come of it.
func TestOnlyThoseNearLookAgain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawFleet(t, rt)
		d.all(true)
		for range rapid.IntRange(1, 12).Draw(rt, "changes") {
			d.some(rapid.IntRange(0, 20).Draw(rt, "steps"))
			d.look()
			d.unmoved("when all have looked")
			g := rapid.SampledFrom(d.s.Groups).Draw(rt, "group").Name
			but := d.near(g)
			d.change(g)
			d.unmoved("when something of "+string(g)+" is different", append(but, d.near(g)...)...)
			d.look()
		}
		// Nor when something is deleted on which groups depended.
		r := rapid.SampledFrom(d.s.Resources).Draw(rt, "deleted")
		but := d.near(r.Group)
		d.s.Resources = slices.DeleteFunc(slices.Clone(d.s.Resources), func(x model.Resource) bool { return x.Name == r.Name })
		d.unmoved("when "+string(r.Name)+" is deleted", append(but, d.near(r.Group)...)...)
	})
}
