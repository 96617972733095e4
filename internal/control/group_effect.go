package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/place"
)

// online is the effect of bringing a group online: it is, on the nodes asked for if any were, or it can not be. seq is the want that asked for it.
func online(g cluster.GroupName, seq uint64, nodes []cluster.NodeName) func(view) error {
	var blockedSince time.Time
	return func(v view) error {
		a := v.assignment(g)
		if err := stillWanted(v, g, seq); err != nil {
			return err
		}
		if a.WantSeq < seq {
			return errNotYet
		}
		if err := stopFailed(v, g, anywhere); err != nil {
			return err
		}
		if len(a.Wanted) == 0 {
			return nowhere(a)
		}
		if len(a.Leaving) > 0 || !sameNodes(a) {
			return errNotYet
		}
		blocked := ""
		for _, t := range a.Targets {
			i, ok := v.instance(g, t.Node)
			if !ok || i.Version < a.Version || i.Restart < a.Restart || i.Plea != nil && i.Plea.Version == a.Version && !v.suspended(g) && !stays(a, t.Node) {
				return errNotYet
			}
			switch i.State {
			case model.GroupOnline:
			case model.GroupOnlineFaulted:
				return startFailed(i)
			case model.GroupPendingOnlineBlocked:
				blocked = fmt.Sprintf("group %s on node %s waits: %s", g, t.Node, i.BlockedOn)
			default:
				return errNotYet
			}
		}
		if blocked != "" {
			if v.comes(a) {
				blockedSince = time.Time{}
				return errNotYet
			}
			if blockedSince.IsZero() {
				blockedSince = time.Now()
			}
			if time.Since(blockedSince) < blockedIn {
				return errNotYet
			}
			return fault.Errorf(fault.Precondition, "%s; it goes on by itself when that is online", blocked)
		}
		return elsewhere(a, nodes)
	}
}

// stays reports whether the planner has heard a plea and could not heed it.
func stays(a model.Assignment, n cluster.NodeName) bool {
	return slices.ContainsFunc(a.Notes, func(t model.Note) bool { return t.Node == n && t.Name == place.Surrounded })
}

func (v view) suspended(g cluster.GroupName) bool {
	group, _ := check.Group(v.state, g)
	return group.Suspended
}

// stillWanted fails when the group is gone or somebody asked for something else since.
func stillWanted(v view, g cluster.GroupName, seq uint64) error {
	if _, ok := check.Group(v.state, g); !ok {
		return fault.Errorf(fault.NotFound, "group %s was deleted meanwhile", g)
	}
	if v.seqOf(g) > seq {
		return fault.Errorf(fault.Conflict, "somebody asked for another place of group %s meanwhile; see `redoubt group status %s`", g, g)
	}
	return nil
}

func anywhere(cluster.NodeName) bool { return true }

// stopFailed is the error of a group that a failed stop has blocked on one of some nodes.
func stopFailed(v view, g cluster.GroupName, in func(cluster.NodeName) bool) error {
	for _, i := range check.Instances(v.state, g) {
		if i.State == model.GroupErrorStopFailed && in(i.Node) {
			return fault.Errorf(fault.Precondition, "group %s is blocked on node %s: %s; make sure that nothing of it runs there, then clear the resource with `redoubt resource clear -f STOP_FAILED -n %s`", g, i.Node, i.BlockedOn, i.Node)
		}
	}
	return nil
}

// startFailed names the resources that did not start in an instance.
func startFailed(i model.Instance) error {
	var parts []string
	for _, r := range i.Resources {
		if r.State == model.ResourceStartFailed {
			parts = append(parts, fmt.Sprintf("resource %s: %s", r.Name, r.Message))
		}
	}
	return fault.Errorf(fault.Precondition, "group %s is %s on node %s: %s; correct the cause, then `redoubt resource clear -f START_FAILED`, or switch the group", i.Group, i.State, i.Node, strings.Join(parts, "; "))
}

// nowhere is the error of a group that no node can run.
func nowhere(a model.Assignment) error {
	var lines []string
	for _, n := range a.Notes {
		if n.Node != "" {
			lines = append(lines, fmt.Sprintf("node %s: %s", n.Node, n.Text))
		} else if n.Name != place.NoCandidate {
			lines = append(lines, n.Text)
		}
	}
	return fault.Errorf(fault.Precondition, "group %s can run on no node now", a.Group).WithDetail(strings.Join(lines, "\n"))
}

// elsewhere is the error of a group that is online, but not where it was asked to be: it failed there.
func elsewhere(a model.Assignment, nodes []cluster.NodeName) error {
	for _, n := range nodes {
		if slices.ContainsFunc(a.Targets, func(t model.Target) bool { return t.Node == n }) {
			continue
		}
		for _, f := range slices.Backward(a.Failures) {
			if f.Node == n {
				return fault.Errorf(fault.Precondition, "group %s is on %s and not on node %s: resource %s there: %s", a.Group, commas(targetNodes(a)), n, f.Resource, f.Why)
			}
		}
		for _, note := range a.Notes {
			if note.Name == place.Ignored {
				return fault.Errorf(fault.Precondition, "group %s is on %s and not on node %s: %s", a.Group, commas(targetNodes(a)), n, note.Text)
			}
		}
		return fault.Errorf(fault.Precondition, "group %s is on %s and not on node %s, which was lost or refused; see `redoubt group status %s`", a.Group, commas(targetNodes(a)), n, a.Group)
	}
	return nil
}

func targetNodes(a model.Assignment) []cluster.NodeName {
	var out []cluster.NodeName
	for _, t := range a.Targets {
		out = append(out, t.Node)
	}
	return out
}

// sameNodes reports whether the targets are the wanted nodes.
func sameNodes(a model.Assignment) bool { return slices.Equal(targetNodes(a), a.Wanted) }

// offline is the effect of taking a group offline, from nodes if any are named.
func offline(g cluster.GroupName, seq uint64, nodes []cluster.NodeName) func(view) error {
	return func(v view) error {
		if err := stillWanted(v, g, seq); err != nil {
			return err
		}
		a := v.assignment(g)
		if group, _ := check.Group(v.state, g); group.Managed && a.WantSeq < seq {
			return errNotYet
		}
		return isOff(v, g, nodes)
	}
}

// isOff reports whether a group runs on none of the nodes (nil: on none at all).
func isOff(v view, g cluster.GroupName, nodes []cluster.NodeName) error {
	in := func(n cluster.NodeName) bool { return len(nodes) == 0 || slices.Contains(nodes, n) }
	if err := stopFailed(v, g, in); err != nil { // elsewhere it is no obstacle
		return err
	}
	a := v.assignment(g)
	for _, t := range slices.Concat(a.Targets, a.Leaving) {
		if in(t.Node) {
			return errNotYet
		}
	}
	for _, i := range check.Instances(v.state, g) {
		if in(i.Node) && i.MayRun() {
			return errNotYet
		}
	}
	return nil
}
