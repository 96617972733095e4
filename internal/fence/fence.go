// Package fence confirms that a node is off, by the fence agents of Debian's fence-agents: programs that switch a machine off through its management
// controller, its hypervisor or its power outlet. An agent gets its options on standard input, never as arguments or in its environment, where
// other users of the machine could read them; secrets come from a file on the node that only root can read, and are masked in whatever an agent says.
package fence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// AgentDir is where Debian puts fence agents, and LibraryDir what they have in common.
const (
	AgentDir   = "/usr/sbin"
	LibraryDir = "/usr/share/fence"
)

// Gate says how a program is to be started, or that it may not be.
type Gate interface {
	Admit(p agent.Program) (agent.Admission, error)
}

// The actions that an agent may be asked for.
const (
	actionOff    = "off"    // the default: off until a person or the machine itself decides otherwise
	actionReboot = "reboot" // off and on again; trusted to have been off in between
	actionStatus = "status"
)

// Exit statuses of the action "status".
const (
	statusOn  = 0
	statusOff = 2
)

const (
	defaultTimeout  = 60 * time.Second
	metadataTimeout = 20 * time.Second
	statusPause     = time.Second
)

// Config says where things are.
type Config struct {
	AgentDir  string // "": AgentDir
	SecretDir string // has a file named like the node, with lines NAME=VALUE, for nodes whose agent needs secrets
	// Cgroup is a cgroup2 directory, not within the service cgroup, in which each run of an agent gets its own: at a timeout nothing it
	// started survives. "": only its process group is killed.
	Cgroup string
	Gate   Gate
	Log    *slog.Logger
}

// Fencer runs fence agents. It implements engine.Fencer; its methods may be called from several goroutines.
type Fencer struct {
	cfg Config

	mu    sync.Mutex
	runs  int
	known map[string]knownAgent // metadata by path
}

// New returns a Fencer.
func New(cfg Config) *Fencer {
	if cfg.AgentDir == "" {
		cfg.AgentDir = AgentDir
	}
	if cfg.Cgroup != "" {
		sweep(cfg.Cgroup)
	}
	return &Fencer{cfg: cfg, known: map[string]knownAgent{}}
}

// Fence switches a node off by its agent, and returns nil only if the agent says that it is off. With the option action=reboot the success of the reboot is enough.
func (f *Fencer) Fence(ctx context.Context, node model.Node) error {
	if node.Fence == nil {
		return fault.Errorf(fault.Precondition, "fence node %s: it has no fence agent; configure one with: redoubt node set-fence", node.Name)
	}
	timeout := defaultTimeout
	if node.Fence.Timeout > 0 {
		timeout = time.Duration(node.Fence.Timeout) * time.Second
	}
	path, err := f.agent(node.Fence.Agent)
	if err != nil {
		return err
	}
	opts, err := f.options(node)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("its timeout of "+timeout.String()+" has passed"))
	defer cancel()
	r := run{node: string(node.Name), path: path, options: opts}
	f.cfg.Log.Warn("fencing node", "node", node.Name, "agent", node.Fence.Agent, "action", opts.action)
	res, err := f.act(ctx, r, opts.action)
	if err == nil && res.exit != 0 {
		err = fault.Errorf(fault.Unavailable, "fence node %s: %s %s failed with status %d%s; see the log of this node for its output", node.Name, node.Fence.Agent, opts.action, res.exit, res.last())
	}
	if err == nil && opts.action == actionOff {
		err = f.verify(ctx, r, node)
	}
	if err != nil {
		return err
	}
	f.cfg.Log.Warn("node is fenced", "node", node.Name, "agent", node.Fence.Agent, "action", opts.action)
	return nil
}

// verify asks an agent that can tell until it says that the node is off.
func (f *Fencer) verify(ctx context.Context, r run, node model.Node) error {
	meta, err := f.Metadata(ctx, node.Fence.Agent)
	if err != nil {
		return err
	}
	if !slices.Contains(meta.Actions, actionStatus) {
		return nil
	}
	for {
		res, err := f.act(ctx, r, actionStatus)
		switch {
		case err != nil:
			return err
		case res.exit == statusOff:
			return nil
		case res.exit != statusOn:
			return fault.Errorf(fault.Unavailable, "fence node %s: %s said that it is off, but can not tell its state (status %d%s)", node.Name, node.Fence.Agent, res.exit, res.last())
		}
		timer := time.NewTimer(statusPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fault.Errorf(fault.Timeout, "fence node %s: %s reported success, but the node is still on: %w; look at the machine", node.Name, node.Fence.Agent, context.Cause(ctx))
		}
	}
}

// act runs one action and logs what the agent says.
func (f *Fencer) act(ctx context.Context, r run, action string) (result, error) {
	r.action = action
	r.stdin = "action=" + action + "\n" + r.options.stdin
	res, err := f.exec(ctx, r)
	for _, line := range res.lines {
		f.cfg.Log.Info("fence agent", "node", r.node, "agent", filepath.Base(r.path), "action", action, "line", line)
	}
	return res, err
}

// Validate checks a node's fence agent and options against the agent's own description and returns every problem. Options that are required may be in the
// secrets file, of which this looks at the one of this host.
func (f *Fencer) Validate(ctx context.Context, node model.Node) error {
	if node.Fence == nil {
		return nil
	}
	meta, err := f.Metadata(ctx, node.Fence.Agent)
	if err != nil {
		return err
	}
	var problems []string
	opts, err := f.options(node)
	if err != nil {
		problems = append(problems, err.Error())
	} else {
		problems = append(problems, meta.problems(opts)...)
		for _, name := range opts.missing(meta) {
			problems = append(problems, fmt.Sprintf("option %s is required; set it, or put it into %s on every node", name, f.secretFile(node.Name)))
		}
	}
	for _, p := range node.Fence.Options {
		if name := canonical(p.Name); secretName(name) {
			problems = append(problems, fmt.Sprintf("option %s is a secret: every administrator could read it here; put it into %s on every node", name, f.secretFile(node.Name)))
		}
	}
	switch len(problems) {
	case 0:
		return nil
	case 1:
		return fault.Errorf(fault.Invalid, "fence agent %s of node %s: %s", node.Fence.Agent, node.Name, problems[0])
	}
	return fault.Errorf(fault.Invalid, "fence agent %s of node %s: %d problems", node.Fence.Agent, node.Name, len(problems)).WithDetail(strings.Join(problems, "\n"))
}
