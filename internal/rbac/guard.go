package rbac

import (
	"fmt"
	"slices"
)

// The kinds of records that say who may do what.
const (
	KindUser    = "user"
	KindGroup   = "group" // a Unix group
	KindRole    = "role"
	KindProfile = "profile"
)

// reserved are names that no record may have: root's rights are not granted, and not taken.
var reserved = []string{"root"}

// Changer is who wants to change what others hold.
type Changer struct {
	Subject
	Listed []string // the Unix groups that the user database has him in, whatever his process has
	Remote bool     // he is known by a certificate: nobody can tell which Unix groups he is in
}

// MayChange says why somebody may not change the record of a kind with a name, though he may change such records: it says what he holds himself.
func (p Policy) MayChange(by Changer, kind, name string) error {
	if by.Root {
		return nil
	}
	me := p.Users[by.User]
	refuse := func(why string) error {
		return fmt.Errorf("%s may not change %s %s: %s; nobody changes what he holds himself, ask another holder of the profile %q, or root", by.User, kind, name, why, UserSecurity)
	}
	switch kind {
	case KindUser:
		if name == by.User {
			return refuse("that is himself")
		}
	case KindGroup:
		if by.Remote {
			return refuse("over the network it is not known which Unix groups he is in")
		}
		if slices.Contains(by.Groups, name) || slices.Contains(by.Listed, name) {
			return refuse("he is in it")
		}
	case KindRole:
		if by.Role == name || slices.Contains(me.Roles, name) {
			return refuse("he may assume it")
		}
	case KindProfile:
		if slices.Contains(p.profilesOf(by), name) {
			return refuse("he holds it, or could")
		}
	}
	return nil
}

// profilesOf returns every profile that somebody holds, by himself, through a group or through a role that he may assume, with those within them.
func (p Policy) profilesOf(by Changer) []string {
	me := p.Users[by.User]
	grants := slices.Clone(me.Grants)
	for _, g := range slices.Concat(by.Groups, by.Listed) {
		grants = append(grants, p.Groups[g].Grants...)
	}
	for _, r := range append(slices.Clone(me.Roles), by.Role) {
		grants = append(grants, p.Roles[r].Grants...)
	}
	var out []string
	for _, g := range grants {
		out = append(out, p.Within(g.Profile)...)
	}
	return out
}

// CheckNew says why there can be no record of a kind with a name: a name means one person or role, never both.
func (p Policy) CheckNew(kind, name string) error {
	if kind == KindProfile {
		return CheckProfileName(name)
	}
	if err := CheckUserName(kind, name); err != nil {
		return err
	}
	switch {
	case slices.Contains(reserved, name) && kind != KindGroup:
		return fmt.Errorf("%s %s: root of a node holds everything, which is neither granted nor taken; the name can not be used", kind, name)
	case kind == KindUser && p.IsRole(name):
		return fmt.Errorf("user %s: there is a role of that name, and nobody logs in as a role", name)
	case kind == KindRole && (p.Users[name].Name != "" || p.Damaged["user/"+name]):
		return fmt.Errorf("role %s: there is a user of that name", name)
	}
	return nil
}

// CheckGrants says what is wrong with what shall be granted.
func (p Policy) CheckGrants(grants []Grant, known func(Word) bool) error {
	if len(grants) > MaxGrants {
		return fmt.Errorf("%d grants are more than the %d allowed", len(grants), MaxGrants)
	}
	for _, g := range grants {
		if _, ok := p.Profile(g.Profile); g.Profile != "" && !ok {
			return fmt.Errorf("there is no profile %q; `redoubt profile list` shows those that there are", g.Profile)
		}
		if g.Profile == "" && !known(g.Authorization) {
			return fmt.Errorf("there is no authorization %s; docs/reference/authorizations.md lists them", g.Authorization)
		}
		if g.Profile != "" && g.Authorization != "" {
			return fmt.Errorf("a grant is a profile or an authorization, not both")
		}
	}
	return nil
}
