package engine

import (
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/quorum"
)

// Seat is one member of the repository.
type Seat struct {
	Node    cluster.NodeName
	ID      uint64 // no two seats ever have the same, also not two of one node
	Learner bool   // gets everything written, has no vote yet
	Started bool   // it has spoken to the others since it was seated
}

// Outlook is what the next step of a change of the voters is decided on.
type Outlook struct {
	Record   *membership.Record
	Want     []cluster.NodeName                   // the set that comes next: at most one in and one out; during a change, the one that it leads to
	Coming   []cluster.NodeName                   // who will be voters when all is done that is in sight; they may be seated ahead
	Starting []cluster.NodeName                   // who was told to start a seat: Quorum.Starting
	Seats    []Seat                               // of the repository
	Copies   map[cluster.NodeName]membership.Copy // what the nodes that are heard say of their copies
}

// StepKind is one step of a change of the voters.
type StepKind string

// The steps, in the order in which a change takes them.
const (
	StepNone       StepKind = ""
	StepAddLearner StepKind = "seat"    // seat Node as a learner
	StepInvite     StepKind = "invite"  // tell Node to start its member
	StepBegin      StepKind = "begin"   // begin the change in the record: Next
	StepPromote    StepKind = "promote" // give Node its vote
	StepRemove     StepKind = "remove"  // take Node's seat
	StepSettle     StepKind = "settle"  // end the change in the record
	StepClear      StepKind = "clear"   // nobody is starting any more
)

// VoterStep is what has to be done next.
type VoterStep struct {
	Kind StepKind
	Node cluster.NodeName
	Next []cluster.NodeName
}

// NextStep is the next step from what the record and the repository's seats are to the wanted voters. It is a pure function, so that any president
// goes on where the one before it stopped.
//
// A voter that has lost its copy keeps its place in the record, since its promises do not rest on the copy, but not its seat: the seat is taken from it, it gets
// a new one as a learner, and its vote in the repository again when it has caught up.
func NextStep(o Outlook) VoterStep {
	if s := o.mend(); s.Kind != StepNone {
		return s
	}
	if s := o.ahead(); s.Kind != StepNone {
		return s
	}
	now := names(o.Record.Voters)
	if o.Record.NextVoters != nil {
		return o.changing(now, names(o.Record.NextVoters))
	}
	in := first(o.Want, now)
	for _, s := range o.Seats {
		if s.Learner && s.Node != in && !slices.Contains(now, s.Node) && !slices.Contains(o.Coming, s.Node) {
			return VoterStep{Kind: StepRemove, Node: s.Node} // left by a change that was given up
		}
	}
	switch seat, seated := o.seatOf(in); {
	case len(o.Starting) > 0 && first(o.Coming, now) == "":
		return VoterStep{Kind: StepClear}
	case slices.Equal(o.Want, now):
		return VoterStep{}
	case in != "" && (!seated || !seat.Started):
		return VoterStep{} // it is starting its member
	case !o.wouldHold(o.Want, in):
		return VoterStep{} // first the copies of those that stay are mended
	default:
		return VoterStep{Kind: StepBegin, Next: o.Want}
	}
}

// mend takes seats whose copies are lost, and seats the voters that have none. Who shall be replaced is not mended.
func (o Outlook) mend() VoterStep {
	for _, s := range o.Seats {
		if c := o.Copies[s.Node]; c.State == membership.CopyLost && c.Seat == s.ID && o.canSpare(s) {
			return VoterStep{Kind: StepRemove, Node: s.Node}
		}
	}
	for _, n := range names(o.Record.Voters) {
		c, heard := o.Copies[n]
		if !heard || !slices.Contains(o.Want, n) {
			continue
		}
		switch seat, seated := o.seatOf(n); {
		case !seated:
			return VoterStep{Kind: StepAddLearner, Node: n}
		case seat.Learner && seat.Started && c.State == membership.CopyBehind && c.Seat == seat.ID:
			return VoterStep{Kind: StepPromote, Node: n}
		}
	}
	return VoterStep{}
}

// ahead seats and invites everybody who is going to vote, before anybody gets a vote: a repository whose newest voter has only just come takes no
// further seats for a while.
func (o Outlook) ahead() VoterStep {
	for _, n := range o.Coming {
		if o.Record.IsVoter(n) {
			continue
		}
		switch seat, seated := o.seatOf(n); {
		case !seated:
			return VoterStep{Kind: StepAddLearner, Node: n}
		case seat.Learner && !slices.Contains(o.Starting, n):
			return VoterStep{Kind: StepInvite, Node: n}
		}
	}
	return VoterStep{}
}

// changing goes on with a change that the record shows.
func (o Outlook) changing(now, next []cluster.NodeName) VoterStep {
	if in := first(next, now); in != "" {
		switch seat, seated := o.seatOf(in); {
		case !seated:
			return VoterStep{Kind: StepAddLearner, Node: in}
		case seat.Learner:
			return VoterStep{Kind: StepPromote, Node: in}
		}
	}
	if out := first(now, next); out != "" {
		if _, seated := o.seatOf(out); seated {
			return VoterStep{Kind: StepRemove, Node: out}
		}
	}
	return VoterStep{Kind: StepSettle}
}

// canSpare reports whether the repository goes on without a seat: the others that vote have a majority of usable copies among themselves.
func (o Outlook) canSpare(gone Seat) bool {
	if gone.Learner {
		return true
	}
	var others []cluster.NodeName
	for _, s := range o.Seats {
		if !s.Learner && s.ID != gone.ID {
			others = append(others, s.Node)
		}
	}
	return len(others) > 0 && quorum.Has(o.usable, others)
}

// wouldHold reports whether a set of voters has a majority of usable copies, counting the newcomer's.
func (o Outlook) wouldHold(set []cluster.NodeName, in cluster.NodeName) bool {
	return quorum.Has(func(n cluster.NodeName) bool { return n == in || o.usable(n) }, set)
}

func (o Outlook) usable(n cluster.NodeName) bool { return o.Copies[n].State == membership.CopyUsable }

func (o Outlook) seatOf(n cluster.NodeName) (Seat, bool) {
	i := slices.IndexFunc(o.Seats, func(s Seat) bool { return s.Node == n })
	if i < 0 {
		return Seat{}, false
	}
	return o.Seats[i], true
}
