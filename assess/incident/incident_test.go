package incident

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"redoubt/assess/model"
)

func rules(t *testing.T, text string) *Mapping {
	t.Helper()
	m, err := ParseRules([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func money(v float64) *float64 { return &v }

// TestImport reads a sample of each form by the rules that are shipped, but for the table, which needs its own.
func TestImport(t *testing.T) {
	table := `version: 1
columns: {time: Year, damage: Cost, count: How many, note: Remarks}
decimal: ","
rules:
  - {format: csv, when: {kind: theft}, threat: theft}
  - {format: csv, when: {kind: "break*"}, threat: burglary, object: office}
`
	for _, tc := range []struct {
		file, format, rules string
		want                []Incident
		unmatched, unread   int
	}{
		{"veris.json", VERIS, string(ShippedText()), []Incident{
			{ID: "veris:A-1", Time: "2025-03-09", Threat: "ransomware", Damage: money(81000), Currency: "EUR", Note: "Files on the shares were encrypted; the copies were restored.", Source: "s"},
			{ID: "veris:A-2", Time: "2024-11", Threat: "theft", Damage: money(1250.5), Currency: "EUR", Note: "A laptop was taken from a car.", Source: "s"},
		}, 2, 0},
		{"stix.json", STIX, string(ShippedText()), []Incident{
			{ID: "stix:sighting--1", Time: "2026-01-20T08:00:00Z", Threat: "malware", Count: 3, Note: "sighting of Wiper of disks", Source: "s"},
			{ID: "stix:incident--1", Time: "2026-03-01T17:30:00Z", Threat: "ransomware", Note: "Ransom note on five screens", Source: "s"},
		}, 1, 0},
		{"table.csv", CSV, table, []Incident{
			{ID: "first", Time: "2024", Threat: "theft", Damage: money(1250.5), Note: "a phone", Source: "s"},
			{ID: "second", Time: "2024", Threat: "theft", Damage: money(1250.5), Note: "a phone", Source: "s"},
			{ID: "third", Time: "2025", Threat: "burglary", Object: "office", Count: 3, Note: "doors, and a window", Source: "s"},
		}, 0, 2},
		{"syslog.txt", Syslog, string(ShippedText()), []Incident{
			{ID: "first", Time: "2026-05-01T10:00:00.123Z", Threat: "password-guessing", Note: "sshd: Failed password for root from 192.0.2.7 port 4000", Source: "s"},
			{ID: "second", Time: "2025-12-31T23:59:59Z", Threat: "password-guessing", Note: "sshd: Invalid user admin from 192.0.2.7", Source: "s"},
			{ID: "third", Time: "2026-05-02T08:00:00+02:00", Threat: "outage", Note: "kernel: I/O error, dev sda, sector 7", Source: "s"},
			{ID: "fourth", Time: "2026-05-03T09:00:00Z", Threat: "command-without-right", Note: "redoubt: 2026 n1 DENIED - redoubt group delete web", Source: "s"},
		}, 1, 1},
		{"commands.jsonl", CommandLog, string(ShippedText()), []Incident{
			{ID: "log:c/n1/12", Time: "2026-04-01T09:00:00Z", Threat: "command-without-right", Count: 4, Note: "denied: redoubt group delete web by mallory", Source: "s"},
			{ID: "log:n2/7", Time: "2026-04-02T10:00:00Z", Threat: "node-loss", Note: "node n3 is not heard of any more", Source: "s"},
		}, 2, 0},
	} {
		t.Run(tc.file, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + tc.file)
			if err != nil {
				t.Fatal(err)
			}
			m := rules(t, tc.rules)
			now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
			got, err := m.Import(tc.format, text, Options{Source: "s", Now: now})
			if err != nil {
				t.Fatal(err)
			}
			for i, x := range got.Incidents {
				if strings.HasPrefix(x.ID, "sha256:") && i < len(tc.want) {
					tc.want[i].ID = x.ID
				}
			}
			if diff := cmp.Diff(tc.want, got.Incidents); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Unmatched != tc.unmatched || got.Unread != tc.unread {
				t.Errorf("%d unmatched, %d unread: %v; want %d and %d", got.Unmatched, got.Unread, got.Problems, tc.unmatched, tc.unread)
			}
			// The same file again, under another name, brings nothing new.
			again, err := m.Import(tc.format, text, Options{Source: "other", Now: now})
			if err != nil {
				t.Fatal(err)
			}
			var s Store
			if added, _, known, err := s.Merge(got.Incidents, false); err != nil || added != len(tc.want) || known != 0 {
				t.Errorf("first: %d added, %d known, %v", added, known, err)
			}
			if added, _, known, err := s.Merge(again.Incidents, false); err != nil || added != 0 || known != len(tc.want) {
				t.Errorf("again: %d added, %d known, %v", added, known, err)
			}
		})
	}
}

func TestImportRefuses(t *testing.T) {
	m, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ format, text, want string }{
		{"xml", "x", "no form of files"},
		{VERIS, "{", "no JSON"},
		{VERIS, "[1]", "record 1 is no object"},
		{VERIS, "", "no veris record"},
		{STIX, `{"type": "indicator"}`, `its type is "indicator"`},
		{CSV, "year,kind\n2024,x\n", "is it time=year?"},
		{CSV, "", "names the columns"},
		{CSV, "time\xff\n", "not in UTF-8"},
	} {
		if _, err := m.Import(tc.format, []byte(tc.text), Options{}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %q: %v, want %q", tc.format, tc.text, err, tc.want)
		}
	}
}

func TestRules(t *testing.T) {
	_, err := ParseRules([]byte("version: 1\ncolumns: {when: x}\nrules:\n  - {format: xml, threat: a}\n  - {when: {a: '/(/'}, threat: a}\n  - {when: {a: b}}\n"))
	for _, want := range []string{`2:17: columns.when: "when" is none of`, "and 3 more"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestDates: a date with dots has the day first, with strokes it is not read.
func TestDates(t *testing.T) {
	for s, want := range map[string]string{
		"01.02.2024": "2024-02-01", "1.2.2024": "2024-02-01", "31.12.2023 9:05": "2023-12-31T09:05", "31.12.2023, 23:59:59": "2023-12-31T23:59:59", "2024-05-05": "2024-05-05", "01/02/2024": "01/02/2024", "2024": "2024",
	} {
		got := date(s)
		if _, err := When(got); got != want || (err == nil) != (s != "01/02/2024") {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	m, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	m.Columns = map[string]string{"time": "Дата", "threat": "Угроза", "damage": "Ущерб"}
	m.Decimal = ","
	got, err := m.Import(CSV, []byte("\xef\xbb\xbfДата;Угроза;Ущерб\r\n15.03.2024;кража;\"1 234,50\"\r\n32.03.2024;кража;1\r\n"), Options{})
	if err != nil || len(got.Incidents) != 1 || got.Incidents[0].Time != "2024-03-15" || *got.Incidents[0].Damage != 1234.5 || got.Unread != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAmount(t *testing.T) {
	for s, want := range map[string]float64{"12": 12, "$1,250,000.50": 1250000.5, "1 250 €": 1250, "1,250": 1250, "1'250.5": 1250.5, "-3": -3} {
		if got, err := amount(s, ""); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", s, got, err, want)
		}
	}
	if got, err := amount("1.250,5", ","); err != nil || got != 1250.5 {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"12,5", "much", ""} {
		if got, err := amount(s, ""); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// TestStore holds a store to coming back from its file as it was.
func TestStore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Store
		n := rapid.IntRange(0, 20).Draw(t, "n")
		for i := range n {
			in := Incident{
				ID: fmt.Sprint("id", rapid.IntRange(0, 10).Draw(t, "id")), Time: rapid.SampledFrom([]string{"2024", "2025-02", "2025-02-03", "2025-02-03T04:05:06Z"}).Draw(t, "time"),
				Threat: rapid.StringMatching(`[a-z ]{1,5}`).Draw(t, "threat"), Note: rapid.StringN(0, 10, 40).Draw(t, "note"), Count: i,
			}
			if rapid.Bool().Draw(t, "damage") {
				in.Damage = money(rapid.Float64Range(0, 1e12).Draw(t, "amount"))
			}
			if _, _, _, err := s.Merge([]Incident{in}, rapid.Bool().Draw(t, "replace")); err != nil {
				t.Fatal(err)
			}
		}
		text, err := s.Text()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(s.All(), back.All()); diff != "" {
			t.Fatalf("(-wrote +read):\n%s", diff)
		}
	})
	_, err := Parse([]byte("# a comment\n\n{\"id\":\"a\",\"time\":\"2024\",\"threat\":\"t\"}\n{\"id\":\"a\",\"time\":\"2024\",\"threat\":\"t\"}\n{\"id\":\"b\",\"time\":\"soon\",\"threat\":\"\"}\n{\"idd\":\"c\"}\n"))
	for _, want := range []string{`line 4: the id "a" is that of line 3 too`, "line 5: it needs the name of a threat", `"soon" is no time`, `line 6: this is no incident`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
}

func TestSelectAndRemove(t *testing.T) {
	var s Store
	if _, _, _, err := s.Merge([]Incident{{ID: "a", Time: "2024", Threat: "x"}, {ID: "b", Time: "2025", Threat: "y", Damage: money(1), Object: "o"}, {ID: "c", Time: "2026", Threat: "x"}}, false); err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time { w, _ := When(s); return w }
	for want, f := range map[string]Filter{
		"abc": {}, "ac": {Threats: []string{"x"}}, "b": {Damage: true}, "bc": {Since: at("2025")}, "a": {Until: at("2025")}, "b ": {Objects: []string{"o"}},
	} {
		got := ""
		for _, i := range s.Select(f) {
			got += i.ID
		}
		if got != strings.TrimSpace(want) {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
	if missing := s.Remove("a", "z"); !cmp.Equal(missing, []string{"z"}) || len(s.All()) != 2 {
		t.Errorf("%v, %v", missing, s.All())
	}
}

const office = `version: 1
period: year # the unit
threats: [{name: theft}, {name: fire}, {name: "odd: name"}]

# How often.
frequency:
  threats:
    - threat: theft # most of all
      observations:
        - {count: 3, label: 2023, source: book}
        - {count: 9, label: 2024, source: incident store old.jsonl}
      source: guard

    - threat: fire
      prior: {a: 1, b: 40}

damage:
  threats:
    - {threat: fire, law: table, table: [{amount: 1, probability: 1}]}
    - threat: theft
      prior: {m: 900, kappa: 1, alpha: 2, beta: 100}
      observations: [900, 1000]
`

var found = []Incident{
	{ID: "1", Time: "2023-05-01", Threat: "theft", Damage: money(900)},
	{ID: "2", Time: "2024-01-01", Threat: "theft", Damage: money(700)},
	{ID: "3", Time: "2024-12-31T23:00:00Z", Threat: "theft", Count: 2, Damage: money(50)},
	{ID: "4", Time: "2026-02", Threat: "odd: name"},
	{ID: "5", Time: "2024", Threat: "fire", Damage: money(40000)},
	{ID: "6", Time: "2024", Threat: "aliens"},
	{ID: "7", Time: "2027", Threat: "theft"},
	{ID: "8", Time: "2025", Threat: "theft", Damage: money(1), Currency: "XAU"},
}

// TestApply counts incidents into a model and its text, and counting them again changes nothing.
func TestApply(t *testing.T) {
	text := []byte(office)
	span := Span{Until: time.Date(2026, 7, 2, 12, 0, 0, 0, time.UTC), Store: "s.jsonl"}
	for range 2 {
		m, err := model.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Apply(m, found, span)
		if err != nil {
			t.Fatal(err)
		}
		if a.From != "2023" || a.To != "2026" {
			t.Errorf("from %s to %s", a.From, a.To)
		}
		const store = "incident store s.jsonl"
		want := []model.Observation{{Count: 3, Label: "2023", Source: "book"}, {Count: 3, Label: "2024", Source: store}, {Count: 1, Label: "2025", Source: store}, {Count: 0, Exposure: 0.5, Label: "2026", Source: store}}
		if diff := cmp.Diff(want, m.Frequency.Threats[0].Observations); diff != "" {
			t.Errorf("theft (-want +got):\n%s", diff)
		}
		if f := m.Frequency.Threats[1]; len(f.Observations) != 4 || f.Observations[1].Count != 1 || f.Observations[0].Count != 0 {
			t.Errorf("fire: %+v", f)
		}
		if f := m.Frequency.Threats[2]; f.Threat != "odd: name" || f.Observations[3].Count != 1 {
			t.Errorf("odd: %+v", f)
		}
		if diff := cmp.Diff([]float64{900, 1000, 700}, m.Damage.Threats[1].Observations); diff != "" {
			t.Errorf("damages (-want +got):\n%s", diff)
		}
		notes := strings.Join(a.Notes, "\n")
		for _, w := range []string{`1 are not counted, for the model has no such threat: "aliens" (1)`, "1 lie outside the span", "1 damages in XAU are not taken", "the observation of 2023 stays as the model has it; the store has 1", "the law table is given"} {
			if !strings.Contains(notes, w) {
				t.Errorf("notes %s\nwant %q", notes, w)
			}
		}
		again, err := Rewrite(text, m)
		if err != nil {
			t.Fatal(err)
		}
		for _, comment := range []string{"# the unit", "# How often.", "# most of all", "source: guard\n\n    - threat: fire", `    - threat: "odd: name"` + "\n      observations:\n        - {count: 0,"} {
			if !strings.Contains(string(again), comment) {
				t.Errorf("%q is lost:\n%s", comment, again)
			}
		}
		text = again
	}
	m, err := model.Read([]byte("version: 1\nperiod: decade\nthreats: [{name: theft}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(m, found, span); err == nil || !strings.Contains(err.Error(), "decade") {
		t.Error(err)
	}
	m.Period = "year"
	for today, want := range map[string]string{"2026-07-02": "2026", "2031-01-01": "2027"} {
		at, err := When(today)
		if err != nil {
			t.Fatal(err)
		}
		m.Frequency = nil
		a, err := Apply(m, found, Span{Today: at})
		if err != nil || a.To != want || (want == "2027") != strings.Contains(strings.Join(a.Notes, "\n"), "counted up to 2028-01-01") {
			t.Errorf("%s: %+v, %v; want up to %s", today, a, err, want)
		}
	}
	m.Frequency = nil
	m.Period = "month"
	if a, err := Apply(m, found, span); err != nil || len(m.Frequency.Threats[0].Observations) != 39 || !strings.Contains(strings.Join(a.Notes, "\n"), "coarser") {
		t.Errorf("%v, %+v", err, m.Frequency)
	}
	whole, err := Rewrite([]byte("version: 1\nperiod: month\nthreats: [{name: theft}]"), m)
	if err != nil || !strings.Contains(string(whole), "frequency:\n  threats:\n    - threat: theft\n") {
		t.Errorf("%v\n%s", err, whole)
	}
}

// TestRewriteWithinBraces: entries within braces are rewritten through the tree of the file, with its comments.
func TestRewriteWithinBraces(t *testing.T) {
	for name, text := range map[string]string{
		"entry":    "version: 1 # the first\nthreats: [{name: theft}, {name: fire}]\nfrequency:\n  threats:\n    - {threat: theft, prior: {a: 1, b: 2}, observations: [{count: 3, label: 2022}]} # kept\n    # and this\n    - {threat: fire}\ndamage:\n  threats:\n    - {threat: theft, prior: {m: 900, kappa: 1, alpha: 3, beta: 90000}, observations: [900]}\n",
		"sequence": "version: 1 # the first\nthreats: [{name: theft}, {name: fire}]\nfrequency: {threats: [{threat: theft, prior: {a: 1, b: 2}}]} # kept\n# and this\ndamage: {threats: [{threat: theft, prior: {m: 900, kappa: 1, alpha: 3, beta: 90000}, observations: [900]}]}\n",
		"nothing":  "# kept, the first, and this\n{version: 1, threats: [{name: theft}, {name: fire}],\n damage: {threats: [{threat: theft, prior: {m: 900, kappa: 1, alpha: 3, beta: 90000}}]}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			m, err := model.Read([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Apply(m, []Incident{{ID: "1", Time: "2024-03", Threat: "theft", Count: 2}, {ID: "2", Time: "2025-04", Threat: "theft", Damage: new(1200.0), Currency: "USD"}}, Span{Today: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}); err != nil {
				t.Fatal(err)
			}
			out, err := Rewrite([]byte(text), m)
			if err != nil {
				t.Fatal(err)
			}
			again, err := model.Read(out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m.Frequency, again.Frequency); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(m.Damage, again.Damage); diff != "" {
				t.Error(diff)
			}
			for _, w := range []string{"kept", "the first", "and this"} {
				if !strings.Contains(string(out), w) {
					t.Errorf("%q is lost:\n%s", w, out)
				}
			}
		})
	}
}

// TestPeriods holds the spans to covering the time without gaps, each as long as its exposure says.
func TestPeriods(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := periodOf(rapid.SampledFrom([]string{"year", "quarter", "month", "week", "day"}).Draw(t, "period"))
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "from"), 0).UTC()
		until := begin.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "hours")) * time.Hour)
		from := p.start(begin)
		spans, err := p.spans(from, until)
		if err != nil {
			t.Fatal(err)
		}
		if from.After(begin) || p.start(from) != from || !p.next(from).After(begin) {
			t.Fatalf("%v begins at %v", begin, from)
		}
		at := from
		for _, s := range spans {
			if s.from != at || s.exposure <= 0 || s.exposure > 1 || p.start(s.from) != s.from {
				t.Fatalf("%+v after %v", s, at)
			}
			at = s.to
		}
		if at != until && (at.Before(until) || spans[len(spans)-1].exposure != 1) {
			t.Fatalf("it ends at %v, not at %v", at, until)
		}
	})
}

func FuzzImport(f *testing.F) {
	for format, name := range map[string]string{VERIS: "veris.json", STIX: "stix.json", CSV: "table.csv", Syslog: "syslog.txt", CommandLog: "commands.jsonl"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(format, text)
	}
	m, err := Shipped()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, format string, text []byte) {
		got, err := m.Import(format, text, Options{Source: "s", Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			return
		}
		var s Store
		if _, _, _, err := s.Merge(got.Incidents, false); err != nil {
			t.Fatal(err)
		}
		stored, err := s.Text()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Parse(stored); err != nil || len(back.All()) != len(s.All()) {
			t.Fatalf("%s: %v", stored, err)
		}
	})
}
