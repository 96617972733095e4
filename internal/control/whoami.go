package control

import (
	"context"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/check"
)

// UserWhoami shows who the caller is and what he holds.
func (c *Control) UserWhoami(ctx context.Context, who Caller, _ v1.UserWhoami) (v1.Whoami, error) {
	r, err := c.enter(ctx, who, "user whoami")
	if err != nil {
		return v1.Whoami{}, err
	}
	p := r.Source.Snapshot().Policy
	out := v1.Whoami{User: who.User, Known: "certificate", Root: who.root(), Role: who.Role, Groups: who.Groups, Certificate: who.Certificate, Holds: []v1.Holding{}}
	switch who.Kind {
	case CallerLocal:
		out.Known, out.UID = "local", &who.UID
	case CallerSession:
		out.Known = "session"
		if s, ok := sessionByID(r.Source.Snapshot(), who.Session); ok {
			out.Session = new(c.wireSession(r, s, who))
		}
	case CallerUser, CallerNode, CallerPartner, CallerNone:
	}
	if who.Kind != CallerLocal {
		out.From = who.Origin()
	}
	out.Roles = p.Users[who.User].Roles
	for _, h := range p.Holdings(who.subject()) {
		out.Holds = append(out.Holds, v1.Holding{Authorization: string(h.Word), Scope: h.Scope.String(), Through: h.Chain})
	}
	return out, nil
}

// UserCan explains whether a user may do something, and why, whichever it is.
func (c *Control) UserCan(ctx context.Context, who Caller, in v1.UserCan) (v1.Decision, error) {
	_, v, err := c.reading(ctx, who, "user can")
	if err != nil {
		return v1.Decision{}, err
	}
	if err := rbac.CheckUserName("user", in.User); err != nil {
		return v1.Decision{}, fault.Errorf(fault.Invalid, "%w", err)
	}
	need, err := needOf(in.Operation)
	if err != nil {
		return v1.Decision{}, err
	}
	object, err := v.objectOf(in.Object)
	if err != nil {
		return v1.Decision{}, err
	}
	out := v1.Decision{User: in.User, Operation: in.Operation, Authorization: need, Object: object.String()}
	me := rbac.Subject{Root: in.User == "root", User: in.User, Groups: in.UnixGroup, Role: in.Role}
	switch need {
	case v1.AuthRoot, v1.AuthNode:
		out.Allowed, out.Why = me.Root, []string{map[bool]string{true: "root of a node holds everything", false: "only root on a node may; it is granted to nobody"}[me.Root]}
	case v1.AuthSelf:
		out.Allowed, out.Why = !v.snap.Policy.IsRole(in.User), []string{"everybody may, about himself, who does not log in under the name of a role"}
	case v1.AuthOwn:
		why := notOwn(v.snap.Policy, Caller{Kind: CallerLocal, User: in.User}, v1.UserCertificate{Names: []string{in.User}})
		out.Allowed, out.Why = me.Root || why == "", []string{why}
		switch {
		case me.Root:
			out.Why = []string{"root of a node may, for everybody"}
		case why == "":
			out.Why = []string{"on a node of the cluster, and for himself alone: only root may for somebody else"}
		}
	default:
		d := v.snap.Policy.Decide(me, rbac.Word(need), []rbac.Object{object})
		out.Allowed, out.Why = d.Allowed, d.Why
	}
	return out, nil
}

// needOf is the authorization that an operation needs, or that is named.
func needOf(operation string) (string, error) {
	if op, ok := operationByName(strings.Join(strings.Fields(operation), " ")); ok {
		return op.Authorization, nil
	}
	if w, err := rbac.ParseWord(operation); err == nil && knownWord(w) {
		return string(w), nil
	}
	var known []string
	for _, op := range operations {
		known = append(known, op.Noun+" "+op.Verb)
	}
	return "", fault.Errorf(fault.NotFound, "there is no operation and no authorization %q; %s", operation, check.DidYouMean(operation, known, `name one as "group switch"`))
}

// objectOf reads the object of a question: a group if nothing says otherwise.
func (v view) objectOf(text string) (rbac.Object, error) {
	kind, name, named := strings.Cut(text, ":")
	switch {
	case text == "" || text == "cluster":
		return rbac.Whole, nil
	case !named:
		kind, name = "group", text
	}
	switch kind {
	case "group":
		return rbac.Object{Group: name}, nil
	case "zone":
		return rbac.Object{Zone: name}, nil
	case "resource":
		r, _, err := v.resource(cluster.ResourceName(name))
		return resourceObject(r), err
	}
	return rbac.Object{}, fault.Errorf(fault.Invalid, "object %q: want a group, group:NAME, resource:NAME or cluster", text)
}
