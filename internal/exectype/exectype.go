// Package exectype is the driver "exec": a resource type is a folder with type.yaml and the executables of its methods, which are called as
// Solaris Cluster calls them.
package exectype

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"redoubt/internal/agent"
	"redoubt/internal/agent/rtr"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// DriverName is the name of the driver in types.
const DriverName = "exec"

// Config is what the driver needs. Every field but ToolDir and Socket must be set.
type Config struct {
	Launcher agent.Launcher
	Log      *slog.Logger
	// Gate says whether others than root may have written a type; nil lets everything pass.
	Gate Gate
	// TypeDirs are searched in their order for the folder of a type.
	TypeDirs []string
	// ToolDir is the directory of the scha_* links, first in the PATH of methods; Socket is the REDOUBT_SOCKET they use.
	ToolDir, Socket string
}

// Gate refuses the folder of a type that others than root may have written.
type Gate interface {
	Approve(what string, paths ...string) error
}

// Driver runs methods that are executables.
type Driver struct{ cfg Config }

var _ agent.Driver = (*Driver)(nil)

// New returns the driver.
func New(cfg Config) *Driver { return &Driver{cfg} }

// Describe implements agent.Driver: the type is the folder NAME in the first type directory that has one.
func (d *Driver) Describe(ctx context.Context, name cluster.TypeName) (model.Type, error) {
	if err := cluster.CheckTypeName(string(name)); err != nil || strings.HasPrefix(string(name), "ocf:") {
		return model.Type{}, fault.Errorf(fault.NotFound, "resource type %q is no folder of a type directory", name)
	}
	for _, dir := range d.cfg.TypeDirs {
		folder := filepath.Join(dir, string(name))
		if _, err := os.Stat(filepath.Join(folder, rtr.FileName)); err == nil || !errors.Is(err, os.ErrNotExist) {
			return d.DescribeFolder(ctx, name, folder)
		}
	}
	return model.Type{}, fault.Errorf(fault.NotFound, "resource type %s: there is no %s/%s in %s", name, name, rtr.FileName, strings.Join(d.cfg.TypeDirs, ", "))
}

// DescribeFolder reads the type that lies in a folder, given by itself or by its type.yaml. It has to be called name, if name is not empty.
func (d *Driver) DescribeFolder(_ context.Context, name cluster.TypeName, folder string) (model.Type, error) {
	if filepath.Base(folder) == rtr.FileName {
		folder = filepath.Dir(folder)
	}
	if !filepath.IsAbs(folder) {
		return model.Type{}, fault.Errorf(fault.Invalid, "resource type in %s: give the path of its folder from the root, it is the same on every node", folder)
	}
	folder = filepath.Clean(folder)
	file := filepath.Join(folder, rtr.FileName)
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return model.Type{}, fault.Errorf(fault.NotFound, "read resource type: %s does not exist on this node; install the folder of the type on every node", file)
	}
	if err != nil {
		return model.Type{}, fault.Errorf(fault.Precondition, "read resource type: %w", err)
	}
	t, err := rtr.Parse(file, b, rtr.Options{})
	if err != nil {
		return model.Type{}, err
	}
	if name != "" && t.Name != name {
		return model.Type{}, fault.Errorf(fault.Invalid, "resource type %s: %s is of type %s; use one name for both", name, file, t.Name)
	}
	t.Driver, t.BaseDir = DriverName, folder
	if err := d.approve(t); err != nil {
		return model.Type{}, err
	}
	var faults []string
	for _, m := range t.Methods {
		if err := program(t, m); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if len(faults) > 0 {
		return model.Type{}, fault.Errorf(fault.Precondition, "resource type %s can not be used on this node", t.Name).WithDetail(strings.Join(faults, "\n"))
	}
	return t, nil
}

// approve checks who could have written the folder and the methods, wherever links of the folder lead.
func (d *Driver) approve(t model.Type) error {
	if d.cfg.Gate == nil {
		return nil
	}
	paths := []string{t.BaseDir}
	for _, m := range t.Methods {
		path := filepath.Join(t.BaseDir, m.Program)
		if _, err := os.Stat(path); err == nil { // what is missing is said elsewhere
			paths = append(paths, path)
		}
	}
	return d.cfg.Gate.Approve("resource type "+string(t.Name), paths...)
}

// program checks the file of a method; who could have written it is looked at on the open file, by the launcher.
func program(t model.Type, m model.MethodSpec) error {
	path := filepath.Join(t.BaseDir, m.Program)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fault.Errorf(fault.NotFound, "method %s of resource type %s: %s does not exist on this node; install the type's folder on every node", m.Method, t.Name, path)
	case err != nil:
		return fault.Errorf(fault.Precondition, "method %s of resource type %s: %w", m.Method, t.Name, err)
	case !info.Mode().IsRegular():
		return fault.Errorf(fault.Precondition, "method %s of resource type %s: %s is not a file", m.Method, t.Name, path)
	case info.Mode().Perm()&0o111 == 0:
		return fault.Errorf(fault.Precondition, "method %s of resource type %s: %s is not executable; chmod +x it", m.Method, t.Name, path)
	}
	return nil
}

// Run implements agent.Driver.
func (d *Driver) Run(ctx context.Context, call agent.Call) agent.Result {
	spec, declared := call.Type.Method(call.Method)
	if !declared {
		if call.Method == model.MethodValidate { // a type without it is looked at all the same before a resource is made of it
			if err := d.approve(call.Type); err != nil {
				return agent.Result{Exit: 1, Message: err.Error()}
			}
		}
		return agent.Result{}
	}
	if err := program(call.Type, spec); err != nil {
		return agent.Result{Exit: 1, Message: err.Error()}
	}
	out := d.cfg.Launcher.Run(ctx, agent.Program{
		Ref: place(call), Label: string(call.Method), Path: filepath.Join(call.Type.BaseDir, spec.Program),
		Args: arguments(call), Env: d.environment(call), Timeout: call.Timeout,
		Folder: call.Type.BaseDir,
	})
	r := agent.Result{Exit: out.Exit, TimedOut: out.TimedOut, Aborted: out.Aborted, Output: out.Output}
	switch {
	case out.Err != nil:
		r.Exit, r.Message = 1, fmt.Sprintf("method %s of resource type %s could not be run: %s", call.Method, call.Type.Name, out.Err)
	case !r.OK():
		if r.Message = lastLine(out.Output); r.Message == "" {
			r.Message = fmt.Sprintf("exit status %d", out.Exit)
		}
	}
	return r
}

// Watch implements agent.Driver: with `watch: processes` the resource is dead when none of its processes is left.
func (d *Driver) Watch(ctx context.Context, call agent.Call, report func(agent.Observation)) {
	if _, own := call.Type.Method(model.MethodMonitorStart); own || call.Type.Watch != model.WatchProcesses {
		return
	}
	call.Method = model.MethodStart
	err := d.cfg.Launcher.Await(ctx, place(call), 0)
	switch {
	case err == nil:
		report(agent.Observation{Kind: agent.Dead, Message: "all its processes have ended"})
	case ctx.Err() == nil:
		d.cfg.Log.Error("processes can not be watched", "resource", call.Resource.Name, "cause", err.Error())
	}
}

// End implements agent.Driver.
func (d *Driver) End(ctx context.Context, call agent.Call) error {
	var errs []error
	for _, m := range []model.Method{model.MethodStart, model.MethodValidate} {
		call.Method = m
		errs = append(errs, d.cfg.Launcher.Kill(ctx, place(call)))
	}
	if err := errors.Join(errs...); err != nil {
		return fault.Errorf(fault.Internal, "end processes of resource %s: %w", call.Resource.Name, err)
	}
	return nil
}

// place is where a method runs. Those that may run while the resource is online have a place of their own (no resource can have its name), so
// that the resource's cgroup is empty when its service is gone.
func place(call agent.Call) agent.Ref {
	ref := agent.Ref{Group: call.Resource.Group, Resource: call.Resource.Name}
	switch call.Method {
	case model.MethodValidate, model.MethodMonitorCheck, model.MethodUpdate, model.MethodInit, model.MethodBoot, model.MethodFini:
		ref.Resource += "~method"
	}
	return ref
}

func (d *Driver) environment(call agent.Call) []string {
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	if d.cfg.ToolDir != "" {
		path = d.cfg.ToolDir + ":" + path
	}
	env := []string{
		"PATH=" + path, "LC_ALL=C", "HOME=/",
		"REDOUBT_RESOURCE=" + string(call.Resource.Name), "REDOUBT_GROUP=" + string(call.Resource.Group), "REDOUBT_TYPE=" + string(call.Type.Name),
		"REDOUBT_NODE=" + string(call.Node), "REDOUBT_METHOD=" + string(call.Method),
	}
	if d.cfg.Socket != "" {
		env = append(env, "REDOUBT_SOCKET="+d.cfg.Socket)
	}
	return env
}

// lastLine is the last line that is not empty, cut to what fits a status.
func lastLine(output string) string {
	for _, line := range slices.Backward(strings.Split(output, "\n")) {
		if line = strings.TrimSpace(strings.ToValidUTF8(line, "?")); line != "" {
			if len(line) > 300 {
				line = strings.ToValidUTF8(line[:300], "") + "…"
			}
			return line
		}
	}
	return ""
}
