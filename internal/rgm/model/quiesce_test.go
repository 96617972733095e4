package model_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redoubt/internal/rgm/model"
)

// Whatever administrators and quiesces do in turns, the group is suspended exactly while one of them wants it, and none of them undoes what another has done.
func TestSuspensionsOfSeveral(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g model.Group
		byHand := false
		var running []model.Quiesce
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			q := model.Quiesce{Node: "n1", Session: rapid.Uint64Range(1, 2).Draw(t, "session"), Number: rapid.Uint64Range(1, 3).Draw(t, "number")}
			before := slices.Clone(g.Quiesced.By)
			old := g
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				byHand = rapid.Bool().Draw(t, "suspend")
				g.SuspendByHand(byHand)
			case 1:
				g.BeginQuiesce(q)
				running = append(slices.DeleteFunc(running, func(o model.Quiesce) bool { return o == q }), q)
			case 2:
				was := slices.Contains(running, q)
				if g.EndQuiesces(func(o model.Quiesce) bool { return o == q }) != was {
					t.Fatalf("the end of %+v: it was there: %v", q, was)
				}
				running = slices.DeleteFunc(running, func(o model.Quiesce) bool { return o == q })
			case 3:
				g.EndQuiesces(func(o model.Quiesce) bool { return o.Session == q.Session })
				running = slices.DeleteFunc(running, func(o model.Quiesce) bool { return o.Session == q.Session })
			}
			if g.Suspended != (byHand || len(running) > 0) || g.SuspendedByHand() != byHand || !slices.Equal(g.Quiesced.By, running) {
				t.Fatalf("suspended %v, by hand %v, by %+v; want by hand %v, by %+v", g.Suspended, g.SuspendedByHand(), g.Quiesced.By, byHand, running)
			}
			if !slices.Equal(old.Quiesced.By, before) {
				t.Fatal("a record that others read was changed")
			}
		}
	})
}
