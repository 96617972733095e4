// Package gds runs the type redoubt.gds: any program as a resource, by commands that are given in properties. The end of its processes is
// learned from the kernel; probes say how well it serves.
//
// What probes and checks run is kept in a place of its own beside the resource's (see aside), so that the resource's cgroup is empty exactly
// when the service is gone.
package gds

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/native/property"
	"redoubt/internal/native/record"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// TypeName is the name of the type.
const TypeName cluster.TypeName = "redoubt.gds"

// Config is what the type needs. Every field but ToolDir and Socket must be set.
type Config struct {
	Launcher agent.Launcher
	Log      *slog.Logger
	Records  *record.Store
	// Resolve gives the addresses of a host name as this node sees them.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Users says as whom commands run; nil runs all of them as root.
	Users Users
	// ToolDir comes first in the PATH of commands, and Socket is their REDOUBT_SOCKET.
	ToolDir, Socket string
}

// Users says as whom a command of a property runs, by the rule of Application_user and resource_security; nil is root. env is the command's.
type Users interface {
	AppUser(call agent.Call, command string, env []string) (*agent.User, error)
}

// The child policies.
const (
	policyAny  = "ANY"
	policyMain = "MAIN"
	policyNone = "NONE"
)

// Type runs the methods of redoubt.gds.
type Type struct {
	cfg Config

	mu    sync.Mutex
	mains map[cluster.ResourceName]*command
}

// New returns the type.
func New(cfg Config) *Type {
	return &Type{cfg: cfg, mains: map[cluster.ResourceName]*command{}}
}

// Run runs a method.
func (t *Type) Run(ctx context.Context, call agent.Call) error {
	switch call.Method {
	case model.MethodValidate:
		return t.validate(ctx, call)
	case model.MethodStart:
		return t.start(ctx, call)
	case model.MethodStop:
		return t.stop(ctx, call)
	}
	return nil
}

// End kills what is left of the resource.
func (t *Type) End(ctx context.Context, call agent.Call) error {
	err := errors.Join(t.cfg.Launcher.Kill(ctx, ref(call)), t.cfg.Launcher.Kill(ctx, aside(call)))
	if err != nil {
		return fault.Errorf(fault.Internal, "end processes of resource %s: %w", call.Resource.Name, err)
	}
	t.forget(call)
	return nil
}

func ref(call agent.Call) agent.Ref {
	return agent.Ref{Group: call.Resource.Group, Resource: call.Resource.Name}
}

// aside is the place of probes and checks. No resource can have its name: '~' is not allowed in one.
func aside(call agent.Call) agent.Ref {
	return agent.Ref{Group: call.Resource.Group, Resource: call.Resource.Name + "~probe"}
}

func policy(call agent.Call) string {
	p := property.Text(call, "Child_policy")
	if p != policyMain && p != policyNone {
		p = policyAny
		if property.Int(call, "Child_mon_level", -1) == 0 {
			p = policyMain
		}
	}
	return p
}

func (t *Type) validate(ctx context.Context, call agent.Call) error {
	if strings.TrimSpace(property.Text(call, "Start_command")) == "" {
		return fault.Errorf(fault.Invalid, "resource %s: property Start_command is empty; give the command that starts the service", call.Resource.Name)
	}
	if _, err := ports(call); err != nil {
		return err
	}
	// As whom every command runs is found out now: nobody wants to learn it from a failed takeover.
	for name, command := range Commands(call) {
		if _, err := t.program(ctx, call, aside(call), "Validate", command); err != nil && !fault.Is(err, fault.NotFound) {
			return fault.Errorf(fault.CodeOf(err), "resource %s, property %s on node %s: %w", call.Resource.Name, name, call.Node, err)
		}
	}
	text := property.Text(call, "Validate_command")
	if text == "" {
		return nil
	}
	out := t.run(ctx, call, "Validate", text, 0)
	if err := failure(ctx, "Validate_command", out); err != nil {
		return fault.Errorf(fault.Precondition, "resource %s can not run on node %s: %w", call.Resource.Name, call.Node, err)
	}
	return nil
}

// Commands are the commands of a resource as they are for the node of the call, each with the property that it stands in.
func Commands(call agent.Call) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, name := range []string{"Start_command", "Stop_command", "Probe_command", "Validate_command"} {
			if command := property.Text(call, name); command != "" && !yield(name, command) {
				return
			}
		}
	}
}

// SearchPath is the PATH of commands: the folder of tools, if there is one, before the usual ones.
func SearchPath(tools string) string {
	const usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	if tools == "" {
		return usual
	}
	return tools + ":" + usual
}

// program is a command of a property, for the shell, as the user who runs it.
func (t *Type) program(ctx context.Context, call agent.Call, where agent.Ref, label, command string) (agent.Program, error) {
	p := agent.Program{Ref: where, Label: label, Path: "/bin/sh", Args: []string{"-c", command}, Env: t.environment(ctx, call, label)}
	if t.cfg.Users == nil {
		return p, nil
	}
	u, err := t.cfg.Users.AppUser(call, command, p.Env)
	if err != nil || u == nil {
		return p, err
	}
	p.User = u
	home := u.Home
	if home == "" {
		home = "/"
	}
	p.Env = slices.DeleteFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, "HOME=") })
	p.Env = append(p.Env, "HOME="+home, "USER="+u.Name, "LOGNAME="+u.Name, "SHELL=/bin/sh")
	return p, nil
}

// run runs a command beside the service to its end.
func (t *Type) run(ctx context.Context, call agent.Call, label, command string, limit time.Duration) agent.Outcome {
	p, err := t.program(ctx, call, aside(call), label, command)
	if err != nil {
		return agent.Outcome{Exit: -1, Err: err}
	}
	p.Timeout = limit
	return t.cfg.Launcher.Run(ctx, p)
}

func (t *Type) environment(ctx context.Context, call agent.Call, method string) []string {
	addresses := make([]string, 0, 2)
	for _, a := range t.addresses(ctx, call) {
		addresses = append(addresses, a.String())
	}
	env := []string{
		"PATH=" + SearchPath(t.cfg.ToolDir), "LC_ALL=C", "HOME=/",
		"REDOUBT_RESOURCE=" + string(call.Resource.Name), "REDOUBT_GROUP=" + string(call.Resource.Group), "REDOUBT_TYPE=" + string(call.Resource.Type),
		"REDOUBT_NODE=" + string(call.Node), "REDOUBT_METHOD=" + method, "REDOUBT_ADDRESSES=" + strings.Join(addresses, " "),
		"hostnames=" + strings.Join(addresses, ","),
	}
	if t.cfg.Socket != "" {
		env = append(env, "REDOUBT_SOCKET="+t.cfg.Socket)
	}
	return env
}

// addresses are those of the group: what its address resources serve.
func (t *Type) addresses(ctx context.Context, call agent.Call) []netip.Addr {
	var all []netip.Addr
	add := func(a netip.Addr) {
		if a.IsValid() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	for _, peer := range call.Peers {
		address, hosts := "", ""
		switch {
		case peer.Type == "redoubt.logicalhostname" || peer.Type == balance.SharedAddress:
			address, hosts = "Address", "Hostnames"
		case strings.HasPrefix(string(peer.Type), "ocf:") && strings.Contains(string(peer.Type), ":IPaddr"):
			address = "ip"
		default:
			continue
		}
		of := agent.Call{Resource: peer, Node: call.Node}
		for _, text := range property.List(of, address) {
			text, _, _ = strings.Cut(text, "/")
			a, _ := netip.ParseAddr(text)
			add(a)
		}
		if hosts == "" {
			continue
		}
		for _, host := range property.List(of, hosts) {
			found, err := t.cfg.Resolve(ctx, host)
			if err != nil {
				t.cfg.Log.Warn("host name of the group has no address here", "resource", call.Resource.Name, "host", host, "cause", err.Error())
			}
			for _, a := range found {
				add(a.Unmap())
			}
		}
	}
	return all
}

// failure says in words for people why a command failed, nil when it did not.
func failure(ctx context.Context, what string, out agent.Outcome) error {
	switch {
	case out.Err != nil:
		return out.Err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case out.TimedOut:
		return fmt.Errorf("%s did not end in time and was killed", what)
	case out.Exit == 0:
		return nil
	}
	if line := lastLine(out.Output); line != "" {
		return fmt.Errorf("%s: %s (exit status %d)", what, line, out.Exit)
	}
	return fmt.Errorf("%s: exit status %d, without a message", what, out.Exit)
}

// lastLine is the last line that is not empty.
func lastLine(output string) string {
	lines := strings.Split(output, "\n")
	for _, line := range slices.Backward(lines) {
		if line = strings.TrimSpace(strings.ToValidUTF8(line, "?")); line != "" {
			if len(line) > 300 {
				line = strings.ToValidUTF8(line[:300], "") + "…"
			}
			return line
		}
	}
	return ""
}

// command is a running Start_command: its process, and what became of it.
type command struct {
	pid  int
	born string // start time of the process, which tells it from a later one with its number
	done chan struct{}
	out  agent.Outcome // after done
}

func (c *command) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// remember notes the main process, also for the daemon after a planned restart.
func (t *Type) remember(call agent.Call, c *command) error {
	t.mu.Lock()
	t.mains[call.Resource.Name] = c
	t.mu.Unlock()
	return t.cfg.Records.Save("main", call.Resource.Name, []string{strconv.Itoa(c.pid), c.born})
}

func (t *Type) forget(call agent.Call) {
	t.mu.Lock()
	delete(t.mains, call.Resource.Name)
	t.mu.Unlock()
	t.cfg.Records.Remove("main", call.Resource.Name)
}

// mainOf returns the main process if it still runs, and the command when this daemon started it.
func (t *Type) mainOf(call agent.Call) (pid int, c *command) {
	t.mu.Lock()
	c = t.mains[call.Resource.Name]
	t.mu.Unlock()
	if c != nil {
		if c.ended() {
			return 0, c
		}
		return c.pid, c
	}
	noted, err := t.cfg.Records.Load("main", call.Resource.Name)
	if err != nil || len(noted) != 2 {
		return 0, nil
	}
	pid, err = strconv.Atoi(noted[0])
	if err != nil || pid <= 1 || noted[1] == "" || bornAt(pid) != noted[1] {
		return 0, nil
	}
	return pid, nil
}

// bornAt is the start time of a process in the kernel's ticks, "" when there is none.
func bornAt(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	_, rest, ok := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// empty reports whether no process of the service is left.
func (t *Type) empty(call agent.Call) bool {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return t.cfg.Launcher.Await(now, ref(call), 0) == nil
}
