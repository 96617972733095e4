package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
	"redoubt/internal/tick"
)

// President is the president loop. Every node runs it; it acts only while this node is the president of the newest record and holds its lease. It keeps
// nothing that matters: whoever becomes president next plans from the repository alone, and has the fence agents asked again whose word does not stand there.
type President struct {
	cfg    Config
	member *Member
	source Source
	store  confdb.Store
	fencer Fencer

	fencers fencers
	planner order.Planner
	took    time.Duration    // by the last plan, without its writing
	written cluster.Revision // of the newest plan: before the mirror shows it, the next one would only be refused
}

// NewPresident returns the loop; Run starts it. A nil fencer refuses: what ran on lost nodes with a fence agent is then not taken over.
func NewPresident(cfg Config, member *Member, source Source, store confdb.Store, fencer Fencer) *President {
	if fencer == nil {
		fencer = noFencer{}
	}
	return &President{cfg: cfg, member: member, source: source, store: store, fencer: fencer, fencers: newFencers()}
}

// Run plans whenever something changed, until ctx ends.
func (p *President) Run(ctx context.Context) error {
	views, news := p.member.Subscribe(ctx), p.source.Subscribe(ctx)
	// Pingpong_interval and evacuation run out without any event.
	ticks := tick.New(time.Second)
	defer ticks.Stop()
	breath := newBreath(news)
	defer breath.stop()
	for {
		p.took = 0
		again := p.plan(ctx)
		if again {
			pause(ctx, 20*time.Millisecond)
			if ended(ctx) {
				return context.Cause(ctx)
			}
			continue
		}
		breath.looked(p.took)
		if err := p.await(ctx, views, breath, ticks.C); err != nil {
			return err
		}
	}
}

// await waits for something to plan for.
func (p *President) await(ctx context.Context, views <-chan struct{}, breath *breath, ticks <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-breath.timer.C:
			breath.over()
			continue
		case <-views:
		case <-breath.heard:
		case run := <-p.fencers.ended:
			p.fenceEnded(run)
		case <-ticks:
		}
		return nil
	}
}

// plan makes one plan and writes it; true asks to plan again at once because the basis was not the newest.
func (p *President) plan(ctx context.Context) bool {
	view := p.member.View()
	if !view.President || !p.member.MayStart() {
		p.standDown()
		return false
	}
	snap := p.source.Snapshot()
	if snap.Record == nil || snap.Record.Epoch != view.Record.Epoch {
		return false // the mirror has not shown the newest record yet; its change wakes us
	}
	p.fence(ctx, snap, view)
	if snap.State.Basis.Revision < p.written {
		return false // nor what was ordered last
	}
	if done, again := p.resume(ctx, snap, view); done {
		return again
	}
	began := time.Now()
	steps, err := worthWriting(snap, p.planner.Plan(BuildState(snap, view, p.cfg.Clock.Wall())))
	p.took = time.Since(began)
	if err != nil {
		p.cfg.Log.Error("the plan can not be written", "err", err)
		return false
	}
	for len(steps) > 0 {
		n := min(len(steps), maxTxnOps)
		if err := p.write(ctx, snap, steps[:n]); err != nil {
			if fault.Is(err, fault.Conflict) {
				return false // somebody was first; the watch brings the news
			}
			p.cfg.Log.Warn("the plan could not be written; trying again", "err", err)
			return !ended(ctx)
		}
		steps = steps[n:]
	}
	return false
}

// write commits assignments under the guard of the membership record: a deposed president's transaction does not hold. Nor does one that was planned on another record of the group: nothing is ordered of
// a group that was suspended meanwhile.
func (p *President) write(ctx context.Context, snap Snapshot, steps []order.Step) error {
	compares := []confdb.Compare{{Key: confdb.KeyMembership, Revision: snap.RecordRevision}}
	var ops []confdb.Op
	for _, s := range steps {
		key := confdb.KeyAssign(s.Assignment.Group)
		value, err := confdb.Encode(confdb.KindAssignment, s.Assignment)
		if err != nil {
			return err
		}
		spec := confdb.KeyGroup(s.Assignment.Group)
		compares = append(compares, confdb.Compare{Key: key, Revision: snap.Revision(key)}, confdb.Compare{Key: spec, Revision: snap.Revision(spec)})
		ops = append(ops, confdb.Op{Key: key, Value: value})
	}
	attempt, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	rev, err := p.store.Txn(attempt, compares, ops)
	if err != nil {
		return err
	}
	p.written = rev
	for _, s := range steps {
		if why := unasked(snap, s.Assignment); why != "" {
			p.cfg.meter().Failover(string(s.Assignment.Group), why)
		}
		if s.Why != "" {
			p.cfg.Log.Info("group assigned", "group", s.Assignment.Group, "targets", s.Assignment.Targets, "version", s.Assignment.Version, "why", s.Why)
		}
	}
	return nil
}

// unasked says why an assignment takes a group off a node that nobody asked it to leave; "" when it does not.
func unasked(snap Snapshot, next model.Assignment) string {
	for _, old := range snap.State.Assignments {
		if old.Group != next.Group || slices.Equal(old.Targets, next.Targets) {
			continue
		}
		if len(next.Failures) > len(old.Failures) {
			return next.Failures[len(next.Failures)-1].Kind
		}
		for _, t := range old.Targets {
			if m, ok := snap.Record.Member(t.Node); !ok || m.Incarnation != t.Incarnation {
				return "node-lost"
			}
		}
	}
	return ""
}

// BuildState completes what the repository says with what the membership knows: who is a member, which removed incarnations may still run something.
func BuildState(snap Snapshot, view membership.View, now time.Time) model.State {
	s := snap.State
	s.Now = now
	rec := view.Record
	if rec == nil {
		return s
	}
	s.Basis.Epoch, s.Formation = rec.Epoch, rec.Formation
	nodes := make([]model.NodeState, len(s.Nodes))
	for i, n := range s.Nodes {
		nodes[i] = model.NodeState{Node: n.Node}
		if m, ok := rec.Member(n.Name); ok {
			nodes[i].Member, nodes[i].Incarnation, nodes[i].Since = true, m.Incarnation, m.Since
		}
	}
	for _, m := range rec.Members {
		// A member whose record can not be read runs what it runs: were it left out, its groups would start elsewhere.
		if i, ok := slices.BinarySearchFunc(nodes, m.Node, func(n model.NodeState, name cluster.NodeName) int { return cmp.Compare(n.Name, name) }); !ok {
			nodes = slices.Insert(nodes, i, model.NodeState{Node: model.Node{Name: m.Node}, Member: true, Incarnation: m.Incarnation, Since: m.Since})
		}
	}
	s.Nodes = nodes
	s.Held = nil
	for _, l := range rec.Leaving {
		if !gone(view, l.Node, l.Incarnation) {
			s.Held = append(s.Held, model.Target{Node: l.Node, Incarnation: l.Incarnation})
		}
	}
	return s
}

func gone(view membership.View, n cluster.NodeName, i cluster.Incarnation) bool {
	for _, g := range view.Gone {
		if g.Node == n && g.Incarnation == i {
			return true
		}
	}
	return false
}
