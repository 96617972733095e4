package cli

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"redoubt/internal/control"
	"redoubt/internal/server"
	"redoubt/internal/server/servertest"
)

// serve runs the real server over a control layer.
func serve(t *testing.T, c *control.Control) string {
	t.Helper()
	s := server.New(server.Config{Control: c, Log: slog.New(slog.DiscardHandler), Grace: time.Second})
	socket := filepath.Join(t.TempDir(), "api.sock")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeUnix(ctx, socket) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(10 * time.Second); absent(socket); {
		if time.Now().After(end) {
			t.Fatal("the server does not answer")
		}
		<-time.After(5 * time.Millisecond)
	}
	return socket
}

// schema is as much of a JSON schema as the flags of a command need.
type schema struct {
	Type       any
	Items      *struct{ Type any }
	Ref        string `json:"$ref"`
	Properties map[string]schema
}

// is reports whether the schema allows a type.
func (s schema) is(want string) bool {
	switch t := s.Type.(type) {
	case string:
		return t == want
	case []any:
		return slices.Contains(t, any(want))
	}
	return false
}

type endpoint struct {
	Parameters []struct {
		Name   string
		Schema schema
	}
	RequestBody struct {
		Content map[string]struct{ Schema schema }
	}
}

// TestCommandsFitTheAPI holds each command to the operation that it calls: it is there, and it takes every flag in the form in which the command
// sends it. And each operation has a command, except those that only daemons use.
func TestCommandsFitTheAPI(t *testing.T) {
	socket := serve(t, servertest.Alone())
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	resp, err := c.Get("http://x/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct {
		Paths      map[string]map[string]endpoint
		Components struct{ Schemas map[string]schema }
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	fields := func(e endpoint) map[string]schema {
		out := map[string]schema{}
		for _, p := range e.Parameters {
			out[p.Name] = p.Schema
		}
		body := e.RequestBody.Content["application/json"].Schema
		for name, s := range doc.Components.Schemas[filepath.Base(body.Ref)].Properties {
			out[name] = s
		}
		return out
	}
	called := map[string]bool{}
	check := func(nounName string, v verb) {
		op := nounName + " " + v.name
		if v.as != "" {
			op = v.as
		}
		called[op] = true
		var noun, name string
		for _, o := range control.Operations() {
			if o.Noun+" "+o.Verb == op {
				noun, name = o.Noun, o.Verb
				if o.Read != v.read {
					t.Errorf("%s: read is %t in the command, %t in the API", op, v.read, o.Read)
				}
			}
		}
		method := "post"
		if v.read {
			method = "get"
		}
		e, ok := doc.Paths["/v1/"+noun+"/"+name][method]
		if !ok {
			t.Errorf("%s %s: the API has no operation %q", nounName, v.name, op)
			return
		}
		have := fields(e)
		want := map[string]string{}
		for _, o := range v.options {
			want[o.field()] = map[kind]string{boolean: "boolean", text: "string", number: "integer", list: "array", repeat: "array"}[o.kind]
		}
		if v.operand != "" && v.operand != fileOperand {
			want["names"], want["all"] = "array", "boolean"
		}
		if v.act != nil { // what the command keeps for itself
			delete(want, "watch")
			delete(want, "file")
			for _, own := range []string{"secretsTo", "secretsPassphrase", "passphraseFile", "secretsIdentity", "dir", "key", "tokenFile", "showKey", "dir", "revoke", "vulndb"} {
				delete(want, own)
			}
			switch op {
			case "secret create":
				if v.name == "import" { // they stand in its file
					delete(have, "object")
					delete(have, "type")
				}
			case "user can": // its operands are no names
				delete(want, "names")
				delete(want, "all")
				want["user"], want["operation"], want["object"] = "string", "string", "string"
			case "session open": // times there, seconds here; the authority comes in the answer
				want["for"], want["idle"] = "integer", "integer"
				delete(want, "authority")
			case "user certificate":
				delete(want, "request") // a file here, its content there
				delete(want, "fingerprint")
				delete(have, "request")
			}
		}
		for name, kind := range want {
			if s, ok := have[name]; !ok || !s.is(kind) {
				t.Errorf("%s: flag %s is sent as %s, the API has %v", op, name, kind, s.Type)
			}
		}
		for name := range have {
			if _, ok := want[name]; !ok && name != "names" && name != "all" && (v.act == nil || name != "value" && name != "token" && name != "password") && (op != "cluster apply" || name != "document") {
				t.Errorf("%s: the API has %s, the command has no flag for it", op, name)
			}
		}
	}
	for _, n := range nouns() {
		for _, v := range n.verbs {
			check(n.name, v)
		}
	}
	for _, v := range schaCommands() {
		check(v.name, v)
	}
	for _, o := range control.Operations() {
		if op := o.Noun + " " + o.Verb; !called[op] && o.Noun != "peer" && op != "node admit" {
			t.Errorf("%s has no command", op)
		}
	}
}
