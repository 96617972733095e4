package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checker is a govulncheck that ends as the test says, and writes its arguments.
func checker(t *testing.T, status string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "govulncheck")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho \"asked: $*\"\nexit "+status+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVerdicts(t *testing.T) {
	db := t.TempDir()
	if err := os.Mkdir(filepath.Join(db, "index"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(db, "index", "db.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status, db string
		want       int
		says       string
	}{
		{"0", "", 0, "asked: ./..."},
		{"0", db, 0, "asked: -db file://" + db + " ./..."},
		{"3", "", 1, ""},
		{"1", "", 2, "NOTHING WAS CHECKED"},
		{"0", t.TempDir(), 2, "is no vulnerability database"},
	} {
		var out bytes.Buffer
		if got := run(checker(t, c.status), c.db, &out, &out); got != c.want || !strings.Contains(out.String(), c.says) {
			t.Errorf("govulncheck ends with %s, database %q: %d, want %d; it says %q", c.status, c.db, got, c.want, out.String())
		}
	}
	if got := run("/nonexistent", "", &bytes.Buffer{}, &bytes.Buffer{}); got != 2 {
		t.Errorf("without the program: %d", got)
	}
}
