package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// What a session lasts unless it is said.
const (
	usualSession = 8 * time.Hour
	usualIdle    = 15 * time.Minute
	leastSession = time.Minute
)

// tokenMark begins every token, so that one which was left in a file or a log can be found and recognised.
const tokenMark = "rds_"

// newToken makes a token, and an identifier that says nothing of it.
func newToken() (token, id string, err error) {
	var secret [32]byte
	var name [8]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return "", "", fault.Errorf(fault.Internal, "open a session: %w", err)
	}
	if _, err := rand.Read(name[:]); err != nil {
		return "", "", fault.Errorf(fault.Internal, "open a session: %w", err)
	}
	return tokenMark + base64.RawURLEncoding.EncodeToString(secret[:]), hex.EncodeToString(name[:]), nil
}

// holdsNothing says why there can be no session of a user: he has no rights by himself that one could carry. Those of Unix groups do not count, as with certificates.
func holdsNothing(p rbac.Policy, user string) string {
	switch u := p.Users[user]; {
	case p.IsRole(user):
		return "nobody logs in as a role; it is assumed with `redoubt role assume " + user + "`"
	case u.Name != user || len(u.Grants)+len(u.Roles) == 0:
		return "user " + user + " holds nothing by himself, Unix groups do not count; a holder of \"" + rbac.UserSecurity + "\", or root, grants it"
	}
	return ""
}

// SessionOpen opens a session: for the caller himself, who is known by the kernel or a certificate, or as root for anybody.
func (c *Control) SessionOpen(ctx context.Context, who Caller, in v1.SessionOpen) (v1.SessionOpened, error) {
	r, err := c.enter(ctx, who, "session open")
	if err != nil {
		return v1.SessionOpened{}, err
	}
	name := cmp.Or(in.User, who.User)
	switch {
	case who.root() && in.User == "":
		return v1.SessionOpened{}, fault.Errorf(fault.Invalid, "session open: over the network nobody is root; name the user with --user")
	case !who.root() && name != who.User:
		return v1.SessionOpened{}, fault.Errorf(fault.Denied, "session open: whoever has a session of a user is that user: everybody opens his own, and only root opens one for somebody else")
	case who.Role != "":
		return v1.SessionOpened{}, fault.Errorf(fault.Precondition, "session open: you are in role %s, and a session has your own rights; leave the role with `redoubt role drop` first", who.Role)
	}
	token, id, err := newToken()
	if err != nil {
		return v1.SessionOpened{}, err
	}
	var s rbac.Session
	_, err = c.change(ctx, r, who, func(d *draft) error {
		on, longest := d.state.Cluster.SessionRule()
		if !on {
			return fault.Errorf(fault.Precondition, "session open: sessions are off in this cluster; whoever may change the cluster allows them with `redoubt cluster set -p sessions=on`")
		}
		if err := d.snap.Policy.CheckNew(rbac.KindUser, name); err != nil {
			return fault.Errorf(fault.Invalid, "session open: %w", err)
		}
		if why := holdsNothing(d.snap.Policy, name); why != "" {
			return fault.Errorf(fault.Precondition, "session open: %s", why)
		}
		life, idle, err := sessionTimes(in, longest)
		if err != nil {
			return err
		}
		d.rely(confdb.KeyCluster)
		d.rely(confdb.PrefixUser + name)
		if err := d.roomForSession(name, longest); err != nil {
			return err
		}
		now, hash := d.now.UTC().Truncate(time.Second), rbac.TokenHash(token)
		s = rbac.Session{
			ID: id, User: name, Hash: hash[:], By: who.String(), From: "node " + string(r.Node), Certificate: who.Certificate,
			Opened: now, Ends: now.Add(life), Used: now, Idle: int64(idle / time.Second),
		}
		if who.Kind != CallerLocal {
			s.From = who.Origin()
		}
		d.put(confdb.PrefixSession+id, confdb.KindSession, s)
		return nil
	})
	if err != nil {
		return v1.SessionOpened{}, err
	}
	c.cfg.Log.Info("a session was opened", "session", id, "user", name, "by", who.String(), "from", s.From, "ends", s.Ends)
	return v1.SessionOpened{Session: c.wireSession(r, s, who), Token: token, Authority: nodeAuthority(c.look(r))}, nil
}

// sessionTimes is how long a session lasts, and how long it may be idle.
func sessionTimes(in v1.SessionOpen, longest time.Duration) (life, idle time.Duration, err error) {
	life, idle = time.Duration(in.For)*time.Second, time.Duration(in.Idle)*time.Second
	if in.For == 0 {
		life = min(usualSession, longest)
	}
	if in.Idle == 0 {
		idle = min(usualIdle, life)
	}
	switch {
	case life < leastSession || life > longest:
		err = fault.Errorf(fault.Invalid, "session open: a session lasts %v to %v in this cluster (its property %s), not %v", leastSession, longest, model.SessionLimit, life)
	case idle < leastSession || idle > life:
		err = fault.Errorf(fault.Invalid, "session open: it may be idle for %v to the %v that it lasts, not for %v", leastSession, life, idle)
	}
	return life, idle, err
}

// roomForSession refuses one session too many; those that are over go on the occasion.
func (d *draft) roomForSession(user string, longest time.Duration) error {
	mine, all := 0, 0
	for _, s := range d.snap.Sessions {
		if s.Gone(d.now, longest) {
			d.drop(confdb.PrefixSession + s.ID)
			continue
		}
		all++
		if s.User == user {
			mine++
		}
	}
	if mine >= rbac.MaxUserSessions || all >= rbac.MaxSessions {
		return fault.Errorf(fault.Precondition, "session open: user %s has %d sessions, and all users together %d; there may be %d and %d: close some with `redoubt session close`", user, mine, all, rbac.MaxUserSessions, rbac.MaxSessions)
	}
	return nil
}

// closeSessions closes those of which it is true, and says how many.
func (d *draft) closeSessions(which func(rbac.Session) bool) (n int) {
	for _, s := range d.snap.Sessions {
		if !which(s) {
			continue
		}
		d.drop(confdb.PrefixSession + s.ID)
		if n++; n <= rbac.MaxUserSessions {
			d.say("session " + s.ID + " of user " + s.User + " is closed")
		}
	}
	if n > rbac.MaxUserSessions {
		d.say(fmt.Sprintf("%d sessions are closed", n))
	}
	return n
}

// wireSession is what is told of a session.
func (c *Control) wireSession(r *Running, s rbac.Session, who Caller) v1.Session {
	snap := r.Source.Snapshot()
	_, longest := snap.State.Cluster.SessionRule()
	used := s.Used
	if here := c.guests.last(s.ID); here.After(used) {
		used = here.UTC().Truncate(time.Second)
	}
	return v1.Session{
		ID: s.ID, User: s.User, By: s.By, From: s.From, Certificate: s.Certificate, Opened: s.Opened, Ends: s.End(longest), Idle: int(s.Idle), Used: used,
		This: who.Session == s.ID, Counts: c.counts(snap, s) == nil,
	}
}

// mayAll reports whether a caller holds an authorization for the whole cluster.
func (v view) mayAll(who Caller, word rbac.Word) bool {
	return v.snap.Policy.Decide(who.subject(), word, nil).Allowed
}

// sessionsFor are the sessions that a caller may see and that last: his own; all with the authorization.
func (c *Control) sessionsFor(v view, who Caller, user string) []rbac.Session {
	all := v.mayAll(who, rbac.WordFor("user", rbac.Read))
	return slices.DeleteFunc(slices.Clone(v.snap.Sessions), func(s rbac.Session) bool {
		return !all && s.User != who.User || user != "" && s.User != user || c.counts(v.snap, s) != nil
	})
}

func sessionNames(all []rbac.Session) []string {
	out := []string{}
	for _, s := range all {
		out = append(out, s.ID)
	}
	return out
}

// SessionList lists the sessions that last.
func (c *Control) SessionList(ctx context.Context, who Caller, in v1.SessionList) ([]string, error) {
	r, err := c.enter(ctx, who, "session list")
	if err != nil {
		return nil, err
	}
	v, err := c.read(r)
	if err != nil {
		return nil, err
	}
	return shownNames("session", in.Names, sessionNames(c.sessionsFor(v, who, in.User)))
}

// SessionShow shows the sessions that last.
func (c *Control) SessionShow(ctx context.Context, who Caller, in v1.SessionShow) ([]v1.Session, error) {
	r, err := c.enter(ctx, who, "session show")
	if err != nil {
		return nil, err
	}
	v, err := c.read(r)
	if err != nil {
		return nil, err
	}
	list := c.sessionsFor(v, who, in.User)
	names, err := shownNames("session", in.Names, sessionNames(list))
	out := []v1.Session{}
	for _, s := range list {
		if slices.Contains(names, s.ID) {
			out = append(out, c.wireSession(r, s, who))
		}
	}
	return out, err
}

// SessionClose closes sessions: for every node they end within moments, with what is being asked in them.
func (c *Control) SessionClose(ctx context.Context, who Caller, in v1.SessionClose) (v1.Result, error) {
	r, err := c.enter(ctx, who, "session close")
	if err != nil {
		return v1.Result{}, err
	}
	user := in.User
	switch {
	case len(in.Names) > 0 && (in.All || user != ""):
		return v1.Result{}, fault.Errorf(fault.Invalid, "session close: name sessions, or all, or those of a user")
	case len(in.Names) == 0 && !in.All && user == "" && who.Session == "":
		return v1.Result{}, fault.Errorf(fault.Invalid, "session close: name the sessions, or give --all, or --user with a user")
	case len(in.Names) == 0 && in.All && user == "":
		user = who.User // also of root, who has none: all of everybody are closed by `cluster set -p sessions=off`
	}
	names := in.Names
	if len(names) == 0 && user == "" {
		names = []string{who.Session}
	}
	return c.change(ctx, r, who, func(d *draft) error {
		others := who.Kind != CallerSession && d.mayAll(who, rbac.WordFor("user", rbac.Modify))
		if user != "" && user != who.User && !others {
			return fault.Errorf(fault.Denied, "%s may not close the sessions of user %s: it needs cluster.user.modify, and is not done in a session", who, user)
		}
		mine := func(s rbac.Session) bool { return s.User == who.User || others }
		for _, n := range names {
			if !slices.ContainsFunc(d.snap.Sessions, func(s rbac.Session) bool { return s.ID == n && mine(s) }) {
				return fault.Errorf(fault.NotFound, "there is no session %.40q that you may close; `redoubt session list` lists them", n)
			}
		}
		closed := d.closeSessions(func(s rbac.Session) bool {
			return mine(s) && (slices.Contains(names, s.ID) || user != "" && s.User == user)
		})
		if closed == 0 {
			d.say(fmt.Sprintf("user %s has no session", user))
		}
		return nil
	})
}

// protection are the properties of the cluster that say what is trusted.
var protection = []string{execsec.PropertyName, model.Sessions, model.SessionLimit}

// changesProtection refuses a change of what is trusted by somebody in a session, and closes all sessions when they are switched off: they must not count again when they are allowed again.
func (d *draft) changesProtection(old, now check.ClusterSettings) error {
	value := func(c check.ClusterSettings, name string) []string {
		for _, p := range check.ClusterValues(c) {
			if p.Name == name {
				return p.Values
			}
		}
		return nil
	}
	for _, name := range protection {
		if d.who.Kind == CallerSession && !slices.Equal(value(old, name), value(now, name)) {
			return fault.Errorf(fault.Denied, "%s may not change the property %s in a session: do it on a node of the cluster, or over the network with a certificate", d.who, name)
		}
	}
	if slices.Equal(value(now, model.Sessions), []string{"off"}) {
		d.closeSessions(func(rbac.Session) bool { return true })
	}
	return nil
}
