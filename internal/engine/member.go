package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
)

// Machine is what the membership loop drives; *membership.Machine implements it.
type Machine interface {
	Step(now membership.Instant, ev membership.Event) []membership.Effect
	Deadline() membership.Instant
	View() membership.View
}

// Member is the membership loop. It owns the machine: everything that happens to it passes through a queue, which is worked off by one goroutine at a time. That is
// the one that has put something in, whenever it can be: a heartbeat is judged and answered by whoever read it, without waking anybody.
type Member struct {
	cfg       Config
	machine   Machine
	transport Transport
	guard     Guard
	store     confdb.Store

	events chan timed
	wake   chan struct{} // the queue was filled past its worker

	work  sync.Mutex // held by the worker; what follows is his
	armed membership.Instant
	timer *time.Timer
	ctx   context.Context // of Run; nil before it: nothing is worked off yet

	revisions map[cluster.Epoch]cluster.Revision // at which revision the newest records stood
	level     int                                // of the schema, at which the newest record stands and the next will
	viewed    membership.Instant                 // when view was taken

	view     atomic.Pointer[membership.View]
	watchers watchers
}

// timed is an event with the instant at which it happened, or something else to do between two steps.
type timed struct {
	at       membership.Instant
	ev       membership.Event
	revision cluster.Revision // at which an applied record stood
	level    int              // of the schema, of an applied record
	do       func()
}

// proposalDeadline bounds one attempt to commit a record: an attempt that hangs at a dead leader must not hold up the next.
const proposalDeadline = 2 * time.Second

// viewAge is how old a view may become although nothing has changed: it says when each node was last heard. A lease that was prolonged for long brings
// no news of its own.
const viewAge = 100 * time.Millisecond

// NewMember returns the loop; Run starts it.
func NewMember(cfg Config, machine Machine, transport Transport, guard Guard, store confdb.Store) *Member {
	m := &Member{cfg: cfg, machine: machine, transport: transport, guard: guard, store: store, events: make(chan timed, 1024), wake: make(chan struct{}, 1), revisions: map[cluster.Epoch]cluster.Revision{}}
	v := machine.View()
	m.view.Store(&v)
	return m
}

// Ask hands a request to the machine, which grants it when this node is the president and the time has come.
func (m *Member) Ask(ctx context.Context, ask membership.Ask) error {
	return m.put(ctx, timed{at: m.cfg.Clock.Boot(), ev: membership.Request{Ask: ask}})
}

// Do runs f between two steps of the machine: the way to tell the machine who it is. It returns when f has returned.
func (m *Member) Do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	if err := m.put(ctx, timed{do: func() { f(); close(done) }}); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Deliver hands an event to the machine: a message as it arrives, a request. It drops messages when the queue is a thousand events long, as a network would,
// and never waits.
func (m *Member) Deliver(at membership.Instant, ev membership.Event) {
	select {
	case m.events <- timed{at: at, ev: ev}:
		m.pump()
	default:
	}
}

// put hands over what must not be lost.
func (m *Member) put(ctx context.Context, e timed) error {
	select {
	case m.events <- e:
		m.pump()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// View returns the newest view. It is shared: do not change it.
func (m *Member) View() membership.View { return *m.view.Load() }

// MayStart reports whether this node may start services at this moment: it is a member and its lease has not ended.
func (m *Member) MayStart() bool {
	v := m.View()
	return v.IsMember && m.cfg.Clock.Boot() < v.LeaseEnd
}

// Subscribe returns a channel that gets a token after each change of the view, until ctx ends; tokens do not pile up.
func (m *Member) Subscribe(ctx context.Context) <-chan struct{} { return m.watchers.subscribe(ctx) }

// Run drives the machine until ctx ends.
func (m *Member) Run(ctx context.Context) error {
	m.follow(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	m.work.Lock()
	m.ctx, m.timer = ctx, timer
	m.work.Unlock()
	defer func() {
		m.work.Lock()
		m.ctx = nil
		m.work.Unlock()
	}()
	for {
		tick := false
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-m.wake:
		case <-timer.C:
			tick = true
		}
		m.work.Lock()
		m.drain(tick)
		m.work.Unlock()
	}
}

// pump works the queue off, unless somebody else is at it: then the loop looks after him.
func (m *Member) pump() {
	for len(m.events) > 0 {
		if !m.work.TryLock() {
			select {
			case m.wake <- struct{}{}:
			default:
			}
			return
		}
		up := m.drain(false)
		m.work.Unlock()
		if !up {
			return
		}
	}
}

// drain is a worker's turn: what is in the queue, and the deadline if it has come. False: there is no loop to work for.
func (m *Member) drain(tick bool) (up bool) {
	if m.ctx == nil || m.ctx.Err() != nil {
		return false
	}
	for more := true; more; {
		select {
		case e := <-m.events:
			if e.do != nil {
				e.do()
				e.at, e.ev = m.cfg.Clock.Boot(), membership.Tick{}
			}
			m.remember(e)
			m.step(m.ctx, e.at, e.ev)
		default:
			more = false
		}
	}
	now := m.cfg.Clock.Boot()
	if tick {
		m.step(m.ctx, now, membership.Tick{})
	}
	// A deadline that has moved away is waited for all the same: a tick too many costs less than to set the timer with every heartbeat.
	if d := m.machine.Deadline(); d < m.armed || m.armed <= now {
		m.armed = d
		m.timer.Reset(max(time.Duration(d-now), 0))
	}
	return true
}

// remember keeps at which revision a record stood: a proposal compares exactly that, so that it can replace no other record than its basis.
func (m *Member) remember(e timed) {
	applied, ok := e.ev.(membership.Applied)
	if !ok || e.revision == 0 {
		return
	}
	epoch := applied.Record.Epoch
	m.revisions[epoch], m.level = e.revision, max(m.level, e.level)
	for old := range m.revisions {
		if old+8 < epoch {
			delete(m.revisions, old)
		}
	}
}

// step runs the machine once and carries out what it wants, in order.
func (m *Member) step(ctx context.Context, at membership.Instant, ev membership.Event) {
	changed, leased := false, false
	for _, eff := range m.machine.Step(at, ev) {
		switch eff := eff.(type) {
		case membership.Send:
			m.transport.Send(eff.To, eff.Msg)
		case membership.Lease:
			if err := m.guard.Lease(eff.Until); err != nil {
				m.cfg.Log.Error("the guard did not take the lease; nothing is started on it", "err", err)
				continue
			}
			leased = true
		case membership.Propose:
			go m.propose(ctx, eff, m.revisions[eff.Basis], m.level)
		case membership.ViewChanged:
			changed = true
		case membership.Notice:
			m.notice(eff)
		}
	}
	if changed || leased || at-m.viewed >= membership.Instant(viewAge) {
		v := m.machine.View()
		m.view.Store(&v)
		m.viewed = at
	}
	if changed {
		m.watchers.tell()
	}
}

func (m *Member) notice(n membership.Notice) {
	args := []any{"node", n.Node}
	if n.Path >= 0 {
		args = append(args, "path", n.Path)
	}
	switch n.Level {
	case "error":
		m.cfg.Log.Error(n.Text, args...)
	case "warn":
		m.cfg.Log.Warn(n.Text, args...)
	default:
		m.cfg.Log.Info(n.Text, args...)
	}
}

// propose replaces the record by compare-and-swap on the revision at which its basis stood.
func (m *Member) propose(ctx context.Context, p membership.Propose, basis cluster.Revision, level int) {
	attempt, cancel := context.WithTimeout(ctx, proposalDeadline)
	defer cancel()
	err := m.commit(attempt, p, basis, level)
	if err != nil {
		m.cfg.Log.Debug("the next membership record was not committed", "epoch", p.Record.Epoch, "err", err)
	}
	_ = m.put(ctx, timed{at: m.cfg.Clock.Boot(), ev: membership.ProposalDone{OK: err == nil}})
}

func (m *Member) commit(ctx context.Context, p membership.Propose, basis cluster.Revision, level int) error {
	if basis == 0 {
		return fault.Errorf(fault.Conflict, "membership record %d is not the one this node has read", p.Basis)
	}
	value, err := confdb.EncodeFor(level, confdb.KindMembership, p.Record)
	if err != nil {
		return err
	}
	_, err = m.store.Txn(ctx, []confdb.Compare{{Key: confdb.KeyMembership, Revision: basis}}, []confdb.Op{{Key: confdb.KeyMembership, Value: value}})
	return err
}

// follow turns the watch of the record into Applied events: the first one, after a linearizable read, says so.
func (m *Member) follow(ctx context.Context) {
	deliver := func(e confdb.Entry, linearizable bool) {
		rec, err := confdb.Decode[membership.Record](confdb.KindMembership, e.Key, e.Value)
		if err != nil {
			m.cfg.Log.Error("the membership record cannot be read: this node is no member", "err", err)
			return
		}
		_ = m.put(ctx, timed{at: m.cfg.Clock.Boot(), ev: membership.Applied{Record: &rec, Linearizable: linearizable}, revision: e.ModRevision, level: confdb.LevelOf(e.Value)})
	}
	go func() {
		m.firstRead(ctx, deliver)
		for ch := range m.store.Watch(ctx, confdb.KeyMembership) {
			entries := ch.Entries
			if ch.Reset != nil {
				entries = ch.Reset.Entries
			}
			for _, e := range entries {
				if e.Key == confdb.KeyMembership && e.Value != nil {
					deliver(e, false)
				}
			}
		}
	}()
}

// firstRead retries the linearizable read that a starting voter owes before it answers anybody.
func (m *Member) firstRead(ctx context.Context, deliver func(confdb.Entry, bool)) {
	for !ended(ctx) {
		e, err := m.store.Get(ctx, confdb.KeyMembership)
		if err == nil && e.ModRevision != 0 {
			deliver(e, true)
			return
		}
		if err != nil {
			m.cfg.Log.Debug("reading the membership record", "err", err)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
