package archtest

import (
	"go/ast"
	"strings"
	"testing"
)

// TestEveryProgramLeavesNoCore: the first thing that the main function of each program does is to see to it that no core file is written of what it will know.
func TestEveryProgramLeavesNoCore(t *testing.T) {
	programs := 0
	for _, f := range tree(t) {
		if f.test || !strings.HasPrefix(f.dir, "cmd/") {
			continue
		}
		for _, decl := range f.ast.Decls {
			main, ok := decl.(*ast.FuncDecl)
			if !ok || main.Name.Name != "main" || main.Recv != nil {
				continue
			}
			programs++
			if !callsFirst(main.Body.List, "nocore", "Set") {
				t.Errorf("%s: main does not call nocore.Set first", f.path)
			}
		}
	}
	if programs < 3 {
		t.Errorf("%d programs were found", programs)
	}
}

func callsFirst(body []ast.Stmt, pkg, function string) bool {
	if len(body) == 0 {
		return false
	}
	stmt, ok := body[0].(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := stmt.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	from, ok := sel.X.(*ast.Ident)
	return ok && from.Name == pkg && sel.Sel.Name == function
}
