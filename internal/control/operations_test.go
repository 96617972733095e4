package control_test

import (
	"context"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
)

// TestTableIsComplete: one method for each entry, one entry for each method, with an input of the same name.
func TestTableIsComplete(t *testing.T) {
	typ := reflect.TypeFor[*control.Control]()
	ctx, who := reflect.TypeFor[context.Context](), reflect.TypeFor[control.Caller]()
	failure := reflect.TypeFor[error]()
	entries := map[string]v1.Operation{}
	for _, op := range control.Operations() {
		name := camel(op.Noun) + camel(op.Verb)
		if _, twice := entries[name]; twice {
			t.Errorf("%s %s stands in the table twice", op.Noun, op.Verb)
		}
		entries[name] = op
		m, ok := typ.MethodByName(name)
		if !ok {
			t.Errorf("%s %s: Control has no method %s", op.Noun, op.Verb, name)
			continue
		}
		if m.Type.NumIn() != 4 || m.Type.In(1) != ctx || m.Type.In(2) != who || m.Type.NumOut() != 2 || m.Type.Out(1) != failure {
			t.Errorf("method %s has the wrong shape: %v", name, m.Type)
			continue
		}
		if in := m.Type.In(3); in.Name() != name || in.PkgPath() != "redoubt/api/v1" {
			t.Errorf("method %s takes %v, want v1.%s", name, in, name)
		}
		if op.Summary == "" || !named(op.Authorization) {
			t.Errorf("%s %s: no summary or no authorization", op.Noun, op.Verb)
		}
		if right := op.Authorization[strings.LastIndexByte(op.Authorization, '.')+1:]; op.Read && right != rbac.Read && right != v1.AuthNode && right != v1.AuthSelf && !op.Stream {
			t.Errorf("%s %s reads and needs %s", op.Noun, op.Verb, op.Authorization)
		}
	}
	for i := range typ.NumMethod() {
		m := typ.Method(i)
		operation := m.Type.NumIn() == 4 && m.Type.In(1) == ctx && m.Type.In(2) == who
		if _, ok := entries[m.Name]; operation && !ok {
			t.Errorf("method %s has no entry in the table", m.Name)
		}
	}
}

// named reports whether a word says who may.
func named(word string) bool {
	_, err := rbac.ParseWord(word)
	return err == nil || slices.Contains([]string{v1.AuthRoot, v1.AuthNode, v1.AuthSelf, v1.AuthOwn}, word)
}

// call runs an operation with an empty input.
func call(c *control.Control, op v1.Operation, who control.Caller) error {
	m := reflect.ValueOf(c).MethodByName(camel(op.Noun) + camel(op.Verb))
	out := m.Call([]reflect.Value{reflect.ValueOf(context.Background()), reflect.ValueOf(who), reflect.Zero(m.Type().In(2))})
	err, _ := out[1].Interface().(error)
	return err
}

// TestWhoMayDoWhat: nobody but root of a node may do anything, but for what the table opens.
func TestWhoMayDoWhat(t *testing.T) {
	c := control.New(control.Config{Clock: clock{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Local: local{}})
	for _, op := range control.Operations() {
		name := op.Noun + " " + op.Verb
		for _, who := range []control.Caller{{}, {Kind: control.CallerLocal, UID: 1000, User: "eve"}, {Kind: control.CallerNone}, {Kind: control.CallerNode}, {Kind: control.CallerNode, Node: "n2"}, {Kind: "other"}} {
			open := op.Open && (who.Kind == control.CallerNone || who.Kind == control.CallerNode) || op.Peer && who.Node != ""
			err := call(c, op, who)
			if open && fault.Is(err, fault.Denied) {
				t.Errorf("%s by %s: denied: %v", name, who, err)
			}
			if !open && !fault.Is(err, fault.Denied) {
				t.Errorf("%s by %s: not denied: %v", name, who, err)
			}
		}
		err := call(c, op, root)
		if !op.Single && (!fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "redoubt cluster create")) {
			t.Errorf("%s in no cluster: %v", name, err)
		}
		if op.Single && (fault.Is(err, fault.Denied) || err != nil && strings.Contains(err.Error(), "redoubt cluster create")) {
			t.Errorf("%s in no cluster: %v", name, err)
		}
	}
	if _, err := c.Watch(t.Context(), control.Caller{Kind: control.CallerLocal, UID: 7}); !fault.Is(err, fault.Denied) {
		t.Errorf("watch by a user: %v", err)
	}
}
