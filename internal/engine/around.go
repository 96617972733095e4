package engine

import (
	"context"
	"maps"
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// Around is what the groups of a node have to know of others in a snapshot.
func Around(snap Snapshot) *life.Around { return life.Survey(snap.State, lives(snap)) }

// lives are the incarnations of the members: what a node reported in another, or before it was lost, must not satisfy anybody's dependency.
func lives(snap Snapshot) map[cluster.NodeName]cluster.Incarnation {
	out := map[cluster.NodeName]cluster.Incarnation{}
	if snap.Record != nil {
		for _, m := range snap.Record.Members {
			out[m.Node] = m.Incarnation
		}
	}
	return out
}

// read takes the newest snapshot and the lease over, and notes which groups have to look again because of them. It costs what has changed, not what there is.
func (x *Executor) read() {
	snap, may := x.source.Snapshot(), x.member.MayStart()
	if x.around != nil && snap.Serial == x.snap.Serial && may == x.may {
		return
	}
	around := x.around.Next(snap.State, lives(snap))
	changed, known := x.differing(snap)
	if !known || may != x.may {
		x.everyone(snap)
	}
	for _, g := range changed {
		x.lookAgain(around.Near(g))
		if x.around != nil {
			x.lookAgain(x.around.Near(g)) // to whom it was tied
		}
	}
	x.snap, x.around, x.may = snap, around, may
	x.adopt()
}

// differing are the groups of which a snapshot says something else than the one that was read before. False: it may be any, or something that concerns all.
func (x *Executor) differing(snap Snapshot) (groups []cluster.GroupName, known bool) {
	keys, known := snap.Since(x.snap.Serial)
	if !known || x.around == nil {
		return nil, false
	}
	for _, key := range keys {
		prefix, name := confdb.Split(key)
		node, group, _ := strings.Cut(name, "/") // of keys that have a node
		switch prefix {
		case confdb.KeyMembership, confdb.PrefixType:
			return nil, false
		case confdb.PrefixGroup, confdb.PrefixWant, confdb.PrefixAssign:
			groups = append(groups, cluster.GroupName(name))
		case confdb.PrefixResource:
			for _, s := range []model.State{x.snap.State, snap.State} {
				if r, ok := check.Resource(s, cluster.ResourceName(name)); ok {
					groups = append(groups, r.Group)
				}
			}
		case confdb.PrefixInstance:
			// What this node has reported itself its groups have looked at already.
			if _, own := x.here[cluster.GroupName(group)]; !own || node != string(x.cfg.Node) {
				groups = append(groups, cluster.GroupName(group))
			}
		case confdb.PrefixFarewell:
			if group, _, _ = strings.Cut(group, "/"); node == string(x.cfg.Node) {
				groups = append(groups, cluster.GroupName(group))
			}
		}
	}
	return groups, true
}

// lookAgain notes that groups have to.
func (x *Executor) lookAgain(groups []cluster.GroupName) {
	for _, g := range groups {
		x.stale[g] = true
	}
}

// everyone notes that all groups have to look again: those that are known here and those of a snapshot.
func (x *Executor) everyone(snap Snapshot) {
	for g := range x.groups {
		x.stale[g] = true
	}
	for i := range snap.State.Groups {
		x.stale[snap.State.Groups[i].Name] = true
	}
	for _, f := range snap.State.Farewells {
		x.stale[f.Group.Name] = true
	}
}

// tellOthers notes what became of a group, and that it and those near it have to look again: they do not wait for the repository to say so, which it can not without a majority.
func (x *Executor) tellOthers(group cluster.GroupName, inst model.Instance) {
	x.here[group] = inst
	x.lookAgain(x.around.Near(group))
}

// settle lets the groups look again that have to, until none has. While nothing may begin they go on having to.
func (x *Executor) settle(ctx context.Context) {
	for len(x.stale) > 0 && !x.holds() {
		names := slices.Sorted(maps.Keys(x.stale)) // in an order that people can follow when many have to wait for their turn
		clear(x.stale)
		for _, g := range names {
			x.step(ctx, g, life.Changed{})
		}
	}
}
