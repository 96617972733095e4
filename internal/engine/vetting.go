package engine

import (
	"context"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/rgm/model"
)

// vetting is a request to give a group over on its way to the president: the other nodes are asked first.
type vetting struct {
	busy    bool
	about   time.Time // the plea that the answer is about: when it was made
	refused []model.Refusal
}

// vettingLimit is how long the other nodes have to answer, all together.
const vettingLimit = 5 * time.Minute

// vetted is the instance as it may be reported: a request to give the group over, which a monitor makes, is held back until the Monitor_check methods of the nodes that
// could take the group have been asked, and then says who refused.
func (x *Executor) vetted(ctx context.Context, group cluster.GroupName, g *groupRun, inst model.Instance) model.Instance {
	p := inst.Plea
	if p == nil || p.Kind != model.PleaGiveover || x.cfg.Successors == nil {
		return inst
	}
	told := *p
	if g.vetting.about.Equal(p.At) {
		told.Refused = g.vetting.refused
		inst.Plea = &told
		return inst
	}
	inst.Plea = nil
	if g.vetting.busy {
		return inst
	}
	g.vetting.busy = true
	go func() {
		bounded, cancel := context.WithTimeout(ctx, vettingLimit)
		defer cancel()
		refused := x.cfg.Successors.Refusals(bounded, group, told.Resource)
		select {
		case x.calls <- func() {
			g.vetting = vetting{about: told.At, refused: refused}
			if x.groups[group] == g {
				x.report.put(confdb.KeyInstance(x.cfg.Node, group), x.vetted(ctx, group, g, g.life.Instance()))
			}
		}:
		case <-ctx.Done():
		}
	}()
	return inst
}
