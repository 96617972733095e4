package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// Fencer confirms that a node is off, by a fence agent. It is asked only for nodes that have one configured, and returns nil only when the machine is certainly off.
type Fencer interface {
	Fence(ctx context.Context, node model.Node) error
}

// noFencer is for nodes that can ask no fence agent.
type noFencer struct{}

func (noFencer) Fence(context.Context, model.Node) error {
	return fault.Errorf(fault.Unsupported, "this node can not ask fence agents")
}

// fencers is what a president does about the leavers that only their fence agents can release. What was confirmed stands in the membership record; what is here is lost with the
// president, and the next one asks again.
type fencers struct {
	fencing Fencing
	runs    map[membership.NodeIncarnation]*fenceRun
	failed  map[membership.NodeIncarnation]model.Fencing // as status shall show it
	ended   chan *fenceRun
}

// fenceRun is one agent at work.
type fenceRun struct {
	who    membership.NodeIncarnation
	agent  string
	err    error // once it has ended
	cancel context.CancelFunc
}

func newFencers() fencers {
	return fencers{runs: map[membership.NodeIncarnation]*fenceRun{}, failed: map[membership.NodeIncarnation]model.Fencing{}, ended: make(chan *fenceRun)}
}

// fence has the agents asked that are due, and what they said written down.
func (p *President) fence(ctx context.Context, snap Snapshot, view membership.View) {
	has := func(n cluster.NodeName) bool {
		node, ok := nodeOf(snap, n)
		// That a record can not be read does not mean that an administrator took the agent away.
		return ok && node.Fence != nil || slices.Contains(snap.Damaged, confdb.KeyNode(n))
	}
	step := p.fencers.fencing.Step(view.Unproven, has, p.cfg.Clock.Boot())
	for _, who := range step.Abandon {
		p.abandon(who)
	}
	for _, who := range step.Begin {
		node, ok := nodeOf(snap, who.Node)
		bounded, cancel := context.WithCancel(ctx)
		run := &fenceRun{who: who, cancel: cancel}
		if ok && node.Fence != nil {
			run.agent = node.Fence.Agent
		}
		p.fencers.runs[who] = run
		p.cfg.Log.Warn("a node was lost and nothing proves that it has ended: its fence agent is asked", "node", who.Node, "incarnation", who.Incarnation, "agent", run.agent)
		go func() {
			if ok {
				run.err = p.fencer.Fence(bounded, node)
			} else {
				run.err = fault.Errorf(fault.Internal, "the record of node %s can not be read, and with it which fence agent it has", who.Node)
			}
			select {
			case p.fencers.ended <- run:
			case <-ctx.Done():
			}
		}()
	}
	for _, ask := range step.Asks {
		if err := p.member.Ask(ctx, ask); err != nil {
			return
		}
	}
	p.tellFencing(ctx, snap, view)
}

// fenceEnded takes in what an agent said, unless nobody wants to know any more.
func (p *President) fenceEnded(run *fenceRun) {
	run.cancel()
	if p.fencers.runs[run.who] != run {
		return
	}
	delete(p.fencers.runs, run.who)
	p.fencers.fencing.Ended(run.who, run.err == nil, p.cfg.Clock.Boot())
	if run.err == nil {
		p.cfg.Log.Warn("the fence agent has confirmed that the node is off; what ran there may start elsewhere", "node", run.who.Node, "incarnation", run.who.Incarnation, "agent", run.agent)
		return
	}
	before, ok := p.fencers.failed[run.who]
	if !ok {
		before, _ = fencingOf(p.source.Snapshot(), run.who) // of the president before
	}
	now := p.cfg.Clock.Wall().UTC().Round(0)
	pause := time.Duration(p.fencers.fencing.Next(run.who) - p.cfg.Clock.Boot())
	p.cfg.Log.Error("the fence agent did not confirm that the node is off; what ran there is not taken over. If you have made sure that it is off, run: redoubt node clear-fence "+string(run.who.Node),
		"node", run.who.Node, "incarnation", run.who.Incarnation, "agent", run.agent, "err", run.err, "again in", pause)
	p.fencers.failed[run.who] = model.Fencing{
		Node: run.who.Node, Incarnation: run.who.Incarnation, Agent: run.agent, By: p.cfg.Node, Attempts: before.Attempts + 1,
		Why: run.err.Error(), At: now, Next: now.Add(pause),
	}
}

// abandon ends an agent whose word is not needed any more: its node is back, or this one is not the president.
func (p *President) abandon(who membership.NodeIncarnation) {
	if run, ok := p.fencers.runs[who]; ok {
		run.cancel()
		delete(p.fencers.runs, who)
		p.cfg.Log.Info("the fence agent is not asked any longer", "node", who.Node, "incarnation", who.Incarnation)
	}
}

// standDown ends all agents: whoever is president now asks anew.
func (p *President) standDown() {
	for who := range p.fencers.runs {
		p.abandon(who)
	}
	clear(p.fencers.failed)
	p.fencers.fencing = Fencing{}
}

// fencingOf is what is written of the agent of a leaver.
func fencingOf(snap Snapshot, who membership.NodeIncarnation) (model.Fencing, bool) {
	for _, f := range snap.Fencings {
		if f.Node == who.Node && f.Incarnation == who.Incarnation {
			return f, true
		}
	}
	return model.Fencing{}, false
}

// tellFencing writes, for status, which agents have failed, and takes away what is over.
func (p *President) tellFencing(ctx context.Context, snap Snapshot, view membership.View) {
	wanted := map[cluster.NodeName]model.Fencing{}
	for _, l := range view.Record.Leaving {
		who := membership.NodeIncarnation{Node: l.Node, Incarnation: l.Incarnation}
		if !l.Fence {
			continue
		}
		if f, ok := p.fencers.failed[who]; ok {
			wanted[l.Node] = f
		} else if f, ok := fencingOf(snap, who); ok {
			wanted[l.Node] = f // of the president before
		}
	}
	for who := range p.fencers.failed {
		if wanted[who.Node].Incarnation != who.Incarnation {
			delete(p.fencers.failed, who)
		}
	}
	compares := []confdb.Compare{{Key: confdb.KeyMembership, Revision: snap.RecordRevision}}
	var ops []confdb.Op
	put := func(n cluster.NodeName, value []byte) {
		key := confdb.PrefixFencing + string(n)
		compares = append(compares, confdb.Compare{Key: key, Revision: snap.Revision(key)})
		ops = append(ops, confdb.Op{Key: key, Value: value})
	}
	for _, old := range snap.Fencings {
		if _, ok := wanted[old.Node]; !ok {
			put(old.Node, nil)
		}
	}
	for n, f := range wanted {
		if old, ok := fencingOf(snap, membership.NodeIncarnation{Node: n, Incarnation: f.Incarnation}); ok && old.By == f.By && old.At.Equal(f.At) {
			continue
		}
		if value, err := confdb.EncodeFor(snap.Schema, confdb.KindFencing, f); err == nil { // otherwise this cluster's schema does not have it
			put(n, value)
		}
	}
	if len(ops) == 0 {
		return
	}
	attempt, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	if _, err := p.store.Txn(attempt, compares, ops); err != nil && !errors.Is(err, context.Canceled) {
		p.cfg.Log.Debug("what the fence agents said could not be written down; trying again", "err", err)
	}
}
