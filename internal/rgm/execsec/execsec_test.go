package execsec_test

import (
	"slices"
	"strings"
	"testing"

	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// account makes users whose number says who they are.
func account(name string, uid int) execsec.Account {
	return execsec.Account{Name: name, UID: uid, GID: uid, Groups: []int{uid}}
}

var (
	root = account("root", 0)
	app  = account("app", 1000)
	bob  = account("bob", 2000)
)

// way is a program that belongs to a user, in a directory of root's.
func way(uid int, mode uint32) []execsec.Fact {
	return []execsec.Fact{{Path: "/", Kind: execsec.Directory, Mode: 0o755}, {Path: "/p", Kind: execsec.File, UID: uid, GID: uid, Mode: mode}}
}

// TestTheTableOfUsers is the table of Solaris Cluster, every level with every owner.
func TestTheTableOfUsers(t *testing.T) {
	const refused = "refused"
	for _, c := range []struct {
		level      execsec.Level
		configured *execsec.Account
		owner      execsec.Account
		mode       uint32
		want       string // the user
		warns      bool
	}{
		{execsec.Secure, &app, root, 0o755, "app", false},
		{execsec.Secure, &app, app, 0o755, "app", false},
		{execsec.Secure, &app, bob, 0o755, refused, false},
		{execsec.Secure, nil, root, 0o755, "root", false},
		{execsec.Secure, nil, bob, 0o755, "bob", false},
		{execsec.Secure, &root, bob, 0o755, refused, false},
		{execsec.Secure, &app, root, 0o775, refused, false},
		{execsec.Secure, &app, root, 0o757, refused, false},
		{execsec.Secure, &app, root, 0o750, refused, false}, // app can not execute it
		{execsec.Secure, nil, bob, 0o700, "bob", false},
		{execsec.Warn, &app, root, 0o755, "app", false},
		{execsec.Warn, &app, bob, 0o755, "app", true},
		{execsec.Warn, &app, root, 0o777, "app", true},
		{execsec.Warn, &app, root, 0o700, "app", true},
		{execsec.Warn, &root, bob, 0o755, refused, false},
		{execsec.Warn, nil, bob, 0o755, "bob", false},
		{execsec.Override, &app, root, 0o755, "root", true},
		{execsec.Override, &app, bob, 0o755, "bob", true},
		{execsec.Override, nil, bob, 0o777, "bob", true},
		{execsec.Override, &root, bob, 0o755, "bob", true},
		{execsec.Compatibility, &app, bob, 0o755, "root", true},
		{execsec.Compatibility, nil, bob, 0o777, "root", true},
		{execsec.Compatibility, nil, root, 0o755, "root", false},
	} {
		got, err := execsec.Choose(execsec.Application{Level: c.level, Path: "/p", Facts: way(c.owner.UID, c.mode), Configured: c.configured, Owner: c.owner, Caller: root})
		name := got.Account.Name
		if err != nil {
			name = refused
		}
		if name != c.want || err == nil && (len(got.Warnings) > 0) != c.warns {
			t.Errorf("%s, Application_user %v, owner %s, mode %o: got %s, warnings %q, %v; want %s, warnings %v", c.level, c.configured, c.owner.Name, c.mode, name, got.Warnings, err, c.want, c.warns)
		}
	}
}

func TestDirectoriesOfTheUserAreHisOwnRisk(t *testing.T) {
	facts := []execsec.Fact{{Path: "/home", Kind: execsec.Directory, Mode: 0o755}, {Path: "/home/app", Kind: execsec.Directory, UID: 1000, Mode: 0o750}, {Path: "/home/app/p", Kind: execsec.File, UID: 1000, Mode: 0o755}}
	if vs := execsec.Judge(facts, 1000); len(vs) > 0 {
		t.Errorf("for the user himself: %v", vs)
	}
	if vs := execsec.Judge(facts, 0); len(vs) != 2 {
		t.Errorf("for root: %v", vs)
	}
	if vs := execsec.Judge(facts, 2000); len(vs) != 2 {
		t.Errorf("for somebody else: %v", vs)
	}
}

func TestLevels(t *testing.T) {
	for text, want := range map[string]execsec.Level{"": execsec.Secure, "warn": execsec.Warn, "COMPATIBILITY": execsec.Compatibility} {
		if l, err := execsec.ParseLevel(text); err != nil || l != want {
			t.Errorf("%q: %s, %v", text, l, err)
		}
	}
	if _, err := execsec.ParseLevel("NONE"); err == nil {
		t.Error("NONE is a level")
	}
	c := model.Cluster{Properties: []model.Property{{Name: execsec.PropertyName, Values: []string{"something of a later version"}}}}
	if l := execsec.LevelOf(c); l != execsec.Secure {
		t.Errorf("an unknown word counts as %s", l)
	}
}

func TestRefusalsNameEveryPlaceAndRemedy(t *testing.T) {
	facts := []execsec.Fact{{Path: "/a", Kind: execsec.Directory, UID: 7, Mode: 0o777}, {Path: "/a/b", Kind: execsec.Link, UID: 7, Mode: 0o777}}
	vs := execsec.Judge(append(facts, facts...), 0)
	err := execsec.Refuse(execsec.Secure, "Start", vs)
	for _, w := range []string{"chown root /a)", "chmod go-w /a)", "chown -h root /a/b)"} {
		if err == nil || strings.Count(err.Error(), w) != 1 {
			t.Errorf("want %q once: %v", w, err)
		}
	}
	if err := execsec.Refuse(execsec.Warn, "Start", vs); err != nil {
		t.Error(err)
	}
	if err := execsec.Refuse(execsec.Secure, "Start", nil); err != nil {
		t.Error(err)
	}
}

func TestProgramsOfACommand(t *testing.T) {
	for command, want := range map[string][]string{
		"nginx -c /etc/x":                              {"nginx"},
		"exec /opt/app/bin/server --port 1":            {"/opt/app/bin/server"},
		"cd /srv && ./run":                             {"cd", "./run"},
		"A=1 B=\"x y\" /opt/x; /opt/y | /opt/z &":      {"/opt/x", "/opt/y", "/opt/z"},
		"nice -n 10 /opt/x":                            {"/opt/x"},
		"sh /home/bob/x.sh":                            {"sh", "/home/bob/x.sh"},
		"python3.11 -u /home/bob/x.py":                 {"python3.11", "/home/bob/x.py"},
		". /etc/default/x; '/opt/a b' c":               {".", "/etc/default/x", "/opt/a b"},
		"if test -e /x; then /opt/y; fi":               {"test", "/opt/y", "fi"},
		"$DIR/x; /opt/y":                               {"/opt/y"},
		"/opt/$x":                                      nil,
		"/opt/x >/home/bob/log 2>&1 </dev/null":        {"/opt/x"},
		"> /tmp/log /opt/x":                            {"/opt/x"},
		"(sleep 1; /opt/x) &":                          {"sleep", "/opt/x"},
		"echo '; /home/bob/x' # ; /home/bob/y\n/opt/z": {"echo", "/opt/z"},
		"sh -c '/opt/x'":                               {"sh"},
		"":                                             nil,
		"\\":                                           {"\\"},
		"'":                                            nil,
	} {
		got := execsec.Programs(command)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", command, got, want)
		}
	}
}

func FuzzPrograms(f *testing.F) {
	for _, s := range []string{"a;b", "'", "\"$(", "a\\", "> x", "2>&1", "#", "env A=b -i c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range execsec.Programs(s) {
			if len(p) > len(s) {
				t.Errorf("%q of %q", p, s)
			}
		}
	})
}
