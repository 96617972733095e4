package execcheck

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/execsec"
)

// Config is what a Gate needs; every field must be set.
type Config struct {
	// Dir is the directory of checked programs. It and every directory above it have to be root's alone.
	Dir string
	// Level is the present value of resource_security.
	Level func() execsec.Level
	Log   *slog.Logger
	// Fresh says that nothing of an earlier life runs any more: what is in Dir can go.
	Fresh bool
}

// Gate lets programs through to be executed, or not.
type Gate struct {
	cfg   Config
	stage *stage

	patient patient

	mu     sync.Mutex
	warned map[string]time.Time
}

// New makes a gate.
func New(cfg Config) (*Gate, error) {
	s, err := newStage(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if cfg.Fresh {
		if err := s.empty(); err != nil {
			return nil, err
		}
	}
	return &Gate{cfg: cfg, stage: s, warned: map[string]time.Time{}}, nil
}

// Admit checks everything that the program is made of and gives it as it is to be executed.
func (g *Gate) Admit(p agent.Program) (agent.Admission, error) {
	l := launch{gate: g, program: p}
	defer l.close()
	facts, err := trees(append([]string{p.Folder}, p.Libraries...))
	if err != nil {
		return agent.Admission{}, err
	}
	out, err := l.open(p.Path, p.Args, 0)
	if err != nil {
		return agent.Admission{}, err
	}
	level := g.cfg.Level()
	vs := execsec.Judge(append(l.facts, facts...), 0)
	if err := execsec.Refuse(level, "", vs); err != nil {
		return agent.Admission{}, err
	}
	if len(vs) > 0 {
		g.warn(level, p.Path, vs)
	}
	last := l.pins[len(l.pins)-1]
	if out.Program, err = hold(last.file, last.path); err != nil {
		return agent.Admission{}, err
	}
	out.Close = func() { _ = out.Program.Close() }
	if out.Path, err = g.stage.door(int(out.Program.Fd()), filepath.Base(p.Path)); err != nil {
		out.Close()
		return agent.Admission{}, err
	}
	return out, nil
}

// Inspect says what is wrong with files and folders that code comes from; the error is for what can not be looked at.
func (g *Gate) Inspect(paths ...string) ([]execsec.Violation, error) {
	facts, err := trees(paths)
	return execsec.Judge(facts, 0), err
}

// Approve refuses a resource type whose folder or files others than root may have written, as the level has it.
func (g *Gate) Approve(what string, paths ...string) error {
	vs, err := g.Inspect(paths...)
	if err != nil {
		return err
	}
	return g.judge(g.cfg.Level(), what, vs)
}

// judge refuses or warns.
func (g *Gate) judge(level execsec.Level, what string, vs []execsec.Violation) error {
	if err := execsec.Refuse(level, what, vs); err != nil {
		return err
	}
	if len(vs) > 0 {
		g.warn(level, what, vs)
	}
	return nil
}

// warnEvery is how often the same warning is repeated: methods run every few seconds.
const warnEvery = 10 * time.Minute

func (g *Gate) warn(level execsec.Level, what string, vs []execsec.Violation) {
	lines := execsec.Lines(vs)
	key := string(level) + what + lines
	g.mu.Lock()
	now := time.Now()
	due := now.Sub(g.warned[key]) > warnEvery
	if due {
		if len(g.warned) > 1000 {
			clear(g.warned)
		}
		g.warned[key] = now
	}
	g.mu.Unlock()
	if due {
		g.cfg.Log.Warn("others than root may have written what root runs", "program", what, "resource_security", string(level), "why", lines)
	}
}

// launch is the check of one program.
type launch struct {
	gate    *Gate
	program agent.Program
	facts   []execsec.Fact
	pins    []*pinned
}

func (l *launch) close() {
	for _, p := range l.pins {
		_ = p.file.Close()
	}
}

// open pins a program and, when it is a script, its interpreter, as the kernel would find it; the last pin is what the kernel is to execute.
func (l *launch) open(path string, args []string, depth int) (agent.Admission, error) {
	p, err := pin(path, depth == 0 && l.program.Folder != "")
	if err != nil {
		return agent.Admission{}, err
	}
	l.pins = append(l.pins, p)
	l.facts = append(l.facts, p.facts...)
	words, script, err := p.interpreter()
	switch {
	case err != nil:
		return agent.Admission{}, err
	case !script:
		return agent.Admission{Args: append([]string{path}, args...)}, l.binary(p)
	case depth == maxNested:
		return agent.Admission{}, fault.Errorf(fault.Precondition, "%s: more than %d scripts are each the interpreter of the next", l.program.Path, maxNested)
	}
	if filepath.Base(words[0]) == "env" {
		if err := l.env(words[0]); err != nil {
			return agent.Admission{}, err
		}
		if words, err = viaEnv(path, words); err != nil {
			return agent.Admission{}, err
		}
		found, facts, err := lookup(words[0], l.program.Env, nil)
		l.facts = append(l.facts, facts...)
		if err != nil {
			return agent.Admission{}, fault.Errorf(fault.NotFound, "the interpreter of %s: %w", path, err)
		}
		words[0] = found
	}
	if !strings.HasPrefix(words[0], "/") {
		return agent.Admission{}, fault.Errorf(fault.Precondition, "%s: its interpreter %q is not given by an absolute path", path, words[0])
	}
	folder := ""
	if depth == 0 {
		folder = l.program.Folder
	}
	copied, err := l.gate.stage.copyOf(p, folder)
	if err != nil {
		return agent.Admission{}, err
	}
	out, err := l.open(words[0], append(append([]string{}, words[1:]...), append([]string{copied}, args...)...), depth+1)
	if fault.Is(err, fault.NotFound) {
		err = fault.Errorf(fault.NotFound, "the interpreter of %s: %w", path, err)
	}
	return out, err
}

// env looks at env itself: it is not executed, but a script that names it trusts it.
func (l *launch) env(path string) error {
	p, err := pin(path, false)
	if err != nil {
		return fault.Errorf(fault.CodeOf(err), "the interpreter of %s: %w", l.program.Path, err)
	}
	l.facts = append(l.facts, p.facts...)
	return p.file.Close()
}

// binary refuses what is neither a script nor a program that the kernel knows.
func (l *launch) binary(p *pinned) error {
	var head [4]byte
	if n, _ := p.file.ReadAt(head[:], 0); n == len(head) && string(head[:]) == "\x7fELF" {
		return nil
	}
	return fault.Errorf(fault.Precondition, "%s is neither a program of this machine nor a script that begins with #!", p.path)
}

// trees looks at files and folders with everything in them.
func trees(paths []string) ([]execsec.Fact, error) {
	var facts []execsec.Fact
	for _, path := range paths {
		if path == "" {
			continue
		}
		t, err := walk(path)
		if err != nil {
			return nil, err
		}
		facts = append(facts, t.facts...)
		c := crawl{left: maxEntries}
		err = c.into(t, 0)
		t.close()
		if err != nil {
			return nil, err
		}
		facts = append(facts, c.facts...)
	}
	return facts, nil
}

// Bounds of the folder of a type.
const (
	maxEntries = 10000
	maxDepth   = 32
)

// crawl looks at everything below a directory, by descriptors.
type crawl struct {
	facts []execsec.Fact
	left  int
}

func (c *crawl) into(t *trail, depth int) error {
	end := t.last()
	if end.Kind != execsec.Directory {
		return nil
	}
	if depth == maxDepth {
		return fault.Errorf(fault.Invalid, "%s: its folders are nested more than %d deep", t.path, maxDepth)
	}
	dir, err := os.OpenFile(self(t.end), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fault.Errorf(codeOf(err), "open %s: %w", t.path, err)
	}
	names, err := dir.Readdirnames(c.left + 1)
	_ = dir.Close()
	if err != nil && len(names) == 0 && c.left > 0 && !isEOF(err) {
		return fault.Errorf(fault.Internal, "read %s: %w", t.path, err)
	}
	if c.left -= len(names); c.left < 0 {
		return fault.Errorf(fault.Invalid, "%s: the folder of a type may hold %d files, and has more", t.path, maxEntries)
	}
	var here unix.Stat_t
	if err := unix.Fstat(int(t.end.Fd()), &here); err != nil {
		return fault.Errorf(fault.Internal, "%s: %w", t.path, err)
	}
	for _, name := range names {
		// A plain file needs no descriptor of its own: nothing is opened of it, and its mode shows whether a list could let others write, but for the lists of
		// network file systems.
		var st unix.Stat_t
		if err := unix.Fstatat(int(t.end.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Mode&groupWrite == 0 && st.Dev == here.Dev && end.Remote == "" {
			c.facts = append(c.facts, execsec.Fact{Path: filepath.Join(t.path, name), Kind: execsec.File, UID: int(st.Uid), GID: int(st.Gid), Mode: st.Mode & 0o7777, MountedBy: end.MountedBy})
			continue
		}
		w := walker{steps: []step{{t.end, t.path}}}
		link, err := w.take(name)
		if err != nil {
			return fault.Errorf(codeOf(err), "%w", err)
		}
		c.facts = append(c.facts, w.facts...)
		if link != "" {
			if err := c.follow(filepath.Join(t.path, name), link); err != nil {
				return err
			}
			continue
		}
		s := w.steps[1]
		err = c.into(&trail{facts: w.facts, end: s.file, path: s.path}, depth+1)
		_ = s.file.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// follow looks at the way to what a link in a folder leads to. Where it leads to nothing it does no harm as long as nobody else can make something there.
func (c *crawl) follow(path, target string) error {
	if !filepath.IsAbs(target) {
		target = filepath.Dir(path) + "/" + target // not cleaned: ".." after a link is not what it seems
	}
	facts, err := nearest(target)
	c.facts = append(c.facts, facts...)
	return err
}

// nearest looks at the way to a path, or to what is there of it: nobody else may be able to make the rest.
func nearest(path string) ([]execsec.Fact, error) {
	for {
		t, err := walk(path)
		if err == nil {
			t.close()
			return t.facts, nil
		}
		if !fault.Is(err, fault.NotFound) || path == "/" {
			return nil, err
		}
		path = filepath.Dir(path)
	}
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
