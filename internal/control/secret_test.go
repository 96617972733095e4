package control_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// lock is a sealer that works like the real one, with keys that are names.
type lock struct{ key string }

type locked struct {
	To    string
	Value []byte
	Keys  []string
}

func (l lock) Seal(to string, value []byte, recipients []string) ([]byte, error) {
	// Turned round, so that a search for the value in the clear does not find it here.
	turned := bytes.Clone(value)
	slices.Reverse(turned)
	return json.Marshal(locked{to, turned, recipients})
}

func (l lock) Unseal(to string, sealed []byte) ([]byte, error) {
	var s locked
	if err := json.Unmarshal(sealed, &s); err != nil || s.To != to {
		return nil, fault.Errorf(fault.Internal, "damaged")
	}
	if !slices.Contains(s.Keys, l.key) {
		return nil, fault.Errorf(fault.Denied, "not sealed to %s", l.key)
	}
	slices.Reverse(s.Value)
	return s.Value, nil
}

func (w *world) pstring(n cluster.NodeName, who control.Caller, name string) ([]string, error) {
	return w.nodes[n].control.SchaClusterGetCall(w.ctx, who, v1.SchaClusterGetCall{Operation: "pstring", Names: []string{name}})
}

func TestPrivateStrings(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		value := []byte("correct horse battery")
		create := func(in v1.SecretCreate) (v1.Result, error) { return w.c().SecretCreate(w.ctx, root, in) }
		refuse[v1.Result](t, fault.Invalid, "with -b")(create(v1.SecretCreate{Names: []string{"pw"}, Value: value}))
		refuse[v1.Result](t, fault.Invalid, "value is empty")(create(v1.SecretCreate{Names: []string{"pw"}, Object: "web"}))
		refuse[v1.Result](t, fault.Invalid, "one private string")(create(v1.SecretCreate{Names: []string{"pw", "pw2"}, Object: "web", Value: value}))
		refuse[v1.Result](t, fault.Invalid, "bound to a resource")(create(v1.SecretCreate{Names: []string{"pw"}, Object: "web", Type: "node", Value: value}))
		refuse[v1.Result](t, fault.Invalid, "more than the")(create(v1.SecretCreate{Names: []string{"pw"}, Object: "web", Value: make([]byte, 70000)}))
		ok[v1.Result](t)(create(v1.SecretCreate{Names: []string{"pw"}, Object: "web", Value: value}))
		refuse[v1.Result](t, fault.Exists, "secret set pw")(create(v1.SecretCreate{Names: []string{"pw"}, Object: "web", Value: value}))
		if res := ok[v1.Result](t)(create(v1.SecretCreate{Names: []string{"later"}, Object: "db", Value: value})); !strings.Contains(strings.Join(res.Messages, " "), "does not exist yet") {
			t.Errorf("messages: %v", res.Messages)
		}
		synctest.Wait()

		// Root reads it on every node, and so do the methods of its resource; nobody else.
		for n := range w.nodes {
			if got := ok[[]string](t)(w.pstring(n, root, "pw")); got[0] != string(value) {
				t.Errorf("on %s: %q", n, got)
			}
		}
		method := control.Caller{Kind: control.CallerLocal, User: "root", Resource: "web"}
		if got := ok[[]string](t)(w.pstring("n2", method, "pw")); got[0] != string(value) {
			t.Errorf("a method reads %q", got)
		}
		for _, who := range []control.Caller{
			{Kind: control.CallerLocal, User: "root", Resource: "other"}, {Kind: control.CallerLocal, UID: 1000, User: "eve"}, {Kind: control.CallerLocal, UID: 1000, User: "eve", Resource: "web"},
			{Kind: control.CallerNode, Node: "n2"}, {Kind: control.CallerNone},
		} {
			if got, err := w.pstring("n1", who, "pw"); !fault.Is(err, fault.Denied) {
				t.Errorf("%+v: %q, %v", who, got, err)
			}
		}
		refuse[[]string](t, fault.NotFound, "does not exist")(w.pstring("n1", root, "nonsense"))

		// Nothing but the method of reading gives the value away.
		snap, _ := w.store.Read(w.ctx, confdb.Root)
		for _, e := range snap.Entries {
			if bytes.Contains(e.Value, value) {
				t.Errorf("record %s has the value in the clear", e.Key)
			}
		}
		shown, _ := json.Marshal(ok[[]v1.Secret](t)(w.c().SecretShow(w.ctx, root, v1.SecretShow{})))
		doc, _ := json.Marshal(ok[v1.Document](t)(w.c().ClusterExport(w.ctx, root, v1.ClusterExport{})))
		if bytes.Contains(shown, value) || bytes.Contains(doc, value) {
			t.Errorf("show or export has the value: %s %s", shown, doc)
		}
		if got := ok[[]string](t)(w.c().SecretList(w.ctx, root, v1.SecretList{Object: "web"})); !slices.Equal(got, []string{"pw"}) {
			t.Errorf("list -b web: %v", got)
		}

		// It is set anew, and goes only with force while its resource is there.
		ok[v1.Result](t)(w.c().SecretSet(w.ctx, root, v1.SecretSet{Names: []string{"pw"}, Value: []byte("second")}))
		if got := ok[[]string](t)(w.pstring("n1", root, "pw")); got[0] != "second" {
			t.Errorf("after set: %q", got)
		}
		refuse[v1.Result](t, fault.Precondition, "-F deletes it")(w.c().SecretDelete(w.ctx, root, v1.SecretDelete{Names: []string{"pw"}}))
		ok[v1.Result](t)(w.c().SecretDelete(w.ctx, root, v1.SecretDelete{Names: []string{"later"}}))
		ok[v1.Result](t)(w.c().SecretDelete(w.ctx, root, v1.SecretDelete{All: true, Force: true}))
		if got := ok[[]string](t)(w.c().SecretList(w.ctx, root, v1.SecretList{})); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	})
}

// TestNodesChange: a private string follows the nodes. A node with a new key reads it after somebody else has encrypted it anew; one that is removed does
// not read what is set from then on, and is remembered for what it knew.
func TestNodesChange(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.web()
		ok[v1.Result](t)(w.c().SecretCreate(w.ctx, root, v1.SecretCreate{Names: []string{"pw"}, Object: "web", Value: []byte("one")}))
		synctest.Wait()
		key := confdb.KeyNode("n3")
		e, err := w.store.Get(w.ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		node, err := confdb.Decode[model.Node](confdb.KindNode, key, e.Value)
		if err != nil {
			t.Fatal(err)
		}
		node.Keys = map[string]string{model.KeySecret: "new key of n3"}
		w.put(key, confdb.KindNode, node)
		synctest.Wait()
		snap := w.nodes["n1"].mirror.Snapshot()
		if s := snap.Secrets[0]; s.Readers["n3"] != "new key of n3" || s.Version != 1 || len(s.KnownTo) != 0 {
			t.Errorf("after a new key: %+v", s)
		}
		if _, err := (lock{"new key of n3"}).Unseal("pw of resource web", snap.Secrets[0].Sealed); err != nil {
			t.Errorf("the new key does not open it: %v", err)
		}
		if _, err := (lock{"key of n3"}).Unseal("pw of resource web", snap.Secrets[0].Sealed); err == nil {
			t.Error("the old key still opens it")
		}
		verified := ok[[]v1.Secret](t)(w.c().SecretVerify(w.ctx, root, v1.SecretVerify{}))
		if v := verified[0]; !slices.Equal(v.Readable, []string{"n1", "n2", "n3"}) || len(v.Unreadable) != 1 || !strings.HasPrefix(v.Unreadable[0], "n3: ") {
			t.Errorf("n3 still has its old key, and verify says: %+v", v)
		}

		ok[v1.Result](t)(w.c().NodeRemove(w.ctx, root, v1.NodeRemove{Names: []string{"n3"}, Force: true}))
		synctest.Wait()
		s := w.nodes["n1"].mirror.Snapshot().Secrets[0]
		if _, still := s.Readers["n3"]; still || !slices.Equal(s.KnownTo, []cluster.NodeName{"n3"}) {
			t.Errorf("after the removal: %+v", s)
		}
		report := ok[v1.CheckReport](t)(w.c().ClusterCheck(w.ctx, root, v1.ClusterCheck{}))
		if !slices.ContainsFunc(report.Problems, func(p v1.Problem) bool { return p.Object == "secret pw" && strings.Contains(p.Remedy, "secret set pw") }) {
			t.Errorf("cluster check does not ask for a new value: %+v", report.Problems)
		}
		ok[v1.Result](t)(w.c().SecretSet(w.ctx, root, v1.SecretSet{Names: []string{"pw"}, Value: []byte("two")}))
		synctest.Wait()
		if s := w.nodes["n1"].mirror.Snapshot().Secrets[0]; len(s.KnownTo) != 0 || s.Version != 2 {
			t.Errorf("after a new value: %+v", s)
		}
	})
}

// TestSecretExport: only root of a node exports, and only to a key.
func TestSecretExport(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		ok[v1.Result](t)(w.c().SecretCreate(w.ctx, root, v1.SecretCreate{Names: []string{"pw"}, Object: "web", Value: []byte("one")}))
		refuse[[]v1.SecretDocument](t, fault.Invalid, "age1")(w.c().SecretExport(w.ctx, root, v1.SecretExport{All: true}))
		list := ok[[]v1.SecretDocument](t)(w.c().SecretExport(w.ctx, root, v1.SecretExport{All: true, Recipient: "age1operator"}))
		if len(list) != 1 || list[0].Object != "web" || !strings.HasPrefix(list[0].Sealed, "-----BEGIN AGE ENCRYPTED FILE-----\n") {
			t.Errorf("exported: %+v", list)
		}
	})
}
