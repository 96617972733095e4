package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/quorum"
)

func voters(ns ...cluster.NodeName) []membership.Voter {
	var out []membership.Voter
	for _, n := range ns {
		out = append(out, membership.Voter{Node: n})
	}
	return out
}

func list(ns ...cluster.NodeName) []cluster.NodeName { return ns }

// world plays the record, the seats and the nodes against NextStep.
type world struct {
	rec      membership.Record
	starting []cluster.NodeName
	seats    []Seat
	copies   map[cluster.NodeName]membership.Copy
	ids      uint64
	steps    []string
}

// newWorld has the voters, every one with a usable copy, and outsiders that are heard.
func newWorld(now []cluster.NodeName, outsiders ...cluster.NodeName) *world {
	w := &world{rec: membership.Record{Voters: voters(now...)}, copies: map[cluster.NodeName]membership.Copy{}}
	for _, n := range now {
		w.ids++
		w.seats = append(w.seats, Seat{Node: n, ID: w.ids, Started: true})
		w.copies[n] = membership.Copy{State: membership.CopyUsable, Seat: w.ids}
	}
	for _, n := range outsiders {
		w.copies[n] = membership.Copy{}
	}
	return w
}

// seat gives a node a learner's seat that it has or has not started.
func (w *world) seat(n cluster.NodeName, started bool) {
	w.ids++
	w.seats = append(w.seats, Seat{Node: n, ID: w.ids, Learner: true, Started: started})
	if started {
		w.copies[n] = membership.Copy{State: membership.CopyBehind, Seat: w.ids}
	}
}

func (w *world) at(n cluster.NodeName) int {
	return slices.IndexFunc(w.seats, func(x Seat) bool { return x.Node == n })
}

// lose is the loss of a node's copy.
func (w *world) lose(n cluster.NodeName) {
	w.copies[n] = membership.Copy{State: membership.CopyLost, Seat: w.seats[w.at(n)].ID}
}

func (w *world) outlook(want, coming []cluster.NodeName) Outlook {
	return Outlook{Record: &w.rec, Want: want, Coming: coming, Starting: w.starting, Seats: w.seats, Copies: w.copies}
}

// alive is how many voting seats there are, and how many of them have usable copies.
func (w *world) alive() (seats, usable int) {
	for _, s := range w.seats {
		if s.Learner {
			continue
		}
		seats++
		if c := w.copies[s.Node]; c.State == membership.CopyUsable && c.Seat == s.ID {
			usable++
		}
	}
	return seats, usable
}

func (w *world) apply(t *testing.T, s VoterStep) {
	t.Helper()
	if s.Kind != StepNone {
		w.steps = append(w.steps, fmt.Sprint(s.Kind, " ", s.Node))
	}
	at := w.at(s.Node)
	switch s.Kind {
	case StepNone:
		w.come()
	case StepAddLearner:
		if at >= 0 {
			t.Fatalf("%s is seated twice", s.Node)
		}
		w.seat(s.Node, false)
	case StepInvite:
		w.starting = append(w.starting, s.Node)
	case StepClear:
		w.starting = nil
	case StepBegin:
		w.rec.NextVoters = voters(s.Next...)
	case StepPromote:
		if !w.rec.IsVoter(s.Node) {
			t.Fatal("promoted before the record named it")
		}
		w.seats[at].Learner = false
		w.copies[s.Node] = membership.Copy{State: membership.CopyUsable, Seat: w.seats[at].ID}
	case StepRemove:
		lost := w.copies[s.Node].State == membership.CopyLost && w.copies[s.Node].Seat == w.seats[at].ID
		if !w.seats[at].Learner && w.rec.NextVoters == nil && !lost {
			t.Fatal("a vote was taken before the record named both sets")
		}
		w.seats = slices.Delete(w.seats, at, at+1)
	case StepSettle:
		w.rec.Voters, w.rec.NextVoters = w.rec.NextVoters, nil
	}
	if seats, usable := w.alive(); usable < quorum.Majority(seats) {
		t.Fatalf("after %v %s: %d of %d seats have usable copies", s.Kind, s.Node, usable, seats)
	}
}

// come is what the nodes do: those that may start an empty seat do so, as the daemon does.
func (w *world) come() {
	for i := range w.seats {
		s := &w.seats[i]
		if s.Learner && !s.Started && (slices.Contains(w.starting, s.Node) || w.rec.IsVoter(s.Node)) {
			s.Started = true
			w.copies[s.Node] = membership.Copy{State: membership.CopyBehind, Seat: s.ID}
		}
	}
}

// reaches plays until nothing happens any more, and holds the end against what is wanted.
func (w *world) reaches(t *testing.T, want []cluster.NodeName) {
	t.Helper()
	for range 60 {
		now := names(w.rec.Voters)
		next := names(w.rec.NextVoters)
		if w.rec.NextVoters == nil {
			// One in and one out, as quorum.Choose does.
			next = slices.Clone(now)
			if out := first(now, want); out != "" {
				next = slices.DeleteFunc(next, func(n cluster.NodeName) bool { return n == out })
			}
			if in := first(want, now); in != "" {
				next = append(next, in)
			}
		}
		w.apply(t, NextStep(w.outlook(next, want)))
	}
	if got := names(w.rec.Voters); w.rec.NextVoters != nil || !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Fatalf("voters are %v changing to %v, want %v: %v", got, w.rec.NextVoters, want, w.steps)
	}
	if seats, usable := w.alive(); len(w.seats) != len(want) || seats != len(want) || usable != len(want) || len(w.starting) > 0 {
		t.Fatalf("seats %+v, copies %v, starting %q: %v", w.seats, w.copies, w.starting, w.steps)
	}
	if s := NextStep(w.outlook(want, want)); s.Kind != StepNone {
		t.Fatalf("a settled set wants %+v", s)
	}
}

func TestVoterChangeReachesWhatIsWanted(t *testing.T) {
	for _, c := range []struct {
		name      string
		now, want []cluster.NodeName
		before    func(w *world)
	}{
		{name: "nothing to do", now: list("n1", "n2", "n3"), want: list("n1", "n2", "n3")},
		{name: "one more", now: list("n1"), want: list("n1", "n2")},
		{name: "two more", now: list("n1"), want: list("n1", "n2", "n3")},
		{name: "four more", now: list("n1"), want: list("n1", "n2", "n3", "n4", "n5")},
		{name: "one less", now: list("n1", "n2"), want: list("n1")},
		{name: "a replacement", now: list("n1", "n2", "n3"), want: list("n1", "n3", "n4")},
		{name: "a learner left over", now: list("n1"), want: list("n1"), before: func(w *world) { w.seat("n2", true); w.starting = list("n2") }},
		{name: "seated but not invited", now: list("n1"), want: list("n1", "n2"), before: func(w *world) { w.seat("n2", false) }},
		{name: "a lost copy", now: list("n1", "n2", "n3"), want: list("n1", "n2", "n3"), before: func(w *world) { w.lose("n3") }},
		{name: "the copy of the first voter is lost", now: list("n1", "n2", "n3"), want: list("n1", "n2", "n3"), before: func(w *world) { w.lose("n1") }},
		{name: "a lost copy while one more comes", now: list("n1", "n2", "n3"), want: list("n1", "n2", "n3", "n4"), before: func(w *world) { w.lose("n3") }},
		{name: "the copy of who goes is lost", now: list("n1", "n2", "n3"), want: list("n1", "n2", "n4"), before: func(w *world) { w.lose("n3") }},
		{name: "two of five are lost", now: list("n1", "n2", "n3", "n4", "n5"), want: list("n1", "n2", "n3", "n4", "n5"), before: func(w *world) { w.lose("n2"); w.lose("n4") }},
		{name: "lost in the middle of a change", now: list("n1", "n2", "n3"), want: list("n1", "n2", "n4"), before: func(w *world) {
			w.seat("n4", true)
			w.rec.NextVoters = voters("n1", "n2", "n4")
			w.lose("n2")
		}},
		{name: "the newcomer loses what it has", now: list("n1", "n2", "n3"), want: list("n1", "n2", "n3", "n4"), before: func(w *world) {
			w.seat("n4", true)
			w.lose("n4")
		}},
		{name: "taken by a president that died", now: list("n1", "n2", "n3"), want: list("n1", "n2", "n3"), before: func(w *world) {
			w.lose("n3")
			w.seats = w.seats[:2]
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(c.now, c.want...)
			for _, n := range c.now {
				w.copies[n] = membership.Copy{State: membership.CopyUsable, Seat: w.seats[w.at(n)].ID}
			}
			if c.before != nil {
				c.before(w)
			}
			w.reaches(t, c.want)
		})
	}
}

// All that are going to vote are seated before the first of them gets its vote.
func TestEverybodyIsSeatedAhead(t *testing.T) {
	w := newWorld(list("n1"), "n2", "n3")
	w.reaches(t, list("n1", "n2", "n3"))
	promoted := slices.Index(w.steps, "promote n2")
	if seated := slices.Index(w.steps, "seat n3"); seated < 0 || seated > promoted {
		t.Errorf("%v", w.steps)
	}
}

// Where the others could not go on without it a lost seat is left alone: it takes an administrator.
func TestNoSeatIsTakenWithoutAMajorityOfTheOthers(t *testing.T) {
	for _, c := range []struct {
		name   string
		now    []cluster.NodeName
		before func(w *world)
	}{
		{"the only voter", list("n1"), func(w *world) { w.lose("n1") }},
		{"both of two", list("n1", "n2"), func(w *world) { w.lose("n1"); w.lose("n2") }},
		{"one of three, another is not heard", list("n1", "n2", "n3"), func(w *world) { w.lose("n3"); delete(w.copies, "n2") }},
		{"one of three, another is behind", list("n1", "n2", "n3"), func(w *world) {
			w.lose("n3")
			w.copies["n2"] = membership.Copy{State: membership.CopyBehind, Seat: 2}
		}},
		{"one of three, it is about an earlier seat", list("n1", "n2", "n3"), func(w *world) { w.copies["n3"] = membership.Copy{State: membership.CopyLost, Seat: 99} }},
		{"one of three, its member is only down", list("n1", "n2", "n3"), func(w *world) { w.copies["n3"] = membership.Copy{State: membership.CopyDown, Seat: 3} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(c.now)
			c.before(w)
			if s := NextStep(w.outlook(c.now, c.now)); s.Kind != StepNone {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A smaller set begins only when it holds: the copies of those that stay come first.
func TestVotersAreNotMadeFewerThanHold(t *testing.T) {
	w := newWorld(list("n1", "n2", "n3"))
	w.copies["n2"] = membership.Copy{State: membership.CopyDown, Seat: 2}
	if s := NextStep(w.outlook(list("n1", "n2"), list("n1", "n2"))); s.Kind != StepNone {
		t.Errorf("%+v", s)
	}
	w.copies["n2"] = membership.Copy{State: membership.CopyUsable, Seat: 2}
	if s := NextStep(w.outlook(list("n1", "n2"), list("n1", "n2"))); s.Kind != StepBegin {
		t.Errorf("%+v", s)
	}
}

// Patience is measured on a clock that nobody sets.
func TestSince(t *testing.T) {
	s := since{}
	sec := membership.Instant(time.Second)
	for i, c := range []struct {
		at   membership.Instant
		is   bool
		want time.Duration
	}{{10 * sec, true, 0}, {12 * sec, true, 2 * time.Second}, {13 * sec, false, 0}, {20 * sec, true, 0}, {90 * sec, true, 70 * time.Second}} {
		if got := s.note("n1", c.at, c.is); got != c.want {
			t.Errorf("%d: %v, want %v", i, got, c.want)
		}
	}
}
