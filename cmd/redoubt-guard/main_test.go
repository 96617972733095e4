package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImports keeps the program small: every page that it touches stays in memory for as long as the node is up, and what is not in it can not fail in it.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}} {{.Standard}}", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ours := []string{"redoubt/cmd/redoubt-guard", "redoubt/internal/guard", "redoubt/internal/launch", "redoubt/internal/nocore", "redoubt/internal/version", "golang.org/x/sys/unix"}
	large := []string{"net", "net/http", "crypto", "os/exec", "os/user", "encoding/json", "encoding/gob", "log", "regexp", "text/template", "html", "testing", "runtime/cgo", "math/big"}
	seen := 0
	for line := range strings.Lines(string(out)) {
		path, standard, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case slices.Contains(ours, path):
			seen++
		case standard != "true":
			t.Errorf("the guard's program pulls in %s: it may be made of %v and of what is small in the standard library", path, ours)
		case slices.Contains(large, path):
			t.Errorf("the guard's program pulls in %s, which is large", path)
		}
	}
	if seen != len(ours) {
		t.Errorf("%d of %v were found in\n%s", seen, ours, out)
	}
}
