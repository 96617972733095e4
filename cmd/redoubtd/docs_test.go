package main

import (
	"os"
	"path/filepath"
	"testing"

	"redoubt/internal/daemon"
)

// TestCommittedPages compares the man pages that lie in the tree with what the program says of itself.
func TestCommittedPages(t *testing.T) {
	fresh := t.TempDir()
	if status := daemon.Main([]string{"docs", fresh}, os.Stderr); status != 0 {
		t.Fatalf("redoubtd docs: exit status %d", status)
	}
	read := func(dir string) map[string]string {
		out := map[string]string{}
		paths, err := filepath.Glob(filepath.Join(dir, "redoubtd*.8"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.Base(p)] = string(b)
		}
		return out
	}
	got, want := read(filepath.Join("..", "..", "docs", "man")), read(fresh)
	if len(want) == 0 || len(got) != len(want) {
		t.Errorf("%d pages in the tree, %d of the program; run `make docs` and commit what it changes", len(got), len(want))
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("docs/man/%s is not what redoubtd says now; run `make docs` and commit it", name)
		}
	}
}
