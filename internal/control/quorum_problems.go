package control

import (
	"context"
	"errors"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
)

// quorumServers are the quorum servers of the cluster.
func (v view) quorumServers() []cluster.NodeName {
	var out []cluster.NodeName
	for _, n := range v.state.Nodes {
		if n.QuorumServer {
			out = append(out, n.Name)
		}
	}
	return out
}

// quorumServerProblems says what is wrong with a quorum server: nobody works on that machine, and nothing else tells of it.
func (c *Control) quorumServerProblems(n v1.NodeState, add addProblem) {
	object, k := "node "+n.Name, keptFacts{}
	if kept, ok := c.facts.get(cluster.NodeName(n.Name)); ok {
		k = kept
	}
	switch {
	case n.Why != "":
		add(severe, object, "start the machine and `redoubtd quorum-server` on it, whose log says more; udp 7400 and tcp 7401 to 7403 have to pass between it and the nodes. If it is lost for good: `redoubt quorum remove "+n.Name+"`, then `redoubt quorum add` with another",
			"the quorum server is down, or not to be reached: %s%s. Services run on; its vote is missing when the next voter is lost", n.Why, whySilent(k.err))
	case k.err != nil && !fault.Is(k.err, fault.Timeout):
		add(warning, object, "correct what it says: it goes on voting, but takes part in nothing new, and may not come back when it is restarted",
			"the quorum server is heard, but does not speak to this node%s", whySilent(k.err))
	}
}

// whySilent is what came of asking a node, after a sentence.
func whySilent(err error) string {
	switch {
	case err == nil:
		return ""
	case fault.Is(err, fault.Timeout) || errors.Is(err, context.DeadlineExceeded):
		return ", and nothing answers at its address"
	}
	text := ": " + strings.TrimPrefix(err.Error(), "peer facts: ")
	if strings.Contains(text, "tls: expired certificate") { // the other end says so of the certificate that it was shown
		text += " (it takes the certificate of this node for expired: see whether its clock is right, and this node's)"
	}
	return text
}

// Bounds of the room for a copy of the repository below which status says so; `redoubt cluster check` does earlier.
const (
	littleRoom = 64 << 20
	noRoom     = 8 << 20
)

// roomProblem says that the file system of a copy of the repository is nearly full.
func (c *Control) roomProblem(n v1.NodeState, add addProblem) {
	k, ok := c.facts.get(cluster.NodeName(n.Name))
	if !ok || k.err != nil || !n.Voter || k.facts.FreeBytes == 0 || k.facts.FreeBytes >= littleRoom {
		return
	}
	severity := warning
	if k.facts.FreeBytes < noRoom {
		severity = severe
	}
	add(severity, "node "+n.Name, "make room on the file system of its data directory (/var/lib/redoubt)",
		"%d MB are free for its copy of the repository: when nothing is left the copy stops, and may not start again", k.facts.FreeBytes>>20)
}

// lacking are the voters that are not heard or have no usable copy of the repository.
func lacking(q v1.QuorumState) []string {
	var out []string
	for _, o := range q.Voters {
		if !o.Present || o.Copy != membership.CopyUsable.String() {
			out = append(out, o.Node)
		}
	}
	return out
}
