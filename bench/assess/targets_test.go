package main

import (
	"strings"
	"testing"
)

// TestVerdicts: a target is met by being faster with a bracket that is no wider; what was not measured is neither met nor missed.
func TestVerdicts(t *testing.T) {
	r := result{trial: trial{marks: []mark{{"known", 3, 2e-3}, {"narrow", 3, 1e-4}}}, rows: []row{
		{system: "ours", cpu: []float64{1, 2, 9}, figure: bracketed(99.9, 100, 100.1)},
		{system: "slow", cpu: []float64{4}, figure: figure{Value: 100}},
		{system: "quick", cpu: []float64{1}, figure: bracketed(90, 100, 110)},
		{system: "exact", cpu: []float64{4}, figure: bracketed(99.99, 100, 100.01)},
		{system: "absent", failed: "not installed here"},
	}}
	want := []string{"met", "not met", "not met: faster, with a bracket of 1.0e-03 instead of 1.0e-04", "not measured: not installed here", "met", "not met: faster, with a bracket of 1.0e-03 instead of 1.0e-04"}
	got := r.verdicts()
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, v := range got {
		if v.verdict != want[i] {
			t.Errorf("%s: %s, want %s", v.target, v.verdict, want[i])
		}
	}
	if got[0].ratio != "2" {
		t.Errorf("ratio %s", got[0].ratio)
	}
	r.trial.drawn = 10 // brackets of chance are not compared
	if v := r.verdicts()[2]; v.verdict != "met" {
		t.Errorf("%+v", v)
	}
	if text := targets([]result{r}); strings.Count(text, "| met |") != 4 {
		t.Errorf("%s", text)
	}
}
