package formula_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"redoubt/assess/formula"
)

var sections = []string{"dynamics", "losses", "ibm", "optimum", "game", "coverage", "vulnerability", "access", "codes"}

func TestEveryNumberOfTheLectureIsThere(t *testing.T) {
	for i := 1; i <= 28; i++ {
		id := fmt.Sprintf("3.%d", i)
		if !formula.Exists(id) {
			t.Errorf("there is no formula %s", id)
		}
	}
}

func TestEntriesAreComplete(t *testing.T) {
	for _, lang := range formula.Languages() {
		seen := map[string]bool{}
		for _, f := range formula.All(lang) {
			if seen[f.ID] {
				t.Errorf("%s: %s is there twice", lang, f.ID)
			}
			seen[f.ID] = true
			if f.Lang != lang || f.Title == "" || f.Meaning == "" || f.Formula == "" || f.Source == "" || f.Model == "" || len(f.Marks) == 0 || len(f.Symbols) == 0 || len(f.Sections) == 0 {
				t.Errorf("%s: %s lacks something: %+v", lang, f.ID, f)
			}
			for _, m := range f.Marks {
				if m.Meaning == "" {
					t.Errorf("%s: %s has mark %q, which means nothing", lang, f.ID, m.Mark)
				}
			}
			for _, s := range f.Symbols {
				if s.Symbol == "" || s.Meaning == "" {
					t.Errorf("%s: %s has symbol %q without a meaning", lang, f.ID, s.Symbol)
				}
			}
			for _, s := range f.Sections {
				if !slices.Contains(sections, s) {
					t.Errorf("%s: %s is used in %q, which is no section", lang, f.ID, s)
				}
			}
			for _, r := range f.Related {
				if !formula.Exists(r) || r == f.ID {
					t.Errorf("%s: %s is related to %q", lang, f.ID, r)
				}
			}
		}
		if got := len(formula.Marks(lang)); got != 4 {
			t.Errorf("%s: %d marks, want 4", lang, got)
		}
	}
}

func TestLanguagesSayTheSame(t *testing.T) {
	en, ru := formula.All(formula.English), formula.All(formula.Russian)
	if len(en) != len(ru) {
		t.Fatalf("%d formulas in English, %d in Russian", len(en), len(ru))
	}
	for i := range en {
		a, b := en[i], ru[i]
		if a.ID != b.ID || a.Formula != b.Formula || len(a.Marks) != len(b.Marks) || (a.Choice == "") != (b.Choice == "") {
			t.Errorf("%s and %s differ in more than words", a.ID, b.ID)
		}
		for j := range a.Symbols {
			if (a.Symbols[j].Unit == "") != (b.Symbols[j].Unit == "") {
				t.Errorf("%s: symbol %s has a unit in one language only", a.ID, a.Symbols[j].Symbol)
			}
		}
		for what, s := range map[string]string{"title": b.Title, "meaning": b.Meaning} {
			if !strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Cyrillic, r) }) {
				t.Errorf("%s: the Russian %s is %q", b.ID, what, s)
			}
		}
		if strings.ContainsFunc(a.Title+a.Meaning+a.Choice+a.Source, func(r rune) bool { return unicode.Is(unicode.Cyrillic, r) }) {
			t.Errorf("%s: the English text has Russian letters", a.ID)
		}
	}
}

func TestGet(t *testing.T) {
	for _, id := range []string{"3.7", "(3.7)", " 3.7 ", "c3.EXACT", "C3.exact"} {
		if _, err := formula.Get(id, formula.Russian); err != nil {
			t.Error(err)
		}
	}
	for id, want := range map[string]string{"3.77": "3.7", "C3.exat": "C3.exact", "ring": "H.ring", "H": "H.relative", "G.11": "G.1"} {
		_, err := formula.Get(id, formula.English)
		var unknown *formula.UnknownError
		if !errors.As(err, &unknown) {
			t.Fatalf("Get(%q) = %v, want an UnknownError", id, err)
		}
		if !slices.Contains(unknown.Near, want) || !strings.Contains(err.Error(), want) {
			t.Errorf("near %q are %q, want %q among them", id, unknown.Near, want)
		}
	}
	if _, err := formula.Get("wholly unlike everything", formula.English); err == nil || !strings.Contains(err.Error(), "no formula") {
		t.Errorf("an unknown id: %v", err)
	}
}

func TestGetTakesAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.String().Draw(t, "id")
		if _, err := formula.Get(id, formula.Lang(rapid.String().Draw(t, "lang"))); err != nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
		formula.Search(id, formula.Russian)
	})
}

func TestParseLang(t *testing.T) {
	for s, want := range map[string]formula.Lang{"": formula.English, "en": formula.English, "RU": formula.Russian} {
		if got, err := formula.ParseLang(s); err != nil || got != want {
			t.Errorf("ParseLang(%q) = %q, %v", s, got, err)
		}
	}
	if _, err := formula.ParseLang("fr"); err == nil {
		t.Error("French is taken for a language of the texts")
	}
}

func TestSearch(t *testing.T) {
	for _, c := range []struct {
		text string
		lang formula.Lang
		want string
	}{
		{"negative binomial", formula.English, "3.7"}, {"Student", formula.English, "C3.exact"}, {"turán", formula.English, "H.ring"},
		{"кнпи", formula.Russian, "A1.channels"}, {"целостность маршрута", formula.Russian, "A2.route"}, {"общее потрясение", formula.Russian, "C3.dependence"},
	} {
		got := formula.Search(c.text, c.lang)
		if !slices.ContainsFunc(got, func(f formula.Formula) bool { return f.ID == c.want }) {
			t.Errorf("%q finds %s, want %s among them", c.text, formula.List(got), c.want)
		}
	}
	if got := formula.Search("  ", formula.English); got != nil {
		t.Errorf("nothing finds %d formulas", len(got))
	}
}

func TestText(t *testing.T) {
	for _, lang := range formula.Languages() {
		for _, f := range formula.All(lang) {
			text := formula.Text(f)
			for _, want := range []string{f.ID, f.Title, "[" + string(f.Marks[0].Mark) + "]", f.Symbols[0].Symbol} {
				if !strings.Contains(text, want) {
					t.Errorf("the text of %s has no %q:\n%s", f.ID, want, text)
				}
			}
			for _, line := range strings.Split(text, "\n") {
				if n := len([]rune(line)); n > 100 && !strings.HasPrefix(line, "    ") {
					t.Errorf("%s has a line of %d columns: %s", f.ID, n, line)
				}
			}
		}
	}
}

func TestTermsAndPhrases(t *testing.T) {
	en, ru := formula.Terms(formula.English), formula.Terms(formula.Russian)
	if len(en) == 0 || len(en) != len(ru) {
		t.Fatalf("%d terms in English, %d in Russian", len(en), len(ru))
	}
	for _, x := range append(en, ru...) {
		if x.Term == "" || x.Other == "" || x.Means == "" {
			t.Errorf("a term lacks something: %+v", x)
		}
	}
	if !slices.ContainsFunc(ru, func(x formula.Term) bool { return x.Short == "КНПИ" }) {
		t.Error("КНПИ is no term")
	}
	for _, key := range formula.PhraseKeys() {
		for _, lang := range formula.Languages() {
			if s := formula.Phrase(lang, key); s == "["+key+"]" || strings.TrimSpace(s) != s {
				t.Errorf("phrase %q in %q: %q", key, lang, s)
			}
		}
	}
	for _, s := range sections {
		if !formula.HasPhrase("section." + s) {
			t.Errorf("section %s has no heading", s)
		}
	}
	if got := formula.Phrase(formula.English, "no.such"); got != "[no.such]" {
		t.Errorf("a phrase that is not there: %q", got)
	}
}
