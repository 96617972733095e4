package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "redoubt/"

// file is one parsed source file of the tree.
type file struct {
	path string // from the root of the tree
	dir  string
	test bool
	ast  *ast.File
	fset *token.FileSet
	size int // lines
}

func tree(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var files []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, path, src, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files = append(files, file{
			path: rel, dir: filepath.Dir(rel), test: strings.HasSuffix(path, "_test.go"),
			ast: parsed, fset: fset, size: strings.Count(string(src), "\n"),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d source files found: is the test looking at the tree?", len(files))
	}
	return files
}

// layerOf finds the layer of a directory: the longest entry of layers that is a prefix of it.
func layerOf(dir string) (int, bool) {
	best, layer := -1, 0
	for prefix, l := range layers {
		if (dir == prefix || strings.HasPrefix(dir, prefix+"/")) && len(prefix) > best {
			best, layer = len(prefix), l
		}
	}
	return layer, best >= 0
}

// unit is the part of the tree that counts as one adapter or face: "internal/native" for "internal/native/gds".
func unit(dir string) string {
	parts := strings.Split(dir, "/")
	if len(parts) > 2 {
		parts = parts[:2]
	}
	return strings.Join(parts, "/")
}

func TestEveryPackageHasALayer(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range tree(t) {
		if _, ok := layerOf(f.dir); !ok && !seen[f.dir] {
			seen[f.dir] = true
			t.Errorf("%s is in no layer: add it to the table in layers.go", f.dir)
		}
	}
}

func TestImportsGoDownwards(t *testing.T) {
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		from, _ := layerOf(f.dir)
		for _, spec := range f.ast.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			target, ours := strings.CutPrefix(path, module)
			if !ours {
				if from == layerPure && !slices.Contains(pureStdlib, path) && !assesses(f.dir, path) {
					t.Errorf("%s imports %s: a decision package may use only %v", f.path, path, pureStdlib)
				}
				continue
			}
			to, _ := layerOf(target)
			same := unit(f.dir) == unit(target)
			switch {
			case slices.Contains(exceptions, [2]string{f.dir, target}):
			case to > from:
				t.Errorf("%s (layer %d) imports %s (layer %d): imports go downwards", f.path, from, target, to)
			case from == to && !same && (from == layerAdapter || from == layerFace):
				t.Errorf("%s imports %s: adapters and faces do not know each other", f.path, target)
			case from == layerFace && to == layerAdapter:
				t.Errorf("%s imports the adapter %s: only internal/daemon does that", f.path, target)
			}
		}
	}
}

// TestDecisionsArePure looks for what a decision package may not do: read a clock, start a goroutine, use a channel.
func TestDecisionsArePure(t *testing.T) {
	banned := map[string][]string{"time": {"Now", "Since", "Until", "After", "Sleep", "NewTimer", "NewTicker", "Tick", "AfterFunc"}}
	for _, f := range tree(t) {
		if layer, _ := layerOf(f.dir); f.test || layer > layerPure {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a decision package starts a goroutine", f.fset.Position(n.Pos()))
			case *ast.ChanType:
				t.Errorf("%s: a decision package uses a channel", f.fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && slices.Contains(banned[x.Name], n.Sel.Name) {
					t.Errorf("%s: a decision package calls %s.%s; the caller hands in the time", f.fset.Position(n.Pos()), x.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestTestsDoNotSleep keeps waiting out of tests: virtual time, or one helper that waits for a condition.
func TestTestsDoNotSleep(t *testing.T) {
	for _, f := range tree(t) {
		if !f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			switch {
			case ok && x.Name == "time" && sel.Sel.Name == "Sleep" && !usesSynctest(f):
				t.Errorf("%s: time.Sleep in a test; use testing/synctest or wait for a condition", f.fset.Position(n.Pos()))
			case ok && x.Name == "t" && (sel.Sel.Name == "Skip" || sel.Sel.Name == "Skipf" || sel.Sel.Name == "SkipNow"):
				t.Errorf("%s: a skipped test proves nothing", f.fset.Position(n.Pos()))
			}
			return true
		})
	}
}

func usesSynctest(f file) bool {
	return slices.ContainsFunc(f.ast.Imports, func(s *ast.ImportSpec) bool { return s.Path.Value == `"testing/synctest"` })
}

func TestSizes(t *testing.T) {
	for _, f := range tree(t) {
		limit := 600
		if f.test {
			limit = 1200
		}
		if f.size > limit {
			t.Errorf("%s has %d lines: split it by concept before %d", f.path, f.size, limit)
		}
	}
}

func TestPackageNamesAndComments(t *testing.T) {
	banned := []string{"util", "utils", "common", "helpers", "misc", "base", "types", "structs", "models", "manager", "service", "core", "pkg"}
	comments := map[string]int{}
	for _, f := range tree(t) {
		if slices.Contains(banned, f.ast.Name.Name) {
			t.Errorf("%s: package name %q says nothing", f.path, f.ast.Name.Name)
		}
		if !f.test {
			if f.ast.Doc != nil {
				comments[f.dir]++
			} else {
				comments[f.dir] += 0
			}
		}
	}
	for dir, n := range comments {
		if n != 1 {
			t.Errorf("%s has %d package comments: want exactly one", dir, n)
		}
	}
}
