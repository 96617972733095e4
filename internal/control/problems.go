package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/place"
)

// The severities of problems.
const (
	severe  = "error"
	warning = "warning"
)

// soonExpires is how long before its end a certificate is a problem.
const soonExpires = 30 * 24 * time.Hour

// problems says in plain words what is not as it should be, the worst first.
func (c *Control) problems(r *Running, v view, s v1.Status) []v1.Problem {
	var out []v1.Problem
	add := func(severity, object, remedy, format string, args ...any) {
		out = append(out, v1.Problem{Severity: severity, Object: object, Text: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	name := "cluster " + s.Cluster.Name
	if s.Degraded != "" {
		add(severe, name, "look at the other nodes and at the interconnect; services of this node stop until it hears a majority again", "%s", s.Degraded)
	}
	if q := s.Cluster.Quorum; q.Quorate && q.Margin == 0 && len(q.Voters) > 1 {
		add(warning, name, "bring the missing voters back", "%d of %d voters are heard: the next one that is lost stops the cluster", q.Present, len(q.Voters))
	}
	for _, key := range v.snap.Damaged {
		add(severe, "record "+strings.TrimPrefix(key, confdb.Root), "restore the repository from a snapshot, or delete the object and create it again", "it is damaged and left out; what it configured is not looked after")
	}
	for _, n := range s.Nodes {
		c.nodeProblems(v, n, add)
	}
	for _, g := range s.Groups {
		groupProblems(v, g, add)
	}
	for _, res := range s.Resources {
		resourceProblems(res, add)
	}
	slices.SortStableFunc(out, func(a, b v1.Problem) int { return strings.Compare(a.Severity, b.Severity) })
	return out
}

type addProblem func(severity, object, remedy, format string, args ...any)

func (c *Control) nodeProblems(v view, n v1.NodeState, add addProblem) {
	object := "node " + n.Name
	switch n.State {
	case "away":
		add(severe, object, "start the machine and its redoubtd, or remove it with `redoubt node remove`", "it is not in the cluster: %s", n.Why)
	case "leaving":
		add(severe, object, "if it does not end by itself, see whether its fence agent works, or that the machine is really off", "it was lost: %s", n.Why)
	case "quorum-server":
		if n.Why != "" {
			add(severe, object, "start it and see that the interconnect reaches it", "the quorum server is not there: %s", n.Why)
		}
	}
	for _, p := range n.Paths {
		if p.State == "faulted" && n.State != "away" {
			add(warning, object, "check the cable, the network card and the switch of this interconnect", "the path %s to it is faulted", p.Network)
		}
	}
	if n.CertificateExpires != nil {
		switch left := n.CertificateExpires.Sub(v.now); {
		case left <= 0:
			add(severe, object, "renew it: remove the node and let it join again", "its certificate expired on %s", n.CertificateExpires.Format(time.DateOnly))
		case left < soonExpires:
			add(warning, object, "renew it before that day", "its certificate expires on %s", n.CertificateExpires.Format(time.DateOnly))
		}
	}
}

func groupProblems(v view, g v1.GroupState, add addProblem) {
	object := "group " + g.Name
	if g.Suspended {
		add(warning, object, "`redoubt group resume "+g.Name+"` when the work is done", "automatic recovery is suspended: nothing is restarted or moved")
	}
	for _, n := range g.Nodes {
		switch model.GroupState(n.State) {
		case model.GroupErrorStopFailed:
			add(severe, object, "make sure that nothing of it runs there, then `redoubt resource clear -f STOP_FAILED -n "+n.Node+"`", "it is blocked on node %s, because something could not be stopped: %s", n.Node, n.BlockedOn)
		case model.GroupPendingOnlineBlocked:
			add(warning, object, "bring online what it waits for", "it waits on node %s: %s", n.Node, n.BlockedOn)
		case model.GroupOnlineFaulted:
			add(severe, object, "see the resources of the group", "it is online on node %s, but not all of it runs", n.Node)
		}
	}
	a := v.assignment(cluster.GroupName(g.Name))
	if g.Managed && !a.Off && len(a.Wanted) == 0 && len(a.Notes) > 0 && !g.Suspended {
		var why []string
		for _, n := range a.Notes {
			if n.Node != "" {
				why = append(why, string(n.Node)+" "+n.Text)
			}
		}
		add(severe, object, "make one of these nodes able to run it", "no node can run it now: %s", strings.Join(why, "; "))
	}
	for _, n := range a.Notes {
		if n.Name == place.Unreleased || n.Name == place.Surrounded {
			add(warning, object, "", "node %s %s", n.Node, n.Text)
		}
	}
	if group, ok := check.Group(v.state, cluster.GroupName(g.Name)); ok && group.Managed && !a.Off && len(a.Wanted) > 0 && len(a.Wanted) < primaries(group, a) {
		add(warning, object, "bring further nodes of its nodelist into the cluster", "it shall run on %d nodes and can run on %d now", group.DesiredPrimaries, len(a.Wanted))
	}
}

// primaries is on how many nodes a group shall run now.
func primaries(g model.Group, a model.Assignment) int {
	if a.Primaries > 0 && a.PrimariesOf == g.DesiredPrimaries {
		return min(a.Primaries, g.MaximumPrimaries)
	}
	return min(g.DesiredPrimaries, g.MaximumPrimaries)
}

func resourceProblems(r v1.ResourceState, add addProblem) {
	object := "resource " + r.Name
	for _, n := range r.Nodes {
		switch s := model.ResourceState(n.State); {
		case s == model.ResourceStopFailed:
			add(severe, object, "make sure that nothing of it runs there, then `redoubt resource clear -f STOP_FAILED -n "+n.Node+" "+r.Name+"`", "it could not be stopped on node %s: %s", n.Node, n.Message)
		case s == model.ResourceStartFailed:
			add(severe, object, "correct the cause, then `redoubt resource clear -f START_FAILED "+r.Name+"`", "it did not start on node %s: %s", n.Node, n.Message)
		case s == model.ResourceMonitorFailed:
			add(warning, object, "correct the cause, then `redoubt resource clear -f MONITOR_FAILED "+r.Name+"`", "its monitor does not run on node %s: %s", n.Node, n.Message)
		case isUp(s) && (n.Status == string(model.StatusFaulted) || n.Status == string(model.StatusDegraded)):
			add(warning, object, "see its log on that node", "it runs on node %s, but is %s: %s", n.Node, n.Status, n.Message)
		}
	}
}
