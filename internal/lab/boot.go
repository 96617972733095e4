package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// kind is what a machine is for.
type kind string

const (
	kindNode   kind = "node"
	kindQuorum kind = "quorum-server"
	kindHost   kind = "host"   // a machine without a daemon: the client
	kindFabric kind = "fabric" // no machine: it holds the namespace of the bridges
)

// machine is one machine of a lab. It is derived from the lab's options alone, so that it needs no state beyond the number of its init.
type machine struct {
	lab    place
	name   string
	kind   kind
	number int // last part of its addresses
	nets   []string
	group  cgroup
}

// boot is what the init of a machine is told, in a file.
type boot struct {
	Lab     string   `json:"lab"`
	Name    string   `json:"name"`
	Kind    kind     `json:"kind"`
	Socket  string   `json:"socket"`
	Run     string   `json:"run"`
	Disk    string   `json:"disk"`
	Hosts   string   `json:"hosts"`
	Program string   `json:"program"`
	Daemon  string   `json:"daemon"`
	Private []string `json:"private"`
	Restart bool     `json:"restart"`
	Hold    bool     `json:"hold"` // do not start the daemon yet
	Size    int64    `json:"size"` // of the file system at libDir, in bytes; 0: as large as the host's
}

func (m machine) daemonic() bool { return m.kind == kindNode || m.kind == kindQuorum }

func (m machine) pidFile() string { return filepath.Join(m.lab.machineRun(m.name), "pid") }

// pid is the process that is PID 1 of the machine, as the host numbers it; 0 when the machine is not running.
func (m machine) pid() int {
	b, err := os.ReadFile(m.pidFile())
	pid, err2 := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || err2 != nil || !m.group.holds(pid) || !m.group.event("populated") {
		return 0
	}
	return pid
}

// running is pid for those who need one.
func (m machine) running() (int, error) {
	if pid := m.pid(); pid != 0 {
		return pid, nil
	}
	return 0, fault.Errorf(fault.Precondition, "machine %s of lab %s is not running; start it: redoubt lab start --name %s %s", m.name, m.lab, m.lab, m.name)
}

// awake is running, and not paused.
func (m machine) awake() (int, error) {
	pid, err := m.running()
	if err == nil && m.group.event("frozen") {
		err = fault.Errorf(fault.Precondition, "machine %s of lab %s is paused; wake it: redoubt lab resume --name %s %s", m.name, m.lab, m.lab, m.name)
	}
	return pid, err
}

// bootTimeout bounds the mounts and the network of one machine.
const bootTimeout = 20 * time.Second

// start starts the machine's init in namespaces of its own, plugs it into the networks and lets it go on. On an error nothing of it runs.
func (m machine) start(s state, plug func(pid int) error) (err error) {
	dir, disk := m.lab.machineRun(m.name), m.lab.machineDisk(m.name)
	if m.pid() != 0 {
		return fault.Errorf(fault.Precondition, "machine %s of lab %s is running already", m.name, m.lab)
	}
	runDir := filepath.Join(dir, "run")
	if err := os.RemoveAll(runDir); err != nil { // as a reboot empties /run
		return fault.Errorf(fault.Internal, "empty %s: %w", runDir, err)
	}
	for _, d := range []string{runDir, filepath.Join(disk, "lib"), filepath.Join(disk, "etc"), filepath.Dir(m.lab.console(m.name))} {
		mode := os.FileMode(0o755)
		if filepath.Base(d) == "lib" {
			mode = 0o700 // as the daemon makes it on a machine
		}
		if err := os.MkdirAll(d, mode); err != nil {
			return fault.Errorf(fault.Internal, "make %s: %w", d, err)
		}
	}
	// A new cgroup for each boot: in one that was killed once, some kernels also kill what is cloned into it later.
	if err := errors.Join(m.group.end(endTimeout), m.group.remove(endTimeout)); err != nil {
		return err
	}
	if err := m.group.make(); err != nil {
		return err
	}
	b := boot{
		Lab: string(m.lab), Name: m.name, Kind: m.kind, Socket: filepath.Join(dir, "init.sock"), Run: runDir, Disk: disk, Hosts: filepath.Join(m.lab.run(), "hosts"),
		Program: s.Program, Daemon: s.Daemon, Private: s.Private, Restart: !s.NoRestart, Hold: s.NoDaemon, Size: s.DiskSize,
	}
	path := filepath.Join(dir, "boot.json")
	if err := saveJSON(path, b); err != nil {
		return err
	}
	cmd, pipes, err := m.launch(s, path)
	if err != nil {
		return err
	}
	defer pipes.close()
	defer func() {
		if err != nil {
			_ = m.group.end(5 * time.Second)
		}
	}()
	if err := os.WriteFile(m.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return fault.Errorf(fault.Internal, "note process of machine %s: %w", m.name, err)
	}
	if err := plug(cmd.Process.Pid); err != nil {
		return err
	}
	return pipes.handshake(m.name)
}

// launch starts the init. Somebody has to reap it while this process lives; after that its new parent does.
func (m machine) launch(s state, bootFile string) (*exec.Cmd, *pipes, error) {
	fail := func(err error) (*exec.Cmd, *pipes, error) {
		return nil, nil, fault.Errorf(fault.Internal, "start machine %s: %w", m.name, err)
	}
	group, err := os.Open(string(m.group))
	if err != nil {
		return fail(err)
	}
	defer group.Close()
	console, err := os.OpenFile(m.lab.console(m.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fail(err)
	}
	defer console.Close()
	p, theirs, err := newPipes()
	if err != nil {
		return fail(err)
	}
	cmd := exec.Command(s.Program, "lab", "init", bootFile)
	cmd.Env = []string{"PATH=" + nodePath, "HOME=/root", "LANG=C.UTF-8"}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = console, console
	cmd.ExtraFiles = theirs
	attr := unixAttr(cmd)
	attr.Setsid = true
	attr.Cloneflags = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC
	attr.UseCgroupFD, attr.CgroupFD = true, int(group.Fd())
	err = cmd.Start()
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		p.close()
		return fail(err)
	}
	go func() { _ = cmd.Wait() }()
	return cmd, p, nil
}

func unixAttr(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	return cmd.SysProcAttr
}

// pipes are the two ends that the lab holds of its connection to a starting init: it writes when the network is there, and reads what
// became of the start.
type pipes struct{ network, outcome *os.File }

// Descriptors of the init.
const (
	fdNetwork = 3
	fdOutcome = 4
)

func newPipes() (*pipes, []*os.File, error) {
	nr, nw, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	or, ow, err := os.Pipe()
	if err != nil {
		nr.Close()
		nw.Close()
		return nil, nil, err
	}
	return &pipes{network: nw, outcome: or}, []*os.File{nr, ow}, nil
}

func (p *pipes) close() {
	p.network.Close()
	p.outcome.Close()
}

// outcome is what an init answers once it is up, or cannot be.
type outcome struct {
	Error string `json:"error,omitempty"`
}

func (p *pipes) handshake(name string) error {
	if _, err := p.network.Write([]byte{1}); err != nil && !errors.Is(err, unix.EPIPE) {
		return fault.Errorf(fault.Internal, "start machine %s: %w", name, err)
	}
	_ = p.outcome.SetReadDeadline(time.Now().Add(bootTimeout))
	b, err := io.ReadAll(p.outcome)
	var o outcome
	switch {
	case err != nil:
		return fault.Errorf(fault.Timeout, "start machine %s: %w", name, err)
	case json.Unmarshal(b, &o) != nil:
		return fault.Errorf(fault.Internal, "start machine %s: its init ended without a word; see redoubt lab logs %s", name, name)
	case o.Error != "":
		return fault.Errorf(fault.Internal, "start machine %s: %s", name, o.Error)
	}
	return nil
}

// ask sends one request to the machine's init and gives its answer.
func (m machine) ask(req request) (reply, error) {
	var r reply
	if _, err := m.awake(); err != nil {
		return r, err
	}
	r, err := ask(filepath.Join(m.lab.machineRun(m.name), "init.sock"), req)
	if err != nil {
		return r, fault.Errorf(fault.Unavailable, "machine %s of lab %s: %w", m.name, m.lab, err)
	}
	if r.Error != "" {
		return r, fault.Errorf(fault.Precondition, "machine %s of lab %s: %s", m.name, m.lab, r.Error)
	}
	return r, nil
}

// hosts is the /etc/hosts of every machine.
func hosts(machines []machine) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	for _, m := range machines {
		for i, n := range m.nets {
			a := m.address(n)
			names := m.name + "-" + n
			if i == 0 { // its first network is how the others know it
				names = m.name + " " + names
			}
			fmt.Fprintf(&b, "%s %s\n", a.Addr(), names)
			if n == netPublic {
				fmt.Fprintf(&b, "%s %s-ipv6\n", m.address6().Addr(), m.name)
			}
		}
	}
	return b.String()
}
