package rbac

import (
	"fmt"
	"slices"
)

// The profiles of the product. They can not be changed.
const (
	ClusterManagement = "Cluster Management"
	ClusterOperation  = "Cluster Operation"
	ClusterRead       = "Cluster Read"
	GeoManagement     = "Geo Management"
	GeoOperation      = "Geo Operation"
	GeoRead           = "Geo Read"
	UserSecurity      = "User Security"
)

// Builtin returns the profiles of the product.
func Builtin() []Profile {
	return []Profile{
		{Name: ClusterRead, Description: "See the configuration and the state", Authorizations: []Word{"cluster.read"}},
		{Name: ClusterOperation, Description: "Change the state: switch, restart, enable, evacuate", Authorizations: []Word{"cluster.admin"}, Profiles: []string{ClusterRead}},
		{Name: ClusterManagement, Description: "Change the configuration: create, delete, set properties", Authorizations: []Word{"cluster.modify"}, Profiles: []string{ClusterOperation}},
		{Name: GeoRead, Description: "See partner clusters and protection groups", Authorizations: []Word{"cluster.geo.read"}},
		{Name: GeoOperation, Description: "Start, stop, switch over and take over protection groups", Authorizations: []Word{"cluster.geo.admin"}, Profiles: []string{GeoRead}},
		{Name: GeoManagement, Description: "Change partner clusters and protection groups", Authorizations: []Word{"cluster.geo.modify"}, Profiles: []string{GeoOperation}},
		{Name: UserSecurity, Description: "Change what users, roles and profiles hold, but not what one holds oneself", Authorizations: []Word{"cluster.user.read", "cluster.user.admin", "cluster.user.modify"}},
	}
}

// Profile finds a profile of the product or one's own.
func (p Policy) Profile(name string) (Profile, bool) {
	for _, b := range Builtin() {
		if b.Name == name {
			return b, true
		}
	}
	own, ok := p.Profiles[name]
	return own, ok && own.Name == name
}

// Within returns the names of a profile and of all those in it. A profile that is not there, or is met again, adds nothing.
func (p Policy) Within(name string) []string {
	var out []string
	var visit func(name string)
	visit = func(name string) {
		prof, ok := p.Profile(name)
		if !ok || slices.Contains(out, name) {
			return
		}
		out = append(out, name)
		for _, inner := range prof.Profiles {
			visit(inner)
		}
	}
	visit(name)
	return out
}

// CheckProfile says what is wrong with a profile that shall stand beside the others. known reports whether an authorization means anything.
func (p Policy) CheckProfile(prof Profile, known func(Word) bool) error {
	if err := CheckProfileName(prof.Name); err != nil {
		return err
	}
	if n := len(prof.Authorizations) + len(prof.Profiles); n > MaxGrants {
		return fmt.Errorf("profile %s: it has %d parts, more than the %d allowed", prof.Name, n, MaxGrants)
	}
	for _, w := range prof.Authorizations {
		if !known(w) {
			return fmt.Errorf("profile %s: there is no authorization %s", prof.Name, w)
		}
	}
	for _, inner := range prof.Profiles {
		if _, ok := p.Profile(inner); !ok {
			return fmt.Errorf("profile %s: there is no profile %q to put into it", prof.Name, inner)
		}
		if inner == prof.Name || slices.Contains(p.Within(inner), prof.Name) {
			return fmt.Errorf("profile %s can not be a part of itself, which it would be through %q", prof.Name, inner)
		}
	}
	return nil
}

// UsedBy returns who holds it directly, and which profiles have it in them.
func (p Policy) UsedBy(profile string) []string {
	var out []string
	holds := func(kind, name string, grants []Grant) {
		if slices.ContainsFunc(grants, func(g Grant) bool { return g.Profile == profile }) {
			out = append(out, kind+" "+name)
		}
	}
	for n, u := range p.Users {
		holds("user", n, u.Grants)
	}
	for n, g := range p.Groups {
		holds("Unix group", n, g.Grants)
	}
	for n, r := range p.Roles {
		holds("role", n, r.Grants)
	}
	for n, other := range p.Profiles {
		if slices.Contains(other.Profiles, profile) {
			out = append(out, "profile "+n)
		}
	}
	slices.Sort(out)
	return out
}
