package model

import (
	"strings"
	"testing"
)

// A cluster that was made a second ago is assessed too; a time that is none is refused.
func TestShortExposures(t *testing.T) {
	text := func(exposure string) string {
		return sheet + "frequency: {threats: [{threat: t, observations: [{count: 1, exposure: " + exposure + "}]}]}"
	}
	if f := faultsOf(t, text("3e-8")); len(f) > 0 {
		t.Errorf("a second of a year: %v", f)
	}
	for _, e := range []string{"1e-12", "-1"} {
		if f := faultsOf(t, text(e)); len(f) != 1 || !strings.Contains(f[0], "exposure") {
			t.Errorf("exposure %s: %v", e, f)
		}
	}
}
