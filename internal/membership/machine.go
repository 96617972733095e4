package membership

import (
	"redoubt/internal/cluster"
)

// Event is what happens to a Machine. Exactly one implementation's fields are meaningful per call of Step.
type Event interface{ isEvent() }

// Tick happens when the deadline of the last Step has come (or earlier; ticking too often does no harm).
type Tick struct{}

// Received is an authenticated message, delivered once per arriving copy; Path is the interconnect it came by.
type Received struct {
	Path int
	Msg  Message
}

// Applied is a membership record that this node's repository has shown: by a watch, or, with Linearizable, by a read that
// is certain to include every record committed before it began. Older records than the known one are ignored.
type Applied struct {
	Record       *Record
	Linearizable bool
}

// ProposalDone ends a Propose effect: OK means committed (an Applied event with the record follows or has happened), otherwise it was refused or its outcome
// is unknown; the machine decides anew on what it then sees.
type ProposalDone struct {
	OK bool
}

// Request is something the engine wants of the record: granted only by the president, in its own time and if it may.
type Request struct {
	Ask Ask
}

func (Tick) isEvent()         {}
func (Received) isEvent()     {}
func (Applied) isEvent()      {}
func (ProposalDone) isEvent() {}
func (Request) isEvent()      {}

// Ask is a change of the record that somebody wants. Asks are proposed by the president; the engine carries them to it through the repository.
type Ask interface{ isAsk() }

// AskTiming changes the timing of the cluster; PrevTiming is kept until every member and voter has applied it and the old hold has passed.
type AskTiming struct{ Timing cluster.Timing }

// AskExtend gives a member a longer hold (Hold nanoseconds; 0 ends the extension).
type AskExtend struct {
	Node cluster.NodeName
	Hold int64
}

// AskVoters begins a change of the voters by at most one voter in and one out.
type AskVoters struct{ Next []Voter }

// AskSettleVoters ends a change of the voters once a majority of both sets has applied its beginning and the longest hold has passed since.
type AskSettleVoters struct{}

// AskRemove removes a member that left in good order or is being deleted from the configuration.
type AskRemove struct {
	Node cluster.NodeName
	Why  string
}

// AskFenced says that the fence agent of a marked leaver's node has confirmed that the machine is off: what it ran may start elsewhere.
type AskFenced struct{ Who NodeIncarnation }

// AskUnfence takes the mark off a leaver whose node has no fence agent any more: it is released as any other.
type AskUnfence struct{ Who NodeIncarnation }

func (AskTiming) isAsk()       {}
func (AskExtend) isAsk()       {}
func (AskVoters) isAsk()       {}
func (AskSettleVoters) isAsk() {}
func (AskRemove) isAsk()       {}
func (AskFenced) isAsk()       {}
func (AskUnfence) isAsk()      {}

// Effect is what a Machine wants done, in the order returned.
type Effect interface{ isEffect() }

// Send asks to send Msg to a node on every path. The machine fills in everything but From.
type Send struct {
	To  cluster.NodeName
	Msg Message
}

// Lease says that this node may run services until Until; it is never earlier than the one before in the same incarnation, except for the zero Instant: no lease (any more).
// It has to reach the guard before anybody may start a service on the strength of it.
type Lease struct{ Until Instant }

// Propose asks to replace the record of epoch Basis by Record, by compare-and-swap. One proposal is in flight at a time.
type Propose struct {
	Basis  cluster.Epoch
	Record *Record
}

// ViewChanged says that the view (Machine.View) is different now.
type ViewChanged struct{}

// Notice is something people should know; the engine logs it.
type Notice struct {
	Level string // "info", "warn" or "error"
	Text  string
	Node  cluster.NodeName // whom it is about
	Path  int              // -1 when it is about no path
}

func (Send) isEffect()        {}
func (Lease) isEffect()       {}
func (Propose) isEffect()     {}
func (ViewChanged) isEffect() {}
func (Notice) isEffect()      {}

// View is what the rest of the node may know of the membership.
type View struct {
	Self    cluster.NodeName // whose view it is
	Session Session          // of this daemon
	Record  *Record          // newest known; nil before the first
	// Me is this node's member entry in Record, if it is in it in its present incarnation.
	Me       Member
	IsMember bool
	// President is true while this node is the president of the newest record in its present incarnation.
	President bool
	LeaseEnd  Instant
	// Copy is what this node says of its own copy of the repository.
	Copy Copy
	// Gone reports the incarnations that certainly run nothing any more: leavers whose end is proven, and those without a mark that a majority has released.
	Gone []NodeIncarnation
	// Unproven are the marked leavers that have had the time to prove their end and have not: the president asks their fence agents.
	Unproven []NodeIncarnation
	// Peers is what this node hears, sorted by node.
	Peers []Peer
	Paths []PathState
}

// Peer is one other node as heard here.
type Peer struct {
	Node        cluster.NodeName
	Session     Session // of its newest daemon that was heard; 0: none
	Incarnation cluster.Incarnation
	LastHeard   Instant
	Epoch       cluster.Epoch // newest record it has told us it applied
	Suspected   bool
	Copy        Copy // as it says itself
}

// PathState is the state of one interconnect path to one node.
type PathState struct {
	Node      cluster.NodeName
	Path      int
	Up        bool
	LastHeard Instant
}
