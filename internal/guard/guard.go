// Package guard is the process that ends a node's services when their lease ends. It is started by the daemon as redoubt-guard, is the first
// process of a PID namespace in which every service runs, and does three things in the moment when the lease passes, the daemon dies
// unannounced, or it is told to: it kills the node's service cgroup and the rest of its namespace, removes the addresses and mounts that
// are owed, and sends the datagrams that the daemon sealed beforehand for this case. Then it ends, for ever, and the kernel ends whatever
// was left in the namespace. It knows no configuration, keys or peers, and imports almost nothing.
//
// Owed addresses are given a short life in the kernel, renewed by the guard: if daemon and guard die in the same moment, the kernel
// ends the processes (they live in the guard's namespace) and, within the life of the addresses, removes those too.
package guard

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/version"
)

// Name is the program of the guard, and what its process is called.
const Name = "redoubt-guard"

// Names of the files in the run directory.
const (
	SocketName      = "guard.sock"   // control socket
	ObligationsName = "guard.owed"   // incarnation, then one Owed a line; gone when the guard ended in good order or clean
	ReportName      = "guard.report" // the last Report
)

// AddressLife is how long the kernel keeps an owed address that is not renewed, unless the option -address-life says something else. The guard
// renews ten times in that time. While the lease ends within shortLease it is one second: a tick and such a lease are less than that.
const (
	AddressLife = 2 * time.Second
	shortLease  = 700 * time.Millisecond
)

// What to do when a process survives SIGKILL.
const (
	OnUnkillableReport   = "report"   // say so, go on trying
	OnUnkillableWatchdog = "watchdog" // and stop feeding the hardware watchdog
	OnUnkillableReboot   = "reboot"   // and reboot at once, without syncing
)

type config struct {
	cgroup, runDir, incarnation, onUnkillable string
	addressLife                               time.Duration
}

type guard struct {
	cfg      config
	warnings []string
	target   target

	conn, listen, pending int // descriptors; -1: none
	timer, tick           int
	lease, handover       int64
	watchdog              int    // -1: none
	dog                   string // what the watchdog calls itself
	feedEvery, fedAt      int64
	sysrq                 int

	rest  rest
	rx    receiver
	tx    []byte
	owedA []address
}

// Is reports whether a process with this command line is a guard: the program of its own, or a daemon's with the word guard.
func Is(argv []string) bool {
	return len(argv) > 0 && filepath.Base(argv[0]) == Name || len(argv) > 1 && argv[1] == "guard"
}

// Main runs a guard with its command line arguments. It ends the process: with status 0 after an orderly or clean end, with 1 when
// something survived. It returns, with status 2, only when it could not begin. Descriptor 3 is the control connection of the daemon that starts it.
func Main(args []string) int {
	runtime.LockOSThread()
	name()
	ignoreSignals()
	g := &guard{conn: 3, pending: -1, watchdog: -1, sysrq: -1}
	err := g.configure(args)
	if err == nil {
		err = g.begin()
	}
	if err != nil {
		g.reply(Frame{Kind: KindRefused, Text: err.Error()})
		fmt.Fprintln(os.Stderr, Name+":", err)
		return 2
	}
	// At once, past what the runtime and others may have to do at an exit: the end of this process is what ends the namespace.
	unix.Exit(g.loop())
	return 0
}

func (g *guard) configure(args []string) error {
	f := flag.NewFlagSet("guard", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&g.cfg.cgroup, "cgroup", "", "")
	f.StringVar(&g.cfg.runDir, "run", "", "")
	f.StringVar(&g.cfg.incarnation, "incarnation", "", "")
	f.StringVar(&g.cfg.onUnkillable, "on-unkillable", OnUnkillableReport, "")
	f.DurationVar(&g.cfg.addressLife, "address-life", AddressLife, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	known := []string{OnUnkillableReport, OnUnkillableWatchdog, OnUnkillableReboot}
	switch {
	case !filepath.IsAbs(g.cfg.cgroup) || !filepath.IsAbs(g.cfg.runDir):
		return errors.New("-cgroup and -run need absolute paths")
	case g.cfg.incarnation == "" || strings.ContainsAny(g.cfg.incarnation, " \n"):
		return errors.New("-incarnation is missing or malformed")
	case g.cfg.addressLife < time.Second:
		return errors.New("-address-life is less than a second")
	case !slices.Contains(known, g.cfg.onUnkillable):
		return fmt.Errorf("-on-unkillable %q: want %s", g.cfg.onUnkillable, strings.Join(known, ", "))
	}
	return nil
}

// begin opens everything that firing needs, so that firing opens nothing.
func (g *guard) begin() (err error) {
	g.target = target{namespace: os.Getpid() == 1, patience: patience, onSurvivor: g.survivor}
	if g.target.namespace {
		if err = ownProc(); err != nil {
			return err
		}
	}
	if g.target.services, err = openContainer(g.cfg.cgroup); err != nil {
		return err
	}
	if g.target.net, err = openRtnl(); err != nil {
		return err
	}
	if g.timer, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("make timer: %w", err)
	}
	if g.tick, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("make timer: %w", err)
	}
	if g.cfg.onUnkillable == OnUnkillableReboot {
		if g.sysrq, err = unix.Open("/proc/sysrq-trigger", unix.O_WRONLY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("on-unkillable reboot: open /proc/sysrq-trigger: %w; choose watchdog or report", err)
		}
	}
	if err = g.listenOn(filepath.Join(g.cfg.runDir, SocketName)); err != nil {
		return err
	}
	unix.CloseOnExec(g.conn)
	g.rx.init()
	g.tx = make([]byte, 0, MaxFrame)
	g.warnings = harden()
	if err = g.rehearse(); err != nil {
		return err
	}
	if err = g.writeOwed(); err != nil {
		return err
	}
	g.reply(g.state())
	return nil
}

func (g *guard) listenOn(path string) error {
	sa := &unix.SockaddrUnix{Name: path}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("make control socket: %w", err)
	}
	if err := unix.Unlink(path); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove old control socket %s: %w", path, err)
	}
	old := unix.Umask(0o177)
	err = unix.Bind(fd, sa)
	unix.Umask(old)
	if err != nil {
		return fmt.Errorf("bind control socket %s: %w", path, err)
	}
	if err := unix.Listen(fd, 4); err != nil {
		return fmt.Errorf("listen on control socket %s: %w", path, err)
	}
	g.listen = fd
	return nil
}

func (g *guard) state() Frame {
	return Frame{Kind: KindState, Text: State{Version: version.Version, Incarnation: g.cfg.incarnation, Lease: g.lease, Owed: g.target.owed, Watchdog: g.dog, Warnings: g.warnings}.Encode()}
}

// reply never blocks: a daemon that does not read its answers is a dead daemon to itself, not a danger to the guard.
func (g *guard) reply(f Frame) {
	if g.conn < 0 {
		return
	}
	g.tx, _ = f.AppendBinary(g.tx[:0])
	_ = unix.Sendto(g.conn, g.tx, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
}

// survivor is called once when something outlives SIGKILL. The hardware watchdog is not fed any more: whoever is left ends with the machine.
func (g *guard) survivor(r *Report) {
	switch g.cfg.onUnkillable {
	case OnUnkillableReboot:
		_, _ = unix.Write(g.sysrq, []byte("b"))
	case OnUnkillableReport:
		g.target.idle = func() { g.feedIfDue(Now()) }
	}
	g.tell(r)
}

func (g *guard) tell(r *Report) {
	_ = replaceFile(filepath.Join(g.cfg.runDir, ReportName), r.Encode())
	g.reply(Frame{Kind: KindFenced, Text: r.Encode()})
}

// end is the last act: it fences, tells, and gives the exit status. Where nothing is left the watchdog is stopped: it is there for what survives, and a machine that runs
// nothing must not be reset because no other guard comes soon, which without a majority may take for ever.
func (g *guard) end(reason string) int {
	start := Now()
	g.reply(Frame{Kind: KindFiring})
	r := Report{Incarnation: g.cfg.incarnation, Reason: reason}
	g.target.fire(start, &r)
	if r.Clean {
		_ = os.Remove(filepath.Join(g.cfg.runDir, ObligationsName))
		g.disarm()
	}
	g.tell(&r)
	_ = os.Remove(filepath.Join(g.cfg.runDir, SocketName))
	if !r.Clean {
		return 1
	}
	return 0
}
