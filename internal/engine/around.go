package engine

import (
	"context"
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// Around is what the groups of a node have to know of others in a snapshot.
func Around(snap Snapshot) *life.Around { return life.Survey(snap.State, livingInstances(snap)) }

// tellOthers notes what became of a group, and that those here that depend on it, or on which it depends, have to look again: they do not wait for the
// repository to say so, which it can not without a majority.
func (x *Executor) tellOthers(group cluster.GroupName, inst model.Instance) {
	x.here[group] = inst
	if x.around == nil {
		return
	}
	for _, o := range x.around.Touching(group) {
		if _, ok := x.groups[o]; ok && !slices.Contains(x.stirred, o) {
			x.stirred = append(x.stirred, o)
		}
	}
}

// settle lets the groups look again that something near them was said to.
func (x *Executor) settle(ctx context.Context) {
	for len(x.stirred) > 0 {
		group := x.stirred[0]
		x.stirred = x.stirred[1:]
		x.step(ctx, group, life.Changed{})
	}
}
