// Package lab makes a cluster of several nodes on one machine, for people who want to see one, for the demo, the end-to-end tests and the
// benchmarks. A node is a set of namespaces (network, mount, UTS, PID, IPC) with two interconnects, a public network and a disk of its own,
// in which the real daemon runs; its faults are real too: a killed node falls silent, a cut network drops frames, a paused node is frozen.
//
// Nothing of a lab is seen by the rest of the host but three directories: /run/redoubt-lab/NAME (sockets and state), /var/lib/redoubt-lab/NAME
// (the disks of the nodes) and the cgroup redoubt-lab-NAME, in which every process of the lab is. Whatever happens to the process that
// made the lab, these three are enough to take all of it down. The API socket of node n1 is /run/redoubt-lab/NAME/n1/run/api.sock. While there is a lab the turns of
// real-time threads are short, see shortTurns.
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"redoubt/internal/fault"
)

// DefaultName is the name of a lab that was given none.
const DefaultName = "lab"

// MaxNodes is how many nodes a lab may have.
const MaxNodes = 32

// minDisk is the least that a file system can be made of and a repository can begin on.
const minDisk = 16 << 20

// Client is the machine on the public network that is no node; QuorumServer is the one that votes and runs nothing.
const (
	Client       = "client"
	QuorumServer = "q1"
)

// Options say what lab to make.
type Options struct {
	Name         string `json:"name"`
	Nodes        int    `json:"nodes"`
	QuorumServer bool   `json:"quorumServer,omitempty"`
	// QuorumPublic puts the quorum server on the public network and on no interconnect. It implies QuorumServer.
	QuorumPublic bool `json:"quorumPublic,omitempty"`
	// Bare starts the machines and their daemons and forms no cluster.
	Bare bool `json:"bare,omitempty"`
	// Profile is the timing of the cluster: default, fast or wan.
	Profile string `json:"profile,omitempty"`
	// Program is the redoubt executable, and Daemon is redoubtd; by default this program and redoubtd beside it.
	Program string `json:"program"`
	Daemon  string `json:"daemon"`
	// NoDaemon starts the machines with their daemons stopped; the lab has to be bare.
	NoDaemon bool `json:"noDaemon,omitempty"`
	// NoRestart leaves a dead daemon dead. Otherwise it is started again after a second.
	NoRestart bool `json:"noRestart,omitempty"`
	// DiskSize gives each node a file system of this many bytes at /var/lib/redoubt, so that a full disk hurts nobody else. 0: none of its own.
	DiskSize int64 `json:"diskSize,omitempty"`
	// Private are directories of which each machine gets one of its own, beside PrivateDirs.
	Private []string `json:"private,omitempty"`
	// Progress is told what is being done. It may be nil.
	Progress func(string) `json:"-"`
}

// state is what a lab keeps in its file.
type state struct {
	Options
	Made time.Time `json:"made"`
}

// Lab is a lab that exists. It holds no resources of its own: any number of processes may have the same lab open.
type Lab struct {
	place    place
	state    state
	machines []machine
}

func (o *Options) fill() error {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if err := checkName(o.Name); err != nil {
		return err
	}
	if o.Nodes < 1 || o.Nodes > MaxNodes {
		return fault.Errorf(fault.Invalid, "lab %s: %d nodes: a lab has 1 to %d", o.Name, o.Nodes, MaxNodes)
	}
	if os.Geteuid() != 0 {
		return fault.Errorf(fault.Denied, "lab %s: only root can make namespaces and bridges; use sudo", o.Name)
	}
	if o.Program == "" {
		exe, err := os.Executable()
		if err != nil {
			return fault.Errorf(fault.Internal, "lab %s: find this program: %w", o.Name, err)
		}
		o.Program = exe
	}
	if o.Daemon == "" {
		o.Daemon = filepath.Join(filepath.Dir(o.Program), "redoubtd")
	}
	for _, p := range []*string{&o.Program, &o.Daemon} {
		abs, err := filepath.Abs(*p)
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return fault.Errorf(fault.NotFound, "lab %s: %w; build it with make build, or say where it is with --daemon", o.Name, err)
		}
		*p = abs
	}
	for _, d := range o.Private {
		if !filepath.IsAbs(d) {
			return fault.Errorf(fault.Invalid, "lab %s: private directory %q is not an absolute path", o.Name, d)
		}
	}
	if o.NoDaemon && !o.Bare {
		return fault.Errorf(fault.Invalid, "lab %s: without daemons no cluster can be formed; make it bare", o.Name)
	}
	if o.DiskSize != 0 && o.DiskSize < minDisk {
		return fault.Errorf(fault.Invalid, "lab %s: a disk of %d bytes is too small; the least is %d", o.Name, o.DiskSize, minDisk)
	}
	o.QuorumServer = o.QuorumServer || o.QuorumPublic
	o.Private = append(PrivateDirs(), o.Private...)
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return nil
}

func newLab(s state) (*Lab, error) {
	l := &Lab{place: place(s.Name), state: s}
	root, err := l.place.cgroup()
	if err != nil {
		return nil, err
	}
	add := func(name string, k kind, number int, nets ...string) {
		l.machines = append(l.machines, machine{lab: l.place, name: name, kind: k, number: number, nets: nets, group: cgroup(filepath.Join(string(root), name))})
	}
	add("fabric", kindFabric, 0)
	add(Client, kindHost, 250, netPublic)
	for i := range s.Nodes {
		add(fmt.Sprintf("n%d", i+1), kindNode, i+1, netPublic, netIC1, netIC2)
	}
	switch {
	case s.QuorumPublic:
		add(QuorumServer, kindQuorum, 200, netPublic)
	case s.QuorumServer:
		add(QuorumServer, kindQuorum, 200, netIC1, netIC2)
	}
	return l, nil
}

// Up makes a lab and, unless it is to be bare, a cluster of its nodes. When it fails, or ctx ends, nothing is left of the lab.
func Up(ctx context.Context, o Options) (*Lab, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	l, err := build(ctx, state{Options: o, Made: time.Now()})
	if err != nil {
		return nil, err
	}
	if o.Bare {
		return l, nil
	}
	if err := l.form(ctx); err != nil {
		tail := ""
		if ctx.Err() == nil { // who called it off does not ask what went wrong
			tail = l.lastWords()
		}
		return nil, errors.Join(fault.Errorf(fault.CodeOf(err), "lab %s: form the cluster: %w%s", o.Name, err, tail), Remove(o.Name))
	}
	return l, nil
}

// build makes the machines.
func build(ctx context.Context, s state) (*Lab, error) {
	l, err := newLab(s)
	if err != nil {
		return nil, err
	}
	all, err := lock(runRoot)
	if err != nil {
		return nil, err
	}
	defer all.Close()
	if slices.Contains(names(), s.Name) {
		return nil, fault.Errorf(fault.Exists, "lab %s: %s; take it down first: redoubt lab down --name %s", s.Name, remains(s.Name), s.Name)
	}
	err = l.construct(ctx)
	if err != nil {
		return nil, errors.Join(err, removeLocked(s.Name))
	}
	return l, nil
}

func (l *Lab) construct(ctx context.Context) error {
	l.state.Progress(fmt.Sprintf("starting %d machines", len(l.machines)-1))
	if err := errors.Join(makeMountPoints(libDir, etcDir), shortTurns()); err != nil {
		return err
	}
	for _, d := range []string{l.place.run(), l.place.disk()} {
		if err := os.MkdirAll(d, 0o711); err != nil {
			return fault.Errorf(fault.Internal, "make %s: %w", d, err)
		}
	}
	if err := saveJSON(l.place.state(), l.state); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.place.run(), "hosts"), []byte(hosts(l.machines[1:])), 0o644); err != nil {
		return fault.Errorf(fault.Internal, "write the hosts file: %w", err)
	}
	if err := l.machines[0].start(l.state, layFabric); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, m := range l.machines[1:] {
		g.Go(func() error {
			if ctx.Err() != nil {
				return fault.Errorf(fault.Unavailable, "lab %s: interrupted: %w", l.place, context.Cause(ctx))
			}
			return l.start(m)
		})
	}
	return g.Wait()
}

func (l *Lab) start(m machine) error {
	fabric, err := l.machines[0].running()
	if err != nil {
		return err
	}
	return m.start(l.state, func(pid int) error { return m.plug(fabric, pid) })
}

// Open gives access to a lab that another process may have made.
func Open(name string) (*Lab, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	var s state
	if err := loadJSON(place(name).state(), &s); err != nil {
		if slices.Contains(names(), name) {
			return nil, fault.Errorf(fault.Precondition, "lab %s is damaged: %w; remove what is left: redoubt lab down --name %s", name, err, name)
		}
		return nil, fault.Errorf(fault.NotFound, "there is no lab %s; make one: redoubt lab up --name %s", name, name)
	}
	s.Progress = func(string) {}
	return newLab(s)
}

// remains says in which state a lab of that name is found.
func remains(name string) string {
	l, err := Open(name)
	if err != nil {
		return "something is left of an earlier lab of that name"
	}
	n := 0
	for _, m := range l.machines {
		if m.pid() != 0 {
			n++
		}
	}
	if n == len(l.machines) {
		return fmt.Sprintf("it exists, with %d nodes", l.state.Nodes)
	}
	return fmt.Sprintf("it exists, but only %d of its %d machines run", n, len(l.machines))
}

// Down takes the lab down. It is Remove for a lab one has.
func (l *Lab) Down() error { return Remove(string(l.place)) }

// Remove ends every process of the lab of that name and removes everything of it, whatever state it is in. A lab that is not there is no error.
func Remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	all, err := lock(runRoot)
	if err != nil {
		return err
	}
	defer all.Close()
	return removeLocked(name)
}

// endTimeout bounds the end of all processes of a lab.
const endTimeout = 10 * time.Second

func removeLocked(name string) error {
	p := place(name)
	group, err := p.cgroup()
	if err != nil {
		return err
	}
	if err := group.end(endTimeout); err != nil {
		return err
	}
	if err := group.remove(endTimeout); err != nil {
		return err
	}
	var errs []error
	for _, dir := range []string{p.run(), p.disk()} {
		if err := os.RemoveAll(dir); err != nil {
			errs = append(errs, fault.Errorf(fault.Internal, "remove %s: %w", dir, err))
		}
	}
	leaveNothing()
	return errors.Join(errs...)
}

// Name is the lab's name.
func (l *Lab) Name() string { return string(l.place) }

// Nodes are the names of the cluster's nodes.
func (l *Lab) Nodes() []string {
	var all []string
	for _, m := range l.machines {
		if m.kind == kindNode {
			all = append(all, m.name)
		}
	}
	return all
}

// Socket is the path of a node's API socket on this host.
func (l *Lab) Socket(node string) string { return l.place.socket(node) }

// Console is the path of the file with what a node's daemon wrote to its standard error.
func (l *Lab) Console(node string) string { return l.place.console(node) }

// Disk is the directory on this host that holds a node's disk: log (/var/log), lib (/var/lib/redoubt), etc (/etc/redoubt), and private/PATH for each
// further directory of its own.
func (l *Lab) Disk(node string) string { return l.place.machineDisk(node) }

// Address is the address of a machine on a network, without the prefix length.
func (l *Lab) Address(name, network string) (string, error) {
	m, err := l.machine(name)
	if err != nil {
		return "", err
	}
	if !slices.Contains(m.nets, network) {
		return "", fault.Errorf(fault.NotFound, "machine %s of lab %s is not on network %q; its networks are %s", name, l.place, network, strings.Join(m.nets, ", "))
	}
	return m.address(network).Addr().String(), nil
}

func (l *Lab) fabric() machine { return l.machines[0] }

// machine finds a machine by name.
func (l *Lab) machine(name string) (machine, error) {
	for _, m := range l.machines[1:] {
		if m.name == name {
			return m, nil
		}
	}
	var known []string
	for _, m := range l.machines[1:] {
		known = append(known, m.name)
	}
	return machine{}, fault.Errorf(fault.NotFound, "lab %s has no machine %q; it has %s", l.place, name, strings.Join(known, ", "))
}

// lastWords are the last lines of the consoles, for the error of a cluster that could not be formed.
func (l *Lab) lastWords() string {
	var b strings.Builder
	for _, n := range l.Nodes() {
		text, _ := os.ReadFile(l.Console(n))
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		lines = lines[max(0, len(lines)-5):]
		fmt.Fprintf(&b, "\n%s: %s", n, strings.Join(lines, "\n"+n+": "))
	}
	return b.String()
}
