package v1

// ResourceList asks for the names of resources.
type ResourceList struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
	Group string   `json:"group,omitempty" query:"group" doc:"only those of this group"`
	Type  string   `json:"type,omitempty" query:"type" doc:"only those of this type"`
	Node  []string `json:"node,omitempty" query:"node" doc:"only on these nodes"`
}

// ResourceShow asks for the configuration of resources.
type ResourceShow struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
	Group string   `json:"group,omitempty" query:"group" doc:"only those of this group"`
	Type  string   `json:"type,omitempty" query:"type" doc:"only those of this type"`
	Node  []string `json:"node,omitempty" query:"node" doc:"only on these nodes"`
}

// ResourceStatus asks for the state of resources; the answer is a list of ResourceState.
type ResourceStatus struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
	Group string   `json:"group,omitempty" query:"group" doc:"only those of this group"`
	Type  string   `json:"type,omitempty" query:"type" doc:"only those of this type"`
	Node  []string `json:"node,omitempty" query:"node" doc:"only on these nodes"`
}

// ResourceListProps asks for the properties of resources; the answer is a list of ResourceProps.
type ResourceListProps struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
	Group string   `json:"group,omitempty" query:"group" doc:"only those of this group"`
	Type  string   `json:"type,omitempty" query:"type" doc:"only those of this type"`
	Node  []string `json:"node,omitempty" query:"node" doc:"only on these nodes"`
	List  string   `json:"list,omitempty" query:"list" doc:"all, extension or standard"`
}

// ResourceProps is the properties of a resource.
type ResourceProps struct {
	Resource   string         `json:"resource"`
	Properties []PropertySpec `json:"properties"`
}

// Resource is the configuration of a resource.
type Resource struct {
	Name          string     `json:"name"`
	Group         string     `json:"group"`
	Type          string     `json:"type"`
	Enabled       bool       `json:"enabled"`
	DisabledOn    []string   `json:"disabledOn,omitempty"`
	Monitored     bool       `json:"monitored"`
	UnmonitoredOn []string   `json:"unmonitoredOn,omitempty"`
	Standard      []Property `json:"standard"`
	Extension     []Property `json:"extension"`
}

// ResourceCreate creates resources.
type ResourceCreate struct {
	Names     []string `json:"names,omitempty"`
	All       bool     `json:"all,omitempty"`
	Group     string   `json:"group,omitempty" doc:"the resource group"`
	Type      string   `json:"type,omitempty" doc:"the resource type"`
	Disabled  bool     `json:"disabled,omitempty" doc:"leave it disabled"`
	Property  []string `json:"property,omitempty" doc:"NAME=VALUE; NAME{node}=VALUE for one node"`
	Extension []string `json:"extension,omitempty" doc:"an extension property"`
	Standard  []string `json:"standard,omitempty" doc:"a standard property"`
	NoWait    bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout   int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// ResourceCreateLogicalhostname creates an address that moves with its group.
type ResourceCreateLogicalhostname struct {
	Names     []string `json:"names,omitempty"`
	All       bool     `json:"all,omitempty"`
	Group     string   `json:"group,omitempty" doc:"the resource group"`
	Disabled  bool     `json:"disabled,omitempty" doc:"leave it disabled"`
	Property  []string `json:"property,omitempty" doc:"NAME=VALUE; NAME{node}=VALUE for one node"`
	Extension []string `json:"extension,omitempty" doc:"an extension property"`
	Standard  []string `json:"standard,omitempty" doc:"a standard property"`
	NoWait    bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout   int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
	Host      []string `json:"host,omitempty" doc:"host names whose addresses are served"`
	Netif     []string `json:"netif,omitempty" doc:"interface@node"`
	Address   []string `json:"address,omitempty" doc:"addresses with their prefix lengths"`
}

// ResourceCreateSharedaddress creates an address whose load scalable services share.
type ResourceCreateSharedaddress ResourceCreateLogicalhostname

// ResourceDelete deletes resources. Force disables them first and takes them out of the dependencies of others.
type ResourceDelete struct {
	Names   []string `json:"names,omitempty"`
	All     bool     `json:"all,omitempty"`
	Group   string   `json:"group,omitempty" doc:"only those of this group"`
	Type    string   `json:"type,omitempty" doc:"only those of this type"`
	Node    []string `json:"node,omitempty" doc:"only on these nodes"`
	Force   bool     `json:"force,omitempty"`
	NoWait  bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// ResourceEnable enables resources.
type ResourceEnable struct {
	Names     []string `json:"names,omitempty"`
	All       bool     `json:"all,omitempty"`
	Group     string   `json:"group,omitempty" doc:"only those of this group"`
	Type      string   `json:"type,omitempty" doc:"only those of this type"`
	Node      []string `json:"node,omitempty" doc:"only on these nodes"`
	Recursive bool     `json:"recursive,omitempty" doc:"also the resources that depend on it (enable: that it depends on)"`
	NoWait    bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout   int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// ResourceDisable disables resources.
type ResourceDisable struct {
	Names     []string `json:"names,omitempty"`
	All       bool     `json:"all,omitempty"`
	Group     string   `json:"group,omitempty" doc:"only those of this group"`
	Type      string   `json:"type,omitempty" doc:"only those of this type"`
	Node      []string `json:"node,omitempty" doc:"only on these nodes"`
	Recursive bool     `json:"recursive,omitempty" doc:"also the resources that depend on it (enable: that it depends on)"`
	NoWait    bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout   int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// ResourceMonitor starts monitoring resources.
type ResourceMonitor struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
	Group string   `json:"group,omitempty" doc:"only those of this group"`
	Type  string   `json:"type,omitempty" doc:"only those of this type"`
	Node  []string `json:"node,omitempty" doc:"only on these nodes"`
}

// ResourceUnmonitor stops monitoring resources.
type ResourceUnmonitor struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
	Group string   `json:"group,omitempty" doc:"only those of this group"`
	Type  string   `json:"type,omitempty" doc:"only those of this type"`
	Node  []string `json:"node,omitempty" doc:"only on these nodes"`
}

// ResourceClear clears an error flag after the cause is gone.
type ResourceClear struct {
	Names   []string `json:"names,omitempty"`
	All     bool     `json:"all,omitempty"`
	Group   string   `json:"group,omitempty" doc:"only those of this group"`
	Type    string   `json:"type,omitempty" doc:"only those of this type"`
	Node    []string `json:"node,omitempty" doc:"only on these nodes"`
	Flag    string   `json:"flag,omitempty" doc:"STOP_FAILED (if not given), START_FAILED or MONITOR_FAILED"`
	NoWait  bool     `json:"noWait,omitempty" doc:"do not wait until it has happened"`
	Timeout int      `json:"timeout,omitempty" doc:"seconds to wait for the effect"`
}

// ResourceSet changes properties of resources.
type ResourceSet struct {
	Names     []string `json:"names,omitempty"`
	All       bool     `json:"all,omitempty"`
	Group     string   `json:"group,omitempty" doc:"only those of this group"`
	Type      string   `json:"type,omitempty" doc:"only those of this type"`
	Node      []string `json:"node,omitempty" doc:"only on these nodes"`
	Property  []string `json:"property,omitempty" doc:"NAME=VALUE; NAME{node}=VALUE for one node"`
	Extension []string `json:"extension,omitempty" doc:"an extension property"`
	Standard  []string `json:"standard,omitempty" doc:"a standard property"`
}
