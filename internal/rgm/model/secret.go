package model

import (
	"maps"
	"slices"
	"time"

	"redoubt/internal/cluster"
)

// ObjectResource is the type of object that a private string is bound to if nothing else is said.
const ObjectResource = "resource"

// Secret is a private string: a value that only the nodes can read, for the object that it is bound to.
type Secret struct {
	Name       string                      `json:"name"`
	ObjectType string                      `json:"objectType"` // of Object: resource
	Object     string                      `json:"object"`     // what it is bound to; it need not exist yet
	Sealed     []byte                      `json:"sealed"`     // encrypted to the keys of Readers, together with Bound
	Readers    map[cluster.NodeName]string `json:"readers"`    // the key of each node that can read it
	KnownTo    []cluster.NodeName          `json:"knownTo,omitempty"`
	Version    int                         `json:"version"` // counts the values it has had
	By         string                      `json:"by"`      // who set the value
	At         time.Time                   `json:"at"`
}

// Bound says what the sealed value is; it is encrypted with the value, so that no record can take the value of another.
func (s Secret) Bound() string { return s.Name + " of " + s.ObjectType + " " + s.Object }

// IsFor reports whether the methods of a resource may read the string.
func (s Secret) IsFor(r cluster.ResourceName) bool {
	return s.ObjectType == ObjectResource && s.Object == string(r)
}

// KeySecret is the purpose, in Node.Keys, of the key to which private strings are encrypted.
const KeySecret = "secret"

// SecretReaders are the nodes that private strings have to be readable on, each with its key. Quorum servers run no services and get none.
func SecretReaders(nodes []NodeState) map[cluster.NodeName]string {
	out := map[cluster.NodeName]string{}
	for _, n := range nodes {
		if key := n.Keys[KeySecret]; key != "" && !n.QuorumServer {
			out[n.Name] = key
		}
	}
	return out
}

// Resealer is the node that has to encrypt the string anew because the nodes or their keys have changed: the first member, by name, that can read it. It is
// "" when there is nothing to do, or nobody who can.
func (s Secret) Resealer(nodes []NodeState) cluster.NodeName {
	want := SecretReaders(nodes)
	if maps.Equal(want, s.Readers) || len(want) == 0 {
		return ""
	}
	var can []cluster.NodeName
	for _, n := range nodes {
		if key, ok := s.Readers[n.Name]; ok && n.Member && want[n.Name] == key {
			can = append(can, n.Name)
		}
	}
	if len(can) == 0 {
		return ""
	}
	return slices.Min(can)
}

// Resealed is the string encrypted anew to the readers. Nodes that are none any more have known the value, and are remembered until it is set anew.
func (s Secret) Resealed(sealed []byte, readers map[cluster.NodeName]string) Secret {
	known := slices.Clone(s.KnownTo)
	for n := range s.Readers {
		if _, still := readers[n]; !still && !slices.Contains(known, n) {
			known = append(known, n)
		}
	}
	slices.Sort(known)
	s.Sealed, s.Readers, s.KnownTo = sealed, readers, known
	return s
}

// SecretPrefix begins a property's value that is not the secret itself but names the private string that holds it: secret:NAME.
const SecretPrefix = "secret:"
