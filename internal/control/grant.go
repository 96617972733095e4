package control

import (
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/check"
)

// grantsOf reads what shall be granted.
func grantsOf(profiles, authorizations []string, scope string) ([]rbac.Grant, error) {
	at, err := rbac.ParseScope(scope)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%w", err)
	}
	var out []rbac.Grant
	for _, p := range profiles {
		if p == "" {
			return nil, fault.Errorf(fault.Invalid, "a profile has no name")
		}
		out = append(out, rbac.Grant{Profile: p, Scope: at})
	}
	words, err := wordsOf(authorizations)
	for _, w := range words {
		out = append(out, rbac.Grant{Authorization: w, Scope: at})
	}
	return out, err
}

// wordsOf reads authorizations.
func wordsOf(texts []string) ([]rbac.Word, error) {
	var out []rbac.Word
	for _, t := range texts {
		w, err := rbac.ParseWord(t)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "%w", err)
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out, nil
}

// granted adds to what somebody holds; what he holds already is not added again.
func (d *draft) granted(what string, have, more []rbac.Grant) ([]rbac.Grant, error) {
	out := slices.Clone(have)
	for _, g := range more {
		if slices.Contains(out, g) {
			d.say(what + " has " + g.String() + " already")
			continue
		}
		out = append(out, g)
		d.say(what + " has " + g.String())
		if g.Scope.Group != "" {
			if _, ok := check.Group(d.state, cluster.GroupName(g.Scope.Group)); !ok {
				d.say("group " + g.Scope.Group + " does not exist yet")
			}
		}
	}
	if err := d.snap.Policy.CheckGrants(out, knownWord); err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s: %w", what, err)
	}
	return out, nil
}

// withoutGrants takes grants away; with anyScope wherever they count.
func (d *draft) withoutGrants(what string, have, less []rbac.Grant, anyScope bool) ([]rbac.Grant, error) {
	out := slices.Clone(have)
	for _, g := range less {
		before := len(out)
		out = slices.DeleteFunc(out, func(h rbac.Grant) bool {
			return h.Profile == g.Profile && h.Authorization == g.Authorization && (anyScope || h.Scope == g.Scope)
		})
		if len(out) == before {
			return nil, fault.Errorf(fault.NotFound, "%s does not have %s", what, strings.TrimSuffix(g.String(), map[bool]string{true: " for cluster"}[anyScope]))
		}
		d.say(what + " has no more " + strings.TrimSuffix(g.String(), map[bool]string{true: " for cluster"}[anyScope]))
	}
	return out, nil
}

// mayChange refuses whoever would change what he holds himself.
func (d *draft) mayChange(kind, name string) error {
	if err := d.snap.Policy.MayChange(d.who.changer(), kind, name); err != nil {
		return fault.Errorf(fault.Denied, "%w", err)
	}
	return nil
}

// mayChangeUser is for operations that need another right and change a user too.
func (d *draft) mayChangeUser(name string) error {
	if dec := d.snap.Policy.Decide(d.who.subject(), rbac.WordFor("user", rbac.Modify), nil); !dec.Allowed {
		return fault.Errorf(fault.Denied, "%s may not change user %s: %s", d.who, name, strings.Join(dec.Why, "; "))
	}
	return d.mayChange(rbac.KindUser, name)
}

// oneName is the one operand of an operation that takes no more.
func oneName(kind string, names []string, all bool) (string, error) {
	if len(names) != 1 || all {
		return "", fault.Errorf(fault.Invalid, "%s: name one", kind)
	}
	return names[0], nil
}

// named are the operands of an operation that makes its objects where there are none.
func named(kind string, names []string, all bool) ([]string, error) {
	if len(names) == 0 || all {
		return nil, fault.Errorf(fault.Invalid, "%s: name at least one; + can not be used here", kind)
	}
	return slices.Compact(slices.Sorted(slices.Values(names))), nil
}

// keyRbac is where the record of a kind with a name is.
func keyRbac(kind, name string) string {
	switch kind {
	case rbac.KindUser:
		return confdb.PrefixUser + name
	case rbac.KindGroup:
		return confdb.PrefixUnixGrp + name
	case rbac.KindRole:
		return confdb.PrefixRole + name
	}
	return confdb.PrefixProfile + name
}

// dropDamaged deletes a record that can not be read, which is the way to be rid of one; false if it is not damaged.
func (d *draft) dropDamaged(kind, name string) bool {
	if !d.snap.Policy.Damaged[kind+"/"+name] {
		return false
	}
	d.drop(keyRbac(kind, name))
	d.say(kind + " " + name + " had a damaged record, which is deleted")
	return true
}

func wireGrants(grants []rbac.Grant) []v1.Grant {
	out := []v1.Grant{}
	for _, g := range grants {
		out = append(out, v1.Grant{Profile: g.Profile, Authorization: string(g.Authorization), Scope: g.Scope.String()})
	}
	return out
}

func sortedKeys[T any](m map[string]T) []string {
	out := []string{}
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
