package control

import (
	"context"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
)

// holdersOf are the users, or Unix groups, that a read is about.
func holdersOf(p rbac.Policy, names []string, groups bool) ([]string, error) {
	if groups {
		return shownNames("Unix group", names, sortedKeys(p.Groups))
	}
	return shownNames("user", names, sortedKeys(p.Users))
}

// UserList lists the users, or Unix groups, that hold something.
func (c *Control) UserList(ctx context.Context, who Caller, in v1.UserList) ([]string, error) {
	_, v, err := c.reading(ctx, who, "user list")
	if err != nil {
		return nil, err
	}
	return holdersOf(v.snap.Policy, in.Names, in.UnixGroup)
}

// UserShow shows what users, or Unix groups, hold.
func (c *Control) UserShow(ctx context.Context, who Caller, in v1.UserShow) ([]v1.User, error) {
	_, v, err := c.reading(ctx, who, "user show")
	if err != nil {
		return nil, err
	}
	names, err := holdersOf(v.snap.Policy, in.Names, in.UnixGroup)
	out := []v1.User{}
	for _, n := range names {
		if in.UnixGroup {
			out = append(out, v1.User{Name: n, UnixGroup: true, Grants: wireGrants(v.snap.Policy.Groups[n].Grants)})
			continue
		}
		u := v.snap.Policy.Users[n]
		out = append(out, v1.User{Name: n, Grants: wireGrants(u.Grants), Roles: u.Roles, Certificates: v.certificatesOf(n)})
	}
	return out, err
}

func (v view) certificatesOf(user string) []v1.UserCert {
	var out []v1.UserCert
	for _, x := range v.snap.Certificates {
		if x.Kind == certUser && x.Name == user {
			out = append(out, v1.UserCert{Fingerprint: x.Fingerprint, Expires: x.NotAfter, By: x.By, Revoked: slices.Contains(v.snap.Revoked, x.Fingerprint)})
		}
	}
	return out
}

func kindOf(group bool) string {
	if group {
		return rbac.KindGroup
	}
	return rbac.KindUser
}

// putHolder writes what a user or a Unix group holds; nothing is no record.
func (d *draft) putHolder(kind, name string, grants []rbac.Grant, roles []string) {
	key := keyRbac(kind, name)
	switch {
	case len(grants) == 0 && len(roles) == 0:
		if d.snap.Revision(key) != 0 {
			d.drop(key)
		}
	case kind == rbac.KindGroup:
		d.put(key, confdb.KindUnixGroup, rbac.Group{Name: name, Grants: grants})
	default:
		d.put(key, confdb.KindUser, rbac.User{Name: name, Grants: grants, Roles: roles})
	}
}

// holder is what a user or Unix group has now.
func (d *draft) holder(kind, name string) (grants []rbac.Grant, roles []string, err error) {
	p := d.snap.Policy
	if p.Damaged[kind+"/"+name] {
		return nil, nil, fault.Errorf(fault.Precondition, "%s %s: its record is damaged; `redoubt user delete` deletes it", kind, name)
	}
	if kind == rbac.KindGroup {
		return p.Groups[name].Grants, nil, nil
	}
	return p.Users[name].Grants, p.Users[name].Roles, nil
}

// UserGrant grants profiles, authorizations and roles to users, or to Unix groups.
func (c *Control) UserGrant(ctx context.Context, who Caller, in v1.UserGrant) (v1.Result, error) {
	r, err := c.enter(ctx, who, "user grant")
	if err != nil {
		return v1.Result{}, err
	}
	names, err := named("user", in.Names, in.All)
	if err != nil {
		return v1.Result{}, err
	}
	more, err := grantsOf(in.Profile, in.Authorization, in.Scope)
	switch {
	case err != nil:
		return v1.Result{}, err
	case len(more) == 0 && len(in.Role) == 0:
		return v1.Result{}, fault.Errorf(fault.Invalid, "user grant: say what to grant: profiles (-P), authorizations (-A) or roles (-R)")
	case in.UnixGroup && len(in.Role) > 0:
		return v1.Result{}, fault.Errorf(fault.Invalid, "user grant: roles are for users: whoever assumes one is named")
	case len(in.Role) > 0 && len(more) == 0 && in.Scope != "":
		return v1.Result{}, fault.Errorf(fault.Invalid, "user grant: a role is assumed as it is; give the scope to what the role holds")
	}
	kind := kindOf(in.UnixGroup)
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		p := d.snap.Policy
		for _, n := range names {
			if err := d.mayChange(kind, n); err != nil {
				return err
			}
			if err := p.CheckNew(kind, n); err != nil {
				return fault.Errorf(fault.Invalid, "%w", err)
			}
			have, roles, err := d.holder(kind, n)
			if err != nil {
				return err
			}
			if len(p.Users)+len(p.Groups) >= rbac.MaxRecords {
				return fault.Errorf(fault.Precondition, "%s %s: %d users and groups hold something already, as many as there may be", kind, n, rbac.MaxRecords)
			}
			what := kind + " " + n
			if in.UnixGroup {
				what = "Unix group " + n
			}
			grants, err := d.granted(what, have, more)
			if err != nil {
				return err
			}
			roles = slices.Clone(roles)
			for _, role := range in.Role {
				if _, ok := p.Roles[role]; !ok {
					return unknown("role", role, sortedKeys(p.Roles))
				}
				if !slices.Contains(roles, role) {
					roles = append(roles, role)
				}
				d.rely(confdb.PrefixRole + role)
				d.say(what + " may assume role " + role)
			}
			if len(roles) > rbac.MaxGrants {
				return fault.Errorf(fault.Invalid, "%s: %d roles are more than the %d allowed", what, len(roles), rbac.MaxGrants)
			}
			d.putHolder(kind, n, grants, roles)
		}
		return nil
	}))
}

// UserRevoke takes profiles, authorizations and roles back.
func (c *Control) UserRevoke(ctx context.Context, who Caller, in v1.UserRevoke) (v1.Result, error) {
	r, err := c.enter(ctx, who, "user revoke")
	if err != nil {
		return v1.Result{}, err
	}
	less, err := grantsOf(in.Profile, in.Authorization, in.Scope)
	if err != nil {
		return v1.Result{}, err
	}
	if len(less) == 0 && len(in.Role) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "user revoke: say what to take: profiles (-P), authorizations (-A) or roles (-R); `redoubt user delete` takes everything")
	}
	kind := kindOf(in.UnixGroup)
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		names, err := holdersOf(d.snap.Policy, in.Names, in.UnixGroup)
		if len(in.Names) == 0 && !in.All {
			err = fault.Errorf(fault.Invalid, "name at least one %s, or + for all", kind)
		}
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := d.mayChange(kind, n); err != nil {
				return err
			}
			have, roles, err := d.holder(kind, n)
			if err != nil {
				return err
			}
			grants, err := d.withoutGrants(kind+" "+n, have, less, in.Scope == "")
			if err != nil {
				return err
			}
			left := without(roles, in.Role)
			if len(left)+len(in.Role) > len(roles) && len(in.Role) > 0 && len(left) == len(roles) {
				return fault.Errorf(fault.NotFound, "user %s may not assume role %s", n, in.Role[0])
			}
			for _, role := range in.Role {
				d.say("user " + n + " may no longer assume role " + role)
			}
			d.putHolder(kind, n, grants, left)
		}
		return nil
	}))
}

// UserDelete takes everything from users, or from Unix groups; the certificates of users are revoked.
func (c *Control) UserDelete(ctx context.Context, who Caller, in v1.UserDelete) (v1.Result, error) {
	r, err := c.enter(ctx, who, "user delete")
	if err != nil {
		return v1.Result{}, err
	}
	if len(in.Names) == 0 && !in.All {
		return v1.Result{}, fault.Errorf(fault.Invalid, "user delete: name at least one, or + for all")
	}
	kind := kindOf(in.UnixGroup)
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		names := in.Names
		if in.All {
			names, _ = holdersOf(d.snap.Policy, nil, in.UnixGroup)
		}
		for _, n := range names {
			if err := d.mayChange(kind, n); err != nil {
				return err
			}
			revoked := 0
			if !in.UnixGroup {
				revoked = d.revokeUser(n, "") + d.closeSessions(func(s rbac.Session) bool { return s.User == n })
			}
			if d.dropDamaged(kind, n) {
				continue
			}
			if _, err := holdersOf(d.snap.Policy, []string{n}, in.UnixGroup); err != nil && revoked == 0 {
				return err
			}
			d.putHolder(kind, n, nil, nil)
			d.say(kind + " " + n + " holds nothing any more")
		}
		return nil
	}))
}

// revokeUser revokes the certificates of a user that still count, or the one with the fingerprint, and says how many.
func (d *draft) revokeUser(user, fingerprint string) int {
	n := 0
	for _, x := range d.snap.Certificates {
		if x.Kind == certUser && x.Name == user && (fingerprint == "" || x.Fingerprint == fingerprint) && !slices.Contains(d.snap.Revoked, x.Fingerprint) {
			d.revoke(x, "revoked by "+d.who.String())
			d.say("the certificate " + x.Fingerprint + " of user " + user + " is revoked")
			d.closeSessions(func(s rbac.Session) bool { return s.Certificate == x.Fingerprint })
			n++
		}
	}
	return n
}
