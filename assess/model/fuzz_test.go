package model

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzRead gives the reader any bytes: they are a model without faults, or faults with positions within the text. What was read and is written as JSON reads as the same.
func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(Example()))
	f.Add([]byte(`{"version":1,"objects":[{"name":"a","value":1e3}],"access":{"hartson":{"authorisations":[],"requests":[{"user":"u","operation":"r","resources":["x"],"state":{"hour":3,"l":[1,null]}}]}}}`))
	f.Add([]byte("version: 1\nobjects:\n- {name: a, value: .nan}\n- {name: c, value: 0x1F}\nthreats: *o\n<<: {a: b}\n? [x]\n: y"))
	f.Add([]byte("version: 1\ngame: {matrix: {attacker: [[1,2],[3]]}}\ncodes: {phi: 0110, n: !!int \"3\", ring: {levels: 8}}\nmeans: [{name: m, reduces: {t: 50%}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Read(text)
		if err != nil {
			faults, ok := errors.AsType[Faults](err)
			if !ok || len(faults) == 0 || m != nil {
				t.Fatalf("the error is %T with %d faults", err, len(faults))
			}
			for _, x := range faults {
				if x.Line < 0 || x.Line > len(text)+1 || x.Text == "" {
					t.Fatalf("fault %+v", x)
				}
			}
			return
		}
		if found := m.Check(); len(found) > 0 {
			t.Fatalf("it was read with faults: %v", found)
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Read(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if m.Digest() != back.Digest() {
			t.Fatalf("(-first +second):\n%s", cmp.Diff(m, back))
		}
	})
}
