// Package membership is the safety heart of a node as a pure state machine: heartbeats, promises, the quorum lease, suspicion, removal,
// release and admission.
//
// # The protocol
//
// Every node sends a heartbeat to every voter each quantum, on every interconnect path; a voter sends its own early, with its answer, when that is nearly due. A voter that has the sender's incarnation in the
// newest record it has applied answers with a promise: not to release that incarnation before Hold from now. The sender counts each promise from the instant at which it SENT the
// heartbeat, shortened by drift and the guard's reaction (cluster.Run); what a majority of every set of voters has promised is its
// lease. Without a current lease nothing is started, and the guard ends what runs.
//
// A voter suspects a member that it has not heard for the timeout. When a majority of the voters suspects it, the president, or the first voter that can, commits
// the next record without it. The removed incarnation stands in Leaving until a majority of voters has released it: a voter releases once it has applied the removal and its own last promise has
// run out. Because two majorities share a voter, every lease of the incarnation has run out by then, and what it ran may start elsewhere.
//
// A voter that was restarted does not know what it promised: it answers nobody before a linearizable read of the record has succeeded, and releases nobody before its
// start plus the longest hold that may have been promised.
//
// Only proof shortens this: a Fenced message of exactly that incarnation, or hearing a later incarnation of the same node, whose daemon cleans up before it speaks.
//
// A node with a fence agent promises more than its clock can keep: that nothing of it runs on, not even when the whole machine froze and thaws. Such a leaver, unless its end was proven
// when it was removed, is marked (Leaver.Fence), and no time releases it any more: a voter releases it on proof alone, so that a voter's word for it is proof to the others. When it has had the time to
// prove its end and has not, the president has the agent confirm it and takes it out of the record (AskFenced); so whoever presides next knows of it. An administrator who takes the agent away
// takes the mark away (AskUnfence); what is left is the rule for everybody. A cluster whose schema does not have the mark releases by time alone.
//
// Messages count only when they were made for this session of the receiver and are newer than all of their kind before them, so that recorded ones are worth nothing; a
// message for an earlier session is greeted with an answer that promises nothing and tells the present one.
//
// While the voters change (NextVoters) leases and releases need majorities of both sets, and an answer counts only where the receiver's record has a VoterEpoch at least as new
// as the voter's. The change ends once a majority of both sets is known to have applied its beginning and the longest hold has passed since: by then no lease rests on the old
// set alone, because its majority promises nothing any more to whoever does not know of the change. Who knows of it may count on voters that do not yet: he needs both sets,
// and shares one of them with everybody who could release him. Timing and extensions end in the same way: what was promised under them has to run out first.
package membership

import (
	"slices"

	"redoubt/internal/cluster"
)

// Record is the membership record: one value under one key of the repository, changed only by compare-and-swap. Every change
// increments Epoch. It alone says who is in the cluster, who votes, who is president and which timing counts.
type Record struct {
	Epoch cluster.Epoch `json:"epoch"`
	// Formation is the epoch at which the cluster formed anew: no member of the record before it was carried over.
	Formation cluster.Epoch    `json:"formation"`
	President cluster.NodeName `json:"president"`
	// Members are the nodes that may hold a lease, sorted by node, each in exactly one incarnation.
	Members []Member `json:"members"`
	// Leaving are removed incarnations whose release a majority had not yet reported when the record was written. What ran there may
	// not start elsewhere before the release. Sorted by node, then number.
	Leaving []Leaver `json:"leaving,omitempty"`
	// Last is the highest incarnation number ever admitted of each node; a new incarnation takes the next one. Sorted by node.
	Last []LastNumber `json:"last,omitempty"`
	// Voters are the members of the repository and of the quorum lease, in order of succession as president.
	Voters []Voter `json:"voters"`
	// NextVoters, when not nil, is the set that Voters is changing to: leases and releases need a majority of both sets.
	NextVoters []Voter `json:"nextVoters,omitempty"`
	// VoterEpoch is the epoch at which Voters or NextVoters last changed. Answers of voters with a newer one do not count.
	VoterEpoch cluster.Epoch `json:"voterEpoch"`
	// Timing counts for new promises. While PrevTiming is set the larger hold of the two counts for suspicion, release and restart.
	Timing     cluster.Timing  `json:"timing"`
	PrevTiming *cluster.Timing `json:"prevTiming,omitempty"`
	// Extended are longer holds for members whose daemon is being restarted on purpose (or that asked for one). Sorted by node.
	Extended []Extension `json:"extended,omitempty"`
}

// Member is one node in one incarnation.
type Member struct {
	Node        cluster.NodeName    `json:"node"`
	Incarnation cluster.Incarnation `json:"incarnation"`
	Since       cluster.Epoch       `json:"since"` // the epoch that admitted it
}

// Leaver is a removed incarnation that is not known to be released.
type Leaver struct {
	Node        cluster.NodeName    `json:"node"`
	Incarnation cluster.Incarnation `json:"incarnation"`
	Removed     cluster.Epoch       `json:"removed"` // the epoch that removed it
	Hold        int64               `json:"hold"`    // nanoseconds: the longest hold that may have been promised to it
	Why         string              `json:"why,omitempty"`
	// Fence: its node has a fence agent and its end was not proven. Only proof, the agent or the administrator releases it, no time.
	Fence bool `json:"fence,omitempty"`
}

// LastNumber is the highest incarnation number of a node that was ever admitted.
type LastNumber struct {
	Node   cluster.NodeName `json:"node"`
	Number uint64           `json:"number"`
}

// Voter is a member of the repository and of the lease. QuorumServer voters run no services and are never members.
type Voter struct {
	Node         cluster.NodeName `json:"node"`
	QuorumServer bool             `json:"quorumServer,omitempty"`
}

// Extension is a longer hold for one incarnation.
type Extension struct {
	Node        cluster.NodeName    `json:"node"`
	Incarnation cluster.Incarnation `json:"incarnation"`
	Hold        int64               `json:"hold"` // nanoseconds
	// Ending extensions are promised no more; they count for what was promised until every voter knows and Hold has passed.
	Ending bool `json:"ending,omitempty"`
}

// Member returns the member entry of a node.
func (r *Record) Member(n cluster.NodeName) (Member, bool) {
	for _, m := range r.Members {
		if m.Node == n {
			return m, true
		}
	}
	return Member{}, false
}

// IsVoter reports whether n is in Voters or in NextVoters.
func (r *Record) IsVoter(n cluster.NodeName) bool {
	is := func(v Voter) bool { return v.Node == n }
	return slices.ContainsFunc(r.Voters, is) || slices.ContainsFunc(r.NextVoters, is)
}

// Leaver returns the entry of a removed incarnation that is still held back.
func (r *Record) Leaver(ni NodeIncarnation) (Leaver, bool) {
	for _, l := range r.Leaving {
		if l.Node == ni.Node && l.Incarnation == ni.Incarnation {
			return l, true
		}
	}
	return Leaver{}, false
}

// LastNumber returns the highest incarnation number of n that was ever admitted; 0 if none was.
func (r *Record) LastNumber(n cluster.NodeName) uint64 {
	for _, l := range r.Last {
		if l.Node == n {
			return l.Number
		}
	}
	return 0
}

// Clone returns a copy of r that shares nothing with it.
func (r *Record) Clone() *Record {
	c := *r
	c.Members = slices.Clone(r.Members)
	c.Leaving = slices.Clone(r.Leaving)
	c.Last = slices.Clone(r.Last)
	c.Voters = slices.Clone(r.Voters)
	c.NextVoters = slices.Clone(r.NextVoters)
	c.Extended = slices.Clone(r.Extended)
	if r.PrevTiming != nil {
		t := *r.PrevTiming
		c.PrevTiming = &t
	}
	return &c
}
