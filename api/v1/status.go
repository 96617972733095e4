package v1

import "time"

// Status is the whole cluster as the answering node sees it now.
type Status struct {
	Level     int       `json:"level"`
	Time      time.Time `json:"time"`
	Node      string    `json:"node"`              // who answers
	InCluster bool      `json:"inCluster"`         // false: the node is in no cluster, and the rest is empty
	Removed   string    `json:"removed,omitempty"` // why the node is in no cluster any more, where it once was
	// Degraded says why this may not be the newest state; empty when it is.
	Degraded  string          `json:"degraded,omitempty"`
	Revision  int64           `json:"revision,omitempty"`
	Cluster   *ClusterState   `json:"cluster,omitempty"`
	Nodes     []NodeState     `json:"nodes,omitempty"`
	Groups    []GroupState    `json:"groups,omitempty"`
	Resources []ResourceState `json:"resources,omitempty"`
	Problems  []Problem       `json:"problems,omitempty"`
}

// Problem is something that is not as it should be, in plain words.
type Problem struct {
	Severity string `json:"severity"` // error or warning
	Object   string `json:"object"`   // "group web-rg", "node n2", "cluster demo"
	Text     string `json:"text"`
	Remedy   string `json:"remedy,omitempty"`
}

// ClusterState is the state of the cluster as a whole.
type ClusterState struct {
	Name        string      `json:"name"`
	ID          string      `json:"id"`
	Fingerprint string      `json:"fingerprint,omitempty"` // of the cluster's authority: what a joining node is told
	Epoch       uint64      `json:"epoch"`
	Formation   uint64      `json:"formation"`
	President   string      `json:"president,omitempty"`
	Timing      Timing      `json:"timing"`
	Quorum      QuorumState `json:"quorum"`
	Schema      SchemaState `json:"schema"`
}

// SchemaState is which version of the repository's schema counts, and which could.
type SchemaState struct {
	Active int          `json:"active"`         // on which the cluster has agreed: nobody writes what it does not have
	Next   int          `json:"next,omitempty"` // the newer one that every node reads and `cluster upgrade --commit` makes count; 0: there is none
	Nodes  []SchemaNode `json:"nodes,omitempty"`
}

// SchemaNode is what the daemon of a node reads, as it said when it was last heard.
type SchemaNode struct {
	Node    string `json:"node"`
	Oldest  int    `json:"oldest"`
	Newest  int    `json:"newest"`
	Release string `json:"release,omitempty"`
}

// Timing is the heartbeat timing of the cluster, in milliseconds.
type Timing struct {
	Profile     string `json:"profile,omitempty"`
	QuantumMs   int64  `json:"quantumMs"`
	TimeoutMs   int64  `json:"timeoutMs"`
	HoldMs      int64  `json:"holdMs"`
	RunMs       int64  `json:"runMs"`
	Transitions bool   `json:"transitions,omitempty"` // a former timing still counts beside it

	Waits []string `json:"waits,omitempty"` // what has to run out before the timing can be changed again
}

// QuorumState is who votes, who is heard, and whose copy of the repository could carry on.
type QuorumState struct {
	Voters   []VoterStatus `json:"voters"`
	Changing []string      `json:"changing,omitempty"` // the voters that there will be when a change is over
	Needed   int           `json:"needed"`
	Present  int           `json:"present"`
	Usable   int           `json:"usable"`   // voters that are present and whose copy of the repository is usable
	Margin   int           `json:"margin"`   // how many more voters may be lost, whichever they are: of votes and of usable copies; negative: too many are lost
	Quorate  bool          `json:"quorate"`  // a majority of the votes is present
	Writable bool          `json:"writable"` // a majority of the copies is usable: without it nothing can be changed and nothing moves
}

// VoterStatus is one voter.
type VoterStatus struct {
	Node         string `json:"node"`
	QuorumServer bool   `json:"quorumServer,omitempty"`
	Present      bool   `json:"present"` // heard by the answering node, or itself
	Copy         string `json:"copy"`    // its copy of the repository, as it says itself: usable, behind, down, lost, none; unknown while it is not present
}

// NodeState is one node.
type NodeState struct {
	Name               string       `json:"name"`
	ID                 int          `json:"id"`
	State              string       `json:"state"` // member, away, leaving, quorum-server
	Why                string       `json:"why,omitempty"`
	Incarnation        string       `json:"incarnation,omitempty"`
	Since              uint64       `json:"since,omitempty"` // the epoch that admitted it
	Voter              bool         `json:"voter,omitempty"`
	President          bool         `json:"president,omitempty"`
	Paths              []PathStatus `json:"paths,omitempty"`
	LeaseMs            *int64       `json:"leaseMs,omitempty"` // what is left of the lease; of the answering node only
	EvacuatedUntil     *time.Time   `json:"evacuatedUntil,omitempty"`
	CertificateExpires *time.Time   `json:"certificateExpires,omitempty"`
	FenceAgent         string       `json:"fenceAgent,omitempty"`
	Loads              []NodeLoad   `json:"loads,omitempty"` // of each kind that the node limits or a group there has
}

// NodeLoad is one kind of load on a node. Soft and Hard are its limits, absent where there are none.
type NodeLoad struct {
	Name string `json:"name"`
	Load int64  `json:"load"` // of the groups that are there, or still leave
	Soft *int64 `json:"soft,omitempty"`
	Hard *int64 `json:"hard,omitempty"`
}

// PublicPath stands for the network of the way between a node and a quorum server that is on no interconnect.
const PublicPath = "public"

// PathStatus is one interconnect path from the answering node to another.
type PathStatus struct {
	Path    int    `json:"path"`
	Network string `json:"network"` // CIDR; PublicPath for the way to a machine that is on no interconnect
	State   string `json:"state"`   // online, faulted, disabled, waiting
}

// GroupState is one group on all its nodes.
type GroupState struct {
	Name      string      `json:"name"`
	State     string      `json:"state"` // the state that matters most of those on its nodes
	Managed   bool        `json:"managed"`
	Suspended bool        `json:"suspended,omitempty"`
	Quiesced  []Quiesce   `json:"quiesced,omitempty"` // what suspends it, beside the administrator or alone
	Wanted    []string    `json:"wanted,omitempty"`   // where it shall run
	Nodes     []GroupNode `json:"nodes,omitempty"`
	Notes     []Note      `json:"notes,omitempty"` // why it is where it is, and not where it should be
}

// Quiesce is one group quiesce that is going on, on behalf of somebody who asked that node.
type Quiesce struct {
	Node  string    `json:"node"`
	Until time.Time `json:"until"` // at the latest; the president ends it then, or earlier when the node's daemon is gone
}

// GroupNode is a group on one node.
type GroupNode struct {
	Node      string `json:"node"`
	State     string `json:"state"`
	Wanted    bool   `json:"wanted,omitempty"`
	BlockedOn string `json:"blockedOn,omitempty"`
}

// Note explains one fact of a group's placement. Name is of a closed set.
type Note struct {
	Node string `json:"node,omitempty"`
	Name string `json:"name"`
	Text string `json:"text"`
}

// ResourceState is one resource on all nodes of its group.
type ResourceState struct {
	Name  string         `json:"name"`
	Group string         `json:"group"`
	Type  string         `json:"type"`
	Nodes []ResourceNode `json:"nodes,omitempty"`
	// MemoryFull is how full what the holder of a shared address remembers of a scalable service's connections and clients is, in per cent, rounded down to tens.
	MemoryFull int `json:"memoryFull,omitempty"`
}

// ResourceNode is a resource on one node.
type ResourceNode struct {
	Node      string     `json:"node"`
	State     string     `json:"state"`
	Status    string     `json:"status"`
	Message   string     `json:"message,omitempty"`
	Since     *time.Time `json:"since,omitempty"`
	Restarts  int        `json:"restarts,omitempty"`
	Enabled   bool       `json:"enabled"`
	Monitored bool       `json:"monitored"`
	Share     *Share     `json:"share,omitempty"` // of scalable services
}

// Share is the part that an instance of a scalable service has in its load. Nodes with no slots get no new connections; Why says why when that is not their weight.
type Share struct {
	Slots  int    `json:"slots"`
	Of     int    `json:"of"`
	Weight int    `json:"weight"`
	Why    string `json:"why,omitempty"`
}
