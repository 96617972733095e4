package server

import (
	"html/template"
	"net/http"

	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
)

// entrancePath is the one page that the server has: where a browser is given the token of a session, and gives it back.
const entrancePath = "/session"

// entrancePolicy lets the page do nothing but send its form here.
const entrancePolicy = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

var entrance = template.Must(template.New("session").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Redoubt: session</title></head><body>
<h1>Session</h1>
{{with .Why}}<p role="alert">{{.}}</p>{{end}}
{{if .User}}<p>You are {{.User}}, in session {{.Session}}. <a href="/openapi.json">What can be asked</a></p>
<form method="post" action="/session"><input type="hidden" name="leave" value="yes"><button>Leave</button></form>
{{else}}<form method="post" action="/session" autocomplete="off">
<p><label>Token, as <code>redoubt session open</code> prints it on a node: <input type="password" name="token" required autofocus autocomplete="off"></label> <button>Enter</button></p></form>
{{end}}</body></html>
`))

type entranceView struct{ Why, User, Session string }

// serveEntrance answers to GET with the page and to POST with the cookie, or without it.
func (s *Server) serveEntrance(w http.ResponseWriter, r *http.Request) {
	req := about(r.Context())
	refuse := func(err error) {
		req.err = err
		failed(err, req.id).write(w)
	}
	if err := s.cfg.Control.Sessions(); err != nil || r.TLS == nil {
		refuse(fault.Errorf(fault.NotFound, "%s %s: there are no sessions here: they are off, or this is not TLS", r.Method, entrancePath))
		return
	}
	if r.Method == http.MethodGet {
		showEntrance(w, http.StatusOK, entranceView{User: req.who.User, Session: req.who.Session})
		return
	}
	// Also whoever shows no cookie: a page of somebody else must not let a browser in as another user.
	if err := sameOrigin(r); err != nil {
		req.unknown = false // it is not for want of a token
		refuse(err)
		return
	}
	if err := r.ParseForm(); err != nil || r.URL.RawQuery != "" {
		refuse(fault.Errorf(fault.Invalid, "the request is wrong: send the token as the form of the page does, and not in the address"))
		return
	}
	switch {
	case r.PostForm.Has("leave"):
		s.leave(w, r, req, refuse)
		return
	case req.who.Kind != control.CallerNone:
		refuse(fault.Errorf(fault.Precondition, "%s is known already; leave first", req.who))
		return
	}
	who, err := s.cfg.Control.InSession(r.Context(), req.who.From, r.PostForm.Get("token"))
	if err != nil {
		req.err, req.unknown = err, fault.Is(err, fault.Denied)
		showEntrance(w, failed(err, req.id).GetStatus(), entranceView{Why: err.Error()})
		return
	}
	req.who = who
	http.SetCookie(w, sessionCookie(r.PostForm.Get("token")))
	w.Header().Set("Location", entrancePath)
	w.WriteHeader(http.StatusSeeOther)
}

// leave closes the session of a browser.
func (s *Server) leave(w http.ResponseWriter, r *http.Request, req *request, refuse func(error)) {
	if req.who.Kind == control.CallerSession {
		for _, op := range control.Operations() {
			if op.Noun != "session" || op.Verb != "close" {
				continue
			}
			_, err := control.Do(r.Context(), s.cfg.Control, req.who, op, v1.SessionClose{}, (*control.Control).SessionClose)
			req.recorded = true
			if err != nil {
				refuse(err)
				return
			}
		}
	}
	http.SetCookie(w, sessionCookie(""))
	w.Header().Set("Location", entrancePath)
	w.WriteHeader(http.StatusSeeOther)
}

func showEntrance(w http.ResponseWriter, status int, v entranceView) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", entrancePolicy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_ = entrance.Execute(w, v)
}
