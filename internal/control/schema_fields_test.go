package control

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"redoubt/internal/admission"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/membership"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

// recordTypes are the records of the repository by kind.
func recordTypes() map[confdb.Kind]any {
	return map[confdb.Kind]any{
		confdb.KindCluster: model.Cluster{}, confdb.KindMembership: membership.Record{}, confdb.KindNode: model.Node{}, confdb.KindType: model.Type{},
		confdb.KindGroup: model.Group{}, confdb.KindResource: model.Resource{}, confdb.KindWant: model.Want{}, confdb.KindAssignment: model.Assignment{},
		confdb.KindInstance: model.Instance{}, confdb.KindFarewell: model.Farewell{}, confdb.KindAccess: admission.Entry{}, confdb.KindAsk: engine.Ask{},
		confdb.KindAttr: attribute{}, confdb.KindRevoked: model.Revoked{}, confdb.KindCertificate: model.Certificate{}, confdb.KindAuthorities: model.Authorities{},
		confdb.KindTrust: model.Trust{}, confdb.KindQuorum: engine.Quorum{}, confdb.KindSecret: model.Secret{}, confdb.KindForward: model.Forward{},
		confdb.KindSerial: serial{}, confdb.KindUser: rbac.User{}, confdb.KindUnixGroup: rbac.Group{}, confdb.KindRole: rbac.Role{}, confdb.KindProfile: rbac.Profile{},
		confdb.KindFencing: model.Fencing{}, confdb.KindSession: rbac.Session{},
	}
}

// fieldsOf lists the fields of a record as paths.
func fieldsOf(t reflect.Type, path string) []string {
	switch t.Kind() {
	case reflect.Pointer:
		return fieldsOf(t.Elem(), path)
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return []string{path}
		}
		return fieldsOf(t.Elem(), path+"[]")
	case reflect.Map:
		return fieldsOf(t.Elem(), path+"{}")
	case reflect.Struct:
		if t.Implements(reflect.TypeFor[json.Marshaler]()) {
			return []string{path}
		}
		var out []string
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" || !f.IsExported() {
				continue
			}
			out = append(out, fieldsOf(f.Type, strings.TrimPrefix(path+"."+name, "."))...)
		}
		return out
	}
	return []string{path}
}

func allFields() []string {
	var out []string
	for kind, record := range recordTypes() {
		for _, f := range fieldsOf(reflect.TypeOf(record), "") {
			out = append(out, string(kind)+" "+f)
		}
	}
	slices.Sort(out)
	return out
}

// Every field of a record belongs to a version of the schema: what the first one has stands in testdata/schema-1.txt, which does not change any more, and what came
// later in the table of package confdb. A field in neither would be written into clusters with nodes that do not know it.
func TestEveryFieldBelongsToAVersion(t *testing.T) {
	text, err := os.ReadFile("testdata/schema-1.txt")
	if err != nil {
		t.Fatal(err)
	}
	first := strings.Fields(strings.ReplaceAll(string(text), " ", "\x00"))
	for _, f := range allFields() {
		kind, path, _ := strings.Cut(f, " ")
		old := slices.Contains(first, kind+"\x00"+path)
		switch since := confdb.Since(confdb.Kind(kind), path); {
		case old && since != confdb.OldestLevel:
			t.Errorf("%s: the field %s was in the first version already, but the table of internal/confdb/schema.go says version %d", kind, path, since)
		case !old && since == confdb.OldestLevel:
			t.Errorf("%s: the field %s is new: add a line to the table changes of internal/confdb/schema.go, with the version that brings it (%d if it is not released)", kind, path, confdb.Newest())
		}
	}
	for _, f := range first {
		if kind, path, _ := strings.Cut(f, "\x00"); !slices.Contains(allFields(), kind+" "+path) {
			t.Errorf("%s: the field %s is gone: a cluster may still have records with it, which nobody could read any more", kind, path)
		}
	}
}
