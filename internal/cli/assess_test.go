package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"redoubt/assess"
	"redoubt/assess/compare"
	"redoubt/assess/incident"
	"redoubt/assess/model"
	"redoubt/assess/report"
)

// TestStoreOfManyWriters lets many add to one store at the same time: nothing is lost, and nobody reads half a store.
func TestStoreOfManyWriters(t *testing.T) {
	name := filepath.Join(t.TempDir(), "incidents.jsonl")
	var g errgroup.Group
	const writers, each = 8, 10
	for w := range writers {
		g.Go(func() error {
			for n := range each {
				err := changeStore(name, func(s *incident.Store) (bool, error) {
					_, _, _, err := s.Merge([]incident.Incident{{ID: fmt.Sprint(w, " ", n), Time: "2025", Threat: "t"}}, false)
					return true, err
				})
				if err != nil {
					return err
				}
				text, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				if _, err := incident.Parse(text); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := incident.Parse(text)
	if err != nil || len(s.All()) != writers*each {
		t.Fatalf("%d incidents, %v", len(s.All()), err)
	}
	// What changes nothing leaves no empty store behind.
	none := filepath.Join(t.TempDir(), "none.jsonl")
	if err := changeStore(none, func(*incident.Store) (bool, error) { return false, nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty store was left: %v", err)
	}
}

// TestReplaceFile holds a file to being written whole or not at all, with its rights, through links.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "report.json")
	write := func(text string, fails error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return errors.Join(err, fails)
		}
	}
	if err := replaceFile(name, write("first", nil)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.json")
	if err := os.Symlink("report.json", link); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk is full")
	if err := replaceFile(link, write(strings.Repeat("x", 100_000), broken)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "first" {
		t.Errorf("%q, %v", text, err)
	}
	if err := replaceFile(link, write("second", nil)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(name)
	if text, rerr := os.ReadFile(link); err != nil || rerr != nil || string(text) != "second" || info.Mode() != 0o640 {
		t.Errorf("%q, %v, %v, %v", text, info.Mode(), err, rerr)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestAssessRows sets figures of each kind: of items that are alike, of items with many figures, and of those that say more than goes into a cell.
func TestAssessRows(t *testing.T) {
	var rows []report.Row
	add := func(item, name string, v any, unit string) {
		label := item[strings.LastIndex(item, " ")+1:]
		if strings.HasPrefix(item, "pairs / ") { // told apart by their figures
			label = ""
		}
		rows = append(rows, report.Row{Section: "ibm", Item: item, Figure: name, Value: v, Unit: unit, Label: label})
	}
	add("", "scale", "ibm", "")
	add("fire", "R", 1000.0, "EUR")
	add("fire", "S", 2.5, "")
	add("theft", "R", 12345678.5, "EUR")
	add("theft", "S", 5.0, "")
	add("theft", "more", 1e-9, "")
	add("theft", "why", strings.Repeat("a sentence ", 9), "")
	for i := range 8 {
		for _, name := range []string{"x", "y"} {
			add("many / "+name, fmt.Sprint("f", i), float64(i)/3, "")
		}
	}
	rows = append(rows, report.Row{Section: "ibm", Item: "many / x", Figure: "plot[0]", Value: 1.0, Series: true, Label: "x"})
	for _, object := range []string{"desk", "archive"} {
		add("pairs / fire, "+object, "threat", "fire", "")
		add("pairs / fire, "+object, "object", object, "")
		add("pairs / fire, "+object, "cost", 5.0, "EUR")
	}
	byItem := append(append([]report.Row{}, rows[:7]...), rows[len(rows)-7:]...)
	for _, name := range []string{"x", "y"} {
		for _, r := range rows {
			if r.Item == "many / "+name && !r.Series {
				byItem = append(byItem, r)
			}
		}
	}
	want := `IBM
  item   figure  value
         scale   ibm
  fire   R       1000 EUR
         S       2.5
  theft  R       12345678 EUR
         S       5
         more    1e-09
         why     a sentence a sentence a sentence a sentence a sentence a sentence a sentence a sentence a sentence

  pairs: threat  object   cost, EUR
  fire           desk     5
  fire           archive  5

  many figure  x         y
  f0           0         0
  f1           0.333333  0.333333
  f2           0.666667  0.666667
  f3           1         1
  f4           1.33333   1.33333
  f5           1.66667   1.66667
  f6           2         2
  f7           2.33333   2.33333

  (of plots 1 number left out; -v shows them)
`
	if diff := cmp.Diff(want, assessTables{}.assessRows(byItem, assess.SectionIBM, false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := (assessTables{}).assessRows(byItem, assess.SectionGame, false); got != "" {
		t.Errorf("a section that is not there: %q", got)
	}
}

// TestAssessingIsQuiet keeps progress off where no terminal is.
func TestAssessingIsQuiet(t *testing.T) {
	var b bytes.Buffer
	tell, end := Env{Stderr: &b}.assessing()
	tell("losses", 0.5)
	end()
	tell("losses", 1)
	if b.Len() > 0 {
		t.Errorf("%q", b.String())
	}
}

// TestTablesInRussian: what the report names is in words of the language, what the model names stays.
func TestTablesInRussian(t *testing.T) {
	l := assessTables{lang: "ru"}
	rows := l.spoken([]report.Row{
		{Section: "losses", Item: "simulation / layers / theft", Group: "simulation.layers[]", Figure: "premium", Value: 5.0, Unit: "EUR/year"},
		{Section: "losses", Item: "total", Group: "threats[]", Figure: "mean", Value: 7.0, Unit: "EUR"},
		{Section: "losses", Item: "total", Group: "threats[]", Figure: "met", Value: true},
		{Section: "losses", Item: "total", Group: "threats[]", Figure: "band", Value: "1 to 2", Unit: "events²"},
	})
	want := `ОБЩИЕ ПОТЕРИ
  Элемент                              Показатель             Значение
  Моделирование / слои страхования / theft  премия                 5 EUR/год
  total                                среднее                7 EUR
                                       заданная точность достигнута да
                                       полоса                1 – 2 проявлений²
`
	squeeze := func(s string) []string { return strings.Fields(s) }
	if diff := cmp.Diff(squeeze(want), squeeze(l.assessRows(rows, assess.SectionLosses, false))); diff != "" {
		t.Error(diff)
	}
}

// TestLiveHardening: the report of a node is read as `redoubt harden check -o json` prints it, and what is not one is refused with what to do.
func TestLiveHardening(t *testing.T) {
	file := filepath.Join(t.TempDir(), "n1.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`[{"id":"HD-SYS-001","title":"x","rationale":"y","breaks":"z","status":"good","applied":false},{"id":"HD-AUD-001","status":"absent"}]`)
	h, err := liveHardening("n1=" + file)
	if err != nil || h.Node != "n1" || len(h.Items) != 2 || h.Items[0].Status != "good" || h.Items[1].ID != "HD-AUD-001" {
		t.Errorf("%+v, %v", h, err)
	}
	for _, text := range []string{`{}`, `[{"id":"HD-SYS-001"}]`, `[1]`, ``} {
		write(text)
		if _, err := liveHardening("n1=" + file); err == nil || !strings.Contains(err.Error(), "redoubt harden check -o json") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, flag := range []string{"n1", "=x", "n1=", "n1=" + file + ".none"} {
		if _, err := liveHardening(flag); err == nil {
			t.Errorf("%q is read", flag)
		}
	}
}

// TestComparedInRussian: heads, sections, figures and values of the program are in the language.
func TestComparedInRussian(t *testing.T) {
	change := 1.0
	text := assessTables{lang: "ru"}.compared(compare.Result{
		Inputs:  []compare.Input{{Path: "horizon", Before: 1.0, After: 2.0}},
		Figures: []compare.Figure{{Section: "losses", Item: "total", Figure: "mean", Unit: "EUR", Before: 1.0, After: 2.0, Change: &change}, {Section: "dynamics", Item: "x", Figure: "law", Before: "normal", After: "table"}},
		Same:    3,
	}, false, false)
	for _, want := range []string{"Что изменилось", "Было", "ОБЩИЕ ПОТЕРИ", "среднее, EUR", "нормальный", "таблица", "Не изменилось показателей: 3"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	if got := (assessTables{lang: "ru"}).unit("year"); got != "год" {
		t.Errorf("%q", got)
	}
}

// TestAssessInShort: what is read in a minute stands before the sections, with the titles that the model gives.
func TestAssessInShort(t *testing.T) {
	two, one := 2.0, 1.0
	r := &assess.Report{Period: "year", Currency: "EUR", Losses: &assess.Losses{
		Total:   &assess.TotalLoss{Mean: &two, Quantiles: map[string]float64{"0.99": 5}},
		Threats: []assess.ThreatLoss{{Name: "fire", Mean: &one}, {Name: "theft", Mean: &two}},
	}}
	var b strings.Builder
	if err := (assessTables{}).assessReport(&b, r, &model.Model{Threats: []model.Threat{{Name: "theft", Title: "Devices are\x1b[2J stolen"}}}, false); err != nil {
		t.Fatal(err)
	}
	short, rest, ok := strings.Cut(b.String(), "\nLOSSES\n")
	for _, want := range []string{"IN SHORT\n", "costs on average: 2 EUR a year\n", "more than: 5 EUR\n", "    - Devices are", "    - fire: 1 EUR\n"} {
		if !ok || !strings.Contains(short, want) {
			t.Errorf("%q is not before the sections:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") || !strings.Contains(rest, "theft") {
		t.Errorf("%q", b.String())
	}
}
