package live_test

import (
	"bytes"
	"testing"

	"redoubt/assess/live"
)

// FuzzThaw: whatever is read as an export is refused, or is one that freezes to what it was and gives a model without faults.
func FuzzThaw(f *testing.F) {
	for _, e := range []*live.Export{healthy(), weak()} {
		text, err := live.Freeze(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"taken":"9999-12-31T23:59:59Z","status":{"cluster":{}}}`))
	c := shipped(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := live.Thaw(bytes.NewReader(text))
		if err != nil {
			return
		}
		m, err := live.Build(e, c, "en")
		if err != nil {
			return
		}
		if faults := m.Check(); len(faults) > 0 {
			t.Fatalf("%v", faults)
		}
	})
}
