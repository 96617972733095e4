package execcheck

import (
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
	c := execsec.Parse(command)
	programs, err := g.programs(c, env)
	if err != nil {
		return nil, err
	}
	if len(programs) == 0 {
		programs = []string{"/bin/sh"} // all of it is the shell's own
	}
	chosen, warnings, err := ChooseUser(Question{Level: level, Path: programs[0], Configured: call.Resource.ApplicationUser})
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		g.warn(level, programs[0], []execsec.Violation{{Path: programs[0], Why: w}})
	}
	if chosen.UID != 0 {
		return &chosen, nil // what else runs, runs as that user too
	}
	for _, path := range programs[1:] {
		if err := g.asRoot(level, path, nil); err != nil {
			return nil, err
		}
	}
	for _, path := range c.Code {
		if !filepath.IsAbs(path) {
			if level == execsec.Secure {
				return nil, relative(path)
			}
			continue
		}
		if err := g.asRoot(level, path, nil); err != nil {
			return nil, err
		}
	}
	for _, m := range c.Mentions {
		runs, err := g.patient.ask(m.Path, func() bool { return executable(m.Path) })
		if err == nil && runs {
			err = g.asRoot(level, m.Path, m.Users)
		}
		if err != nil && (level == execsec.Secure || level == execsec.Warn) {
			return nil, err
		}
	}
	return nil, nil
}

func relative(word string) error {
	return fault.Errorf(fault.Invalid, "the command names the program %q: give its path from the root, so that it can be seen who may write it", word)
}

// asRoot says whether root may run or read a file of a command. users are those whom the command becomes first: what they own they may run.
func (g *Gate) asRoot(level execsec.Level, path string, users []string) error {
	t, err := walk(path)
	if fault.Is(err, fault.NotFound) {
		// It may be made between now and then: by root only, if the folder is root's.
		facts, err := nearest(path)
		if err != nil {
			return err
		}
		return g.judge(level, path, execsec.Judge(facts, 0))
	}
	if err != nil {
		return err
	}
	t.close()
	owner := t.last().UID
	if owner == 0 {
		return g.judge(level, path, execsec.Judge(t.facts, 0))
	}
	u, err := number(owner)
	if err != nil {
		return err
	}
	if slices.Contains(users, u.Name) || slices.Contains(users, strconv.Itoa(owner)) {
		return g.judge(level, path, execsec.Judge(t.facts, owner))
	}
	err = fault.Errorf(fault.Precondition, "the command would have root run %s, which belongs to user %s, who could make root run anything; set Application_user to that user, or chown root %s", path, u.Name, path)
	if level == execsec.Secure || level == execsec.Warn {
		return err
	}
	g.warn(level, path, []execsec.Violation{{Path: path, Why: err.Error()}})
	return nil
}

// programs are the files of the programs that a command names. A word that is no program in PATH is the shell's own.
func (g *Gate) programs(c execsec.Command, env []string) ([]string, error) {
	var out []string
	for _, word := range c.Programs {
		if strings.Contains(word, "/") {
			switch {
			case strings.HasPrefix(word, "/"):
			case g.cfg.Level() != execsec.Secure:
				continue // where it lies is known only when it runs
			default:
				return nil, relative(word)
			}
			out = append(out, word)
			continue
		}
		path, facts, err := lookup(word, env, c.Path)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := execsec.Refuse(g.cfg.Level(), word, execsec.Judge(facts, 0)); err != nil {
			return nil, err
		}
		out = append(out, path)
	}
	return out, nil
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
