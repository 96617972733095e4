package order

import (
	"fmt"
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/place"
)

// admit makes wanted nodes targets as far as there is room for them now: within the group, because what leaves has to be gone first, and on the node, where
// what leaves still takes its load and must not meet a group that it may not share the node with.
func (v *View) admit() {
	there := map[cluster.NodeName]*occupants{}
	at := func(n cluster.NodeName) *occupants {
		if there[n] == nil {
			there[n] = &occupants{}
		}
		return there[n]
	}
	byName := make(map[cluster.GroupName]*planner, len(v.planners))
	var open []*planner
	for _, p := range v.planners {
		byName[p.g.Name] = p
		for _, t := range p.next.Targets {
			at(t.Node).add(p, !slices.Contains(p.wanted, t.Node))
		}
		for _, t := range p.next.Leaving {
			at(t.Node).add(p, true)
		}
		if len(p.pending()) > 0 {
			open = append(open, p)
		}
	}
	// A source waits for its target to be admitted, which may come later in the round.
	for again := true; again; {
		again = false
		for _, p := range open {
			again = p.admit(byName, at) || again
		}
	}
	for _, p := range open {
		slices.SortFunc(p.next.Targets, byNode)
		p.next.Notes = append(p.next.Notes, p.waiting...)
	}
	for _, p := range v.planners {
		if len(p.next.Targets) == 0 {
			p.next.Targets = nil
		}
	}
}

// occupants are the groups on a node at this moment; the passing are those that shall not stay.
type occupants struct{ all, passing []*planner }

func (o *occupants) add(p *planner, passing bool) {
	o.all = append(o.all, p)
	if passing {
		o.passing = append(o.passing, p)
	}
}

// admit adds those wanted nodes for which there is room, and reports whether there were any.
func (p *planner) admit(groups map[cluster.GroupName]*planner, at func(cluster.NodeName) *occupants) bool {
	p.waiting = nil
	admitted := false
	for _, n := range p.wanted {
		inc, member := p.in.incarnation[n]
		t := model.Target{Node: n, Incarnation: inc}
		if !member || slices.Contains(p.next.Targets, t) {
			continue
		}
		if len(p.next.Targets)+len(p.next.Leaving) >= p.g.MaximumPrimaries || slices.ContainsFunc(p.next.Leaving, func(l model.Target) bool { return l.Node == n }) {
			p.waits(n)
			continue
		}
		if why := p.obstacle(n, groups, at(n)); why != "" {
			p.waiting = append(p.waiting, model.Note{Node: n, Name: place.Stopping, Text: why})
			continue
		}
		p.next.Targets = append(p.next.Targets, t)
		at(n).add(p, false)
		admitted = true
	}
	return admitted
}

// obstacle says which other group has to come or to go before this one can start on a node; "" when none has.
func (p *planner) obstacle(n cluster.NodeName, groups map[cluster.GroupName]*planner, there *occupants) string {
	for _, a := range p.g.Affinities {
		t := groups[a.Target]
		if a.Kind.Strong() && t != nil && !slices.ContainsFunc(t.next.Targets, func(x model.Target) bool { return x.Node == n }) {
			return fmt.Sprintf("waits for group %s (%s%s) to come there", t.g.Name, a.Kind, a.Target)
		}
	}
	for _, o := range there.passing {
		switch {
		case o == p:
		case forbids(p.g, o.g.Name) || forbids(o.g, p.g.Name):
			return fmt.Sprintf("waits until group %s, which it may not share the node with, has left", o.g.Name)
		}
		for _, f := range p.g.LoadFactors {
			if f.Load > 0 && load(o.g, f.Name) > 0 && p.overloads(n, f, there) {
				return fmt.Sprintf("waits until group %s has left and its %s is free", o.g.Name, f.Name)
			}
		}
	}
	return ""
}

// overloads reports whether a load factor of the group exceeds the hard limit of a node beside all that is there now.
func (p *planner) overloads(n cluster.NodeName, f model.LoadFactor, there *occupants) bool {
	hard := model.Unlimited
	for i := range p.s.Nodes {
		for _, l := range p.s.Nodes[i].LoadLimits {
			if p.s.Nodes[i].Name == n && l.Name == f.Name {
				hard = l.Hard
			}
		}
	}
	if hard == model.Unlimited {
		return false
	}
	sum := f.Load
	for _, o := range there.all {
		sum += load(o.g, f.Name)
	}
	return sum > hard
}

func forbids(g *model.Group, other cluster.GroupName) bool {
	return slices.ContainsFunc(g.Affinities, func(a model.Affinity) bool { return a.Kind == model.AffinityForbid && a.Target == other })
}

func load(g *model.Group, name string) int64 {
	for _, f := range g.LoadFactors {
		if f.Name == name {
			return f.Load
		}
	}
	return 0
}

// waits says for whom a chosen node has to wait.
func (p *planner) waits(n cluster.NodeName) {
	for _, l := range p.next.Leaving {
		if p.in.held[l] {
			text := fmt.Sprintf("waits until it is certain that %s, which was lost, runs nothing any more", l.Node)
			if lost := p.in.nodes[l.Node]; lost != nil && lost.Fence != nil {
				text += "; unless it says so itself, its fence agent " + lost.Fence.Agent + " has to"
			}
			p.waiting = append(p.waiting, model.Note{Node: n, Name: place.Unreleased, Text: text})
		} else {
			p.waiting = append(p.waiting, model.Note{Node: n, Name: place.Stopping, Text: fmt.Sprintf("waits until %s has stopped the group", l.Node)})
		}
	}
}
