package lab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"redoubt/internal/fault"
)

// Process is a program that runs on a machine.
type Process struct{ cmd *exec.Cmd }

// Stdio are the standard files of a program; nil ones are empty.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run starts a program on a machine, as somebody logged in there would: in its namespaces, its cgroup, with its files. The caller has to Wait
// for it.
func (l *Lab) Run(name string, s Stdio, argv ...string) (*Process, error) {
	m, err := l.machine(name)
	if err != nil {
		return nil, err
	}
	pid, err := m.awake()
	if err != nil {
		return nil, err
	}
	if len(argv) == 0 {
		return nil, fault.Errorf(fault.Invalid, "run a program on machine %s: none was named", name)
	}
	cmd := &exec.Cmd{Args: argv, Stdin: s.In, Stdout: s.Out, Stderr: s.Err, Env: environment(name)}
	if err := startInside(pid, m.group, cmd); err != nil {
		return nil, err
	}
	return &Process{cmd}, nil
}

// environment is what a program on a machine sees of the caller's: the terminal and the language.
func environment(name string) []string {
	env := []string{"PATH=" + nodePath, "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "REDOUBT_LAB_NODE=" + name}
	for _, k := range []string{"TERM", "LANG", "LC_ALL", "COLUMNS", "LINES", "NO_COLOR"} {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// Wait waits for the program's end and gives its exit status; 128 and the signal's number for one that was killed.
func (p *Process) Wait() (int, error) {
	err := p.cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok && err != nil {
		return -1, fault.Errorf(fault.Internal, "run %s: %w", p.cmd.Path, err)
	}
	if sig, ok := signalOf(p.cmd.ProcessState); ok {
		return 128 + int(sig), nil
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// Kill kills the program.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// Signal sends the program a signal.
func (p *Process) Signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// Output runs a program on a machine and gives what it wrote to standard output. An exit status other than 0 is an error that has the
// program's standard error in it. The program is killed when ctx ends.
func (l *Lab) Output(ctx context.Context, name string, argv ...string) (string, error) {
	var out, errs bytes.Buffer
	p, err := l.Run(name, Stdio{Out: &out, Err: &errs}, argv...)
	if err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, p.Kill)
	status, err := p.Wait()
	switch {
	case !stop():
		return out.String(), fault.Errorf(fault.Timeout, "on %s: %s: %w", name, strings.Join(argv, " "), context.Cause(ctx))
	case err != nil:
		return out.String(), err
	case status != 0:
		text := strings.TrimSpace(errs.String())
		if text == "" {
			text = strings.TrimSpace(out.String())
		}
		return out.String(), fault.Errorf(fault.Precondition, "on %s: %s: exit status %d: %s", name, strings.Join(argv, " "), status, text)
	}
	return out.String(), nil
}

// InNetwork calls f on a thread in the network namespace of a machine. Sockets that f opens belong to that machine for good. A paused
// machine's network still works: the kernel does not stop with its processes.
func (l *Lab) InNetwork(name string, f func() error) error {
	m, err := l.machine(name)
	if err != nil {
		return err
	}
	pid, err := m.running()
	if err != nil {
		return err
	}
	return aside(pid, []string{"net"}, f)
}

// Dial connects from a machine. The address must be numeric: names are not known outside the machine.
func (l *Lab) Dial(ctx context.Context, name, network, address string) (c net.Conn, err error) {
	inside := l.InNetwork(name, func() error {
		c, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return nil
	})
	if inside != nil {
		return nil, inside
	}
	return c, err
}

// signalOf gives the signal that ended a process, if one did.
func signalOf(s *os.ProcessState) (syscall.Signal, bool) {
	ws, ok := s.Sys().(syscall.WaitStatus)
	return ws.Signal(), ok && ws.Signaled()
}
