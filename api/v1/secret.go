package v1

import "time"

// Secret is what may be shown of a private string: everything but its value.
type Secret struct {
	Name       string    `json:"name"`
	ObjectType string    `json:"objectType"` // of Object: resource
	Object     string    `json:"object"`     // what it is bound to
	Exists     bool      `json:"exists"`     // whether the object exists
	Version    int       `json:"version"`    // counts the values it has had
	By         string    `json:"by"`         // who set the value
	At         time.Time `json:"at"`
	Readable   []string  `json:"readable"`             // the nodes that can read it
	Waiting    []string  `json:"waiting,omitempty"`    // nodes that can not read it yet
	KnownTo    []string  `json:"knownTo,omitempty"`    // nodes that were removed and had read it: set a new value
	Unreadable []string  `json:"unreadable,omitempty"` // verify: nodes that should read it and can not, with the reason
}

// SecretList asks for the names of the private strings.
type SecretList struct {
	Names  []string `json:"names,omitempty" query:"names"`
	All    bool     `json:"all,omitempty" query:"all"`
	Object string   `json:"object,omitempty" query:"object" doc:"only those bound to this object"`
	Type   string   `json:"type,omitempty" query:"type" doc:"only those bound to objects of this type"`
}

// SecretShow asks for what may be shown of private strings; the answer is a list of Secret.
type SecretShow struct {
	Names  []string `json:"names,omitempty" query:"names"`
	All    bool     `json:"all,omitempty" query:"all"`
	Object string   `json:"object,omitempty" query:"object" doc:"only those bound to this object"`
	Type   string   `json:"type,omitempty" query:"type" doc:"only those bound to objects of this type"`
}

// SecretCreate creates a private string.
type SecretCreate struct {
	Names  []string `json:"names,omitempty" doc:"the string's name, one"`
	All    bool     `json:"all,omitempty"`
	Object string   `json:"object,omitempty" doc:"the object that it is bound to: only its methods read the value"`
	Type   string   `json:"type,omitempty" doc:"the type of the object; resource if not given"`
	Value  []byte   `json:"value,omitempty" secret:"true" doc:"the value, base64"`
}

// SecretSet gives a private string another value.
type SecretSet struct {
	Names []string `json:"names,omitempty" doc:"the string's name, one"`
	All   bool     `json:"all,omitempty"`
	Value []byte   `json:"value,omitempty" secret:"true" doc:"the value, base64"`
}

// SecretDelete deletes private strings.
type SecretDelete struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
	Force bool     `json:"force,omitempty" doc:"also when the object that it is bound to exists"`
}

// SecretVerify asks every node whether it can read the private strings; the answer is a list of Secret.
type SecretVerify struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// SecretExport gives the private strings encrypted to a key of the operator. Only root on a node may.
type SecretExport struct {
	Names     []string `json:"names,omitempty"`
	All       bool     `json:"all,omitempty"`
	Recipient string   `json:"recipient,omitempty" doc:"the operator's key, age1…"`
}

// SecretDocument is a private string in an exported document.
type SecretDocument struct {
	Name       string `json:"name"`
	ObjectType string `json:"objectType,omitempty"`
	Object     string `json:"object"`
	Sealed     string `json:"sealed"` // an armored age file; its content is JSON: what it is (to) and its value (base64)
}

// PeerSecrets asks a node which private strings it can not read.
type PeerSecrets struct{}

// Unreadable are the private strings that a node can not read, by name, with the reason.
type Unreadable struct {
	Secrets map[string]string `json:"secrets"`
}
