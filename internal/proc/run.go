package proc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/apart"
	"redoubt/internal/fault"
	"redoubt/internal/realtime"
)

// killPatience is how long Run waits for what it killed. What survives is in uninterruptible sleep; Kill will be asked about it later.
const killPatience = 5 * time.Second

// Run implements agent.Launcher. A program that ends leaves its children running: what a Start method starts is meant to stay.
func (l *Launcher) Run(ctx context.Context, p agent.Program) agent.Outcome {
	if ctx.Err() != nil {
		return agent.Outcome{Exit: -1, Aborted: true}
	}
	r, err := l.start(p)
	if err != nil {
		return agent.Outcome{Exit: -1, Err: err}
	}
	var timeout <-chan time.Time
	if p.Timeout > 0 {
		timer := time.NewTimer(p.Timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	out := agent.Outcome{}
	select {
	case <-r.done:
	case <-timeout:
		out.TimedOut = true
		l.killRunning(r)
	case <-ctx.Done():
		out.Aborted = true
		l.killRunning(r)
	}
	out.Exit = r.exit()
	out.Output = r.capture.settle()
	l.remove(r.leaf)
	return out
}

// Spawn implements agent.Launcher.
func (l *Launcher) Spawn(ctx context.Context, p agent.Program) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r, err := l.start(p)
	if err != nil {
		return 0, err
	}
	return r.pid, nil
}

func (l *Launcher) killRunning(r *running) {
	ctx, cancel := context.WithTimeout(context.Background(), killPatience)
	defer cancel()
	if err := l.killTree(ctx, r.leaf); err != nil {
		l.cfg.Log.Error("processes survived SIGKILL", "cgroup", r.leaf, "cause", err.Error())
	}
	select {
	case <-r.done:
	case <-ctx.Done():
	}
}

// running is a program that was started.
type running struct {
	pid     int
	leaf    string
	capture *capture
	done    chan struct{} // closed when the program has ended and was reaped
	status  int           // as a shell gives it; -1 while it is not known
}

// exit is the exit status as a shell gives it, -1 when the program has not ended.
func (r *running) exit() int {
	select {
	case <-r.done:
	default:
		return -1
	}
	return r.status
}

// reap takes the status of a program that has ended, or waits for that. Its number is this process's until then.
func (r *running) reap() {
	var ws unix.WaitStatus
	_, err := unix.Wait4(r.pid, &ws, 0, nil)
	for errors.Is(err, unix.EINTR) {
		_, err = unix.Wait4(r.pid, &ws, 0, nil)
	}
	switch {
	case err != nil: // somebody else took it: how it ended is not known
	case ws.Signaled():
		r.status = 128 + int(ws.Signal())
	default:
		r.status = ws.ExitStatus()
	}
}

func (l *Launcher) start(p agent.Program) (*running, error) {
	if !filepath.IsAbs(p.Path) {
		return nil, fault.Errorf(fault.Invalid, "run %q for resource %s: the path is not absolute", p.Path, p.Ref.Resource)
	}
	leaf, err := l.makeLeaf(p)
	if err != nil {
		return nil, err
	}
	r, err := l.startIn(leaf, p)
	l.mu.Lock()
	delete(l.fresh, leaf)
	l.mu.Unlock()
	if err != nil {
		l.remove(leaf)
		os.Remove(l.pipePath(leaf))
		return nil, fault.Errorf(code(err), "run %s for resource %s: %w", p.Path, p.Ref.Resource, err)
	}
	return r, nil
}

func code(err error) fault.Code {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fault.NotFound
	case errors.Is(err, os.ErrPermission), errors.Is(err, unix.ENOEXEC):
		return fault.Precondition
	}
	return fault.Internal
}

func (l *Launcher) startIn(leaf string, p agent.Program) (*running, error) {
	cmd, admitted, err := l.command(p)
	if err != nil {
		return nil, err
	}
	defer admitted.Close()
	c, stdout, err := l.newCapture(leaf, p.Ref, p.Label)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	group, err := os.Open(leaf)
	if err != nil {
		c.stop()
		return nil, err
	}
	defer group.Close()
	if p.User != nil { // it may open its output anew, as /dev/stderr
		if err := stdout.Chown(p.User.UID, -1); err != nil {
			c.stop()
			return nil, err
		}
	}
	out, err := admitted.Above(stdout)
	if err != nil {
		c.stop()
		return nil, err
	}
	defer out.Close()
	cmd.Env = append([]string{}, p.Env...) // not nil: nothing is inherited
	cmd.Dir = p.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(group.Fd())}
	if err := l.inNamespaces(cmd.Start); err != nil {
		c.stop()
		return nil, err
	}
	if err := realtime.Ordinary(leaf); err != nil {
		l.cfg.Log.Error("a program of a resource may have the priority of the daemon; it is ended", "resource", p.Ref.Resource, "program", p.Path, "err", err)
		_ = os.WriteFile(filepath.Join(leaf, "cgroup.kill"), []byte("1"), 0)
	}
	if p.Started != nil {
		p.Started(cmd.Process.Pid)
	}
	r := &running{pid: cmd.Process.Pid, leaf: leaf, capture: c, done: make(chan struct{}), status: -1}
	// What the runtime knows a process by is an open file, and awaitProcess has one too: that is enough.
	_ = cmd.Process.Release()
	l.mu.Lock()
	l.readers[leaf] = c
	l.mu.Unlock()
	go c.follow()
	go func() {
		// To wait for it alone would take a thread of the system for as long as the program runs; the runtime ends a process that has ten thousand.
		_ = awaitProcess(context.Background(), r.pid)
		r.reap()
		close(r.done)
		c.exited()
	}()
	return r, nil
}

// command is how a program is started: as the gate has it, or as another user, whom the program gets nothing from that could harm root.
func (l *Launcher) command(p agent.Program) (*exec.Cmd, agent.Admission, error) {
	as := agent.Admission{Path: p.Path, Args: append([]string{p.Path}, p.Args...), FD: -1, Close: func() {}}
	switch {
	case p.User != nil && len(l.cfg.Descend) == 0:
		return nil, as, fault.Errorf(fault.Unsupported, "no program can be run as user %s here", p.User.Name)
	case p.User != nil:
		spec := descent{uid: p.User.UID, gid: p.User.GID, groups: p.User.Groups, umask: serviceUmask, path: p.Path, args: as.Args}
		as.Path, as.Args = l.cfg.Descend[0], append(append([]string{}, l.cfg.Descend...), spec.arguments()...)
	case l.cfg.Gate != nil:
		var err error
		if as, err = l.cfg.Gate.Admit(p); err != nil {
			return nil, as, err
		}
	}
	return &exec.Cmd{Path: as.Path, Args: as.Args}, as, nil
}

// inNamespaces calls f apart, on a thread that makes children in the guard's namespaces. A program whose start hangs (its file is on a dead
// server) holds up nobody else.
func (l *Launcher) inNamespaces(f func() error) error {
	return apart.Do(func() error { return l.enter(f) })
}

func (l *Launcher) enter(f func() error) error {
	if l.cfg.PIDNamespace == nil {
		return f()
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	for _, ns := range []struct {
		file *os.File
		kind int
	}{{l.cfg.MountNamespace, unix.CLONE_NEWNS}, {l.cfg.PIDNamespace, unix.CLONE_NEWPID}} {
		rc, err := ns.file.SyscallConn()
		if err != nil {
			return err
		}
		cerr := rc.Control(func(fd uintptr) { err = unix.Setns(int(fd), ns.kind) })
		if err := errors.Join(cerr, err); err != nil {
			return fault.Errorf(fault.Unavailable, "enter the guard's namespaces: %w", err)
		}
	}
	return f()
}
