package access

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Profile is the four-tuple of ADEPT-50. Users have no franchise of their own: that of a job is its user.
type Profile struct {
	Level      int // authority A
	Categories Set // C
	Franchise  Set // F: the users who may use it
	Modes      Set // M
}

// Adept is a system with users, terminals and files.
type Adept struct {
	Request   bool     // a file is opened in one mode, which file and job must both have; otherwise (strict) the job must have all modes of the file
	Levels    []string // names of the levels, for sentences; where there is none, levels are numbers
	Users     map[string]Profile
	Terminals map[string]Profile
	Files     map[string]Profile
}

// Session is a user at a terminal, with the profile of his job, fixed at login, and the high-water mark of what he has opened.
type Session struct {
	User, Terminal string
	Job            Profile
	Level          int // high-water mark: the highest level of the files opened; 0 at login
	Categories     Set // and all their categories
	system         *Adept
}

// LevelName is the name of a level, or its number.
func (a *Adept) LevelName(l int) string {
	if l >= 0 && l < len(a.Levels) {
		return a.Levels[l]
	}
	return strconv.Itoa(l)
}

// job is the profile of a job: the less of the levels, what is common to categories and modes, and the user alone.
func job(user string, u, t Profile) Profile {
	return Profile{Level: min(u.Level, t.Level), Categories: u.Categories.And(t.Categories), Franchise: Set{user}, Modes: u.Modes.And(t.Modes)}
}

// Login is rules 1 and 2: the user is known to the system, and in the franchise of the terminal. The session is nil when it is refused.
func (a *Adept) Login(user, terminal string) (*Session, Decision) {
	u, ok := a.Users[user]
	if !ok {
		return nil, Decision{Rule: "1", Why: Say("%s is no user of the system", user), Needs: []Said{Say("make %s a user of the system", user)}}
	}
	t, ok := a.Terminals[terminal]
	if !ok {
		return nil, Decision{Rule: "2", Why: Say("there is no terminal %s", terminal), Needs: []Said{Say("make %s a terminal of the system", terminal)}}
	}
	if !t.Franchise.Has(user) {
		return nil, Decision{
			Rule: "2", Why: Say("%s is not in the franchise %v of terminal %s", user, t.Franchise, terminal),
			Needs: []Said{Say("add %s to the franchise of terminal %s", user, terminal)},
		}
	}
	j := job(user, u, t)
	return &Session{User: user, Terminal: terminal, Job: j, system: a}, Decision{
		Granted: true, Rule: "1 and 2",
		Why: Say("%s is a user of the system and in the franchise of terminal %s; the job has level %s, categories %v, modes %v", user, terminal, a.LevelName(j.Level), j.Categories, j.Modes),
	}
}

// lack is one term of a rule that does not hold.
type lack struct {
	rule      string
	why, need Said
}

// Open decides whether the job of the session gets a file, and raises the high-water mark if it does. The mode is required in request mode; in strict mode it may be empty,
// and where it is not, the file must have it.
func (s *Session) Open(file, mode string) Decision {
	f, ok := s.system.Files[file]
	if !ok {
		return Decision{Rule: "3", Why: Say("there is no file %s", file), Needs: []Said{Say("make the file %s", file)}}
	}
	if s.system.Request && mode == "" {
		return Decision{Rule: "3 mode", Why: Say("the request for file %s names no mode, and the system decides by mode", file), Needs: []Said{Say("name one of the modes %v of file %s", f.Modes, file)}}
	}
	if d, ok := s.jobGets(file, f, mode); ok {
		s.Level, s.Categories = max(s.Level, f.Level), s.Categories.Or(f.Categories)
		return d
	}
	// The job's profile refuses. Rules 3 and 4, which together say the same, tell whether it is for the user or for the terminal.
	lacks := s.lacks(file, f, mode)
	var rules []string
	var why, needs []Said
	for _, l := range lacks {
		rules, why, needs = append(rules, l.rule), append(why, l.why), append(needs, l.need)
	}
	return Decision{Rule: strings.Join(rules, ", "), Why: SayAll("; ", why...), Needs: needs}
}

// jobGets is the rule of the job's profile.
func (s *Session) jobGets(name string, f Profile, mode string) (Decision, bool) {
	j := s.Job
	modes := j.Modes.Contains(f.Modes) && (mode == "" || f.Modes.Has(mode))
	said := Say("all modes %v", f.Modes)
	if s.system.Request {
		modes = j.Modes.Has(mode) && f.Modes.Has(mode)
		said = Say("mode %s", mode)
	}
	if j.Level < f.Level || !j.Categories.Contains(f.Categories) || !modes || !f.Franchise.Has(s.User) {
		return Decision{}, false
	}
	return Decision{
		Granted: true, Rule: "3 and 4",
		Why: Say("the job of %s at %s has level %s, which is not below %s, the categories %v of file %s, and %s, and %s is in its franchise",
			s.User, s.Terminal, s.system.LevelName(j.Level), s.system.LevelName(f.Level), f.Categories, name, said, s.User),
	}, true
}

// lacks lists the terms of rules 3 and 4 that do not hold.
func (s *Session) lacks(name string, f Profile, mode string) (out []lack) {
	a := s.system
	for _, side := range []struct {
		rule string
		who  Said
		p    Profile
	}{{"3", Say("user %s", s.User), a.Users[s.User]}, {"4", Say("terminal %s", s.Terminal), a.Terminals[s.Terminal]}} {
		add := func(term string, why, need Said) { out = append(out, lack{side.rule + " " + term, why, need}) }
		if side.p.Level < f.Level {
			add("level", Say("level %s of %s is below level %s of file %s", a.LevelName(side.p.Level), side.who, a.LevelName(f.Level), name),
				Say("raise %s to level %s", side.who, a.LevelName(f.Level)))
		}
		if missing := f.Categories.Without(side.p.Categories); len(missing) > 0 {
			add("category", Say("%s lacks the categories %v of file %s", side.who, missing, name), Say("give %s the categories %v", side.who, missing))
		}
		missing := f.Modes.Without(side.p.Modes)
		if a.Request {
			missing = Set{mode}.Without(side.p.Modes)
		}
		if len(missing) > 0 {
			add("mode", Say("%s lacks the modes %v", side.who, missing), Say("give %s the modes %v", side.who, missing))
		}
	}
	if mode != "" && !f.Modes.Has(mode) {
		out = append(out, lack{"3 mode", Say("file %s has the modes %v, not %s", name, f.Modes, mode), Say("give file %s the mode %s, or ask for one of %v", name, mode, f.Modes)})
	}
	if !f.Franchise.Has(s.User) {
		out = append(out, lack{"3 franchise", Say("%s is not in the franchise %v of file %s", s.User, f.Franchise, name), Say("add %s to the franchise of file %s", s.User, name)})
	}
	// The profiles of users and terminals may have been changed since login; the job's was not.
	if len(out) == 0 {
		out = append(out, lack{"job", Say("the profile of the job of %s at %s was fixed at login and does not suffice for file %s, though user and terminal now do", s.User, s.Terminal, name),
			Say("log in again")})
	}
	return out
}

// Create makes a file of what the session has seen: the high-water mark is its level and its categories, the user its franchise, the job's modes its modes.
func (s *Session) Create(file string) (Profile, Decision) {
	if _, ok := s.system.Files[file]; ok {
		return Profile{}, Decision{Rule: "new file", Why: Say("there is a file %s already", file), Needs: []Said{Say("take another name")}}
	}
	p := Profile{Level: s.Level, Categories: slices.Clone(s.Categories), Franchise: Set{s.User}, Modes: slices.Clone(s.Job.Modes)}
	if s.system.Files == nil {
		s.system.Files = map[string]Profile{}
	}
	s.system.Files[file] = p
	return p, Decision{
		Granted: true, Rule: "new file",
		Why: Say("file %s gets the high-water mark of the session, level %s and categories %v; only %s may use it, in the modes %v", file, s.system.LevelName(p.Level), p.Categories, s.User, p.Modes),
	}
}

// Reaches lists the files that the job could open as things are, in the given mode; the high-water mark stays.
func (s *Session) Reaches(mode string) (files Set) {
	for _, name := range slices.Sorted(maps.Keys(s.system.Files)) {
		if _, ok := s.jobGets(name, s.system.Files[name], mode); ok {
			files = append(files, name)
		}
	}
	return files
}
