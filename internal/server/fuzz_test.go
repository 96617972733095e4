package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/membership"
	"redoubt/internal/rbac"
	"redoubt/internal/server/servertest"
)

// panics is a log that counts the requests that made the daemon panic.
type panics struct{ n atomic.Int32 }

func (p *panics) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("made the daemon panic")) {
		p.n.Add(1)
	}
	return len(line), nil
}

// asked sends one request to a server as a caller would, without a connection, and holds the answer to what every answer is.
func asked(t *testing.T, s *Server, p *panics, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	for _, limits := range []*rates{&s.rates, &s.strangers} { // they have a test of their own
		limits.mu.Lock()
		limits.of = nil
		limits.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, r.WithContext(ctx))
	if p.n.Load() > 0 {
		t.Fatalf("%s %s made the daemon panic", r.Method, r.URL)
	}
	if answer.Code < 200 || answer.Code > 599 {
		t.Errorf("%s %s: status %d", r.Method, r.URL, answer.Code)
	}
	if body := answer.Body.Bytes(); strings.HasPrefix(answer.Header().Get("Content-Type"), "application/json") && !json.Valid(body) {
		t.Errorf("%s %s: %q is no JSON", r.Method, r.URL, body)
	}
	if answer.Code/100 == 4 && answer.Body.Len() > maxHeader+4*maxStranger {
		t.Errorf("%s %s: an error of %d bytes", r.Method, r.URL, answer.Body.Len())
	}
	return answer
}

// FuzzRequest sends any request at all, as a stranger on the network and as a user of the machine who may look: whatever it is, it is answered, nothing panics, a stranger
// gets nothing done but what is open to everybody, and who may look changes nothing.
func FuzzRequest(f *testing.F) {
	c, _ := servertest.Cluster(f)
	if _, err := c.UserGrant(f.Context(), control.Caller{Kind: control.CallerLocal, User: "root"}, v1.UserGrant{Names: []string{somebody}, Profile: []string{rbac.ClusterRead}}); err != nil {
		f.Fatal(err)
	}
	p := &panics{}
	s := New(Config{Control: c, Log: slog.New(slog.NewTextHandler(p, nil)), Grace: time.Second})
	ops := control.Operations()
	byPath := map[string]v1.Operation{}
	for i, op := range ops {
		path := "/v1/" + op.Noun + "/" + op.Verb
		byPath[path] = op
		f.Add(uint16(i), "", "names=x&all=true", []byte(`{"names":["web"],"all":true,"property":["a=b"],"force":true}`), "", i%2 == 0, i%3 == 0)
	}
	f.Add(uint16(len(ops)), "/openapi.json", "", []byte(nil), "", false, true)
	f.Add(uint16(len(ops)), "/v1/node/admit", "", []byte(`{"node":"n4","request":"AAAA","heartbeatKey":"","addresses":[]}`), "", false, false)
	f.Add(uint16(len(ops)), "/v1/../v1//group/%2e%2e/list", "%zz=1&&=", []byte(`[[[[`), "token", true, true)
	f.Add(uint16(len(ops)), "/metrics", "", []byte{0xff, 0}, strings.Repeat("s", 100), true, false)
	n := 0
	f.Fuzz(func(t *testing.T, which uint16, path, query string, body []byte, session string, user, get bool) {
		if int(which) < len(ops) {
			path = "/v1/" + ops[which].Noun + "/" + ops[which].Verb
		}
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "/v1/watch") { // a watch has no end
			return
		}
		n++
		r := &http.Request{
			Method: http.MethodPost, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{"Content-Type": {"application/json"}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Host: "n1", RemoteAddr: fmt.Sprintf("10.%d.%d.%d:1024", n>>16&255, n>>8&255, n&255),
		}
		if get {
			r.Method = http.MethodGet
		}
		if session != "" {
			r.Header.Set(v1.SessionHeader, session)
		}
		if user {
			r = r.WithContext(context.WithValue(t.Context(), callerKey{}, control.Caller{Kind: control.CallerLocal, UID: somebodyUID, GID: somebodyUID, PID: 1, User: somebody}))
		} else {
			r.TLS = &tls.ConnectionState{}
		}
		answer := asked(t, s, p, r)
		op, known := byPath[path]
		if answer.Code/100 != 2 || !known {
			return
		}
		if !user && !op.Open {
			t.Errorf("a stranger did %s: %s", path, answer.Body)
		}
		if user && !op.Read && op.Authorization != v1.AuthSelf {
			t.Errorf("who may look did %s: %s", path, answer.Body)
		}
	})
}

// waiting is a machine in no cluster that a control node may configure.
type waiting struct {
	control.Sponsor
	control.Local
	joined []v1.NodeJoin
}

func (*waiting) Auth(context.Context) (v1.Auth, error) {
	return v1.Auth{Enabled: true, Control: "n1", Node: "n4", Fingerprint: "SHA256:known"}, nil
}

func (w *waiting) Join(_ context.Context, in v1.NodeJoin) (v1.Result, error) {
	w.joined = append(w.joined, in)
	return v1.Result{}, nil
}

type standing struct{}

func (standing) Boot() membership.Instant { return membership.Instant(time.Hour) }
func (standing) Wall() time.Time          { return time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC) }

// FuzzConfigure sends anything to the one operation that a machine in no cluster has for others, as a stranger, as another node and as the control node: only the last one
// can make it join, only under its name, and never a cluster with another fingerprint than the one that was authorised.
func FuzzConfigure(f *testing.F) {
	for _, seed := range []string{`{"node":"n4","sponsor":"10.0.0.1:7401"}`, `{"node":"n4"}`, `{"node":"n5","sponsor":"x"}`, `{"node":"n4","sponsor":"x","fingerprint":"SHA256:mine"}`, `{"node":["n4"]}`, `{"node":"n4","sponsor":`, ``, `null`} {
		for who := range 3 {
			f.Add([]byte(seed), uint8(who))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, who uint8) {
		p, w := &panics{}, &waiting{}
		c := control.New(control.Config{Clock: standing{}, Log: slog.New(slog.DiscardHandler), Local: w, Sponsor: w})
		s := New(Config{Control: c, Log: slog.New(slog.NewTextHandler(p, nil)), Grace: time.Second})
		caller := []control.Caller{{Kind: control.CallerNone}, {Kind: control.CallerNode, Node: "n2"}, {Kind: control.CallerNode, Node: "n1"}}[who%3]
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), callerKey{}, caller), http.MethodPost, "/v1/node/configure", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		answer := asked(t, s, p, r)
		if len(w.joined) == 0 {
			return
		}
		if caller.Node != "n1" || answer.Code/100 != 2 {
			t.Fatalf("%v made it join: %d", caller, answer.Code)
		}
		if in := w.joined[0]; in.Fingerprint != "SHA256:known" {
			t.Errorf("it joins a cluster with the fingerprint %q", in.Fingerprint)
		}
		var sent v1.NodeConfigure
		if err := json.Unmarshal(body, &sent); err != nil || sent.Node != "n4" {
			t.Errorf("%q made it join: %v", body, err)
		}
	})
}
