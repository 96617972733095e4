package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// others answer for the other nodes, after a while.
type others struct {
	asked   int
	takes   time.Duration
	refused []model.Refusal
}

func (o *others) Refusals(context.Context, cluster.GroupName, cluster.ResourceName) []model.Refusal {
	o.asked++
	time.Sleep(o.takes)
	return o.refused
}

// A request to give a group over reaches the president only when the other nodes were asked, once, and says who refused; while they are asked the daemon is not quiet.
func TestGiveoverIsVetted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorm(t, 1, 5)
		o := &others{takes: 10 * time.Second, refused: []model.Refusal{{Node: "n2", Why: "no disk"}}}
		s.executor.cfg.Successors = o
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = s.executor.Run(ctx) }()
		time.Sleep(6 * time.Second)
		if err := s.executor.Ask(ctx, "g00000", life.Asked{Kind: life.AskGiveover, Resource: "g00000-0", Message: "no good"}); err != nil {
			t.Fatal(err)
		}
		plea := func() *model.Plea {
			t.Helper()
			e, err := s.executor.report.store.Get(ctx, confdb.KeyInstance("n1", "g00000"))
			if err != nil {
				t.Fatal(err)
			}
			i, err := confdb.Decode[model.Instance](confdb.KindInstance, e.Key, e.Value)
			if err != nil {
				t.Fatal(err)
			}
			return i.Plea
		}
		time.Sleep(5 * time.Second)
		if p := plea(); p != nil {
			t.Errorf("the president was asked before the other nodes were: %+v", p)
		}
		if s.executor.Quiet(ctx) {
			t.Error("a restart now would lose the request")
		}
		time.Sleep(6 * time.Second)
		if p := plea(); p == nil || p.Why != "no good" || len(p.Refused) != 1 || p.Refused[0] != o.refused[0] {
			t.Errorf("plea %+v", p)
		}
		time.Sleep(time.Minute)
		if o.asked != 1 {
			t.Errorf("the other nodes were asked %d times", o.asked)
		}
		cancel()
		synctest.Wait()
	})
}
