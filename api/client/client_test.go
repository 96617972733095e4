package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"redoubt/api/client"
	"redoubt/internal/fault"
)

// serve answers on a unix socket until the test ends.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return path
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestDoAndGet(t *testing.T) {
	path := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(map[string]string{"seen": r.Method + " " + r.URL.String() + " " + string(body)})
	})
	in := struct {
		Names []string `json:"names,omitempty"`
		All   bool     `json:"all,omitempty"`
		N     int      `json:"n,omitempty"`
		Text  string   `json:"text,omitempty"`
	}{Names: []string{"a", "b"}, All: true, N: 3, Text: "x y&z"}
	c := client.Unix(path)
	for want, call := range map[string]func(out any) error{
		`POST /v1/group/online {"names":["a","b"],"all":true,"n":3,"text":"x y&z"}`: func(out any) error { return c.Do(bounded(t), "group", "online", in, out) },
		`POST /v1/group/online {}`:                                  func(out any) error { return c.Do(bounded(t), "group", "online", nil, out) },
		`GET /v1/group/show?all=true&n=3&names=a%2Cb&text=x+y%26z `: func(out any) error { return c.Get(bounded(t), "group", "show", in, out) },
		`POST /v1/group/show {"names":["a,b"]} `: func(out any) error {
			return c.Get(bounded(t), "group", "show", map[string]any{"names": []string{"a,b"}}, out)
		},
	} {
		var got struct{ Seen string }
		if err := call(&got); err != nil || strings.TrimSpace(got.Seen) != strings.TrimSpace(strings.ReplaceAll(want, `y&z"`, `y\u0026z"`)) {
			t.Errorf("got %q, %v; want %q", got.Seen, err, want)
		}
	}
}

func TestErrors(t *testing.T) {
	refuse := func(status int, body string) string {
		return serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); fmt.Fprint(w, body) })
	}
	gone := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	hangs := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		path string
		code fault.Code
		text string
	}{
		{"a fault", t.Context(), refuse(404, `{"code":"notfound","message":"no group x","detail":"more"}`), fault.NotFound, "no group x\nmore"},
		{"no daemon at all", t.Context(), refuse(200, `<html>`), fault.Internal, "same version"},
		{"something else", t.Context(), refuse(502, `bad gateway`), fault.Internal, "502"},
		{"not running", t.Context(), filepath.Join(t.TempDir(), "none"), fault.Unavailable, "is redoubtd running?"},
		{"went away", t.Context(), gone, fault.Timeout, "unknown"},
		{"too late", short, hangs, fault.Timeout, "in time"},
	} {
		var out map[string]any
		err := client.Unix(tc.path).Do(tc.ctx, "group", "show", nil, &out)
		if fault.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %s: %v", tc.name, fault.CodeOf(err), err)
		}
		if _, ok := errors.AsType[*fault.Error](err); !ok {
			t.Errorf("%s: %T", tc.name, err)
		}
	}
}

func TestWatchReconnects(t *testing.T) {
	var n atomic.Int32
	path := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		// Each connection gives two events, one of them over two lines, and breaks off.
		i := n.Add(1)
		fmt.Fprintf(w, ": hello\n\nevent: status\ndata: {\"revision\":\ndata: %d}\n\nevent: news\ndata: {}\n\nevent: note\ndata: {\"text\":\"x\"}\n\n", i)
	})
	var got []string
	errs := 0
	for e, err := range client.Unix(path).Watch(bounded(t)) {
		if err != nil {
			errs++
			continue
		}
		switch {
		case e.Status != nil:
			got = append(got, fmt.Sprint(e.Kind, e.Status.Revision))
		case e.Note != nil:
			got = append(got, e.Kind+e.Note.Text)
		}
		if len(got) == 5 {
			break
		}
	}
	if want := "status1 notex status2 notex status3"; strings.Join(got, " ") != want || errs != 2 {
		t.Errorf("got %q with %d errors", got, errs)
	}
	refused := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		fmt.Fprint(w, `{"code":"denied","message":"no"}`)
	})
	errs = 0
	for _, err := range client.Unix(refused).Watch(bounded(t)) {
		if !fault.Is(err, fault.Denied) {
			t.Error(err)
		}
		errs++
	}
	if errs != 1 {
		t.Errorf("%d refusals", errs)
	}
}

func TestDownload(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789"), 100_000)
	whole := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(payload)))
		_, _ = w.Write(payload)
	})
	var buf bytes.Buffer
	var last, total int64
	if err := client.Unix(whole).Download(bounded(t), "cluster", "snapshot", &buf, func(d, t int64) { last, total = d, t }); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(buf.Bytes(), payload) || last != int64(len(payload)) || total != last {
		t.Errorf("%d bytes, progress %d of %d", buf.Len(), last, total)
	}
	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(payload)))
		_, _ = w.Write(payload[:1000])
		panic(http.ErrAbortHandler)
	})
	if err := client.Unix(broken).Download(bounded(t), "cluster", "snapshot", io.Discard, nil); err == nil {
		t.Error("half a snapshot passed for a whole one")
	}
}
