// Package survey looks at how a machine is protected: owners and modes of files, what listens, whether a core file may be written, whether the clock is
// kept, and what the program was built from. It judges nothing: see package posture.
package survey

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	v1 "redoubt/api/v1"
	"redoubt/internal/posture"
)

// Config says where to look.
type Config struct {
	Data     string   // the state of the daemon
	Etc      string   // what administrators write
	State    []string // further folders that are for root alone
	Secrets  []string // further files with secrets
	Programs []string // what root executes of Redoubt
	Proc     string   // where proc is mounted; "" is /proc
}

// maxFiles bounds how many files of a folder are looked at.
const maxFiles = 1000

// Look looks. What could not be looked at is in Missing.
func Look(c Config) v1.NodePosture {
	if c.Proc == "" {
		c.Proc = "/proc"
	}
	p := v1.NodePosture{Now: time.Now().UTC()}
	l := looker{&p}
	for _, dir := range append([]string{c.Data}, c.State...) {
		l.file(v1.FileState, dir)
	}
	l.walk(c.Data, func(path string, d fs.DirEntry) bool {
		if name := d.Name(); !d.IsDir() && (strings.HasSuffix(name, ".key") || strings.HasSuffix(name, ".pem") && holdsKey(path)) {
			l.file(v1.FileKey, path)
		}
		return d.Name() != "member" // of the repository, which has thousands of its own and none of ours
	})
	for _, path := range c.Secrets {
		l.file(v1.FileKey, path)
	}
	l.walk(c.Etc, func(path string, _ fs.DirEntry) bool {
		l.file(v1.FileConfig, path)
		return true
	})
	seen := map[string]bool{}
	for _, path := range c.Programs {
		for at := path; !seen[at]; at = filepath.Dir(at) {
			seen[at] = true
			l.file(v1.FileProgram, at)
		}
	}
	var err error
	if p.Sockets, err = sockets(c.Proc); err != nil {
		l.missing("what listens", err)
	}
	if p.Core, err = core(); err != nil {
		l.missing("whether a core file may be written", err)
	}
	p.ClockSynced = synced()
	p.Modules = Modules()
	return p
}

// looker adds to a posture.
type looker struct{ p *v1.NodePosture }

func (l looker) missing(what string, err error) {
	l.p.Missing = append(l.p.Missing, what+": "+err.Error())
}

// file adds a file. One that is not there is no fact; a link is what it leads to.
func (l looker) file(kind, path string) {
	var st unix.Stat_t
	switch err := unix.Stat(path, &st); {
	case errors.Is(err, unix.ENOENT):
	case err != nil:
		l.missing("file "+path, err)
	default:
		l.p.Files = append(l.p.Files, v1.FileFact{Path: path, Kind: kind, Mode: st.Mode & 0o7777, UID: st.Uid})
	}
}

// walk visits a folder and those in it; see says whether to enter one.
func (l looker) walk(dir string, see func(path string, d fs.DirEntry) bool) {
	left := maxFiles
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if left--; left < 0 {
			return errors.New("it has more files than are looked at")
		}
		if !see(path, d) && d.IsDir() {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		l.missing("folder "+dir, err)
	}
}

// holdsKey reports whether a file has a private key in it. One that can not be read is taken for one.
func holdsKey(path string) bool {
	b, err := os.ReadFile(path)
	return err != nil || strings.Contains(string(b), "PRIVATE KEY-----")
}

// core reports whether the kernel may write a core file of this process.
func core() (bool, error) {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	return dumpable != 0, err
}

// synced is what the kernel says of the clock; nil when it says nothing.
func synced() *bool {
	const unsynchronised = 0x40 // STA_UNSYNC
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return nil
	}
	yes := t.Status&unsynchronised == 0
	return &yes
}

// Modules are what this program was built from, and Go itself.
func Modules() []v1.Module {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	out := []v1.Module{{Path: posture.Stdlib, Version: posture.GoVersion(info.GoVersion)}}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		out = append(out, v1.Module{Path: d.Path, Version: d.Version})
	}
	return out
}
