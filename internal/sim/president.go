package sim

import (
	"errors"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/quorum"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
)

// plan is engine.President: it plans on what the mirror shows and writes under the guard of the record.
func (d *daemon) plan() {
	d.fence()
	if d.planning {
		d.again = true
		return
	}
	if !d.view.President || !d.mayStart() || !d.filled {
		return
	}
	snap := d.mirror
	if snap.Record == nil || snap.Record.Epoch != d.view.Record.Epoch {
		return
	}
	if groups := engine.Forsaken(snap, d.m.View(), d.n.clock(), d.n.wall()); len(groups) > 0 && !d.n.w.opt.Forsake {
		d.lift(snap, groups)
		return
	}
	state := engine.BuildState(snap, d.view, d.n.wall())
	if d.n.w.opt.MapOrder {
		state.Groups = slices.Clone(state.Groups)
		for i, g := range state.Groups {
			any := map[cluster.NodeName]bool{}
			for _, n := range g.Nodelist {
				any[n] = true
			}
			state.Groups[i].Nodelist = nil
			for n := range any {
				state.Groups[i].Nodelist = append(state.Groups[i].Nodelist, n)
			}
		}
	}
	if d.n.w.opt.Blind {
		state.Groups = slices.Clone(state.Groups)
		for i := range state.Groups {
			state.Groups[i].Affinities, state.Groups[i].LoadFactors = nil, nil
		}
	}
	steps := order.Plan(state)
	if len(steps) == 0 {
		return
	}
	t := &txn{compares: map[string]cluster.Revision{confdb.KeyMembership: snap.RecordRevision}, writes: map[string]any{}}
	for _, s := range steps {
		key := confdb.KeyAssign(s.Assignment.Group)
		t.compares[key] = snap.Revision(key)
		t.writes[key] = stored(confdb.KindAssignment, s.Assignment)
		spec := confdb.KeyGroup(s.Assignment.Group)
		t.compares[spec] = snap.Revision(spec)
		if s.Why != "" {
			d.n.w.trace.note(d.n.name, "plans "+string(s.Assignment.Group)+": "+s.Why)
		}
	}
	d.writePlan(t)
}

// lift is engine.President.resume.
func (d *daemon) lift(snap engine.Snapshot, groups []model.Group) {
	t := &txn{compares: map[string]cluster.Revision{confdb.KeyMembership: snap.RecordRevision}, writes: map[string]any{}}
	for _, g := range groups {
		key := confdb.KeyGroup(g.Name)
		t.compares[key] = snap.Revision(key)
		t.writes[key] = stored(confdb.KindGroup, g)
		d.n.w.trace.note(d.n.name, "resumes "+string(g.Name)+", which a quiesce has left suspended")
	}
	d.writePlan(t)
}

// writePlan writes what the president has decided; meanwhile it decides nothing.
func (d *daemon) writePlan(t *txn) {
	t.result = func(_ cluster.Revision, err error) {
		d.planning = false
		again := d.again
		d.again = false
		switch {
		case err != nil && !errors.Is(err, errConflict):
			d.after(20*time.Millisecond, func(d *daemon) { d.plan() })
		case again:
			d.plan()
		}
	}
	d.planning = true
	d.n.w.store.do(d, t)
}

// patience is how long a voter may be away before another takes its place; shorter than in production, so that it happens in a run.
const patience = 3 * time.Second

// keyStarting is where the sim keeps which node shall start its seat.
const keyStarting = confdb.KeyQuorum

// tendVoters is engine.Voters: the one next step that engine.NextStep names.
func (d *daemon) tendVoters() {
	if !d.view.President || !d.mayStart() || !d.filled || d.electing {
		clear(d.away)
		return
	}
	w := d.n.w
	rec := d.mirror.Record
	if rec == nil || rec.Epoch != d.view.Record.Epoch {
		return
	}
	want := voterNames(rec.NextVoters)
	if rec.NextVoters == nil {
		want = quorum.Choose(d.candidates(), voterNames(rec.Voters))
	}
	starting, _ := d.keys[keyStarting].value.([]cluster.NodeName)
	var seats []engine.Seat
	for _, s := range w.store.seats {
		seats = append(seats, engine.Seat{Node: s.node.name, ID: s.id, Learner: s.learner, Started: s.started})
	}
	step := engine.NextStep(engine.Outlook{Record: rec, Want: want, Coming: want, Starting: starting, Seats: seats, Copies: d.copies()})
	switch step.Kind {
	case engine.StepNone:
	case engine.StepBegin:
		if !d.ready(step.Next, rec) {
			return
		}
		var next []membership.Voter
		for _, n := range step.Next {
			next = append(next, membership.Voter{Node: n, QuorumServer: w.byName[n].server})
		}
		w.trace.note(d.n.name, "begins a change of the voters")
		d.step(membership.Request{Ask: membership.AskVoters{Next: next}})
	case engine.StepSettle:
		d.step(membership.Request{Ask: membership.AskSettleVoters{}})
	default:
		d.electing = true
		w.store.do(d, d.seatChange(step))
	}
}

// seatChange is a step on the repository's own members; like any write it needs their majority, and is applied or not.
func (d *daemon) seatChange(step engine.VoterStep) *txn {
	t := &txn{compares: map[string]cluster.Revision{}, writes: map[string]any{}}
	t.result = func(cluster.Revision, error) { d.electing = false }
	switch step.Kind {
	case engine.StepInvite, engine.StepClear:
		t.compares[confdb.KeyMembership] = d.mirror.RecordRevision
		t.compares[keyStarting] = d.mirror.Revision(keyStarting)
		t.writes[keyStarting] = []cluster.NodeName(nil)
		if step.Kind == engine.StepInvite {
			t.writes[keyStarting] = []cluster.NodeName{step.Node}
		}
	default:
		t.writes[keySeats] = step
	}
	return t
}

// keySeats carries changes of the seats through the log.
const keySeats = "seats"

// reseat carries out a change of the seats.
func (s *store) reseat(step engine.VoterStep) {
	s.w.trace.note(step.Node, "repository: "+string(step.Kind))
	n := s.w.byName[step.Node]
	x := s.seatOf(n)
	switch {
	case step.Kind == engine.StepAddLearner && x == nil:
		s.seats = append(s.seats, s.newSeat(n, true))
	case step.Kind == engine.StepPromote && x != nil && x.learner && x.started && x.have == len(s.log):
		x.learner = false
		s.w.stats.VoterChanges++
	case step.Kind == engine.StepRemove && x != nil:
		s.seats = slices.DeleteFunc(s.seats, func(o *seat) bool { return o == x })
	}
}

func (d *daemon) candidates() []quorum.Candidate {
	var out []quorum.Candidate
	for _, x := range d.n.w.nodes {
		_, member := d.view.Record.Member(x.name)
		if x.server {
			member = x.daemon != nil && d.n.w.reaches(d.n, x)
		}
		if member {
			delete(d.away, x.name)
		} else if _, ok := d.away[x.name]; !ok {
			d.away[x.name] = d.n.w.now
		}
		since, gone := d.away[x.name]
		patient := d.view.Record.IsVoter(x.name) && d.n.w.now-since < int64(patience)
		out = append(out, quorum.Candidate{Node: x.name, QuorumServer: x.server, Healthy: !gone || patient})
	}
	return out
}

// copies is what the nodes that this one reaches say of their copies.
func (d *daemon) copies() map[cluster.NodeName]membership.Copy {
	s := d.n.w.store
	out := map[cluster.NodeName]membership.Copy{}
	for _, x := range d.n.w.nodes {
		if x.daemon == nil || !d.n.w.reaches(x, d.n) {
			continue
		}
		c := membership.Copy{}
		if at := s.seatOf(x); at != nil {
			c = membership.Copy{State: membership.CopyUsable, Seat: at.id, Index: uint64(at.have)}
			switch {
			case at.bare:
				c.State = membership.CopyLost
			case !at.started:
				c = membership.Copy{}
			case at.learner:
				c.State = membership.CopyBehind
			}
		}
		out[x.name] = c
	}
	return out
}

// ready reports whether a newcomer has applied the newest record.
func (d *daemon) ready(next []cluster.NodeName, rec *membership.Record) bool {
	now := voterNames(rec.Voters)
	for _, n := range next {
		if slices.Contains(now, n) || n == d.n.name {
			continue
		}
		i := slices.IndexFunc(d.view.Peers, func(p membership.Peer) bool { return p.Node == n })
		if i < 0 || d.view.Peers[i].Epoch != rec.Epoch {
			d.view = d.m.View() // peers do not announce themselves
			return false
		}
	}
	return true
}

func voterNames(voters []membership.Voter) []cluster.NodeName {
	var out []cluster.NodeName
	for _, v := range voters {
		out = append(out, v.Node)
	}
	return out
}
