package sim

import (
	"fmt"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
)

// chaos draws one fault after the other until the operator calls for calm.
func (w *World) chaos() {
	if w.calm {
		return
	}
	if w.now >= w.pause {
		w.fault()
	}
	w.after(w.between(20*time.Millisecond, 500*time.Millisecond), w.chaos)
}

// victim is a node that runs.
func (w *World) victim() *node { return w.nodes[w.rng.IntN(len(w.nodes))] }

// busy is a node on which something runs, if there is one.
func (w *World) busy() *node {
	start := w.rng.IntN(len(w.nodes))
	for i := range w.nodes {
		if n := w.nodes[(start+i)%len(w.nodes)]; len(n.procs) > 0 {
			return n
		}
	}
	return w.nodes[start]
}

// span is how long a fault lasts: mostly about as long as a lease, sometimes much longer.
func (w *World) span() time.Duration {
	if w.chance(700) {
		return w.between(100*time.Millisecond, 1200*time.Millisecond)
	}
	return w.between(time.Second, 4*time.Second)
}

func (w *World) fault() {
	if w.opt.Bias != BiasNone && w.chance(600) {
		w.biased()
		return
	}
	if w.scalable && w.chance(150) {
		w.op.setResource(shop, func(r *model.Resource) { r.Properties = w.shopProperties() })
		return
	}
	switch k := w.rng.IntN(100); {
	case k < 12:
		w.isolate(w.busy(), w.span())
	case k < 17:
		w.estrange(w.busy(), w.span())
	case k < 18:
		w.remove(w.busy())
	case k < 26:
		w.partition(w.span())
	case k < 32:
		w.weather(w.span())
	case k < 42:
		if d := w.victim().daemon; d != nil {
			d.pause(w.span())
		}
	case k < 46:
		w.victim().freeze(w.span())
	case k < 52:
		n := w.victim()
		if w.chance(200) {
			w.store.wipe(n)
		}
		n.killDaemon(w.between(50*time.Millisecond, 1500*time.Millisecond))
	case k < 56:
		if g := w.busy().guard; g != nil {
			g.crash()
		}
	case k < 59:
		n := w.busy()
		if n.guard != nil {
			n.guard.crash()
		}
		n.killDaemon(w.between(50*time.Millisecond, 1500*time.Millisecond))
	case k < 63:
		w.crash(w.victim())
	case k < 68:
		w.op.planned(w.victim(), 3*time.Second, w.between(50*time.Millisecond, 1500*time.Millisecond))
	case k < 71:
		t := w.timing()
		w.trace.note("", fmt.Sprintf("operator: timing %+v", t))
		w.op.ask(membership.AskTiming{Timing: t})
	case k < 74:
		w.op.leave(w.victim())
	case k < 80:
		w.lateness(w.span())
	case k < 86:
		w.sickness(w.span())
	case k < 90:
		w.death()
	default:
		w.edit()
	}
}

// biased is a fault that a planted mistake needs.
func (w *World) biased() {
	switch w.opt.Bias {
	case BiasRestarts:
		n := w.busy()
		n.lag = time.Second
		w.after(time.Second, func() { n.lag = 0 })
		w.remove(n)
		w.after(w.between(0, 60*time.Millisecond), func() {
			for _, v := range w.nodes {
				if v != n && !w.calm && w.chance(700) {
					v.killDaemon(w.between(5*time.Millisecond, 50*time.Millisecond))
				}
			}
		})
	case BiasLate:
		n := w.busy()
		w.lateness(w.between(time.Second, 2*time.Second))
		n.lag = 2 * time.Second
		w.isolate(n, w.between(480*time.Millisecond, 900*time.Millisecond))
	case BiasCuts:
		if w.chance(300) {
			w.remove(w.busy())
		}
		w.isolate(w.busy(), w.between(450*time.Millisecond, 1500*time.Millisecond))
	case BiasFreeze:
		w.busy().freeze(w.between(400*time.Millisecond, 5*time.Second))
	case BiasQuiesce:
		w.unquiet()
	case BiasRotate:
		w.rotate(w.busy())
		w.pause = w.now + int64(1800*time.Millisecond)
	case BiasDelay:
		n := w.busy()
		w.pause = w.now + int64(1500*time.Millisecond)
		n.inbound = w.between(200*time.Millisecond, 400*time.Millisecond)
		w.after(500*time.Millisecond, func() { w.cutOff(n, 2, -1, time.Second) })
		w.after(1500*time.Millisecond, func() { n.inbound = 0 })
	}
}

// rotate takes a node out of the cluster by force without its hearing of it, and lets one half of the others hear it first, then the other half, which by then
// does not hear the first.
func (w *World) rotate(n *node) {
	var a, b []*node
	for i, k := range w.rng.Perm(len(w.nodes)) {
		switch o := w.nodes[k]; {
		case o == n:
		case i%2 == 0:
			a = append(a, o)
		default:
			b = append(b, o)
		}
	}
	n.lag = 5 * time.Second
	w.after(2*time.Second, func() { n.lag = 0 })
	w.remove(n)
	hold := w.store.log[len(w.store.log)-1].snap.Record.Timing.Timeout + 30*time.Millisecond
	w.after(0, func() { w.apart([]*node{n}, b, hold) })
	w.after(hold-time.Millisecond, func() { w.apart(a, b, time.Second) })
	w.after(hold+w.between(100*time.Millisecond, 200*time.Millisecond), func() { w.apart([]*node{n}, a, time.Second) })
}

// apart cuts two sets of nodes off from each other.
func (w *World) apart(as, bs []*node, span time.Duration) {
	if w.calm {
		return
	}
	var links []link
	for _, a := range as {
		for _, b := range bs {
			for p := range paths {
				links = append(links, link{a.index, b.index, p}, link{b.index, a.index, p})
			}
		}
	}
	w.trace.note("", fmt.Sprintf("%d nodes are cut off from %d others for %v", len(as), len(bs), span))
	w.after(span, w.sever(links))
}

// isolate cuts one node off: in both directions or one, on one path or all.
func (w *World) isolate(n *node, span time.Duration) {
	dir, only := w.rng.IntN(4), -1
	if w.chance(200) {
		only = w.rng.IntN(paths)
	}
	w.cutOff(n, dir, only, span)
}

// cutOff cuts what a node receives (dir 1), what it sends (dir 2), or both, on one path or on all (only -1).
func (w *World) cutOff(n *node, dir, only int, span time.Duration) {
	if w.calm {
		return
	}
	var links []link
	for _, o := range w.nodes {
		for p := range paths {
			if o == n || only >= 0 && p != only {
				continue
			}
			if dir != 1 {
				links = append(links, link{n.index, o.index, p})
			}
			if dir != 2 {
				links = append(links, link{o.index, n.index, p})
			}
		}
	}
	w.trace.note(n.name, fmt.Sprintf("is cut off for %v (direction %d, path %d)", span, dir, only))
	w.after(span, w.sever(links))
}

// estrange cuts one node off from some of the others.
func (w *World) estrange(n *node, span time.Duration) {
	var links []link
	for _, o := range w.nodes {
		if o == n || w.chance(500) {
			continue
		}
		for p := range paths {
			links = append(links, link{n.index, o.index, p}, link{o.index, n.index, p})
		}
	}
	w.trace.note(n.name, fmt.Sprintf("is cut off from some for %v", span))
	w.after(span, w.sever(links))
}

// remove is an administrator who takes a living node out of the cluster by force.
func (w *World) remove(n *node) {
	w.trace.note(n.name, "is to be removed by force")
	w.op.ask(membership.AskRemove{Node: n.name, Why: "an administrator removed it"})
}

// partition splits the cluster in two.
func (w *World) partition(span time.Duration) {
	side := make([]bool, len(w.nodes))
	for i := range side {
		side[i] = w.chance(500)
	}
	oneWay := w.chance(300)
	var links []link
	for i := range w.nodes {
		for j := range w.nodes {
			for p := range paths {
				if side[i] != side[j] && (!oneWay || side[i]) {
					links = append(links, link{i, j, p})
				}
			}
		}
	}
	w.trace.note("", fmt.Sprintf("partition %v for %v (one way: %v)", side, span, oneWay))
	w.after(span, w.sever(links))
}

// weather makes the network lose, delay and double.
func (w *World) weather(span time.Duration) {
	w.net.loss, w.net.slow, w.net.double = w.rng.IntN(400), w.between(0, 150*time.Millisecond), w.rng.IntN(200)
	n := w.victim()
	n.inbound = w.between(0, 300*time.Millisecond)
	w.trace.note("", fmt.Sprintf("weather: loss %d, delay up to %v, to %s up to %v", w.net.loss, w.net.slow, n.name, n.inbound))
	w.after(span, func() { w.net.loss, w.net.slow, w.net.double, n.inbound = 0, 0, 0, 0 })
}

func (w *World) crash(n *node) {
	n.powerOff()
	w.after(w.between(300*time.Millisecond, 3*time.Second), n.powerOn)
}

// lateness makes the repository slow, its answers lost, or a node's view of it old.
func (w *World) lateness(span time.Duration) {
	n := w.victim()
	w.store.slow, w.store.lost, w.store.late = w.between(0, 300*time.Millisecond), w.rng.IntN(200), w.rng.IntN(200)
	n.lag = w.between(0, 1500*time.Millisecond)
	w.trace.note("", fmt.Sprintf("repository: slow %v, lost %d, late %d, %s lags %v", w.store.slow, w.store.lost, w.store.late, n.name, n.lag))
	w.after(span, func() { w.store.slow, w.store.lost, w.store.late, n.lag = 0, 0, 0, 0 })
}

// sickness makes methods fail and hang.
func (w *World) sickness(span time.Duration) {
	w.mood = mood{fail: w.rng.IntN(400), hang: w.rng.IntN(100), slow: w.between(0, 800*time.Millisecond)}
	w.trace.note("", fmt.Sprintf("methods: fail %d, hang %d, up to %v slower", w.mood.fail, w.mood.hang, w.mood.slow))
	w.after(span, func() { w.mood = mood{} })
}

// death ends a service's processes.
func (w *World) death() {
	n := w.busy()
	d := n.daemon
	if d == nil || d.life == nil {
		return
	}
	for _, r := range w.op.resources {
		p, g := n.procs[r.Name], d.life.groups[r.Group]
		if p == nil || !p.up || g == nil || !g.watched[r.Name] {
			continue
		}
		w.trace.note(n.name, string(r.Name)+" dies")
		l := d.life
		d.exec(func(*daemon) { l.observe(r) })
		return
	}
}

// edit is something that an administrator does.
func (w *World) edit() {
	g := w.op.groups[w.rng.IntN(len(w.op.groups))]
	r := w.op.resources[w.rng.IntN(len(w.op.resources))]
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	for n.server {
		n = w.nodes[w.rng.IntN(len(w.nodes))]
	}
	switch w.rng.IntN(14) {
	case 0, 1, 2:
		w.op.want(g.Name, model.Want{Online: true, Nodes: g.Nodelist[:1+w.rng.IntN(min(g.MaximumPrimaries, len(g.Nodelist)))]})
	case 3:
		w.op.want(g.Name, model.Want{Online: true, Remaster: true})
	case 4:
		w.op.want(g.Name, model.Want{})
	case 5:
		w.op.want(g.Name, model.Want{Restart: true})
	case 6:
		w.op.evacuate(n)
	case 7:
		w.op.suspend(g.Name, true)
		w.after(w.span(), func() { w.op.suspend(g.Name, false) })
	case 8:
		w.op.setResource(r.Name, func(r *model.Resource) { r.Enabled = false; r.Generation++ })
		w.after(w.span(), func() { w.op.setResource(r.Name, func(r *model.Resource) { r.Enabled = true; r.Generation++ }) })
	case 9:
		w.op.want(g.Name, model.Want{Nodes: []cluster.NodeName{n.name}})
	case 10, 11, 12:
		w.op.quiesce(g.Name, w.chance(400))
	case 13:
		w.op.suspend(g.Name, false)
	}
}
