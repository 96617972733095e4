package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"redoubt/internal/control"
)

// A daemon at rest is woken by whatever may mean work before that is looked at, and not by what nodes ask each other every few seconds.
func TestRequestsThatMeanWork(t *testing.T) {
	node, person := control.Caller{Kind: control.CallerNode, Node: "n2"}, control.Caller{Kind: control.CallerLocal, User: "root"}
	for _, c := range []struct {
		method string
		who    control.Caller
		want   bool
	}{{"GET", node, false}, {"POST", node, true}, {"GET", person, true}, {"POST", person, true}} {
		told := false
		s, _ := start(t, func(cfg *Config) { cfg.Busy = func() { told = true } })
		h := s.guarded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if told != c.want {
				t.Errorf("%s of %v: told %v when the request is looked at", c.method, c.who, told)
			}
		}))
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), callerKey{}, c.who), c.method, "/v1/x", http.NoBody)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Errorf("%s of %v: %d %s", c.method, c.who, w.Code, w.Body)
		}
	}
}
