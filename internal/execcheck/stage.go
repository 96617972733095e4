package execcheck

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"redoubt/internal/fault"
	"redoubt/internal/rgm/execsec"
)

// stage is a directory of root's own with two kinds of things, both made once and then only used:
//
//	fd/N/NAME    a link to /proc/self/fd/N: executing it executes the open file, under the name by which people know the process
//	code/KEY/…   the copy of a script as it was read from the open file. An interpreter opens its script by name, so it needs one that nobody can
//	             take away from under it. Around the copy lies what lies around the original, as links: scripts find their neighbours by $0.
type stage struct {
	dir   string
	mu    sync.Mutex
	known map[string]bool // links that were made
}

// newStage makes the directory and proves that it is root's alone.
func newStage(dir string) (*stage, error) {
	for _, d := range []string{"fd", "code"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fault.Errorf(fault.Unsupported, "make the directory of checked programs: %w", err)
		}
	}
	t, err := walk(dir)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if vs := execsec.Judge(t.facts, 0); len(vs) > 0 {
		return nil, fault.Errorf(fault.Precondition, "%s is to hold the programs that root runs, but others may write it: %s", dir, execsec.Lines(vs))
	}
	return &stage{dir: t.path, known: map[string]bool{}}, nil
}

// empty takes away what an earlier life of the node has left. Nothing runs from it any more.
func (s *stage) empty() error {
	for _, d := range []string{"fd", "code"} {
		entries, err := os.ReadDir(filepath.Join(s.dir, d))
		if err != nil {
			return fault.Errorf(fault.Internal, "empty the directory of checked programs: %w", err)
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(s.dir, d, e.Name())); err != nil {
				return fault.Errorf(fault.Internal, "empty the directory of checked programs: %w", err)
			}
		}
	}
	return nil
}

// door is a path that leads to a descriptor of the process that executes it.
func (s *stage) door(fd int, name string) (string, error) {
	number := strconv.Itoa(fd)
	path := filepath.Join(s.dir, "fd", number, name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[path] {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fault.Errorf(fault.Internal, "make the door to a checked program: %w", err)
	}
	if err := os.Symlink("/proc/self/fd/"+number, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fault.Errorf(fault.Internal, "make the door to a checked program: %w", err)
	}
	s.known[path] = true
	return path, nil
}

// copyOf gives the path of the copy of a script. folder is the folder of the type it belongs to, "" when it belongs to none.
func (s *stage) copyOf(p *pinned, folder string) (string, error) {
	text, err := p.content()
	if err != nil {
		return "", err
	}
	rel := filepath.Base(p.path)
	if folder != "" {
		if r, err := filepath.Rel(folder, p.path); err == nil && r != ".." && !strings.HasPrefix(r, "../") {
			rel = r
		} else {
			folder = ""
		}
	}
	levels, err := neighbours(folder, rel)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, part := range []string{folder, rel, strconv.FormatUint(uint64(p.fact().Mode), 8), string(text)} {
		sum.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	for _, l := range levels {
		sum.Write([]byte(strings.Join(l.names, "/") + "//"))
	}
	key := hex.EncodeToString(sum.Sum(nil)[:16])
	top := filepath.Base(folder)
	if folder == "" {
		top = ""
	}
	script := filepath.Join(s.dir, "code", key, top, rel)
	s.mu.Lock()
	defer s.mu.Unlock()
	if info, err := os.Lstat(script); err == nil && info.Mode().IsRegular() && info.Size() == int64(len(text)) {
		return script, nil
	}
	return script, s.build(key, top, rel, text, fs.FileMode(p.fact().Mode)&0o555, levels)
}

// level is a directory on the way from the folder to the script, and what is in it beside that way.
type level struct {
	original string
	rel      string // within the folder
	names    []string
}

// neighbours lists what lies around a script in its folder.
func neighbours(folder, rel string) ([]level, error) {
	if folder == "" {
		return nil, nil
	}
	var out []level
	at := ""
	for part := range strings.SplitSeq(rel, "/") {
		l := level{original: filepath.Join(folder, at), rel: at}
		entries, err := os.ReadDir(l.original)
		if err != nil {
			return nil, fault.Errorf(fault.Precondition, "read the folder of the type: %w", err)
		}
		for _, e := range entries {
			if e.Name() != part {
				l.names = append(l.names, e.Name())
			}
		}
		out = append(out, l)
		at = filepath.Join(at, part)
	}
	return out, nil
}

// build makes a copy and its surroundings beside their place and moves them there whole.
func (s *stage) build(key, top, rel string, text []byte, mode fs.FileMode, levels []level) (err error) {
	temp, err := os.MkdirTemp(filepath.Join(s.dir, "code"), ".new-")
	if err != nil {
		return fault.Errorf(fault.Internal, "copy a script: %w", err)
	}
	defer os.RemoveAll(temp)
	fail := func(err error) error { return fault.Errorf(fault.Internal, "copy a script: %w", err) }
	if err := os.Chmod(temp, 0o755); err != nil {
		return fail(err)
	}
	script := filepath.Join(temp, top, rel)
	if err := os.MkdirAll(filepath.Dir(script), 0o755); err != nil {
		return fail(err)
	}
	for _, l := range levels {
		for _, name := range l.names {
			if err := os.Symlink(filepath.Join(l.original, name), filepath.Join(temp, top, l.rel, name)); err != nil {
				return fail(err)
			}
		}
	}
	if err := os.WriteFile(script, text, 0o600); err != nil {
		return fail(err)
	}
	if err := os.Chmod(script, mode); err != nil {
		return fail(err)
	}
	place := filepath.Join(s.dir, "code", key)
	if err := os.RemoveAll(place); err != nil { // what an attempt that was cut short has left
		return fail(err)
	}
	if err := os.Rename(temp, place); err != nil {
		return fail(err)
	}
	return nil
}
