package rbac

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWords(t *testing.T) {
	for text, want := range map[string]Word{
		"cluster.read": "cluster.read", "solaris.cluster.read": "cluster.read", "cluster.resource.admin": "cluster.resource.admin", "solaris.cluster.geo.modify": "cluster.geo.modify",
		"": "", "cluster": "", "cluster.": "", "read": "", "cluster..read": "", "cluster.*": "", "Cluster.read": "", "cluster.read ": "", "solaris.solaris.cluster.read": "",
		"cluster.group.write": "", "cluster.gr\u043eup.read": "", "cluster.read.group": "", "cluster." + strings.Repeat("a", 200) + ".read": "",
	} {
		if got, err := ParseWord(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, c := range []struct {
		have, need Word
		want       bool
	}{
		{"cluster.admin", "cluster.admin", true},
		{"cluster.admin", "cluster.resource.admin", true},
		{"cluster.resource.admin", "cluster.admin", false},
		{"cluster.resource.admin", "cluster.group.admin", false},
		{"cluster.modify", "cluster.admin", false},
		{"cluster.modify", "cluster.read", false},
		{"cluster.admin", "cluster.resource.modify", false},
		{"cluster.modify", "cluster.user.modify", false},
		{"cluster.read", "cluster.geo.read", false},
		{"cluster.geo.read", "cluster.geo.partner.read", true},
		{"cluster.user.modify", "cluster.user.modify", true},
		{"", "", false}, {"self", "self", false}, {"root", "root", false}, {"cluster.read", "", false},
	} {
		if got := c.have.Implies(c.need); got != c.want {
			t.Errorf("%s implies %s: %v", c.have, c.need, got)
		}
	}
}

func TestScopes(t *testing.T) {
	for text, want := range map[string]string{"": "cluster", "cluster": "cluster", "group:web-rg": "group:web-rg", "zone:z1": "zone:z1", "group:": "", "group:+": "", "node:n1": "", "group": "", "group:a,b": "", "group:all": ""} {
		s, err := ParseScope(text)
		if (err == nil) != (want != "") || err == nil && s.String() != want {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	var g Grant
	for _, bad := range []string{`{"authorization":"cluster.read","scope":""}`, `{"authorization":"cluster.read","scope":"grup:x"}`, `{"authorization":"cluster.read","scope":3}`} {
		if json.Unmarshal([]byte(bad), &g) == nil {
			t.Errorf("%s was read", bad)
		}
	}
	if (Scope{Group: "a", Zone: "b"}).Covers(Object{Group: "a", Zone: "b"}) {
		t.Error("a scope that nothing grants covers something")
	}
	if (Scope{Group: "a"}).Covers(Object{Group: "a", Zone: "b"}) {
		t.Error("a group of a zone cluster is covered by the group of the same name")
	}
}

// policy is one with something of everything.
func policy() Policy {
	return Policy{
		Users: map[string]User{
			"op":    {Name: "op", Grants: []Grant{{Profile: ClusterOperation, Scope: Scope{Group: "web-rg"}}}, Roles: []string{"boss"}},
			"guard": {Name: "guard", Grants: []Grant{{Profile: UserSecurity}}, Roles: []string{"boss"}},
			"boss":  {Name: "boss", Grants: []Grant{{Profile: ClusterManagement}}},
		},
		Groups:   map[string]Group{"staff": {Name: "staff", Grants: []Grant{{Authorization: "cluster.read"}}}},
		Roles:    map[string]Role{"boss": {Name: "boss", Grants: []Grant{{Profile: "All"}}, Password: "x"}},
		Profiles: map[string]Profile{"All": {Name: "All", Profiles: []string{ClusterManagement, "Loop"}}, "Loop": {Name: "Loop", Profiles: []string{"All"}}},
	}
}

func TestDecide(t *testing.T) {
	p := policy()
	web, db := Object{Group: "web-rg"}, Object{Group: "db-rg"}
	for _, c := range []struct {
		who     Subject
		need    Word
		objects []Object
		want    bool
		why     string
	}{
		{Subject{Root: true}, "cluster.user.modify", nil, true, "root"},
		{Subject{User: "op"}, "cluster.group.admin", []Object{web}, true, "user op -> profile Cluster Operation -> authorization cluster.admin -> includes cluster.group.admin -> scope group:web-rg, covers group web-rg"},
		{Subject{User: "op"}, "cluster.group.admin", []Object{web, db}, false, "only for group:web-rg, not for group db-rg"},
		{Subject{User: "op"}, "cluster.group.admin", nil, false, "not for the whole cluster"},
		{Subject{User: "op"}, "cluster.group.modify", []Object{web}, false, "does not hold cluster.group.modify"},
		{Subject{User: "eve"}, "cluster.read", nil, false, "does not hold"},
		{Subject{User: "eve", Groups: []string{"staff"}}, "cluster.node.read", nil, true, "Unix group staff"},
		{Subject{User: "op", Role: "boss"}, "cluster.modify", nil, true, "role boss -> profile All -> profile Cluster Management"},
		{Subject{User: "eve", Role: "boss"}, "cluster.modify", nil, false, "may not be in role"},
		{Subject{User: "op", Role: "none"}, "cluster.read", nil, false, "may not be in role"},
		{Subject{User: "boss"}, "cluster.read", nil, false, "nobody logs in as a role"},
		{Subject{User: "boss", Groups: []string{"staff"}}, "cluster.read", nil, false, "nobody logs in as a role"},
		{Subject{}, "cluster.read", nil, false, "nobody"},
		{Subject{Groups: []string{"staff"}}, "cluster.read", nil, false, "nobody"},
		{Subject{User: "guard"}, "cluster.user.modify", nil, true, "User Security"},
		{Subject{User: "guard"}, "cluster.read", nil, false, "does not hold"},
	} {
		d := p.Decide(c.who, c.need, c.objects)
		if d.Allowed != c.want || !strings.Contains(strings.Join(d.Why, "\n"), c.why) {
			t.Errorf("%+v %s %v: %v %q", c.who, c.need, c.objects, d.Allowed, d.Why)
		}
	}
	p.Damaged = map[string]bool{"role/op": true}
	if p.Decide(Subject{User: "op"}, "cluster.group.admin", []Object{web}).Allowed {
		t.Error("a user whose name a damaged role has was let in")
	}
}

func TestNobodyChangesWhatHeHolds(t *testing.T) {
	p := policy()
	p.Profiles["Guards"] = Profile{Name: "Guards", Authorizations: []Word{"cluster.user.modify"}}
	p.Groups["guards"] = Group{Name: "guards", Grants: []Grant{{Profile: "Guards"}}}
	by := func(user string, groups ...string) Changer {
		return Changer{Subject: Subject{User: user, Groups: groups}}
	}
	for _, c := range []struct {
		by         Changer
		kind, name string
		may        bool
	}{
		{Changer{Subject: Subject{Root: true}}, KindUser, "root", true},
		{by("guard"), KindUser, "guard", false},
		{by("guard"), KindUser, "op", true},
		{by("guard"), KindRole, "boss", false},
		{by("guard"), KindRole, "other", true},
		{Changer{Subject: Subject{User: "x", Role: "mine"}}, KindRole, "mine", false},
		{by("guard"), KindProfile, "All", false}, // through the role that he may assume
		{by("guard"), KindProfile, "Guards", true},
		{by("x", "guards"), KindProfile, "Guards", false},
		{by("x", "guards"), KindGroup, "guards", false},
		{Changer{Subject: Subject{User: "x"}, Listed: []string{"guards"}}, KindGroup, "guards", false},
		{Changer{Subject: Subject{User: "x"}, Listed: []string{"guards"}}, KindProfile, "Guards", false},
		{Changer{Subject: Subject{User: "x"}, Remote: true}, KindGroup, "staff", false},
		{by("x", "guards"), KindGroup, "staff", true},
	} {
		if err := p.MayChange(c.by, c.kind, c.name); (err == nil) != c.may {
			t.Errorf("%+v %s %s: %v", c.by, c.kind, c.name, err)
		}
	}
}

func TestNames(t *testing.T) {
	p := policy()
	for _, c := range []struct {
		kind, name string
		good       bool
	}{
		{KindUser, "alice", true}, {KindUser, "www-data", true}, {KindUser, "_apt", true}, {KindUser, "node n1", false}, {KindUser, "uid 1000", false}, {KindUser, "+", false}, {KindUser, "", false},
		{KindUser, "root", false}, {KindRole, "root", false}, {KindGroup, "root", true}, {KindUser, "boss", false}, {KindRole, "op", false}, {KindUser, "\u0430lice", false}, {KindUser, "a/b", false}, {KindUser, "a\x00", false},
		{KindUser, "a,b", false}, {KindUser, strings.Repeat("a", 33), false}, {KindProfile, "My Profile", true}, {KindProfile, "cluster management", false}, {KindProfile, "User  Security", false},
		{KindProfile, " x", false}, {KindProfile, "a/b", false}, {KindProfile, "+", false}, {KindProfile, "\u0421luster Read", false},
	} {
		if err := p.CheckNew(c.kind, c.name); (err == nil) != c.good {
			t.Errorf("%s %q: %v", c.kind, c.name, err)
		}
	}
}

func TestCyclesAreRefused(t *testing.T) {
	p := Policy{Profiles: map[string]Profile{"A": {Name: "A", Profiles: []string{"B"}}, "B": {Name: "B"}}}
	all := func(Word) bool { return true }
	if err := p.CheckProfile(Profile{Name: "B", Profiles: []string{"A"}}, all); err == nil {
		t.Error("a cycle was taken")
	}
	if err := p.CheckProfile(Profile{Name: "C", Profiles: []string{"C"}}, all); err == nil {
		t.Error("a profile in itself was taken")
	}
	if err := p.CheckProfile(Profile{Name: "C", Profiles: []string{"A", ClusterRead}}, all); err != nil {
		t.Error(err)
	}
	if got := policy().Within("All"); !slices.Contains(got, "Loop") || len(got) != 5 {
		t.Errorf("within a cycle: %v", got)
	}
}

var (
	someWords    = []Word{"cluster.read", "cluster.admin", "cluster.modify", "cluster.group.read", "cluster.group.admin", "cluster.resource.modify", "cluster.user.modify", "cluster.geo.read", "cluster.node.admin"}
	someProfiles = []string{ClusterRead, ClusterOperation, ClusterManagement, UserSecurity, "P", "Q", "none"}
	someScopes   = []Scope{{}, {Group: "a"}, {Group: "b"}, {Zone: "z"}}
	someObjects  = []Object{{}, {Group: "a"}, {Group: "b"}, {Group: "c"}, {Group: "a", Zone: "z"}, {Zone: "z"}}
)

func grants(t *rapid.T, label string) []Grant {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Grant {
		g := Grant{Scope: rapid.SampledFrom(someScopes).Draw(t, "scope")}
		if rapid.Bool().Draw(t, "profile?") {
			g.Profile = rapid.SampledFrom(someProfiles).Draw(t, "profile")
		} else {
			g.Authorization = rapid.SampledFrom(someWords).Draw(t, "word")
		}
		return g
	}), 0, 4).Draw(t, label)
}

func some(t *rapid.T) (Policy, Subject) {
	p := Policy{
		Users:  map[string]User{"u": {Name: "u", Grants: grants(t, "user"), Roles: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"r", "s"}), 0, 2, rapid.ID[string]).Draw(t, "roles")}},
		Groups: map[string]Group{"g": {Name: "g", Grants: grants(t, "group")}},
		Roles:  map[string]Role{"r": {Name: "r", Grants: grants(t, "role")}},
		Profiles: map[string]Profile{
			"P": {Name: "P", Authorizations: rapid.SliceOfN(rapid.SampledFrom(someWords), 0, 2).Draw(t, "P words"), Profiles: rapid.SliceOfN(rapid.SampledFrom(someProfiles), 0, 2).Draw(t, "P profiles")},
			"Q": {Name: "Q", Profiles: rapid.SliceOfN(rapid.SampledFrom(someProfiles), 0, 2).Draw(t, "Q profiles")},
		},
	}
	s := Subject{User: rapid.SampledFrom([]string{"u", "v", "r", ""}).Draw(t, "name"), Groups: rapid.SampledFrom([][]string{nil, {"g"}, {"h"}}).Draw(t, "groups"), Role: rapid.SampledFrom([]string{"", "", "r", "s"}).Draw(t, "in role")}
	return p, s
}

// Another grant never takes a right away.
func TestMoreGrantsAreNeverLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, s := some(t)
		more, _ := some(t)
		need := rapid.SampledFrom(someWords).Draw(t, "need")
		objects := rapid.SliceOfN(rapid.SampledFrom(someObjects), 0, 3).Draw(t, "objects")
		before := p.Decide(s, need, objects)
		u, r, g := p.Users["u"], p.Roles["r"], p.Groups["g"]
		u.Grants = append(slices.Clone(u.Grants), more.Users["u"].Grants...)
		r.Grants = append(slices.Clone(r.Grants), more.Roles["r"].Grants...)
		g.Grants = append(slices.Clone(g.Grants), more.Groups["g"].Grants...)
		p.Users["u"], p.Roles["r"], p.Groups["g"] = u, r, g
		after := p.Decide(s, need, objects)
		if before.Allowed && !after.Allowed {
			t.Fatalf("%v was allowed and is denied with more grants: %v", before.Why, after.Why)
		}
	})
}

// Whoever may do something to several objects may do it to each, and whoever may do it to the whole cluster may do it to any.
func TestScopeIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, s := some(t)
		need := rapid.SampledFrom(someWords).Draw(t, "need")
		objects := rapid.SliceOfN(rapid.SampledFrom(someObjects), 1, 4).Draw(t, "objects")
		all, each := p.Decide(s, need, objects).Allowed, true
		for _, o := range objects {
			one := p.Decide(s, need, []Object{o}).Allowed
			each = each && one
			if one != p.Reach(s, need).Covers(o) {
				t.Fatalf("the reach of %s differs from the decision on %v", need, o)
			}
			if p.Decide(s, need, nil).Allowed && !one {
				t.Fatalf("allowed for the whole cluster, denied for %v", o)
			}
		}
		if all != each {
			t.Fatalf("all: %v, each: %v", all, each)
		}
	})
}

// What no grant gives is denied, and a damaged or missing record gives nothing more.
func TestDenyByDefault(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, s := some(t)
		need := rapid.SampledFrom(someWords).Draw(t, "need")
		o := rapid.SampledFrom(someObjects).Draw(t, "object")
		full := p.Decide(s, need, []Object{o}).Allowed
		switch rapid.IntRange(0, 3).Draw(t, "lost") {
		case 0:
			delete(p.Users, "u")
		case 1:
			delete(p.Groups, "g")
		case 2:
			delete(p.Profiles, "P")
		case 3:
			delete(p.Roles, "r")
			p.Damaged = map[string]bool{"role/r": true}
		}
		if p.Decide(s, need, []Object{o}).Allowed && !full {
			t.Fatal("a record that is gone gives a right")
		}
		if (Policy{}).Decide(s, need, []Object{o}).Allowed {
			t.Fatal("an empty policy allows something")
		}
	})
}
