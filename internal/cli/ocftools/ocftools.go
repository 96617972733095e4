// Package ocftools is the stand-ins for the command-line tools of Pacemaker that resource agents call: crm_attribute, crm_master, attrd_updater, crm_node,
// crm_resource, crm_mon, and what the agents' function library asks pacemakerd and cibadmin. They understand what agents write, print what agents read,
// and keep the attributes in the cluster. What they can not do they refuse with the exit status that says so.
package ocftools

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"redoubt/internal/fault"
)

// Lifetime is how long an attribute is kept.
type Lifetime string

// The lifetimes.
const (
	Reboot  Lifetime = "reboot"  // until the node leaves the cluster
	Forever Lifetime = "forever" // until it is deleted
)

// Node is a node of the cluster.
type Node struct {
	Name   string
	ID     int
	Member bool // it is in the cluster now
}

// Nodes is the cluster as this node sees it.
type Nodes struct {
	Local   string
	Quorate bool
	Nodes   []Node // by ID
}

// Client keeps the attributes. node is "" for attributes of the whole cluster. Errors carry a fault.Code.
type Client interface {
	// Get reports false when the attribute does not exist.
	Get(ctx context.Context, node, name string) (value string, ok bool, err error)
	Set(ctx context.Context, node, name, value string, lifetime Lifetime) error
	// Delete of what does not exist is no error.
	Delete(ctx context.Context, node, name string) error
	Nodes(ctx context.Context) (Nodes, error)
}

// Env is everything a tool may touch.
type Env struct {
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	Client Client
}

// The exit statuses of Pacemaker's tools that are used here.
const (
	exitOK            = 0
	exitError         = 1
	exitUnimplemented = 3
	exitPermission    = 4
	exitUsage         = 64
	exitDisconnect    = 102
	exitNoSuch        = 105
	exitTimeout       = 124
)

type tool func(ctx context.Context, t *call) int

var tools = map[string]tool{
	"crm_attribute": crmAttribute,
	"crm_master":    crmMaster,
	"attrd_updater": attrdUpdater,
	"crm_node":      crmNode,
	"crm_resource":  crmResource,
	"crm_mon":       crmMon,
	"pacemakerd":    pacemakerd,
	"cibadmin":      cibadmin,
}

// Names returns the names under which the program has to be found in the agents' tool directory, sorted.
func Names() []string {
	var names []string
	for n := range tools {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// call is one run of a tool.
type call struct {
	Env
	name string
	args []string
	opt  options
}

// Run runs the tool called name with its arguments and returns its exit status.
func Run(ctx context.Context, name string, args []string, env Env) int {
	run, ok := tools[name]
	if !ok {
		fmt.Fprintf(env.Stderr, "%s: not one of %s\n", name, strings.Join(Names(), ", "))
		return exitUsage
	}
	return run(ctx, &call{Env: env, name: name, args: args})
}

// parse reads the options; false: it has complained.
func (c *call) parse(known []option) bool {
	o, err := parseOptions(known, c.args)
	if err != nil {
		fmt.Fprintf(c.Stderr, "%s: %v\n", c.name, err)
		return false
	}
	c.opt = o
	return true
}

func (c *call) usage(format string, args ...any) int {
	fmt.Fprintf(c.Stderr, "%s: %s\n", c.name, fmt.Sprintf(format, args...))
	return exitUsage
}

// refused says that what Pacemaker's tool does is not done in this cluster. The agents that get to it need roles on several nodes (pgsql), move what runs on their node
// themselves (azure-events), or keep a page of what Pacemaker shows (ClusterMon).
func (c *call) refused(what string) int {
	fmt.Fprintf(c.Stderr, "%s: %s is not possible in this cluster; see the redoubt command\n", c.name, what)
	return exitUnimplemented
}

// failed reports an error of the cluster. Some agents look for "not connected" in the text.
func (c *call) failed(err error) int {
	switch fault.CodeOf(err) {
	case fault.Unavailable:
		fmt.Fprintf(c.Stderr, "%s: Error performing operation: not connected: %v\n", c.name, err)
		return exitDisconnect
	case fault.Timeout:
		fmt.Fprintf(c.Stderr, "%s: Error performing operation: %v\n", c.name, err)
		return exitTimeout
	case fault.Denied:
		fmt.Fprintf(c.Stderr, "%s: Error performing operation: Permission denied: %v\n", c.name, err)
		return exitPermission
	}
	fmt.Fprintf(c.Stderr, "%s: Error performing operation: %v\n", c.name, err)
	return exitError
}

func (c *call) missing() int {
	fmt.Fprintf(c.Stderr, "%s: Error performing operation: No such device or address\n", c.name)
	return exitNoSuch
}

// node is the node that was asked for: by default the local one, which has some other names too.
func (c *call) node(ctx context.Context, asked string) (string, error) {
	if asked != "" && asked != "auto" && asked != "localhost" {
		return asked, nil
	}
	n, err := c.Client.Nodes(ctx)
	return n.Local, err
}
