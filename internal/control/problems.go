package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/balance"
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
	switch q := s.Cluster.Quorum; {
	case s.Degraded != "" && q.Quorate && !q.Writable && len(q.Voters) > 0:
		add(severe, name, "bring the voters named here back, copy and all; when the copies are lost for good, restore a snapshot with `redoubtd restore`", "%s", s.Degraded)
	case s.Degraded != "":
		add(severe, name, "look at the other nodes and at the interconnect; services of this node stop until it hears a majority again", "%s", s.Degraded)
	}
	if q := s.Cluster.Quorum; q.Quorate && q.Writable && q.Margin <= 0 && len(q.Voters) > 1 {
		remedy, why := "bring back the voters that are missing or have no usable copy of the repository", ""
		if names := lacking(q); len(names) > 0 {
			remedy = "bring back " + strings.Join(names, ", ") + ", with a usable copy of the repository"
		}
		if underWay(v, q) {
			remedy, why = "wait some seconds: the cluster takes one voter after the other; if this stays so, "+remedy, "the voters are changing: "
		}
		add(warning, name, remedy, "%s%d of %d voters are heard and %d of them have a usable copy of the repository: none may fail, the next one that is lost stops the cluster", why, q.Present, len(q.Voters), q.Usable)
	}
	for _, voter := range s.Cluster.Quorum.Voters {
		copyProblem(voter, len(s.Cluster.Quorum.Voters) == 1, add)
	}
	for _, key := range v.snap.Damaged {
		add(severe, "record "+strings.TrimPrefix(key, confdb.Root), "restore the repository from a snapshot, or delete the object and create it again", "it is damaged and left out; what it configured is not looked after")
	}
	if list, err := v.accessList(); err == nil {
		for _, e := range list.Current(v.now) {
			for _, p := range e.Pending {
				add(warning, "node "+p.Host, "compare the key with `redoubt node key` there, then `redoubt access approve "+p.Host+" "+p.Key+"`, or `redoubt access deny -h "+e.Host+"`",
					"%s asks to join with key %s, from %s", p.Host, p.Key, p.From)
			}
		}
	}
	v.certificateProblems(add)
	for _, n := range s.Nodes {
		c.nodeProblems(v, n, add)
	}
	for _, g := range s.Groups {
		groupProblems(v, g, add)
	}
	v.placementProblems(name, add)
	for _, res := range s.Resources {
		resourceProblems(res, add)
	}
	c.logProblems(add)
	slices.SortStableFunc(out, func(a, b v1.Problem) int { return strings.Compare(a.Severity, b.Severity) })
	return out
}

// underWay reports whether the voters are on their way to others: a change has begun, one of them is configured no more, or their number is one that no cluster
// keeps (quorum.Want).
func underWay(v view, q v1.QuorumState) bool {
	return len(q.Changing) > 0 || len(q.Voters)%2 == 0 || slices.ContainsFunc(q.Voters, func(o v1.VoterStatus) bool {
		_, configured := check.Node(v.state, cluster.NodeName(o.Node))
		return !configured
	})
}

type addProblem func(severity, object, remedy, format string, args ...any)

// copyProblem says what is wrong with the copy of a voter that is there.
func copyProblem(v v1.VoterStatus, only bool, add addProblem) {
	object := "node " + v.Node
	switch {
	case !v.Present:
	case v.Copy == membership.CopyLost.String() && only:
		add(severe, object, "restore a snapshot there with `redoubtd restore`", "its copy of the repository is lost or damaged, and it is the only one")
	case v.Copy == membership.CopyLost.String():
		add(warning, object, "nothing, while the other voters are enough: the cluster fills it anew by itself; its log says how far it is", "its copy of the repository is lost or damaged")
	case v.Copy == membership.CopyDown.String():
		add(warning, object, "see its log: a full disk, a port that is taken, an expired certificate", "its member of the repository is not up")
	case v.Copy == membership.CopyBehind.String():
		add(warning, object, "see whether the private network reaches it, if this stays so", "its copy of the repository lacks what the others have, or follows nobody")
	case v.Copy == membership.CopyNone.String():
		add(warning, object, "see its log, if this stays so", "it votes, but has no copy of the repository yet")
	}
}

func (c *Control) nodeProblems(v view, n v1.NodeState, add addProblem) {
	object := "node " + n.Name
	switch n.State {
	case "away":
		add(severe, object, "start the machine and its redoubtd, or remove it with `redoubt node remove`", "it is not in the cluster: %s", n.Why)
	case "leaving":
		remedy := "wait: it ends by itself when the promises to the node have run out"
		if v.fenced(cluster.NodeName(n.Name)) {
			remedy = "if the agent fails, see why in the log of the node that asks it; if you have made sure yourself that the machine is off, run `redoubt node clear-fence " + n.Name + "`"
		}
		add(severe, object, remedy, "it was lost: %s", n.Why)
	case "quorum-server":
		c.quorumServerProblems(n, add)
	}
	c.roomProblem(n, add)
	if record, _ := check.Node(v.state, cluster.NodeName(n.Name)); record.PublicAddress == "" && n.State != "away" {
		if i := slices.IndexFunc(v.state.Nodes, func(o model.NodeState) bool { return o.Elsewhere() }); i >= 0 {
			add(warning, object, "see its log, which says why: it needs a way to "+v.state.Nodes[i].PublicAddress+" that is no interconnect", "quorum server %s does not hear it: its public address is not on record", v.state.Nodes[i].Name)
		}
	}
	if n.State == "member" && unheard(n.Paths) {
		add(severe, object, "mend the interconnects before anything else fails; see `redoubt interconnect status` on each node",
			"no interconnect to it works: both go on while each reaches the rest of the quorum, and whichever loses that stops its services")
	}
	for _, p := range n.Paths {
		switch {
		case p.State != "faulted" || n.State == "away" || n.State == "quorum-server" && n.Why != "":
		case p.Network == v1.PublicPath:
			add(warning, object, "see that udp 7400 and tcp 7401 to 7403 pass both ways between the public addresses that `redoubt node show` prints", "the path over the public network to it is faulted")
		default:
			add(warning, object, "check the cable, the network card and the switch of this interconnect", "the path %s to it is faulted", p.Network)
		}
	}
}

// unheard reports whether there are paths in use to a node, and all of them are faulted.
func unheard(paths []v1.PathStatus) bool {
	used := slices.DeleteFunc(slices.Clone(paths), func(p v1.PathStatus) bool { return p.State == "disabled" })
	return len(used) > 0 && !slices.ContainsFunc(used, func(p v1.PathStatus) bool { return p.State != "faulted" })
}

// placementProblems says what the planner can not take into account.
func (v view) placementProblems(cluster string, add addProblem) {
	for _, a := range v.state.Assignments {
		if i := slices.IndexFunc(a.Notes, func(n model.Note) bool { return n.Name == place.Unplanned }); i >= 0 {
			add(severe, cluster, "keep to what the planner takes: remove nodes, load limits or groups", "groups are not placed together any more, but one by one: %s", a.Notes[i].Text)
			break
		}
	}
	for _, g := range v.state.Groups {
		for _, f := range unlimited(v.state, g) {
			// One that is like no limit may be meant to be spread only.
			if near := check.Nearest(f, limitNames(v.state)); len(near) > 0 {
				add(warning, "group "+string(g.Name), "correct it with `redoubt group set -p Load_factors=... "+string(g.Name)+"`, or limit it with `redoubt node create-loadlimit`",
					"its load factor %s counts for nothing but the spreading, because no node limits it; %s", f, check.DidYouMean(f, near, ""))
			}
		}
	}
}

// limitNames are the load limits that nodes have, each once.
func limitNames(s model.State) []string {
	var known []string
	for _, n := range s.Nodes {
		for _, l := range n.LoadLimits {
			known = append(known, l.Name)
		}
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// unlimited are the loads of a group that no node limits, so that they keep it from nowhere.
func unlimited(s model.State, g model.Group) (names []string) {
	known := limitNames(s)
	for _, f := range g.LoadFactors {
		if !slices.Contains(known, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// sayUnlimited warns of loads that no node limits.
func (d *draft) sayUnlimited(s model.State, g model.Group) {
	for _, f := range unlimited(s, g) {
		d.say(fmt.Sprintf("warning: group %s: no node limits %s: it is spread evenly, and every node carries any amount of it; %s", g.Name, f,
			check.DidYouMean(f, limitNames(s), "`redoubt node create-loadlimit` limits it")))
	}
}

func groupProblems(v view, g v1.GroupState, add addProblem) {
	object := "group " + g.Name
	switch spec, _ := check.Group(v.state, cluster.GroupName(g.Name)); {
	case spec.Suspended && !spec.SuspendedByHand():
		add(warning, object, "wait until that has ended, or end it where it was called", "it is being quiesced, which %s: until then nothing is restarted or moved", quiescedText(spec))
	case g.Suspended:
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
	if r.MemoryFull >= balance.NearlyFull {
		add(warning, object, "share its load among several shared addresses or services, or lower Affinity_timeout; see docs/scalable.md",
			"what its holder remembers of connections and clients is %d per cent full: those that it has no room for break when their slots are dealt anew", r.MemoryFull)
	}
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
