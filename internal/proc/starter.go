package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/launch"
)

// startsAhead is how many programs a process is asked for before it has started the first.
const startsAhead = 8

// starterPatience is how long Close waits for the process that starts programs to end.
const starterPatience = 5 * time.Second

// starter is the connection to a process that starts programs; see package launch.
type starter struct {
	log   *slog.Logger
	conn  *net.UnixConn
	cmd   *exec.Cmd
	gone  chan struct{} // closed when the process has ended
	write sync.Mutex    // one message at a time
	// places are for requests that were not answered yet. More would only wait in the socket, and when that is full who sends waits too, and can not give up.
	places chan struct{}

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]*begun
	running map[int]*running // by process id
	err     error            // why nothing can be started any more
}

// begun is a request that was not answered yet.
type begun struct {
	run    *running
	result chan error // gets one
}

// openStarter starts the process.
func (cfg Config) openStarter() (*starter, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "starter"), os.NewFile(uintptr(pair[1]), "launcher")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	exe, name := "/proc/self/exe", os.Args[0]
	if cfg.Program != nil {
		exe, name = fmt.Sprintf("/proc/self/fd/%d", cfg.Program.Fd()), filepath.Base(cfg.Program.Name())
	}
	cmd := &exec.Cmd{Path: exe, Args: []string{name, launch.Word}, Env: []string{"GOTRACEBACK=single"}, Dir: "/", ExtraFiles: []*os.File{theirs}}
	if cfg.PIDNamespace != nil {
		cmd.Args = append(cmd.Args, launch.Enter)
		cmd.ExtraFiles = append(cmd.ExtraFiles, cfg.PIDNamespace, cfg.MountNamespace)
	}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, err
	}
	s := &starter{
		log: cfg.Log, conn: conn.(*net.UnixConn), cmd: cmd, gone: make(chan struct{}), places: make(chan struct{}, startsAhead),
		waiting: map[uint64]*begun{}, running: map[int]*running{},
	}
	go func() {
		_ = cmd.Wait()
		close(s.gone)
	}()
	go s.read()
	return s, nil
}

// close ends the process. What it has started runs on.
func (s *starter) close() {
	s.conn.Close()
	timer := time.NewTimer(starterPatience)
	defer timer.Stop()
	select {
	case <-s.gone:
	case <-timer.C: // it waits for a program whose file is on a dead server
		_ = s.cmd.Process.Kill()
	}
}

// usable reports whether programs can still be started by it.
func (s *starter) usable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err == nil
}

// start asks for a program; who calls it has taken a place. The result says that it has begun, with r.pid, or why it has not; that r has ended is told by r.done.
func (s *starter) start(q launch.Request, r *running, files ...*os.File) (result <-chan error, err error) {
	b := &begun{run: r, result: make(chan error, 1)}
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		<-s.places
		return nil, s.err
	}
	s.last++
	q.ID = s.last
	message, err := q.Append(nil)
	if err == nil {
		s.waiting[q.ID] = b
	}
	s.mu.Unlock()
	if err != nil {
		<-s.places
	}
	if errors.Is(err, launch.ErrTooLong) {
		return nil, unix.E2BIG
	}
	if err != nil {
		return nil, err
	}
	if err := s.send(message, files); err != nil {
		s.conn.Close() // what was half sent can not be taken back; read sees to the rest
	}
	return b.result, nil
}

func (s *starter) send(message []byte, files []*os.File) error {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	s.write.Lock()
	defer s.write.Unlock()
	n, _, err := s.conn.WriteMsgUnix(message, unix.UnixRights(fds...), nil)
	if err != nil {
		return err
	}
	_, err = s.conn.Write(message[n:])
	return err
}

// read takes replies until the connection ends.
func (s *starter) read() {
	why := "it was closed"
	for {
		p, err := s.reply()
		if err != nil {
			break
		}
		switch p.Kind {
		case launch.Started, launch.Failed:
			s.answer(p)
		case launch.Exited:
			s.mu.Lock()
			r := s.running[p.PID]
			delete(s.running, p.PID)
			s.mu.Unlock()
			if r != nil {
				r.ended(p.Status)
			}
		case launch.Useless:
			why = p.Text
		}
	}
	s.mu.Lock()
	s.err = fault.Errorf(fault.Unavailable, "the process that starts programs has ended: %s", why)
	waiting, left := s.waiting, s.running
	s.waiting, s.running = nil, nil
	s.mu.Unlock()
	for _, b := range waiting {
		b.result <- s.err
		<-s.places
	}
	for _, r := range left {
		go r.watch()
	}
}

func (s *starter) reply() (launch.Reply, error) {
	var head [4]byte
	if _, err := io.ReadFull(s.conn, head[:]); err != nil {
		return launch.Reply{}, err
	}
	n, err := launch.Length(head)
	if err != nil {
		return launch.Reply{}, err
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(s.conn, body); err != nil {
		return launch.Reply{}, err
	}
	return launch.ParseReply(body)
}

func (s *starter) answer(p launch.Reply) {
	s.mu.Lock()
	b := s.waiting[p.ID]
	delete(s.waiting, p.ID)
	if b != nil && p.Kind == launch.Started {
		b.run.pid = p.PID
		s.running[p.PID] = b.run
	}
	s.mu.Unlock()
	if b == nil {
		return
	}
	<-s.places
	switch {
	case p.Kind == launch.Started:
		b.result <- nil
	case p.Errno != 0:
		b.result <- syscall.Errno(p.Errno)
	default:
		b.result <- errors.New(p.Text)
	}
}

// ended is called once, when the program has ended.
func (r *running) ended(status int) {
	r.status = status
	close(r.done)
	r.capture.exited()
}

// watch waits for the end of a program whose parent has died: how it ends nobody is told. Its number may be another's by now.
func (r *running) watch() {
	b, err := os.ReadFile(filepath.Join(r.leaf, "cgroup.procs"))
	if err == nil && slices.Contains(strings.Fields(string(b)), strconv.Itoa(r.pid)) {
		_ = awaitProcess(context.Background(), r.pid)
	}
	r.ended(-1)
}

// starterNow returns a process that starts programs: a new one when the last has ended.
func (l *Launcher) starterNow() (*starter, error) {
	l.startMu.Lock()
	defer l.startMu.Unlock()
	if l.starter != nil && l.starter.usable() {
		return l.starter, nil
	}
	if l.closed {
		return nil, fault.Errorf(fault.Unavailable, "the launcher was closed")
	}
	if l.starter != nil {
		l.cfg.Log.Error("the process that starts the programs of resources has ended; another one is started. How programs end that it has started is not known", "err", l.starter.err)
		go l.starter.close()
	}
	s, err := l.cfg.openStarter()
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "start the process that starts programs: %w", err)
	}
	l.starter = s
	return s, nil
}

// closeStarter ends it for good.
func (l *Launcher) closeStarter() {
	l.startMu.Lock()
	defer l.startMu.Unlock()
	l.closed = true
	if l.starter != nil {
		l.starter.close()
	}
}
