package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/auditlog"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/server/servertest"
)

// lounge is a cluster that lets people in by sessions, and one such session.
type lounge struct {
	t       *testing.T
	server  *Server
	control *control.Control
	log     *logbook
	records *servertest.Recorder
	addr    string
	client  *http.Client
	nodes   *pki.Identity
	opened  v1.SessionOpened
}

var rootHere = control.Caller{Kind: control.CallerLocal, User: "root"}

func newLounge(t *testing.T) *lounge {
	t.Helper()
	l := &lounge{t: t, records: &servertest.Recorder{}, nodes: authority(t)}
	mine := certificate(t, l.nodes, "n1", time.Now())
	l.control, _ = servertest.ClusterRecorded(t, l.records)
	l.server, l.log = start(t, func(c *Config) {
		c.Control = l.control
		c.TLS = func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{mine}, ClientCAs: pool(l.nodes)}
		}
		c.Identify = identify(pki.Roots{l.nodes.Cert}, nil, func(*x509.Certificate) bool { return false })
	})
	l.addr = onTLS(t, l.server)
	l.client = l.from()
	l.must(l.control.ClusterSet(t.Context(), rootHere, v1.ClusterSet{Property: []string{"sessions=on"}}))
	l.must(l.control.UserGrant(t.Context(), rootHere, v1.UserGrant{Names: []string{"alice"}, Profile: []string{"Cluster Management"}}))
	opened, err := l.control.SessionOpen(t.Context(), rootHere, v1.SessionOpen{User: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	l.opened = opened
	return l
}

func (l *lounge) must(_ v1.Result, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// from is a client of its own, with certificates or without.
func (l *lounge) from(certs ...tls.Certificate) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(l.nodes), MinVersion: tls.VersionTLS13, Certificates: certs}}
	l.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Timeout: patience, Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// send makes a request with these headers, "Name: value".
func (l *lounge) send(c *http.Client, method, path, body string, headers ...string) (*http.Response, string) {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), method, "https://"+l.addr+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	answer, err := c.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return answer, string(text)
}

func (l *lounge) bearer() string { return "Authorization: Bearer " + l.opened.Token }
func (l *lounge) cookie() string { return "Cookie: " + v1.SessionCookie + "=" + l.opened.Token }

// clears reports whether an answer takes the cookie from the browser.
func clears(answer *http.Response) bool {
	return slices.ContainsFunc(answer.Cookies(), func(c *http.Cookie) bool { return c.Name == v1.SessionCookie && c.Value == "" && c.MaxAge < 0 })
}

// TestWhoComesBySession: what is known of a request, by what it shows. A change that comes with the cookie has to say that it comes from this node's own page.
func TestWhoComesBySession(t *testing.T) {
	l := newLounge(t)
	const read, change, js = "/v1/node/list", "/v1/group/create", "Content-Type: application/json"
	made := 0
	origin := "Origin: https://" + l.addr
	for _, tc := range []struct {
		name, path string
		headers    []string
		status     int
		says       string
	}{
		{"nothing", read, nil, 401, "neither a certificate nor a session"},
		{"a token", read, []string{l.bearer()}, 200, "n3"},
		{"in small letters", read, []string{"Authorization: bearer " + l.opened.Token}, 200, "n3"},
		{"a token, to change something", change, []string{l.bearer()}, 200, ""},
		{"a token, from a page of somebody else", change, []string{l.bearer(), "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, 200, ""},
		{"no token", read, []string{"Authorization: Bearer "}, 400, "read as"},
		{"another scheme", read, []string{"Authorization: Basic YTpi"}, 400, "read as"},
		{"the token without a scheme", read, []string{"Authorization: " + l.opened.Token}, 400, "read as"},
		{"two tokens", read, []string{l.bearer(), l.bearer()}, 400, "more than once"},
		{"a token and the cookie", read, []string{l.bearer(), l.cookie()}, 400, "more than once"},
		{"two cookies", read, []string{l.cookie() + "; " + v1.SessionCookie + "=x"}, 400, "more than once"},
		{"another cookie", read, []string{"Cookie: redoubt-session=" + l.opened.Token}, 401, "neither"},
		{"a role's header", read, []string{v1.SessionHeader + ": " + l.opened.Token}, 401, "in a role has ended"},
		{"in the address", read + "?token=" + l.opened.Token, nil, 400, "token"},
		{"the cookie", read, []string{l.cookie()}, 200, "n3"},
		{"the cookie, typed address", read, []string{l.cookie(), "Sec-Fetch-Site: none"}, 200, "n3"},
		{"the cookie, own page", read, []string{l.cookie(), "Sec-Fetch-Site: same-origin"}, 200, "n3"},
		{"the cookie, page of another port", read, []string{l.cookie(), "Sec-Fetch-Site: same-site"}, 403, "another origin"},
		{"the cookie, page of somebody else", read, []string{l.cookie(), "Sec-Fetch-Site: cross-site"}, 403, "another origin"},
		{"a change, the cookie alone", change, []string{l.cookie()}, 403, "nobody knows from which page"},
		{"a change, own page", change, []string{l.cookie(), "Sec-Fetch-Site: same-origin"}, 200, ""},
		{"a change, own page, by Origin", change, []string{l.cookie(), origin}, 200, ""},
		{"a change, page of another port", change, []string{l.cookie(), "Sec-Fetch-Site: same-site", origin}, 403, "another origin"},
		{"a change, page of somebody else", change, []string{l.cookie(), "Sec-Fetch-Site: cross-site"}, 403, "another origin"},
		{"a change, Origin of somebody else", change, []string{l.cookie(), "Origin: https://evil.example"}, 403, "another origin"},
		{"a change, Origin on another port", change, []string{l.cookie(), "Origin: https://127.0.0.1:1"}, 403, "another origin"},
		{"a change, no Origin", change, []string{l.cookie(), "Origin: null"}, 403, "another origin"},
		{"a read by POST, page of somebody else", read, []string{l.cookie(), js, "Origin: https://evil.example"}, 403, "another origin"},
		{"what is not for sessions", "/v1/session/open", []string{l.bearer()}, 403, "not in a session"},
		{"what is not for sessions, to grant", "/v1/user/grant", []string{l.bearer()}, 403, "not in a session"},
		{"what nodes do", "/v1/peer/leave", []string{l.bearer()}, 403, "only the nodes"},
		{"the metrics", "/metrics", []string{l.bearer()}, 404, ""},
	} {
		method, body := http.MethodPost, "{}"
		switch {
		case tc.path == change:
			made++
			body = `{"names":["g` + strings.Repeat("x", made) + `"],"node":["n1"]}`
		case strings.HasPrefix(tc.path, read) && !slices.Contains(tc.headers, js), tc.path == "/metrics":
			method, body = http.MethodGet, ""
		}
		answer, text := l.send(l.client, method, tc.path, body, append(slices.Clone(tc.headers), js)...)
		if answer.StatusCode != tc.status || !strings.Contains(text, tc.says) {
			t.Errorf("%s: %d %.300s; want %d with %q", tc.name, answer.StatusCode, text, tc.status, tc.says)
		}
		if asks := answer.Header.Get("WWW-Authenticate") != ""; asks != (tc.status == 401) {
			t.Errorf("%s: asked to authenticate: %t", tc.name, asks)
		}
		if len(answer.Cookies()) > 0 {
			t.Errorf("%s: it sets a cookie", tc.name)
		}
	}
	// Who is known otherwise shows no session: he would be two callers.
	if answer, text := l.send(l.from(certificate(t, l.nodes, "n2", time.Now())), "GET", read, "", l.bearer()); answer.StatusCode != 400 || !strings.Contains(text, "known already") {
		t.Errorf("a certificate and a token: %d %s", answer.StatusCode, text)
	}
	socket := onSocket(t, l.server)
	unix := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://x"+read, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+l.opened.Token)
	answer, err := unix.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 400 {
		t.Errorf("the socket and a token: %d", answer.StatusCode)
	}
	// A header of a megabyte is not read, and an older TLS is not spoken.
	if answer, _ := l.send(l.from(), "GET", read, "", "Authorization: Bearer "+strings.Repeat("x", 1<<20)); answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of a megabyte: %d", answer.StatusCode)
	}
	if c, err := tls.Dial("tcp", l.addr, &tls.Config{RootCAs: pool(l.nodes), MaxVersion: tls.VersionTLS12}); err == nil {
		c.Close()
		t.Error("TLS 1.2 was accepted")
	}
	// With sessions off the token is nothing.
	l.must(l.control.ClusterSet(t.Context(), rootHere, v1.ClusterSet{Property: []string{"sessions=off"}}))
	if answer, text := l.send(l.client, "GET", read, "", l.bearer()); answer.StatusCode != 401 || !strings.Contains(text, "sessions are off") {
		t.Errorf("with sessions off: %d %s", answer.StatusCode, text)
	}
}

// TestGuessesAreRefusedAndRecorded: wrong tokens and requests that show nothing lock their network out, stand in the command log, and the cookie of one is taken from the browser.
func TestGuessesAreRefusedAndRecorded(t *testing.T) {
	l := newLounge(t)
	heard := make(chan auditlog.Record, 64)
	l.records.Heard = heard
	answer, text := l.send(l.client, "GET", "/v1/node/list", "", "Cookie: "+v1.SessionCookie+"=rds_planted")
	if answer.StatusCode != 401 || !clears(answer) || strings.Contains(text, "planted") {
		t.Errorf("a cookie that was planted: %d %v %s", answer.StatusCode, answer.Cookies(), text)
	}
	if r := <-heard; r.User != auditlog.Stranger || r.From != "127.0.0.1" || !strings.Contains(r.Error, "no session of this token") || strings.Contains(r.Command+r.Error, "planted") {
		t.Errorf("recorded as %+v", r)
	}
	late, err := l.control.SessionOpen(t.Context(), rootHere, v1.SessionOpen{User: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	l.send(l.client, "GET", "/v1/node/list", "", l.bearer())
	l.send(l.client, "GET", "/v1/node/list", "", "Authorization: Bearer rds_guess")
	for range 3 {
		l.send(l.client, "GET", "/v1/node/list", "")
	}
	answer, text = l.send(l.client, "GET", "/v1/node/list", "", "Authorization: Bearer "+late.Token)
	if answer.StatusCode != 401 || !strings.Contains(text, "too many requests without") {
		t.Errorf("after five failures: %d %s", answer.StatusCode, text)
	}
	if answer, text = l.send(l.client, "GET", "/v1/node/list", "", l.bearer()); answer.StatusCode != 200 {
		t.Errorf("who was here before: %d %s", answer.StatusCode, text)
	}
	// Joining is not hindered by it.
	if answer, text = l.send(l.client, "POST", "/v1/node/admit", `{"node":"n4","request":"AAAA","heartbeatKey":"","addresses":[]}`); answer.StatusCode == 401 || strings.Contains(text, "too many") {
		t.Errorf("asking to join: %d %s", answer.StatusCode, text)
	}
}

// TestSessionInABrowser: the page takes a token for the cookie, from itself alone, and gives it back.
func TestSessionInABrowser(t *testing.T) {
	l := newLounge(t)
	form := "Content-Type: application/x-www-form-urlencoded"
	enter := func(token string, headers ...string) (*http.Response, string) {
		return l.send(l.client, "POST", entrancePath, url.Values{"token": {token}}.Encode(), append(headers, form)...)
	}
	page, text := l.send(l.client, "GET", entrancePath, "")
	if policy := page.Header.Get("Content-Security-Policy"); page.StatusCode != 200 || !strings.Contains(text, `name="token"`) || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(text, "<script") {
		t.Errorf("the page: %d %s %s", page.StatusCode, policy, text)
	}
	// A page of somebody else lets nobody in, neither by a token of its own nor by a right one.
	for _, from := range [][]string{{"Origin: https://evil.example"}, {"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Origin: null"}} {
		if answer, _ := enter(l.opened.Token, from...); answer.StatusCode/100 != 4 || len(answer.Cookies()) > 0 {
			t.Errorf("from %v: %d %v", from, answer.StatusCode, answer.Cookies())
		}
	}
	for range 10 { // nor does it lock out the network of whoever looks at it
		if answer, _ := l.send(l.client, "GET", "/v1/node/list", "", "Sec-Fetch-Site: cross-site"); answer.StatusCode != 401 {
			t.Errorf("a page of somebody else: %d", answer.StatusCode)
		}
	}
	own := "Sec-Fetch-Site: same-origin"
	if answer, text := enter("rds_<script>", own); answer.StatusCode != 401 || len(answer.Cookies()) > 0 || !strings.Contains(text, "no session of this token") || strings.Contains(text, "rds_<") {
		t.Errorf("a wrong token: %d %v %s", answer.StatusCode, answer.Cookies(), text)
	}
	if answer, _ := l.send(l.client, "POST", entrancePath+"?token="+l.opened.Token, "", own, form); answer.StatusCode != 400 || len(answer.Cookies()) > 0 {
		t.Errorf("the token in the address: %d", answer.StatusCode)
	}
	answer, text := enter(l.opened.Token, own)
	cookies := answer.Cookies()
	if answer.StatusCode != 303 || len(cookies) != 1 || strings.Contains(text, l.opened.Token) {
		t.Fatalf("the right token: %d %v %s", answer.StatusCode, cookies, text)
	}
	c := cookies[0]
	if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || !c.Expires.IsZero() {
		t.Errorf("the cookie: %+v", c)
	}
	in := "Cookie: " + c.Name + "=" + c.Value
	if answer, text := l.send(l.client, "GET", entrancePath, "", in, "Sec-Fetch-Site: none"); answer.StatusCode != 200 || !strings.Contains(text, "You are alice") {
		t.Errorf("in: %d %s", answer.StatusCode, text)
	}
	if answer, text := l.send(l.client, "GET", "/v1/user/whoami", "", in); answer.StatusCode != 200 || !strings.Contains(text, `"known":"session"`) {
		t.Errorf("whoami: %d %s", answer.StatusCode, text)
	}
	if answer, _ := l.send(l.client, "POST", entrancePath, "leave=yes", in, form, "Sec-Fetch-Site: cross-site"); answer.StatusCode != 403 {
		t.Errorf("sent away by a page of somebody else: %d", answer.StatusCode)
	}
	if answer, _ := l.send(l.client, "POST", entrancePath, "leave=yes", in, form, own); answer.StatusCode != 303 || !clears(answer) {
		t.Errorf("leaving: %d %v", answer.StatusCode, answer.Cookies())
	}
	if answer, _ := l.send(l.client, "GET", "/v1/user/whoami", "", in); answer.StatusCode != 401 {
		t.Errorf("the cookie counts after leaving: %d", answer.StatusCode)
	}
	for _, r := range l.records.Take() {
		if r.Operation == "session close" && r.Kind == auditlog.Start && (r.User != "alice" || r.Certificate != "session "+l.opened.ID) {
			t.Errorf("leaving is recorded as %+v", r)
		}
	}
	l.must(l.control.ClusterSet(t.Context(), rootHere, v1.ClusterSet{Property: []string{"sessions=off"}}))
	if answer, _ := l.send(l.client, "GET", entrancePath, ""); answer.StatusCode != 404 {
		t.Errorf("the page while sessions are off: %d", answer.StatusCode)
	}
}

// TestTokensAreNowhere: neither in the daemon's log nor in the command log, whichever way a token comes; and what is done by it is known by the session and the address.
func TestTokensAreNowhere(t *testing.T) {
	l := newLounge(t)
	js, body := "Content-Type: application/json", `{"names":["x"],"node":["n1"]}`
	l.send(l.client, "POST", "/v1/group/create", body, l.bearer(), js)
	l.send(l.client, "POST", "/v1/group/create", body, l.cookie(), js, "Sec-Fetch-Site: same-origin")
	l.send(l.client, "POST", "/v1/group/create", `{"names":["y"],`, l.bearer(), js)
	l.send(l.client, "POST", "/v1/user/grant", `{"names":["eve"],"profile":["Cluster Management"]}`, l.bearer(), js)
	l.send(l.client, "GET", "/v1/nothing/"+"x", "", l.bearer())
	l.send(l.client, "POST", entrancePath, "token="+l.opened.Token, "Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin")
	_, whoami := l.send(l.client, "GET", "/v1/user/whoami", "", l.bearer())
	_, shown := l.send(l.client, "GET", "/v1/session/show", "", l.bearer())
	records := l.records.Take()
	all, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"log": l.log.String(), "command log": string(all), "whoami": whoami, "session show": shown} {
		if strings.Contains(text, l.opened.Token[4:]) {
			t.Errorf("the token stands in the %s", where)
		}
		if !strings.Contains(text, l.opened.ID) {
			t.Errorf("the %s does not name the session", where)
		}
	}
	created, denied := 0, 0
	for _, r := range records {
		if r.User != "alice" || r.From != "127.0.0.1" || r.Certificate != "session "+l.opened.ID {
			continue
		}
		if r.Operation == "group create" && r.Kind == auditlog.Start {
			created++
		}
		if r.Operation == "user grant" && r.Kind == auditlog.Denied {
			denied++
		}
	}
	if created != 2 || denied != 1 {
		t.Errorf("recorded with session and address: %d created, %d denied: %s", created, denied, all)
	}
}

// A watch ends when the session is closed, and the connection of somebody in a session makes room for no flood.
func TestSessionIsClosedWhileWatching(t *testing.T) {
	l := newLounge(t)
	l.server.events = func(context.Context, control.Caller) (<-chan v1.Event, error) { return make(chan v1.Event), nil }
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+l.addr+"/v1/watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+l.opened.Token)
	watch := l.from()
	watch.Timeout = 0
	answer, err := watch.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the watch was refused: %s", answer.Status)
	}
	if n := l.server.crowd.size(); n != 0 {
		t.Errorf("%d connections are among those that have shown nothing", n)
	}
	l.server.conns.mu.Lock()
	counted := l.server.conns.of["session alice"]
	l.server.conns.mu.Unlock()
	if counted != 1 {
		t.Errorf("%d connections count for alice", counted)
	}
	l.must(l.control.SessionClose(t.Context(), rootHere, v1.SessionClose{User: "alice"}))
	_, _ = io.ReadAll(answer.Body)
	if ctx.Err() != nil {
		t.Error("the watch goes on")
	}
	if _, err := l.control.InSession(t.Context(), rootHere.From, l.opened.Token); !fault.Is(err, fault.Denied) {
		t.Errorf("the session goes on: %v", err)
	}
}

// FuzzCredential: whatever the headers, nobody is known by more than one token, and a change that comes by cookie names this node as where it comes from.
func FuzzCredential(f *testing.F) {
	f.Add("POST", "Bearer x", "", "", "")
	f.Add("GET", "", v1.SessionCookie+"=x", "same-origin", "")
	f.Add("POST", "", v1.SessionCookie+"=x; "+v1.SessionCookie+"=y", "cross-site", "https://n1")
	f.Add("DELETE", "", v1.SessionCookie+`="x"`, "", "https://n1")
	f.Fuzz(func(t *testing.T, method, authorization, cookie, site, origin string) {
		r := &http.Request{Method: method, Host: "n1", URL: &url.URL{Path: "/v1/group/create"}, Header: http.Header{}}
		for name, value := range map[string]string{"Authorization": authorization, "Cookie": cookie, "Sec-Fetch-Site": site, "Origin": origin} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		shown, err := credentialOf(r)
		switch {
		case err != nil:
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		case shown.cookie && authorization != "":
			t.Fatal("a cookie counts beside a header")
		case !shown.cookie && shown.token != "" && !strings.Contains(authorization, shown.token):
			t.Fatalf("a token from nowhere: %q", shown.token)
		}
		if sameOrigin(r) == nil && method != "GET" && method != "HEAD" && method != "OPTIONS" && site != "same-origin" && site != "none" && (site != "" || origin == "" || !strings.HasSuffix(origin, "//n1")) {
			t.Fatalf("%s from %q of %q was taken for one of ours", method, site, origin)
		}
	})
}
