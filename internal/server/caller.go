package server

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"os/user"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/cluster"
	"redoubt/internal/control"
	"redoubt/internal/fault"
)

// callerKey is where a connection's context has the local caller.
type callerKey struct{}

// connContext asks the kernel who is at the other end of a unix socket. It is asked once: the answer is fixed when the connection is made.
func (s *Server) connContext(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *unix.Ucred
	if raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return ctx
	}
	who := control.Caller{Kind: control.CallerLocal, UID: int(cred.Uid), GID: int(cred.Gid), PID: int(cred.Pid), User: "uid " + strconv.Itoa(int(cred.Uid))}
	if u, err := user.LookupId(strconv.Itoa(int(cred.Uid))); err == nil {
		who.User = u.Username
	}
	if s.cfg.Resource != nil {
		who.Resource = s.cfg.Resource(who.PID)
	}
	return context.WithValue(ctx, callerKey{}, who)
}

// caller says who sent a request. A caller that shows nothing is nobody; one that shows a certificate which does not count any more is refused.
func (s *Server) caller(r *http.Request) (control.Caller, error) {
	if who, ok := r.Context().Value(callerKey{}).(control.Caller); ok {
		return who, nil
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return control.Caller{Kind: control.CallerNone}, nil
	}
	cert := r.TLS.PeerCertificates[0]
	nobody := control.Caller{Kind: control.CallerNone}
	// The handshake verified the chain; a connection may outlive the certificate, and a certificate its node's membership.
	if len(r.TLS.VerifiedChains) == 0 {
		return nobody, fault.Errorf(fault.Denied, "the certificate of %q is not signed by this cluster's authority", cert.Subject.CommonName)
	}
	if now := time.Now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nobody, fault.Errorf(fault.Denied, "the certificate of node %s ended at %s; renew it", cert.Subject.CommonName, cert.NotAfter.Format(time.RFC3339))
	}
	if s.cfg.Revoked != nil && slices.Contains(s.cfg.Revoked(), fingerprint(cert)) {
		return nobody, fault.Errorf(fault.Denied, "the certificate of node %s was revoked: the node was removed from the cluster; let it join again", cert.Subject.CommonName)
	}
	return control.Caller{Kind: control.CallerNode, Node: cluster.NodeName(cert.Subject.CommonName), User: "node " + cert.Subject.CommonName}, nil
}

// fingerprint has the form in which the repository keeps revoked certificates.
func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// tlsConfig makes the configuration of one connection from what the daemon has now.
func (s *Server) tlsConfig(*tls.ClientHelloInfo) (*tls.Config, error) {
	if s.cfg.TLS == nil {
		return nil, fault.Errorf(fault.Precondition, "this node is in no cluster")
	}
	have := s.cfg.TLS()
	// Without an authority of our own the system's would be believed.
	if have == nil || have.ClientCAs == nil {
		return nil, fault.Errorf(fault.Precondition, "this node is in no cluster")
	}
	cfg := have.Clone()
	cfg.MinVersion = tls.VersionTLS13
	cfg.ClientAuth = tls.VerifyClientCertIfGiven
	cfg.NextProtos = []string{"http/1.1"}
	// A resumed session would not be verified again.
	cfg.SessionTicketsDisabled = true
	return cfg, nil
}
