package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"redoubt/internal/control"
	"redoubt/internal/fault"
)

// requestIDs name requests: the prefix tells one process from the next.
type requestIDs struct {
	prefix string
	last   *atomic.Uint64
}

func newRequestIDs() requestIDs {
	var b [3]byte
	_, _ = rand.Read(b[:])
	return requestIDs{hex.EncodeToString(b[:]), new(atomic.Uint64)}
}

func (r requestIDs) next() string { return fmt.Sprintf("%s-%d", r.prefix, r.last.Add(1)) }

// request is what is known of a request before its operation sees it.
type request struct {
	id  string
	who control.Caller
	err error // what the operation failed with, for the log

	recorded bool // the control layer has seen it, and recorded it if that is due
	unknown  bool // over the network, and nothing was shown that counts: a refusal then is one of who he is, not of what he may
	bare     bool // nothing was shown at all, and by nobody's page
	stale    bool // the cookie of a session that does not count
}

type requestKey struct{}

// about returns the request that a context belongs to.
func about(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	if r == nil {
		r = &request{who: control.Caller{Kind: control.CallerNone}}
	}
	return r
}

// guarded does for every request what no operation should have to think of: a name, a caller, bounds on its body and its time, an answer also when
// the handler panics, a line in the log.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		req := &request{id: s.ids.next()}
		out := &answer{ResponseWriter: w, patience: s.patience, req: req}
		out.Header().Set("X-Request-Id", req.id)
		out.Header().Set("Cache-Control", "no-store")
		out.Header().Set("X-Content-Type-Options", "nosniff")
		defer func() {
			if p := recover(); p != nil {
				s.cfg.Log.Error("a request made the daemon panic", "request", req.id, "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if out.status != 0 {
					panic(http.ErrAbortHandler) // half an answer must not look whole
				}
				failed(errors.New("panic"), req.id).write(out)
			}
			if !req.recorded && fault.Is(req.err, fault.Denied) {
				s.cfg.Control.Refused(req.who, r.Method+" "+r.URL.Path, req.err)
			}
			if req.bare && out.status == http.StatusUnauthorized {
				s.cfg.Control.Missed(req.who.From)
			}
			s.report(r, req, out, time.Since(start))
		}()
		var err error
		if r.Method != http.MethodGet {
			s.busy()
		}
		if req.who, err = s.caller(r, req); err == nil {
			if req.who.Kind != control.CallerNode {
				s.busy()
			}
			err = takeBody(w, r, bodyLimit(req.who))
		}
		if err != nil {
			req.err = err
			failed(err, req.id).write(out)
			return
		}
		ctx, done := s.whileKnown(r, req.who)
		defer done()
		next.ServeHTTP(out, r.WithContext(context.WithValue(ctx, requestKey{}, req)))
	})
}

func (s *Server) busy() {
	if s.cfg.Busy != nil {
		s.cfg.Busy()
	}
}

// bodyLimit is how much a caller may send: a stranger no more than a request to join needs.
func bodyLimit(who control.Caller) int64 {
	if who.Kind == control.CallerNone {
		return maxStranger
	}
	if countedAs(who) != "" {
		return maxUser
	}
	return maxBody
}

// takeBody reads the whole body, so that an operation may take its time afterwards without a deadline on the connection that would end it.
func takeBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	_ = rc.SetReadDeadline(time.Time{})
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return fault.Errorf(fault.Invalid, "the request is wrong: its body has more than %d bytes", limit)
	}
	if err != nil {
		return fault.Errorf(fault.Invalid, "the request is wrong: its body did not come whole: %w", err)
	}
	if len(bytes.TrimSpace(body)) == 0 && r.Method == http.MethodPost {
		body = []byte("{}")
		r.Header.Set("Content-Type", "application/json")
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// report writes what happened: changes and refusals are worth a line, reads are not unless somebody looks for faults.
func (s *Server) report(r *http.Request, req *request, out *answer, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case out.status >= http.StatusInternalServerError && fault.Is(req.err, fault.Internal):
		level = slog.LevelError
	case (r.Method == http.MethodGet || reading[r.URL.Path]) && out.status < http.StatusBadRequest:
		level = slog.LevelDebug
	}
	attrs := []any{"request", req.id, "method", r.Method, "path", r.URL.Path, "caller", req.who.String(), "status", out.status, "took", took}
	if req.err != nil {
		attrs = append(attrs, "error", req.err.Error())
		if cause := errors.Unwrap(req.err); cause != nil {
			attrs = append(attrs, "cause", cause.Error())
		}
	}
	s.cfg.Log.Log(r.Context(), level, "request", attrs...)
	if name, ok := strings.CutPrefix(r.URL.Path, "/v1/"); ok && s.cfg.Metrics != nil {
		if noun, verb, _ := strings.Cut(name, "/"); operations[noun+" "+verb] {
			code := "ok"
			if req.err != nil {
				code = string(fault.CodeOf(req.err))
			} else if out.status >= http.StatusBadRequest {
				code = string(fault.Invalid)
			}
			s.cfg.Metrics.Request(noun+" "+verb, code, took)
		}
	}
}

// reading are the paths of operations that change nothing, however they are called.
var reading = func() map[string]bool {
	paths := map[string]bool{}
	for _, op := range control.Operations() {
		if op.Read {
			paths["/v1/"+op.Noun+"/"+op.Verb] = true
		}
	}
	return paths
}()

// operations are the names that metrics may carry: never what a caller made up.
var operations = func() map[string]bool {
	names := map[string]bool{"watch ": true}
	for _, op := range control.Operations() {
		names[op.Noun+" "+op.Verb] = true
	}
	return names
}()

// answer remembers what was sent, and lets no write wait for a caller for ever.
type answer struct {
	http.ResponseWriter
	status   int
	patience time.Duration
	req      *request
}

// WriteHeader implements http.ResponseWriter. Whoever is refused and has shown nothing that counts is told that this is why.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		if status == http.StatusForbidden && a.req.unknown {
			status = http.StatusUnauthorized
			a.Header().Set("WWW-Authenticate", `Bearer realm="redoubt"`)
		}
		if a.req.stale && status == http.StatusUnauthorized {
			http.SetCookie(a, sessionCookie("")) // the browser need not try it again
		}
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(a.patience))
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
