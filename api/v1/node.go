package v1

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// NodeJoin makes this machine join the cluster of the sponsor.
type NodeJoin struct {
	Sponsor     string   `json:"sponsor" doc:"a node of the cluster: name or address, with a port if it is not the usual one"`
	Fingerprint string   `json:"fingerprint,omitempty" doc:"the fingerprint of the cluster's authority; the token holds it too"`
	Node        string   `json:"node,omitempty" doc:"this node's name, if it is not the host's name"`
	Address     []string `json:"address,omitempty" doc:"this node's address on each interconnect, if they can not be found out"`
	Public      string   `json:"public,omitempty" doc:"of a quorum server that is on no interconnect: its address, if it is not the one with which it reaches the sponsor"`
	Token       string   `json:"token,omitempty" doc:"the token that access allow printed, if the host joins with one; it holds the fingerprint too"`
	Wait        int      `json:"wait,omitempty" doc:"seconds to wait until the key of this machine is approved; 600 if not given"`
}

// NodeKey asks for the key with which this machine proves itself when it joins; the answer is a JoinKey.
type NodeKey struct{}

// JoinKey is the public half of the key with which a machine joins.
type JoinKey struct {
	Node        string `json:"node"`
	Fingerprint string `json:"fingerprint" doc:"what access allow --key and access approve take"`
}

// NodeAdd makes a machine join that has authorised this node as its sponsor.
type NodeAdd struct {
	Names       []string `json:"names,omitempty"`
	All         bool     `json:"all,omitempty"`
	Fingerprint string   `json:"fingerprint" doc:"the fingerprint of the machine's key, as redoubt auth show prints it there"`
	Address     string   `json:"address,omitempty" doc:"where the machine is, if its name is not enough: an address, with a port if it is not the usual one"`
}

// NodeConfigure is what a sponsor asks of a machine that has authorised it: to join.
type NodeConfigure struct {
	Node    string `json:"node"`
	Sponsor string `json:"sponsor" doc:"where the sponsor is, as the machine sees it"`
}

// AuthEnable authorises a node of a cluster to make this machine join it.
type AuthEnable struct {
	Node        string `json:"node" doc:"the control node: a node of the cluster"`
	Fingerprint string `json:"fingerprint,omitempty" doc:"the fingerprint of its cluster"`
	Address     string `json:"address,omitempty" doc:"where the control node is, if its name is not enough"`
	Expires     int    `json:"expires,omitempty" doc:"seconds until it counts no more; 3600 if not given"`
}

// AuthDisable takes the authorisation back.
type AuthDisable struct{}

// AuthShow asks who may make this machine join; the answer is an Auth.
type AuthShow struct{}

// Auth is who may make this machine join a cluster.
type Auth struct {
	Enabled     bool       `json:"enabled"`
	Control     string     `json:"control,omitempty"`
	Fingerprint string     `json:"fingerprint,omitempty"` // of the control node's cluster
	Expires     *time.Time `json:"expires,omitempty"`
	Node        string     `json:"node"`
	Key         string     `json:"key"` // fingerprint of this machine's key
}

// NodeAdmit is what the joining machine asks of its sponsor. The access list decides.
type NodeAdmit struct {
	Node         string   `json:"node" maxLength:"253"`
	Request      []byte   `json:"request" maxLength:"4096"` // certificate signing request, DER
	HeartbeatKey string   `json:"heartbeatKey" maxLength:"64"`
	Addresses    []string `json:"addresses" maxItems:"256"` // all addresses of the machine, as CIDR: the sponsor picks those of the interconnects
	Host         string   `json:"host,omitempty" maxLength:"253"`
	QuorumServer bool     `json:"quorumServer,omitempty"`
	// PublicAddress is where a quorum server is reached if none of its addresses is on an interconnect.
	PublicAddress string `json:"publicAddress,omitempty" maxLength:"64"`

	Keys map[string]string `json:"keys,omitempty" doc:"the machine's public keys by purpose, as its record shall have them"`

	Schema int `json:"schema,omitempty" doc:"the newest version of the repository's schema that the machine's daemon reads; 1 if not given"`

	Token string `json:"token,omitempty" maxLength:"256"`
	// Proof is a signature by the key of the request over Statement: that the machine holds the key, on this connection and for this very request.
	Proof []byte `json:"proof,omitempty" maxLength:"256"`
}

// Statement is the hash that the joining machine signs: of everything that it asks for, and of a secret that only the two ends of the connection share, so
// that nobody can repeat the request, or pass it on, over another.
func (in NodeAdmit) Statement(binding []byte) ([]byte, error) {
	in.Proof = nil
	text, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "redoubt node admit 2\n%d\n%s%s", len(binding), binding, text)
	return h.Sum(nil), nil
}

// JoinBinding is the label under which both ends of a connection derive the secret of Statement (RFC 5705), and its length.
const (
	JoinBinding       = "EXPORTER-redoubt-node-admit"
	JoinBindingLength = 32
)

// NodeAdmitted answers node admit: all that the new node needs.
type NodeAdmitted struct {
	// Pending says that nothing is decided yet, and why; everything else is empty then. The machine asks again.
	Pending        string         `json:"pending,omitempty"`
	Cluster        string         `json:"cluster"`
	ClusterID      string         `json:"clusterID"`
	Node           string         `json:"node"`
	ID             int            `json:"id"`
	Certificate    []byte         `json:"certificate"` // DER
	Authority      []byte         `json:"authority"`   // DER
	Interconnects  []Interconnect `json:"interconnects"`
	Addresses      []string       `json:"addresses"`
	PrivateNet     string         `json:"privateNet"`
	PrivateAddress string         `json:"privateAddress"`
	Nodes          []Node         `json:"nodes"`
	Extra          []byte         `json:"extra,omitempty"` // for the composer: whatever else the two daemons agreed on
}

// NodeRemove removes nodes from the cluster.
type NodeRemove struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
	Force bool     `json:"force,omitempty" doc:"also when it is in nodelists: it is taken out of them"`
}

// NodeEvacuate moves every group off nodes.
type NodeEvacuate struct {
	Names   []string `json:"names,omitempty"`
	All     bool     `json:"all,omitempty"`
	Timeout *int     `json:"timeout,omitempty" doc:"seconds in which no group comes back; 60 if not given"`
	NoWait  bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
}

// NodeList asks for the names of the nodes.
type NodeList struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// NodeShow asks for the configuration of nodes.
type NodeShow struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// NodeStatus asks for the state of nodes; the answer is a list of NodeState.
type NodeStatus struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// NodeSet changes properties of nodes.
type NodeSet struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Property []string `json:"property" doc:"NAME=VALUE"`
}

// NodeSetFence configures the fence agent of a node.
type NodeSetFence struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Agent    string   `json:"agent" doc:"the fence agent, such as fence_ipmilan"`
	Property []string `json:"property,omitempty" doc:"NAME=VALUE for the agent; secrets belong into the node's secrets file"`
	Timeout  int      `json:"timeout,omitempty" doc:"seconds the agent may take; 60 if not given"`
}

// NodeClearFence takes the fence agent of a node away.
type NodeClearFence struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// Node is the configuration of a node.
type Node struct {
	Name           string     `json:"name"`
	ID             int        `json:"id"`
	QuorumServer   bool       `json:"quorumServer,omitempty"`
	Addresses      []string   `json:"addresses"`
	PrivateAddress string     `json:"privateAddress,omitempty"`
	PublicAddress  string     `json:"publicAddress,omitempty"` // where it and quorum servers that are on no interconnect reach each other; empty without any
	Host           string     `json:"host,omitempty"`
	HeartbeatKey   string     `json:"heartbeatKey,omitempty"`
	Certificate    string     `json:"certificate,omitempty"` // fingerprint
	Fence          *Fence     `json:"fence,omitempty"`
	EvacuatedUntil *time.Time `json:"evacuatedUntil,omitempty"`
	Properties     []Property `json:"properties,omitempty"`

	Keys map[string]string `json:"keys,omitempty"` // public keys by purpose
}

// Fence is a fence agent with its options.
type Fence struct {
	Agent   string     `json:"agent"`
	Options []Property `json:"options,omitempty"`
	Timeout int        `json:"timeout,omitempty"`
}

// NodeFacts is what only the node itself knows. Nodes ask each other for it.
type NodeFacts struct {
	Node               string    `json:"node"`
	Version            string    `json:"version,omitempty"`
	SchemaOldest       int       `json:"schemaOldest,omitempty"` // the versions of the repository's schema that it reads, from this ...
	SchemaNewest       int       `json:"schemaNewest,omitempty"` // ... to this
	Addresses          []string  `json:"addresses,omitempty"`    // of the host, as CIDR
	CertificateExpires time.Time `json:"certificateExpires,omitzero"`
	AuthorityExpires   time.Time `json:"authorityExpires,omitzero"`
	GuardWarnings      []string  `json:"guardWarnings,omitempty"` // what the guard could not get: locked memory, real-time priority, ...
	Watchdog           string    `json:"watchdog,omitempty"`      // the device in use; empty: none
	FenceAgents        []string  `json:"fenceAgents,omitempty"`   // installed
	FreeBytes          int64     `json:"freeBytes,omitempty"`     // on the file system of the repository
	Removed            string    `json:"removed,omitempty"`       // why it is in no cluster any more
	Warnings           []string  `json:"warnings,omitempty"`      // anything else worth saying
	Plantable          []string  `json:"plantable,omitempty"`     // what others than root may write and root executes, with what to do about it

	Posture *NodePosture `json:"posture,omitempty"` // only when it was asked for
	// Memory is what it remembers of the services at the shared address that it was asked for, if it gave that up a moment ago: by service, 27 bytes for each connection.
	Memory map[string][]byte `json:"memory,omitempty"`
	// Sockets are the connections that its own instances of these services have, in the same form.
	Sockets map[string][]byte `json:"sockets,omitempty"`
	// PublicAddress is the address with which it reaches the one that was asked for.
	PublicAddress string `json:"publicAddress,omitempty"`
	// Nodes are who is in the cluster, if it was asked for that and is in quorum.
	Nodes []KnownNode `json:"nodes,omitempty"`
	// Rests says that the group that it was asked for has nothing to do there.
	Rests *bool `json:"rests,omitempty"`
}

// KnownNode is a node of the cluster: one that was removed and came back has another number.
type KnownNode struct {
	Name string `json:"name"`
	ID   int    `json:"id"`
}

// The operations below are called by nodes of the same cluster only.

// PeerFacts asks a node for its NodeFacts.
type PeerFacts struct {
	Posture bool   `json:"posture,omitempty" query:"posture"` // its protection too, which takes longer
	Memory  string `json:"memory,omitempty" query:"memory"`   // what it knows of connections of the services at this shared address, and nothing else
	Toward  string `json:"toward,omitempty" query:"toward"`   // with which of its addresses it reaches this one, and nothing else
	Nodes   bool   `json:"nodes,omitempty" query:"nodes"`     // who is in the cluster, and nothing else
	Group   string `json:"group,omitempty" query:"group"`     // whether this group has nothing to do there ...
	Since   int64  `json:"since,omitempty" query:"since"`     // ... after it has read this revision of the repository, and nothing else
}

// PeerDescribe asks a node what a resource type is there; the answer is a PeerType.
type PeerDescribe struct {
	Name string `json:"name" query:"name"`
	File string `json:"file,omitempty" query:"file"`
}

// PeerType is a resource type as a node has it.
type PeerType struct {
	Type []byte `json:"type"` // a type record, JSON
}

// PeerValidate runs a Validate method on a node; the answer is a PeerResult.
type PeerValidate struct {
	Call []byte   `json:"call"`           // the method's call, JSON
	More [][]byte `json:"more,omitempty"` // further calls, whose results are in the answer's More
}

// PeerMonitorCheck runs a Monitor_check method on a node; the answer is a PeerResult.
type PeerMonitorCheck struct {
	Call []byte `json:"call"`
}

// PeerResult is how a method ended.
type PeerResult struct {
	OK       bool   `json:"ok"`
	Exit     int    `json:"exit"`
	TimedOut bool   `json:"timedOut,omitempty"`
	Message  string `json:"message,omitempty"`
	Output   string `json:"output,omitempty"`
	Doubt    string `json:"doubt,omitempty" doc:"why a Validate that failed need not be right: place (it can only be judged where the resource runs) or node (this node lacks something)"`

	More []PeerResult `json:"more,omitempty"` // of further calls, in their order
}

// PeerAsk hands a request to the executor of a node.
type PeerAsk struct {
	Group    string `json:"group"`
	Kind     string `json:"kind"`
	Resource string `json:"resource,omitempty"`
	Status   string `json:"status,omitempty"`
	Message  string `json:"message,omitempty"`
}

// PeerLeave makes a node take its groups offline and leave the cluster in good order.
type PeerLeave struct {
	Why      string `json:"why,omitempty"`
	Shutdown bool   `json:"shutdown,omitempty"` // the whole cluster stops: the daemon stays down
}
