package control

import (
	"context"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
)

// profileNames are those of the product, and one's own after them.
func profileNames(p rbac.Policy) []string {
	var out []string
	for _, b := range rbac.Builtin() {
		out = append(out, b.Name)
	}
	return append(out, sortedKeys(p.Profiles)...)
}

// ProfileList lists the rights profiles.
func (c *Control) ProfileList(ctx context.Context, who Caller, in v1.ProfileList) ([]string, error) {
	_, v, err := c.reading(ctx, who, "profile list")
	if err != nil {
		return nil, err
	}
	return shownNames("profile", in.Names, profileNames(v.snap.Policy))
}

// ProfileShow shows what is in rights profiles.
func (c *Control) ProfileShow(ctx context.Context, who Caller, in v1.ProfileShow) ([]v1.Profile, error) {
	_, v, err := c.reading(ctx, who, "profile show")
	if err != nil {
		return nil, err
	}
	names, err := shownNames("profile", in.Names, profileNames(v.snap.Policy))
	out := []v1.Profile{}
	for _, n := range names {
		p, _ := v.snap.Policy.Profile(n)
		_, own := v.snap.Policy.Profiles[n]
		out = append(out, v1.Profile{
			Name: n, Description: p.Description, Builtin: !own, Authorizations: words(p.Authorizations), Profiles: p.Profiles, Holders: v.snap.Policy.UsedBy(n),
		})
	}
	return out, err
}

// putProfile checks a profile among the others and writes it.
func (d *draft) putProfile(p rbac.Profile) error {
	if len(p.Description) > maxDescription {
		return fault.Errorf(fault.Invalid, "profile %s: its description has %d bytes, more than the %d allowed", p.Name, len(p.Description), maxDescription)
	}
	if err := d.snap.Policy.CheckProfile(p, knownWord); err != nil {
		return fault.Errorf(fault.Invalid, "%w", err)
	}
	d.put(confdb.PrefixProfile+p.Name, confdb.KindProfile, p)
	return nil
}

// ProfileCreate creates a rights profile.
func (c *Control) ProfileCreate(ctx context.Context, who Caller, in v1.ProfileCreate) (v1.Result, error) {
	r, err := c.enter(ctx, who, "profile create")
	if err != nil {
		return v1.Result{}, err
	}
	name, err := oneName("profile create", in.Names, in.All)
	if err != nil {
		return v1.Result{}, err
	}
	list, err := wordsOf(in.Authorization)
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		p := d.snap.Policy
		if _, ok := p.Profile(name); ok || p.Damaged["profile/"+name] {
			return fault.Errorf(fault.Exists, "profile %s exists already", name)
		}
		if len(p.Profiles) >= rbac.MaxRecords {
			return fault.Errorf(fault.Precondition, "profile %s: there are %d profiles already, as many as there may be", name, len(p.Profiles))
		}
		d.say("profile " + name + " is created")
		return d.putProfile(rbac.Profile{Name: name, Description: in.Description, Authorizations: list, Profiles: slices.Clone(in.Profile)})
	}))
}

// ownProfile finds a profile that can be changed.
func (d *draft) ownProfile(name string) (rbac.Profile, error) {
	if own, ok := d.snap.Policy.Profiles[name]; ok {
		return own, nil
	}
	if _, ok := d.snap.Policy.Profile(name); ok {
		return rbac.Profile{}, fault.Errorf(fault.Precondition, "profile %s is one of the product and can not be changed; make one of your own that has it in it", name)
	}
	return rbac.Profile{}, unknown("profile", name, profileNames(d.snap.Policy))
}

// ProfileSet gives a rights profile another content.
func (c *Control) ProfileSet(ctx context.Context, who Caller, in v1.ProfileSet) (v1.Result, error) {
	r, err := c.enter(ctx, who, "profile set")
	if err != nil {
		return v1.Result{}, err
	}
	name, err := oneName("profile set", in.Names, in.All)
	if err != nil {
		return v1.Result{}, err
	}
	list, err := wordsOf(in.Authorization)
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		p, err := d.ownProfile(name)
		if err != nil {
			return err
		}
		if err := d.mayChange(rbac.KindProfile, name); err != nil {
			return err
		}
		if in.Description != "" {
			p.Description = in.Description
		}
		if len(list) > 0 {
			p.Authorizations = list
		}
		if len(in.Profile) > 0 {
			p.Profiles = slices.Clone(in.Profile)
		}
		d.say("profile " + name + " is changed")
		return d.putProfile(p)
	}))
}

// ProfileDelete deletes rights profiles that nobody holds.
func (c *Control) ProfileDelete(ctx context.Context, who Caller, in v1.ProfileDelete) (v1.Result, error) {
	r, err := c.enter(ctx, who, "profile delete")
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		names := in.Names
		if in.All {
			names = sortedKeys(d.snap.Policy.Profiles)
		}
		if len(names) == 0 {
			return fault.Errorf(fault.Invalid, "profile delete: name at least one, or + for all of your own")
		}
		for _, n := range names {
			if err := d.mayChange(rbac.KindProfile, n); err != nil {
				return err
			}
			if d.dropDamaged(rbac.KindProfile, n) {
				continue
			}
			if _, err := d.ownProfile(n); err != nil {
				return err
			}
			if users := without(d.snap.Policy.UsedBy(n), prefixed("profile ", names)); len(users) > 0 {
				return fault.Errorf(fault.Precondition, "profile %s is held by %s; take it from there first", n, commas(users))
			}
			d.drop(confdb.PrefixProfile + n)
			d.say("profile " + n + " is deleted")
		}
		return nil
	}))
}

func prefixed(prefix string, names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, prefix+n)
	}
	return out
}
