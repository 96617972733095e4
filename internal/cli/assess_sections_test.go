package cli_test

import (
	"strings"
	"testing"
)

// TestSectionNotComputed: a section that the model has something for and that can not be computed is told with its cause, by the section's verb and by run.
func TestSectionNotComputed(t *testing.T) {
	for name, c := range map[string]struct{ section, model, why string }{
		"endless gain": {"game", "version: 1\ngame: {information: 'x*exp(-y)', gain: 'I*I', loss: I*10}\n", "give max_attack"},
		"too large":    {"ibm", "version: 1\nthreats: [{name: t}]\nibm: {threats: [{threat: t, frequency: 1e308, damage: 1e308}]}\n", "too large"},
	} {
		r := run(&daemon{}, c.model, false, "redoubt", "assess", c.section, "-")
		if r.status == 0 || !strings.Contains(r.errout, c.why) || strings.Contains(r.errout, "has nothing for") {
			t.Errorf("%s: status %d: %s", name, r.status, r.errout)
		}
		r = run(&daemon{}, c.model, false, "redoubt", "assess", "run", "-", "-o", "json")
		if r.status != 0 || !strings.Contains(r.errout, "no section "+c.section) || !strings.Contains(r.errout, c.why) {
			t.Errorf("%s: run: status %d: %s", name, r.status, r.errout)
		}
	}
	// What the model says nothing about is nothing to warn of.
	quiet := "version: 1\ngame: {information: 'x/(x+y)', gain: I*10, loss: I*10}\n"
	if r := run(&daemon{}, quiet, false, "redoubt", "assess", "run", "-", "-o", "json"); r.status != 0 || r.errout != "" {
		t.Errorf("status %d: %s", r.status, r.errout)
	}
	if r := run(&daemon{}, quiet, false, "redoubt", "assess", "ibm", "-"); r.status == 0 || !strings.Contains(r.errout, "it needs section ibm") {
		t.Errorf("status %d: %s", r.status, r.errout)
	}
}
