package model

// KeyLog is the purpose, in Node.Keys, of the key with which the node signs its command log.
const KeyLog = "log"

// Forward says where the nodes send their command logs: to a collector that speaks RFC 5424 over TLS.
type Forward struct {
	Server    string `json:"server"`            // HOST:PORT
	Name      string `json:"name,omitempty"`    // that the collector's certificate has to have; the host of Server if empty
	Authority string `json:"authority"`         // the certificates of the authority, PEM
	Backlog   int    `json:"backlog,omitempty"` // how many entries may wait while the collector can not be reached
}
