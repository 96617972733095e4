package execcheck

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/rgm/execsec"
)

// pinned is a program that was looked at and is held open: what is executed is this file, whatever its name leads to by then.
type pinned struct {
	file  *os.File
	facts []execsec.Fact
	path  string // as it was asked for
}

// Hold opens a program that nobody but root can have written and holds it open: what is executed by way of the descriptor is what was looked at. The descriptor is
// above those that a started process is given.
func Hold(path string) (*os.File, error) {
	p, err := pin(path, false)
	if err != nil {
		return nil, err
	}
	defer p.file.Close()
	if vs := execsec.Judge(p.facts, 0); len(vs) > 0 {
		return nil, fault.Errorf(fault.Precondition, "others than root may have written %s: %s", path, execsec.Lines(vs))
	}
	return hold(p.file, path)
}

// hold gives another descriptor of a program, above those that a started process, and the one that starts it, are given.
func hold(f *os.File, path string) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, heldAbove)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "hold %s open: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// heldAbove is the least number of a descriptor that hold gives.
const heldAbove = 100

func (p *pinned) fact() execsec.Fact { return p.facts[len(p.facts)-1] }

// Limits of scripts.
const (
	maxScript   = 16 << 20
	firstLine   = 256 // as many bytes as the kernel looks at
	maxNested   = 4
	openPatient = 50 // times openPause: how long a writer may take to let go of a program that was just installed
	openPause   = 20 * time.Millisecond
)

// pin walks to a program and opens it. method says that it is one of a resource type.
func pin(path string, method bool) (*pinned, error) {
	t, err := walk(path)
	if err != nil {
		return nil, err
	}
	defer t.close()
	end := t.last()
	switch {
	case end.Kind != execsec.File:
		return nil, fault.Errorf(fault.Precondition, "%s is %s, not a program", path, article(end.Kind))
	case end.Mode&0o111 == 0:
		return nil, fault.Errorf(fault.Precondition, "%s is not executable; chmod +x it", path)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(t.end.Fd()), &fs); err == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		return nil, fault.Errorf(fault.Precondition, "%s lies on a file system that is mounted noexec; install it elsewhere", path)
	}
	// The same file, whatever its name leads to now. It is regular, so that opening it waits for nothing.
	f, err := os.OpenFile(self(t.end), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fault.Errorf(codeOf(err), "open %s: %w", path, err)
	}
	p := &pinned{file: f, facts: t.facts, path: path}
	last := &p.facts[len(p.facts)-1]
	last.Open, last.Method = written(f), method
	if err := more(f, last); err != nil {
		_ = f.Close()
		return nil, fault.Errorf(fault.Precondition, "%s: %w", path, err)
	}
	return p, nil
}

func article(k execsec.Kind) string {
	if k == execsec.Other {
		return string(k)
	}
	return "a " + string(k)
}

// written reports whether some process has the file open for writing. The kernel grants a read lease only while there is none. Who has just installed
// the file gets a moment to close it.
func written(f *os.File) bool {
	for try := 0; ; try++ {
		_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
		if err == nil {
			_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
			return false
		}
		if !errors.Is(err, unix.EAGAIN) { // a file system without leases
			return false
		}
		if try == openPatient {
			return true
		}
		time.Sleep(openPause)
	}
}

// interpreter is what the first line of a script asks for; ok is false when the file is no script.
func (p *pinned) interpreter() (words []string, ok bool, err error) {
	var buf [firstLine]byte
	n, err := p.file.ReadAt(buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, fault.Errorf(fault.Internal, "read %s: %w", p.path, err)
	}
	line, _, whole := bytes.Cut(buf[:n], []byte("\n"))
	if !bytes.HasPrefix(line, []byte("#!")) {
		return nil, false, nil
	}
	if !whole && n == firstLine {
		return nil, true, fault.Errorf(fault.Precondition, "%s: its first line has more than %d bytes", p.path, firstLine)
	}
	text := strings.Trim(string(line[2:]), " \t")
	name, argument, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	if name == "" || strings.ContainsRune(text, 0) {
		return nil, true, fault.Errorf(fault.Precondition, "%s: its first line names no interpreter", p.path)
	}
	if argument = strings.Trim(argument, " "); argument != "" {
		return []string{name, argument}, true, nil
	}
	return []string{name}, true, nil
}

// content reads a script whole.
func (p *pinned) content() ([]byte, error) {
	b, err := io.ReadAll(io.NewSectionReader(p.file, 0, maxScript+1))
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "read %s: %w", p.path, err)
	}
	if len(b) > maxScript {
		return nil, fault.Errorf(fault.Precondition, "%s: a script of more than %d MB is not run", p.path, maxScript>>20)
	}
	return b, nil
}

// viaEnv resolves `#!/usr/bin/env [-S] PROGRAM [ARGUMENT...]`: env would look for the program itself, at a moment of its own.
func viaEnv(script string, words []string) ([]string, error) {
	args := []string{}
	if len(words) > 1 {
		args = []string{words[1]}
		if split, ok := strings.CutPrefix(words[1], "-S"); ok {
			if strings.ContainsAny(split, `"'\$#`) {
				return nil, fault.Errorf(fault.Precondition, "%s: its first line is more than plain words after env -S; name the interpreter by its path", script)
			}
			args = strings.Fields(split)
		}
	}
	if len(args) == 0 || strings.HasPrefix(args[0], "-") || strings.Contains(args[0], "=") {
		return nil, fault.Errorf(fault.Precondition, "%s: what its first line asks of env is not understood; name the interpreter by its path", script)
	}
	return args, nil
}

// lookup finds a program as execvp does, in the directories first and then in those of PATH. Whoever may write a directory that is searched before the one
// with the program could put another there: the facts of those count too.
func lookup(name string, env, first []string) (path string, facts []execsec.Fact, err error) {
	if strings.Contains(name, "/") {
		return name, nil, nil
	}
	dirs := "/usr/local/bin:/usr/bin:/bin"
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			dirs = v
		}
	}
	for _, dir := range append(slices.Clone(first), strings.Split(dirs, ":")...) {
		if !strings.HasPrefix(dir, "/") {
			return "", nil, fault.Errorf(fault.Invalid, "PATH has the directory %q, which is not absolute", dir)
		}
		t, err := walk(dir)
		if err != nil {
			continue // it does not exist; who could make it is in the facts of those that do, or a directory of root's
		}
		facts = append(facts, t.facts...)
		t.close()
		full := strings.TrimRight(dir, "/") + "/" + name
		if executable(full) {
			return full, facts, nil
		}
	}
	return "", facts, fault.Errorf(fault.NotFound, "%s: there is no such program in %s", name, fmt.Sprintf("PATH (%s)", dirs))
}
