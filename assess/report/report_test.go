package report_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"io/fs"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"redoubt/assess"
	"redoubt/assess/formula"
	"redoubt/assess/model"
	"redoubt/assess/report"
)

var exampled = sync.OnceValues(func() (*assess.Report, *model.Model) {
	m, err := model.Read([]byte(model.Example()))
	if err != nil {
		panic(err)
	}
	r, err := assess.Run(context.Background(), m, assess.Options{})
	if err != nil {
		panic(err)
	}
	return r, m
})

// example is the report of the example that `assess init` prints. The tests only read it.
func example(testing.TB) (*assess.Report, *model.Model) { return exampled() }

func run(t testing.TB, m *model.Model) *assess.Report {
	t.Helper()
	r, err := assess.Run(context.Background(), m, assess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type writer func(io.Writer, *assess.Report, *model.Model, string) error

func write(t testing.TB, f writer, r *assess.Report, m *model.Model, lang string) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, r, m, lang); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var forms = map[string]writer{"html": report.HTML, "oscal": report.OSCAL, "csv": report.CSV, "xlsx": report.XLSX}

// TestFormsAreRepeated: the same report gives the same bytes.
func TestFormsAreRepeated(t *testing.T) {
	r, m := example(t)
	for name, f := range forms {
		if name == "xlsx" {
			continue // the container holds the time at which it was made
		}
		first := write(t, f, r, m, "ru")
		if second := write(t, f, r, m, "ru"); first != second {
			t.Errorf("%s: two of one report differ", name)
		}
	}
}

func TestNothingToWrite(t *testing.T) {
	for name, f := range forms {
		var b bytes.Buffer
		err := f(&b, &assess.Report{Currency: "EUR", Period: "year"}, nil, "en")
		if name == "html" {
			if err != nil || !strings.Contains(b.String(), "nothing to compute from") {
				t.Errorf("html of an empty report: %v", err)
			}
		} else if err == nil {
			t.Errorf("%s of an empty report: no error", name)
		}
	}
}

type full struct{}

var errFull = errors.New("the disk is full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorsAreTold(t *testing.T) {
	r, m := large(t, 3)
	for name, f := range forms {
		if err := f(full{}, r, m, "en"); !errors.Is(err, errFull) {
			t.Errorf("%s: error %v; want that of the writer", name, err)
		}
	}
}

var (
	hrefs = regexp.MustCompile(`href="([^"]*)"`)
	ids   = regexp.MustCompile(` id="([^"]*)"`)
)

// TestPageStandsAlone: the page loads nothing, runs nothing, is well formed, and each of its links leads somewhere within it.
func TestPageStandsAlone(t *testing.T) {
	r, m := example(t)
	for _, lang := range []string{"en", "ru"} {
		page := write(t, report.HTML, r, m, lang)
		for _, bad := range []string{"<script", "<link", "<img", "<iframe", "@import", "url(", "javascript:", " onload", " onclick", "ZgotmplZ", "NaN", "+Inf", "%!", "[section.", "[explain."} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: the page holds %q", lang, bad)
			}
		}
		known := map[string]bool{}
		for _, id := range ids.FindAllStringSubmatch(page, -1) {
			if known[id[1]] {
				t.Errorf("%s: id %q is there twice", lang, id[1])
			}
			known[id[1]] = true
		}
		for _, h := range hrefs.FindAllStringSubmatch(page, -1) {
			to, ok := strings.CutPrefix(html.UnescapeString(h[1]), "#")
			if !ok || !known[to] {
				t.Errorf("%s: the link %q leads nowhere", lang, h[1])
			}
		}
		wellFormed(t, page)
		for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1) {
			if !strings.Contains(svg, "<desc") || !strings.Contains(svg, `role="img"`) {
				t.Errorf("%s: a plot without a description", lang)
			}
		}
	}
}

// wellFormed reads the page's plots as XML, which an HTML reader would not insist on.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1) {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("a plot is not well formed: %v", err)
			}
		}
	}
}

// TestEveryWordIsInBothLanguages reads the words that the page is made of.
func TestEveryWordIsInBothLanguages(t *testing.T) {
	r, m := example(t)
	ru := write(t, report.HTML, r, m, "ru")
	for _, want := range []string{"Главное", "Все показатели", "Формулы", "Исходные данные", `lang="ru"`} {
		if !strings.Contains(ru, want) {
			t.Errorf("the Russian page lacks %q", want)
		}
	}
	if other := write(t, report.HTML, r, m, "tlh"); other != write(t, report.HTML, r, m, "en") {
		t.Error("a language that there is not gives another page than English")
	}
}

// hostile are texts that would do harm in a page, an attribute, a style, a spreadsheet.
var hostile = []string{`<script>alert(1)</script>`, `"><svg onload=alert(1)>`, `</style><script>`, `javascript:alert(1)`, `=cmd|'/c calc'!A0`, `+1`, `-2+3`, `@x`, "a\x00b\u202e", `{{.Digest}}`, `</title>`, "]]>"}

// TestHostileNames: whatever names a model has, they stay text.
func TestHostileNames(t *testing.T) {
	grade := 3
	rapid.Check(t, func(rt *rapid.T) {
		bad := rapid.OneOf(rapid.SampledFrom(hostile), rapid.StringN(1, 30, 90)).Draw(rt, "name")
		bad = strings.ToValidUTF8(bad, "?")
		m := &model.Model{
			Version: 1, Title: bad, System: bad, Owner: bad, Source: bad, Currency: "EUR",
			Threats: []model.Threat{{Name: bad, Title: bad}}, Objects: []model.Object{{Name: bad}}, Means: []model.Mean{{Name: bad, Title: bad, Present: true}},
			IBM:      &model.IBM{Threats: []model.IBMThreat{{Threat: bad, S: &grade, V: &grade, Source: bad}}},
			Coverage: &model.Coverage{Edges: []model.Edge{{Threat: bad, Object: bad, Weight: 0.5, Source: bad}}, Strengths: []model.Strength{{Mean: bad, Threat: bad, Strength: 0.1}}},
		}
		if faults := m.Check(); len(faults) > 0 {
			rt.Skip("not a name")
		}
		r, err := assess.Run(context.Background(), m, assess.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		r.Notes = append(r.Notes, assess.Note{Section: "ibm", Path: bad, Text: bad})
		var page bytes.Buffer
		if err := report.HTML(&page, r, m, "en"); err != nil {
			rt.Fatal(err)
		}
		for _, harm := range []string{"<script", "<svg onload", "</style><script", "]]>"} {
			if strings.Contains(page.String(), harm) {
				rt.Fatalf("%q came into the page as %q", bad, harm)
			}
		}
		if n := strings.Count(page.String(), "<svg"); n != strings.Count(page.String(), `<svg class="plot"`) {
			rt.Fatalf("%q brought an element into the page", bad)
		}
		var table bytes.Buffer
		if err := report.CSV(&table, r, m, "en"); err != nil {
			rt.Fatal(err)
		}
		lines, err := csv.NewReader(&table).ReadAll()
		if err != nil {
			rt.Fatal(err)
		}
		for _, l := range lines[1:] {
			for i, field := range l {
				if _, err := strconv.ParseFloat(field, 64); err != nil && i < 5 && field != "" && strings.ContainsAny(field[:1], "=+-@\t\r") {
					rt.Fatalf("a spreadsheet would take %q for a formula", field)
				}
			}
		}
		var doc bytes.Buffer
		if err := report.OSCAL(&doc, r, m, "en"); err != nil {
			rt.Fatal(err)
		}
		if err := valid(rt, doc.Bytes()); err != nil {
			rt.Fatalf("%q: %v", bad, err)
		}
	})
}

// TestFormulasExist: every formula that a figure is linked to is in the catalogue.
func TestFormulasExist(t *testing.T) {
	r, _ := example(t)
	rows, err := report.Rows(r)
	if err != nil {
		t.Fatal(err)
	}
	linked := 0
	for _, row := range rows {
		if row.Formula != "" && !formula.Exists(row.Formula) {
			t.Errorf("%s %s %s: there is no formula %s", row.Section, row.Item, row.Figure, row.Formula)
		}
		if _, number := row.Value.(float64); number && row.Formula == "" && row.Section != "access" && !strings.HasSuffix(row.Item, " / damage") {
			t.Errorf("%s %s %s: a number without a formula", row.Section, row.Item, row.Figure)
		}
		if row.Formula != "" {
			linked++
		}
	}
	if linked == 0 {
		t.Error("no figure has a formula")
	}
}

// TestFormulaOfFigures holds the link of each kind of figure against what gives it. In the example ransomware has a given lognormal law, insider a learned one, outage a
// normal one, theft a table and fire a Pareto law.
func TestFormulaOfFigures(t *testing.T) {
	r, _ := example(t)
	rows, err := report.Rows(r)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, row := range rows {
		found[row.Section+": "+row.Item+": "+row.Figure] = row.Formula
	}
	want := map[string]string{
		"dynamics: insider / frequency: a": "3.5", "dynamics: insider / frequency: rate": "3.4", "dynamics: insider / frequency: rate_sd": "3.4",
		"dynamics: insider / frequency: interval[1]": "3.4", "dynamics: insider / frequency: prior.a": "3.4", "dynamics: insider / frequency: seen.count": "3.5",
		"dynamics: insider / frequency: density[0][1]": "3.4", "dynamics: insider / frequency: backtest.log_score": "C1.backtest", "dynamics: backtest: coverage": "C1.backtest",
		"dynamics: insider / frequency: p0": "3.7", "dynamics: insider / frequency: pmf[0]": "3.7", "dynamics: insider / frequency: quantiles.0.5": "3.7",
		"dynamics: insider / frequency: mean": "3.8", "dynamics: insider / frequency: variance": "3.9",
		"dynamics: outage / damage: mean": "3.13", "dynamics: outage / damage: quantiles.0.5": "3.12", "dynamics: outage / damage: kappa": "3.11",
		"dynamics: outage / damage: raiffa_schlaifer.n": "C2.raiffa", "dynamics: outage / damage: observations": "3.11", "dynamics: outage / damage: p_negative": "3.12",
		"dynamics: insider / damage: mean": "C2.lognormal", "dynamics: insider / damage: quantiles.0.5": "C2.lognormal", "dynamics: insider / damage: m": "3.11",
		"dynamics: fire / damage: mean": "", "dynamics: fire / damage: quantiles.0.5": "", "dynamics: theft / damage: variance": "", "dynamics: ransomware / damage: quantiles.0.9": "",
		"losses: outage: quantiles.0.5": "C3.exact", "losses: theft: quantiles.0.5": "C3.quantile", "losses: insider: quantiles.0.5": "C3.quantile",
		"losses: fire: mean": "3.15", "losses: total: quantiles.0.5": "C3.quantile",
		"game: zero_sum: theta": "D.reduction", "game: zero_sum: value": "D.zerosum",
		"coverage: fuzzy / weakest_link: centroid": "E.fuzzy.weakest", "coverage: fuzzy / selective_weakest_link: centroid": "E.fuzzy.selective", "coverage: fuzzy / weighted_mean: centroid": "E.fuzzy.mean",
		"vulnerability: integrity / steps / check: local": "A2.violation", "vulnerability: integrity / steps / check: violation": "A2.route",
		"vulnerability: integrity / steps / check / factors / failures: p": "A2", "vulnerability: copying: p": "A3", "vulnerability: copying: third": "A3.third",
		"vulnerability: copying / organisations / auditor: p": "A3.third",
		"access: decisions / 0: rule":                         "F.job", "access: decisions / 1: rule": "F.highwater", "access: decisions / 2: rule": "F.3", "access: decisions / otto by day: rule": "G.8",
	}
	for name, formula := range want {
		if got, ok := found[name]; !ok || got != formula {
			t.Errorf("%s is linked to %q (it is there: %v), want %q", name, got, ok, formula)
		}
	}
}

// large is a report of a model with n threats.
func large(t testing.TB, n int) (*assess.Report, *model.Model) {
	m := &model.Model{Version: 1, Currency: "EUR", IBM: &model.IBM{}, Coverage: &model.Coverage{}, Objects: []model.Object{{Name: "o"}}}
	grade := 3
	for i := range n {
		name := "threat " + strconv.Itoa(i)
		m.Threats = append(m.Threats, model.Threat{Name: name})
		m.IBM.Threats = append(m.IBM.Threats, model.IBMThreat{Threat: name, S: &grade, V: &grade, Source: "book " + strconv.Itoa(i)})
		m.Coverage.Edges = append(m.Coverage.Edges, model.Edge{Threat: name, Object: "o", Weight: 0.5})
	}
	return run(t, m), m
}

// TestLargeReport: the page of many threats is one that can be opened, and says what it left out; the table has them all.
func TestLargeReport(t *testing.T) {
	const n = 300
	r, m := large(t, n)
	page := write(t, report.HTML, r, m, "en")
	if len(page) > 1<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	if !strings.Contains(page, "100 more are in the table") {
		t.Error("the page does not say that there is more")
	}
	if lines := strings.Count(write(t, report.CSV, r, m, "en"), "\n"); lines < 5*n {
		t.Errorf("the table has %d lines", lines)
	}
	if err := valid(t, []byte(write(t, report.OSCAL, r, m, "en"))); err != nil {
		t.Error(err)
	}
}

func BenchmarkForms(b *testing.B) {
	r, m := large(b, 10_000)
	for _, name := range []string{"html", "oscal", "csv", "xlsx"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := forms[name](io.Discard, r, m, "en"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestTable(t *testing.T) {
	r, m := example(t)
	lines, err := csv.NewReader(strings.NewReader(write(t, report.CSV, r, m, "en"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(lines[0], []string{"section", "item", "figure", "value", "unit", "formula"}) {
		t.Fatalf("head %q", lines[0])
	}
	found := map[string]string{}
	for _, l := range lines[1:] {
		found[l[0]+"|"+l[1]+"|"+l[2]] = l[3]
	}
	for _, x := range r.IBM.Threats {
		if got, _ := strconv.ParseFloat(found["ibm|"+x.Name+"|R"], 64); got != x.R {
			t.Errorf("R of %s: %v in the table, %v in the report", x.Name, got, x.R)
		}
	}
	if got, _ := strconv.ParseFloat(found["ibm||total"], 64); got != r.IBM.Total {
		t.Errorf("the total: %v in the table, %v in the report", got, r.IBM.Total)
	}
}

func TestWorkbook(t *testing.T) {
	r, m := large(t, 20)
	book, err := excelize.OpenReader(strings.NewReader(write(t, report.XLSX, r, m, "en")))
	if err != nil {
		t.Fatal(err)
	}
	for _, sheet := range []string{"about", "ibm", "coverage", "notes"} {
		if i, err := book.GetSheetIndex(sheet); err != nil || i < 0 {
			t.Errorf("no sheet %s", sheet)
		}
	}
	rows, err := book.GetRows("ibm")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 4 || rows[0][2] != "Figure" {
		t.Errorf("sheet ibm: %q", rows[:min(3, len(rows))])
	}
}

// TestWorkbookPlots: each curve and bar plot of the page is a chart of the workbook, and its numbers are those of the report.
func TestWorkbookPlots(t *testing.T) {
	r, m := example(t)
	text := write(t, report.XLSX, r, m, "ru")
	z, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	charts := map[string]int{}
	for _, f := range z.File {
		if !strings.HasPrefix(f.Name, "xl/charts/chart") {
			continue
		}
		b, err := fs.ReadFile(z, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"scatterChart", "barChart", "logBase", "Вероятность превышения потерь"} {
			if strings.Contains(string(b), "<"+kind) || strings.Contains(string(b), ">"+kind) {
				charts[kind]++
			}
		}
	}
	page := write(t, report.HTML, r, m, "ru")
	if lines := strings.Count(page, `class="curve`); charts["scatterChart"] < 4 || charts["barChart"] < 3 || charts["logBase"] == 0 || charts["Вероятность превышения потерь"] != 1 || lines == 0 {
		t.Errorf("charts %v", charts)
	}
	book, err := excelize.OpenReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	columns, err := book.GetCols("plot data")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(columns, func(c []string) bool {
		return c[0] == "сейчас, валовые, независимые угрозы"
	})
	if i < 1 {
		t.Fatal("the exceedance curve has no numbers")
	}
	found, all := 0, 0
	for k, x := range columns[i-1][1:] {
		if x != "" {
			all++
		}
		for _, e := range r.Losses.Total.Exceedance {
			if v, _ := strconv.ParseFloat(x, 64); math.Abs(v-e[0]) <= 1e-9*e[0] && columns[i][k+1] != "" {
				if p, _ := strconv.ParseFloat(columns[i][k+1], 64); math.Abs(p-e[1]) < 1e-12 {
					found++
				}
			}
		}
	}
	if found < 20 || found != all {
		t.Errorf("%d of %d points of the curve are those of the report", found, all)
	}
	if v, err := book.GetCellValue("plots", "A1"); err != nil || v != "" {
		t.Error("the first chart is not at the top", v, err)
	}
}

func TestOSCAL(t *testing.T) {
	r, m := example(t)
	text := write(t, report.OSCAL, r, m, "en")
	if err := valid(t, []byte(text)); err != nil {
		t.Fatal(err)
	}
	other := *r
	other.Digest = "another"
	if write(t, report.OSCAL, &other, m, "en") == text {
		t.Error("the identifiers do not depend on the model")
	}
	var doc struct {
		AR struct {
			Results []struct {
				Risks []struct {
					Title             string
					Characterizations []struct {
						Facets []struct{ Name, System, Value string }
					}
				}
			}
		} `json:"assessment-results"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, risk := range doc.AR.Results[0].Risks {
		for _, f := range risk.Characterizations[0].Facets {
			if f.System != report.System {
				t.Errorf("facet %s of system %s", f.Name, f.System)
			}
			found[risk.Title+"|"+f.Name] = f.Value
		}
	}
	x := r.IBM.Threats[0]
	if got, _ := strconv.ParseFloat(found[x.Name+"|ibm.R"], 64); got != x.R {
		t.Errorf("R of %s: %v as a facet, %v in the report", x.Name, got, x.R)
	}
}

// TestParametersOfLogarithms: the mean and the scale of a logarithm are no amounts of money, those of an amount are.
func TestParametersOfLogarithms(t *testing.T) {
	for law, want := range map[string]string{"lognormal": "", "normal": "EUR"} {
		r := &assess.Report{Currency: "EUR", Dynamics: &assess.Dynamics{Threats: []assess.ThreatDynamics{{Name: "x", Damage: &assess.DamageResult{Law: law, M: new(9.0), Scale: new(2.0), Mean: new(3.0)}}}}}
		rows, err := report.Rows(r)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, x := range rows {
			switch x.Figure {
			case "m", "scale":
				if seen++; x.Unit != want {
					t.Errorf("%s: %s in %q", law, x.Figure, x.Unit)
				}
			case "mean":
				if seen++; x.Unit != "EUR" {
					t.Errorf("%s: mean in %q", law, x.Unit)
				}
			}
		}
		if seen != 3 {
			t.Errorf("%s: %d figures", law, seen)
		}
	}
}
