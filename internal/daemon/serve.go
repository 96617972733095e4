package daemon

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/descend"
	"redoubt/internal/engine"
	"redoubt/internal/execcheck"
	"redoubt/internal/exectype"
	"redoubt/internal/fault"
	"redoubt/internal/guardlink"
	"redoubt/internal/native"
	"redoubt/internal/ocf"
	"redoubt/internal/proc"
	"redoubt/internal/watchdog"
)

// work is what exists only during one incarnation: who runs methods, and who decides when.
type work struct {
	executor *engine.Executor
	drivers  drivers
	exec     *exectype.Driver // for types in folders that an administrator names
	launcher *proc.Launcher
	gate     *execcheck.Gate
	wrong    found  // what others may write of what root runs here
	watchdog string // the device that the guard feeds; "": none
	balancer *balancer
	rearm    func() // gives the guard new datagrams: the peers have changed
}

// drivers implements engine.Drivers.
type drivers map[string]agent.Driver

// Driver implements engine.Drivers.
func (d drivers) Driver(name string) (agent.Driver, bool) {
	driver, ok := d[name]
	return driver, ok
}

// order is in which the drivers are asked for a type.
func (drivers) order() []string { return []string{"native", "exec", "ocf"} }

// serve is lives.work: the services of one incarnation, until ctx ends.
func (n *node) serve(ctx context.Context, link *guardlink.Link, inc cluster.Incarnation, adopted bool) error {
	pid, mnt := link.Namespaces()
	gate, err := n.newGate(methodGate, !adopted)
	if err != nil {
		return err
	}
	launcher, err := proc.New(proc.Config{
		Cgroup: n.cfg.services(), RunDir: filepath.Join(n.cfg.Run, "out"), PIDNamespace: pid, MountNamespace: mnt, Log: n.log,
		Program: n.guard, Gate: gate, Descend: descend.Word,
	})
	if err != nil {
		return err
	}
	defer launcher.Close()
	if adopted {
		if err := launcher.Resume(); err != nil {
			return err
		}
		go n.endExtension(ctx)
	}
	w := &work{launcher: launcher, gate: gate, watchdog: n.feedWatchdog(ctx, link)}
	w.exec = exectype.New(exectype.Config{Launcher: launcher, Gate: gate, TypeDirs: n.cfg.Types, Log: n.log, Socket: n.cfg.Socket(), ToolDir: n.tools()})
	agents, err := ocf.New(ocf.Config{
		Launcher: launcher, Processes: launcher, Obligations: n.slot, Log: n.log, ToolDir: n.tools(), Node: n.cfg.Node, RunDir: filepath.Join(n.cfg.Run, "resource-agents"),
		Secrets: secretsOf{n}, Gate: gate,
	})
	if err != nil {
		return err
	}
	records := filepath.Join(n.cfg.Run, "records")
	if !adopted {
		// They are about processes of an earlier life, none of which is left.
		if err := os.RemoveAll(records); err != nil {
			return fault.Errorf(fault.Internal, "begin a new life: %w", err)
		}
	}
	balancer := n.newBalancer()
	w.drivers = drivers{
		"native": native.New(native.Config{
			Launcher: launcher, Obligations: n.slot, Log: n.log, Resolve: resolve, RunDir: records, Socket: n.cfg.Socket(), ToolDir: n.tools(),
			Users: gate, Sharing: balancer,
		}),
		"exec": w.exec,
		"ocf":  agents,
	}
	w.rearm = func() { n.arm(ctx, link, inc) }
	w.rearm()
	defer n.balance(ctx, balancer)()
	econf := n.engineConfig()
	econf.Drainer, w.balancer = balancer, balancer
	w.executor = engine.NewExecutor(econf, inc, n.member, n.mirror, n.gated(), w.drivers, n.slot)
	n.work.Store(w)
	defer n.work.CompareAndSwap(w, nil)
	return w.executor.Run(ctx)
}

// tools is the directory that agents have first on their PATH.
func (n *node) tools() string { return filepath.Join(n.cfg.Run, "bin") }

// resolve gives the addresses of a host name as this machine sees them.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// arm gives the guard what it says to the others once it has fenced.
func (n *node) arm(ctx context.Context, link *guardlink.Link, inc cluster.Incarnation) {
	sealed, err := n.transport.FencedDatagrams(inc)
	if err == nil {
		var out []guardlink.Datagram
		for _, d := range sealed {
			out = append(out, guardlink.Datagram{Socket: d.Socket, Payload: d.Payload})
			defer d.Socket.Close()
		}
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err = link.Arm(bounded, out)
	}
	if err != nil && ctx.Err() == nil {
		n.log.Warn("the guard can not announce its fencing; the others will wait for the end of this node's lease", "err", err)
	}
}

// The hardware watchdog: which one where the configuration names none, and after what time without a guard the machine is reset.
const (
	defaultWatchdog = "/dev/watchdog"
	watchdogTimeout = 10 * time.Second
)

// openWatchdog opens the hardware watchdog, with which it runs. The error has the code NotFound where there is none, or none shall be used.
func (n *node) openWatchdog() (*watchdog.Device, error) {
	return watchdog.Open(cmp.Or(n.cfg.Watchdog, defaultWatchdog), watchdogTimeout)
}

// feedWatchdog hands the hardware watchdog, where there is one, to the guard, and names it. The guard of a planned restart has it already.
func (n *node) feedWatchdog(ctx context.Context, link *guardlink.Link) string {
	if has := link.State().Watchdog; has != "" {
		return has
	}
	dev, err := n.openWatchdog()
	if err != nil {
		if !fault.Is(err, fault.NotFound) || n.cfg.Watchdog != "" {
			n.log.Warn("no hardware watchdog: nothing ends this machine when its kernel hangs, unless a fence agent does", "err", err)
		}
		return ""
	}
	for _, w := range dev.Warnings() {
		n.log.Warn("the hardware watchdog is weaker than it should be", "cause", w)
	}
	name := cmp.Or(dev.Identity(), defaultWatchdog)
	if err := link.Watchdog(ctx, dev.File(), name, dev.Interval()); err != nil {
		// If it has it after all and could only not say so, its next feeding makes good what is written here.
		n.log.Warn("the guard did not take the watchdog", "err", errors.Join(err, dev.Disarm()))
		return ""
	}
	_ = dev.File().Close() // the guard has its own, on which the timer runs on
	return name
}

// stopWatchdog stops the hardware watchdog of a guard that died and could not: what it guarded has been ended meanwhile, so there is nothing to reset this machine for,
// and when the next guard comes may depend on others.
func (n *node) stopWatchdog() {
	dev, err := n.openWatchdog()
	if err == nil {
		err = dev.Disarm()
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		n.log.Warn("the hardware watchdog of the guard that died is not stopped; this machine may be reset before the next guard feeds it", "err", err)
	}
}
