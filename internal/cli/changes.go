package cli

import (
	"fmt"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
)

// change is one thing that is different in a newer status.
type change struct {
	group   string // the group it is about, if it is about one
	text    string
	problem bool // it is a problem that was not there before
}

// changes says what is different between two readings of the cluster, in words. The first reading is nil.
func (l look) changes(was, is *v1.Status) []change {
	if was == nil {
		was = &v1.Status{}
	}
	var out []change
	say := func(group, format string, args ...any) {
		out = append(out, change{group: group, text: fmt.Sprintf(format, args...)})
	}
	if was.InCluster != is.InCluster && is.InCluster {
		say("", "%s is in a cluster", is.Node)
	} else if was.InCluster != is.InCluster {
		say("", "%s is in no cluster", is.Node)
		return out
	}
	if a, b := clusterOf(was), clusterOf(is); a.President != b.President && b.President != "" {
		say("", "president is %s (epoch %d)", b.President, b.Epoch)
	}
	if a, b := clusterOf(was).Timing, clusterOf(is).Timing; a.QuantumMs != b.QuantumMs || a.TimeoutMs != b.TimeoutMs {
		say("", "heartbeat every %d ms, a node is given up after %d ms", b.QuantumMs, b.TimeoutMs)
	}
	for _, w := range clusterOf(is).Timing.Waits {
		if !slices.Contains(clusterOf(was).Timing.Waits, w) {
			say("", "a change of the timing waits %s", w)
		}
	}
	if a, b := clusterOf(was).Quorum, clusterOf(is).Quorum; a.Present != b.Present || a.Usable != b.Usable || len(a.Voters) != len(b.Voters) {
		say("", "quorum: %d of %d votes present, %d copies usable, %d needed", b.Present, len(b.Voters), b.Usable, b.Needed)
	}
	l.nodeChanges(was, is, say)
	for _, g := range is.Groups {
		before := groupOf(was, g.Name)
		for _, n := range g.Nodes {
			if state := stateOn(before, n.Node); state != n.State && (state != "" || n.State != "OFFLINE") {
				say(g.Name, "%s on %s: %s%s", g.Name, n.Node, l.state(n.State), blocked(n))
			}
		}
	}
	for _, g := range was.Groups {
		if groupOf(is, g.Name).Name == "" {
			say(g.Name, "%s is deleted", g.Name)
		}
	}
	for _, r := range is.Resources {
		before := resourceOf(was, r.Name)
		for _, n := range r.Nodes {
			b := resourceOn(before, n.Node)
			if b.State == n.State && b.Status == n.Status && b.Message == n.Message || b.State == "" && n.State == "OFFLINE" {
				continue
			}
			say(r.Group, "%s on %s: %s, %s", r.Name, n.Node, l.state(n.State), l.health(n))
		}
	}
	for _, p := range is.Problems {
		if !slices.ContainsFunc(was.Problems, func(q v1.Problem) bool { return q.Object == p.Object && q.Text == p.Text }) {
			group, _ := strings.CutPrefix(p.Object, "group ")
			out = append(out, change{group, fmt.Sprintf("%s: %s: %s", p.Severity, p.Object, p.Text), true})
		}
	}
	return out
}

func (l look) nodeChanges(was, is *v1.Status, say func(group, format string, args ...any)) {
	for _, n := range is.Nodes {
		i := slices.IndexFunc(was.Nodes, func(o v1.NodeState) bool { return o.Name == n.Name })
		var before v1.NodeState
		if i >= 0 {
			before = was.Nodes[i]
		}
		if before.State != n.State {
			say("", "node %s: %s", n.Name, l.paint(meaning(n.State), nodeStates[n.State]))
		}
		for _, p := range n.Paths {
			j := slices.IndexFunc(before.Paths, func(o v1.PathStatus) bool { return o.Path == p.Path })
			if j >= 0 && before.Paths[j].State != p.State {
				say("", "path %s to %s: %s", p.Network, n.Name, l.state(p.State))
			}
		}
	}
	for _, n := range was.Nodes {
		if !slices.ContainsFunc(is.Nodes, func(o v1.NodeState) bool { return o.Name == n.Name }) {
			say("", "node %s is removed", n.Name)
		}
	}
}

func clusterOf(s *v1.Status) v1.ClusterState {
	if s.Cluster == nil {
		return v1.ClusterState{}
	}
	return *s.Cluster
}

func groupOf(s *v1.Status, name string) v1.GroupState {
	for _, g := range s.Groups {
		if g.Name == name {
			return g
		}
	}
	return v1.GroupState{}
}

func resourceOf(s *v1.Status, name string) v1.ResourceState {
	for _, r := range s.Resources {
		if r.Name == name {
			return r
		}
	}
	return v1.ResourceState{}
}

func stateOn(g v1.GroupState, node string) string {
	for _, n := range g.Nodes {
		if n.Node == node {
			return n.State
		}
	}
	return ""
}

func resourceOn(r v1.ResourceState, node string) v1.ResourceNode {
	for _, n := range r.Nodes {
		if n.Node == node {
			return n
		}
	}
	return v1.ResourceNode{}
}

// moving says in one line what is on its way: "web-rg on n2: Pending_online (web-ip Starting)".
func (l look) moving(s *v1.Status, about func(group string) bool) string {
	var parts []string
	for _, g := range s.Groups {
		if !about(g.Name) {
			continue
		}
		for _, n := range g.Nodes {
			if !strings.HasPrefix(n.State, "PENDING") {
				continue
			}
			part := fmt.Sprintf("%s on %s: %s", g.Name, n.Node, l.state(n.State))
			var busy []string
			for _, r := range s.Resources {
				if on := resourceOn(r, n.Node); r.Group == g.Name && (on.State == "STARTING" || on.State == "STOPPING") {
					busy = append(busy, r.Name+" "+l.state(on.State))
				}
			}
			if n.BlockedOn != "" {
				busy = append(busy, "waits for "+n.BlockedOn)
			}
			if len(busy) > 0 {
				part += " (" + strings.Join(busy, ", ") + ")"
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}
