package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Main is the process; args are those after Word. It returns when the daemon has closed the connection.
func Main(args []string) int {
	s := &starter{socket: SocketFD, alive: map[int]bool{}, early: map[int]int{}, born: make(chan struct{}, 1)}
	if _, err := unix.GetsockoptInt(s.socket, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		fmt.Fprintln(os.Stderr, "launch: redoubtd starts this, with a connection to itself; there is nothing that people could do with it")
		return 2
	}
	s.stream = os.NewFile(SocketFD, "daemon")
	runtime.LockOSThread() // that is in the namespaces
	if err := s.prepare(len(args) == 1 && args[0] == Enter); err != nil {
		s.tell(Reply{Kind: Useless, Text: err.Error()})
		return 1
	}
	go s.reap()
	for {
		q, files, err := s.receive()
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err != nil {
			s.tell(Reply{Kind: Useless, Text: err.Error()})
			return 1
		}
		s.start(q, files)
		for _, fd := range files {
			_ = unix.Close(fd)
		}
	}
}

// starter starts one program after the other and tells how they end.
type starter struct {
	socket int
	stream *os.File // the same

	mu    sync.Mutex   // also: one message at a time
	alive map[int]bool // programs of which it was told that they have started
	early map[int]int  // how children ended of which it was not told that they have started: this may be about to happen
	born  chan struct{}
}

// prepare makes the process ordinary, and its first thread one that makes children in the guard's namespaces.
func (s *starter) prepare(enter bool) error {
	unix.CloseOnExec(s.socket)
	if err := ordinary(); err != nil {
		return err
	}
	// Where it may not be less than it is, it stays: as it does for what the daemon starts by itself.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0)
	if !enter {
		return nil
	}
	// The file descriptors are shared by all threads, the root and the working directory are this one's alone from now on.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return errors.New("leave the other threads' directories: " + err.Error())
	}
	for _, ns := range []struct{ fd, kind int }{{mountFD, unix.CLONE_NEWNS}, {pidFD, unix.CLONE_NEWPID}} {
		if err := unix.Setns(ns.fd, ns.kind); err != nil {
			return errors.New("enter the guard's namespaces: " + err.Error())
		}
		_ = unix.Close(ns.fd)
	}
	return nil
}

// ordinary takes the daemon's priority from all threads, until none was made meanwhile by one that had it.
func ordinary() error {
	for {
		fresh := false
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			attr, err := unix.SchedGetAttr(tid, 0)
			if err != nil || attr.Policy == unix.SCHED_NORMAL {
				continue // it has ended, or is ordinary
			}
			if err := unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return errors.New("take the daemon's priority away: " + err.Error())
			}
			fresh = true
		}
		if !fresh {
			return nil
		}
	}
}

// receive returns the next request and the descriptors that came with it; io.EOF when the daemon has gone.
func (s *starter) receive() (q Request, files []int, err error) {
	var head [headSize]byte
	oob := make([]byte, unix.CmsgSpace(3*4))
	for got := 0; got < len(head); {
		n, oobn, flags, _, err := unix.Recvmsg(s.socket, head[got:], oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return q, nil, err
		case n == 0:
			return q, nil, io.EOF
		case flags&unix.MSG_CTRUNC != 0:
			return q, nil, errors.New("descriptors of a program were lost: raise the limit of open files")
		}
		got += n
		sent, err := descriptors(oob[:oobn])
		if err != nil {
			return q, nil, err
		}
		files = append(files, sent...)
	}
	size, err := Length(head)
	if err != nil {
		return q, files, err
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(s.stream, body); err != nil {
		return q, files, err
	}
	q, err = ParseRequest(body)
	if want := 2 + min(q.ProgramFD, 1); err == nil && len(files) != want {
		err = errFrame
	}
	return q, files, err
}

func descriptors(oob []byte) (fds []int, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		sent, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		fds = append(fds, sent...)
	}
	return fds, nil
}

// start starts a program in the cgroup files[0], with the output files[1].
func (s *starter) start(q Request, files []int) {
	s.mu.Lock()
	clear(s.early) // of children that never became their program
	s.mu.Unlock()
	pid, err := fork(q, files)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) {
			s.tell(Reply{Kind: Failed, ID: q.ID, Errno: int(errno)})
			return
		}
		s.tell(Reply{Kind: Failed, ID: q.ID, Text: err.Error()})
		return
	}
	s.tell(Reply{Kind: Started, ID: q.ID, PID: pid})
	if status, ended := s.early[pid]; ended {
		delete(s.early, pid)
		s.tell(Reply{Kind: Exited, PID: pid, Status: status})
		return
	}
	s.alive[pid] = true
	select {
	case s.born <- struct{}{}:
	default:
	}
}

func fork(q Request, files []int) (pid int, err error) {
	out := files[1]
	if q.ProgramFD != 0 {
		if q.ProgramFD < LowestFD {
			return 0, errors.New("the descriptor of the program has a number of this process's own")
		}
		if err := unix.Dup3(files[2], q.ProgramFD, unix.O_CLOEXEC); err != nil {
			return 0, err
		}
		defer func() { _ = unix.Close(q.ProgramFD) }()
		// Between fork and execution descriptors that are in the way are moved to numbers above the highest of the child's own: not onto the program.
		if out, err = unix.FcntlInt(uintptr(files[1]), unix.F_DUPFD_CLOEXEC, q.ProgramFD+1); err != nil {
			return 0, err
		}
		defer func() { _ = unix.Close(out) }()
	}
	return syscall.ForkExec(q.Path, q.Args, &syscall.ProcAttr{
		Dir: q.Dir, Env: q.Env, Files: []uintptr{0, uintptr(out), uintptr(out)},
		Sys: &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: files[0]},
	})
}

// reap takes the children that have ended.
func (s *starter) reap() {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		if errors.Is(err, unix.ECHILD) {
			<-s.born
		}
		if err != nil {
			continue
		}
		status := ws.ExitStatus()
		if ws.Signaled() {
			status = 128 + int(ws.Signal())
		}
		s.mu.Lock()
		if s.alive[pid] {
			delete(s.alive, pid)
			s.tell(Reply{Kind: Exited, PID: pid, Status: status})
		} else {
			s.early[pid] = status
		}
		s.mu.Unlock()
	}
}

// tell sends a reply. When the daemon has gone nobody is there to be told, and receive notices.
func (s *starter) tell(r Reply) {
	if b, err := r.Append(nil); err == nil {
		_, _ = s.stream.Write(b)
	}
}
