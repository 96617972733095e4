package model

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// TestExample holds the example to having every section and no fault, and to naming the schema.
func TestExample(t *testing.T) {
	m, err := Read([]byte(Example()))
	if err != nil {
		faults, _ := errors.AsType[Faults](err)
		for _, f := range faults {
			t.Error(f)
		}
		t.FailNow()
	}
	v := reflect.ValueOf(*m)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("the example has no %s", v.Type().Field(i).Tag.Get("yaml"))
		}
	}
	if !strings.HasPrefix(Example(), "# yaml-language-server: $schema=model.schema.json\n") {
		t.Error("an editor does not find the schema")
	}
}
