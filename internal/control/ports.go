package control

import (
	"context"
	"io"
	"log/slog"
	"net/netip"

	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/audit"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// Local is what this machine can do to itself, in a cluster or not.
type Local interface {
	// Create makes a cluster of this node; when it returns the daemon is on its way into it.
	Create(ctx context.Context, in v1.ClusterCreate) (v1.ClusterCreated, error)
	// Join asks the sponsor and takes this machine into its cluster.
	Join(ctx context.Context, in v1.NodeJoin) (v1.Result, error)
	// Leave takes every group offline here, says farewell and ends the incarnation; with shutdown the daemon stays out until it is started again.
	Leave(ctx context.Context, why string, shutdown bool) error
	// Sign gives the joining node its certificate. The node is as it will be recorded, but for the fingerprint.
	Sign(ctx context.Context, in v1.NodeAdmit, node model.Node, addresses []netip.Addr) (Signed, error)
	// Facts are what only this machine knows of itself.
	Facts(ctx context.Context) (v1.NodeFacts, error)
	// PublicAddress is the address with which this machine reaches another.
	PublicAddress(ctx context.Context, toward netip.Addr) (netip.Addr, error)
}

// Signed is what the authority gives a new node.
type Signed struct {
	Certificate []byte // DER
	Authority   []byte // DER
	Fingerprint string // of Certificate
	Extra       []byte // handed through to the joining daemon
	Record      model.Certificate
}

// Membership is the membership loop as control sees it.
type Membership interface {
	View() membership.View
	MayStart() bool
}

// Executor takes requests for the groups of this node.
type Executor interface {
	Ask(ctx context.Context, group cluster.GroupName, ask life.Asked) error
	// Present is a group here at this moment; the repository may not have heard of it yet.
	Present(ctx context.Context, group cluster.GroupName) model.Instance
	// Rests reports whether a group has nothing to do here, after all that this node has read by now.
	Rests(ctx context.Context, group cluster.GroupName) bool
}

// Types knows the resource types that are installed on this node.
type Types interface {
	// Describe returns the type as this node has it, in file (its folder) when that is given; fault.NotFound if it has not.
	Describe(ctx context.Context, name cluster.TypeName, file string) (model.Type, error)
	// Run runs a Validate or a Monitor_check method here.
	Run(ctx context.Context, call agent.Call) agent.Result
}

// Peers calls operations of other nodes, as this node.
type Peers interface {
	// Call fails with fault.Unavailable when the node can not be reached; other errors are the operation's own.
	Call(ctx context.Context, node cluster.NodeName, noun, verb string, in, out any) error
}

// Snapshotter copies the repository.
type Snapshotter interface {
	// Snapshot returns the copy as a stream and its size, 0 if that is not known.
	Snapshot(ctx context.Context) (io.ReadCloser, int64, error)
}

// Running is everything that exists only while this node is in a cluster.
type Running struct {
	Node        cluster.NodeName
	Fingerprint func() string // of the cluster's authority
	Store       confdb.Store
	Source      engine.Source
	Membership  Membership
	Executor    Executor
	Types       Types
	Peers       Peers
	Snapshotter Snapshotter
	Sealer      Sealer
	Authority   Authority
	// Current reports whether what this node has read of the repository is what a majority has, or was a few seconds ago. Nil: it can not tell, and so is not.
	Current func() bool
	// Memories is what this node knows of connections of the services at a shared address; nil: nothing.
	Memories func(address cluster.ResourceName) map[cluster.ResourceName]balance.Memory
}

// Config is what control needs in any case.
type Config struct {
	Clock engine.Clock
	Log   *slog.Logger
	Local Local
	// The command log. Nil, as in tests: nothing is recorded.
	Recorder   Recorder
	CommandLog CommandLog
	LogKeeper  LogKeeper
	Forwarding func() audit.Forwarding
	// Sponsor and Resolve may be nil: then nothing can be asked of machines that are in no cluster, and names have no addresses.
	Sponsor Sponsor
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Surveyor may be nil: then this node says nothing of its own protection.
	Surveyor Surveyor
}

// Surveyor looks at how this machine is protected. That takes a moment, so it is done only when somebody asks.
type Surveyor interface {
	Survey(ctx context.Context) v1.NodePosture
}

// Sponsor is what a machine and its sponsor do for each other outside of any cluster.
type Sponsor interface {
	// Key is the key with which this machine joins.
	Key(ctx context.Context) (v1.JoinKey, error)
	// Auth says who may make this machine join; Authorise changes that, and nil takes it back.
	Auth(ctx context.Context) (v1.Auth, error)
	Authorise(ctx context.Context, in *v1.AuthEnable) (v1.Result, error)
	// Invite makes the machine at an address join, after it has proved to hold the key with the fingerprint.
	Invite(ctx context.Context, address, fingerprint string, in v1.NodeConfigure) (v1.Result, error)
}
