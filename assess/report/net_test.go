package report_test

import (
	"strings"
	"testing"

	"redoubt/assess"
	"redoubt/assess/model"
	"redoubt/assess/report"
)

// TestThePageShowsWhatIsLeft: with insurance the summary and the curve show the net loss and call the other gross; without it nothing is called so.
func TestThePageShowsWhatIsLeft(t *testing.T) {
	m := &model.Model{
		Version: model.Version, Threats: []model.Threat{{Name: "fire"}},
		Frequency: &model.Frequency{Threats: []model.ThreatFrequency{{Threat: "fire", Prior: &model.Gamma{A: 2, B: 1}}}},
		Damage:    &model.Damage{Threats: []model.ThreatDamage{{Threat: "fire", Law: "fixed-lognormal", Mu: 6, Sigma: 1}}},
		Losses:    &model.Losses{},
	}
	words := []string{"What is left to pay on average", "Gross: independent threats", "as it is, gross and independent", "as it is, net (simulated)", "premiums beside it"}
	for _, layers := range [][]model.Layer{nil, {{Attachment: 500, Limit: 1000, Premium: 7}}, {{Limit: 1e12, Premium: 7}}} {
		m.Losses.Insurance = layers
		r, err := assess.Run(t.Context(), m, assess.Options{})
		if err != nil {
			t.Fatal(err)
		}
		text := write(t, report.HTML, r, m, "en")
		for _, w := range words {
			want := layers != nil && (w != words[3] || layers[0].Attachment > 0) // of a loss that is insured wholly there is no curve
			if strings.Contains(text, w) != want {
				t.Errorf("insurance %+v: %q shown: %v", layers, w, !want)
			}
		}
	}
}

// TestBracketsOfTheCurveAreProbabilities: they have no unit, and the formula that proves them.
func TestBracketsOfTheCurveAreProbabilities(t *testing.T) {
	r, _ := example(t)
	rows, err := report.Rows(r)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, row := range rows {
		if !strings.HasPrefix(row.Figure, "exceedance_brackets[") {
			continue
		}
		found[row.Item]++
		want := "C3.bracket"
		if strings.HasPrefix(row.Item, "simulation") {
			want = "C3.simulation"
		}
		if row.Unit != "" || row.Formula != want || !row.Series {
			t.Fatalf("%+v", row)
		}
	}
	if found["total"] < 100 || found["inherent"] < 100 || found["proposed"] < 100 || found["simulation"] < 20 || found["simulation_inherent"] < 20 || found["simulation_proposed"] < 20 {
		t.Error(found)
	}
}

// TestUnitsOfTheTableNameThePeriod, as the tables for people do.
func TestUnitsOfTheTableNameThePeriod(t *testing.T) {
	r, m := example(t)
	text := write(t, report.CSV, r, m, "en")
	if want := "," + r.Currency + "/" + r.Period + ","; r.Period == "" || !strings.Contains(text, want) || strings.Contains(text, "/period,") || strings.Contains(text, ",period,") {
		t.Errorf("no unit %s, or one that names no period", want)
	}
}
