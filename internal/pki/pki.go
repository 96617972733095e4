// Package pki has the cluster's authorities and the certificates that they give.
//
// There are two authorities, each a root of its own. The authority of nodes signs the nodes' certificates and is what every port between nodes
// trusts: the repository's two, the API's. The authority of users signs the certificates of users and partners and is trusted by the API's port alone.
// So a user's certificate is worth nothing to the repository, whatever it says of itself. Besides, every certificate names what it is in a URI
// (redoubt://CLUSTERID/node/NAME, …/user/NAME, …/partner/NAME), and SubjectOf and Roots.Verify hold it to that.
//
// To give a user a certificate:
//
//	key, request, err := pki.NewUserRequest(name)                  // where the user is; the key stays there
//	subject, err := pki.CheckUserRequest(request)                  // optional: what the request is for, signature checked
//	cert, err := users.SignUser(request, name, life, now)          // where the authority's key is: users is an authority of pki.AuthorityOfUsers
//	pem := pki.Chain(cert, users.Cert)                             // what the user keeps beside the key
//	fp := pki.Fingerprint(cert)                                    // under which the certificate is listed and revoked
//
// SignPartner is the same for a partner cluster. In the daemon the signer is control.Authority, which is Running.Authority of package control:
// SignUser(ctx, request, name, life) there returns the certificate, the chain and the fingerprint, whichever node holds the key.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/url"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// How long certificates hold. They begin an hour early, because clocks of nodes differ.
const (
	AuthorityLife = 20 * 365 * 24 * time.Hour
	NodeLife      = 365 * 24 * time.Hour
	UserLife      = 90 * 24 * time.Hour                          // what SignUser and SignPartner take for 0
	MaxUserLife   = cluster.UserCertificateDays * 24 * time.Hour // more is refused
	early         = time.Hour
)

// Identity is a certificate with its key: an authority.
type Identity struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority of the cluster with an identifier and a name. What it is for is AuthorityOfNodes or AuthorityOfUsers.
func NewAuthority(kind Kind, clusterID, clusterName string, now time.Time) (*Identity, error) {
	subject := Subject{Cluster: clusterID, Kind: kind, Name: clusterName}
	if kind != AuthorityOfNodes && kind != AuthorityOfUsers {
		return nil, fault.Errorf(fault.Internal, "make an authority: %q is not one", kind)
	}
	if err := subject.check(); err != nil {
		return nil, err
	}
	organization := "Redoubt cluster"
	if kind == AuthorityOfUsers {
		organization = "Redoubt users"
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: clusterName, Organization: []string{organization}},
		URIs:                  []*url.URL{subject.uri()},
		NotBefore:             now.Add(-early),
		NotAfter:              now.Add(AuthorityLife),
		IsCA:                  true,
		MaxPathLen:            1, // its successor: see Cross
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "make the key of authority %s: %w", clusterName, err)
	}
	cert, err := issue(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &Identity{Cert: cert, Key: key}, nil
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

// Chain is the PEM form of certificates, one after the other.
func Chain(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// CheckExpiry gives the whole days that the certificate still holds; negative once it has ended.
func CheckExpiry(cert *x509.Certificate, now time.Time) int {
	left := cert.NotAfter.Sub(now)
	if left < 0 {
		return int(left/(24*time.Hour)) - 1
	}
	return int(left / (24 * time.Hour))
}

// Due reports whether a certificate has to be renewed: two thirds of its life are over. A clock that is before its beginning says nothing.
func Due(cert *x509.Certificate, now time.Time) bool {
	life := cert.NotAfter.Sub(cert.NotBefore)
	return now.After(cert.NotBefore.Add(life * 2 / 3))
}
