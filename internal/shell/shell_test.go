package shell_test

import (
	"strings"
	"testing"

	"redoubt/internal/shell"
)

// show writes commands down: words, then < what it reads, << what it is given, | words of no command; ? stands before what only the shell knows, $ before what is run for another, > before what reads what another one writes.
func show(commands []shell.Command) string {
	var lines []string
	for _, c := range commands {
		var out []string
		add := func(before string, words []shell.Word) {
			for _, w := range words {
				if w.Unknown {
					w.Text = "?" + w.Text
				}
				out = append(out, before+w.Text)
			}
		}
		add("", c.Words)
		add("< ", c.Input)
		add("<< ", c.Here)
		add("| ", c.Other)
		line := strings.Join(out, ",")
		if c.Piped {
			line = ">" + line
		}
		if c.Within {
			line = "$" + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, ";")
}

func TestCommands(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "",
		"a 'b c' \"d $e\" f\\ g":           "a,b c,?d $e,f g",
		"a;b&c|d&&e||f\ng":                 "a;b;c;>d;e;f;g",
		"a | b | c |& d":                   "a;>b;>c;>d",
		"! a; { b; }; (c)":                 "a;b;c",
		"A=1 B='x y' a":                    "A=1,B=x y,a",
		"export A=/b; a":                   "export,A=/b;a",
		"if a; then b; elif c; then d; fi": "a;b;c;d",
		"while a; do b; done":              "a;b",
		"for i in /a /b; do $i; done":      "?i=;| /a;| /b;?$i",
		"a ${x:=/b}; y+=c; z=(d)":          "a,?${x:=/b};?x=;| /b;?y=c;?z=;| d",
		"case $x in /a) b;; *) c;; esac":   "| ?$x;| /a;b;| ?*;c",
		"f() { /a; }; f":                   "/a;f",
		"a $(b `c`) \"$(d)\"":              "a,?$(b `c`),?$(d);$b,?`c`;$c;$d",
		"a ${x:-/b} $((1+2))":              "a,?${x:-/b},?$((1+2));| /b;| 1;| 2",
		"a </b >/c 2>&1 <>/d":              "a,< /b,< /d",
		"a <<E\n/b $c\nE\n":                "a,<< ?/b $c\n",
		"a <<'E'\n/b $c\nE\n":              "a,<< /b $c\n",
		"a <<<\"b c\"":                     "a,<< b c",
		"[[ -e /a ]] && b":                 "[[,-e,/a,]];b;| /a", // dash looks for a program of this name
		"a <(b)":                           "a,?<(b);$b",
		"a &>/b c":                         "a,c;a;c", // one command for bash, two for dash
		"time a":                           "time,a;a",
		"a *.b '*' \\? c?":                 "a,?*.b,*,?,?c?",
		"a \"\\x\\$\\\"\" \\é \"ü\"":       "a,\\x$\",é,ü",
		"a b\\\nc # d\ne":                  "a,bc;e",
		"a $'\\x41' $'b'":                  "a,$\\x41,$b;a,?\\x41,b",
		"\\":                               "\\",
	} {
		got, err := shell.Commands(text)
		if err != nil || show(got) != want {
			t.Errorf("%q:\n got %q, %v\nwant %q", text, show(got), err, want)
		}
	}
	for text, word := range map[string]string{
		"'": "without closing quote", "a \"b": "without closing quote", "a $(b": "without matching", "if a; then b": "fi", "a; ;": "", "a )": "", "a\x00b": "value 0", strings.Repeat("a", shell.MaxText+1): "at most",
		"fi": "", "a | | b": "",
	} {
		if got, err := shell.Commands(text); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%.20q: %q, %v; want an error with %q", text, show(got), err, word)
		}
	}
}

// TestDeepText: what stands in as many brackets as there is room for is read or refused, and no more.
// What a word is made of is told where nothing but variables is unknown in it.
func TestParts(t *testing.T) {
	for text, want := range map[string]string{
		"$a": "$a", "\"${a}/x\"": "\"$a\" /x", "/b/$a'$c'\"d\\$e$f\"": "/b/ $a $c d$e \"$f\"", "a=b$c": "a=b $c", "a=$c": "a= $c", "export a=$c": "", "/x": "", "${a:-b}": "", "$a*": "", "$(b)$a": "", "$1": "", "${a[1]}": "", "${#a}": "", "${!a}": "", "$?": "", "$((1))$a": "",
	} {
		commands, err := shell.Commands(text)
		if err != nil || len(commands) == 0 || len(commands[0].Words) == 0 {
			t.Fatalf("%q: %q, %v", text, show(commands), err)
		}
		var got []string
		for _, p := range commands[0].Words[0].Parts {
			switch {
			case p.Variable && p.Quoted:
				p.Text = "\"$" + p.Text + "\""
			case p.Variable:
				p.Text = "$" + p.Text
			}
			got = append(got, p.Text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q is made of %q, want %q", text, got, want)
		}
	}
}

func TestDeepText(t *testing.T) {
	refused := func(open string, n int) {
		if _, err := shell.Commands(strings.Repeat(open, n)); err == nil && open != "! " && open != "time " {
			t.Errorf("%q %d times is a command", open, n)
		}
	}
	for _, open := range []string{"(", "{ ", "$(", "${a:-`", "\"$(", "${a:-", "if ", "! ", "$((", "a && ", "f() ", "case a in b) ", "time ", "<(", "[[ (", "a=(", "${a[", "while "} {
		refused(open, 500)
	}
	for _, open := range []string{"(", "$(", "${a[", "if "} {
		refused(open, shell.MaxText/len(open))
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " a  'b c' \"d\\\"\" e\\ f g='h i' ''": "a|b c|d\"|e f|g=h i|", "a $b *c {d} ~e =f +++g #h": "a|$b|*c|{d}|~e|=f|+++g",
	} {
		got, err := shell.Words(text)
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"a 'b", "a \"b", "a;b", "a|b", "a >b", "a \\", "a\x00", strings.Repeat("a", 9<<10)} {
		if got, err := shell.Words(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func FuzzCommands(f *testing.F) {
	for _, s := range []string{"a;b", "'", "\"$(", "a\\", "> x", "2>&1", "a <<E\nb\nE", "for i in a; do b; done", "${a:-$(b)}", "`a \\`b\\``", "[[ a =~ b ]]", "a=(b c)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		commands, err := shell.Commands(s)
		for _, c := range commands {
			for _, w := range c.Words {
				if len(w.Text) > len(s) {
					t.Errorf("%q of %q", w.Text, s)
				}
			}
		}
		if err != nil && len(commands) > 0 {
			t.Errorf("%q: %v, and %q", s, err, show(commands))
		}
	})
}
