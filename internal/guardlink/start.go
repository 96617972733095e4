package guardlink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/guard"
)

// Start starts a guard as the first process of a new PID namespace (and of a mount namespace whose mounts propagate as before) and
// returns when it is ready: hardened, rehearsed, and with an empty record of obligations. Leftovers of an older guard must have been cleaned
// up; Start refuses when a guard lives or a record of obligations is there.
func Start(ctx context.Context, cfg Config) (*Link, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Incarnation == "" {
		return nil, fault.Errorf(fault.Invalid, "start guard of %s: the incarnation is missing", cfg.Cgroup)
	}
	if _, _, err := guard.ReadOwed(cfg.RunDir); !errors.Is(err, os.ErrNotExist) {
		return nil, fault.Errorf(fault.Precondition, "start guard of %s: an earlier guard left %s; attach to it or clean up after it", cfg.Cgroup, filepath.Join(cfg.RunDir, guard.ObligationsName))
	}
	if err := os.MkdirAll(cfg.RunDir, 0o700); err != nil {
		return nil, fault.Errorf(fault.Internal, "make run directory %s: %w", cfg.RunDir, err)
	}
	if err := os.MkdirAll(cfg.Cgroup, 0o755); err != nil {
		return nil, fault.Errorf(fault.Unsupported, "make service cgroup %s: %w; is cgroup2 mounted there?", cfg.Cgroup, err)
	}
	if cfg.ShareMounts {
		if err := shareMounts(); err != nil {
			return nil, fault.Errorf(fault.Internal, "make the root mount shared: %w", err)
		}
	}
	return cfg.spawn(ctx)
}

func (cfg Config) check() error {
	if !filepath.IsAbs(cfg.RunDir) || !filepath.IsAbs(cfg.Cgroup) || cfg.Log == nil {
		return fault.Errorf(fault.Invalid, "guard: RunDir %q and Cgroup %q have to be absolute paths, and Log has to be set", cfg.RunDir, cfg.Cgroup)
	}
	return nil
}

func (cfg Config) spawn(ctx context.Context) (*Link, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "make control connection: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "guard"), os.NewFile(uintptr(pair[1]), "daemon")
	defer ours.Close()
	how := cfg.OnUnkillable
	if how == "" {
		how = guard.OnUnkillableReport
	}
	life := cfg.AddressLife
	if life == 0 {
		life = guard.AddressLife
	}
	// Not bound to ctx: the guard outlives the call, and the daemon too if that is planned.
	exe, argv := "/proc/self/exe", []string{os.Args[0], "guard"}
	if cfg.Program != nil {
		exe, argv = fmt.Sprintf("/proc/self/fd/%d", cfg.Program.Fd()), []string{guard.Name}
	}
	cmd := exec.Command(exe)
	cmd.Args = append(argv, "-cgroup", cfg.Cgroup, "-run", cfg.RunDir, "-incarnation", cfg.Incarnation, "-on-unkillable", how, "-address-life", life.String())
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "GOTRACEBACK=single"}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs}
	var stderr bytes.Buffer
	errs, err := os.CreateTemp(cfg.RunDir, "guard.stderr*")
	if err != nil {
		theirs.Close()
		return nil, fault.Errorf(fault.Internal, "start guard of %s: %w", cfg.Cgroup, err)
	}
	defer errs.Close()
	defer os.Remove(errs.Name())
	cmd.Stderr = errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	err = cmd.Start()
	theirs.Close() // so that the guard's end is the end of the connection
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "start guard of %s: %w", cfg.Cgroup, err)
	}
	l, err := newLink(cfg, ours, cmd.Process.Pid)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	go func() {
		_ = cmd.Wait()
		l.finish()
	}()
	if err := l.greet(ctx, false); err != nil {
		l.Kill()
		<-l.done
		_, _ = errs.Seek(0, 0)
		_, _ = stderr.ReadFrom(errs)
		if text := strings.TrimSpace(stderr.String()); text != "" {
			err = fault.Errorf(fault.CodeOf(err), "%w (%s)", err, text)
		}
		return nil, err
	}
	return l, nil
}

// Attach takes over the guard that an earlier daemon of this node announced a handover to. It fails with fault.NotFound when no guard lives,
// and with fault.Precondition when another daemon is attached.
func Attach(ctx context.Context, cfg Config) (*Link, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	path := filepath.Join(cfg.RunDir, guard.SocketName)
	conn, err := dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	file, err := conn.File()
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "connect to guard at %s: %w", path, err)
	}
	defer file.Close()
	cred, err := peer(file)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "identify guard at %s: %w", path, err)
	}
	if cred.Uid != 0 {
		return nil, fault.Errorf(fault.Denied, "what listens at %s belongs to user %d and is no guard", path, cred.Uid)
	}
	l, err := newLink(cfg, file, int(cred.Pid))
	if err != nil {
		return nil, err
	}
	go l.awaitEnd()
	if err := l.greet(ctx, true); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// dial connects to the guard's control socket; fault.NotFound means that none lives.
func dial(ctx context.Context, cfg Config) (*net.UnixConn, error) {
	path := filepath.Join(cfg.RunDir, guard.SocketName)
	conn, err := (&net.Dialer{}).DialContext(ctx, "unixpacket", path)
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return nil, fault.Errorf(fault.NotFound, "no guard answers at %s", path)
	case err != nil:
		return nil, fault.Errorf(fault.Unavailable, "connect to guard at %s: %w", path, err)
	}
	return conn.(*net.UnixConn), nil
}

func peer(file *os.File) (cred *unix.Ucred, err error) {
	rc, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	cerr := rc.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return cred, errors.Join(cerr, err)
}

func newLink(cfg Config, file *os.File, pid int) (*Link, error) {
	fail := func(err error) error {
		return fault.Errorf(fault.Internal, "connect to guard of %s: %w", cfg.Cgroup, err)
	}
	c, err := net.FileConn(file)
	if err != nil {
		return nil, fail(err)
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fail(errors.New("not a unix socket"))
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		conn.Close()
		return nil, fail(err)
	}
	l := &Link{cfg: cfg, pid: pid, conn: conn, pidfd: os.NewFile(uintptr(fd), "guard process"), incarnation: cfg.Incarnation,
		replies: make(chan guard.Frame, 1), leased: make(chan struct{}, 1), alarm: time.NewTimer(time.Hour), readEnd: make(chan struct{}), done: make(chan struct{})}
	dir := filepath.Join("/proc", strconv.Itoa(pid), "ns")
	if l.pidNS, err = os.Open(filepath.Join(dir, "pid")); err == nil {
		l.mntNS, err = os.Open(filepath.Join(dir, "mnt"))
	}
	if err != nil {
		l.closeFiles()
		conn.Close()
		return nil, fail(err)
	}
	return l, nil
}

// greet reads the guard's state, the first thing it says, and starts the goroutines of the link.
func (l *Link) greet(ctx context.Context, ask bool) error {
	go l.read()
	if ask {
		if err := l.send(guard.Frame{Kind: guard.KindAttach}, nil); err != nil {
			return fault.Errorf(fault.Unavailable, "attach to guard of %s: %w", l.cfg.Cgroup, err)
		}
	}
	var f guard.Frame
	select {
	case f = <-l.replies:
	case <-l.done:
		select {
		case f = <-l.replies:
		default:
			return fault.Errorf(fault.Internal, "guard of %s ended before it was ready", l.cfg.Cgroup)
		}
	case <-ctx.Done():
		return fault.Errorf(fault.Timeout, "guard of %s is not ready: %w", l.cfg.Cgroup, context.Cause(ctx))
	}
	if f.Kind != guard.KindState {
		return fault.Errorf(fault.Precondition, "guard of %s refused: %s", l.cfg.Cgroup, f.Text)
	}
	s, err := guard.ParseState(f.Text)
	if err != nil {
		return fault.Errorf(fault.Internal, "guard of %s: %w", l.cfg.Cgroup, err)
	}
	l.state, l.incarnation = s, s.Incarnation
	l.asked.Store(s.Lease)
	l.acked.Store(s.Lease)
	for _, w := range s.Warnings {
		l.cfg.Log.Warn("guard is weaker than it should be", "cause", w)
	}
	l.cfg.Log.Info("guard is ready", "incarnation", s.Incarnation, "pid", l.pid, "version", s.Version)
	go l.watchLease()
	return nil
}

// shareMounts makes / shared unless it is.
func shareMounts() error {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 7 || f[4] != "/" {
			continue
		}
		for _, option := range f[6:] {
			if option == "-" {
				break
			}
			if strings.HasPrefix(option, "shared:") {
				return nil
			}
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount --make-rshared /: %w", err)
	}
	return nil
}
