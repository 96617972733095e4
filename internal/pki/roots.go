package pki

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"time"

	"redoubt/internal/fault"
)

// Roots are the authorities of one kind that are trusted: one, or two while they are being exchanged.
type Roots []*x509.Certificate

// Pool is the same for crypto/tls.
func (r Roots) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range r {
		p.AddCert(c)
	}
	return p
}

// Has reports whether the authority with a fingerprint is among them.
func (r Roots) Has(fingerprint string) bool {
	return slices.ContainsFunc(r, func(c *x509.Certificate) bool { return Fingerprint(c) == fingerprint })
}

// Fingerprints are those of the authorities.
func (r Roots) Fingerprints() []string {
	var out []string
	for _, c := range r {
		out = append(out, Fingerprint(c))
	}
	return out
}

// Verify holds a certificate to what it says of itself: it is valid now, of the cluster of the authority that signed it, and of a kind that this authority
// gives and the caller wants. It does not know what was revoked.
func (r Roots) Verify(cert *x509.Certificate, now time.Time, usage x509.ExtKeyUsage, want ...Kind) (Subject, error) {
	return r.VerifyChain([]*x509.Certificate{cert}, now, usage, want...)
}

// VerifyChain is Verify for a certificate that is shown together with others, which may connect it to an authority: see Cross.
func (r Roots) VerifyChain(chain []*x509.Certificate, now time.Time, usage x509.ExtKeyUsage, want ...Kind) (Subject, error) {
	cert := chain[0]
	chains, err := cert.Verify(x509.VerifyOptions{Roots: r.Pool(), Intermediates: Roots(chain[1:]).Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
	if err != nil {
		return Subject{}, Untimely(cert, now, err)
	}
	subject, err := SubjectOf(cert)
	if err != nil {
		return Subject{}, err
	}
	if !slices.Contains(want, subject.Kind) {
		return Subject{}, fault.Errorf(fault.Denied, "the certificate is that of %s %s, which has no business here", subject.Kind, subject.Name)
	}
	root, err := SubjectOf(chains[0][len(chains[0])-1])
	if err != nil {
		return Subject{}, err
	}
	if root.Cluster != subject.Cluster || !signs(root.Kind, subject.Kind) {
		return Subject{}, fault.Errorf(fault.Denied, "the certificate of %s %s is signed by the %s of cluster %s, which does not give it", subject.Kind, subject.Name, root.Kind, root.Cluster)
	}
	return subject, nil
}

// Untimely explains an error in which the clock may be what is wrong; others it hands through as a refusal.
func Untimely(cert *x509.Certificate, now time.Time, err error) error {
	switch name := cert.Subject.CommonName; {
	case now.After(cert.NotAfter):
		return fault.Errorf(fault.Denied, "the certificate of %s ended on %s: renew it, or correct the clock of this node, which says %s", name, cert.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case now.Before(cert.NotBefore):
		return fault.Errorf(fault.Denied, "the certificate of %s is not valid before %s, but the clock of this node says %s: make the clocks of the nodes agree", name, cert.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return fault.Errorf(fault.Denied, "the certificate of %s is not accepted: %w", cert.Subject.CommonName, err)
}

// strong refuses keys that are too weak to be worth a certificate.
func strong(key any) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() || k.Curve == elliptic.P521() {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	case *rsa.PublicKey:
		if k.N.BitLen() >= 3072 && k.N.BitLen() <= 8192 {
			return nil
		}
	}
	return fault.Errorf(fault.Invalid, "its key is too weak or of an unknown kind: make one of ECDSA P-256, Ed25519 or RSA with 3072 bits")
}
