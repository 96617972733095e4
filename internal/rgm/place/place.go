// Package place chooses the nodes on which a group shall run. It is a pure function of the state; how to get from where the group runs to where
// it shall run without ever running twice is package order's.
package place

import (
	"fmt"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// The names of notes: the closed set of reasons that status shows.
const (
	NotMember   = "not-member"   // the node is not in the cluster at the moment
	Evacuated   = "evacuated"    // node evacuate, until its time is over
	TakenOff    = "taken-off"    // an administrator took the group offline there
	StartFailed = "start-failed" // a start failed there within Pingpong_interval
	Giveover    = "giveover"     // it gave the group away within Pingpong_interval
	NoCandidate = "no-candidate" // no node of the nodelist can run the group
	Suspended   = "suspended"    // automatic recovery is suspended
	Off         = "off"          // an administrator took the group offline, or it was not started with a new cluster
	Unmanaged   = "unmanaged"    // the group is not managed
	Stopping    = "stopping"     // waits until another node has stopped the group
	Unreleased  = "unreleased"   // waits until it is certain that a lost node runs nothing any more
	StopFailed  = "stop-failed"  // a stop failed; an administrator has to clear it
	Surrounded  = "stays"        // was asked to leave its node, but no other can run it
	Ignored     = "ignored"      // an administrator asked for nodes that cannot run it now
)

// Request is what a group's placement depends on besides the state.
type Request struct {
	Group    model.Group
	Current  []cluster.NodeName // where it is ordered online now, on living incarnations
	Explicit []cluster.NodeName // exactly these, by an administrator; overrules evacuation and earlier failures
	Remaster bool               // forget Current: the most preferred nodes
	OffNodes []cluster.NodeName
	Failures []model.Failure
	Decided  cluster.Epoch // the epoch at which Current was decided; a node that joined later may draw the group back (Failback)
}

// Choice is where a group shall run, in the order of its nodelist, and why not elsewhere.
type Choice struct {
	Nodes []cluster.NodeName
	Notes []model.Note
}

// Choose places one group: at most Maximum_primaries nodes, Desired_primaries if so many can run it, those that run it
// already before others (unless Failback or Remaster), others in the order of the nodelist.
func Choose(s model.State, r Request) Choice {
	var c Choice
	usable := map[cluster.NodeName]bool{}
	for _, n := range r.Group.Nodelist {
		note, ok := refusal(s, r, n)
		if ok {
			usable[n] = true
		} else {
			c.Notes = append(c.Notes, note)
		}
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
		c.Notes = append(c.Notes, model.Note{Name: Suspended, Text: "automatic recovery is suspended; resume it with `redoubt group resume " + string(r.Group.Name) + "`"})
	}
	c.Nodes = ranked[:min(want, len(ranked))]
	slices.SortFunc(c.Nodes, func(a, b cluster.NodeName) int {
		return slices.Index(r.Group.Nodelist, a) - slices.Index(r.Group.Nodelist, b)
	})
	c.Nodes, c.Notes = stay(r, c, usable)
	if len(c.Nodes) == 0 && !r.Group.Suspended {
		c.Notes = append(c.Notes, model.Note{Name: NoCandidate, Text: "no node of the nodelist can run the group now"})
	}
	return c
}

// rank orders the usable nodes: with Failback a node that joined since the last decision comes where the nodelist has it; otherwise those
// that run the group come first.
func rank(s model.State, r Request, usable map[cluster.NodeName]bool) []cluster.NodeName {
	var first, rest []cluster.NodeName
	for _, n := range r.Group.Nodelist {
		if !usable[n] {
			continue
		}
		draws := r.Group.Failback && joinedAfter(s, n, r.Decided)
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

func kept(r Request, usable map[cluster.NodeName]bool) int {
	k := 0
	for _, n := range r.Current {
		if usable[n] {
			k++
		}
	}
	return k
}

// stay keeps a group that was asked to give its node up where it is when nobody else can run it: it still serves, perhaps badly.
func stay(r Request, c Choice, usable map[cluster.NodeName]bool) ([]cluster.NodeName, []model.Note) {
	if len(c.Nodes) > 0 || len(usable) > 0 {
		return c.Nodes, c.Notes
	}
	for _, n := range r.Group.Nodelist {
		i := slices.IndexFunc(c.Notes, func(t model.Note) bool { return t.Node == n })
		if slices.Contains(r.Current, n) && i >= 0 && c.Notes[i].Name == Giveover {
			c.Notes[i] = model.Note{Node: n, Name: Surrounded, Text: "was asked to give the group up, but no other node can run it"}
			return []cluster.NodeName{n}, c.Notes
		}
	}
	return c.Nodes, c.Notes
}

// refusal says why a node may not run the group.
func refusal(s model.State, r Request, n cluster.NodeName) (model.Note, bool) {
	i := slices.IndexFunc(s.Nodes, func(ns model.NodeState) bool { return ns.Name == n })
	if i < 0 || !s.Nodes[i].Member {
		return model.Note{Node: n, Name: NotMember, Text: "is not a member of the cluster now"}, false
	}
	if slices.Contains(r.Explicit, n) {
		return model.Note{}, true
	}
	if slices.Contains(r.OffNodes, n) {
		return model.Note{Node: n, Name: TakenOff, Text: "an administrator took the group offline here; `redoubt group online -n " + string(n) + " " + string(r.Group.Name) + "` brings it back"}, false
	}
	if until := s.Nodes[i].EvacuatedUntil; until.After(s.Now) {
		return model.Note{Node: n, Name: Evacuated, Text: "is evacuated until " + until.UTC().Format(time.TimeOnly) + " UTC"}, false
	}
	for _, f := range slices.Backward(r.Failures) {
		if f.Node != n || !Fresh(s, r.Group, f) {
			continue
		}
		name, what := StartFailed, "failed to start here"
		if f.Kind == model.PleaGiveover {
			name, what = Giveover, "asked to leave this node"
		}
		until := f.At.Add(time.Duration(r.Group.PingpongInterval) * time.Second).UTC().Format(time.TimeOnly)
		return model.Note{Node: n, Name: name, Text: fmt.Sprintf("resource %s %s (%s); not tried again before %s UTC (Pingpong_interval)", f.Resource, what, f.Why, until)}, false
	}
	return model.Note{}, true
}

// Fresh reports whether a failure still keeps its node out: within Pingpong_interval.
func Fresh(s model.State, g model.Group, f model.Failure) bool {
	return s.Now.Before(f.At.Add(time.Duration(g.PingpongInterval) * time.Second))
}
