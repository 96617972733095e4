package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

var now = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func authority(t *testing.T, kind Kind) *Identity {
	t.Helper()
	ca, err := NewAuthority(kind, "4711", "c1", now)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func nodeOf(t *testing.T, ca *Identity, node cluster.NodeName) *x509.Certificate {
	t.Helper()
	_, csr, err := NewRequest(node)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.SignNode(csr, node, []net.IP{net.IPv4(10, 0, 0, 1)}, 0, now)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestSignedCertificateIsVerified(t *testing.T) {
	ca := authority(t, AuthorityOfNodes)
	key, csr, err := NewRequest("n1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.SignNode(csr, "n1", []net.IP{net.IPv4(10, 0, 0, 1)}, 0, now)
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		t.Error("the certificate is for another key")
	}
	for _, name := range []string{"n1", "10.0.0.1"} {
		if err := cert.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	roots := Roots{ca.Cert}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		s, err := roots.Verify(cert, now, usage, Node)
		if err != nil || s.String() != "redoubt://4711/node/n1" {
			t.Errorf("usage %d: %v, %v", usage, s, err)
		}
	}
	for _, at := range []time.Time{now.AddDate(1, 0, 1), now.Add(-2 * time.Hour)} {
		if _, err := roots.Verify(cert, at, x509.ExtKeyUsageClientAuth, Node); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "clock") {
			t.Errorf("at %s: %v", at, err)
		}
	}
	if _, err := ca.SignNode(csr, "n2", nil, 0, now); !fault.Is(err, fault.Denied) {
		t.Errorf("a request of another node: %v", err)
	}
	csr[len(csr)-1] ^= 1
	if _, err := ca.SignNode(csr, "n1", nil, 0, now); !fault.Is(err, fault.Invalid) {
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
	if Due(cert, now.AddDate(0, 7, 0)) || !Due(cert, now.AddDate(0, 9, 0)) {
		t.Error("it is not renewed when two thirds of its life are over")
	}
}

// What a certificate is for is settled twice: by who signed it, and by what it says.
func TestKindsDoNotMix(t *testing.T) {
	nodes, users := authority(t, AuthorityOfNodes), authority(t, AuthorityOfUsers)
	_, csr, err := NewUserRequest("ada@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if name, err := CheckUserRequest(csr); err != nil || name != "ada@example.org" {
		t.Errorf("%q, %v", name, err)
	}
	user, err := users.SignUser(csr, "ada@example.org", 0, now)
	if err != nil {
		t.Fatal(err)
	}
	partner, err := users.SignPartner(csr, "ada@example.org", time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	node := nodeOf(t, nodes, "n1")
	if s, err := (Roots{users.Cert}).Verify(user, now, x509.ExtKeyUsageClientAuth, User); err != nil || s.Name != "ada@example.org" || s.Kind != User {
		t.Errorf("%v, %v", s, err)
	}
	for name, err := range map[string]error{
		"a user where nodes are": verify(Roots{nodes.Cert}, user, x509.ExtKeyUsageClientAuth, Node, User),
		"a user with both roots": verify(Roots{nodes.Cert, users.Cert}, user, x509.ExtKeyUsageClientAuth, Node),
		"a user as a server":     verify(Roots{users.Cert}, user, x509.ExtKeyUsageServerAuth, User),
		"a partner as a user":    verify(Roots{users.Cert}, partner, x509.ExtKeyUsageClientAuth, User),
		"a node as a user":       verify(Roots{nodes.Cert, users.Cert}, node, x509.ExtKeyUsageClientAuth, User),
		"an authority as a node": verify(Roots{nodes.Cert}, nodes.Cert, x509.ExtKeyUsageAny, Node),
		"of a stranger":          verify(Roots{authority(t, AuthorityOfNodes).Cert}, node, x509.ExtKeyUsageClientAuth, Node),
	} {
		if !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := users.SignNode(csr, "n1", nil, 0, now); !fault.Is(err, fault.Internal) {
		t.Errorf("the authority of users signs nodes: %v", err)
	}
	if _, err := nodes.SignUser(csr, "ada@example.org", 0, now); !fault.Is(err, fault.Internal) {
		t.Errorf("the authority of nodes signs users: %v", err)
	}
	// A certificate that the authority of users signed all the same, with a node's name in it.
	forged, err := issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "n1"}, URIs: []*url.URL{{Scheme: "redoubt", Host: "4711", Path: "/node/n1"}}, NotBefore: now, NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, users.Cert, user.PublicKey, users.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(Roots{nodes.Cert, users.Cert}, forged, x509.ExtKeyUsageClientAuth, Node); !fault.Is(err, fault.Denied) {
		t.Errorf("a node made by the authority of users: %v", err)
	}
}

func verify(r Roots, c *x509.Certificate, usage x509.ExtKeyUsage, want ...Kind) error {
	_, err := r.Verify(c, now, usage, want...)
	return err
}

func TestSubjectOfRefusesWhatIsAmbiguous(t *testing.T) {
	for _, uris := range [][]string{
		nil, {"https://example.org"}, {"redoubt://4711/node/n1", "redoubt://4711/user/n1"}, {"redoubt://4711/node/n1/x"}, {"redoubt://4711/node/n1?x"},
		{"redoubt://4711/king/n1"}, {"redoubt:///node/n1"}, {"redoubt://47%2011/node/n1"}, {"redoubt://4711/node/%6e1"}, {"redoubt://4711/node/n2"}, {"redoubt://u@4711/node/n1"},
	} {
		c := &x509.Certificate{Subject: pkix.Name{CommonName: "n1"}}
		for _, u := range uris {
			p, err := url.Parse(u)
			if err != nil {
				continue
			}
			c.URIs = append(c.URIs, p)
		}
		if s, err := SubjectOf(c); err == nil {
			t.Errorf("%v is %v", uris, s)
		}
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	users := authority(t, AuthorityOfUsers)
	_, csr, err := NewUserRequest("ada")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := users.SignUser(csr, "ada", MaxUserLife+time.Hour, now); !fault.Is(err, fault.Invalid) {
		t.Errorf("for ever: %v", err)
	}
	if _, err := users.SignUser(make([]byte, maxRequest+1), "ada", 0, now); !fault.Is(err, fault.Invalid) {
		t.Errorf("too large: %v", err)
	}
	for _, name := range []string{"", "a/b", "-x", "a b", "..", "root\n", strings.Repeat("a", 65), "ä"} {
		_, csr, err := NewUserRequest(name)
		if err != nil {
			continue
		}
		if _, err := users.SignUser(csr, name, 0, now); err == nil {
			t.Errorf("%q was signed", name)
		}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	old, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{weak, old} {
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "ada"}}, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := users.SignUser(csr, "ada", 0, now); !fault.Is(err, fault.Invalid) {
			t.Errorf("%T: %v", key, err)
		}
	}
}

func TestSuccessorIsBelievedByWhoKnowsTheOld(t *testing.T) {
	old, next := authority(t, AuthorityOfNodes), authority(t, AuthorityOfNodes)
	cross, err := old.Cross(next.Cert)
	if err != nil {
		t.Fatal(err)
	}
	cert := nodeOf(t, next, "n1")
	between := x509.NewCertPool()
	between.AddCert(cross)
	opts := x509.VerifyOptions{Roots: Roots{old.Cert}.Pool(), Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if _, err := cert.Verify(opts); err != nil {
		t.Error(err)
	}
	opts.Intermediates = nil
	if _, err := cert.Verify(opts); err == nil {
		t.Error("believed without the cross certificate")
	}
	if _, err := old.Cross(authority(t, AuthorityOfUsers).Cert); !fault.Is(err, fault.Internal) {
		t.Errorf("the authority of users succeeds that of nodes: %v", err)
	}
}

func TestRevocationList(t *testing.T) {
	want := []*big.Int{big.NewInt(7), big.NewInt(1 << 40)}
	der, err := RevocationList(want, now)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil || len(list.RevokedCertificateEntries) != 2 || list.RevokedCertificateEntries[1].SerialNumber.Cmp(want[1]) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// FuzzSubject holds that whatever a certificate carries is read back the one way in which it is written, or refused.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{"redoubt://4711/node/n1", "redoubt://4711/user/a@b", "redoubt://x/node/../n1", "redoubt://x/partner/%2e%2e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		_, name, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		s, err := SubjectOf(&x509.Certificate{Subject: pkix.Name{CommonName: name}, URIs: []*url.URL{u}})
		if err == nil && s.String() != u.String() {
			t.Errorf("%q is read as %v", text, s)
		}
	})
}
