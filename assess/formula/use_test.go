package formula_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"redoubt/assess/formula"
)

// TestReportsNameFormulasThatExist reads the source of package assess: every text below a field Formulas, and every text appended to one, must be the id of a formula.
func TestReportsNameFormulasThatExist(t *testing.T) {
	files, err := filepath.Glob("../*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of package assess: %v", err)
	}
	found := 0
	set := token.NewFileSet()
	check := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				id, err := strconv.Unquote(lit.Value)
				if found++; err != nil || !formula.Exists(id) {
					t.Errorf("%s: there is no formula %s", set.Position(lit.Pos()), lit.Value)
				}
			}
			return true
		})
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := x.Key.(*ast.Ident); ok && key.Name == "Formulas" {
					check(x.Value)
				}
			case *ast.CallExpr:
				if len(x.Args) > 1 && isFormulas(x.Args[0]) {
					for _, a := range x.Args[1:] {
						check(a)
					}
				}
			}
			return true
		})
	}
	if found == 0 {
		t.Log("no section names a formula yet")
	}
}

func isFormulas(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Formulas"
}
