package control

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// Whoever may only read does not take the machine with questions that cost much work: they have their turns, one request has its bounds, and nobody thinks on for somebody who has gone.
// Root waits for nobody.
func TestCostlyQuestionsHaveTheirTurns(t *testing.T) {
	c, _ := tableOf(t)
	synctest.Test(t, func(t *testing.T) {
		reader := Caller{Kind: CallerLocal, UID: 1000, User: "read"}
		rooted := Caller{Kind: CallerLocal}
		plan := func(ctx context.Context, who Caller, with ...string) error {
			in := v1.ClusterPlan{With: with}
			_, err := c.ClusterPlan(Asking(ctx, "cluster plan", in), who, in)
			return err
		}
		why := func(who Caller) error {
			_, err := c.GroupWhy(Asking(t.Context(), "group why", v1.GroupWhy{Names: []string{"db-rg"}}), who, v1.GroupWhy{Names: []string{"db-rg"}})
			return err
		}
		check := func(who Caller) error {
			_, err := c.ClusterCheck(Asking(t.Context(), "cluster check", v1.ClusterCheck{}), who, v1.ClusterCheck{})
			return err
		}
		many := slices.Repeat([]string{"group online db-rg"}, maxSupposed+1)
		if err := plan(t.Context(), reader, many...); !fault.Is(err, fault.Invalid) {
			t.Errorf("more than can be supposed: %v", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := plan(gone, rooted, many[:2]...); err == nil {
			t.Error("a plan is made for somebody who has gone")
		}
		done, err := c.turn(t.Context(), reader, "log verify")
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"plan": plan(t.Context(), reader), "why": why(reader), "check": check(reader)} {
			if !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s, while another is answered: %v", what, err)
			}
		}
		if err := plan(t.Context(), rooted); err != nil {
			t.Errorf("root: %v", err)
		}
		done()
		if err := why(reader); err != nil {
			t.Errorf("when it is his turn: %v", err)
		}
	})
}
