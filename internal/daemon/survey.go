package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/guard"
	"redoubt/internal/survey"
)

// Survey implements control.Surveyor.
func (d *Daemon) Survey(context.Context) v1.NodePosture {
	c := survey.Config{Data: d.cfg.Data, Etc: d.cfg.Etc, State: []string{d.cfg.path(dirEtcd), filepath.Join(d.cfg.Run, "guard")}}
	if self, err := os.Executable(); err == nil {
		c.Programs = []string{self, filepath.Join(filepath.Dir(self), "redoubt"), filepath.Join(filepath.Dir(self), guard.Name)}
	}
	n := d.node.Load()
	if n != nil {
		for _, other := range n.mirror.Snapshot().State.Nodes {
			if other.Fence == nil {
				continue
			}
			for _, o := range other.Fence.Options {
				if strings.HasSuffix(o.Name, "_file") {
					c.Secrets = append(c.Secrets, o.Values...)
				}
			}
		}
	}
	p := survey.Look(c)
	for i, s := range p.Sockets {
		for _, at := range []string{d.cfg.Listen.API, d.cfg.Metrics} {
			if _, port, err := net.SplitHostPort(at); err == nil && s.Network == "tcp" && port == strconv.Itoa(s.Port) {
				p.Sockets[i].Wanted = true
			}
		}
	}
	if n == nil {
		return p
	}
	p.Now = n.clock.Wall().UTC()
	cr := n.cred()
	p.Certificates = append(p.Certificates, certificateFact("the certificate of the node", cr.leaf))
	for _, r := range cr.nodes {
		p.Certificates = append(p.Certificates, certificateFact("the authority of nodes", r))
	}
	for _, r := range cr.users {
		p.Certificates = append(p.Certificates, certificateFact("the authority of users", r))
	}
	p.TLS = append([]v1.TLSFact{tlsFact("the API", cr.server(n.clock.Wall))}, n.seat.ports()...)
	return p
}

// ports are how the ports of this node's member of the repository meet those that connect; one that does not say counts as one that asks for nothing.
func (s *seat) ports() []v1.TLSFact {
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m == nil {
		return nil
	}
	ports, err := m.Ports()
	if err != nil {
		s.log.Warn("what the repository asks of those that connect is not known", "err", err)
		return []v1.TLSFact{{Name: "the repository"}}
	}
	var out []v1.TLSFact
	for _, p := range ports {
		out = append(out, tlsFact(p.Name, p.TLS))
	}
	return out
}

func certificateFact(name string, c *x509.Certificate) v1.CertificateFact {
	f := v1.CertificateFact{Name: name, Key: c.PublicKeyAlgorithm.String(), Signature: c.SignatureAlgorithm.String(), NotAfter: c.NotAfter}
	switch k := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		f.Bits = k.Params().BitSize
	case *rsa.PublicKey:
		f.Bits = k.N.BitLen()
	case ed25519.PublicKey:
		f.Bits = len(k) * 8
	}
	return f
}

func tlsFact(name string, c *tls.Config) v1.TLSFact {
	return v1.TLSFact{
		Name: name, Minimum: strings.TrimPrefix(tls.VersionName(c.MinVersion), "TLS "),
		ClientCert: c.ClientAuth == tls.VerifyClientCertIfGiven || c.ClientAuth == tls.RequireAndVerifyClientCert,
	}
}
