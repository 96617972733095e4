package proc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/launch"
	"redoubt/internal/yield"
)

// killPatience is how long Run waits for what it killed. What survives is in uninterruptible sleep; Kill will be asked about it later.
const killPatience = 5 * time.Second

// Run implements agent.Launcher. A program that ends leaves its children running: what a Start method starts is meant to stay.
func (l *Launcher) Run(ctx context.Context, p agent.Program) agent.Outcome {
	if ctx.Err() != nil {
		return agent.Outcome{Exit: -1, Aborted: true}
	}
	var timeout <-chan time.Time
	if p.Timeout > 0 {
		timer := time.NewTimer(p.Timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	r, err := l.start(ctx, timeout, p)
	switch {
	case errors.Is(err, errTooLate):
		return agent.Outcome{Exit: -1, Aborted: ctx.Err() != nil, TimedOut: ctx.Err() == nil}
	case err != nil:
		return agent.Outcome{Exit: -1, Err: err}
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
	r, err := l.start(ctx, nil, p)
	if errors.Is(err, errTooLate) {
		return 0, context.Cause(ctx)
	}
	if err != nil {
		return 0, err
	}
	return r.pid, nil
}

func (l *Launcher) killRunning(r *running) {
	l.killLeaf(r.leaf)
	timer := time.NewTimer(killPatience)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
	}
}

func (l *Launcher) killLeaf(leaf string) {
	ctx, cancel := context.WithTimeout(context.Background(), killPatience)
	defer cancel()
	if err := l.killTree(ctx, leaf); err != nil {
		l.cfg.Log.Error("processes survived SIGKILL", "cgroup", leaf, "cause", err.Error())
	}
}

// running is a program that was started.
type running struct {
	pid     int
	leaf    string
	capture *capture
	done    chan struct{} // closed when the program has ended and was reaped
	status  int           // as a shell gives it; -1 when it is not known
}

// exit is the exit status as a shell gives it, -1 when the program has not ended.
func (r *running) exit() int {
	select {
	case <-r.done:
		return r.status
	default:
		return -1
	}
}

// errTooLate is returned when a program was not to be waited for any longer before it had begun. It never begins.
var errTooLate = errors.New("it was given up before it began")

// start starts a program, unless ctx or the timeout ends before.
func (l *Launcher) start(ctx context.Context, timeout <-chan time.Time, p agent.Program) (*running, error) {
	if !filepath.IsAbs(p.Path) {
		return nil, fault.Errorf(fault.Invalid, "run %q for resource %s: the path is not absolute", p.Path, p.Ref.Resource)
	}
	yield.Piece()
	leaf, err := l.makeLeaf(p)
	if err != nil {
		return nil, err
	}
	r, err := l.startIn(ctx, timeout, leaf, p)
	l.mu.Lock()
	delete(l.fresh, leaf)
	l.mu.Unlock()
	if err == nil {
		return r, nil
	}
	if errors.Is(err, errTooLate) {
		l.bury(leaf)
	}
	l.remove(leaf)
	os.Remove(l.pipePath(leaf))
	if errors.Is(err, errTooLate) {
		return nil, err
	}
	return nil, fault.Errorf(code(err), "run %s for resource %s: %w", p.Path, p.Ref.Resource, err)
}

// bury sees to it that a program that was asked for never runs: the kernel starts nothing in a cgroup that was removed, and it can be removed when nothing is in it.
func (l *Launcher) bury(leaf string) {
	for range buryTries {
		l.killLeaf(leaf)
		if l.remove(leaf) {
			return
		}
		if _, err := os.Stat(leaf); errors.Is(err, os.ErrNotExist) {
			return
		}
	}
	l.cfg.Log.Error("a program that was given up before it began can not be kept from it", "cgroup", leaf)
}

// buryTries is more than enough: a program can begin once.
const buryTries = 5

func code(err error) fault.Code {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fault.NotFound
	case errors.Is(err, os.ErrPermission), errors.Is(err, unix.ENOEXEC):
		return fault.Precondition
	}
	return fault.Internal
}

func (l *Launcher) startIn(ctx context.Context, timeout <-chan time.Time, leaf string, p agent.Program) (*running, error) {
	q, program, err := l.request(p)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	c, stdout, err := l.newCapture(leaf, p.Ref, p.Label)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	r := &running{leaf: leaf, capture: c, done: make(chan struct{}), status: -1}
	if err := l.begin(ctx, timeout, q, r, p.User, stdout, program); err != nil {
		c.stop()
		return nil, err
	}
	if p.Started != nil {
		p.Started(r.pid)
	}
	l.mu.Lock()
	l.readers[leaf] = c
	l.mu.Unlock()
	go c.follow()
	return r, nil
}

// begin has the program started and waits for that.
func (l *Launcher) begin(ctx context.Context, timeout <-chan time.Time, q launch.Request, r *running, user *agent.User, stdout *os.File, program held) error {
	group, err := os.Open(r.leaf)
	if err != nil {
		return err
	}
	defer group.Close()
	if user != nil { // it may open its output anew, as /dev/stderr
		if err := stdout.Chown(user.UID, -1); err != nil {
			return err
		}
	}
	s, err := l.starterNow()
	if err != nil {
		return err
	}
	files := []*os.File{group, stdout}
	if program.file != nil {
		files = append(files, program.file)
	}
	select {
	case s.places <- struct{}{}:
	case <-timeout:
		return errTooLate
	case <-ctx.Done():
		return errTooLate
	}
	result, err := s.start(q, r, files...)
	if err != nil {
		return err
	}
	select {
	case err = <-result:
	case <-timeout:
		err = errTooLate
	case <-ctx.Done():
		err = errTooLate
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return &os.PathError{Op: "fork/exec", Path: q.Path, Err: errno}
	}
	return err
}

// held is the program that a request leads to, when that has to be sent with it.
type held struct {
	file  *os.File
	Close func()
}

// request is how a program is started: as the gate has it, or as another user, whom the program gets nothing from that could harm root.
func (l *Launcher) request(p agent.Program) (launch.Request, held, error) {
	q := launch.Request{Path: p.Path, Dir: p.Dir, Args: append([]string{p.Path}, p.Args...), Env: p.Env}
	if q.Dir == "" {
		q.Dir = "/"
	}
	none := held{Close: func() {}}
	switch {
	case p.User != nil && l.cfg.Descend == "":
		return q, none, fault.Errorf(fault.Unsupported, "no program can be run as user %s here", p.User.Name)
	case p.User != nil:
		spec := descent{uid: p.User.UID, gid: p.User.GID, groups: p.User.Groups, umask: serviceUmask, path: p.Path, args: q.Args}
		q.ProgramFD = int(l.self.Fd())
		q.Path, q.Args = "/proc/self/fd/"+strconv.Itoa(q.ProgramFD), append([]string{os.Args[0], l.cfg.Descend}, spec.arguments()...)
		return q, held{l.self, none.Close}, nil
	case l.cfg.Gate != nil:
		as, err := l.cfg.Gate.Admit(p)
		if err != nil {
			return q, none, err
		}
		q.Path, q.Args = as.Path, as.Args
		if as.Program != nil {
			q.ProgramFD = int(as.Program.Fd())
		}
		return q, held{as.Program, as.Close}, nil
	}
	return q, none, nil
}
