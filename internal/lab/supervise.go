package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/guard"
)

// Times of the supervisor.
const (
	restartAfter = time.Second      // as a service manager waits before it starts a dead daemon again
	stopPatience = 30 * time.Second // how long a daemon may take to stop when asked to
)

// request is what the lab asks of an init; reply is what it answers.
type request struct {
	Do string `json:"do"` // one of the verbs of Daemon
}

type reply struct {
	Error  string       `json:"error,omitempty"`
	Daemon DaemonStatus `json:"daemon"`
}

// DaemonStatus is the state of a machine's daemon.
type DaemonStatus struct {
	State    string    `json:"state"` // running, stopped, dead (it will be restarted, or not), none
	PID      int       `json:"pid,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Restarts int       `json:"restarts"`
	LastEnd  string    `json:"lastEnd,omitempty"` // how it ended the last time
}

// supervisor is the part of an init that goes on after the start.
type supervisor struct {
	boot   boot
	listen net.Listener
	log    *slog.Logger

	mu     sync.Mutex // held while a process is started too, so that its end is not reaped before its number is known
	daemon DaemonStatus
	want   bool          // the daemon is meant to run
	ended  chan struct{} // closed when the running daemon has ended
}

func newSupervisor(b boot, l net.Listener, log *slog.Logger) *supervisor {
	s := &supervisor{boot: b, listen: l, log: log, daemon: DaemonStatus{State: "none"}}
	if s.hasDaemon() {
		s.daemon.State = "stopped"
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go s.reap(children)
	return s
}

func (s *supervisor) hasDaemon() bool { return s.boot.Kind == kindNode || s.boot.Kind == kindQuorum }

// start starts the daemon.
func (s *supervisor) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startLocked()
}

func (s *supervisor) startLocked() error {
	s.want = true
	if s.daemon.State == "running" {
		return nil
	}
	cmd := s.boot.daemonCommand()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	s.daemon.State, s.daemon.PID, s.daemon.Since = "running", cmd.Process.Pid, time.Now()
	s.ended = make(chan struct{})
	s.log.Info("daemon started", "pid", cmd.Process.Pid)
	return nil
}

// reap takes the ends of all processes: of the daemon, and of those whose parents are gone.
func (s *supervisor) reap(children <-chan os.Signal) {
	for range children {
		s.mu.Lock()
		for {
			var ws unix.WaitStatus
			pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
			if pid == s.daemon.PID {
				s.daemonEnded(ws)
			}
		}
		s.mu.Unlock()
	}
}

func (s *supervisor) daemonEnded(ws unix.WaitStatus) {
	how := fmt.Sprintf("exit status %d", ws.ExitStatus())
	if ws.Signaled() {
		how = "signal " + unix.SignalName(ws.Signal())
	}
	s.log.Info("daemon ended", "pid", s.daemon.PID, "how", how, "wanted", s.want)
	s.daemon.PID, s.daemon.LastEnd, s.daemon.Since = 0, how, time.Now()
	close(s.ended)
	s.daemon.State = "stopped"
	if !s.want {
		return
	}
	s.daemon.State = "dead"
	if s.boot.Restart {
		time.AfterFunc(restartAfter, s.restart)
	}
}

func (s *supervisor) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.want || s.daemon.State == "running" {
		return
	}
	s.daemon.Restarts++
	if err := s.startLocked(); err != nil {
		s.log.Error("daemon not restarted", "cause", err.Error())
		time.AfterFunc(restartAfter, s.restart)
	}
}

// serve answers the lab for ever.
func (s *supervisor) serve() error {
	for {
		c, err := s.listen.Accept()
		if err != nil {
			s.log.Error("accept", "cause", err.Error())
			time.Sleep(restartAfter)
			continue
		}
		go s.answer(c)
	}
}

func (s *supervisor) answer(c net.Conn) {
	defer c.Close()
	var req request
	if err := json.NewDecoder(c).Decode(&req); err != nil {
		return
	}
	var r reply
	if err := s.act(req.Do); err != nil {
		r.Error = err.Error()
	}
	s.mu.Lock()
	r.Daemon = s.daemon
	s.mu.Unlock()
	_ = json.NewEncoder(c).Encode(r)
}

func (s *supervisor) act(what string) error {
	if what == DaemonShow {
		return nil
	}
	if !s.hasDaemon() {
		return errors.New("it runs no daemon")
	}
	switch what {
	case DaemonStart:
		return s.start()
	case DaemonStop:
		return s.stop(unix.SIGTERM)
	case DaemonLeave:
		return s.stop(unix.SIGINT)
	case DaemonRestart:
		if err := s.stop(unix.SIGTERM); err != nil {
			return err
		}
		return s.start()
	case DaemonKill:
		return s.kill(true, false)
	case DaemonKillGuard:
		return s.kill(false, true)
	case DaemonKillBoth:
		return s.kill(true, true)
	}
	return fmt.Errorf("request %q is not known", what)
}

// stop asks the daemon to stop by a signal and waits for it.
func (s *supervisor) stop(by unix.Signal) error {
	s.mu.Lock()
	s.want = false
	pid, ended := s.daemon.PID, s.ended
	if pid == 0 {
		s.daemon.State = "stopped"
		s.mu.Unlock()
		return nil
	}
	err := unix.Kill(pid, by)
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	select {
	case <-ended:
		return nil
	case <-time.After(stopPatience):
		return fmt.Errorf("the daemon has not stopped after %v; see its log, or kill it", stopPatience)
	}
}

// kill ends the daemon, the guard, or both, as a crash would.
func (s *supervisor) kill(daemon, itsGuard bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pids []int
	if itsGuard {
		if pids = guards(); len(pids) == 0 {
			return errors.New("no guard runs there")
		}
	}
	if daemon {
		if s.daemon.PID == 0 {
			return errors.New("the daemon does not run")
		}
		pids = append(pids, s.daemon.PID)
	}
	var err error
	for _, pid := range pids {
		err = errors.Join(err, unix.Kill(pid, unix.SIGKILL))
	}
	if err != nil {
		return fmt.Errorf("kill: %w", err)
	}
	return nil
}

// guards finds the guard of this machine.
func guards() (pids []int) {
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, e := range entries {
		b, err := os.ReadFile(e)
		if err != nil || !guard.Is(strings.Split(string(b), "\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(e))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// ask carries one request to the init that listens at the socket.
func ask(socket string, req request) (r reply, err error) {
	c, err := net.DialTimeout("unix", socket, 5*time.Second)
	if err != nil {
		return r, fmt.Errorf("its init does not answer: %w", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(stopPatience + 5*time.Second))
	if err := json.NewEncoder(c).Encode(req); err != nil {
		return r, fmt.Errorf("ask its init: %w", err)
	}
	if err := json.NewDecoder(c).Decode(&r); err != nil {
		return r, fmt.Errorf("its init does not answer: %w", err)
	}
	return r, nil
}
