package sim

import (
	"fmt"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
)

// agentRun is a fence agent at work: a process on the president's machine that switches another one off and then says so.
type agentRun struct{ abandoned bool }

// fence is what engine.President does about the leavers that nothing has proven gone.
func (d *daemon) fence() {
	if !d.view.President || !d.mayStart() {
		d.standDown()
		return
	}
	step := d.fencing.Step(d.view.Unproven, func(cluster.NodeName) bool { return true }, d.n.clock())
	for _, who := range step.Abandon {
		d.abandon(who)
	}
	for _, who := range step.Begin {
		d.askAgent(who)
	}
	for _, ask := range step.Asks {
		d.after(0, func(d *daemon) { d.step(membership.Request{Ask: ask}) })
	}
}

func (d *daemon) abandon(who membership.NodeIncarnation) {
	if run := d.agents[who]; run != nil {
		run.abandoned = true
		delete(d.agents, who)
	}
}

func (d *daemon) standDown() {
	for _, x := range d.n.w.nodes {
		for who := range d.agents {
			if who.Node == x.name {
				d.abandon(who)
			}
		}
	}
	d.fencing = engine.Fencing{}
}

// askAgent starts an agent. It may fail, with or without having switched the machine off; it works on when its daemon dies, but then nobody hears what it says.
func (d *daemon) askAgent(who membership.NodeIncarnation) {
	w, run := d.n.w, &agentRun{}
	d.agents[who] = run
	w.stats.Asked++
	w.trace.note(d.n.name, fmt.Sprintf("asks the agent of %s about %v", who.Node, who.Incarnation))
	fails := w.opt.DeadAgents || !w.calm && w.chance(300)
	works := !fails || !w.opt.DeadAgents && w.chance(300)
	d.n.after(w.between(50*time.Millisecond, time.Second), func() {
		if run.abandoned {
			return
		}
		if x := w.byName[who.Node]; works && x.on {
			w.crash(x)
		}
		d.after(w.between(10*time.Millisecond, time.Second), func(d *daemon) {
			if run.abandoned {
				return
			}
			delete(d.agents, who)
			w.trace.note(d.n.name, fmt.Sprintf("the agent of %s confirms: %v", who.Node, !fails))
			d.fencing.Ended(who, !fails, d.n.clock())
			d.plan()
		})
	})
}
