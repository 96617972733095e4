package engine

import (
	"slices"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
)

func voters(ns ...cluster.NodeName) []membership.Voter {
	var out []membership.Voter
	for _, n := range ns {
		out = append(out, membership.Voter{Node: n})
	}
	return out
}

// world plays the record, the seats and the nodes against NextStep.
type world struct {
	rec      membership.Record
	starting cluster.NodeName
	seats    []Seat
}

func (w *world) apply(t *testing.T, s VoterStep) {
	t.Helper()
	at := slices.IndexFunc(w.seats, func(x Seat) bool { return x.Node == s.Node })
	switch s.Kind {
	case StepNone:
		for i := range w.seats {
			if w.seats[i].Node == w.starting {
				w.seats[i].Started = true // the invited node comes up
			}
		}
	case StepAddLearner:
		if at >= 0 {
			t.Fatalf("%s is seated twice", s.Node)
		}
		w.seats = append(w.seats, Seat{Node: s.Node, Learner: true})
	case StepInvite:
		w.starting = s.Node
	case StepClear:
		w.starting = ""
	case StepBegin:
		w.rec.NextVoters = voters(s.Next...)
	case StepPromote:
		if w.rec.NextVoters == nil {
			t.Fatal("promoted before the record named both sets")
		}
		w.seats[at].Learner = false
	case StepRemove:
		if !w.seats[at].Learner && w.rec.NextVoters == nil {
			t.Fatal("a vote was taken before the record named both sets")
		}
		w.seats = slices.Delete(w.seats, at, at+1)
	case StepSettle:
		w.rec.Voters, w.rec.NextVoters = w.rec.NextVoters, nil
	}
}

func TestVoterChangeReachesWhatIsWanted(t *testing.T) {
	for _, c := range []struct {
		name      string
		now, want []cluster.NodeName
		seats     []Seat
		starting  cluster.NodeName
	}{
		{name: "one more", now: []cluster.NodeName{"n1"}, want: []cluster.NodeName{"n1", "n2"}, seats: []Seat{{"n1", false, true}}},
		{name: "one less", now: []cluster.NodeName{"n1", "n2"}, want: []cluster.NodeName{"n1"}, seats: []Seat{{"n1", false, true}, {"n2", false, true}}},
		{name: "a replacement", now: []cluster.NodeName{"n1", "n2", "n3"}, want: []cluster.NodeName{"n1", "n3", "n4"}, seats: []Seat{{"n1", false, true}, {"n2", false, true}, {"n3", false, true}}},
		{name: "a learner left over", now: []cluster.NodeName{"n1"}, want: []cluster.NodeName{"n1"}, starting: "n2", seats: []Seat{{"n1", false, true}, {"n2", true, true}}},
		{name: "seated but not invited", now: []cluster.NodeName{"n1"}, want: []cluster.NodeName{"n1", "n2"}, seats: []Seat{{"n1", false, true}, {"n2", true, false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world{rec: membership.Record{Voters: voters(c.now...)}, seats: c.seats, starting: c.starting}
			for range 20 {
				w.apply(t, NextStep(&w.rec, c.want, w.starting, w.seats))
			}
			if got := names(w.rec.Voters); w.rec.NextVoters != nil || !slices.Equal(got, c.want) {
				t.Fatalf("voters are %v changing to %v, want %v", got, w.rec.NextVoters, c.want)
			}
			for _, s := range w.seats {
				if s.Learner || !slices.Contains(c.want, s.Node) {
					t.Fatalf("seat %+v is left over", s)
				}
			}
			if len(w.seats) != len(c.want) || w.starting != "" {
				t.Fatalf("seats %+v, starting %q", w.seats, w.starting)
			}
			if s := NextStep(&w.rec, c.want, w.starting, w.seats); s.Kind != StepNone {
				t.Fatalf("a settled set wants %+v", s)
			}
		})
	}
}
