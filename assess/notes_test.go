package assess

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"redoubt/assess/model"
)

// TestNotesInRussian: every text that the program notes is there in Russian with the same blanks, and none is that is not noted.
func TestNotesInRussian(t *testing.T) {
	noted := map[string]bool{}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); !ok || s.Sel.Name != "note" {
				return true
			}
			text, ok := call.Args[2].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: a note whose text is not written out can not be held against its translation", f.Name())
				return true
			}
			s, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			noted[s] = true
			ru := russian()[s]
			if ru == "" {
				t.Errorf("%s: no Russian text of %q", f.Name(), s)
			} else if a, b := blanks(s), blanks(ru); !slices.Equal(a, b) {
				t.Errorf("%s: %q has the blanks %v, in Russian %v", f.Name(), s, a, b)
			}
			return true
		})
	}
	if len(noted) < 50 {
		t.Errorf("only %d notes were found", len(noted))
	}
	for s := range russian() {
		if !noted[s] {
			t.Errorf("nothing notes %q", s)
		}
	}
}

// TestDecisionsInRussian: every text that a decision on access may say is there in Russian with the same blanks, and none is that is not said.
func TestDecisionsInRussian(t *testing.T) {
	said := map[string]bool{}
	for _, pattern := range []string{"access.go", "../internal/access/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			tree, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
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
				if name != "Say" && name != "SayAll" {
					return true
				}
				text, ok := call.Args[0].(*ast.BasicLit)
				if !ok {
					t.Errorf("%s: a sentence whose text is not written out can not be held against its translation", f)
					return true
				}
				s, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.ContainsFunc(verb.ReplaceAllString(s, ""), unicode.IsLetter) {
					return true
				}
				said[s] = true
				ru := decisionsRussian()[s]
				if ru == "" {
					t.Errorf("%s: no Russian text of %q", f, s)
				} else if a, b := blanks(s), blanks(ru); !slices.Equal(a, b) {
					t.Errorf("%s: %q has the blanks %v, in Russian %v", f, s, a, b)
				}
				return true
			})
		}
	}
	if len(said) < 40 {
		t.Errorf("only %d texts were found", len(said))
	}
	for s := range decisionsRussian() {
		if !said[s] {
			t.Errorf("nothing says %q", s)
		}
	}
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
