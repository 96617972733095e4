package model

import "redoubt/internal/cluster"

// Method is a callback method of a resource type.
type Method string

// The callback methods.
const (
	MethodValidate     Method = "Validate"
	MethodInit         Method = "Init"
	MethodFini         Method = "Fini"
	MethodBoot         Method = "Boot"
	MethodPrenetStart  Method = "Prenet_start"
	MethodStart        Method = "Start"
	MethodMonitorStart Method = "Monitor_start"
	MethodMonitorCheck Method = "Monitor_check"
	MethodMonitorStop  Method = "Monitor_stop"
	MethodStop         Method = "Stop"
	MethodPostnetStop  Method = "Postnet_stop"
	MethodUpdate       Method = "Update"
)

// Methods lists all callback methods in the order of a resource's life.
func Methods() []Method {
	return []Method{
		MethodValidate, MethodInit, MethodBoot, MethodPrenetStart, MethodStart, MethodMonitorStart,
		MethodMonitorCheck, MethodUpdate, MethodMonitorStop, MethodStop, MethodPostnetStop, MethodFini,
	}
}

// DefaultMethodTimeout is the timeout in seconds of a method whose type declares none.
const DefaultMethodTimeout = 3600

// Type is a resource type: the content of its type.yaml (the RTR file), or of an OCF agent's metadata.
type Type struct {
	Name        cluster.TypeName `json:"name"`
	Version     string           `json:"version,omitempty"`
	Vendor      string           `json:"vendor,omitempty"`
	Description string           `json:"description,omitempty"`
	// Driver says who runs the methods: "exec" (executables in BaseDir), "native" (built in), "ocf" (an OCF agent at BaseDir).
	Driver  string       `json:"driver"`
	BaseDir string       `json:"baseDir,omitempty"`
	Methods []MethodSpec `json:"methods"`
	// NetworkAddress marks types whose resources are addresses: others in the group implicitly depend on them.
	NetworkAddress bool `json:"networkAddress,omitempty"`
	// Failover types may only be in groups with one primary.
	Failover       bool `json:"failover,omitempty"`
	SingleInstance bool `json:"singleInstance,omitempty"`
	// Proxy marks types whose resources stand for what something outside the cluster starts and stops: their state follows what their methods report of it.
	Proxy          bool           `json:"proxy,omitempty"`
	InitNodes      string         `json:"initNodes,omitempty"` // RG_PRIMARIES (default) or RT_INSTALLED_NODES
	InstalledNodes []string       `json:"installedNodes,omitempty"`
	Properties     []PropertySpec `json:"properties,omitempty"` // extension properties and standard ones that the type restricts
	APIVersion     int            `json:"apiVersion,omitempty"`
	// Caveat is what somebody who registers the type has to know: what it can elsewhere and not here.
	Caveat string `json:"caveat,omitempty"`
	// Watch is, for types without a monitor of their own, what the node watches of an online resource: "" or WatchProcesses.
	Watch string `json:"watch,omitempty"`
}

// InitInstalledNodes is the value of InitNodes with which Init, Boot, Fini and Validate run where the type is installed.
const InitInstalledNodes = "RT_INSTALLED_NODES"

// WatchProcesses says that a resource is dead when the last of its processes has ended.
const WatchProcesses = "processes"

// MethodSpec declares one method of a type.
type MethodSpec struct {
	Method  Method `json:"method"`
	Program string `json:"program,omitempty"` // exec: file below BaseDir; ocf: the action
	Timeout int    `json:"timeout,omitempty"` // seconds, the default of the <Method>_timeout property
}

// Method returns the spec of m.
func (t Type) Method(m Method) (MethodSpec, bool) {
	for _, s := range t.Methods {
		if s.Method == m {
			return s, true
		}
	}
	return MethodSpec{}, false
}

// PropertyType is the type of a property's value.
type PropertyType string

// The property types.
const (
	TypeString      PropertyType = "string"
	TypeInt         PropertyType = "int"
	TypeBool        PropertyType = "boolean"
	TypeEnum        PropertyType = "enum"
	TypeStringArray PropertyType = "stringarray"
)

// Tunability says when a property may be changed.
type Tunability string

// The tunabilities.
const (
	TunableNever         Tunability = "NONE"
	TunableAtCreation    Tunability = "AT_CREATION"
	TunableAnytime       Tunability = "ANYTIME"
	TunableWhenDisabled  Tunability = "WHEN_DISABLED"
	TunableWhenOffline   Tunability = "WHEN_OFFLINE"
	TunableWhenUnmanaged Tunability = "WHEN_UNMANAGED"
)

// PropertySpec declares one property of a type.
type PropertySpec struct {
	Name        string       `json:"name"`
	Type        PropertyType `json:"type"`
	Description string       `json:"description,omitempty"`
	Default     []string     `json:"default,omitempty"` // nil: no default
	Required    bool         `json:"required,omitempty"`
	Min         *int64       `json:"min,omitempty"` // int: value; string: length; stringarray: number of elements
	Max         *int64       `json:"max,omitempty"`
	Enum        []string     `json:"enum,omitempty"`
	Tunable     Tunability   `json:"tunable"`
	PerNode     bool         `json:"perNode,omitempty"`
	Secret      bool         `json:"secret,omitempty"`
	// Unique properties (addresses, devices) may not have the same value in two resources of the type.
	Unique bool `json:"unique,omitempty"`
}
