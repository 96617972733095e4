// Package pki is the cluster's certificate authority and the certificates it gives to nodes.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// How long certificates hold. They begin an hour early, because clocks of nodes differ.
const (
	caYears   = 20
	nodeYears = 1
	early     = time.Hour
)

// Identity is a certificate with its key.
type Identity struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// NewCA makes the authority of a new cluster.
func NewCA(name string, now time.Time) (*Identity, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{"Redoubt cluster"}},
		NotBefore:             now.Add(-early),
		NotAfter:              now.AddDate(caYears, 0, 0),
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "make the key of authority %s: %w", name, err)
	}
	cert, err := issue(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &Identity{Cert: cert, Key: key}, nil
}

// NewRequest makes a node's key and the DER form of its signing request. The key never leaves the node.
func NewRequest(node cluster.NodeName) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fault.Errorf(fault.Internal, "make the key of node %s: %w", node, err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: string(node)}}, key)
	if err != nil {
		return nil, nil, fault.Errorf(fault.Internal, "make the signing request of node %s: %w", node, err)
	}
	return key, der, nil
}

// Sign gives node a certificate for the key of its request. Names and addresses are those the cluster knows the node by; what the
// request itself asks for does not count, except that it has to name the same node.
func (ca *Identity) Sign(request []byte, node cluster.NodeName, ips []net.IP, now time.Time) (*x509.Certificate, error) {
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "the signing request of node %s can not be read; make a new one: %w", node, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fault.Errorf(fault.Invalid, "the signing request of node %s is not signed with its key; make a new one: %w", node, err)
	}
	if csr.Subject.CommonName != string(node) {
		return nil, fault.Errorf(fault.Denied, "the signing request names node %q, not %s; make one for that node", csr.Subject.CommonName, node)
	}
	end := now.AddDate(nodeYears, 0, 0)
	if end.After(ca.Cert.NotAfter) {
		end = ca.Cert.NotAfter
	}
	return issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: string(node)},
		DNSNames:    []string{string(node)},
		IPAddresses: ips,
		NotBefore:   now.Add(-early),
		NotAfter:    end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, ca.Cert, csr.PublicKey, ca.Key)
}

// issue signs a template under a random serial number.
func issue(template, parent *x509.Certificate, public any, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "draw a serial number: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "sign the certificate of %s: %w", template.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "read back the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return cert, nil
}

// Fingerprint is how people compare certificates: "SHA256:" and the unpadded base64 of the hash of the DER form.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// CheckExpiry gives the whole days that the certificate still holds; negative once it has ended.
func CheckExpiry(cert *x509.Certificate, now time.Time) int {
	left := cert.NotAfter.Sub(now)
	if left < 0 {
		return int(left/(24*time.Hour)) - 1
	}
	return int(left / (24 * time.Hour))
}
