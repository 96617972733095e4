package order_test

import (
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/place"
)

// asked is what a group's place depends on besides the state and other groups.
type asked struct {
	Group    model.Group
	Current  []cluster.NodeName // where it is ordered online now, on living incarnations
	Explicit []cluster.NodeName // exactly these, by an administrator; overrules evacuation and earlier failures
	Remaster bool               // forget Current: the most preferred nodes
	OffNodes []cluster.NodeName
	Failures []model.Failure
	Decided  cluster.Epoch // the epoch at which Current was decided; a node that joined later may draw the group back (Failback)
}

// choice is where a group shall run, in the order of its nodelist, and why not elsewhere.
type choice struct {
	Nodes []cluster.NodeName
	Notes []model.Note
}

// alone places one group as if there were no other: at most Maximum_primaries nodes, Desired_primaries if so many can run it, those that run it
// already before others (unless Failback or Remaster), others in the order of the nodelist.
func alone(s model.State, r asked) choice {
	var c choice
	usable := map[cluster.NodeName]bool{}
	c.Notes = place.Refusals(s.Now, byName(&s), place.Request{Group: &r.Group, Explicit: r.Explicit, OffNodes: r.OffNodes, Failures: r.Failures})
	for _, n := range r.Group.Nodelist {
		// A suspended group does not leave because it asked to.
		stays := r.Group.Suspended && slices.Contains(r.Current, n)
		usable[n] = !slices.ContainsFunc(c.Notes, func(x model.Note) bool { return x.Node == n && (x.Name != place.Giveover || !stays) })
	}
	want := min(r.Group.DesiredPrimaries, r.Group.MaximumPrimaries)
	if len(r.Explicit) > 0 {
		for _, n := range r.Group.Nodelist {
			if slices.Contains(r.Explicit, n) && usable[n] && len(c.Nodes) < r.Group.MaximumPrimaries {
				c.Nodes = append(c.Nodes, n)
			}
		}
		return c
	}
	ranked := rank(s, r, usable)
	if !r.Remaster {
		// What runs is not stopped because fewer are desired: only an explicit request does that.
		want = min(max(want, kept(r, usable)), r.Group.MaximumPrimaries)
	}
	if r.Group.Suspended {
		ranked = slices.DeleteFunc(ranked, func(n cluster.NodeName) bool { return !slices.Contains(r.Current, n) })
		c.Notes = append(c.Notes, model.Note{Name: place.Suspended, Text: "automatic recovery is suspended; resume it with `redoubt group resume " + string(r.Group.Name) + "`"})
	}
	c.Nodes = ranked[:min(want, len(ranked))]
	slices.SortFunc(c.Nodes, func(a, b cluster.NodeName) int {
		return slices.Index(r.Group.Nodelist, a) - slices.Index(r.Group.Nodelist, b)
	})
	c.Nodes, c.Notes = stay(r, c, usable)
	if len(c.Nodes) == 0 && !r.Group.Suspended {
		c.Notes = append(c.Notes, model.Note{Name: place.NoCandidate, Text: "no node of the nodelist can run the group now"})
	}
	return c
}

func byName(s *model.State) map[cluster.NodeName]*model.NodeState {
	out := map[cluster.NodeName]*model.NodeState{}
	for i := range s.Nodes {
		out[s.Nodes[i].Name] = &s.Nodes[i]
	}
	return out
}

// rank orders the usable nodes: with Failback a node that joined since the last decision comes where the nodelist has it while the group runs; otherwise
// those that run the group come first.
func rank(s model.State, r asked, usable map[cluster.NodeName]bool) []cluster.NodeName {
	var first, rest []cluster.NodeName
	for _, n := range r.Group.Nodelist {
		if !usable[n] {
			continue
		}
		draws := r.Group.Failback && kept(r, usable) > 0 && joinedAfter(s, n, r.Decided)
		if !r.Remaster && (slices.Contains(r.Current, n) || draws) {
			first = append(first, n)
		} else {
			rest = append(rest, n)
		}
	}
	// A newcomer draws only what runs further down the nodelist; it does not add itself before a better current node.
	return append(first, rest...)
}

func joinedAfter(s model.State, n cluster.NodeName, e cluster.Epoch) bool {
	for _, ns := range s.Nodes {
		if ns.Name == n {
			return ns.Member && e != 0 && ns.Since > e
		}
	}
	return false
}

func kept(r asked, usable map[cluster.NodeName]bool) int {
	k := 0
	for _, n := range r.Current {
		if usable[n] {
			k++
		}
	}
	return k
}

// stay keeps a group that was asked to give its node up where it is when nobody else can run it: it still serves, perhaps badly.
func stay(r asked, c choice, usable map[cluster.NodeName]bool) ([]cluster.NodeName, []model.Note) {
	for _, ok := range usable {
		if ok {
			return c.Nodes, c.Notes
		}
	}
	for _, n := range r.Group.Nodelist {
		i := slices.IndexFunc(c.Notes, func(t model.Note) bool { return t.Node == n })
		if slices.Contains(r.Current, n) && i >= 0 && c.Notes[i].Name == place.Giveover {
			c.Notes[i] = model.Note{Node: n, Name: place.Surrounded, Text: "was asked to give the group up, but no other node can run it"}
			return []cluster.NodeName{n}, c.Notes
		}
	}
	return c.Nodes, c.Notes
}
