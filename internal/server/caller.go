package server

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"os/user"
	"strconv"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
)

// callerKey is where a connection's context has the local caller.
type callerKey struct{}

// connContext asks the kernel who is at the other end of a unix socket. It is asked once: the answer is fixed when the connection is made.
func (s *Server) connContext(ctx context.Context, c net.Conn) context.Context {
	u, ok := unixConn(c)
	if !ok {
		if n, ok := placeOf(c); ok {
			return context.WithValue(ctx, connKey{}, n)
		}
		return ctx
	}
	cred, groups, err := credentials(u)
	if err != nil {
		return ctx
	}
	who := control.Caller{Kind: control.CallerLocal, UID: int(cred.Uid), GID: int(cred.Gid), PID: int(cred.Pid), User: "uid " + strconv.Itoa(int(cred.Uid))}
	if u, err := user.LookupId(strconv.Itoa(int(cred.Uid))); err == nil {
		who.User = u.Username
		if who.UID != 0 {
			who.Listed = listedIn(u)
		}
	}
	if who.UID != 0 {
		who.Groups = groupNames(append([]int{who.GID}, groups...))
	}
	if s.cfg.Resource != nil {
		who.Resource = s.cfg.Resource(who.PID)
	}
	return context.WithValue(ctx, callerKey{}, who)
}

// caller says who sent a request, and in which role.
func (s *Server) caller(r *http.Request, req *request) (control.Caller, error) {
	who, err := s.identified(r)
	if err == nil {
		who, err = s.inSession(r, req, who)
	}
	if err == nil || req.unknown {
		if pace := s.paced(who); pace != nil {
			return who, pace
		}
	}
	if token := r.Header.Get(v1.SessionHeader); token != "" && err == nil {
		return s.cfg.Control.InRole(who, token)
	}
	return who, err
}

// identified says who sent a request. A caller that shows nothing is nobody; one that shows a certificate which does not count any more is refused.
func (s *Server) identified(r *http.Request) (control.Caller, error) {
	if who, ok := r.Context().Value(callerKey{}).(control.Caller); ok {
		return who, nil
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return stranger(r), nil
	}
	// The handshake verified the chain; a connection may outlive the certificate, and a certificate its node's membership.
	if s.cfg.Identify == nil {
		return control.Caller{Kind: control.CallerNone}, fault.Errorf(fault.Precondition, "this node is in no cluster")
	}
	who, err := s.cfg.Identify(r.TLS.PeerCertificates)
	if err != nil {
		return control.Caller{Kind: control.CallerNone}, err
	}
	who.Certificate = fingerprint(r.TLS.PeerCertificates[0])
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		who.From = at.Addr().Unmap()
	}
	return who, nil
}

// lookAgain is how often a request that takes long, a watch above all, is held to its caller's certificate.
const lookAgain = time.Second

// whileKnown gives a context that ends when the caller's certificate is revoked or ends, or his session does; a caller without one has nothing to lose.
func (s *Server) whileKnown(r *http.Request, who control.Caller) (context.Context, func()) {
	if who.Kind != control.CallerSession && (r.TLS == nil || len(r.TLS.PeerCertificates) == 0) {
		return r.Context(), func() {}
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	go func() {
		look := time.NewTicker(lookAgain)
		defer look.Stop()
		for {
			select {
			case <-look.C:
				_, err := s.identified(r)
				if err == nil {
					err = s.cfg.Control.StillInSession(who)
				}
				if err != nil {
					cancel(err)
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// stranger is a caller without a certificate: all that is known is where it is, and the connection.
func stranger(r *http.Request) control.Caller {
	who := control.Caller{Kind: control.CallerNone}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		who.From = at.Addr().Unmap()
	}
	if r.TLS != nil && r.TLS.HandshakeComplete {
		who.Binding, _ = r.TLS.ExportKeyingMaterial(v1.JoinBinding, nil, v1.JoinBindingLength) // without one it can prove nothing
	}
	return who
}

// fingerprint is the form in which the repository names certificates.
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
