// Package agent is the contract between the executor and whoever runs a resource's callback methods: executables of a resource
// type, built-in types, OCF agents. Every driver passes agenttest.Run.
package agent

import (
	"context"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// Call is one method of one resource on this node, with everything it may need. A driver does not look anything up.
type Call struct {
	Method   model.Method
	Type     model.Type
	Resource model.Resource
	Group    model.Group
	Node     cluster.NodeName
	Timeout  time.Duration
	// Changes is, for Validate on an update and for Update, what changes; for Validate on creation it is nil and Create is true.
	Changes []model.Property
	Create  bool
	// Peers are the resources of the same group, for drivers that need to see their neighbours (addresses of the group).
	Peers []model.Resource
}

// Result is how a method ended.
type Result struct {
	Exit     int    // exit status of the program; 0 is success
	TimedOut bool   // it was killed, with everything it started, at Timeout
	Aborted  bool   // it was killed because ctx ended (quiesce -k, the lease ended)
	Output   string // what it wrote, cut to MaxOutput
	Message  string // one line for people: why it failed; "" when it did not
	// Doubt says, of a Validate that failed, why that need not hold on another node or later; "" when it does.
	Doubt Doubt
	// Status, when set, is the health to report with the success (an OCF degraded state).
	Status model.Status
}

// Doubt is why what a Validate found need not be wrong.
type Doubt string

// The doubts.
const (
	DoubtPlace Doubt = "place" // the resource can only be judged where it runs: an address, a mounted file system, a service is not here now
	DoubtNode  Doubt = "node"  // this node lacks what the resource needs; another may have it
)

// OK reports whether the method succeeded.
func (r Result) OK() bool { return r.Exit == 0 && !r.TimedOut && !r.Aborted }

// MaxOutput is how much of a method's output is kept; the rest is read and dropped, never waited for.
const MaxOutput = 64 << 10

// Observation is what a watch sees of an online resource.
type Observation struct {
	Kind    ObservationKind
	Message string
}

// ObservationKind is the kind of an Observation.
type ObservationKind string

// The kinds of observations.
const (
	Healthy  ObservationKind = "healthy"  // a probe succeeded (reported on change only)
	Degraded ObservationKind = "degraded" // works, but not well; Message says how
	Failed   ObservationKind = "failed"   // does not serve any more: restart it
	Dead     ObservationKind = "dead"     // its processes are gone, as the kernel reported: restart it at once
	Giveover ObservationKind = "giveover" // the probe asks for another node at once
)

// Driver runs the methods of resource types. Run and Watch are called for different resources at once, and for one resource one Run
// at a time (Watch may go on beside it, its observations are then ignored).
type Driver interface {
	// Describe returns the type called name with its methods and properties, or fault.NotFound.
	Describe(ctx context.Context, name cluster.TypeName) (model.Type, error)
	// Run runs a method in the resource's own cgroup to its end, to Timeout or to the end of ctx, whichever is first.
	// A method that the type does not declare succeeds at once.
	Run(ctx context.Context, call Call) Result
	// Watch follows an online resource until ctx ends or its process is gone, and reports what it sees. It returns at once, without
	// any report, for types that bring their own monitor (Monitor_start).
	Watch(ctx context.Context, call Call, report func(Observation))
	// End makes sure nothing of the resource runs any more: the processes that a failed or timed-out method left behind.
	End(ctx context.Context, call Call) error
}
