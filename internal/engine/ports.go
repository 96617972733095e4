// Package engine holds the loops of a node: membership, president and executor. The loops own the goroutines and speak to the world through
// the small interfaces below; they decide nothing: every decision is a call of a pure package (membership, rgm/order, rgm/life).
package engine

import (
	"context"
	"log/slog"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

// Clock is the node's time: Boot is CLOCK_BOOTTIME, which leases are counted on; Wall is what people read.
type Clock interface {
	Boot() membership.Instant
	Wall() time.Time
}

// Transport sends messages to other nodes on every interconnect path. Send never blocks; what cannot be sent is lost, as on any network.
type Transport interface {
	Send(to cluster.NodeName, msg membership.Message)
}

// Guard is told how long this node may run services. Lease returns when the guard knows, or with an error when it is gone.
type Guard interface {
	Lease(until membership.Instant) error
}

// Drivers finds the driver of a resource type by the name in model.Type.Driver.
type Drivers interface {
	Driver(name string) (agent.Driver, bool)
}

// Halter ends this node at once: a stop method failed whose resource has Failover_mode HARD. It does not return to running services.
type Halter interface {
	Halt(why string)
}

// Successors asks, before a monitor's request to give a group over goes to the president, whether another node would do better. It returns, in the order in which they
// were asked, the nodes whose Monitor_check methods refuse; it takes its time and is called by a goroutine of its own.
type Successors interface {
	Refusals(ctx context.Context, group cluster.GroupName, resource cluster.ResourceName) []model.Refusal
}

// Meter counts what happens, for whoever monitors the cluster. Its methods do not block.
type Meter interface {
	// Method is told how a callback method ended: ok, failed, timeout or aborted.
	Method(typeName, method, outcome string, took time.Duration)
	// Restart is told of a resource that was restarted after a failure.
	Restart(group, resource string)
	// Failover is told of a group that the president moved without being asked: node-lost, start-failed or giveover.
	Failover(group, why string)
}

// Config is what all loops share. Without a Meter nothing is counted; without a Drainer instances are stopped at once.
type Config struct {
	Node       cluster.NodeName
	Clock      Clock
	Log        *slog.Logger
	Meter      Meter
	Drainer    Drainer
	Successors Successors // nil: nobody is asked
	Holders    Holders    // nil: nobody is asked
	// Methods is how many callback methods run at once on this node; 0: DefaultMethods.
	Methods int
}

type noMeter struct{}

func (noMeter) Method(string, string, string, time.Duration) {}
func (noMeter) Restart(string, string)                       {}
func (noMeter) Failover(string, string)                      {}

func (c Config) meter() Meter {
	if c.Meter == nil {
		return noMeter{}
	}
	return c.Meter
}

// Snapshot is one reading of the repository, decoded, as the loops use it. Its slices are shared and never changed.
type Snapshot struct {
	Serial         uint64      // grows with every snapshot of a Source
	State          model.State // Basis.Revision, and everything but Now, Held and membership facts
	Record         *membership.Record
	RecordRevision cluster.Revision
	Asks           map[string]Ask                    // requests to the president, by key
	Secrets        []model.Secret                    // private strings, by name
	Policy         rbac.Policy                       // who may do what
	Sessions       []rbac.Session                    // of people without a certificate, by identifier
	Access         map[string][]byte                 // the access list, as stored, by key
	Fencings       []model.Fencing                   // fence agents that have failed so far, by node
	Schema         int                               // the version of the schema on which the cluster has agreed
	Reads          []model.Reads                     // which versions the daemons read, by node
	Quorum         []byte                            // what KeyQuorum holds; nil: nothing
	Forward        []byte                            // what KeyForward holds; nil: nothing
	Revoked        []string                          // fingerprints of revoked certificates, sorted
	Revocations    []model.Revoked                   // what is known of each of Revoked
	Authorities    model.Authorities                 // the roots that are trusted; without roots where nothing is recorded yet
	Trusts         []model.Trust                     // what the nodes have put into effect, by name
	Certificates   []model.Certificate               // those that were given, by fingerprint
	Damaged        []string                          // keys whose records cannot be read, sorted
	Revision       func(key string) cluster.Revision // ModRevision of a key; 0: does not exist
	journal        journal
}

// Since are the keys of the records that are different from what the snapshot with a serial showed, each once or more often; false: it is not known which they are, and it may be any.
func (s Snapshot) Since(serial uint64) (keys []string, known bool) { return s.journal.since(serial) }

// Source gives the newest Snapshot of the repository and tells every subscriber when there is a newer one. Tokens do not pile up.
type Source interface {
	Snapshot() Snapshot
	Subscribe(ctx context.Context) <-chan struct{} // until ctx ends
}

// ended reports whether ctx is over, for loops that retry.
func ended(ctx context.Context) bool { return ctx.Err() != nil }

// writeDeadline bounds one write of the president or the executor.
const writeDeadline = 2 * time.Second

// maxTxnOps is how many assignments are written in one transaction (etcd allows 128 operations).
const maxTxnOps = 100
