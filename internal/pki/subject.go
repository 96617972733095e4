package pki

import (
	"crypto/x509"
	"net/url"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// Kind is what a certificate is for. It stands in the certificate itself.
type Kind string

// The kinds of certificates.
const (
	Node             Kind = "node"
	User             Kind = "user"
	Partner          Kind = "partner" // another cluster
	AuthorityOfNodes Kind = "node-authority"
	AuthorityOfUsers Kind = "user-authority"
)

// Subject is whose certificate it is, as its URI says.
type Subject struct {
	Cluster string // the cluster's identifier
	Kind    Kind
	Name    string
}

// String is the URI.
func (s Subject) String() string { return s.uri().String() }

func (s Subject) uri() *url.URL {
	return &url.URL{Scheme: scheme, Host: s.Cluster, Path: "/" + string(s.Kind) + "/" + s.Name}
}

const scheme = "redoubt"

// maxName bounds the names that certificates are given for.
const maxName = 64

// check makes sure that the subject is written the one way in which it can be read back.
func (s Subject) check() error {
	switch s.Kind {
	case Node, AuthorityOfNodes, AuthorityOfUsers:
		if err := cluster.CheckName("certificate", s.Name); err != nil {
			return err
		}
	case User, Partner:
		// Names of users are those of Unix, which may have what names of nodes may not.
		if s.Name == "" || len(s.Name) > maxName || strings.ContainsFunc(s.Name, foreign) || strings.HasPrefix(s.Name, "-") || strings.Trim(s.Name, ".") == "" {
			return fault.Errorf(fault.Invalid, "%q can not be the name in a certificate: want 1 to %d letters, digits and . _ - @, not beginning with -", s.Name, maxName)
		}
	default:
		return fault.Errorf(fault.Invalid, "there are no certificates of kind %q", s.Kind)
	}
	if s.Cluster == "" || len(s.Cluster) > maxName || strings.ContainsFunc(s.Cluster, notHost) {
		return fault.Errorf(fault.Invalid, "%q can not be the cluster's identifier in a certificate", s.Cluster)
	}
	return nil
}

func foreign(r rune) bool {
	return notHost(r) && (r < 'A' || r > 'Z') && !strings.ContainsRune("._@", r)
}
func notHost(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }

// SubjectOf reads whose certificate it is. One that names nothing, or two things, is nobody's.
func SubjectOf(cert *x509.Certificate) (Subject, error) {
	var found []Subject
	for _, u := range cert.URIs {
		if u.Scheme != scheme {
			continue
		}
		s := Subject{Cluster: u.Host}
		kind, name, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		s.Kind, s.Name = Kind(kind), name
		// What does not give the same URI again has something in it that would be read differently elsewhere.
		if err := s.check(); err != nil || s.String() != u.String() {
			return Subject{}, fault.Errorf(fault.Denied, "the certificate of %q names %q, which this program does not write", cert.Subject.CommonName, u)
		}
		found = append(found, s)
	}
	if len(found) != 1 {
		return Subject{}, fault.Errorf(fault.Denied, "the certificate of %q does not say what it is for", cert.Subject.CommonName)
	}
	if s := found[0]; s.Name != cert.Subject.CommonName {
		return Subject{}, fault.Errorf(fault.Denied, "the certificate of %q says that it is of %s %q", cert.Subject.CommonName, s.Kind, s.Name)
	}
	return found[0], nil
}
