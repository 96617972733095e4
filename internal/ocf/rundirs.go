package ocf

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// runDir is a directory that a package wants below /run.
type runDir struct {
	path        string
	mode        fs.FileMode
	user, group string
}

// makeRunDirs makes the directories that agents and their software expect below /run. An init system that knows tmpfiles.d has made them at
// boot; elsewhere they are missing, and a start of PostgreSQL, say, then hangs until its timeout. What exists is left as it is.
func (d *Driver) makeRunDirs() error {
	if err := os.MkdirAll(d.cfg.RunDir, 0o755); err != nil {
		return fault.Errorf(fault.Precondition, "make the state directory of OCF agents: %w", err)
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		return nil
	}
	for _, r := range d.tmpfiles() {
		if err := r.make(); err != nil {
			d.cfg.Log.Warn("a directory that tmpfiles.d asks for can not be made", "path", r.path, "cause", err.Error())
		}
	}
	return nil
}

// tmpfiles reads the directories of all tmpfiles.d files that lie below /run and are not the init system's own.
func (d *Driver) tmpfiles() []runDir {
	var out []runDir
	for _, dir := range d.cfg.Tmpfiles {
		files, _ := filepath.Glob(filepath.Join(dir, "*.conf")) // the pattern is well-formed
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && len(b) < maxMetadata {
				out = append(out, parseTmpfiles(string(b))...)
			}
		}
	}
	return out
}

// parseTmpfiles takes the lines of type d: TYPE PATH MODE USER GROUP AGE.
func parseTmpfiles(text string) []runDir {
	var out []runDir
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "d" && f[0] != "D" {
			continue
		}
		f = append(f, "-", "-", "-")
		path := filepath.Clean(f[1])
		if rest, ok := strings.CutPrefix(path, "/var/run/"); ok {
			path = "/run/" + rest
		}
		if !strings.HasPrefix(path, "/run/") || strings.HasPrefix(path, "/run/systemd") || strings.HasPrefix(path, "/run/user") || strings.ContainsAny(path, "%\"'\\") {
			continue
		}
		r := runDir{path: path, mode: 0o755, user: f[3], group: f[4]}
		if m, err := strconv.ParseUint(strings.TrimLeft(f[2], "~:"), 8, 12); err == nil {
			r.mode = unixMode(uint32(m))
		} else if f[2] != "-" {
			continue
		}
		out = append(out, r)
	}
	return out
}

// unixMode gives a mode of the kernel the form that package os takes.
func unixMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

// make makes the directory with its owner, or not at all. A user that does not exist is that of a package that is not there any more.
func (r runDir) make() error {
	if _, err := os.Lstat(r.path); err == nil {
		return nil
	}
	uid, gid := 0, 0
	if r.user != "-" {
		u, err := user.Lookup(r.user)
		if err != nil {
			return nil
		}
		uid, _ = strconv.Atoi(u.Uid) // numbers on this system
	}
	if r.group != "-" {
		g, err := user.LookupGroup(r.group)
		if err != nil {
			return nil
		}
		gid, _ = strconv.Atoi(g.Gid)
	}
	return r.below(uid, gid)
}

// below makes the directory from the root on, one component after the other, each in the one before and none through a link: those on the way may belong to a service, which could lead what
// root makes, and gives away, to another place.
func (r runDir) below(uid, gid int) error {
	at, err := os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	made := false
	for name := range strings.SplitSeq(strings.Trim(r.path, "/"), "/") {
		err := unix.Mkdirat(int(at.Fd()), name, 0o755)
		made = err == nil
		if err != nil && !errors.Is(err, fs.ErrExist) {
			_ = at.Close()
			return &fs.PathError{Op: "mkdir", Path: r.path, Err: err}
		}
		fd, err := unix.Openat(int(at.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		_ = at.Close()
		if err != nil {
			return &fs.PathError{Op: "open", Path: r.path, Err: err}
		}
		at = os.NewFile(uintptr(fd), name)
	}
	defer at.Close()
	if !made {
		return nil
	}
	if err := at.Chown(uid, gid); err != nil {
		return err
	}
	return at.Chmod(r.mode) // past the umask, with setgid and sticky
}
