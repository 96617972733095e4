package control

import (
	"context"
	"crypto/subtle"
	"net/netip"
	"slices"
	"sync"
	"time"

	"redoubt/internal/admission"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
)

// guests is what this node remembers of those who come by sessions: when each was here last, which is not written into the repository with every request, and which networks showed tokens
// that are none. The zero value is ready.
type guests struct {
	mu     sync.Mutex
	of     map[string]guest // by the identifier of the session
	limits admission.Limits
}

type guest struct {
	used  time.Time
	wrote time.Time    // when its use was written down from here, or that was tried
	from  netip.Prefix // from where it was used last
}

// noteLimit is how long a request waits until the use of its session is written down.
const noteLimit = time.Second

// locked says why a network is not heard: too many tokens came from it that are none. A session that was used from it before goes on, so that whoever guesses behind the same address does
// not end it; guessing its token is as hard as any.
func (g *guests) locked(from netip.Addr, known string, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := g.limits.Locked(from, now)
	if wait == 0 {
		return nil
	}
	if last, ok := g.of[known]; ok && last.from == admission.Network(from) {
		return nil
	}
	return fault.Errorf(fault.Denied, "too many requests without a certificate or session that counts came from %s: no session is looked at from there for %v", admission.Network(from), wait.Round(time.Second))
}

// failed counts a request from a network that showed nothing that counts, and reports for how long the network is locked out by it.
func (g *guests) failed(from netip.Addr, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limits.Locked(from, now) > 0 {
		return 0
	}
	return g.limits.Failed(from, now)
}

// last is when a session was used last here.
func (g *guests) last(id string) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.of[id].used
}

// use notes that a session is used, and reports whether it is time to write that down. What is no session any more is forgotten on the occasion.
func (g *guests) use(s rbac.Session, from netip.Addr, now time.Time, all []rbac.Session) (due bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil {
		g.of = map[string]guest{}
	}
	if len(g.of) > 2*len(all)+rbac.MaxUserSessions {
		for id := range g.of {
			if !slices.ContainsFunc(all, func(s rbac.Session) bool { return s.ID == id }) {
				delete(g.of, id)
			}
		}
	}
	x := g.of[s.ID]
	x.used, x.from = now, admission.Network(from)
	if due = s.Due(now) && now.Sub(x.wrote) >= s.IdleTime()/8; due {
		x.wrote = now
	}
	g.of[s.ID] = x
	return due
}

// sessionOf finds the session of a token. How long that takes says nothing of the tokens there are: each is compared, and whole.
func sessionOf(all []rbac.Session, token string) (found rbac.Session, ok bool) {
	hash := rbac.TokenHash(token)
	at := -1
	for i, s := range all {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(s.Hash, hash[:]), i, at)
	}
	if at < 0 {
		return rbac.Session{}, false
	}
	return all[at], true
}

func sessionByID(snap engine.Snapshot, id string) (rbac.Session, bool) {
	i := slices.IndexFunc(snap.Sessions, func(s rbac.Session) bool { return s.ID == id })
	if i < 0 || id == "" {
		return rbac.Session{}, false
	}
	return snap.Sessions[i], true
}

// InSession is the caller who shows the token of a session, from an address of the network. He is who the session says while it lasts; what he may do is looked at with each operation.
func (c *Control) InSession(ctx context.Context, from netip.Addr, token string) (Caller, error) {
	nobody, now := Caller{Kind: CallerNone, From: from}, c.cfg.Clock.Wall()
	r := c.running.Load()
	if r == nil {
		return nobody, fault.Errorf(fault.Denied, "a session was shown, but this node is in no cluster")
	}
	if err := current(r); err != nil {
		return nobody, err
	}
	snap := r.Source.Snapshot()
	if on, _ := snap.State.Cluster.SessionRule(); !on {
		return nobody, errSessionsOff()
	}
	s, found := sessionOf(snap.Sessions, token)
	if err := c.guests.locked(from, s.ID, now); err != nil {
		return nobody, err
	}
	if !found {
		c.Missed(from)
		return nobody, fault.Errorf(fault.Denied, "there is no session of this token, or it was closed; open one with `redoubt session open` on a node, or over the network with a certificate")
	}
	who := Caller{Kind: CallerSession, User: s.User, Session: s.ID, From: from}
	if err := c.sessionCounts(r, snap, who); err != nil {
		return nobody, err
	}
	if c.guests.use(s, from, now, snap.Sessions) {
		c.noteUse(ctx, r, snap, s, now)
	}
	return who, nil
}

// Missed counts a request that needed to know its caller and was shown nothing, or nothing that counts.
func (c *Control) Missed(from netip.Addr) {
	if lock := c.guests.failed(from, c.cfg.Clock.Wall()); lock > 0 {
		c.cfg.Log.Warn("a network is locked out: too many requests without a certificate or session that counts", "from", admission.Network(from).String(), "for", lock)
	}
}

// StillInSession says why a caller's session has ended while he waits for an answer; nil for whoever came by another way.
func (c *Control) StillInSession(who Caller) error {
	if who.Kind != CallerSession {
		return nil
	}
	r := c.running.Load()
	if r == nil {
		return errNoCluster()
	}
	return c.sessionCounts(r, r.Source.Snapshot(), who)
}

// current says why this node does not know which sessions there are: it has not read what a majority has, and one that was closed meanwhile would count on.
func current(r *Running) error {
	if r.Current == nil || !r.Current() || r.Source.Snapshot().State.Basis.Revision == 0 {
		return fault.Errorf(fault.Unavailable, "node %s is not in quorum, or has not read the configuration yet, and can not know whether a session still counts; ask another node, or try again in a moment", r.Node)
	}
	return nil
}

// Sessions says why there are no sessions: they are off, or this node is in no cluster.
func (c *Control) Sessions() error {
	r := c.running.Load()
	if r == nil {
		return errNoCluster()
	}
	if on, _ := r.Source.Snapshot().State.Cluster.SessionRule(); !on {
		return errSessionsOff()
	}
	return nil
}

func errSessionsOff() error {
	return fault.Errorf(fault.Denied, "sessions are off in this cluster: over the network a certificate is needed; `redoubt cluster set -p sessions=on` changes that")
}

// sessionCounts says why a caller's session does not count now.
func (c *Control) sessionCounts(r *Running, snap engine.Snapshot, who Caller) error {
	if err := current(r); err != nil {
		return err
	}
	s, found := sessionByID(snap, who.Session)
	if !found || s.User != who.User {
		return fault.Errorf(fault.Denied, "the session was closed")
	}
	return c.counts(snap, s)
}

// counts says why a session that is on record does not count.
func (c *Control) counts(snap engine.Snapshot, s rbac.Session) error {
	on, longest := snap.State.Cluster.SessionRule()
	now := c.cfg.Clock.Wall()
	if !on {
		return errSessionsOff()
	}
	if why := s.Over(now, c.guests.last(s.ID), longest); why != "" {
		return fault.Errorf(fault.Denied, "the session has ended: %s; open another with `redoubt session open`", why)
	}
	if s.Certificate != "" {
		if err := certificateCounts(snap, s.User, s.Certificate, now); err != nil {
			return fault.Errorf(fault.Denied, "the session has ended with the certificate by which it was opened: %w", err)
		}
	}
	if why := holdsNothing(snap.Policy, s.User); why != "" {
		return fault.Errorf(fault.Denied, "the session counts no more: %s", why)
	}
	return nil
}

// noteUse writes down that a session was used, so that it is not idle for the other nodes. It writes over the record that was read and no other: a session that was closed meanwhile stays
// closed. That it fails is no error: for this node the session is not idle, and for the others it ends the sooner.
func (c *Control) noteUse(ctx context.Context, r *Running, snap engine.Snapshot, s rbac.Session, now time.Time) {
	key := confdb.PrefixSession + s.ID
	s.Used = now.UTC().Truncate(time.Second)
	value, err := confdb.EncodeFor(snap.Schema, confdb.KindSession, s)
	if err == nil {
		bounded, cancel := context.WithTimeout(ctx, noteLimit)
		defer cancel()
		_, err = r.Store.Txn(bounded, []confdb.Compare{{Key: key, Revision: snap.Revision(key)}}, []confdb.Op{{Key: key, Value: value}})
	}
	if err != nil && !fault.Is(err, fault.Conflict) {
		c.cfg.Log.Info("that a session is used could not be written down; other nodes may end it sooner", "session", s.ID, "err", err)
	}
}
