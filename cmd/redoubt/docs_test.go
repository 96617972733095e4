package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"redoubt/internal/cli"
)

// TestCommittedReference compares what lies in the tree with what the commands say of themselves. It is here and not beside the commands because
// only the whole program has all of them.
func TestCommittedReference(t *testing.T) {
	for kind, dir := range map[string]string{"man": "docs/man", "markdown": "docs/reference", "completion": "packaging/completion"} {
		fresh := t.TempDir()
		env := environment()
		var complaint bytes.Buffer
		env.Stderr = &complaint
		if status := cli.Main(t.Context(), []string{"redoubt", "docs", kind, fresh}, env); status != 0 {
			t.Fatalf("redoubt docs %s: exit status %d: %s", kind, status, complaint.String())
		}
		got, want := files(t, filepath.Join("..", "..", dir)), files(t, fresh)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if text, ok := got[name]; !ok {
				t.Errorf("%s/%s is missing; run `make docs` and commit what it writes", dir, name)
			} else if text != want[name] {
				t.Errorf("%s/%s is not what the commands say now; run `make docs` and commit what it writes", dir, name)
			}
		}
		for name := range got {
			if _, ok := want[name]; !ok && !strings.HasPrefix(name, "redoubtd") { // those are of the other program
				t.Errorf("%s/%s is of a command that there is no more; run `make docs` and commit what it removes", dir, name)
			}
		}
	}
}

// files reads a directory and those in it.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		out[rel] = string(b)
		return err
	})
	if err != nil {
		t.Errorf("%v; run `make docs` and commit what it writes", err)
	}
	return out
}
