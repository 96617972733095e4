package guardlink

import (
	"log/slog"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/guard"
)

// lateLink is the connection to a guard, which a program that sleeps stands for, of a daemon that has not come to read what the guard says.
func lateLink(t *testing.T) (l *Link, says *os.File, ended <-chan struct{}) {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, says := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "guard")
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	l = &Link{
		cfg: Config{Log: slog.New(slog.DiscardHandler)}, pid: cmd.Process.Pid, pidfd: os.NewFile(uintptr(pidfd), "pidfd"), conn: conn.(*net.UnixConn),
		replies: make(chan guard.Frame, 1), leased: make(chan struct{}, 1), alarm: time.NewTimer(time.Hour), done: done,
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		for _, c := range []interface{ Close() error }{ours, says, conn, l.pidfd} {
			_ = c.Close()
		}
	})
	return l, says, done
}

// A daemon that is late does not kill a guard for a confirmation that it has not read yet: all services of the node would end for it.
func TestLateDaemonDoesNotKillItsGuard(t *testing.T) {
	for _, confirmed := range []bool{true, false} {
		l, says, ended := lateLink(t)
		until := guard.Now() + int64(time.Hour)
		l.acked.Store(guard.Now() + int64(20*time.Millisecond))
		l.asked.Store(until)
		if confirmed {
			frame, err := guard.Frame{Kind: guard.KindLeaseAck, Arg: until}.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := unix.Write(int(says.Fd()), frame); err != nil {
				t.Fatal(err)
			}
		}
		go l.watchLease()
		limit := time.Minute
		if confirmed {
			limit = 5 * grace
		}
		select {
		case <-ended:
			if confirmed {
				t.Error("a guard was killed that has confirmed its lease")
			}
		case <-time.After(limit):
			if !confirmed {
				t.Error("a guard that has not confirmed a lease in time lives on")
			}
		}
	}
}
