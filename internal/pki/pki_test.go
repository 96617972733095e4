package pki

import (
	"crypto/x509"
	"net"
	"testing"
	"time"

	"redoubt/internal/fault"
)

var now = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func TestSignedCertificateIsVerified(t *testing.T) {
	ca, err := NewCA("c1", now)
	if err != nil {
		t.Fatal(err)
	}
	key, csr, err := NewRequest("n1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Sign(csr, "n1", []net.IP{net.IPv4(10, 0, 0, 1)}, now)
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		t.Error("the certificate is for another key")
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	for _, name := range []string{"n1", "10.0.0.1"} {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			opts := x509.VerifyOptions{Roots: pool, CurrentTime: now, DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage}}
			if _, err := cert.Verify(opts); err != nil {
				t.Errorf("%s, usage %d: %v", name, usage, err)
			}
			opts.CurrentTime = now.AddDate(1, 0, 1)
			if _, err := cert.Verify(opts); err == nil {
				t.Error("holds for more than a year")
			}
		}
	}
	if _, err := ca.Sign(csr, "n2", nil, now); !fault.Is(err, fault.Denied) {
		t.Errorf("a request of another node: %v", err)
	}
	csr[len(csr)-1] ^= 1
	if _, err := ca.Sign(csr, "n1", nil, now); !fault.Is(err, fault.Invalid) {
		t.Errorf("a forged request: %v", err)
	}
	if Fingerprint(cert) == Fingerprint(ca.Cert) || len(Fingerprint(cert)) != len("SHA256:")+43 {
		t.Errorf("fingerprint %s", Fingerprint(cert))
	}
	if got := CheckExpiry(cert, now); got != 365 {
		t.Errorf("%d days left", got)
	}
	if got := CheckExpiry(cert, cert.NotAfter.Add(time.Second)); got != -1 {
		t.Errorf("%d days left after the end", got)
	}
}
