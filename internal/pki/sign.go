package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// NewRequest makes a node's key and the DER form of its signing request. The key never leaves the node.
func NewRequest(node cluster.NodeName) (*ecdsa.PrivateKey, []byte, error) {
	return newRequest(string(node))
}

// NewUserRequest makes the key of a user or a partner and the DER form of its signing request. The key never leaves whoever called this.
func NewUserRequest(name string) (*ecdsa.PrivateKey, []byte, error) { return newRequest(name) }

func newRequest(name string) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fault.Errorf(fault.Internal, "make the key of %s: %w", name, err)
	}
	der, err := requestFor(name, key)
	return key, der, err
}

// RequestFor makes the DER form of a signing request for a key that a node has already.
func RequestFor(node cluster.NodeName, key *ecdsa.PrivateKey) ([]byte, error) {
	return requestFor(string(node), key)
}

func requestFor(name string, key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "make the signing request of %s: %w", name, err)
	}
	return der, nil
}

// CheckUserRequest reads for whom a signing request is, once it is certain that whoever made it has the key.
func CheckUserRequest(request []byte) (name string, err error) {
	csr, err := parseRequest(request)
	if err != nil {
		return "", err
	}
	return csr.Subject.CommonName, nil
}

// maxRequest bounds what a stranger may have parsed.
const maxRequest = 16 << 10

func parseRequest(request []byte) (*x509.CertificateRequest, error) {
	if len(request) > maxRequest {
		return nil, fault.Errorf(fault.Invalid, "a signing request of %d bytes is too large; make a new one", len(request))
	}
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "the signing request can not be read; make a new one: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fault.Errorf(fault.Invalid, "the signing request of %s is not signed with its key; make a new one: %w", csr.Subject.CommonName, err)
	}
	return csr, nil
}

// SignNode gives node a certificate for the key of its request, for life; 0 is NodeLife. Names and addresses are those the cluster knows the node by; what
// the request itself asks for does not count, except that it has to name the same node.
func (ca *Identity) SignNode(request []byte, node cluster.NodeName, ips []net.IP, life time.Duration, now time.Time) (*x509.Certificate, error) {
	if life == 0 {
		life = NodeLife
	}
	return ca.sign(request, Subject{Kind: Node, Name: string(node)}, life, now, &x509.Certificate{
		DNSNames:    []string{string(node)},
		IPAddresses: ips,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// SignUser gives the user a certificate for the key of the request, for life; 0 is UserLife. It is good for calling the API and for nothing else.
func (ca *Identity) SignUser(request []byte, name string, life time.Duration, now time.Time) (*x509.Certificate, error) {
	return ca.signGuest(request, Subject{Kind: User, Name: name}, life, now)
}

// SignPartner is SignUser for a partner cluster.
func (ca *Identity) SignPartner(request []byte, name string, life time.Duration, now time.Time) (*x509.Certificate, error) {
	return ca.signGuest(request, Subject{Kind: Partner, Name: name}, life, now)
}

func (ca *Identity) signGuest(request []byte, subject Subject, life time.Duration, now time.Time) (*x509.Certificate, error) {
	if life == 0 {
		life = UserLife
	}
	if life < time.Second || life > MaxUserLife {
		return nil, fault.Errorf(fault.Invalid, "a certificate of %s %s for %v: want at most %d days", subject.Kind, subject.Name, life, int(MaxUserLife.Hours()/24))
	}
	return ca.sign(request, subject, life, now, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// sign completes the template for the subject and signs it.
func (ca *Identity) sign(request []byte, subject Subject, life time.Duration, now time.Time, template *x509.Certificate) (*x509.Certificate, error) {
	own, err := SubjectOf(ca.Cert)
	if err != nil {
		return nil, err
	}
	subject.Cluster = own.Cluster
	if err := subject.check(); err != nil {
		return nil, err
	}
	if !signs(own.Kind, subject.Kind) {
		return nil, fault.Errorf(fault.Internal, "the %s can not sign the certificate of a %s", own.Kind, subject.Kind)
	}
	csr, err := parseRequest(request)
	if err != nil {
		return nil, err
	}
	if csr.Subject.CommonName != subject.Name {
		return nil, fault.Errorf(fault.Denied, "the signing request names %q, not %s %s; make one for that %[2]s", csr.Subject.CommonName, subject.Kind, subject.Name)
	}
	if err := strong(csr.PublicKey); err != nil {
		return nil, fault.Errorf(fault.Invalid, "the signing request of %s %s: %w", subject.Kind, subject.Name, err)
	}
	end := now.Add(life)
	if end.After(ca.Cert.NotAfter) {
		end = ca.Cert.NotAfter
	}
	// A life that is shorter than the allowance for clocks is for tests: it begins where it is, or two thirds of it were over at once.
	template.NotBefore = now.Add(-min(early, life/4))
	template.NotAfter = end
	template.Subject = pkix.Name{CommonName: subject.Name}
	template.URIs = []*url.URL{subject.uri()}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	return issue(template, ca.Cert, csr.PublicKey, ca.Key)
}

// signs reports which authority gives which certificates.
func signs(authority, kind Kind) bool {
	switch kind {
	case Node:
		return authority == AuthorityOfNodes
	case User, Partner:
		return authority == AuthorityOfUsers
	}
	return false
}

// Cross is the certificate of the authority's successor, signed by the authority: shown beside certificates of the successor it convinces whoever knows
// only the old one.
func (ca *Identity) Cross(next *x509.Certificate) (*x509.Certificate, error) {
	own, err := SubjectOf(ca.Cert)
	if err != nil {
		return nil, err
	}
	successor, err := SubjectOf(next)
	if err != nil {
		return nil, err
	}
	if own != successor {
		return nil, fault.Errorf(fault.Internal, "%s does not succeed %s", successor, own)
	}
	end := next.NotAfter
	if end.After(ca.Cert.NotAfter) {
		end = ca.Cert.NotAfter
	}
	return issue(&x509.Certificate{
		Subject: next.Subject, SubjectKeyId: next.SubjectKeyId, URIs: next.URIs, NotBefore: next.NotBefore, NotAfter: end,
		IsCA: true, MaxPathLenZero: true, BasicConstraintsValid: true, KeyUsage: next.KeyUsage,
	}, ca.Cert, next.PublicKey, ca.Key)
}
