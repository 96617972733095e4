// Package proc runs the programs of resources: each in its own cgroup below its resource's, in the PID and mount namespaces of the guard,
// so that nothing a program starts can leave. It keeps output without ever waiting for its end, and learns of deaths from the kernel.
//
// A program's standard output and error are one named pipe that the program itself holds open for reading too. So a service that
// outlives a planned restart of the daemon is not killed by SIGPIPE when it writes; the next daemon goes on reading (see Resume).
package proc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/launch"
)

// Config says where programs run.
type Config struct {
	// Cgroup is the absolute path of the node's service cgroup (cgroup2), the same that the guard has.
	Cgroup string
	// RunDir is where the named pipes of outputs lie; it is made when it is missing.
	RunDir string
	// PIDNamespace and MountNamespace are the guard's, as guardlink.Link.Namespaces gives them. Both nil means the caller's own.
	PIDNamespace, MountNamespace *os.File
	// Program is the program of ours that starts others (see package launch), held open. nil: this program is started, with the word launch.
	Program *os.File
	// Gate looks at a program before it runs; nil lets everything run.
	Gate Gate
	// Descend is the word with which this same program gives up root for another user (see internal/descend). Without it nothing runs as another user.
	Descend string
	// Log receives the output of programs, a record a line. It must not be nil.
	Log *slog.Logger
}

// Gate says how a program is to be started, or that it may not be.
type Gate interface {
	Admit(p agent.Program) (agent.Admission, error)
}

// Launcher implements agent.Launcher. It is safe for use by several goroutines.
type Launcher struct {
	cfg     Config
	next    atomic.Uint64
	events  *events
	self    *os.File // this program
	startMu sync.Mutex
	starter *starter // nil: none was needed yet
	closed  bool
	mu      sync.Mutex
	readers map[string]*capture // by cgroup directory of the program
	fresh   map[string]bool     // cgroups that were made and have no process yet: they are empty, and not to be swept away
}

var _ agent.Launcher = (*Launcher)(nil)

// New makes a Launcher and the service cgroup.
func New(cfg Config) (*Launcher, error) {
	if !filepath.IsAbs(cfg.Cgroup) || !filepath.IsAbs(cfg.RunDir) || cfg.Log == nil {
		return nil, fault.Errorf(fault.Invalid, "program launcher: Cgroup %q and RunDir %q have to be absolute paths, and Log has to be set", cfg.Cgroup, cfg.RunDir)
	}
	if (cfg.PIDNamespace == nil) != (cfg.MountNamespace == nil) {
		return nil, fault.Errorf(fault.Invalid, "program launcher: the PID and the mount namespace go together")
	}
	for _, dir := range []string{cfg.Cgroup, cfg.RunDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fault.Errorf(fault.Unsupported, "program launcher: make %s: %w", dir, err)
		}
	}
	if _, err := os.Stat(filepath.Join(cfg.Cgroup, "cgroup.kill")); err != nil {
		return nil, fault.Errorf(fault.Unsupported, "program launcher: %s is no cgroup2 directory with cgroup.kill (Linux 5.14 or newer): %w", cfg.Cgroup, err)
	}
	ev, err := openEvents()
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "program launcher: %w", err)
	}
	self, err := openSelf()
	if err != nil {
		return nil, errors.Join(fault.Errorf(fault.Internal, "program launcher: %w", err), ev.close())
	}
	return &Launcher{cfg: cfg, events: ev, self: self, readers: map[string]*capture{}, fresh: map[string]bool{}}, nil
}

// Close stops the reading of outputs and releases what the launcher holds. Programs run on.
func (l *Launcher) Close() error {
	l.mu.Lock()
	for _, c := range l.readers {
		c.stop()
	}
	l.mu.Unlock()
	l.closeStarter()
	return errors.Join(l.self.Close(), l.events.close())
}

// openSelf opens this program where its number is none of those that the process that starts programs has for itself.
func openSelf() (*os.File, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, launch.LowestFD)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// dir is the cgroup of a resource. The prefixes keep a group called "cgroup.kill" from being one.
func (l *Launcher) dir(ref agent.Ref) string {
	return filepath.Join(l.cfg.Cgroup, "rg-"+string(ref.Group), "rs-"+string(ref.Resource))
}

// makeLeaf makes the cgroup of one program.
func (l *Launcher) makeLeaf(p agent.Program) (string, error) {
	dir := l.dir(p.Ref)
	if p.Ref.Group == "" || p.Ref.Resource == "" || strings.ContainsRune(string(p.Ref.Group)+string(p.Ref.Resource), '/') {
		return "", fault.Errorf(fault.Invalid, "run %s: group %q and resource %q do not name a place", p.Path, p.Ref.Group, p.Ref.Resource)
	}
	l.sweep(dir)
	for {
		leaf := filepath.Join(dir, label(p.Label)+"-"+strconv.FormatUint(l.next.Add(1), 10))
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			err = l.makeFresh(leaf)
		}
		switch {
		case err == nil:
			return leaf, nil
		case errors.Is(err, os.ErrExist), errors.Is(err, os.ErrNotExist): // taken by an earlier daemon; swept in between
		default:
			return "", fault.Errorf(fault.Internal, "make cgroup of %s: %w", p.Ref.Resource, err)
		}
	}
}

func (l *Launcher) makeFresh(leaf string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.Mkdir(leaf, 0o755); err != nil {
		return err
	}
	l.fresh[leaf] = true
	return nil
}

func label(s string) string {
	keep := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}
	if s = strings.Map(keep, s); s == "" {
		return "Program"
	}
	return s
}

// sweep removes the cgroups of a resource's ended programs. The kernel refuses to remove one that is in use.
func (l *Launcher) sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		leaf := filepath.Join(dir, e.Name())
		l.mu.Lock()
		removed := !l.fresh[leaf] && l.remove(leaf)
		c := l.readers[leaf]
		l.mu.Unlock()
		if removed && c == nil { // a reader removes its pipe itself
			os.Remove(l.pipePath(leaf))
		}
	}
}

// remove removes an empty cgroup; the kernel refuses it while a process is left. Who waits for it to be empty is woken: the kernel delays the
// event of a cgroup that was filled and emptied within milliseconds, and drops it when the cgroup is removed.
func (l *Launcher) remove(dir string) bool {
	var err error
	few.do(func() { err = os.Remove(dir) })
	if err != nil {
		return false
	}
	l.events.removed(dir)
	return true
}

// removeTree removes an empty cgroup and those that services made below it. What is in use stays.
func (l *Launcher) removeTree(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			l.removeTree(filepath.Join(dir, e.Name()))
		}
	}
	l.remove(dir)
}

// Kill implements agent.Launcher. A process that survives SIGKILL (it waits for a device) makes it return fault.Timeout when ctx ends.
func (l *Launcher) Kill(ctx context.Context, ref agent.Ref) error {
	dir := l.dir(ref)
	if err := l.killTree(ctx, dir); err != nil {
		return fault.Errorf(fault.Timeout, "end processes of resource %s: %w; see %s/cgroup.procs", ref.Resource, err, dir)
	}
	l.sweep(dir)
	l.removeTree(dir)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		os.Remove(filepath.Dir(dir)) // the group's, when this was its last resource
	}
	return nil
}

// killTree kills everything in a cgroup and waits until the kernel reports it empty. A cgroup that does not exist is empty.
func (l *Launcher) killTree(ctx context.Context, dir string) error {
	err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	return l.events.awaitEmpty(ctx, dir)
}

// Signal implements agent.Launcher. A resource without processes is no error.
func (l *Launcher) Signal(ref agent.Ref, signal int) error {
	var errs []error
	err := filepath.WalkDir(l.dir(ref), func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		b, err := os.ReadFile(path) //nolint:gosec // cgroupfs has no links, and only root makes cgroups
		if err != nil {
			return nil // the cgroup was removed in between
		}
		for _, f := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(f)
			if err != nil || pid <= 0 {
				continue // 0: a process of another PID namespace that this one does not see
			}
			if err := unix.Kill(pid, unix.Signal(signal)); err != nil && !errors.Is(err, unix.ESRCH) {
				errs = append(errs, fmt.Errorf("process %d: %w", pid, err))
			}
		}
		return nil
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return fault.Errorf(fault.Internal, "send signal %d to resource %s: %w", signal, ref.Resource, err)
	}
	return nil
}

// Await implements agent.Launcher.
func (l *Launcher) Await(ctx context.Context, ref agent.Ref, pid int) error {
	if pid == 0 {
		return l.events.awaitEmpty(ctx, l.dir(ref))
	}
	return awaitProcess(ctx, pid)
}

// awaitProcess waits for the end of any process through its pidfd.
func awaitProcess(ctx context.Context, pid int) error {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fault.Errorf(fault.Internal, "watch process %d: %w", pid, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	rc, err := f.SyscallConn()
	if err != nil {
		return fault.Errorf(fault.Internal, "watch process %d: %w", pid, err)
	}
	if err := rc.Read(func(fd uintptr) bool { return readable(int(fd)) }); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.Errorf(fault.Internal, "watch process %d: %w", pid, err)
	}
	return nil
}

func readable(fd int) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds[:], 0)
	return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
}
