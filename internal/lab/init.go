package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// Places on a machine.
const (
	toolDir    = "/run/lab/bin" // redoubt, redoubtd, redoubt-guard and the old command names
	etcDir     = "/etc/redoubt"
	libDir     = "/var/lib/redoubt"
	configFile = etcDir + "/redoubtd.yaml"
)

// How many files a process may have open unless it asks for more, and how many it may ask for.
const (
	usualFiles = 1024
	mostFiles  = 1 << 20
)

// runInit is the first process of a machine. It makes the machine's own view of the files, waits for the network, starts the daemon and
// looks after it and after every orphan until the machine is killed. It returns only when it could not begin.
func runInit(bootFile string) error {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("part", "init")
	network, answer := os.NewFile(fdNetwork, "network"), os.NewFile(fdOutcome, "outcome")
	if os.Getpid() != 1 || network == nil || answer == nil {
		return fault.Errorf(fault.Precondition, "lab init: this command is started by redoubt lab up, as the first process of a machine")
	}
	unix.CloseOnExec(fdNetwork)
	unix.CloseOnExec(fdOutcome)
	s, err := setUp(bootFile, network, log)
	o := outcome{}
	if err != nil {
		o.Error = err.Error()
	}
	if err := json.NewEncoder(answer).Encode(o); err != nil {
		log.Warn("the lab that starts this machine is gone", "cause", err.Error())
	}
	answer.Close()
	if err != nil {
		return err
	}
	return s.serve()
}

// setUp does everything up to a running daemon.
func setUp(bootFile string, network io.Reader, log *slog.Logger) (*supervisor, error) {
	var b boot
	if err := loadJSON(bootFile, &b); err != nil {
		return nil, fault.Errorf(fault.Internal, "read %s: %w", bootFile, err)
	}
	_ = os.Remove(b.Socket)
	l, err := net.Listen("unix", b.Socket) // before the mounts hide its directory
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "listen for the lab: %w", err)
	}
	if err := b.mount(); err != nil {
		return nil, err
	}
	if err := unix.Sethostname([]byte(b.Name)); err != nil {
		return nil, fault.Errorf(fault.Internal, "set the host name: %w", err)
	}
	if _, err := io.ReadFull(network, make([]byte, 1)); err != nil {
		return nil, fault.Errorf(fault.Unavailable, "wait for the network: %w", err)
	}
	if err := b.settings(); err != nil {
		return nil, fault.Errorf(fault.Internal, "kernel settings: %w", err)
	}
	s := newSupervisor(b, l, log)
	if !s.hasDaemon() {
		return s, nil
	}
	if err := b.configure(); err != nil {
		return nil, err
	}
	if b.Hold {
		return s, nil
	}
	return s, s.start()
}

// settings makes the client able to open many connections a second for long, and keeps the switch silent.
func (b boot) settings() error {
	switch b.Kind {
	case kindHost:
		return errors.Join(setting("net/ipv4/ip_local_port_range", "10000 65000"), setting("net/ipv4/tcp_tw_reuse", "1"))
	case kindFabric:
		return setting("net/ipv6/conf/all/disable_ipv6", "1")
	}
	return allowFiles()
}

// allowFiles lets the daemon open as many files as its unit of systemd does, two for each service and more while it starts; what it starts keeps the lower limit unless it asks.
func allowFiles() error {
	limit := unix.Rlimit{Cur: usualFiles, Max: mostFiles}
	err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if errors.Is(err, unix.EPERM) { // a kernel that allows nobody so many, or a root that may not ask for more, as in a container: what it has is what there is
		if err = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
			limit.Cur = min(limit.Cur, usualFiles)
			err = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
		}
	}
	if err != nil {
		return fmt.Errorf("open files: %w", err)
	}
	return nil
}

// configure writes the daemon's configuration once; afterwards it belongs to whoever edits it.
func (b boot) configure() error {
	if _, err := os.Stat(configFile); err == nil {
		return nil
	}
	root, err := cgroupRoot()
	if err != nil {
		return err
	}
	group := filepath.Join(root, place(b.Lab).cgroupName(), b.Name)
	text := fmt.Sprintf("# Written when the lab was made.\nnode: %s\nhost: %s\ndataDir: %s\nrunDir: /run/redoubt\nlogDir: /var/log/redoubt\netcDir: %s\ncgroup: %s\nwatchdog: none\nonUnkillable: report\nquorumServer: %t\n",
		b.Name, b.Name, libDir, etcDir, group, b.Kind == kindQuorum)
	if err := os.WriteFile(configFile, []byte(text), 0o644); err != nil {
		return fault.Errorf(fault.Internal, "write the daemon's configuration: %w", err)
	}
	return nil
}

// daemonCommand is the daemon as this machine runs it.
func (b boot) daemonCommand() *exec.Cmd {
	args := []string{"--config", configFile}
	if b.Kind == kindQuorum {
		args = append([]string{"quorum-server"}, args...)
	}
	cmd := exec.Command(filepath.Join(toolDir, "redoubtd"), args...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}
