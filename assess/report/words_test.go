package report

import (
	"slices"
	"testing"
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

func TestLabels(t *testing.T) {
	for name, want := range map[string]string{"quantiles.0.95": "quantile 0.95", "band[0]": "band ≥", "0.95[1]": "0.95 ≤", "tail_value.0.99": "mean beyond quantile 0.99", "threats[].frequency": "Threats: frequency", "some_thing": "some thing", "": ""} {
		if got := label("en", name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
