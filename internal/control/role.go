package control

import (
	"context"
	"slices"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
)

// RoleList lists the roles.
func (c *Control) RoleList(ctx context.Context, who Caller, in v1.RoleList) ([]string, error) {
	_, v, err := c.reading(ctx, who, "role list")
	if err != nil {
		return nil, err
	}
	return shownNames("role", in.Names, sortedKeys(v.snap.Policy.Roles))
}

// RoleShow shows what roles hold, and who may assume them.
func (c *Control) RoleShow(ctx context.Context, who Caller, in v1.RoleShow) ([]v1.Role, error) {
	_, v, err := c.reading(ctx, who, "role show")
	if err != nil {
		return nil, err
	}
	p := v.snap.Policy
	names, err := shownNames("role", in.Names, sortedKeys(p.Roles))
	out := []v1.Role{}
	for _, n := range names {
		role := v1.Role{Name: n, Description: p.Roles[n].Description, Grants: wireGrants(p.Roles[n].Grants), Users: []string{}, HasPassword: p.Roles[n].Password != ""}
		for _, u := range sortedKeys(p.Users) {
			if slices.Contains(p.Users[u].Roles, n) {
				role.Users = append(role.Users, u)
			}
		}
		out = append(out, role)
	}
	return out, err
}

// RoleCreate creates a role.
func (c *Control) RoleCreate(ctx context.Context, who Caller, in v1.RoleCreate) (v1.Result, error) {
	r, err := c.enter(ctx, who, "role create")
	if err != nil {
		return v1.Result{}, err
	}
	name, err := oneName("role create", in.Names, in.All)
	if err != nil {
		return v1.Result{}, err
	}
	grants, err := grantsOf(in.Profile, in.Authorization, in.Scope)
	if err != nil {
		return v1.Result{}, err
	}
	hash := ""
	if len(in.Password) > 0 {
		if hash, err = c.hashed(ctx, in.Password); err != nil {
			return v1.Result{}, err
		}
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		p := d.snap.Policy
		if err := d.mayChange(rbac.KindRole, name); err != nil {
			return err
		}
		if p.IsRole(name) {
			return fault.Errorf(fault.Exists, "role %s exists already", name)
		}
		if err := p.CheckNew(rbac.KindRole, name); err != nil {
			return fault.Errorf(fault.Invalid, "%w", err)
		}
		if len(p.Roles) >= rbac.MaxRecords {
			return fault.Errorf(fault.Precondition, "role %s: there are %d roles already, as many as there may be", name, len(p.Roles))
		}
		have, err := d.granted("role "+name, nil, grants)
		if err != nil {
			return err
		}
		if hash == "" {
			d.say("role " + name + " has no password: nobody can assume it before `redoubt role password " + name + "` gives it one")
		}
		return d.putRole(rbac.Role{Name: name, Description: in.Description, Grants: have, Password: hash})
	}))
}

func (d *draft) putRole(role rbac.Role) error {
	if len(role.Description) > maxDescription {
		return fault.Errorf(fault.Invalid, "role %s: its description has %d bytes, more than the %d allowed", role.Name, len(role.Description), maxDescription)
	}
	d.put(confdb.PrefixRole+role.Name, confdb.KindRole, role)
	return nil
}

// maxDescription bounds the description of a role or a profile.
const maxDescription = 400

// changeRoles changes roles that are there.
func (c *Control) changeRoles(ctx context.Context, who Caller, op string, names []string, all bool, change func(*draft, rbac.Role) (rbac.Role, error)) (v1.Result, error) {
	r, err := c.enter(ctx, who, op)
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		list, err := selected("role", names, all, sortedKeys(d.snap.Policy.Roles))
		if err != nil {
			return err
		}
		for _, n := range list {
			if err := d.mayChange(rbac.KindRole, n); err != nil {
				return err
			}
			role, err := change(d, d.snap.Policy.Roles[n])
			if err != nil {
				return err
			}
			if err := d.putRole(role); err != nil {
				return err
			}
		}
		return nil
	}))
}

// RoleSet changes properties of roles.
func (c *Control) RoleSet(ctx context.Context, who Caller, in v1.RoleSet) (v1.Result, error) {
	return c.changeRoles(ctx, who, "role set", in.Names, in.All, func(_ *draft, role rbac.Role) (rbac.Role, error) {
		if in.Description == "" {
			return role, fault.Errorf(fault.Invalid, "role set: give a description with -d")
		}
		role.Description = in.Description
		return role, nil
	})
}

// RoleGrant grants profiles and authorizations to roles.
func (c *Control) RoleGrant(ctx context.Context, who Caller, in v1.RoleGrant) (v1.Result, error) {
	return c.changeRoles(ctx, who, "role grant", in.Names, in.All, func(d *draft, role rbac.Role) (rbac.Role, error) {
		more, err := grantsOf(in.Profile, in.Authorization, in.Scope)
		if err == nil && len(more) == 0 {
			err = fault.Errorf(fault.Invalid, "role grant: say what to grant: profiles (-P) or authorizations (-A)")
		}
		if err != nil {
			return role, err
		}
		role.Grants, err = d.granted("role "+role.Name, role.Grants, more)
		return role, err
	})
}

// RoleRevoke takes profiles and authorizations from roles.
func (c *Control) RoleRevoke(ctx context.Context, who Caller, in v1.RoleRevoke) (v1.Result, error) {
	return c.changeRoles(ctx, who, "role revoke", in.Names, in.All, func(d *draft, role rbac.Role) (rbac.Role, error) {
		less, err := grantsOf(in.Profile, in.Authorization, in.Scope)
		if err == nil && len(less) == 0 {
			err = fault.Errorf(fault.Invalid, "role revoke: say what to take: profiles (-P) or authorizations (-A)")
		}
		if err != nil {
			return role, err
		}
		role.Grants, err = d.withoutGrants("role "+role.Name, role.Grants, less, in.Scope == "")
		return role, err
	})
}

// RolePassword gives a role another password; whoever is in the role is not any more.
func (c *Control) RolePassword(ctx context.Context, who Caller, in v1.RolePassword) (v1.Result, error) {
	if _, err := c.enter(ctx, who, "role password"); err != nil {
		return v1.Result{}, err
	}
	if _, err := oneName("role password", in.Names, in.All); err != nil {
		return v1.Result{}, err
	}
	hash, err := c.hashed(ctx, in.Password)
	if err != nil {
		return v1.Result{}, err
	}
	return c.changeRoles(ctx, who, "role password", in.Names, false, func(d *draft, role rbac.Role) (rbac.Role, error) {
		role.Password = hash
		d.say("role " + role.Name + " has another password; whoever was in it has to assume it anew")
		return role, nil
	})
}

// RoleDelete deletes roles, and takes them from the users who could assume them: a later role of the same name is another one.
func (c *Control) RoleDelete(ctx context.Context, who Caller, in v1.RoleDelete) (v1.Result, error) {
	r, err := c.enter(ctx, who, "role delete")
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		p := d.snap.Policy
		known := sortedKeys(p.Roles)
		for _, n := range in.Names {
			if p.Damaged["role/"+n] {
				known = append(known, n)
			}
		}
		names, err := selected("role", in.Names, in.All, known)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := d.mayChange(rbac.KindRole, n); err != nil {
				return err
			}
			if !d.dropDamaged(rbac.KindRole, n) {
				d.drop(confdb.PrefixRole + n)
				d.say("role " + n + " is deleted")
			}
		}
		for _, u := range sortedKeys(p.Users) {
			if user := p.Users[u]; len(without(user.Roles, names)) != len(user.Roles) {
				d.putHolder(rbac.KindUser, u, user.Grants, without(user.Roles, names))
			}
		}
		return nil
	}))
}

// hashed hashes a new password, when nobody else's is being hashed.
func (c *Control) hashed(ctx context.Context, password []byte) (string, error) {
	select {
	case c.guesses.work <- struct{}{}:
		defer func() { <-c.guesses.work }()
	case <-ctx.Done():
		return "", fault.Errorf(fault.Timeout, "given up before the password was hashed: %w", context.Cause(ctx))
	}
	return hashPassword(password)
}

// RoleAssume takes on a role. What fails takes as long as what succeeds, and says no more than that it failed.
func (c *Control) RoleAssume(ctx context.Context, who Caller, in v1.RoleAssume) (v1.RoleSession, error) {
	r, err := c.enter(ctx, who, "role assume")
	if err != nil {
		return v1.RoleSession{}, err
	}
	name, err := oneName("role assume", in.Names, in.All)
	switch {
	case err != nil:
		return v1.RoleSession{}, err
	case who.root():
		return v1.RoleSession{}, fault.Errorf(fault.Precondition, "root holds everything and assumes no role; try it as the user whose role it is")
	case who.Role != "":
		return v1.RoleSession{}, fault.Errorf(fault.Precondition, "you are in role %s; leave it with `redoubt role drop` first", who.Role)
	}
	snap := r.Source.Snapshot()
	listed := snap.Policy.MayAssume(who.User, name)
	key := string(who.Kind) + " " + who.User + "/"
	stored := ""
	if listed {
		key += name
		stored = snap.Policy.Roles[name].Password
	}
	ok, err := c.guesses.try(ctx, key, c.ticks, func() bool { return passwordMatches(stored, in.Password) && listed })
	if err == nil && !ok {
		err = fault.Errorf(fault.Denied, "the password is wrong, or user %s may not assume role %s", who.User, name)
	}
	if err != nil {
		if fault.Is(err, fault.Denied) {
			c.cfg.Log.Warn("a role was not assumed", "role", name, "caller", who.String(), "kind", string(who.Kind), "from", who.Origin(), "why", err.Error())
			err = fault.Errorf(fault.Denied, "role %s was not assumed: %w", name, err)
		}
		return v1.RoleSession{}, err
	}
	token, until, err := c.sessions.begin(who, name, c.cfg.Clock.Wall(), standing(snap, who.User, name))
	if err != nil {
		return v1.RoleSession{}, err
	}
	c.cfg.Log.Info("a role was assumed", "role", name, "caller", who.String(), "kind", string(who.Kind), "from", who.Origin())
	return v1.RoleSession{Role: name, Token: token, Expires: until.UTC().Truncate(time.Second)}, nil
}

// RoleDrop ends the session of the request.
func (c *Control) RoleDrop(ctx context.Context, who Caller, _ v1.RoleDrop) (v1.Result, error) {
	if _, err := c.enter(ctx, who, "role drop"); err != nil {
		return v1.Result{}, err
	}
	if who.Role == "" {
		return v1.Result{}, fault.Errorf(fault.Precondition, "you are in no role")
	}
	c.sessions.end(who.session)
	return v1.Result{Messages: []string{"you are no longer in role " + who.Role}}, nil
}
