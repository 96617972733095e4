package execcheck

import (
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/execsec"
)

// AppUser says as whom a command of a property runs: the user of the first program it names, for all of it. nil is root. Then everything else that the
// command names and that is code has to be root's: further programs, what interpreters read, and every other word that is the path of an executable file.
func (g *Gate) AppUser(call agent.Call, command string, env []string) (*agent.User, error) {
	level := g.cfg.Level()
	q, wrong := g.question(level, call, command, env, false)
	if len(wrong) > 0 {
		return nil, wrong[0]
	}
	chosen, warnings, err := ChooseUser(q.Question)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		g.warn(level, q.Path, []execsec.Violation{{Path: q.Path, Why: w}})
	}
	if chosen.UID != 0 {
		return &chosen, nil // what else runs, runs as that user too
	}
	for err := range g.rest(level, q) {
		return nil, err
	}
	return nil, nil
}

// InspectCommand says all that is wrong with a command of a property as it would run now, whatever the level has the gate do about it. What is not installed here
// is not wrong. The error is for a file system that does not answer.
func (g *Gate) InspectCommand(call agent.Call, command string, env []string) (wrong []string, err error) {
	q, errs := g.question(execsec.Secure, call, command, env, true)
	for _, m := range slices.Concat(q.programs, q.command.Code) { // all that is opened below, where nothing bounds how long that takes
		if filepath.IsAbs(m.Path) {
			if _, err := g.patient.ask(m.Path, func() bool { return executable(m.Path) }); err != nil {
				return nil, err
			}
		}
	}
	q.Level = g.cfg.Level() // it says as whom the command runs
	chosen, wrong, err := ChooseUser(q.Question)
	errs = append(errs, err)
	if chosen.UID == 0 && !fault.Is(err, fault.NotFound) {
		errs = slices.AppendSeq(errs, g.rest(execsec.Secure, q))
	}
	for _, err := range errs {
		if err != nil && !fault.Is(err, fault.NotFound) && !slices.Contains(wrong, err.Error()) {
			wrong = append(wrong, err.Error())
		}
	}
	return wrong, nil
}

// asked is the question as whom a command runs, with what the command runs and reads.
type asked struct {
	Question
	reading
	programs []execsec.Mention
}

// reading is where code of a command is looked for, and for whom.
type reading struct {
	command execsec.Command
	env     []string
	users   []string // whom the command becomes before it goes on
	depth   int      // how many scripts have it as the interpreter of the one before
	// inspects says that nothing is about to run: what is wrong is told as it is, and the level is another one.
	inspects bool
}

// by is the same with those whom the command becomes before it gets to a file.
func (r reading) by(m execsec.Mention) reading {
	r.users = slices.Concat(m.Users, r.users)
	return r
}

// ordinary reports whether a command becomes a user who is not root: what he runs from where he is, he may have written.
func ordinary(users []string) bool {
	return slices.ContainsFunc(users, func(name string) bool {
		u, err := account(name)
		return err == nil && u.UID != 0
	})
}

// question takes a command apart. The errors are for programs that can not be told, or that others could put before those that are meant.
func (g *Gate) question(level execsec.Level, call agent.Call, command string, env []string, inspects bool) (q asked, wrong []error) {
	q.command, q.env, q.inspects = execsec.Parse(command), env, inspects
	q.programs, wrong = g.programs(level, q.reading)
	first := slices.IndexFunc(q.programs, func(m execsec.Mention) bool { return !m.Aside })
	if first < 0 {
		q.programs, first = append(q.programs, execsec.Mention{Path: "/bin/sh"}), len(q.programs) // all of it is the shell's own
	}
	q.programs[0], q.programs[first] = q.programs[first], q.programs[0]
	q.Question = Question{Level: level, Path: q.programs[0].Path, Configured: call.Resource.ApplicationUser}
	return q, wrong
}

// rest is what is wrong with everything that root would run and read by a command, beside the file of the program that it is about.
func (g *Gate) rest(level execsec.Level, q asked) iter.Seq[error] {
	return func(yield func(error) bool) {
		if err := g.interpreter(level, q.programs[0].Path, q.reading); err != nil && !yield(err) {
			return
		}
		g.all(level, q.programs[1:], q.reading)(yield)
	}
}

// all is what is wrong with programs that root would run, and with what else their command reads and mentions.
func (g *Gate) all(level execsec.Level, programs []execsec.Mention, r reading) iter.Seq[error] {
	return func(yield func(error) bool) {
		if level == execsec.Secure {
			for _, why := range r.command.Unclear {
				if !yield(fault.Errorf(fault.Invalid, "what the command runs can not be seen, which resource_security=SECURE does not allow: %s. Put it into a script that belongs to root, and name the script by its path from the root", why)) {
					return
				}
			}
		}
		for _, m := range programs {
			if err := g.asRoot(level, m.Path, r.by(m)); err != nil && !yield(err) {
				return
			}
		}
		for _, m := range r.command.Code {
			var err error
			switch {
			case filepath.IsAbs(m.Path):
				err = g.asRoot(level, m.Path, r.by(m))
			case level == execsec.Secure && !ordinary(m.Users):
				err = relative(m.Path)
			}
			if err != nil && !yield(err) {
				return
			}
		}
		for _, m := range r.command.Mentions {
			runs, err := g.patient.ask(m.Path, func() bool { return executable(m.Path) })
			if err == nil && runs {
				err = g.asRoot(level, m.Path, r.by(m))
			}
			if err != nil && level.Distrusts() && !yield(err) {
				return
			}
		}
		for _, m := range r.command.Unseen {
			if level == execsec.Secure && !ordinary(m.Users) && !yield(unseen(m.Path)) {
				return
			}
		}
	}
}

func relative(word string) error {
	return fault.Errorf(fault.Invalid, "the command names the program %q: give its path from the root, so that it can be seen who may write it", word)
}

func unseen(word string) error {
	return fault.Errorf(fault.Invalid, "the command runs what %q stands for, which can not be seen before it runs, and resource_security=SECURE does not allow that: write the path from the root in its place, or give the variable that path in the same command (PROGRAM=/path; $PROGRAM)", word)
}

// asRoot says whether root may run or read a file of a command. What those own whom the command becomes first, they may run.
func (g *Gate) asRoot(level execsec.Level, path string, r reading) error {
	t, err := walk(path)
	if fault.Is(err, fault.NotFound) {
		// It may be made between now and then: by root only, if the folder is root's.
		facts, err := nearest(path)
		if err != nil {
			return err
		}
		return g.verdict(level, path, r, execsec.Judge(facts, 0))
	}
	if err != nil {
		return err
	}
	t.close()
	owner := t.last().UID
	if owner == 0 {
		if err := g.verdict(level, path, r, execsec.Judge(t.facts, 0)); err != nil {
			return err
		}
		return g.interpreter(level, path, r)
	}
	u, err := number(owner)
	if err != nil {
		return err
	}
	if slices.Contains(r.users, u.Name) || slices.Contains(r.users, strconv.Itoa(owner)) {
		return g.verdict(level, path, r, execsec.Judge(t.facts, owner))
	}
	err = fault.Errorf(fault.Precondition, "the command would have root run %s, which belongs to user %s, who could make root run anything; set Application_user to that user, or chown root %s", path, u.Name, path)
	if level.Distrusts() {
		return err
	}
	g.warn(level, path, []execsec.Violation{{Path: path, Why: err.Error()}})
	return nil
}

// verdict is judge, or for who only inspects what there is to judge.
func (g *Gate) verdict(level execsec.Level, what string, r reading, vs []execsec.Violation) error {
	if r.inspects && len(vs) > 0 {
		return fault.Errorf(fault.Precondition, "%s", execsec.Lines(vs))
	}
	return g.judge(level, what, vs)
}

// interpreter looks at what the first line of a file of a command has run, if it is a script.
func (g *Gate) interpreter(level execsec.Level, path string, r reading) error {
	if r.depth == maxNested || !executable(path) {
		return nil // the kernel does not run it
	}
	f, err := os.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return fault.Errorf(codeOf(err), "open %s: %w", path, err)
	}
	defer f.Close()
	words, script, err := (&pinned{file: f, path: path}).interpreter()
	if !script || err != nil && level != execsec.Secure {
		return nil
	}
	if err != nil {
		return err
	}
	r.command, r.depth = execsec.ParseWords(words...), r.depth+1
	programs, wrong := g.programs(level, r)
	if len(wrong) > 0 {
		return wrong[0]
	}
	for err := range g.all(level, programs, r) {
		return fault.Errorf(fault.CodeOf(err), "the interpreter of %s: %w", path, err)
	}
	return nil
}

// programs are the files of the programs that a command names, as far as they can be told. A word that is no program in PATH is the shell's own.
func (g *Gate) programs(level execsec.Level, r reading) (out []execsec.Mention, wrong []error) {
	for _, m := range r.command.Programs {
		word := m.Path
		switch {
		case strings.HasPrefix(word, "/"):
			out = append(out, m)
			continue
		case strings.Contains(word, "/"): // where it lies is known only when it runs
			if level == execsec.Secure && !ordinary(m.Users) {
				wrong = append(wrong, relative(word))
			}
			continue
		}
		path, facts, err := lookup(word, r.env, r.command.Path)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err == nil {
			err = g.verdict(level, word, r, execsec.Judge(facts, 0))
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		out = append(out, execsec.Mention{Path: path, Users: m.Users, Aside: m.Aside})
	}
	return out, wrong
}

// executable reports whether a path leads to a file that the kernel would execute.
func executable(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Mode&0o111 != 0
}

// lookLimit is how long a file is waited for that a command only mentions: it may lie on a server that does not answer, and a Stop must not wait for that.
const lookLimit = 5 * time.Second

// patient asks about files that may be slow. While one does not answer there is one question about it, not one for each that asks.
type patient struct {
	mu   sync.Mutex
	open map[string]*question
}

type question struct {
	done chan struct{}
	yes  bool
}

func (p *patient) ask(path string, f func() bool) (bool, error) {
	p.mu.Lock()
	q := p.open[path]
	if q == nil {
		q = &question{done: make(chan struct{})}
		if p.open == nil {
			p.open = map[string]*question{}
		}
		p.open[path] = q
		go func() {
			q.yes = f()
			p.mu.Lock()
			delete(p.open, path)
			p.mu.Unlock()
			close(q.done)
		}()
	}
	p.mu.Unlock()
	timer := time.NewTimer(lookLimit)
	defer timer.Stop()
	select {
	case <-q.done:
		return q.yes, nil
	case <-timer.C:
		return false, fault.Errorf(fault.Unavailable, "the command mentions %s, which can not be looked at: its file system does not answer", path)
	}
}
