package guard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// deadline is when the guard fires by itself; 0: not yet armed.
func (g *guard) deadline() int64 {
	if g.conn >= 0 || g.handover == 0 {
		return g.lease
	}
	if g.lease == 0 {
		return g.handover
	}
	return min(g.lease, g.handover)
}

// arm sets the lease timer to the deadline.
func (g *guard) arm() {
	setTimer(g.timer, g.deadline())
}

// expired is asked before every message is looked at: a lease that has passed is not prolonged any more, however late the guard was woken.
func (g *guard) expired() bool {
	d := g.deadline()
	return d != 0 && Now() >= d
}

// loop serves the control socket until the guard fires or is told to quit, and gives the exit status. It does not allocate
// while it only receives leases.
func (g *guard) loop() int {
	g.pace()
	g.rest.prepare(g.timer, g.conn, g.tick, g.listen)
	g.rest.settle()
	for {
		fds := g.rest.until(g.timer, g.conn, g.tick, g.listen, g.pending)
		if g.expired() {
			if g.conn < 0 && (g.lease == 0 || Now() < g.lease) {
				return g.end("daemon did not come back in time")
			}
			return g.end("lease ended")
		}
		if fds[1].Revents != 0 {
			if done, status := g.serve(); done {
				return status
			}
		}
		if fds[2].Revents != 0 {
			g.onTick()
		}
		if fds[4].Revents != 0 {
			g.attach()
		}
		if fds[3].Revents != 0 {
			g.accept()
		}
	}
}

// pace sets the tick: as often as owed addresses want it, and the watchdog, which may be fed oftener. A guard that owes nothing and feeds nothing needs none.
func (g *guard) pace() {
	var every unix.Timespec
	if len(g.target.owed) > 0 || g.watchdog >= 0 {
		every = unix.NsecToTimespec(int64(g.cfg.addressLife / 10))
	}
	_ = unix.TimerfdSettime(g.tick, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil)
}

// serve reads one frame of the daemon.
func (g *guard) serve() (done bool, status int) {
	n, fd, err := g.rx.receive(g.conn)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return false, 0
	case err != nil || n == 0:
		unix.Close(g.conn)
		g.conn = -1
		if g.handover == 0 {
			return true, g.end("daemon died")
		}
		g.arm()
		return false, 0
	}
	packet := g.rx.buf[:n]
	if n >= frameHeader && Kind(packet[0]) == KindLease { // the steady state, kept free of allocation
		g.lease = int64(leUint64(packet[1:9]))
		g.arm()
		g.ackLease()
		return false, 0
	}
	return g.handle(packet, fd)
}

func leUint64(b []byte) (v uint64) {
	for i := range 8 {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

func (g *guard) ackLease() {
	g.tx = append(g.tx[:0], byte(KindLeaseAck))
	for i := range 8 {
		g.tx = append(g.tx, byte(uint64(g.lease)>>(8*i)))
	}
	_ = Post(g.conn, g.tx)
}

func (g *guard) handle(packet []byte, fd int) (done bool, status int) {
	f, err := ParseFrame(packet)
	if err == nil {
		switch f.Kind {
		case KindAttach:
			g.handover = 0
			g.arm()
			g.reply(g.state())
			return false, 0
		case KindOwe:
			err = g.owe(f.Text)
		case KindSettle:
			err = g.settle(f.Text)
		case KindHandover:
			g.handover = f.Arg
			g.arm()
		case KindFence:
			return true, g.end("told to")
		case KindDatagram:
			fd, err = g.addDatagram(f, fd)
		case KindWatchdog:
			fd, err = g.takeWatchdog(f, fd)
		case KindQuit:
			if err = g.quit(); err == nil {
				g.reply(Frame{Kind: KindOK})
				return true, 0
			}
		default:
			err = fmt.Errorf("control packet of unknown kind %q", byte(f.Kind))
		}
	}
	if fd >= 0 {
		unix.Close(fd)
	}
	if err != nil {
		g.reply(Frame{Kind: KindRefused, Text: err.Error()})
		return false, 0
	}
	g.reply(Frame{Kind: KindOK})
	return false, 0
}

func (g *guard) owe(text string) error {
	o, err := ParseOwed(text)
	if err != nil {
		return err
	}
	if slices.Contains(g.target.owed, o) {
		return nil
	}
	before := g.target.owed
	g.target.owed = append(slices.Clone(before), o)
	if err := g.writeOwed(); err != nil {
		g.target.owed = before
		return err
	}
	if len(before) == 0 {
		g.pace()
	}
	return nil
}

// settle forgets an obligation. An address is removed once more: the renewal of its life may have crossed its removal and made it again.
func (g *guard) settle(text string) error {
	o, err := ParseOwed(text)
	if err != nil {
		return err
	}
	if o.Address != "" {
		if a, err := parseAddress(o); err == nil {
			if err := g.target.net.remove(a); err != nil {
				return err
			}
		}
	}
	g.target.owed = slices.DeleteFunc(slices.Clone(g.target.owed), func(have Owed) bool { return have == o })
	if len(g.target.owed) == 0 {
		g.pace()
	}
	return g.writeOwed()
}

func (g *guard) addDatagram(f Frame, fd int) (int, error) {
	if f.Arg == 1 {
		for _, d := range g.target.datagrams {
			unix.Close(d.socket)
		}
		g.target.datagrams = nil
		if fd < 0 && f.Text == "" {
			return fd, nil
		}
	}
	if fd < 0 || f.Text == "" {
		return fd, errors.New("datagram: want one socket and what to write to it")
	}
	g.target.datagrams = append(g.target.datagrams, datagram{fd, []byte(f.Text)})
	return -1, nil
}

func (g *guard) takeWatchdog(f Frame, fd int) (int, error) {
	if fd < 0 || f.Arg <= 0 {
		return fd, errors.New("watchdog: want its descriptor and an interval")
	}
	if g.watchdog >= 0 {
		unix.Close(g.watchdog)
	}
	g.watchdog, g.feedEvery, g.dog = fd, f.Arg, oneLine(f.Text)
	g.pace()
	g.feed(Now())
	return -1, nil
}

func (g *guard) feed(now int64) {
	if g.watchdog >= 0 {
		_, _ = unix.Write(g.watchdog, []byte{0})
		g.fedAt = now
	}
}

func (g *guard) feedIfDue(now int64) {
	if now-g.fedAt >= g.feedEvery {
		g.feed(now)
	}
}

// disarm stops the watchdog: nothing that it is for is left. The daemon closes its own descriptor when the guard has taken the device, so this is the last one. The letter
// is what the kernel's drivers wait for; without it the timer runs on when the device is closed.
func (g *guard) disarm() {
	if g.watchdog < 0 {
		return
	}
	_, _ = unix.Write(g.watchdog, []byte("V"))
	unix.Close(g.watchdog)
	g.watchdog, g.dog = -1, ""
}

// quit ends the guard in good order, once nothing is left that it guards.
func (g *guard) quit() error {
	if g.target.services.populated() {
		return fmt.Errorf("processes still run in %s: stop the services first", g.cfg.cgroup)
	}
	if len(g.target.owed) > 0 {
		return fmt.Errorf("%d addresses or mounts are still owed: stop the services first", len(g.target.owed))
	}
	_ = os.Remove(filepath.Join(g.cfg.runDir, ObligationsName))
	_ = os.Remove(filepath.Join(g.cfg.runDir, SocketName))
	g.disarm()
	return nil
}

// onTick feeds the watchdog and prolongs the lives of owed addresses.
func (g *guard) onTick() {
	takeTicks(g.tick)
	now := Now()
	g.feedIfDue(now)
	g.owedA = g.owedA[:0]
	for _, o := range g.target.owed {
		if o.Address == "" {
			continue
		}
		if a, err := parseAddress(o); err == nil {
			g.owedA = append(g.owedA, a)
		}
	}
	if len(g.owedA) == 0 {
		return
	}
	// An address that can not be prolonged now is prolonged at the next tick; its life is at least five ticks long.
	_ = g.target.net.prolongAll(g.owedA, g.life(now))
}

// life is how many seconds the kernel shall keep an address from now on; it counts no finer. A second is enough while the lease is short: a guard that does
// not run for so long finds the lease ended, so the address does not go before it. Then what dies with its guard leaves its address sooner.
func (g *guard) life(now int64) uint32 {
	if d := g.deadline(); d != 0 && d-now < int64(shortLease) {
		return 1
	}
	return uint32(g.cfg.addressLife.Seconds())
}

// accept takes a connection; it becomes the daemon's only by its first frame.
func (g *guard) accept() {
	fd, _, err := unix.Accept4(g.listen, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || cred.Uid != 0 {
		unix.Close(fd)
		return
	}
	if g.pending >= 0 {
		unix.Close(g.pending)
	}
	g.pending = fd
	g.rest.add(fd)
}

// attach makes the pending connection the daemon's. While another daemon is attached that has not announced a handover it is refused.
func (g *guard) attach() {
	fd := g.pending
	g.pending = -1
	n, extra, err := g.rx.receive(fd)
	if extra >= 0 {
		unix.Close(extra)
	}
	if err != nil || n < frameHeader || Kind(g.rx.buf[0]) != KindAttach {
		unix.Close(fd)
		return
	}
	old := g.conn
	if old >= 0 && g.handover == 0 {
		g.conn = fd
		g.reply(Frame{Kind: KindRefused, Text: "another daemon is attached to the guard and has not announced a handover"})
		g.conn = old
		unix.Close(fd)
		return
	}
	if old >= 0 {
		unix.Close(old)
	}
	g.conn, g.handover = fd, 0
	g.arm()
	g.reply(g.state())
}

// writeOwed records what is owed for the daemon that finds this guard dead.
func (g *guard) writeOwed() error {
	var b strings.Builder
	b.WriteString(g.cfg.incarnation + "\n")
	for _, o := range g.target.owed {
		b.WriteString(o.String() + "\n")
	}
	return replaceFile(filepath.Join(g.cfg.runDir, ObligationsName), b.String())
}

func replaceFile(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// ReadOwed reads the obligations file of a dead guard: its incarnation and what it owed. The error wraps os.ErrNotExist when there is none.
func ReadOwed(runDir string) (incarnation string, owed []Owed, err error) {
	b, err := os.ReadFile(filepath.Join(runDir, ObligationsName))
	if err != nil {
		return "", nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for _, line := range lines[1:] {
		o, err := ParseOwed(line)
		if err != nil {
			return lines[0], owed, fmt.Errorf("read %s: line %q: %w", filepath.Join(runDir, ObligationsName), line, err)
		}
		owed = append(owed, o)
	}
	return lines[0], owed, nil
}
