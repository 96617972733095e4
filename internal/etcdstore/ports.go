package etcdstore

import (
	"crypto/tls"

	"redoubt/internal/fault"
)

// Port is one on which a member listens, and how it meets those that connect.
type Port struct {
	Name string // as the table of the network names it
	TLS  *tls.Config
}

// Ports are those of this member, with what the running server has settled on; nobody may change the configurations.
func (m *Member) Ports() ([]Port, error) {
	var out []Port
	for _, name := range []string{"repository, for nodes", "repository, between voters"} {
		cfg, err := m.cfg.served().ServerConfig()
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "member of the repository on node %s: settings of the port %q: %w", m.cfg.Node, name, err)
		}
		out = append(out, Port{Name: name, TLS: cfg})
	}
	return out, nil
}
