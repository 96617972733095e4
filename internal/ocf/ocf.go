// Package ocf runs the resource agents of the Open Cluster Framework, unchanged, as resource types called ocf:PROVIDER:NAME. What an agent says of
// itself (its meta-data) becomes the type: parameters become properties, actions become methods. The agent gets the environment that
// Pacemaker would give it.
//
// What is different from Pacemaker: the recurring monitor is not the only eye on a resource. The processes that a start left behind are watched
// through the kernel, and when one of those that lead the others ends, the agent is asked at once. Agents whose resource has no
// process (an address, a file system) are only asked at their interval.
//
// Agents that can be promoted (redis, pgsql, Stateful) run as single instances: started and stopped, or, with the property Promote, promoted after the start and demoted
// before the stop, with notify around the steps. There are never several instances of one resource. The migrate actions are never called.
//
// What an agent puts on the host outside its processes, an address or a mounted file system, has to vanish as well when this node may not run services
// any more and nobody is left to call the agent. So the driver tells the guard of it before the agent is started; see owed.
package ocf

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// Name is the name of the driver in model.Type.Driver.
const Name = "ocf"

// Lister names the processes of a resource, in the namespace of the caller. proc.Launcher is one.
type Lister interface {
	Processes(ref agent.Ref) ([]int, error)
}

// Gate says how a program is to be started, or that it may not be. Agents that run for a resource pass it in the launcher.
type Gate interface {
	Admit(p agent.Program) (agent.Admission, error)
}

// Config is what the driver needs. Launcher, Processes, Obligations, Log and Node have to be set.
type Config struct {
	Launcher    agent.Launcher
	Processes   Lister
	Obligations agent.Obligations
	Log         *slog.Logger
	Gate        Gate    // looks at an agent before it describes itself; nil lets every agent of root's run
	Secrets     Secrets // nil: properties that refer to private strings have none
	Node        cluster.NodeName
	// Root is where agents are installed: OCF_ROOT. "" is /usr/lib/ocf.
	Root string
	// RunDir is where agents keep the state of running resources: HA_RSCTMP. "" is /run/resource-agents. Nodes that share a machine have one each.
	RunDir string
	// ToolDir holds the stand-ins for the tools of Pacemaker, links to the redoubt program named crm_attribute and so on. "" means there are none.
	ToolDir string
	// Tmpfiles are the directories with tmpfiles.d files, whose directories below /run are made where no init system does it. nil is /usr/lib/tmpfiles.d.
	Tmpfiles []string
}

// Driver implements agent.Driver.
type Driver struct {
	cfg Config

	mu      sync.Mutex
	owing   map[cluster.ResourceName]agent.Obligation // since Start, until Stop has succeeded
	started map[cluster.ResourceName][]leader         // those that the last Start left behind
}

var _ agent.Driver = (*Driver)(nil)

// New makes the driver.
func New(cfg Config) (*Driver, error) {
	if cfg.Launcher == nil || cfg.Processes == nil || cfg.Obligations == nil || cfg.Log == nil || cfg.Node == "" {
		return nil, fault.Errorf(fault.Invalid, "OCF driver: Launcher, Processes, Obligations, Log and Node have to be set")
	}
	if cfg.Root == "" {
		cfg.Root = "/usr/lib/ocf"
	}
	if cfg.RunDir == "" {
		cfg.RunDir = "/run/resource-agents"
	}
	if cfg.Tmpfiles == nil {
		cfg.Tmpfiles = []string{"/usr/lib/tmpfiles.d"}
	}
	for _, dir := range []string{cfg.Root, cfg.RunDir} {
		if !filepath.IsAbs(dir) {
			return nil, fault.Errorf(fault.Invalid, "OCF driver: %q is not an absolute path", dir)
		}
	}
	if cfg.ToolDir != "" && !filepath.IsAbs(cfg.ToolDir) {
		return nil, fault.Errorf(fault.Invalid, "OCF driver: ToolDir %q is not an absolute path", cfg.ToolDir)
	}
	return &Driver{cfg: cfg, owing: map[cluster.ResourceName]agent.Obligation{}, started: map[cluster.ResourceName][]leader{}}, nil
}

// End implements agent.Driver.
func (d *Driver) End(ctx context.Context, call agent.Call) error {
	return d.cfg.Launcher.Kill(ctx, refOf(call))
}

func refOf(call agent.Call) agent.Ref {
	return agent.Ref{Group: call.Group.Name, Resource: call.Resource.Name}
}
