package report_test

import (
	"regexp"
	"strings"
	"testing"

	"redoubt/assess/report"
)

// TestEveryFigureIsToldApart: no two figures have one section, item and name, so that who reads the table by these loses none.
func TestEveryFigureIsToldApart(t *testing.T) {
	r, _ := example(t)
	rows, err := report.Rows(r)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[3]string]bool{}
	for _, row := range rows {
		key := [3]string{row.Section, row.Item, row.Figure}
		if seen[key] {
			t.Errorf("two figures are called %q", key)
		}
		seen[key] = true
	}
}

// TestPageShowsEveryOpenPair: a threat that is open to two objects has a line for each, and an input that moves the loss one beside the other of its threat.
func TestPageShowsEveryOpenPair(t *testing.T) {
	r, m := example(t)
	text := write(t, report.HTML, r, m, "en")
	pairs := map[string]bool{}
	for _, e := range r.Coverage.Open {
		pairs[e.Threat+"</td><td>"+e.Object] = true
	}
	for _, s := range r.Losses.Sensitivity {
		pairs[s.Threat+"</td><td>"+s.Input] = true
	}
	if len(pairs) != len(r.Coverage.Open)+len(r.Losses.Sensitivity) || len(r.Coverage.Open) < 3 {
		t.Fatalf("the example is not one that shows it: %v", pairs)
	}
	for p := range pairs {
		if !strings.Contains(text, "<td>"+p+"</td>") {
			t.Errorf("the page has no line of %s", p)
		}
	}
}

// TestStatesStandAbreast: what the loss is today, without protection and with what is proposed is one table, each quantile with its bracket below it.
func TestStatesStandAbreast(t *testing.T) {
	r, m := example(t)
	text := write(t, report.HTML, r, m, "en")
	number := `[0-9\x{202f}]+`
	value := `<td class="n">` + number + `<span class="beside">` + number + ` … ` + number + `</span></td>`
	for figure, times := range map[string]int{"quantile 0.99": 2, "mean beyond quantile 0.99": 1} { // also of the simulation, whose means have errors
		if found := regexp.MustCompile(`<tr><td>`+regexp.QuoteMeta(figure)+`</td>(`+value+`){3}`).FindAllString(text, -1); len(found) != times {
			t.Errorf("%s stands abreast in %d lines, want %d", figure, len(found), times)
		}
	}
	if !regexp.MustCompile(`<tr><td>before insurance</td>(<td class="n">` + number + `<span class="beside">± [0-9.\x{202f}]+</span></td>){3}`).MatchString(text) {
		t.Error("no estimate stands with its error")
	}
	for _, w := range []string{"Brackets of quantiles", "before insurance: ", "/period<"} {
		if strings.Contains(text, w) {
			t.Errorf("the page still has %q", w)
		}
	}
}
