package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

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

// TestSecretsGivenOutAreRecorded: whoever gets the value of a private string outside of the methods that it is for stands in the log, with its name and without its value;
// and gets nothing when that can not be written.
func TestSecretsGivenOutAreRecorded(t *testing.T) {
	log := &servertest.Recorder{}
	c, _ := servertest.ClusterRecorded(t, log)
	root := control.Caller{Kind: control.CallerLocal, User: "root", PID: 7}
	method, eve := root, control.Caller{Kind: control.CallerLocal, UID: 1000, User: "eve"}
	method.Resource = "web"
	operation := func(name string) v1.Operation {
		ops := control.Operations()
		return ops[slices.IndexFunc(ops, func(op v1.Operation) bool { return op.Noun+" "+op.Verb == name })]
	}
	for _, name := range []string{"pw", "other"} {
		if _, err := control.Do(t.Context(), c, root, operation("secret create"), v1.SecretCreate{Names: []string{name}, Object: "web", Value: []byte(canary)}, (*control.Control).SecretCreate); err != nil {
			t.Fatal(err)
		}
	}
	log.Take()
	get := func(who control.Caller, tag string) ([]string, error) {
		return control.Do(t.Context(), c, who, operation("scha_cluster_get call"), v1.SchaClusterGetCall{Operation: tag, Names: []string{"pw"}}, (*control.Control).SchaClusterGetCall)
	}
	recorded := func(what string, err error, want ...auditlog.Kind) {
		t.Helper()
		records := log.Take()
		var kinds []auditlog.Kind
		for _, r := range records {
			kinds = append(kinds, r.Kind)
		}
		all, _ := json.Marshal(records)
		if !slices.Equal(kinds, want) || bytes.Contains(all, []byte(canary)) || bytes.Contains(all, []byte(base64.StdEncoding.EncodeToString([]byte(canary)))) {
			t.Errorf("%s (%v) is recorded as %s, want %v without the value", what, err, all, want)
		}
		if len(want) > 0 && (len(records) == 0 || !strings.Contains(records[0].Command, "pw")) {
			t.Errorf("%s: the record does not say which string: %s", what, all)
		}
	}
	for _, tag := range []string{"PSTRING", " pstring\t"} {
		got, err := get(root, tag)
		if err != nil || !slices.Equal(got, []string{canary}) {
			t.Errorf("root reads %q, %v", got, err)
		}
		recorded("root, "+tag, err, auditlog.Start, auditlog.End)
	}
	got, err := get(method, "PSTRING")
	if err != nil || !slices.Equal(got, []string{canary}) {
		t.Errorf("a method reads %q, %v", got, err)
	}
	recorded("a method of its resource", err)
	_, err = get(root, "CLUSTERNAME")
	recorded("root, another tag", err)
	_, err = get(eve, "PSTRING")
	recorded("somebody else", err, auditlog.Denied)
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	export := func(who control.Caller) ([]v1.SecretDocument, error) {
		return control.Do(t.Context(), c, who, operation("secret export"), v1.SecretExport{Names: []string{"pw"}, Recipient: key.Recipient().String()}, (*control.Control).SecretExport)
	}
	docs, err := export(root)
	if err != nil || len(docs) != 1 {
		t.Errorf("root exports %+v, %v", docs, err)
	}
	recorded("root exports", err, auditlog.Start, auditlog.End)
	_, err = export(eve)
	recorded("somebody else exports", err, auditlog.Denied)
	log.Fail = fault.Errorf(fault.Unavailable, "no space left on device")
	if got, err := get(root, "PSTRING"); !fault.Is(err, fault.Unavailable) || len(got) > 0 {
		t.Errorf("what can not be recorded is given out: %q, %v", got, err)
	}
	if docs, err := export(root); !fault.Is(err, fault.Unavailable) || len(docs) > 0 {
		t.Errorf("what can not be recorded is exported: %+v, %v", docs, err)
	}
	if got, err := get(method, "PSTRING"); err != nil || len(got) != 1 {
		t.Errorf("a method waits for the log: %q, %v", got, err)
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
