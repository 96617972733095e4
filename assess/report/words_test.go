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

// TestCodesThatAgree holds the plot's own reading of codes to the definition.
func TestCodesThatAgree(t *testing.T) {
	subset, _ := functions("subset")
	and, _ := functions("and")
	for _, x := range []struct {
		subject, object, phi string
		m                    int
		want                 bool
	}{
		{"111", "011", subset, 3, true}, {"011", "111", subset, 3, false}, {"000", "000", subset, 3, true}, {"110", "011", and, 1, true}, {"100", "011", and, 1, false}, {"110", "011", and, 2, false},
	} {
		if got := grants(x.subject, x.object, x.phi, x.m); got != x.want {
			t.Errorf("%s to %s by %s, m=%d: %v", x.subject, x.object, x.phi, x.m, got)
		}
	}
}
