package rbac

import (
	"slices"
	"strings"
)

// Policy is all records as they are now. Damaged names those that can not be read, as "role/NAME": they grant nothing, and what is damaged under a role's
// name still counts as a role to which nobody may log in.
type Policy struct {
	Users    map[string]User
	Groups   map[string]Group
	Roles    map[string]Role
	Profiles map[string]Profile
	Damaged  map[string]bool
}

// Subject is who asks.
type Subject struct {
	Root   bool     // root of a node, by the kernel's word: holds everything, and nothing takes that away
	User   string   // empty: nobody
	Groups []string // the Unix groups of a local caller
	Role   string   // the role that he has assumed; its rights then count in place of his own
}

// Holding is one authorization that somebody holds, where, and through what.
type Holding struct {
	Word  Word
	Scope Scope
	Chain []string // from the subject to the authorization
}

// Decision is an answer with its reason.
type Decision struct {
	Allowed bool
	Why     []string // allowed: the chain for each object; denied: what is missing
}

// IsRole reports whether a name is a role's. Nobody logs in under such a name.
func (p Policy) IsRole(name string) bool {
	_, ok := p.Roles[name]
	return ok || p.Damaged["role/"+name]
}

// MayAssume reports whether a user is listed for a role that exists.
func (p Policy) MayAssume(user, role string) bool {
	u, ok := p.Users[user]
	r, exists := p.Roles[role]
	return ok && exists && u.Name == user && r.Name == role && !p.IsRole(user) && slices.Contains(u.Roles, role)
}

// barred says why a subject holds nothing at all; empty if it may hold something.
func (p Policy) barred(s Subject) string {
	switch {
	case s.Root:
		return ""
	case s.User == "":
		return "nobody is known by that name"
	case p.IsRole(s.User):
		return s.User + " is a role: nobody logs in as a role, it is assumed with `redoubt role assume " + s.User + "`"
	case s.Role != "" && !p.MayAssume(s.User, s.Role):
		return "user " + s.User + " may not be in role " + s.Role
	}
	return ""
}

// Holdings returns everything that a subject holds. Root's are not listed: root needs none.
func (p Policy) Holdings(s Subject) []Holding {
	if s.Root || p.barred(s) != "" {
		return nil
	}
	var out []Holding
	add := func(grants []Grant, chain ...string) {
		for _, g := range grants {
			out = append(out, p.expand(g, chain)...)
		}
	}
	if s.Role != "" {
		add(p.Roles[s.Role].Grants, "user "+s.User, "role "+s.Role)
		return out
	}
	if u := p.Users[s.User]; u.Name == s.User {
		add(u.Grants, "user "+s.User)
	}
	for _, name := range s.Groups {
		if g := p.Groups[name]; g.Name == name {
			add(g.Grants, "user "+s.User, "Unix group "+name)
		}
	}
	return out
}

// expand gives the authorizations of a grant.
func (p Policy) expand(g Grant, chain []string) []Holding {
	if g.Profile == "" {
		return []Holding{{g.Authorization, g.Scope, append(slices.Clone(chain), "authorization "+string(g.Authorization))}}
	}
	var out []Holding
	var seen []string
	var visit func(name string, chain []string)
	visit = func(name string, chain []string) {
		prof, ok := p.Profile(name)
		if !ok || slices.Contains(seen, name) {
			return
		}
		seen = append(seen, name)
		chain = append(slices.Clone(chain), "profile "+name)
		for _, w := range prof.Authorizations {
			out = append(out, Holding{w, g.Scope, append(slices.Clone(chain), "authorization "+string(w))})
		}
		for _, inner := range prof.Profiles {
			visit(inner, chain)
		}
	}
	visit(g.Profile, chain)
	return out
}

// Reach returns where a subject holds an authorization.
func (p Policy) Reach(s Subject, need Word) Reach {
	if s.Root {
		return Reach{{}}
	}
	var out Reach
	for _, h := range p.Holdings(s) {
		if h.Word.Implies(need) && !slices.Contains(out, h.Scope) {
			out = append(out, h.Scope)
		}
	}
	return out
}

// Decide says whether a subject may do something that needs an authorization to all of the objects; none means the whole cluster.
func (p Policy) Decide(s Subject, need Word, objects []Object) Decision {
	if s.Root {
		return Decision{true, []string{"root of a node holds everything"}}
	}
	if why := p.barred(s); why != "" {
		return Decision{false, []string{why}}
	}
	if len(objects) == 0 {
		objects = []Object{Whole}
	}
	held := p.Holdings(s)
	d := Decision{Allowed: true}
	for _, o := range objects {
		i := slices.IndexFunc(held, func(h Holding) bool { return h.Word.Implies(need) && h.Scope.Covers(o) })
		if i < 0 {
			return Decision{false, []string{missing(s, held, need, o)}}
		}
		if why := explain(held[i], need, o); !slices.Contains(d.Why, why) {
			d.Why = append(d.Why, why)
		}
	}
	return d
}

// explain writes the chain from the subject to the object.
func explain(h Holding, need Word, o Object) string {
	chain := slices.Clone(h.Chain)
	if h.Word != need {
		chain = append(chain, "includes "+string(need))
	}
	return strings.Join(append(chain, "scope "+h.Scope.String()+", covers "+o.String()), " -> ")
}

// missing says what a subject lacks.
func missing(s Subject, held []Holding, need Word, o Object) string {
	who := "user " + s.User
	if s.Role != "" {
		who += " in role " + s.Role
	}
	var where []string
	for _, h := range held {
		if h.Word.Implies(need) && !slices.Contains(where, h.Scope.String()) {
			where = append(where, h.Scope.String())
		}
	}
	if len(where) > 0 {
		return who + " holds " + string(need) + " only for " + strings.Join(where, ", ") + ", not for " + o.String()
	}
	return who + " does not hold " + string(need)
}
