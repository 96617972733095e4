package control

import (
	"context"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

// subject is a caller as the rules know him.
func (w Caller) subject() rbac.Subject {
	return rbac.Subject{Root: w.root(), User: w.User, Groups: w.Groups, Role: w.Role}
}

// changer is a caller who wants to change what others hold.
func (w Caller) changer() rbac.Changer {
	return rbac.Changer{Subject: w.subject(), Listed: w.Listed, Remote: w.Kind != CallerLocal}
}

// root reports whether the caller is root of this node, by the kernel's word. Over the network nobody is.
func (w Caller) root() bool { return w.Kind == CallerLocal && w.UID == 0 }

// person reports whether the caller is somebody to whom rights are granted.
func (w Caller) person() bool {
	return (w.Kind == CallerLocal && w.UID != 0 || w.Kind == CallerUser || w.Kind == CallerSession) && rbac.CheckUserName("user", w.User) == nil
}

// snapshot is the newest reading of the repository; an empty one, which grants nothing, where there is none.
func (c *Control) snapshot() engine.Snapshot {
	if r := c.running.Load(); r != nil {
		return r.Source.Snapshot()
	}
	return engine.Snapshot{}
}

// authorise says whether the caller may do the operation called name ("group create") to what the request touches, and notes a refusal. What nothing allows is denied.
func (c *Control) authorise(ctx context.Context, who Caller, name string) error {
	err := c.permit(ctx, who, name)
	if fault.Is(err, fault.Denied) {
		c.cfg.Log.Warn("denied", "operation", name, "caller", who.String(), "from", who.Origin(), "why", err.Error())
	}
	return err
}

// permit decides. It is asked again for every request, and while a request lasts: what was taken away meanwhile no longer counts.
func (c *Control) permit(ctx context.Context, who Caller, name string) error {
	op, ok := operationByName(name)
	refused := func(format string, args ...any) error {
		return fault.Errorf(fault.Denied, "%s may not do %s: "+format, append([]any{who, name}, args...)...)
	}
	switch {
	case !ok:
		return fault.Errorf(fault.Internal, "operation %q is not in the table of operations", name)
	case who.root():
		return nil
	case who.Kind == CallerNode && who.Node != "" && op.Peer:
		return nil
	case op.Open && (who.Kind == CallerNone || who.Kind == CallerNode):
		return nil
	case who.Kind == CallerNone:
		return refused("neither a certificate nor a session that counts was shown, and it needs %s", op.Authorization)
	case op.Firm && who.Kind == CallerSession:
		return refused("not in a session: what says who may do what, who gets in and what is recorded is changed on a node of the cluster, or over the network with a certificate")
	case op.Authorization == v1.AuthRoot:
		return refused("only root on a node of the cluster may")
	case op.Authorization == v1.AuthNode:
		return refused("only the nodes of the cluster, and root on one, may")
	case op.Authorization == v1.AuthOwn && !who.person():
		return refused("only root on a node of the cluster may, and a user of one for himself")
	case who.Kind == CallerNode || !who.person():
		return refused("it needs %s, which root on a node of the cluster has, and whoever it was granted to", op.Authorization)
	}
	r := c.running.Load()
	if r == nil {
		return refused("this node is in no cluster, and until it is only root may do anything")
	}
	snap := r.Source.Snapshot()
	if snap.State.Basis.Revision == 0 {
		return fault.Errorf(fault.Unavailable, "this node has not read yet who may do what; try again in a moment")
	}
	if err := c.stillValid(r, snap, who); fault.Is(err, fault.Unavailable) {
		return err
	} else if err != nil {
		return refused("%s", err)
	}
	if op.Authorization == v1.AuthSelf {
		if snap.Policy.IsRole(who.User) {
			return refused("nobody logs in as a role; it is assumed with `redoubt role assume %s`", who.User)
		}
		return nil
	}
	if op.Authorization == v1.AuthOwn {
		if why := notOwn(snap.Policy, who, input(ctx, name)); why != "" {
			return refused("%s", why)
		}
		return nil
	}
	need, me := rbac.Word(op.Authorization), who.subject()
	objects, some := c.touched(ctx, r, op)
	if some && len(snap.Policy.Reach(me, need)) > 0 {
		return nil // the answer has only what he may see
	}
	if d := snap.Policy.Decide(me, need, objects); !d.Allowed {
		return refused("%s; `redoubt whoami` shows what you hold, and a holder of %q, or root, can grant it", strings.Join(d.Why, "; "), rbac.UserSecurity)
	}
	return nil
}

// notOwn says why somebody who is not root may not ask for what makes another of him on the network; empty if it is for himself. Whoever could do this for others could be
// anybody, a holder of "User Security" too, and so grant himself what he likes: no authorization includes it.
func notOwn(p rbac.Policy, who Caller, in any) string {
	asked, _ := in.(v1.UserCertificate)
	mine := p.Users[who.User]
	switch {
	case who.Kind != CallerLocal:
		return "over the network nobody is given another certificate: whoever had stolen one would never lose it; ask on a node of the cluster, or ask root there"
	case asked.All || !slices.Equal(asked.Names, []string{who.User}):
		return "whoever has a certificate of a user is that user: on a node everybody takes his own, and only root takes one for somebody else"
	case p.IsRole(who.User):
		return "nobody logs in as a role; it is assumed with `redoubt role assume " + who.User + "`"
	case mine.Name != who.User || len(mine.Grants)+len(mine.Roles) == 0:
		return "user " + who.User + " holds nothing by himself that a certificate could carry, Unix groups do not count; a holder of \"" + rbac.UserSecurity + "\", or root, grants it"
	}
	return ""
}

// stillValid says why a caller who was somebody when he came is nobody now.
func (c *Control) stillValid(r *Running, snap engine.Snapshot, who Caller) error {
	switch who.Kind {
	case CallerUser:
		if err := certificateCounts(snap, who.User, who.Certificate, c.cfg.Clock.Wall()); err != nil {
			return err
		}
	case CallerSession:
		if err := c.sessionCounts(r, snap, who); err != nil {
			return err
		}
	case CallerLocal, CallerNode, CallerPartner, CallerNone:
	}
	if who.Role == "" {
		return nil
	}
	return c.sessions.check(who, c.cfg.Clock.Wall(), standing(snap, who.User, who.Role))
}

// certificateCounts says why a certificate is not one that a user was given and that still counts.
func certificateCounts(snap engine.Snapshot, user, fingerprint string, now time.Time) error {
	cert := slices.IndexFunc(snap.Certificates, func(x model.Certificate) bool {
		return x.Fingerprint == fingerprint && x.Kind == certUser && x.Name == user
	})
	switch {
	case fingerprint == "" || cert < 0:
		return fault.Errorf(fault.Denied, "the cluster has given no such certificate to user %s", user)
	case slices.Contains(snap.Revoked, fingerprint):
		return fault.Errorf(fault.Denied, "the certificate was revoked")
	case !snap.Certificates[cert].NotAfter.After(now):
		return fault.Errorf(fault.Denied, "the certificate has ended")
	}
	return nil
}

// standing is what a session in a role rests on: when one of the two records is written anew the session is over.
func standing(snap engine.Snapshot, user, role string) [2]uint64 {
	return [2]uint64{uint64(snap.Revision(confdb.PrefixUser + user)), uint64(snap.Revision(confdb.PrefixRole + role))}
}

// recheck is permit for a change that is about to be written, on what it is decided on.
func (c *Control) recheck(ctx context.Context, who Caller) error {
	a, ok := ctx.Value(askedKey{}).(asked)
	if !ok || who.root() || !who.person() {
		return nil
	}
	return c.permit(ctx, who, a.name)
}

// reach is where a caller holds what an operation needs.
func (c *Control) reach(who Caller, name string) rbac.Reach {
	op, ok := operationByName(name)
	switch {
	case who.root() || who.Kind == CallerNode:
		return rbac.Reach{{}}
	case !ok:
		return nil
	}
	return c.snapshot().Policy.Reach(who.subject(), rbac.Word(op.Authorization))
}
