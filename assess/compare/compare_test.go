package compare

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"redoubt/assess"
	"redoubt/assess/model"
)

func modelOf(t *testing.T, text string) *model.Model {
	t.Helper()
	m, err := model.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestModels changes the example in all the ways in which an entry can change.
func TestModels(t *testing.T) {
	before := modelOf(t, model.Example())
	if got, err := Models(before, before); err != nil || len(got) > 0 {
		t.Fatalf("%v, %v", got, err)
	}
	text := strings.NewReplacer(
		"currency: EUR\n", "",
		"cost: 14000, present: true", "cost: 15000, present: true",
		"  - {name: archive, title: Archive of documents, kind: database, value: 150000}\n", "  - {name: archive, title: Archive of documents, kind: database, value: 150000}\n  - {name: vault}\n",
		"        - {count: 0, label: 2023}\n", "",
		"observations: [2100, 3900, 2700, 4400, 3300]", "observations: [2100, 3900, 2700, 4400]",
		"{threat: theft, object: workplaces, weight: 0.4}", "{threat: theft, object: workplaces, weight: 0.5}",
	).Replace(model.Example())
	after := modelOf(t, text)
	// An entry that only moved did not change.
	after.Threats[0], after.Threats[4] = after.Threats[4], after.Threats[0]
	got, err := Models(before, after)
	if err != nil {
		t.Fatal(err)
	}
	want := []Input{
		{"currency", "EUR", nil},
		{"objects[vault]", nil, map[string]any{"name": "vault"}},
		{"means[backup].cost", 14000.0, 15000.0},
		{"frequency.threats[ransomware].observations[2023]", map[string]any{"count": 0.0, "label": "2023"}, nil},
		{"damage.threats[outage].observations", []any{2100.0, 3900.0, 2700.0, 4400.0, 3300.0}, []any{2100.0, 3900.0, 2700.0, 4400.0}},
		{"coverage.edges[theft,workplaces].weight", 0.4, 0.5},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNamesakes compares entries that are called the same one by one.
func TestNamesakes(t *testing.T) {
	a, b := &model.Model{Version: 1}, &model.Model{Version: 1}
	a.Frequency = &model.Frequency{Threats: []model.ThreatFrequency{{Threat: "t", Observations: []model.Observation{{Count: 1}, {Count: 2}, {Count: 3, Label: "x"}, {Count: 4, Label: "x"}}}}}
	b.Frequency = &model.Frequency{Threats: []model.ThreatFrequency{{Threat: "t", Observations: []model.Observation{{Count: 1}, {Count: 5}, {Count: 3, Label: "x"}, {Count: 6, Label: "x"}}}}}
	got, err := Models(a, b)
	if err != nil {
		t.Fatal(err)
	}
	want := []Input{{"frequency.threats[t].observations[1].count", 2.0, 5.0}, {"frequency.threats[t].observations[x#2].count", 4.0, 6.0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func ibm(t *testing.T, text string) *assess.Report {
	t.Helper()
	r, err := assess.RunSection(t.Context(), modelOf(t, text), assess.SectionIBM, assess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReports(t *testing.T) {
	const before = "version: 1\nthreats: [{name: a}, {name: b}]\nibm: {threats: [{threat: a, S: 5, V: 1}, {threat: b, S: 3, V: 3}]}\n"
	was := ibm(t, before)
	if got, same, err := Reports(was, was, 0); err != nil || len(got) > 0 || same == 0 {
		t.Fatalf("%v, %d, %v", got, same, err)
	}
	is := ibm(t, strings.Replace(before, "S: 5", "S: 6", 1))
	got, _, err := Reports(was, is, 0)
	if err != nil {
		t.Fatal(err)
	}
	find := func(item, figure string) Figure {
		for _, f := range got {
			if f.Item == item && f.Figure == figure {
				return f
			}
		}
		t.Fatalf("no change of %s %s in %+v", item, figure, got)
		return Figure{}
	}
	if f := find("a", "R"); f.Before != 100.0 || f.After != 1000.0 || *f.Change != 900 || *f.Relative != 9 {
		t.Errorf("%+v", f)
	}
	if f := find("", "total"); f.Before != 200.0 || *f.Change != 900 || *f.Relative != 4.5 {
		t.Errorf("%+v", f)
	}
	for _, f := range got {
		if f.Item == "b" && f.Figure == "R" {
			t.Errorf("%+v did not change", f)
		}
	}
	// A threat that went, and one that came; what came has no change.
	fewer := ibm(t, "version: 1\nthreats: [{name: a}, {name: c}]\nibm: {threats: [{threat: a, S: 5, V: 1}, {threat: c, S: 3, V: 3}]}\n")
	got, _, err = Reports(was, fewer, 0)
	if err != nil {
		t.Fatal(err)
	}
	if f := find("b", "R"); f.Before != 100.0 || f.After != nil || f.Change != nil {
		t.Errorf("%+v", f)
	}
	if f := find("c", "R"); f.Before != nil || f.After != 100.0 || f.Change != nil {
		t.Errorf("%+v", f)
	}
	if got, _, err := Reports(was, is, 0.95); err != nil || len(got) > 0 && got[0].Figure == "R" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestDiffer holds changes to being numbers that JSON can hold.
func TestDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := rapid.Float64().Draw(t, "x"), rapid.Float64().Draw(t, "y")
		change, relative := differ(x, y)
		if relative != nil && (x == 0 || *relative-*relative != 0) || change != nil && *change-*change != 0 || change == nil && relative != nil {
			t.Fatalf("%v to %v: %v, %v", x, y, change, relative)
		}
	})
}
