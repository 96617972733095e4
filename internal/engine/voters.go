package engine

import (
	"context"
	"reflect"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/quorum"
	"redoubt/internal/rgm/model"
)

// Quorum is the record under confdb.KeyQuorum.
type Quorum struct {
	// Starting is the node that shall start a member of the repository as a learner, the first step of becoming a voter.
	Starting cluster.NodeName `json:"starting,omitempty"`
}

// Seat is one member of the repository.
type Seat struct {
	Node    cluster.NodeName
	Learner bool // gets everything written, has no vote yet
	Started bool // it has spoken to the others since it was seated
}

// Electorate changes the members of the repository itself. Every method may be repeated.
type Electorate interface {
	Seats(ctx context.Context) ([]Seat, error)
	AddLearner(ctx context.Context, node cluster.NodeName) error
	// Promote gives a learner its vote; fault.Precondition while it has not caught up.
	Promote(ctx context.Context, node cluster.NodeName) error
	Remove(ctx context.Context, node cluster.NodeName) error
}

// voterPatience is how long a voter may be away before another takes its place, if there is one.
const voterPatience = time.Minute

// Voters is the loop that keeps the voters as many and as healthy as they should be. The president carries a change through in steps, each of which
// can be repeated by the next president: the newcomer is seated as a learner and catches up, then the record names both sets, then the newcomer gets its
// vote and who goes loses it, then the record names the new set alone.
type Voters struct {
	cfg        Config
	member     *Member
	source     Source
	store      confdb.Store
	electorate Electorate
	away       map[cluster.NodeName]time.Time // since when a configured node is not heard
	here       map[cluster.NodeName]time.Time
	told       VoterStep
}

// NewVoters returns the loop; Run starts it.
func NewVoters(cfg Config, member *Member, source Source, store confdb.Store, electorate Electorate) *Voters {
	return &Voters{
		cfg: cfg, member: member, source: source, store: store, electorate: electorate,
		away: map[cluster.NodeName]time.Time{}, here: map[cluster.NodeName]time.Time{},
	}
}

// Run keeps the voters until ctx ends.
func (v *Voters) Run(ctx context.Context) error {
	news := v.source.Subscribe(ctx)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		if v.member.View().President && v.member.MayStart() {
			if err := v.pass(ctx); err != nil && !ended(ctx) {
				v.cfg.Log.Debug("changing the voters; trying again", "err", err)
			}
		} else {
			clear(v.away)
			clear(v.here)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-news:
		case <-tick.C:
		}
	}
}

// pass does the one next step there is.
func (v *Voters) pass(ctx context.Context) error {
	snap, view := v.source.Snapshot(), v.member.View()
	if snap.Record == nil || snap.Record.Epoch != view.Record.Epoch {
		return nil
	}
	candidates := v.candidates(snap, view)
	want := names(snap.Record.Voters)
	if snap.Record.NextVoters == nil {
		want = quorum.Choose(candidates, want)
	}
	current := Quorum{}
	if snap.Quorum != nil {
		q, err := confdb.Decode[Quorum](confdb.KindQuorum, confdb.KeyQuorum, snap.Quorum)
		if err != nil {
			return err
		}
		current = q
	}
	if current.Starting == "" && snap.Record.NextVoters == nil && slices.Equal(want, names(snap.Record.Voters)) {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	seats, err := v.electorate.Seats(bounded)
	if err != nil {
		return err
	}
	return v.do(bounded, NextStep(snap.Record, want, current.Starting, seats), snap)
}

// StepKind is one step of a change of the voters.
type StepKind string

// The steps, in the order in which a change takes them.
const (
	StepNone       StepKind = ""
	StepAddLearner StepKind = "seat"    // seat Node as a learner
	StepInvite     StepKind = "invite"  // tell Node to start its member (and nobody else)
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
func NextStep(rec *membership.Record, want []cluster.NodeName, starting cluster.NodeName, seats []Seat) VoterStep {
	now := names(rec.Voters)
	if rec.NextVoters != nil {
		return changing(now, names(rec.NextVoters), seats)
	}
	in := first(want, now)
	for _, s := range seats {
		if s.Learner && s.Node != in {
			return VoterStep{Kind: StepRemove, Node: s.Node} // left by a change that was given up
		}
	}
	switch seat, seated := seatOf(seats, in); {
	case in == "" && starting != "":
		return VoterStep{Kind: StepClear}
	case slices.Equal(want, now):
		return VoterStep{}
	case in == "":
		return VoterStep{Kind: StepBegin, Next: want}
	case !seated:
		return VoterStep{Kind: StepAddLearner, Node: in}
	case starting != in && seat.Learner:
		return VoterStep{Kind: StepInvite, Node: in}
	case !seat.Started:
		return VoterStep{} // the invited node is starting its member
	default:
		return VoterStep{Kind: StepBegin, Next: want}
	}
}

// changing goes on with a change that the record shows.
func changing(now, next []cluster.NodeName, seats []Seat) VoterStep {
	if in := first(next, now); in != "" {
		switch seat, seated := seatOf(seats, in); {
		case !seated:
			return VoterStep{Kind: StepAddLearner, Node: in}
		case seat.Learner:
			return VoterStep{Kind: StepPromote, Node: in}
		}
	}
	if out := first(now, next); out != "" {
		if _, seated := seatOf(seats, out); seated {
			return VoterStep{Kind: StepRemove, Node: out}
		}
	}
	return VoterStep{Kind: StepSettle}
}

func (v *Voters) do(ctx context.Context, step VoterStep, snap Snapshot) error {
	told := step
	told.Next = nil
	if step.Kind != StepNone && !reflect.DeepEqual(told, v.told) {
		v.told = told // a step that has to wait is tried again and again, and told once
		v.cfg.Log.Info("changing the voters", "step", step.Kind, "node", step.Node, "next", step.Next)
	}
	switch step.Kind {
	case StepAddLearner:
		return v.electorate.AddLearner(ctx, step.Node)
	case StepInvite:
		return v.write(ctx, snap, Quorum{Starting: step.Node})
	case StepClear:
		return v.write(ctx, snap, Quorum{})
	case StepBegin:
		return v.begin(ctx, step, snap)
	case StepPromote:
		err := v.electorate.Promote(ctx, step.Node)
		if fault.Is(err, fault.Precondition) {
			return nil // still catching up
		}
		return err
	case StepRemove:
		return v.electorate.Remove(ctx, step.Node)
	case StepSettle:
		return v.member.Ask(ctx, membership.AskSettleVoters{})
	}
	return nil
}

// begin asks for both sets in the record. From then on leases need the newcomer's side too, so it has to be well before.
func (v *Voters) begin(ctx context.Context, step VoterStep, snap Snapshot) error {
	next := make([]membership.Voter, 0, len(step.Next))
	for _, n := range step.Next {
		node, ok := nodeOf(snap, n)
		if !ok {
			return fault.Errorf(fault.NotFound, "node %s is to vote but is not configured", n)
		}
		if in := first(step.Next, names(snap.Record.Voters)); in == n && !v.ready(n) {
			return nil
		}
		next = append(next, membership.Voter{Node: n, QuorumServer: node.QuorumServer})
	}
	return v.member.Ask(ctx, membership.AskVoters{Next: next})
}

// ready reports whether a newcomer answers on the interconnect and has applied the newest record, which it can have only from its own member
// of the repository or as its client.
func (v *Voters) ready(n cluster.NodeName) bool {
	if n == v.cfg.Node {
		return true
	}
	view := v.member.View()
	for _, p := range view.Peers {
		if p.Node == n {
			return p.Epoch == view.Record.Epoch && v.cfg.Clock.Boot()-p.LastHeard < membership.Instant(view.Record.Timing.Timeout)
		}
	}
	return false
}

func (v *Voters) write(ctx context.Context, snap Snapshot, q Quorum) error {
	value, err := confdb.Encode(confdb.KindQuorum, q)
	if err != nil {
		return err
	}
	_, err = v.store.Txn(ctx, []confdb.Compare{
		{Key: confdb.KeyMembership, Revision: snap.RecordRevision}, {Key: confdb.KeyQuorum, Revision: snap.Revision(confdb.KeyQuorum)},
	}, []confdb.Op{{Key: confdb.KeyQuorum, Value: value}})
	return err
}

// candidates are the configured nodes with their health. A node that has just come waits two seconds before it is trusted with a vote; one that
// has gone keeps its vote for voterPatience.
func (v *Voters) candidates(snap Snapshot, view membership.View) []quorum.Candidate {
	now := v.cfg.Clock.Wall()
	var out []quorum.Candidate
	for _, n := range snap.State.Nodes {
		if v.hears(n.Name, n.QuorumServer, view) {
			delete(v.away, n.Name)
			if _, ok := v.here[n.Name]; !ok {
				v.here[n.Name] = now
			}
		} else {
			delete(v.here, n.Name)
			if _, ok := v.away[n.Name]; !ok {
				v.away[n.Name] = now
			}
		}
		c := quorum.Candidate{Node: n.Name, QuorumServer: n.QuorumServer}
		if view.Record.IsVoter(n.Name) {
			since, gone := v.away[n.Name]
			c.Healthy = !gone || now.Sub(since) < voterPatience
		} else {
			since, ok := v.here[n.Name]
			c.Healthy = ok && now.Sub(since) >= 2*time.Second
		}
		out = append(out, c)
	}
	return out
}

// hears reports whether a node is well: a member, or for a quorum server, heard.
func (v *Voters) hears(n cluster.NodeName, server bool, view membership.View) bool {
	if !server {
		_, ok := view.Record.Member(n)
		return ok
	}
	for _, p := range view.Peers {
		if p.Node == n {
			return p.LastHeard != 0 && v.cfg.Clock.Boot()-p.LastHeard < membership.Instant(2*view.Record.Timing.Timeout)
		}
	}
	return false
}

func names(voters []membership.Voter) []cluster.NodeName {
	out := make([]cluster.NodeName, 0, len(voters))
	for _, v := range voters {
		out = append(out, v.Node)
	}
	return out
}

// first is the first of a that is not in b, or "".
func first(a, b []cluster.NodeName) cluster.NodeName {
	for _, n := range a {
		if !slices.Contains(b, n) {
			return n
		}
	}
	return ""
}

func seatOf(seats []Seat, n cluster.NodeName) (Seat, bool) {
	i := slices.IndexFunc(seats, func(s Seat) bool { return s.Node == n })
	if i < 0 {
		return Seat{}, false
	}
	return seats[i], true
}

func nodeOf(snap Snapshot, name cluster.NodeName) (model.Node, bool) {
	for _, n := range snap.State.Nodes {
		if n.Name == name {
			return n.Node, true
		}
	}
	return model.Node{}, false
}
