package guard

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Time limits of the firing path.
const (
	rtnlTimeout = 250 * time.Millisecond
	// patience is how long the guard waits for killed processes to vanish before it calls them unkillable.
	patience = 2 * time.Second
	// repeats is how often each fenced datagram is sent; they may be lost.
	repeats = 3
)

// container is the cgroup of everything that has to die, with its files held open.
type container struct {
	dir    string
	kill   int
	events int
	buf    [256]byte
}

func openContainer(dir string) (*container, error) {
	kill, err := unix.Open(filepath.Join(dir, "cgroup.kill"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open cgroup.kill of %s: %w", dir, err)
	}
	events, err := unix.Open(filepath.Join(dir, "cgroup.events"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(kill)
		return nil, fmt.Errorf("open cgroup.events of %s: %w", dir, err)
	}
	return &container{dir: dir, kill: kill, events: events}, nil
}

func (c *container) close() {
	unix.Close(c.kill)
	unix.Close(c.events)
}

// end sends SIGKILL to everything in the cgroup and below it.
func (c *container) end() error {
	if _, err := unix.Pwrite(c.kill, []byte("1"), 0); err != nil {
		return fmt.Errorf("kill cgroup %s: %w", c.dir, err)
	}
	return nil
}

// populated reports whether a process is left. An unreadable cgroup counts as populated unless it is gone.
func (c *container) populated() bool {
	n, err := unix.Pread(c.events, c.buf[:], 0)
	if err != nil {
		return !errors.Is(err, unix.ENODEV)
	}
	return bytes.Contains(c.buf[:n], []byte("populated 1"))
}

// waitEmpty waits until the cgroup is empty, at most for limit.
func (c *container) waitEmpty(limit time.Duration) bool {
	deadline := Now() + int64(limit)
	for c.populated() {
		left := deadline - Now()
		if left <= 0 {
			return false
		}
		fds := [1]unix.PollFd{{Fd: int32(c.events), Events: unix.POLLPRI}}
		// The short limit makes a lost wake-up cheap.
		_, _ = unix.Poll(fds[:], int(min(left/1e6+1, 20)))
	}
	return true
}

// datagram is something to write after fencing.
type datagram struct {
	socket  int
	payload []byte
}

// target is everything that firing undoes. The rehearsal fires at an empty one.
type target struct {
	services   *container
	namespace  bool // kill(-1): this process is the first of a PID namespace
	net        *rtnl
	owed       []Owed
	datagrams  []datagram
	patience   time.Duration
	onSurvivor func(*Report) // called once when something survives; nil: give up then
	idle       func()        // called between the tries after that
}

// fire undoes everything. Killing and removing addresses go on at the same time, so that neither waits for the other.
func (t *target) fire(start int64, r *Report) {
	removed := make(chan []string, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		removed <- t.removeAddresses()
	}()
	t.killAll(r)
	r.Problems = append(r.Problems, <-removed...)
	r.Problems = append(r.Problems, unmountAll(t.owed)...)
	r.Clean = len(r.Problems) == 0
	r.Took = Now() - start
	if r.Clean {
		t.announce()
	}
}

func (t *target) killAll(r *Report) {
	told, wait := false, t.patience
	for {
		if err := t.services.end(); err != nil {
			r.Problems = append(r.Problems, err.Error())
		}
		if t.namespace {
			// Also what left the cgroup: everything in the namespace but this process. No process at all is no error.
			_ = unix.Kill(-1, unix.SIGKILL)
		}
		if t.services.waitEmpty(wait) {
			return
		}
		if !told {
			told = true
			r.Problems = append(r.Problems, "processes survived SIGKILL in "+t.services.dir)
			if t.onSurvivor == nil {
				return
			}
			t.onSurvivor(r)
			wait = time.Second
		}
		if t.idle != nil {
			t.idle()
		}
	}
}

func (t *target) removeAddresses() (problems []string) {
	for _, o := range t.owed {
		if o.Address == "" {
			continue
		}
		a, err := parseAddress(o)
		if err == nil {
			err = t.net.remove(a)
		}
		for try := 0; err != nil && try < 3; try++ {
			err = t.net.remove(a)
		}
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}

// unmountAll unmounts what is owed, the newest first. A mount that is busy after every service is dead is detached, and that is a problem.
func unmountAll(owed []Owed) (problems []string) {
	for i := len(owed) - 1; i >= 0; i-- {
		m := owed[i].Mount
		if m == "" {
			continue
		}
		err := unix.Unmount(m, unix.UMOUNT_NOFOLLOW)
		if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			continue // EINVAL: nothing is mounted there
		}
		problems = append(problems, fmt.Sprintf("unmount %s: %v; it was detached and may still be in use", m, err))
		_ = unix.Unmount(m, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	return problems
}

func (t *target) announce() {
	for round := range repeats {
		for _, d := range t.datagrams {
			_ = unix.Sendto(d.socket, d.payload, unix.MSG_DONTWAIT, nil)
		}
		if round+1 < repeats && len(t.datagrams) > 0 {
			ts := unix.NsecToTimespec(1e6)
			_ = unix.Nanosleep(&ts, nil)
		}
	}
}

// Undo ends everything that a dead guard left in the service cgroup and undoes what it owed. The cgroup may be missing.
func Undo(cgroup string, owed []Owed) Report {
	r := Report{Reason: "left over"}
	start := Now()
	if _, err := os.Stat(cgroup); err == nil {
		c, err := openContainer(cgroup)
		if err != nil {
			r.Problems = append(r.Problems, err.Error())
		} else {
			defer c.close()
			(&target{services: c, patience: patience}).killAll(&r)
		}
	}
	net, err := openRtnl()
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
	} else {
		defer net.close()
		r.Problems = append(r.Problems, (&target{net: net, owed: owed}).removeAddresses()...)
	}
	r.Problems = append(r.Problems, unmountAll(owed)...)
	r.Clean = len(r.Problems) == 0
	r.Took = Now() - start
	return r
}
