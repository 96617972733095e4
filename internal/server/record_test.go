package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/auditlog"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/server/servertest"
)

// canary is a secret that must stand in no record.
const canary = "canary-Zk3v9"

// input is the type of an operation's input, by the method of the same name.
func input(t *testing.T, op v1.Operation) reflect.Type {
	t.Helper()
	name := ""
	for _, word := range strings.FieldsFunc(op.Noun+" "+op.Verb, func(r rune) bool { return r == ' ' || r == '-' || r == '_' }) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	m, ok := reflect.TypeFor[*control.Control]().MethodByName(name)
	if !ok {
		t.Fatalf("%s %s: Control has no method %s", op.Noun, op.Verb, name)
	}
	return m.Type.In(3)
}

// secretNames are names of fields that hold secrets, whatever their declaration says.
var secretNames = regexp.MustCompile(`(?i)^(password|passphrase|token|secret|new.*password)$`)

// fill puts something into every field: the canary where a secret belongs, and into properties with names of secrets.
func fill(v reflect.Value, secret bool, name string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), secret, name)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() {
				fill(v.Field(i), f.Tag.Get("secret") == "true" || secretNames.MatchString(f.Name), f.Name)
			}
		}
	case reflect.String:
		v.SetString("n9")
		if secret {
			v.SetString(canary)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(canary)) // bytes are never repeated
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), secret, name)
		if regexp.MustCompile("^(Property|Extension|Standard)$").MatchString(name) && v.Type().Elem().Kind() == reflect.String {
			v.Index(0).SetString("Admin_Password{n1}=" + canary)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	}
}

// TestEveryOperationIsRecorded calls every operation over HTTP, allowed and refused.
func TestEveryOperationIsRecorded(t *testing.T) {
	log := &servertest.Recorder{}
	s, _ := start(t, func(c *Config) { c.Control = servertest.AloneRecorded(log) })
	socket := onSocket(t, s)
	hc := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	for _, op := range control.Operations() {
		name := op.Noun + " " + op.Verb
		in := reflect.New(input(t, op))
		fill(in.Elem(), false, "")
		body, err := json.Marshal(in.Interface())
		if err != nil {
			t.Fatal(err)
		}
		method, url := http.MethodPost, "http://x/v1/"+op.Noun+"/"+op.Verb
		if op.Stream {
			method, body = http.MethodGet, nil
		}
		r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := hc.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode == http.StatusBadRequest && bytes.Contains(text, []byte("the request is wrong")) {
			t.Fatalf("%s: the test's input is not taken: %s", name, text)
		}
		records := log.Take()
		all, err := json.Marshal(records)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(all, []byte(canary)) {
			t.Errorf("%s: a secret stands in the log: %s", name, all)
		}
		if control.Recorded(op) != (len(records) == 2) {
			t.Errorf("%s: recorded is %t, there are %d records", name, control.Recorded(op), len(records))
			continue
		}
		if !op.Read && !control.Recorded(op) && name != "scha_resource_setstatus call" {
			t.Errorf("%s changes something and is not recorded", name)
		}
		if len(records) != 2 {
			continue
		}
		if b, e := records[0], records[1]; b.Kind != auditlog.Start || e.Kind != auditlog.End || b.Operation != name || b.User != "root" || b.From != "uid 0" || b.PID == 0 || b.Command == "" {
			t.Errorf("%s: %+v", name, b)
		} else if failed := answer.StatusCode >= 400; failed != (*e.Exit != 0) || failed != (e.Error != "") {
			t.Errorf("%s: answered %d, recorded %+v", name, answer.StatusCode, e)
		}
	}
	nobody := func(op v1.Operation) error {
		_, err := control.Do(t.Context(), s.cfg.Control, control.Caller{Kind: control.CallerLocal, UID: 4242, User: "eve"}, op, v1.GroupOnline{Names: []string{"g"}}, (*control.Control).GroupOnline)
		return err
	}
	op := v1.Operation{Noun: "group", Verb: "online"}
	if err := nobody(op); !fault.Is(err, fault.Denied) {
		t.Fatal(err)
	}
	if r := log.Take(); len(r) != 1 || r[0].Kind != auditlog.Denied || r[0].User != "eve" || r[0].Operation != "group online" || r[0].Command != "redoubt group online g" {
		t.Errorf("a refusal is recorded as %+v", r)
	}
}

// TestNothingUnrecorded: what can not be recorded is not done, except in an emergency.
func TestNothingUnrecorded(t *testing.T) {
	log := &servertest.Recorder{Fail: fault.Errorf(fault.Unavailable, "no space left on device")}
	c := servertest.AloneRecorded(log)
	root := control.Caller{Kind: control.CallerLocal, User: "root"}
	created, err := control.Do(t.Context(), c, root, v1.Operation{Noun: "cluster", Verb: "create"}, v1.ClusterCreate{Name: "demo"}, (*control.Control).ClusterCreate)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "nothing was changed") || created.Name != "" {
		t.Errorf("a change that can not be recorded: %+v, %v", created, err)
	}
	_, err = control.Do(t.Context(), c, root, v1.Operation{Noun: "group", Verb: "offline"}, v1.GroupOffline{Names: []string{"g"}}, (*control.Control).GroupOffline)
	if !fault.Is(err, fault.Precondition) || log.Passed != 1 {
		t.Errorf("an emergency waits for the log: %v", err)
	}
}

// A request that no operation sees is recorded when it is refused.
func TestOtherRefusalsAreRecorded(t *testing.T) {
	log := &servertest.Recorder{}
	s, _ := start(t, func(c *Config) { c.Control = servertest.AloneRecorded(log) })
	s.cfg.Control.Refused(control.Caller{Kind: control.CallerNone}, "GET /metrics\nx", fault.Errorf(fault.Denied, "no"))
	if r := log.Take(); len(r) != 1 || r[0].Command != "# GET /metrics x" || r[0].User != ":stranger" {
		t.Errorf("%+v", r)
	}
}
