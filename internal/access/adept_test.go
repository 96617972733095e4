package access

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// lecture is the vector of the models.
func lecture(request bool) *Adept {
	return &Adept{
		Request:   request,
		Users:     map[string]Profile{"u1": {Level: 3, Categories: NewSet("nuc", "pol"), Modes: NewSet("r", "w", "x")}, "u2": {Level: 3}},
		Terminals: map[string]Profile{"t1": {Level: 1, Categories: NewSet("nuc"), Franchise: NewSet("u1"), Modes: NewSet("r", "w")}},
		Files: map[string]Profile{
			"f1": {Level: 1, Categories: NewSet("nuc"), Franchise: NewSet("u1", "u2"), Modes: NewSet("r")},
			"f2": {Level: 2, Categories: NewSet("nuc"), Franchise: NewSet("u1"), Modes: NewSet("r")},
			"f3": {Level: 0, Categories: NewSet("pol"), Franchise: NewSet("u1"), Modes: NewSet("r")},
			"f4": {Level: 0, Franchise: NewSet("u2"), Modes: NewSet("r")},
			"f5": {Level: 0, Franchise: NewSet("u1"), Modes: NewSet("r", "x")},
		},
	}
}

func TestVectorOfAdept(t *testing.T) {
	for _, request := range []bool{false, true} {
		a := lecture(request)
		s, d := a.Login("u1", "t1")
		if !d.Granted || s.Job.Level != 1 || !slices.Equal(s.Job.Categories, Set{"nuc"}) || !slices.Equal(s.Job.Franchise, Set{"u1"}) || !slices.Equal(s.Job.Modes, Set{"r", "w"}) {
			t.Fatalf("job %+v, %+v", s, d)
		}
		for _, c := range []struct {
			file    string
			granted bool
			rule    string
		}{{"f1", true, "3 and 4"}, {"f2", false, "4 level"}, {"f3", false, "4 category"}, {"f4", false, "3 franchise"}} {
			d := s.Open(c.file, "r")
			if d.Granted != c.granted || d.Rule != c.rule || d.Why.Nothing() || (len(d.Needs) == 0) != c.granted {
				t.Errorf("%s: %+v, want rule %s", c.file, d, c.rule)
			}
		}
		if s.Level != 1 || !slices.Equal(s.Categories, Set{"nuc"}) {
			t.Errorf("high-water mark %d %v", s.Level, s.Categories)
		}
		p, d := s.Create("new")
		if !d.Granted || p.Level != 1 || !slices.Equal(p.Categories, Set{"nuc"}) || !slices.Equal(p.Franchise, Set{"u1"}) || !slices.Equal(p.Modes, Set{"r", "w"}) {
			t.Errorf("new file %+v, %+v", p, d)
		}
		if _, d := s.Create("new"); d.Granted {
			t.Error("a file is made twice")
		}
		// f5 has a mode that the terminal lacks: strict refuses even reading, a request for reading is served.
		if d := s.Open("f5", "r"); d.Granted != request || !request && d.Rule != "4 mode" {
			t.Errorf("f5, request mode %v: %+v", request, d)
		}
		if d := s.Open("f5", "w"); d.Granted || !strings.Contains(d.Rule, "3 mode") {
			t.Errorf("f5 has no mode w: %+v", d)
		}
	}
}

func TestLoginRefused(t *testing.T) {
	a := lecture(false)
	for _, c := range [][3]string{{"nobody", "t1", "1"}, {"u2", "t1", "2"}, {"u1", "t9", "2"}} {
		if s, d := a.Login(c[0], c[1]); s != nil || d.Granted || d.Rule != c[2] || len(d.Needs) != 1 {
			t.Errorf("%v: %+v", c, d)
		}
	}
	s, _ := a.Login("u1", "t1")
	if d := s.Open("nothing", "r"); d.Granted {
		t.Errorf("%+v", d)
	}
	a.Request = true
	if d := s.Open("f1", ""); d.Granted || d.Rule != "3 mode" {
		t.Errorf("a request without a mode: %+v", d)
	}
}

func TestJobKeepsTheProfileOfLogin(t *testing.T) {
	a := lecture(false)
	s, _ := a.Login("u1", "t1")
	x := a.Terminals["t1"]
	x.Level = 3
	a.Terminals["t1"] = x
	if d := s.Open("f2", "r"); d.Granted || d.Rule != "job" || !slices.Equal(texts(d.Needs), []string{"log in again"}) {
		t.Errorf("%+v", d)
	}
	again, _ := a.Login("u1", "t1")
	if d := again.Open("f2", "r"); !d.Granted {
		t.Errorf("%+v", d)
	}
}

func subset(t *rapid.T, of ...string) Set {
	var s Set
	for _, n := range of {
		if rapid.Bool().Draw(t, n) {
			s = append(s, n)
		}
	}
	return s
}

func profile(t *rapid.T) Profile {
	return Profile{Level: rapid.IntRange(0, 3).Draw(t, "level"), Categories: subset(t, "a", "b"), Franchise: subset(t, "u", "v"), Modes: subset(t, "r", "w")}
}

// rules34 is rules 3 and 4 as the source has them.
func rules34(u, term, f Profile, user, mode string, request bool) bool {
	for _, p := range []Profile{u, term} {
		if p.Level < f.Level || !p.Categories.Contains(f.Categories) {
			return false
		}
		if !request && !p.Modes.Contains(f.Modes) || request && !p.Modes.Has(mode) {
			return false
		}
	}
	return f.Franchise.Has(user) && (mode == "" || f.Modes.Has(mode))
}

func TestJobRuleIsRulesThreeAndFour(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u, term, f := profile(t), profile(t), profile(t)
		request := rapid.Bool().Draw(t, "request")
		mode := rapid.SampledFrom([]string{"r", "w"}).Draw(t, "mode")
		if !request && rapid.Bool().Draw(t, "no mode") {
			mode = ""
		}
		term.Franchise = term.Franchise.Or(Set{"u"})
		open := func(u, term, f Profile) Decision {
			a := &Adept{Request: request, Users: map[string]Profile{"u": u}, Terminals: map[string]Profile{"t": term}, Files: map[string]Profile{"f": f}}
			s, _ := a.Login("u", "t")
			reaches := s.Reaches(mode).Has("f")
			d := s.Open("f", mode)
			if reaches != d.Granted {
				t.Fatalf("reaches %v, opens %+v", reaches, d)
			}
			return d
		}
		d := open(u, term, f)
		if want := rules34(u, term, f, "u", mode, request); d.Granted != want || d.Rule == "" || d.Why.Nothing() || d.Rule == "job" || d.Granted != (len(d.Needs) == 0) {
			t.Fatalf("%+v, by rules 3 and 4 %v", d, want)
		}
		more := Profile{Level: min(3, u.Level+1), Categories: u.Categories.Or(Set{"b"}), Franchise: u.Franchise, Modes: u.Modes.Or(Set{"w"})}
		if d.Granted && !open(more, term, f).Granted {
			t.Fatal("a user who may more gets less")
		}
		secret := f
		secret.Level++
		if !d.Granted && open(u, term, secret).Granted {
			t.Fatal("a higher level of the file grants")
		}
	})
}

func TestHighWaterMark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &Adept{Request: rapid.Bool().Draw(t, "request"), Users: map[string]Profile{"u": profile(t)}, Terminals: map[string]Profile{"t": profile(t)}, Files: map[string]Profile{}}
		x := a.Terminals["t"]
		x.Franchise = Set{"u"}
		a.Terminals["t"] = x
		for _, n := range []string{"f", "g", "h"} {
			a.Files[n] = profile(t)
		}
		s, _ := a.Login("u", "t")
		for i := range rapid.IntRange(1, 8).Draw(t, "steps") {
			level, categories := s.Level, s.Categories
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				name := string(rune('A' + i))
				p, d := s.Create(name)
				mode := ""
				if a.Request && len(p.Modes) > 0 {
					mode = p.Modes[0]
				}
				if !d.Granted || mode == "" && a.Request {
					continue
				}
				if d := s.Open(name, mode); !d.Granted {
					t.Fatalf("its maker can not open %+v: %+v", p, d)
				}
			} else {
				s.Open(rapid.SampledFrom([]string{"f", "g", "h"}).Draw(t, "file"), "r")
			}
			if s.Level < level || !s.Categories.Contains(categories) || s.Level > s.Job.Level || !s.Job.Categories.Contains(s.Categories) {
				t.Fatalf("from %d %v to %d %v with job %+v", level, categories, s.Level, s.Categories, s.Job)
			}
		}
	})
}
