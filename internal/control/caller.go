package control

import (
	"context"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// CallerKind says how a caller is known.
type CallerKind string

// The kinds of callers. The zero value is nobody and may do nothing.
const (
	CallerLocal CallerKind = "local" // a process of this machine; the kernel says whose
	CallerNode  CallerKind = "node"  // a node of the cluster, by its certificate
	CallerNone  CallerKind = "none"  // somebody on the network without a certificate
)

// Caller is who asks for an operation.
type Caller struct {
	Kind          CallerKind
	UID, GID, PID int                  // of a local caller
	User          string               // the name of UID
	Node          cluster.NodeName     // of a node
	Resource      cluster.ResourceName // of a local caller that runs for a resource, by its cgroup
}

// String names the caller in records and logs.
func (w Caller) String() string {
	switch {
	case w.Kind == CallerNode:
		return "node " + string(w.Node)
	case w.Kind == CallerLocal && w.User != "":
		return w.User
	case w.Kind == CallerLocal:
		return "a local user"
	}
	return "a stranger"
}

// authorise says whether the caller may do the operation called name ("group create"). Until there are roles, root of a node may do everything and nodes may
// do what the table gives them. What is not allowed is denied.
func authorise(who Caller, name string) error {
	op, ok := operationByName(name)
	switch {
	case !ok:
		return fault.Errorf(fault.Internal, "operation %q is not in the table of operations", name)
	case who.Kind == CallerLocal && who.UID == 0:
		return nil
	case who.Kind == CallerNode && who.Node != "" && op.Peer:
		return nil
	case op.Open && (who.Kind == CallerNone || who.Kind == CallerNode):
		return nil
	}
	return fault.Errorf(fault.Denied, "%s may not do %s: it needs %s, which root on a node of the cluster has", who, name, op.Authorization)
}

// enter is how every operation begins: may the caller, and is there a cluster?
func (c *Control) enter(ctx context.Context, who Caller, name string) (*Running, error) {
	if err := authorise(who, name); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fault.Errorf(fault.Timeout, "%s was given up before it began: %w", name, context.Cause(ctx))
	}
	r := c.running.Load()
	if r == nil {
		return nil, errNoCluster()
	}
	return r, nil
}
