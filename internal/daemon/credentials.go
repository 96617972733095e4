package daemon

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"slices"
	"time"

	"redoubt/internal/etcdstore"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
)

// credentials are the certificates and keys of a node in its cluster, as they are at one moment. Keys of authorities are there on every node but a quorum
// server, which admits nobody.
type credentials struct {
	nodes, users pki.Roots                    // trusted by every port; by the API besides
	keys         map[string]*ecdsa.PrivateKey // of authorities, by the authority's fingerprint
	leaf         *x509.Certificate
	pair         tls.Certificate
	heartbeat    *ecdh.PrivateKey
}

// loadCredentials reads what create or join wrote, and what was renewed since.
func loadCredentials(c Config) (*credentials, error) {
	cr := credentials{keys: map[string]*ecdsa.PrivateKey{}}
	var err error
	if cr.nodes, err = readRoots(c.path(fileNodeRoots)); err != nil {
		return nil, err
	}
	if cr.users, err = readRoots(c.path(fileUserRoots)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for file, roots := range map[string]pki.Roots{fileNodeKeys: cr.nodes, fileUserKeys: cr.users} {
		keys, err := readKeys(c.path(file))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, key := range keys {
			for _, r := range roots {
				if key.PublicKey.Equal(r.PublicKey) {
					cr.keys[pki.Fingerprint(r)] = key
				}
			}
		}
	}
	if cr.pair, err = tls.LoadX509KeyPair(c.path(fileCert), c.path(fileCert)); err != nil {
		return nil, damaged(c.path(fileCert), err)
	}
	cr.leaf = cr.pair.Leaf
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
	return &cr, nil
}

// readRoots reads the certificates of authorities, in their order.
func readRoots(path string) (pki.Roots, error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, damaged(path, err)
	}
	var out pki.Roots
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, damaged(path, err)
		}
		out = append(out, cert)
	}
	if len(out) == 0 {
		return nil, damaged(path, fault.Errorf(fault.Internal, "it holds no certificate"))
	}
	return out, nil
}

// readKeys reads the keys of authorities.
func readKeys(path string) ([]*ecdsa.PrivateKey, error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, damaged(path, err)
	}
	var out []*ecdsa.PrivateKey
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		key, err := ecKey(block.Bytes)
		if err != nil {
			return nil, damaged(path, err)
		}
		out = append(out, key)
	}
	return out, nil
}

// ecKey reads the PKCS #8 form of an authority's key.
func ecKey(der []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fault.Errorf(fault.Internal, "it is no ECDSA key")
	}
	return ec, nil
}

// signer is the authority with the fingerprint, if this node has its key.
func (cr *credentials) signer(fingerprint string) (*pki.Identity, bool) {
	key, ok := cr.keys[fingerprint]
	if !ok {
		return nil, false
	}
	for _, r := range slices.Concat(cr.nodes, cr.users) {
		if pki.Fingerprint(r) == fingerprint {
			return &pki.Identity{Cert: r, Key: key}, true
		}
	}
	return nil, false
}

// timely reports whether this node's certificate is valid now.
func (cr *credentials) timely(now time.Time) bool {
	return !now.After(cr.leaf.NotAfter) && !now.Before(cr.leaf.NotBefore)
}

// shows are this node's key and the certificates that it shows for it, the newest first.
func (cr *credentials) shows() (*ecdsa.PrivateKey, []*x509.Certificate, error) {
	key, ok := cr.pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fault.Errorf(fault.Internal, "the key of this node's certificate is no ECDSA key; let the node join again")
	}
	chain := []*x509.Certificate{cr.leaf}
	for _, der := range cr.pair.Certificate[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fault.Errorf(fault.Internal, "what this node shows beside its certificate can not be read; let the node join again: %w", err)
		}
		chain = append(chain, cert)
	}
	return key, ofOneKey(chain), nil
}

// issuer is the authority that signed this node's certificate.
func (cr *credentials) issuer() *x509.Certificate { return cr.issuerOf(cr.leaf) }

// issuerOf is the authority that signed a certificate of this node.
func (cr *credentials) issuerOf(cert *x509.Certificate) *x509.Certificate {
	for _, r := range cr.nodes {
		if bytes.Equal(r.SubjectKeyId, cert.AuthorityKeyId) {
			return r
		}
	}
	return cr.nodes[len(cr.nodes)-1]
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

// writeKeys writes the keys of authorities, readable by root only.
func writeKeys(path string, keys ...*ecdsa.PrivateKey) error {
	var out []byte
	for _, key := range keys {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return fault.Errorf(fault.Internal, "write %s: %w", path, err)
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	}
	return writeFile(path, out, 0o600)
}

// writePair writes a certificate, those that connect it to an authority, and its key into one file: there is no moment in which they do not belong together.
func writePair(path string, key *ecdsa.PrivateKey, chain ...*x509.Certificate) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fault.Errorf(fault.Internal, "write %s: %w", path, err)
	}
	return writeFile(path, append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pki.Chain(chain...)...), 0o600)
}

// server is the TLS side of whoever accepts connections to the API: a client certificate is asked for and, when given, must be the cluster's. Whose it is and
// whether it still counts is asked with every request: see identify. The authority goes along for machines that know only its fingerprint.
func (cr *credentials) server(now func() time.Time) *tls.Config {
	pair := cr.pair
	pair.Certificate = append(slices.Clone(pair.Certificate), cr.issuer().Raw)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, Time: now,
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: slices.Concat(cr.nodes, cr.users).Pool(),
	}
}

// client is the TLS side of whoever connects to the node called name. accept looks at what the other side shows, its certificate first, once the handshake has verified it.
func (cr *credentials) client(name string, now func() time.Time, accept func([]*x509.Certificate) error) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cr.pair}, RootCAs: cr.nodes.Pool(), ServerName: name, Time: now,
		VerifyConnection: func(s tls.ConnectionState) error { return accept(s.PeerCertificates) },
	}
}

// expiry says how many whole days the node's certificate still holds.
func (cr *credentials) expiry(now time.Time) int { return pki.CheckExpiry(cr.leaf, now) }

// tlsFiles are the same as files, for the repository.
func (c *Config) tlsFiles() etcdstore.TLSFiles {
	return etcdstore.TLSFiles{CA: c.path(fileNodeRoots), Cert: c.path(fileCert), Key: c.path(fileCert), Revoked: c.path(fileRevoked)}
}
