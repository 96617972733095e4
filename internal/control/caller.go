package control

import (
	"context"
	"net/netip"
	"strconv"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
)

// CallerKind says how a caller is known.
type CallerKind string

// The kinds of callers. The zero value is nobody and may do nothing.
const (
	CallerLocal   CallerKind = "local"   // a process of this machine; the kernel says whose
	CallerNode    CallerKind = "node"    // a node of the cluster, by its certificate
	CallerUser    CallerKind = "user"    // a person on the network, by the certificate of a user: User is the name
	CallerSession CallerKind = "session" // a person on the network, by the token of a session: User is the name, Session the identifier
	CallerPartner CallerKind = "partner" // another cluster, by its certificate: User is its name
	CallerNone    CallerKind = "none"    // somebody on the network without a certificate
)

// Caller is who asks for an operation.
type Caller struct {
	Kind          CallerKind
	UID, GID, PID int                  // of a local caller
	User          string               // the name of UID
	Node          cluster.NodeName     // of a node
	Resource      cluster.ResourceName // of a local caller that runs for a resource, by its cgroup
	From          netip.Addr           // where a caller on the network is
	Binding       []byte               // what only the two ends of its connection know: see v1.JoinBinding
	Groups        []string             // the Unix groups of a local caller's process, when it connected
	Listed        []string             // those that the user database has him in
	Certificate   string               // the fingerprint of the certificate that was shown
	Session       string               // the identifier of the session whose token was shown
	Role          string               // the role that the caller is in
	session       sessionID            // of the role
}

// String names the caller in records and logs.
func (w Caller) String() string {
	switch w.Kind {
	case CallerNode:
		return "node " + string(w.Node)
	case CallerPartner:
		return "partner cluster " + w.User
	case CallerNone:
	case CallerLocal, CallerUser, CallerSession:
		name := w.User
		if rbac.CheckUserName("user", name) != nil { // one that could be taken for a node's or another's is not repeated
			name = "uid " + strconv.Itoa(w.UID)
		}
		if w.Role != "" {
			name += " in role " + w.Role
		}
		if w.Session != "" {
			name += " in session " + w.Session
		}
		return name
	}
	return "a stranger"
}

// Origin says from where the caller asks.
func (w Caller) Origin() string {
	if w.Kind == CallerLocal {
		return "local"
	}
	return w.From.String()
}

// enter is how every operation begins: may the caller, and is there a cluster?
func (c *Control) enter(ctx context.Context, who Caller, name string) (*Running, error) {
	if err := c.authorise(ctx, who, name); err != nil {
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
