package etcdstore

import (
	"crypto/tls"

	"go.etcd.io/etcd/client/pkg/v3/transport"

	"redoubt/internal/fault"
)

// Port is one on which a member listens, and how it meets those that connect.
type Port struct {
	Name string // as the table of the network names it
	TLS  *tls.Config
}

// Ports are those of this member, with what the running server has settled on; nobody may change the configurations.
func (m *Member) Ports() ([]Port, error) {
	c := m.etcd.Config()
	var out []Port
	for _, p := range []struct {
		name string
		info transport.TLSInfo
	}{
		{"repository, for nodes", c.ClientTLSInfo},
		{"repository, between voters", c.PeerTLSInfo},
	} {
		cfg, err := p.info.ServerConfig()
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "member of the repository on node %s: settings of the port %q: %w", m.cfg.Node, p.name, err)
		}
		out = append(out, Port{Name: p.name, TLS: cfg})
	}
	return out, nil
}
