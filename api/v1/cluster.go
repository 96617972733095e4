package v1

// ClusterCreate makes a new cluster of this node.
type ClusterCreate struct {
	Name         string   `json:"name" doc:"the cluster's name"`
	Node         string   `json:"node" doc:"this node's name"`
	Interconnect []string `json:"interconnect" doc:"private networks as CIDR"`
	Public       []string `json:"public,omitempty" doc:"public networks as CIDR"`
	Profile      string   `json:"profile,omitempty" doc:"heartbeat profile: default, fast or wan"`
}

// ClusterCreated answers cluster create.
type ClusterCreated struct {
	Name        string   `json:"name"`
	ID          string   `json:"id"`
	Node        string   `json:"node"`
	Fingerprint string   `json:"fingerprint"` // of the cluster's authority
	Messages    []string `json:"messages,omitempty"`
}

// ClusterList asks for the cluster's name.
type ClusterList struct{}

// ClusterShow asks for the cluster's configuration.
type ClusterShow struct{}

// ClusterStatus asks for the Status.
type ClusterStatus struct{}

// Cluster is the configuration of the cluster.
type Cluster struct {
	Name          string         `json:"name"`
	ID            string         `json:"id"`
	Fingerprint   string         `json:"fingerprint,omitempty"`
	PrivateNet    string         `json:"privateNet"`
	Interconnects []Interconnect `json:"interconnects"`
	Nodes         []string       `json:"nodes"`
	Properties    []Property     `json:"properties"`
}

// ClusterSet changes properties of the cluster: heartbeat_quantum and heartbeat_timeout in milliseconds, heartbeat_profile and others.
type ClusterSet struct {
	Property []string `json:"property" doc:"NAME=VALUE"`
}

// ClusterUpgrade asks which version of the repository's schema counts, or commits the newest that every node reads.
type ClusterUpgrade struct {
	Commit bool `json:"commit,omitempty" doc:"make the newest version that every node reads count, for good"`
}

// ClusterCheck looks for what could go wrong.
type ClusterCheck struct {
	Check    []string `json:"check,omitempty" query:"check" doc:"only the checks with these identifiers"`
	Exclude  []string `json:"exclude,omitempty" query:"exclude" doc:"not the checks with these identifiers"`
	Severity string   `json:"severity,omitempty" query:"severity" doc:"only checks that are at least so severe: error, warning or info"`
}

// CheckReport answers cluster check and cluster verify.
type CheckReport struct {
	OK       bool          `json:"ok"` // no problem of severity error
	Problems []Problem     `json:"problems"`
	Checked  []string      `json:"checked"`           // what was looked at
	Results  []CheckResult `json:"results,omitempty"` // of cluster check: one for each check that was run
	Modules  []Module      `json:"modules,omitempty"` // of cluster check: what the program of the nodes is built from
}

// ClusterVerify reads every record of the repository and checks that it is whole and fits the others.
type ClusterVerify struct{}

// ClusterExport asks for the configuration as a Document.
type ClusterExport struct{}

// ClusterApply makes the configuration what the document says.
type ClusterApply struct {
	Document Document `json:"document"`
	DryRun   bool     `json:"dryRun,omitempty" doc:"only say what would be done"`
	Prune    bool     `json:"prune,omitempty" doc:"delete groups, resources and types that the document does not have"`
}

// ClusterSnapshot asks for a copy of the repository, as a stream of bytes that restore reads.
type ClusterSnapshot struct{}

// ClusterShutdown takes every group offline and stops the cluster on all nodes.
type ClusterShutdown struct {
	Grace   int    `json:"grace,omitempty" doc:"seconds to wait before it begins"`
	Message string `json:"message,omitempty" doc:"what to tell the users"`
}

// Document is the configuration of a cluster, complete enough to make it again on other nodes. Properties have the names of list-props; the key
// "Name{node}" is a per-node value. Secrets are in it only under
// the operator's key, and only when he asked for them.
type Document struct {
	Level      int                 `json:"level"`
	Cluster    string              `json:"cluster,omitempty"` // the name of the cluster that was exported; apply does not change the name
	Properties map[string][]string `json:"properties,omitempty"`
	Nodes      []NodeDocument      `json:"nodes,omitempty"`
	Types      []TypeDocument      `json:"types,omitempty"`
	Groups     []GroupDocument     `json:"groups,omitempty"`
	Resources  []ResourceDocument  `json:"resources,omitempty"`
	Secrets    []SecretDocument    `json:"secrets,omitempty"` // encrypted to the operator; the command line opens them, the daemon leaves them alone
}

// NodeDocument is what can be set of a node. A document makes no node: nodes join.
type NodeDocument struct {
	Name       string              `json:"name"`
	Properties map[string][]string `json:"properties,omitempty"`
	Fence      *Fence              `json:"fence,omitempty"`
}

// TypeDocument is a registered resource type. What the type is, its folder on the nodes says.
type TypeDocument struct {
	Name           string   `json:"name"`
	Version        string   `json:"version,omitempty"` // as exported; apply warns when the nodes have another
	File           string   `json:"file,omitempty"`
	InstalledNodes []string `json:"installedNodes,omitempty"`
}

// GroupDocument is a resource group.
type GroupDocument struct {
	Name       string              `json:"name"`
	Managed    bool                `json:"managed"`
	Properties map[string][]string `json:"properties"`
}

// ResourceDocument is a resource.
type ResourceDocument struct {
	Name          string              `json:"name"`
	Group         string              `json:"group"`
	Type          string              `json:"type"`
	Enabled       bool                `json:"enabled"`
	DisabledOn    []string            `json:"disabledOn,omitempty"`
	Monitored     bool                `json:"monitored"`
	UnmonitoredOn []string            `json:"unmonitoredOn,omitempty"`
	Properties    map[string][]string `json:"properties"`
}
