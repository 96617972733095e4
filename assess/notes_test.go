package assess

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
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
