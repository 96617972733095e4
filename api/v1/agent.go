package v1

// The names of the inputs below are the further arguments of the agent commands. Their answers are lists of values, printed one a line.

// SchaResourceGetCall asks for a property of a resource.
type SchaResourceGetCall struct {
	Names     []string `json:"names,omitempty" query:"names"`
	All       bool     `json:"all,omitempty" query:"all"`
	Operation string   `json:"operation,omitempty" query:"operation" doc:"the tag, in any case"`
	Resource  string   `json:"resource,omitempty" query:"resource"`
	Group     string   `json:"group,omitempty" query:"group"`
}

// SchaResourcegroupGetCall asks for a property of a group.
type SchaResourcegroupGetCall struct {
	Names     []string `json:"names,omitempty" query:"names"`
	All       bool     `json:"all,omitempty" query:"all"`
	Operation string   `json:"operation,omitempty" query:"operation" doc:"the tag, in any case"`
	Group     string   `json:"group,omitempty" query:"group"`
}

// SchaResourcetypeGetCall asks for a property of a type.
type SchaResourcetypeGetCall struct {
	Names     []string `json:"names,omitempty" query:"names"`
	All       bool     `json:"all,omitempty" query:"all"`
	Operation string   `json:"operation,omitempty" query:"operation" doc:"the tag, in any case"`
	Type      string   `json:"type,omitempty" query:"type"`
}

// SchaClusterGetCall asks for a property of the cluster.
type SchaClusterGetCall struct {
	Names     []string `json:"names,omitempty" query:"names"`
	All       bool     `json:"all,omitempty" query:"all"`
	Operation string   `json:"operation,omitempty" query:"operation" doc:"the tag, in any case"`
}

// SchaControlCall asks for a restart or a giveover.
type SchaControlCall struct {
	Names     []string `json:"names,omitempty"`
	All       bool     `json:"all,omitempty"`
	Operation string   `json:"operation,omitempty" doc:"the tag, in any case"`
	Resource  string   `json:"resource,omitempty"`
	Group     string   `json:"group,omitempty"`
}

// SchaResourceSetstatusCall reports the health of a resource.
type SchaResourceSetstatusCall struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Resource string   `json:"resource"`
	Group    string   `json:"group,omitempty"`
	Status   string   `json:"status"`
	Message  string   `json:"message,omitempty"`
}

// Attributes are values that OCF agents keep for a node, or under the node "global" for the whole cluster. Transient ones end with the node's incarnation.

// AttributeGet asks for one attribute of a node; the answer is an Attribute.
type AttributeGet struct {
	Node string `json:"node,omitempty" query:"node" doc:"the answering node if not given"`
	Name string `json:"name" query:"name"`
}

// AttributeList asks for the attributes of a node, or of all.
type AttributeList struct {
	Node string `json:"node,omitempty" query:"node" doc:"all nodes if not given"`
}

// AttributeSet sets an attribute.
type AttributeSet struct {
	Node      string `json:"node,omitempty"`
	Name      string `json:"name"`
	Value     string `json:"value"`
	Transient bool   `json:"transient,omitempty"`
}

// AttributeDelete deletes an attribute; one that does not exist is no error.
type AttributeDelete struct {
	Node string `json:"node,omitempty"`
	Name string `json:"name"`
}

// Attribute is an attribute of a node.
type Attribute struct {
	Node      string `json:"node"`
	Name      string `json:"name"`
	Value     string `json:"value"`
	Transient bool   `json:"transient,omitempty"`
}
