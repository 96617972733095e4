package model

import (
	"sort"
	"time"

	"redoubt/internal/cluster"
)

// GroupState is the state of a group on one node.
type GroupState string

// The group states of Solaris Cluster.
const (
	GroupUnmanaged            GroupState = "UNMANAGED"
	GroupOffline              GroupState = "OFFLINE"
	GroupPendingOnline        GroupState = "PENDING_ONLINE"
	GroupPendingOnlineBlocked GroupState = "PENDING_ONLINE_BLOCKED"
	GroupOnline               GroupState = "ONLINE"
	GroupOnlineFaulted        GroupState = "ONLINE_FAULTED"
	GroupPendingOffline       GroupState = "PENDING_OFFLINE"
	GroupErrorStopFailed      GroupState = "ERROR_STOP_FAILED"
)

// ResourceState is what the resource group manager knows of a resource on one node.
type ResourceState string

// The resource states.
const (
	ResourceOffline            ResourceState = "OFFLINE"
	ResourceStarting           ResourceState = "STARTING"
	ResourceOnline             ResourceState = "ONLINE"
	ResourceOnlineNotMonitored ResourceState = "ONLINE_NOT_MONITORED"
	ResourceStartFailed        ResourceState = "START_FAILED"
	ResourceMonitorFailed      ResourceState = "MONITOR_FAILED"
	ResourceStopping           ResourceState = "STOPPING"
	ResourceStopFailed         ResourceState = "STOP_FAILED"
)

// Status is the health that a monitor (or a method) reports of a resource; separate from its state.
type Status string

// The statuses.
const (
	StatusOnline   Status = "ONLINE" // OK
	StatusDegraded Status = "DEGRADED"
	StatusFaulted  Status = "FAULTED"
	StatusOffline  Status = "OFFLINE"
	StatusUnknown  Status = "UNKNOWN"
)

// Instance is one group on one node, as that node's executor reports it. It is the executor's memory as well: a daemon that was
// restarted on purpose goes on from it.
type Instance struct {
	Node        cluster.NodeName    `json:"node"`
	Incarnation cluster.Incarnation `json:"incarnation"`
	Group       cluster.GroupName   `json:"group"`
	// Version is the newest version of the assignment that the executor acts on. Once it reports OFFLINE at version v, it will
	// start nothing on the strength of a version <= v.
	Version uint64 `json:"version"`
	// Restart is the newest Assignment.Restart that was carried out.
	Restart   uint64             `json:"restart,omitempty"`
	State     GroupState         `json:"state"`
	Resources []ResourceInstance `json:"resources,omitempty"`
	// Plea asks the president to move the group away.
	Plea *Plea `json:"plea,omitempty"`
	// BlockedOn says what PENDING_ONLINE_BLOCKED and PENDING_OFFLINE wait for, and ERROR_STOP_FAILED for whom.
	BlockedOn string `json:"blockedOn,omitempty"`
}

// MayRun reports whether something of the group may be running in this instance.
func (i Instance) MayRun() bool {
	return i.State != GroupOffline && i.State != GroupUnmanaged && i.State != ""
}

// ResourceInstance is one resource on one node.
type ResourceInstance struct {
	Name     cluster.ResourceName `json:"name"`
	State    ResourceState        `json:"state"`
	Status   Status               `json:"status"`
	Message  string               `json:"message,omitempty"`
	Since    time.Time            `json:"since,omitzero"`     // of State
	Restarts []time.Time          `json:"restarts,omitempty"` // within Retry_interval, oldest first
	// RestartCount counts all restarts since the resource was last started by the group (NUM_RESOURCE_RESTARTS uses Restarts).
	RestartCount int `json:"restartCount,omitempty"`
	// Generation is that of the resource record the methods last saw (Start, Update).
	Generation uint64 `json:"generation,omitempty"`
	// Inited is true after Init or Boot ran in this incarnation.
	Inited bool `json:"inited,omitempty"`
	// FiniDue is true when Init or Boot ran in an earlier incarnation of the node and Fini has not run since.
	FiniDue bool `json:"finiDue,omitempty"`
	// Monitoring is true while the monitor runs.
	Monitoring bool `json:"monitoring,omitempty"`
	// Starts is how often it has come up in this incarnation of the node.
	Starts uint64 `json:"starts,omitempty"`
	// Awaiting is true while the methods of a proxy have run and what it stands for is not reported online: State is OFFLINE, and there is something to stop.
	Awaiting bool `json:"awaiting,omitempty"`
	// Leaving is true while it is still up, and goes down when what depends on it in other groups has.
	Leaving bool `json:"leaving,omitempty"`
	// Sights are what it has seen of the targets of its restart dependencies since it came up; sorted by target.
	Sights []Sight `json:"sights,omitempty"`
}

// IsOnline reports whether the resource is up and nothing is about to take it down.
func (r ResourceInstance) IsOnline() bool {
	return !r.Leaving && (r.State == ResourceOnline || r.State == ResourceOnlineNotMonitored || r.State == ResourceMonitorFailed)
}

// Remains reports whether something of the resource may be there that has to be stopped.
func (r ResourceInstance) Remains() bool { return r.State != ResourceOffline || r.Awaiting }

// OwesFini reports whether Init or Boot has run on the node and Fini has not.
func (r ResourceInstance) OwesFini() bool { return r.Inited || r.FiniDue }

// Farewell is a Fini that a node has to run when it comes back: the resource was deleted while it was away. The node deletes the record when it has.
type Farewell struct {
	Node     cluster.NodeName `json:"node"`
	Group    Group            `json:"group"`
	Resource Resource         `json:"resource"` // as it was
	Type     Type             `json:"type"`
	At       time.Time        `json:"at"`
}

// Plea is an executor's request that its group be moved off its node.
type Plea struct {
	Kind     string               `json:"kind"` // "start-failed" or "giveover"
	Resource cluster.ResourceName `json:"resource"`
	Version  uint64               `json:"version"` // of the assignment it is about
	Why      string               `json:"why"`
	At       time.Time            `json:"at"`
	Refused  []Refusal            `json:"refused,omitempty"` // who was asked before, by Monitor_check, and would not do better
}

// Refusal is a node's word that it could not run a group now.
type Refusal struct {
	Node cluster.NodeName `json:"node"`
	Why  string           `json:"why"`
}

// The kinds of pleas, and of the failures that are noted of them.
const (
	PleaStartFailed = "start-failed"
	PleaGiveover    = "giveover"
	MonitorRefused  = "monitor-check" // of a failure alone: the Monitor_check of a node refused
)

// Assignment is the president's decision where a group runs. One key per group, written under the guard of the membership record's
// revision: a deposed president cannot write it.
type Assignment struct {
	Group cluster.GroupName `json:"group"`
	// Version grows by one with every change of Targets or Restart.
	Version uint64        `json:"version"`
	Epoch   cluster.Epoch `json:"epoch"` // of the record on which its place was decided last; nodes that joined later have not been considered by Failback
	// Targets are the nodes, in their incarnations, that shall bring the group online; sorted by node. All others take it offline.
	Targets []Target `json:"targets,omitempty"`
	// Leaving were targets and have not yet reported OFFLINE under this version; what they run may not start elsewhere. Sorted by node.
	Leaving []Target `json:"leaving,omitempty"`
	// Wanted are the nodes where the group shall run in the end; Targets lag behind while the old ones stop.
	Wanted []cluster.NodeName `json:"wanted,omitempty"`
	// Restart tells each target to stop and start again when it is greater than what the target has seen.
	Restart uint64 `json:"restart,omitempty"`
	// WantSeq is the newest Want acted on; Off is its standing effect: an administrator took the group offline.
	WantSeq uint64 `json:"wantSeq,omitempty"`
	Off     bool   `json:"off,omitempty"`
	// OffNodes are nodes from which an administrator took the group offline, until it is brought online there again.
	OffNodes []cluster.NodeName `json:"offNodes,omitempty"`
	// Primaries is on how many nodes the group runs for now, because an administrator switched it to fewer than Desired_primaries; 0: as many as that says.
	// It holds while Desired_primaries is PrimariesOf.
	Primaries   int `json:"primaries,omitempty"`
	PrimariesOf int `json:"primariesOf,omitempty"`
	// HeldAt is the epoch at which an administrator put the group where it runs: until the membership changes, this stands as his request.
	HeldAt cluster.Epoch `json:"heldAt,omitempty"`
	// Overruled are evacuations in spite of which an administrator put the group on a node, while it is there.
	Overruled []Evacuation `json:"overruled,omitempty"`
	// Formation is that of the record in which the group was last considered.
	Formation cluster.Epoch `json:"formation,omitempty"`
	// Failures are the starts that failed and the giveovers within Pingpong_interval, oldest first.
	Failures []Failure `json:"failures,omitempty"`
	// Notes say why the group is where it is, and why not where it should be.
	Notes []Note `json:"notes,omitempty"`
}

// Evacuation is that of a node, which ends at Until.
type Evacuation struct {
	Node  cluster.NodeName `json:"node"`
	Until time.Time        `json:"until"`
}

// Target is a node in one incarnation.
type Target struct {
	Node        cluster.NodeName    `json:"node"`
	Incarnation cluster.Incarnation `json:"incarnation"`
}

// On reports whether the assignment orders the group online on this life of a node.
func (a Assignment) On(n cluster.NodeName, i cluster.Incarnation) bool {
	for _, t := range a.Targets {
		if t.Node == n && t.Incarnation == i {
			return true
		}
	}
	return false
}

// Failure is why a group left a node.
type Failure struct {
	Node     cluster.NodeName     `json:"node"`
	Kind     string               `json:"kind"`
	Resource cluster.ResourceName `json:"resource,omitempty"`
	Why      string               `json:"why,omitempty"`
	At       time.Time            `json:"at"`
}

// Note explains one fact of a decision: why a node was refused or preferred, what a group waits for.
type Note struct {
	Node cluster.NodeName `json:"node,omitempty"`
	Name string           `json:"name"` // closed set, see package place
	Text string           `json:"text"`
}

// Basis is what a decision rests on.
type Basis struct {
	Epoch    cluster.Epoch
	Revision cluster.Revision
}

// NodeState is what the planner knows of a node.
type NodeState struct {
	Node
	Member      bool
	Incarnation cluster.Incarnation
	Since       cluster.Epoch
}

// State is one immutable snapshot of everything a decision needs. Every slice is sorted by name (Instances by group, then node).
type State struct {
	Basis       Basis
	Now         time.Time // wall clock of the president
	Formation   cluster.Epoch
	Cluster     Cluster
	Nodes       []NodeState
	Types       []Type
	Groups      []Group
	Resources   []Resource
	Wants       []Want
	Assignments []Assignment
	Instances   []Instance
	Farewells   []Farewell
	Networks    []Network // by node
	// Held are removed incarnations that a majority has not released yet: whatever their instances say may still run there.
	Held []Target
}

// Report is what a node has reported of a group, in whichever incarnation.
func (s *State) Report(g cluster.GroupName, n cluster.NodeName) (Instance, bool) {
	at := sort.Search(len(s.Instances), func(i int) bool {
		x := &s.Instances[i]
		return x.Group > g || x.Group == g && x.Node >= n
	})
	if at < len(s.Instances) && s.Instances[at].Group == g && s.Instances[at].Node == n {
		return s.Instances[at], true
	}
	return Instance{}, false
}
