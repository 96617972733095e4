package cli

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const osvEntry = `{"id":"GO-2026-0001","modified":"2026-05-20T00:00:00Z","affected":[{"package":{"name":"example.org/m","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`

// TestDatabaseOfVulnerabilities reads it as a folder and as a zip file, without the files of its index, and says which entry is damaged.
func TestDatabaseOfVulnerabilities(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"ID/GO-2026-0001.json": osvEntry, "index/db.json": `{"modified":"2026-05-20T00:00:00Z"}`, "README": "x"} {
		path := filepath.Join(dir, "db", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	packed := filepath.Join(dir, "db.zip")
	f, err := os.Create(packed)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	if err := z.AddFS(os.DirFS(filepath.Join(dir, "db"))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, from := range []string{filepath.Join(dir, "db"), packed} {
		if db, err := vulnerabilities(from); err != nil || db.Len() != 1 || db.Newest.Year() != 2026 {
			t.Errorf("%s: %+v, %v", from, db, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "db", "ID", "bad.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{filepath.Join(dir, "db"): "ID/bad.json", filepath.Join(dir, "none"): "no such file", filepath.Join(dir, "db", "README"): "zip", t.TempDir(): "no entry"} {
		if _, err := vulnerabilities(from); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", from, err, want)
		}
	}
}
