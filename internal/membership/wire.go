package membership

import (
	"redoubt/internal/cluster"
)

// Session is one life of one daemon (a random number); a node that restarts its daemon on purpose keeps its incarnation and changes its session.
type Session uint64

// Instant is a reading of a node's own CLOCK_BOOTTIME in nanoseconds. Instants of two nodes are never compared.
type Instant int64

// Add returns i moved by d nanoseconds.
func (i Instant) Add(d int64) Instant { return i + Instant(d) }

// Message is what nodes tell each other over the interconnect. One datagram carries one message; the transport authenticates From, and
// nothing else in it is trusted beyond what From may say about itself.
type Message struct {
	From        cluster.NodeName
	Incarnation cluster.Incarnation // the sender's, zero for a quorum server or a node that has none yet
	Session     Session             // the sender's
	ToSession   Session             // the receiver's session as the sender knows it; 0 = unknown
	Seq         uint64              // grows with every message of a session; a receiver drops what does not grow per session and kind
	Epoch       cluster.Epoch       // newest record the sender has applied
	VoterEpoch  cluster.Epoch       // VoterEpoch of that record
	Copy        Copy                // the sender's copy of the repository

	// Exactly one of the following is set.
	Heartbeat *Heartbeat
	Answer    *Answer
	Fenced    *Fenced
}

// Heartbeat says "I live" and, from a voter, what it thinks of the others.
type Heartbeat struct {
	// Suspects are the nodes (in the incarnation of the sender's newest record) that the sender, a voter, has not heard for Timeout.
	Suspects []NodeIncarnation
	// Released are the leavers of the sender's newest record that the sender, a voter, has released.
	Released []NodeIncarnation
	// Heard are the incarnations that the sender, a voter, hears but that are not members: candidates for admission.
	Heard []NodeIncarnation
	// Farewell asks for removal: the sender has stopped everything and leaves in good order; its lease is given back.
	Farewell bool
}

// Answer is a voter's promise: "I will not release this incarnation before Hold from now", now being when it was sent.
type Answer struct {
	Seq         uint64              // of the heartbeat that is answered
	Incarnation cluster.Incarnation // to whom the promise is made
	Hold        int64               // nanoseconds; 0: no promise (not a member, or the voter is not ready), the answer only greets
}

// Fenced says that an incarnation of the sending node has ended for ever: every service killed, every address gone. It is said by the
// guard that did it, from a datagram the daemon sealed beforehand, or by the node's next daemon after it cleaned up.
type Fenced struct {
	Incarnation cluster.Incarnation
}

// NodeIncarnation names one life of a node.
type NodeIncarnation struct {
	Node        cluster.NodeName
	Incarnation cluster.Incarnation
}
