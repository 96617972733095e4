package catalogue_test

import (
	"slices"
	"strings"
	"testing"

	"redoubt/assess/catalogue"
	"redoubt/internal/harden"
	"redoubt/internal/posture"
)

// TestShipped holds the shipped catalogue to its own rules and to the checks that there are: a check that was renamed must not leave a means without its ground.
func TestShipped(t *testing.T) {
	c, err := catalogue.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	var checks []string
	for _, x := range posture.Checks() {
		checks = append(checks, x.ID)
	}
	for _, x := range harden.Items() {
		checks = append(checks, x.ID)
	}
	against := map[string]bool{}
	for _, m := range c.Means {
		for _, id := range m.Checks {
			if !slices.Contains(checks, id) {
				t.Errorf("means %s rests on check %s, which there is not", m.Name, id)
			}
		}
		for name := range m.Strengths {
			against[name] = true
		}
	}
	for _, x := range c.Threats {
		if !against[x.Name] {
			t.Errorf("nothing in the catalogue stands against threat %s", x.Name)
		}
		if x.Title.RU == "" {
			t.Errorf("threat %s has no Russian title", x.Name)
		}
		stopped := slices.ContainsFunc(c.Means, func(m catalogue.Mean) bool { return m.Strengths[x.Name] > x.Weight })
		if !stopped {
			t.Errorf("no means of the catalogue is stronger than threat %s", x.Name)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	good := string(catalogue.Text())
	for _, x := range []struct{ name, old, new, want string }{
		{"version", "version: 1", "version: 7", "version 7"},
		{"unknown field", "prices:", "price:", "field price not found"},
		{"prices", "outage_hour: 0,", "outage_hour: 5,", "all of them, or none"},
		{"weight", "weight: 0.6", "weight: 1.6", "1.6 is not between 0 and 1"},
		{"not a number", "weight: 0.6", "weight: .nan", "NaN is not between 0 and 1"},
		{"violator", "violators: [thief]", "violators: [ghost]", `"ghost" is none of`},
		{"threat of a means", "strengths: {full-repository: 0.8}", "strengths: {nothing: 0.8}", `"nothing" is none of`},
		{"means of a channel", "left: {tls: 0.02}", "left: {tsl: 0.02}", `"tsl" is none of`},
		{"zones", "presence: [0.9, 0.2, 0.01, 0.002, 0.001]", "presence: [0.9]", "1 probabilities; want 5"},
		{"twice", "name: split", "name: node-loss", `"node-loss" is there twice`},
		{"nothing to rest on", "facts: [log-forwarded]", "facts: []", "names no check and no fact"},
		{"frequency", "{a: 0.5, b: 1}", "{a: 0.5, b: 0}", "greater than 0"},
		{"mark", "mark: R", "mark: Z", `"Z" is none of`},
		{"pair", "violators: [user, delegate], p: [0, 0.1", "violators: [wire, delegate], p: [0, 0.1", "listening with wire is there twice"},
		{"two documents", "", "\n---\nversion: 1\n", "more than one YAML document"},
	} {
		t.Run(x.name, func(t *testing.T) {
			text := good + x.new
			if x.old != "" {
				if text = strings.Replace(good, x.old, x.new, 1); text == good {
					t.Fatalf("the catalogue has no %q", x.old)
				}
			}
			if _, err := catalogue.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("error %v; want one with %q", err, x.want)
			}
		})
	}
	if _, err := catalogue.Read(strings.NewReader("#" + strings.Repeat("x", 2<<20))); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a catalogue of 2 MiB: %v", err)
	}
}
