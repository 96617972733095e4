package live

import (
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/assess/model"
	"redoubt/internal/rbac"
)

// codes is the hierarchy of the rights profiles: one profile is above another when whoever holds it needs nothing more for the other. Profiles that allow the same are
// one node.
func (b *builder) codes() {
	if why, no := b.e.missing("profile show"); no || len(b.e.Profiles) == 0 {
		b.note(sayNoProfiles, strings.TrimSuffix(": "+why, ": "))
		return
	}
	policy := rbac.Policy{Profiles: map[string]rbac.Profile{}}
	var names []string
	for _, p := range b.e.Profiles {
		names = append(names, p.Name)
		if !p.Builtin {
			policy.Profiles[p.Name] = profile(p)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	words := map[string][]rbac.Word{}
	for _, n := range names {
		words[n] = authorizations(policy, n)
	}
	above := func(x, y string) bool {
		return !slices.ContainsFunc(words[y], func(w rbac.Word) bool {
			return !slices.ContainsFunc(words[x], func(h rbac.Word) bool { return h.Implies(w) })
		})
	}
	var leads []string // one profile for each node of the hierarchy
	called := map[string]string{}
	for _, n := range names {
		i := slices.IndexFunc(leads, func(l string) bool { return above(l, n) && above(n, l) })
		if i < 0 {
			leads = append(leads, n)
			called[n] = n
			continue
		}
		called[leads[i]] += " = " + n
	}
	c := &model.Codes{Phi: "subset", Source: "rights profiles of the cluster (profile show), ordered by what they allow"}
	for _, x := range leads {
		node := model.CodeNode{Name: called[x]}
		for _, y := range leads {
			between := slices.ContainsFunc(leads, func(z string) bool { return z != x && z != y && above(x, z) && above(z, y) })
			if x != y && above(x, y) && !between {
				node.Below = append(node.Below, called[y])
			}
		}
		c.Nodes = append(c.Nodes, node)
	}
	b.m.Codes = c
}

func profile(p v1.Profile) rbac.Profile {
	out := rbac.Profile{Name: p.Name, Profiles: p.Profiles}
	for _, a := range p.Authorizations {
		out.Authorizations = append(out.Authorizations, rbac.Word(a))
	}
	return out
}

// authorizations are all that a profile allows, with those of the profiles in it.
func authorizations(policy rbac.Policy, name string) []rbac.Word {
	var out []rbac.Word
	for _, n := range policy.Within(name) {
		if p, ok := policy.Profile(n); ok {
			out = append(out, p.Authorizations...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
