// Package quorum is the arithmetic of votes: majorities of one set of voters or of two while the set changes, the end of a lease that a majority
// grants, and the choice of who should vote. All functions are pure; instants are nanoseconds of one local clock.
package quorum

import (
	"slices"

	"redoubt/internal/cluster"
)

// Majority is the least number of n votes that any two majorities share one vote of. Majority(0) is 1: no voters grant nothing.
func Majority(n int) int { return n/2 + 1 }

// Has reports whether those for whom yes holds are a majority of every set. An empty set is no majority; no set at all
// neither. A nil set is passed over, so that a second set may be absent.
func Has(yes func(cluster.NodeName) bool, sets ...[]cluster.NodeName) bool {
	asked := false
	for _, set := range sets {
		if set == nil {
			continue
		}
		asked = true
		n := 0
		for _, v := range set {
			if yes(v) {
				n++
			}
		}
		if n < Majority(len(set)) {
			return false
		}
	}
	return asked
}

// LeaseEnd is the latest instant up to which a majority of every set has promised: of each set the ends are sorted, latest first, and the one that
// completes the majority counts; of several sets the earliest. Without a majority it is 0. end returns 0 for a voter without a promise.
func LeaseEnd(end func(cluster.NodeName) int64, sets ...[]cluster.NodeName) int64 {
	best, asked := int64(0), false
	for _, set := range sets {
		if set == nil {
			continue
		}
		ends := make([]int64, 0, len(set))
		for _, v := range set {
			ends = append(ends, end(v))
		}
		slices.SortFunc(ends, func(a, b int64) int { return int(min(max(b-a, -1), 1)) })
		if len(ends) < Majority(len(set)) {
			return 0
		}
		e := ends[Majority(len(set))-1]
		if !asked || e < best {
			best = e
		}
		asked = true
	}
	return best
}

// Candidate is a node that may vote.
type Candidate struct {
	Node         cluster.NodeName
	QuorumServer bool
	Healthy      bool // a member (or, for a quorum server, heard) long enough to be trusted with a vote, or away not long enough to lose it
}

// Want is how many voters a cluster of this many nodes and quorum servers should have: one for up to two nodes, three for two nodes with a
// quorum server and for three or four nodes, five from five nodes on.
func Want(nodes, quorumServers int) int {
	switch {
	case nodes >= 5:
		return 5
	case nodes >= 3, nodes == 2 && quorumServers > 0:
		return 3
	default:
		return 1
	}
}

// Choose returns the next set of voters on the way from current to the wanted one; it differs by at most one voter in and one out, and equals
// current when nothing is to be done. Healthy voters stay; nodes come before quorum servers (which are used only to make up an odd
// number); ties are broken by the order of candidates. The order of current is kept, since it is the order of succession.
func Choose(candidates []Candidate, current []cluster.NodeName) []cluster.NodeName {
	byName := map[cluster.NodeName]Candidate{}
	nodes, servers := 0, 0
	for _, c := range candidates {
		byName[c.Node] = c
		if c.QuorumServer {
			servers++
		} else {
			nodes++
		}
	}
	want := Want(nodes, servers)
	var in []cluster.NodeName // healthy outsiders, nodes first
	for _, server := range []bool{false, true} {
		for _, c := range candidates {
			useful := !c.QuorumServer || nodes < 3
			if c.QuorumServer == server && c.Healthy && useful && !slices.Contains(current, c.Node) {
				in = append(in, c.Node)
			}
		}
	}
	out := leaver(byName, current, nodes)
	next := slices.Clone(current)
	drop := func() {
		next = slices.DeleteFunc(next, func(n cluster.NodeName) bool { return n == out })
	}
	switch {
	case len(current) > want && out != "":
		drop()
	case len(current) > want:
		next = next[:len(next)-1]
	case len(current) < want && len(in) > 0:
		next = append(next, in[0])
	case out != "" && len(in) > 0:
		drop()
		next = append(next, in[0])
	case out != "" && byName[out].Node == "" && len(current) > 1:
		drop() // deleted from the configuration, and nobody to take its place
	}
	return next
}

// leaver is the voter that should go first: one that is not configured any more, then one that is not healthy, then a quorum server that
// three nodes make needless.
func leaver(byName map[cluster.NodeName]Candidate, current []cluster.NodeName, nodes int) cluster.NodeName {
	for _, v := range current {
		if byName[v].Node == "" {
			return v
		}
	}
	for _, v := range current {
		if !byName[v].Healthy {
			return v
		}
	}
	for _, v := range current {
		if byName[v].QuorumServer && nodes >= 3 {
			return v
		}
	}
	return ""
}
