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
	"redoubt/internal/tick"
)

// Quorum is the record under confdb.KeyQuorum.
type Quorum struct {
	// Starting are the nodes that shall start a member of the repository as a learner, the first step of becoming a voter.
	Starting []cluster.NodeName `json:"starting,omitempty"`
}

// Electorate changes the members of the repository itself. Every method may be repeated.
type Electorate interface {
	Seats(ctx context.Context) ([]Seat, error)
	AddLearner(ctx context.Context, node cluster.NodeName) error
	// Promote gives a learner its vote; fault.Precondition while it has not caught up.
	Promote(ctx context.Context, node cluster.NodeName) error
	Remove(ctx context.Context, node cluster.NodeName) error
}

// How long a voter may be away, or without a usable copy, before another takes its place, if there is one; and how long a node that has just come waits
// before it is trusted with a vote.
const (
	voterPatience = time.Minute
	voterTrust    = 2 * time.Second
)

// Voters is the loop that keeps the voters as many and as healthy as they should be. The president carries a change through in steps, each of which
// can be repeated by the next president: the newcomer is seated as a learner and catches up, then the record names both sets, then the newcomer gets its
// vote and who goes loses it, then the record names the new set alone.
type Voters struct {
	cfg        Config
	member     *Member
	source     Source
	store      confdb.Store
	electorate Electorate
	away       since // configured nodes that are not heard
	here       since // those that are
	bare       since // voters without a usable copy
	told       VoterStep
}

// NewVoters returns the loop; Run starts it.
func NewVoters(cfg Config, member *Member, source Source, store confdb.Store, electorate Electorate) *Voters {
	return &Voters{
		cfg: cfg, member: member, source: source, store: store, electorate: electorate,
		away: since{}, here: since{}, bare: since{},
	}
}

// Run keeps the voters until ctx ends.
func (v *Voters) Run(ctx context.Context) error {
	news := v.source.Subscribe(ctx)
	ticks := tick.New(500 * time.Millisecond)
	defer ticks.Stop()
	for {
		if v.member.View().President && v.member.MayStart() {
			if err := v.pass(ctx); err != nil && !ended(ctx) {
				v.cfg.Log.Debug("changing the voters; trying again", "err", err)
			}
		} else {
			clear(v.away)
			clear(v.here)
			clear(v.bare)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-news:
		case <-ticks.C:
		}
	}
}

// pass does the one next step there is.
func (v *Voters) pass(ctx context.Context) error {
	snap, view := v.source.Snapshot(), v.member.View()
	if snap.Record == nil || snap.Record.Epoch != view.Record.Epoch {
		return nil
	}
	o, err := v.outlook(snap, view)
	if err != nil || o.settled() {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if o.Seats, err = v.electorate.Seats(bounded); err != nil {
		return err
	}
	return v.do(bounded, NextStep(o), o, snap)
}

// outlook gathers what the next step is decided on, but for the seats.
func (v *Voters) outlook(snap Snapshot, view membership.View) (Outlook, error) {
	o := Outlook{Record: snap.Record, Copies: v.copies(view)}
	if snap.Quorum != nil {
		q, err := confdb.Decode[Quorum](confdb.KindQuorum, confdb.KeyQuorum, snap.Quorum)
		if err != nil {
			return o, err
		}
		o.Starting = q.Starting
	}
	trusted, there := v.candidates(snap, view, o.Copies)
	if o.Want = names(snap.Record.NextVoters); snap.Record.NextVoters == nil {
		o.Want = quorum.Choose(trusted, names(snap.Record.Voters))
	}
	o.Coming = slices.Clone(o.Want)
	for range there { // each round changes one voter
		next := quorum.Choose(there, o.Coming)
		if slices.Equal(next, o.Coming) {
			break
		}
		o.Coming = next
	}
	if in := first(o.Want, names(snap.Record.Voters)); in != "" && !slices.Contains(o.Coming, in) {
		o.Coming = append(o.Coming, in)
	}
	return o, nil
}

// settled reports whether nothing is to be done, as far as can be told without asking the repository for its seats.
func (o Outlook) settled() bool {
	now := names(o.Record.Voters)
	return o.Record.NextVoters == nil && len(o.Starting) == 0 && slices.Equal(o.Want, now) && slices.Equal(o.Coming, now) &&
		!slices.ContainsFunc(now, func(n cluster.NodeName) bool {
			c, heard := o.Copies[n]
			return heard && c.State != membership.CopyUsable
		})
}

// copies is what the nodes that are heard now say of their copies.
func (v *Voters) copies(view membership.View) map[cluster.NodeName]membership.Copy {
	out := map[cluster.NodeName]membership.Copy{v.cfg.Node: view.Copy}
	for _, p := range view.Peers {
		if c, heard := view.CopyOf(p.Node, v.cfg.Clock.Boot()); heard {
			out[p.Node] = c
		}
	}
	return out
}

func (v *Voters) do(ctx context.Context, step VoterStep, o Outlook, snap Snapshot) error {
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
		starting := slices.DeleteFunc(slices.Clone(o.Starting), func(n cluster.NodeName) bool { return !slices.Contains(o.Coming, n) })
		return v.write(ctx, snap, Quorum{Starting: append(starting, step.Node)})
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

// since remembers from when on something has been true of a node.
type since map[cluster.NodeName]membership.Instant

// note says whether it is true now, and gives for how long it has been.
func (s since) note(n cluster.NodeName, now membership.Instant, is bool) time.Duration {
	if !is {
		delete(s, n)
		return 0
	}
	if _, ok := s[n]; !ok {
		s[n] = now
	}
	return time.Duration(now - s[n])
}

// candidates are the configured nodes with their health. A node that has just come waits before it is trusted with a vote, but is there to be seated; one that
// has gone, or has no usable copy, keeps its vote for voterPatience.
func (v *Voters) candidates(snap Snapshot, view membership.View, copies map[cluster.NodeName]membership.Copy) (trusted, there []quorum.Candidate) {
	now := v.cfg.Clock.Boot()
	for _, n := range snap.State.Nodes {
		hears, votes := v.hears(n.Name, n.QuorumServer, view), view.Record.IsVoter(n.Name)
		here, away := v.here.note(n.Name, now, hears), v.away.note(n.Name, now, !hears)
		bare := v.bare.note(n.Name, now, votes && copies[n.Name].State != membership.CopyUsable)
		c := quorum.Candidate{Node: n.Name, QuorumServer: n.QuorumServer, Healthy: hears}
		if votes {
			c.Healthy = max(away, bare) < voterPatience
		}
		there = append(there, c)
		if !votes {
			c.Healthy = hears && here >= voterTrust
		}
		trusted = append(trusted, c)
	}
	return trusted, there
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

func nodeOf(snap Snapshot, name cluster.NodeName) (model.Node, bool) {
	for _, n := range snap.State.Nodes {
		if n.Name == name {
			return n.Node, true
		}
	}
	return model.Node{}, false
}
