package daemon

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"time"

	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
)

// credentials are the certificates and keys of a node in its cluster. The authority's key is nil on a quorum server, which admits nobody.
type credentials struct {
	authority *x509.Certificate
	signer    *pki.Identity
	leaf      *x509.Certificate
	pair      tls.Certificate
	heartbeat *ecdh.PrivateKey
}

// loadCredentials reads what create or join wrote.
func loadCredentials(c Config) (*credentials, error) {
	var cr credentials
	ca, err := readPEM(c.path(fileCACert), "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	if cr.authority, err = x509.ParseCertificate(ca); err != nil {
		return nil, damaged(c.path(fileCACert), err)
	}
	if cr.pair, err = tls.LoadX509KeyPair(c.path(fileCert), c.path(fileKey)); err != nil {
		return nil, damaged(c.path(fileCert), err)
	}
	if cr.leaf, err = x509.ParseCertificate(cr.pair.Certificate[0]); err != nil {
		return nil, damaged(c.path(fileCert), err)
	}
	cr.pair.Leaf = cr.leaf
	hb, err := readPEM(c.path(fileHeartbeat), "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(hb)
	if err != nil {
		return nil, damaged(c.path(fileHeartbeat), err)
	}
	hk, ok := key.(*ecdh.PrivateKey)
	if !ok {
		return nil, damaged(c.path(fileHeartbeat), fault.Errorf(fault.Internal, "it is no X25519 key"))
	}
	cr.heartbeat = hk
	if _, err := os.Stat(c.path(fileCAKey)); err == nil {
		der, err := readPEM(c.path(fileCAKey), "PRIVATE KEY")
		if err != nil {
			return nil, err
		}
		if cr.signer, err = signer(cr.authority, der); err != nil {
			return nil, damaged(c.path(fileCAKey), err)
		}
	}
	return &cr, nil
}

// signer makes the authority from its certificate and the PKCS #8 form of its key.
func signer(authority *x509.Certificate, der []byte) (*pki.Identity, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fault.Errorf(fault.Internal, "it is no ECDSA key")
	}
	return &pki.Identity{Cert: authority, Key: ec}, nil
}

func damaged(path string, err error) error {
	return fault.Errorf(fault.Internal, "%s can not be used; put back a copy of it, or remove the data directory and let the node join again: %w", path, err)
}

// newHeartbeatKey makes the key with which a node authenticates its heartbeats, and the form of its public half that the node's record holds.
func newHeartbeatKey() (key *ecdh.PrivateKey, public string, err error) {
	key, err = ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", fault.Errorf(fault.Internal, "make the heartbeat key: %w", err)
	}
	return key, base64.StdEncoding.EncodeToString(key.PublicKey().Bytes()), nil
}

// writeKey writes a private key, readable by root only.
func writeKey(path string, key any) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fault.Errorf(fault.Internal, "write %s: %w", path, err)
	}
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func writeCert(path string, der []byte) error {
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func readPEM(path, kind string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, damaged(path, err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != kind {
		return nil, damaged(path, fault.Errorf(fault.Internal, "it holds no %s", kind))
	}
	return block.Bytes, nil
}

// pool is the set of authorities that a peer's certificate must descend from.
func (cr *credentials) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(cr.authority)
	return p
}

// server is the TLS side of whoever accepts connections: a client certificate is asked for and, when given, must be the cluster's.
func (cr *credentials) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: append([][]byte{}, cr.pair.Certificate[0], cr.authority.Raw), PrivateKey: cr.pair.PrivateKey, Leaf: cr.leaf}},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: cr.pool(),
	}
}

// client is the TLS side of whoever connects to the node called name.
func (cr *credentials) client(name string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cr.pair}, RootCAs: cr.pool(), ServerName: name}
}

// expiry says how many whole days the node's certificate still holds.
func (cr *credentials) expiry(now time.Time) int { return pki.CheckExpiry(cr.leaf, now) }

// tlsFiles are the same as files, for the repository.
func (c *Config) tlsFiles() etcdstore.TLSFiles {
	return etcdstore.TLSFiles{CA: c.path(fileCACert), Cert: c.path(fileCert), Key: c.path(fileKey)}
}
