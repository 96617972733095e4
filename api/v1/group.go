package v1

// GroupList asks for the names of groups.
type GroupList struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
	Node  []string `json:"node,omitempty" query:"node" doc:"only those that run on one of these nodes"`
	State []string `json:"state,omitempty" query:"state" doc:"only those in one of these states"`
	Type  []string `json:"type,omitempty" query:"type" doc:"only those with a resource of one of these types"`
}

// GroupShow asks for the configuration of groups.
type GroupShow struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// GroupStatus asks for the state of groups; the answer is a list of GroupState.
type GroupStatus struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// GroupListProps asks for the properties that groups have; the answer is a list of PropertySpec.
type GroupListProps struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// Group is the configuration of a group.
type Group struct {
	Name       string     `json:"name"`
	Managed    bool       `json:"managed"`
	Suspended  bool       `json:"suspended,omitempty"`
	Nodelist   []string   `json:"nodelist"`
	Resources  []string   `json:"resources"`
	Properties []Property `json:"properties"`
}

// GroupCreate creates groups.
type GroupCreate struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Scalable bool     `json:"scalable,omitempty" doc:"on all its nodes at once"`
	Node     []string `json:"node,omitempty" doc:"nodes"`
	Property []string `json:"property,omitempty" doc:"NAME=VALUE"`
}

// GroupDelete deletes groups. Force deletes their resources too, after taking them offline.
type GroupDelete struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
	Force bool     `json:"force,omitempty"`
}

// GroupOnline brings groups online.
type GroupOnline struct {
	Names   []string `json:"names,omitempty"`
	All     bool     `json:"all,omitempty"`
	Enable  bool     `json:"enable,omitempty" doc:"enable the resources first"`
	Monitor bool     `json:"monitor,omitempty" doc:"enable their monitoring first"`
	Manage  bool     `json:"manage,omitempty" doc:"manage the group first"`
	Node    []string `json:"node,omitempty" doc:"nodes"`
	NoWait  bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// GroupSwitch moves groups to the nodes named.
type GroupSwitch struct {
	Names   []string `json:"names,omitempty"`
	All     bool     `json:"all,omitempty"`
	Enable  bool     `json:"enable,omitempty" doc:"enable the resources first"`
	Monitor bool     `json:"monitor,omitempty" doc:"enable their monitoring first"`
	Manage  bool     `json:"manage,omitempty" doc:"manage the group first"`
	Node    []string `json:"node,omitempty" doc:"nodes"`
	NoWait  bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// GroupOffline takes groups offline.
type GroupOffline struct {
	Names   []string `json:"names,omitempty"`
	All     bool     `json:"all,omitempty"`
	Node    []string `json:"node,omitempty" doc:"nodes"`
	NoWait  bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// GroupRestart takes groups offline and online again where they are.
type GroupRestart struct {
	Names   []string `json:"names,omitempty"`
	All     bool     `json:"all,omitempty"`
	Node    []string `json:"node,omitempty" doc:"nodes"`
	NoWait  bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// GroupRemaster moves groups to their most preferred nodes.
type GroupRemaster struct {
	Names   []string `json:"names,omitempty"`
	All     bool     `json:"all,omitempty"`
	NoWait  bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// GroupSuspend stops automatic recovery of groups.
type GroupSuspend struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
	Kill  bool     `json:"kill,omitempty" doc:"kill the methods that run"`
}

// GroupResume starts automatic recovery of groups again.
type GroupResume struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// GroupQuiesce stops groups from moving about. It always waits: groups are held still only while it does.
type GroupQuiesce struct {
	Names   []string `json:"names,omitempty"`
	All     bool     `json:"all,omitempty"`
	Kill    bool     `json:"kill,omitempty" doc:"kill the methods that run"`
	Timeout int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// GroupManage puts groups under the control of the cluster.
type GroupManage struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// GroupUnmanage releases groups from the control of the cluster.
type GroupUnmanage struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// GroupSet changes properties of groups.
type GroupSet struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Node     []string `json:"node,omitempty" doc:"nodes"`
	Property []string `json:"property,omitempty" doc:"NAME=VALUE, NAME+=VALUE, NAME-=VALUE"`
}

// GroupAddNode adds nodes to the end of the nodelist.
type GroupAddNode struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Scalable bool     `json:"scalable,omitempty" doc:"raise the number of primaries too"`
	Node     []string `json:"node,omitempty" doc:"nodes"`
}

// GroupRemoveNode removes nodes from the nodelist.
type GroupRemoveNode struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
	Node  []string `json:"node,omitempty" doc:"nodes"`
}

// GroupEvacuate moves groups off nodes.
type GroupEvacuate struct {
	Names   []string `json:"names,omitempty"`
	All     bool     `json:"all,omitempty"`
	Node    []string `json:"node,omitempty" doc:"nodes"`
	Timeout *int     `json:"timeout,omitempty" doc:"seconds in which no group comes back; 60 if not given"`
	NoWait  bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
}
