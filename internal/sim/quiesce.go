package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// quiesce is one group quiesce at work in the daemon that was asked: what control does, and then nothing for a while, so that something can go wrong while the group is said to be at rest.
type quiesce struct {
	o     *operator
	d     *daemon
	group cluster.GroupName
	self  model.Quiesce    // as it stands in the group's record
	limit int64            // true time at which it gives up
	since cluster.Revision // of its own suspension
	round int              // of asking
	over  bool
}

const (
	askLimit      = 2 * time.Second // how long a node has to answer
	quiesceLimit  = 8 * time.Second // how long a quiesce waits
	quiesceMargin = 3 * time.Second // after which the president ends it; more than what wall clocks are apart and a write takes
)

// quiesce brings a group to rest; with kill its methods are killed.
func (o *operator) quiesce(g cluster.GroupName, kill bool) {
	d := o.client()
	if d == nil || !d.filled || o.quiescing(g) {
		return
	}
	o.numbers++
	q := &quiesce{o: o, d: d, group: g, limit: o.w.now + int64(quiesceLimit)}
	q.self = model.Quiesce{Node: d.n.name, Session: uint64(d.m.View().Session), Number: o.numbers, Until: d.n.wall().Add(quiesceLimit + quiesceMargin)}
	o.quiesces[g] = q
	o.w.stats.Quiesces++
	o.w.trace.note(d.n.name, fmt.Sprintf("quiesce %s (kill: %v)", g, kill))
	q.suspend(d, func(d *daemon) {
		if kill && !q.kill() {
			q.undo(d)
			return
		}
		q.look(d)
	})
}

// quiescing reports whether a quiesce of a group is going on. One whose daemon has died is over: what it has suspended the president resumes.
func (o *operator) quiescing(g cluster.GroupName) bool {
	q := o.quiesces[g]
	return q != nil && !q.over && !q.d.dead
}

// set begins or ends the suspension by compare-and-swap, as often as somebody else is first. What becomes of it is said with the revision; 0 means that it is so already.
func (q *quiesce) set(d *daemon, suspended bool, then func(*daemon, cluster.Revision, error)) {
	w, key := q.o.w, confdb.KeyGroup(q.group)
	now := d.keys[key]
	g := now.value.(model.Group)
	switch {
	case suspended == g.QuiescedBy(q.self):
		then(d, 0, nil)
		return
	case suspended:
		g.BeginQuiesce(q.self)
	case w.opt.Rude:
		g.Suspended, g.Quiesced = false, model.Quiesced{}
	default:
		g.EndQuiesces(q.self.Same)
	}
	w.store.do(d, &txn{
		compares: map[string]cluster.Revision{key: now.rev}, writes: map[string]any{key: stored(confdb.KindGroup, g)},
		result: func(rev cluster.Revision, err error) {
			if errors.Is(err, errConflict) {
				d.after(50*time.Millisecond, func(d *daemon) { q.set(d, suspended, then) })
				return
			}
			then(d, rev, err)
		},
	})
}

func (q *quiesce) suspend(d *daemon, then func(*daemon)) {
	q.set(d, true, func(d *daemon, rev cluster.Revision, err error) {
		q.since = max(q.since, rev)
		if err != nil {
			q.undo(d) // it may have been written
			return
		}
		then(d)
	})
}

// undo ends the suspension, and is the end.
func (q *quiesce) undo(d *daemon) {
	q.set(d, false, func(_ *daemon, _ cluster.Revision, err error) {
		q.over = true
		q.o.w.trace.note(q.d.n.name, fmt.Sprintf("the quiesce of %s is over: %v", q.group, err))
	})
}

// kill has the methods of the group killed; false: a node could not be asked.
func (q *quiesce) kill() bool {
	w := q.o.w
	for _, i := range check.Instances(q.state(q.d), q.group) {
		n := w.byName[i.Node]
		if !i.MayRun() || !q.member(q.d, i.Node) {
			continue
		}
		if n.daemon == nil || !w.reaches(q.d.n, n) {
			return false
		}
		n.daemon.exec(func(d *daemon) {
			if d.life != nil {
				d.life.step(q.group, life.Asked{Kind: life.AskKill})
			}
		})
	}
	return true
}

func (q *quiesce) state(d *daemon) model.State {
	return engine.BuildState(d.mirror, d.view, d.n.wall())
}

func (q *quiesce) member(d *daemon, n cluster.NodeName) bool {
	s, ok := check.Node(q.state(d), n)
	return ok && s.Member
}

// look asks the nodes of the group once it counts as at rest by what was reported, and looks again otherwise.
func (q *quiesce) look(d *daemon) {
	s := q.state(d)
	g, _ := check.Group(s, q.group)
	switch {
	case q.o.w.now >= q.limit:
		q.undo(d)
		return
	case s.Basis.Revision < q.since:
	case !g.QuiescedBy(q.self):
		q.suspend(d, q.look)
		return
	case check.Unrest(s, q.group) == "":
		q.ask(d, s, slices.DeleteFunc(slices.Clone(g.Nodelist), func(n cluster.NodeName) bool { return !q.member(d, n) }))
		return
	}
	q.again(d)
}

func (q *quiesce) again(d *daemon) {
	q.round++
	d.after(q.o.w.between(20*time.Millisecond, 100*time.Millisecond), q.look)
}

// ask asks one node after the other whether the group rests there. When all have said so the group must still be suspended by the same record.
func (q *quiesce) ask(d *daemon, s model.State, left []cluster.NodeName) {
	w := q.o.w
	q.round++
	round := q.round
	d.after(askLimit, func(d *daemon) {
		if q.round == round {
			q.again(d)
		}
	})
	if len(left) == 0 {
		q.confirm(d, s)
		return
	}
	n := w.byName[left[0]]
	answer := func(rests bool) {
		w.after(w.between(200*time.Microsecond, 3*time.Millisecond), func() {
			d.exec(func(d *daemon) {
				switch {
				case q.round != round || !w.reaches(n, d.n):
				case rests:
					q.ask(d, s, left[1:])
				default:
					q.again(d)
				}
			})
		})
	}
	w.after(w.between(200*time.Microsecond, 3*time.Millisecond), func() {
		if n.daemon != nil && w.reaches(d.n, n) {
			n.daemon.exec(func(o *daemon) { o.rests(q.group, s.Basis.Revision, w.now+int64(askLimit), answer) })
		}
	})
}

// rests answers, once this node has read what the one that asks has read, whether nothing of a group runs or is on its way here.
func (d *daemon) rests(g cluster.GroupName, since cluster.Revision, until int64, answer func(bool)) {
	if d.mirror.State.Basis.Revision < since && !d.n.w.opt.Hasty {
		if d.n.w.now < until {
			d.after(10*time.Millisecond, func(d *daemon) { d.rests(g, since, until, answer) })
		}
		return
	}
	if d.life == nil {
		answer(true)
		return
	}
	run := d.life.groups[g]
	answer(run == nil || len(run.running) == 0 && run.life.Rests())
}

func (q *quiesce) confirm(d *daemon, s model.State) {
	w, key, round := q.o.w, confdb.KeyGroup(q.group), q.round
	known := w.store.log[s.Basis.Revision-1].keys[key].rev
	w.store.do(d, &txn{result: func(rev cluster.Revision, err error) {
		switch {
		case q.round != round:
		case err != nil || w.store.log[rev-1].keys[key].rev != known:
			q.again(d)
		default:
			q.round++
			w.rested(q.group, s)
			d.after(w.between(0, 2*time.Second), q.undo)
		}
	}})
}

// resting is a group of which quiesce has said that it is at rest.
type resting struct {
	lives map[cluster.NodeName]cluster.Incarnation // that were in the cluster then, or may have gone on running
	waits bool                                     // it waits for what others do: that is rest, and ends when they have done it
}

// rested notes that a group is said to be at rest as of a reading, unless somebody has asked for something of it since.
func (w *World) rested(g cluster.GroupName, s model.State) {
	for key, e := range w.store.keys {
		if e.rev > s.Basis.Revision && w.stirs(key, g) {
			return
		}
	}
	w.stats.Rested++
	w.trace.note("", fmt.Sprintf("group %s is said to be at rest", g))
	r := &resting{lives: map[cluster.NodeName]cluster.Incarnation{}}
	for _, n := range s.Nodes {
		if n.Member {
			r.lives[n.Name] = n.Incarnation
		}
	}
	for _, t := range s.Held {
		if _, again := r.lives[t.Node]; !again {
			r.lives[t.Node] = t.Incarnation
		}
	}
	for _, n := range w.nodes {
		if n.daemon == nil || n.daemon.life == nil || n.daemon.life.groups[g] == nil {
			continue
		}
		is := n.daemon.life.groups[g].life.Instance().State
		r.waits = r.waits || is != model.GroupOnline && is != model.GroupOffline && w.tiedUp(s, g)
	}
	w.resting[g] = r
}

// tiedUp reports whether the methods of a group may wait for another group.
func (w *World) tiedUp(s model.State, name cluster.GroupName) bool {
	if g, _ := check.Group(s, name); len(g.Dependencies) > 0 {
		return true
	}
	for _, r := range check.ResourcesOf(s, name) {
		for _, d := range r.Dependencies {
			if on, ok := check.Resource(s, d.On); ok && on.Group != name {
				return true
			}
		}
	}
	return false
}

// stirs reports whether a record is one in which people ask for something that may concern a group, or resume it.
func (w *World) stirs(key string, g cluster.GroupName) bool {
	if key == confdb.KeyGroup(g) || key == confdb.KeyWant(g) {
		return true
	}
	for _, r := range w.op.resources {
		if r.Group == g && key == confdb.KeyResource(r.Name) {
			return true
		}
	}
	return slices.ContainsFunc(w.nodes, func(n *node) bool { return key == confdb.KeyNode(n.name) })
}

// stir ends the rest of the groups that people have asked something of.
func (w *World) stir(key string) {
	for _, g := range w.op.groups {
		if w.resting[g.Name] != nil && w.stirs(key, g.Name) {
			delete(w.resting, g.Name)
		}
	}
}

// keepsStill is invariant I7 on a node: of a group that quiesce said to be at rest no method begins, and nothing is on its way, in a life that was there then. What goes down may do so where a node leaves, or is
// removed and does not know that its services end.
func (l *lifetime) keepsStill(g cluster.GroupName, down bool, what string) {
	w := l.d.n.w
	r := w.resting[g]
	if r == nil || r.waits || r.lives[l.d.n.name] != l.guard.inc {
		return
	}
	if m, ok := w.store.log[len(w.store.log)-1].snap.Record.Member(l.d.n.name); down && (l.drain || !ok || m.Incarnation != l.guard.inc) {
		return
	}
	l.d.n.w.violated("I7", "%s: %s, though quiesce has said that group %s is at rest", l.d.n.name, what, g)
}

// staysStill is invariant I7 in what the president writes: a group that quiesce said to be at rest is ordered nowhere else.
func (w *World) staysStill(old, a model.Assignment) {
	if w.resting[a.Group] == nil {
		return
	}
	for _, t := range a.Targets {
		if !slices.Contains(old.Targets, t) {
			w.violated("I7", "group %s is ordered on %s, though quiesce has said that it is at rest", a.Group, t.Node)
		}
	}
}

// unquieted says which quiesce has not come to its end in a cluster in which nothing fails any more.
func (o *operator) unquieted() string {
	for _, g := range o.groups {
		if o.quiescing(g.Name) {
			return fmt.Sprintf("the quiesce of group %s goes on: %q", g.Name, check.Unrest(o.quiesces[g.Name].state(o.quiesces[g.Name].d), g.Name))
		}
		if now := o.w.store.keys[confdb.KeyGroup(g.Name)].value.(model.Group); len(now.Quiesced.By) > 0 {
			return fmt.Sprintf("group %s stays suspended by quiesces that are over: %+v", g.Name, now.Quiesced.By)
		}
	}
	return ""
}

// unquiet is a quiesce that comes just when a group is told to move while a node is behind, or has to move while what the president writes may come late.
func (w *World) unquiet() {
	g := w.op.groups[w.rng.IntN(len(w.op.groups))]
	n := w.byName[g.Nodelist[w.rng.IntN(len(g.Nodelist))]]
	n.lag = w.between(200*time.Millisecond, 1500*time.Millisecond)
	w.after(2*time.Second, func() { n.lag = 0 })
	switch w.rng.IntN(4) {
	case 0:
		w.op.want(g.Name, model.Want{Online: true, Nodes: []cluster.NodeName{n.name}})
	case 1:
		w.op.want(g.Name, model.Want{Online: true, Remaster: true})
	case 2:
		w.remove(w.busy())
	case 3: // it follows another group
		n.lag, w.store.late = 0, 500
		w.after(time.Second, func() { w.store.late = 0 })
		for _, x := range w.op.groups {
			if len(x.Affinities) > 0 && x.Affinities[0].Kind.Strong() {
				g = x
				w.op.want(x.Affinities[0].Target, model.Want{Online: true, Nodes: []cluster.NodeName{x.Nodelist[w.rng.IntN(len(x.Nodelist))]}})
				break
			}
		}
	}
	w.after(w.between(0, 300*time.Millisecond), func() {
		w.op.quiesce(g.Name, w.chance(300))
		if q := w.op.quiesces[g.Name]; q != nil && !w.calm && w.chance(300) {
			w.after(w.between(0, time.Second), func() {
				if w.op.quiescing(g.Name) {
					q.d.n.killDaemon(w.between(5*time.Millisecond, time.Second))
				}
			})
		}
		if w.chance(300) {
			w.after(w.between(0, time.Second), func() { w.op.suspend(g.Name, w.chance(700)) })
		}
	})
	w.pause = w.now + int64(w.between(200*time.Millisecond, 1500*time.Millisecond))
}

// suspend is an administrator who suspends or resumes a group.
func (o *operator) suspend(g cluster.GroupName, suspended bool) {
	o.setGroup(g, func(g *model.Group) { g.SuspendByHand(suspended) })
}

// keepsWord is the other half of I7: what administrators have said of a suspension is changed by administrators only.
func (w *World) keepsWord(t *txn, old, g model.Group) {
	if !t.people && old.Name != "" && old.SuspendedByHand() != g.SuspendedByHand() {
		w.violated("I7", "group %s was suspended by an administrator: %v, and is now: %v, though none has said so", g.Name, old.SuspendedByHand(), g.SuspendedByHand())
	}
}
