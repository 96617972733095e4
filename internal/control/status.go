package control

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/place"
)

// refreshLimit is how long status waits for nodes to say what only they know; it shows the rest in any case.
const refreshLimit = 300 * time.Millisecond

// ClusterStatus shows the state of the whole cluster. It answers also without a majority, from what this node last heard, and says so.
func (c *Control) ClusterStatus(ctx context.Context, who Caller, in v1.ClusterStatus) (v1.Status, error) {
	if err := c.authorise(ctx, who, "cluster status"); err != nil {
		return v1.Status{}, err
	}
	r := c.running.Load()
	if r != nil {
		c.refresh(ctx, r, c.look(r), refreshLimit)
	}
	return c.statusFor(r, who), nil
}

// status makes the status document of what is known now.
func (c *Control) status(r *Running) v1.Status {
	out := v1.Status{Level: v1.Level, Time: c.cfg.Clock.Wall().UTC()}
	if r == nil {
		if own, err := c.cfg.Local.Facts(context.Background()); err == nil {
			out.Node, out.Removed = own.Node, own.Removed
		}
		return out
	}
	v := c.look(r)
	out.Node, out.InCluster, out.Revision = string(r.Node), true, int64(v.snap.State.Basis.Revision)
	out.Degraded = c.degraded(r, v)
	cl := c.clusterState(r, v)
	out.Cluster = &cl
	for _, n := range v.state.Nodes {
		out.Nodes = append(out.Nodes, c.nodeState(r, v, n))
	}
	out.Groups, out.Resources = make([]v1.GroupState, 0, len(v.state.Groups)), make([]v1.ResourceState, 0, len(v.state.Resources))
	for _, g := range v.state.Groups {
		out.Groups = append(out.Groups, groupState(v, g))
	}
	for _, res := range v.state.Resources {
		out.Resources = append(out.Resources, resourceState(v, res))
	}
	out.Problems = c.problems(r, v, out)
	return out
}

// degraded says why this may not be the newest state.
func (c *Control) degraded(r *Running, v view) string {
	_, configured := check.Node(v.state, r.Node)
	switch {
	case v.snap.State.Basis.Revision == 0:
		return "this node has not read the configuration yet"
	case v.member.Record == nil:
		return "this node knows no membership yet; what is shown is what the repository last said"
	case !c.quorumState(v).Quorate:
		return "this node does not hear a majority of the voters; what is shown is what it last knew, and nothing can be changed here"
	case !c.quorumState(v).Writable:
		return "less than a majority of the voters has a usable copy of the repository: services go on where they are, but nothing can be changed and nothing moves"
	case configured && !v.member.IsMember && !isQuorumServer(v, r.Node):
		return "this node is not a member of the cluster now and runs nothing; what is shown is what it hears from the others"
	case v.member.IsMember && v.member.LeaseEnd != 0 && c.cfg.Clock.Boot() >= v.member.LeaseEnd:
		return "this node's lease has run out and its services have ended; the record shown, which still calls it a member, is older than that; it comes back by itself in a new incarnation"
	}
	return ""
}

func isQuorumServer(v view, n cluster.NodeName) bool {
	node, _ := check.Node(v.state, n)
	return node.QuorumServer
}

func (c *Control) clusterState(r *Running, v view) v1.ClusterState {
	out := v1.ClusterState{Name: v.state.Cluster.Name, ID: v.state.Cluster.ID, Fingerprint: r.Fingerprint(), Quorum: c.quorumState(v)}
	nodes := v.reads()
	out.Schema = v1.SchemaState{Active: v.snap.Schema, Next: nextLevel(v.snap.Schema, nodes), Nodes: nodes}
	if rec := v.member.Record; rec != nil {
		out.Epoch, out.Formation, out.President = uint64(rec.Epoch), uint64(rec.Formation), string(rec.President)
		out.Timing = v1.Timing{
			Profile: rec.Timing.Profile, QuantumMs: rec.Timing.Quantum.Milliseconds(), TimeoutMs: rec.Timing.Timeout.Milliseconds(),
			HoldMs: rec.Timing.Hold.Milliseconds(), RunMs: cluster.Run(rec.Timing.Hold).Milliseconds(), Transitions: rec.PrevTiming != nil,
			Waits: timingWaits(rec),
		}
	}
	return out
}

// timingWaits says what a change of the timing has to wait for: promises that were made before and can not be taken back.
func timingWaits(rec *membership.Record) []string {
	var out []string
	if p := rec.PrevTiming; p != nil {
		out = append(out, fmt.Sprintf("until every node has the newest timing and what was promised under the one before (%v) has run out", p.Hold))
	}
	for _, e := range rec.Extended {
		if e.Ending {
			out = append(out, fmt.Sprintf("until what was promised for the planned restart of node %s (%v) has run out", e.Node, time.Duration(e.Hold)))
		} else {
			out = append(out, fmt.Sprintf("until the planned restart of node %s is over and what was promised for it (%v) has run out", e.Node, time.Duration(e.Hold)))
		}
	}
	return out
}

// quorumState counts the voters that this node hears, and their copies of the repository. While the voters change both sets need their majority; the numbers
// of votes are those of the set with less to spare.
func (c *Control) quorumState(v view) v1.QuorumState {
	out := v1.QuorumState{Voters: []v1.VoterStatus{}}
	rec := v.member.Record
	if rec == nil {
		return out
	}
	now := c.cfg.Clock.Boot()
	for _, voter := range rec.Voters {
		s := v1.VoterStatus{Node: string(voter.Node), QuorumServer: voter.QuorumServer, Copy: "unknown"}
		if own, heard := v.member.CopyOf(voter.Node, now); heard {
			s.Present, s.Copy = true, own.State.String()
		}
		out.Voters = append(out.Voters, s)
	}
	for _, voter := range rec.NextVoters {
		out.Changing = append(out.Changing, string(voter.Node))
	}
	t := v.member.Tally(now)
	out.Needed, out.Present, out.Usable, out.Margin = t.Needed, t.Present, t.Usable, t.Margin
	out.Quorate, out.Writable = t.Present >= t.Needed, t.Usable >= t.Copies
	return out
}

// hears reports whether a node is heard on the interconnect now, or is this one.
func (c *Control) hears(v view, n cluster.NodeName) bool {
	return v.member.Hears(n, c.cfg.Clock.Boot())
}

// nodeState is the state of one node.
func (c *Control) nodeState(r *Running, v view, n model.NodeState) v1.NodeState {
	out := v1.NodeState{Name: string(n.Name), ID: n.ID, State: "away", Incarnation: n.Incarnation.String(), Since: uint64(n.Since)}
	if n.Fence != nil {
		out.FenceAgent = n.Fence.Agent
	}
	rec := v.member.Record
	if rec != nil {
		out.Voter, out.President = rec.IsVoter(n.Name), rec.President == n.Name && n.Member
		for _, l := range rec.Leaving {
			if l.Node == n.Name && slices.Contains(v.state.Held, model.Target{Node: l.Node, Incarnation: l.Incarnation}) {
				out.State, out.Why = "leaving", cmp.Or(l.Why, "it is not heard any more")+"; "+v.awaited(n.Node, l)
			} else if l.Node == n.Name {
				out.Why = l.Why
			}
		}
	}
	switch {
	case n.Member:
		out.State, out.Why = "member", ""
	case n.QuorumServer:
		out.State = "quorum-server"
		if rec != nil && !c.hears(v, n.Name) {
			out.Why = "it is not heard"
		}
	case out.State == "away" && out.Why == "":
		out.Why = "it has not joined the cluster since it was started, or is down"
	}
	if n.Name != r.Node {
		out.Paths = paths(v, n.Name)
	} else if v.member.IsMember {
		left := max(time.Duration(v.member.LeaseEnd-c.cfg.Clock.Boot()), 0).Milliseconds()
		out.LeaseMs = &left
	}
	if n.EvacuatedUntil.After(v.now) {
		until := n.EvacuatedUntil
		out.EvacuatedUntil = &until
	}
	if k, ok := c.facts.get(n.Name); ok && !k.facts.CertificateExpires.IsZero() {
		at := k.facts.CertificateExpires
		out.CertificateExpires = &at
	}
	out.Loads = v.loads(n)
	return out
}

// fenced reports whether a node was lost and is released only by its fence agent.
func (v view) fenced(n cluster.NodeName) bool {
	return v.member.Record != nil && slices.ContainsFunc(v.member.Record.Leaving, func(l membership.Leaver) bool { return l.Node == n && l.Fence })
}

// awaited says what has to happen before what ran on a lost node starts elsewhere.
func (v view) awaited(n model.Node, l membership.Leaver) string {
	if !l.Fence {
		return "waiting until it is certain that it runs nothing"
	}
	agent := "its fence agent"
	if n.Fence != nil {
		agent += " " + n.Fence.Agent
	}
	text := "waiting until " + agent + " has confirmed that it is off, or it comes back by itself"
	for _, f := range v.snap.Fencings {
		if f.Node == l.Node && f.Incarnation == l.Incarnation {
			times := "once"
			if f.Attempts > 1 {
				times = fmt.Sprintf("%d times", f.Attempts)
			}
			text += fmt.Sprintf("; the agent has failed %s, on node %s at %s, and is asked again at %s: %s", times, f.By, f.At.Local().Format(time.TimeOnly), f.Next.Local().Format(time.TimeOnly), f.Why)
		}
	}
	return text
}

// loads is what a node carries of each kind of load, sorted by name.
func (v view) loads(n model.NodeState) []v1.NodeLoad {
	sums := map[string]int64{}
	for _, l := range n.LoadLimits {
		sums[l.Name] = 0
	}
	for _, g := range v.state.Groups {
		a := v.assignment(g.Name)
		if slices.ContainsFunc(slices.Concat(a.Targets, a.Leaving), func(t model.Target) bool { return t.Node == n.Name && t.Incarnation == n.Incarnation }) {
			for _, f := range g.LoadFactors {
				sums[f.Name] += f.Load
			}
		}
	}
	var out []v1.NodeLoad
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		l := v1.NodeLoad{Name: name, Load: sums[name]}
		for _, x := range n.LoadLimits {
			if x.Name == name {
				l.Soft, l.Hard = limited(x.Soft), limited(x.Hard)
			}
		}
		out = append(out, l)
	}
	return out
}

// rank orders group states by how much they matter to somebody who looks at one word.
var rank = []model.GroupState{
	model.GroupErrorStopFailed, model.GroupOnlineFaulted, model.GroupPendingOnlineBlocked, model.GroupPendingOffline, model.GroupPendingOnline, model.GroupOnline, model.GroupOffline, model.GroupUnmanaged,
}

// groupState is the state of one group on its nodes.
func groupState(v view, g model.Group) v1.GroupState {
	a := v.assignment(g.Name)
	out := v1.GroupState{Name: string(g.Name), Managed: g.Managed, Suspended: g.Suspended, State: string(model.GroupUnmanaged), Wanted: words(a.Wanted)}
	if g.Managed {
		out.State = string(model.GroupOffline)
	}
	for _, q := range g.Quiesced.By {
		out.Quiesced = append(out.Quiesced, v1.Quiesce{Node: string(q.Node), Until: q.Until})
	}
	best := len(rank)
	nodes := slices.Clone(g.Nodelist)
	for _, i := range check.Instances(v.state, g.Name) {
		if i.MayRun() && !slices.Contains(nodes, i.Node) {
			nodes = append(nodes, i.Node)
		}
	}
	for _, n := range nodes {
		gn := v1.GroupNode{Node: string(n), State: string(model.GroupOffline), Wanted: slices.Contains(a.Wanted, n)}
		if !g.Managed {
			gn.State = string(model.GroupUnmanaged)
		}
		if i, ok := v.instance(g.Name, n); ok {
			gn.State, gn.BlockedOn = string(i.State), i.BlockedOn
			if at := slices.Index(rank, i.State); at >= 0 && at < best {
				best, out.State = at, gn.State
			}
		}
		out.Nodes = append(out.Nodes, gn)
	}
	for _, n := range a.Notes {
		out.Notes = append(out.Notes, v1.Note{Node: string(n.Node), Name: n.Name, Text: n.Text})
	}
	out.Notes = append(out.Notes, absent(v, g, a)...)
	if len(a.Notes) == 0 && !g.Managed {
		out.Notes = append(out.Notes, v1.Note{Name: "unmanaged", Text: fmt.Sprintf("not managed; `redoubt group online -eM %s` manages it and brings it online", g.Name)})
	}
	return out
}

// absent are the notes about nodes that are not in the cluster, as far as the president has not written them: he does that for groups that need more nodes.
func absent(v view, g model.Group, a model.Assignment) (notes []v1.Note) {
	for _, n := range g.Nodelist {
		said := slices.ContainsFunc(a.Notes, func(x model.Note) bool { return x.Node == n })
		if g.Managed && !a.Off && !said && !v.isMember(n) {
			x := place.Absent(n)
			notes = append(notes, v1.Note{Node: string(n), Name: x.Name, Text: x.Text})
		}
	}
	return notes
}

// resourceState is the state of one resource on the nodes of its group.
func resourceState(v view, r model.Resource) v1.ResourceState {
	out := v1.ResourceState{Name: string(r.Name), Group: string(r.Group), Type: string(r.Type), MemoryFull: memoryFull(v.state, r)}
	g, _ := check.Group(v.state, r.Group)
	shares := sharesOf(v.state, r)
	out.Nodes = make([]v1.ResourceNode, 0, len(g.Nodelist))
	for _, n := range g.Nodelist {
		i, _ := v.instance(r.Group, n)
		ri := resourceIn(i, r.Name)
		rn := v1.ResourceNode{
			Node: string(n), State: string(ri.State), Status: string(ri.Status), Message: ri.Message, Restarts: len(ri.Restarts),
			Enabled: r.EnabledOn(n), Monitored: r.MonitoredOn(n),
		}
		rn.Share = shares[n]
		if !ri.Since.IsZero() {
			since := ri.Since
			rn.Since = &since
		}
		out.Nodes = append(out.Nodes, rn)
	}
	return out
}
