package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// store is the repository: one log of transactions, kept by its seats.
type store struct {
	w        *World
	log      []commit // log[i] is revision i+1
	keys     map[string]entry
	seats    []*seat
	seated   uint64 // how many there ever were
	leader   *node
	election int64 // true time at which one ends; 0: none is going on
	slow     time.Duration
	lost     int // per mille: answers lost after the write
	late     int // per mille: writes that come long after
}

type entry struct {
	value any
	rev   cluster.Revision
}

// commit is one transaction with what the repository looked like after it.
type commit struct {
	record bool // the membership record changed
	snap   engine.Snapshot
	keys   map[string]entry
}

// seat is one member of the repository.
type seat struct {
	node    *node
	id      uint64
	learner bool
	started bool
	bare    bool // its disk was lost: it must not answer any more, nor be filled again
	have    int  // how much of the log its disk has
}

// newSeat is an empty seat.
func (s *store) newSeat(n *node, learner bool) *seat {
	s.seated++
	return &seat{node: n, id: s.seated, learner: learner}
}

var (
	errConflict = errors.New("conflict")
	errUnknown  = errors.New("the outcome is unknown")
)

// deadline is how long a client waits for an answer.
const deadline = 2 * time.Second

func (s *store) rev() cluster.Revision { return cluster.Revision(len(s.log)) }

func (s *store) seatOf(n *node) *seat {
	for _, x := range s.seats {
		if x.node == n {
			return x
		}
	}
	return nil
}

func (s *store) runs(n *node) bool { return n.on && !n.frozen && n.daemon != nil && !n.daemon.frozen }

// serves reports whether a seat takes part: its node's daemon runs and has what the seat acknowledged.
func (s *store) serves(x *seat) bool { return !x.bare && s.runs(x.node) }

// wipe is the loss of a voter's disk, where the repository survives it: all others have theirs.
func (s *store) wipe(n *node) bool {
	x := s.seatOf(n)
	if x == nil || x.learner || len(s.seats) < 3 || slices.ContainsFunc(s.seats, func(o *seat) bool { return o.bare || o.learner }) {
		return false
	}
	x.bare, x.have = true, 0
	s.w.trace.note(n.name, "has lost its copy of the repository")
	return true
}

// majority returns the voting seats that can reach n, n's own included, and whether they are a majority.
func (s *store) majority(n *node) ([]*seat, bool) {
	var with []*seat
	votes := 0
	for _, x := range s.seats {
		if x.learner {
			continue
		}
		votes++
		if s.serves(x) && x.started && s.w.reaches(n, x.node) {
			with = append(with, x)
		}
	}
	return with, len(with) > votes/2
}

// tend looks after the leader and lets the seats catch up.
func (s *store) tend() {
	if s.leader != nil {
		seat := s.seatOf(s.leader)
		_, ok := s.majority(s.leader)
		if seat == nil || seat.learner || !s.serves(seat) || !ok {
			s.w.trace.note(s.leader.name, "is no leader of the repository any more")
			s.leader = nil
		}
	}
	if s.leader == nil {
		s.elect()
	}
	if s.leader != nil {
		for _, x := range s.seats {
			if s.serves(x) && s.w.reaches(s.leader, x.node) {
				x.have, x.started = len(s.log), true
			}
		}
	}
}

// elect takes, after a pause, the longest log of a majority that reach each other.
func (s *store) elect() {
	if s.election == 0 {
		s.election = s.w.now + int64(s.w.between(150*time.Millisecond, 700*time.Millisecond))
		return
	}
	if s.w.now < s.election {
		return
	}
	s.election = 0
	for _, c := range s.seats {
		if c.learner || !s.serves(c) {
			continue
		}
		with, ok := s.majority(c.node)
		if !ok {
			continue
		}
		best := c
		for _, x := range with {
			if _, ok := s.majority(x.node); ok && x.have > best.have {
				best = x
			}
		}
		if longest := slices.MaxFunc(with, func(a, b *seat) int { return a.have - b.have }); best.have < longest.have {
			continue
		}
		if best.have < len(s.log) {
			s.lose(best.have)
		}
		s.leader = best.node
		s.w.stats.Elections++
		s.w.trace.note(best.node.name, "leads the repository")
		return
	}
}

// lose drops what no majority had: acknowledged writes among it are lost for ever.
func (s *store) lose(have int) {
	s.w.violated("I6", "the repository lost revisions %d to %d: no majority of the seats had them", have+1, len(s.log))
}

// txn is one write or read on its way.
type txn struct {
	compares map[string]cluster.Revision
	writes   map[string]any // nil: delete
	people   bool           // an administrator's
	result   func(rev cluster.Revision, err error)
	done     bool
}

// do sends a transaction from a daemon's node; its result comes back to that daemon.
func (s *store) do(d *daemon, t *txn) {
	out := t.result
	finish := func(rev cluster.Revision, err error) {
		if t.done {
			return
		}
		t.done = true
		d.exec(func(*daemon) { out(rev, err) })
	}
	s.w.after(deadline, func() {
		if !t.done {
			s.w.stats.Unknown++
			finish(0, errUnknown)
		}
	})
	delay := s.w.between(time.Millisecond, 4*time.Millisecond)
	if s.slow > 0 {
		delay += s.w.between(0, s.slow)
	}
	if s.w.chance(s.late) {
		delay += s.w.between(0, 4*time.Second)
	}
	s.w.after(delay, func() { s.arrive(d, t, finish, s.w.now+int64(5*time.Second)) })
}

// arrive applies a transaction when the leader and a majority are within reach, and waits for that otherwise.
func (s *store) arrive(d *daemon, t *txn, finish func(cluster.Revision, error), until int64) {
	s.tend()
	if s.leader == nil || !s.near(d.n) {
		if s.w.now < until && (!d.dead || s.w.chance(500)) {
			s.w.after(s.w.between(5*time.Millisecond, 40*time.Millisecond), func() { s.arrive(d, t, finish, until) })
		}
		return
	}
	rev, err := s.apply(t)
	if s.w.chance(s.lost) {
		return
	}
	back := s.w.between(500*time.Microsecond, 3*time.Millisecond)
	s.w.after(back, func() {
		if s.leader != nil && s.near(d.n) {
			finish(rev, err)
		}
	})
}

// near reports whether a client reaches the leader, directly or through another seat.
func (s *store) near(n *node) bool {
	if s.w.reaches(n, s.leader) {
		return true
	}
	for _, x := range s.seats {
		if s.serves(x) && s.w.reaches(n, x.node) && s.w.reaches(x.node, s.leader) {
			return true
		}
	}
	return false
}

// apply carries a transaction out.
func (s *store) apply(t *txn) (cluster.Revision, error) {
	for key, rev := range t.compares {
		if s.keys[key].rev != rev {
			return 0, errConflict
		}
	}
	if len(t.writes) == 0 {
		return s.rev(), nil
	}
	rev := s.rev() + 1
	record := false
	for key, v := range t.writes {
		s.w.stir(key)
		if key == confdb.KeyMembership {
			record = true
			s.checkRecord(t, v.(membership.Record))
		}
		if g, ok := v.(model.Group); ok {
			old, _ := s.keys[key].value.(model.Group)
			s.w.keepsWord(t, old, g)
		}
		if a, ok := v.(model.Assignment); ok {
			old, _ := s.keys[key].value.(model.Assignment)
			s.w.checkAssignment(old, a)
		}
	}
	with, _ := s.majority(s.leader) // of the seats as they were: a change of the seats is written under the old ones
	keys := make(map[string]entry, len(s.keys)+1)
	for k, e := range s.keys {
		keys[k] = e
	}
	for key, v := range t.writes {
		if v == nil {
			delete(keys, key)
		} else {
			keys[key] = entry{v, rev}
		}
	}
	if step, ok := keys[keySeats].value.(engine.VoterStep); ok {
		delete(keys, keySeats)
		s.reseat(step)
	}
	s.keys = keys
	snap := s.snapshot(keys, rev)
	s.w.checkPlaces(s.log[len(s.log)-1].snap.State.Assignments, snap.State.Assignments, snap.State)
	s.log = append(s.log, commit{record: record, snap: snap, keys: keys})
	for _, x := range with {
		x.have = len(s.log)
	}
	s.tend()
	s.spread()
	return rev, nil
}

// checkRecord is invariant I3: the record changes by compare-and-swap only, and its epoch by one.
func (s *store) checkRecord(t *txn, r membership.Record) {
	old, ok := s.keys[confdb.KeyMembership].value.(membership.Record)
	_, compared := t.compares[confdb.KeyMembership]
	if !compared || ok && r.Epoch != old.Epoch+1 {
		s.w.violated("I3", "record %d replaces record %d (compared: %v)", r.Epoch, old.Epoch, compared)
	}
	s.w.stats.Epochs++
	s.w.stats.Takeovers += max(0, len(r.Leaving)-len(old.Leaving))
	s.w.trace.note("", describe(r))
}

func describe(r membership.Record) string {
	text := fmt.Sprintf("record %d: president %s, members", r.Epoch, r.President)
	for _, m := range r.Members {
		text += fmt.Sprintf(" %s/%v", m.Node, m.Incarnation)
	}
	for _, l := range r.Leaving {
		text += fmt.Sprintf(", leaving %s/%v", l.Node, l.Incarnation)
	}
	text += ", voters"
	for _, v := range r.Voters {
		text += " " + string(v.Node)
	}
	if r.NextVoters != nil {
		text += " ->"
		for _, v := range r.NextVoters {
			text += " " + string(v.Node)
		}
	}
	if r.PrevTiming != nil {
		text += ", timing changes"
	}
	for _, e := range r.Extended {
		text += fmt.Sprintf(", %s extended (ending: %v)", e.Node, e.Ending)
	}
	return text
}

// spread tells every node of the newest revision, each after its own lag and again later if it is cut off.
func (s *store) spread() {
	for _, n := range s.w.nodes {
		if n.daemon == nil {
			continue
		}
		d := n.daemon
		for _, kind := range []watchKind{watchRecord, watchAll} {
			lag := s.w.between(300*time.Microsecond, 4*time.Millisecond)
			if n.lag > 0 {
				lag += s.w.between(0, n.lag)
			}
			s.w.after(lag, func() { d.exec(func(d *daemon) { d.look(kind) }) })
		}
	}
}

// visible is how much of the log a node can see now: what its own seat has, or the best seat that it reaches.
func (s *store) visible(n *node) int {
	have := 0
	for _, x := range s.seats {
		if s.serves(x) && s.w.reaches(n, x.node) {
			if x.node == n && !x.learner {
				return x.have
			}
			have = max(have, x.have)
		}
	}
	return have
}
