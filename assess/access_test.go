package assess

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const accessModel = `
version: 1
access:
  adept50:
    levels: [open, internal, confidential, secret]
    users:
      - {name: u1, authority: secret, categories: [nuc, pol], modes: [r, w, x], source: register}
    terminals:
      - {name: t1, authority: 1, categories: [nuc], franchise: [u1], modes: [r, w]}
    files:
      - {name: f1, authority: internal, categories: [nuc], franchise: [u1, u2], modes: [r]}
      - {name: f2, authority: 2, categories: [nuc], franchise: [u1], modes: [r]}
      - {name: f3, authority: open, categories: [pol], franchise: [u1], modes: [r]}
      - {name: f4, authority: open, franchise: [u2], modes: [r]}
    requests:
      - {user: u1, terminal: t1, file: f1}
      - {user: u1, terminal: t1, file: f2}
      - {user: u1, terminal: t1, file: f3}
      - {user: u1, terminal: t1, file: f4}
      - {user: u1, terminal: t1, create: note}
      - {user: u1, terminal: t1, file: note, mode: w}
      - {user: u2, terminal: t1, file: f1}
  hartson:
    groups: {G1: [u1, u2], G2: [u1]}
    units: {both: [r1, r2]}
    authorisations:
      - {name: p1, groups: [G1], operations: [read], unit: [both], condition: hour < 18}
      - {name: p2, groups: [G2], operations: [read, write], unit: [r2]}
      - {name: p3, groups: [G2], operations: [read], unit: [r3], condition: mode == "normal"}
      - {name: p4, groups: [GENERAL], operations: [bid], unit: [r4, r5], condition: not ("bid r4" in history)}
    requests:
      - {name: q1, user: u1, operation: read, resources: [r1, r2], state: {hour: 10}}
      - {name: q1 late, user: u1, operation: read, resources: [r1, r2], state: {hour: 20}}
      - {name: q2, user: u1, operation: read, resources: [r2], state: {hour: 20}}
      - {name: q3, user: u2, operation: read, resources: [r2], state: {hour: 10}}
      - {name: q4, user: u2, operation: write, resources: [r2], state: {hour: 10}}
      - {name: q5, user: u1, operation: read, resources: [r1, r3], state: {hour: 10, mode: normal}}
      - {name: no hour, user: u2, operation: read, resources: [r1]}
      - {name: bid, user: u9, operation: bid, resources: [r4]}
      - {name: second bid, user: u9, operation: bid, resources: [r5]}
`

func TestAccessSection(t *testing.T) {
	a := sectionOf(t, SectionAccess, accessModel).Access
	wantAdept := []struct {
		granted bool
		rule    string
	}{{true, "3 and 4"}, {false, "4 level"}, {false, "4 category"}, {false, "3 franchise"}, {true, "new file"}, {true, "3 and 4"}, {false, "1"}}
	for i, want := range wantAdept {
		d := a.Decisions[i]
		if d.Model != "adept50" || d.Granted != want.granted || d.Rule != want.rule || d.Why == "" || d.Granted == (len(d.Needs) > 0) {
			t.Errorf("request %d: %+v, want %+v", i, d, want)
		}
	}
	if len(a.HighWater) != 1 || a.HighWater[0].Level != "internal" || !slices.Equal(a.HighWater[0].Categories, []string{"nuc"}) || a.HighWater[0].Opened != 2 {
		t.Errorf("high-water mark %+v", a.HighWater)
	}
	if len(a.NewFiles) != 1 || a.NewFiles[0].Level != "internal" || !slices.Equal(a.NewFiles[0].Franchise, []string{"u1"}) || !slices.Equal(a.NewFiles[0].Modes, []string{"r", "w"}) {
		t.Errorf("new file %+v", a.NewFiles)
	}
	want := map[string]bool{"q1": true, "q1 late": false, "q2": true, "q3": true, "q4": false, "q5": true, "no hour": false, "bid": true, "second bid": false}
	for _, d := range a.Decisions[len(wantAdept):] {
		if d.Model != "hartson" || d.Granted != want[d.Name] || d.Why == "" || d.Granted == (len(d.Needs) > 0) {
			t.Errorf("%+v", d)
		}
	}
	if a.Granted+a.Denied != len(a.Decisions) || !slices.Equal(a.Trace.Sources, []string{"register"}) {
		t.Errorf("%d granted, %d denied, sources %q", a.Granted, a.Denied, a.Trace.Sources)
	}
	class := sectionOf(t, SectionAccess, strings.Replace(accessModel, "  hartson:\n", "  hartson:\n    mode: class\n", 1)).Access
	for _, d := range class.Decisions[len(wantAdept):] {
		if d.Name == "q2" && d.Granted || d.Name == "q1" && !d.Granted {
			t.Errorf("by class %+v", d)
		}
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"decisions", "model", "request", "granted", "rule", "why", "high_water"} {
		if !strings.Contains(string(text), `"`+name+`":`) {
			t.Errorf("no %q in %s", name, text)
		}
	}
}

func TestAccessByRequestAndInPart(t *testing.T) {
	text := strings.Replace(accessModel, "    levels:", "    mode: request\n    levels:", 1)
	for _, f := range []string{"f1}", "f2}", "f3}", "f4}"} {
		text = strings.ReplaceAll(text, "file: "+f, "file: "+strings.TrimSuffix(f, "}")+", mode: r}")
	}
	text = strings.Replace(text, "  hartson:\n", "  hartson:\n    partial: true\n", 1)
	a := sectionOf(t, SectionAccess, text).Access
	for i, want := range []bool{true, false, false, false, true, true, false} {
		if a.Decisions[i].Granted != want {
			t.Errorf("by request: %+v", a.Decisions[i])
		}
	}
	i := slices.IndexFunc(a.Decisions, func(d AccessDecision) bool { return d.Name == "q1 late" })
	if d := a.Decisions[i]; !d.Granted || !d.Partial || !slices.Equal(d.Allowed, []string{"r2"}) || !slices.Equal(d.Denied, []string{"r1"}) {
		t.Errorf("in part: %+v", d)
	}
}
