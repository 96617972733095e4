package report

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"redoubt/assess"
	"redoubt/assess/model"
)

// TestWords: every word of the page is there in both languages, with the same blanks to fill in.
func TestWords(t *testing.T) {
	if len(words()) == 0 {
		t.Fatal("no words")
	}
	for key, w := range words() {
		if w["en"] == "" || w["ru"] == "" {
			t.Errorf("%s lacks a language: %q", key, w)
		}
		if en, ru := verbs(w["en"]), verbs(w["ru"]); !slices.Equal(en, ru) {
			t.Errorf("%s: %q has other blanks than %q", key, w["en"], w["ru"])
		}
	}
}

// verbs are what a text wants filled in.
func verbs(s string) []string {
	var out []string
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '%' && s[i+1] != ' ' {
			out = append(out, s[i:i+2])
		}
	}
	return out
}

// TestMethodsInRussian: what package codes says of how codes were found, and where their bound comes from, is there in Russian, as its source has it.
func TestMethodsInRussian(t *testing.T) {
	files, err := filepath.Glob("../codes/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	said := regexp.MustCompile(`(?:Method|Bound)(?::| =|, out\.Method =)[^"\n]*"([^"]+)"`)
	found := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range said.FindAllStringSubmatch(string(text), -1) {
			found++
			if v := strings.ReplaceAll(m[1], "%d", "7"); Value("ru", "method", v) == v || Value("en", "bound", v) != v || strings.Contains(Value("ru", "method", v), "#") {
				t.Errorf("%q is %q in Russian", v, Value("ru", "method", v))
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d are found", found)
	}
	if got := Value("ru", "name", "normal"); got != "normal" {
		t.Errorf("a name is translated: %q", got)
	}
}

func TestLabels(t *testing.T) {
	for name, want := range map[string]string{"quantiles.0.95": "quantile 0.95", "band[0]": "band ≥", "0.95[1]": "0.95 ≤", "tail_value.0.99": "mean beyond quantile 0.99", "threats[].frequency": "Threats: frequency", "raiffa_schlaifer.n": "by Raiffa and Schlaifer: observations that the mean stands for", "n": "bits of the codes", "some_thing": "some thing", "": ""} {
		if got := Label("en", name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// symbols are what figures are called in every language: letters of formulas, and names of things that have no other.
var symbols = regexp.MustCompile(`^(P|K|R|S|V|U|I|Y|x|y|a|b|c|q|m|n|p|n[0-9]*|p0|df|alpha|beta|kappa|lambda|phi|nu|v|pmf|sd|iid|id|[A-Z]_?\w{0,4}|[0-9.≥≤]+)$`)

// TestFiguresInRussian: every figure, group of figures and unit of a complete report has a Russian word, but for symbols.
func TestFiguresInRussian(t *testing.T) {
	m, err := model.Read([]byte(model.Example()))
	if err != nil {
		t.Fatal(err)
	}
	r, err := assess.Run(context.Background(), m, assess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Rows(r)
	if err != nil {
		t.Fatal(err)
	}
	latin := regexp.MustCompile(`[A-Za-z_]{2,}`)
	missing := map[string]bool{}
	for _, x := range rows {
		for _, name := range []string{x.Figure, x.Group} {
			if _, word := x.Value.(string); word && (x.Item == "subjects" || x.Item == "objects") { // the codes of what the model names
				continue
			}
			for _, p := range separate(name) {
				plain, _, _ := strings.Cut(p, "[")
				if w := Label("ru", plain); latin.MatchString(w) && !symbols.MatchString(plain) {
					missing[x.Section+": "+plain] = true
				}
			}
		}
		if u := strings.ReplaceAll(Unit("ru", x.Unit), r.Currency, ""); latin.MatchString(u) {
			missing["unit "+u] = true
		}
	}
	for _, x := range rows {
		if v, word := x.Value.(string); word && slices.Contains(wordy[:len(wordy)-2], x.Figure) && latin.MatchString(Value("ru", x.Figure, v)) {
			missing["value "+x.Figure+" "+v] = true
		}
	}
	for w := range missing {
		t.Errorf("no Russian word for %s", w)
	}
	for _, n := range told(r.Notes, "ru") {
		if !regexp.MustCompile(`[а-я]{3}`).MatchString(n.Text) {
			t.Errorf("a note in English: %s", n.Text)
		}
	}
	for _, s := range []string{"dynamics", "losses", "ibm", "optimum", "game", "coverage", "vulnerability", "access", "codes"} {
		if latin.MatchString(Heading(s, "ru")) {
			t.Errorf("section %s is called %q", s, Heading(s, "ru"))
		}
	}
}

// TestSummaryInRussian: what is read first is in one language, with the units of time.
func TestSummaryInRussian(t *testing.T) {
	mean := 2.0
	r := &assess.Report{Period: "year", Currency: "hours", Losses: &assess.Losses{Total: &assess.TotalLoss{Mean: &mean, Quantiles: map[string]float64{"0.99": 5}}}}
	cards := Summary(r, nil, "ru")
	if len(cards) != 2 || cards[0].Value != "2\u00a0ч" || cards[0].Text != "за период (год)" || cards[1].Value != "5\u00a0ч" || !cards[1].Bad {
		t.Errorf("%+v", cards)
	}
}
