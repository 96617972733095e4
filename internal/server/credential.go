package server

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
)

// connKey is where a connection's context has the place of a caller on TLS in the crowd.
type connKey struct{}

// placeOf finds what a TLS connection is counted by.
func placeOf(c net.Conn) (*counted, bool) {
	over, ok := c.(*tls.Conn)
	if !ok {
		return nil, false
	}
	n, ok := over.NetConn().(*counted)
	return n, ok
}

// credential is what a request shows of a session: the token, and how.
type credential struct {
	token  string
	cookie bool // a browser sends it by itself, also for pages that others have made
}

// credentialOf reads it; none is the zero value. What could be read in two ways is refused.
func credentialOf(r *http.Request) (credential, error) {
	headers, cookies := r.Header.Values("Authorization"), r.CookiesNamed(v1.SessionCookie)
	switch {
	case len(headers) == 0 && len(cookies) == 0:
		return credential{}, nil
	case len(headers)+len(cookies) > 1:
		return credential{}, fault.Errorf(fault.Invalid, "the request is wrong: it shows the token of a session more than once; send the header Authorization or the cookie, and one of it")
	case len(cookies) == 1:
		return credential{cookies[0].Value, true}, nil
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return credential{}, fault.Errorf(fault.Invalid, "the request is wrong: the header Authorization is read as \"Bearer TOKEN\" and in no other form")
	}
	return credential{token, false}, nil
}

// foreign reports whether a browser says that a page of another origin asked: somebody who looks at such a page is not to be locked out by it.
func foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site" || http.NewCrossOriginProtection().Check(r) != nil
}

// sameOrigin refuses a request with the cookie that a page of somebody else may have made. Browsers say where a request comes from; one that changes something and of which nothing is said is
// refused too. The rules of the library allow it, because where there is no cookie it can not be a browser.
func sameOrigin(r *http.Request) error {
	changes := r.Method != http.MethodGet && r.Method != http.MethodHead
	switch {
	case foreign(r):
		return fault.Errorf(fault.Denied, "%s %s: a page of another origin asked for it with the cookie of a session; that is never done", r.Method, r.URL.Path)
	case changes && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "":
		return fault.Errorf(fault.Denied, "%s %s: it came with the cookie of a session and without Sec-Fetch-Site and Origin, so nobody knows from which page; programs send \"Authorization: Bearer TOKEN\"", r.Method, r.URL.Path)
	}
	return nil
}

// inSession is the caller of a request, after what it shows of a session. Whoever is known by the kernel or a certificate shows none: he would be two callers.
func (s *Server) inSession(r *http.Request, req *request, who control.Caller) (control.Caller, error) {
	shown, err := credentialOf(r)
	switch {
	case err != nil:
		return who, err
	case shown.token == "" && !shown.cookie:
		req.unknown = who.Kind == control.CallerNone && !openPaths[r.URL.Path]
		req.bare = req.unknown && !foreign(r)
		return who, nil
	case who.Kind != control.CallerNone:
		return who, fault.Errorf(fault.Invalid, "the request is wrong: %s is known already, by the kernel or a certificate, and shows a session too; do without one of them", who)
	}
	if shown.cookie {
		if err := sameOrigin(r); err != nil {
			return who, err
		}
	}
	in, err := s.cfg.Control.InSession(r.Context(), who.From, shown.token)
	if err != nil {
		req.unknown = fault.Is(err, fault.Denied)
		req.stale = req.unknown && shown.cookie
		return who, err
	}
	return in, s.settle(r, in)
}

// settle takes the connection of a caller in a session out of the crowd of those who have shown nothing, to those of his name.
func (s *Server) settle(r *http.Request, who control.Caller) error {
	n, ok := r.Context().Value(connKey{}).(*counted)
	if !ok || n.known == nil || !n.known() {
		return nil
	}
	n.known = nil
	if !s.belongs(n, who) {
		return fault.Errorf(fault.Unavailable, "user %s has %d connections already; close some", who.User, userConns)
	}
	return nil
}

// belongs counts a connection for its caller, and closes it when it is one too many.
func (s *Server) belongs(n *counted, who control.Caller) bool {
	name := countedAs(who)
	if !s.conns.take(name, userConns) {
		_ = n.Close()
		return false
	}
	n.given(func() { s.conns.give(name) })
	return true
}

// openPaths are those of operations that decide by something else than who calls.
var openPaths = func() map[string]bool {
	paths := map[string]bool{}
	for _, op := range control.Operations() {
		if op.Open {
			paths["/v1/"+op.Noun+"/"+op.Verb] = true
		}
	}
	return paths
}()

// sessionCookie is the cookie that carries a token, or takes it away.
func sessionCookie(token string) *http.Cookie {
	c := &http.Cookie{Name: v1.SessionCookie, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}
