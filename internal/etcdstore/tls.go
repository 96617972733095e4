package etcdstore

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"time"

	"redoubt/internal/fault"
)

// check reads the files once, so that what is wrong with them is said at the start and by name.
func (f TLSFiles) check(now time.Time) error {
	if _, err := f.pool(); err != nil {
		return err
	}
	_, err := f.pair(now)
	return err
}

// pool is the authority that both sides trust.
func (f TLSFiles) pool() (*x509.CertPool, error) {
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fault.Errorf(fault.Precondition, "certificate of the cluster's authority: %w; put the file back or let the node join again", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.Errorf(fault.Precondition, "certificate of the cluster's authority %s holds no certificate; put the file back or let the node join again", f.CA)
	}
	return pool, nil
}

// pair reads this node's certificate and says so when it does not hold at this moment: the other side would only say "bad certificate".
func (f TLSFiles) pair(now time.Time) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fault.Errorf(fault.Precondition, "certificate of this node: %w; put the files back or let the node join again", err)
	}
	switch leaf := pair.Leaf; {
	case now.After(leaf.NotAfter):
		return nil, fault.Errorf(fault.Unavailable, "the certificate of this node (%s) expired on %s: renew it, or correct the clock of this node", f.Cert, leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return nil, fault.Errorf(fault.Unavailable, "the certificate of this node (%s) is not valid before %s: correct the clock of this node", f.Cert, leaf.NotBefore.Format(time.RFC3339))
	}
	return &pair, nil
}

// client is the configuration of a connection to the member at host.
func (f TLSFiles) client(host string) (*tls.Config, error) {
	pool, err := f.pool()
	if err != nil {
		return nil, err
	}
	accept := f.Accept
	if accept == nil {
		accept = func([]*x509.Certificate) error { return nil }
	}
	return &tls.Config{
		VerifyConnection: func(s tls.ConnectionState) error { return accept(s.PeerCertificates) },

		MinVersion: tls.VersionTLS13,
		ServerName: host,
		RootCAs:    pool,
		NextProtos: []string{"h2"},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return f.pair(time.Now())
		},
	}, nil
}
