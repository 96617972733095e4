package v1

import "time"

// QuorumList asks for the names of the voters.
type QuorumList struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// QuorumShow asks for the quorum configuration; the answer is a Quorum.
type QuorumShow struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// QuorumStatus asks for the votes; the answer is a QuorumState.
type QuorumStatus struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// Quorum is who votes and who could.
type Quorum struct {
	Wanted        int      `json:"wanted"` // how many voters a cluster of this size should have
	Voters        []string `json:"voters"`
	QuorumServers []Node   `json:"quorumServers"`
}

// QuorumAdd lets a quorum server join.
type QuorumAdd struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Type     string   `json:"type,omitempty" doc:"the kind of device: quorum_server"`
	Property []string `json:"property,omitempty" doc:"qshost=HOST"`
}

// QuorumRemove removes quorum servers.
type QuorumRemove struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// Interconnect is one private network.
type Interconnect struct {
	Index    int    `json:"index"`
	Network  string `json:"network"`
	Disabled bool   `json:"disabled,omitempty"`
}

// InterconnectShow asks for the private networks.
type InterconnectShow struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// InterconnectStatus asks for the state of the paths; the answer is a list of InterconnectState.
type InterconnectStatus struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// InterconnectState is one path, as the answering node sees it.
type InterconnectState struct {
	Network string `json:"network"`
	From    string `json:"from"`
	To      string `json:"to"`
	State   string `json:"state"` // online, faulted, disabled, waiting
}

// InterconnectAdd adds private networks.
type InterconnectAdd struct {
	Names []string `json:"names,omitempty" doc:"networks as CIDR"`
	All   bool     `json:"all,omitempty"`
}

// InterconnectRemove removes private networks; they have to be disabled.
type InterconnectRemove struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// InterconnectEnable uses private networks again.
type InterconnectEnable struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// InterconnectDisable stops using private networks. The last one can not be disabled.
type InterconnectDisable struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// AccessList asks for the hosts that may join.
type AccessList struct{}

// AccessShow asks for the access list with everything in it; the answer is an Access.
type AccessShow struct{}

// Access is who may join.
type Access struct {
	Policy   string        `json:"policy"` // deny-all, allow-all or listed
	Protocol string        `json:"protocol"`
	Entries  []AccessEntry `json:"entries"`
}

// AccessEntry is one line of the access list.
type AccessEntry struct {
	Host    string     `json:"host"` // "*": every host
	By      string     `json:"by"`
	Expires *time.Time `json:"expires,omitempty"`
	Once    bool       `json:"once,omitempty"`

	Protocol  string          `json:"protocol"`            // how it proves itself: key, token or sys
	Key       string          `json:"key,omitempty"`       // the fingerprint that its key has to have
	Addresses []string        `json:"addresses,omitempty"` // where it has to call from
	Settling  bool            `json:"settling,omitempty"`  // it is admitted, but was not seen in the cluster yet
	Pending   []AccessPending `json:"pending,omitempty"`   // who asks to join and waits until the key is approved
}

// AccessPending is a machine that asks to join.
type AccessPending struct {
	Host string    `json:"host"`
	Key  string    `json:"key"` // fingerprint
	From string    `json:"from"`
	At   time.Time `json:"at"`
}

// AccessAllowed answers access allow.
type AccessAllowed struct {
	Messages []string `json:"messages,omitempty"`
	Revision int64    `json:"revision,omitempty"`
	Token    string   `json:"token,omitempty" doc:"what the host joins with; it is shown this once and kept nowhere"`
}

// AccessApprove approves the key of a machine that waits.
type AccessApprove struct {
	Names []string `json:"names,omitempty" doc:"the host, and the fingerprint of its key"`
	All   bool     `json:"all,omitempty" doc:"refused: keys are compared one by one"`
}

// AccessAllow lets hosts join, once each.
type AccessAllow struct {
	Host    []string `json:"host"`
	Expires int      `json:"expires,omitempty" doc:"seconds until it counts no more; 3600 if not given"`
	Key     string   `json:"key,omitempty" doc:"the fingerprint of the host's key, as redoubt node key prints it there"`
	Token   bool     `json:"token,omitempty" doc:"make a token that the host joins with, once"`
	Address []string `json:"address,omitempty" doc:"the addresses that the host may call from"`
}

// AccessDeny takes the permission of hosts back.
type AccessDeny struct {
	Host []string `json:"host"`
}

// AccessAllowAll lets every host join.
type AccessAllowAll struct {
	Expires int `json:"expires,omitempty" doc:"seconds until it counts no more; 3600 if not given"`
}

// AccessDenyAll lets no host join.
type AccessDenyAll struct{}

// AccessSet changes properties of the access control.
type AccessSet struct {
	Property []string `json:"property"`
}

// TypeList asks for the names of the registered types.
type TypeList struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// TypeShow asks for types.
type TypeShow struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// TypeListProps asks for the properties of types; the answer is a list of TypeProps.
type TypeListProps struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// TypeProps is the properties of a type.
type TypeProps struct {
	Type       string         `json:"type"`
	Properties []PropertySpec `json:"properties"`
}

// TypeRegister makes resource types known to the cluster.
type TypeRegister struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	File     string   `json:"file,omitempty" doc:"the type's folder"`
	Node     []string `json:"node,omitempty" doc:"the nodes it is installed on"`
	AllNodes bool     `json:"allNodes,omitempty" doc:"installed on every node"`
	Property []string `json:"property,omitempty"`
}

// TypeUnregister forgets resource types.
type TypeUnregister struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// TypeSet changes properties of a resource type.
type TypeSet struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Node     []string `json:"node,omitempty"`
	AllNodes bool     `json:"allNodes,omitempty"`
	Property []string `json:"property,omitempty"`
}

// Type is a resource type.
type Type struct {
	Name           string         `json:"name"`
	Version        string         `json:"version,omitempty"`
	Vendor         string         `json:"vendor,omitempty"`
	Description    string         `json:"description,omitempty"`
	Driver         string         `json:"driver"`
	BaseDir        string         `json:"baseDir,omitempty"`
	NetworkAddress bool           `json:"networkAddress,omitempty"`
	Failover       bool           `json:"failover,omitempty"`
	SingleInstance bool           `json:"singleInstance,omitempty"`
	Proxy          bool           `json:"proxy,omitempty" doc:"its resources stand for what something outside the cluster starts and stops"`
	InitNodes      string         `json:"initNodes,omitempty"`
	InstalledNodes []string       `json:"installedNodes,omitempty"`
	APIVersion     int            `json:"apiVersion,omitempty"`
	Methods        []TypeMethod   `json:"methods"`
	Properties     []PropertySpec `json:"properties,omitempty"`
}

// TypeMethod is a callback method of a type.
type TypeMethod struct {
	Method  string `json:"method"`
	Program string `json:"program,omitempty"`
	Timeout int    `json:"timeout,omitempty"`
}
