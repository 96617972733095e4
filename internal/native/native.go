// Package native is the driver "native": it runs the resource types whose methods are part of the daemon. Each lies in a package below this
// one; what they declare is in the type.yaml files of the package agents.
package native

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"redoubt/agents"
	"redoubt/internal/agent"
	"redoubt/internal/agent/rtr"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/native/gds"
	"redoubt/internal/native/logicalhost"
	"redoubt/internal/native/record"
	"redoubt/internal/native/storage"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// DriverName is the name of the driver in types.
const DriverName = "native"

// Config is what the driver needs. Launcher, Obligations and Log must be set.
type Config struct {
	Launcher    agent.Launcher
	Obligations agent.Obligations
	Log         *slog.Logger
	// Resolve gives the addresses of a host name as this node sees them; nil asks the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// RunDir is where the driver keeps what it has to know after a planned restart of the daemon; it is made when it is missing. Empty: in
	// memory only.
	RunDir string
	// Users says as whom commands of applications run; nil runs them as root.
	Users gds.Users
	// ToolDir is the directory of the scha_* links, first in the PATH of commands; Socket is the REDOUBT_SOCKET they use.
	ToolDir, Socket string
	// Sharing is the load balancing of this node; nil refuses shared addresses.
	Sharing logicalhost.Sharing
	// AddressLife is the life of an owed address until the guard renews it, the guard's own setting; 0 is the guard's default.
	AddressLife time.Duration
}

// builtin is one type. Run reports how a method failed; methods that were declared only get here.
type builtin interface {
	Run(ctx context.Context, call agent.Call) error
	Watch(ctx context.Context, call agent.Call, report func(agent.Observation))
	End(ctx context.Context, call agent.Call) error
}

type driver struct {
	log   *slog.Logger
	types map[cluster.TypeName]builtin
}

// New returns the driver.
func New(cfg Config) agent.Driver {
	if cfg.Resolve == nil {
		cfg.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if cfg.Sharing == nil {
		cfg.Sharing = unshared{}
	}
	records := &record.Store{Dir: cfg.RunDir}
	return &driver{log: cfg.Log, types: map[cluster.TypeName]builtin{
		logicalhost.TypeName: logicalhost.New(logicalhost.Config{
			Obligations: cfg.Obligations, Log: cfg.Log, Records: records, Resolve: cfg.Resolve, AddressLife: cfg.AddressLife,
		}),
		balance.SharedAddress: logicalhost.New(logicalhost.Config{
			Obligations: cfg.Obligations, Log: cfg.Log, Records: records, Resolve: cfg.Resolve, AddressLife: cfg.AddressLife, Sharing: cfg.Sharing,
		}),
		gds.TypeName: gds.New(gds.Config{
			Launcher: cfg.Launcher, Log: cfg.Log, Records: records, Resolve: cfg.Resolve, ToolDir: cfg.ToolDir, Socket: cfg.Socket,
			Users: cfg.Users,
		}),
		storage.TypeName: storage.New(storage.Config{Launcher: cfg.Launcher, Obligations: cfg.Obligations, Records: records, Log: cfg.Log}),
	}}
}

// unshared refuses.
type unshared struct{}

func (unshared) Hold(context.Context, cluster.ResourceName, []balance.Held) error {
	return fault.Errorf(fault.Unavailable, "this node does not balance load, and takes no shared address")
}
func (unshared) Release(context.Context, cluster.ResourceName, []balance.Held) {}

// Types returns the names of the types that the driver has.
func Types() []cluster.TypeName {
	entries, err := fs.ReadDir(agents.FS, ".")
	if err != nil {
		return nil
	}
	names := make([]cluster.TypeName, 0, len(entries))
	for _, e := range entries {
		names = append(names, cluster.TypeName(e.Name()))
	}
	return names
}

// Describe implements agent.Driver.
func (d *driver) Describe(_ context.Context, name cluster.TypeName) (model.Type, error) {
	b, err := fs.ReadFile(agents.FS, string(name)+"/"+rtr.FileName)
	if err != nil || d.types[name] == nil {
		return model.Type{}, fault.Errorf(fault.NotFound, "resource type %s is not built in", name)
	}
	t, err := rtr.Parse(string(name)+"/"+rtr.FileName, b, rtr.Options{Builtin: true})
	if err != nil {
		return model.Type{}, err
	}
	t.Driver = DriverName
	return t, nil
}

// Run implements agent.Driver. A method that does not heed the end of its time (it hangs in the kernel) is left behind.
func (d *driver) Run(ctx context.Context, call agent.Call) agent.Result {
	b := d.types[call.Type.Name]
	if b == nil {
		return agent.Result{Exit: 1, Message: "resource type " + string(call.Type.Name) + " is not built into this version; update the node"}
	}
	if _, declared := call.Type.Method(call.Method); !declared {
		return agent.Result{}
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if call.Timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, call.Timeout)
	}
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.Run(limited, call) }()
	var err error
	select {
	case err = <-done:
	case <-limited.Done():
		patience := time.NewTimer(5 * time.Second)
		defer patience.Stop()
		select {
		case err = <-done:
		case <-patience.C:
			err = errors.New("it hangs in the kernel")
			d.log.Error("method does not return", "resource", call.Resource.Name, "method", call.Method)
		}
	}
	if err == nil {
		return agent.Result{}
	}
	r := agent.Result{Exit: 1, Output: err.Error(), Message: firstLine(err.Error())}
	switch {
	case ctx.Err() != nil:
		r.Aborted = true
	case limited.Err() != nil:
		r.TimedOut = true
	}
	return r
}

// Watch implements agent.Driver.
func (d *driver) Watch(ctx context.Context, call agent.Call, report func(agent.Observation)) {
	if b := d.types[call.Type.Name]; b != nil {
		b.Watch(ctx, call, report)
	}
}

// End implements agent.Driver.
func (d *driver) End(ctx context.Context, call agent.Call) error {
	if b := d.types[call.Type.Name]; b != nil {
		return b.End(ctx, call)
	}
	return nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}
