package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// identity is what a node remembers of its cluster while it is down: who it is, and how to reach the others before the repository can be asked.
type identity struct {
	Cluster model.Cluster      `json:"cluster"`
	Node    cluster.NodeName   `json:"node"`
	Nodes   []model.Node       `json:"nodes"`
	Voters  []cluster.NodeName `json:"voters"`
	// Restored says that the repository comes from a snapshot and its membership record is still that of the cluster before.
	Restored bool `json:"restored,omitempty"`
	// Fresh says that the first records of the cluster, which this node creates, are not known to be written yet. Without it an empty repository is a loss.
	Fresh   bool   `json:"fresh,omitempty"`
	Profile string `json:"profile,omitempty"` // of the first record of a cluster that this node creates
	// Timing is that of the newest record.
	Timing cluster.Timing `json:"timing,omitzero"`
	// Schema is the version of the repository's schema on which the cluster had agreed when this node last read it.
	Schema int `json:"schema,omitempty"`
}

// The files of a node's identity below its data directory.
const (
	fileIdentity  = "identity.json"
	fileNodeRoots = "ca.crt"    // authorities of nodes that are trusted
	fileNodeKeys  = "ca.key"    // their keys
	fileUserRoots = "users.crt" // authorities of users
	fileUserKeys  = "users.key"
	fileCert      = "node.pem"    // this node's certificate and its key, which change together
	fileRevoked   = "revoked.crl" // serial numbers that the repository's ports refuse
	fileHeartbeat = "heartbeat.key"
	dirEtcd       = "repository"
)

func (c *Config) path(name string) string { return filepath.Join(c.Data, name) }

// loadIdentity reads what the node remembers; nil when it is in no cluster.
func loadIdentity(c Config) (*identity, error) {
	b, err := os.ReadFile(c.path(fileIdentity))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "identity of this node: %w", err)
	}
	var id identity
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&id); err != nil {
		return nil, fault.Errorf(fault.Internal, "%s is damaged: remove it and let the node join again, or put back a copy of it: %w", c.path(fileIdentity), err)
	}
	if id.Node != c.Node {
		return nil, fault.Errorf(fault.Precondition, "this node is configured as %s, but %s says that it joined cluster %s as %s: set node: %s in the configuration, or remove the data directory and join again", c.Node, c.path(fileIdentity), id.Cluster.Name, id.Node, id.Node)
	}
	if _, ok := id.find(id.Node); !ok {
		return nil, fault.Errorf(fault.Internal, "%s does not describe node %s: remove the data directory and join again", c.path(fileIdentity), id.Node)
	}
	return &id, nil
}

// save writes the identity so that a crash leaves the old or the new one.
func (id *identity) save(c Config) error {
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return fault.Errorf(fault.Internal, "identity of this node: %w", err)
	}
	return writeFile(c.path(fileIdentity), append(b, '\n'), 0o600)
}

// find returns the record of a node.
func (id *identity) find(n cluster.NodeName) (model.Node, bool) {
	i := slices.IndexFunc(id.Nodes, func(x model.Node) bool { return x.Name == n })
	if i < 0 {
		return model.Node{}, false
	}
	return id.Nodes[i], true
}

// self is this node's own record.
func (id *identity) self() model.Node {
	n, _ := id.find(id.Node)
	return n
}

// writeFile replaces a file at once: written beside it, synced, renamed, and the directory synced.
func writeFile(path string, content []byte, mode os.FileMode) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return fault.Errorf(fault.Internal, "write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fault.Errorf(fault.Internal, "write %s: %w", path, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fault.Errorf(fault.Internal, "write %s: %w", path, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// privateAddress is the private address of the node with the number id: the id-th address of the private network.
func privateAddress(network string, id int) (netip.Addr, error) {
	p, err := netip.ParsePrefix(network)
	if err != nil {
		return netip.Addr{}, fault.Errorf(fault.Invalid, "private network %q: want ADDRESS/LENGTH", network)
	}
	a := p.Masked().Addr()
	for range id {
		a = a.Next()
	}
	if !p.Contains(a) {
		return netip.Addr{}, fault.Errorf(fault.Precondition, "private network %s has no address for node number %d", network, id)
	}
	return a, nil
}

// ownAddresses finds this host's address in each of the networks, in their order.
func ownAddresses(networks []model.Interconnect, local []netip.Prefix) ([]string, error) {
	var out []string
	for _, n := range networks {
		p, err := netip.ParsePrefix(n.Network)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "interconnect %q: want NETWORK/LENGTH, such as 10.77.1.0/24", n.Network)
		}
		i := slices.IndexFunc(local, func(a netip.Prefix) bool { return p.Contains(a.Addr()) })
		if i < 0 {
			return nil, fault.Errorf(fault.Precondition, "interconnect %s: no interface of this host has an address in it (it has %s); give the interface an address or name another network", n.Network, list(local))
		}
		out = append(out, local[i].Addr().String())
	}
	return out, nil
}

func list(ps []netip.Prefix) string {
	s := ""
	for i, p := range ps {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprint(p)
	}
	if s == "" {
		return "none"
	}
	return s
}
