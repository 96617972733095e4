package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "redoubt/api/v1"
)

// TestCommandLog: what was done on a node is known when the node is dead, and a node whose records are changed is caught by another one.
func TestCommandLog(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n2")
	w.do(t, "n1", "group", "set", "-p", "RG_description=before it died", "web-rg")
	eventually(t, func() string {
		for _, c := range show[[]v1.LoggedCommand](t, w, "n2", "log", "commands", "--node", "n1") {
			if strings.Contains(c.Command, "before it died") && c.State == "done" && c.User == "root" {
				return ""
			}
		}
		return "n2 does not know what was done on n1"
	})
	w.refuse(t, "n3", "group", "delete", "-y", "no-such-group")
	if list := show[[]v1.LoggedCommand](t, w, "n3", "log", "commands", "--node", "n3", "--failed", "--object", "no-such-group"); len(list) == 0 || list[0].Code != "notfound" {
		t.Errorf("what failed is recorded as %+v", list)
	}
	if _, err := w.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		for _, e := range show[[]v1.LogEvent](t, w, "n2", "log", "events", "--object", "n1") {
			if e.State == "away" || e.State == "leaving" {
				return ""
			}
		}
		return "the death of n1 is no event"
	})
	found := false
	for _, c := range show[[]v1.LoggedCommand](t, w, "n2", "log", "commands", "--node", "n1") {
		found = found || strings.Contains(c.Command, "before it died")
	}
	if !found {
		t.Error("what was done on a node is not known any more when it is dead")
	}
	w.mend(t)
	// Root of n3 changes a record. Its copies elsewhere tell: n1 was away when it was made, and has to have its copy first.
	eventually(t, func() string {
		files, _ := filepath.Glob(filepath.Join(w.Disk("n1"), "lib", "log", "peers", "*", "*.jsonl"))
		if !slices.ContainsFunc(files, func(f string) bool {
			text, err := os.ReadFile(f)
			return err == nil && strings.Contains(string(text), "no-such-group")
		}) {
			return "n1 has no copy yet of what was done on n3"
		}
		return ""
	})
	path := filepath.Join(w.Disk("n3"), "lib", "log", "commandlog.jsonl")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(old), "no-such-group", "mo-such-group", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the lab is used by other tests: the log is put back and taken as it is
		if now, err := os.ReadFile(path); err == nil {
			_ = os.WriteFile(path, []byte(strings.Replace(string(now), "mo-such-group", "no-such-group", 1)), 0o600)
		}
		for _, n := range []string{"n1", "n2"} {
			_, _ = w.try(t.Context(), n, "log", "accept", "-y", "n3")
		}
	})
	if text := w.refuse(t, "n1", "log", "verify", "--node", "n3"); !strings.Contains(text, "n3: CHANGED") || !strings.Contains(text, "of commandlog.jsonl was changed") || !strings.Contains(text, "is not the one that was copied from it before") {
		t.Errorf("the verification says: %s", text)
	}
	eventually(t, func() string {
		for _, p := range w.status(t, "n1").Problems {
			if p.Object == "node n3" && strings.Contains(p.Text, "command log was changed") {
				return ""
			}
		}
		return "n1 does not report it"
	})
}
