package assess

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"redoubt/assess/model"
)

// translations hold a file of Russian texts against the sources that say the English ones.
type translations struct {
	sources []string        // patterns of files
	calls   map[string]bool // names of the functions that say a text
	text    int             // which argument it is
	russian map[string]string
	least   int // texts that there are
}

// TestTextsInRussian: every text that the program notes, or that a decision on access may say, is there in Russian with the same blanks, and none is that nothing says.
func TestTextsInRussian(t *testing.T) {
	for name, c := range map[string]translations{
		"notes":     {[]string{"*.go"}, map[string]bool{"note": true}, 2, notesRussian(), 50},
		"decisions": {[]string{"access.go", "../internal/access/*.go"}, map[string]bool{"Say": true, "SayAll": true}, 0, decisionsRussian(), 40},
	} {
		t.Run(name, func(t *testing.T) {
			said := map[string]bool{}
			for _, pattern := range c.sources {
				files, err := filepath.Glob(pattern)
				if err != nil || len(files) == 0 {
					t.Fatal(pattern, err)
				}
				for _, f := range files {
					if !strings.HasSuffix(f, "_test.go") {
						c.look(t, f, said)
					}
				}
			}
			if len(said) < c.least {
				t.Errorf("only %d texts were found", len(said))
			}
			for s := range c.russian {
				if !said[s] {
					t.Errorf("nothing says %q", s)
				}
			}
		})
	}
}

// look finds the texts that a file says, and compares each with its translation.
func (c translations) look(t *testing.T, file string, said map[string]bool) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := ""
		switch x := call.Fun.(type) {
		case *ast.SelectorExpr:
			name = x.Sel.Name
		case *ast.Ident:
			name = x.Name
		}
		if !c.calls[name] {
			return true
		}
		text, ok := call.Args[c.text].(*ast.BasicLit)
		if !ok {
			t.Errorf("%s: a text that is not written out can not be held against its translation", file)
			return true
		}
		s, err := strconv.Unquote(text.Value)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.ContainsFunc(verb.ReplaceAllString(s, ""), unicode.IsLetter) {
			return true // nothing but blanks
		}
		said[s] = true
		ru := c.russian[s]
		if ru == "" {
			t.Errorf("%s: no Russian text of %q", file, s)
		} else if a, b := blanks(s), blanks(ru); !slices.Equal(a, b) {
			t.Errorf("%s: %q has the blanks %v, in Russian %v", file, s, a, b)
		}
		return true
	})
}

// TestDecisionsSayThemselves: in Russian nothing English is left of the decisions of the example, and the report itself stays as it was.
func TestDecisionsSayThemselves(t *testing.T) {
	m, err := model.Read([]byte(model.Example()))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := r.Access.Decisions[0].Request
	ru := r.In("ru")
	for i, d := range ru.Access.Decisions {
		for _, s := range append([]string{d.Request, d.Why}, d.Needs...) {
			if !strings.ContainsFunc(s, func(c rune) bool { return unicode.Is(unicode.Cyrillic, c) }) || strings.Contains(s, " of ") || strings.Contains(s, " the ") {
				t.Errorf("decision %d in Russian: %q", i, s)
			}
		}
	}
	if r.Access.Decisions[0].Request != before || ru.In("en").Access.Decisions[0].Request != before {
		t.Errorf("the report says %q now, before %q", r.Access.Decisions[0].Request, before)
	}
}

var verb = regexp.MustCompile(`%(\[(\d+)\])?([.\d]*[a-z%])`)

// blanks are the verbs of a format by the argument that each takes.
func blanks(s string) []string {
	var out []string
	next := 1
	for _, m := range verb.FindAllStringSubmatch(s, -1) {
		if m[3] == "%" {
			continue
		}
		if m[2] != "" {
			next, _ = strconv.Atoi(m[2])
		}
		out = append(out, strconv.Itoa(next)+m[3])
		next++
	}
	slices.Sort(out)
	return out
}

func TestNoteIn(t *testing.T) {
	r := &run{report: &Report{}}
	r.note(SectionCodes, "codes.degree", "no codes of up to %d bits were found that reach a %s degree of protection of %v; these are the best", 8, "relative", 0.9)
	n := r.report.Notes[0]
	if n.In("en") != n.Text || n.In("ru") != "кодов длиной до 8 бит, достигающих степени защиты 0.9 (мера: relative), не найдено; приведены лучшие из найденных" {
		t.Errorf("%q, %q", n.In("en"), n.In("ru"))
	}
	if n := (Note{Text: "as it is"}); n.In("ru") != "as it is" {
		t.Error(n.In("ru"))
	}
}
