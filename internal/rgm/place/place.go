// Package place says which nodes can not run a group for reasons of its own, and names the notes that explain where groups are. Among the others package plan
// chooses; how to get from where a group runs to where it shall run without ever running twice is package order's.
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
	NotMember   = "not-member"    // the node is not in the cluster at the moment
	Evacuated   = "evacuated"     // node evacuate, until its time is over
	TakenOff    = "taken-off"     // an administrator took the group offline there
	StartFailed = "start-failed"  // a start failed there within Pingpong_interval
	Giveover    = "giveover"      // it gave the group away within Pingpong_interval
	NoCandidate = "no-candidate"  // no node of the nodelist can run the group
	Suspended   = "suspended"     // automatic recovery is suspended
	Off         = "off"           // an administrator took the group offline, or it was not started with a new cluster
	Unmanaged   = "unmanaged"     // the group is not managed
	Stopping    = "stopping"      // waits until another node has stopped the group
	Unreleased  = "unreleased"    // waits until it is certain that a lost node runs nothing any more
	StopFailed  = "stop-failed"   // a stop failed; an administrator has to clear it
	CheckFailed = "monitor-check" // a Monitor_check there refused the group a moment ago
	Surrounded  = "stays"         // was asked to leave its node, but no other can run it
	Ignored     = "ignored"       // what an administrator asked for can not be done now
	Unplanned   = "unplanned"     // the planner can not work with the configuration
)

// Request is what speaks for or against single nodes, besides the state.
type Request struct {
	Group    *model.Group
	Explicit []cluster.NodeName // by an administrator; overrules evacuation and earlier failures
	UnderWay []cluster.NodeName // the goal of a move that is not finished; overrules evacuation
	OffNodes []cluster.NodeName
	Failures []model.Failure
	// Overruled are evacuations that do not count for the group.
	Overruled []model.Evacuation
}

// Refusals says which nodes of the nodelist can not run the group, whatever else runs there, and why; in the order of the nodelist.
func Refusals(now time.Time, nodes map[cluster.NodeName]*model.NodeState, r Request) []model.Note {
	var out []model.Note
	for _, n := range r.Group.Nodelist {
		if note, ok := refusal(now, nodes, r, n); !ok {
			out = append(out, note)
		}
	}
	return out
}

// Absent is the note about a node that is not in the cluster.
func Absent(n cluster.NodeName) model.Note {
	return model.Note{Node: n, Name: NotMember, Text: "is not a member of the cluster now"}
}

// refusal says why a node may not run the group.
func refusal(now time.Time, nodes map[cluster.NodeName]*model.NodeState, r Request, n cluster.NodeName) (model.Note, bool) {
	x := nodes[n]
	if x == nil || !x.Member {
		return Absent(n), false
	}
	if slices.Contains(r.Explicit, n) {
		return model.Note{}, true
	}
	if slices.Contains(r.OffNodes, n) {
		return model.Note{Node: n, Name: TakenOff, Text: "an administrator took the group offline here; `redoubt group online -n " + string(n) + " " + string(r.Group.Name) + "` brings it back"}, false
	}
	if Evacuates(now, x, r.Overruled) && !slices.Contains(r.UnderWay, n) {
		return model.Note{Node: n, Name: Evacuated, Text: "is evacuated until " + x.EvacuatedUntil.UTC().Format(time.TimeOnly) + " UTC"}, false
	}
	for _, f := range slices.Backward(r.Failures) {
		if f.Node != n || !Fresh(now, r.Group, f) {
			continue
		}
		if f.Kind == model.MonitorRefused {
			return model.Note{Node: n, Name: CheckFailed, Text: fmt.Sprintf("its Monitor_check for resource %s refuses: %s", f.Resource, f.Why)}, false
		}
		name, what := StartFailed, "failed to start here"
		if f.Kind == model.PleaGiveover {
			name, what = Giveover, "asked to leave this node"
		}
		until := until(r.Group, f).UTC().Format(time.TimeOnly)
		return model.Note{Node: n, Name: name, Text: fmt.Sprintf("resource %s %s (%s); not tried again before %s UTC (Pingpong_interval)", f.Resource, what, f.Why, until)}, false
	}
	return model.Note{}, true
}

// Evacuates reports whether a node is evacuated for a group that has overruled these evacuations.
func Evacuates(now time.Time, n *model.NodeState, overruled []model.Evacuation) bool {
	until := n.EvacuatedUntil
	return until.After(now) && !slices.ContainsFunc(overruled, func(e model.Evacuation) bool { return e.Node == n.Name && e.Until.Equal(until) })
}

// Fresh reports whether a failure still keeps its node out: within Pingpong_interval.
func Fresh(now time.Time, g *model.Group, f model.Failure) bool {
	return now.Before(until(g, f))
}

// refusedFor is how long the word of a Monitor_check counts: long enough that a group which leaves its node for another goes past this one, and no longer, for a
// cause that passes must not keep the group off a node that is needed later.
const refusedFor = time.Minute

// until is when a failure is forgotten. It has to be noted at all, or the group would wait for ever for the node that failed: an interval of 0 counts as a second.
func until(g *model.Group, f model.Failure) time.Time {
	if f.Kind == model.MonitorRefused {
		return f.At.Add(refusedFor)
	}
	return f.At.Add(time.Duration(max(1, g.PingpongInterval)) * time.Second)
}
