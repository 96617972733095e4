package v1

import "time"

// CheckInfo describes one check of `cluster check`.
type CheckInfo struct {
	ID        string `json:"id"`       // such as RC-TLS-002; never given to another check
	Severity  string `json:"severity"` // error, warning or info
	Area      string `json:"area"`
	Title     string `json:"title"`     // what is so when the check passes
	Rationale string `json:"rationale"` // why that matters
	Remedy    string `json:"remedy"`
}

// The results of a check.
const (
	CheckPass    = "pass"
	CheckFail    = "fail"
	CheckUnknown = "unknown" // it could not be looked at: that is no pass
)

// CheckResult is what one check found.
type CheckResult struct {
	CheckInfo
	Status   string         `json:"status"` // pass, fail or unknown
	Findings []CheckFinding `json:"findings,omitempty"`
	Unknown  []CheckUnseen  `json:"unknown,omitempty"` // what could not be looked at
}

// CheckFinding is one thing that is not as the check wants it.
type CheckFinding struct {
	Severity string `json:"severity"`
	Object   string `json:"object"`
	Text     string `json:"text"`
	Remedy   string `json:"remedy,omitempty"`
}

// CheckUnseen is one thing that a check could not look at.
type CheckUnseen struct {
	Object string `json:"object"`
	Why    string `json:"why"`
}

// ClusterListChecks asks for the checks that there are.
type ClusterListChecks struct{}

// Module is a dependency of the program, as some nodes run it.
type Module struct {
	Path    string   `json:"path"` // "stdlib" is Go itself
	Version string   `json:"version"`
	Nodes   []string `json:"nodes,omitempty"`
}

// NodePosture is what a node says of its own protection when it is asked for that.
type NodePosture struct {
	Now          time.Time         `json:"now"`
	Files        []FileFact        `json:"files,omitempty"`
	Certificates []CertificateFact `json:"certificates,omitempty"`
	TLS          []TLSFact         `json:"tls,omitempty"`
	Sockets      []SocketFact      `json:"sockets,omitempty"`
	Modules      []Module          `json:"modules,omitempty"`
	Core         bool              `json:"core"`        // the kernel may write a core file of the daemon
	ClockSynced  *bool             `json:"clockSynced"` // what the kernel says; nil: it could not be asked
	Missing      []string          `json:"missing,omitempty"`
}

// The kinds of files of a FileFact.
const (
	FileKey     = "key"     // a private key, or what holds one
	FileState   = "state"   // of the daemon's own state
	FileConfig  = "config"  // what an administrator writes
	FileProgram = "program" // what root executes
)

// FileFact is a file or directory as a node has it.
type FileFact struct {
	Path string `json:"path"`
	Kind string `json:"kind"`
	Mode uint32 `json:"mode"` // permission bits
	UID  uint32 `json:"uid"`
}

// CertificateFact is a certificate in use on a node.
type CertificateFact struct {
	Name      string    `json:"name"`
	Key       string    `json:"key"` // ECDSA, RSA, Ed25519
	Bits      int       `json:"bits"`
	Signature string    `json:"signature"`
	NotAfter  time.Time `json:"notAfter"`
}

// TLSFact is how a port of a node speaks TLS.
type TLSFact struct {
	Name       string `json:"name"`
	Minimum    string `json:"minimum"`    // the oldest version that is spoken, such as 1.3
	ClientCert bool   `json:"clientCert"` // a certificate that is shown is verified
}

// SocketFact is a socket on which a node takes what others send.
type SocketFact struct {
	Network string `json:"network"` // tcp or udp
	Address string `json:"address"`
	Port    int    `json:"port"`
	Program string `json:"program,omitempty"`
	Own     bool   `json:"own"`              // of the daemon itself
	Wanted  bool   `json:"wanted,omitempty"` // the configuration of the node names the port
}
