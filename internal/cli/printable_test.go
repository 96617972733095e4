package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// TestPrintable: what a terminal obeys is shown in place of being obeyed, and letters and blanks of all languages stay.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain, наука 1\u00a0000\n\tend": "plain, наука 1\u00a0000\n\tend",
		"\x1b[2J\x1b]0;title\a":          "\uFFFD[2J\uFFFD]0;title\uFFFD",
		"a\rb\u009b31m\x7f":              "a\uFFFDb\uFFFD31m\uFFFD",
		"\u202egnp.exe\xff":              "\uFFFDgnp.exe\uFFFD",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := oneLine("a\nb \x1b c"); got != "a b \uFFFD c" {
		t.Errorf("%q", got)
	}
	// Colours of our own are left in a table where there are colours, nothing else is.
	l := look{colour: true}
	grid := l.grid("", []string{"A", "B"}, [][]string{{l.paint(good, "yes"), "x\x1b]0;t\ay"}})
	if !strings.Contains(grid, l.paint(good, "yes")) || strings.Contains(grid, "\x1b]") || strings.Contains(grid, "\a") {
		t.Errorf("%q", grid)
	}
}

// TestAssessOutputIsHarmless: names, titles, sources, notes and records with escapes reach no terminal raw, by any way of printing them.
func TestAssessOutputIsHarmless(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const evil = `\u001b]0;pwn\u0007\u009b2J`
	model := put("m.yaml", `{version: 1, title: "t`+evil+`", system: "s`+evil+`\nfaked", threats: [{name: "a`+evil+`"}],
ibm: {threats: [{threat: "a`+evil+`", frequency: 1e7, damage: 1e9, source: "x`+evil+`"}]}}`)
	other := put("n.yaml", `{version: 1, title: "u`+evil+`", threats: [{name: "b`+evil+`"}], ibm: {threats: [{threat: "b`+evil+`", S: 1, V: 1}]}}`)
	wrong := put("w.yaml", `{version: 1, threats: [{name: "a`+evil+`"}, {name: "a`+evil+`"}]}`)
	lines := put("auth.log", "2025-10-11T22:14:15Z host sshd[9]: Failed password for invalid user \x1b[2J\x1b[1;31mroot\x1b[0m from 1.2.3.4\n")
	store := filepath.Join(dir, "i.jsonl")
	for _, args := range [][]string{
		{"run", model}, {"run", "-v", model}, {"run", "--lang", "ru", model}, {"ibm", model}, {"ibm", "-o", "json", model}, {"compare", model, other}, {"check", model}, {"check", wrong}, {"run", wrong},
		{"incident", "--store", store, "import", "--form", "syslog", "--threat", "guess\x1b[2J", lines}, {"incident", "--store", store, "list", "-v"}, {"incident", "--store", store, "list", "--count"},
		{"incident", "--store", store, "remove", "none\x1b[2J"},
	} {
		var out, errout bytes.Buffer
		Main(context.Background(), append([]string{"redoubt", "assess"}, args...), Env{
			Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errout, Executable: "/usr/bin/redoubt", IsTerminal: func() bool { return true },
			Screen: func() (int, int, bool) { return 100, 40, true }, Getenv: func(string) string { return "" },
		})
		shown := colourCode.ReplaceAllString(out.String(), "") + errout.String()
		if shown == "" {
			t.Errorf("%v prints nothing", args)
		}
		for _, r := range shown {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("%v prints %q raw: %q", args, r, shown)
				break
			}
		}
	}
}
