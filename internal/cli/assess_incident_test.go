package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// incidents runs redoubt assess incident with a store, and gives its status and what it says.
func incidents(t *testing.T, store string, args ...string) (status int, out, errout string) {
	t.Helper()
	var o, e bytes.Buffer
	status = Main(t.Context(), append([]string{"redoubt", "assess", "incident", "--store", store}, args...),
		Env{Stdin: strings.NewReader(""), Stdout: &o, Stderr: &e, Now: func() time.Time { return time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC) }})
	return status, o.String(), e.String()
}

// TestNothingIsSaidToBeAdded when the store can not be written: beside a name as long as names may be there is no room for the file that is to take its place. No empty store is left.
func TestNothingIsSaidToBeAdded(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, strings.Repeat("s", 255))
	table := filepath.Join(dir, "table.csv")
	if err := os.WriteFile(table, []byte("time,threat\n01.02.2024,theft\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"add", "--threat", "theft", "--time", "2026"}, {"import", table}} {
		status, out, errout := incidents(t, store, args...)
		if status == 0 || out != "" || !strings.Contains(errout, "can not be written") {
			t.Errorf("%v: status %d, %q, %q", args, status, out, errout)
		}
		if _, err := os.Stat(store); err == nil {
			t.Errorf("%v left an empty store", args)
		}
	}
}

// TestImportOfNothing: a table of which no line can be read is no success, one with a line that can be is.
func TestImportOfNothing(t *testing.T) {
	dir := t.TempDir()
	store, table := filepath.Join(dir, "i.jsonl"), filepath.Join(dir, "table.csv")
	for text, want := range map[string]int{"time,threat\n01/02/2024,theft\n": 1, "time,threat\n01/02/2024,theft\n2024-02-01,theft\n": 0} {
		if err := os.WriteFile(table, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if status, out, errout := incidents(t, store, "import", table); status != want || (out == "") != (want != 0) || !strings.Contains(errout, "line 2: \"01/02/2024\" is no time") {
			t.Errorf("%q: status %d, %q, %q", text, status, out, errout)
		}
	}
}

// TestCheckSaysThatItCouldNot: a verdict that nobody can read is none.
func TestCheckSaysThatItCouldNot(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	name := filepath.Join(t.TempDir(), "model.yaml")
	if err := os.WriteFile(name, []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var e bytes.Buffer
	if status := Main(t.Context(), []string{"redoubt", "assess", "check", name}, Env{Stdout: full, Stderr: &e}); status == 0 {
		t.Errorf("status 0, %q", e.String())
	}
}
