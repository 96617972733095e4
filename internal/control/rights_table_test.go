package control

import (
	"context"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/membership"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

var update = flag.Bool("update", false, "write testdata/rights.txt anew; look at what changed in it")

// still is a repository and a membership that stay as they are.
type stillWorld struct{ snap engine.Snapshot }

func (s stillWorld) Snapshot() engine.Snapshot                     { return s.snap }
func (s stillWorld) Subscribe(ctx context.Context) <-chan struct{} { return make(chan struct{}) }
func (s stillWorld) View() membership.View                         { return membership.View{} }
func (s stillWorld) MayStart() bool                                { return true }

type wall struct{}

func (wall) Boot() membership.Instant { return 1 }
func (wall) Wall() time.Time          { return time.Unix(1e9, 0) }

// persons hold one profile each; the last only for one group.
func persons() ([]string, rbac.Policy) {
	p := rbac.Policy{
		Users: map[string]rbac.User{}, Groups: map[string]rbac.Group{}, Profiles: map[string]rbac.Profile{},
		Roles: map[string]rbac.Role{"arole": {Name: "arole", Grants: []rbac.Grant{{Profile: rbac.ClusterManagement}}}},
	}
	p.Users["member"] = rbac.User{Name: "member", Roles: []string{"arole"}}
	names := []string{"nobody", "read", "operate", "manage", "georead", "geooperate", "geomanage", "security", "groups", "webop", "webmanage", "arole", "member"}
	for name, profile := range map[string]string{
		"read": rbac.ClusterRead, "operate": rbac.ClusterOperation, "manage": rbac.ClusterManagement, "georead": rbac.GeoRead, "geooperate": rbac.GeoOperation, "geomanage": rbac.GeoManagement,
		"security": rbac.UserSecurity,
	} {
		p.Users[name] = rbac.User{Name: name, Grants: []rbac.Grant{{Profile: profile}}}
	}
	p.Users["groups"] = rbac.User{Name: "groups", Grants: []rbac.Grant{{Authorization: "cluster.group.admin"}}}
	p.Users["webop"] = rbac.User{Name: "webop", Grants: []rbac.Grant{{Profile: rbac.ClusterOperation, Scope: rbac.Scope{Group: "web-rg"}}}}
	p.Users["webmanage"] = rbac.User{Name: "webmanage", Grants: []rbac.Grant{{Profile: rbac.ClusterManagement, Scope: rbac.Scope{Group: "web-rg"}}}}
	return names, p
}

func tableOf(t *testing.T) (*Control, []string) {
	t.Helper()
	names, policy := persons()
	s := engine.Snapshot{Policy: policy, Revision: func(string) cluster.Revision { return 1 }}
	s.State.Basis.Revision = 7
	s.State.Groups = []model.Group{{Name: "db-rg"}, {Name: "web-rg", Dependencies: []cluster.GroupName{"db-rg"}, Affinities: []model.Affinity{{Kind: model.AffinityPrefer, Target: "db-rg"}}}}
	s.State.Resources = []model.Resource{
		{Name: "db", Group: "db-rg", Type: "app"}, {Name: "front", Group: "db-rg", Type: "app", Dependencies: []model.Dependency{{On: "web", Kind: model.DependStrong}}},
		{Name: "tied", Group: "web-rg", Type: "app", Dependencies: []model.Dependency{{On: "db", Kind: model.DependWeak}}}, {Name: "web", Group: "web-rg", Type: "app"},
	}
	s.State.Types = []model.Type{{Name: "app"}, {Name: balance.SharedAddress}, {Name: logicalHostname}}
	s.Secrets = []model.Secret{
		{Name: "dbpw", ObjectType: model.ObjectResource, Object: "db"}, {Name: "laterpw", ObjectType: model.ObjectResource, Object: "later"}, {Name: "webpw", ObjectType: model.ObjectResource, Object: "web"},
	}
	for _, n := range []string{"manage", "security", "webmanage", "member"} {
		s.Certificates = append(s.Certificates, model.Certificate{Fingerprint: "SHA256:" + n, Kind: certUser, Name: n, NotAfter: wall{}.Wall().Add(time.Hour)})
	}
	s.Certificates = append(s.Certificates, model.Certificate{Fingerprint: "SHA256:taken", Kind: certUser, Name: "manage", NotAfter: wall{}.Wall().Add(time.Hour)})
	s.Revoked = []string{"SHA256:taken"}
	s.State.Cluster.Properties = []model.Property{{Name: model.Sessions, Values: []string{"on"}}}
	for _, n := range []string{"manage", "security", "webmanage", "member"} {
		hash, at := rbac.TokenHash("token of "+n), wall{}.Wall()
		s.Sessions = append(s.Sessions, rbac.Session{ID: "of-" + n, User: n, Hash: hash[:], Opened: at, Used: at, Ends: at.Add(time.Hour), Idle: 900})
	}
	hash, err := hashPassword([]byte(rolePassword))
	if err != nil {
		t.Fatal(err)
	}
	s.Policy.Roles["arole"] = rbac.Role{Name: "arole", Password: hash, Grants: policy.Roles["arole"].Grants}
	c := New(Config{Clock: wall{}, Log: slog.New(slog.DiscardHandler)})
	c.Enter(&Running{Source: stillWorld{s}, Membership: stillWorld{s}, Current: func() bool { return true }})
	return c, names
}

const rolePassword = "correct horse"

// column is a caller of the table.
type column struct {
	name string
	who  Caller
}

// columns are all kinds of callers: users of a node, one of them also in a role that he has assumed with its password, users over the network, one with a certificate that was revoked
// and one with another's, users in sessions, one closed and one another's, and those who are no persons.
func columns(t *testing.T, c *Control, names []string) []column {
	t.Helper()
	local := func(name string) Caller { return Caller{Kind: CallerLocal, UID: 1000, User: name} }
	remote := func(name, certificate string) Caller {
		return Caller{Kind: CallerUser, User: name, Certificate: "SHA256:" + certificate}
	}
	inSession := func(name string) Caller {
		who, err := c.InSession(t.Context(), netip.MustParseAddr("192.0.2.7"), "token of "+name)
		if err != nil {
			t.Fatal(err)
		}
		return who
	}
	inRole := func(who Caller) Caller {
		session, err := c.RoleAssume(t.Context(), who, v1.RoleAssume{Names: []string{"arole"}, Password: []byte(rolePassword)})
		if err != nil {
			t.Fatal(err)
		}
		in, err := c.InRole(who, session.Token)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	var out []column
	for _, n := range names {
		out = append(out, column{n, local(n)})
	}
	return append(out,
		column{"member:arole", inRole(local("member"))},
		column{"cert:manage", remote("manage", "manage")}, column{"cert:security", remote("security", "security")}, column{"cert:webmanage", remote("webmanage", "webmanage")},
		column{"cert:member:arole", inRole(remote("member", "member"))},
		column{"cert:revoked", remote("manage", "taken")}, column{"cert:another's", remote("manage", "webmanage")},
		column{"session:manage", inSession("manage")}, column{"session:security", inSession("security")}, column{"session:webmanage", inSession("webmanage")},
		column{"session:member:arole", inRole(inSession("member"))},
		column{"session:closed", Caller{Kind: CallerSession, User: "manage", Session: "gone"}}, column{"session:another's", Caller{Kind: CallerSession, User: "manage", Session: "of-webmanage"}},
		column{"partner", Caller{Kind: CallerPartner, User: "east"}}, column{"node", Caller{Kind: CallerNode, Node: "n2"}}, column{"stranger", Caller{Kind: CallerNone}}, column{"unknown", Caller{User: "manage"}},
		column{"root", Caller{Kind: CallerLocal, User: "root"}},
	)
}

// about fills the fields of an operation's input that name what it is about.
func about(op v1.Operation, group, resource, secret string) any {
	m := reflect.ValueOf((*Control)(nil)).MethodByName(camelled(op.Noun) + camelled(op.Verb))
	in := reflect.New(m.Type().In(2)).Elem()
	set := func(field, value string) {
		f := in.FieldByName(field)
		switch {
		case !f.IsValid():
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.String:
			f.Set(reflect.ValueOf([]string{value}))
		case f.Kind() == reflect.String:
			f.SetString(value)
		}
	}
	switch op.Noun {
	case "group":
		set("Names", group)
	case "resource":
		set("Names", resource)
		if strings.HasPrefix(op.Verb, "create") {
			set("Names", "new")
			set("Group", group)
		}
	case "secret":
		set("Names", secret)
		set("Object", resource)
	case "scha_resourcegroup_get":
		set("Group", group)
	default:
		set("Names", group)
		set("Resource", resource)
	}
	return in.Interface()
}

func camelled(name string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '-' || r == '_' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// TestEveryoneAgainstEverything: each kind of caller against each operation, for the whole cluster, for group web-rg and for group db-rg. The expectation is a file that people
// read: whoever adds an operation, or takes one away, writes it anew with -update and looks at the difference.
func TestEveryoneAgainstEverything(t *testing.T) {
	c, names := tableOf(t)
	var b strings.Builder
	b.WriteString("# who may do what: A for the whole cluster, w for web-rg and what is in it, d for db-rg, s for himself, - not at all\n# operation (authorization):")
	all := columns(t, c, names)
	for _, x := range all {
		b.WriteString(" " + x.name)
	}
	b.WriteString("\n")
	for _, op := range Operations() {
		name := op.Noun + " " + op.Verb
		b.WriteString(name + " (" + op.Authorization + "):")
		for _, x := range all {
			n, who := x.name, x.who
			may := func(ctx context.Context) bool {
				err := c.permit(ctx, who, name)
				if err != nil && !fault.Is(err, fault.Denied) {
					t.Errorf("%s by %s: %v", name, n, err)
				}
				return err == nil
			}
			word := ""
			for mark, ctx := range map[string]context.Context{
				"A": t.Context(), "w": Asking(t.Context(), name, about(op, "web-rg", "web", "webpw")), "d": Asking(t.Context(), name, about(op, "db-rg", "db", "dbpw")),
			} {
				if may(ctx) {
					word += mark
				}
			}
			if strings.Contains(word, "A") {
				if len(word) != 3 && len(word) > 0 && !partialRead(name) {
					t.Errorf("%s by %s: allowed for the whole cluster, but not for a part: %s", name, n, word)
				}
				if len(word) == 3 {
					word = "A"
				}
			}
			if word == "" && op.Authorization == v1.AuthOwn && may(Asking(t.Context(), name, about(op, who.User, "", ""))) {
				word = "s"
			}
			b.WriteString(" " + sorted(word))
		}
		b.WriteString("\n")
	}
	path := filepath.Join("testdata", "rights.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	is, was := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	if slices.Equal(is, was) {
		return
	}
	t.Errorf("not as %s has it; run the test with -update and look at the difference", path)
	for _, line := range without(is, was) {
		t.Errorf("is now:\n%s", line)
	}
	for _, line := range without(was, is) {
		t.Errorf("is no longer:\n%s", line)
	}
}

func partialRead(name string) bool {
	for _, p := range partial {
		if p == name {
			return true
		}
	}
	return false
}

func sorted(word string) string {
	out := ""
	for _, mark := range []string{"A", "w", "d", "s"} {
		if strings.Contains(word, mark) {
			out += mark
		}
	}
	if out == "" {
		return "-"
	}
	return out
}

// What a request reaches beyond what it names counts too.
func TestReachOfRequests(t *testing.T) {
	c, _ := tableOf(t)
	webmanage := Caller{Kind: CallerLocal, UID: 1000, User: "webmanage"}
	manage := Caller{Kind: CallerUser, User: "manage", Certificate: "none"}
	for _, x := range []struct {
		name string
		in   any
		may  bool
	}{
		{"resource disable", v1.ResourceDisable{Names: []string{"web"}}, true},
		{"resource disable", v1.ResourceDisable{Names: []string{"web"}, Recursive: true}, false}, // front of db-rg depends on it
		{"resource delete", v1.ResourceDelete{Names: []string{"web"}, Force: true}, false},
		{"resource delete", v1.ResourceDelete{Names: []string{"web"}}, true},
		{"resource delete", v1.ResourceDelete{Names: []string{"gone"}}, false},
		{"resource disable", v1.ResourceDisable{All: true}, false},
		{"resource disable", v1.ResourceDisable{All: true, Group: "web-rg"}, true},
		{"resource disable", v1.ResourceDisable{Names: []string{"db"}, Group: "web-rg"}, false},
		{"group delete", v1.GroupDelete{Names: []string{"web-rg"}, Force: true}, false},
		{"group delete", v1.GroupDelete{Names: []string{"web-rg"}}, true},
		{"group set", v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"Failback=true"}}, true},
		{"group set", v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"Failback=true", "priority=900"}}, false}, // it would go before others
		{"group set", v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"Preemption_mode=Never"}}, false},
		{"group create", v1.GroupCreate{Names: []string{"web-rg"}}, true},
		{"group create", v1.GroupCreate{Names: []string{"web-rg"}, Property: []string{"Priority=501"}}, false},
		{"group set", v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"load_factors=mem@4"}}, false}, // others would make room
		{"group set", v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"RG_affinities=--db-rg"}}, false},
		{"group set", v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"rg_affinities+=+++db-rg"}}, false},
		{"group set", v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"RG_affinities=+db-rg", "RG_dependencies=db-rg"}}, true}, // they are there already
		{"group set", v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"RG_affinities=", "RG_dependencies-=db-rg"}}, true},
		{"group set", v1.GroupSet{Names: []string{"web-rg"}, Property: []string{"RG_dependencies+=mail-rg"}}, false},
		{"group create", v1.GroupCreate{Names: []string{"web-rg"}, Property: []string{"RG_affinities=-mail-rg"}}, false},
		{"resource set", v1.ResourceSet{Names: []string{"web"}, Property: []string{"R_description=mine"}}, true},
		{"resource set", v1.ResourceSet{Names: []string{"web"}, Property: []string{"Resource_dependencies=db"}}, false}, // db could not go offline before web does
		{"resource set", v1.ResourceSet{Names: []string{"web"}, Standard: []string{"resource_dependencies_weak+=db{LOCAL_NODE}"}}, false},
		{"resource set", v1.ResourceSet{Names: []string{"web"}, Property: []string{"Resource_dependencies_restart=tied"}}, true},
		{"resource set", v1.ResourceSet{Names: []string{"tied"}, Property: []string{"Resource_dependencies_weak=db,web"}}, true},
		{"resource set", v1.ResourceSet{Names: []string{"tied"}, Property: []string{"Resource_dependencies_weak="}}, true},
		{"resource set", v1.ResourceSet{Names: []string{"tied"}, Property: []string{"Resource_dependencies_weak=", "Resource_dependencies=db"}}, false},
		{"resource create", v1.ResourceCreate{Names: []string{"fresh"}, Group: "web-rg", Type: "app", Property: []string{"Resource_dependencies=web"}}, true},
		{"resource create", v1.ResourceCreate{Names: []string{"fresh"}, Group: "web-rg", Type: "app", Property: []string{"Resource_dependencies=db"}}, false},
		{"resource create-logicalhostname", v1.ResourceCreateLogicalhostname{Names: []string{"fresh"}, Group: "web-rg", Property: []string{"Resource_dependencies=db"}}, false},
		{"resource create-sharedaddress", v1.ResourceCreateSharedaddress{Names: []string{"fresh"}, Group: "web-rg", Standard: []string{"Resource_dependencies=db"}}, false},
		{"group offline", v1.GroupOffline{Names: []string{"web-rg", "db-rg"}}, false},
		{"group offline", v1.GroupOffline{Names: []string{"+"}}, false},
		{"group offline", v1.GroupOffline{All: true}, false},
		{"group offline", v1.GroupOffline{}, false},
		{"group offline", v1.GroupOffline{Names: []string{""}}, false},
		{"group offline", v1.GroupOnline{Names: []string{"web-rg"}}, false}, // the input of another operation
		{"group evacuate", v1.GroupEvacuate{All: true, Node: []string{"n1"}}, false},
		{"group show", v1.GroupShow{}, true}, // and shows what he may see
		{"group show", v1.GroupShow{Names: []string{"db-rg"}}, false},
		{"secret set", v1.SecretSet{Names: []string{"dbpw"}}, false},
		{"secret set", v1.SecretSet{Names: []string{"webpw"}}, true},
		{"secret create", v1.SecretCreate{Names: []string{"x"}, Object: "gone"}, false},
		{"resource create", v1.ResourceCreate{Names: []string{"fresh"}, Group: "web-rg"}, true},
		{"resource create", v1.ResourceCreate{Names: []string{"later"}, Group: "web-rg"}, false}, // a private string waits for a resource of that name
		{"resource create", v1.ResourceCreate{Names: []string{"fresh", "later"}, Group: "web-rg"}, false},
		{"resource create-logicalhostname", v1.ResourceCreateLogicalhostname{Names: []string{"later"}, Group: "web-rg"}, false},
		{"resource create-sharedaddress", v1.ResourceCreateSharedaddress{Names: []string{"later"}, Group: "web-rg"}, false},
		{"cluster status", v1.ClusterStatus{}, true},
		{"cluster export", v1.ClusterExport{}, false},
		{"node list", v1.NodeList{}, false},
	} {
		if err := c.permit(Asking(t.Context(), x.name, x.in), webmanage, x.name); (err == nil) != x.may {
			t.Errorf("%s %+v: %v", x.name, x.in, err)
		}
	}
	if err := c.permit(t.Context(), manage, "group create"); !fault.Is(err, fault.Denied) {
		t.Errorf("a certificate that nobody gave: %v", err)
	}
	for _, name := range []string{"node n1", "uid 1000", "+", "", "arole", "m\u0430nage"} {
		if err := c.permit(t.Context(), Caller{Kind: CallerLocal, UID: 1000, User: name}, "cluster list"); !fault.Is(err, fault.Denied) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := c.permit(t.Context(), Caller{Kind: CallerLocal, UID: 1000, User: "read", Role: "arole"}, "cluster list"); !fault.Is(err, fault.Denied) {
		t.Errorf("a role without a session: %v", err)
	}
	if got := (Caller{Kind: CallerLocal, UID: 5, User: "node n1"}).String(); got != "uid 5" {
		t.Errorf("a user called as a node is written as %q", got)
	}
}

// An operation that does not say what it needs makes the program not start.
func TestOperationsSayWhatTheyNeed(t *testing.T) {
	for _, bad := range []v1.Operation{{Noun: "group", Verb: "x"}, {Noun: "group", Verb: "x", Authorization: "cluster.group.admin"}, {Noun: "Gr oup", Verb: "x", Authorization: v1.AuthRead}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was taken", bad)
				}
			}()
			worded([]v1.Operation{bad})
		}()
	}
}
