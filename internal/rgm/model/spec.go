// Package model is the value that the resource group manager decides on: what people asked for (groups, resources, types, nodes), what the
// president decided (assignments) and what the nodes report (instances). Its types are also the records of the repository and so carry JSON tags;
// slices that form a set are sorted; nothing here does I/O or knows the time by itself.
package model

import (
	"time"

	"redoubt/internal/cluster"
)

// Cluster is the record of the cluster itself.
type Cluster struct {
	Name          string         `json:"name"`
	ID            string         `json:"id"` // random, made at creation; binds certificates and heartbeats to this cluster
	Interconnects []Interconnect `json:"interconnects"`
	PrivateNet    string         `json:"privateNet"`         // CIDR: node k has its private address number k in it
	LastNode      int            `json:"lastNode,omitempty"` // the highest number that a node ever had, if none has it now
	Properties    []Property     `json:"properties,omitempty"`
}

// ConcentrateLoad is the cluster's property that packs groups instead of spreading them.
const ConcentrateLoad = "concentrate_load"

// Concentrates reports whether load goes to as few nodes as possible.
func (c Cluster) Concentrates() bool {
	for _, p := range c.Properties {
		if p.Name == ConcentrateLoad {
			return len(p.Values) == 1 && p.Values[0] == "true"
		}
	}
	return false
}

// Interconnect is one private network that joins the nodes. Its index is its place among the paths, from 0.
type Interconnect struct {
	Index    int    `json:"index"`
	Network  string `json:"network"` // CIDR
	Disabled bool   `json:"disabled,omitempty"`
}

// Node is the record of one node (or quorum server).
type Node struct {
	Name           cluster.NodeName `json:"name"`
	ID             int              `json:"id"` // 1, 2, 3, ... never reused while the cluster lives
	QuorumServer   bool             `json:"quorumServer,omitempty"`
	Addresses      []string         `json:"addresses"`      // one IP per interconnect, in their order
	PrivateAddress string           `json:"privateAddress"` // survives the loss of any one interconnect
	// PublicAddress is where the node and machines that are on no interconnect reach each other; "" while there is none of these, or it is not known yet.
	PublicAddress string `json:"publicAddress,omitempty"`
	Host          string `json:"host,omitempty"` // how administrators reach it
	HeartbeatKey  string `json:"heartbeatKey"`   // X25519 public key, base64
	Certificate   string `json:"certificate"`    // SHA256:… fingerprint of its current certificate
	// Keys are the node's public keys by purpose, in the form that belongs to the purpose.
	Keys           map[string]string `json:"keys,omitempty"`
	Fence          *Fence            `json:"fence,omitempty"`
	EvacuatedUntil time.Time         `json:"evacuatedUntil,omitzero"` // no group is brought online here before, unless told so
	Properties     []Property        `json:"properties,omitempty"`
	LoadLimits     []LoadLimit       `json:"loadLimits,omitempty"` // sorted by name
}

// Elsewhere reports whether the node is on no interconnect: a quorum server that is reached by its public address alone.
func (n Node) Elsewhere() bool {
	return n.QuorumServer && len(n.Addresses) == 0 && n.PublicAddress != ""
}

// Apart reports whether two nodes reach each other by their public addresses, because one of them is on no interconnect.
func Apart(a, b Node) bool { return a.Name != b.Name && (a.Elsewhere() || b.Elsewhere()) }

// LoadLimit is how much of one kind of load a node carries: Soft may be exceeded for a while, Hard never. Unlimited stands for no limit, and a
// node without a limit of that name has none of either.
type LoadLimit struct {
	Name string `json:"name"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}

// Unlimited is a load limit that is none.
const Unlimited int64 = -1

// Fence configures a fence agent for a node. Secret options are kept in a file on the nodes, not here.
type Fence struct {
	Agent   string     `json:"agent"` // fence_ipmilan, ...
	Options []Property `json:"options,omitempty"`
	Timeout int        `json:"timeout,omitempty"` // seconds
}

// Property is a named value; a single value is a list of one. Names compare without regard to case. Node is set for a per-node value.
type Property struct {
	Name   string           `json:"name"`
	Values []string         `json:"values"`
	Node   cluster.NodeName `json:"node,omitempty"`
}

// Group is what was asked of a resource group.
type Group struct {
	Name                        cluster.GroupName  `json:"name"`
	Description                 string             `json:"description,omitempty"`
	Nodelist                    []cluster.NodeName `json:"nodelist"` // in order of preference
	MaximumPrimaries            int                `json:"maximumPrimaries"`
	DesiredPrimaries            int                `json:"desiredPrimaries"`
	Failback                    bool               `json:"failback"`
	PingpongInterval            int                `json:"pingpongInterval"` // seconds
	AutoStartOnNewCluster       bool               `json:"autoStartOnNewCluster"`
	ImplicitNetworkDependencies bool               `json:"implicitNetworkDependencies"`
	Pathprefix                  string             `json:"pathprefix,omitempty"`
	System                      bool               `json:"system,omitempty"` // RG_system: protected from accidental deletion and offlining
	Managed                     bool               `json:"managed"`
	Suspended                   bool               `json:"suspended,omitempty"` // by an administrator (Suspend_automatic_recovery) or by what Quiesced names
	Quiesced                    Quiesced           `json:"quiesced,omitzero"`
	Deleting                    bool               `json:"deleting,omitempty"`

	Affinities     []Affinity          `json:"affinities,omitempty"`     // RG_affinities
	Dependencies   []cluster.GroupName `json:"dependencies,omitempty"`   // RG_dependencies: online somewhere before this group comes online
	LoadFactors    []LoadFactor        `json:"loadFactors,omitempty"`    // sorted by name
	Priority       int                 `json:"priority"`                 // 0 to 1000
	PreemptionMode PreemptionMode      `json:"preemptionMode,omitempty"` // "": Has_cost
}

// SetDefaults gives what a record may leave out the value that it stands for then. It comes before the record is read.
func (g *Group) SetDefaults() { g.Priority = DefaultPriority }

// DefaultPriority is the priority of a group that was given none.
const DefaultPriority = 500

// AffinityKind is the operator of an affinity.
type AffinityKind string

// The kinds of affinities of a source group to its target.
const (
	AffinityPrefer   AffinityKind = "+"   // rather where the target is
	AffinityRequire  AffinityKind = "++"  // only where the target is
	AffinityDelegate AffinityKind = "+++" // likewise, and a failover of the source moves the target
	AffinityAvoid    AffinityKind = "-"   // rather where the target is not
	AffinityForbid   AffinityKind = "--"  // never where the target is
)

// Strong reports whether the affinity makes the source follow its target.
func (k AffinityKind) Strong() bool { return k == AffinityRequire || k == AffinityDelegate }

// Affinity binds the group that has it to a target.
type Affinity struct {
	Kind   AffinityKind      `json:"kind"`
	Target cluster.GroupName `json:"target"`
}

// LoadFactor is how much of one kind of load a group puts on a node.
type LoadFactor struct {
	Name string `json:"name"`
	Load int64  `json:"load"`
}

// PreemptionMode says how readily a group gives way to one of higher priority.
type PreemptionMode string

// The modes of preemption.
const (
	PreemptionHasCost PreemptionMode = "Has_cost"
	PreemptionNoCost  PreemptionMode = "No_cost"
	PreemptionNever   PreemptionMode = "Never"
)

// Multi reports whether the group may have more than one primary at once.
func (g Group) Multi() bool { return g.MaximumPrimaries > 1 }

// Want is what an administrator last asked of a group's place. It is written by the control layer, with Seq one more each time, and
// acted on once by the president, which notes Seq in the assignment.
type Want struct {
	Group    cluster.GroupName  `json:"group"`
	Seq      uint64             `json:"seq"`
	Online   bool               `json:"online"`             // false: offline everywhere (Nodes empty) or on Nodes
	Nodes    []cluster.NodeName `json:"nodes,omitempty"`    // Online: exactly these; empty: the planner chooses. Not Online: these only
	Restart  bool               `json:"restart,omitempty"`  // stop and start again where it is (on Nodes, if given)
	Remaster bool               `json:"remaster,omitempty"` // move to the most preferred nodes
	Force    bool               `json:"force,omitempty"`    // disregard Pingpong_interval and evacuation: an explicit target is always forced
	By       string             `json:"by,omitempty"`
	At       time.Time          `json:"at"`
}

// FailoverMode says what a failed start or stop of a resource does (Solaris Cluster: Failover_mode).
type FailoverMode string

// The failover modes.
const (
	FailoverNone        FailoverMode = "NONE"
	FailoverSoft        FailoverMode = "SOFT"
	FailoverHard        FailoverMode = "HARD"
	FailoverRestartOnly FailoverMode = "RESTART_ONLY"
	FailoverLogOnly     FailoverMode = "LOG_ONLY"
)

// DependencyKind is the kind of a dependency between resources.
type DependencyKind string

// The kinds of dependencies.
const (
	DependStrong         DependencyKind = "strong"
	DependWeak           DependencyKind = "weak"
	DependRestart        DependencyKind = "restart"
	DependOfflineRestart DependencyKind = "offline-restart"
)

// Dependency says that a resource needs On. Qualifier is "" (FROM_RG_AFFINITIES), LOCAL_NODE, ANY_NODE, or @node, which makes it hold on that node only.
type Dependency struct {
	On        cluster.ResourceName `json:"on"`
	Kind      DependencyKind       `json:"kind"`
	Qualifier string               `json:"qualifier,omitempty"`
}

// Resource is what was asked of a resource. Standard properties that the engine acts on are fields, all others (extension
// properties of the type, Port_list, ...) are in Properties, complete with defaults when validated.
type Resource struct {
	Name                  cluster.ResourceName `json:"name"`
	Group                 cluster.GroupName    `json:"group"`
	Type                  cluster.TypeName     `json:"type"`
	Description           string               `json:"description,omitempty"`
	Enabled               bool                 `json:"enabled"`
	DisabledOn            []cluster.NodeName   `json:"disabledOn,omitempty"` // exceptions to Enabled
	Monitored             bool                 `json:"monitored"`
	UnmonitoredOn         []cluster.NodeName   `json:"unmonitoredOn,omitempty"` // exceptions to Monitored
	Dependencies          []Dependency         `json:"dependencies,omitempty"`
	FailoverMode          FailoverMode         `json:"failoverMode"`
	RetryCount            int                  `json:"retryCount"`
	RetryInterval         int                  `json:"retryInterval"`         // seconds
	ThoroughProbeInterval int                  `json:"thoroughProbeInterval"` // seconds
	CheapProbeInterval    int                  `json:"cheapProbeInterval"`    // seconds
	Timeouts              []MethodTimeout      `json:"timeouts,omitempty"`    // those that differ from the type's
	// ApplicationUser is as whom programs of the application run; "": as the owner of each.
	ApplicationUser string     `json:"applicationUser,omitempty"`
	Properties      []Property `json:"properties,omitempty"`
	// Generation grows with every change of what an Update method would have to be told.
	Generation uint64 `json:"generation"`
	Deleting   bool   `json:"deleting,omitempty"`
}

// MethodTimeout is the timeout of one method.
type MethodTimeout struct {
	Method  Method `json:"method"`
	Seconds int    `json:"seconds"`
}

// EnabledOn reports whether the resource is enabled on a node.
func (r Resource) EnabledOn(n cluster.NodeName) bool { return r.Enabled && !contains(r.DisabledOn, n) }

// MonitoredOn reports whether the resource is monitored on a node.
func (r Resource) MonitoredOn(n cluster.NodeName) bool {
	return r.Monitored && !contains(r.UnmonitoredOn, n)
}

func contains(s []cluster.NodeName, n cluster.NodeName) bool {
	for _, x := range s {
		if x == n {
			return true
		}
	}
	return false
}
