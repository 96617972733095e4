package cli_test

import (
	"os"
	"path/filepath"
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

// TestOddIncidents: an amount that is none is told as that alone, a time to come is told of, and an example without a note ends with its place.
func TestOddIncidents(t *testing.T) {
	dir := t.TempDir()
	store, file := filepath.Join(dir, "i.jsonl"), filepath.Join(dir, "v.json")
	for _, d := range []string{"NaN", "-1", "+Inf"} {
		r := run(&daemon{}, "", false, "redoubt", "assess", "incident", "--store", store, "add", "--threat", "t", "--damage="+d)
		if r.status == 0 || !strings.Contains(r.errout, "--damage") || strings.Contains(r.errout, "id of") {
			t.Errorf("%s: status %d: %s", d, r.status, r.errout)
		}
	}
	r := run(&daemon{}, "", false, "redoubt", "assess", "incident", "--store", store, "add", "--threat", "t", "--time", "2097-01-01")
	if r.status != 0 || !strings.Contains(r.errout, "2097-01-01 has not come") {
		t.Errorf("status %d: %s", r.status, r.errout)
	}
	if err := os.WriteFile(file, []byte(`[{"timeline":{"incident":{"year":2098}},"action":{"malware":{}}},{"timeline":{"incident":{"year":2020}},"security_incident":"False"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	r = run(&daemon{}, "", false, "redoubt", "assess", "incident", "--store", store, "import", "--form", "veris", file)
	if r.status != 0 || !strings.Contains(r.errout, "as record 1: 2098") || !strings.Contains(r.errout, "as record 2\n") {
		t.Errorf("status %d: %s", r.status, r.errout)
	}
}
