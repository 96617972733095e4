package control

import (
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/audit"
)

// TestWhatEverybodyMayTry: an operation that is recorded and needs no right at all can be tried without end by whoever holds nothing, so its failures count together.
func TestWhatEverybodyMayTry(t *testing.T) {
	for _, op := range Operations() {
		name := op.Noun + " " + op.Verb
		if want := Recorded(op) && op.Authorization == v1.AuthSelf; audit.ForEverybody(name) != want {
			t.Errorf("%s: counted together: %v, want %v", name, !want, want)
		}
	}
}
