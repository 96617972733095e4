package fence

import (
	"strings"
	"testing"
)

func TestMasking(t *testing.T) {
	m := newMasker([]string{"pass word", "pass", "x=\"1\"", ""})
	for in, want := range map[string]string{
		"":                               "",
		"nothing":                        "nothing",
		"login pass word ok":             "login *** ok",
		"pass, password, bypass":         "***, ***word, by***",
		"url ?q=pass+word&r=1":           "url ?q=***&r=1",
		"path /pass%20word/":             "path /***/",
		"Authorization: cGFzcyB3b3Jk ok": "Authorization: *** ok",
		`quoted x=\"1\" and x="1"`:       "quoted *** and ***",
		"cut off in pas":                 "cut off in ***",
		"cut off in pass wo":             "cut off in *** wo",
	} {
		if got := m.hide(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if got := (masker{}).hide("anything"); got != "anything" {
		t.Errorf("without secrets: %q", got)
	}
	long := strings.Repeat("a", 5000) + "pass"
	if got := m.hide(long); strings.Contains(got, "pass") {
		t.Error("a secret behind a long text is not masked")
	}
}
